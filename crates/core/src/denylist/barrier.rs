//! When no edge can accept any more what an entry ends: the rule of `ack=barrier`.
//!
//! An edge accepts only within a lease, and one that was answered with a head at or beyond the entry applies it before
//! that lease counts. So what has to be waited for is each lease that was granted on a head *before* the entry, unless
//! the edge that holds it has said, by name and authenticated, that it has applied the entry since.
//!
//! This counts what one authority granted. Where several origins grant leases on one log, none knows the others'
//! grants: give each of them [`Barrier::all_anonymous`] and the entry's commit as the moment.

use std::collections::BTreeMap;

use crate::time::UnixMillis;

/// Rate error of a clock that is reckoned with, in thousandths, edge and authority together: each may be off by 0.1 %,
/// an edge's takes its own off the lease besides.
const DRIFT_PER_MILLE: u64 = 2;

/// An edge's clock stands still while it computes; this much is what a lease is shortened by for that, and waited here.
const MARGIN_MS: u64 = 50;

/// Grants of one edge on different heads that are told apart. More of them are counted as if on the oldest of them: the
/// wait is longer, never shorter.
const MAX_HEADS: usize = 32;

/// Edges that are known by name. Further ones are counted as anonymous.
const MAX_EDGES: usize = 4096;

/// The name by which an edge authenticated itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EdgeId(pub u64);

/// The leases that an authority granted and that may still run, by its own steady clock.
#[derive(Clone, Debug)]
pub struct Barrier {
    /// Leases granted before this authority started, of which it knows nothing, have run out at this time.
    started_until: UnixMillis,
    edges: BTreeMap<EdgeId, Grants>,
    anonymous: Grants,
    #[cfg(feature = "mutants")]
    mutant: Option<crate::replica::Mutant>,
}

#[derive(Clone, Default, Debug)]
struct Grants {
    /// What the edge said that it has applied.
    applied: u64,
    /// Heads in ascending order with the end of the last lease granted on each.
    by_head: Vec<(u64, UnixMillis)>,
}

impl Grants {
    fn add(&mut self, head: u64, until: UnixMillis, now: UnixMillis) {
        self.by_head.retain(|(_, until)| *until > now);
        match self.by_head.binary_search_by_key(&head, |(head, _)| *head) {
            Ok(at) => {
                if let Some((_, old)) = self.by_head.get_mut(at) {
                    *old = (*old).max(until);
                }
            }
            Err(at) => self.by_head.insert(at, (head, until)),
        }
        if self.by_head.len() > MAX_HEADS {
            let (_, newer) = self.by_head.remove(1);
            if let Some((_, oldest)) = self.by_head.first_mut() {
                *oldest = (*oldest).max(newer);
            }
        }
    }

    /// When the last lease on a head before `seq` runs out.
    fn until(&self, seq: u64) -> Option<UnixMillis> {
        if self.applied >= seq {
            return None;
        }
        self.by_head.iter().take_while(|(head, _)| *head < seq).map(|(_, until)| *until).max()
    }
}

impl Barrier {
    /// For an authority that starts at `now`. `longest_lease_ms` is the longest lease that may have been granted
    /// before: the greatest that was configured within it.
    pub fn new(now: UnixMillis, longest_lease_ms: u64) -> Self {
        Self {
            started_until: now.plus(wait(longest_lease_ms)),
            edges: BTreeMap::new(),
            anonymous: Grants::default(),
            #[cfg(feature = "mutants")]
            mutant: None,
        }
    }

    /// How long to wait after an entry's commit where no grant can be told from another: `L(1 + 2ρ)` of the longest
    /// lease that any origin may have granted.
    pub const fn all_anonymous(longest_lease_ms: u64) -> u64 {
        wait(longest_lease_ms)
    }

    /// Notes a lease that is about to be granted: to be called before the heartbeat leaves, with the time at which its
    /// head was read or later. Leases keep the length that they were granted with, whatever is configured since.
    pub fn granted(&mut self, edge: Option<EdgeId>, head: u64, lease_ms: u64, now: UnixMillis) {
        let until = now.plus(self.wait(lease_ms));
        let known = edge.filter(|edge| self.edges.contains_key(edge) || self.make_room(now));
        let grants = match known {
            Some(edge) => self.edges.entry(edge).or_default(),
            None => &mut self.anonymous,
        };
        grants.add(head, until, now);
    }

    /// Notes what an edge says of itself in a poll. The name must be authenticated: nobody else can say it.
    pub fn applied(&mut self, edge: EdgeId, seq: u64) {
        if let Some(grants) = self.edges.get_mut(&edge) {
            grants.applied = grants.applied.max(seq);
        }
    }

    /// When no edge can accept any more what the entry at `seq` ends; `now` or earlier when that is so already. What
    /// edges say meanwhile can make it sooner; grants cannot make it later, for they are on heads beyond the entry.
    ///
    /// The entry must be committed, so that no head before it is read any more.
    pub fn effective_at(&self, seq: u64) -> UnixMillis {
        let grants = self.edges.values().chain([&self.anonymous]);
        let last = grants.filter_map(|grants| grants.until(seq)).max();
        let started = self.started_until;
        #[cfg(feature = "mutants")]
        let started = if self.mutant == Some(crate::replica::Mutant::D1) { UnixMillis(0) } else { started };
        last.map_or(started, |last| last.max(started))
    }

