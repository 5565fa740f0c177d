//! What holds for any session, cookie, heartbeat and bundle, by way of the public API.

use std::sync::LazyLock;

use countersign_core::cookie::{self, Attributes, Lookup, SameSite};
use countersign_core::denylist::{Chain, Epoch};
use countersign_core::encoding::encode;
use countersign_core::keys::{
    Bundle, ContentAlg, ContentJwk, ContentKey, KeyAlg, KeySet, KeyState, KeysDigest, Kid, MintingKeys, SigningAlg,
    SigningKey, VerificationJwk, Verifiers,
};
use countersign_core::replica::{Heartbeat, Nonce};
use countersign_core::session::{Properties, SessionClaims, SessionId, TokenId};
use countersign_core::time::{UnixMillis, UnixSeconds};
use countersign_core::token::mint::{MintError, mint};
use countersign_core::token::{Envelope, Kind, Scratch, open};
use proptest::prelude::*;

fn kid(text: &str) -> Kid {
    Kid::try_from(text.to_owned()).unwrap()
}

fn ring(envelope: Envelope, alg: SigningAlg, key_alg: KeyAlg, enc: ContentAlg) -> (MintingKeys, KeySet) {
    let secret = if alg.is_symmetric() { vec![2; 64] } else { vec![1; 32] };
    let signing = SigningKey::new(kid("sig"), alg, &secret).unwrap();
    let length = if key_alg == KeyAlg::Dir { enc.key_len() } else { 16 };
    let content = ContentKey::new(kid("enc"), key_alg, enc, &vec![3; length]).unwrap();
    let verification = vec![(KeyState::Active, signing.verification_key().unwrap())];
    let set = KeySet::new(envelope, verification, vec![(KeyState::Active, content.clone())]).unwrap();
    (MintingKeys::new(envelope, Some(signing), Some(content)).unwrap(), set)
}

static RINGS: LazyLock<[(MintingKeys, KeySet); 6]> = LazyLock::new(|| {
    [
        ring(Envelope::Sign, SigningAlg::EdDsa, KeyAlg::Dir, ContentAlg::A256Gcm),
        ring(Envelope::Sign, SigningAlg::Hs256, KeyAlg::Dir, ContentAlg::A256Gcm),
        ring(Envelope::Sign, SigningAlg::Es256, KeyAlg::Dir, ContentAlg::A256Gcm),
        ring(Envelope::Encrypt, SigningAlg::EdDsa, KeyAlg::A128Kw, ContentAlg::A128CbcHs256),
        ring(Envelope::SignThenEncrypt, SigningAlg::EdDsa, KeyAlg::Dir, ContentAlg::A256Gcm),
        ring(Envelope::SignThenEncrypt, SigningAlg::Hs512, KeyAlg::Dir, ContentAlg::A256CbcHs512),
    ]
});

/// Bytes that differ from token to token, as an initialisation vector must.
fn dice(seed: u8) -> impl FnMut(&mut [u8]) {
    let mut next = seed;
    move |out| {
        for byte in out {
            next = next.wrapping_mul(41).wrapping_add(7);
            *byte = next;
        }
    }
}

fn opened(token: &[u8], set: &KeySet) -> Option<SessionClaims> {
    open::<SessionClaims>(token, Kind::Session, set, &mut Scratch::default())
        .ok()
        .map(|verified| verified.into_claims())
}

prop_compose! {
    fn any_claims()(
        (sid, jti) in any::<([u8; 16], [u8; 12])>(),
        (sub, realm) in (".{0,40}", ".{0,20}"),
        (iat, exp, fexp) in any::<(u64, u64, u64)>(),
        (idle, auth_time) in any::<(Option<u32>, Option<u64>)>(),
        (rvs, auth_level) in any::<(u64, u32)>(),
        amr in prop::collection::vec(".{0,8}", 0..4),
        properties in prop::collection::vec((".{0,10}", ".{0,30}"), 0..8),
    ) -> SessionClaims {
        SessionClaims {
            sid: SessionId(sid),
            sub,
            realm,
            iat: UnixSeconds(iat),
            exp: UnixSeconds(exp),
            fexp: UnixSeconds(fexp),
            idle,
            auth_time: auth_time.map(UnixSeconds),
            rvs,
            auth_level,
            amr,
            jti: TokenId(jti),
            properties: properties.into_iter().collect::<Properties>(),
        }
    }
}

