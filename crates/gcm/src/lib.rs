//! AES-GCM (NIST SP 800-38D) to open with, for WebAssembly.
//!
//! Compiled code has no AES instruction there, and portable code pays for working without one in 64-bit words: the
//! cipher was more than half of what a session that is not cached cost the worker. Here eight blocks go through one
//! circuit side by side in lanes of 128 bits, which takes a third of that time. In WebAssembly nothing is looked up in
//! memory by what is secret and nothing branches on it, so time tells nothing of key or content.
//!
//! It opens and cannot seal. Everything else is for the crate `aes-gcm`, which is the oracle of the tests. On other
//! machines this one is for tests alone: there it looks things up in memory.

mod aes;
mod ghash;
mod lanes;

use lanes::{V, load, store, xor};
use subtle::ConstantTimeEq as _;

use aes::{Aes, BLOCKS};
use ghash::GHash;

/// Octets of a block.
const BLOCK: usize = 16;

/// Most content that one nonce is for, in octets (SP 800-38D §5.2.1.1): counters of 32 bits, less two. No address space
/// of WebAssembly has so much.
const MAX_CONTENT: u64 = (u32::MAX as u64 - 1) * BLOCK as u64;

/// More than making a key takes of the stack, in octets: a few copies of its 3,000.
const STACK: usize = 16 * 1024;

/// Key, nonce, associated data, content and tag do not belong together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotAuthentic;

impl std::fmt::Display for NotAuthentic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not authentic")
    }
}

impl std::error::Error for NotAuthentic {}

/// A key, ready to open with.
#[derive(Clone)]
pub struct Gcm {
    aes: Aes,
    ghash: GHash,
}

impl Gcm {
    /// AES-128, 192 or 256 by the length of the key: 16, 24 or 32 octets; `None` for any other.
    ///
    /// In a box, where it stays until it is wiped: what is moved leaves its like behind.
    pub fn new(key: &[u8]) -> Option<Box<Self>> {
        let made = Self::make(key);
        zeroize::zeroize_stack::<STACK>();
        made
    }

    /// A function with a part of the stack to itself, which the caller wipes.
    #[inline(never)]
    fn make(key: &[u8]) -> Option<Box<Self>> {
        let aes = Aes::new(key)?;
        let [subkey, ..] = aes.encrypt([lanes::zero(); BLOCKS]);
        Some(Box::new(Self { aes, ghash: GHash::new(subkey) }))
    }

    /// Opens `content` in place when it is authentic, and leaves it as it is when not.
    pub fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        content: &mut [u8],
        tag: &[u8; BLOCK],
    ) -> Result<(), NotAuthentic> {
        if content.len() as u64 > MAX_CONTENT {
            return Err(NotAuthentic);
        }
        // The first block of the key stream masks the tag; it comes with the seven after it.
        let mut counter = Counter::new(nonce);
        let [mask, first @ ..] = self.aes.encrypt(counter.next());
        let expected = store(xor(self.ghash.of(aad, content), mask));
        if !bool::from(expected.ct_eq(tag)) {
            return Err(NotAuthentic);
        }
        let (head, tail) = content.split_at_mut(content.len().min(first.len() * BLOCK));
        mix(head, &first);
        for chunk in tail.chunks_mut(BLOCKS * BLOCK) {
            mix(chunk, &self.aes.encrypt(counter.next()));
        }
        Ok(())
    }
}

/// The counter blocks of a nonce of 96 bits, from the first (SP 800-38D §7.1).
struct Counter {
    nonce: V,
    next: u32,
}

impl Counter {
    fn new(nonce: &[u8; 12]) -> Self {
        let mut block = [0; BLOCK];
        block[..12].copy_from_slice(nonce);
        Self { nonce: load(&block), next: 1 }
    }

    fn next(&mut self) -> [V; BLOCKS] {
        std::array::from_fn(|_| {
            let block = lanes::u32x4_replace_lane::<3>(self.nonce, self.next.swap_bytes());
            self.next = self.next.wrapping_add(1); // of the last batch some are not used
            block
        })
    }
}

/// XORs the key stream onto `content`, which is no longer than it.
#[inline(always)]
fn mix(content: &mut [u8], stream: &[V]) {
    let (blocks, rest) = content.as_chunks_mut::<BLOCK>();
    for (block, key) in blocks.iter_mut().zip(stream) {
        *block = store(xor(load(block), *key));
    }
    if let Some(key) = stream.get(blocks.len()) {
        for (octet, key) in rest.iter_mut().zip(store(*key)) {
            *octet ^= key;
        }
    }
}

#[cfg(test)]
mod tests;
