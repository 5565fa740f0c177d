use super::Fingerprint;

/// A sorted run of distinct fingerprints, after Elias and Fano: the high bits of each number as distances in unary, the
/// low ones as they are. That is about two bits above what a random set of this size costs at all, 53 bits for each of
/// ten thousand.
///
/// Most lookups are for what is not there, and those read as little as may be: eight of the low bits stand apart, as
/// tags, so that of 53 bits a lookup touches one line of memory in the directory, one in the unary part and one in the
/// tags, which are a fifth of it all and stay in the processor's cache, and the rest is read once in a hundred times.
///
/// It does not change; a new one is made when there is something to add.
#[derive(Default, Clone)]
pub(super) struct Run {
    len: usize,
    /// How many high bits of each number choose its cell.
    cell_bits: u32,
    /// For each cell in turn: a one for every number that is in it, then a zero. A word more, so that any bit begins
    /// one.
    high: Box<[u64]>,
    /// How many numbers stand before each block of cells: before its group in `groups`, and from there in `blocks`,
    /// where [`FAR`] says that there are too many to say so.
    groups: Box<[u32]>,
    blocks: Box<[u16]>,
    /// Of each number the bits below those of the cell; more at the end, so that any begins a word.
    tags: Box<[u8]>,
    /// What is left of each.
    low: Box<[u64]>,
}

/// Cells of a block: with the numbers in them, on average one to two for each, they are less than a word.
const BLOCK: usize = 16;
/// Blocks of a group.
const GROUP: usize = 512;
/// Numbers that HMAC spreads never get there: a group has 16 384 of them at most, give or take a few hundred.
const FAR: u16 = u16::MAX;
const TAG_BITS: u32 = 8;

