//! The cipher (FIPS 197), forwards only, which is all that counter mode needs: eight blocks at a time, bitsliced in the
//! layout of Käsper and Schwabe ("Faster and Timing-Attack Resistant AES-GCM", CHES 2009).

use zeroize::Zeroizing;

use crate::lanes::{
    V, and, i8x16_shuffle, load, pattern, store, u8x16_splat, u8x16_swizzle, u32x4_shl, u32x4_shr, u64x2_shl,
    u64x2_shr, v128_or, xor, zero,
};

/// Blocks that go through the circuit at once.
pub(crate) const BLOCKS: usize = 8;

/// Bit `i` of every octet is in `[i]`: octet `n` of it holds that bit of octet `n` of the eight blocks.
type Sliced = [V; BLOCKS];

/// Round keys of the longest key.
const ROUND_KEYS: usize = 15;

/// What the S-box adds to every octet at its end. Here the round keys add it: neither ShiftRows nor MixColumns changes
/// a state of equal octets, as the coefficients of MixColumns add up to 1.
const AFFINE: u8 = 0x63;

#[derive(Clone)]
pub(crate) struct Aes {
    /// A shorter key uses the first of them.
    round_keys: [Sliced; ROUND_KEYS],
    /// 10, 12 or 14.
    rounds: usize,
    shift_rows: V,
}

impl Aes {
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        let rounds = match key.len() {
            16 => 10,
            24 => 12,
            32 => 14,
            _ => return None,
        };
        let schedule = Schedule::new(key);
        let round_keys = std::array::from_fn(|round| {
            let mut octets = Zeroizing::new(schedule.round_key(round));
            if round > 0 {
                octets.iter_mut().for_each(|octet| *octet ^= AFFINE);
            }
            std::array::from_fn(|bit| load(&octets.map(|octet| 0u8.wrapping_sub(octet >> bit & 1))))
        });
        // An octet is of row `n % 4` and column `n / 4`; a row moves as many columns as its number says.
        let shift_rows = pattern([0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11]);
        Some(Self { round_keys, rounds, shift_rows })
    }

    #[inline(always)]
    pub(crate) fn encrypt(&self, blocks: [V; BLOCKS]) -> [V; BLOCKS] {
        let [first, others @ ..] = &self.round_keys;
        let mut state = added(&transposed(blocks), first);
        for (round, key) in (1..=self.rounds).zip(others) {
            let shifted = sub_bytes(&state).map(|bits| u8x16_swizzle(bits, self.shift_rows));
            let mixed = if round < self.rounds { mix_columns(&shifted) } else { shifted };
            state = added(&mixed, key);
        }
        transposed(state)
    }
}

impl Drop for Aes {
    fn drop(&mut self) {
        self.round_keys = [[zero(); BLOCKS]; ROUND_KEYS];
        zeroize::optimization_barrier(self);
    }
}

impl zeroize::ZeroizeOnDrop for Aes {}

/// The key expansion (FIPS 197 §5.2), through the same S-box.
struct Schedule(Zeroizing<[[u8; 4]; 4 * ROUND_KEYS]>);

impl Schedule {
    fn new(key: &[u8]) -> Self {
        let mut words = Zeroizing::new([[0; 4]; 4 * ROUND_KEYS]);
        let (given, _) = key.as_chunks::<4>();
        words[..given.len()].copy_from_slice(given);
        let mut constant = 1u8;
        for at in given.len()..words.len() {
            let mut word = words[at - 1];
            if at % given.len() == 0 {
                word.rotate_left(1);
                word = sub_word(word);
                word[0] ^= constant;
                constant = (constant << 1) ^ ((constant >> 7) * 0x1b);
            } else if given.len() > 6 && at % given.len() == 4 {
                word = sub_word(word);
            }
            let before = words[at - given.len()];
            words[at] = std::array::from_fn(|i| before[i] ^ word[i]);
        }
        Self(words)
    }

    fn round_key(&self, round: usize) -> [u8; 16] {
        std::array::from_fn(|i| self.0[4 * round + i / 4][i % 4])
    }
}

fn sub_word(word: [u8; 4]) -> [u8; 4] {
    let mut blocks = [zero(); BLOCKS];
    blocks[0] = load(&std::array::from_fn(|i| word.get(i).copied().unwrap_or(0)));
    let [block, ..] = transposed(sub_bytes(&transposed(blocks)));
    let octets = store(block);
    std::array::from_fn(|i| octets[i] ^ AFFINE)
}

#[inline(always)]
fn added(a: &Sliced, b: &Sliced) -> Sliced {
    std::array::from_fn(|bit| xor(a[bit], b[bit]))
}

/// From blocks to slices and back: at every octet, eight by eight bits.
#[inline(always)]
fn transposed(mut rows: [V; BLOCKS]) -> [V; BLOCKS] {
    for (by, mask) in [(1, 0x55), (2, 0x33), (4, 0x0f)] {
        let mask = u8x16_splat(mask);
        for low in (0..BLOCKS).filter(|row| row & by == 0) {
            let (a, b) = (rows[low], rows[low + by]);
            #[expect(clippy::cast_possible_truncation, reason = "1, 2 or 4")]
            let by_bits = by as u32;
            let moved = and(xor(u64x2_shr(a, by_bits), b), mask);
            rows[low] = xor(a, u64x2_shl(moved, by_bits));
            rows[low + by] = xor(b, moved);
        }
    }
    rows
}

