use super::*;

const P: u64 = 2_000;

fn nonce(number: u64) -> Nonce {
    Nonce(u128::from(number).to_be_bytes())
}

/// A relay that asks the authority at `now` and has the answer at once.
fn renew(relay: &mut Relay, authority: &Authority, now: UnixMillis) {
    relay.poll(nonce(now.0), now);
    relay.heartbeat(&authority.heartbeat(nonce(now.0), now), now).unwrap();
}

/// An edge that asks the relay at `now` and has the answer, and the segments, at once.
fn through(
    replica: &mut Replica,
    relay: &mut Relay,
    authority: &Authority,
    now: UnixMillis,
) -> Result<(), ReplicaError> {
    let own = nonce(now.0 + 1);
    replica.poll(own, now);
    let (bytes, left) = relay.answer(now, now).expect("the relay has a lease");
    let mut step = replica.relayed(own, bytes, left, &authority.keys(), &mut Scratch::default(), now)?;
    while let Step::Fetch { from, to, .. } = step {
        step = replica.segment(&authority.segment(from, to), now)?;
    }
    Ok(())
}

/// The end of the last millisecond in which the copy is good.
fn good_until(replica: &Replica, from: UnixMillis) -> u64 {
    (0..4 * L).find(|ms| replica.state(from.plus(*ms)) != State::Fresh).unwrap() + from.0 - START.0
}

#[test]
fn r26_a_relay_passes_on_what_is_left_and_no_more() {
    let mut authority = Authority::new();
    authority.end(1);
    let mut relay = Relay::default();
    assert!(relay.answer(at(0), at(0)).is_none(), "a relay that knows nothing gives nothing");
    renew(&mut relay, &authority, at(0));
    for age in [0, 1, 1_999, 5_000, 9_000] {
        let mut replica = Replica::new(Some(KEYS));
        through(&mut replica, &mut relay, &authority, at(age)).unwrap();
        assert!(ended(&replica, 1));
        let end = good_until(&replica, at(age));
        assert!(end < L, "asked at {age}, good until {end}: never later than the relay itself");
        assert!(end > L - 3 * (50 + L / 1000), "but not much earlier either: {end}");
    }
    assert!(relay.answer(at(L), at(L)).is_none(), "and nothing when it is over");
}

/// The answer to a question that is held comes from a poll that was sent after the question.
#[test]
fn a_poll_sent_after_the_question_gives_a_whole_lease_from_the_question() {
    let authority = Authority::new();
    let (mut relay, mut replica) = (Relay::default(), Replica::new(Some(KEYS)));
    renew(&mut relay, &authority, at(0));
    replica.hold(nonce(1), at(1_000));
    renew(&mut relay, &authority, at(2_500));
    let (bytes, left) = relay.answer(at(1_000), at(2_600)).unwrap();
    assert_eq!(left, L, "never more than the lease");
    let keys = authority.keys();
    replica.relayed(nonce(1), bytes, left, &keys, &mut Scratch::default(), at(2_600)).unwrap();
    assert!(good_until(&replica, at(2_600)) < 1_000 + L, "counted from its own question, not from the answer");
}

#[test]
fn a_slow_way_to_the_edge_costs_the_edge() {
    let authority = Authority::new();
    let (mut relay, mut replica) = (Relay::default(), Replica::new(Some(KEYS)));
    replica.poll(nonce(1), at(0));
    renew(&mut relay, &authority, at(3_000));
    let (bytes, left) = relay.answer(at(3_500), at(3_500)).unwrap();
    let bytes = bytes.to_vec();
    let keys = authority.keys();
    replica.relayed(nonce(1), &bytes, left, &keys, &mut Scratch::default(), at(9_000)).unwrap();
    assert!(good_until(&replica, at(9_000)) <= 10_000, "question at 0, half a second of age: 9.5 s of lease at most");
    // The same bytes once more, as a cache on the way would have them: no question of this edge's.
    let again = replica.relayed(nonce(1), &bytes, left, &keys, &mut Scratch::default(), at(9_100));
    assert_eq!(again, Err(ReplicaError::Nonce));
}

