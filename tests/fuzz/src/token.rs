//! Tokens: `<key set 0-7><how><rest>`. How is `e` for edits to a good token, `j` for a header and (after a line feed) a
//! payload that are signed and sealed; otherwise the rest is a token.
//!
//! RSA is left out: a thousand other inputs take the time of one of its operations.

use std::sync::LazyLock;

use countersign_core::keys::{ContentAlg, KeyAlg, KeySet, MintingKeys, SigningAlg};
use countersign_core::session::SessionClaims;
use countersign_core::token::mint::mint;
use countersign_core::token::{Envelope, Kind, MAX_TOKEN, Scratch, TokenError, open};
use serde_json::{Value, json};

use crate::forge::{self, JWS_HEADER, NESTING_HEADER, Ring, dice, jwe, jws};

pub(crate) const WORDS: &[&str] = &[
    ".",
    "..",
    "\"alg\":",
    "\"none\"",
    "\"kid\":",
    "\"typ\":",
    "\"crit\":[]",
    "\"zip\":\"DEF\"",
    "null",
    "\"exp\":",
    "1e400",
    "-1",
    "1.5",
    "18446744073709551616",
    "\"idle\":",
    "\"p\":{",
    "\\u0000",
    "\\ud800",
    "\n",
    "[[[[",
    "e30",
    "=",
];

static RINGS: LazyLock<Vec<Ring>> = LazyLock::new(|| {
    let direct = |envelope, alg| Ring::new(envelope, alg, KeyAlg::Dir, ContentAlg::A256Gcm);
    vec![
        direct(Envelope::Sign, SigningAlg::EdDsa),
        direct(Envelope::Encrypt, SigningAlg::EdDsa),
        direct(Envelope::SignThenEncrypt, SigningAlg::EdDsa),
        direct(Envelope::SignThenEncrypt, SigningAlg::Es256),
        direct(Envelope::Sign, SigningAlg::Hs256),
        direct(Envelope::Sign, SigningAlg::Es256),
        Ring::new(Envelope::Encrypt, SigningAlg::EdDsa, KeyAlg::A128Kw, ContentAlg::A128CbcHs256),
        Ring::new(Envelope::SignThenEncrypt, SigningAlg::Hs512, KeyAlg::Dir, ContentAlg::A256CbcHs512),
    ]
});

fn opened(token: &[u8], kind: Kind, set: &KeySet) -> Result<SessionClaims, TokenError> {
    let mut scratch = Scratch::default();
    let opened = open::<SessionClaims>(token, kind, set, &mut scratch);
    assert!(scratch.unsealed().len() <= MAX_TOKEN, "what a token opens to is bounded");
    opened.map(|verified| verified.into_claims())
}

pub(crate) fn run(data: &[u8]) {
    let [which, how, rest @ ..] = data else { return };
    let ring = &RINGS[usize::from(*which) % RINGS.len()];
    match how {
        b'e' => unforged(&edited(&ring.good, rest), ring),
        b'j' => forged(ring, rest),
        _ => unforged(rest, ring),
    }
}

/// Without the keys there is one token, byte for byte, and of one kind.
fn unforged(token: &[u8], ring: &Ring) {
    for kind in [Kind::Session, Kind::Journey, Kind::Heartbeat] {
        if opened(token, kind, &ring.set).is_ok() {
            assert!(kind == Kind::Session && token == ring.good.as_bytes(), "another token verifies as {kind:?}");
        }
    }
}

/// A good token after edits of four bytes each: what, where (two bytes), and with what.
pub(crate) fn edited(good: &str, script: &[u8]) -> Vec<u8> {
    let mut token = good.as_bytes().to_vec();
    for edit in script.chunks_exact(4).take(32) {
        let at = usize::from(u16::from_be_bytes([edit[1], edit[2]])) % (token.len() + 1);
        let value = edit[3];
        match edit[0] % 6 {
            0 if at < token.len() => token[at] = value,
            1 => token.insert(at, value),
            2 if at < token.len() => drop(token.remove(at)),
            3 => token.truncate(at),
            // The same part of another key set's token.
            4 => {
                let other = &RINGS[usize::from(value) % RINGS.len()].good;
                let mut parts: Vec<&[u8]> = token.split(|&byte| byte == b'.').collect();
                let index = at % parts.len();
                if let Some(part) = other.as_bytes().split(|&byte| byte == b'.').nth(index) {
                    parts[index] = part;
                }
                token = parts.join(&b'.');
            }
            _ => token.extend_from_slice(&[b'.', value]),
        }
    }
    token
}

/// By the right keys: what opens says what any other JSON reader would read, no more and nothing else.
fn forged(ring: &Ring, rest: &[u8]) {
    let at = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    let (header, payload) = (&rest[..at], rest.get(at + 1..).unwrap_or_default());
    // The first three key sets have the keys that sign and seal by hand.
    let (token, expected) = match ring.envelope {
        Envelope::Encrypt => {
            (jwe(header, payload), json!({ "alg": "dir", "enc": "A256GCM", "kid": "enc", "typ": "session+jwt" }))
        }
        Envelope::SignThenEncrypt => (
            jwe(NESTING_HEADER.as_bytes(), jws(header, payload).as_bytes()),
            json!({ "alg": "EdDSA", "kid": "sig", "typ": "session+jwt" }),
        ),
        _ => (jws(header, payload), json!({ "alg": "EdDSA", "kid": "sig", "typ": "session+jwt" })),
    };
    let ring = match ring.envelope {
        Envelope::Encrypt => &RINGS[1],
        Envelope::SignThenEncrypt => &RINGS[2],
        _ => &RINGS[0],
    };
    let Ok(claims) = opened(token.as_bytes(), Kind::Session, &ring.set) else { return };
    let header: Value = serde_json::from_slice(header).expect("a header that was taken is JSON");
    assert_eq!(header, expected, "this header was taken");
    let said: Value = serde_json::from_slice(payload).expect("claims that were taken are JSON");
    let read = serde_json::to_value(&claims).expect("claims");
    for (name, value) in read.as_object().expect("an object") {
        // Properties may be said in the plain form too, of tokens made before there was another.
        let plain = (name == "p" && said[name].is_object()).then(|| json!(claims.properties));
        assert_eq!(&said[name], plain.as_ref().unwrap_or(value), "{name} was read as something else");
    }
    comes_back(&claims);
}

/// `decode(encode(x)) = x`.
fn comes_back(claims: &SessionClaims) {
    let key = forge::signing_key(SigningAlg::EdDsa);
    let keys = MintingKeys::new(Envelope::Sign, Some(key), None).expect("minting keys");
    // Longer than a token may be once it is signed: nothing to compare.
    let Ok(token) = mint(claims, Kind::Session, &keys, &mut dice()) else { return };
    assert!(token.starts_with(&countersign_core::encoding::encode(JWS_HEADER.as_bytes())));
    assert_eq!(opened(token.as_bytes(), Kind::Session, &RINGS[0].set).as_ref(), Ok(claims));
}
