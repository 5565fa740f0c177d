//! The decision, case by case. Above 600 lines because the cases share one view of the denylist and one maker of tokens.

use std::cell::Cell;

use super::*;
use crate::denylist::{Denylist, Entry, Kind as EntryKind};
use crate::keys::{ContentKey, KeyState, Kid, MintingKeys, SigningAlg, SigningKey, VerificationKey};
use crate::session::{SessionId, TokenId};
use crate::token::mint::mint;
use crate::token::{Envelope, Kind};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

/// A view that a test sets by hand.
struct View {
    list: Denylist,
    applied: u64,
    current_until: UnixMillis,
    /// How often a family was looked up.
    probes: Cell<u64>,
}

impl DenylistView for View {
    fn family_ended(&self, slot: Slot, family: Fingerprint) -> bool {
        self.probes.set(self.probes.get() + 1);
        self.list.family_ended(slot, family)
    }

    fn user_watermark(&self, user: Fingerprint) -> Option<u64> {
        self.list.user_watermark(user)
    }

    fn realm_watermark(&self, realm: Fingerprint) -> Option<u64> {
        self.list.realm_watermark(realm)
    }

    fn key_ended(&self, key: Fingerprint) -> bool {
        self.list.key_ended(key)
    }

    fn applied(&self) -> u64 {
        self.applied
    }

    fn current(&self, now: UnixMillis) -> bool {
        now < self.current_until
    }
}

fn view() -> View {
    View { list: Denylist::default(), applied: 100, current_until: NOW.plus(10_000), probes: Cell::new(0) }
}

fn kid(text: &str) -> Kid {
    Kid::try_from(text.to_owned()).unwrap()
}

fn minting() -> MintingKeys {
    MintingKeys::new(
        Envelope::SignThenEncrypt,
        Some(SigningKey::ed25519(kid("s"), &[1; 32])),
        Some(ContentKey::a256gcm(kid("e"), &[2; 32]).unwrap()),
    )
    .unwrap()
}

fn denylist_key() -> DenylistKey {
    DenylistKey::new(&[3; 32])
}

fn gate(places: usize) -> Gate {
    let routes = serde_json::from_value::<Vec<RouteSettings>>(serde_json::json!([
        {"path": "/public/*", "access": "public"},
        {"path": "/admin/*", "access": "session", "min_auth_level": 10},
    ]));
    let keys = KeySet::new(
        Envelope::SignThenEncrypt,
        vec![(KeyState::Active, SigningKey::ed25519(kid("s"), &[1; 32]).verification_key().unwrap())],
        vec![(KeyState::Active, ContentKey::a256gcm(kid("e"), &[2; 32]).unwrap())],
    );
    let policy = Policy::new("/alpha".into(), "sess".into(), &routes.unwrap()).unwrap();
    Gate::new(policy, keys.unwrap(), denylist_key(), SessionCache::new(places))
}

fn claims() -> SessionClaims {
    SessionClaims {
        sid: SessionId([4; 16]),
        sub: "demo".into(),
        realm: "/alpha".into(),
        iat: NOW.seconds(),
        exp: NOW.seconds().plus(3600),
        fexp: NOW.seconds().plus(3600),
        idle: None,
        auth_time: None,
        rvs: 50,
        auth_level: 5,
        amr: vec!["pwd".into()],
        jti: TokenId([5; 12]),
        properties: [("mail".to_owned(), "demo@example.com".to_owned())].into_iter().collect(),
    }
}

fn cookie(claims: &SessionClaims) -> String {
    let mut count = 0u8;
    let token = mint(claims, Kind::Session, &minting(), &mut |out: &mut [u8]| {
        count += 1;
        out.fill(count);
    });
    format!("sess={}", token.unwrap())
}

fn outcome(gate: &mut Gate, path: &str, cookie: &str, view: &View, now: UnixMillis) -> String {
    told(gate.decide(&Facts { path, cookie: cookie.as_bytes(), header: None }, view, || now))
}

