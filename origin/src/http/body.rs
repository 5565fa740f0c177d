//! Reading a request's body within bounds of size and time.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};

/// Longest body that is read.
pub(super) const MAX_BODY: usize = 64 * 1024;
/// A step of a login comes back whole, and may have been written otherwise: a letter that takes two bytes as `\u00e9`,
/// one that takes one as `\u003c`. What is sent has 64 KiB of state at most, with an `authId` beside it.
pub(super) const MAX_STEP: usize = 6 * 64 * 1024 + 128 * 1024;
/// A client that takes longer holds a connection for nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no body. The client's fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BodyError {
    /// Longer than the bound, or cut short.
    TooLong,
    TooSlow,
}

pub(super) async fn read(body: Body) -> Result<Bytes, BodyError> {
    read_up_to(MAX_BODY, body).await
}

pub(super) async fn read_up_to(bound: usize, body: Body) -> Result<Bytes, BodyError> {
    match tokio::time::timeout(PATIENCE, to_bytes(body, bound)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(BodyError::TooLong),
        Err(_) => Err(BodyError::TooSlow),
    }
}
