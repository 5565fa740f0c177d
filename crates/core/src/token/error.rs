/// Why a token is not taken. But for [`TokenError::UnusableKey`] the fault is with whoever presents it, and the outside
/// is told only "invalid".
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TokenError {
    /// Longer than [`super::Kind::max_len`].
    TooLong,
    /// Not a compact serialization of the pinned envelope, or not canonical base64url.
    Format,
    /// A header that is not the JSON expected: unknown or duplicate members (`crit`, `jwk`, `zip`, …), wrong types.
    Header,
    /// `typ` (or `cty`) of another kind of token.
    Type,
    /// No key of that `kid`.
    UnknownKey,
    /// The key is retired.
    RetiredKey,
    /// The key is good, and this program was built without what it is for: nothing is known of the token.
    UnusableKey,
    /// `alg` or `enc` is not the one the key is bound to.
    Algorithm,
    /// The signature does not verify.
    Signature,
    /// The authenticated decryption fails.
    Decryption,
    /// The payload is not the claims expected.
    Claims,
}

impl TokenError {
    /// Whether a key set says this of a token that was made for another set: other layers, another kind, other keys.
    pub const fn is_of_another_set(self) -> bool {
        matches!(self, Self::UnknownKey | Self::Format | Self::Type)
    }

    /// A stable code for logs and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLong => "token_too_long",
            Self::Format => "token_format",
            Self::Header => "token_header",
            Self::Type => "token_type",
            Self::UnknownKey => "unknown_key",
            Self::RetiredKey => "retired_key",
            Self::UnusableKey => "unusable_key",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::Decryption => "decryption",
            Self::Claims => "claims",
        }
    }
}

impl std::fmt::Display for TokenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the token is too long",
            Self::Format => "the token is not in the expected compact serialization",
            Self::Header => "the token's header is not as expected",
            Self::Type => "the token is of another type",
            Self::UnknownKey => "the token names an unknown key",
            Self::RetiredKey => "the token names a retired key",
            Self::UnusableKey => "the token names a key that this program was built without",
            Self::Algorithm => "the token names an algorithm that its key is not for",
            Self::Signature => "the token's signature does not verify",
            Self::Decryption => "the token does not decrypt",
            Self::Claims => "the token's claims are not as expected",
        })
    }
}

impl std::error::Error for TokenError {}
