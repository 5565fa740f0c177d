//! Requests of nodes to servers that their settings name.

use std::sync::Arc;

use countersign_journey::host::{HostError, Http, HttpRequest, HttpResponse, Pending};
use countersign_script::AllowList;
use tokio::sync::Semaphore;
use url::Url;

use super::{Services, script_host};

/// Longer answers are an error.
const MAX_ANSWER: u64 = 512 * 1024;

/// Requests at once: each holds a thread while it waits.
static ROOM: Semaphore = Semaphore::const_new(32);

fn failed(why: impl std::fmt::Display) -> HostError {
    HostError { service: "http", why: why.to_string() }
}

/// The same list as for scripts: a journey that somebody brought along opens no way to where the operator has none.
fn allowed(list: &AllowList, url: &str) -> Result<(), HostError> {
    let parsed = Url::parse(url).map_err(failed)?;
    let origin = parsed.origin().ascii_serialization();
    if list.allows(&parsed) { Ok(()) } else { Err(failed(format!("{origin} is not in scripts.http_allow"))) }
}

impl Http for Services<'_> {
    fn send<'a>(&'a self, request: HttpRequest) -> Pending<'a, HttpResponse> {
        let settings = self.app.settings();
        let (list, timeout) = (Arc::clone(&settings.scripts.http_allow), settings.scripts.http_timeout);
        Box::pin(async move {
            allowed(&list, &request.url)?;
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

    use super::*;

    #[test]
    fn only_servers_of_the_list_are_asked() {
        let list = AllowList::new(["https://idp.example/oauth"]).unwrap();
        assert!(allowed(&list, "https://idp.example/oauth/token").is_ok());
        for wrong in ["https://idp.example/other", "http://idp.example/oauth", "https://127.0.0.1/", "no url"] {
            assert!(allowed(&list, wrong).is_err(), "{wrong}");
        }
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