impl Run {
    /// From strictly ascending fingerprints, of which there are `most` at most; those beyond are not taken.
    pub(super) fn new(most: usize, ascending: impl Iterator<Item = u64>) -> Self {
        let Some(cell_bits) = most.checked_ilog2() else { return Self::default() };
        let cells = 1usize << cell_bits;
        let low_bits = 64 - TAG_BITS - cell_bits;
        let mut run = Builder {
            high: vec![0; words(most + cells)],
            groups: Vec::with_capacity(cells.div_ceil(BLOCK * GROUP)),
            blocks: Vec::with_capacity(cells.div_ceil(BLOCK)),
            tags: Vec::with_capacity(most + size_of::<u64>()),
            low: vec![0; words(most * low_bits as usize)],
        };
        let mut len = 0;
        for fingerprint in ascending.take(most) {
            let cell = cell_of(fingerprint, cell_bits);
            run.enter(cell, len);
            set_bit(&mut run.high, cell + len);
            let [.., tag] = (fingerprint >> low_bits).to_be_bytes();
            run.tags.push(tag);
            put(&mut run.low, len * low_bits as usize, low_bits, fingerprint & mask(low_bits));
            len += 1;
        }
        run.enter(cells - 1, len);
        // What came twice was counted twice in `most`.
        run.high.truncate(words(len + cells));
        run.low.truncate(words(len * low_bits as usize));
        run.tags.extend([0; size_of::<u64>()]);
        run.tags.shrink_to_fit();
        Self {
            len,
            cell_bits,
            high: run.high.into_boxed_slice(),
            groups: run.groups.into_boxed_slice(),
            blocks: run.blocks.into_boxed_slice(),
            tags: run.tags.into_boxed_slice(),
            low: run.low.into_boxed_slice(),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn contains(&self, fingerprint: Fingerprint) -> bool {
        if self.len == 0 {
            return false;
        }
        let cell = cell_of(fingerprint.0, self.cell_bits);
        let Some(at) = self.start_of(cell) else { return false };
        let first = at - cell;
        let low_bits = self.low_bits();
        let [.., tag] = (fingerprint.0 >> low_bits).to_be_bytes();
        let wanted = fingerprint.0 & mask(low_bits);
        let is = |number: usize| get(&self.low, number * low_bits as usize, low_bits) == wanted;

        // The first eight at once, which nearly always are all.
        let count = word_at(&self.high, at).trailing_ones();
        let tags =
            self.tags.get(first..).and_then(|tags| tags.first_chunk()).map_or(0, |tags| u64::from_le_bytes(*tags));
        let mut hits = equal_bytes(tags, tag) & mask_of_bytes(count);
        while hits != 0 {
            if is(first + (hits.trailing_zeros() / 8) as usize) {
                return true;
            }
            hits &= hits - 1;
        }
        count > 8 && (8..).take_while(|own| bit(&self.high, at + own)).any(|own| is(first + own))
    }

    const fn low_bits(&self) -> u32 {
        64 - TAG_BITS - self.cell_bits
    }

    /// Where in `high` the numbers of a cell begin.
    fn start_of(&self, cell: usize) -> Option<usize> {
        let (block, group) = (cell / BLOCK, cell / (BLOCK * GROUP));
        let before = *self.groups.get(group)? as usize;
        // From the start of the block there are so many zeros to skip, one for each cell.
        let (mut at, skipped) = match *self.blocks.get(block)? {
            FAR => (group * GROUP * BLOCK + before, cell % (GROUP * BLOCK)),
            more => (block * BLOCK + before + usize::from(more), cell % BLOCK),
        };
        let mut wanted = u32::try_from(skipped).ok()?;
        loop {
            let zeros = !word_at(&self.high, at);
            let here = zeros.count_ones();
            if wanted <= here {
                return Some(at + after(zeros, wanted) as usize);
            }
            wanted -= here;
            at += 64;
        }
    }

    /// All of them, ascending.
    pub(super) fn iter(&self) -> Iter<'_> {
        Iter { run: self, number: 0, word: 0, bits: self.high.first().copied().unwrap_or(0) }
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        (self.low.len() + self.high.len()) * 8 + self.groups.len() * 4 + self.blocks.len() * 2 + self.tags.len()
    }
}

struct Builder {
    high: Vec<u64>,
    groups: Vec<u32>,
    blocks: Vec<u16>,
    tags: Vec<u8>,
    low: Vec<u64>,
}

impl Builder {
    /// Goes on to a cell; `count` numbers are before it.
    fn enter(&mut self, cell: usize, count: usize) {
        while self.blocks.len() <= cell / BLOCK {
            if self.blocks.len().is_multiple_of(GROUP) {
                // A run of 2³² numbers would take 26 GB.
                self.groups.push(u32::try_from(count).unwrap_or(u32::MAX));
            }
            let before = self.groups.last().map_or(0, |before| *before as usize);
            self.blocks.push(u16::try_from(count - before).unwrap_or(FAR));
        }
    }
}

#[derive(Clone)]
pub(super) struct Iter<'a> {
    run: &'a Run,
    number: usize,
    word: usize,
    /// What is left of that word.
    bits: u64,
}

impl Iterator for Iter<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let Self { run, number, .. } = *self;
        while self.bits == 0 {
            self.word += 1;
            self.bits = *run.high.get(self.word)?;
        }
        let at = self.word * 64 + self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        self.number += 1;
        let low_bits = run.low_bits();
        let tag = u64::from(*run.tags.get(number)?);
        let low = get(&run.low, number * low_bits as usize, low_bits);
        // Two shifts, because a shift by 64 is none.
        Some(((at - number) as u64) << 1 << (63 - run.cell_bits) | tag << low_bits | low)
    }
}

fn cell_of(fingerprint: u64, cell_bits: u32) -> usize {
    usize::try_from(fingerprint >> 1 >> (63 - cell_bits)).unwrap_or(usize::MAX)
}

