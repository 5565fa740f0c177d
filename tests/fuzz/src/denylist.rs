//! What the origin (or a cache on the way) sends an edge. `s` and a segment; or `h`, the claims of a heartbeat that is
//! then signed by the feed's key, and after a line feed the segment that answers what it asks for.

use std::sync::LazyLock;

use countersign_core::denylist::{SnapshotDigest, segment};
use countersign_core::keys::{ContentAlg, KeyAlg, SigningAlg};
use countersign_core::replica::{Heartbeat, Nonce, Replica, State, Step};
use countersign_core::token::{Envelope, Kind, Scratch, open};

use crate::forge::{NOW, Ring, jws};

pub(crate) const WORDS: &[&str] = &[
    "CSD2",
    "\"epoch\":",
    "\"head\":",
    "\"floor\":",
    "\"chain\":",
    "\"nonce\":\"CQkJCQkJCQkJCQkJCQkJCQ\"",
    "18446744073709551615",
    "\"lease_ms\":",
    "\n",
    "\u{0}\u{0}\u{0}\u{1}",
    "null",
    "0",
];

static FEED: LazyLock<Ring> =
    LazyLock::new(|| Ring::new(Envelope::Sign, SigningAlg::EdDsa, KeyAlg::Dir, ContentAlg::A256Gcm));

const NONCE: Nonce = Nonce([9; 16]);
/// Nothing signed makes an edge accept for longer than ten minutes on one poll.
const LONGEST: u64 = 10 * 60 * 1000;

pub(crate) fn run(data: &[u8]) {
    match data {
        [b's', bytes @ ..] => alone(bytes),
        [b'h', rest @ ..] => {
            let at = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
            polled(&rest[..at], rest.get(at + 1..).unwrap_or_default());
        }
        _ => {}
    }
}

/// One encoding for each segment; and no segment that was not asked for is taken, nor a heartbeat that nobody signed.
fn alone(bytes: &[u8]) {
    if let Ok(read) = segment::decode(bytes) {
        assert_eq!(segment::encode(read.epoch, read.from, &read.entries).as_deref(), Ok(bytes));
        assert!(read.entries.len() <= segment::MAX_ENTRIES);
    }
    let mut replica = Replica::default();
    replica.poll(NONCE, NOW);
    assert!(replica.segment(bytes, NOW).is_err());
    assert!(replica.heartbeat(bytes, &FEED.set, &mut Scratch::default(), NOW).is_err());
    assert_eq!((replica.state(NOW), replica.applied()), (State::Cold, 0));
}

fn polled(claims: &[u8], piece: &[u8]) {
    let token = jws(br#"{"alg":"EdDSA","kid":"sig","typ":"heartbeat+jwt"}"#, claims);
    let mut scratch = Scratch::default();
    let read = open::<Heartbeat>(token.as_bytes(), Kind::Heartbeat, &FEED.set, &mut scratch);
    let mut replica = Replica::new(read.as_ref().ok().map(|read| read.claims().keys));
    replica.poll(NONCE, NOW);
    let step = replica.heartbeat(token.as_bytes(), &FEED.set, &mut scratch, NOW.plus(5));
    let Ok(read) = read else {
        assert!(step.is_err() && replica.state(NOW.plus(5)) == State::Cold);
        return;
    };
    let heartbeat = read.into_claims();
    let written = serde_json::to_vec(&heartbeat).expect("a heartbeat");
    assert_eq!(serde_json::from_slice::<Heartbeat>(&written).ok().as_ref(), Some(&heartbeat));

    let fresh = |replica: &Replica| {
        assert_eq!(heartbeat.nonce, NONCE, "the answer to somebody else's poll");
        assert_eq!(replica.applied(), heartbeat.head, "complete, or not to be trusted");
        assert!(replica.lease_until().is_some_and(|until| until.since(NOW) <= LONGEST.min(heartbeat.lease_ms)));
        assert!(replica.state(NOW.plus(LONGEST)) != State::Fresh);
    };
    match step {
        Err(_) | Ok(Step::FetchKeys) => assert_ne!(replica.state(NOW.plus(5)), State::Fresh),
        Ok(Step::Fresh) => {
            assert_eq!((heartbeat.head, heartbeat.chain), (heartbeat.floor, heartbeat.floor_chain));
            fresh(&replica);
        }
        Ok(Step::FetchSnapshot(named)) => {
            assert!(named.seq > 0 && named.seq <= heartbeat.head);
            match replica.snapshot(piece, NOW.plus(9)) {
                // The authority has signed for these bytes.
                Ok(_) => assert_eq!(SnapshotDigest::of(piece), named.digest),
                Err(_) => assert_ne!(replica.state(NOW.plus(9)), State::Fresh),
            }
        }
        Ok(Step::Fetch { epoch, from, to }) => {
            assert!(epoch == heartbeat.epoch && from < to && to <= heartbeat.head);
            assert!(to - from <= segment::MAX_ENTRIES as u64);
            assert_ne!(replica.state(NOW.plus(5)), State::Fresh, "fresh before anything was fetched");
            if let Ok(Step::Fresh) = replica.segment(piece, NOW.plus(9)) {
                fresh(&replica);
                let entries = segment::decode(piece).expect("a segment that was taken").entries;
                let numbered = (heartbeat.floor + 1..).zip(&entries);
                let chain = numbered.fold(heartbeat.floor_chain, |chain, (seq, entry)| chain.append(seq, entry));
                assert_eq!(chain, heartbeat.chain, "entries that the authority did not sign for");
            } else {
                assert_ne!(replica.state(NOW.plus(9)), State::Fresh);
            }
        }
    }
}
