use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::mint::mint;
use super::*;
use crate::encoding::{decode, encode};
use crate::keys::{ContentKey, KeySet, KeyState, Kid, MintingKeys, SigningKey, VerificationKey};

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

#[derive(Clone, Copy, Debug, PartialEq)]
enum Alg {
    EdDsa,
    Hs256,
}

fn signing_key(alg: Alg) -> SigningKey {
    match alg {
        Alg::EdDsa => SigningKey::ed25519(kid("sig"), &[1; 32]),
        Alg::Hs256 => SigningKey::hs256(kid("sig"), &[2; 32]).unwrap(),
    }
}

fn keys(envelope: Envelope, alg: Alg, state: KeyState) -> (MintingKeys, KeySet) {
    let content = ContentKey::a256gcm(kid("enc"), &[3; 32]).unwrap();
    let set = KeySet::new(
        envelope,
        vec![(state, signing_key(alg).verification_key().unwrap())],
        vec![(state, content.clone())],
    )
    .unwrap();
    (MintingKeys::new(envelope, Some(signing_key(alg)), Some(content)).unwrap(), set)
}

fn opened(token: &str, set: &KeySet) -> Result<Claims, TokenError> {
    open::<Claims>(token.as_bytes(), Kind::Session, set, &mut Scratch::default()).map(Verified::into_claims)
}

const ALL: [(Envelope, Alg); 5] = [
    (Envelope::Sign, Alg::EdDsa),
    (Envelope::Sign, Alg::Hs256),
    (Envelope::Encrypt, Alg::EdDsa),
    (Envelope::SignThenEncrypt, Alg::EdDsa),
    (Envelope::SignThenEncrypt, Alg::Hs256),
];

/// A JWS with any header, signed by `key`.
fn jws(header: &str, payload: &str, key: &SigningKey) -> String {
    let mut token = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
    let signature = key.sign(token.as_bytes());
    token.push('.');
    token.push_str(&encode(&signature));
    token
}

#[test]
fn what_is_minted_opens() {
    for (envelope, alg) in ALL {
        let (minting, set) = keys(envelope, alg, KeyState::Active);
        let token = mint(&claims(), Kind::Session, &minting, &mut dice()).unwrap();
        assert_eq!(opened(&token, &set), Ok(claims()), "{envelope:?} {alg:?}");
    }
}

