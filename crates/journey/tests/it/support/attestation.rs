//! The hardware of a phone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_journey::host::KeyAttestation;
use serde_json::{Value, json};

use super::certificates::{ROOT, chain, pem, spki};

pub(crate) use super::certificates::KEY;

/// The only root that there is.
pub(crate) fn trusted() -> KeyAttestation {
    KeyAttestation::with_roots(&pem("PUBLIC KEY", &spki(ROOT))).unwrap()
}

/// What it says of the key [`KEY`], as `x5c`.
pub(crate) fn attested(challenge: &str) -> Value {
    let chain = chain(&STANDARD.decode(challenge).unwrap());
    json!(chain.each_ref().map(|certificate| STANDARD.encode(certificate.der())))
}
