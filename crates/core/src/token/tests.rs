//! The J cases of the attack list. Above 600 lines because they share one forge of keys and tokens.

use std::cell::RefCell;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::mint::mint;
use super::*;
use crate::encoding::{decode, encode};
use crate::keys::{
    ContentAlg, ContentKey, KeyAlg, KeySet, KeySetError, KeyState, Kid, MintingKeys, SigningAlg, SigningKey,
    VerificationKey,
};

#[derive(Serialize, Deserialize, PartialEq, Eq, Debug, Clone)]
struct Claims {
    n: u64,
    s: String,
}

fn kid(text: &str) -> Kid {
    Kid::try_from(text.to_owned()).unwrap()
}

fn claims() -> Claims {
    Claims { n: 7, s: "x".repeat(50) }
}

/// Not random: a test replays.
fn dice() -> impl FnMut(&mut [u8]) {
    let mut next = 0u8;
    move |out| {
        for byte in out {
            next = next.wrapping_add(41);
            *byte = next;
        }
    }
}

/// What a key set takes: its layers, and the algorithms of its keys.
type Shape = (Envelope, SigningAlg, KeyAlg, ContentAlg);

/// An RSA key made for these tests, as PKCS#8.
fn rsa_key() -> Vec<u8> {
    decode(include_str!("../../testdata/rsa-2048.pkcs8").trim().as_bytes()).unwrap()
}

fn signing_key(alg: SigningAlg) -> SigningKey {
    let secret = match alg {
        SigningAlg::EdDsa => vec![1; 32],
        SigningAlg::Hs256 | SigningAlg::Hs384 | SigningAlg::Hs512 => vec![2; 64],
        SigningAlg::Es256 => vec![5; 32],
        SigningAlg::Es384 => vec![5; 48],
        SigningAlg::Es512 => [vec![0], vec![5; 65]].concat(),
        SigningAlg::Rs256 => rsa_key(),
    };
    SigningKey::new(kid("sig"), alg, &secret).unwrap()
}

fn content_key(alg: KeyAlg, enc: ContentAlg) -> ContentKey {
    let secret = match alg {
        KeyAlg::Dir => vec![3; enc.key_len()],
        KeyAlg::A128Kw => vec![3; 16],
        KeyAlg::A192Kw => vec![3; 24],
        KeyAlg::A256Kw => vec![3; 32],
        KeyAlg::RsaOaep256 => rsa_key(),
    };
    ContentKey::new(kid("enc"), alg, enc, &secret).unwrap()
}

fn keys((envelope, alg, key_alg, enc): Shape, state: KeyState) -> (MintingKeys, KeySet) {
    let content = content_key(key_alg, enc);
    let set = KeySet::new(
        envelope,
        vec![(state, signing_key(alg).verification_key().unwrap())],
        vec![(state, content.clone())],
    )
    .unwrap();
    (MintingKeys::new(envelope, Some(signing_key(alg)), Some(content)).unwrap(), set)
}

const fn direct(envelope: Envelope, alg: SigningAlg) -> Shape {
    (envelope, alg, KeyAlg::Dir, ContentAlg::A256Gcm)
}

const SIGN_EDDSA: Shape = direct(Envelope::Sign, SigningAlg::EdDsa);
const SIGN_HS256: Shape = direct(Envelope::Sign, SigningAlg::Hs256);
const ENCRYPT: Shape = direct(Envelope::Encrypt, SigningAlg::EdDsa);
const BOTH: Shape = direct(Envelope::SignThenEncrypt, SigningAlg::EdDsa);

/// Every algorithm at least once, and the layers in every way that is minted.
const ALL: [Shape; 16] = [
    SIGN_EDDSA,
    SIGN_HS256,
    ENCRYPT,
    BOTH,
    direct(Envelope::SignThenEncrypt, SigningAlg::Hs256),
    direct(Envelope::Sign, SigningAlg::Hs384),
    direct(Envelope::Sign, SigningAlg::Hs512),
    direct(Envelope::Sign, SigningAlg::Es256),
    direct(Envelope::Sign, SigningAlg::Rs256),
    (Envelope::SignThenEncrypt, SigningAlg::Es384, KeyAlg::A128Kw, ContentAlg::A128CbcHs256),
    (Envelope::SignThenEncrypt, SigningAlg::Es512, KeyAlg::RsaOaep256, ContentAlg::A128Gcm),
    (Envelope::Encrypt, SigningAlg::EdDsa, KeyAlg::Dir, ContentAlg::A256CbcHs512),
    (Envelope::Encrypt, SigningAlg::EdDsa, KeyAlg::Dir, ContentAlg::A192CbcHs384),
    (Envelope::Encrypt, SigningAlg::EdDsa, KeyAlg::Dir, ContentAlg::A128CbcHs256),
    (Envelope::Encrypt, SigningAlg::EdDsa, KeyAlg::A192Kw, ContentAlg::A192Gcm),
    (Envelope::Encrypt, SigningAlg::EdDsa, KeyAlg::A256Kw, ContentAlg::A256CbcHs512),
];

