//! Requests of nodes to servers that their settings name.

use std::sync::Arc;

use countersign_journey::host::{HostError, Http, HttpRequest, HttpResponse, Pending};
use countersign_script::AllowList;
use tokio::sync::Semaphore;
use url::Url;

use super::{Services, script_host};

/// Longer answers are an error. The list of revoked attestation keys is the longest that a node asks for.
const MAX_ANSWER: u64 = 4 * 1024 * 1024;

/// Requests at once: each holds a thread while it waits.
static ROOM: Semaphore = Semaphore::const_new(32);

fn failed(why: impl std::fmt::Display) -> HostError {
    HostError { service: "http", why: why.to_string() }
}

/// The same list as for scripts: a journey that somebody brought along opens no way to where the operator has none.
/// Gives the address in the one reading that was held against the list: another parser may read the text otherwise.
fn allowed(list: &AllowList, url: &str) -> Result<String, HostError> {
    let parsed = Url::parse(url).map_err(failed)?;
    let origin = parsed.origin().ascii_serialization();
    if list.allows(&parsed) { Ok(parsed.into()) } else { Err(failed(format!("{origin} is not in scripts.http_allow"))) }
}

impl Http for Services<'_> {
    fn send<'a>(&'a self, mut request: HttpRequest) -> Pending<'a, HttpResponse> {
        let settings = self.app.settings();
        let (list, timeout) = (Arc::clone(&settings.scripts.http_allow), settings.scripts.http_timeout);
        Box::pin(async move {
            request.url = allowed(&list, &request.url)?;
            let Ok(room) = ROOM.try_acquire() else {
                self.overloaded.store(true, std::sync::atomic::Ordering::Relaxed);
                return Err(failed("too many requests at once"));
            };
            let done = tokio::task::spawn_blocking(move || exchange(&request, timeout)).await;
            drop(room);
            done.map_err(failed)?
        })
    }
}

fn exchange(request: &HttpRequest, timeout: std::time::Duration) -> Result<HttpResponse, HostError> {
    let mut builder = ureq::http::Request::builder().method(request.method).uri(&request.url);
    for (name, value) in &request.headers {
        builder = builder.header(*name, value);
    }
    let agent = script_host::agent();
    let answer = if request.method == "GET" {
        let request = builder.body(()).map_err(failed)?;
        agent.run(agent.configure_request(request).timeout_global(Some(timeout)).build())
    } else {
        let request = builder.body(request.body.as_str()).map_err(failed)?;
        agent.run(agent.configure_request(request).timeout_global(Some(timeout)).build())
    };
    let mut answer = answer.map_err(failed)?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().map_err(failed)?;
    Ok(HttpResponse { status, body })
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::time::Duration;

    use countersign_store::{Attributes, IdentityStatus};
    use serde_json::json;

    use super::*;
    use crate::journey::tests::{import, journey, start};
    use crate::testing::{ALPHA, Origin};

    #[test]
    fn only_servers_of_the_list_are_asked() {
        let list = AllowList::new(["https://idp.example/oauth"]).unwrap();
        for text in [
            "https://idp.example/oauth/token",
            "https://idp.example/other/../oauth/token",
            "https://idp.example/other/%2e%2E/oauth/token",
            "https:\\\\idp.example\\oauth\\token",
        ] {
            assert_eq!(allowed(&list, text).unwrap(), "https://idp.example/oauth/token", "{text}");
        }
        for wrong in ["https://idp.example/other", "http://idp.example/oauth", "https://127.0.0.1/", "no url"] {
            assert!(allowed(&list, wrong).is_err(), "{wrong}");
        }
    }

    /// Answers two requests: for tokens, and for the profile.
    fn provider() -> std::net::SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = Vec::new();
                let mut whole = false;
                while !whole {
                    let mut some = [0; 4096];
                    let read = stream.read(&mut some).unwrap();
                    request.extend_from_slice(&some[..read]);
                    let text = String::from_utf8_lossy(&request);
                    whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                        head.starts_with("GET") || body.contains("code_verifier=") && body.contains("code=the+code")
                    });
                }
                let info = request.starts_with(b"GET /info") && request.windows(11).any(|some| some == b"Bearer acce");
                let body = match info {
                    true => r#"{"sub":"42","email":"ann@example.com"}"#,
                    false => r#"{"access_token":"access","token_type":"Bearer"}"#,
                };
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
                write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn a_login_with_a_provider_goes_there_and_comes_back() {
        let address = provider();
        let origin = Origin::with(&format!("[scripts]\nhttp_allow = [\"http://{address}\"]\n")).await;
        let attributes = Attributes::from([("aliasList".to_owned(), vec!["google-42".to_owned()])]);
        origin.add_user("ann", IdentityStatus::Active, &attributes).await;
        let config = json!({
            "clientId": "client", "clientSecret": "secret", "redirectURI": "https://am.example.com/am",
            "authorizeEndpoint": format!("http://{address}/authorize"), "provider": "google",
            "tokenEndpoint": format!("http://{address}/token"), "userInfoEndpoint": format!("http://{address}/info"),
        });
        let node = ("SocialGoogleNode", config, &["ACCOUNT_EXISTS", "NO_ACCOUNT"][..]);
        import(&origin, &[journey("Social", json!({}), &[node])]).await;
        let step = start(&origin, "Social").await;
        let redirect =
            step["callbacks"][0]["output"].as_array().unwrap().iter().find(|one| one["name"] == "redirectUrl");
        let redirect = Url::parse(redirect.unwrap()["value"].as_str().unwrap()).unwrap();
        let (_, state) = redirect.query_pairs().find(|(name, _)| name == "state").unwrap();
        let back = format!("{ALPHA}/authenticate?code=the+code&state={state}");
        let answer = origin.post(&back, &[], &step.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(origin.is_valid(answer.json()["tokenId"].as_str().unwrap()).await);

        // Somebody else's answer ends the journey.
        let step = start(&origin, "Social").await;
        let forged = format!("{ALPHA}/authenticate?code=the+code&state=other");
        assert_eq!(origin.post(&forged, &[], &step.to_string()).await.status, 401);
    }

    #[test]
    fn a_form_is_posted_and_a_redirect_is_an_answer() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"a=1") {
                let mut some = [0; 1024];
                let read = stream.read(&mut some).unwrap();
                request.extend_from_slice(&some[..read]);
            }
            stream
                .write_all(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 2\r\n\r\n{}")
                .unwrap();
            String::from_utf8(request).unwrap()
        });
        let request = HttpRequest {
            method: "POST",
            url: format!("http://{address}/token"),
            headers: vec![("authorization", "Basic eA==".to_owned())],
            body: "a=1".to_owned(),
        };
        let answer = exchange(&request, Duration::from_secs(5)).unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (302, &b"{}"[..]));
        let seen = server.join().unwrap();
        assert!(seen.starts_with("POST /token HTTP/1.1") && seen.contains("authorization: Basic eA=="), "{seen}");
    }
}