/// R26: whatever a relay says of the age, the signed lease and the signed clock bound it.
#[test]
fn r26_a_lying_relay_is_bounded() {
    let authority = Authority::new();
    let signed = authority.heartbeat(nonce(0), at(0));
    let mut replica = Replica::new(Some(KEYS));
    let mut last = 0;
    for now in (0..).step_by(500).take(400) {
        let own = nonce(now + 1);
        replica.poll(own, at(now));
        let keys = authority.keys();
        let taken = replica.relayed(own, &signed, 3_600_000, &keys, &mut Scratch::default(), at(now));
        assert_eq!(taken.is_ok(), now <= MAX_SKEW_MS, "{now}: {taken:?}");
        if replica.state(at(now)) == State::Fresh {
            last = now;
        }
    }
    assert!(last <= MAX_SKEW_MS + L, "accepted {last} ms after the authority spoke");
}

#[test]
fn r26_a_relay_cannot_forge_withhold_or_reorder() {
    let mut authority = Authority::new();
    let (mut relay, mut replica) = (Relay::default(), Replica::new(Some(KEYS)));
    renew(&mut relay, &authority, at(0));
    let old = authority.heartbeat(nonce(7), at(0));
    authority.end(1);
    refresh(&mut replica, &authority, at(100)).unwrap();
    let granted = replica.lease_until();

    // What it has is from before: it says nothing of what is known here, and gives no lease.
    assert_eq!(through(&mut replica, &mut relay, &authority, at(200)), Err(ReplicaError::Overtaken));
    assert_eq!((replica.applied(), replica.lease_until()), (1, granted));

    let mut give = |bytes: &[u8], now| {
        replica.poll(nonce(now + 1), at(now));
        replica.relayed(nonce(now + 1), bytes, L, &authority.keys(), &mut Scratch::default(), at(now))
    };
    assert_eq!(give(&old, 300), Err(ReplicaError::Overtaken));
    let forger = Authority { seed: [2; 32], ..Authority::new() };
    let forged = forger.heartbeat(nonce(8), at(400));
    assert_eq!(give(&forged, 400), Err(ReplicaError::Token(TokenError::Signature)));
    assert_eq!(give(b"e30.e30.e30", 500), Err(ReplicaError::Token(TokenError::Header)));
    assert_eq!(replica.lease_until(), granted, "no harm done");

    // The segment that a relay hands out must lead to the signed chain value.
    authority.end(2);
    renew(&mut relay, &authority, at(600));
    let (bytes, left) = relay.answer(at(600), at(600)).unwrap();
    let (bytes, keys) = (bytes.to_vec(), authority.keys());
    replica.poll(nonce(9), at(600));
    let step = replica.relayed(nonce(9), &bytes, left, &keys, &mut Scratch::default(), at(600));
    assert_eq!(step, Ok(Step::Fetch { epoch: EPOCH, from: 1, to: 2 }));
    let mut other = Authority::new();
    other.end(1);
    other.end(99);
    assert_eq!(replica.segment(&other.segment(1, 2), at(600)), Err(ReplicaError::Chain));
    assert_eq!(replica.applied(), 1);
}

/// R09 through a relay: a log that went back is for the direct poll to judge, which fences.
#[test]
fn r09_a_rollback_behind_a_relay_gives_no_lease() {
    let mut authority = Authority::new();
    authority.end(1);
    authority.end(2);
    let (mut relay, mut replica) = (Relay::default(), Replica::new(Some(KEYS)));
    renew(&mut relay, &authority, at(0));
    through(&mut replica, &mut relay, &authority, at(0)).unwrap();
    let granted = replica.lease_until();
    let restored = Authority { entries: authority.entries[..1].to_vec(), ..Authority::new() };
    let mut relay = Relay::default();
    renew(&mut relay, &restored, at(1_000));
    assert_eq!(through(&mut replica, &mut relay, &restored, at(1_000)), Err(ReplicaError::Overtaken));
    assert_eq!(replica.lease_until(), granted);
    assert_eq!(refresh(&mut replica, &restored, at(1_100)), Err(ReplicaError::Fenced));
    // Fenced, no relay helps, not even one of a new epoch: that too is for the authority to say.
    let anew = Authority::anew(6);
    let mut relay = Relay::default();
    renew(&mut relay, &anew, at(1_200));
    assert_eq!(through(&mut replica, &mut relay, &anew, at(1_200)), Err(ReplicaError::Fenced));
    refresh(&mut replica, &anew, at(1_300)).unwrap();
    through(&mut replica, &mut relay, &anew, at(1_400)).unwrap();
    assert_eq!(replica.state(at(1_400)), State::Fresh);
    assert!(ended(&replica, 2));
}