fn told(verdict: Verdict<'_>) -> String {
    match verdict {
        Verdict::Origin => "origin".into(),
        Verdict::Public => "public".into(),
        Verdict::Allow(session) => format!("allow {}", session.claims().sub),
        Verdict::Behind => "behind".into(),
        Verdict::Ask(_) => "ask".into(),
        Verdict::Verify(_) => "verify".into(),
        Verdict::Refuse(refusal) => refusal.code().into(),
    }
}

#[test]
fn a_good_session_passes_cold_and_cached() {
    for places in [0, 1, 64] {
        let mut gate = gate(places);
        for _ in 0..3 {
            assert_eq!(outcome(&mut gate, "/", &cookie(&claims()), &view(), NOW), "allow demo");
        }
        assert_eq!(gate.cache().hits(), 2, "{places} places");
    }
}

/// A gate whose host verifies, the keys that make its tokens, and the key that the host has.
fn gate_by_host(places: usize) -> (Gate, MintingKeys, VerificationKey) {
    let signing = || SigningKey::new(kid("h"), SigningAlg::Es256, &[5; 32]).unwrap();
    let content = ContentKey::a256gcm(kid("e"), &[2; 32]).unwrap();
    let by_host = VerificationKey::by_host(kid("h"), SigningAlg::Es256, &signing().public_bytes().unwrap()).unwrap();
    let keys = vec![(KeyState::Active, by_host)];
    let keys = KeySet::new(Envelope::SignThenEncrypt, keys, vec![(KeyState::Active, content.clone())]).unwrap();
    let policy = Policy::new("/alpha".into(), "sess".into(), &[]).unwrap();
    let minting = MintingKeys::new(Envelope::SignThenEncrypt, Some(signing()), Some(content)).unwrap();
    let verifying = signing().verification_key().unwrap();
    (Gate::new(policy, keys, denylist_key(), SessionCache::new(places)), minting, verifying)
}

/// Asks as a worker does, and answers as its host does.
fn ask_host(gate: &mut Gate, cookie: &str, verifying: &VerificationKey) -> Signature {
    let facts = Facts { path: "/", cookie: cookie.as_bytes(), header: None };
    let Verdict::Verify(signature) = gate.decide(&facts, &view(), || NOW) else { panic!("the host is not asked") };
    let unproven = signature.unproven();
    let text = crate::encoding::encode(unproven.signature());
    assert_eq!(verifying.verify(unproven.signing_input(), text.as_bytes()), Ok(()));
    *signature
}

#[test]
fn a_signature_of_the_hosts_is_asked_about_once_and_judged_like_any() {
    for places in [0, 1, 64] {
        let (mut gate, minting, verifying) = gate_by_host(places);
        let token = mint(&claims(), Kind::Session, &minting, &mut |out: &mut [u8]| out.fill(7)).unwrap();
        let cookie = format!("sess={token}");
        // Asked, the host has not answered yet: nothing is let through, however often one asks.
        for _ in 0..3 {
            assert_eq!(outcome(&mut gate, "/", &cookie, &view(), NOW), "verify");
        }
        let signature = ask_host(&mut gate, &cookie, &verifying);
        assert_eq!(gate.take_signature(signature, true), Ok(()));
        assert_eq!(outcome(&mut gate, "/", &cookie, &view(), NOW), "allow demo", "{places} places");
        // The answer is remembered, and it was one miss: also when the header is looked at after the cookie.
        assert_eq!(outcome(&mut gate, "/", &cookie, &view(), NOW), "allow demo");
        let both = Facts { path: "/", cookie: cookie.as_bytes(), header: Some(token.as_bytes()) };
        assert_eq!(told(gate.decide(&both, &view(), || NOW)), "allow demo");
        assert_eq!(gate.cache().hits(), 2);
        // It says nothing of times, the denylist or the lease.
        let signature = || ask_host(&mut gate_by_host(0).0, &cookie, &verifying);
        let end = claims().exp;
        for (view, now, told) in [
            (view(), UnixMillis(end.0 * 1000), "expired"),
            (View { current_until: NOW, ..view() }, NOW, "behind"),
            (View { applied: 1, ..view() }, NOW, "behind"),
        ] {
            gate.take_signature(signature(), true).unwrap();
            assert_eq!(outcome(&mut gate, "/", &cookie, &view, now), told);
        }
    }
}

