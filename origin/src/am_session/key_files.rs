//! AM's key pairs, as tools write them out of its keystore.

use countersign_core::keys::SigningAlg;
use countersign_core::token::am::KeyBytes;
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::spki::SubjectPublicKeyInfoOwned;
use zeroize::Zeroizing;

use crate::key_files::{EC, P256, P384, P521, RSA, base64};

/// What is published of a key pair that signs, from its public key or its certificate. Whether that is still good, or
/// who signed it, is nothing to go by: AM asks for neither.
pub(super) fn public(content: &[u8], alg: SigningAlg) -> Result<KeyBytes, String> {
    const BAD: &str = "neither a public key nor a certificate (PEM)";
    let (label, der) = block(content).ok_or(BAD)?;
    let key = match label {
        "PUBLIC KEY" => SubjectPublicKeyInfoOwned::from_der(&der),
        "CERTIFICATE" => x509_cert::Certificate::from_der(&der)
            .map(|certificate| certificate.tbs_certificate().subject_public_key_info().clone()),
        label if label.ends_with("PRIVATE KEY") => {
            return Err("a private key is not asked for: `openssl pkey -pubout` makes a public one of it".to_owned());
        }
        _ => return Err(BAD.to_owned()),
    };
    let key = key.map_err(|_| BAD)?;
    let curve = key.algorithm.parameters.as_ref().and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
    let fits = match alg {
        SigningAlg::Rs256 => key.algorithm.oid == RSA,
        SigningAlg::Es256 => key.algorithm.oid == EC && curve == Some(P256),
        SigningAlg::Es384 => key.algorithm.oid == EC && curve == Some(P384),
        SigningAlg::Es512 => key.algorithm.oid == EC && curve == Some(P521),
        _ => false,
    };
    // PKCS#1 of RSA, and the point of a curve: as core takes them.
    let bits = Zeroizing::new(key.subject_public_key.raw_bytes().to_vec());
    if fits { Ok(bits) } else { Err(format!("the key is not for {}", alg.name())) }
}

/// PKCS#8, as DER. Whether it is RSA's, core knows.
pub(super) fn private(content: &[u8]) -> Result<KeyBytes, String> {
    let (label, der) = block(content).ok_or("not a private key (PKCS#8, PEM)")?;
    if label == "PRIVATE KEY" {
        Ok(der)
    } else {
        let hint = "`openssl pkcs8 -topk8 -nocrypt` makes one of a private key in another form";
        Err(format!("not an unencrypted key in PKCS#8 (BEGIN PRIVATE KEY); {hint}"))
    }
}

/// The first one in a PEM. Tools write what they think of a key before it, and certificates of others behind.
fn block(content: &[u8]) -> Option<(&str, KeyBytes)> {
    let (_, rest) = std::str::from_utf8(content).ok()?.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    let body: Zeroizing<String> = Zeroizing::new(body.split_ascii_whitespace().collect());
    Some((label, base64(&body)?))
}