    fn wait(&self, lease_ms: u64) -> u64 {
        #[cfg(feature = "mutants")]
        if self.mutant == Some(crate::replica::Mutant::B3) {
            return lease_ms;
        }
        wait(lease_ms)
    }

    /// Forgets edges that hold no lease when there is no room; whether there is any then.
    fn make_room(&mut self, now: UnixMillis) -> bool {
        if self.edges.len() >= MAX_EDGES {
            self.edges.retain(|_, grants| grants.by_head.iter().any(|(_, until)| *until > now));
        }
        self.edges.len() < MAX_EDGES
    }

    #[cfg(feature = "mutants")]
    pub fn set_mutant(&mut self, mutant: Option<crate::replica::Mutant>) {
        self.mutant = mutant;
    }
}

const fn wait(lease_ms: u64) -> u64 {
    lease_ms.saturating_add(lease_ms / 1000 * DRIFT_PER_MILLE).saturating_add(DRIFT_PER_MILLE + MARGIN_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixMillis = UnixMillis(1_800_000_000_000);
    const L: u64 = 10_000;
    const A: Option<EdgeId> = Some(EdgeId(1));
    const B: Option<EdgeId> = Some(EdgeId(2));

    fn at(ms: u64) -> UnixMillis {
        START.plus(ms)
    }

    /// Long enough ago that nothing from before it counts.
    fn barrier() -> Barrier {
        Barrier::new(UnixMillis(START.0 - 10 * L), L)
    }

    #[test]
    fn only_leases_on_heads_before_the_entry_count() {
        let mut barrier = barrier();
        barrier.granted(A, 6, L, at(0));
        barrier.granted(A, 7, L, at(5_000));
        assert!(barrier.effective_at(6) <= at(0), "both heads have it");
        assert_eq!(barrier.effective_at(7), at(wait(L)));
        assert_eq!(barrier.effective_at(8), at(5_000 + wait(L)));
        assert!(wait(L) >= L * 1002 / 1000);
    }

    #[test]
    fn r32_a_dead_edge_holds_it_up_for_its_lease_and_no_longer() {
        let mut barrier = barrier();
        for edge in [A, B] {
            barrier.granted(edge, 4, L, at(0));
        }
        barrier.granted(A, 5, L, at(100));
        barrier.applied(EdgeId(1), 5);
        assert_eq!(barrier.effective_at(5), at(wait(L)), "B is silent");
        barrier.applied(EdgeId(2), 5);
        assert!(barrier.effective_at(5) <= at(100), "B has spoken");
    }

    #[test]
    fn r33_after_a_restart_nothing_is_said_for_a_lease() {
        let mut barrier = Barrier::new(at(0), L);
        barrier.granted(A, 5, L, at(10));
        barrier.applied(EdgeId(1), 5);
        assert_eq!(barrier.effective_at(5), at(wait(L)));
    }

    #[test]
    fn r35_each_lease_counts_with_the_length_it_was_granted_with() {
        let mut barrier = barrier();
        barrier.granted(A, 4, L, at(0));
        barrier.granted(A, 4, 2_000, at(1_000));
        barrier.granted(None, 4, 2_000, at(1_000));
        assert_eq!(barrier.effective_at(5), at(wait(L)));
        assert_eq!(barrier.effective_at(4), barrier.started_until);
    }

    #[test]
    fn r27_acknowledgements_of_one_edge_do_not_count_for_another() {
        let mut barrier = barrier();
        barrier.granted(A, 4, L, at(0));
        barrier.granted(B, 4, L, at(0));
        barrier.granted(None, 4, L, at(500));
        barrier.applied(EdgeId(1), u64::MAX);
        barrier.applied(EdgeId(3), u64::MAX);
        assert_eq!(barrier.effective_at(5), at(500 + wait(L)), "nobody speaks for an anonymous one");
    }

    #[test]
    fn what_is_kept_is_bounded_and_errs_on_the_long_side() {
        let mut barrier = barrier();
        for head in 0..1000 {
            barrier.granted(A, head, L, at(head));
        }
        assert!(barrier.edges[&EdgeId(1)].by_head.len() <= MAX_HEADS);
        for seq in 1..=1000 {
            assert!(barrier.effective_at(seq) >= at(seq - 1 + wait(L)), "{seq}");
        }
        for edge in 0..2 * MAX_EDGES as u64 {
            barrier.granted(Some(EdgeId(edge)), 1000, L, at(2000 + edge));
        }
        assert!(barrier.edges.len() <= MAX_EDGES);
        assert!(barrier.effective_at(1001) >= at(2000 + 2 * MAX_EDGES as u64 - 1 + wait(L)), "the rest is anonymous");
    }
}
