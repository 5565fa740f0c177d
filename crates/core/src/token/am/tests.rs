//! The tokens are made here by the crates of each algorithm, after AM's manner and not by our own minting. Above 600
//! lines because every test uses that one maker, which stands at the top.

use aes_gcm::aead::AeadInOut as _;
use aes_gcm::{Aes128Gcm, Aes256Gcm, AesGcm, KeyInit as _};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt as _, KeyIvInit as _};
use hmac::{Hmac, Mac};
use miniz_oxide::deflate::compress_to_vec;
use proptest::prelude::*;
use rsa::pkcs1::EncodeRsaPublicKey as _;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::signature::{SignatureEncoding as _, Signer as _};
use serde_json::json;
use sha2::{Sha256, Sha384, Sha512};

use super::*;
use crate::encoding::encode;
use crate::keys::KeyError;
use crate::token::mint::Rng;

/// The text of 32 bytes in base64, as AM has it in its settings.
const SECRET: &[u8] = b"Xk0vbGJ6MnJ5N2FqcTlmd3BtZTh0c3U0aWQxb2Nobmc=";

fn key(bytes: &[u8]) -> KeyBytes {
    Zeroizing::new(bytes.to_vec())
}

fn rsa_der() -> Vec<u8> {
    decode(include_str!("../../../testdata/rsa-2048.pkcs8").trim().as_bytes()).unwrap()
}

fn rsa_key() -> rsa::RsaPrivateKey {
    rsa::RsaPrivateKey::from_pkcs8_der(&rsa_der()).unwrap()
}

/// Not random: a test replays.
fn dice() -> impl FnMut(&mut [u8]) {
    let mut next = 0u8;
    move |out| {
        out.fill_with(|| {
            next = next.wrapping_add(41);
            next
        });
    }
}

fn claims() -> Value {
    json!({
        "jti": "b2c1f2f0-98e1-4a21-8fb3-9c04f6a5d1aa", "sub": "id=demo,ou=user,o=alpha,ou=services,dc=openam,dc=example",
        "iss": "o=alpha,ou=services,dc=openam,dc=example", "exp": 1_800_007_200, "lastActivityTime": 1_800_000_000,
        "maxTime": 120, "maxIdle": 30, "maxCaching": 3, "sessionType": "user", "state": "valid",
        "props": { "UserId": "demo", "AuthLevel": "5", "Locale": "en_US" },
    })
}

fn hmac(alg: SigningAlg, secret: &[u8], input: &[u8]) -> Vec<u8> {
    fn of<M: Mac>(mut mac: M, input: &[u8]) -> Vec<u8> {
        mac.update(input);
        mac.finalize().into_bytes().to_vec()
    }
    match alg {
        SigningAlg::Hs384 => of(Hmac::<Sha384>::new_from_slice(secret).unwrap(), input),
        SigningAlg::Hs512 => of(Hmac::<Sha512>::new_from_slice(secret).unwrap(), input),
        _ => of(Hmac::<Sha256>::new_from_slice(secret).unwrap(), input),
    }
}

fn sign(alg: SigningAlg, input: &[u8]) -> Vec<u8> {
    match alg {
        SigningAlg::Hs256 | SigningAlg::Hs384 | SigningAlg::Hs512 => hmac(alg, SECRET, input),
        SigningAlg::Es256 => {
            let made: p256::ecdsa::Signature =
                p256::ecdsa::SigningKey::from_slice(&[5; 32]).unwrap().try_sign(input).unwrap();
            made.to_bytes().to_vec()
        }
        SigningAlg::Es384 => {
            let made: p384::ecdsa::Signature =
                p384::ecdsa::SigningKey::from_slice(&[5; 48]).unwrap().try_sign(input).unwrap();
            made.to_bytes().to_vec()
        }
        SigningAlg::Es512 => {
            let secret = [&[0][..], &[5; 65]].concat();
            let made: p521::ecdsa::Signature =
                p521::ecdsa::SigningKey::from_slice(&secret).unwrap().try_sign(input).unwrap();
            made.to_bytes().to_vec()
        }
        SigningAlg::Rs256 => rsa::pkcs1v15::SigningKey::<Sha256>::new(rsa_key()).sign(input).to_vec(),
        SigningAlg::EdDsa => panic!("not of AM"),
    }
}

