use crate::time::UnixSeconds;

use super::marks::Marks;
use super::run::Run;
use super::slots::Slots;
use super::{Entry, Fingerprint, Kind, Slot};

/// The exact set of what is ended and not yet expired.
///
/// Applying entries is idempotent and order-free (it is a union), so duplication and reordering on the way here cannot
/// make it forget; what needs authority is only the claim that it is complete, and that is the replica's lease. The
/// exception is an undo, which takes away what came before it: the replica applies entries in the order of the log, and
/// one that misses an undo goes on refusing. The set has no limit of its own: what is listed stays until its slot has
/// ended. What bounds it is how much a replica takes.
#[derive(Default, Clone)]
pub struct Denylist {
    families: Slots<Bucket>,
    marks: Marks,
}

/// Fingerprints whose families end in one slot: a compressed run, and the sorted few that came after it was made, so
/// that a storm of logouts does not make the whole run anew for each.
#[derive(Default, Clone)]
pub(super) struct Bucket {
    run: Run,
    recent: Vec<u64>,
}

/// How many recent ones are kept beside a run, at least and at most; between that a sixteenth of it.
const RECENT: (usize, usize) = (64, 4096);

impl Bucket {
    fn contains(&self, fingerprint: Fingerprint) -> bool {
        self.run.contains(fingerprint) || place_in(&self.recent, fingerprint.0).is_ok()
    }

    fn limit(&self) -> usize {
        (self.run.len() / 16).clamp(RECENT.0, RECENT.1)
    }

    fn insert(&mut self, fingerprint: Fingerprint) {
        if self.run.contains(fingerprint) {
            return;
        }
        if let Err(place) = place_in(&self.recent, fingerprint.0) {
            let limit = self.limit();
            if self.recent.len() == self.recent.capacity() {
                self.recent.reserve_exact(self.recent.len().clamp(4, limit.saturating_sub(self.recent.len()).max(4)));
            }
            self.recent.insert(place, fingerprint.0);
            if self.recent.len() >= limit {
                self.compress();
            }
        }
    }

    fn compress(&mut self) {
        let recent = std::mem::take(&mut self.recent);
        if !recent.is_empty() {
            self.run = Run::new(self.run.len() + recent.len(), Union::new(self.run.iter(), recent.iter().copied()));
        }
    }

    fn merge(&mut self, other: Self) {
        if self.len() == 0 {
            *self = other;
        } else if other.len() < RECENT.0 {
            for fingerprint in other.iter() {
                self.insert(Fingerprint(fingerprint));
            }
        } else if self.recent.len() + other.len() < self.limit() {
            let other = other.iter().filter(|fingerprint| !self.run.contains(Fingerprint(*fingerprint)));
            self.recent = Union::new(self.recent.iter().copied(), other).collect();
            self.recent.shrink_to_fit();
        } else {
            self.run = Run::new(self.len() + other.len(), Union::new(self.iter(), other.iter()));
            self.recent = Vec::new();
        }
    }

    /// The run is made anew: an undo is rare.
    fn remove(&mut self, fingerprint: Fingerprint) {
        self.recent.retain(|listed| *listed != fingerprint.0);
        if self.run.contains(fingerprint) {
            self.run = without(&self.run, fingerprint);
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.run.len() + self.recent.len()
    }

    /// All of them, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        Union::new(self.run.iter(), self.recent.iter().copied())
    }
}

fn without(run: &Run, fingerprint: Fingerprint) -> Run {
    Run::new(run.len(), run.iter().filter(|listed| *listed != fingerprint.0))
}

/// As `binary_search`, but from where the number would stand among as many that are spread evenly, which is near: so
/// the memory read is in one place, and not in twelve.
fn place_in(ascending: &[u64], number: u64) -> Result<usize, usize> {
    let guess = (u128::from(number) * ascending.len() as u128) >> 64;
    let (before, behind) = ascending.split_at_checked(usize::try_from(guess).unwrap_or(0)).unwrap_or_default();
    let more = behind.iter().take_while(|listed| **listed < number).count();
    // Only where the guess was too far to the right is there something to step back over.
    let less = before.iter().rev().take_while(|listed| **listed >= number).count();
    let place = before.len() + more - less;
    if ascending.get(place) == Some(&number) { Ok(place) } else { Err(place) }
}

