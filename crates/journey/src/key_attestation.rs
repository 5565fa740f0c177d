//! Android key attestation: what the secure hardware of a phone says of a key that it has made.
//!
//! The chain of certificates is not one of RFC 5280 in every point: the first is made by the phone, whose clock may be
//! wrong, and those that phones had from the factory before keys were provisioned remotely are good for longer than
//! they say. Both is as Android's documentation wants it ("Verify hardware-backed key pairs with key attestation").

mod description;
mod status;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use der::asn1::{BitStringRef, UintRef};
use der::oid::ObjectIdentifier;
use der::{Decode as _, DecodePem as _, Encode as _, Reader as _, SliceReader};
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;
use x509_cert::certificate::TbsCertificate;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

pub(crate) use status::revoked;

/// The keys of Google's roots, which stay when their certificates are issued anew: the one of all phones at first, and
/// the one of those whose keys are provisioned remotely since February 2026.
const GOOGLE: &str = include_str!("key_attestation/google_attestation_roots.pem");

/// Where it says what the hardware says.
const DESCRIPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.1.17");
const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.5");
const TITLE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.12");

const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

const MAX_CHAIN: usize = 8;
const MAX_CERTIFICATE: usize = 8 * 1024;
const MAX_ROOTS: usize = 32;

/// Whom to believe about keys; of the realm.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyAttestation {
    /// Public keys (SubjectPublicKeyInfo, DER).
    roots: Vec<Vec<u8>>,
    /// Where it says which certificates are revoked; empty: nobody asks.
    pub status_url: String,
}

impl Default for KeyAttestation {
    /// Google's roots.
    fn default() -> Self {
        Self { roots: keys_of(GOOGLE).unwrap_or_default(), status_url: String::new() }
    }
}

impl KeyAttestation {
    /// The keys in a PEM text, of certificates or by themselves, instead of Google's.
    pub fn with_roots(pem: &str) -> Result<Self, String> {
        Ok(Self { roots: keys_of(pem)?, status_url: String::new() })
    }
}

fn keys_of(pem: &str) -> Result<Vec<Vec<u8>>, String> {
    const BEGIN: &str = "-----BEGIN ";
    let mut keys = Vec::new();
    let mut rest = pem;
    while let Some(at) = rest.find(BEGIN) {
        rest = rest.get(at..).unwrap_or_default();
        let next = rest.get(BEGIN.len()..).and_then(|after| after.find(BEGIN)).map(|after| after + BEGIN.len());
        let (one, more) = rest.split_at_checked(next.unwrap_or(rest.len())).unwrap_or((rest, ""));
        let one = one.trim();
        let key = match one.starts_with("-----BEGIN CERTIFICATE-----") {
            true => x509_cert::Certificate::from_pem(one)
                .and_then(|it| it.tbs_certificate().subject_public_key_info().to_der()),
            false => SubjectPublicKeyInfoOwned::from_pem(one).and_then(|key| key.to_der()),
        };
        keys.push(
            key.map_err(|error| format!("entry {} is no certificate and no public key: {error}", keys.len() + 1))?,
        );
        rest = more;
    }
    match keys.len() {
        0 => Err("there is neither a certificate nor a public key in it (PEM)".to_owned()),
        1..=MAX_ROOTS => Ok(keys),
        _ => Err(format!("there are more than {MAX_ROOTS} in it")),
    }
}

/// What was attested.
pub(crate) struct Attested {
    /// For the journey's state, under the names of Android's schema.
    pub(crate) description: Value,
    /// Of the certificates, in hexadecimal digits as in the list of revoked ones.
    pub(crate) serials: Vec<String>,
}