fn verifying(alg: SigningAlg) -> KeyBytes {
    key(&match alg {
        SigningAlg::Es256 => p256::ecdsa::SigningKey::from_slice(&[5; 32])
            .unwrap()
            .verifying_key()
            .to_sec1_point(false)
            .as_bytes()
            .to_vec(),
        SigningAlg::Es384 => p384::ecdsa::SigningKey::from_slice(&[5; 48])
            .unwrap()
            .verifying_key()
            .to_sec1_point(false)
            .as_bytes()
            .to_vec(),
        SigningAlg::Es512 => {
            let secret = [&[0][..], &[5; 65]].concat();
            p521::ecdsa::SigningKey::from_slice(&secret)
                .unwrap()
                .verifying_key()
                .to_sec1_point(false)
                .as_bytes()
                .to_vec()
        }
        SigningAlg::Rs256 => rsa_key().to_public_key().to_pkcs1_der().unwrap().as_bytes().to_vec(),
        _ => SECRET.to_vec(),
    })
}

fn jws(header: &Value, payload: &[u8], signature: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let input = format!("{}.{}", encode(header.to_string().as_bytes()), encode(payload));
    let signature = signature(input.as_bytes());
    format!("{input}.{}", encode(&signature))
}

/// RFC 7518 §5.2.2.1, written down once more.
fn cbc_hmac(enc: ContentAlg, both: &[u8], iv: &[u8; 16], aad: &[u8], plain: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mac, cipher) = both.split_at(both.len() / 2);
    let mut content = plain.to_vec();
    content.resize(plain.len() / 16 * 16 + 16, 0);
    match enc {
        ContentAlg::A192CbcHs384 => {
            let cipher = cbc::Encryptor::<aes::Aes192>::new_from_slices(cipher, iv).unwrap();
            cipher.encrypt_padded::<Pkcs7>(&mut content, plain.len()).unwrap();
        }
        ContentAlg::A256CbcHs512 => {
            let cipher = cbc::Encryptor::<aes::Aes256>::new_from_slices(cipher, iv).unwrap();
            cipher.encrypt_padded::<Pkcs7>(&mut content, plain.len()).unwrap();
        }
        _ => {
            let cipher = cbc::Encryptor::<aes::Aes128>::new_from_slices(cipher, iv).unwrap();
            cipher.encrypt_padded::<Pkcs7>(&mut content, plain.len()).unwrap();
        }
    }
    let bits = (aad.len() as u64 * 8).to_be_bytes();
    let alg = match both.len() {
        48 => SigningAlg::Hs384,
        64 => SigningAlg::Hs512,
        _ => SigningAlg::Hs256,
    };
    let mut tag = hmac(alg, mac, &[aad, iv, &content, &bits].concat());
    tag.truncate(tag.len() / 2);
    (content, tag)
}

fn gcm(key: &[u8], iv: [u8; 12], aad: &[u8], plain: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut content = plain.to_vec();
    let room = content.as_mut_slice().into();
    let tag = match key.len() {
        16 => Aes128Gcm::new_from_slice(key).unwrap().encrypt_inout_detached(&iv.into(), aad, room).unwrap(),
        24 => {
            let cipher = AesGcm::<aes_gcm::aes::Aes192, aes_gcm::aead::consts::U12>::new_from_slice(key).unwrap();
            cipher.encrypt_inout_detached(&iv.into(), aad, room).unwrap()
        }
        _ => Aes256Gcm::new_from_slice(key).unwrap().encrypt_inout_detached(&iv.into(), aad, room).unwrap(),
    };
    (content, tag.to_vec())
}

/// With `wrapped`, in which `content_key` is; empty for `dir`.
fn jwe(header: &Value, content_key: &[u8], wrapped: &[u8], plain: &[u8]) -> String {
    let protected = encode(header.to_string().as_bytes());
    let enc = ContentAlg::named(header["enc"].as_str().unwrap()).unwrap();
    let (iv, (content, tag)) = if enc.name().ends_with("GCM") {
        (vec![7; 12], gcm(content_key, [7; 12], protected.as_bytes(), plain))
    } else {
        (vec![7; 16], cbc_hmac(enc, content_key, &[7; 16], protected.as_bytes(), plain))
    };
    format!("{protected}.{}.{}.{}.{}", encode(wrapped), encode(&iv), encode(&content), encode(&tag))
}