/// The union of two ascending sequences.
struct Union<A, B> {
    a: A,
    b: B,
    next: (Option<u64>, Option<u64>),
}

impl<A: Iterator<Item = u64>, B: Iterator<Item = u64>> Union<A, B> {
    fn new(mut a: A, mut b: B) -> Self {
        let next = (a.next(), b.next());
        Self { a, b, next }
    }
}

impl<A: Iterator<Item = u64>, B: Iterator<Item = u64>> Iterator for Union<A, B> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        match self.next {
            (Some(a), b) if b.is_none_or(|b| a < b) => {
                self.next.0 = self.a.next();
                Some(a)
            }
            (a, Some(b)) => {
                if a == Some(b) {
                    self.next.0 = self.a.next();
                }
                self.next.1 = self.b.next();
                Some(b)
            }
            (a, None) => a,
        }
    }
}

impl Denylist {
    /// Adds the entry that stands at `seq` in the log.
    pub fn apply(&mut self, seq: u64, entry: &Entry) {
        match entry.kind {
            Kind::Family => self.families.change(entry.slot, |bucket| bucket.insert(entry.fingerprint)),
            Kind::UndoFamily => {
                if let Some(bucket) = self.families.get_mut(entry.slot) {
                    bucket.remove(entry.fingerprint);
                }
            }
            Kind::User | Kind::Realm | Kind::Key | Kind::Installation => {
                self.marks.insert(seq, entry);
            }
            Kind::Undo => self.marks.remove(entry.fingerprint.0),
        }
    }

    /// Adds all that the other one has.
    pub fn union(&mut self, other: Self) {
        for (slot, bucket) in other.families {
            self.families.change(slot, |own| own.merge(bucket));
        }
        for (seq, mark) in other.marks.iter() {
            self.marks.insert(seq, &mark);
        }
    }

    /// Applies what was gathered: it is believed now.
    pub fn absorb(&mut self, gathered: Gathered) {
        for undo in &gathered.undone {
            self.apply(0, undo);
        }
        for (slot, pile) in gathered.families {
            self.families.change(slot, |bucket| bucket.merge(pile.settled()));
        }
        for (seq, mark) in gathered.marks.iter() {
            self.marks.insert(seq, &mark);
        }
    }

    /// Whether the family that ends in `slot` is ended.
    pub fn family_ended(&self, slot: Slot, fingerprint: Fingerprint) -> bool {
        self.families.get(slot).is_some_and(|bucket| bucket.contains(fingerprint))
    }

    /// The log position before which all tokens of the user are dead.
    pub fn user_watermark(&self, fingerprint: Fingerprint) -> Option<u64> {
        self.marks.last(Kind::User, fingerprint)
    }

    /// The log position before which all tokens of the realm are dead, or of the whole installation.
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
        self.families.drop_before(horizon);
        self.marks.drop_before(horizon);
    }

    pub fn len(&self) -> usize {
        self.families.iter().map(|(_, bucket)| bucket.len()).sum::<usize>() + self.marks.len()
    }

    pub fn is_empty(&self) -> bool {
        self.families.is_empty() && self.marks.is_empty()
    }

    /// Bytes of memory that the entries take, without what the allocator adds.
    pub fn memory(&self) -> usize {
        let buckets = self.families.iter().map(|(_, bucket)| bucket.run.bytes() + bucket.recent.capacity() * 8);
        self.families.bytes() + buckets.sum::<usize>() + self.marks.bytes()
    }

    pub(super) fn families(&self) -> impl ExactSizeIterator<Item = (Slot, &Bucket)> {
        self.families.iter()
    }

    pub(super) fn marks(&self) -> &Marks {
        &self.marks
    }

    pub(super) fn marks_mut(&mut self) -> &mut Marks {
        &mut self.marks
    }

    pub(super) fn add_families(&mut self, slot: Slot, count: usize, ascending: impl Iterator<Item = u64>) {
        let bucket = Bucket { run: Run::new(count, ascending), recent: Vec::new() };
        self.families.change(slot, |own| own.merge(bucket));
    }
}

/// Entries that are not believed yet: nearly as compact as the set, quick to add to, and without lookups.
#[derive(Default)]
pub struct Gathered {
    /// What is left of them after the undos among them.
    families: Slots<Pile>,
    marks: Marks,
    /// What is to be taken back of the set that they will be added to.
    undone: Vec<Entry>,
}

