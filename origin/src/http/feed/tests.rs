use countersign_core::encoding;
use countersign_core::keys::{Bundle, Delivery, KeySet, Verifiers};
use countersign_core::replica::{Nonce, Replica, State, Step};
use countersign_core::time::UnixMillis;
use countersign_core::token::{self, Kind, Scratch};

use crate::testing::{Answer, Origin};

/// Of a question for edge keys.
const NONCE: &str = "AAAAAAAAAAAAAAAAAAAAAQ";
const HEARTBEAT: &str = "/countersign/v1/denylist/heartbeat";

pub(crate) struct Edge {
    authorization: String,
    feed: KeySet,
    pub(crate) replica: Replica,
    /// Snapshots and segments that the last poll fetched.
    pub(crate) fetched: (u32, u32),
}

impl Edge {
    /// From the bundle alone, as an edge has it.
    pub(crate) fn of(origin: &Origin) -> Self {
        let settings = origin.app.settings();
        let mut bundle = origin.app.keys().edge_bundle("/alpha", &settings).unwrap();
        let members = bundle.as_object_mut().unwrap();
        let credential = members.remove("feed_credential").unwrap();
        members.remove("assertion");
        members.remove("issuer");
        members.remove("cookie_name");
        let keys = Bundle::parse(&bundle.to_string(), Verifiers::Own).unwrap();
        let authorization = format!("Bearer {}", credential.as_str().unwrap());
        Self { authorization, feed: keys.feed, replica: Replica::new(Some(origin.app.keys().digest)), fetched: (0, 0) }
    }

    pub(crate) async fn get(&self, origin: &Origin, path: &str) -> Answer {
        origin.get_with(path, &[("authorization", &self.authorization)]).await
    }

    /// Polls until nothing is left to fetch.
    pub(crate) async fn poll(&mut self, origin: &Origin, nonce: [u8; 16]) {
        let now = UnixMillis(origin.app.clock.now().0);
        self.replica.poll(Nonce(nonce), now);
        let answer = self.get(origin, &format!("{HEARTBEAT}?nonce={}&snapshot=1", encoding::encode(&nonce))).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
        let mut step = self.replica.heartbeat(&answer.body, &self.feed, &mut Scratch::default(), now).unwrap();
        self.fetched = (0, 0);
        loop {
            let path = match step {
                Step::Fetch { epoch, from, to } => {
                    self.fetched.1 += 1;
                    format!("/countersign/v1/denylist/segments/{}/{from}/{to}", encoding::encode(&epoch.0))
                }
                Step::FetchSnapshot(named) => {
                    self.fetched.0 += 1;
                    format!("/countersign/v1/denylist/snapshots/{}", encoding::encode(&named.digest.0))
                }
                _ => break,
            };
            let answer = self.get(origin, &path).await;
            step = match (step, answer.status) {
                (Step::FetchSnapshot(named), 404) => self.replica.without_snapshot(named.digest, now).unwrap(),
                (_, 200) => {
                    assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
                    assert_eq!(answer.header("content-type"), "application/octet-stream");
                    match step {
                        Step::Fetch { .. } => self.replica.segment(&answer.body, now).unwrap(),
                        _ => self.replica.snapshot(&answer.body, now).unwrap(),
                    }
                }
                (_, status) => panic!("{status}: {}", answer.text()),
            };
        }
        assert_eq!(self.replica.state(now), State::Fresh);
    }
}

#[tokio::test]
async fn an_edge_follows_the_log() {
    let origin = Origin::new().await;
    let mut edge = Edge::of(&origin);
    edge.poll(&origin, [1; 16]).await;
    assert_eq!(edge.replica.applied(), 0);
    for _ in 0..3 {
        let token = origin.log_in().await;
        origin.log_out(&token).await;
    }
    edge.poll(&origin, [2; 16]).await;
    assert_eq!(edge.replica.applied(), 3);
}

