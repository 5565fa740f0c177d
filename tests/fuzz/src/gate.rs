//! A whole request: `<path> LF <Cookie header> [LF <header named like the cookie>]`, in which `{good}`, `{other}` and
//! some more stand for tokens that a fuzzer cannot write.

use std::borrow::Cow;
use std::sync::LazyLock;

use countersign_core::denylist::fingerprint::DenylistKey;
use countersign_core::denylist::{Fingerprint, Slot};
use countersign_core::gate::{DenylistView, Facts, Gate, Policy, SessionCache, Verdict};
use countersign_core::keys::{ContentAlg, KeyAlg, KeySet, MintingKeys, SigningAlg};
use countersign_core::session::{SessionClaims, TokenId};
use countersign_core::time::UnixMillis;
use countersign_core::token::mint::mint;
use countersign_core::token::{Envelope, Kind};
use serde_json::json;

use crate::forge::{NOW, Ring, claims, content_key, dice, signing_key};

pub(crate) const WORDS: &[&str] = &[
    "{good}",
    "{other}",
    "{strong}",
    "{expired}",
    "{ahead}",
    "{realm}",
    "sess=",
    "; ",
    ", ",
    "\n",
    "/public/",
    "/admin/",
    "/am/",
    "/ADMIN",
    "..",
    "%2e",
    "%2f",
    "%25",
    ";",
    "//",
    "\\",
    "/.countersign/check",
];

struct View;

impl DenylistView for View {
    fn family_ended(&self, _: Slot, _: Fingerprint) -> bool {
        false
    }

    fn user_watermark(&self, _: Fingerprint) -> Option<u64> {
        None
    }

    fn realm_watermark(&self, _: Fingerprint) -> Option<u64> {
        None
    }

    fn key_ended(&self, _: Fingerprint) -> bool {
        false
    }

    fn applied(&self) -> u64 {
        100
    }

    fn current(&self, _: UnixMillis) -> bool {
        true
    }
}

/// The tokens by the names that inputs have for them.
static TOKENS: LazyLock<Vec<(&str, String)>> = LazyLock::new(|| {
    let minted = |claims: SessionClaims| {
        let content = content_key(KeyAlg::Dir, ContentAlg::A256Gcm);
        let keys = MintingKeys::new(Envelope::SignThenEncrypt, Some(signing_key(SigningAlg::EdDsa)), Some(content));
        mint(&claims, Kind::Session, &keys.expect("minting keys"), &mut dice()).expect("a token")
    };
    vec![
        ("{good}", minted(claims())),
        ("{other}", minted(SessionClaims { sub: "eve".into(), jti: TokenId([6; 12]), ..claims() })),
        ("{strong}", minted(SessionClaims { auth_level: 10, ..claims() })),
        ("{expired}", minted(SessionClaims { exp: NOW.seconds(), ..claims() })),
        ("{ahead}", minted(SessionClaims { rvs: 101, ..claims() })),
        ("{realm}", minted(SessionClaims { realm: "/beta".into(), ..claims() })),
    ]
});

static KEYS: LazyLock<(KeySet, Policy)> = LazyLock::new(|| {
    let routes = json!([
        { "path": "/public/*", "access": "public" },
        { "path": "/public/private/*", "access": "session" },
        { "path": "/admin/*", "access": "session", "min_auth_level": 10 },
    ]);
    let routes: Vec<_> = serde_json::from_value(routes).expect("routes");
    let ring = Ring::new(Envelope::SignThenEncrypt, SigningAlg::EdDsa, KeyAlg::Dir, ContentAlg::A256Gcm);
    (ring.set, Policy::new("/alpha".into(), "sess".into(), &routes).expect("a policy"))
});

fn gate(places: usize) -> Gate {
    let (keys, policy) = &*KEYS;
    Gate::new(policy.clone(), keys.clone(), DenylistKey::new(&[3; 32]), SessionCache::new(places))
}

fn told(verdict: &Verdict<'_>) -> String {
    match verdict {
        Verdict::Origin => "origin".into(),
        Verdict::Public => "public".into(),
        Verdict::Behind => "behind".into(),
        Verdict::Ask(_) => "ask".into(),
        Verdict::Verify(_) => "verify".into(),
        Verdict::Allow(session) => format!("allow {} {}", session.claims().sub, session.claims().auth_level),
        Verdict::Refuse(refusal) => refusal.code().into(),
    }
}

