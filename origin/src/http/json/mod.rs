//! `/am/json`: AM's REST interface (CREST). This file routes: path → realm and resource, CSRF filter, API version.

mod administrator;
mod advices;
mod authenticate;
mod configuration;
mod credentials;
mod error;
mod form;
mod global_config;
mod listing;
mod push;
mod realm;
mod realm_config;
mod serverinfo;
mod sessions;
mod version;

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::body::{self, BodyError};
use super::query::Query;
use crate::app::App;
use crate::session_cookie::Presented;
use error::Crest;
use realm::{Resource, Target};
use version::{Negotiated, Version};

/// A request, sorted.
struct Call {
    app: Arc<App>,
    /// The realm of the path.
    realm: String,
    method: Method,
    headers: HeaderMap,
    query: Query,
    body: Bytes,
    version: Version,
    /// Of the protocol, where the request names one.
    protocol: Option<Version>,
}

impl Call {
    fn presented(&self) -> Presented<'_> {
        Presented::of(&self.headers, &self.app.settings().realm(&self.realm).session)
    }
}

/// What an operation answers: success or AM's error object, both as responses.
type Answer = Result<Response, Crest>;

pub(super) async fn dispatch(State(app): State<Arc<App>>, request: Request) -> Response {
    let mut response = answer(app, request).await.unwrap_or_else(IntoResponse::into_response);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
        (header::EXPIRES, "0"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none';frame-ancestors 'none';sandbox"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn answer(app: Arc<App>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    csrf_filter(&app, &parts.method, &parts.headers)?;
    let Target { realm, resource } = realm::parse(parts.uri.path()).ok_or_else(Crest::not_found)?;
    let realm = realm::resolve(&app, realm)?;
    let requested = version::parse(&parts.headers)?;
    let Some(negotiated) = version::negotiate(requested.resource, resource.versions()) else {
        // AM answers an unsupported resource version with nothing at all.
        return Ok(StatusCode::NOT_FOUND.into_response());
    };
    let read = body::read_up_to(resource.longest_body(), body).await.map_err(|error| match error {
        BodyError::TooLong => Crest::new(StatusCode::PAYLOAD_TOO_LARGE, "The request body is too large"),
        BodyError::TooSlow => Crest::new(StatusCode::REQUEST_TIMEOUT, "The request body took too long"),
    });
    let answered = match read {
        Ok(body) => {
            let call = Call {
                app,
                realm,
                method: parts.method,
                headers: parts.headers,
                query: Query::parse(parts.uri.query().unwrap_or_default().as_bytes()),
                body,
                version: negotiated.version(),
                protocol: requested.protocol,
            };
            answer_shaped(&call, resource).await
        }
        Err(error) => Err(error),
    };
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    label(&mut response, negotiated, resource);
    response.extensions_mut().insert(resource.route());
    Ok(response)
}

async fn answer_shaped(call: &Call, resource: Resource<'_>) -> Answer {
    // No resource of CREST, though it stands among them.
    if matches!(resource, Resource::Authenticate) {
        return authenticate::post(call).await;
    }
    form::conditions(&call.method, &call.headers)?;
    let asked = form::Asked::of(&call.method, &call.headers, &call.query);
    Ok(form::shaped(asked, operation(call, resource).await?).await)
}

async fn operation(call: &Call, resource: Resource<'_>) -> Answer {
    match resource {
        Resource::Authenticate => authenticate::post(call).await,
        Resource::Sessions { token } => sessions::action(call, token).await,
        Resource::ServerInfo { id } => serverinfo::get(call, id).await,
        Resource::Push => push::post(call).await,
        Resource::RealmAuthentication => realm_config::authentication::answer(call).await,
        Resource::Trees { id } => realm_config::trees::answer(call, id).await,
        Resource::Nodes { node_type, version, id } => realm_config::nodes::answer(call, node_type, version, id).await,
        Resource::Scripts { id } => realm_config::scripts::answer(call, id).await,
        Resource::GlobalSession => global_config::session::answer(call).await,
        Resource::Realms { id } => global_config::realms::answer(call, id).await,
    }
}

/// §2.3 of the contract: a browser sends the cookie along with forged requests too, but lets no other site set these
/// headers without asking us first.
fn csrf_filter(app: &App, method: &Method, headers: &HeaderMap) -> Result<(), Crest> {
    let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let vouched = headers.contains_key("x-requested-with") || headers.contains_key("accept-api-version");
    let settings = app.settings();
    // Whatever the realm: a cookie of any of the names is a session's.
    let in_cookie = || settings.all_realms().any(|realm| Presented::of(headers, &realm.session).in_cookie());
    if safe || vouched || !in_cookie() {
        return Ok(());
    }
    Err(Crest::new(StatusCode::FORBIDDEN, "Forbidden"))
}

/// The response names the version of the route that answered, not the one that was asked for.
fn label(response: &mut Response, negotiated: Negotiated, resource: Resource<'_>) {
    let listed = response.extensions().get::<listing::Listed>().map(|listed| listed.0);
    let headers = response.headers_mut();
    // Of a query that found something AM says it twice.
    let twice =
        listed.map_or_else(String::new, |protocol| format!("protocol={protocol},resource={}, ", negotiated.version()));
    if let Ok(value) = HeaderValue::try_from(format!("{twice}resource={}", negotiated.version())) {
        headers.insert(HeaderName::from_static("content-api-version"), value);
    }
    if matches!(negotiated, Negotiated::Default(_)) {
        let agent = if matches!(resource, Resource::Authenticate) { "chf" } else { "CREST" };
        let text = format!("100 {agent} \"Accept-API-Version should be included in the request.\"");
        headers.extend(HeaderValue::try_from(text).ok().map(|value| (header::WARNING, value)));
    }
}

/// JSON with a `charset`, as CREST resources have it; `authenticate` has none.
fn crest_json(status: StatusCode, body: &Value) -> Response {
    let kind = HeaderValue::from_static("application/json;charset=UTF-8");
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests;
