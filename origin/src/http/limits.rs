//! How often one address may ask to log in, over REST or by a form.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::client_address;
use crate::app::App;

pub(super) const TOO_MANY: &str = "Too many attempts; try again later";
/// What is counted, for the headers.
const BY_ADDRESS: &str = "address";
/// For those of [`crate::journey::JourneyError::Limited`].
pub(super) const BY_USER: &str = "user";

/// Whether it is a step of a login.
fn is_step(method: &Method, path: &str) -> bool {
    let path = path.trim_end_matches('/');
    *method == Method::POST
        && (path.starts_with("/am/json/") && path.ends_with("/authenticate")
            || path == "/am/UI/Login"
            || path == "/am/XUI")
}

pub(super) async fn logins(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let settings = app.settings();
    let address = client_address::note(&mut parts, &settings.client_address);
    let (step, json) = (is_step(&parts.method, parts.uri.path()), parts.uri.path().starts_with("/am/json/"));
    let quota = if step { app.limiter.request(&settings.rate_limits, address, app.clock.now().0) } else { None };
    let mut response = match &quota {
        Some(quota) if !quota.allowed => refused(&app, json),
        _ => next.run(Request::from_parts(parts, body)).await,
    };
    if let Some(quota) = quota {
        quota.head(BY_ADDRESS, response.headers_mut());
    }
    response
}

fn refused(app: &App, json: bool) -> Response {
    let status = StatusCode::TOO_MANY_REQUESTS;
    match json {
        true => {
            let reason = status.canonical_reason().unwrap_or_default();
            (status, Json(json!({"code": status.as_u16(), "reason": reason, "message": TOO_MANY}))).into_response()
        }
        false => super::pages::too_many(app),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{ALPHA, Origin, PASSWORD};

    const BY_PEER: &str = "[rate_limits]\naddress_requests = 3\naddress_seconds = 60\nuser_failures = 2\n\
                           user_seconds = 60\n";

    async fn origin() -> Origin {
        // The address is the header's: in tests there is no connection.
        Origin::at("http://localhost:8787\"\nclient_address = \"peer", BY_PEER).await
    }

    #[tokio::test]
    async fn s21_one_address_may_ask_so_often_and_is_told() {
        let origin = origin().await;
        let path = format!("{ALPHA}/authenticate");
        let ask = async |peer: &str| origin.from(peer).post(&path, &[], "{}").await;
        for left in [2, 1, 0] {
            let answer = ask("192.0.2.1").await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("ratelimit-policy"), "\"address\";q=3;w=60");
            assert!(answer.header("ratelimit").starts_with(&format!("\"address\";r={left};t=")));
        }
        let refused = ask("192.0.2.1").await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, "20"));
        assert_eq!(refused.json()["code"], 429);
        assert_eq!(ask("192.0.2.2").await.status, 200);
        let form = origin.from("192.0.2.1").post("/am/UI/Login?realm=/alpha", &[], "").await;
        assert_eq!((form.status, form.header("ratelimit")), (429, "\"address\";r=0;t=20"));
        // Other requests are not counted, nor those whose address nobody knows.
        assert_eq!(origin.from("192.0.2.1").get("/am/json/serverinfo/*").await.header("ratelimit"), "");
        assert_eq!(origin.post(&path, &[], "{}").await.header("ratelimit"), "");
        origin.clock.advance(20);
        assert_eq!(ask("192.0.2.1").await.status, 200);
    }

    /// A page of another origin has to be able to read that, and when to come back.
    #[tokio::test]
    async fn s21_a_page_of_a_listed_origin_is_told_too() {
        let settings = format!("{BY_PEER}[cors]\nacceptedOrigins = [\"https://app.example.com\"]\n");
        let origin = Origin::at("http://localhost:8787\"\nclient_address = \"peer", &settings).await.from("192.0.2.1");
        let path = format!("{ALPHA}/authenticate");
        let ask = async |from: &str| origin.post(&path, &[("origin", from)], "").await;
        for _ in 0..3 {
            assert_eq!(ask("https://app.example.com").await.status, 200);
        }
        for (from, allowed) in
            [("https://app.example.com", "https://app.example.com"), ("https://evil.example.com", "")]
        {
            let answer = ask(from).await;
            assert_eq!((answer.status, answer.header("access-control-allow-origin")), (429, allowed));
        }
    }

    /// S14 and S21: the same for a name that nobody has, by status, body and headers.
    #[tokio::test]
    async fn s14_s21_one_user_may_be_tried_so_often_whether_there_is_one_or_not() {
        let origin = origin().await;
        let path = format!("{ALPHA}/authenticate");
        let mut answers = Vec::new();
        for name in ["demo", "nobody"] {
            let ask = async |password: &str| {
                let headers = [("x-openam-username", name), ("x-openam-password", password)];
                origin.post(&path, &headers, "{}").await
            };
            assert_eq!((ask("x").await.status, ask("x").await.status), (401, 401), "{name}");
            let limited = ask(PASSWORD).await;
            let head = ["ratelimit", "ratelimit-policy", "retry-after"].map(|name| limited.header(name).to_owned());
            answers.push((limited.status, limited.text(), head));
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!((answers[0].0, answers[0].2[0].as_str()), (429, "\"user\";r=0;t=30"));
    }

    /// However many log in as one user at once, beside whoever guesses as well.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn right_logins_at_once_are_let_in_beyond_the_number_that_may_fail() {
        let origin = Origin::with("[rate_limits]\nuser_failures = 2\nuser_seconds = 3600\n").await;
        let path = format!("{ALPHA}/authenticate");
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..16 {
            let (origin, path) = (origin.from("127.0.0.1"), path.clone());
            let password = if n == 7 { "x" } else { PASSWORD };
            tasks.spawn(async move {
                let headers = [("x-openam-username", "demo"), ("x-openam-password", password)];
                origin.post(&path, &headers, "{}").await.status
            });
        }
        let all = tasks.join_all().await;
        let count = |status: u16| all.iter().filter(|answered| **answered == status).count();
        assert_eq!((count(200), count(401)), (15, 1), "{all:?}");
    }
}
