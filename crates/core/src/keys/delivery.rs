//! How an edge gets its keys anew: sealed to the bundle it was given, and named by a digest that every heartbeat
//! repeats.

use serde::{Deserialize, Serialize};

use super::{Bundle, BundleError, ContentKey, EdgeKeys, KeySet, KeyState, Kid, Verifiers};
use crate::encoding::{self, decode_array};
use crate::token::{self, Envelope, Kind, Scratch, TokenError};

/// Names one key set. A heartbeat says which is in force; an edge that has another one gets no lease from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeysDigest(pub [u8; 16]);

impl Serialize for KeysDigest {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        encoding::bytes::serialize(&self.0, to)
    }
}

impl<'de> Deserialize<'de> for KeysDigest {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        encoding::bytes::deserialize(from).map(Self)
    }
}

/// The member `delivery` of a bundle: what later key sets are sealed under, and which one the bundle itself has.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryKey {
    /// Which bundle this is.
    pub id: Kid,
    /// 32 bytes in base64url, this bundle's own.
    pub key: String,
    pub keys: KeysDigest,
}

/// What is sealed: a JWE with `dir`, `A256GCM` and `typ` `edge-keys+jwt`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    pub keys: KeysDigest,
    /// As the question had it; an origin is not asked for one by edges of before. Without it an old set could be
    /// replayed, and with it a feed key that was revoked since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// With which the edge asks from now on. An origin of before says nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed_credential: Option<String>,
    pub bundle: Bundle,
}

/// Why a delivery is not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DeliveryError {
    /// The key in the bundle is not one: the operator's fault.
    Key,
    /// Not sealed to this bundle.
    Token(TokenError),
    Bundle(BundleError),
    /// The feed credential cannot stand in a header.
    Credential,
    /// For another realm than the bundle.
    Realm,
    /// The answer to another question, or to none.
    Replayed,
}

impl std::fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key => f.write_str("the bundle's delivery key is not 32 bytes in base64url"),
            Self::Token(error) => write!(f, "edge keys: {error}"),
            Self::Bundle(error) => error.fmt(f),
            Self::Credential => f.write_str("edge keys: the feed credential is not printable ASCII"),
            Self::Realm => f.write_str("edge keys: they are for another realm"),
            Self::Replayed => f.write_str("edge keys: they are no answer to this question"),
        }
    }
}

impl std::error::Error for DeliveryError {}

impl DeliveryKey {
    fn content_key(&self) -> Result<ContentKey, DeliveryError> {
        let key: [u8; 32] = decode_array(self.key.as_bytes()).map_err(|_| DeliveryError::Key)?;
        ContentKey::a256gcm(self.id.clone(), &key).map_err(|_| DeliveryError::Key)
    }

    /// The key set that opens deliveries.
    pub fn key_set(&self) -> Result<KeySet, DeliveryError> {
        KeySet::new(Envelope::Encrypt, Vec::new(), vec![(KeyState::Active, self.content_key()?)])
            .map_err(|_| DeliveryError::Key)
    }

    /// The key that seals them.
    #[cfg(feature = "mint")]
    pub fn minting(&self) -> Result<super::MintingKeys, DeliveryError> {
        super::MintingKeys::new(Envelope::Encrypt, None, Some(self.content_key()?)).map_err(|_| DeliveryError::Key)
    }
}

impl Delivery {
    /// Whether a text can follow `Bearer ` in a header.
    pub fn is_credential(text: &str) -> bool {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
    }

