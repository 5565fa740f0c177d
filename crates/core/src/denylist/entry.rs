use crate::time::{UnixMillis, UnixSeconds};

use super::Fingerprint;

/// Incarnation of the log: 128 random bits, new when the log begins anew (first start, restore from a backup).
/// A replica never mixes two epochs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Epoch(pub [u8; 16]);

/// The position behind which a new epoch begins, for a log that ended at `head` as far as is known: what a backup holds
/// may be less than what was there.
///
/// Positions are compared with the `rvs` of tokens, which do not say their epoch, and edges keep the watermarks they
/// have. So no position is ever given twice: an epoch begins where a log that has had a million entries for each second
/// since 1970 would be. What was lost between the backup and the end cannot be known, so that the first entry of the
/// new epoch has to be a watermark of the installation: without it a session that was ended in the lost part would come
/// back.
///
/// Two epochs that begin from one backup begin at two positions when a millisecond lies between them; the edges that
/// took the first take the second then. It is below 2⁵³ until the year 2242.
pub const fn restart_at(head: u64, now: UnixMillis) -> u64 {
    let clock = now.0.saturating_mul(1 << 20) / 1000;
    if clock > head { clock } else { head.saturating_add(1 << 20) }
}

/// What an entry ends. The numbers are wire format.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Kind {
    /// One login and every token re-issued from it (`sid`).
    Family = 1,
    /// Every token of one user whose `rvs` is below this entry's `seq`: log out everywhere.
    User = 2,
    /// Every token of one realm whose `rvs` is below this entry's `seq`.
    Realm = 3,
    /// Every token made with one key (`kid`), whatever its `rvs`: whoever has the key chooses that.
    Key = 4,
    /// Every token of the installation whose `rvs` is below this entry's `seq`; its fingerprint is 0.
    Installation = 5,
    /// Takes back the entries of one family, by its slot and fingerprint.
    UndoFamily = 6,
    /// Takes back the entry at a position, which is of another kind than `Family`; the fingerprint is that position.
    Undo = 7,
}

impl Kind {
    pub const fn code(self) -> u8 {
        self as u8
    }

    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Family),
            2 => Some(Self::User),
            3 => Some(Self::Realm),
            4 => Some(Self::Key),
            5 => Some(Self::Installation),
            6 => Some(Self::UndoFamily),
            7 => Some(Self::Undo),
            _ => None,
        }
    }

    /// Whether an entry is a line in the log or the end of a key, of which there are few: neither a family nor an undo.
    pub(super) const fn is_mark(self) -> bool {
        matches!(self, Self::User | Self::Realm | Self::Key | Self::Installation)
    }
}

/// A quarter of an hour, counted from the Unix epoch. Entries are grouped, probed and dropped by the slot in which the
/// session family they concern ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Slot(pub u32);

impl Slot {
    /// Length of a slot, in seconds.
    pub const SECONDS: u64 = 15 * 60;

    /// The slot that `time` falls into. Times past the year 120 000 share the last slot.
    pub fn of(time: UnixSeconds) -> Self {
        Self(u32::try_from(time.0 / Self::SECONDS).unwrap_or(u32::MAX))
    }

    /// The first second after the slot.
    pub const fn end(self) -> UnixSeconds {
        UnixSeconds((self.0 as u64 + 1) * Self::SECONDS)
    }
}

/// One line of the denylist log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    pub kind: Kind,
    /// Slot of the end of the session family (`fexp`); for a watermark, of the latest end any token it covers can have.
    pub slot: Slot,
    pub fingerprint: Fingerprint,
}