/// How AM encrypts, by the `alg` that it names.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Sealed {
    alg: &'static str,
    enc: ContentAlg,
}

const DIRECT: Sealed = Sealed { alg: "dir", enc: ContentAlg::A128CbcHs256 };

impl Sealed {
    fn encryption(self) -> Encryption {
        match self.alg {
            "dir" => Encryption::Direct,
            "RSA-OAEP" | "RSA-OAEP-256" => Encryption::Rsa,
            _ => Encryption::AesKeywrap,
        }
    }

    fn key(self) -> KeyBytes {
        key(&match self.alg {
            "dir" => vec![3; self.enc.key_len()],
            "A128KW" => vec![4; 16],
            "A192KW" => vec![4; 24],
            "A256KW" => vec![4; 32],
            _ => rsa_der(),
        })
    }

    fn seal(self, zip: &str, plain: &[u8]) -> String {
        let mut header = json!({ "typ": "JWT", "enc": self.enc.name(), "alg": self.alg });
        if !zip.is_empty() {
            header["zip"] = zip.into();
        }
        let content_key = vec![3; self.enc.key_len()];
        let mut room = [0; 72];
        let (mut dice, public) = (dice(), rsa_key().to_public_key());
        let wrapped = match self.alg {
            "dir" => Vec::new(),
            "A128KW" => aes_kw::KwAes128::new(&[4; 16].into()).wrap_key(&content_key, &mut room).unwrap().to_vec(),
            "A192KW" => aes_kw::KwAes192::new(&[4; 24].into()).wrap_key(&content_key, &mut room).unwrap().to_vec(),
            "A256KW" => aes_kw::KwAes256::new(&[4; 32].into()).wrap_key(&content_key, &mut room).unwrap().to_vec(),
            "RSA-OAEP" => public.encrypt(&mut Rng(&mut dice), rsa::Oaep::<sha1::Sha1>::new(), &content_key).unwrap(),
            _ => public.encrypt(&mut Rng(&mut dice), rsa::Oaep::<Sha256>::new(), &content_key).unwrap(),
        };
        jwe(&header, &content_key, &wrapped, plain)
    }
}

type Shape = (Option<SigningAlg>, Option<Sealed>, bool);

/// As AM writes it: its header members in its order, and `zip` also where there is nothing to say.
fn token((signing, sealed, compresses): Shape) -> String {
    let plain = claims().to_string().into_bytes();
    let (zip, content) = if compresses { ("DEF", compress_to_vec(&plain, 6)) } else { ("NONE", plain) };
    match (signing, sealed) {
        (Some(alg), Some(sealed)) => {
            let inner = sealed.seal(zip, &content);
            jws(&json!({ "typ": "JWT", "cty": "JWT", "alg": alg.name() }), inner.as_bytes(), |input| sign(alg, input))
        }
        (Some(alg), None) => {
            jws(&json!({ "typ": "JWT", "zip": zip, "alg": alg.name() }), &content, |input| sign(alg, input))
        }
        (None, Some(sealed)) => sealed.seal(zip, &content),
        (None, None) => panic!("nothing protects it"),
    }
}

fn reader((signing, sealed, compresses): Shape) -> Reader {
    let signing_keys = signing.map(|alg| [verifying(alg)]);
    let sealing_keys = sealed.map(|sealed| [sealed.key()]);
    let signing = signing.zip(signing_keys.as_ref()).map(|(alg, keys)| (alg, &keys[..]));
    let sealing = sealed.zip(sealing_keys.as_ref()).map(|(sealed, keys)| (sealed.encryption(), &keys[..]));
    Reader::new(signing, sealing, compresses).unwrap()
}

fn fault(reader: &Reader, token: &str) -> Fault {
    reader.read(token.as_bytes()).claims.expect_err("it was read")
}

const HS256: Shape = (Some(SigningAlg::Hs256), None, false);
/// As AM is when it is installed.
const FACTORY: Shape = (Some(SigningAlg::Hs256), Some(DIRECT), false);
const SEALED: Shape = (None, Some(DIRECT), false);

