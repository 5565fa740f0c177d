//! The edge bundle, as JSON.

use std::sync::LazyLock;

use countersign_core::keys::{Bundle, ContentAlg, KeyAlg, SigningAlg, Verifiers};
use countersign_core::session::SessionClaims;
use countersign_core::token::{Envelope, Kind, Scratch, open};

use crate::forge::Ring;

pub(crate) const WORDS: &[&str] = &[
    "\"kid\":\"sig\"",
    "\"alg\":\"HS256\"",
    "\"alg\":\"EdDSA\"",
    "\"alg\":\"RS256\"",
    "\"alg\":\"dir\"",
    "\"alg\":\"RSA-OAEP-256\"",
    "\"enc\":\"A256GCM\"",
    "\"enc\":\"A128CBC-HS256\"",
    "\"state\":\"retired\"",
    "\"envelope\":\"encrypt\"",
    "[]",
    "{}",
    "null",
    "\"version\":2",
    ",",
    "\"key\":\"\"",
];

/// A token of keys that no bundle here has.
static FOREIGN: LazyLock<[Ring; 2]> = LazyLock::new(|| {
    [Envelope::Sign, Envelope::SignThenEncrypt]
        .map(|envelope| Ring::new(envelope, SigningAlg::EdDsa, KeyAlg::Dir, ContentAlg::A256Gcm))
});

/// The public key of that token, as a bundle would have it: the one text without which it must not open.
const FOREIGN_KEY: &str = "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w";

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let parsed = Bundle::parse(text, Verifiers::Own);
    let Ok(bundle) = serde_json::from_str::<Bundle>(text) else {
        assert!(parsed.is_err());
        return;
    };
    // `decode(encode(x)) = x`, for what is and what is not usable.
    let written = serde_json::to_string(&bundle).expect("a bundle");
    let again = serde_json::from_str::<Bundle>(&written).expect("a bundle that was written");
    assert_eq!(serde_json::to_string(&again).expect("a bundle"), written);
    assert_eq!(Bundle::parse(&written, Verifiers::Own).err(), parsed.as_ref().err().cloned());

    let Ok(keys) = parsed else { return };
    assert_eq!(bundle.version, 1);
    assert!(!bundle.feed.is_empty());
    assert!(!bundle.envelope.signs() || !bundle.session_signing.is_empty());
    assert!(!bundle.envelope.encrypts() || !bundle.session_content.is_empty());
    let kids: Vec<_> = bundle.session_signing.iter().map(|key| &key.kid).collect();
    assert!(kids.iter().enumerate().all(|(at, kid)| !kids[..at].contains(kid)), "one key for one identifier");
    let symmetric: Vec<_> = bundle.session_signing.iter().map(|key| key.alg.is_symmetric()).collect();
    assert!(symmetric.windows(2).all(|pair| pair[0] == pair[1]), "secrets beside public keys");
    if !written.contains(FOREIGN_KEY) && bundle.envelope.signs() {
        for ring in FOREIGN.iter() {
            for set in [&keys.session, &keys.feed] {
                let token = ring.good.as_bytes();
                assert!(open::<SessionClaims>(token, Kind::Session, set, &mut Scratch::default()).is_err());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::signing_key;

    #[test]
    fn the_foreign_key_is_the_one_that_is_looked_for() {
        let public = signing_key(SigningAlg::EdDsa).public().unwrap();
        assert_eq!(countersign_core::encoding::encode(&public), FOREIGN_KEY);
    }
}
