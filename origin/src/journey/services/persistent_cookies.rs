//! The cookie that remembers a user between sessions: a token of the realm's journey keys, so that only an origin can
//! make one or read it.

use axum::http::HeaderValue;
use countersign_core::cookie;
use countersign_core::denylist::{Fingerprint, Kind as EntryKind, Slot};
use countersign_core::encoding;
use countersign_core::time::UnixSeconds;
use countersign_core::token::{self, Kind, Scratch, mint};
use countersign_journey::host::{HostError, Identity, Pending, PersistentCookies, ResponseCookie};
use countersign_journey::{PersistentCookie, Request};
use countersign_store::denylist::Probe;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Services;

const HOUR: u64 = 3600;
/// Longest life of one, whatever a node says.
const MAX_HOURS: u64 = 24 * 400;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    sub: String,
    realm: String,
    /// The cookie's name: one node's is not another's.
    name: String,
    iat: UnixSeconds,
    /// Not without a visit before then.
    idle: UnixSeconds,
    exp: UnixSeconds,
    /// As in a session: what ends the user's sessions ends this too.
    rvs: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ip: Option<std::net::IpAddr>,
    /// Of the key that the operator wrote into the node: another key, another cookie.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    key: Option<String>,
}

fn key_of(cookie: &PersistentCookie) -> Option<String> {
    let key = cookie.signing_key.as_ref()?;
    let hash: [u8; 32] = Sha256::new().chain_update(b"persistent cookie key").chain_update(key).finalize().into();
    Some(encoding::encode(hash.get(..16).unwrap_or_default()))
}

fn hours(hours: i64) -> u64 {
    u64::try_from(hours).unwrap_or(0).clamp(1, MAX_HOURS)
}

impl Services<'_> {
    /// The claims of a cookie that is still good.
    async fn read(
        &self,
        value: &str,
        cookie: &PersistentCookie,
        request: &Request,
    ) -> Result<Option<Claims>, HostError> {
        let ring = self.app.keys();
        let Some(keys) = ring.realms.get(&self.realm_name) else { return Ok(None) };
        let mut scratch = Scratch::default();
        let opened =
            token::open::<Claims>(value.as_bytes(), Kind::PersistentCookie, &keys.journey.verifying, &mut scratch);
        let claims = match opened {
            Ok(opened) => opened.into_claims(),
            Err(error) => {
                tracing::debug!(code = error.code(), "a persistent cookie is not ours");
                return Ok(None);
            }
        };
        let now = self.app.clock.now().seconds();
        let same = claims.realm == self.realm_name && claims.name == cookie.name && claims.key == key_of(cookie);
        // Whoever asks for the address gets no cookie that was made without one.
        let here = !cookie.enforce_client_ip || claims.ip.is_some() && claims.ip == request.client_ip;
        if !same || !here || now >= claims.idle || now >= claims.exp {
            return Ok(None);
        }
        Ok((!self.ended(&claims).await?).then_some(claims))
    }

    /// Whether all of the user's or the realm's sessions were ended since.
    async fn ended(&self, claims: &Claims) -> Result<bool, HostError> {
        let ring = self.app.keys();
        let of = |kind, id: &[u8]| {
            let first = ring.denylist.fingerprint(kind, &self.realm_name, id);
            (first, ring.denylist.other_fingerprint(kind, &self.realm_name, id))
        };
        let (user, other_user) = of(EntryKind::User, claims.sub.as_bytes());
        let (realm, other_realm) = of(EntryKind::Realm, &[]);
        let others = other_user.zip(other_realm);
        for (user, realm) in [(user, realm)].into_iter().chain(others) {
            // It is no session: there is no family to look for.
            let probe = Probe { slot: Slot::of(claims.exp), family: Fingerprint(0), user, realm, keys: [None; 2] };
            let found = self.app.store.denylist().lookup(&probe).await.map_err(|error| self.store_error(error))?;
            let since = found.user_watermark.max(found.realm_watermark);
            if since.is_some_and(|seq| claims.rvs < seq) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn remembered(
        &self,
        value: &str,
        cookie: &PersistentCookie,
        request: &Request,
    ) -> Result<Option<Identity>, HostError> {
        let Some(claims) = self.read(value, cookie, request).await? else { return Ok(None) };
        // Whoever has a name that is the same is somebody else.
        let known = self.known(&claims.sub).await?.filter(|known| known.username == claims.sub);
        let known = known.map(|known| self.seen(&known));
        Ok(known.filter(|identity| identity.active))
    }

    /// The `Set-Cookie` lines for the cookies of a journey that has succeeded, of one user and with the log position of
    /// the session that is made.
    pub(crate) async fn persistent_cookies(
        &self,
        cookies: &[PersistentCookie],
        username: &str,
        rvs: u64,
        request: &Request,
    ) -> Result<Vec<HeaderValue>, HostError> {
        let failed = |why: String| HostError { service: "persistent cookies", why };
        let now = self.app.clock.now().seconds();
        let mut lines = Vec::new();
        for cookie in cookies {
            let end = match cookie.max_hours {
                Some(max) => now.plus(hours(max) * HOUR),
                None => {
                    // A renewal goes on until the end that the cookie has had from the beginning.
                    let Some(value) = request.cookies.get(&cookie.name) else { continue };
                    match self.read(value, cookie, request).await? {
                        Some(claims) if claims.sub == username => claims.exp,
                        _ => continue,
                    }
                }
            };
            let claims = Claims {
                sub: username.to_owned(),
                realm: self.realm_name.clone(),
                name: cookie.name.clone(),
                iat: now,
                idle: now.plus(hours(cookie.idle_hours) * HOUR).min(end),
                exp: end,
                rvs,
                ip: request.client_ip,
                key: key_of(cookie),
            };
            let ring = self.app.keys();
            let keys = ring.realms.get(&self.realm_name).ok_or_else(|| failed("the realm has no keys".to_owned()))?;
            let value = mint::mint(&claims, Kind::PersistentCookie, &keys.journey.minting, &mut self.app.dice());
            let value = value.map_err(|error| failed(error.to_string()))?;
            // So that the key is there for as long as the cookie.
            self.app.issued.count(&keys.journey.minting, end);
            let settings = self.app.settings();
            let of_session = &settings.realm(&self.realm_name).session.cookie;
            // Hidden from scripts and, on https, from all else, whatever the node says.
            let attributes = cookie::Attributes { partitioned: false, ..of_session.clone() };
            let line = cookie::set_for(&cookie.name, &value, &attributes, end.0.saturating_sub(now.0));
            let line = line.map_err(|error| failed(error.to_string()))?;
            lines.push(HeaderValue::try_from(line).map_err(|error| failed(error.to_string()))?);
        }
        Ok(lines)
    }
}

impl PersistentCookies for Services<'_> {
    fn open<'a>(
        &'a self,
        value: &'a str,
        cookie: &'a PersistentCookie,
        request: &'a Request,
    ) -> Pending<'a, Option<Identity>> {
        Box::pin(self.remembered(value, cookie, request))
    }

    fn set(&self, cookie: &ResponseCookie) -> Result<(), String> {
        self.keep_cookie(cookie)
    }
}
