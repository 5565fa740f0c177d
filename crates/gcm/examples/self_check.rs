//! The instructions of the machine it runs on, held against the oracle: compiled to WebAssembly and run by Node
//! (`tests/tests/gcm_in_wasm.rs`), where a unit test cannot go. It ends in a panic when anything differs.

use aes_gcm::aead::AeadInOut as _;
use aes_gcm::aead::consts::U12;
use aes_gcm::aes::Aes192;
use aes_gcm::{Aes128Gcm, Aes256Gcm, AesGcm, KeyInit as _};
use countersign_gcm::{Gcm, NotAuthentic};

/// Numbers that look like nothing in particular, the same in every run.
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

fn main() {
    let mut numbers = Numbers(1);
    for octets in 0..1200 {
        let key = numbers.take([16, 24, 32][octets % 3]);
        let gcm = Gcm::new(&key).expect("a length of AES");
        let nonce = numbers.fill();
        let aad = numbers.take(octets % 70);
        let plain = numbers.take(octets);
        let mut content = plain.clone();
        let mut tag = sealed(&key, &nonce, &aad, &mut content);
        let cipher = content.clone();
        assert_eq!(gcm.open(&nonce, &aad, &mut content, &tag), Ok(()), "{octets}");
        assert_eq!(content, plain, "{octets}");
        content.clone_from(&cipher);
        tag[octets % 16] ^= 1 << (octets % 8);
        assert_eq!(gcm.open(&nonce, &aad, &mut content, &tag), Err(NotAuthentic), "{octets}");
        assert_eq!(content, cipher, "{octets}");
    }
}