#[test]
fn a_signature_that_the_host_finds_wrong_or_knew_under_keys_of_before_lets_nothing_through() {
    let (mut gate, minting, verifying) = gate_by_host(8);
    let token = mint(&claims(), Kind::Session, &minting, &mut |out: &mut [u8]| out.fill(7)).unwrap();
    let cookie = format!("sess={token}");
    let signature = ask_host(&mut gate, &cookie, &verifying);
    assert_eq!(gate.take_signature(signature.clone(), false), Err(TokenError::Signature));
    assert_eq!(outcome(&mut gate, "/", &cookie, &view(), NOW), "verify");
    // The key is revoked while the host is at work.
    gate.replace_keys(KeySet::new(Envelope::SignThenEncrypt, Vec::new(), Vec::new()).unwrap());
    for valid in [false, true] {
        assert_eq!(gate.take_signature(signature.clone(), valid), Ok(()), "it says nothing of the keys of now");
    }
    assert_eq!(outcome(&mut gate, "/", &cookie, &view(), NOW), "behind");
    assert_eq!(outcome(&mut gate, "/", &cookie, &view(), NOW), "unknown_key");
}

/// The signature is good: whoever refuses counts it as what it is.
#[test]
fn what_the_host_finds_signed_and_is_no_session_lets_nothing_through() {
    let (mut gate, minting, verifying) = gate_by_host(8);
    let claims = serde_json::json!({"sub": "demo", "exp": claims().exp.0});
    let token = mint(&claims, Kind::Session, &minting, &mut |out: &mut [u8]| out.fill(7)).unwrap();
    let cookie = format!("sess={token}");
    let signature = ask_host(&mut gate, &cookie, &verifying);
    assert_eq!(gate.take_signature(signature, true), Err(TokenError::Claims));
    assert_eq!(outcome(&mut gate, "/", &cookie, &view(), NOW), "verify");
}

/// What is looked at may end up in a log.
#[test]
fn a_verdict_does_not_show_the_token() {
    let (mut gate, minting, _) = gate_by_host(1);
    let token = mint(&claims(), Kind::Session, &minting, &mut |out: &mut [u8]| out.fill(7)).unwrap();
    let cookie = format!("sess={token}");
    let facts = Facts { path: "/", cookie: cookie.as_bytes(), header: None };
    assert_eq!(format!("{:?}", gate.decide(&facts, &view(), || NOW)), "Verify(Signature)");
}

#[test]
fn an_unknown_key_is_asked_for_once_a_second_and_then_refused() {
    let mut gate = gate(8);
    let keys = MintingKeys::new(
        Envelope::SignThenEncrypt,
        Some(SigningKey::ed25519(kid("next"), &[9; 32])),
        Some(ContentKey::a256gcm(kid("e"), &[2; 32]).unwrap()),
    );
    let token = mint(&claims(), Kind::Session, &keys.unwrap(), &mut |out: &mut [u8]| out.fill(1)).unwrap();
    let (old, new) = (cookie(&claims()), format!("sess={token}"));
    assert_eq!(outcome(&mut gate, "/", &old, &view(), NOW), "allow demo");
    assert_eq!(outcome(&mut gate, "/", &new, &view(), NOW), "behind");
    assert_eq!(outcome(&mut gate, "/", &new, &view(), NOW.plus(999)), "unknown_key");
    assert_eq!(outcome(&mut gate, "/", &new, &view(), NOW.plus(1000)), "behind");
    let stale = View { current_until: NOW, ..view() };
    assert_eq!(
        outcome(&mut gate, "/", &new, &stale, NOW.plus(1001)),
        "behind",
        "an edge that is not current cannot know"
    );

    // The refresh brought the key and took the old one; what the cache held of that is gone too.
    let verification = SigningKey::ed25519(kid("next"), &[9; 32]).verification_key().unwrap();
    let content = ContentKey::a256gcm(kid("e"), &[2; 32]).unwrap();
    let (signing, content) = (vec![(KeyState::Active, verification)], vec![(KeyState::Active, content)]);
    gate.replace_keys(KeySet::new(Envelope::SignThenEncrypt, signing, content).unwrap());
    assert_eq!(outcome(&mut gate, "/", &new, &view(), NOW.plus(1001)), "allow demo");
    assert_eq!(outcome(&mut gate, "/", &old, &view(), NOW.plus(1001)), "unknown_key");
}

