use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value as Cbor;
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use serde_json::{Map, Value, json};

/// COSE algorithms (RFC 9053, RFC 8812) that credentials may have here. ES512 and RS1 are not among them: `ring`, which
/// verifies, has no P-521, and SHA-1 is none for new signatures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Algorithm {
    Es256,
    Es384,
    EdDsa,
    Rs256,
    Rs384,
    Rs512,
}

impl Algorithm {
    const ALL: [Self; 6] = [Self::Es256, Self::Es384, Self::EdDsa, Self::Rs256, Self::Rs384, Self::Rs512];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
        }
    }

    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Es256 => -7,
            Self::EdDsa => -8,
            Self::Es384 => -35,
            Self::Rs256 => -257,
            Self::Rs384 => -258,
            Self::Rs512 => -259,
        }
    }

    /// AM's settings write `EDDSA`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.name().eq_ignore_ascii_case(name))
    }
}

/// The public key of a credential.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum PublicKey {
    Ec { alg: Algorithm, x: Vec<u8>, y: Vec<u8> },
    Ed25519 { x: Vec<u8> },
    Rsa { alg: Algorithm, n: Vec<u8>, e: Vec<u8> },
}

impl PublicKey {
    pub(crate) const fn alg(&self) -> Algorithm {
        match self {
            Self::Ec { alg, .. } | Self::Rsa { alg, .. } => *alg,
            Self::Ed25519 { .. } => Algorithm::EdDsa,
        }
    }

    /// From a COSE key (RFC 9052 §7).
    pub(crate) fn from_cose(key: &Cbor) -> Option<Self> {
        let map = key.as_map()?;
        let find = |label: i64| {
            let mut found = map.iter().filter(|(name, _)| name.as_integer().map(i128::from) == Some(i128::from(label)));
            let value = found.next().map(|(_, value)| value);
            if found.next().is_some() { None } else { value }
        };
        let number = |label| find(label)?.as_integer().and_then(|number| i64::try_from(number).ok());
        let bytes = |label| find(label)?.as_bytes().cloned();
        let alg = Algorithm::ALL.into_iter().find(|alg| Some(alg.number()) == number(3))?;
        let key = match (alg, number(1)?) {
            (Algorithm::Es256, 2) if number(-1) == Some(1) => Self::Ec { alg, x: bytes(-2)?, y: bytes(-3)? },
            (Algorithm::Es384, 2) if number(-1) == Some(2) => Self::Ec { alg, x: bytes(-2)?, y: bytes(-3)? },
            (Algorithm::EdDsa, 1) if number(-1) == Some(6) => Self::Ed25519 { x: bytes(-2)? },
            (Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512, 3) => {
                Self::Rsa { alg, n: bytes(-1)?, e: bytes(-2)? }
            }
            _ => return None,
        };
        key.is_sound().then_some(key)
    }

    /// Lengths; whether a point is on its curve is seen when a signature is verified.
    fn is_sound(&self) -> bool {
        match self {
            Self::Ec { alg, x, y } => {
                let length = if *alg == Algorithm::Es384 { 48 } else { 32 };
                x.len() == length && y.len() == length
            }
            Self::Ed25519 { x } => x.len() == 32,
            Self::Rsa { n, e, .. } => (256..=512).contains(&n.len()) && (1..=4).contains(&e.len()),
        }
    }

