//! AES-GCM over the instructions of the machine it runs on, for `tests/tests/gcm_in_wasm.rs`: compiled to WebAssembly
//! and run by Node, where a unit test cannot go. It traps when anything differs from the oracle.
#![allow(unsafe_code, reason = "a function that another language calls by its name")]

use aes_gcm::aead::AeadInOut as _;
use aes_gcm::aead::consts::U12;
use aes_gcm::aes::Aes192;
use aes_gcm::{Aes128Gcm, Aes256Gcm, AesGcm, KeyInit as _};
use countersign_gcm::{Gcm, NotAuthentic};

#[cfg(all(target_arch = "wasm32", not(target_feature = "simd128")))]
compile_error!("without simd128 this would check the portable lanes");

/// Numbers that look like nothing in particular, the same in every run, and all made in the same way.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0.to_be_bytes()[0]
    }

    fn fill<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next())
    }

    fn take(&mut self, octets: usize) -> Vec<u8> {
        (0..octets).map(|_| self.next()).collect()
    }
}

fn sealed(key: &[u8], nonce: &[u8; 12], aad: &[u8], content: &mut [u8]) -> [u8; 16] {
    let (nonce, content) = ((*nonce).into(), content.into());
    let tag = match key.len() {
        16 => Aes128Gcm::new_from_slice(key).expect("16").encrypt_inout_detached(&nonce, aad, content),
        24 => AesGcm::<Aes192, U12>::new_from_slice(key).expect("24").encrypt_inout_detached(&nonce, aad, content),
        _ => Aes256Gcm::new_from_slice(key).expect("32").encrypt_inout_detached(&nonce, aad, content),
    };
    tag.expect("it is short").into()
}

/// One token's worth: opened as it was sealed, or refused for one bit of its tag. Which key, nonce, data, content and
/// bit follows from `seed`, and nothing else does: whoever watches must not see which it was.
// SAFETY: there is no other function of the name.
#[unsafe(no_mangle)]
pub extern "C" fn opens(seed: u32, key_octets: usize, aad_octets: usize, octets: usize, good: bool) {
    let mut numbers = Numbers(seed.into());
    let key = numbers.take(key_octets);
    let nonce = numbers.fill();
    let aad = numbers.take(aad_octets);
    let plain = numbers.take(octets);
    let mut content = plain.clone();
    let tag = sealed(&key, &nonce, &aad, &mut content);
    let cipher = content.clone();
    let gcm = Gcm::new(&key).expect("a length of AES");
    if good {
        assert_eq!(gcm.open(&nonce, &aad, &mut content, &tag), Ok(()));
        assert_eq!(content, plain);
    } else {
        let (bit, half) = (1u64 << (seed % 64), u64::from(seed / 64 % 2));
        let wrong = u128::from_le_bytes(tag) ^ (u128::from(bit * half) << 64 | u128::from(bit * (1 - half)));
        assert_eq!(gcm.open(&nonce, &aad, &mut content, &wrong.to_le_bytes()), Err(NotAuthentic));
        assert_eq!(content, cipher);
    }
}

// SAFETY: likewise.
#[unsafe(no_mangle)]
pub extern "C" fn check() {
    for (seed, octets) in (0..).zip((0..1200).chain([5_000, 1_100_000])) {
        for good in [true, false] {
            opens(seed, [16, 24, 32][octets % 3], octets % 70, octets, good);
        }
    }
}