    /// Opens and checks what came; gives the feed credential last. `keys` is [`DeliveryKey::key_set`], `nonce` that of
    /// the question.
    pub fn open(
        bytes: &[u8],
        keys: &KeySet,
        realm: &str,
        nonce: &str,
        verifiers: Verifiers,
        scratch: &mut Scratch,
    ) -> Result<(KeysDigest, EdgeKeys, Option<String>), DeliveryError> {
        let delivery: Self =
            token::open(bytes, Kind::EdgeKeys, keys, scratch).map_err(DeliveryError::Token)?.into_claims();
        if delivery.nonce.as_deref() != Some(nonce) {
            return Err(DeliveryError::Replayed);
        }
        let opened = delivery.bundle.check(verifiers).map_err(DeliveryError::Bundle)?;
        if delivery.feed_credential.as_deref().is_some_and(|text| !Self::is_credential(text)) {
            return Err(DeliveryError::Credential);
        }
        if opened.realm == realm {
            Ok((delivery.keys, opened, delivery.feed_credential))
        } else {
            Err(DeliveryError::Realm)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denylist::fingerprint::DenylistKey;
    use crate::keys::{ContentAlg, ContentJwk, KeyAlg, SigningAlg, SigningKey, VerificationJwk};
    use crate::token::mint::mint;

    fn kid(text: &str) -> Kid {
        Kid::try_from(text.to_owned()).unwrap()
    }

    fn delivery() -> Delivery {
        let public = SigningKey::ed25519(kid("s"), &[1; 32]).public().unwrap();
        let jwk = |name| VerificationJwk::new(kid(name), SigningAlg::EdDsa, KeyState::Active, &public);
        let bundle = Bundle {
            version: 1,
            realm: "/alpha".to_owned(),
            envelope: Envelope::SignThenEncrypt,
            session_signing: vec![jwk("s")],
            session_content: vec![ContentJwk::new(
                kid("e"),
                KeyAlg::Dir,
                ContentAlg::A256Gcm,
                KeyState::Active,
                &[2; 32],
            )],
            also: Vec::new(),
            feed: vec![jwk("f")],
            denylist: encoding::encode(&[3; 32]),
            denylist_beside: None,
        };
        Delivery {
            keys: KeysDigest([7; 16]),
            nonce: Some("n".to_owned()),
            feed_credential: Some("secret".to_owned()),
            bundle,
        }
    }

    fn key(id: &str, byte: u8) -> DeliveryKey {
        DeliveryKey { id: kid(id), key: encoding::encode(&[byte; 32]), keys: KeysDigest([0; 16]) }
    }

    #[test]
    fn it_opens_for_its_bundle_and_realm_alone() {
        let own = key("b1", 9);
        let sealed = mint(&delivery(), Kind::EdgeKeys, &own.minting().unwrap(), &mut |_: &mut [u8]| {}).unwrap();
        let open = |key: &DeliveryKey, realm| {
            Delivery::open(
                sealed.as_bytes(),
                &key.key_set().unwrap(),
                realm,
                "n",
                Verifiers::Own,
                &mut Scratch::default(),
            )
        };
        let (digest, keys, credential) = open(&own, "/alpha").ok().unwrap();
        assert_eq!(
            (digest, keys.realm.as_str(), credential.as_deref()),
            (KeysDigest([7; 16]), "/alpha", Some("secret"))
        );
        let _: DenylistKey = keys.denylist;
        assert_eq!(open(&own, "/beta").err(), Some(DeliveryError::Realm));
        assert_eq!(open(&key("b2", 9), "/alpha").err(), Some(DeliveryError::Token(TokenError::UnknownKey)));
        assert_eq!(open(&key("b1", 8), "/alpha").err(), Some(DeliveryError::Token(TokenError::Decryption)));
        for credential in ["", "two words", "line\nbreak", "ü"] {
            let bad = Delivery { feed_credential: Some(credential.to_owned()), ..delivery() };
            let sealed = mint(&bad, Kind::EdgeKeys, &own.minting().unwrap(), &mut |_: &mut [u8]| {}).unwrap();
            let keys = own.key_set().unwrap();
            let opened =
                Delivery::open(sealed.as_bytes(), &keys, "/alpha", "n", Verifiers::Own, &mut Scratch::default());
            assert_eq!(opened.err(), Some(DeliveryError::Credential), "{credential:?}");
        }
        for nonce in [None, Some("m")] {
            let old = Delivery { nonce: nonce.map(str::to_owned), ..delivery() };
            let sealed = mint(&old, Kind::EdgeKeys, &own.minting().unwrap(), &mut |_: &mut [u8]| {}).unwrap();
            let keys = own.key_set().unwrap();
            let opened =
                Delivery::open(sealed.as_bytes(), &keys, "/alpha", "n", Verifiers::Own, &mut Scratch::default());
            assert_eq!(opened.err(), Some(DeliveryError::Replayed), "{nonce:?}");
        }
        // A year of sessions, with new keys every day.
        let public = SigningKey::ed25519(kid("s"), &[1; 32]).public().unwrap();
        let many: Vec<_> = (0..365).map(|day| kid(&format!("a-key-of-day-{day}"))).collect();
        let jwk = |kid: &Kid| VerificationJwk::new(kid.clone(), SigningAlg::EdDsa, KeyState::VerifyOnly, &public);
        let bundle = Bundle { session_signing: many.iter().map(jwk).collect(), ..delivery().bundle };
        let large = Delivery { bundle, ..delivery() };
        let sealed = mint(&large, Kind::EdgeKeys, &own.minting().unwrap(), &mut |_: &mut [u8]| {}).unwrap();
        assert!(sealed.len() > crate::token::MAX_TOKEN);
        let keys = own.key_set().unwrap();
        assert!(
            Delivery::open(sealed.as_bytes(), &keys, "/alpha", "n", Verifiers::Own, &mut Scratch::default()).is_ok()
        );
        let bad = DeliveryKey { key: "AAAA".to_owned(), ..own };
        assert_eq!(bad.key_set().err(), Some(DeliveryError::Key));
    }
}