impl Gathered {
    /// Adds the entry that stands at `seq` in the log.
    pub fn add(&mut self, seq: u64, entry: &Entry) {
        match entry.kind {
            Kind::Family => self.families.change(entry.slot, |pile| pile.add(entry.fingerprint.0)),
            Kind::User | Kind::Realm | Kind::Key | Kind::Installation => {
                self.marks.insert(seq, entry);
            }
            Kind::UndoFamily => {
                if let Some(pile) = self.families.get_mut(entry.slot) {
                    pile.remove(entry.fingerprint);
                }
                self.undone.push(*entry);
            }
            Kind::Undo => {
                self.marks.remove(entry.fingerprint.0);
                self.undone.push(*entry);
            }
        }
    }
}

/// Fingerprints of one slot as they come: the last ones loose, those before in small runs, which are sorted once in the
/// end.
#[derive(Default)]
struct Pile {
    loose: Vec<u64>,
    runs: Vec<Run>,
    /// What they became whenever they were many, so that sorting takes a few megabytes whatever there is.
    sorted: Vec<Run>,
}

const LOOSE: usize = 2048;
const RUNS: usize = 256;

impl Pile {
    fn add(&mut self, fingerprint: u64) {
        self.loose.push(fingerprint);
        if self.loose.len() >= LOOSE {
            self.loose.sort_unstable();
            self.loose.dedup();
            self.runs.push(Run::new(self.loose.len(), self.loose.iter().copied()));
            self.loose.clear();
            if self.runs.len() >= RUNS {
                self.sort();
            }
        }
    }

    fn sort(&mut self) {
        let count = self.runs.iter().map(Run::len).sum::<usize>() + self.loose.len();
        let mut all = Vec::with_capacity(count);
        for run in self.runs.drain(..) {
            all.extend(run.iter());
        }
        all.append(&mut self.loose);
        all.sort(); // which makes use of what is sorted already
        all.dedup();
        self.sorted.push(Run::new(all.len(), all.iter().copied()));
    }

    fn remove(&mut self, fingerprint: Fingerprint) {
        self.loose.retain(|listed| *listed != fingerprint.0);
        for run in self.runs.iter_mut().chain(&mut self.sorted).filter(|run| run.contains(fingerprint)) {
            *run = without(run, fingerprint);
        }
    }

