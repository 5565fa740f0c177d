//! `authId`: a signed token for clients to carry, with the journey's sealed state inside, as in AM.

use countersign_core::time::UnixSeconds;
use countersign_core::token::{self, Kind, Scratch, TokenError, mint};
use serde::{Deserialize, Serialize};

use super::DEFAULT_TREE;
use crate::ambient::random;
use crate::app::App;
use crate::keyring::RealmKeys;

/// The outer claims, by AM's names and in AM's order.
#[derive(Serialize, Deserialize)]
struct Outer {
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

/// Where in which journey the client is. Only the origin reads it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    tree: String,
    realm: String,
    node: String,
    exp: UnixSeconds,
}

/// The journey's one node.
const PAGE: &str = "page";

/// Why an `authId` is not continued. The fault is with the client, but for an expired one: people are slow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AuthIdError {
    /// Not a token of this kind.
    Format(TokenError),
    Signature,
    Expired,
    /// Of another realm, or of a journey that is not ours.
    Elsewhere,
    /// Its journey is completed.
    Used,
}

/// One journey, by its one-time key, and until when its `authId` is good.
pub(super) struct Journey {
    pub(super) otk: String,
    pub(super) exp: UnixSeconds,
}

/// A new one for the first step.
pub(super) fn mint(app: &App, realm: &str, keys: &RealmKeys) -> Result<String, mint::MintError> {
    let iat = app.clock.now().seconds();
    let exp = iat.plus(app.settings().realm(realm).journey.max_seconds);
    let state = State { tree: DEFAULT_TREE.to_owned(), realm: realm.to_owned(), node: PAGE.to_owned(), exp };
    let outer = Outer {
        auth_index_value: DEFAULT_TREE.to_owned(),
        otk: otk(random(&*app.entropy)),
        auth_index_type: "service".to_owned(),
        realm: realm.to_owned(),
        session_id: mint::mint(&state, Kind::Journey, &keys.journey.minting, &mut app.dice())?,
        exp,
        iat,
    };
    mint::mint(&outer, Kind::Journey, &keys.auth_id.minting, &mut app.dice())
}

/// Checks one that came back.
pub(super) fn check(app: &App, realm: &str, keys: &RealmKeys, auth_id: &str) -> Result<Journey, AuthIdError> {
    let mut scratch = Scratch::default();
    let outer: Outer = token::open(auth_id.as_bytes(), Kind::Journey, &keys.auth_id.verifying, &mut scratch)
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
    let now = app.clock.now().seconds();
    if now >= outer.exp {
        return Err(AuthIdError::Expired);
    }
    let state: State = token::open(outer.session_id.as_bytes(), Kind::Journey, &keys.journey.verifying, &mut scratch)
        .map_err(AuthIdError::Format)?
        .into_claims();
    // The sealed state is what counts; the outer claims are for clients.
    let here = state.realm == realm && outer.realm == realm && state.tree == DEFAULT_TREE && state.node == PAGE;
    match here {
        _ if now >= state.exp => Err(AuthIdError::Expired),
        true => Ok(Journey { otk: outer.otk, exp: outer.exp }),
        false => Err(AuthIdError::Elsewhere),
    }
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
        let auth_id = mint(app, "/alpha", keys).unwrap();
        assert_eq!(check(app, "/alpha", keys, &auth_id).map(drop), Ok(()));
        assert_eq!(check(app, "/beta", keys, &auth_id).map(drop), Err(AuthIdError::Elsewhere));
        assert_eq!(check(app, "/alpha", keys, "x").map(drop), Err(AuthIdError::Format(TokenError::Format)));
        origin.clock.advance(299);
        assert_eq!(check(app, "/alpha", keys, &auth_id).map(drop), Ok(()));
        origin.clock.advance(1);
        assert_eq!(check(app, "/alpha", keys, &auth_id).map(drop), Err(AuthIdError::Expired));
    }

    #[tokio::test]
    async fn a_session_token_is_no_auth_id_and_the_other_way_round() {
        let origin = Origin::new().await;
        let ring = origin.app.keys();
        let keys = &ring.realms["/alpha"];
        let token = origin.log_in().await;
        assert!(matches!(check(&origin.app, "/alpha", keys, &token), Err(AuthIdError::Format(_))));
        let auth_id = mint(&origin.app, "/alpha", keys).unwrap();
        let standing = crate::sessions::judge(&origin.app, auth_id.as_bytes()).await.unwrap();
        assert!(matches!(standing, crate::sessions::Standing::Foreign));
    }
}
