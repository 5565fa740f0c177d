//! A session that was verified before costs no allocation: the path of almost every request at an edge.

#![allow(unsafe_code, reason = "a global allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use countersign_core::denylist::fingerprint::DenylistKey;
use countersign_core::denylist::{Chain, Epoch};
use countersign_core::gate::{Facts, Gate, Policy, RouteSettings, SessionCache, Verdict};
use countersign_core::keys::{ContentKey, KeySet, KeyState, KeysDigest, Kid, MintingKeys, SigningAlg, SigningKey};
use countersign_core::replica::{Heartbeat, Nonce, Replica, Step};
use countersign_core::session::{SessionClaims, SessionId, TokenId};
use countersign_core::time::UnixMillis;
use countersign_core::token::mint::mint;
use countersign_core::token::{Envelope, Kind, Scratch};

/// Counts what its own thread asks for: the test runner has others.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that ends allocates after its locals are gone.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are those that are asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: likewise.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: likewise.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

fn kid(text: &str) -> Kid {
    Kid::try_from(text.to_owned()).unwrap()
}

fn signing_key(alg: SigningAlg) -> SigningKey {
    SigningKey::new(kid("s"), alg, &[1; 32]).unwrap()
}

fn content_key() -> ContentKey {
    ContentKey::a256gcm(kid("e"), &[2; 32]).unwrap()
}

fn cookie(alg: SigningAlg) -> String {
    let claims = SessionClaims {
        sid: SessionId([4; 16]),
        sub: "demo".into(),
        realm: "/alpha".into(),
        iat: NOW.seconds(),
        exp: NOW.seconds().plus(3600),
        fexp: NOW.seconds().plus(3600),
        idle: Some(1800),
        auth_time: None,
        rvs: 0,
        auth_level: 5,
        amr: vec!["pwd".into()],
        jti: TokenId([5; 12]),
        properties: [("mail", "demo@example.com"), ("UserId", "demo")].into_iter().collect(),
    };
    let keys = MintingKeys::new(Envelope::SignThenEncrypt, Some(signing_key(alg)), Some(content_key())).unwrap();
    let token = mint(&claims, Kind::Session, &keys, &mut |out: &mut [u8]| out.fill(6)).unwrap();
    format!("theme=dark; sess={token}; lang=en")
}

/// A copy of an empty log, within its lease.
fn replica() -> Replica {
    let (feed, nonce, epoch) = (SigningKey::ed25519(kid("f"), &[3; 32]), Nonce([7; 16]), Epoch([8; 16]));
    let verification = vec![(KeyState::Active, feed.verification_key().unwrap())];
    let keys = KeySet::new(Envelope::Sign, verification, Vec::new()).unwrap();
    let chain = Chain::genesis(epoch);
    let heartbeat = Heartbeat {
        epoch,
        head: 0,
        chain,
        floor: 0,
        floor_chain: chain,
        nonce,
        time: NOW,
        lease_ms: 10_000,
        poll_ms: 2000,
        keys: KeysDigest([4; 16]),
        snapshot: None,
    };
    let minting = MintingKeys::new(Envelope::Sign, Some(feed), None).unwrap();
    let heartbeat = mint(&heartbeat, Kind::Heartbeat, &minting, &mut |_: &mut [u8]| {}).unwrap();
    let mut replica = Replica::new(Some(KeysDigest([4; 16])));
    replica.poll(nonce, NOW);
    let step = replica.heartbeat(heartbeat.as_bytes(), &keys, &mut Scratch::default(), NOW).unwrap();
    assert!(matches!(step, Step::Fresh));
    replica
}

#[test]
fn a_cached_session_allocates_nothing() {
    for alg in [SigningAlg::Hs256, SigningAlg::EdDsa] {
        let verification = vec![(KeyState::Active, signing_key(alg).verification_key().unwrap())];
        let keys =
            KeySet::new(Envelope::SignThenEncrypt, verification, vec![(KeyState::Active, content_key())]).unwrap();
        let routes: Vec<RouteSettings> =
            serde_json::from_value(serde_json::json!([{ "path": "/public/*", "access": "public" }])).unwrap();
        let policy = Policy::new("/alpha".into(), "sess".into(), &routes).unwrap();
        let mut gate = Gate::new(policy, keys, DenylistKey::new(&[9; 32]), SessionCache::new(16));
        let (replica, cookie) = (replica(), cookie(alg));
        let mut decide = || {
            let facts = Facts { path: "/account/orders", cookie: cookie.as_bytes(), header: None };
            assert!(matches!(gate.decide(&facts, &replica, || NOW), Verdict::Allow(_)), "{alg:?}");
        };
        // The counter counts: the first time is not for nothing.
        assert!(allocations(&mut decide) > 0, "{alg:?}");
        assert_eq!(allocations(|| (0..100).for_each(|_| decide())), 0, "{alg:?}");
        assert_eq!(gate.cache().hits(), 100);
    }
}
