//! One-time passwords of devices: HOTP (RFC 4226), TOTP (RFC 6238), and the `otpauth` link that an app is given.

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

/// Under which hash the codes are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

impl Hash {
    /// By the value of a node's setting.
    pub(crate) fn of(setting: &str) -> Self {
        match setting {
            "HMAC_SHA256" => Self::Sha256,
            "HMAC_SHA512" => Self::Sha512,
            _ => Self::Sha1,
        }
    }

    /// As an `otpauth` link names it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }

    fn mac(self, secret: &[u8], counter: u64) -> Vec<u8> {
        macro_rules! mac {
            ($hash:ty) => {
                // HMAC takes a key of any length.
                Hmac::<$hash>::new_from_slice(secret).map_or_else(
                    |_| Vec::new(),
                    |mac| mac.chain_update(counter.to_be_bytes()).finalize().into_bytes().to_vec(),
                )
            };
        }
        match self {
            Self::Sha1 => mac!(sha1::Sha1),
            Self::Sha256 => mac!(sha2::Sha256),
            Self::Sha512 => mac!(sha2::Sha512),
        }
    }
}

/// What makes the codes of one device.
pub(crate) struct Codes {
    pub(crate) secret: Vec<u8>,
    /// 6 or 8.
    pub(crate) digits: u32,
    pub(crate) hash: Hash,
}

impl Codes {
    /// RFC 4226 §5.3.
    pub(crate) fn at(&self, counter: u64) -> String {
        let mac = self.hash.mac(&self.secret, counter);
        let offset = usize::from(mac.last().copied().unwrap_or(0) & 0x0f);
        let four = mac.get(offset..offset + 4).and_then(|four| <[u8; 4]>::try_from(four).ok()).unwrap_or_default();
        let number = u32::from_be_bytes(four) & 0x7fff_ffff;
        let digits = self.digits.min(9);
        format!("{:0width$}", number % 10_u32.pow(digits), width = digits as usize)
    }

    /// The first of these counters whose code is `typed`. All are looked at, so that time does not tell how near it
    /// was.
    pub(crate) fn find(&self, typed: &str, counters: impl IntoIterator<Item = u64>) -> Option<u64> {
        let (mut found, mut at) = (subtle::Choice::from(0), 0_u64);
        for counter in counters {
            let equal = self.at(counter).as_bytes().ct_eq(typed.as_bytes());
            at.conditional_assign(&counter, equal & !found);
            found |= equal;
        }
        bool::from(found).then_some(at)
    }
}

/// RFC 4648 §6 without padding, as apps read secrets.
pub(crate) fn base32(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes)
}

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(crate) fn percent(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(secret: &[u8], digits: u32, hash: Hash) -> Codes {
        Codes { secret: secret.to_vec(), digits, hash }
    }

    #[test]
    fn rfc_4226_appendix_d() {
        let codes = codes(b"12345678901234567890", 6, Hash::Sha1);
        let expected =
            ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        for (counter, code) in expected.iter().enumerate() {
            assert_eq!(codes.at(counter as u64), *code);
        }
    }

    #[test]
    fn rfc_6238_appendix_b() {
        let seed = |length: usize| -> Vec<u8> { b"1234567890".iter().copied().cycle().take(length).collect() };
        let table = [
            (59, "94287082", "46119246", "90693936"),
            (1_111_111_109, "07081804", "68084774", "25091201"),
            (1_111_111_111, "14050471", "67062674", "99943326"),
            (1_234_567_890, "89005924", "91819424", "93441116"),
            (2_000_000_000, "69279037", "90698825", "38618901"),
            (20_000_000_000, "65353130", "77737706", "47863826"),
        ];
        for (time, sha1, sha256, sha512) in table {
            assert_eq!(codes(&seed(20), 8, Hash::Sha1).at(time / 30), sha1);
            assert_eq!(codes(&seed(32), 8, Hash::Sha256).at(time / 30), sha256);
            assert_eq!(codes(&seed(64), 8, Hash::Sha512).at(time / 30), sha512);
        }
    }

    #[test]
    fn a_code_is_found_at_its_first_counter() {
        let codes = codes(b"12345678901234567890", 6, Hash::Sha1);
        assert_eq!(codes.find("969429", 0..10), Some(3));
        assert_eq!(codes.find("755224", 0..10), Some(0));
        assert_eq!(codes.find("969429", 4..10), None);
        for wrong in ["", "96942", "9694290", "９６９４２９"] {
            assert_eq!(codes.find(wrong, 0..10), None, "{wrong}");
        }
    }

    #[test]
    fn rfc_4648_vectors() {
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
        assert_eq!(percent("A b/ä?&=:@~"), "A%20b%2F%C3%A4%3F%26%3D%3A%40~");
    }
}
