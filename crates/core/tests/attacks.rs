//! Cases of the attack list that are the decision's as a whole. The clock is moved by hand, to the second.

use countersign_core::cookie::{self, Attributes, SameSite, SetCookieError};
use countersign_core::denylist::fingerprint::DenylistKey;
use countersign_core::denylist::{Fingerprint, Slot};
use countersign_core::encoding::{decode, encode};
use countersign_core::gate::{DenylistView, Facts, Gate, IAT_LEEWAY, Policy, SessionCache, Verdict};
use countersign_core::keys::{
    ContentAlg, ContentKey, KeyAlg, KeySet, KeyState, Kid, MintingKeys, SigningAlg, SigningKey,
};
use countersign_core::session::{SessionClaims, SessionId, TokenId};
use countersign_core::time::{UnixMillis, UnixSeconds};
use countersign_core::token::mint::mint;
use countersign_core::token::{Envelope, Kind, Scratch, TokenError, open};

const NOW: u64 = 1_800_000_000;
const NAME: &str = "__Host-sess";

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

fn kid(text: &str) -> Kid {
    Kid::try_from(text.to_owned()).unwrap()
}

fn signing() -> SigningKey {
    SigningKey::ed25519(kid("s"), &[1; 32])
}

fn claims() -> SessionClaims {
    SessionClaims {
        sid: SessionId([4; 16]),
        sub: "demo".into(),
        realm: "/alpha".into(),
        iat: UnixSeconds(NOW),
        exp: UnixSeconds(NOW + 3600),
        fexp: UnixSeconds(NOW + 3600),
        idle: None,
        auth_time: None,
        rvs: 50,
        auth_level: 0,
        amr: vec!["pwd".into()],
        jti: TokenId([5; 12]),
        properties: Default::default(),
    }
}

fn token(claims: &SessionClaims) -> String {
    let keys = MintingKeys::new(Envelope::Sign, Some(signing()), None).unwrap();
    mint(claims, Kind::Session, &keys, &mut |_: &mut [u8]| {}).unwrap()
}

fn gate() -> Gate {
    let keys = KeySet::new(Envelope::Sign, vec![(KeyState::Active, signing().verification_key().unwrap())], vec![]);
    let policy = Policy::new("/alpha".into(), NAME.into(), &[]).unwrap();
    Gate::new(policy, keys.unwrap(), DenylistKey::new(&[3; 32]), SessionCache::new(8))
}

fn told(gate: &mut Gate, cookie: &str, now: u64) -> &'static str {
    let facts = Facts { path: "/", cookie: cookie.as_bytes(), header: None };
    match gate.decide(&facts, &View, || UnixMillis(now * 1000)) {
        Verdict::Allow(_) => "allow",
        Verdict::Refuse(refusal) => refusal.code(),
        Verdict::Behind => "behind",
        Verdict::Origin | Verdict::Public | Verdict::Ask(_) | Verdict::Verify(_) => "no session asked",
    }
}

fn with_session(claims: &SessionClaims, now: u64) -> &'static str {
    told(&mut gate(), &format!("{NAME}={}", token(claims)), now)
}

/// The realm is the audience and the issuer in one: its keys are its own, and an edge serves one.
#[test]
fn j29_j30_a_realm_is_compared_byte_by_byte() {
    assert_eq!(with_session(&claims(), NOW), "allow");
    for realm in [
        "",
        "/",
        "/beta",
        "/alpha/",
        "/Alpha",
        "/ALPHA",
        "alpha",
        "//alpha",
        "/alpha/sub",
        "/alph",
        "/alpha\0",
        "/\u{430}lpha",
    ] {
        assert_eq!(with_session(&SessionClaims { realm: realm.into(), ..claims() }, NOW), "other_realm", "{realm:?}");
    }
}