const AM_SIGNS: [SigningAlg; 7] = [
    SigningAlg::Hs256,
    SigningAlg::Hs384,
    SigningAlg::Hs512,
    SigningAlg::Rs256,
    SigningAlg::Es256,
    SigningAlg::Es384,
    SigningAlg::Es512,
];

#[test]
fn every_mode_of_am_is_read() {
    let mut shapes = Vec::new();
    for alg in AM_SIGNS {
        shapes.extend([(Some(alg), None), (Some(alg), Some(DIRECT))]);
    }
    for enc in ContentAlg::ALL {
        for alg in ["dir", "A128KW", "A192KW", "A256KW"] {
            shapes.extend([(None, Some(Sealed { alg, enc })), (Some(SigningAlg::Hs256), Some(Sealed { alg, enc }))]);
        }
        for alg in ["RSA-OAEP", "RSA-OAEP-256"] {
            shapes.push((Some(SigningAlg::Hs256), Some(Sealed { alg, enc })));
        }
    }
    for (signing, sealed) in shapes {
        for compresses in [false, true] {
            let shape = (signing, sealed, compresses);
            let reading = reader(shape).read(token(shape).as_bytes());
            assert_eq!(reading.claims.as_ref().map(|claims| json!(claims)), Ok(claims()), "{shape:?}");
            let kinds: Vec<_> = reading.layers.iter().map(|layer| (layer.kind, layer.key)).collect();
            let expected = [signing.map(|_| ("JWS", Some(0))), sealed.map(|_| ("JWE", Some(0)))];
            assert_eq!(kinds, expected.into_iter().flatten().collect::<Vec<_>>(), "{shape:?}");
        }
    }
}

#[test]
fn each_key_is_tried_and_the_one_that_fits_is_told() {
    let (other, short) = (key(&[9; 32]), key(b"sekret"));
    let reader = Reader::new(
        Some((SigningAlg::Hs256, &[other.clone(), key(SECRET)])),
        Some((Encryption::Direct, &[key(&[9; 64]), other.clone(), DIRECT.key()])),
        false,
    )
    .unwrap();
    let reading = reader.read(token(FACTORY).as_bytes());
    assert!(reading.claims.is_ok());
    assert_eq!(reading.layers.iter().map(|layer| layer.key).collect::<Vec<_>>(), [Some(1), Some(2)]);
    // What came before it is told where the key does not fit.
    let reader = Reader::new(
        Some((SigningAlg::Hs256, &[key(SECRET)])),
        Some((Encryption::Direct, &[key(&[9; 64]), other.clone()])),
        false,
    )
    .unwrap();
    let reading = reader.read(token(FACTORY).as_bytes());
    assert_eq!(reading.claims, Err(Fault::Decryption));
    assert_eq!(reading.layers.iter().map(|layer| layer.key).collect::<Vec<_>>(), [Some(0), None]);
    assert_eq!(reading.layers[1].header["enc"], "A128CBC-HS256");
    let of_length = |key| Reader::new(None, Some((Encryption::Direct, &[key])), false).unwrap();
    assert_eq!(
        fault(&of_length(key(&[9; 64])), &token(SEALED)),
        Fault::KeyLength { enc: ContentAlg::A128CbcHs256, bytes: 64 }
    );
    assert_eq!(fault(&of_length(other), &token(SEALED)), Fault::Decryption);
    // AM does not mind short secrets.
    for alg in [SigningAlg::Hs256, SigningAlg::Hs384, SigningAlg::Hs512] {
        let header = json!({ "alg": alg.name() });
        let made = jws(&header, claims().to_string().as_bytes(), |input| hmac(alg, b"sekret", input));
        let reader = Reader::new(Some((alg, &[key(SECRET), short.clone()])), None, false).unwrap();
        let reading = reader.read(made.as_bytes());
        assert_eq!((reading.layers[0].key, reading.claims.is_ok()), (Some(1), true), "{alg:?}");
    }
}

fn unusable(signing: Option<(SigningAlg, &[KeyBytes])>, encryption: Option<(Encryption, &[KeyBytes])>) -> Unusable {
    Reader::new(signing, encryption, false).err().unwrap()
}

