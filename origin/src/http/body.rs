//! Reading a request's body within bounds of size and time.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};

/// Longest body that is read.
pub(super) const MAX_BODY: usize = 64 * 1024;
/// A step of a login comes back whole, and may have been written otherwise: a letter that takes two bytes as `\u00e9`,
/// one that takes one as `\u003c`. What is sent has 64 KiB of state at most, with an `authId` beside it.
pub(super) const MAX_STEP: usize = 6 * 64 * 1024 + 128 * 1024;
/// Most values in a step: those that fit into 64 KiB as short texts. Each takes a hundred times its length in memory, and
/// a login may have to wait.
const MAX_VALUES: usize = 16 * 1024;
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

/// Whether a step, which is JSON, has no more values than one may have.
pub(super) fn has_few_values(step: &[u8]) -> bool {
    let (mut values, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in step {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b',' | b'{' | b'[' if !quoted => values += 1,
            _ => {}
        }
    }
    values <= MAX_VALUES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_texts() {
        let of = |part: &str, times: usize| has_few_values(format!("[{}0]", part.repeat(times)).as_bytes());
        assert!(of("0,", MAX_VALUES - 1) && !of("0,", MAX_VALUES));
        assert!(!of("[],", MAX_VALUES / 2) && !of("{\"a\":1},", MAX_VALUES / 2));
        assert!(of("\",[{\\\",[{\",", 1000));
    }
}