#[test]
fn j31_times_hold_to_the_second() {
    let end = |claims: &SessionClaims, end: u64, code: &str| {
        for (now, expected) in [(end - 1, "allow"), (end, code), (end + 1, code), (end + 61, code)] {
            assert_eq!(with_session(claims, now), expected, "{code} at {now}, the end being {end}");
        }
    };
    end(&claims(), NOW + 3600, "expired");
    end(&SessionClaims { fexp: UnixSeconds(NOW + 100), ..claims() }, NOW + 100, "expired");
    end(&SessionClaims { exp: UnixSeconds(NOW + 200), ..claims() }, NOW + 200, "expired");
    end(&SessionClaims { idle: Some(60), ..claims() }, NOW + 60, "idle");
    for (ahead, expected) in [
        (0, "allow"),
        (IAT_LEEWAY - 1, "allow"),
        (IAT_LEEWAY, "allow"),
        (IAT_LEEWAY + 1, "not_yet_valid"),
        (600, "not_yet_valid"),
    ] {
        assert_eq!(
            with_session(&SessionClaims { iat: UnixSeconds(NOW + ahead), ..claims() }, NOW),
            expected,
            "{ahead} s"
        );
    }
    // Numbers at the end of their range are no way around.
    let endless = SessionClaims { exp: UnixSeconds(u64::MAX), fexp: UnixSeconds(u64::MAX), ..claims() };
    assert_eq!(with_session(&SessionClaims { iat: UnixSeconds(u64::MAX), ..endless.clone() }, NOW), "not_yet_valid");
    assert_eq!(with_session(&SessionClaims { idle: Some(u32::MAX), ..endless }, NOW), "allow");
}

/// A signature or tag that is wrong in its first, last or any other byte is wrong in one way.
#[test]
fn j35_every_wrong_byte_is_the_same_wrong() {
    let content = |enc: ContentAlg| ContentKey::new(kid("e"), KeyAlg::Dir, enc, &vec![3; enc.key_len()]).unwrap();
    let mac = |alg| SigningKey::new(kid("s"), alg, &[2; 64]).unwrap();
    for (envelope, signing, enc, expected) in [
        (Envelope::Sign, mac(SigningAlg::Hs256), ContentAlg::A256Gcm, TokenError::Signature),
        (Envelope::Sign, mac(SigningAlg::Hs384), ContentAlg::A256Gcm, TokenError::Signature),
        (Envelope::Sign, mac(SigningAlg::Hs512), ContentAlg::A256Gcm, TokenError::Signature),
        (Envelope::Sign, signing(), ContentAlg::A256Gcm, TokenError::Signature),
        (Envelope::Encrypt, signing(), ContentAlg::A256Gcm, TokenError::Decryption),
        (Envelope::Encrypt, signing(), ContentAlg::A128CbcHs256, TokenError::Decryption),
        (Envelope::Encrypt, signing(), ContentAlg::A256CbcHs512, TokenError::Decryption),
    ] {
        let verification = vec![(KeyState::Active, signing.verification_key().unwrap())];
        let set = KeySet::new(envelope, verification, vec![(KeyState::Active, content(enc))]).unwrap();
        let minting = MintingKeys::new(envelope, Some(signing), Some(content(enc))).unwrap();
        let token = mint(&claims(), Kind::Session, &minting, &mut |_: &mut [u8]| {}).unwrap();
        let (head, tail) = token.rsplit_once('.').unwrap();
        let tail = decode(tail.as_bytes()).unwrap();
        for at in 0..tail.len() {
            let mut wrong = tail.clone();
            wrong[at] ^= 1;
            let wrong = format!("{head}.{}", encode(&wrong));
            let opened = open::<SessionClaims>(wrong.as_bytes(), Kind::Session, &set, &mut Scratch::default());
            assert_eq!(opened.err(), Some(expected), "{envelope:?} {enc:?} byte {at}");
        }
    }
}