#[test]
fn j17_settings_that_protect_nothing_are_refused() {
    let aes = [key(&[3; 32])];
    assert_eq!(unusable(None, None), Unusable::Unprotected);
    assert_eq!(unusable(None, Some((Encryption::Rsa, &[key(&rsa_der())][..]))), Unusable::Unsigned);
    assert_eq!(unusable(Some((SigningAlg::Hs256, &[][..])), None), Unusable::NoKey(Culprit::SigningKey));
    assert_eq!(unusable(None, Some((Encryption::Direct, &[][..]))), Unusable::NoKey(Culprit::EncryptionKey));
    let empty = unusable(Some((SigningAlg::Hs256, &[key(SECRET), key(b"")][..])), None);
    assert_eq!(
        (empty.key(), matches!(empty, Unusable::SigningKey(_, KeyError::ShortSecret { .. }))),
        (Some((Culprit::SigningKey, 1)), true)
    );
    for (encryption, bytes) in [(Encryption::Direct, 31), (Encryption::AesKeywrap, 48), (Encryption::AesKeywrap, 0)] {
        let keys = [aes[0].clone(), key(&vec![3; bytes])];
        assert_eq!(unusable(None, Some((encryption, &keys[..]))), Unusable::AesLength { key: 1, bytes });
    }
    for alg in [SigningAlg::Rs256, SigningAlg::Es256, SigningAlg::Es512] {
        let wrong = unusable(Some((alg, &aes[..])), None);
        assert_eq!(wrong.key(), Some((Culprit::SigningKey, 0)), "{alg:?}");
    }
    let wrong = unusable(Some((SigningAlg::Hs256, &aes[..])), Some((Encryption::Rsa, &aes[..])));
    assert_eq!(wrong, Unusable::EncryptionKey(0, KeyError::BadRsaKey));
}

#[test]
fn j01_j03_j08_the_algorithm_is_the_settings() {
    let payload = claims().to_string();
    let named = |alg: &str, signature: &dyn Fn(&[u8]) -> Vec<u8>| {
        jws(&json!({ "typ": "JWT", "alg": alg }), payload.as_bytes(), |input| signature(input))
    };
    for pinned in AM_SIGNS {
        let shape = (Some(pinned), None, false);
        let reader = reader(shape);
        for alg in AM_SIGNS.into_iter().filter(|alg| *alg != pinned) {
            let expected = Fault::Algorithm { wanted: pinned.name().to_owned(), found: alg.name().to_owned() };
            assert_eq!(fault(&reader, &token((Some(alg), None, false))), expected, "{pinned:?} {alg:?}");
            // By the right key, under a wrong name.
            assert_eq!(fault(&reader, &named(alg.name(), &|input| sign(pinned, input))), expected);
        }
        // A published key is no secret.
        for name in ["HS256", pinned.name()] {
            let forged = named(name, &|input| hmac(SigningAlg::Hs256, &verifying(pinned), input));
            assert!(pinned.is_symmetric() || reader.read(forged.as_bytes()).claims.is_err(), "{pinned:?} {name}");
        }
        for none in ["none", "NONE", "None", "", "hs256"] {
            for signature in [Vec::new(), sign(pinned, b"")] {
                let fault = fault(&reader, &named(none, &|_| signature.clone()));
                assert!(matches!(fault, Fault::Algorithm { .. }), "{pinned:?} {none}");
            }
        }
    }
    // The wrapping key's length says which algorithm there is.
    let wrapped = |alg| (None, Some(Sealed { alg, enc: ContentAlg::A256Gcm }), false);
    for (made, given) in [("A128KW", "A256KW"), ("A256KW", "dir"), ("dir", "A256KW"), ("dir", "A128KW")] {
        let fault = fault(&reader(wrapped(given)), &token(wrapped(made)));
        assert_eq!(fault, Fault::Algorithm { wanted: given.to_owned(), found: made.to_owned() });
        assert_eq!(fault.culprit(), Culprit::Settings);
    }
    for enc in ["A128GCM ", "none", "A256CBC"] {
        let header = json!({ "alg": "dir", "enc": enc });
        let made = format!("{}..AAAA.AAAA.AAAA", encode(header.to_string().as_bytes()));
        assert!(matches!(fault(&reader(SEALED), &made), Fault::Algorithm { .. }), "{enc}");
    }
}