/// The realm changed from one layer to two, and this edge has not heard of it: the layers say no more than the key.
#[test]
fn an_unknown_key_is_as_unknown_in_layers_that_are_not_known_either() {
    let mut gate = gate(8);
    let drawn = &mut |out: &mut [u8]| out.fill(1);
    for (envelope, signing, content) in [(Envelope::Encrypt, None, Some("next")), (Envelope::Sign, Some("next"), None)]
    {
        let signing = signing.map(|name| SigningKey::ed25519(kid(name), &[9; 32]));
        let content = content.map(|name| ContentKey::a256gcm(kid(name), &[9; 32]).unwrap());
        let keys = MintingKeys::new(envelope, signing, content).unwrap();
        let token = mint(&claims(), Kind::Session, &keys, drawn).unwrap();
        let new = format!("sess={token}");
        let start = if envelope == Envelope::Sign { NOW } else { NOW.plus(5000) };
        assert_eq!(outcome(&mut gate, "/", &new, &view(), start), "behind");
        assert_eq!(outcome(&mut gate, "/", &new, &view(), start.plus(1)), "unknown_key");
        let stale = View { current_until: start, ..view() };
        assert_eq!(outcome(&mut gate, "/", &new, &stale, start.plus(1)), "behind");
        // What is of another kind is no session whatever the keys.
        let journey = mint(&claims(), Kind::Journey, &keys, drawn).unwrap();
        let said = outcome(&mut gate, "/", &format!("sess={journey}"), &stale, start.plus(1));
        assert!(["token_type", "token_format"].contains(&said.as_str()), "{said}");
    }
    // Nor is what is in layers that this key is not for.
    let known = SigningKey::ed25519(kid("s"), &[1; 32]);
    let alone = MintingKeys::new(Envelope::Sign, Some(known), None).unwrap();
    let token = mint(&claims(), Kind::Session, &alone, drawn).unwrap();
    let stale = View { current_until: NOW, ..view() };
    assert_eq!(outcome(&mut gate, "/", &format!("sess={token}"), &stale, NOW.plus(1)), "token_format");
}

#[test]
fn paths_and_cookies_come_first() {
    let mut gate = gate(8);
    let good = cookie(&claims());
    for (path, cookie, expected) in [
        ("/am/json", "", "origin"),
        ("/public/x", "", "public"),
        ("/public/../x", good.as_str(), "ambiguous_path"),
        ("/", "", "no_session"),
        ("/", "other=1", "no_session"),
        ("/", "sess=a; sess=b", "ambiguous_cookie"),
        ("/", "sess=\"a\"", "malformed_cookie"),
        ("/", "sess=garbage", "token_format"),
        ("/admin/", good.as_str(), "auth_level"),
        ("/ADMIN/", good.as_str(), "auth_level"),
    ] {
        assert_eq!(outcome(&mut gate, path, cookie, &view(), NOW), expected, "{path} {cookie:.20}");
    }
    let long = format!("{good}; x={}", "y".repeat(cookie::MAX_HEADER));
    assert_eq!(outcome(&mut gate, "/", &long, &view(), NOW), "cookie_header_too_long");
    let strong = cookie(&SessionClaims { auth_level: 10, ..claims() });
    assert_eq!(outcome(&mut gate, "/admin/", &strong, &view(), NOW), "allow demo");
}

