//! Known-bad variants of the rules, for the simulator alone: it has to find each of them. No program enables them.

use super::{Replica, UnixMillis, segment};

/// What is done wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutant {
    /// The lease counts from the receipt of the answer.
    A2,
    /// The lease has no margin for a clock that runs slow or stands still.
    A3t,
    /// The nonce is not compared, so that any answer is one to the last poll.
    A5,
    /// Replies are applied without a look at where in the log they belong.
    A7,
    /// An edge accepts before its first refresh.
    A8,
    /// The barrier waits for a lease without the drift of the clocks.
    B3,
    /// Entries go when their tokens have expired, without the skew.
    C1,
    /// The barrier does not wait after a restart of the authority.
    D1,
}

impl Mutant {
    pub const ALL: [Self; 8] = [Self::A2, Self::A3t, Self::A5, Self::A7, Self::A8, Self::B3, Self::C1, Self::D1];

    pub const fn name(self) -> &'static str {
        match self {
            Self::A2 => "A2",
            Self::A3t => "A3t",
            Self::A5 => "A5",
            Self::A7 => "A7",
            Self::A8 => "A8",
            Self::B3 => "B3",
            Self::C1 => "C1",
            Self::D1 => "D1",
        }
    }
}

impl Replica {
    pub fn set_mutant(&mut self, mutant: Option<Mutant>) {
        self.mutant = mutant;
    }
}

pub(super) fn lease(
    mutant: Option<Mutant>,
    (sent, usable): (UnixMillis, u64),
    lease_ms: u64,
    now: UnixMillis,
) -> (UnixMillis, u64) {
    match mutant {
        Some(Mutant::A2) => (now, usable),
        Some(Mutant::A3t) => (sent, lease_ms),
        _ => (sent, usable),
    }
}

pub(super) fn unchecked(
    mutant: Option<Mutant>,
    mut segment: segment::Segment,
    from: u64,
    head: u64,
) -> segment::Segment {
    if mutant == Some(Mutant::A7) {
        segment.from = from;
        segment.entries.truncate(usize::try_from(head - from).unwrap_or(usize::MAX));
    }
    segment
}