/// [`ALL`] with its keys, which are slow to load: RSA's are checked.
static RINGS: LazyLock<Vec<(MintingKeys, KeySet)>> =
    LazyLock::new(|| ALL.map(|shape| keys(shape, KeyState::Active)).into_iter().collect());

thread_local! {
    /// Has been used for everything before.
    static USED: RefCell<Scratch> = RefCell::default();
}

/// What was looked at before makes no difference, be it the same token or another.
fn opened_as(kind: Kind, token: &str, set: &KeySet) -> Result<Claims, TokenError> {
    let open = |scratch: &mut Scratch| open::<Claims>(token.as_bytes(), kind, set, scratch).map(Verified::into_claims);
    let outcome = open(&mut Scratch::default());
    USED.with_borrow_mut(|used| {
        assert_eq!(open(used), outcome);
        assert_eq!(open(used), outcome);
    });
    outcome
}

fn opened(token: &str, set: &KeySet) -> Result<Claims, TokenError> {
    opened_as(Kind::Session, token, set)
}

/// The reader remembers what a header says, not what came of it.
#[test]
fn a_header_that_is_remembered_is_judged_anew() {
    for shape in [SIGN_HS256, ENCRYPT, BOTH] {
        let (minting, set) = keys(shape, KeyState::Active);
        let token = mint(&claims(), Kind::Session, &minting, &mut dice()).unwrap();
        let other = |state| keys(shape, state).1;
        let elsewhere = if shape.0 == Envelope::Sign { ENCRYPT } else { SIGN_HS256 };
        for _ in 0..2 {
            assert_eq!(opened(&token, &set), Ok(claims()));
            assert_eq!(opened_as(Kind::Journey, &token, &set), Err(TokenError::Type));
            assert_eq!(opened(&token, &other(KeyState::Retired)), Err(TokenError::RetiredKey));
            assert_eq!(opened(&token, &other(KeyState::Revoked)), Err(TokenError::RetiredKey));
            let none = KeySet::new(shape.0, Vec::new(), Vec::new()).unwrap();
            assert_eq!(opened(&token, &none), Err(TokenError::UnknownKey));
            assert!(opened(&token, &keys(elsewhere, KeyState::Active).1).is_err());
            // The same header, and nothing right after it.
            let (header, _) = token.split_once('.').unwrap();
            for rest in ["", ".", "..", "...", "...."] {
                assert!(opened(&format!("{header}.{rest}"), &set).is_err());
            }
        }
    }
}

/// A JWS with any header, signed by `key`.
fn jws(header: &str, payload: &str, key: &SigningKey) -> String {
    let mut token = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
    let signature = key.sign(token.as_bytes(), &mut dice()).unwrap();
    token.push('.');
    token.push_str(&encode(&signature));
    token
}

/// What a program does whose host verifies, with our own verification in the host's place.
fn opened_by_host(token: &str, set: &KeySet, verifying: &VerificationKey) -> Result<Claims, TokenError> {
    let mut scratch = Scratch::default();
    let asked = match open_or_ask::<Claims>(token.as_bytes(), Kind::Session, set, &mut scratch)? {
        Opened::Verified(_) => panic!("nobody was asked"),
        Opened::Unproven(asked) => asked,
    };
    assert_eq!(asked.key().alg(), verifying.algorithm());
    let valid = verifying.verify(asked.signing_input(), encode(asked.signature()).as_bytes()).is_ok();
    asked.answered(valid, &mut scratch).map(Verified::into_claims)
}

