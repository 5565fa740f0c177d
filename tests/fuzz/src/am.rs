//! Tokens of AM: `<settings 0-4><how><rest>`. How is `e` for edits to a good token, `j` for a header and (after a line
//! feed) a payload that are signed or sealed by the right key, and in AM's order inside or around what is good; `z` for
//! compressed content; otherwise the rest is what somebody presents as a cookie. RSA is left out, as in `token`.

use std::sync::LazyLock;

use countersign_core::encoding::encode;
use countersign_core::keys::SigningAlg;
use countersign_core::token::MAX_TOKEN;
use countersign_core::token::am::{Cookie, Encryption, Fault, KeyBytes, Reader};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value};
use sha2::Sha256;

use crate::forge::{CONTENT, jwe};

pub(crate) const WORDS: &[&str] = &[
    ".",
    "..",
    "*",
    "@",
    "#",
    "*AAJTSQACMDE.*",
    "\"alg\":",
    "\"HS256\"",
    "\"none\"",
    "\"dir\"",
    "\"enc\":\"A256GCM\"",
    "\"RSA1_5\"",
    "\"crit\":[]",
    "\"b64\":false",
    "\"zip\":\"DEF\"",
    "\"zip\":\"NONE\"",
    "\"cty\":\"JWT\"",
    "\"sessionId\":\"",
    "\"otk\":\"\"",
    "null",
    "\n",
    "[[[[",
    "e30",
    "=",
];

const SECRET: &[u8] = b"Xk0vbGJ6MnJ5N2FqcTlmd3BtZTh0c3U0aWQxb2Nobmc=";
const SIGNED: &[u8] = br#"{"typ":"JWT","zip":"NONE","alg":"HS256"}"#;
const SEALED: &[u8] = br#"{"typ":"JWT","enc":"A256GCM","alg":"dir","zip":"NONE"}"#;
const CLAIMS: &[u8] =
    br#"{"sub":"id=demo,ou=user,o=alpha","exp":1800007200,"sessionType":"user","props":{"UserId":"demo"}}"#;

#[derive(Clone, Copy, PartialEq)]
enum Order {
    Signed,
    Sealed,
    SealedThenSigned,
}

struct Am {
    order: Order,
    compresses: bool,
    reader: Reader,
    good: String,
}

static SETTINGS: LazyLock<Vec<Am>> = LazyLock::new(|| {
    let made = |order, compresses| {
        let (secret, aes) = ([KeyBytes::new(SECRET.to_vec())], [KeyBytes::new(CONTENT.to_vec())]);
        let signing = (order != Order::Sealed).then_some((SigningAlg::Hs256, &secret[..]));
        let encryption = (order != Order::Signed).then_some((Encryption::Direct, &aes[..]));
        let reader = Reader::new(signing, encryption, compresses).expect("settings of AM");
        let good = match order {
            Order::Signed => jws(SIGNED, CLAIMS),
            Order::Sealed => jwe(SEALED, CLAIMS),
            Order::SealedThenSigned => jws(SIGNED, jwe(SEALED, CLAIMS).as_bytes()),
        };
        assert!(reader.read(good.as_bytes()).claims.is_ok());
        Am { order, compresses, reader, good }
    };
    vec![
        made(Order::Signed, false),
        made(Order::Sealed, false),
        made(Order::SealedThenSigned, false),
        made(Order::SealedThenSigned, true),
        made(Order::Signed, true),
    ]
});

fn jws(header: &[u8], payload: &[u8]) -> String {
    let input = format!("{}.{}", encode(header), encode(payload));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).expect("a secret of any length");
    mac.update(input.as_bytes());
    format!("{input}.{}", encode(&mac.finalize().into_bytes()))
}