#[inline(always)]
fn mix_columns(a: &Sliced) -> Sliced {
    // Every octet beside the next of its column, and beside the one after that.
    let next = a.map(|bits| v128_or(u32x4_shr(bits, 8), u32x4_shl(bits, 24)));
    let both = added(a, &next);
    let opposite = both.map(|bits| i8x16_shuffle::<2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13>(bits, bits));
    // 2a + 3b + c + d = 2(a + b) + b + (c + d)
    let high = both[7];
    let doubled =
        [high, xor(both[0], high), both[1], xor(both[2], high), xor(both[3], high), both[4], both[5], both[6]];
    added(&added(&doubled, &next), &opposite)
}

/// The S-box without its constant: the circuit of Boyar and Peralta ("A new combinational logic minimization technique
/// with applications to cryptology", SEA 2010; 115 gates without the negations), by the names that it is known under.
#[inline(always)]
fn sub_bytes(bits: &Sliced) -> Sliced {
    let [x7, x6, x5, x4, x3, x2, x1, x0] = *bits;
    let y14 = xor(x3, x5);
    let y13 = xor(x0, x6);
    let y9 = xor(x0, x3);
    let y8 = xor(x0, x5);
    let t0 = xor(x1, x2);
    let y1 = xor(t0, x7);
    let y4 = xor(y1, x3);
    let y12 = xor(y13, y14);
    let y2 = xor(y1, x0);
    let y5 = xor(y1, x6);
    let y3 = xor(y5, y8);
    let t1 = xor(x4, y12);
    let y15 = xor(t1, x5);
    let y20 = xor(t1, x1);
    let y6 = xor(y15, x7);
    let y10 = xor(y15, t0);
    let y11 = xor(y20, y9);
    let y7 = xor(x7, y11);
    let y17 = xor(y10, y11);
    let y19 = xor(y10, y8);
    let y16 = xor(t0, y11);
    let y21 = xor(y13, y16);
    let y18 = xor(x0, y16);
    let t2 = and(y12, y15);
    let t3 = and(y3, y6);
    let t4 = xor(t3, t2);
    let t5 = and(y4, x7);
    let t6 = xor(t5, t2);
    let t7 = and(y13, y16);
    let t8 = and(y5, y1);
    let t9 = xor(t8, t7);
    let t10 = and(y2, y7);
    let t11 = xor(t10, t7);
    let t12 = and(y9, y11);
    let t13 = and(y14, y17);
    let t14 = xor(t13, t12);
    let t15 = and(y8, y10);
    let t16 = xor(t15, t12);
    let t17 = xor(t4, t14);
    let t18 = xor(t6, t16);
    let t19 = xor(t9, t14);
    let t20 = xor(t11, t16);
    let t21 = xor(t17, y20);
    let t22 = xor(t18, y19);
    let t23 = xor(t19, y21);
    let t24 = xor(t20, y18);
    let t25 = xor(t21, t22);
    let t26 = and(t21, t23);
    let t27 = xor(t24, t26);
    let t28 = and(t25, t27);
    let t29 = xor(t28, t22);
    let t30 = xor(t23, t24);
    let t31 = xor(t22, t26);
    let t32 = and(t31, t30);
    let t33 = xor(t32, t24);
    let t34 = xor(t23, t33);
    let t35 = xor(t27, t33);
    let t36 = and(t24, t35);
    let t37 = xor(t36, t34);
    let t38 = xor(t27, t36);
    let t39 = and(t29, t38);
    let t40 = xor(t25, t39);
    let t41 = xor(t40, t37);
    let t42 = xor(t29, t33);
    let t43 = xor(t29, t40);
    let t44 = xor(t33, t37);
    let t45 = xor(t42, t41);
    let z0 = and(t44, y15);
    let z1 = and(t37, y6);
    let z2 = and(t33, x7);
    let z3 = and(t43, y16);
    let z4 = and(t40, y1);
    let z5 = and(t29, y7);
    let z6 = and(t42, y11);
    let z7 = and(t45, y17);
    let z8 = and(t41, y10);
    let z9 = and(t44, y12);
    let z10 = and(t37, y3);
    let z11 = and(t33, y4);
    let z12 = and(t43, y13);
    let z13 = and(t40, y5);
    let z14 = and(t29, y2);
    let z15 = and(t42, y9);
    let z16 = and(t45, y14);
    let z17 = and(t41, y8);
    let t46 = xor(z15, z16);
    let t47 = xor(z10, z11);
    let t48 = xor(z5, z13);
    let t49 = xor(z9, z10);
    let t50 = xor(z2, z12);
    let t51 = xor(z2, z5);
    let t52 = xor(z7, z8);
    let t53 = xor(z0, z3);
    let t54 = xor(z6, z7);
    let t55 = xor(z16, z17);
    let t56 = xor(z12, t48);
    let t57 = xor(t50, t53);
    let t58 = xor(z4, t46);
    let t59 = xor(z3, t54);
    let t60 = xor(t46, t57);
    let t61 = xor(z14, t57);
    let t62 = xor(t52, t58);
    let t63 = xor(t49, t58);
    let t64 = xor(z4, t59);
    let t65 = xor(t61, t62);
    let t66 = xor(z1, t63);
    let s0 = xor(t59, t63);
    let s6 = xor(t56, t62);
    let s7 = xor(t48, t60);
    let t67 = xor(t64, t65);
    let s3 = xor(t53, t66);
    let s4 = xor(t51, t66);
    let s5 = xor(t47, t65);
    let s1 = xor(t64, s3);
    let s2 = xor(t55, t67);
    [s7, s6, s5, s4, s3, s2, s1, s0]
}