/// Two chain values for one position, both signed, are the authority's fault whoever brings them.
#[test]
fn a_relayed_contradiction_fences() {
    let (mut authority, mut other) = (Authority::new(), Authority::new());
    authority.end(1);
    other.end(99);
    let (mut relay, mut replica) = (Relay::default(), Replica::new(Some(KEYS)));
    refresh(&mut replica, &authority, at(0)).unwrap();
    renew(&mut relay, &other, at(100));
    assert_eq!(through(&mut replica, &mut relay, &other, at(100)), Err(ReplicaError::Fenced));
}

/// An epoch that is not this edge's may be the one before: the relay is asked again after the authority.
#[test]
fn another_epoch_is_for_the_authority_to_say() {
    let authority = Authority::new();
    let anew = Authority::anew(6);
    let (mut relay, mut replica) = (Relay::default(), Replica::new(Some(KEYS)));
    renew(&mut relay, &authority, at(0));
    through(&mut replica, &mut relay, &authority, at(0)).unwrap();
    refresh(&mut replica, &anew, at(100)).unwrap();
    assert_eq!(through(&mut replica, &mut relay, &authority, at(200)), Err(ReplicaError::Overtaken));
    assert_eq!(replica.known().unwrap().epoch, anew.epoch);
}

#[test]
fn r19_a_relay_whose_clock_steps_back_has_nothing() {
    let authority = Authority::new();
    let mut relay = Relay::default();
    renew(&mut relay, &authority, at(5_000));
    assert!(relay.answer(at(5_100), at(5_100)).is_some());
    assert!(relay.answer(at(4_000), at(4_000)).is_none());
    assert!(relay.answer(at(5_200), at(5_200)).is_none(), "it does not come back with the clock");
    renew(&mut relay, &authority, at(6_000));
    relay.poll(nonce(1), at(6_000));
    let void = relay.heartbeat(&authority.heartbeat(nonce(1), at(6_000)), at(5_999));
    assert_eq!(void, Err(ReplicaError::Nonce), "polls under way are void");
    assert!(relay.answer(at(7_000), at(6_500)).is_none(), "a question from before the step");
}

#[test]
fn a_relay_takes_only_answers_to_its_own_polls() {
    let authority = Authority::new();
    let mut relay = Relay::default();
    let stray = authority.heartbeat(nonce(1), at(0));
    assert_eq!(relay.heartbeat(&stray, at(0)), Err(ReplicaError::Nonce));
    for garbage in [&b""[..], b".", b"..", b"a.b.c", b"e30.e30.e30", &[0xff; 600]] {
        assert!(matches!(relay.heartbeat(garbage, at(0)), Err(ReplicaError::Token(_))));
    }
    for number in 0..10 {
        relay.poll(nonce(number), at(number));
    }
    let pushed_out = authority.heartbeat(nonce(0), at(0));
    assert_eq!(relay.heartbeat(&pushed_out, at(20)), Err(ReplicaError::Nonce), "polls under way are bounded");
    // One that was sent later holds on to its place.
    relay.heartbeat(&authority.heartbeat(nonce(9), at(9)), at(20)).unwrap();
    relay.heartbeat(&authority.heartbeat(nonce(8), at(8)), at(20)).unwrap();
    let (bytes, _) = relay.answer(at(20), at(20)).unwrap();
    assert_eq!(bytes, authority.heartbeat(nonce(9), at(9)));
}

