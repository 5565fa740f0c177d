//! The instructions of `core::arch::wasm32` that are used here, by their names there: what the WebAssembly core
//! specification says they do, written to be read. Not in constant time: a swizzle looks its octets up in memory. No
//! program but the tests runs them.
#![allow(non_camel_case_types, reason = "the name is WebAssembly's")]

/// The lanes of 64 bits; octet 0 is the lowest of the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct v128([u64; 2]);

impl v128 {
    fn octets(self) -> [u8; 16] {
        std::array::from_fn(|i| self.0[i / 8].to_le_bytes()[i % 8])
    }

    fn from_octets(octets: [u8; 16]) -> Self {
        let lane = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| octets[at + i]));
        Self([lane(0), lane(8)])
    }

    fn words(self) -> [u32; 4] {
        let octets = self.octets();
        std::array::from_fn(|word| u32::from_le_bytes(std::array::from_fn(|i| octets[4 * word + i])))
    }

    fn from_words(words: [u32; 4]) -> Self {
        Self::from_octets(std::array::from_fn(|i| words[i / 4].to_le_bytes()[i % 4]))
    }
}

pub(crate) fn u64x2(low: u64, high: u64) -> v128 {
    v128([low, high])
}

pub(crate) fn u64x2_extract_lane<const N: usize>(a: v128) -> u64 {
    a.0[N]
}

pub(crate) fn u8x16_splat(octet: u8) -> v128 {
    v128::from_octets([octet; 16])
}

pub(crate) fn u32x4_replace_lane<const N: usize>(a: v128, value: u32) -> v128 {
    let mut words = a.words();
    words[N] = value;
    v128::from_words(words)
}

pub(crate) fn v128_xor(a: v128, b: v128) -> v128 {
    v128([a.0[0] ^ b.0[0], a.0[1] ^ b.0[1]])
}

pub(crate) fn v128_and(a: v128, b: v128) -> v128 {
    v128([a.0[0] & b.0[0], a.0[1] & b.0[1]])
}

pub(crate) fn v128_or(a: v128, b: v128) -> v128 {
    v128([a.0[0] | b.0[0], a.0[1] | b.0[1]])
}

pub(crate) fn u64x2_shl(a: v128, by: u32) -> v128 {
    v128(a.0.map(|lane| lane << (by % 64)))
}

pub(crate) fn u64x2_shr(a: v128, by: u32) -> v128 {
    v128(a.0.map(|lane| lane >> (by % 64)))
}

pub(crate) fn u32x4_shl(a: v128, by: u32) -> v128 {
    v128::from_words(a.words().map(|lane| lane << (by % 32)))
}

pub(crate) fn u32x4_shr(a: v128, by: u32) -> v128 {
    v128::from_words(a.words().map(|lane| lane >> (by % 32)))
}

/// Octets of `a` by the indices in `pattern`; 0 for an index beyond.
pub(crate) fn u8x16_swizzle(a: v128, pattern: v128) -> v128 {
    let a = a.octets();
    v128::from_octets(pattern.octets().map(|index| a.get(usize::from(index)).copied().unwrap_or(0)))
}

/// Octets of `a` (0 to 15) and `b` (16 to 31).
pub(crate) fn i8x16_shuffle<
    const I0: usize,
    const I1: usize,
    const I2: usize,
    const I3: usize,
    const I4: usize,
    const I5: usize,
    const I6: usize,
    const I7: usize,
    const I8: usize,
    const I9: usize,
    const I10: usize,
    const I11: usize,
    const I12: usize,
    const I13: usize,
    const I14: usize,
    const I15: usize,
>(
    a: v128,
    b: v128,
) -> v128 {
    let (a, b) = (a.octets(), b.octets());
    let indices = [I0, I1, I2, I3, I4, I5, I6, I7, I8, I9, I10, I11, I12, I13, I14, I15];
    v128::from_octets(indices.map(|index| if index < 16 { a[index] } else { b[index - 16] }))
}

/// Lanes of `a` (0 and 1) and `b` (2 and 3).
pub(crate) fn i64x2_shuffle<const I0: usize, const I1: usize>(a: v128, b: v128) -> v128 {
    v128([I0, I1].map(|index| if index < 2 { a.0[index] } else { b.0[index - 2] }))
}
