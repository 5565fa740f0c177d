//! `GET …/serverinfo/{id}`: what clients ask before they log in.

mod all;
mod cookie_domains;
mod version;

use axum::http::header::{ETAG, HeaderValue};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::error::Crest;
use super::{Answer, Call, crest_json};

pub(super) async fn get(call: &Call, id: &str) -> Answer {
    if !matches!(call.method, Method::GET | Method::HEAD) {
        return Err(Crest::new(StatusCode::NOT_IMPLEMENTED, format!("Method {} not supported", call.method)));
    }
    match id {
        "*" => Ok(resource("*", all::body(call))),
        "version" => version::get(call).await,
        "cookieDomains" => Ok(resource("cookieDomains", cookie_domains::body(call))),
        other => {
            let shown: String = other.chars().take(100).collect();
            Err(Crest::new(StatusCode::NOT_IMPLEMENTED, format!("ResourceId not supported: {shown}")))
        }
    }
}

/// `_id` and `_rev` first, then the members; the revision follows from the content.
fn resource(id: &str, members: Value) -> axum::response::Response {
    let hash = Sha256::digest(members.to_string().as_bytes());
    let revision = hash.first_chunk::<4>().map_or(0, |bytes| i32::from_be_bytes(*bytes)).to_string();
    let mut body = json!({"_id": id, "_rev": revision});
    if let (Some(body), Value::Object(members)) = (body.as_object_mut(), members) {
        body.extend(members);
    }
    let mut response = crest_json(StatusCode::OK, &body);
    response.headers_mut().extend(HeaderValue::try_from(format!("\"{revision}\"")).ok().map(|etag| (ETAG, etag)));
    response
}

#[cfg(test)]
mod tests {
    use crate::testing::Origin;

    #[tokio::test]
    async fn clients_learn_the_cookie_name_without_a_session() {
        let origin = Origin::new().await;
        for path in
            ["/am/json/serverinfo/*", "/am/json/serverinfo/%2A", "/am/json/realms/root/realms/alpha/serverinfo/*"]
        {
            let answer = origin.get_with(path, &[("accept-api-version", "resource=1.1")]).await;
            assert_eq!((answer.status, answer.header("content-api-version")), (200, "resource=1.1"));
            assert_eq!((answer.header("cache-control"), answer.header("etag").len() > 2), ("no-store", true));
            let body = answer.json();
            assert_eq!(body["cookieName"], "iPlanetDirectoryPro");
            assert_eq!((&body["_id"], &body["realm"]), (&"*".into(), &"/alpha".into()));
            assert_eq!((&body["secureCookie"], &body["selfRegistration"]), (&false.into(), &"false".into()));
        }
        assert_eq!(origin.get("/am/json/realms/root/serverinfo/*").await.json()["realm"], "/");
        let domains = origin.get("/am/json/serverinfo/cookieDomains").await.json();
        assert_eq!(domains["domains"], serde_json::json!([]));
        let other = origin.get("/am/json/serverinfo/x").await;
        assert_eq!((other.status, &other.json()["message"]), (501, &"ResourceId not supported: x".into()));
    }

    #[tokio::test]
    async fn the_version_is_for_those_with_a_session() {
        let origin = Origin::new().await;
        let path = "/am/json/serverinfo/version";
        assert_eq!(origin.get(path).await.status, 401);
        let token = origin.log_in().await;
        let answer = origin.get_with(path, &[("iplanetdirectorypro", &token)]).await;
        assert_eq!((answer.status, answer.header("content-api-version")), (200, "resource=1.0"));
        assert_eq!(answer.json()["version"], env!("CARGO_PKG_VERSION"));
        origin.log_out(&token).await;
        assert_eq!(origin.get_with(path, &[("iplanetdirectorypro", &token)]).await.status, 401);
    }
}
