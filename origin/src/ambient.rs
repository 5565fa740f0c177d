//! What comes from the machine: the time and randomness. Passed in, so that tests can say what they are.

use std::sync::atomic::{AtomicU64, Ordering};

use countersign_core::time::UnixMillis;
use sha2::{Digest as _, Sha512};
use zeroize::Zeroizing;

pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> UnixMillis;
}

/// A cryptographic source of randomness.
pub trait Entropy: Send + Sync + 'static {
    fn fill(&self, out: &mut [u8]);
}

pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The operating system's randomness, asked for at every call: this process keeps no state that a fork or a snapshot
/// could double. A machine that was restored twice from one snapshot may still begin with the same random bytes, so
/// what is different between two such lives is hashed in: the time, the process, and how often it was asked.
pub struct SystemEntropy;

/// What is never the same twice, as far as a process can tell.
#[derive(Clone, Copy)]
struct Moment {
    nanos: u128,
    process: u32,
    count: u64,
}

impl Moment {
    fn now() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self { nanos: since.as_nanos(), process: std::process::id(), count: COUNT.fetch_add(1, Ordering::Relaxed) }
    }
}

/// As unpredictable as the seed is; and another output for another moment, even if the seed comes again.
fn expand(seed: &[u8; 64], moment: Moment, out: &mut [u8]) {
    let mut hash = Sha512::new();
    hash.update(b"countersign entropy");
    hash.update(seed);
    hash.update(moment.nanos.to_be_bytes());
    hash.update(moment.process.to_be_bytes());
    hash.update(moment.count.to_be_bytes());
    for (number, piece) in (0u64..).zip(out.chunks_mut(64)) {
        let block = Zeroizing::new(<[u8; 64]>::from(hash.clone().chain_update(number.to_be_bytes()).finalize()));
        piece.iter_mut().zip(block.iter()).for_each(|(to, from)| *to = *from);
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) {
        let mut seed = Zeroizing::new([0; 64]);
        #[allow(
            clippy::expect_used,
            reason = "nothing may be minted without randomness, and waiting does not bring it"
        )]
        getrandom::fill(&mut *seed).expect("the operating system gives random bytes");
        expand(&seed, Moment::now(), out);
    }
}

/// `N` random bytes.
pub(crate) fn random<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut out = [0; N];
    entropy.fill(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// K06: two lives of one machine from one snapshot, with a generator that gives the same bytes for ever: no nonce
    /// comes twice in a million, neither within a life nor in both.
    #[test]
    fn k06_a_doubled_generator_repeats_no_nonce() {
        let seed = [7; 64];
        let mut seen = HashSet::new();
        let lives = [(1_800_000_000_000_000_000, 4242), (1_800_000_000_000_000_001, 4242)];
        for (nanos, process) in lives {
            for count in 0..500_000 {
                let mut nonce = [0; 12];
                // The clock stands still too.
                expand(&seed, Moment { nanos, process, count }, &mut nonce);
                assert!(seen.insert(nonce), "{count}");
            }
        }
        // A fork has the time and the count of its parent.
        let mut forked = [0; 12];
        expand(&seed, Moment { nanos: lives[0].0, process: 4243, count: 0 }, &mut forked);
        assert!(seen.insert(forked));
    }

    #[test]
    fn all_of_a_long_output_is_filled() {
        let mut out = [0; 200];
        SystemEntropy.fill(&mut out);
        for piece in out.chunks(50) {
            assert!(piece.iter().any(|byte| *byte != 0));
        }
        assert_ne!(random::<32>(&SystemEntropy), random::<32>(&SystemEntropy));
    }
}
