//! `GET /countersign/v1/edge-keys?bundle=…&realm=…`: the key set in force, sealed to the bundle that asks. The bearer of
//! the feed credential may ask for any bundle, but can open the answer for its own only.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use countersign_core::keys::{Delivery, Kid};
use countersign_core::token::{Kind, mint};

use super::super::query::Query;
use super::problem::Problem;
use crate::app::App;

pub(super) async fn get(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let query = Query::parse(query.unwrap_or_default().as_bytes());
    let bundle = query.only("bundle").and_then(|text| Kid::try_from(text.to_owned()).ok());
    let (Some(bundle), Some(realm)) = (bundle, query.only("realm")) else {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "The query must have one bundle and one realm."));
    };
    let keys = app.keys_current().await.map_err(Problem::internal)?;
    if !keys.realms.contains_key(realm) {
        return Err(Problem::new(StatusCode::NOT_FOUND, "There is no such realm."));
    }
    let verification = keys.verification(realm, &app.settings()).map_err(Problem::internal)?;
    let delivery = Delivery { keys: keys.digest, bundle: verification };
    let sealed_to =
        keys.delivery_key(realm, bundle).map_err(Problem::internal)?.minting().map_err(Problem::internal)?;
    let sealed = mint::mint(&delivery, Kind::EdgeKeys, &sealed_to, &mut app.dice()).map_err(Problem::internal)?;
    Ok(([(CONTENT_TYPE, "application/jose"), (CACHE_CONTROL, "no-store")], sealed).into_response())
}