#[tokio::test]
async fn a_heartbeat_is_for_its_own_poll() {
    let origin = Origin::new().await;
    let mut edge = Edge::of(&origin);
    let now = UnixMillis(origin.app.clock.now().0);
    edge.replica.poll(Nonce([1; 16]), now);
    let other = edge.get(&origin, &format!("{HEARTBEAT}?nonce={}", encoding::encode(&[2; 16]))).await;
    assert!(edge.replica.heartbeat(&other.body, &edge.feed, &mut Scratch::default(), now).is_err());
    for query in [
        "",
        "?nonce=",
        "?nonce=AAAA",
        "?nonce=AAAAAAAAAAAAAAAAAAAAAB",
        "?nonce=AAAAAAAAAAAAAAAAAAAAAA&nonce=AAAAAAAAAAAAAAAAAAAAAA",
    ] {
        assert_eq!(edge.get(&origin, &format!("{HEARTBEAT}{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn the_feed_is_for_the_bearer_of_the_credential() {
    let origin = Origin::new().await;
    let edge = Edge::of(&origin);
    let path = format!("{HEARTBEAT}?nonce={}", encoding::encode(&[1; 16]));
    let credential = edge.authorization.strip_prefix("Bearer ").unwrap();
    for wrong in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        credential,
        &format!("Basic {credential}"),
        &format!("Bearer {credential}A"),
    ] {
        let answer = origin.get_with(&path, &[("authorization", wrong)]).await;
        assert_eq!((answer.status, answer.header("content-type")), (401, "application/problem+json"), "{wrong:?}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
    assert_eq!(origin.get(&path).await.status, 401);
    assert_eq!(origin.get("/countersign/v1/denylist/segments/x/0/1").await.status, 401);
    assert_eq!(origin.get_with(&path, &[("authorization", &format!("bearer {credential}"))]).await.status, 200);
}

#[tokio::test]
async fn segments_that_are_not_there_are_refused_each_in_its_way() {
    let origin = Origin::new().await;
    let edge = Edge::of(&origin);
    let token = origin.log_in().await;
    origin.log_out(&token).await;
    let own = encoding::encode(&origin.app.epoch().0);
    let other = encoding::encode(&[1; 16]);
    let at = async |epoch: &str, range: &str| {
        edge.get(&origin, &format!("/countersign/v1/denylist/segments/{epoch}/{range}")).await
    };
    for (epoch, range, status) in [
        (&own, "0/1", 200),
        (&other, "0/1", 404),
        (&own, "0/2", 404),
        (&own, "7/9", 404),
        (&own, "1/1", 400),
        (&own, "1/0", 400),
        (&own, "0/4097", 400),
        (&own, "00/1", 400),
        (&own, "+0/1", 400),
        (&own, "-1/1", 400),
        (&own, "x/1", 400),
        (&own, "18446744073709551614/18446744073709551615", 400),
        (&"x".to_owned(), "0/1", 400),
    ] {
        let answer = at(epoch, range).await;
        assert_eq!(answer.status, status, "{range}: {}", answer.text());
        if status != 200 {
            assert_eq!(
                (answer.json()["status"].as_u64(), answer.header("cache-control")),
                (Some(status.into()), "no-store")
            );
        }
    }
    origin.clock.advance(24 * 3600);
    crate::prune::once(&origin.app).await;
    assert_eq!(at(&own, "0/1").await.status, 410);
}

#[tokio::test]
async fn edge_keys_are_sealed_to_the_bundle_that_asks() {
    let origin = Origin::new().await;
    let edge = Edge::of(&origin);
    let ring = origin.app.keys();
    let own = ring.delivery_key("/alpha", "b1".to_owned().try_into().unwrap()).unwrap();
    let other = ring.delivery_key("/alpha", "b2".to_owned().try_into().unwrap()).unwrap();
    let path = &format!("/countersign/v1/edge-keys?bundle=b1&realm=/alpha&nonce={NONCE}");
    assert_eq!(origin.get(path).await.status, 401);
    let answer = edge.get(&origin, path).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
    let open = |key: &countersign_core::keys::DeliveryKey| {
        Delivery::open(&answer.body, &key.key_set().unwrap(), "/alpha", NONCE, Verifiers::Own, &mut Scratch::default())
    };
    let (digest, _, credential) = open(&own).ok().unwrap();
    assert_eq!((digest, format!("Bearer {}", credential.unwrap())), (ring.digest, edge.authorization.clone()));
    assert!(open(&other).is_err());
    // The assertion key is under a key that the module does not have, and not in what the module opens.
    let b1 = || "b1".to_owned().try_into().unwrap();
    let for_host = answer.header("countersign-host-keys").to_owned();
    let host_open = |key: &countersign_core::keys::DeliveryKey| {
        let keys = key.key_set().unwrap();
        token::open::<serde_json::Value>(for_host.as_bytes(), Kind::EdgeKeys, &keys, &mut Scratch::default())
    };
    assert!(host_open(&own).is_err());
    let told = host_open(&ring.host_delivery_key("/alpha", b1()).unwrap()).ok().unwrap().into_claims();
    assert_eq!(told["assertion"]["jwk"]["crv"], "Ed25519");
    assert_eq!(told["keys"], encoding::encode(&ring.digest.0));
    let opened: serde_json::Value =
        token::open(&answer.body, Kind::EdgeKeys, &own.key_set().unwrap(), &mut Scratch::default())
            .ok()
            .unwrap()
            .into_claims();
    assert!(!opened.to_string().contains(told["assertion"]["jwk"]["d"].as_str().unwrap()));
    for (query, status) in [
        ("", 400),
        ("?bundle=b1", 400),
        ("?realm=/alpha", 400),
        ("?bundle=b1&bundle=b2&realm=/alpha", 400),
        ("?bundle=a%20b&realm=/alpha", 400),
        ("?bundle=b1&realm=/beta", 404),
        ("?bundle=b1&realm=/alpha", 200),
        ("?bundle=b1&realm=/alpha&nonce=", 400),
        ("?bundle=b1&realm=/alpha&nonce=AAAA", 400),
        ("?bundle=b1&realm=/alpha&nonce=AAAAAAAAAAAAAAAAAAAAAA&nonce=AAAAAAAAAAAAAAAAAAAAAA", 400),
    ] {
        assert_eq!(edge.get(&origin, &format!("/countersign/v1/edge-keys{query}")).await.status, status, "{query}");
    }
}

/// What an edge that is current asks to be held with.
fn held(origin: &Origin, wait_ms: u64, head: u64) -> String {
    let (epoch, keys) = (encoding::encode(&origin.app.epoch().0), encoding::encode(&origin.app.keys().digest.0));
    let nonce = encoding::encode(&[3; 16]);
    format!("{HEARTBEAT}?nonce={nonce}&wait={wait_ms}&epoch={epoch}&head={head}&keys={keys}")
}

/// Until so many polls are held.
async fn until_waiting(origin: &Origin, polls: u64) {
    while origin.app.news.waiting() < polls {
        tokio::task::yield_now().await;
    }
}

/// The head that a heartbeat names, without a look at its signature.
fn head_of(answer: &Answer) -> u64 {
    let payload = answer.text().split('.').nth(1).map(|part| encoding::decode(part.as_bytes()).unwrap()).unwrap();
    serde_json::from_slice::<serde_json::Value>(&payload).unwrap()["head"].as_u64().unwrap()
}

#[tokio::test]
async fn a_held_poll_is_answered_by_the_logout() {
    let origin = Origin::new().await;
    let edge = Edge::of(&origin);
    let token = origin.log_in().await;
    let path = held(&origin, 5_000, 0);
    let polling = edge.get(&origin, &path);
    let ending = async {
        until_waiting(&origin, 1).await;
        origin.log_out(&token).await;
        std::time::Instant::now()
    };
    let (answer, ended) = tokio::join!(polling, ending);
    assert!(ended.elapsed() < std::time::Duration::from_secs(2), "{:?} after the logout", ended.elapsed());
    assert_eq!((answer.status, head_of(&answer)), (200, 1));
    assert_eq!(answer.header("countersign-news-age"), "0", "the clock of this test stands still");
    // Who knows less, or other keys, or another epoch, is not held at all: the clock of the test would stop otherwise.
    let long = held(&origin, 5_000, 0);
    for path in [&long, &held(&origin, 5_000, 2), &long.replace("&epoch=", "&epoch=AAAAAAAAAAAAAAAAAAAAAA&was=")] {
        let began = std::time::Instant::now();
        assert_eq!(head_of(&edge.get(&origin, path).await), 1);
        assert!(began.elapsed() < std::time::Duration::from_secs(2), "{path}");
    }
}

/// Two processes on one database: what the other commits is noticed, though nobody here says so.
#[tokio::test]
async fn a_held_poll_is_answered_by_another_process() {
    let origin = Origin::new().await;
    let other = origin.second().await;
    let edge = Edge::of(&origin);
    let token = origin.log_in().await;
    let path = held(&origin, 5_000, 0);
    let ending = async {
        until_waiting(&origin, 2).await;
        other.log_out(&token).await;
        std::time::Instant::now()
    };
    // Two, of which one looks for both.
    let (one, two, ended) = tokio::join!(edge.get(&origin, &path), edge.get(&origin, &path), ending);
    assert!(ended.elapsed() < std::time::Duration::from_secs(2), "{:?} after the logout", ended.elapsed());
    assert_eq!((head_of(&one), head_of(&two)), (1, 1));
}

#[tokio::test]
async fn a_held_poll_is_let_go_when_its_time_is_over_or_the_server_stops() {
    let origin = Origin::new().await;
    let edge = Edge::of(&origin);
    let began = std::time::Instant::now();
    assert_eq!(head_of(&edge.get(&origin, &held(&origin, 120, 0)).await), 0);
    assert!(began.elapsed() >= std::time::Duration::from_millis(120), "{:?}", began.elapsed());
    let path = held(&origin, u64::MAX, 0);
    let stopping = async {
        until_waiting(&origin, 1).await;
        origin.app.news.close();
    };
    let (answer, ()) = tokio::join!(edge.get(&origin, &path), stopping);
    assert_eq!(answer.status, 200);
    assert_eq!(edge.get(&origin, &path).await.status, 200, "and none is held from then on");
    assert!(began.elapsed() < std::time::Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn held_polls_are_bounded_and_say_what_they_know() {
    let origin = Origin::with("").await;
    let edge = Edge::of(&origin);
    let good = held(&origin, 5_000, 0);
    for wrong in [
        good.replace("wait=5000", "wait=x"),
        good.replace("&head=0", ""),
        good.replace("&keys=", "&keys=A"),
        good.replace("&epoch=", "&epoch=A"),
        good.replace("head=0", "head=-1"),
        format!("{good}&wait=1"),
    ] {
        let status = edge.get(&origin, &wrong).await.status;
        // Two of a name are as none: then nothing is asked to be held.
        assert_eq!(status, if wrong.ends_with("&wait=1") { 200 } else { 400 }, "{wrong}");
    }
    let places: Vec<_> = std::iter::from_fn(|| origin.app.news.place()).collect();
    assert_eq!(places.len(), origin.app.settings().max_connections / 2);
    let began = std::time::Instant::now();
    assert_eq!(edge.get(&origin, &good).await.status, 200);
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "answered at once: {:?}", began.elapsed());
}

/// Both credentials are taken while edges change over. After that the one of before gives the keys, with which comes
/// the one of today, until somebody retires it.
#[tokio::test]
async fn an_old_credential_gives_the_keys_and_nothing_else() {
    use crate::key_plan::{self, Retirement};
    use crate::key_purpose::FEED_CREDENTIAL;
    let origin = Origin::new().await;
    let app = &origin.app;
    let edge = Edge::of(&origin);
    let rows = async || app.store.keys().list().await.ok().unwrap();
    let carry_out = async |steps: Vec<key_plan::Step>| {
        let changes: Vec<_> = steps.iter().map(key_plan::Step::change).collect();
        app.store.keys().change(&changes, None, "test", app.clock.now().seconds()).await.unwrap();
        crate::key_upkeep::once(app).await.unwrap();
    };
    let (heartbeat, keys) = (format!("{HEARTBEAT}?nonce={}", encoding::encode(&[5; 16])), "/countersign/v1/edge-keys");
    let keys = format!("{keys}?bundle=b1&realm=/alpha&nonce={NONCE}");
    let statuses =
        async |edge: &Edge| (edge.get(&origin, &heartbeat).await.status, edge.get(&origin, &keys).await.status);
    let old = rows().await.into_iter().find(|key| key.purpose == "feed-credential").unwrap().kid;
    let (digest, moment) = (app.keys().digest, (app.clock.now().seconds(), app.times()));
    let place = (FEED_CREDENTIAL, None);
    carry_out(key_plan::rotate(&rows().await, &place, false, moment, &crate::SystemEntropy).ok().unwrap()).await;
    assert_eq!((statuses(&edge).await, app.keys().digest), ((200, 200), digest));
    origin.clock.advance(20);
    crate::key_upkeep::once(app).await.unwrap();
    assert_ne!(app.keys().digest, digest);
    let own = app.keys().delivery_key("/alpha", "b1".to_owned().try_into().unwrap()).unwrap();
    let answer = edge.get(&origin, &keys).await;
    let opened =
        Delivery::open(&answer.body, &own.key_set().unwrap(), "/alpha", NONCE, Verifiers::Own, &mut Scratch::default());
    let newer = Edge { authorization: format!("Bearer {}", opened.ok().unwrap().2.unwrap()), ..Edge::of(&origin) };
    assert_ne!(newer.authorization, edge.authorization);
    assert_eq!((statuses(&edge).await, statuses(&newer).await), ((200, 200), (200, 200)));
    origin.clock.advance(20 + 120);
    for _ in 0..2 {
        crate::key_upkeep::once(app).await.unwrap();
        assert_eq!((statuses(&edge).await, statuses(&newer).await), ((401, 200), (200, 200)));
        origin.clock.advance(365 * 24 * 3600);
    }
    let now = app.clock.now().seconds();
    let retire = key_plan::retire(
        &rows().await,
        old.as_str(),
        Retirement::Kind,
        &std::collections::BTreeMap::new(),
        now,
        &crate::SystemEntropy,
    );
    carry_out(retire.ok().unwrap()).await;
    assert_eq!((statuses(&edge).await, statuses(&newer).await), ((401, 401), (200, 200)));
}

/// A bundle in other hands: whoever has it can open later key sets until its delivery key is retired, and none from
/// then on, whatever credential they come with.
#[tokio::test]
async fn a_bundle_is_withdrawn_with_its_delivery_key() {
    use crate::SystemEntropy;
    use crate::key_plan::{self, Impossible, Retirement, Step};
    use crate::key_purpose::EDGE_DELIVERY;
    let origin = Origin::new().await;
    let app = &origin.app;
    let edge = Edge::of(&origin);
    let rows = async || app.store.keys().list().await.ok().unwrap();
    let carry_out = async |steps: Result<Vec<Step>, Impossible>| {
        let steps = steps.ok().unwrap();
        let changes: Vec<_> = steps.iter().map(Step::change).collect();
        app.store.keys().change(&changes, None, "test", app.clock.now().seconds()).await.unwrap();
        crate::key_upkeep::once(app).await.unwrap();
    };
    let retire = async |kid: &str, how| {
        let (keys, live) = (rows().await, std::collections::BTreeMap::new());
        key_plan::retire(&keys, kid, how, &live, app.clock.now().seconds(), &SystemEntropy)
    };
    let ask = async |id: &countersign_core::keys::Kid| {
        edge.get(&origin, &format!("/countersign/v1/edge-keys?bundle={id}&realm=/alpha&nonce={NONCE}")).await
    };
    let opens = |answer: &Answer, key: &countersign_core::keys::DeliveryKey| {
        Delivery::open(&answer.body, &key.key_set().unwrap(), "/alpha", NONCE, Verifiers::Own, &mut Scratch::default())
            .is_ok()
    };

    // One of today, and one of a version that did not name its delivery key.
    let first = rows().await.into_iter().find(|key| key.purpose == "edge-delivery").unwrap().kid;
    let (stolen, unnamed) = (app.keys().new_bundle(&SystemEntropy).unwrap(), "b1".to_owned().try_into().unwrap());
    let [stolen_key, unnamed_key] =
        [&stolen, &unnamed].map(|id| app.keys().delivery_key("/alpha", id.clone()).unwrap());
    assert!(opens(&ask(&stolen).await, &stolen_key) && opens(&ask(&unnamed).await, &unnamed_key));
    assert!(retire(first.as_str(), Retirement::Kind).await.err().unwrap().0.contains("--purpose edge-delivery` first"));

    origin.clock.advance(1);
    let moment = (app.clock.now().seconds(), app.times());
    carry_out(key_plan::rotate(&rows().await, &(EDGE_DELIVERY, None), false, moment, &SystemEntropy)).await;
    let made = app.keys().new_bundle(&SystemEntropy).unwrap();
    assert!(!made.as_str().starts_with(first.as_str()) && !app.keys().is_old_bundle(&made));
    let made_key = app.keys().delivery_key("/alpha", made.clone()).unwrap();
    // Both of before go on, for as long as it takes to replace them: no time retires a delivery key.
    origin.clock.advance(10 * 365 * 24 * 3600);
    crate::key_upkeep::once(app).await.unwrap();
    for (id, key) in [(&stolen, &stolen_key), (&unnamed, &unnamed_key), (&made, &made_key)] {
        assert!(opens(&ask(id).await, key), "{id}");
        assert_eq!(app.keys().is_old_bundle(id), *id != made);
    }

    carry_out(retire(first.as_str(), Retirement::Kind).await).await;
    for id in [&stolen, &unnamed] {
        let answer = ask(id).await;
        assert_eq!((answer.status, answer.header("countersign-host-keys")), (403, ""), "{id}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("edge bundle"));
    }
    // Nor does the answer to another bundle open with what was in the stolen one.
    let answer = ask(&made).await;
    assert!(opens(&answer, &made_key) && !opens(&answer, &stolen_key) && !opens(&answer, &unnamed_key));
    // In an emergency, all of today at once.
    let second = rows().await.into_iter().rfind(|key| key.purpose == "edge-delivery").unwrap().kid;
    carry_out(retire(second.as_str(), Retirement::Revoked).await).await;
    assert_eq!(ask(&made).await.status, 403);
    assert!(app.keys().delivery_key("/alpha", app.keys().new_bundle(&SystemEntropy).unwrap()).is_ok());
}

/// An edge that was taken over can read. It has nothing to end sessions with, and nothing to take an end back.
#[tokio::test]
async fn r28_the_feed_credential_writes_nothing() {
    let origin = Origin::new().await;
    let edge = Edge::of(&origin);
    let token = origin.log_in().await;
    let credential = edge.authorization.strip_prefix("Bearer ").unwrap();
    let all = [("authorization", edge.authorization.as_str()), (crate::testing::COOKIE, credential)];
    for (path, body) in [
        ("sessions?_action=logout", "{}"),
        ("sessions?_action=logoutByUser", r#"{"username":"demo"}"#),
        ("sessions?_action=end", r#"{"scope":"user","username":"demo","reason":"x"}"#),
        ("sessions?_action=end", r#"{"scope":"realm","reason":"x"}"#),
    ] {
        let answer = origin.post(&format!("{}/{path}", crate::testing::ALPHA), &all, body).await;
        assert!((400..500).contains(&answer.status), "{path}: {} {}", answer.status, answer.text());
    }
    let epoch = encoding::encode(&origin.app.epoch().0);
    for path in [HEARTBEAT.to_owned(), format!("/countersign/v1/denylist/segments/{epoch}/0/1")] {
        for method in [axum::http::Method::POST, axum::http::Method::PUT, axum::http::Method::DELETE] {
            let answer = origin.send(method, &path, &all, "").await;
            assert_eq!(answer.status, 405, "{path}");
        }
    }
    assert!(origin.is_valid(&token).await);
    assert_eq!(origin.app.store.denylist().head().await.unwrap().seq, 0);
}

/// What edges, and whoever reads along, are given says how many and until when, and of nobody who.
#[tokio::test]
async fn r31_the_feed_names_nobody() {
    let origin = Origin::new().await;
    let edge = Edge::of(&origin);
    let token = origin.log_in().await;
    let mut scratch = Scratch::default();
    let session = crate::sessions::open(&origin.app, token.as_bytes(), &mut scratch).unwrap();
    let sid = session.claims().sid;
    origin.log_out(&token).await;
    let epoch = encoding::encode(&origin.app.epoch().0);
    let answer = edge.get(&origin, &format!("/countersign/v1/denylist/segments/{epoch}/0/1")).await;
    assert_eq!((answer.status, answer.body.len()), (200, 32 + 4 + 8), "slot and fingerprint");
    let has = |needle: &[u8]| answer.body.windows(needle.len()).any(|window| window == needle);
    assert!(!has(b"demo") && !has(b"alpha") && !has(&sid.0[..8]) && !has(&sid.0[8..]));
    assert!(has(&session.family().0.to_be_bytes()));
    // Another installation's key gives other fingerprints: none can be looked up without it.
    let foreign = countersign_core::denylist::fingerprint::DenylistKey::new(&[0; 32]);
    let guess = foreign.fingerprint(countersign_core::denylist::Kind::Family, "/alpha", &sid.0);
    assert!(!has(&guess.0.to_be_bytes()));
}
