use countersign_core::time::UnixMillis;

/// The host's wall clock. In Workers it stands still while a request computes and moves on at its next I/O; the lease
/// has a margin for that.
pub(crate) fn now() -> UnixMillis {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time after 1970, below 2^53")]
    UnixMillis(js_sys::Date::now() as u64)
}