fn with_tokens(text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    for (name, token) in TOKENS.iter() {
        // A request has room for few of them.
        for _ in 0..4 {
            let Some(at) = text.windows(name.len()).position(|window| window == name.as_bytes()) else { break };
            text.splice(at..at + name.len(), token.bytes());
        }
    }
    text
}

pub(crate) fn run(data: &[u8]) {
    let mut lines = data.splitn(3, |&byte| byte == b'\n');
    let path = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let cookie = with_tokens(lines.next().unwrap_or_default());
    let header = lines.next().map(with_tokens);
    let facts = Facts { path: &path, cookie: &cookie, header: header.as_deref() };

    let mut cold = gate(0);
    let verdict = cold.decide(&facts, &View, || NOW);
    let first = told(&verdict);
    match verdict {
        Verdict::Origin => assert!(path == "/am" || path.starts_with("/am/")),
        Verdict::Public => assert!(path == "/public" || path.starts_with("/public/")),
        Verdict::Allow(session) => {
            let (claims, level) = (session.claims(), session.claims().auth_level);
            assert!(claims.realm == "/alpha" && claims.exp > NOW.seconds() && claims.rvs <= 100);
            let holder = TOKENS.iter().find(|(name, _)| match *name {
                "{good}" => claims.sub == "demo" && level == 5,
                "{other}" => claims.sub == "eve",
                "{strong}" => level == 10,
                _ => false,
            });
            let (_, token) = holder.expect("a session that nobody was given");
            let carried = [Some(&cookie), header.as_ref()].into_iter().flatten();
            let whole = |text: &Vec<u8>| text.windows(token.len()).any(|window| window == token.as_bytes());
            assert!(carried.into_iter().any(whole), "allowed without the token");
        }
        // Nobody has told it of any reference.
        Verdict::Ask(_) => assert!(cookie.windows(4).any(|window| window == b"ref-") || header.is_some()),
        Verdict::Verify(_) => panic!("no key here is the host's"),
        Verdict::Behind | Verdict::Refuse(_) => {}
    }
    // Whatever a later reader makes of the path: what asks for a level is not had without.
    if first != "origin" && readings(&path).iter().any(|reading| below(reading, "/admin")) {
        assert!(!first.starts_with("public"), "{path} is public");
        assert!(!first.starts_with("allow") || first.ends_with(" 10"), "{path} with too low a level: {first}");
    }
    if readings(&path).iter().any(|reading| below(reading, "/public/private")) {
        assert!(!first.starts_with("public"), "{path} is public");
    }

    // The cache holds no opinion: cold, filling, filled and after another's request the answer is one.
    let mut warm = gate(4);
    let good = format!("sess={}", TOKENS[0].1);
    for _ in 0..2 {
        assert_eq!(told(&warm.decide(&facts, &View, || NOW)), first);
        let other = Facts { path: "/", cookie: good.as_bytes(), header: None };
        assert_eq!(told(&warm.decide(&other, &View, || NOW)), "allow demo 5");
    }
    assert_eq!(told(&warm.decide(&facts, &View, || NOW)), first);
}

fn below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// How servers behind an edge may read a path: decoded up to twice, with parameters dropped, dot segments resolved,
/// backslashes turned, in lower case.
fn readings(path: &str) -> Vec<String> {
    let mut readings = Vec::new();
    let mut text = Cow::Borrowed(path);
    for _ in 0..3 {
        let mut segments: Vec<&str> = Vec::new();
        let turned = text.replace('\\', "/").to_ascii_lowercase();
        for segment in turned.split('/') {
            match segment.split(';').next().unwrap_or_default() {
                "" | "." => {}
                ".." => drop(segments.pop()),
                other => segments.push(other),
            }
        }
        readings.push(format!("/{}", segments.join("/")));
        text = Cow::Owned(decoded(&text));
    }
    readings
}

fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let byte = match after {
            [high, low, ..] if *first == b'%' => {
                std::str::from_utf8(&[*high, *low]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok())
            }
            _ => None,
        };
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&out).into_owned()
}