#[test]
fn j10_j11_what_must_be_understood_is_not() {
    let payload = claims().to_string();
    for member in
        [r#""crit":["exp"]"#, r#""crit":[]"#, r#""crit":null"#, r#""b64":false"#, r#""b64":true"#, r#""alg":"HS256""#]
    {
        let header = format!(r#"{{"typ":"JWT","alg":"HS256",{member}}}"#);
        let input = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
        let made = format!("{input}.{}", encode(&sign(SigningAlg::Hs256, input.as_bytes())));
        assert_eq!(fault(&reader(HS256), &made), Fault::Token(TokenError::Header), "{member}");
    }
    // Keys that the token brings along are no keys, and change nothing.
    let header = json!({ "alg": "HS256", "kid": "../../dev/null", "jku": "https://attacker.example", "jwk": {} });
    let made = jws(&header, payload.as_bytes(), |input| sign(SigningAlg::Hs256, input));
    assert!(reader(HS256).read(made.as_bytes()).claims.is_ok());
    let made = jws(&header, payload.as_bytes(), |input| hmac(SigningAlg::Hs256, b"", input));
    assert_eq!(fault(&reader(HS256), &made), Fault::Signature);
    for payload in ["", "7", "[]", "{", "{}x", "\u{feff}{}"] {
        let made = jws(&json!({ "alg": "HS256" }), payload.as_bytes(), |input| sign(SigningAlg::Hs256, input));
        assert_eq!(fault(&reader(HS256), &made), Fault::Token(TokenError::Claims), "{payload}");
    }
}

#[test]
fn j16_the_layers_are_the_settings() {
    let shapes = [HS256, SEALED, FACTORY];
    for given in shapes {
        for made in shapes.into_iter().filter(|made| *made != given) {
            let fault = fault(&reader(given), &token(made));
            assert!(matches!(fault, Fault::Layers { .. }), "{given:?} given {made:?}: {fault:?}");
        }
        for none in ["", ".", "..", "....", "a.b.c", "a.b.c.d", "e30.e30.", "x"] {
            let fault = fault(&reader(given), none);
            assert!(matches!(fault, Fault::Token(TokenError::Format | TokenError::Header)), "{none}: {fault:?}");
        }
    }
    // Our own order: what is inside the seal is no claims.
    let inner = token(HS256);
    let ours = DIRECT.seal("", inner.as_bytes());
    assert_eq!(fault(&reader(SEALED), &ours), Fault::Token(TokenError::Claims));
    // Signed twice.
    let twice = jws(&json!({ "alg": "HS256" }), inner.as_bytes(), |input| sign(SigningAlg::Hs256, input));
    assert_eq!(fault(&reader(HS256), &twice), Fault::Token(TokenError::Claims));
    assert!(matches!(fault(&reader(FACTORY), &twice), Fault::Layers { .. }));
}

#[test]
fn j19_what_inflates_is_bounded() {
    let bomb = compress_to_vec(&vec![b' '; 4 << 20], 9);
    let (signed, sealed) = ((HS256.0, None, true), (None, SEALED.1, true));
    let header = json!({ "alg": "HS256", "zip": "DEF" });
    let made = jws(&header, &bomb, |input| sign(SigningAlg::Hs256, input));
    assert_eq!(fault(&reader(signed), &made), Fault::Compression);
    assert_eq!(fault(&reader(sealed), &DIRECT.seal("DEF", &bomb)), Fault::Compression);
    let inner = DIRECT.seal("DEF", &bomb);
    let both = jws(&json!({ "alg": "HS256" }), inner.as_bytes(), |input| sign(SigningAlg::Hs256, input));
    assert_eq!(fault(&reader((FACTORY.0, FACTORY.1, true)), &both), Fault::Compression);
    // Not before the token is known to be of AM.
    let forged = jws(&header, &bomb, |input| hmac(SigningAlg::Hs256, b"other", input));
    assert_eq!(fault(&reader(signed), &forged), Fault::Signature);
    // By the settings nothing is compressed; the other way round it does no harm.
    assert_eq!(fault(&reader(HS256), &token(signed)), Fault::Compressed);
    assert_eq!(fault(&reader(SEALED), &token(sealed)), Fault::Compressed);
    assert!(reader(signed).read(token(HS256).as_bytes()).claims.is_ok());
    for zip in ["def", "GZ", "none", ""] {
        let made = jws(&json!({ "alg": "HS256", "zip": zip }), b"{}", |input| sign(SigningAlg::Hs256, input));
        assert_eq!(fault(&reader(signed), &made), Fault::Token(TokenError::Header), "{zip:?}");
    }
}

#[test]
fn j21_j22_every_change_of_a_seal_is_one_fault() {
    let changed = |token: &str, part: usize, change: &dyn Fn(&mut Vec<u8>)| {
        let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        let mut bytes = decode(parts[part].as_bytes()).unwrap();
        change(&mut bytes);
        parts[part] = encode(&bytes);
        parts.join(".")
    };
    for enc in ContentAlg::ALL {
        for alg in ["dir", "A128KW"] {
            let shape = (None, Some(Sealed { alg, enc }), false);
            let (reader, good) = (reader(shape), token(shape));
            for part in if alg == "dir" { 2..5 } else { 1..5 } {
                for at in [0, 7] {
                    let flipped = changed(&good, part, &|bytes| bytes[at] ^= 1);
                    assert_eq!(fault(&reader, &flipped), Fault::Decryption, "{alg} {enc:?} part {part}");
                }
            }
            for length in [0, 4, 8, 15, 33] {
                for part in [2, 4] {
                    let cut = changed(&good, part, &|bytes| bytes.resize(length, 0));
                    assert_eq!(fault(&reader, &cut), Fault::Token(TokenError::Format), "{alg} {enc:?} part {part}");
                }
            }
        }
    }
    let with_key = token(SEALED).replacen("..", ".AAAA.", 1);
    assert_eq!(fault(&reader(SEALED), &with_key), Fault::Token(TokenError::Format));
    for alg in ["RSA-OAEP", "RSA-OAEP-256"] {
        let sealed = Sealed { alg, enc: ContentAlg::A256Gcm };
        let reader = reader((Some(SigningAlg::Hs256), Some(sealed), false));
        let inner = changed(&sealed.seal("", b"{}"), 1, &|key| key[100] ^= 1);
        let made = jws(&json!({ "alg": "HS256" }), inner.as_bytes(), |input| sign(SigningAlg::Hs256, input));
        assert_eq!(fault(&reader, &made), Fault::Decryption, "{alg}");
    }
}

/// Also when its padding is good, so that nothing tells whether it is.
#[test]
fn j23_rsa1_5_is_never_opened() {
    let header = json!({ "typ": "JWT", "enc": "A128CBC-HS256", "alg": "RSA1_5" });
    let wrapped = rsa_key().to_public_key().encrypt(&mut Rng(&mut dice()), rsa::Pkcs1v15Encrypt, &[3; 32]).unwrap();
    let inner = jwe(&header, &[3; 32], &wrapped, claims().to_string().as_bytes());
    let made = jws(&json!({ "alg": "HS256" }), inner.as_bytes(), |input| sign(SigningAlg::Hs256, input));
    let reader = reader((Some(SigningAlg::Hs256), Some(Sealed { alg: "RSA-OAEP", enc: ContentAlg::A128Gcm }), false));
    let fault = fault(&reader, &made);
    assert_eq!((fault.code(), fault.culprit()), ("rsa1_5", Culprit::Token));
    assert!(fault.to_string().contains("org.forgerock.openam.session.stateless.rsa.padding"));
}

#[test]
fn j33_lengths_are_bounded() {
    assert_eq!(fault(&reader(HS256), &"a".repeat(MAX_TOKEN + 1)), Fault::Token(TokenError::TooLong));
    assert_eq!(Cookie::parse(&"a".repeat(MAX_TOKEN + 1)), Err(TokenError::TooLong));
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let made = jws(&json!({ "alg": "HS256" }), deep.as_bytes(), |input| sign(SigningAlg::Hs256, input));
    assert_eq!(fault(&reader(HS256), &made), Fault::Token(TokenError::Claims));
}

/// Base64 of pairs of texts, each after its length.
fn shell(pairs: &[(&str, &str)]) -> String {
    use base64::Engine as _;
    let mut bytes = Vec::new();
    for text in pairs.iter().flat_map(|(key, value)| [key, value]) {
        bytes.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn c66(text: &str) -> String {
    text.replace('+', "-").replace('/', "_").replace('=', ".").replace(['@', '#'], "*")
}

#[test]
fn the_shell_comes_off_however_it_is_spelled() {
    let jwt = token(FACTORY);
    let pairs = [("SI", "01"), ("S1", ""), ("type", "JWT")];
    // As it is before c66, and as those have it who undo c66 on all of it.
    let plain = format!("@{}#{jwt}", shell(&pairs));
    let undone = format!("@{}#{}", shell(&pairs), jwt.replace('-', "+").replace('_', "/").replace('.', "="));
    for text in [plain.clone(), c66(&plain), undone] {
        let cookie = Cookie::parse(&text).unwrap();
        assert_eq!((cookie.token.as_deref(), cookie.in_auth_id), (Some(jwt.as_str()), false), "{text:.40}");
        assert_eq!(
            (cookie.extension("SI"), cookie.extension("type"), cookie.extension("SK")),
            (Some("01"), Some("JWT"), None)
        );
    }
    assert_eq!(Cookie::parse(&jwt).unwrap().token.as_deref(), Some(jwt.as_str()));

    let pairs = [("SI", "02"), ("SK", "+KFt0oZRDGnLbTKXi2zoSHIfUYw="), ("type", "CTS"), ("S1", "")];
    let server_side = format!("pQvEBlVtlKosCXrta1USewzkja4=@{}#", shell(&pairs));
    for text in [server_side.clone(), c66(&server_side)] {
        let cookie = Cookie::parse(&text).unwrap();
        assert_eq!(
            (cookie.token.as_deref(), cookie.extension("type"), cookie.extension("S1")),
            (None, Some("CTS"), Some(""))
        );
    }
    // Extensions that are none are left out; a shell that is none is no shell.
    for text in ["a*?*", "a*AAJT*", "a**", "a*AAAA.*"] {
        let cookie = Cookie::parse(text).unwrap();
        assert!(cookie.token.is_none() && cookie.extensions.len() <= 1, "{text}: {cookie:?}");
    }
    for text in ["a*b", "*", "a@b*", "@#"] {
        let parsed = Cookie::parse(text);
        assert_eq!(parsed.is_err(), text != "@#", "{text}: {parsed:?}");
    }
}

#[test]
fn the_session_of_a_login_in_progress_is_in_its_auth_id() {
    let jwt = token(FACTORY);
    let auth_id = |session: &str| {
        let payload = json!({ "otk": "x", "realm": "/alpha", "sessionId": session, "authIndexType": "service" });
        jws(&json!({ "typ": "JWT", "alg": "HS256" }), payload.to_string().as_bytes(), |_| vec![0; 32])
    };
    let id = c66(&format!("@{}#{jwt}", shell(&[("type", "JWT_AUTH")])));
    let given = auth_id(&id);
    let cookie = Cookie::parse(&given).unwrap();
    assert_eq!((cookie.token.as_deref(), cookie.in_auth_id), (Some(jwt.as_str()), true));
    assert_eq!(cookie.extension("type"), Some("JWT_AUTH"));
    let reference = auth_id("abc*AAAA*");
    let cookie = Cookie::parse(&reference).unwrap();
    assert_eq!((cookie.token, cookie.in_auth_id), (None, true));
    // One in another is not looked into.
    assert_eq!(Cookie::parse(&auth_id(&given)), Err(TokenError::Format));
}

proptest! {
    /// Without the keys there is one token, byte for byte.
    #[test]
    fn no_mutation_is_read(which in 0usize..4, at in any::<prop::sample::Index>(), by in 1u8..=255) {
        let shape = [HS256, FACTORY, SEALED, (None, Some(Sealed { alg: "A256KW", enc: ContentAlg::A256Gcm }), true)][which];
        let mut token = token(shape).into_bytes();
        let at = at.index(token.len());
        token[at] ^= by;
        prop_assert!(reader(shape).read(&token).claims.is_err());
    }

    #[test]
    fn nothing_panics(text in "[A-Za-z0-9_.*@#=\\-]{0,300}") {
        if let Ok(Cookie { token: Some(token), .. }) = Cookie::parse(&text) {
            for shape in [HS256, FACTORY, SEALED] {
                prop_assert!(reader(shape).read(token.as_bytes()).claims.is_err());
            }
        }
    }
}
