//! `authId`: a signed token for clients to carry, as in AM. Inside is the journey's sealed state, or where that is
//! kept.

use countersign_core::time::UnixSeconds;
use countersign_core::token::mint::MintError;
use countersign_core::token::{self, Kind, MAX_TOKEN, Scratch, TokenError, mint};
use serde::{Deserialize, Serialize};

use crate::ambient::random;
use crate::app::App;
use crate::keyring::RealmKeys;

/// The claims, by AM's names and in AM's order.
#[derive(Serialize, Deserialize)]
struct Claims {
    #[serde(rename = "authIndexValue")]
    auth_index_value: String,
    otk: String,
    #[serde(rename = "authIndexType")]
    auth_index_type: String,
    realm: String,
    #[serde(rename = "sessionId")]
    session_id: String,
    exp: UnixSeconds,
    iat: UnixSeconds,
}

/// Why an `authId` is not continued. The fault is with the client, but for an expired one: people are slow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AuthIdError {
    /// Not a token of this kind.
    Format(TokenError),
    Signature,
    Expired,
    /// Of another realm.
    Elsewhere,
    /// The step was answered, or its journey is completed.
    Used,
}

/// One step of a journey, as the client has it.
pub(super) struct AuthId {
    /// Random, another one for each step.
    pub(super) otk: String,
    pub(super) session_id: String,
    pub(super) exp: UnixSeconds,
}

/// Signs one for a step. [`MintError::TooLong`] when clients could not carry it.
pub(super) fn sign(
    app: &App,
    (realm, tree): (&str, &str),
    keys: &RealmKeys,
    session_id: String,
    exp: UnixSeconds,
) -> Result<String, MintError> {
    let claims = Claims {
        auth_index_value: tree.to_owned(),
        otk: otk(random(&*app.entropy)),
        auth_index_type: "service".to_owned(),
        realm: realm.to_owned(),
        session_id,
        exp,
        iat: app.clock.now().seconds(),
    };
    let auth_id = mint::mint(&claims, Kind::Journey, &keys.auth_id.minting, &mut app.dice())?;
    if auth_id.len() > MAX_TOKEN { Err(MintError::TooLong) } else { Ok(auth_id) }
}

/// Checks one that came back: signature, time and realm.
pub(super) fn check(app: &App, realm: &str, keys: &RealmKeys, auth_id: &str) -> Result<AuthId, AuthIdError> {
    if auth_id.len() > MAX_TOKEN {
        return Err(AuthIdError::Format(TokenError::TooLong));
    }
    let mut scratch = Scratch::default();
    let claims: Claims = token::open(auth_id.as_bytes(), Kind::Journey, &keys.auth_id.verifying, &mut scratch)
        .map_err(|error| match error {
            TokenError::Signature => AuthIdError::Signature,
            // Another realm has other keys.
            TokenError::UnknownKey | TokenError::RetiredKey => {
                if app.keys().realms.len() > 1 {
                    AuthIdError::Elsewhere
                } else {
                    AuthIdError::Signature
                }
            }
            other => AuthIdError::Format(other),
        })?
        .into_claims();
    if app.clock.now().seconds() >= claims.exp {
        return Err(AuthIdError::Expired);
    }
    if claims.realm != realm {
        return Err(AuthIdError::Elsewhere);
    }
    Ok(AuthId { otk: claims.otk, session_id: claims.session_id, exp: claims.exp })
}

/// 130 random bits in AM's alphabet (radix 32).
fn otk(bytes: [u8; 26]) -> String {
    bytes.iter().filter_map(|byte| char::from_digit(u32::from(byte & 31), 32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Origin;

    #[test]
    fn the_one_time_key_has_ams_form() {
        let bytes: Vec<u8> = (230..=255).collect();
        let key = otk(bytes.try_into().unwrap());
        assert_eq!(key.len(), 26);
        assert!(key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'v')), "{key}");
    }

    #[tokio::test]
    async fn it_is_good_until_it_expires_and_in_its_realm_only() {
        let origin = Origin::new().await;
        let app = &origin.app;
        let ring = app.keys();
        let keys = &ring.realms["/alpha"];
        let end = app.clock.now().seconds().plus(300);
        let auth_id = sign(app, ("/alpha", "Login"), keys, "x".to_owned(), end).unwrap();
        assert_eq!(check(app, "/alpha", keys, &auth_id).map(|id| id.session_id), Ok("x".to_owned()));
        assert_eq!(check(app, "/beta", keys, &auth_id).map(drop), Err(AuthIdError::Elsewhere));
        assert_eq!(check(app, "/alpha", keys, "x").map(drop), Err(AuthIdError::Format(TokenError::Format)));
        origin.clock.advance(299);
        assert_eq!(check(app, "/alpha", keys, &auth_id).map(drop), Ok(()));
        origin.clock.advance(1);
        assert_eq!(check(app, "/alpha", keys, &auth_id).map(drop), Err(AuthIdError::Expired));
        let long = sign(app, ("/alpha", "Login"), keys, "x".repeat(MAX_TOKEN), end);
        assert_eq!(long, Err(MintError::TooLong));
    }

    #[tokio::test]
    async fn a_session_token_is_no_auth_id_and_the_other_way_round() {
        let origin = Origin::new().await;
        let ring = origin.app.keys();
        let keys = &ring.realms["/alpha"];
        let token = origin.log_in().await;
        assert!(matches!(check(&origin.app, "/alpha", keys, &token), Err(AuthIdError::Format(_))));
        let end = origin.app.clock.now().seconds().plus(300);
        let auth_id = sign(&origin.app, ("/alpha", "Login"), keys, String::new(), end).unwrap();
        let standing = crate::sessions::judge(&origin.app, auth_id.as_bytes()).await.unwrap();
        assert!(matches!(standing, crate::sessions::Standing::Foreign));
    }
}