#[test]
fn what_only_the_host_can_verify_it_is_asked_about() {
    for alg in SigningAlg::ALL {
        let key = signing_key(alg);
        let Some(public) = key.public_bytes() else {
            assert!(VerificationKey::by_host(kid("sig"), alg, &[2; 64]).is_err(), "{alg:?}");
            continue;
        };
        let by_host = VerificationKey::by_host(kid("sig"), alg, &public);
        if alg == SigningAlg::EdDsa {
            assert!(by_host.is_err());
            continue;
        }
        let by_host = by_host.unwrap();
        for wrong in [&[][..], &public[1..], &[&public[..], &[0; 300]].concat()] {
            assert!(VerificationKey::by_host(kid("sig"), alg, wrong).is_err(), "{alg:?}");
        }
        for envelope in [Envelope::Sign, Envelope::SignThenEncrypt] {
            let content = vec![(KeyState::Active, content_key(KeyAlg::Dir, ContentAlg::A256Gcm))];
            let set = KeySet::new(envelope, vec![(KeyState::Active, by_host.clone())], content).unwrap();
            let (minting, plain) = keys(direct(envelope, alg), KeyState::Active);
            let token = mint(&claims(), Kind::Session, &minting, &mut dice()).unwrap();
            let verifying = key.verification_key().unwrap();
            assert_eq!(opened(&token, &plain), Ok(claims()));
            // Whoever cannot ask does not take it.
            assert_eq!(opened(&token, &set), Err(TokenError::Algorithm));
            assert_eq!(opened_by_host(&token, &set, &verifying), Ok(claims()));
            if envelope == Envelope::Sign {
                // Of another key, of another payload, too short.
                let (input, signature) = token.rsplit_once('.').unwrap();
                let other = jws(
                    &format!(r#"{{"alg":"{}","kid":"sig","typ":"session+jwt"}}"#, alg.name()),
                    r#"{"n":8,"s":""}"#,
                    &key,
                );
                let moved = format!("{}.{signature}", other.rsplit_once('.').unwrap().0);
                assert_eq!(opened_by_host(&moved, &set, &verifying), Err(TokenError::Signature));
                let short = opened_by_host(&format!("{input}.AAAA"), &set, &verifying);
                let told = if alg == SigningAlg::Rs256 { TokenError::Signature } else { TokenError::Format };
                assert_eq!(short, Err(told));
            }
        }
    }
}

#[test]
fn what_is_minted_opens_for_every_pair_of_algorithms() {
    for alg in SigningAlg::ALL {
        for key_alg in KeyAlg::ALL {
            for enc in ContentAlg::ALL {
                let shape = (Envelope::SignThenEncrypt, alg, key_alg, enc);
                let (minting, set) = keys(shape, KeyState::Active);
                let token = mint(&claims(), Kind::Session, &minting, &mut dice()).unwrap();
                assert_eq!(opened(&token, &set), Ok(claims()), "{shape:?}");
            }
        }
    }
    for (shape, (minting, set)) in ALL.iter().zip(RINGS.iter()) {
        let token = mint(&claims(), Kind::Session, minting, &mut dice()).unwrap();
        assert_eq!(opened(&token, set), Ok(claims()), "{shape:?}");
    }
}

/// AM's order is read by `am` alone.
#[test]
fn j16_encrypt_then_sign_is_no_session_of_ours() {
    let (minting, _) = keys(ENCRYPT, KeyState::Active);
    let inner = mint(&claims(), Kind::Session, &minting, &mut dice()).unwrap();
    let header = r#"{"alg":"EdDSA","kid":"sig","typ":"session+jwt","cty":"JWT"}"#;
    for (header, expected) in [(header, TokenError::Type), (&header.replace(r#","cty":"JWT""#, ""), TokenError::Claims)]
    {
        let token = jws(header, &inner, &signing_key(SigningAlg::EdDsa));
        assert_eq!(opened(&token, &keys(SIGN_EDDSA, KeyState::Active).1), Err(expected));
        for shape in [ENCRYPT, BOTH] {
            assert_eq!(opened(&token, &keys(shape, KeyState::Active).1), Err(TokenError::Format));
        }
    }
}

#[test]
fn j01_j02_none_is_no_algorithm() {
    let (_, set) = keys(SIGN_HS256, KeyState::Active);
    let payload = serde_json::to_string(&claims()).unwrap();
    for alg in ["none", "None", "nOnE", " none", "none\\u0000", "NONE", ""] {
        let header = format!(r#"{{"alg":"{alg}","kid":"sig","typ":"session+jwt"}}"#);
        let signed = jws(&header, &payload, &signing_key(SigningAlg::Hs256));
        let bare = signed.rsplit_once('.').unwrap().0.to_owned() + ".";
        for token in [signed, bare] {
            assert!(opened(&token, &set).is_err(), "{alg:?}");
        }
    }
}

#[test]
fn j03_a_public_key_is_no_secret() {
    let (_, set) = keys(SIGN_EDDSA, KeyState::Active);
    let public = signing_key(SigningAlg::EdDsa).public().unwrap();
    let forger = SigningKey::hs256(kid("sig"), &public).unwrap();
    let payload = serde_json::to_string(&claims()).unwrap();
    let token = jws(r#"{"alg":"HS256","kid":"sig","typ":"session+jwt"}"#, &payload, &forger);
    assert_eq!(opened(&token, &set), Err(TokenError::Algorithm));
    let token = jws(r#"{"alg":"EdDSA","kid":"sig","typ":"session+jwt"}"#, &payload, &forger);
    assert_eq!(opened(&token, &set), Err(TokenError::Format), "an HMAC is too short for a signature");
}

#[test]
fn j04_to_j12_headers_have_known_members_once_and_of_the_right_type() {
    let (_, set) = keys(SIGN_HS256, KeyState::Active);
    let key = signing_key(SigningAlg::Hs256);
    let payload = serde_json::to_string(&claims()).unwrap();
    for extra in [
        r#","jwk":{"kty":"OKP"}"#,
        r#","jku":"https://attacker.example/k""#,
        r#","x5u":"https://attacker.example/c""#,
        r#","x5c":["MIIB"]"#,
        r#","crit":["exp"]"#,
        r#","crit":[]"#,
        r#","b64":false"#,
        r#","zip":"DEF""#,
        r#","alg":"HS256""#,
        r#","kid":"sig""#,
        r#","p2c":2147483648"#,
    ] {
        let header = format!(r#"{{"alg":"HS256","kid":"sig","typ":"session+jwt"{extra}}}"#);
        assert_eq!(opened(&jws(&header, &payload, &key), &set), Err(TokenError::Header), "{extra}");
    }
    for id in ["../../dev/null", "' OR 1=1--", "", "Sig", "sig ", &"k".repeat(10_000)] {
        let header = format!(r#"{{"alg":"HS256","kid":"{id}","typ":"session+jwt"}}"#);
        assert_eq!(opened(&jws(&header, &payload, &key), &set), Err(TokenError::UnknownKey), "{id:.20}");
    }
    for header in [
        r#"{"alg":"HS256","kid":7,"typ":"session+jwt"}"#,
        r#"{"alg":"HS256","typ":"session+jwt"}"#,
        "{}",
        "[]",
        "",
        "\u{feff}{}",
    ] {
        assert_eq!(opened(&jws(header, &payload, &key), &set), Err(TokenError::Header), "{header}");
    }
    for payload in [
        r#"{"n":"7","s":""}"#,
        r#"{"n":7,"n":7,"s":""}"#,
        r#"{"n":1e400,"s":""}"#,
        r#"{"n":-1,"s":""}"#,
        r#"{"n":null,"s":""}"#,
        r#"{"n":1.5,"s":""}"#,
        r#"{"s":""}"#,
        "7",
        "",
    ] {
        let token = jws(r#"{"alg":"HS256","kid":"sig","typ":"session+jwt"}"#, payload, &key);
        assert_eq!(opened(&token, &set), Err(TokenError::Claims), "{payload}");
    }
}

#[test]
fn j09_duplicate_kids_do_not_load() {
    let key = || (KeyState::Active, signing_key(SigningAlg::Hs256).verification_key().unwrap());
    assert!(KeySet::new(Envelope::Sign, vec![key(), key()], vec![]).is_err());
}

#[test]
fn j13_j14_only_canonical_base64url() {
    let (minting, set) = keys(SIGN_HS256, KeyState::Active);
    let token = mint(&claims(), Kind::Session, &minting, &mut dice()).unwrap();
    // 32 bytes leave 4 bits in the last character: 16 spellings, of which 4 differ only in bits that mean nothing.
    let (head, last) = token.split_at(token.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let good = alphabet.chars().filter(|c| opened(&format!("{head}{c}"), &set).is_ok()).collect::<String>();
    assert_eq!(good, last);
    for wrong in [
        format!("{token}="),
        format!("{token}\n"),
        format!(" {token}"),
        token.replace('.', "%2E"),
        format!("{token}."),
        format!(".{token}"),
    ] {
        assert_eq!(opened(&wrong, &set), Err(TokenError::Format), "{wrong:.30}");
    }
}

#[test]
fn j16_j18_the_layers_are_pinned() {
    let tokens: Vec<_> =
        RINGS.iter().map(|(minting, _)| mint(&claims(), Kind::Session, minting, &mut dice()).unwrap()).collect();
    for (shape, (_, set)) in ALL.iter().zip(RINGS.iter()) {
        for (other, token) in ALL.iter().zip(&tokens) {
            let same = shape.0 == other.0
                && (!shape.0.signs() || shape.1 == other.1)
                && (!shape.0.encrypts() || (shape.2, shape.3) == (other.2, other.3));
            assert_eq!(opened(token, set).is_ok(), same, "{shape:?} given {other:?}");
        }
    }
    // A good seal around a token that another key signed.
    let (_, set) = keys(BOTH, KeyState::Active);
    let stranger = MintingKeys::new(
        Envelope::SignThenEncrypt,
        Some(SigningKey::ed25519(kid("sig"), &[9; 32])),
        Some(ContentKey::a256gcm(kid("enc"), &[3; 32]).unwrap()),
    )
    .unwrap();
    let token = mint(&claims(), Kind::Session, &stranger, &mut dice()).unwrap();
    assert_eq!(opened(&token, &set), Err(TokenError::Signature));
}

#[test]
fn j21_iv_and_tag_have_their_length() {
    let (minting, set) = keys(ENCRYPT, KeyState::Active);
    let token = mint(&claims(), Kind::Session, &minting, &mut dice()).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    for (part, lengths) in [(4, vec![0, 4, 8, 12, 15, 17]), (2, vec![0, 11, 13, 16])] {
        for length in lengths {
            let mut bytes = decode(parts[part].as_bytes()).unwrap();
            bytes.resize(length, 0);
            let text = encode(&bytes);
            let mut changed = parts.clone();
            changed[part] = &text;
            assert_eq!(opened(&changed.join("."), &set), Err(TokenError::Format), "part {part} of {length} bytes");
        }
    }
    let with_key = token.replacen("..", ".AAAA.", 1);
    assert_eq!(opened(&with_key, &set), Err(TokenError::Format), "dir has no encrypted key");
}

#[test]
fn j03_published_keys_are_no_secrets() {
    let payload = serde_json::to_string(&claims()).unwrap();
    for alg in [SigningAlg::EdDsa, SigningAlg::Es256, SigningAlg::Es384, SigningAlg::Es512, SigningAlg::Rs256] {
        let (_, set) = keys(direct(Envelope::Sign, alg), KeyState::Active);
        let public = signing_key(alg).public_bytes().unwrap();
        for secret in [public.clone(), encode(&public).into_bytes(), format!("{}\n", encode(&public)).into_bytes()] {
            let forger = SigningKey::hs256(kid("sig"), &secret).unwrap();
            for named in ["HS256", alg.name()] {
                let header = format!(r#"{{"alg":"{named}","kid":"sig","typ":"session+jwt"}}"#);
                assert!(opened(&jws(&header, &payload, &forger), &set).is_err(), "{alg:?} {named}");
            }
        }
    }
}

#[test]
fn j09_secrets_and_public_keys_do_not_mix() {
    let key = |alg, name: &str| {
        let verification = signing_key(alg).public_bytes().unwrap_or(vec![2; 64]);
        (KeyState::Active, VerificationKey::new(kid(name), alg, &verification).unwrap())
    };
    let mixed = KeySet::new(Envelope::Sign, vec![key(SigningAlg::EdDsa, "a"), key(SigningAlg::Hs256, "b")], vec![]);
    assert_eq!(mixed.err(), Some(KeySetError::Mixed(kid("b"))));
    let public = KeySet::new(Envelope::Sign, vec![key(SigningAlg::EdDsa, "a"), key(SigningAlg::Es256, "b")], vec![]);
    assert!(public.is_ok());
}

#[test]
fn j08_an_algorithm_must_be_the_keys() {
    let payload = serde_json::to_string(&claims()).unwrap();
    for alg in SigningAlg::ALL {
        let (_, set) = keys(direct(Envelope::Sign, alg), KeyState::Active);
        let key = signing_key(alg);
        for other in SigningAlg::ALL.into_iter().filter(|other| *other != alg) {
            let header = format!(r#"{{"alg":"{}","kid":"sig","typ":"session+jwt"}}"#, other.name());
            assert_eq!(opened(&jws(&header, &payload, &key), &set), Err(TokenError::Algorithm), "{alg:?} {other:?}");
        }
    }
}

#[test]
fn j15_there_is_no_json_serialization() {
    let (minting, set) = keys(SIGN_EDDSA, KeyState::Active);
    let token = mint(&claims(), Kind::Session, &minting, &mut dice()).unwrap();
    let [protected, payload, signature] = <[&str; 3]>::try_from(token.split('.').collect::<Vec<_>>()).unwrap();
    let flat = format!(r#"{{"protected":"{protected}","payload":"{payload}","signature":"{signature}"}}"#);
    let general = format!(
        r#"{{"payload":"{payload}","signatures":[{{"protected":"{protected}","signature":"{signature}"}},{{}}]}}"#
    );
    for json in [flat, general] {
        assert_eq!(opened(&json, &set), Err(TokenError::Format));
    }
}

#[test]
fn j16_parts_are_counted() {
    for (minting, set) in RINGS.iter() {
        let token = mint(&claims(), Kind::Session, minting, &mut dice()).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let headless = format!(".{}", parts[1..].join("."));
        let shorter = parts[..parts.len() - 1].join(".");
        for wrong in [shorter, format!("{token}."), format!("{token}.AAAA"), parts[0].to_owned(), String::new()] {
            assert_eq!(opened(&wrong, set), Err(TokenError::Format), "{wrong:.30}");
        }
        assert_eq!(opened(&headless, set), Err(TokenError::Header));
    }
}

#[test]
fn j17_what_a_public_key_seals_must_be_signed() {
    let content = || content_key(KeyAlg::RsaOaep256, ContentAlg::A256Gcm);
    let set = KeySet::new(Envelope::Encrypt, vec![], vec![(KeyState::Active, content())]);
    assert_eq!(set.err(), Some(KeySetError::Unsigned(kid("enc"))));
    let minting = MintingKeys::new(Envelope::Encrypt, None, Some(content()));
    assert_eq!(minting.err(), Some(mint::MintError::Unsigned));
    // Sealed for the right key around claims that nobody signed.
    let (_, set) =
        keys((Envelope::SignThenEncrypt, SigningAlg::EdDsa, KeyAlg::RsaOaep256, ContentAlg::A256Gcm), KeyState::Active);
    for inner in [serde_json::to_vec(&claims()).unwrap(), b"e30.e30.".to_vec()] {
        let header = r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"enc","typ":"session+jwt","cty":"JWT"}"#;
        let mut token = encode(header.as_bytes());
        content().seal(&mut token, inner, &mut dice()).unwrap();
        assert!(matches!(opened(&token, &set), Err(TokenError::Format | TokenError::Header)));
    }
}

/// A JWE with any header, sealed by `key`.
fn jwe(header: &str, content: &[u8], key: &ContentKey) -> String {
    let mut token = encode(header.as_bytes());
    key.seal(&mut token, content.to_vec(), &mut dice()).unwrap();
    token
}

#[test]
fn j19_compressed_tokens_are_refused_by_their_header() {
    let key = content_key(KeyAlg::Dir, ContentAlg::A256Gcm);
    let packed = miniz_oxide::deflate::compress_to_vec(&serde_json::to_vec(&claims()).unwrap(), 9);
    for zip in [r#""DEF""#, r#""def""#, "null", "true", r#"["DEF"]"#] {
        let header = format!(r#"{{"alg":"dir","enc":"A256GCM","kid":"enc","typ":"session+jwt","zip":{zip}}}"#);
        assert_eq!(opened(&jwe(&header, &packed, &key), &keys(ENCRYPT, KeyState::Active).1), Err(TokenError::Header));
    }
}

#[test]
fn j20_j23_j24_what_is_not_offered_is_refused_by_its_header() {
    let key = content_key(KeyAlg::Dir, ContentAlg::A256Gcm);
    let (_, set) = keys(ENCRYPT, KeyState::Active);
    let payload = serde_json::to_vec(&claims()).unwrap();
    for (alg, extra, expected) in [
        ("PBES2-HS256+A128KW", r#","p2s":"","p2c":2147483648"#, TokenError::Header),
        ("PBES2-HS256+A128KW", "", TokenError::Algorithm),
        ("RSA1_5", "", TokenError::Algorithm),
        ("RSA-OAEP", "", TokenError::Algorithm),
        ("A256GCMKW", r#","iv":"AAAAAAAAAAAAAAAA","tag":"AAAAAAAAAAAAAAAAAAAAAA""#, TokenError::Header),
        ("ECDH-ES", r#","epk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#, TokenError::Header),
        ("ECDH-ES", "", TokenError::Algorithm),
        ("Dir", "", TokenError::Algorithm),
    ] {
        let header = format!(r#"{{"alg":"{alg}","enc":"A256GCM","kid":"enc","typ":"session+jwt"{extra}}}"#);
        assert_eq!(opened(&jwe(&header, &payload, &key), &set), Err(expected), "{alg} {extra}");
    }
    for name in ["RSA1_5", "RSA-OAEP"] {
        assert_eq!(KeyAlg::named(name), None);
    }
}

#[test]
fn j22_every_failure_of_cbc_is_one_error() {
    let shape = (Envelope::Encrypt, SigningAlg::EdDsa, KeyAlg::Dir, ContentAlg::A128CbcHs256);
    let (minting, set) = keys(shape, KeyState::Active);
    let token = mint(&claims(), Kind::Session, &minting, &mut dice()).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    for part in [2, 3, 4] {
        let bytes = decode(parts[part].as_bytes()).unwrap();
        for at in [0, bytes.len() / 2, bytes.len().saturating_sub(17), bytes.len() - 1]
            .into_iter()
            .filter(|at| *at < bytes.len())
        {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let text = encode(&changed);
            let mut changed = parts.clone();
            changed[part] = &text;
            assert_eq!(opened(&changed.join("."), &set), Err(TokenError::Decryption), "part {part} at {at}");
        }
    }
    // No block, half a block: nothing to tell apart either.
    for length in [0, 8, 15] {
        let text = encode(&vec![0; length]);
        let mut changed = parts.clone();
        changed[3] = &text;
        assert_eq!(opened(&changed.join("."), &set), Err(TokenError::Decryption), "{length} bytes");
    }
}

#[test]
fn j23_a_key_that_does_not_decrypt_is_like_content_that_does_not() {
    let shape = (Envelope::SignThenEncrypt, SigningAlg::EdDsa, KeyAlg::RsaOaep256, ContentAlg::A256Gcm);
    let (minting, set) = keys(shape, KeyState::Active);
    let token = mint(&claims(), Kind::Session, &minting, &mut dice()).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let key = decode(parts[1].as_bytes()).unwrap();
    for at in [0, 1, 100, key.len() - 1] {
        let mut changed = key.clone();
        changed[at] ^= 1;
        let text = encode(&changed);
        let mut changed = parts.clone();
        changed[1] = &text;
        assert_eq!(opened(&changed.join("."), &set), Err(TokenError::Decryption), "byte {at}");
    }
}

#[test]
fn j25_ecdsa_signatures_are_two_numbers_in_range() {
    let payload = serde_json::to_string(&claims()).unwrap();
    for (alg, half) in [(SigningAlg::Es256, 32), (SigningAlg::Es384, 48), (SigningAlg::Es512, 66)] {
        let (_, set) = keys(direct(Envelope::Sign, alg), KeyState::Active);
        let header = format!(r#"{{"alg":"{}","kid":"sig","typ":"session+jwt"}}"#, alg.name());
        let good = jws(&header, &payload, &signing_key(alg));
        assert_eq!(opened(&good, &set), Ok(claims()));
        let (input, signature) = good.rsplit_once('.').unwrap();
        let signature = decode(signature.as_bytes()).unwrap();
        let with = |bytes: &[u8]| opened(&format!("{input}.{}", encode(bytes)), &set);
        let (zero, top) = (vec![0; half], vec![0xff; half]);
        for (r, s) in [(&zero[..], &zero[..]), (&zero, &signature[half..]), (&signature[..half], &zero), (&top, &top)] {
            assert_eq!(with(&[r, s].concat()), Err(TokenError::Signature), "{alg:?}");
        }
        let mut der = vec![0x30, 0x45, 0x02, 0x20];
        der.extend_from_slice(&signature);
        for wrong in [&signature[1..], &[&signature[..], &[0]].concat(), &der, &[][..]] {
            assert_eq!(with(wrong), Err(TokenError::Format), "{alg:?}");
        }
    }
}

#[test]
fn j32_headers_and_claims_are_utf8() {
    let (_, set) = keys(SIGN_HS256, KeyState::Active);
    let key = signing_key(SigningAlg::Hs256);
    let signed = |header: &[u8], payload: &[u8]| {
        let mut token = format!("{}.{}", encode(header), encode(payload));
        let signature = key.sign(token.as_bytes(), &mut dice()).unwrap();
        token.push('.');
        token.push_str(&encode(&signature));
        token
    };
    let header = r#"{"alg":"HS256","kid":"sig","typ":"session+jwt"}"#;
    let wide: Vec<u8> = header.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(opened(&signed(&wide, b"{}"), &set), Err(TokenError::Header));
    let payloads: [&[u8]; 4] = [
        b"{\"n\":7,\"s\":\"\xc0\xaf\"}",
        b"{\"n\":7,\"s\":\"\\ud800\"}",
        b"{\"n\":7,\"s\":\"\x00\"}",
        b"\xef\xbb\xbf{\"n\":7,\"s\":\"\"}",
    ];
    for payload in payloads {
        assert_eq!(opened(&signed(header.as_bytes(), payload), &set), Err(TokenError::Claims), "{payload:?}");
    }
}

#[test]
fn j36_a_key_is_for_one_algorithm() {
    // The same bytes as a key of two algorithms: a token of one does not pass for the other.
    let payload = serde_json::to_string(&claims()).unwrap();
    let long = SigningKey::new(kid("sig"), SigningAlg::Hs512, &[2; 64]).unwrap();
    let (_, set) = keys(SIGN_HS256, KeyState::Active);
    for named in ["HS512", "HS256"] {
        let header = format!(r#"{{"alg":"{named}","kid":"sig","typ":"session+jwt"}}"#);
        assert!(opened(&jws(&header, &payload, &long), &set).is_err(), "{named}");
    }
}

#[test]
fn j28_no_kind_passes_for_another() {
    for (minting, set) in RINGS.iter() {
        for kind in [Kind::Journey, Kind::Heartbeat] {
            let token = mint(&claims(), kind, minting, &mut dice()).unwrap();
            assert_eq!(opened(&token, set), Err(TokenError::Type), "{kind:?}");
        }
    }
}

#[test]
fn j33_lengths_are_bounded() {
    let (minting, set) = keys(SIGN_HS256, KeyState::Active);
    assert_eq!(opened(&"a".repeat(MAX_TOKEN + 1), &set), Err(TokenError::TooLong));
    let long = Claims { n: 1, s: "x".repeat(MAX_TOKEN) };
    assert_eq!(mint(&long, Kind::Session, &minting, &mut dice()), Err(mint::MintError::TooLong));
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let token = jws(r#"{"alg":"HS256","kid":"sig","typ":"session+jwt"}"#, &deep, &signing_key(SigningAlg::Hs256));
    assert_eq!(opened(&token, &set), Err(TokenError::Claims));
}

#[test]
fn k01_a_retired_key_does_nothing() {
    for (shape, (minting, _)) in ALL.iter().zip(RINGS.iter()) {
        let token = mint(&claims(), Kind::Session, minting, &mut dice()).unwrap();
        for (state, expected) in [
            (KeyState::Standby, Ok(claims())),
            (KeyState::VerifyOnly, Ok(claims())),
            (KeyState::Retired, Err(TokenError::RetiredKey)),
        ] {
            assert_eq!(opened(&token, &keys(*shape, state).1), expected, "{state:?}");
        }
    }
}

proptest! {
    /// No single change of one byte of a valid token gives a valid token.
    #[test]
    fn no_mutation_verifies(which in 0usize..ALL.len(), at in any::<prop::sample::Index>(), by in 1u8..=255) {
        let (minting, set) = &RINGS[which];
        let mut token = mint(&claims(), Kind::Session, minting, &mut dice()).unwrap().into_bytes();
        let at = at.index(token.len());
        token[at] ^= by;
        prop_assert!(open::<Claims>(&token, Kind::Session, set, &mut Scratch::default()).is_err());
    }

    #[test]
    fn nothing_panics(token in "[A-Za-z0-9_.\\-]{0,300}") {
        for (_, set) in RINGS.iter() {
            prop_assert!(opened(&token, set).is_err());
        }
    }

    #[test]
    fn any_claims_come_back(n: u64, s in ".{0,200}", which in 0usize..ALL.len()) {
        let (minting, set) = &RINGS[which];
        let claims = Claims { n, s };
        let token = mint(&claims, Kind::Session, minting, &mut dice()).unwrap();
        prop_assert_eq!(opened(&token, set), Ok(claims));
    }
}
