//! Identifiers for appends that came without one.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::RequestId;
use crate::StoreError;

/// Eight bytes that ascend, then eight at random. The index of requests would otherwise be written to all over, a page
/// for each line; so those of one process lie side by side.
///
/// The random half is made for each alone and is enough by itself: whatever repeats the first (a counter that came
/// round, a machine that was resumed twice from one image) repeats no identifier as long as the system's randomness does
/// not repeat too; and then the later end is refused, not taken for the one that was there before.
#[derive(Default)]
pub(super) struct Requests {
    process: OnceLock<[u8; 4]>,
    count: AtomicU32,
}

impl Requests {
    pub(super) fn next(&self) -> Result<RequestId, StoreError> {
        let [p, q, r, s] = match self.process.get() {
            Some(process) => *process,
            None => {
                let process = random()?;
                *self.process.get_or_init(|| process)
            }
        };
        let [c, d, e, f] = self.count.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let [g, h, i, j, k, l, m, n] = random()?;
        Ok(RequestId([p, q, r, s, c, d, e, f, g, h, i, j, k, l, m, n]))
    }
}

fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| StoreError::NoEntropy)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn identifiers_ascend_and_their_other_half_is_always_new() {
        let requests = Requests { count: AtomicU32::new(u32::MAX - 500), ..Requests::default() };
        let made: Vec<[u8; 16]> = (0..1000).map(|_| requests.next().unwrap().0).collect();
        let (before, after) = made.split_at(501);
        assert!(before.is_sorted() && after.is_sorted(), "but where the counter comes round");
        let halves: HashSet<&[u8]> = made.iter().map(|bytes| &bytes[8..]).collect();
        assert_eq!(halves.len(), made.len());
    }

    #[test]
    fn those_of_a_process_that_was_resumed_twice_differ() {
        let requests = [(); 2].map(|()| Requests { process: OnceLock::from([1; 4]), ..Requests::default() });
        let [one, other] = requests.map(|requests| requests.next().unwrap().0);
        assert_eq!(one[..8], other[..8]);
        assert_ne!(one, other);
    }
}
