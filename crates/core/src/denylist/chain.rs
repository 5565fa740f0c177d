use sha2::{Digest, Sha256};

use super::{Entry, Epoch};

/// Hash over the whole log up to a position: `h₀ = SHA-256("countersign denylist v1" ‖ epoch)`,
/// `hₙ = SHA-256(hₙ₋₁ ‖ seq ‖ kind ‖ slot ‖ fingerprint)`, integers big-endian.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Chain(pub [u8; 32]);

impl Chain {
    /// The value before the first entry of `epoch`.
    pub fn genesis(epoch: Epoch) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"countersign denylist v1");
        hash.update(epoch.0);
        Self(hash.finalize().into())
    }

    /// The value after `entry` was appended as number `seq`.
    #[must_use]
    pub fn append(self, seq: u64, entry: &Entry) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(seq.to_be_bytes());
        hash.update([entry.kind.code()]);
        hash.update(entry.slot.0.to_be_bytes());
        hash.update(entry.fingerprint.0.to_be_bytes());
        Self(hash.finalize().into())
    }
}