/// Checks the chain that a JWK brings along (`x5c`, RFC 7517): that it leads to one of the roots, and that hardware
/// says to have made this key after it had heard of the challenge. The error is for the log.
pub(crate) fn verify(
    jwk: &Map<String, Value>,
    challenge: &[u8],
    trusted: &KeyAttestation,
    now_seconds: u64,
) -> Result<Attested, String> {
    let listed = jwk.get("x5c").and_then(Value::as_array).ok_or("there is no certificate")?;
    if listed.len() < 2 || listed.len() > MAX_CHAIN {
        return Err(format!("there must be from 2 to {MAX_CHAIN} certificates"));
    }
    let mut chain = Vec::with_capacity(listed.len());
    for entry in listed {
        let text = entry.as_str().filter(|text| text.len() <= MAX_CERTIFICATE).ok_or("a certificate is too long")?;
        let bytes = STANDARD.decode(text).map_err(|_| "a certificate is not base64")?;
        chain.push(Certificate::read(&bytes).map_err(|error| format!("a certificate cannot be read: {error}"))?);
    }
    let [leaf, issuers @ ..] = chain.as_slice() else { return Err("there is no certificate".to_owned()) };
    let [between @ .., root] = issuers else { return Err("there is no root".to_owned()) };
    if !trusted.roots.contains(&root.key) {
        return Err("the chain leads to none of the roots".to_owned());
    }
    for (of, by) in chain.iter().zip(issuers) {
        of.is_signed_by(by)?;
    }
    for certificate in between {
        certificate.is_valid_at(now_seconds)?;
    }
    // One that stands further up would be of a key that then signed whatever its app wanted.
    if issuers.iter().any(|certificate| certificate.descriptions().next().is_some()) {
        return Err("the attested key has signed a certificate".to_owned());
    }
    let mut said = leaf.descriptions();
    let (Some(said), None) = (said.next(), said.next()) else {
        return Err("the first certificate has no key description, or several".to_owned());
    };
    if !is_key(&leaf.key, jwk) {
        return Err("the attestation is for another key".to_owned());
    }
    let description = description::read(said)?;
    if !bool::from(description.challenge.as_slice().ct_eq(challenge)) {
        return Err("the attestation is for another challenge".to_owned());
    }
    description.is_of_hardware()?;
    Ok(Attested { description: description.shown, serials: chain.iter().map(Certificate::serial).collect() })
}

struct Certificate {
    /// What is signed, as it came.
    signed: Vec<u8>,
    algorithm: AlgorithmIdentifierOwned,
    signature: Vec<u8>,
    tbs: TbsCertificate,
    /// SubjectPublicKeyInfo, DER.
    key: Vec<u8>,
}

impl Certificate {
    fn read(bytes: &[u8]) -> der::Result<Self> {
        let mut outer = SliceReader::new(bytes)?;
        let certificate = outer.sequence(|reader| {
            let signed = reader.tlv_bytes()?.to_vec();
            let algorithm = AlgorithmIdentifierOwned::decode(reader)?;
            let signature = BitStringRef::decode(reader)?;
            let signature = signature.as_bytes().ok_or(der::Tag::BitString.value_error())?.to_vec();
            let tbs = TbsCertificate::from_der(&signed)?;
            let key = tbs.subject_public_key_info().to_der()?;
            Ok::<_, der::Error>(Self { signed, algorithm, signature, tbs, key })
        })?;
        outer.finish()?;
        Ok(certificate)
    }

    fn is_signed_by(&self, issuer: &Self) -> Result<(), String> {
        if self.tbs.issuer() != issuer.tbs.subject() || self.tbs.signature() != &self.algorithm {
            return Err("a certificate does not name the next one as its issuer".to_owned());
        }
        let info = issuer.tbs.subject_public_key_info();
        let scheme = scheme(&self.algorithm, &info.algorithm).ok_or("a certificate is signed in an unknown way")?;
        let key = info.subject_public_key.as_bytes().ok_or("a certificate has no key")?;
        let signature = UnparsedPublicKey::new(scheme, key).verify(&self.signed, &self.signature);
        signature.map_err(|_| "a certificate is not signed by the next one".to_owned())
    }

