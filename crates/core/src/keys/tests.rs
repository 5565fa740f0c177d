use super::*;
use crate::encoding::{decode, encode};

fn kid() -> Kid {
    Kid::try_from("a".to_owned()).unwrap()
}

fn refused(alg: SigningAlg, key: &[u8]) -> Option<KeyError> {
    VerificationKey::new(kid(), alg, key).err()
}

#[test]
fn j26_weak_keys_do_not_load() {
    // The identity and a point of order 8: small-order keys of RFC 8032.
    let mut identity = [0; 32];
    identity[0] = 1;
    for weak in [&identity[..], &[0; 32], &[0; 31]] {
        assert_eq!(refused(SigningAlg::EdDsa, weak), Some(KeyError::BadPublicKey));
    }
}

#[test]
fn j24_points_are_on_their_curve() {
    for (alg, half) in [(SigningAlg::Es256, 32), (SigningAlg::Es384, 48), (SigningAlg::Es512, 66)] {
        let bad = Some(KeyError::BadPoint { alg: alg.name() });
        let scalar = [vec![0], vec![5; half - 1]].concat();
        let good = SigningKey::new(kid(), alg, &scalar).unwrap().public_bytes().unwrap();
        assert_eq!(refused(alg, &good), None);
        let mut off_curve = good.clone();
        *off_curve.last_mut().unwrap() ^= 1;
        let compressed = [&[2], &good[1..=half]].concat();
        let zeros = [&[4][..], &vec![0; 2 * half]].concat();
        for wrong in [&off_curve[..], &compressed, &zeros, &[0], &good[1..], &[]] {
            assert_eq!(refused(alg, wrong), bad, "{alg:?}");
        }
        // Nor is a private key zero, above the order, or of another length.
        for wrong in [vec![0; half], vec![0xff; half], vec![5; half - 1]] {
            assert_eq!(SigningKey::new(kid(), alg, &wrong).err(), Some(KeyError::BadScalar { alg: alg.name() }));
        }
    }
}

#[test]
fn j27_short_secrets_do_not_load() {
    for (alg, least) in [(SigningAlg::Hs256, 32), (SigningAlg::Hs384, 48), (SigningAlg::Hs512, 64)] {
        let error = KeyError::ShortSecret { alg: alg.name(), least };
        assert_eq!(refused(alg, &vec![1; least - 1]), Some(error));
        assert_eq!(refused(alg, &[]), Some(error));
        assert_eq!(refused(alg, &vec![1; least]), None);
        assert_eq!(SigningKey::new(kid(), alg, &vec![1; least - 1]).err(), Some(error));
        assert_eq!(error.to_string(), format!("an {} key must have at least {least} bytes", alg.name()));
    }
    for enc in ContentAlg::ALL {
        for length in [0, enc.key_len() - 1, enc.key_len() + 1] {
            let error = KeyError::KeyLength { alg: enc.name(), needed: enc.key_len() };
            assert_eq!(ContentKey::new(kid(), KeyAlg::Dir, enc, &vec![1; length]).err(), Some(error));
        }
    }
    for (alg, needed) in [(KeyAlg::A128Kw, 16), (KeyAlg::A192Kw, 24), (KeyAlg::A256Kw, 32)] {
        let error = KeyError::KeyLength { alg: alg.name(), needed };
        assert_eq!(ContentKey::new(kid(), alg, ContentAlg::A256Gcm, &[1; 20]).err(), Some(error));
    }
}

#[test]
fn j27_weak_rsa_keys_do_not_load() {
    let read = |text: &str| decode(text.trim().as_bytes()).unwrap();
    let rsa = |text| refused(SigningAlg::Rs256, &read(text));
    let small = Some(KeyError::BadModulus { bits: 1024 });
    assert_eq!(rsa(include_str!("../../testdata/weak-1024.pkcs1")), small);
    assert_eq!(rsa(include_str!("../../testdata/long-4608.pkcs1")), Some(KeyError::BadModulus { bits: 4608 }));
    assert_eq!(rsa(include_str!("../../testdata/weak-exponent-3.pkcs1")), Some(KeyError::BadExponent));
    assert_eq!(rsa("AAAA"), Some(KeyError::BadRsaKey));

    let private = SigningKey::new(kid(), SigningAlg::Rs256, &read(include_str!("../../testdata/rsa-2048.pkcs8")));
    let good = private.unwrap().public_bytes().unwrap();
    assert_eq!(refused(SigningAlg::Rs256, &good), None);
    // The DER ends in the exponent, 65537, and before it the modulus: 02 03 01 00 01.
    let end = good.len();
    assert_eq!(good[end - 5..], [2, 3, 1, 0, 1]);
    for (at, byte, error) in [
        (end - 1, 0, KeyError::BadExponent),
        // Odd and greater than 65,537, and not what WebCrypto imports.
        (end - 1, 3, KeyError::BadExponent),
        (end - 3, 0, KeyError::BadRsaKey),
        (end - 6, good[end - 6] ^ 1, KeyError::BadModulus { bits: 2048 }),
    ] {
        let mut changed = good.clone();
        changed[at] = byte;
        assert_eq!(refused(SigningAlg::Rs256, &changed), Some(error), "{}", encode(&changed));
    }
    let trailing = [&good[..], &[0]].concat();
    assert_eq!(refused(SigningAlg::Rs256, &trailing), Some(KeyError::BadRsaKey));
}

