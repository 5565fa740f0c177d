//! GHASH (NIST SP 800-38D §6.4): multiplication by the hash subkey in GF(2^128), an octet's nibble at a time.
//!
//! What a nibble gives does not depend on where it stands but for the distance it is moved by. So octet `n` of the
//! sixteen products of a nibble is one table, in which the nibbles of all sixteen octets are looked up at once, inside
//! a register: no address depends on them.

use subtle::{Choice, ConditionallySelectable as _};

use crate::BLOCK;
use crate::lanes::{
    V, and, i8x16_shuffle, i64x2_shuffle, load, pattern, store, u8x16_splat, u8x16_swizzle, u64x2, u64x2_shl,
    u64x2_shr, xor, zero,
};

/// The low octet is the one whose powers are highest: a block read as a number, most significant octet first, in which
/// the highest bit is the constant term.
#[derive(Clone)]
pub(crate) struct GHash {
    /// By the subkey.
    once: Tables,
    /// By its square: of two blocks the first is multiplied by it, and both are reduced together.
    twice: Tables,
    reverse: V,
}

/// Octet `n` of the products of all nibbles, for the octets' high nibbles and their low ones.
#[derive(Clone)]
struct Tables {
    high: [V; BLOCK],
    low: [V; BLOCK],
}

impl GHash {
    /// From the cipher's block of zeros.
    pub(crate) fn new(subkey: V) -> Self {
        let reverse = pattern(std::array::from_fn(|i| 15 - u8::try_from(i).unwrap_or_default()));
        let subkey = u8x16_swizzle(subkey, reverse);
        let once = Tables::new(subkey);
        let square = sum_of_products([(subkey, &once)]);
        Self { twice: Tables::new(square), once, reverse }
    }

    /// Of associated data and content, each padded with zeros, and their lengths in bits.
    #[inline(always)]
    pub(crate) fn of(&self, aad: &[u8], content: &[u8]) -> V {
        let hash = self.absorbed(self.absorbed(zero(), aad), content);
        let lengths = u64x2(content.len() as u64 * 8, aad.len() as u64 * 8);
        let hash = self.one(hash, lengths);
        u8x16_swizzle(hash, self.reverse)
    }

    #[inline(always)]
    fn absorbed(&self, mut hash: V, data: &[u8]) -> V {
        let (blocks, rest) = data.as_chunks::<BLOCK>();
        let (pairs, last) = blocks.as_chunks::<2>();
        for [a, b] in pairs {
            let a = xor(hash, u8x16_swizzle(load(a), self.reverse));
            let b = u8x16_swizzle(load(b), self.reverse);
            hash = sum_of_products([(a, &self.twice), (b, &self.once)]);
        }
        for block in last {
            hash = self.one(hash, u8x16_swizzle(load(block), self.reverse));
        }
        if !rest.is_empty() {
            let mut block = [0; BLOCK];
            block[..rest.len()].copy_from_slice(rest);
            hash = self.one(hash, u8x16_swizzle(load(&block), self.reverse));
        }
        hash
    }

    #[inline(always)]
    fn one(&self, hash: V, block: V) -> V {
        sum_of_products([(xor(hash, block), &self.once)])
    }
}

impl Drop for GHash {
    fn drop(&mut self) {
        for table in [&mut self.once, &mut self.twice] {
            (table.high, table.low) = ([zero(); BLOCK], [zero(); BLOCK]);
        }
        zeroize::optimization_barrier(self);
    }
}

impl zeroize::ZeroizeOnDrop for GHash {}

impl Tables {
    fn new(factor: V) -> Self {
        // The factor times the powers from 0 to 7: what the bits of an octet stand for, the highest bit first.
        let mut powers = [u128::from_le_bytes(store(factor)); 8];
        for power in 1..powers.len() {
            powers[power] = times_x(powers[power - 1]);
        }
        let (high, low) = powers.split_at(4);
        Self { high: table(high), low: table(low) }
    }
}

fn times_x(a: u128) -> u128 {
    let pushed_out = Choice::from(a.to_le_bytes()[0] & 1);
    let high = u64::conditional_select(&0, &(0xe1 << 56), pushed_out);
    (a >> 1) ^ (u128::from(high) << 64)
}

/// For every octet of the product, what each of the sixteen nibbles gives to it.
fn table(powers: &[u128]) -> [V; BLOCK] {
    let products: [[u8; BLOCK]; 16] = std::array::from_fn(|nibble| {
        let bits = powers.iter().enumerate().filter(|(bit, _)| nibble >> (3 - bit) & 1 == 1);
        bits.fold(0, |sum, (_, power)| sum ^ power).to_le_bytes()
    });
    std::array::from_fn(|octet| load(&products.map(|product| product[octet])))
}

/// Multiplies each block by its factor and reduces the sum.
#[inline(always)]
fn sum_of_products<const N: usize>(factors: [(V, &Tables); N]) -> V {
    let nibble = u8x16_splat(0x0f);
    let low = factors.map(|(block, _)| and(block, nibble));
    let high = factors.map(|(block, _)| and(u64x2_shr(block, 4), nibble));
    // 32 octets: what is in `beyond` are the powers from 128. The sum moves down an octet before the next is added.
    let (mut sum, mut beyond) = (zero(), zero());
    for octet in 0..BLOCK {
        beyond = octet_down(beyond, sum);
        sum = octet_down(sum, zero());
        for (at, (_, tables)) in factors.iter().enumerate() {
            let high = u8x16_swizzle(tables.high[octet], high[at]);
            let low = u8x16_swizzle(tables.low[octet], low[at]);
            sum = xor(sum, xor(high, low));
        }
    }
    xor(sum, reduced(beyond))
}

/// `a` without its lowest octet, and the lowest of `above` as its highest.
#[inline(always)]
fn octet_down(a: V, above: V) -> V {
    i8x16_shuffle::<1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16>(a, above)
}

/// What the powers from 128 are modulo x^128 + x^7 + x^2 + x + 1. They end at 247, as the tables' products are reduced
/// already: the lowest octet is zero, and moving down by 1, 2 and 7 pushes nothing out.
#[inline(always)]
fn reduced(beyond: V) -> V {
    let moved = xor(u64x2_shr(beyond, 1), xor(u64x2_shr(beyond, 2), u64x2_shr(beyond, 7)));
    // What leaves the high lane comes into the low one.
    let high = i64x2_shuffle::<1, 2>(beyond, zero());
    let carried = xor(u64x2_shl(high, 63), xor(u64x2_shl(high, 62), u64x2_shl(high, 57)));
    xor(xor(beyond, moved), carried)
}
