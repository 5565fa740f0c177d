//! Tokens encrypted under a shared key (`dir`, RFC 7518 §4.5), for the JOSE classes of legacy scripts.

use aes::{Aes128, Aes192, Aes256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq as _;

use crate::door::{decoded, random};
use crate::jose::mac;

#[derive(Deserialize)]
pub(crate) struct ToEncrypt {
    enc: String,
    key: String,
    header: Map<String, Value>,
    content: String,
}

#[derive(Deserialize)]
pub(crate) struct ToDecrypt {
    token: String,
    key: String,
}

type Answer = Result<Value, String>;

/// One error for every token that does not open, so that nothing can be learnt of why.
const CLOSED: &str = "the token cannot be decrypted";

pub(crate) fn encrypt(ToEncrypt { enc, key, header, content }: &ToEncrypt) -> Answer {
    let (method, key) = (Method::named(enc)?, decoded(key)?);
    method.check(&key)?;
    let mut header = header.clone();
    header.insert("alg".to_owned(), json!("dir"));
    header.insert("enc".to_owned(), json!(enc));
    let header = URL_SAFE_NO_PAD.encode(Value::Object(header).to_string());
    let iv = random(method.iv_len())?;
    let (sealed, tag) = method.seal(&key, header.as_bytes(), &iv, content.as_bytes()).ok_or("nothing was encrypted")?;
    let [iv, sealed, tag] = [iv, sealed, tag].map(|part| URL_SAFE_NO_PAD.encode(part));
    Ok(json!(format!("{header}..{iv}.{sealed}.{tag}")))
}

pub(crate) fn decrypt(ToDecrypt { token, key }: &ToDecrypt) -> Answer {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, "", iv, sealed, tag] = parts[..] else { return Err("not a JWT under a shared key".to_owned()) };
    let raw = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| CLOSED.to_owned());
    let read: Map<String, Value> = serde_json::from_slice(&raw(header)?).map_err(|_| CLOSED)?;
    let text = |name: &str| read.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("alg") != "dir" || read.contains_key("zip") {
        return Err(format!("the algorithm {:?} is not supported, only \"dir\" is", text("alg")));
    }
    let (method, key) = (Method::named(text("enc"))?, decoded(key)?);
    method.check(&key)?;
    let opened = method.open(&key, header.as_bytes(), &raw(iv)?, raw(sealed)?, &raw(tag)?).ok_or(CLOSED)?;
    let content = String::from_utf8(opened).map_err(|_| CLOSED)?;
    Ok(json!({ "header": read, "content": content }))
}

/// Content encryption: AES-GCM, or AES-CBC with HMAC by the bytes of half its key.
#[derive(Clone, Copy)]
enum Method {
    Gcm(usize),
    Cbc(usize),
}

impl Method {
    fn named(enc: &str) -> Result<Self, String> {
        Ok(match enc {
            "A128GCM" => Self::Gcm(16),
            "A256GCM" => Self::Gcm(32),
            "A128CBC-HS256" => Self::Cbc(16),
            "A192CBC-HS384" => Self::Cbc(24),
            "A256CBC-HS512" => Self::Cbc(32),
            other => return Err(format!("the encryption {other:?} is not supported")),
        })
    }

    fn check(self, key: &[u8]) -> Result<(), String> {
        let needed = match self {
            Self::Gcm(bytes) => bytes,
            Self::Cbc(half) => 2 * half,
        };
        if key.len() == needed { Ok(()) } else { Err(format!("the key has {} bytes, not {needed}", key.len())) }
    }

    fn iv_len(self) -> usize {
        match self {
            Self::Gcm(_) => 12,
            Self::Cbc(_) => 16,
        }
    }

