//! What comes from the machine: the time and randomness. Passed in, so that tests can say what they are.

use countersign_core::time::UnixMillis;

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

pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) {
        #[allow(
            clippy::expect_used,
            reason = "nothing may be minted without randomness, and waiting does not bring it"
        )]
        getrandom::fill(out).expect("the operating system gives random bytes");
    }
}

/// `N` random bytes.
pub(crate) fn random<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut out = [0; N];
    entropy.fill(&mut out);
    out
}
