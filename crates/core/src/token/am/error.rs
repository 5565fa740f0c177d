use crate::keys::{ContentAlg, KeyError};
use crate::token::TokenError;

/// Where to look for the mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Culprit {
    Settings,
    SigningKey,
    EncryptionKey,
    Token,
}

impl Culprit {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::SigningKey => "signing key",
            Self::EncryptionKey => "encryption key",
            Self::Token => "token",
        }
    }
}

/// Settings or keys by which no token can be read. The fault is with whoever brings them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unusable {
    /// Neither signed nor encrypted: AM refuses that too.
    Unprotected,
    /// Encrypted with RSA and not signed: AM refuses that too.
    Unsigned,
    /// The layer is on, and there is no key for it.
    NoKey(Culprit),
    /// Which of the signing keys, counted from 0, is none of the algorithm.
    SigningKey(usize, KeyError),
    /// Which of the encryption keys is no RSA key that is taken.
    EncryptionKey(usize, KeyError),
    /// Which of the AES keys has a length that the encryption type has no use for.
    AesLength { key: usize, bytes: usize },
}

impl Unusable {
    /// Which of the keys that were given, of those for signatures or those for encryption.
    pub const fn key(&self) -> Option<(Culprit, usize)> {
        match self {
            Self::Unprotected | Self::Unsigned | Self::NoKey(_) => None,
            Self::SigningKey(at, _) => Some((Culprit::SigningKey, *at)),
            Self::EncryptionKey(at, _) | Self::AesLength { key: at, .. } => Some((Culprit::EncryptionKey, *at)),
        }
    }
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unprotected => f.write_str("tokens that are neither signed nor encrypted are not read"),
            Self::Unsigned => f.write_str(
                "tokens that are encrypted with RSA and not signed are not read: whoever has the public key can make them",
            ),
            Self::NoKey(of) => write!(f, "there is no {}", of.name()),
            Self::SigningKey(_, error) | Self::EncryptionKey(_, error) => error.fmt(f),
            Self::AesLength { bytes, .. } => {
                write!(f, "an AES key has 16, 24 or 32 bytes, and for DIRECT also 48 or 64; this one has {bytes}")
            }
        }
    }
}

impl std::error::Error for Unusable {}

/// Why a token has no claims to tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It is no token, or not a whole one.
    Token(TokenError),
    /// It has other layers than the settings say.
    Layers { wanted: &'static str, found: &'static str },
    /// Its header names another algorithm than the settings, or the key, say.
    Algorithm { wanted: String, found: String },
    /// RSAES-PKCS1-v1_5, which is never opened.
    Rsa15,
    /// No key made the signature.
    Signature,
    /// No key opens it.
    Decryption,
    /// The key is for another of AM's ciphers than the one that the header names.
    KeyLength { enc: ContentAlg, bytes: usize },
    /// It is compressed, and by the settings none is.
    Compressed,
    /// It does not inflate, or to more than AM takes.
    Compression,
}

impl From<TokenError> for Fault {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl Fault {
    /// Of what a cipher says.
    pub(super) fn of_sealed(error: TokenError) -> Self {
        if error == TokenError::Decryption { Self::Decryption } else { Self::Token(error) }
    }

    /// A stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Token(error) => error.code(),
            Self::Layers { .. } => "layers",
            Self::Algorithm { .. } => "algorithm",
            Self::Rsa15 => "rsa1_5",
            Self::Signature => "signature",
            Self::Decryption => "decryption",
            Self::KeyLength { .. } => "key_length",
            Self::Compressed => "compressed",
            Self::Compression => "compression",
        }
    }

    pub const fn culprit(&self) -> Culprit {
        match self {
            Self::Token(_) | Self::Rsa15 | Self::Compression => Culprit::Token,
            Self::Layers { .. } | Self::Algorithm { .. } | Self::Compressed => Culprit::Settings,
            Self::Signature => Culprit::SigningKey,
            Self::Decryption | Self::KeyLength { .. } => Culprit::EncryptionKey,
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const ANOTHER: &str = "they are those of another AM, or were changed after it was made";
        match self {
            Self::Token(error) => error.fmt(f),
            Self::Layers { wanted, found } => {
                write!(f, "by the settings tokens are {wanted}, and this one is {found}: {ANOTHER}")
            }
            Self::Algorithm { wanted, found } => {
                let found: String = found.chars().take(40).collect();
                write!(f, "by settings and keys the algorithm is {wanted}, and the token says {found:?}: {ANOTHER}")
            }
            Self::Rsa15 => f.write_str(
                "the token is encrypted with RSA1_5, which is not read: AM's \
                 org.forgerock.openam.session.stateless.rsa.padding is better RSA-OAEP-256",
            ),
            Self::Signature => f.write_str(
                "the signature is by none of the signing keys: they are those of another AM, or were changed after the \
                 token was made; or somebody changed the token",
            ),
            Self::Decryption => f.write_str(
                "none of the encryption keys opens it: they are those of another AM, or were changed after the token was \
                 made; or the token was cut or changed",
            ),
            Self::KeyLength { enc, bytes } => {
                let (name, needed) = (enc.name(), enc.key_len());
                write!(f, "the token says {name}, whose key has {needed} bytes, and the encryption key has {bytes}")
            }
            Self::Compressed => {
                write!(f, "the token is compressed, and by the settings none is (statelessCompressionType): {ANOTHER}")
            }
            Self::Compression => f.write_str("the token's content does not inflate within 32 KiB"),
        }
    }
}

impl std::error::Error for Fault {}
