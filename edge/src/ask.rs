//! Questions to the origin and the hub, bounded in time and size.

use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::{StreamExt, pin_mut};
use js_sys::{Function, Promise};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::JsValue;
use wasm_bindgen_futures::JsFuture;
use worker::{
    AbortController, AbortSignal, CacheMode, Delay, Fetch, Headers, Method, Request, RequestInit, RequestRedirect,
    Response, ResponseBody, web_sys,
};

use crate::state;

pub(crate) struct Question<'a> {
    /// Path and query.
    pub(crate) path: &'a str,
    /// Type and text of what is posted; without it is a GET.
    pub(crate) post: Option<(&'a str, &'a str)>,
    /// A cache on the way may answer.
    pub(crate) cacheable: bool,
    /// Longest body that is taken, in bytes.
    pub(crate) max: usize,
    /// How long the answer may take.
    pub(crate) limit: Duration,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    /// Of a 200; what comes with other answers is not looked at.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).ok().flatten()
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.parse().ok()
    }
}

/// Asks the origin, with this edge's credential. A redirect is an answer like any other, since the credential is for
/// nobody else.
pub(crate) async fn origin(question: &Question<'_>) -> Result<Answer, String> {
    let (url, authorization) =
        state::with(|edge| (format!("{}{}", edge.settings.origin, question.path), edge.feed_authorization.clone()))
            .ok_or("not configured")?;
    bounded("origin", question, async |signal| {
        let headers = Headers::new();
        headers.set("authorization", &authorization)?;
        let mut init = RequestInit::new();
        init.with_redirect(RequestRedirect::Manual);
        if let Some((kind, text)) = question.post {
            headers.set("content-type", kind)?;
            init.with_method(Method::Post).with_body(Some(text.into()));
        }
        init.with_headers(headers);
        if !question.cacheable {
            init.with_cache(CacheMode::NoStore);
        }
        Fetch::Request(Request::new_with_init(&url, &init)?).send_with_signal(&signal).await
    })
    .await
}

/// Asks the hub, a function of path and abort signal that gives a promise of a `Response`.
pub(crate) async fn hub(hub: &Function, question: &Question<'_>) -> Result<Answer, String> {
    bounded("hub", question, async |signal| {
        let asked = hub.call2(&JsValue::NULL, &question.path.into(), signal.as_ref())?;
        Ok(JsFuture::from(Promise::resolve(&asked)).await?.unchecked_into::<web_sys::Response>().into())
    })
    .await
}

async fn bounded(
    who: &str,
    question: &Question<'_>,
    send: impl AsyncFnOnce(AbortSignal) -> worker::Result<Response>,
) -> Result<Answer, String> {
    let &Question { max, limit, .. } = question;
    let controller = AbortController::default();
    let signal = controller.signal();
    let work = async {
        let mut response = send(signal).await?;
        let (status, headers) = (response.status_code(), response.headers().clone());
        if status != 200 {
            return Ok(Ok(Answer { status, headers, body: Vec::new() }));
        }
        // As much as it may be, at once: a snapshot would take twice its length on the way there otherwise.
        let mut body = Vec::with_capacity(max);
        if matches!(response.body(), ResponseBody::Empty) {
            return Ok(Ok(Answer { status, headers, body }));
        }
        let mut stream = response.stream()?;
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            if chunk.len() > max - body.len() {
                return Ok(Err(format!("the {who}'s answer is longer than {max} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok::<_, worker::Error>(Ok(Answer { status, headers, body }))
    };
    let timeout = Delay::from(limit);
    pin_mut!(work);
    pin_mut!(timeout);
    match select(work, timeout).await {
        Either::Left((Ok(answer), _)) => answer,
        Either::Left((Err(_), _)) => Err(format!("the {who} cannot be reached")),
        Either::Right(_) => {
            controller.abort();
            Err(format!("the {who} did not answer within {} ms", limit.as_millis()))
        }
    }
}