#[test]
fn j29_j31_realm_and_times_are_judged_on_every_request() {
    let mut gate = gate(8);
    let good = cookie(&claims());
    let other_realm = cookie(&SessionClaims { realm: "/alpha/".into(), ..claims() });
    assert_eq!(outcome(&mut gate, "/", &other_realm, &view(), NOW), "other_realm");
    let mut lasting = view();
    lasting.current_until = NOW.plus(10_000_000);
    // S16: the second before the end, the end, and again with the cache warm.
    assert_eq!(outcome(&mut gate, "/", &good, &lasting, NOW.plus(3_599_999)), "allow demo");
    assert_eq!(outcome(&mut gate, "/", &good, &lasting, NOW.plus(3_600_000)), "expired");
    let family_over = cookie(&SessionClaims { fexp: NOW.seconds(), ..claims() });
    assert_eq!(outcome(&mut gate, "/", &family_over, &view(), NOW), "expired");
    let early = |ahead| cookie(&SessionClaims { iat: NOW.seconds().plus(ahead), ..claims() });
    assert_eq!(outcome(&mut gate, "/", &early(60), &view(), NOW), "allow demo");
    assert_eq!(outcome(&mut gate, "/", &early(61), &view(), NOW), "not_yet_valid");
}

#[test]
fn s16_idle_time_is_judged_on_every_request() {
    let mut gate = gate(8);
    let idle = cookie(&SessionClaims { idle: Some(1800), ..claims() });
    let mut lasting = view();
    lasting.current_until = NOW.plus(10_000_000);
    for (after, expected) in [(0, "allow demo"), (1_799_999, "allow demo"), (1_800_000, "idle"), (3_600_000, "expired")]
    {
        assert_eq!(outcome(&mut gate, "/", &idle, &lasting, NOW.plus(after)), expected, "{after} ms");
    }
    // Re-issued: as if used just now, but never beyond the family's end.
    let renewed = SessionClaims { iat: NOW.seconds().plus(1700), auth_time: Some(NOW.seconds()), ..claims() };
    let renewed = cookie(&SessionClaims { idle: Some(1800), ..renewed });
    assert_eq!(outcome(&mut gate, "/", &renewed, &lasting, NOW.plus(3_499_999)), "allow demo");
    assert_eq!(outcome(&mut gate, "/", &renewed, &lasting, NOW.plus(3_500_000)), "idle");
}

#[test]
fn a_header_named_like_the_cookie_presents_a_session() {
    let mut gate = gate(8);
    let good = cookie(&claims());
    let token = good.strip_prefix("sess=").unwrap();
    let other = cookie(&SessionClaims { sub: "eve".into(), jti: TokenId([9; 12]), ..claims() });
    for (path, cookie, header, expected) in [
        ("/", "", token, "allow demo"),
        ("/", "x=1", token, "allow demo"),
        ("/", &good, token, "allow demo"),
        ("/", &other, token, "ambiguous_cookie"),
        ("/", &good, "", "ambiguous_cookie"),
        ("/", &format!("{good}; {good}"), token, "ambiguous_cookie"),
        ("/", "sess=\"a\"", token, "malformed_cookie"),
        ("/", "", "", "malformed_cookie"),
        ("/", "", &format!("{token}, {token}"), "malformed_cookie"),
        ("/", "", &"x".repeat(cookie::MAX_HEADER + 1), "malformed_cookie"),
        ("/", "", "garbage", "token_format"),
        ("/admin/", "", token, "auth_level"),
        ("/public/", "", "garbage", "public"),
    ] {
        let facts = Facts { path, cookie: cookie.as_bytes(), header: Some(header.as_bytes()) };
        assert_eq!(told(gate.decide(&facts, &view(), || NOW)), expected, "{path} {cookie:.20} {header:.20}");
    }
}

#[test]
fn an_ended_family_is_refused_even_when_cached_or_stale() {
    let mut gate = gate(8);
    let good = cookie(&claims());
    let mut view = view();
    assert_eq!(outcome(&mut gate, "/", &good, &view, NOW), "allow demo");
    let family = denylist_key().fingerprint(EntryKind::Family, "/alpha", &[4; 16]);
    let slot = Slot::of(claims().fexp);
    view.list.apply(101, &Entry { kind: EntryKind::Family, slot, fingerprint: family });
    view.applied = 101;
    assert_eq!(outcome(&mut gate, "/", &good, &view, NOW), "ended");
    view.current_until = UnixMillis(0);
    assert_eq!(outcome(&mut gate, "/", &good, &view, NOW), "ended");
    // S05: a token re-issued earlier in the same family is dead with it.
    let renewed = cookie(&SessionClaims { jti: TokenId([6; 12]), ..claims() });
    assert_eq!(outcome(&mut gate, "/", &renewed, &view, NOW), "ended");
}

