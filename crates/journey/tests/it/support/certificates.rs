//! Certificates as Android phones have them for their keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::Encode as _;
use der::oid::ObjectIdentifier;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};

fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

fn tlv(tag: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len();
    let length = match u8::try_from(length) {
        Ok(short @ 0..128) => vec![short],
        Ok(byte) => vec![0x81, byte],
        Err(_) => [&[0x82][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
    };
    [tag, &length, &content].concat()
}

pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(&[0x30], parts)
}

pub(crate) fn octets(bytes: &[u8]) -> Vec<u8> {
    tlv(&[4], &[bytes])
}

fn oid(text: &str) -> Vec<u8> {
    ObjectIdentifier::new(text).unwrap().to_der().unwrap()
}

pub(crate) fn spki(seed: u8) -> Vec<u8> {
    let point = key(seed).verifying_key().to_sec1_point(false).as_bytes().to_vec();
    let algorithm = sequence(&[&oid("1.2.840.10045.2.1"), &oid("1.2.840.10045.3.1.7")]);
    sequence(&[&algorithm, &tlv(&[3], &[&[0], &point])])
}

/// With one attribute: a serial number, or a common name.
fn name(text: &str) -> Vec<u8> {
    let kind = if text.starts_with("CN=") { "2.5.4.3" } else { "2.5.4.5" };
    let attribute = sequence(&[&oid(kind), &tlv(&[0x13], &[text.trim_start_matches("CN=").as_bytes()])]);
    sequence(&[&tlv(&[0x31], &[&attribute])])
}

#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) subject: &'static str,
    pub(crate) issuer: &'static str,
    pub(crate) seed: u8,
    pub(crate) signer: u8,
    /// `YYMMDDHHMMSSZ`.
    pub(crate) from: &'static str,
    pub(crate) until: &'static str,
    pub(crate) serial: Vec<u8>,
    pub(crate) descriptions: Vec<Vec<u8>>,
}

impl Made {
    pub(crate) fn new(subject: &'static str, issuer: &'static str, seed: u8, signer: u8) -> Self {
        let (from, until) = ("200101000000Z", "400101000000Z");
        Self { subject, issuer, seed, signer, from, until, serial: vec![0, 0xc3, seed], descriptions: Vec::new() }
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        let algorithm = sequence(&[&oid("1.2.840.10045.4.3.2")]);
        let time = |text: &str| tlv(&[0x17], &[text.as_bytes()]);
        let extensions: Vec<Vec<u8>> = self
            .descriptions
            .iter()
            .map(|description| sequence(&[&oid("1.3.6.1.4.1.11129.2.1.17"), &octets(description)]))
            .collect();
        let extensions = match extensions.is_empty() {
            true => Vec::new(),
            false => tlv(&[0xa3], &[&sequence(&[&extensions.concat()])]),
        };
        let signed = sequence(&[
            &tlv(&[0xa0], &[&[2, 1, 2]]),
            &tlv(&[2], &[&self.serial]),
            &algorithm,
            &name(self.issuer),
            &sequence(&[&time(self.from), &time(self.until)]),
            &name(self.subject),
            &spki(self.seed),
            &extensions,
        ]);
        let signature: DerSignature = key(self.signer).sign(&signed);
        sequence(&[&signed, &algorithm, &tlv(&[3], &[&[0], signature.as_bytes()])])
    }
}

/// What is in the lists is told apart by tags above 30, which take several bytes.
fn tagged(number: u32, inner: &[u8]) -> Vec<u8> {
    let [high, low] = [number >> 7, number & 0x7f].map(|part| u8::try_from(part).unwrap());
    tlv(&if number > 30 { vec![0xbf, 0x80 | high, low] } else { vec![0xa0 | low] }, &[inner])
}

pub(crate) fn description(level: u8, mint_level: u8, challenge: &[u8], origin: u8) -> Vec<u8> {
    let root = sequence(&[&octets(b"boot key"), &[1, 1, 0xff], &[10, 1, 0], &octets(b"boot hash")]);
    let hardware = sequence(&[
        &tagged(1, &tlv(&[0x31], &[&[2, 1, 2, 2, 1, 3]])),
        &tagged(503, &[5, 0]),
        &tagged(702, &[2, 1, origin]),
        &tagged(704, &root),
        &tagged(999, &[2, 1, 7]),
    ]);
    let package = sequence(&[&octets(b"com.example.app"), &[2, 1, 9]]);
    let application = sequence(&[&tlv(&[0x31], &[&package]), &tlv(&[0x31], &[&octets(b"digest")])]);
    let software = sequence(&[&tagged(709, &octets(&application))]);
    let (level, mint_level) = ([10, 1, level], [10, 1, mint_level]);
    sequence(&[
        &[2, 2, 1, 44],
        &level,
        &[2, 2, 1, 44],
        &mint_level,
        &octets(challenge),
        &octets(b""),
        &software,
        &hardware,
    ])
}

/// The keys of app and root.
pub(crate) const KEY: u8 = 21;
pub(crate) const ROOT: u8 = 24;

/// Leaf, the phone's own, the one between, root.
pub(crate) fn chain(challenge: &[u8]) -> [Made; 4] {
    let mut leaf = Made::new("CN=Android Keystore Key", "0a", KEY, 22);
    leaf.descriptions.push(description(1, 1, challenge, 0));
    [leaf, Made::new("0a", "0b", 22, 23), Made::new("0b", "0c", 23, ROOT), Made::new("0c", "0c", ROOT, ROOT)]
}

pub(crate) fn pem(kind: &str, der: &[u8]) -> String {
    let lines: Vec<String> =
        STANDARD.encode(der).as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
}