#[test]
fn news_is_what_an_asker_does_not_know() {
    let mut authority = Authority::new();
    let (mut relay, mut replica) = (Relay::default(), Replica::new(Some(KEYS)));
    assert_eq!(replica.known(), None);
    renew(&mut relay, &authority, at(0));
    through(&mut replica, &mut relay, &authority, at(0)).unwrap();
    let known = replica.known().unwrap();
    assert!(!relay.has_news(&known));
    authority.end(1);
    renew(&mut relay, &authority, at(100));
    assert!(relay.has_news(&known));
    through(&mut replica, &mut relay, &authority, at(200)).unwrap();
    assert!(!relay.has_news(&replica.known().unwrap()));
    authority.key_set = KeysDigest([7; 16]);
    renew(&mut relay, &authority, at(300));
    assert!(relay.has_news(&replica.known().unwrap()));
}

/// A poll that is held brings news and a lease from its sending; it keeps nobody from asking meanwhile.
#[test]
fn a_held_poll_is_in_nobodys_way() {
    let mut authority = Authority::new();
    let mut replica = Replica::new(Some(KEYS));
    refresh(&mut replica, &authority, at(0)).unwrap();
    assert_eq!(replica.pace(), P - P / 8);
    replica.hold(nonce(1), at(1_000));
    assert!(!replica.under_way(1_000, at(1_100)));
    assert!(replica.keys_doubtful(at(1_100)), "a key that is not known is asked for all the same");
    assert!(!replica.due(at(2_500)), "it takes a poll's place");
    assert!(replica.due(at(3_000)), "but only for so long");
    authority.end(1);
    refresh(&mut replica, &authority, at(1_500)).unwrap();
    authority.end(2);
    let step = answer(&mut replica, &authority, nonce(1), at(2_600)).unwrap();
    assert_eq!(step, Step::Fetch { epoch: EPOCH, from: 1, to: 2 });
    replica.segment(&authority.segment(1, 2), at(2_600)).unwrap();
    assert!(ended(&replica, 2));
    assert!(good_until(&replica, at(2_600)) < 1_500 + L, "the later lease stays; none counts from the answer");
}

/// The bound, under delays and ages by the thousand: what the authority acknowledged before it is refused `L` later.
#[test]
fn through_a_relay_the_bound_is_the_same() {
    let mut dice = 1_u64;
    let mut roll = |below: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % below
    };
    for round in 0..2_000 {
        let mut authority = Authority::new();
        let (mut relay, mut replica) = (Relay::default(), Replica::new(Some(KEYS)));
        // The clocks of relay and edge stand anywhere within the skew.
        let (hub_off, edge_off) = (roll(30_000), roll(30_000));
        let (sent, way_there, way_back) = (100_000, roll(1_500), roll(1_500));
        let asked = sent + roll(3 * L / 2);
        let (arrives, answered) = (asked + roll(800), roll(1_000));
        let hub = |true_ms: u64| at(true_ms + hub_off);
        let edge = |true_ms: u64| at(true_ms + edge_off);
        relay.poll(nonce(1), hub(sent));
        let signed = authority.heartbeat(nonce(1), at(sent + way_there));
        let acknowledged = sent + way_there; // right after it was signed: as late as it can be missed
        authority.end(1);
        relay.heartbeat(&signed, hub(sent + way_there + way_back)).unwrap();
        let gives_at = (arrives + answered).max(sent + way_there + way_back);
        replica.poll(nonce(2), edge(asked));
        let Some((bytes, left)) = relay.answer(hub(arrives), hub(gives_at)) else { continue };
        let takes_at = gives_at + roll(1_000);
        let keys = authority.keys();
        replica.relayed(nonce(2), bytes, left, &keys, &mut Scratch::default(), edge(takes_at)).unwrap();
        let too_late = (acknowledged + L).max(takes_at);
        assert_ne!(replica.state(edge(too_late)), State::Fresh, "round {round}");
    }
}
