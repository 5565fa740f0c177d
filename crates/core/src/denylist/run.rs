use super::Fingerprint;

/// A sorted run of distinct fingerprints in the form of Elias and Fano: of each number the low bits as they are, and the
/// high ones as distances in unary. That is about two bits above what a random set of this size costs at all, 53 bits
/// for each of ten thousand, and a lookup touches three places in memory.
///
/// It does not change; a new one is made when there is something to add.
#[derive(Default, Clone)]
pub(super) struct Run {
    len: usize,
    /// How many bits of each number are in `low`.
    low_bits: u32,
    low: Box<[u64]>,
    /// For each value of the high bits in turn: a one for every number that has it, then a zero.
    high: Box<[u64]>,
    /// Where in `high` the zeros number 0, STEP, 2·STEP … stand.
    samples: Box<[u32]>,
}

/// Zeros from one sample to the next: two words of `high` to read on average, and half a bit for each number.
const STEP: usize = 64;

impl Run {
    /// From `len` strictly ascending fingerprints. Those beyond `len` are not taken, and of a run that is shorter the
    /// rest is left out: the caller counts.
    pub(super) fn new(len: usize, ascending: impl Iterator<Item = u64>) -> Self {
        if len == 0 {
            return Self::default();
        }
        let high_bits = usize::BITS - (len - 1).leading_zeros();
        let low_bits = (64 - high_bits).min(63);
        let cells = 1usize << (64 - low_bits);
        let mut low = vec![0u64; (len * low_bits as usize).div_ceil(64) + 1].into_boxed_slice();
        let mut high = vec![0u64; (len + cells).div_ceil(64)].into_boxed_slice();
        let mut samples = Vec::with_capacity(cells.div_ceil(STEP));
        let mut count = 0;
        let mut cell = 0;
        for fingerprint in ascending.take(len) {
            let own = usize::try_from(fingerprint >> low_bits).unwrap_or(usize::MAX);
            sample(&mut samples, cell..own, count);
            cell = own;
            set_bit(&mut high, own + count);
            put(&mut low, count * low_bits as usize, low_bits, fingerprint & mask(low_bits));
            count += 1;
        }
        sample(&mut samples, cell..cells, count);
        Self { len: count, low_bits, low, high, samples: samples.into_boxed_slice() }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn contains(&self, fingerprint: Fingerprint) -> bool {
        if self.len == 0 {
            return false;
        }
        let cell = usize::try_from(fingerprint.0 >> self.low_bits).unwrap_or(usize::MAX);
        let Some(mut at) = self.start_of(cell) else { return false };
        let wanted = fingerprint.0 & mask(self.low_bits);
        let mut number = at.saturating_sub(cell);
        while bit(&self.high, at) {
            let low = get(&self.low, number * self.low_bits as usize, self.low_bits);
            if low >= wanted {
                return low == wanted;
            }
            at += 1;
            number += 1;
        }
        false
    }

    /// Where in `high` the numbers of a cell begin: behind the zero that ends the one before.
    fn start_of(&self, cell: usize) -> Option<usize> {
        let Some(zero) = cell.checked_sub(1) else { return Some(0) };
        let sampled = *self.samples.get(zero / STEP)? as usize;
        let mut wanted = u32::try_from(zero % STEP).ok()?;
        let mut word = sampled / 64;
        let mut zeros = !*self.high.get(word)? & (u64::MAX << (sampled % 64));
        loop {
            let here = zeros.count_ones();
            if wanted < here {
                return Some(word * 64 + select(zeros, wanted) as usize + 1);
            }
            wanted -= here;
            word += 1;
            zeros = !*self.high.get(word)?;
        }
    }

    /// All of them, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = u64> + Clone + '_ {
        let ones = self.high.iter().enumerate().flat_map(|(word, &bits)| {
            std::iter::successors(Some(bits), |bits| Some(bits & bits.wrapping_sub(1)))
                .take_while(|bits| *bits != 0)
                .map(move |bits| word * 64 + bits.trailing_zeros() as usize)
        });
        ones.enumerate().map(|(number, at)| {
            let cell = (at - number) as u64;
            cell << self.low_bits | get(&self.low, number * self.low_bits as usize, self.low_bits)
        })
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        (self.low.len() + self.high.len()) * 8 + self.samples.len() * 4
    }
}

/// Notes where the sampled zeros of these cells stand, `count` ones being before them.
fn sample(samples: &mut Vec<u32>, cells: std::ops::Range<usize>, count: usize) {
    let first = cells.start.next_multiple_of(STEP);
    for cell in (first..cells.end).step_by(STEP) {
        // A run of 2³¹ numbers would take 12 GB.
        samples.push(u32::try_from(cell + count).unwrap_or(u32::MAX));
    }
}

const fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

fn bit(words: &[u64], at: usize) -> bool {
    words.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
}

fn set_bit(words: &mut [u64], at: usize) {
    if let Some(word) = words.get_mut(at / 64) {
        *word |= 1 << (at % 64);
    }
}

fn get(words: &[u64], at: usize, bits: u32) -> u64 {
    let (Some(&word), Some(&next)) = (words.get(at / 64), words.get(at / 64 + 1)) else { return 0 };
    let shift = at % 64;
    // Two shifts, because a shift by 64 is none.
    (word >> shift | next << 1 << (63 - shift)) & mask(bits)
}

fn put(words: &mut [u64], at: usize, bits: u32, value: u64) {
    let shift = at % 64;
    if let Some(word) = words.get_mut(at / 64) {
        *word |= value << shift;
    }
    if shift + bits as usize > 64
        && let Some(next) = words.get_mut(at / 64 + 1)
    {
        *next |= value >> (64 - shift);
    }
}

/// The place of the one number `wanted`, counted from zero, of a word that has more than that.
fn select(mut word: u64, mut wanted: u32) -> u32 {
    let mut place = 0;
    for half in [32, 16, 8] {
        let ones = (word & mask(half)).count_ones();
        if wanted >= ones {
            wanted -= ones;
            word >>= half;
            place += half;
        }
    }
    for _ in 0..wanted {
        word &= word.wrapping_sub(1);
    }
    place + word.trailing_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn select_finds_each_one() {
        for word in [1, u64::MAX, 0x8000_0000_0000_0001, 0xF0F0_1234_0000_8001, 1 << 63] {
            let ones: Vec<u32> = (0..64).filter(|place| word >> place & 1 == 1).collect();
            for (wanted, place) in (0..).zip(ones) {
                assert_eq!(select(word, wanted), place, "{word:x} {wanted}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_run_is_the_set_it_was_made_from(
            mut numbers in prop::collection::vec(prop_oneof![any::<u64>(), 0u64..300, (u64::MAX - 300)..=u64::MAX], 0..400),
            others in prop::collection::vec(any::<u64>(), 0..50),
        ) {
            numbers.sort_unstable();
            numbers.dedup();
            let run = Run::new(numbers.len(), numbers.iter().copied());
            prop_assert_eq!(run.len(), numbers.len());
            prop_assert_eq!(run.iter().collect::<Vec<_>>(), numbers.clone());
            let near = numbers.iter().flat_map(|n| [n.wrapping_sub(1), *n, n.wrapping_add(1), n ^ 1 << 63]);
            for number in near.chain(others) {
                prop_assert_eq!(run.contains(Fingerprint(number)), numbers.binary_search(&number).is_ok(), "{}", number);
            }
        }
    }
}