    fn settled(mut self) -> Bucket {
        if self.runs.is_empty() && self.sorted.is_empty() && self.loose.len() < RECENT.0 {
            self.loose.sort_unstable();
            self.loose.dedup();
            self.loose.shrink_to_fit();
            return Bucket { run: Run::default(), recent: self.loose };
        }
        self.sort();
        // Two by two, so that each is taken up as seldom as may be.
        while self.sorted.len() > 1 {
            let mut halved = Vec::with_capacity(self.sorted.len().div_ceil(2));
            let mut rest = self.sorted.drain(..);
            while let Some(a) = rest.next() {
                halved.push(match rest.next() {
                    Some(b) => Run::new(a.len() + b.len(), Union::new(a.iter(), b.iter())),
                    None => a,
                });
            }
            drop(rest);
            self.sorted = halved;
        }
        Bucket { run: self.sorted.pop().unwrap_or_default(), recent: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn family(slot: u32, fp: u64) -> Entry {
        Entry { kind: Kind::Family, slot: Slot(slot), fingerprint: Fingerprint(fp) }
    }

    /// Spreads small numbers over all 64 bits, as HMAC does.
    fn spread(number: u64) -> u64 {
        number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number.rotate_left(31)
    }

    #[test]
    fn a_watermark_only_rises() {
        let mut list = Denylist::default();
        let mark = |slot| Entry { kind: Kind::User, slot: Slot(slot), fingerprint: Fingerprint(7) };
        list.apply(9, &mark(3));
        list.apply(4, &mark(2));
        assert_eq!(list.user_watermark(Fingerprint(7)), Some(9));
        assert_eq!(list.realm_watermark(Fingerprint(7)), None, "a user is no realm");
        list.drop_before(Slot(2).end());
        assert_eq!(list.user_watermark(Fingerprint(7)), Some(9), "kept: its own slot has not ended");
        list.drop_before(Slot(3).end());
        assert!(list.is_empty());
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

    /// An undo among entries that are gathered reaches the set they are added to, and not what came after it.
    #[test]
    fn what_is_gathered_takes_back_as_in_the_log() {
        let entry = |kind, fp| Entry { kind, slot: Slot(3), fingerprint: Fingerprint(fp) };
        let mut log: Vec<Entry> = (0..3_000).map(|number| entry(Kind::Family, spread(number))).collect();
        log.extend([entry(Kind::User, 7), entry(Kind::UndoFamily, spread(5)), entry(Kind::UndoFamily, spread(2_500))]);
        log.extend([
            entry(Kind::Family, spread(5)),
            entry(Kind::User, 7),
            entry(Kind::Undo, 3_005),
            entry(Kind::Key, 8),
        ]);
        let log: Vec<(u64, Entry)> = (1..).zip(log).collect();
        for cut in [0, 4, 6, 2_000, 2_999, 3_001, 3_002, 3_004, log.len()] {
            let (mut whole, mut list, mut gathered) = Default::default();
            log.iter().for_each(|(seq, entry)| Denylist::apply(&mut whole, *seq, entry));
            log[..cut].iter().for_each(|(seq, entry)| Denylist::apply(&mut list, *seq, entry));
            log[cut..].iter().for_each(|(seq, entry)| Gathered::add(&mut gathered, *seq, entry));
            list.absorb(gathered);
            assert_eq!(list.len(), whole.len(), "{cut}");
            for number in 0..3_000 {
                let listed = |list: &Denylist| list.family_ended(Slot(3), Fingerprint(spread(number)));
                assert_eq!((listed(&list), listed(&whole)), (number != 2_500, number != 2_500), "{number} {cut}");
            }
            assert_eq!(list.user_watermark(Fingerprint(7)), whole.user_watermark(Fingerprint(7)));
            assert!(list.key_ended(Fingerprint(8)));
        }
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

    #[test]
    fn many_entries_take_less_than_their_own_size() {
        for slots in [1, 8] {
            let (mut list, mut gathered) = (Denylist::default(), Gathered::default());
            for number in 0..100_000u64 {
                let entry = family(u32::try_from(number % slots).unwrap(), spread(number));
                list.apply(number + 1, &entry);
                gathered.add(number + 1, &entry);
            }
            let mut settled = Denylist::default();
            settled.absorb(gathered);
            for list in [list, settled] {
                assert_eq!(list.len(), 100_000);
                let bits = list.memory() * 8 / list.len();
                assert!(bits <= 55, "{bits} bits for an entry in {slots} slots");
            }
        }
    }

    proptest! {
        /// R06: duplicates, any order and any way to add give the same set, and nothing that was applied is missing.
        #[test]
        fn r06_order_and_duplicates_do_not_matter(
            entries in prop::collection::vec((0u32..4, 0u64..500), 0..400),
            seed in any::<u64>(),
            cut in 0usize..400,
        ) {
            let entries: Vec<_> = entries.into_iter().map(|(slot, number)| (slot, spread(number))).collect();
            let mut forwards = Denylist::default();
            for (seq, (slot, fp)) in (1..).zip(&entries) {
                forwards.apply(seq, &family(*slot, *fp));
            }
            let mut shuffled: Vec<_> = (1u64..).zip(&entries).chain((1u64..).zip(&entries)).collect();
            shuffled.sort_by_key(|(seq, (_, fp))| (seq ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ fp);
            let mut other = Denylist::default();
            let (now, later) = shuffled.split_at(cut.min(shuffled.len()));
            for (seq, (slot, fp)) in now {
                other.apply(*seq, &family(*slot, *fp));
            }
            let mut gathered = Gathered::default();
            for (seq, (slot, fp)) in later {
                gathered.add(*seq, &family(*slot, *fp));
            }
            other.absorb(gathered);
            prop_assert_eq!(forwards.len(), other.len());
            for ((slot, a), (other_slot, b)) in forwards.families().zip(other.families()) {
                prop_assert_eq!(slot, other_slot);
                prop_assert_eq!(a.iter().collect::<Vec<_>>(), b.iter().collect::<Vec<_>>());
            }
            for (slot, fp) in entries {
                prop_assert!(forwards.family_ended(Slot(slot), Fingerprint(fp)));
                prop_assert!(other.family_ended(Slot(slot), Fingerprint(fp)));
            }
        }
    }
}