    /// Those from the factory, whose subjects are nothing but numbers, end only when they are revoked.
    fn is_valid_at(&self, now_seconds: u64) -> Result<(), String> {
        let validity = self.tbs.validity();
        let subject = self.tbs.subject();
        let from_factory =
            !subject.is_empty() && subject.iter().all(|attribute| [SERIAL_NUMBER, TITLE].contains(&attribute.oid));
        if now_seconds < validity.not_before.to_unix_duration().as_secs() {
            return Err("a certificate is not valid yet".to_owned());
        }
        if now_seconds > validity.not_after.to_unix_duration().as_secs() && !from_factory {
            return Err("a certificate has expired".to_owned());
        }
        Ok(())
    }

    fn descriptions(&self) -> impl Iterator<Item = &[u8]> {
        let extensions = self.tbs.extensions().into_iter().flatten();
        extensions.filter(|extension| extension.extn_id == DESCRIPTION).map(|extension| extension.extn_value.as_bytes())
    }

    fn serial(&self) -> String {
        let digits: String = self.tbs.serial_number().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        digits.trim_start_matches('0').to_owned()
    }
}

fn scheme(
    algorithm: &AlgorithmIdentifierOwned,
    key: &AlgorithmIdentifierOwned,
) -> Option<&'static dyn VerificationAlgorithm> {
    let curve = key.parameters.as_ref().and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
    Some(match (algorithm.oid.to_string().as_str(), key.oid, curve) {
        ("1.2.840.10045.4.3.2", EC, Some(P256)) => &signature::ECDSA_P256_SHA256_ASN1,
        ("1.2.840.10045.4.3.3", EC, Some(P256)) => &signature::ECDSA_P256_SHA384_ASN1,
        ("1.2.840.10045.4.3.2", EC, Some(P384)) => &signature::ECDSA_P384_SHA256_ASN1,
        ("1.2.840.10045.4.3.3", EC, Some(P384)) => &signature::ECDSA_P384_SHA384_ASN1,
        ("1.2.840.113549.1.1.11", RSA, _) => &signature::RSA_PKCS1_2048_8192_SHA256,
        ("1.2.840.113549.1.1.12", RSA, _) => &signature::RSA_PKCS1_2048_8192_SHA384,
        ("1.2.840.113549.1.1.13", RSA, _) => &signature::RSA_PKCS1_2048_8192_SHA512,
        _ => return None,
    })
}

/// Whether the certificate's key is the one of the JWK.
fn is_key(info: &[u8], jwk: &Map<String, Value>) -> bool {
    let number = |name: &str| {
        let text = jwk.get(name).and_then(Value::as_str).unwrap_or_default();
        URL_SAFE_NO_PAD.decode(text).unwrap_or_default()
    };
    let kind = |name: &str| jwk.get(name).and_then(Value::as_str);
    let Ok(info) = SubjectPublicKeyInfoOwned::from_der(info) else { return false };
    let Some(bits) = info.subject_public_key.as_bytes() else { return false };
    let curve = info.algorithm.parameters.as_ref().and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
    match (kind("kty"), info.algorithm.oid, curve, kind("crv")) {
        (Some("RSA"), RSA, ..) => rsa_key(bits).is_ok_and(|(n, e)| {
            let trimmed = |bytes: Vec<u8>| bytes.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
            n == trimmed(number("n")) && e == trimmed(number("e"))
        }),
        (Some("EC"), EC, Some(P256), Some("P-256")) | (Some("EC"), EC, Some(P384), Some("P-384")) => {
            bits == [vec![4], number("x"), number("y")].concat()
        }
        _ => false,
    }
}

/// Modulus and exponent (RFC 8017, A.1.1).
fn rsa_key(bits: &[u8]) -> der::Result<(Vec<u8>, Vec<u8>)> {
    let mut reader = SliceReader::new(bits)?;
    let key = reader.sequence(|reader| {
        let (n, e) = (UintRef::decode(reader)?, UintRef::decode(reader)?);
        Ok::<_, der::Error>((n.as_bytes().to_vec(), e.as_bytes().to_vec()))
    })?;
    reader.finish()?;
    Ok(key)
}