/// WebCrypto, by which edges verify, imports no RSA key with another exponent. What encrypts is opened by the module.
#[test]
fn an_rsa_key_that_signs_has_the_exponent_65537() {
    use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
    use rsa::traits::PrivateKeyParts as _;

    let der = decode(include_str!("../../testdata/rsa-2048.pkcs8").trim().as_bytes()).unwrap();
    let key = rsa::RsaPrivateKey::from_pkcs8_der(&der).unwrap();
    let [p, q] = key.primes() else { panic!("two primes") };
    let other = rsa::RsaPrivateKey::from_p_q(p.as_ref().clone(), q.as_ref().clone(), 65_539u64.into()).unwrap();
    let other = other.to_pkcs8_der().unwrap();
    let signing = SigningKey::new(kid(), SigningAlg::Rs256, other.as_bytes());
    assert_eq!(signing.err(), Some(KeyError::BadExponent));
    assert!(ContentKey::new(kid(), KeyAlg::RsaOaep256, ContentAlg::A256Gcm, other.as_bytes()).is_ok());
}

#[test]
fn names_are_known_by_name() {
    assert!(SigningAlg::ALL.into_iter().all(|alg| SigningAlg::named(alg.name()) == Some(alg)));
    assert!(KeyAlg::ALL.into_iter().all(|alg| KeyAlg::named(alg.name()) == Some(alg)));
    assert!(ContentAlg::ALL.into_iter().all(|enc| ContentAlg::named(enc.name()) == Some(enc)));
    for name in ["none", "RS384", "PS256", "HS1", "ES256K", "hs256", ""] {
        assert_eq!(SigningAlg::named(name), None, "{name}");
    }
}

/// Each set of several takes its own tokens on its own terms, and none on another's.
#[test]
fn sets_stand_side_by_side() {
    use crate::token::mint::mint;
    use crate::token::{Envelope, Kind, Scratch, TokenError, open};
    use serde_json::{Value, json};

    let named = |name: &str| Kid::try_from(name.to_owned()).unwrap();
    let content = |name: &str| ContentKey::a256gcm(named(name), &[7; 32]).unwrap();
    let signing = |name: &str| SigningKey::ed25519(named(name), &[1; 32]);
    let secret = |name: &str| SigningKey::new(named(name), SigningAlg::Hs256, &[2; 32]).unwrap();
    let verifies = |state, key: SigningKey| vec![(state, key.verification_key().unwrap())];
    let opens = |name| vec![(KeyState::Active, content(name))];
    let sets = |state| {
        KeySet::new(Envelope::SignThenEncrypt, verifies(state, signing("s")), opens("e"))
            .unwrap()
            .or(KeySet::new(Envelope::Sign, verifies(KeyState::Active, secret("h")), Vec::new()).unwrap())
            .or(KeySet::new(Envelope::Encrypt, Vec::new(), opens("a")).unwrap())
    };
    let minted = |envelope, signing, content| {
        let keys = MintingKeys::new(envelope, signing, content).unwrap();
        mint(&json!({"of": "it"}), Kind::Session, &keys, &mut |_: &mut [u8]| {}).unwrap()
    };
    let outcome = |token: &str, keys: &KeySet| {
        open::<Value>(token.as_bytes(), Kind::Session, keys, &mut Scratch::default()).map(drop)
    };
    let nested = minted(Envelope::SignThenEncrypt, Some(signing("s")), Some(content("e")));
    for token in [
        &nested,
        &minted(Envelope::Sign, Some(secret("h")), None),
        &minted(Envelope::Encrypt, None, Some(content("a"))),
    ] {
        assert_eq!(outcome(token, &sets(KeyState::Active)), Ok(()));
    }
    // A key stays in its set: the content key of two layers, which an edge has, makes no token of one.
    for token in [
        minted(Envelope::Encrypt, None, Some(content("e"))),
        minted(Envelope::Sign, Some(signing("s")), None),
        minted(Envelope::SignThenEncrypt, Some(signing("s")), Some(content("a"))),
        minted(Envelope::SignThenEncrypt, Some(secret("h")), Some(content("e"))),
        minted(Envelope::Sign, Some(secret("none")), None),
    ] {
        let refused = outcome(&token, &sets(KeyState::Active)).unwrap_err();
        assert!(matches!(refused, TokenError::Format | TokenError::UnknownKey | TokenError::Type), "{refused:?}");
    }
    // What one set refuses as its own is not shown to the next.
    assert_eq!(outcome(&nested, &sets(KeyState::Retired)), Err(TokenError::RetiredKey));
    let forger = SigningKey::ed25519(named("s"), &[9; 32]);
    let forged = minted(Envelope::SignThenEncrypt, Some(forger), Some(content("e")));
    assert_eq!(outcome(&forged, &sets(KeyState::Active)), Err(TokenError::Signature));
}
