//! Logins in progress of the scheme In-Memory: they end with the process.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use countersign_core::time::UnixSeconds;
use zeroize::Zeroizing;

/// Of all logins together. Beyond, those end first that would end first anyway: whoever begins logins by the thousand
/// must not keep others from beginning one.
const MAX_BYTES: usize = if cfg!(test) { 256 } else { 64 * 1024 } * 1024;
/// What an entry costs beside its state.
const OVERHEAD: usize = 256;

pub(super) type Reference = [u8; 32];

#[derive(Default)]
pub(crate) struct Memory(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    by_reference: HashMap<Reference, Entry>,
    by_end: BTreeSet<(UnixSeconds, Reference)>,
    bytes: usize,
}

struct Entry {
    version: u64,
    /// Somebody answers the step of this version.
    claimed: bool,
    ends: UnixSeconds,
    state: Zeroizing<Vec<u8>>,
}

impl Memory {
    pub(super) fn create(&self, reference: Reference, state: Vec<u8>, ends: UnixSeconds, now: UnixSeconds) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.insert(reference, Entry { version: 1, claimed: false, ends, state: Zeroizing::new(state) });
        entries.make_room(now);
    }

    /// The version and the state of a login that is not over.
    pub(super) fn get(&self, reference: &Reference, now: UnixSeconds) -> Option<(u64, Zeroizing<Vec<u8>>)> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.by_reference.get(reference).filter(|entry| now < entry.ends)?;
        Some((entry.version, entry.state.clone()))
    }

    /// Whether whoever asks may answer the step: nobody else does, until it is released.
    pub(super) fn claim(&self, reference: &Reference, version: u64) -> bool {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.by_reference.get_mut(reference).filter(|entry| entry.version == version && !entry.claimed);
        entry.map(|entry| entry.claimed = true).is_some()
    }

    pub(super) fn is_claimed(&self, reference: &Reference, version: u64) -> bool {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.by_reference.get(reference).is_some_and(|entry| entry.version == version && entry.claimed)
    }

    pub(super) fn release(&self, reference: &Reference, version: u64) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.by_reference.get_mut(reference).filter(|entry| entry.version == version) {
            entry.claimed = false;
        }
    }

    /// The next step, on the version that it was made from; `false` when another one was faster.
    pub(super) fn step(&self, reference: &Reference, from: u64, state: Vec<u8>, ends: UnixSeconds) -> bool {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.by_reference.get(reference).is_none_or(|entry| entry.version != from) {
            return false;
        }
        entries.insert(*reference, Entry { version: from + 1, claimed: false, ends, state: Zeroizing::new(state) });
        true
    }

    /// Ends the login at that version; `true` for the one who did.
    pub(super) fn finish(&self, reference: &Reference, version: u64) -> bool {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let there = entries.by_reference.get(reference).is_some_and(|entry| entry.version == version);
        if there {
            entries.remove(reference);
        }
        there
    }
}

impl Entries {
    fn insert(&mut self, reference: Reference, entry: Entry) {
        self.remove(&reference);
        self.bytes += entry.state.len() + OVERHEAD;
        self.by_end.insert((entry.ends, reference));
        self.by_reference.insert(reference, entry);
    }

    fn remove(&mut self, reference: &Reference) {
        if let Some(entry) = self.by_reference.remove(reference) {
            self.bytes -= entry.state.len() + OVERHEAD;
            self.by_end.remove(&(entry.ends, *reference));
        }
    }

    fn make_room(&mut self, now: UnixSeconds) {
        while let Some((ends, reference)) = self.by_end.first().copied()
            && (ends <= now || self.bytes > MAX_BYTES)
        {
            self.remove(&reference);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1000);

    #[test]
    fn s10_a_step_is_taken_from_its_own_version_only() {
        let (memory, reference) = (Memory::default(), [1; 32]);
        memory.create(reference, b"one".to_vec(), NOW.plus(10), NOW);
        assert!(memory.step(&reference, 1, b"two".to_vec(), NOW.plus(20)));
        assert!(!memory.step(&reference, 1, b"other".to_vec(), NOW.plus(20)));
        let (version, state) = memory.get(&reference, NOW.plus(15)).unwrap();
        assert_eq!((version, state.as_slice()), (2, &b"two"[..]));
        assert!(memory.get(&reference, NOW.plus(20)).is_none(), "it is over");
        assert!(!memory.finish(&reference, 1));
        assert!(memory.finish(&reference, 2));
        assert!(!memory.finish(&reference, 2));
    }

    #[test]
    fn it_is_bounded_and_forgets_what_is_over() {
        let memory = Memory::default();
        for n in 0..=255u8 {
            memory.create([n; 32], vec![0; MAX_BYTES / 100 - OVERHEAD], NOW.plus(1000 - u64::from(n)), NOW);
        }
        let kept = || memory.0.lock().unwrap().by_reference.len();
        assert_eq!(kept(), 100);
        assert!(memory.get(&[0; 32], NOW).is_some(), "the one that ends last");
        memory.create([0; 32], Vec::new(), NOW.plus(5000), NOW.plus(2000));
        let entries = memory.0.lock().unwrap();
        assert_eq!((entries.by_reference.len(), entries.by_end.len(), entries.bytes), (1, 1, OVERHEAD));
    }
}