/// A denylist key is followed by another: what was ended under either is ended, before the change and after it.
#[test]
fn entries_are_found_under_both_denylist_keys() {
    let (old, new) = ([3; 32], [33; 32]);
    let mut gate = gate(8);
    let good = cookie(&claims());
    for (listed_under, kind, id) in [
        (old, EntryKind::Family, &[4; 16][..]),
        (new, EntryKind::Family, &[4; 16]),
        (old, EntryKind::User, b"demo"),
        (new, EntryKind::User, b"demo"),
        (old, EntryKind::Realm, b""),
        (new, EntryKind::Realm, b""),
    ] {
        let fingerprint = DenylistKey::new(&listed_under).fingerprint(kind, "/alpha", id);
        let mut view = view();
        view.list.apply(101, &Entry { kind, slot: Slot::of(claims().fexp), fingerprint });
        view.applied = 101;
        for (key, ended) in [
            (DenylistKey::new(&old), listed_under == old),
            (DenylistKey::new(&old).beside(&new), true),
            (DenylistKey::new(&new).beside(&old), true),
            (DenylistKey::new(&new), listed_under == new),
        ] {
            // What the key before made of the token is forgotten.
            gate.replace_denylist_key(key);
            let expected = if ended { "ended" } else { "allow demo" };
            assert_eq!(outcome(&mut gate, "/", &good, &view, NOW), expected, "{kind:?}");
        }
    }
}

#[test]
fn an_ended_key_ends_what_either_layer_was_made_with() {
    for (kid, ended) in [("s", true), ("e", true), ("other", false)] {
        let mut view = view();
        let fingerprint = denylist_key().fingerprint(EntryKind::Key, "", kid.as_bytes());
        // Whatever the token says of its place in the log: whoever has the key chooses that.
        view.list.apply(1, &Entry { kind: EntryKind::Key, slot: Slot(u32::MAX), fingerprint });
        view.current_until = UnixMillis(u64::MAX);
        let expected = if ended { "ended" } else { "allow demo" };
        assert_eq!(outcome(&mut gate(8), "/", &cookie(&claims()), &view, NOW), expected, "{kid}");
    }
}

#[test]
fn s06_a_watermark_ends_what_was_minted_before_it_and_nothing_after() {
    let mut gate = gate(8);
    let mut view = view();
    let user = denylist_key().fingerprint(EntryKind::User, "/alpha", b"demo");
    view.list.apply(60, &Entry { kind: EntryKind::User, slot: Slot::of(claims().fexp), fingerprint: user });
    for (rvs, expected) in [(50, "ended"), (59, "ended"), (60, "allow demo"), (61, "allow demo")] {
        let token = cookie(&SessionClaims { rvs, ..claims() });
        assert_eq!(outcome(&mut gate, "/", &token, &view, NOW), expected, "rvs {rvs}");
    }
}

#[test]
fn r34_a_token_from_ahead_of_the_view_asks_for_a_refresh() {
    let mut gate = gate(8);
    let ahead = cookie(&SessionClaims { rvs: 101, ..claims() });
    assert_eq!(outcome(&mut gate, "/", &ahead, &view(), NOW), "behind");
}

#[test]
fn times_and_lease_are_read_after_the_probe() {
    let good = cookie(&claims());
    // A millisecond goes by during the probe.
    let decide = |current_until, now: UnixMillis| {
        let mut gate = gate(8);
        let view = View { current_until, ..view() };
        let facts = Facts { path: "/", cookie: good.as_bytes(), header: None };
        told(gate.decide(&facts, &view, || now.plus(view.probes.get())))
    };
    let end = UnixMillis(claims().exp.0 * 1000);
    assert_eq!(decide(NOW.plus(10_000), NOW), "allow demo");
    // The last one of the lease, then of the session.
    assert_eq!(decide(NOW.plus(1), NOW), "behind");
    assert_eq!(decide(end.plus(10_000), UnixMillis(end.0 - 1)), Refusal::Expired.code());
}

