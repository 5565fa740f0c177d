//! `POST /am/json/…/push/sns/message?_action=register|authenticate`: a phone answers a push message, or the code that
//! registers it. The answer is a JWT under the secret that only the phone and the journey have; it is kept as it is,
//! and the journey that waits for it checks it.

use axum::http::header::{ALLOW, HeaderValue};
use axum::http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::error::Crest;
use super::{Answer, Call, crest_json};
use crate::journey::services::keep_push_answer;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    message_id: String,
    jwt: String,
}

pub(super) async fn post(call: &Call) -> Answer {
    if call.method != Method::POST {
        let error = Crest::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
        return Err(error.with_header(ALLOW, HeaderValue::from_static("POST")));
    }
    if !matches!(call.query.filled("_action"), Some("register" | "authenticate")) {
        return Err(Crest::bad_request("The action must be register or authenticate"));
    }
    let message: Message =
        serde_json::from_slice(&call.body).map_err(|_| Crest::bad_request("A messageId and a jwt are required"))?;
    let kept = keep_push_answer(&call.app, &call.realm, &message.message_id, &message.jwt).await;
    match kept {
        Ok(true) => Ok(crest_json(StatusCode::OK, &json!({}))),
        // Whether it was never expected, is expected no more or was answered is not for the sender to know.
        Ok(false) => Err(Crest::bad_request("The message is not expected")),
        Err(error) => {
            tracing::error!(%error, "a push answer could not be kept");
            Err(Crest::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"))
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_journey::host::{Clock as _, PushAnswers as _};
    use serde_json::json;

    use crate::journey::services::Services;
    use crate::testing::{ALPHA, Origin};

    #[tokio::test]
    async fn an_answer_is_kept_once_and_only_if_it_is_expected() {
        let origin = Origin::new().await;
        let services = Services::new(&origin.app, "/alpha");
        services.expect("AUTHENTICATE:1", services.now() + 60_000).await.unwrap();
        let send = async |action: &str, id: &str, jwt: &str| {
            let path = format!("{ALPHA}/push/sns/message?_action={action}");
            origin
                .post(
                    &path,
                    &[("accept-api-version", "resource=1.0")],
                    &json!({"messageId": id, "jwt": jwt}).to_string(),
                )
                .await
                .status
        };
        assert_eq!(send("authenticate", "AUTHENTICATE:2", "a.b.c").await, 400);
        assert_eq!(send("other", "AUTHENTICATE:1", "a.b.c").await, 400);
        assert_eq!(send("authenticate", "AUTHENTICATE:1", "").await, 400);
        assert_eq!(send("authenticate", "AUTHENTICATE:1", &"a".repeat(9000)).await, 400);
        assert_eq!(services.answer("AUTHENTICATE:1").await.unwrap(), None);
        assert_eq!(send("authenticate", "AUTHENTICATE:1", "a.b.c").await, 200);
        assert_eq!(services.answer("AUTHENTICATE:1").await.unwrap().as_deref(), Some("a.b.c"));
        // The first counts.
        assert_eq!(send("authenticate", "AUTHENTICATE:1", "d.e.f").await, 400);
        assert_eq!(services.answer("AUTHENTICATE:1").await.unwrap().as_deref(), Some("a.b.c"));
        // In another realm it is another message.
        let other = Services::new(&origin.app, "/");
        assert_eq!(other.answer("AUTHENTICATE:1").await.unwrap(), None);
        origin.clock.advance(61);
        assert_eq!(services.answer("AUTHENTICATE:1").await.unwrap(), None);
    }
}
