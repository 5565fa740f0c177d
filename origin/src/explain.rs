//! What a session cookie is, told to an operator: what it is made of, what it says, and whether it holds.

use countersign_core::encoding;
use countersign_core::gate::Refusal;
use countersign_core::keys::KeyState;
use countersign_core::session::{Reference, SessionClaims};
use countersign_core::time::UnixSeconds;
use countersign_core::token::{MAX_TOKEN, Scratch};
use countersign_store::StoreError;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::server_side;
use crate::sessions::{self, Standing};

/// Holds nothing that is not in the token, or in the row of a reference, but for the state of keys.
#[derive(Serialize, Debug)]
pub struct Explanation {
    /// Whether an edge with a current denylist would take it.
    pub valid: bool,
    /// Why not: the code of the edge's log, and a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<(&'static str, String)>,
    pub bytes: usize,
    /// From the outermost to the innermost that could be opened.
    pub layers: Vec<Layer>,
    /// With all properties in full; absent when the token does not verify.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "spelled_out")]
    pub claims: Option<SessionClaims>,
    /// Instants, readable.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub times: Map<String, Value>,
    /// What the denylist has about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denylist: Option<Value>,
}

fn spelled_out<S: Serializer>(claims: &Option<SessionClaims>, to: S) -> Result<S::Ok, S::Error> {
    claims.as_ref().map(SessionClaims::spelled_out).serialize(to)
}

#[derive(Serialize, Debug)]
pub struct Layer {
    /// `JWE` or `JWS`.
    pub kind: &'static str,
    pub header: Value,
    /// The key that the header names, if it is here.
    pub key: Option<Key>,
}

#[derive(Serialize, Debug)]
pub struct Key {
    pub purpose: String,
    pub algorithm: String,
    pub realm: Option<String>,
    pub state: KeyState,
    pub created: String,
}

/// Explains a token, or a cookie as `name=token`. The text is hostile like any other.
pub async fn explain(app: &App, text: &str) -> Result<Explanation, StoreError> {
    let text = text.trim();
    let settings = app.settings();
    let mut names = settings.all_realms().map(|realm| realm.session.cookie_name.as_str());
    let token = names.find_map(|name| text.strip_prefix(name)?.strip_prefix('=')).unwrap_or(text);
    let mut explanation = Explanation {
        valid: false,
        refused: None,
        bytes: token.len(),
        layers: layer(app, token.as_bytes()).into_iter().collect(),
        claims: None,
        times: Map::new(),
        denylist: None,
    };
    let opened = if let Some(reference) = Reference::read(token.as_bytes()) {
        let unknown = (Refusal::Reference.code(), "there is no server-side session of this reference".to_owned());
        server_side::find(app, &reference).await?.ok_or(unknown)
    } else {
        let mut scratch = Scratch::default();
        let opened = sessions::open(app, token.as_bytes(), &mut scratch);
        let nested = explanation.layers.first().is_some_and(|layer| layer.kind == "JWE");
        explanation.layers.extend(layer(app, scratch.unsealed()).filter(|_| nested));
        opened.map_err(|error| (error.code(), error.to_string()))
    };
    let session = match opened {
        Ok(session) => session,
        Err(refused) => {
            explanation.refused = Some(refused);
            return Ok(explanation);
        }
    };
    let (claims, now) = (session.claims(), app.clock.now().seconds());
    let told = [
        ("authenticated", Some(claims.auth_time())),
        ("issued", Some(claims.iat)),
        ("idle_end", claims.idle_end()),
        ("expires", Some(claims.exp)),
        ("family_ends", Some(claims.fexp)),
        ("now", Some(now)),
    ];
    explanation.times = told.into_iter().filter_map(|(name, at)| Some((name.to_owned(), readable(at?, now)))).collect();
    explanation.claims = Some(claims.clone());
    let log = app.store.denylist();
    let lookup = sessions::lookup(&log, &session).await?;
    explanation.denylist = Some(json!({
        "family_ended": lookup.family_ended,
        "user_watermark": lookup.user_watermark,
        "realm_watermark": lookup.realm_watermark,
        "ended_by_watermark": lookup.user_watermark.max(lookup.realm_watermark).is_some_and(|seq| claims.rvs < seq),
        "key_ended": lookup.key_ended,
        "head": log.head().await?.seq,
    }));
    match sessions::judge(app, token.as_bytes()).await? {
        Standing::Valid(_) => explanation.valid = true,
        Standing::Dead(_, refusal) => explanation.refused = Some((refusal.code(), sentence(refusal).to_owned())),
        // It was opened a moment ago.
        Standing::Foreign => {}
    }
    Ok(explanation)
}

/// An operator may know what the outside may not.
const fn sentence(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Ended => "it was logged out, or all sessions of the user, of the realm or of the key were ended",
        Refusal::Expired => "the session has reached its end",
        Refusal::Idle => "the session was not used for its idle time",
        Refusal::NotYetValid => "the token was made in the future: the clock here is behind, or the maker's is ahead",
        Refusal::Unavailable => "the token was made after the end of the denylist log: the log is older than the token",
        other => other.message(),
    }
}

