//! Requests to servers that nodes name, and what is read of their answers.

use serde_json::{Map, Value};

use crate::host::HttpRequest;
use crate::node::NodeError;
use crate::step::Step;

/// More than any of the answers that nodes usually ask for.
const MAX_ANSWER: usize = 256 * 1024;

/// `name=value&…` (`application/x-www-form-urlencoded`).
pub(crate) fn form<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// A request with a form as its body, to which JSON is the answer.
pub(crate) fn post_form(url: &str, body: String) -> HttpRequest {
    let headers = vec![
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ("accept", "application/json".to_owned()),
    ];
    HttpRequest { method: "POST", url: url.to_owned(), headers, body }
}

pub(crate) fn post_json(url: &str, body: &Value) -> HttpRequest {
    let headers = vec![("content-type", "application/json".to_owned()), ("accept", "application/json".to_owned())];
    HttpRequest { method: "POST", url: url.to_owned(), headers, body: body.to_string() }
}

pub(crate) fn get(url: &str) -> HttpRequest {
    HttpRequest {
        method: "GET",
        url: url.to_owned(),
        headers: vec![("accept", "application/json".to_owned())],
        body: String::new(),
    }
}

/// The status, and the JSON object if it is one.
pub(crate) type Answer = (u16, Option<Map<String, Value>>);

/// The object of an answer that says success.
pub(crate) fn success(what: &str, answer: Answer) -> Result<Map<String, Value>, NodeError> {
    match answer {
        (200..300, Some(object)) => Ok(object),
        (200..300, None) => {
            Err(NodeError::Refused(format!("{what} answers with something else than an object, or a very long one")))
        }
        (status, object) => {
            // OAuth errors are codes for whoever reads the log (RFC 6749 §5.2).
            let code = object.as_ref().and_then(|object| object.get("error")?.as_str()).unwrap_or_default();
            let code: String = code.chars().filter(char::is_ascii_graphic).take(64).collect();
            Err(NodeError::Refused(format!("{what} answers {status} {code}")))
        }
    }
}

impl Step<'_> {
    /// Sends it: the status, and the JSON object of the answer if it is one.
    pub(crate) async fn exchange(&self, request: HttpRequest) -> Result<Answer, NodeError> {
        self.exchange_up_to(MAX_ANSWER, request).await
    }

    /// The same for an answer of so many bytes at most; of a longer one there is only the status.
    pub(crate) async fn exchange_up_to(&self, bound: usize, request: HttpRequest) -> Result<Answer, NodeError> {
        let web = url::Url::parse(&request.url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !web {
            return Err(NodeError::Config(format!("{:?} is not a URL to send requests to", request.url)));
        }
        let response = self.host.http.send(request).await?;
        let object = (response.body.len() <= bound).then(|| serde_json::from_slice(&response.body).ok());
        Ok((response.status, object.flatten()))
    }

    /// The object of an answer that says success.
    pub(crate) async fn fetch(&self, what: &str, request: HttpRequest) -> Result<Map<String, Value>, NodeError> {
        success(what, self.exchange(request).await?)
    }

    /// A secret of the realm, by the label that a setting names.
    pub(crate) fn secret(&self, label: &str) -> Option<&str> {
        self.host.realm.secrets.get(label).map(String::as_str).filter(|secret| !secret.is_empty())
    }
}