/// A full jar lost the session, and a neighbour tosses cookies that a `__Host-` name keeps out.
#[test]
fn c08_an_overflowing_jar_gives_nobody_a_session() {
    let good = token(&claims());
    let jar: Vec<String> = (0..200).map(|number| format!("c{number}=v")).collect();
    for tossed in ["sess", "__Secure-sess", "__host-sess", "Host-sess"] {
        let header = format!("{}; {tossed}={good}", jar.join("; "));
        assert_eq!(told(&mut gate(), &header, NOW), "no_session", "{tossed}");
    }
    let header = format!("{}; {NAME}={good}; {NAME}=tossed", jar.join("; "));
    assert_eq!(told(&mut gate(), &header, NOW), "ambiguous_cookie");
    let long = format!("{NAME}={good}; pad={}", "x".repeat(cookie::MAX_HEADER));
    assert_eq!(told(&mut gate(), &long, NOW), "cookie_header_too_long");
}

/// A session is one cookie. Pieces of one are none, in whatever order, number and spelling they come.
#[test]
fn c09_pieces_of_a_cookie_are_not_put_together() {
    let good = token(&claims());
    let (head, tail) = good.split_at(good.len() / 2);
    for mark in [".", "_", "-", "", "[", "--"] {
        let close = if mark == "[" { "]" } else { "" };
        let piece = |number: usize, text: &str| format!("{NAME}{mark}{number}{close}={text}");
        let hundred: Vec<String> = (0..100).map(|number| piece(number, &good[number..=number])).collect();
        for pieces in [
            vec![piece(0, head), piece(1, tail)],
            vec![piece(1, head), piece(2, tail)],
            vec![piece(1, tail), piece(0, head)],
            vec![piece(0, head)],
            vec![piece(0, &good)],
            vec![piece(0, head), piece(0, head), piece(1, tail)],
            vec![piece(0, head), piece(1, tail), piece(2, "x")],
            hundred,
        ] {
            assert_eq!(told(&mut gate(), &pieces.join("; "), NOW), "no_session", "{pieces:.40?}");
        }
        // Beside the whole they change nothing; beside a part they do not complete it.
        assert_eq!(told(&mut gate(), &format!("{NAME}={good}; {}", piece(1, "x")), NOW), "allow");
        assert_eq!(told(&mut gate(), &format!("{NAME}={head}; {}", piece(1, tail)), NOW), "token_format");
    }
}

/// So there are no pieces to forget: what does not fit is not set.
#[test]
fn c10_a_long_session_is_not_cut_into_pieces() {
    let attributes = Attributes::host_only(true, Some(SameSite::Lax));
    let rest = "=; Path=/; Secure; HttpOnly; SameSite=Lax".len();
    let most = cookie::MAX_SET_COOKIE - NAME.len() - rest;
    assert_eq!(cookie::set(NAME, &"x".repeat(most), &attributes).map(|line| line.len()), Ok(4096));
    assert_eq!(cookie::set(NAME, &"x".repeat(most + 1), &attributes), Err(SetCookieError::TooLong(4097)));
}

#[test]
fn c15_control_and_eight_bit_bytes_are_refused() {
    let good = token(&claims());
    for byte in (0..=0x20).chain([b'"', b',', b'\\', 0x7f]).chain(0x80..=0xff).filter(|byte| !b"\t ".contains(byte)) {
        let mut header = format!("{NAME}={good}").into_bytes();
        header.push(byte);
        header.push(b'x');
        let facts = Facts { path: "/", cookie: &header, header: None };
        let (mut cold, mut header_named) = (gate(), gate());
        assert!(matches!(cold.decide(&facts, &View, || UnixMillis(NOW * 1000)), Verdict::Refuse(_)), "{byte:#x}");
        let value = &header[NAME.len() + 1..];
        let facts = Facts { path: "/", cookie: b"", header: Some(value) };
        let verdict = header_named.decide(&facts, &View, || UnixMillis(NOW * 1000));
        assert!(matches!(verdict, Verdict::Refuse(_)), "{byte:#x} in the header");
    }
}
