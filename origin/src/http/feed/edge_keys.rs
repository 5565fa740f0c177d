//! `GET /countersign/v1/edge-keys?bundle=…&realm=…&nonce=…`: the key set in force, sealed to the bundle that asks, and
//! bound to the question by its nonce. The bearer of the feed credential, or of one of before, may ask for any bundle,
//! but can open the answer for its own only.
//!
//! The body is for the edge's module. What its JavaScript keeps from the module is in a header of its own, sealed under
//! another key.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse as _, Response};
use countersign_core::encoding;
use countersign_core::keys::{Delivery, DeliveryKey, Kid};
use countersign_core::token::{Kind, mint};
use serde::Serialize;

use super::super::query::Query;
use super::problem::Problem;
use crate::app::App;
use crate::keyring::{Credential, KeyringError};

const HOST_KEYS: HeaderName = HeaderName::from_static("countersign-host-keys");

pub(super) async fn get(
    State(app): State<Arc<App>>,
    Extension(credential): Extension<Credential>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::parse(query.unwrap_or_default().as_bytes());
    let bundle = query.only("bundle").and_then(|text| Kid::try_from(text.to_owned()).ok());
    let (Some(bundle), Some(realm)) = (bundle, query.only("realm")) else {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "The query must have one bundle and one realm."));
    };
    // Edges of before ask without.
    let nonce = match query.only("nonce") {
        Some(text) if encoding::decode_array::<16>(text.as_bytes()).is_ok() => Some(text.to_owned()),
        None if query.first("nonce").is_none() => None,
        _ => return Err(Problem::new(StatusCode::BAD_REQUEST, "The nonce must be 16 bytes in base64url, once.")),
    };
    let keys = app.keys_current().await.map_err(Problem::internal)?;
    if !keys.realms.contains_key(realm) {
        return Err(Problem::new(StatusCode::NOT_FOUND, "There is no such realm."));
    }
    if credential.is_for_keys_only(app.clock.now().seconds()) {
        tracing::warn!(%bundle, %realm, credential = %credential.kid, "an edge has a bundle with an old feed credential");
    }
    if keys.is_old_bundle(&bundle) {
        tracing::warn!(%bundle, %realm, "an edge has a bundle of before the last change of the delivery key");
    }
    let verification = keys.verification(realm, &app.settings()).map_err(Problem::internal)?;
    let feed_credential = Some(keys.feed_credential().map_err(Problem::internal)?.as_str().to_owned());
    let delivery = Delivery { keys: keys.digest, nonce, feed_credential, bundle: verification };
    let host = keys.host_delivery(realm).map_err(Problem::internal)?;
    let host_key = keys.host_delivery_key(realm, bundle.clone()).map_err(no_key)?;
    let for_module = sealed(&app, &delivery, &keys.delivery_key(realm, bundle).map_err(no_key)?)?;
    let for_host = sealed(&app, &host, &host_key)?;
    let headers =
        [(CONTENT_TYPE, "application/jose".to_owned()), (CACHE_CONTROL, "no-store".to_owned()), (HOST_KEYS, for_host)];
    Ok((headers, for_module).into_response())
}

/// Whoever has a bundle that was withdrawn is told so; there is no secret in that.
fn no_key(error: KeyringError) -> Problem {
    match error {
        KeyringError::Withdrawn { bundle } => {
            tracing::warn!(%bundle, "an edge has a bundle that was withdrawn");
            Problem::new(StatusCode::FORBIDDEN, "The bundle was withdrawn. Make a new one: countersign edge bundle")
        }
        error => Problem::internal(error),
    }
}

fn sealed(app: &App, what: &impl Serialize, key: &DeliveryKey) -> Result<String, Problem> {
    let key = key.minting().map_err(Problem::internal)?;
    mint::mint(what, Kind::EdgeKeys, &key, &mut app.dice()).map_err(Problem::internal)
}