    /// As AM's device profiles have it.
    pub(crate) fn to_jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let alg = self.alg().name();
        match self {
            Self::Ec { x, y, .. } => {
                let crv = if self.alg() == Algorithm::Es384 { "P-384" } else { "P-256" };
                json!({"kty": "EC", "alg": alg, "crv": crv, "x": text(x), "y": text(y)})
            }
            Self::Ed25519 { x } => json!({"kty": "OKP", "alg": alg, "crv": "Ed25519", "x": text(x)}),
            Self::Rsa { n, e, .. } => json!({"kty": "RSA", "alg": alg, "n": text(n), "e": text(e)}),
        }
    }

    pub(crate) fn from_jwk(jwk: &Map<String, Value>) -> Option<Self> {
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?).ok();
        let alg = Algorithm::named(jwk.get("alg")?.as_str()?)?;
        let key = match alg {
            Algorithm::Es256 | Algorithm::Es384 => Self::Ec { alg, x: bytes("x")?, y: bytes("y")? },
            Algorithm::EdDsa => Self::Ed25519 { x: bytes("x")? },
            Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 => Self::Rsa { alg, n: bytes("n")?, e: bytes("e")? },
        };
        key.is_sound().then_some(key)
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ec { alg, x, y } => {
                let way: &dyn VerificationAlgorithm = match alg {
                    Algorithm::Es384 => &signature::ECDSA_P384_SHA384_ASN1,
                    _ => &signature::ECDSA_P256_SHA256_ASN1,
                };
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                UnparsedPublicKey::new(way, point).verify(message, signature).is_ok()
            }
            Self::Ed25519 { x } => UnparsedPublicKey::new(&signature::ED25519, x).verify(message, signature).is_ok(),
            Self::Rsa { alg, n, e } => {
                let way = match alg {
                    Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
                    Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
                    _ => &signature::RSA_PKCS1_2048_8192_SHA256,
                };
                signature::RsaPublicKeyComponents { n, e }.verify(way, message, signature).is_ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};

    use super::*;

    const MESSAGE: &[u8] = b"signed by a key of a test";
    const N: &str = "rECuZ3hfIVu1AKqxS4RIHvhSCTyLOVETEOR1Zk_oGNMANzmF0ZAxszdutheWLHk2hZlwrKcJ3JgcK7ZlpeaTGiztYogFFLRn\
             MnBRnYqRGpa0WuzcdORAeio2wIGoMuQq3D1ojhR_8TQUy4ABj4rCpY6u9WuV-pgdh6ulDNaaJvRDWBBIeOZKeFXh1zs15ICl\
             1wJr5Ftafk4zgpMYd9XgfqekixpK4MPwVYs1mxiJr13NiJ1Jtc8-c-2Hl_UVQOGB5mhQ9frhmRAM_aHril9Oux_RNCm3WeSY\
             rFzdtzSTbCGEMSOEnrzcUH49ewJ8d1TGUH5zqCnbKRwWswauBnFJGQ";
    const RS256: &str = "FU_eOwImXdaoe29C3HE19ZsqvYXBQXfrhvm5swNQBPdgWbGIlYZ3sU8rxwJy5GxUna0s3iug6tUWEVClULTRNyILrpd1D-EG\
             _u8E0wVfhl36rt8RMY7COCykg4x9WWZcnD_D2CNLwmbQgvvIVqq_2gE8F7dxWHrZBcrpegD5LTkEp3CQnh8zVlTYU1J9nW_a\
             oLU-f5ayvMKbOXszTo_BV5745U8szpIjpNwwycO7M4z7nFjapSCwMlodObKDGmb7VWiHhkpeNbkuqg2Gy0hcI4Gh6CCoSJYo\
             ST_We5PsUokDC84kYfPhhLHBA7jIByriE73RTyv1Qwi6hSIf1_a3fA";
    const RS512: &str = "WoqKi5mpIG1RXjYWhM-lAYN1O_M2RwvQQFf6p5YzepXdZyv4tHRupsj-uJS1N0K-1JRMXqcS-2KnfXLWzpjZoFaBUZ5sE_9w\
             NHZCIWkv-bSUYuP0L4BvWHDJSmk92cXXPu2VO_Vw1MeqWeLCtvp1EGc2WcoXQ9uRUNmBpNp53j4Zhh8UawBdD4ZLGaaTxWhl\
             xNLrDn7PVP7GjnU99DskOYDms21rBlzwZScjsY-KzDA905C463_dKYFgvr79_dfVvt7ENStWiizuB7zrmBOBDUMmtSy3123u\
             OVvuvs0FnglsUEQazSSPNXf-reQQD2wWs255A_qlGl0xc7ge5Q5b9w";

    fn cose(parts: Vec<(i64, Cbor)>) -> Cbor {
        Cbor::Map(parts.into_iter().map(|(label, value)| (label.into(), value)).collect())
    }

    /// Through the form in which it is stored.
    fn verifies(key: &Cbor, signature: &[u8]) -> bool {
        let key = PublicKey::from_cose(key).unwrap();
        let stored = key.to_jwk();
        let read = PublicKey::from_jwk(stored.as_object().unwrap()).unwrap();
        assert!(read == key);
        assert!(!read.verify(b"something else", signature));
        read.verify(MESSAGE, signature)
    }

    #[test]
    fn each_algorithm_verifies() {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, document.as_ref(), &random).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(48);
        let key = vec![
            (1, 2.into()),
            (3, (-35).into()),
            (-1, 2.into()),
            (-2, Cbor::Bytes(x.to_vec())),
            (-3, Cbor::Bytes(y.to_vec())),
        ];
        assert!(verifies(&cose(key), pair.sign(&random, MESSAGE).unwrap().as_ref()));

        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let x = Cbor::Bytes(pair.public_key().as_ref().to_vec());
        let key = cose(vec![(1, 1.into()), (3, (-8).into()), (-1, 6.into()), (-2, x)]);
        assert!(verifies(&key, pair.sign(MESSAGE).as_ref()));

        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        for (alg, signature) in [(-257, RS256), (-259, RS512)] {
            let (n, e) = (Cbor::Bytes(bytes(N)), Cbor::Bytes(vec![1, 0, 1]));
            let key = cose(vec![(1, 3.into()), (3, alg.into()), (-1, n), (-2, e)]);
            assert!(verifies(&key, &bytes(signature)));
        }
    }

    #[test]
    fn keys_that_are_none() {
        let x = || Cbor::Bytes(vec![1; 32]);
        let es256 = |more: Vec<(i64, Cbor)>| cose([vec![(1, 2.into()), (3, (-7).into())], more].concat());
        let bad = [
            Cbor::Null,
            cose(vec![]),
            es256(vec![(-1, 1.into()), (-2, x())]),
            es256(vec![(-1, 2.into()), (-2, x()), (-3, x())]),
            es256(vec![(-1, 1.into()), (-2, Cbor::Bytes(vec![1; 31])), (-3, x())]),
            es256(vec![(-1, 1.into()), (-2, x()), (-3, x()), (-3, x())]),
            cose(vec![(1, 3.into()), (3, (-257).into()), (-1, Cbor::Bytes(vec![1; 128])), (-2, Cbor::Bytes(vec![3]))]),
            cose(vec![
                (1, 3.into()),
                (3, (-65535).into()),
                (-1, Cbor::Bytes(vec![1; 256])),
                (-2, Cbor::Bytes(vec![3])),
            ]),
        ];
        for key in bad {
            assert!(PublicKey::from_cose(&key).is_none(), "{key:?}");
        }
        // The point is not on the curve: no signature is right.
        let key = PublicKey::from_cose(&es256(vec![(-1, 1.into()), (-2, x()), (-3, x())])).unwrap();
        assert!(!key.verify(MESSAGE, &[0x30, 6, 2, 1, 1, 2, 1, 1]));
    }
}
