//! The segment: an immutable, cacheable piece of the log in bytes.
//!
//! ```text
//! "CSD1" · epoch 16 B · from 8 B · count 4 B · count × (kind 1 B · slot 4 B · fingerprint 8 B)      big-endian
//! ```
//!
//! It holds entries `from + 1 ..= from + count`. It bears no signature: whoever applies it recomputes the [`Chain`]
//! and compares it with the one in a signed heartbeat.

use super::{Entry, Epoch, Fingerprint, Kind, Slot};

const MAGIC: &[u8; 4] = b"CSD1";
const HEADER: usize = 4 + 16 + 8 + 4;
const RECORD: usize = 1 + 4 + 8;

/// Most entries in one segment: 53 KiB, a few milliseconds of hashing in wasm.
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
    /// Shorter or longer than its own count says, or without the magic number.
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
    for entry in entries {
        out.push(entry.kind.code());
        out.extend_from_slice(&entry.slot.0.to_be_bytes());
        out.extend_from_slice(&entry.fingerprint.0.to_be_bytes());
    }
    Ok(out)
}

/// Reads a segment. Only the canonical encoding is accepted.
pub fn decode(bytes: &[u8]) -> Result<Segment, SegmentError> {
    let (magic, rest) = bytes.split_first_chunk::<4>().ok_or(SegmentError::Framing)?;
    let (epoch, rest) = rest.split_first_chunk::<16>().ok_or(SegmentError::Framing)?;
    let (from, rest) = rest.split_first_chunk::<8>().ok_or(SegmentError::Framing)?;
    let (count, records) = rest.split_first_chunk::<4>().ok_or(SegmentError::Framing)?;
    if magic != MAGIC {
        return Err(SegmentError::Framing);
    }
    let from = u64::from_be_bytes(*from);
    let count = usize::try_from(u32::from_be_bytes(*count)).map_err(|_| SegmentError::TooLong)?;
    if count > MAX_ENTRIES {
        return Err(SegmentError::TooLong);
    }
    if records.len() != count * RECORD {
        return Err(SegmentError::Framing);
    }
    from.checked_add(count as u64).ok_or(SegmentError::Position)?;
    let (records, _) = records.as_chunks::<RECORD>();
    let entries = records
        .iter()
        .map(|&[kind, s0, s1, s2, s3, f0, f1, f2, f3, f4, f5, f6, f7]| {
            Ok(Entry {
                kind: Kind::from_code(kind).ok_or(SegmentError::UnknownKind(kind))?,
                slot: Slot(u32::from_be_bytes([s0, s1, s2, s3])),
                fingerprint: Fingerprint(u64::from_be_bytes([f0, f1, f2, f3, f4, f5, f6, f7])),
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(Segment { epoch: Epoch(*epoch), from, entries })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        prop::collection::vec(
            (any::<bool>(), any::<u32>(), any::<u64>()).prop_map(|(user, slot, fp)| Entry {
                kind: if user { Kind::User } else { Kind::Family },
                slot: Slot(slot),
                fingerprint: Fingerprint(fp),
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
            let _ = decode(&bytes);
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
        unknown[HEADER] = 9;
        assert_eq!(decode(&unknown), Err(SegmentError::UnknownKind(9)));
    }
}
