//! `?_action=getSessionProperties`: the properties of a session that users may see.

use axum::http::StatusCode;

use super::super::error::Crest;
use super::super::{Answer, Call, crest_json};
use super::{Subject, entitled, visible};
use crate::sessions;

pub(super) async fn post(call: &Call, subject: Option<Subject>) -> Answer {
    let subject = subject.ok_or_else(Crest::access_denied)?;
    let session = sessions::judge(&call.app, &subject.token).await?.valid().ok_or_else(Crest::access_denied)?;
    entitled(call, &subject, session.claims()).await?;
    Ok(crest_json(StatusCode::OK, &visible(call, session.claims())))
}
