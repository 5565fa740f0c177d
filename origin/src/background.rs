//! Work that is done over and over, for as long as the process lives.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// At once, and then so often. What took longer is not made up for.
pub(crate) fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// The last thing that went wrong, so that the log says it once and not every time.
pub(crate) struct Complaint<E>(Option<E>);

impl<E> Default for Complaint<E> {
    fn default() -> Self {
        Self(None)
    }
}

impl<E: PartialEq> Complaint<E> {
    /// The error, unless it is that of the time before.
    pub(crate) fn news(&mut self, outcome: Result<(), E>) -> Option<&E> {
        let before = std::mem::replace(&mut self.0, outcome.err());
        self.0.as_ref().filter(|error| before.as_ref() != Some(*error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_complained_of_once() {
        let mut complaint = Complaint::default();
        let told = [Err("a"), Err("a"), Err("b"), Err("a"), Ok(()), Err("a")].map(|one| complaint.news(one).copied());
        assert_eq!(told, [Some("a"), None, Some("b"), Some("a"), None, Some("a")]);
    }
}
