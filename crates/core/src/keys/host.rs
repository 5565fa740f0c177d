use super::{KeyError, SigningAlg};

/// The public half of a key pair whose signatures the host verifies: the worker's WebCrypto does ECDSA and RSA in a
/// fraction of what they take in WebAssembly, and the module is half as large without them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostKey {
    alg: SigningAlg,
    bytes: Box<[u8]>,
}

impl HostKey {
    /// From the uncompressed point of an ECDSA key (SEC 1 §2.3.3) or the PKCS#1 DER of an RSA key, as
    /// [`super::VerificationKey::new`]. Whether the point is on the curve the host finds out when it imports the key.
    pub(super) fn new(alg: SigningAlg, key: &[u8]) -> Result<Self, KeyError> {
        match alg {
            SigningAlg::Es256 | SigningAlg::Es384 | SigningAlg::Es512 if alg.is_point(key) => {}
            SigningAlg::Es256 | SigningAlg::Es384 | SigningAlg::Es512 => {
                return Err(KeyError::BadPoint { alg: alg.name() });
            }
            SigningAlg::Rs256 if is_one_sequence(key) => {}
            SigningAlg::Rs256 => return Err(KeyError::BadRsaKey),
            own => return Err(KeyError::NotOfHost { alg: own.name() }),
        }
        Ok(Self { alg, bytes: key.into() })
    }

    pub const fn alg(&self) -> SigningAlg {
        self.alg
    }

    /// What it was made from.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How long a signature is, in bytes; RSA's is as long as the modulus, which the host checks.
    pub(crate) fn signature_len(&self) -> Option<usize> {
        Some(2 * self.alg.curve_bytes()?)
    }
}

/// Whether this is a DER `SEQUENCE` as long as that of an RSA key of 2,048 to 4,096 bits, and nothing after it. What is
/// in it the origin has checked.
fn is_one_sequence(der: &[u8]) -> bool {
    let Some(([0x30, 0x82, high, low], content)) = der.split_first_chunk() else { return false };
    (261..=526).contains(&content.len()) && content.len() == usize::from(u16::from_be_bytes([*high, *low]))
}
