use std::collections::BTreeMap;

use crate::time::UnixSeconds;

use super::marks::Marks;
use super::{Entry, Fingerprint, Kind, Slot};

/// The exact set of what is ended and not yet expired.
///
/// Applying entries is idempotent and order-free (it is a union), so duplication and reordering on the way here cannot
/// make it forget; what needs authority is only the claim that it is complete, and that is the replica's lease. The
/// exception is an undo, which takes away what came before it: the replica applies entries in the order of the log, and
/// one that misses an undo goes on refusing.
#[derive(Default, Clone)]
pub struct Denylist {
    families: BTreeMap<Slot, Bucket>,
    marks: Marks,
}

/// Fingerprints whose families end in one slot: a sorted run that is binary-searched, and a short unsorted tail that
/// takes new ones, so that a storm of logouts does not move the whole run for each.
#[derive(Default, Clone)]
struct Bucket {
    sorted: Vec<Fingerprint>,
    recent: Vec<Fingerprint>,
}

/// How long the tail may grow before it is merged, at least; a long run takes a longer tail, a sixty-fourth of itself,
/// so that merging stays cheap. A lookup scans the tail.
const TAIL: usize = 64;

impl Bucket {
    fn contains(&self, fingerprint: Fingerprint) -> bool {
        self.sorted.binary_search(&fingerprint).is_ok() || self.recent.contains(&fingerprint)
    }

    fn insert(&mut self, fingerprint: Fingerprint) {
        if self.contains(fingerprint) {
            return;
        }
        self.recent.push(fingerprint);
        if self.recent.len() >= TAIL.max(self.sorted.len() / 64) {
            self.sorted.append(&mut self.recent);
            self.sorted.sort_unstable();
        }
    }

    fn remove(&mut self, fingerprint: Fingerprint) {
        self.recent.retain(|listed| *listed != fingerprint);
        if let Ok(at) = self.sorted.binary_search(&fingerprint) {
            self.sorted.remove(at);
        }
    }

    fn len(&self) -> usize {
        self.sorted.len() + self.recent.len()
    }
}

impl Denylist {
    /// Adds the entry that stands at `seq` in the log.
    pub fn apply(&mut self, seq: u64, entry: &Entry) {
        match entry.kind {
            Kind::Family => self.families.entry(entry.slot).or_default().insert(entry.fingerprint),
            Kind::UndoFamily => {
                if let Some(bucket) = self.families.get_mut(&entry.slot) {
                    bucket.remove(entry.fingerprint);
                }
            }
            Kind::User | Kind::Realm | Kind::Key | Kind::Installation => self.marks.insert(seq, entry),
            Kind::Undo => self.marks.remove(entry.fingerprint.0),
        }
    }

    /// Whether the family that ends in `slot` is ended.
    pub fn family_ended(&self, slot: Slot, fingerprint: Fingerprint) -> bool {
        self.families.get(&slot).is_some_and(|bucket| bucket.contains(fingerprint))
    }

    /// The log position before which all tokens of the user are dead.
    pub fn user_watermark(&self, fingerprint: Fingerprint) -> Option<u64> {
        self.marks.last(Kind::User, fingerprint)
    }

    /// The log position before which all tokens of the realm are dead.
    pub fn realm_watermark(&self, fingerprint: Fingerprint) -> Option<u64> {
        self.marks.last(Kind::Realm, fingerprint).max(self.marks.last(Kind::Installation, Fingerprint(0)))
    }

    /// Whether everything made with the key is ended.
    pub fn key_ended(&self, fingerprint: Fingerprint) -> bool {
        self.marks.last(Kind::Key, fingerprint).is_some()
    }

    /// Drops whole slots that ended before `horizon`. The caller's horizon lies a clock skew and a lease in the past:
    /// an entry must outlive every clock that may still take its token for valid.
    pub fn drop_before(&mut self, horizon: UnixSeconds) {
        self.families.retain(|slot, _| slot.end() > horizon);
        self.marks.drop_before(horizon);
    }

    pub fn len(&self) -> usize {
        self.families.values().map(Bucket::len).sum::<usize>() + self.marks.len()
    }