#[derive(Clone, Debug)]
enum Edit {
    Replace(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Cut(prop::sample::Index),
    Append(u8),
    Swap(prop::sample::Index, prop::sample::Index),
    /// A part of another good token of the same keys.
    Transplant(prop::sample::Index),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let at = any::<prop::sample::Index>;
    // Characters that tokens have are the ones that get furthest.
    let byte = prop_oneof![prop::sample::select(&b"AZaz09-_.=+/"[..]), any::<u8>()];
    let edit = prop_oneof![
        (at(), byte.clone()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        (at(), byte.clone()).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        at().prop_map(Edit::Remove),
        at().prop_map(Edit::Cut),
        byte.prop_map(Edit::Append),
        (at(), at()).prop_map(|(one, other)| Edit::Swap(one, other)),
        at().prop_map(Edit::Transplant),
    ];
    prop::collection::vec(edit, 1..5)
}

fn edited(token: &str, other: &str, edits: &[Edit]) -> Vec<u8> {
    let mut bytes = token.as_bytes().to_vec();
    for edit in edits {
        let len = bytes.len();
        match edit {
            Edit::Insert(at, byte) => bytes.insert(at.index(len + 1), *byte),
            Edit::Append(byte) => bytes.push(*byte),
            _ if len == 0 => {}
            Edit::Replace(at, byte) => bytes[at.index(len)] = *byte,
            Edit::Remove(at) => drop(bytes.remove(at.index(len))),
            Edit::Cut(at) => bytes.truncate(at.index(len)),
            Edit::Swap(one, other) => bytes.swap(one.index(len), other.index(len)),
            Edit::Transplant(at) => {
                let mut parts: Vec<&[u8]> = bytes.split(|&byte| byte == b'.').collect();
                let index = at.index(parts.len());
                if let Some(part) = other.as_bytes().split(|&byte| byte == b'.').nth(index) {
                    parts[index] = part;
                }
                bytes = parts.join(&b'.');
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_edits_of_a_valid_token_give_another(
        which in 0usize..6,
        one in any_claims(),
        other in any_claims(),
        edits in edits(),
    ) {
        let (minting, set) = &RINGS[which];
        let token = mint(&one, Kind::Session, minting, &mut dice(1)).unwrap();
        let other = mint(&other, Kind::Session, minting, &mut dice(2)).unwrap();
        let changed = edited(&token, &other, &edits);
        if let Some(claims) = opened(&changed, set) {
            prop_assert!(changed == token.as_bytes() || changed == other.as_bytes(), "{}", changed.escape_ascii());
            prop_assert!(claims == one || changed == other.as_bytes());
        }
    }

    #[test]
    fn session_claims_come_back(which in 0usize..6, claims in any_claims()) {
        let (minting, set) = &RINGS[which];
        let json = serde_json::to_vec(&claims).unwrap();
        prop_assert_eq!(&serde_json::from_slice::<SessionClaims>(&json).unwrap(), &claims);
        match mint(&claims, Kind::Session, minting, &mut dice(3)) {
            Ok(token) => prop_assert_eq!(opened(token.as_bytes(), set), Some(claims)),
            Err(error) => prop_assert_eq!(error, MintError::TooLong),
        }
    }

    /// Whatever other cookies a browser sends along, before and after.
    #[test]
    fn a_cookie_that_is_set_is_found(
        claims in any_claims(),
        name in "[A-Za-z_][A-Za-z0-9_-]{0,12}",
        before in prop::collection::vec("[a-z]{1,6}=[!#-+.-:<-~]{0,12}", 0..4),
        after in prop::collection::vec("[A-Z]{1,6}=\"?[a-z ]{0,12}\"?", 0..4),
    ) {
        let token = mint(&claims, Kind::Session, &RINGS[4].0, &mut dice(4)).unwrap();
        let attributes = Attributes::host_only(true, Some(SameSite::Lax));
        let Ok(set) = cookie::set(&name, &token, &attributes) else { return Ok(()) };
        let pair = set.split(';').next().unwrap().to_owned();
        let stranger = |crumb: &String| !crumb.starts_with(&format!("{name}="));
        let (before, after) = (before.into_iter().filter(stranger), after.into_iter().filter(stranger));
        let others: Vec<String> = before.clone().chain(after.clone()).collect();
        let header = before.chain([pair]).chain(after).collect::<Vec<_>>().join("; ");
        prop_assert_eq!(cookie::find(header.as_bytes(), &name), Lookup::One(token.as_bytes()));
        let trimmed: Vec<&str> = others.iter().map(|crumb| crumb.trim()).collect();
        let rest = cookie::without(header.as_bytes(), &name);
        prop_assert_eq!(String::from_utf8(rest).unwrap(), trimmed.join("; "));
    }

    #[test]
    fn heartbeats_come_back(
        (epoch, nonce, keys, chain, floor_chain) in any::<([u8; 16], [u8; 16], [u8; 16], [u8; 32], [u8; 32])>(),
        (head, floor, time) in any::<(u64, u64, u64)>(),
        (lease_ms, poll_ms) in any::<(u64, u64)>(),
    ) {
        let heartbeat = Heartbeat {
            epoch: Epoch(epoch),
            head,
            chain: Chain(chain),
            floor,
            floor_chain: Chain(floor_chain),
            nonce: Nonce(nonce),
            time: UnixMillis(time),
            lease_ms,
            poll_ms,
            keys: KeysDigest(keys),
            snapshot: None,
        };
        let (minting, set) = &RINGS[0];
        let token = mint(&heartbeat, Kind::Heartbeat, minting, &mut dice(5)).unwrap();
        let read = open::<Heartbeat>(token.as_bytes(), Kind::Heartbeat, set, &mut Scratch::default()).unwrap();
        prop_assert_eq!(read.into_claims(), heartbeat);
    }

    /// A bundle opens at the edge what its keys made at the origin, and its JSON is stable.
    #[test]
    fn bundles_come_back(claims in any_claims(), seed: [u8; 32], content: [u8; 32], denylist: [u8; 32]) {
        let signing = SigningKey::ed25519(kid("s"), &seed);
        let public = signing.public_bytes().unwrap();
        let bundle = Bundle {
            version: 1,
            realm: claims.realm.clone(),
            envelope: Envelope::SignThenEncrypt,
            session_signing: vec![VerificationJwk::new(kid("s"), SigningAlg::EdDsa, KeyState::Active, &public)],
            session_content: vec![ContentJwk::new(
                kid("c"), KeyAlg::Dir, ContentAlg::A256Gcm, KeyState::Active, &content,
            )],
            also: Vec::new(),
            feed: vec![VerificationJwk::new(kid("s"), SigningAlg::EdDsa, KeyState::Active, &public)],
            denylist: encode(&denylist),
            denylist_beside: None,
        };
        let json = serde_json::to_string(&bundle).unwrap();
        let again: Bundle = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&serde_json::to_string(&again).unwrap(), &json);
        let keys = Bundle::parse(&json, Verifiers::Own).unwrap();
        prop_assert_eq!(&keys.realm, &claims.realm);
        let content = ContentKey::a256gcm(kid("c"), &content).unwrap();
        let minting = MintingKeys::new(Envelope::SignThenEncrypt, Some(signing), Some(content)).unwrap();
        let token = mint(&claims, Kind::Session, &minting, &mut dice(6)).unwrap();
        prop_assert_eq!(opened(token.as_bytes(), &keys.session), Some(claims));
    }
}
