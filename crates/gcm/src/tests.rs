use aes_gcm::aead::AeadInOut as _;
use aes_gcm::aead::consts::U12;
use aes_gcm::aes::Aes192;
use aes_gcm::{Aes128Gcm, Aes256Gcm, AesGcm, KeyInit as _};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// What the oracle makes of it: ciphertext in place, and the tag.
fn sealed(key: &[u8], nonce: &[u8; 12], aad: &[u8], content: &mut [u8]) -> [u8; 16] {
    let nonce = (*nonce).into();
    let content = content.into();
    let tag = match key.len() {
        16 => Aes128Gcm::new_from_slice(key).unwrap().encrypt_inout_detached(&nonce, aad, content),
        24 => AesGcm::<Aes192, U12>::new_from_slice(key).unwrap().encrypt_inout_detached(&nonce, aad, content),
        _ => Aes256Gcm::new_from_slice(key).unwrap().encrypt_inout_detached(&nonce, aad, content),
    };
    tag.unwrap().into()
}

fn hex(text: &str) -> Vec<u8> {
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn array<const N: usize>(text: &str) -> [u8; N] {
    hex(text).try_into().unwrap()
}

/// FIPS 197, appendix C: the cipher alone.
#[test]
fn the_examples_of_fips_197() {
    let key: Vec<u8> = (0..32).collect();
    let plain = load(&array("00112233445566778899aabbccddeeff"));
    for (octets, cipher) in [
        (16, "69c4e0d86a7b0430d8cdb78070b4c55a"),
        (24, "dda97ca4864cdfe06eaf70a0ec0d7191"),
        (32, "8ea2b7ca516745bfeafc49904b496089"),
    ] {
        let aes = Aes::new(&key[..octets]).unwrap();
        assert_eq!(aes.encrypt([plain; BLOCKS]).map(store), [array(cipher); BLOCKS], "{octets} octets");
    }
}

/// McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 4, 10 and 16: every length of key, associated
/// data, and content that ends within a block.
#[test]
fn the_examples_of_the_mode() {
    let key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
    let plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de\
                 657ba637b39";
    for (digits, cipher, tag) in [
        (
            32,
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aa\
             c973d58e091",
            "5bc94fbc3221a5db94fae95ae7121a47",
        ),
        (
            48,
            "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a3f4718e2448b2fe32\
             4d9ccda2710",
            "2519498e80f1478f37ba55bd6d27618c",
        ),
        (
            64,
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7\
             a0abcc9f662",
            "76fc6ece0f4e1768cddf8853bb2d551b",
        ),
    ] {
        let gcm = Gcm::new(&hex(&key[..digits])).unwrap();
        let mut content = hex(cipher);
        let aad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        gcm.open(&array("cafebabefacedbaddecaf888"), &aad, &mut content, &array(tag)).unwrap();
        assert_eq!(content, hex(plain), "{digits} digits");
    }
}

#[test]
fn only_keys_of_the_cipher_are_taken() {
    for octets in (0..=64).filter(|octets| ![16, 24, 32].contains(octets)) {
        assert!(Gcm::new(&vec![1; octets]).is_none(), "{octets}");
    }
}

/// Around every place where a length changes what is done, and where the counter takes another octet.
#[test]
fn every_length_up_to_three_batches_and_some_long_ones() {
    let key = [9; 32];
    let gcm = Gcm::new(&key).unwrap();
    let short = 0..=3 * BLOCKS * BLOCK + 1;
    for octets in short.chain([BLOCK << 8, (BLOCK << 8) + 333, (BLOCK << 16) + 100]) {
        let plain: Vec<u8> = (0..octets).map(|i| u8::try_from(i * 7 % 251).unwrap()).collect();
        let aad = &plain[..octets % 50];
        let mut content = plain.clone();
        let tag = sealed(&key, &[3; 12], aad, &mut content);
        gcm.open(&[3; 12], aad, &mut content, &tag).unwrap();
        assert_eq!(content, plain, "{octets}");
    }
}

proptest! {
    #[test]
    fn what_the_oracle_seals_is_opened(
        key in prop_oneof![vec(any::<u8>(), 16), vec(any::<u8>(), 24), vec(any::<u8>(), 32)],
        nonce: [u8; 12],
        aad in vec(any::<u8>(), 0..100),
        plain in vec(any::<u8>(), 0..600),
    ) {
        let mut content = plain.clone();
        let tag = sealed(&key, &nonce, &aad, &mut content);
        Gcm::new(&key).unwrap().open(&nonce, &aad, &mut content, &tag).unwrap();
        prop_assert_eq!(content, plain);
    }

    /// One bit anywhere, and nothing is opened and nothing changed.
    #[test]
    fn no_bit_may_be_another(
        key: [u8; 32],
        nonce: [u8; 12],
        aad in vec(any::<u8>(), 1..50),
        plain in vec(any::<u8>(), 1..300),
        at: prop::sample::Index,
        bit in 0..8u32,
        which in 0..5,
    ) {
        let mut content = plain;
        let mut tag = sealed(&key, &nonce, &aad, &mut content);
        let (mut key, mut nonce, mut aad) = (key, nonce, aad);
        let wrong: &mut [u8] = match which {
            0 => &mut key,
            1 => &mut nonce,
            2 => &mut aad,
            3 => &mut content,
            _ => &mut tag,
        };
        wrong[at.index(wrong.len())] ^= 1 << bit;
        let before = content.clone();
        prop_assert_eq!(Gcm::new(&key).unwrap().open(&nonce, &aad, &mut content, &tag), Err(NotAuthentic));
        prop_assert_eq!(content, before);
    }
}