    pub fn is_empty(&self) -> bool {
        self.families.is_empty() && self.marks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn family(slot: u32, fp: u64) -> Entry {
        Entry { kind: Kind::Family, slot: Slot(slot), fingerprint: Fingerprint(fp) }
    }

    #[test]
    fn a_watermark_only_rises() {
        let mut list = Denylist::default();
        let mark = |slot| Entry { kind: Kind::User, slot: Slot(slot), fingerprint: Fingerprint(7) };
        list.apply(9, &mark(3));
        list.apply(4, &mark(2));
        assert_eq!(list.user_watermark(Fingerprint(7)), Some(9));
        list.drop_before(Slot(2).end());
        assert_eq!(list.user_watermark(Fingerprint(7)), Some(9), "kept: its own slot has not ended");
    }

    #[test]
    fn an_undo_takes_back_one_entry_and_what_stood_below_counts_again() {
        let mut list = Denylist::default();
        let entry = |kind, fp| Entry { kind, slot: Slot(3), fingerprint: Fingerprint(fp) };
        for (seq, kind, fp) in [(1, Kind::User, 7), (2, Kind::User, 7), (3, Kind::Key, 8), (4, Kind::Installation, 0)] {
            list.apply(seq, &entry(kind, fp));
        }
        list.apply(5, &entry(Kind::Realm, 9));
        assert_eq!((list.user_watermark(Fingerprint(7)), list.realm_watermark(Fingerprint(9))), (Some(2), Some(5)));
        assert_eq!((list.key_ended(Fingerprint(8)), list.realm_watermark(Fingerprint(1))), (true, Some(4)));
        for (seq, undone) in [(6, 2), (7, 3), (8, 5), (9, 100)] {
            list.apply(seq, &entry(Kind::Undo, undone));
        }
        assert_eq!((list.user_watermark(Fingerprint(7)), list.realm_watermark(Fingerprint(9))), (Some(1), Some(4)));
        assert!(!list.key_ended(Fingerprint(8)));

        list.apply(10, &entry(Kind::Family, 1));
        list.apply(11, &entry(Kind::Family, 2));
        list.apply(12, &entry(Kind::UndoFamily, 1));
        assert!(!list.family_ended(Slot(3), Fingerprint(1)) && list.family_ended(Slot(3), Fingerprint(2)));
        list.apply(13, &entry(Kind::Family, 1));
        assert!(list.family_ended(Slot(3), Fingerprint(1)), "ended anew after the undo");
        list.drop_before(Slot(3).end());
        assert!(list.is_empty());
    }

    #[test]
    fn whole_slots_are_dropped_and_no_others() {
        let mut list = Denylist::default();
        list.apply(1, &family(10, 1));
        list.apply(2, &family(11, 2));
        list.drop_before(Slot(10).end());
        assert!(!list.family_ended(Slot(10), Fingerprint(1)));
        assert!(list.family_ended(Slot(11), Fingerprint(2)));
    }

    proptest! {
        /// R06: duplicates and any order give the same set, and nothing that was applied is ever missing.
        #[test]
        fn r06_order_and_duplicates_do_not_matter(
            entries in prop::collection::vec((0u32..4, 0u64..500), 0..400),
            seed in any::<u64>(),
        ) {
            let mut forwards = Denylist::default();
            for (seq, (slot, fp)) in (1..).zip(&entries) {
                forwards.apply(seq, &family(*slot, *fp));
            }
            let mut shuffled: Vec<_> = (1u64..).zip(&entries).chain((1u64..).zip(&entries)).collect();
            shuffled.sort_by_key(|(seq, (_, fp))| (seq ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ fp);
            let mut other = Denylist::default();
            for (seq, (slot, fp)) in shuffled {
                other.apply(seq, &family(*slot, *fp));
            }
            prop_assert_eq!(forwards.len(), other.len());
            for (slot, fp) in entries {
                prop_assert!(forwards.family_ended(Slot(slot), Fingerprint(fp)));
                prop_assert!(other.family_ended(Slot(slot), Fingerprint(fp)));
            }
        }
    }
}
