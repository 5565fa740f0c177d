use serde::{Deserialize, Serialize};

use super::Nonce;
use crate::denylist::{Chain, Epoch, SnapshotDigest};
use crate::encoding;
use crate::keys::KeysDigest;
use crate::time::UnixMillis;

/// The authority's signed statement to one poller: "as of your nonce the log of this epoch reaches `head`".
/// The payload of a JWS with `typ` `heartbeat+jwt`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    #[serde(with = "epoch")]
    pub epoch: Epoch,
    /// Position of the last entry; 0 for an empty log.
    pub head: u64,
    /// Chain value at `head`.
    #[serde(with = "chain")]
    pub chain: Chain,
    /// Position up to which entries have expired and are no longer served.
    pub floor: u64,
    /// Chain value at `floor`.
    #[serde(with = "chain")]
    pub floor_chain: Chain,
    /// The poller's nonce.
    #[serde(with = "nonce")]
    pub nonce: Nonce,
    /// The authority's wall clock.
    pub time: UnixMillis,
    /// `L`: how long the poller may go on accepting, from when it sent the poll, in milliseconds.
    pub lease_ms: u64,
    /// How often to poll, in milliseconds.
    pub poll_ms: u64,
    /// The key set in force. Whoever has another one fetches it before the lease counts.
    pub keys: KeysDigest,
    /// The newest snapshot, where the poller asked to hear of it: those of before refuse members that they do not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotRef>,
}

/// A snapshot by the hash of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotRef {
    #[serde(with = "digest")]
    pub digest: SnapshotDigest,
    /// The position as of which it is complete.
    pub seq: u64,
    /// How many bytes it has.
    pub size: u64,
}

macro_rules! as_bytes {
    ($module:ident, $type:ident) => {
        mod $module {
            use super::*;
            use serde::{Deserializer, Serializer};

            pub(super) fn serialize<S: Serializer>(value: &$type, to: S) -> Result<S::Ok, S::Error> {
                encoding::bytes::serialize(&value.0, to)
            }

            pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<$type, D::Error> {
                encoding::bytes::deserialize(from).map($type)
            }
        }
    };
}

as_bytes!(epoch, Epoch);
as_bytes!(chain, Chain);
as_bytes!(digest, SnapshotDigest);
as_bytes!(nonce, Nonce);
