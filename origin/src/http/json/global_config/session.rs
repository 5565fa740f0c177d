//! `global-config/services/session`: what holds for sessions where no realm says otherwise.

use countersign_core::keys::{KeyAlg, SigningAlg};
use serde_json::{Value, json};

use super::super::configuration::{self, Verb};
use super::super::{Answer, Call, administrator};
use crate::settings;

const KIND: (&str, &str) = ("session", "Session");

pub(in super::super) async fn answer(call: &Call) -> Answer {
    administrator::require_root(call).await?;
    let groups = groups(call);
    let resource = configuration::resource(&groups, KIND);
    if let Verb::Update(asked) = configuration::verb(call, &resource)? {
        configuration::unchanged(&asked, &groups, &[], in_file)?;
    }
    configuration::respond(&resource)
}

/// The fields whose meaning we have; secrets are never shown.
fn groups(call: &Call) -> Value {
    let settings = call.app.settings();
    let session = &settings.everywhere().session;
    let encryption = match session.format.content {
        None => "NONE",
        Some((KeyAlg::Dir, _)) => "DIRECT",
        Some((KeyAlg::A128Kw | KeyAlg::A192Kw | KeyAlg::A256Kw, _)) => "AES_KEYWRAP",
        Some((KeyAlg::RsaOaep256, _)) => "RSA",
    };
    let server_side = &session.server_side;
    json!({
        "general": { "latestAccessTimeUpdateFrequency": server_side.access_update_seconds },
        "quotas": {
            "iplanet-am-session-enable-session-constraint": if server_side.quota_on { "ON" } else { "OFF" },
            "behaviourWhenQuotaExhausted": settings::behaviour(server_side.limits.action),
        },
        "dynamic": {
            // AM has no word for none; it is as long as the session then.
            "maxIdleTime": session.max_idle_seconds.map_or(session.max_seconds, u64::from) / 60,
            "maxSessionTime": session.max_seconds / 60,
            "quotaLimit": server_side.limits.limit,
        },
        "stateless": {
            "statelessSigningType": session.format.signing.map_or("NONE", SigningAlg::name),
            "statelessSigningHmacSecret": null,
            "statelessEncryptionType": encryption,
            "statelessEncryptionAesKey": null,
            "statelessCompressionType": "NONE",
            "openam-session-stateless-enable-session-blacklisting": true,
            "openam-session-stateless-blacklist-poll-interval": settings.denylist.poll_ms.div_ceil(1000),
        },
    })
}

fn in_file(_: &str, field: &str) -> Option<&'static str> {
    Some(match field {
        "latestAccessTimeUpdateFrequency" => "latestAccessTimeUpdateFrequency of [session]",
        "iplanet-am-session-enable-session-constraint" => "iplanet-am-session-enable-session-constraint of [session]",
        "behaviourWhenQuotaExhausted" => "behaviourWhenQuotaExhausted of [session]",
        "quotaLimit" => "quotaLimit of [session]",
        "maxIdleTime" => "max_idle_minutes of [session]",
        "maxSessionTime" => "max_time_minutes of [session]",
        "statelessSigningType" => "statelessSigningType of [session]",
        "statelessSigningHmacSecret" => "statelessSigningHmacSecret of [session], by the name of a file,",
        "statelessEncryptionType" => "statelessEncryptionType of [session]",
        "statelessEncryptionAesKey" => "statelessEncryptionAesKey of [session], by the name of a file,",
        "statelessCompressionType" => "statelessCompressionType of [session]",
        "openam-session-stateless-blacklist-poll-interval" => "poll_ms of [denylist]",
        _ => return None,
    })
}
