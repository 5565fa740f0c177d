//! What the application knows about one request, as a page or as JSON.

use crate::App;
use crate::assertion::{self, AssertionError, Unverified};
use askama::Template;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::SystemTime;

/// `/public/`: the edge lets everybody in here and names nobody.
#[derive(Template)]
#[template(path = "public.html", config = "src/bin/demo_app/askama.toml")]
struct PublicPage;

#[derive(Template)]
#[template(path = "request.html", config = "src/bin/demo_app/askama.toml")]
struct RequestPage {
    path: String,
    user: Option<String>,
    identity: Vec<(&'static str, Option<String>)>,
    verdict: Result<Vec<Claim>, AssertionError>,
    /// Whether the signed subject is the user that the plain header names; the header alone proves nothing.
    subject_is_user: bool,
    audience: String,
    cookie: bool,
    headers: Vec<(String, String)>,
    /// Where the edge is, as far as the request tells.
    site: Option<String>,
}

struct Claim {
    name: String,
    value: String,
    /// Times are also told as a distance from now.
    remark: Option<String>,
}

pub(crate) async fn public() -> Response {
    html(&PublicPage)
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    method: Method,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let now = unix_now();
    let verdict = verify(&app, &headers, now).await;
    let user = single(&headers, "remote-user");
    if wants_json(query.as_deref(), &headers) {
        return as_json(&method, &uri, user, verdict, &headers);
    }
    let subject_is_user =
        verdict.as_ref().is_ok_and(|claims| claims.get("sub").and_then(Value::as_str) == user.as_deref());
    let path = uri.path_and_query().map_or_else(|| uri.path().to_owned(), |whole| whole.as_str().to_owned());
    html(&RequestPage {
        path,
        user,
        identity: ["Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups"]
            .map(|name| (name, single(&headers, name)))
            .into(),
        verdict: verdict.map(|claims| claims.into_iter().map(|(name, value)| claim(name, &value, now)).collect()),
        subject_is_user,
        audience: app.audience.clone(),
        cookie: headers.contains_key(header::COOKIE),
        headers: headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect(),
        site: site(&headers),
    })
}

async fn verify(app: &App, headers: &HeaderMap, now: i64) -> Result<Map<String, Value>, AssertionError> {
    let mut values = headers.get_all(assertion::HEADER).iter();
    let token = values.next().ok_or(AssertionError::Missing)?;
    if values.next().is_some() {
        return Err(AssertionError::Ambiguous);
    }
    let token = token.to_str().map_err(|_| AssertionError::Malformed("not ASCII"))?;
    let unverified = Unverified::parse(token)?;
    let key = app.keys.key(&unverified.kid).await?;
    unverified.verify(&key, &app.audience, now)
}

fn as_json(
    method: &Method,
    uri: &Uri,
    user: Option<String>,
    verdict: Result<Map<String, Value>, AssertionError>,
    headers: &HeaderMap,
) -> Response {
    let assertion = match verdict {
        Ok(claims) => json!({"verified": true, "claims": claims}),
        Err(why) => json!({"verified": false, "error": why.code(), "message": why.to_string()}),
    };
    let received: Map<String, Value> = headers
        .keys()
        .map(|name| {
            let values: Vec<String> = headers.get_all(name).iter().map(|value| text(value.as_bytes())).collect();
            (name.to_string(), values.join(", ").into())
        })
        .collect();
    Json(json!({
        "user": user, "assertion": assertion, "headers": received,
        "method": method.as_str(), "path": uri.path(), "query": uri.query(),
    }))
    .into_response()
}

fn wants_json(query: Option<&str>, headers: &HeaderMap) -> bool {
    query.is_some_and(|query| query.split('&').any(|pair| pair == "format=json"))
        || single(headers, "accept").is_some_and(|accept| accept.contains("application/json"))
}

/// The one value of a header. Two are nobody's: an application that took the first would let whoever can add a header
/// choose the user.
pub(crate) fn single(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(text(value.as_bytes())),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The address people used, if the edge passes it on. It ends up in a command line that people copy, so only the
/// characters of a plain host are let through.
fn site(headers: &HeaderMap) -> Option<String> {
    let host = single(headers, "x-forwarded-host")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    let scheme = single(headers, "x-forwarded-proto").filter(|scheme| scheme == "http").map_or("https", |_| "http");
    (!host.is_empty() && host.chars().all(plain)).then(|| format!("{scheme}://{host}"))
}

fn claim(name: String, value: &Value, now: i64) -> Claim {
    let remark = match (name.as_str(), value.as_i64()) {
        ("iat" | "exp" | "nbf" | "auth_time", Some(at)) => Some(distance(at.saturating_sub(now))),
        _ => None,
    };
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Claim { name, value, remark }
}

fn distance(seconds: i64) -> String {
    let size = seconds.unsigned_abs();
    let size = match size {
        0..120 => format!("{size} s"),
        120..7200 => format!("{} min", size / 60),
        _ => format!("{} h", size / 3600),
    };
    match seconds {
        0 => "now".to_owned(),
        1.. => format!("in {size}"),
        _ => format!("{size} ago"),
    }
}

fn unix_now() -> i64 {
    // A clock before 1970 makes every assertion one from the future, which refuses it.
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

fn html(page: &impl Template) -> Response {
    match page.render() {
        Ok(body) => Html(body).into_response(),
        Err(why) => (StatusCode::INTERNAL_SERVER_ERROR, why.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_doubled_header_names_nobody() {
        assert_eq!(single(&headers(&[("remote-user", "demo")]), "Remote-User").as_deref(), Some("demo"));
        assert_eq!(single(&headers(&[("remote-user", "demo"), ("remote-user", "root")]), "Remote-User"), None);
    }

    #[test]
    fn json_is_given_to_those_who_ask() {
        assert!(wants_json(Some("a=b&format=json"), &HeaderMap::new()));
        assert!(wants_json(None, &headers(&[("accept", "application/json")])));
        assert!(!wants_json(Some("format=jsonp"), &headers(&[("accept", "text/html")])));
    }

    #[test]
    fn a_host_that_is_not_plain_is_not_shown() {
        let site = |host| super::site(&headers(&[("x-forwarded-host", host), ("x-forwarded-proto", "http")]));
        assert_eq!(site("app.example:8443").as_deref(), Some("http://app.example:8443"));
        assert_eq!(site("a'; rm -rf ~"), None);
        assert_eq!(super::site(&HeaderMap::new()), None);
    }

    #[test]
    fn what_comes_from_outside_is_escaped() {
        let page = RequestPage {
            path: "/<script>".to_owned(),
            user: Some("<script>".to_owned()),
            identity: vec![("Remote-User", Some("<script>".to_owned()))],
            verdict: Ok(vec![claim("<script>".to_owned(), &json!("<script>"), 0)]),
            subject_is_user: false,
            audience: "<script>".to_owned(),
            cookie: true,
            headers: vec![("x".to_owned(), "<script>".to_owned())],
            site: None,
        };
        let shown = page.render().unwrap();
        assert!(!shown.contains("<script>"));
    }
}
