//! `ack=barrier[&max_wait=ms]` at what ends sessions: the answer comes when no edge accepts them any more, with a
//! signed receipt; 202 with the receipt when that takes longer than the client waits.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::Value;

use super::super::error::Crest;
use super::super::{Answer, Call, crest_json};
use crate::barrier::{self, Durable};

/// What the client asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ack {
    /// When it is on the disk.
    Durable,
    Barrier(Duration),
}

/// Read before anything is ended, so that what is not understood ends nothing.
pub(super) fn asked(call: &Call) -> Result<Ack, Crest> {
    match call.query.first("ack") {
        None | Some("durable") => Ok(Ack::Durable),
        Some("barrier") => match barrier::patience(call.query.first("max_wait")) {
            Some(patience) => Ok(Ack::Barrier(patience)),
            None => Err(Crest::bad_request("The max_wait must be a number of milliseconds")),
        },
        Some(_) => Err(Crest::bad_request("The ack must be durable or barrier")),
    }
}

pub(super) async fn answer(call: &Call, ack: Ack, seq: u64, body: Value) -> Answer {
    answer_for(call, ack, Durable::now(&call.app, seq), body).await
}

/// The same for an entry that may have been there before.
pub(super) async fn answer_for(call: &Call, ack: Ack, durable: Durable, mut body: Value) -> Answer {
    let Ack::Barrier(patience) = ack else { return Ok(crest_json(StatusCode::OK, &body)) };
    let (holds, receipt) = barrier::receipt(&call.app, durable, patience).await.map_err(Crest::internal)?;
    if let Some(members) = body.as_object_mut() {
        members.insert("receipt".to_owned(), receipt.into());
    }
    Ok(crest_json(if holds { StatusCode::OK } else { StatusCode::ACCEPTED }, &body))
}
