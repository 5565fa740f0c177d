//! AM's settings about signature and encryption of tokens, and what they come to.

use std::path::PathBuf;

use countersign_core::keys::{ContentAlg, KeyAlg, SigningAlg};
use serde::{Deserialize, Deserializer};

use super::session::Wrong;

/// `statelessSigningType`. EdDSA is not AM's.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Debug)]
pub(super) enum SigningType {
    #[serde(rename = "EdDSA")]
    EdDsa,
    #[serde(rename = "HS256")]
    Hs256,
    #[serde(rename = "HS384")]
    Hs384,
    #[serde(rename = "HS512")]
    Hs512,
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "ES384")]
    Es384,
    #[serde(rename = "ES512")]
    Es512,
    #[serde(rename = "NONE")]
    None,
}

/// `statelessEncryptionType`.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Debug)]
pub(super) enum EncryptionType {
    #[serde(rename = "NONE")]
    None,
    #[serde(rename = "DIRECT")]
    Direct,
    #[serde(rename = "AES_KEYWRAP")]
    AesKeywrap,
    #[serde(rename = "RSA")]
    Rsa,
}

/// `org.forgerock.openam.session.stateless.rsa.padding`.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Debug)]
pub(super) enum RsaPadding {
    #[serde(rename = "RSA-OAEP-256")]
    OaepSha256,
    #[serde(rename = "RSA-OAEP")]
    OaepSha1,
    #[serde(rename = "RSA1_5")]
    Pkcs1,
}

/// `statelessCompressionType`.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Debug)]
pub(super) enum Compression {
    #[serde(rename = "NONE")]
    None,
    #[serde(rename = "DEF")]
    Def,
}

/// Length of the wrapping key that is made for AES_KEYWRAP; AM goes by the length of the key it is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AesKeywrapBits {
    B128,
    B192,
    B256,
}

impl<'de> Deserialize<'de> for AesKeywrapBits {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match u32::deserialize(from)? {
            128 => Ok(Self::B128),
            192 => Ok(Self::B192),
            256 => Ok(Self::B256),
            other => Err(serde::de::Error::custom(format!("must be 128, 192 or 256, not {other}"))),
        }
    }
}

/// A secret by the file that holds it, in base64. A secret itself is refused: settings are shown, copied and committed.
#[derive(Clone, Debug)]
pub(super) struct SecretFile {
    pub(super) file: PathBuf,
}

impl<'de> Deserialize<'de> for SecretFile {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> serde::de::Visitor<'de> for Reader {
            type Value = SecretFile;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("{ file = \"…\" }, the name of a file with the secret in base64")
            }

            // Nothing of the text gets into the message.
            fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<SecretFile, E> {
                Err(E::custom(
                    "a secret does not belong in the settings: name a file that holds it, { file = \"…\" }, or use \
                     `countersign keys import`",
                ))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, members: A) -> Result<SecretFile, A::Error> {
                #[derive(Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Written {
                    file: PathBuf,
                }
                let written = Written::deserialize(serde::de::value::MapAccessDeserializer::new(members))?;
                Ok(SecretFile { file: written.file })
            }
        }

        from.deserialize_any(Reader)
    }
}

/// How tokens are signed and encrypted. Never neither.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Format {
    pub(crate) signing: Option<SigningAlg>,
    pub(crate) content: Option<(KeyAlg, ContentAlg)>,
}

/// The settings that make a format.
pub(super) struct Layers {
    pub(super) section: &'static str,
    pub(super) signing: SigningType,
    pub(super) encryption: EncryptionType,
    pub(super) method: ContentAlg,
    pub(super) keywrap_bits: AesKeywrapBits,
    pub(super) padding: RsaPadding,
    pub(super) compression: Compression,
}

impl Layers {
    pub(super) fn check(&self) -> Result<Format, Wrong> {
        let of_session = self.section == "session";
        let signing_key = if of_session { "session.statelessSigningType" } else { "journey.statelessSigningType" };
        let padding_key = "session.org.forgerock.openam.session.stateless.rsa.padding";
        let refuse = |key, why: &str| Err((key, why.to_owned()));
        match (self.signing, self.encryption) {
            (SigningType::None, EncryptionType::None) => {
                return refuse(
                    signing_key,
                    "and statelessEncryptionType cannot both be NONE: anybody could make a session",
                );
            }
            (SigningType::None, EncryptionType::Rsa) => {
                return refuse(
                    signing_key,
                    "cannot be NONE with RSA encryption: whoever knows the public key could make a session",
                );
            }
            _ => {}
        }
        match self.padding {
            RsaPadding::OaepSha256 => {}
            RsaPadding::OaepSha1 => {
                return refuse(padding_key, "must be RSA-OAEP-256: RSA-OAEP uses SHA-1");
            }
            RsaPadding::Pkcs1 => {
                return refuse(padding_key, "must be RSA-OAEP-256: RSA1_5 tells an attacker the key, bit by bit");
            }
        }
        if self.compression == Compression::Def {
            return refuse(
                "session.statelessCompressionType",
                "must be NONE: the length of a compressed token tells what is in it",
            );
        }
        let signing = match self.signing {
            SigningType::EdDsa => Some(SigningAlg::EdDsa),
            SigningType::Hs256 => Some(SigningAlg::Hs256),
            SigningType::Hs384 => Some(SigningAlg::Hs384),
            SigningType::Hs512 => Some(SigningAlg::Hs512),
            SigningType::Rs256 => Some(SigningAlg::Rs256),
            SigningType::Es256 => Some(SigningAlg::Es256),
            SigningType::Es384 => Some(SigningAlg::Es384),
            SigningType::Es512 => Some(SigningAlg::Es512),
            SigningType::None => None,
        };
        let alg = match (self.encryption, self.keywrap_bits) {
            (EncryptionType::None, _) => None,
            (EncryptionType::Direct, _) => Some(KeyAlg::Dir),
            (EncryptionType::AesKeywrap, AesKeywrapBits::B128) => Some(KeyAlg::A128Kw),
            (EncryptionType::AesKeywrap, AesKeywrapBits::B192) => Some(KeyAlg::A192Kw),
            (EncryptionType::AesKeywrap, AesKeywrapBits::B256) => Some(KeyAlg::A256Kw),
            (EncryptionType::Rsa, _) => Some(KeyAlg::RsaOaep256),
        };
        Ok(Format { signing, content: alg.map(|alg| (alg, self.method)) })
    }
}