    /// What is sealed, and its tag.
    fn seal(self, key: &[u8], aad: &[u8], iv: &[u8], content: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        match self {
            Self::Gcm(bytes) => {
                let mut sealed = content.to_vec();
                let nonce = Nonce::try_assume_unique_for_key(iv).ok()?;
                let tag = gcm(bytes, key)?.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut sealed).ok()?;
                Some((sealed, tag.as_ref().to_vec()))
            }
            Self::Cbc(half) => {
                let (for_mac, for_cipher) = key.split_at_checked(half)?;
                let mut sealed = content.to_vec();
                let length = sealed.len();
                sealed.resize(length - length % 16 + 16, 0);
                match half {
                    16 => cbc::Encryptor::<Aes128>::new_from_slices(for_cipher, iv)
                        .ok()?
                        .encrypt_padded::<Pkcs7>(&mut sealed, length)
                        .map(drop),
                    24 => cbc::Encryptor::<Aes192>::new_from_slices(for_cipher, iv)
                        .ok()?
                        .encrypt_padded::<Pkcs7>(&mut sealed, length)
                        .map(drop),
                    _ => cbc::Encryptor::<Aes256>::new_from_slices(for_cipher, iv)
                        .ok()?
                        .encrypt_padded::<Pkcs7>(&mut sealed, length)
                        .map(drop),
                }
                .ok()?;
                let tag = tag(half, for_mac, aad, iv, &sealed)?;
                Some((sealed, tag))
            }
        }
    }

    fn open(self, key: &[u8], aad: &[u8], iv: &[u8], mut sealed: Vec<u8>, given: &[u8]) -> Option<Vec<u8>> {
        if iv.len() != self.iv_len() {
            return None;
        }
        match self {
            Self::Gcm(bytes) => {
                let nonce = Nonce::try_assume_unique_for_key(iv).ok()?;
                sealed.extend_from_slice(given);
                let opened = gcm(bytes, key)?.open_in_place(nonce, Aad::from(aad), &mut sealed).ok()?.len();
                sealed.truncate(opened);
            }
            Self::Cbc(half) => {
                let (for_mac, for_cipher) = key.split_at_checked(half)?;
                // First, so that padding is only looked at when a holder of the key made it.
                if !bool::from(tag(half, for_mac, aad, iv, &sealed)?.ct_eq(given)) {
                    return None;
                }
                let opened = match half {
                    16 => cbc::Decryptor::<Aes128>::new_from_slices(for_cipher, iv)
                        .ok()?
                        .decrypt_padded::<Pkcs7>(&mut sealed)
                        .map(<[u8]>::len),
                    24 => cbc::Decryptor::<Aes192>::new_from_slices(for_cipher, iv)
                        .ok()?
                        .decrypt_padded::<Pkcs7>(&mut sealed)
                        .map(<[u8]>::len),
                    _ => cbc::Decryptor::<Aes256>::new_from_slices(for_cipher, iv)
                        .ok()?
                        .decrypt_padded::<Pkcs7>(&mut sealed)
                        .map(<[u8]>::len),
                };
                sealed.truncate(opened.ok()?);
            }
        }
        Some(sealed)
    }
}

fn gcm(bytes: usize, key: &[u8]) -> Option<LessSafeKey> {
    let algorithm = if bytes == 16 { &AES_128_GCM } else { &AES_256_GCM };
    UnboundKey::new(algorithm, key).ok().map(LessSafeKey::new)
}

/// The first half of the MAC over AAD, IV, ciphertext and the length of the AAD in bits (RFC 7518 §5.2.2.1).
fn tag(half: usize, key: &[u8], aad: &[u8], iv: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let bits = u64::try_from(aad.len()).ok()?.checked_mul(8)?.to_be_bytes();
    let hash = match half {
        16 => "SHA256",
        24 => "SHA384",
        _ => "SHA512",
    };
    let mut full = mac(hash, key, &[aad, iv, sealed, &bits].concat()).ok()?;
    full.truncate(half);
    Some(full)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// RFC 7516 has no example of `dir` with claims; RFC 7518 appendix B.1 has one of the cipher itself.
    #[test]
    fn cbc_is_that_of_the_rfc() {
        let hex = |text: &str| -> Vec<u8> {
            let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
            digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
        };
        let key: Vec<u8> = (0..32).collect();
        let plain = b"A cipher system must not be required to be secret, and it must be able to fall into the hands of the enemy without inconvenience";
        let (iv, aad) =
            (hex("1af38c2dc2b96ffdd86694092341bc04"), b"The second principle of Auguste Kerckhoffs".as_slice());
        let (sealed, tag) = Method::Cbc(16).seal(&key, aad, &iv, plain).unwrap();
        assert_eq!(sealed[..16], hex("c80edfa32ddf39d5ef00c0b468834279"));
        assert_eq!(tag, hex("652c3fa36b0a7c5b3219fab3a30bc1c4"));
        assert_eq!(Method::Cbc(16).open(&key, aad, &iv, sealed, &tag).unwrap(), plain);
    }

    #[test]
    fn every_method_opens_what_it_sealed_and_nothing_else() {
        for (enc, bytes) in
            [("A128GCM", 16), ("A256GCM", 32), ("A128CBC-HS256", 32), ("A192CBC-HS384", 48), ("A256CBC-HS512", 64)]
        {
            let key = STANDARD.encode(vec![7; bytes]);
            let told = json!({"enc": enc, "key": key, "header": {"cty": "JWT"}, "content": "a.b.c"});
            let token = encrypt(&serde_json::from_value(told).unwrap()).unwrap();
            let token = token.as_str().unwrap();
            let open = |token: &str, key: &str| decrypt(&ToDecrypt { token: token.to_owned(), key: key.to_owned() });
            let opened = open(token, &key).unwrap();
            assert_eq!((opened["content"].as_str(), opened["header"]["cty"].as_str()), (Some("a.b.c"), Some("JWT")));
            let other = STANDARD.encode(vec![8; bytes]);
            assert!(open(token, &other).is_err() && open(token, &STANDARD.encode("short")).is_err(), "{enc}");
            for at in 0..token.len() {
                let mut bad = token.as_bytes().to_vec();
                bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
                let bad = String::from_utf8(bad).unwrap();
                // The last bits of a part may be of no meaning.
                assert!(open(&bad, &key).is_err(), "{enc} at {at}");
            }
        }
    }
}
