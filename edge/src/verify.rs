//! Signatures that the host verifies: ECDSA and RSA cost its WebCrypto a fraction of what they cost this module, and
//! the module is smaller without them.

use std::cell::{Cell, RefCell};

use countersign_core::gate::{Refusal, Signature};
use countersign_core::keys::{HostKey, SigningAlg};
use countersign_core::token::{TokenError, Unproven};
use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use worker::console_warn;

use crate::{decide, ended, state};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = ["crypto", "subtle"], js_name = importKey)]
    fn import_key(
        format: &str,
        key: &Uint8Array,
        algorithm: &Object,
        extractable: bool,
        usages: &Array,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(catch, js_namespace = ["crypto", "subtle"], js_name = verify)]
    fn subtle_verify(
        algorithm: &Object,
        key: &JsValue,
        signature: &Uint8Array,
        data: &Uint8Array,
    ) -> Result<Promise, JsValue>;
}

/// Most imported keys that are remembered; a bundle has a handful.
const MAX_KEYS: usize = 64;

thread_local! {
    /// The signature that the last decision met, if the host is to verify it.
    static DUE: Cell<Option<Box<Signature>>> = const { Cell::new(None) };
    /// Keys as the host has them.
    static IMPORTED: RefCell<Vec<(HostKey, JsValue)>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn remember(signature: Box<Signature>) {
    DUE.set(Some(signature));
}

/// Has the host verify the signature of the last decision; a promise of how that ended. Not `async`: the signature is
/// taken before anything else runs, so that it is that of the caller's request.
#[wasm_bindgen]
pub fn verify() -> Promise {
    let signature = DUE.take();
    future_to_promise(async move {
        let Some(signature) = signature else { return Ok(JsValue::from(ended::FAILED)) };
        let ended = match ask(signature.unproven()).await {
            Ok(valid) => settle(*signature, valid),
            Err(error) => {
                console_warn!("countersign: the host cannot verify a signature: {error:?}");
                ended::FAILED
            }
        };
        Ok(JsValue::from(ended))
    })
}

fn settle(signature: Signature, valid: bool) -> u32 {
    match state::with(|edge| edge.gate.take_signature(signature, valid)) {
        Some(Ok(())) => ended::FRESH,
        Some(Err(TokenError::Signature)) => ended::REFUSED,
        Some(Err(_)) => ended::UNREADABLE,
        None => ended::FAILED,
    }
}

/// Refuses the request whose [`verify`] ended in `REFUSED` or `UNREADABLE`.
#[wasm_bindgen]
pub fn refuse_verified(ended: u32) -> u32 {
    let error = if ended == ended::UNREADABLE { TokenError::Claims } else { TokenError::Signature };
    decide::refuse(Refusal::Token(error))
}

async fn ask(unproven: &Unproven) -> Result<bool, JsValue> {
    let key = imported(unproven.key()).await?;
    let algorithm = match unproven.key().alg() {
        SigningAlg::Rs256 => object(&[("name", "RSASSA-PKCS1-v1_5")])?,
        ecdsa => object(&[("name", "ECDSA"), ("hash", hash(ecdsa))])?,
    };
    let signature = Uint8Array::from(unproven.signature());
    let valid = subtle_verify(&algorithm, &key, &signature, &Uint8Array::from(unproven.signing_input()))?;
    Ok(JsFuture::from(valid).await?.as_bool() == Some(true))
}

async fn imported(key: &HostKey) -> Result<JsValue, JsValue> {
    let known = |keys: &Vec<(HostKey, JsValue)>| keys.iter().find(|(known, _)| known == key).map(|(_, it)| it.clone());
    if let Some(imported) = IMPORTED.with_borrow(known) {
        return Ok(imported);
    }
    let (format, bytes, algorithm) = match key.alg() {
        SigningAlg::Rs256 => {
            ("spki", spki(key.bytes()), object(&[("name", "RSASSA-PKCS1-v1_5"), ("hash", "SHA-256")])?)
        }
        ecdsa => ("raw", key.bytes().to_vec(), object(&[("name", "ECDSA"), ("namedCurve", curve(ecdsa))])?),
    };
    let bytes = Uint8Array::from(bytes.as_slice());
    let import = import_key(format, &bytes, &algorithm, false, &Array::of1(&JsValue::from("verify")))?;
    let imported = JsFuture::from(import).await?;
    Ok(IMPORTED.with_borrow_mut(|keys| {
        // Another request may have been as fast.
        known(keys).unwrap_or_else(|| {
            if keys.len() >= MAX_KEYS {
                keys.clear();
            }
            keys.push((key.clone(), imported.clone()));
            imported
        })
    }))
}

const fn hash(ecdsa: SigningAlg) -> &'static str {
    match ecdsa {
        SigningAlg::Es384 => "SHA-384",
        SigningAlg::Es512 => "SHA-512",
        _ => "SHA-256",
    }
}

const fn curve(ecdsa: SigningAlg) -> &'static str {
    match ecdsa {
        SigningAlg::Es384 => "P-384",
        SigningAlg::Es512 => "P-521",
        _ => "P-256",
    }
}

fn object(members: &[(&str, &str)]) -> Result<Object, JsValue> {
    let object = Object::new();
    for (name, value) in members {
        Reflect::set(&object, &JsValue::from(*name), &JsValue::from(*value))?;
    }
    Ok(object)
}

/// `SubjectPublicKeyInfo` (RFC 5280 §4.1) with `rsaEncryption` (RFC 8017 §A.1) around the PKCS#1 key: the form that
/// WebCrypto imports.
fn spki(pkcs1: &[u8]) -> Vec<u8> {
    /// `SEQUENCE { OBJECT IDENTIFIER 1.2.840.113549.1.1.1, NULL }`
    const RSA_ENCRYPTION: [u8; 15] = [0x30, 13, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0];
    /// Lengths of a key are always above 255 and below 65,536 (see [`HostKey`]).
    fn tagged(tag: u8, content: &[&[u8]]) -> Vec<u8> {
        let length = content.iter().map(|part| part.len()).sum::<usize>();
        let [.., high, low] = length.to_be_bytes();
        [&[tag, 0x82, high, low][..], &content.concat()].concat()
    }
    let bits = tagged(0x03, &[&[0], pkcs1]);
    tagged(0x30, &[&RSA_ENCRYPTION, &bits])
}
