//! Fixed keys, and tokens made with them: by the product's own minting, and by hand with any header and any content, so
//! that what a fuzzer writes gets past signature and seal.

use aes_gcm::aead::AeadInOut as _;
use aes_gcm::{Aes256Gcm, KeyInit as _};
use countersign_core::encoding::encode;
use countersign_core::keys::{
    ContentAlg, ContentKey, KeyAlg, KeySet, KeyState, Kid, MintingKeys, SigningAlg, SigningKey,
};
use countersign_core::session::{SessionClaims, SessionId, TokenId};
use countersign_core::time::UnixMillis;
use countersign_core::token::mint::mint;
use countersign_core::token::{Envelope, Kind};
use ed25519_dalek::Signer as _;

/// When it is, in all targets.
pub(crate) const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

const SEED: [u8; 32] = [1; 32];
pub(crate) const CONTENT: [u8; 32] = [3; 32];

pub(crate) fn kid(text: &str) -> Kid {
    Kid::try_from(text.to_owned()).expect("a key identifier")
}

pub(crate) fn signing_key(alg: SigningAlg) -> SigningKey {
    let secret = match alg {
        SigningAlg::EdDsa => SEED.to_vec(),
        SigningAlg::Es256 => vec![5; 32],
        _ => vec![2; 64],
    };
    SigningKey::new(kid("sig"), alg, &secret).expect("a signing key")
}

pub(crate) fn content_key(alg: KeyAlg, enc: ContentAlg) -> ContentKey {
    let length = if alg == KeyAlg::Dir { enc.key_len() } else { 16 };
    ContentKey::new(kid("enc"), alg, enc, &vec![CONTENT[0]; length]).expect("a content key")
}

/// Not random: an input must do the same thing twice.
pub(crate) fn dice() -> impl FnMut(&mut [u8]) {
    let mut next = 0u8;
    move |out| {
        for byte in out {
            next = next.wrapping_add(41);
            *byte = next;
        }
    }
}

pub(crate) fn claims() -> SessionClaims {
    SessionClaims {
        sid: SessionId([4; 16]),
        sub: "demo".into(),
        realm: "/alpha".into(),
        iat: NOW.seconds(),
        exp: NOW.seconds().plus(3600),
        fexp: NOW.seconds().plus(3600),
        idle: Some(1800),
        auth_time: None,
        rvs: 50,
        auth_level: 5,
        amr: vec!["pwd".into()],
        jti: TokenId([5; 12]),
        properties: [("mail", "demo@example.com")].into_iter().collect(),
    }
}

/// Keys of one envelope, and a good session token of it.
pub(crate) struct Ring {
    pub(crate) envelope: Envelope,
    pub(crate) set: KeySet,
    pub(crate) good: String,
}

impl Ring {
    pub(crate) fn new(envelope: Envelope, signing: SigningAlg, alg: KeyAlg, enc: ContentAlg) -> Self {
        let content = content_key(alg, enc);
        let verification = signing_key(signing).verification_key().expect("what verifies");
        let set =
            KeySet::new(envelope, vec![(KeyState::Active, verification)], vec![(KeyState::Active, content.clone())]);
        let keys = MintingKeys::new(envelope, Some(signing_key(signing)), Some(content)).expect("minting keys");
        let good = mint(&claims(), Kind::Session, &keys, &mut dice()).expect("a token");
        Self { envelope, set: set.expect("a key set"), good }
    }
}

pub(crate) const JWS_HEADER: &str = r#"{"alg":"EdDSA","kid":"sig","typ":"session+jwt"}"#;
pub(crate) const NESTING_HEADER: &str = r#"{"alg":"dir","enc":"A256GCM","kid":"enc","typ":"session+jwt","cty":"JWT"}"#;

/// A JWS with any header and payload, by the Ed25519 key.
pub(crate) fn jws(header: &[u8], payload: &[u8]) -> String {
    let input = format!("{}.{}", encode(header), encode(payload));
    let signature = ed25519_dalek::SigningKey::from_bytes(&SEED).sign(input.as_bytes());
    format!("{input}.{}", encode(&signature.to_bytes()))
}

/// A JWE with any header and content, by the direct A256GCM key.
pub(crate) fn jwe(header: &[u8], content: &[u8]) -> String {
    let header = encode(header);
    let cipher = Aes256Gcm::new(&CONTENT.into());
    let mut sealed = content.to_vec();
    let iv = [7; 12];
    let tag = cipher
        .encrypt_inout_detached(&iv.into(), header.as_bytes(), sealed.as_mut_slice().into())
        .expect("content within the cipher's bounds");
    format!("{header}..{}.{}.{}", encode(&iv), encode(&sealed), encode(&tag))
}