const fn words(bits: usize) -> usize {
    bits.div_ceil(64) + 1
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

/// The word that begins with this bit; zeros where there is none.
fn word_at(words: &[u64], at: usize) -> u64 {
    let (Some(&word), Some(&next)) = (words.get(at / 64), words.get(at / 64 + 1)) else { return 0 };
    let shift = at % 64;
    // Two shifts, because a shift by 64 is none.
    word >> shift | next << 1 << (63 - shift)
}

fn get(words: &[u64], at: usize, bits: u32) -> u64 {
    word_at(words, at) & mask(bits)
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

const ONES: u64 = u64::MAX / 255;

/// A word of one byte, which is below 256.
const fn each(byte: u64) -> u64 {
    ONES * byte
}

/// The top bit of each byte of `word` that is `byte`; and, now and then, of one that is another and comes after such a
/// one.
const fn equal_bytes(word: u64, byte: u8) -> u64 {
    let other = word ^ each(byte as u64);
    other.wrapping_sub(ONES) & !other & each(0x80)
}

/// The first bytes of a word.
const fn mask_of_bytes(count: u32) -> u64 {
    if count < 8 { mask(8 * count) } else { u64::MAX }
}

/// The place behind the first `ones` ones of a word that has so many, without a branch: the processor could not guess
/// it. (Vigna 2008, broadword selection.)
fn after(word: u64, ones: u32) -> u32 {
    let Some(wanted) = ones.checked_sub(1) else { return 0 };
    let pairs = word - ((word >> 1) & each(0x55));
    let fours = (pairs & each(0x33)) + ((pairs >> 2) & each(0x33));
    // Of each byte how many there are up to its end.
    let sums = ((fours + (fours >> 4)) & each(0x0F)).wrapping_mul(ONES);
    // The bytes at whose end there are not enough.
    let before = ((each(wanted.into()) | each(0x80)) - sums) & each(0x80);
    let byte = before.count_ones() * 8;
    let rest = wanted - ((sums << 8 >> byte) & 0xFF) as u32;
    let place = usize::try_from(((word >> byte) & 0xFF) | u64::from(rest) << 8).unwrap_or(0);
    byte + u32::from(SELECT.get(place).copied().unwrap_or(0)) + 1
}

/// Where in a byte (the low bits of the place) the one of that number (the high bits) stands.
#[allow(clippy::indexing_slicing, reason = "the compiler does it, and stops where it is wrong")]
static SELECT: [u8; 2048] = {
    let mut table = [0; 2048];
    let mut place = 0;
    while place < table.len() {
        let (mut byte, mut number) = (place & 0xFF, place >> 8);
        while number > 0 && byte > 0 {
            byte &= byte - 1;
            number -= 1;
        }
        table[place] = (byte.trailing_zeros() & 7) as u8;
        place += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn select_finds_each_one() {
        for word in [1, u64::MAX, 0x8000_0000_0000_0001, 0xF0F0_1234_0000_8001, 1 << 63] {
            assert_eq!(after(word, 0), 0);
            let ones: Vec<u32> = (0..64).filter(|place| word >> place & 1 == 1).collect();
            for (wanted, place) in (1..).zip(ones) {
                assert_eq!(after(word, wanted), place + 1, "{word:x} {wanted}");
            }
        }
    }

    /// Looks up each `step`th number, what is near it, and others.
    fn check(numbers: &[u64], step: usize, others: impl IntoIterator<Item = u64>) {
        let run = Run::new(numbers.len() + numbers.len() / 20, numbers.iter().copied());
        assert_eq!(run.len(), numbers.len());
        assert!(run.iter().eq(numbers.iter().copied()));
        let near = numbers.iter().step_by(step).flat_map(|n| [n.wrapping_sub(1), *n, n.wrapping_add(1), n ^ 1 << 63]);
        for number in near.chain(others) {
            assert_eq!(run.contains(Fingerprint(number)), numbers.binary_search(&number).is_ok(), "{number}");
        }
    }

    /// Nobody without the key can bring this about; it is to be slow then, and right.
    #[test]
    fn numbers_that_crowd_are_found_too() {
        let mut numbers: Vec<u64> = (0..70_000).map(|number| number * 3).collect();
        check(&numbers, 997, []);
        numbers.extend((0..70_000).map(|number| u64::MAX - (70_000 - number) * 2));
        check(&numbers, 997, [1 << 40, 1 << 62]);
        let run = Run::new(numbers.len(), numbers.iter().copied());
        assert!(run.blocks.contains(&FAR), "what there is no room for is there");
    }

    proptest! {
        #[test]
        fn a_run_is_the_set_it_was_made_from(
            mut numbers in prop::collection::vec(prop_oneof![any::<u64>(), 0u64..300, (u64::MAX - 300)..=u64::MAX], 0..400),
            others in prop::collection::vec(any::<u64>(), 0..50),
        ) {
            numbers.sort_unstable();
            numbers.dedup();
            check(&numbers, 1, others);
        }
    }
}
