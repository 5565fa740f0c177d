//! The segment: an immutable, cacheable piece of the log in bytes.
//!
//! ```text
//! "CSD2" · epoch 16 B · from 8 B · count 4 B · count × (difference, kind 1–6 B · fingerprint 8 B)      big-endian
//! ```
//!
//! It holds entries `from + 1 ..= from + count`. Sessions that end within hours of each other have slots close
//! together, so a record has the difference of its slot from the one before (zigzag, from 0 for the first), shifted
//! left by three with the kind below it, as LEB128: one byte nearly always.
//!
//! It bears no signature: whoever applies it recomputes the [`Chain`](super::Chain) and compares it with the one in a
//! signed heartbeat.

use super::bytes::{Reader, put_varint};
use super::{Entry, Epoch, Fingerprint, Kind, Slot};

const MAGIC: &[u8; 4] = b"CSD2";
const HEADER: usize = 4 + 16 + 8 + 4;
/// The shortest record, and nearly every one.
pub(crate) const RECORD: usize = 1 + 8;

/// Most entries in one segment: 37 KiB as a rule, 57 KiB at most, a few milliseconds of hashing in wasm.
pub const MAX_ENTRIES: usize = 4096;

/// A decoded segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    pub epoch: Epoch,
    /// The position after which the first entry stands.
    pub from: u64,
    pub entries: Vec<Entry>,
}

/// Why bytes are not a segment. All are the sender's fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SegmentError {
    /// Shorter or longer than its own count says, not in the one form an entry has, or without the magic number.
    Framing,
    /// More than [`MAX_ENTRIES`].
    TooLong,
    /// A kind this version does not know: applying the rest would claim completeness that is not there.
    UnknownKind(u8),
    /// Positions would pass 2⁶⁴.
    Position,
}

impl std::fmt::Display for SegmentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Framing => f.write_str("segment framing is wrong"),
            Self::TooLong => write!(f, "segment has more than {MAX_ENTRIES} entries"),
            Self::UnknownKind(kind) => write!(f, "segment has an entry of unknown kind {kind}"),
            Self::Position => f.write_str("segment position is out of range"),
        }
    }
}

impl std::error::Error for SegmentError {}

/// Writes a segment; `entries` beyond [`MAX_ENTRIES`] are an error of the caller and reported as such.
pub fn encode(epoch: Epoch, from: u64, entries: &[Entry]) -> Result<Vec<u8>, SegmentError> {
    let count = u32::try_from(entries.len()).map_err(|_| SegmentError::TooLong)?;
    if entries.len() > MAX_ENTRIES {
        return Err(SegmentError::TooLong);
    }
    let mut out = Vec::with_capacity(HEADER + entries.len() * RECORD);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&epoch.0);
    out.extend_from_slice(&from.to_be_bytes());
    out.extend_from_slice(&count.to_be_bytes());
    let mut last = 0;
    for entry in entries {
        let slot = i64::from(entry.slot.0);
        put_varint(&mut out, zigzag(slot - last) << 3 | u64::from(entry.kind.code()));
        out.extend_from_slice(&entry.fingerprint.0.to_be_bytes());
        last = slot;
    }
    Ok(out)
}

/// Reads a segment. Only the canonical encoding is accepted.
pub fn decode(bytes: &[u8]) -> Result<Segment, SegmentError> {
    let mut reader = Reader(bytes);
    let magic: [u8; 4] = reader.array().ok_or(SegmentError::Framing)?;
    let epoch = reader.array().ok_or(SegmentError::Framing)?;
    let from = u64::from_be_bytes(reader.array().ok_or(SegmentError::Framing)?);
    let count = u32::from_be_bytes(reader.array().ok_or(SegmentError::Framing)?);
    if magic != *MAGIC {
        return Err(SegmentError::Framing);
    }
    let count = usize::try_from(count).map_err(|_| SegmentError::TooLong)?;
    if count > MAX_ENTRIES {
        return Err(SegmentError::TooLong);
    }
    from.checked_add(count as u64).ok_or(SegmentError::Position)?;
    if reader.0.len() < count * RECORD {
        return Err(SegmentError::Framing);
    }
    let mut entries = Vec::with_capacity(count);
    let mut last = 0i64;
    for _ in 0..count {
        let head = reader.varint().ok_or(SegmentError::Framing)?;
        let fingerprint = Fingerprint(u64::from_be_bytes(reader.array().ok_or(SegmentError::Framing)?));
        let code = head.to_le_bytes()[0] & 7;
        let kind = Kind::from_code(code).ok_or(SegmentError::UnknownKind(code))?;
        let slot = last.checked_add(unzigzag(head >> 3)).and_then(|slot| u32::try_from(slot).ok());
        let slot = Slot(slot.ok_or(SegmentError::Framing)?);
        last = i64::from(slot.0);
        entries.push(Entry { kind, slot, fingerprint });
    }
    if reader.0.is_empty() { Ok(Segment { epoch: Epoch(epoch), from, entries }) } else { Err(SegmentError::Framing) }
}

const fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

const fn unzigzag(code: u64) -> i64 {
    (code >> 1).cast_signed() ^ -(code & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        prop::collection::vec(
            (1u8..8, prop_oneof![any::<u32>(), 2_000_000u32..2_000_100], any::<u64>()).prop_map(|(kind, slot, fp)| {
                Entry { kind: Kind::from_code(kind).unwrap(), slot: Slot(slot), fingerprint: Fingerprint(fp) }
            }),
            0..50,
        )
    }

    proptest! {
        #[test]
        fn decode_inverts_encode(epoch: [u8; 16], from in 0u64..u64::MAX - 50, entries in entries()) {
            let bytes = encode(Epoch(epoch), from, &entries).unwrap();
            prop_assert_eq!(decode(&bytes).unwrap(), Segment { epoch: Epoch(epoch), from, entries });
        }

        #[test]
        fn decode_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            // What is taken has no other form.
            if let Ok(segment) = decode(&bytes) {
                prop_assert_eq!(encode(segment.epoch, segment.from, &segment.entries).unwrap(), bytes);
            }
        }

        #[test]
        fn a_record_has_one_form(records in prop::collection::vec(any::<u8>(), 9..40), count in 1u8..4) {
            let mut bytes = encode(Epoch([0; 16]), 0, &[]).unwrap();
            bytes[31] = count;
            bytes.extend_from_slice(&records);
            if let Ok(segment) = decode(&bytes) {
                prop_assert_eq!(encode(segment.epoch, segment.from, &segment.entries).unwrap(), bytes);
            }
        }

        /// R07: a truncated segment is refused whole.
        #[test]
        fn r07_truncation_is_refused(entries in entries(), cut in 1usize..40) {
            let bytes = encode(Epoch([0; 16]), 0, &entries).unwrap();
            prop_assert!(decode(&bytes[..bytes.len().saturating_sub(cut)]).is_err());
        }
    }

    #[test]
    fn limits_are_refused() {
        let entry = Entry { kind: Kind::Family, slot: Slot(1), fingerprint: Fingerprint(1) };
        assert_eq!(encode(Epoch([0; 16]), 0, &vec![entry; MAX_ENTRIES + 1]), Err(SegmentError::TooLong));
        let mut bytes = encode(Epoch([0; 16]), u64::MAX, &[]).unwrap();
        assert!(decode(&bytes).is_ok());
        bytes[31] = 1;
        bytes.extend_from_slice(&[1; RECORD]);
        assert_eq!(decode(&bytes), Err(SegmentError::Position));
        let mut unknown = encode(Epoch([0; 16]), 0, &[entry]).unwrap();
        unknown[HEADER] &= !7;
        assert_eq!(decode(&unknown), Err(SegmentError::UnknownKind(0)));
    }

    #[test]
    fn an_entry_costs_less_than_twelve_bytes() {
        let entry =
            |n: u32| Entry { kind: Kind::Family, slot: Slot(2_000_000 + n % 8), fingerprint: Fingerprint(n.into()) };
        let entries: Vec<Entry> = (0..16).map(entry).collect();
        assert_eq!(encode(Epoch([0; 16]), 1 << 40, &entries).unwrap().len(), 32 + 16 * 9 + 3, "11.2 B each of sixteen");
        let many: Vec<Entry> = (0..4096).map(entry).collect();
        assert_eq!(encode(Epoch([0; 16]), 1 << 40, &many).unwrap().len(), 32 + 4096 * 9 + 3);
    }
}