/// The protected header of a compact serialization, unverified.
fn layer(app: &App, token: &[u8]) -> Option<Layer> {
    if token.len() > MAX_TOKEN {
        return None;
    }
    let parts: Vec<&[u8]> = token.split(|&byte| byte == b'.').collect();
    let kind = match parts.len() {
        5 => "JWE",
        3 => "JWS",
        _ => return None,
    };
    let header: Value = serde_json::from_slice(&encoding::decode(parts.first()?).ok()?).ok()?;
    let ring = app.keys();
    let key = header.get("kid").and_then(Value::as_str).and_then(|kid| ring.find(kid)).map(|key| Key {
        purpose: key.purpose.clone(),
        algorithm: key.algorithm.clone(),
        realm: key.realm.clone(),
        state: key.state,
        created: timestamp(key.created_at),
    });
    Some(Layer { kind, header, key })
}

pub(crate) fn readable(at: UnixSeconds, now: UnixSeconds) -> Value {
    let distance = match at.0.checked_sub(now.0) {
        Some(0) => "now".to_owned(),
        Some(ahead) => format!("in {}", span(ahead)),
        None => format!("{} ago", span(now.0 - at.0)),
    };
    format!("{} ({distance})", timestamp(at)).into()
}

fn span(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

/// ISO 8601 in UTC with whole seconds.
pub(crate) fn timestamp(time: UnixSeconds) -> String {
    let seconds = i64::try_from(time.0).ok();
    seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok()).unwrap_or(jiff::Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{COOKIE, Origin};

    async fn said(origin: &Origin, text: &str) -> Value {
        json!(explain(&origin.app, text).await.unwrap())
    }

    #[tokio::test]
    async fn a_session_is_explained_whole() {
        let origin = Origin::new().await;
        let token = origin.log_in().await;
        origin.clock.advance(600);
        let told = said(&origin, &format!("{COOKIE}={token}\n")).await;
        assert_eq!(
            (&told["valid"], &told["refused"], &told["bytes"]),
            (&true.into(), &Value::Null, &token.len().into())
        );
        let layers = told["layers"].as_array().unwrap();
        assert_eq!((&layers[0]["kind"], &layers[0]["header"]["enc"]), (&"JWE".into(), &"A256GCM".into()));
        assert_eq!((&layers[1]["kind"], &layers[1]["header"]["alg"]), (&"JWS".into(), &"EdDSA".into()));
        for (layer, purpose) in layers.iter().zip(["session-content", "session-signing"]) {
            assert_eq!((&layer["key"]["purpose"], &layer["key"]["realm"]), (&purpose.into(), &"/alpha".into()));
            assert_eq!(layer["key"]["state"], json!(KeyState::Active));
        }
        assert_eq!(
            (&told["claims"]["sub"], &told["claims"]["p"]["mail"]),
            (&"demo".into(), &"demo@example.com".into())
        );
        assert_eq!(told["times"]["issued"], "2027-01-15T08:00:00Z (10 min 0 s ago)");
        assert_eq!(told["times"]["idle_end"], "2027-01-15T08:30:00Z (in 20 min 0 s)");
        assert_eq!(told["times"]["family_ends"], "2027-01-15T10:00:00Z (in 1 h 50 min)");
        let keys = origin.app.store.keys().list().await.unwrap();
        for key in keys {
            assert!(!told.to_string().contains(&encoding::encode(&key.secret)), "{} is in there", key.purpose);
        }
    }

    #[tokio::test]
    async fn what_is_wrong_is_said() {
        let origin = Origin::new().await;
        let token = origin.log_in().await;
        origin.log_out(&token).await;
        let ended = said(&origin, &token).await;
        assert_eq!((&ended["valid"], &ended["refused"][0]), (&false.into(), &"ended".into()));
        assert_eq!((&ended["denylist"]["family_ended"], &ended["denylist"]["head"]), (&true.into(), &1.into()));
        let token = origin.log_in().await;
        origin.clock.advance(1800);
        assert_eq!(said(&origin, &token).await["refused"][0], "idle");
        origin.clock.advance(7200);
        assert_eq!(said(&origin, &token).await["refused"][0], "expired");
        origin.clock.set_back(18_000);
        assert_eq!(said(&origin, &token).await["refused"][0], "not_yet_valid");

        let foreign = Origin::new().await.log_in().await;
        let told = said(&origin, &foreign).await;
        assert_eq!((&told["refused"][0], &told["layers"][0]["key"]), (&"unknown_key".into(), &Value::Null));
        for (text, code) in [("", "token_format"), ("x.y.z", "token_format"), (&*"x".repeat(20_000), "token_too_long")]
        {
            let told = said(&origin, text).await;
            assert_eq!((&told["refused"][0], &told["claims"]), (&code.into(), &Value::Null), "{text:.9}");
        }
    }
}
