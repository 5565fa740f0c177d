//! The same tokens opened with `ring` and `aws-lc-rs`: what native code could cost. Formats, checks and claims are as
//! in core; the cryptography is theirs.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::keys::SigningAlg;
use countersign_core::session::SessionClaims;

use crate::tokens;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    alg: &'a str,
    #[serde(default)]
    enc: Option<&'a str>,
    kid: &'a str,
    typ: &'a str,
    #[serde(default)]
    cty: Option<&'a str>,
}

impl Header<'_> {
    fn is(&self, alg: &str, enc: Option<&str>, kid: &str, cty: Option<&str>) -> bool {
        self.alg == alg && self.enc == enc && self.kid == kid && self.cty == cty && self.typ == "session+jwt"
    }
}

/// Buffers that are used again, as core's are.
#[derive(Default)]
pub(crate) struct Buffers {
    header: Vec<u8>,
    outer: Vec<u8>,
    inner: Vec<u8>,
}

fn parts<const N: usize>(token: &[u8]) -> Result<[&[u8]; N]> {
    let parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
    parts.try_into().ok().context("a token of another form")
}

fn decode(text: &[u8], out: &mut Vec<u8>) -> Result<()> {
    out.clear();
    Ok(URL_SAFE_NO_PAD.decode_vec(text, out)?)
}

macro_rules! peer {
    ($module:ident, $library:ident) => {
        pub(crate) mod $module {
            use $library::{aead, hmac, signature};

            use super::*;

            #[allow(clippy::large_enum_variant, reason = "there is one at a time")]
            enum Verifier {
                Hmac(hmac::Key),
                Public(signature::UnparsedPublicKey<Vec<u8>>),
            }

            pub(crate) struct Peer {
                alg: SigningAlg,
                content: aead::LessSafeKey,
                verifier: Verifier,
            }

            impl Peer {
                pub(crate) fn new(alg: SigningAlg) -> Result<Self> {
                    let content =
                        aead::UnboundKey::new(&aead::AES_256_GCM, tokens::Format::from(alg).content_secret()?).ok();
                    let key = tokens::Format::from(alg).verifying_key_bytes()?;
                    let verifier = match alg {
                        SigningAlg::Hs256 => Verifier::Hmac(hmac::Key::new(hmac::HMAC_SHA256, &key)),
                        SigningAlg::Es256 => Verifier::Public(signature::UnparsedPublicKey::new(
                            &signature::ECDSA_P256_SHA256_FIXED,
                            key,
                        )),
                        _ => Verifier::Public(signature::UnparsedPublicKey::new(&signature::ED25519, key)),
                    };
                    Ok(Self { alg, content: aead::LessSafeKey::new(content.context("no content key")?), verifier })
                }

                pub(crate) fn open(&self, token: &[u8], buffers: &mut Buffers) -> Result<SessionClaims> {
                    let Buffers { header, outer, inner } = buffers;
                    let [protected, encrypted_key, iv, ciphertext, tag] = parts(token)?;
                    decode(protected, header)?;
                    let fields: Header<'_> = serde_json::from_slice(header)?;
                    let fine = fields.is("dir", Some("A256GCM"), tokens::CONTENT_KID, Some("JWT"));
                    ensure!(fine && encrypted_key.is_empty(), "another header");
                    decode(iv, inner)?;
                    let nonce = aead::Nonce::try_assume_unique_for_key(inner).ok().context("another nonce")?;
                    decode(ciphertext, outer)?;
                    decode(tag, inner)?;
                    outer.extend_from_slice(inner);
                    let opened = self.content.open_in_place(nonce, aead::Aad::from(protected), outer);
                    let jws: &[u8] = opened.ok().context("does not open")?;
                    let [protected, payload, signature] = parts(jws)?;
                    decode(protected, header)?;
                    let fields: Header<'_> = serde_json::from_slice(header)?;
                    ensure!(fields.is(self.alg.name(), None, tokens::SIGNING_KID, None), "another header");
                    decode(signature, inner)?;
                    let text = &jws[..protected.len() + 1 + payload.len()];
                    let verified = match &self.verifier {
                        Verifier::Hmac(key) => hmac::verify(key, text, inner).is_ok(),
                        Verifier::Public(key) => key.verify(text, inner).is_ok(),
                    };
                    ensure!(verified, "does not verify");
                    decode(payload, inner)?;
                    Ok(serde_json::from_slice(inner)?)
                }
            }
        }
    };
}

peer!(with_ring, ring);
peer!(with_aws_lc, aws_lc_rs);