/// What was read, if it was; and what holds of every reading.
fn read(am: &Am, token: &[u8]) -> Result<Map<String, Value>, Fault> {
    let reading = am.reader.read(token);
    let layers = &reading.layers;
    assert!(layers.len() <= 2);
    // What is inside is only come by through what holds.
    assert!(layers.iter().rev().skip(1).all(|layer| layer.key.is_some()));
    if let Ok(claims) = &reading.claims {
        let kinds: Vec<_> = layers.iter().map(|layer| layer.kind).collect();
        let expected: &[_] = match am.order {
            Order::Signed => &["JWS"],
            Order::Sealed => &["JWE"],
            Order::SealedThenSigned => &["JWS", "JWE"],
        };
        assert_eq!(kinds, expected);
        for layer in layers {
            assert_eq!(layer.key, Some(0));
            assert_eq!(layer.header["alg"], if layer.kind == "JWS" { "HS256" } else { "dir" });
            assert!(!layer.header.contains_key("crit") && !layer.header.contains_key("b64"));
            assert!(am.compresses || layer.header.get("zip").is_none_or(|zip| zip == "NONE"));
        }
        assert!(serde_json::to_string(claims).expect("JSON").len() <= 8 * 32 * 1024, "what it inflates to is bounded");
    }
    reading.claims
}

pub(crate) fn run(data: &[u8]) {
    let [which, how, rest @ ..] = data else { return };
    let am = &SETTINGS[usize::from(which.wrapping_sub(b'0')) % SETTINGS.len()];
    match how {
        b'e' => unforged(am, &crate::token::edited(&am.good, rest)),
        b'j' => {
            let at = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
            forged(am, &rest[..at], rest.get(at + 1..).unwrap_or_default());
        }
        b'z' => drop(read(am, made(am, br#"{"alg":"HS256","zip":"DEF"}"#, SEALED_DEF, rest).as_bytes())),
        _ => presented(am, rest),
    }
}

const SEALED_DEF: &[u8] = br#"{"typ":"JWT","enc":"A256GCM","alg":"dir","zip":"DEF"}"#;

fn made(am: &Am, signed: &[u8], sealed: &[u8], content: &[u8]) -> String {
    match am.order {
        Order::Signed => jws(signed, content),
        Order::Sealed => jwe(sealed, content),
        Order::SealedThenSigned => jws(SIGNED, jwe(sealed, content).as_bytes()),
    }
}

/// Without the keys there is one token, byte for byte.
fn unforged(am: &Am, token: &[u8]) {
    for other in SETTINGS.iter() {
        if read(other, token).is_ok() {
            assert!(other.order == am.order && token == am.good.as_bytes(), "another token is read");
        }
    }
}

/// By the right keys: what is read is what any other JSON reader would read.
fn forged(am: &Am, header: &[u8], payload: &[u8]) {
    let mut tokens = vec![made(am, header, header, payload)];
    if am.order == Order::SealedThenSigned {
        tokens.push(jws(header, jwe(SEALED, payload).as_bytes()));
    }
    for token in tokens {
        let Ok(claims) = read(am, token.as_bytes()) else { continue };
        let said: Value = serde_json::from_slice(header).expect("a header that was taken is JSON");
        if said["zip"] != "DEF" {
            let written: Map<String, Value> = serde_json::from_slice(payload).expect("claims that were taken are JSON");
            assert_eq!(claims, written);
        }
    }
}

/// The shell is never taken for the token, nor anything in it for a good one.
fn presented(am: &Am, text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(cookie) = Cookie::parse(text) else { return };
    assert!(text.len() <= MAX_TOKEN);
    let Some(token) = cookie.token else { return };
    assert!(!token.is_empty() || text.is_empty());
    unforged(am, token.as_bytes());
    for shell in ["*AAJTSQACMDE.*", "@AAJTSQACMDE=#"] {
        let dressed = format!("{shell}{token}");
        // What undoing c66 makes of a token is another spelling of it, and of nothing else.
        if dressed.len() <= MAX_TOKEN && !token.is_empty() && !token.contains(['=', '/', '+', '*', '@', '#']) {
            let again = Cookie::parse(&dressed).expect("a token in a shell");
            assert_eq!(again.token.as_deref(), Some(&*token));
        }
    }
}
