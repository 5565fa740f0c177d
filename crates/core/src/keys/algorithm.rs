use serde::{Deserialize, Serialize};

/// Signature algorithms, by their JOSE names (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum SigningAlg {
    /// Ed25519: whoever verifies cannot mint.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// HMAC, for AM parity and for journey sessions; whoever verifies can mint.
    #[serde(rename = "HS256")]
    Hs256,
    #[serde(rename = "HS384")]
    Hs384,
    #[serde(rename = "HS512")]
    Hs512,
    /// ECDSA on P-256, P-384 and P-521.
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "ES384")]
    Es384,
    #[serde(rename = "ES512")]
    Es512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
}

impl SigningAlg {
    pub const ALL: [Self; 8] =
        [Self::EdDsa, Self::Hs256, Self::Hs384, Self::Hs512, Self::Es256, Self::Es384, Self::Es512, Self::Rs256];

    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Rs256 => "RS256",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.name() == name)
    }

    /// Bytes of a number of the curve, of which a signature has two (RFC 7518 §3.4), and so has an uncompressed point
    /// after its first byte (SEC 1 §2.3.3); `None` for what is no ECDSA.
    pub(crate) const fn curve_bytes(self) -> Option<usize> {
        match self {
            Self::Es256 => Some(32),
            Self::Es384 => Some(48),
            Self::Es512 => Some(66),
            _ => None,
        }
    }

    /// Whether these bytes have the form of an uncompressed point of its curve.
    pub(crate) fn is_point(self, bytes: &[u8]) -> bool {
        self.curve_bytes().is_some_and(|number| bytes.len() == 1 + 2 * number) && bytes.first() == Some(&4)
    }

    /// Whether the key that verifies is the key that signs.
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }
}

/// How a JWE's content key is come by (RFC 7518 §4.1). RSA1_5 is not among them, nor RSA-OAEP with SHA-1, nor
/// anything with a password.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum KeyAlg {
    /// The key is the content key.
    #[default]
    #[serde(rename = "dir")]
    Dir,
    #[serde(rename = "A128KW")]
    A128Kw,
    #[serde(rename = "A192KW")]
    A192Kw,
    #[serde(rename = "A256KW")]
    A256Kw,
    #[serde(rename = "RSA-OAEP-256")]
    RsaOaep256,
}

impl KeyAlg {
    pub const ALL: [Self; 5] = [Self::Dir, Self::A128Kw, Self::A192Kw, Self::A256Kw, Self::RsaOaep256];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Dir => "dir",
            Self::A128Kw => "A128KW",
            Self::A192Kw => "A192KW",
            Self::A256Kw => "A256KW",
            Self::RsaOaep256 => "RSA-OAEP-256",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.name() == name)
    }

    pub const fn is_rsa(self) -> bool {
        matches!(self, Self::RsaOaep256)
    }

    /// `bundle.rs` leaves `dir` out, so that a bundle of a default realm reads as it always did.
    pub(super) fn is_dir(&self) -> bool {
        *self == Self::Dir
    }
}

/// Content encryption algorithms (RFC 7518 §5.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ContentAlg {
    #[serde(rename = "A128GCM")]
    A128Gcm,
    #[serde(rename = "A192GCM")]
    A192Gcm,
    #[serde(rename = "A256GCM")]
    A256Gcm,
    #[serde(rename = "A128CBC-HS256")]
    A128CbcHs256,
    #[serde(rename = "A192CBC-HS384")]
    A192CbcHs384,
    #[serde(rename = "A256CBC-HS512")]
    A256CbcHs512,
}

impl ContentAlg {
    pub const ALL: [Self; 6] =
        [Self::A128Gcm, Self::A192Gcm, Self::A256Gcm, Self::A128CbcHs256, Self::A192CbcHs384, Self::A256CbcHs512];

    pub const fn name(self) -> &'static str {
        match self {
            Self::A128Gcm => "A128GCM",
            Self::A192Gcm => "A192GCM",
            Self::A256Gcm => "A256GCM",
            Self::A128CbcHs256 => "A128CBC-HS256",
            Self::A192CbcHs384 => "A192CBC-HS384",
            Self::A256CbcHs512 => "A256CBC-HS512",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|enc| enc.name() == name)
    }

    /// Bytes of the content key; for CBC with HMAC it is the MAC key and then the cipher's.
    pub const fn key_len(self) -> usize {
        match self {
            Self::A128Gcm => 16,
            Self::A192Gcm => 24,
            Self::A256Gcm | Self::A128CbcHs256 => 32,
            Self::A192CbcHs384 => 48,
            Self::A256CbcHs512 => 64,
        }
    }
}
