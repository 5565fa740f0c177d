/// Why key material is refused. The fault is with the operator who supplied it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyError {
    /// An Ed25519 public key is 32 bytes that name a point of full order.
    BadPublicKey,
    /// An Ed25519 seed is 32 bytes.
    BadSeed,
    /// An HMAC key has at least as many bytes as its hash (RFC 7518 §3.2).
    ShortSecret { alg: &'static str, least: usize },
    /// An ECDSA public key is an uncompressed point on the curve, not the one at infinity.
    BadPoint { alg: &'static str },
    /// An ECDSA private key is a number from 1 to below the order of the curve, at its full length.
    BadScalar { alg: &'static str },
    /// Not the DER expected: PKCS#1 `RSAPublicKey`, or PKCS#8 `PrivateKeyInfo` whose numbers belong together.
    BadRsaKey,
    /// An RSA modulus has 2,048 to 4,096 bits and is odd.
    BadModulus { bits: usize },
    /// The public exponent of an RSA key that signs is 65,537; of others it is odd, at least that and below 2^32.
    BadExponent,
    /// The RSA key comes from the generator of CVE-2017-15361, whose keys can be factored.
    Roca,
    /// A content or wrapping key has exactly the bytes of its algorithm.
    KeyLength { alg: &'static str, needed: usize },
    /// The host is asked about ECDSA and RSA alone.
    NotOfHost { alg: &'static str },
    /// The program was built without the algorithm.
    NotBuilt { alg: &'static str },
}

impl std::fmt::Display for KeyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BadPublicKey => f.write_str("not an Ed25519 public key"),
            Self::BadSeed => f.write_str("an Ed25519 seed must have exactly 32 bytes"),
            Self::ShortSecret { alg, least } => write!(f, "an {alg} key must have at least {least} bytes"),
            Self::BadPoint { alg } => write!(f, "not an uncompressed point on the curve of {alg}"),
            Self::BadScalar { alg } => write!(f, "not a private key for {alg}"),
            Self::BadRsaKey => f.write_str("not an RSA key in PKCS#1 (public) or PKCS#8 (private) DER"),
            Self::BadModulus { bits } => {
                write!(f, "an RSA modulus must be odd and have 2048 to 4096 bits; this one has {bits}")
            }
            Self::BadExponent => f.write_str(
                "the public exponent of an RSA key must be 65537; of one that encrypts it may be greater, odd and below 2^32",
            ),
            Self::Roca => f.write_str("the RSA key can be factored (ROCA, CVE-2017-15361)"),
            Self::KeyLength { alg, needed } => write!(f, "an {alg} key must have exactly {needed} bytes"),
            Self::NotOfHost { alg } => write!(f, "{alg} is not verified by the host"),
            Self::NotBuilt { alg } => write!(f, "this program was built without {alg}"),
        }
    }
}

impl std::error::Error for KeyError {}
