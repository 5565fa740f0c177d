//! The denylist: what was logged out and is not yet expired.
//!
//! The log is a gap-free sequence of [`Entry`] values; entry number `seq` is the one appended as the `seq`-th
//! (the first has `seq` 1). A [`Chain`] value sums up the whole log up to a position, so a signed statement of
//! `(epoch, head, chain)` authenticates every entry before it and segments need no signature of their own.

pub mod barrier;
mod bytes;
mod chain;
mod entry;
pub mod fingerprint;
mod marks;
mod run;
pub mod segment;
mod set;
mod slots;
pub mod snapshot;

pub use chain::Chain;
pub use entry::{Entry, Epoch, Kind, Slot, restart_at};
pub use fingerprint::Fingerprint;
pub use set::{Denylist, Gathered};
pub use snapshot::SnapshotDigest;