#[test]
fn rfc8037_appendix_a_verifies() {
    // RFC 8037 A.1 and A.4: the key and its signature, over a header that we would not take; hence the key alone.
    let public = decode(b"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    let seed: [u8; 32] = decode(b"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap().try_into().unwrap();
    let key = SigningKey::ed25519(kid("a"), &seed);
    assert_eq!(key.public().unwrap().to_vec(), public);
    let input = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = b"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(encode(&key.sign(input)).as_bytes(), signature);
    assert_eq!(VerificationKey::ed25519(kid("a"), &public).unwrap().verify(input, signature), Ok(()));
}

#[test]
fn j01_j02_none_is_no_algorithm() {
    let (_, set) = keys(Envelope::Sign, Alg::Hs256, KeyState::Active);
    let payload = serde_json::to_string(&claims()).unwrap();
    for alg in ["none", "None", "nOnE", " none", "none\\u0000", "NONE", ""] {
        let header = format!(r#"{{"alg":"{alg}","kid":"sig","typ":"session+jwt"}}"#);
        let signed = jws(&header, &payload, &signing_key(Alg::Hs256));
        let bare = signed.rsplit_once('.').unwrap().0.to_owned() + ".";
        for token in [signed, bare] {
            assert!(opened(&token, &set).is_err(), "{alg:?}");
        }
    }
}

#[test]
fn j03_a_public_key_is_no_secret() {
    let (_, set) = keys(Envelope::Sign, Alg::EdDsa, KeyState::Active);
    let public = signing_key(Alg::EdDsa).public().unwrap();
    let forger = SigningKey::hs256(kid("sig"), &public).unwrap();
    let payload = serde_json::to_string(&claims()).unwrap();
    let token = jws(r#"{"alg":"HS256","kid":"sig","typ":"session+jwt"}"#, &payload, &forger);
    assert_eq!(opened(&token, &set), Err(TokenError::Algorithm));
    let token = jws(r#"{"alg":"EdDSA","kid":"sig","typ":"session+jwt"}"#, &payload, &forger);
    assert_eq!(opened(&token, &set), Err(TokenError::Format), "an HMAC is too short for a signature");
}

#[test]
fn j04_to_j12_headers_have_known_members_once_and_of_the_right_type() {
    let (_, set) = keys(Envelope::Sign, Alg::Hs256, KeyState::Active);
    let key = signing_key(Alg::Hs256);
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
    let key = || (KeyState::Active, signing_key(Alg::Hs256).verification_key().unwrap());
    assert!(KeySet::new(Envelope::Sign, vec![key(), key()], vec![]).is_err());
}

#[test]
fn j13_j14_only_canonical_base64url() {
    let (minting, set) = keys(Envelope::Sign, Alg::Hs256, KeyState::Active);
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
    let all: Vec<_> = ALL
        .iter()
        .map(|&(envelope, alg)| {
            let (minting, set) = keys(envelope, alg, KeyState::Active);
            (envelope, alg, mint(&claims(), Kind::Session, &minting, &mut dice()).unwrap(), set)
        })
        .collect();
    for (envelope, alg, _, set) in &all {
        for (other, other_alg, token, _) in &all {
            let same_alg = alg == other_alg || *envelope == Envelope::Encrypt;
            assert_eq!(
                opened(token, set).is_ok(),
                envelope == other && same_alg,
                "{envelope:?} {alg:?} given {other:?} {other_alg:?}"
            );
        }
    }
    // A good seal around a token that another key signed.
    let (_, set) = keys(Envelope::SignThenEncrypt, Alg::EdDsa, KeyState::Active);
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
    let (minting, set) = keys(Envelope::Encrypt, Alg::EdDsa, KeyState::Active);
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
fn j26_weak_keys_do_not_load() {
    // The identity and a point of order 8: small-order keys of RFC 8032.
    let mut identity = [0; 32];
    identity[0] = 1;
    assert!(VerificationKey::ed25519(kid("a"), &identity).is_err());
    assert!(VerificationKey::ed25519(kid("a"), &[0; 32]).is_err());
    assert!(VerificationKey::ed25519(kid("a"), &[0; 31]).is_err());
}

#[test]
fn j27_short_secrets_do_not_load() {
    assert!(VerificationKey::hs256(kid("a"), &[0; 31]).is_err());
    assert!(ContentKey::a256gcm(kid("a"), &[0; 16]).is_err());
    assert!(ContentKey::a256gcm(kid("a"), &[0; 33]).is_err());
}

#[test]
fn j28_no_kind_passes_for_another() {
    for (envelope, alg) in ALL {
        let (minting, set) = keys(envelope, alg, KeyState::Active);
        for kind in [Kind::Journey, Kind::Heartbeat] {
            let token = mint(&claims(), kind, &minting, &mut dice()).unwrap();
            assert_eq!(opened(&token, &set), Err(TokenError::Type), "{kind:?}");
        }
    }
}

#[test]
fn j33_lengths_are_bounded() {
    let (minting, set) = keys(Envelope::Sign, Alg::Hs256, KeyState::Active);
    assert_eq!(opened(&"a".repeat(MAX_TOKEN + 1), &set), Err(TokenError::TooLong));
    let long = Claims { n: 1, s: "x".repeat(MAX_TOKEN) };
    assert_eq!(mint(&long, Kind::Session, &minting, &mut dice()), Err(mint::MintError::TooLong));
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let token = jws(r#"{"alg":"HS256","kid":"sig","typ":"session+jwt"}"#, &deep, &signing_key(Alg::Hs256));
    assert_eq!(opened(&token, &set), Err(TokenError::Claims));
}

#[test]
fn k01_a_retired_key_does_nothing() {
    for (envelope, alg) in ALL {
        let (minting, _) = keys(envelope, alg, KeyState::Active);
        let token = mint(&claims(), Kind::Session, &minting, &mut dice()).unwrap();
        for (state, expected) in [
            (KeyState::Standby, Ok(claims())),
            (KeyState::VerifyOnly, Ok(claims())),
            (KeyState::Retired, Err(TokenError::RetiredKey)),
        ] {
            assert_eq!(opened(&token, &keys(envelope, alg, state).1), expected, "{state:?}");
        }
    }
}

proptest! {
    /// No single change of one byte of a valid token gives a valid token.
    #[test]
    fn no_mutation_verifies(which in 0usize..ALL.len(), at in any::<prop::sample::Index>(), by in 1u8..=255) {
        let (envelope, alg) = ALL[which];
        let (minting, set) = keys(envelope, alg, KeyState::Active);
        let mut token = mint(&claims(), Kind::Session, &minting, &mut dice()).unwrap().into_bytes();
        let at = at.index(token.len());
        token[at] ^= by;
        prop_assert!(open::<Claims>(&token, Kind::Session, &set, &mut Scratch::default()).is_err());
    }

    #[test]
    fn nothing_panics(token in "[A-Za-z0-9_.\\-]{0,300}") {
        for (envelope, alg) in ALL {
            prop_assert!(opened(&token, &keys(envelope, alg, KeyState::Active).1).is_err());
        }
    }

    #[test]
    fn any_claims_come_back(n: u64, s in ".{0,200}", which in 0usize..ALL.len()) {
        let (envelope, alg) = ALL[which];
        let (minting, set) = keys(envelope, alg, KeyState::Active);
        let claims = Claims { n, s };
        let token = mint(&claims, Kind::Session, &minting, &mut dice()).unwrap();
        prop_assert_eq!(opened(&token, &set), Ok(claims));
    }
}