#[test]
fn j34_a_cached_tail_does_not_carry_another_head() {
    let mut gate = gate(8);
    let good = cookie(&claims());
    assert_eq!(outcome(&mut gate, "/", &good, &view(), NOW), "allow demo");
    for at in (5..good.len()).step_by(7) {
        let mut forged = good.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        if forged == good.as_bytes() {
            continue;
        }
        let forged = String::from_utf8(forged).unwrap();
        assert_ne!(outcome(&mut gate, "/", &forged, &view(), NOW), "allow demo", "byte {at}");
    }
    assert_eq!(outcome(&mut gate, "/", &good, &view(), NOW), "allow demo");
    assert_eq!(gate.cache().hits(), 1, "refused tokens did not push the good one out");
}

#[test]
fn the_assertion_ends_with_the_session() {
    let mut gate = gate(8);
    let good = cookie(&claims());
    let view = view();
    let Verdict::Allow(session) =
        gate.decide(&Facts { path: "/", cookie: good.as_bytes(), header: None }, &view, || NOW)
    else {
        panic!("refused");
    };
    let assertion = Assertion::new(session, "https://login.example", "https://app.example", NOW.seconds());
    assert_eq!(assertion.exp, NOW.seconds().plus(60));
    let late = Assertion::new(session, "https://login.example", "https://app.example", NOW.seconds().plus(3590));
    assert_eq!(late.exp, claims().exp);
    let json = serde_json::to_value(&late).unwrap();
    assert_eq!(json["sub"], "demo");
    assert_eq!(json["properties"]["mail"], "demo@example.com");
}

fn feed_signing() -> MintingKeys {
    MintingKeys::new(Envelope::Sign, Some(SigningKey::ed25519(kid("f"), &[6; 32])), None).unwrap()
}

fn feed_keys() -> KeySet {
    let key = SigningKey::ed25519(kid("f"), &[6; 32]).verification_key().unwrap();
    KeySet::new(Envelope::Sign, vec![(KeyState::Active, key)], vec![]).unwrap()
}

const REFERENCE: Reference = Reference::new([8; 32]);

fn question(sent: UnixMillis) -> Question {
    Question { reference: REFERENCE, nonce: crate::replica::Nonce([7; 16]), sent }
}

fn answered(session: Option<SessionClaims>, more: impl FnOnce(&mut Checked)) -> Vec<u8> {
    let mut checked = Checked { nonce: [7; 16], reference: REFERENCE.digest(), lease_ms: 10_000, session };
    more(&mut checked);
    mint(&checked, Kind::Checked, &feed_signing(), &mut |out: &mut [u8]| out.fill(1)).unwrap().into_bytes()
}

