//! 128 bits at once: WebAssembly's SIMD, or where there is none the same few instructions in portable code, so that
//! the tests of every machine compute what the worker computes. Not in the same way: see `lanes/portable.rs`.

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod instructions {
    pub(crate) use core::arch::wasm32::{
        i8x16_shuffle, i64x2_shuffle, u8x16_splat, u8x16_swizzle, u32x4_replace_lane, u32x4_shl, u32x4_shr, u64x2,
        u64x2_extract_lane, u64x2_shl, u64x2_shr, v128, v128_and, v128_or, v128_xor,
    };
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
#[path = "lanes/portable.rs"]
mod instructions;

pub(crate) use instructions::*;

pub(crate) type V = v128;

#[inline(always)]
pub(crate) fn xor(a: V, b: V) -> V {
    v128_xor(a, b)
}

#[inline(always)]
pub(crate) fn and(a: V, b: V) -> V {
    v128_and(a, b)
}

#[inline(always)]
pub(crate) fn zero() -> V {
    u64x2(0, 0)
}

#[inline(always)]
pub(crate) fn load(bytes: &[u8; 16]) -> V {
    let number = u128::from_le_bytes(*bytes);
    #[expect(clippy::cast_possible_truncation, reason = "the halves")]
    u64x2(number as u64, (number >> 64) as u64)
}

#[inline(always)]
pub(crate) fn store(v: V) -> [u8; 16] {
    let number = u128::from(u64x2_extract_lane::<0>(v)) | u128::from(u64x2_extract_lane::<1>(v)) << 64;
    number.to_le_bytes()
}

/// A pattern for [`u8x16_swizzle`] that the compiler does not know. Engines rebuild a pattern that is a constant at
/// every use, which takes longer than the move itself.
pub(crate) fn pattern(octets: [u8; 16]) -> V {
    load(&std::hint::black_box(octets))
}
