//! How what `entry.mjs` waits for has ended; it has the same list.

pub(crate) const FRESH: u32 = 0;
/// The same is under way for another request.
pub(crate) const UNDER_WAY: u32 = 1;
pub(crate) const FAILED: u32 = 2;
/// The host found the signature wrong.
pub(crate) const REFUSED: u32 = 3;
/// The host found the signature good, and what it is over is no session.
pub(crate) const UNREADABLE: u32 = 4;