#[test]
fn a_reference_is_asked_about_and_the_answer_is_good_for_a_lease_from_the_question() {
    let mut gate = gate(4);
    let cookie = format!("sess={}", REFERENCE.value());
    let view = || View { current_until: NOW.plus(60_000), ..view() };
    assert_eq!(outcome(&mut gate, "/public/x", &cookie, &view(), NOW), "public");
    assert_eq!(outcome(&mut gate, "/", &cookie, &view(), NOW), "ask");
    let good = answered(Some(claims()), |_| {});
    gate.take_answer(&question(NOW), &good, &feed_keys(), 60_000, NOW.plus(3_000)).unwrap();
    assert_eq!(outcome(&mut gate, "/", &cookie, &view(), NOW.plus(9_999)), "allow demo");
    assert_eq!(outcome(&mut gate, "/admin/x", &cookie, &view(), NOW), "auth_level");
    assert_eq!(outcome(&mut gate, "/", &cookie, &view(), NOW.plus(10_000)), "ask", "from when it was sent");
    let earlier = UnixMillis(NOW.0 - 1);
    assert_eq!(outcome(&mut gate, "/", &cookie, &view(), earlier), "ask", "a clock that went back proves nothing");
    // The edge's own lease, where that is shorter.
    gate.take_answer(&question(NOW), &good, &feed_keys(), 2_000, NOW).unwrap();
    assert_eq!(outcome(&mut gate, "/", &cookie, &view(), NOW.plus(2_000)), "ask");

    // An answer is no better than the denylist it is judged by.
    gate.take_answer(&question(NOW), &good, &feed_keys(), 10_000, NOW).unwrap();
    let stale = View { current_until: NOW, ..view() };
    assert_eq!(outcome(&mut gate, "/", &cookie, &stale, NOW), "behind");
    let mut ended = view();
    let family = denylist_key().fingerprint(EntryKind::Family, "/alpha", &[4; 16]);
    let entry = Entry { kind: EntryKind::Family, slot: Slot::of(claims().fexp), fingerprint: family };
    ended.list.apply(101, &entry);
    assert_eq!(outcome(&mut gate, "/", &cookie, &ended, NOW), "ended");

    // No session, and one that may be idle only as far as is known here.
    gate.take_answer(&question(NOW), &answered(None, |_| {}), &feed_keys(), 10_000, NOW).unwrap();
    assert_eq!(outcome(&mut gate, "/", &cookie, &view(), NOW), "unknown_reference");
    let idle = answered(Some(SessionClaims { idle: Some(5), ..claims() }), |_| {});
    gate.take_answer(&question(NOW), &idle, &feed_keys(), 10_000, NOW).unwrap();
    assert_eq!(outcome(&mut gate, "/", &cookie, &view(), NOW.plus(4_999)), "allow demo");
    assert_eq!(outcome(&mut gate, "/", &cookie, &view(), NOW.plus(5_000)), "ask");
}

/// Its marks were made with the denylist key of before, and entries under the one of now would not be found by them.
#[test]
fn another_denylist_key_makes_an_answer_be_asked_for_anew() {
    let mut gate = gate(4);
    let cookie = format!("sess={}", REFERENCE.value());
    gate.take_answer(&question(NOW), &answered(Some(claims()), |_| {}), &feed_keys(), 10_000, NOW).unwrap();
    assert_eq!(outcome(&mut gate, "/", &cookie, &view(), NOW), "allow demo");
    gate.replace_denylist_key(DenylistKey::new(&[33; 32]));
    assert_eq!(outcome(&mut gate, "/", &cookie, &view(), NOW), "ask");
    assert_eq!(gate.answers(), 0);
}

#[test]
fn an_answer_to_another_question_or_of_another_hand_is_not_taken() {
    let mut gate = gate(4);
    let mut take = |bytes: &[u8]| gate.take_answer(&question(NOW), bytes, &feed_keys(), 10_000, NOW);
    let other_nonce = answered(Some(claims()), |checked| checked.nonce = [0; 16]);
    assert_eq!(take(&other_nonce), Err(AnswerError::Elsewhere));
    let other_reference = answered(Some(claims()), |checked| checked.reference = [0; 32]);
    assert_eq!(take(&other_reference), Err(AnswerError::Elsewhere));
    let mut forged = answered(Some(claims()), |_| {});
    let last = forged.len() - 10;
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    assert_eq!(take(&forged), Err(AnswerError::Token(TokenError::Signature)));
    assert!(matches!(take(b"x"), Err(AnswerError::Token(_))));
    assert_eq!(gate.answers(), 0);
}

#[test]
fn made_up_references_take_bounded_room_and_drive_no_session_out() {
    let mut gate = gate(4);
    gate.take_answer(&question(NOW), &answered(Some(claims()), |_| {}), &feed_keys(), 10_000, NOW).unwrap();
    for n in 0..5_000_u16 {
        let mut made_up = [9; 32];
        made_up[..2].copy_from_slice(&n.to_be_bytes());
        let reference = Reference::new(made_up);
        let none = answered(None, |checked| checked.reference = reference.digest());
        gate.take_answer(&Question { reference, ..question(NOW) }, &none, &feed_keys(), 10_000, NOW).unwrap();
    }
    assert!(gate.answers() <= 2048);
    assert_eq!(outcome(&mut gate, "/", &format!("sess={}", REFERENCE.value()), &view(), NOW), "allow demo");
}
