use std::collections::BTreeMap;

use crate::time::UnixSeconds;

use super::{Entry, Fingerprint, Kind, Slot};

/// Watermarks and ended keys. All that are live are kept, not only the highest of each, so that one can be taken back
/// and the one below it counts again.
#[derive(Default, Clone)]
pub(super) struct Marks {
    /// Ascending by position.
    by_subject: BTreeMap<(Kind, Fingerprint), Vec<Mark>>,
    /// Which subject the entry at a position concerns.
    by_position: BTreeMap<u64, (Kind, Fingerprint)>,
}

#[derive(Clone, Copy)]
struct Mark {
    seq: u64,
    slot: Slot,
}

impl Marks {
    /// Whether there was none at this position. No position is ever given twice, so that one that is known was applied
    /// before; should something else be there all the same, a seed was wrong, and both count.
    pub(super) fn insert(&mut self, seq: u64, entry: &Entry) -> bool {
        let subject = (entry.kind, entry.fingerprint);
        let is_new = self.by_position.insert(seq, subject).is_none();
        let marks = self.by_subject.entry(subject).or_default();
        let place = marks.partition_point(|mark| mark.seq < seq);
        match marks.get_mut(place).filter(|mark| mark.seq == seq) {
            Some(mark) => mark.slot = mark.slot.max(entry.slot),
            None => marks.insert(place, Mark { seq, slot: entry.slot }),
        }
        is_new
    }

    pub(super) fn remove(&mut self, seq: u64) {
        let Some(subject) = self.by_position.remove(&seq) else { return };
        if let Some(marks) = self.by_subject.get_mut(&subject) {
            marks.retain(|mark| mark.seq != seq);
            if marks.is_empty() {
                self.by_subject.remove(&subject);
            }
        }
    }

    pub(super) fn last(&self, kind: Kind, fingerprint: Fingerprint) -> Option<u64> {
        self.by_subject.get(&(kind, fingerprint))?.last().map(|mark| mark.seq)
    }

    pub(super) fn drop_before(&mut self, horizon: UnixSeconds) {
        let Self { by_subject, by_position } = self;
        by_subject.retain(|_, marks| {
            // All of a subject's or none: one that was set under a shorter session time ends sooner than it should, and
            // the others keep it.
            let kept = marks.iter().any(|mark| mark.slot.end() > horizon);
            if !kept {
                for mark in marks.iter() {
                    by_position.remove(&mark.seq);
                }
            }
            kept
        });
    }

    /// All of them with their positions; ascending by kind, fingerprint and position.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, Entry)> + '_ {
        self.by_subject.iter().flat_map(|(&(kind, fingerprint), marks)| {
            marks.iter().map(move |mark| (mark.seq, Entry { kind, slot: mark.slot, fingerprint }))
        })
    }

    pub(super) fn len(&self) -> usize {
        self.by_position.len()
    }

    /// Bytes on the heap. A node of a BTreeMap is two thirds full.
    pub(super) fn bytes(&self) -> usize {
        self.by_subject.len() * size_of::<((Kind, Fingerprint), Vec<Mark>)>() * 3 / 2
            + self.by_position.len() * (size_of::<Mark>() + size_of::<(u64, (Kind, Fingerprint))>() * 3 / 2)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_position.is_empty()
    }
}
