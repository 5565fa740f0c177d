//! The life of keys by the test's clock.

use countersign_core::keys::{Bundle, KeyState, Verifiers};
use countersign_core::session::SessionClaims;
use countersign_core::time::UnixSeconds;
use countersign_core::token::{self, Kind, Scratch, TokenError};
use countersign_store::{Change, StoredKey};

use crate::SystemEntropy;
use crate::key_plan::{self, Retirement, Step, Times};
use crate::key_purpose::{self, ASSERTION, DENYLIST};
use crate::key_upkeep::once;
use crate::keyring::{self, Place};
use crate::testing::Origin;

fn now(origin: &Origin) -> UnixSeconds {
    origin.app.clock.now().seconds()
}

async fn rows(origin: &Origin) -> Vec<StoredKey> {
    origin.app.store.keys().list().await.ok().unwrap()
}

/// The identifiers of a purpose and algorithm, with their states, oldest first.
async fn states(origin: &Origin, purpose: &str, algorithm: &str) -> Vec<KeyState> {
    let of = |key: &&StoredKey| key.purpose == purpose && key.algorithm == algorithm;
    let mut states: Vec<_> = rows(origin).await.iter().filter(of).map(|key| (key.created_at, key.state)).collect();
    states.sort_by_key(|(created, _)| created.0);
    states.into_iter().map(|(_, state)| state).collect()
}

async fn apply(origin: &Origin, steps: &[Step]) {
    let changes: Vec<Change<'_>> = steps.iter().map(Step::change).collect();
    origin.app.store.keys().change(&changes, None, "test", now(origin)).await.unwrap();
}

async fn rotate(origin: &Origin, at_once: bool) {
    let keys = rows(origin).await;
    for place in keyring::rotatable(&keys, &origin.app.settings()) {
        let moment = (now(origin), Times::of(&origin.app.settings()));
        let steps = key_plan::rotate(&keys, &place, at_once, moment, &SystemEntropy).unwrap();
        apply(origin, &steps).await;
    }
}

async fn session_kid(origin: &Origin, state: KeyState) -> String {
    let keys = rows(origin).await;
    let key =
        keys.iter().find(|key| key.purpose == "session-signing" && key.algorithm == "EdDSA" && key.state == state);
    key.unwrap().kid.to_string()
}

/// K01 and K02 over a whole life, with the default lease of 10 s and sessions of two hours.
#[tokio::test]
async fn k01_k02_a_key_is_published_used_kept_and_retired() {
    use KeyState::{Active, Retired, Standby, VerifyOnly};
    let origin = Origin::new().await;
    let old = origin.log_in().await;
    origin.clock.advance(10);
    rotate(&origin, false).await;
    once(&origin.app).await.unwrap();
    let session = async || states(&origin, "session-signing", "EdDSA").await;
    assert_eq!(session().await, [Active, Standby]);
    let first = session_kid(&origin, Active).await;
    let minted_with = async |kid: &str| {
        let made = origin.log_in().await;
        assert!(origin.is_valid(&made).await);
        origin.app.keys().realms["/alpha"].session.minting.kids().any(|own| own.as_str() == kid)
    };
    // K02: published, and not used one second early.
    origin.clock.advance(19);
    once(&origin.app).await.unwrap();
    assert_eq!(session().await, [Active, Standby]);
    assert!(minted_with(&first).await);
    origin.clock.advance(1);
    once(&origin.app).await.unwrap();
    assert_eq!(session().await, [VerifyOnly, Active]);
    assert!(!minted_with(&first).await);
    assert!(origin.is_valid(&old).await);

    // Kept for as long as a session made with it can live; the last was made a second before the change.
    origin.clock.advance(7198);
    once(&origin.app).await.unwrap();
    assert_eq!(session().await, [VerifyOnly, Active]);
    origin.clock.advance(120 + 900);
    once(&origin.app).await.unwrap();
    assert_eq!(session().await, [Retired, Active]);
    // K01: what it made is refused for the key's sake, whatever the times say.
    origin.clock.set_back(7198 + 120 + 900);
    assert!(!origin.is_valid(&old).await);
    assert_eq!(states(&origin, "journey-signing", "HS256").await, [Retired, Active]);
}

#[tokio::test]
async fn k01_retiring_waits_for_live_sessions_unless_forced() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    let kid = session_kid(&origin, KeyState::Active).await;
    once(&origin.app).await.unwrap();
    let retire = async |kid: &str, how| {
        let live = origin.app.store.keys().live_tokens(now(&origin)).await.unwrap();
        key_plan::retire(&rows(&origin).await, kid, how, &live, now(&origin), &SystemEntropy)
    };
    let why = |outcome: Result<Vec<Step>, key_plan::Impossible>| outcome.err().unwrap().0;
    let refused = why(retire(&kid, Retirement::Kind).await);
    let counted = format!("{kid} is the key in use, and up to 1 live sessions hang on {kid}, the last of them for ");
    assert!(refused.starts_with(&counted), "{refused}");
    rotate(&origin, true).await;
    once(&origin.app).await.unwrap();
    assert!(why(retire(&kid, Retirement::Kind).await).starts_with("up to 1 live sessions hang on"));
    assert!(origin.is_valid(&token).await);
    let steps = retire(&kid, Retirement::Forced).await.unwrap();
    apply(&origin, &steps).await;
    once(&origin.app).await.unwrap();
    assert!(!origin.is_valid(&token).await);
    assert!(why(retire(&kid, Retirement::Forced).await).contains("is retired already"));
    for (purpose, reason) in
        [("denylist", "sessions that were ended would come back"), ("feed-credential", "edges ask for the next one")]
    {
        let kid = rows(&origin).await.iter().find(|key| key.purpose == purpose).unwrap().kid.to_string();
        for how in [Retirement::Kind, Retirement::Forced, Retirement::Revoked] {
            assert!(why(retire(&kid, how).await).contains(reason), "{purpose}");
        }
    }
    assert!(why(retire("none", Retirement::Kind).await).contains("no key"));
}

/// K03 at the origin: the active key goes, another takes its place in the same transaction.
#[tokio::test]
async fn k03_a_revoked_active_key_is_replaced_at_once() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    let kid = session_kid(&origin, KeyState::Active).await;
    let steps = key_plan::retire(
        &rows(&origin).await,
        &kid,
        Retirement::Revoked,
        &std::collections::BTreeMap::new(),
        now(&origin),
        &SystemEntropy,
    );
    apply(&origin, &steps.unwrap()).await;
    once(&origin.app).await.unwrap();
    assert!(!origin.is_valid(&token).await);
    assert!(origin.is_valid(&origin.log_in().await).await);
}

/// K05, with a limit small enough to reach: the key is followed by another at three quarters, and where that comes too
/// late it refuses to seal.
#[tokio::test]
async fn k05_a_content_key_seals_no_more_than_it_may() {
    let origin = Origin::with("[keys]\nmax_seals = 64\n").await;
    let mut made = 0;
    // Without upkeep, only what was reserved at the start can be used.
    loop {
        let headers = [("x-openam-username", "demo"), ("x-openam-password", crate::testing::PASSWORD)];
        let answer = origin.post(&format!("{}/authenticate", crate::testing::ALPHA), &headers, "{}").await;
        if answer.status != 200 {
            break;
        }
        made += 1;
        assert!(made <= 4, "a block is a sixteenth of the limit");
    }
    assert_eq!(made, 4);
    // With it, the next key is in use before this one is spent, and no login fails.
    let mut rotated = false;
    for _ in 0..120 {
        origin.clock.advance(5);
        once(&origin.app).await.unwrap();
        origin.log_in().await;
        rotated |= states(&origin, "session-content", "A256GCM").await.contains(&KeyState::VerifyOnly);
    }
    assert!(rotated);
    assert!(rows(&origin).await.iter().all(|key| key.seals <= 64));
}

#[tokio::test]
async fn keys_of_an_age_are_followed_by_new_ones() {
    let origin = Origin::with("[keys]\nrotate_after_days = 7\n").await;
    once(&origin.app).await.unwrap();
    assert_eq!(states(&origin, "session-signing", "EdDSA").await, [KeyState::Active]);
    origin.clock.advance(7 * 24 * 3600);
    once(&origin.app).await.unwrap();
    assert_eq!(states(&origin, "session-signing", "EdDSA").await, [KeyState::Active, KeyState::Standby]);
    assert_eq!(states(&origin, "assertion-signing", "EdDSA").await, [KeyState::Active, KeyState::Standby]);
    assert_eq!(states(&origin, "denylist", "HS256").await, [KeyState::Active], "only by name");
    assert_eq!(states(&origin, "feed-credential", "bearer").await, [KeyState::Active], "only by name");
    once(&origin.app).await.unwrap();
    origin.clock.advance(20);
    once(&origin.app).await.unwrap();
    assert_eq!(states(&origin, "session-signing", "EdDSA").await, [KeyState::VerifyOnly, KeyState::Active]);
}

async fn rotate_one(origin: &Origin, place: &Place, at_once: bool) -> Result<(), key_plan::Impossible> {
    let moment = (now(origin), origin.app.times());
    let steps = key_plan::rotate(&rows(origin).await, place, at_once, moment, &SystemEntropy)?;
    apply(origin, &steps).await;
    Ok(())
}

/// The assertion key that an edge gets, and the keys that are published, oldest first.
fn assertions(origin: &Origin, realm: &str) -> (String, Vec<String>) {
    let ring = origin.app.keys();
    let used = ring.host_delivery(realm).unwrap()["assertion"]["kid"].as_str().unwrap().to_owned();
    let jwks = ring.jwks(realm);
    let published = jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned());
    (used, published.collect())
}

/// Published before it is used, for as long as applications may keep what was published; and after, until the last
/// assertion made with it has expired. With a lease of 10 s and a minute in caches.
#[tokio::test]
async fn an_assertion_key_is_published_before_its_use_and_after() {
    use KeyState::{Active, Retired, Standby, VerifyOnly};
    let origin = Origin::new().await;
    origin.clock.advance(1);
    let (old, _) = assertions(&origin, "/alpha");
    let digest = origin.app.keys().digest;
    rotate_one(&origin, &(ASSERTION, Some("/alpha".to_owned())), false).await.unwrap();
    once(&origin.app).await.unwrap();
    let (used, published) = assertions(&origin, "/alpha");
    assert_eq!((&used, published.len()), (&old, 2));
    assert!(published.contains(&old));
    assert_eq!(origin.app.keys().digest, digest, "edges have nothing to fetch yet");
    origin.clock.advance(60 + 9);
    once(&origin.app).await.unwrap();
    assert_eq!(states(&origin, "assertion-signing", "EdDSA").await, [Active, Standby]);
    origin.clock.advance(1);
    once(&origin.app).await.unwrap();
    assert_eq!(states(&origin, "assertion-signing", "EdDSA").await, [VerifyOnly, Active]);
    assert_ne!(origin.app.keys().digest, digest, "now they have");
    let (used, published) = assertions(&origin, "/alpha");
    assert!(used != old && published.contains(&old) && published.contains(&used));
    // Two leases, the life of an assertion, a minute in caches, and the margin.
    origin.clock.advance(20 + 60 + 60 + 120 - 1);
    once(&origin.app).await.unwrap();
    assert_eq!(assertions(&origin, "/alpha").1.len(), 2);
    origin.clock.advance(1);
    once(&origin.app).await.unwrap();
    assert_eq!(states(&origin, "assertion-signing", "EdDSA").await, [Retired, Active]);
    assert_eq!(assertions(&origin, "/alpha"), (used.clone(), vec![used]));
}

/// Makes the installation one of before: with one assertion key for all realms, of which there are two.
async fn with_one_assertion_key(origin: &Origin) -> String {
    let (store, at, settings) = (&origin.app.store, now(origin), origin.app.settings());
    store.realms().create("/beta", at).await.unwrap();
    keyring::generate(store, Some(("/beta", settings.realm("/beta"))), at, &SystemEntropy).await.unwrap();
    for key in rows(origin).await.iter().filter(|key| key.purpose == ASSERTION.name) {
        store.keys().set_state(&key.kid, KeyState::Retired).await.unwrap();
    }
    let (kid, secret) = key_purpose::new_secret(ASSERTION, &SystemEntropy).unwrap();
    let (place, state) = ((ASSERTION, None), KeyState::Active);
    apply(origin, &[Step::Add { place, kid: kid.clone(), state, activates_at: None, secret }]).await;
    origin.app.keys_current().await.unwrap();
    kid.to_string()
}

/// Edges go on with the key of all realms until they get their own, and applications find both; then it goes.
#[tokio::test]
async fn realms_of_before_get_assertion_keys_of_their_own() {
    const DAY: u64 = 24 * 3600;
    let origin = Origin::with("[session]\nmax_time_minutes = 2880\nmax_idle_minutes = 0\n").await;
    origin.clock.advance(1);
    let shared = with_one_assertion_key(&origin).await;
    let token = origin.log_in().await;
    let both = || ["/alpha", "/beta"].map(|realm| assertions(&origin, realm));
    assert_eq!(both(), [(); 2].map(|()| (shared.clone(), vec![shared.clone()])));
    // Nothing of it is for a start to do: an origin of this version takes the database up as it is.
    let other = origin.second().await;
    assert_eq!(assertions(&other, "/beta"), (shared.clone(), vec![shared.clone()]));
    let digest = origin.app.keys().digest;
    once(&origin.app).await.unwrap();
    once(&origin.app).await.unwrap();
    let [(alpha_uses, alpha), (beta_uses, beta)] = both();
    assert_eq!((&alpha_uses, &beta_uses), (&shared, &shared));
    assert_eq!((alpha.len(), beta.len()), (2, 2));
    assert!(alpha.contains(&shared) && beta.contains(&shared));
    let own = |published: &[String]| published.iter().find(|kid| **kid != shared).unwrap().clone();
    let (of_alpha, of_beta) = (own(&alpha), own(&beta));
    assert_ne!(of_alpha, of_beta);
    assert_eq!(origin.app.keys().digest, digest, "edges have nothing to fetch yet");
    assert_eq!(origin.app.keys().shared_assertion_key().unwrap().1, ["/alpha", "/beta"]);

    origin.clock.advance(DAY - 1);
    once(&origin.app).await.unwrap();
    assert_eq!(both().map(|(used, _)| used), [shared.clone(), shared.clone()]);
    origin.clock.advance(1);
    once(&origin.app).await.unwrap();
    assert_ne!(origin.app.keys().digest, digest, "now they have");
    once(&origin.app).await.unwrap();
    let [(alpha_uses, alpha), (beta_uses, beta)] = both();
    assert_eq!((&alpha_uses, &beta_uses), (&of_alpha, &of_beta));
    assert!(alpha.contains(&shared) && beta.contains(&shared), "what was signed with it is good for a while");
    assert!(!alpha.contains(&of_beta) && !beta.contains(&of_alpha));
    assert!(origin.app.keys().shared_assertion_key().is_none());
    assert!(origin.is_valid(&token).await);

    origin.clock.advance(20 + 60 + 60 + 120);
    once(&origin.app).await.unwrap();
    assert_eq!(both(), [(of_alpha.clone(), vec![of_alpha]), (of_beta.clone(), vec![of_beta.clone()])]);
    assert!(origin.is_valid(&token).await);
    // From then on each is rotated by itself.
    rotate_one(&origin, &(ASSERTION, Some("/alpha".to_owned())), true).await.unwrap();
    once(&origin.app).await.unwrap();
    assert_eq!(assertions(&origin, "/beta"), (of_beta.clone(), vec![of_beta]));
}

/// A program of before, on the same database, knows nothing of realms' assertion keys.
#[tokio::test]
async fn a_realm_without_an_assertion_key_gets_one_at_once() {
    let origin = Origin::new().await;
    for key in rows(&origin).await.iter().filter(|key| key.purpose == ASSERTION.name) {
        origin.app.store.keys().set_state(&key.kid, KeyState::Retired).await.unwrap();
    }
    once(&origin.app).await.unwrap();
    let (used, published) = assertions(&origin, "/alpha");
    assert_eq!(published, std::slice::from_ref(&used));
    origin.app.store.keys().set_state(&used.try_into().unwrap(), KeyState::Retired).await.unwrap();
    let other = origin.second().await;
    assert_eq!(assertions(&other, "/alpha").1.len(), 1);
}

/// What was ended stays ended: under the key of before, for as long as one of its entries stands in the log, and under
/// the one that follows.
#[tokio::test]
async fn a_denylist_key_is_kept_until_no_entry_stands_under_it() {
    use KeyState::{Active, Retired, VerifyOnly};
    let origin = Origin::new().await;
    let other = origin.second().await;
    let place = (DENYLIST, None);
    let [before, lagging, after, kept] =
        [origin.log_in().await, origin.log_in().await, origin.log_in().await, origin.log_in().await];
    origin.clock.advance(1);
    origin.log_out(&before).await;
    assert!(rotate_one(&origin, &place, true).await.err().unwrap().0.contains("without --now"));
    rotate_one(&origin, &place, false).await.unwrap();
    once(&origin.app).await.unwrap();
    once(&other.app).await.unwrap();
    origin.clock.advance(20);
    once(&origin.app).await.unwrap();
    assert_eq!(states(&origin, "denylist", "HS256").await, [VerifyOnly, Active]);
    // An origin that has not looked since makes its entry under the key of before.
    other.log_out(&lagging).await;
    origin.log_out(&after).await;
    for token in [&before, &lagging, &after] {
        assert!(!origin.is_valid(token).await && !other.is_valid(token).await);
    }
    assert!(origin.is_valid(&kept).await);
    // What an edge looks for is what the origin writes.
    let bundle = origin.app.keys().verification("/alpha", &origin.app.settings()).unwrap();
    assert!(bundle.denylist_beside.is_some());
    // One at a time.
    let refused = rotate_one(&origin, &place, false).await.err().unwrap();
    assert!(refused.0.contains("goes by itself"), "{refused}");

    // Long after every waiting time, with an entry still there.
    origin.clock.advance(7000);
    crate::prune::once(&origin.app).await;
    once(&origin.app).await.unwrap();
    assert_eq!(states(&origin, "denylist", "HS256").await, [VerifyOnly, Active]);
    assert!(!origin.is_valid(&before).await);
    // And when the last of them has gone.
    origin.clock.advance(2000);
    crate::prune::once(&origin.app).await;
    once(&origin.app).await.unwrap();
    assert_eq!(states(&origin, "denylist", "HS256").await, [Retired, Active]);
    rotate_one(&origin, &place, false).await.unwrap();
}

/// An entry of a session that outlives today's settings keeps the key that it was made under.
#[tokio::test]
async fn a_denylist_key_outlives_shorter_settings() {
    let before = Origin::with("[session]\nmax_time_minutes = 720\nmax_idle_minutes = 0\n").await;
    let (token, kept) = (before.log_in().await, before.log_in().await);
    let origin = before.again_with("[session]\nmax_time_minutes = 5\nmax_idle_minutes = 0\n").await;
    origin.clock.advance(1);
    origin.log_out(&token).await;
    rotate_one(&origin, &(DENYLIST, None), false).await.unwrap();
    origin.clock.advance(20);
    once(&origin.app).await.unwrap();
    for _ in 0..7 {
        origin.clock.advance(5000);
        crate::prune::once(&origin.app).await;
        once(&origin.app).await.unwrap();
        assert_eq!(states(&origin, "denylist", "HS256").await, [KeyState::VerifyOnly, KeyState::Active]);
        assert_eq!((origin.is_valid(&token).await, origin.is_valid(&kept).await), (false, true));
    }
}

#[tokio::test]
async fn two_origins_agree_and_take_each_others_sessions() {
    let one = Origin::new().await;
    let other = one.second().await;
    rotate(&one, true).await;
    once(&one.app).await.unwrap();
    let token = one.log_in().await;
    // The other one has not looked yet: it meets a key that it does not know, and looks.
    assert!(other.is_valid(&token).await);
    assert_eq!(one.app.keys().digest, other.app.keys().digest);
    // Both find the same thing due; one does it.
    rotate(&one, false).await;
    one.clock.advance(20);
    let (first, second) = tokio::join!(once(&one.app), once(&other.app));
    first.unwrap();
    second.unwrap();
    use KeyState::{Active, VerifyOnly};
    assert_eq!(states(&one, "feed-signing", "EdDSA").await.iter().filter(|state| **state == Active).count(), 1);
    assert_eq!(states(&one, "feed-signing", "EdDSA").await.iter().filter(|state| **state == VerifyOnly).count(), 2);
}

/// What hangs on a key is every token made with it, the re-issued ones too.
#[tokio::test]
async fn every_token_of_a_session_is_counted() {
    use crate::sessions::{self, Renew, Renewal};
    let origin = Origin::new().await;
    let kids = [session_kid(&origin, KeyState::Active).await, content_kid(&origin).await];
    let counted = async || {
        once(&origin.app).await.unwrap();
        let live = origin.app.store.keys().live_tokens(now(&origin)).await.unwrap();
        kids.each_ref().map(|kid| live.get(kid).map_or(0, |live| live.tokens))
    };
    let token = origin.log_in().await;
    assert_eq!(counted().await, [1, 1]);
    assert!(matches!(sessions::renew(&origin.app, token.as_bytes(), Renew::IfDue).await, Ok(Renewal::Needless)));
    assert_eq!(counted().await, [1, 1]);
    assert!(matches!(sessions::renew(&origin.app, token.as_bytes(), Renew::Now).await, Ok(Renewal::Issued(_))));
    assert_eq!(counted().await, [2, 2]);
    let cookie = format!("{}={token}", crate::testing::COOKIE);
    let credentials = [("x-openam-username", "demo"), ("x-openam-password", crate::testing::PASSWORD)];
    let headers = [credentials[0], credentials[1], ("cookie", cookie.as_str())];
    let path = format!("{}/authenticate?ForceAuth=true", crate::testing::ALPHA);
    assert_eq!(origin.post(&path, &headers, "{}").await.status, 200);
    assert_eq!(counted().await, [3, 3]);
}

async fn content_kid(origin: &Origin) -> String {
    rows(origin).await.iter().find(|key| key.purpose == "session-content").unwrap().kid.to_string()
}

/// What an edge with the bundle of `origin` says of a token.
fn at_an_edge(origin: &Origin, token: &str) -> Result<(), TokenError> {
    let bundle = origin.app.keys().verification("/alpha", &origin.app.settings()).unwrap();
    // As it travels.
    let keys = Bundle::parse(&serde_json::to_string(&bundle).unwrap(), Verifiers::Own).unwrap();
    let opened = token::open::<SessionClaims>(token.as_bytes(), Kind::Session, &keys.session, &mut Scratch::default());
    opened.map(drop)
}

/// One after another: every kind of change there is. Nobody's session ends, no edge meets a key it has not been told
/// of, and what is over is over.
#[tokio::test]
async fn a_realm_changes_its_algorithms_without_ending_a_session() {
    let mut origin = Origin::new().await;
    let mut tokens = vec![origin.log_in().await];
    let ended = origin.log_in().await;
    origin.log_out(&ended).await;
    for (signing, encryption, method) in [
        ("HS512", "DIRECT", "A256GCM"),
        ("HS512", "AES_KEYWRAP", "A256CBC-HS512"),
        ("RS256", "NONE", "A256GCM"),
        ("NONE", "DIRECT", "A128CBC-HS256"),
        ("ES256", "RSA", "A128GCM"),
    ] {
        let settings = format!(
            "[session]\nstatelessSigningType = \"{signing}\"\nstatelessEncryptionType = \"{encryption}\"\n\
             \"org.forgerock.openam.session.stateless.encryption.method\" = \"{method}\"\n"
        );
        origin = origin.again_with(&settings).await;
        once(&origin.app).await.unwrap();
        // The new keys are published, and tokens are made as before.
        let published = origin.app.keys().verification("/alpha", &origin.app.settings()).unwrap();
        let told = Bundle::parse(&serde_json::to_string(&published).unwrap(), Verifiers::Own).unwrap();
        tokens.push(origin.log_in().await);
        origin.clock.advance(20);
        once(&origin.app).await.unwrap();
        once(&origin.app).await.unwrap();
        let token = origin.log_in().await;
        let kids: Vec<_> = origin.app.keys().realms["/alpha"].session.minting.kids().cloned().collect();
        let keys = rows(&origin).await;
        let used: Vec<_> = kids.iter().filter_map(|kid| keys.iter().find(|key| key.kid == *kid)).collect();
        let algorithms: Vec<_> = used.iter().map(|key| key.algorithm.as_str()).collect();
        assert_eq!(used.len(), usize::from(signing != "NONE") + usize::from(encryption != "NONE"), "{algorithms:?}");
        assert!(signing == "NONE" || algorithms.contains(&signing), "{algorithms:?}");
        assert!(encryption == "NONE" || algorithms.iter().any(|name| name.ends_with(method)), "{algorithms:?}");
        let active = |key: &&StoredKey| key.state == KeyState::Active && key.purpose.starts_with("session-");
        assert_eq!(keys.iter().filter(active).count(), used.len(), "one format is in use");
        let opened =
            token::open::<SessionClaims>(token.as_bytes(), Kind::Session, &told.session, &mut Scratch::default());
        assert!(opened.is_ok(), "an edge that was told when the keys were made has them: {settings}");
        tokens.push(token);
        for (at, token) in tokens.iter().enumerate() {
            assert!(origin.is_valid(token).await, "{at} under {settings}");
            assert_eq!(at_an_edge(&origin, token), Ok(()), "{at} under {settings}");
        }
        assert!(!origin.is_valid(&ended).await);
    }
    // Back to the first one: its keys are known everywhere, so nothing is waited for.
    origin = origin.again_with("").await;
    once(&origin.app).await.unwrap();
    assert_eq!(states(&origin, "session-signing", "EdDSA").await, [KeyState::Active]);
    assert_eq!(at_an_edge(&origin, &origin.log_in().await), Ok(()));
    // When all has expired, the keys of before are gone, and edges are told so.
    once(&origin.app).await.unwrap();
    origin.clock.advance(3 * 3600);
    once(&origin.app).await.unwrap();
    let verification = origin.app.keys().verification("/alpha", &origin.app.settings()).unwrap();
    assert!(verification.also.is_empty() && verification.session_signing.len() == 1);
    assert!(!origin.app.keys().edge_could_mint("/alpha", &origin.app.settings()).unwrap());
}

/// The authId goes on through a change of its algorithms too.
#[tokio::test]
async fn a_login_under_way_survives_a_change_of_algorithms() {
    let origin = Origin::new().await;
    let auth_id = origin.auth_id().await;
    let settings = "[realm.\"/alpha\".journey]\nstatelessSigningType = \"ES256\"\n\
                    statelessEncryptionType = \"AES_KEYWRAP\"\naes_keywrap_bits = 128\n";
    let origin = origin.again_with(settings).await;
    for _ in 0..3 {
        once(&origin.app).await.unwrap();
        assert!(origin.goes_on(&auth_id).await);
        origin.clock.advance(20);
    }
    assert_eq!(states(&origin, "journey-signing", "ES256").await, [KeyState::Active]);
    assert_eq!(states(&origin, "journey-content", "A128KW+A256GCM").await, [KeyState::Active]);
    let new = origin.auth_id().await;
    assert!(origin.goes_on(&new).await);
    assert!(origin.goes_on(&auth_id).await);
}

/// A file that is bad when its key would be needed: nothing is made in its place, and the log has setting and file.
#[tokio::test]
async fn a_secret_comes_from_the_file_that_settings_name_or_from_nowhere() {
    let origin = Origin::new().await;
    let secret: Vec<u8> = (0..32).collect();
    let text = countersign_core::encoding::encode(&secret);
    let settings =
        "[session]\nstatelessSigningType = \"HS256\"\nstatelessSigningHmacSecret = { file = \"hmac.b64\" }\n";
    let origin = origin.again_with(settings).await;
    let file = origin.dir().join("hmac.b64");
    let name = format!("setting session.statelessSigningHmacSecret is refused: {}", file.display());
    let token = origin.log_in().await;
    let before = rows(&origin).await.len();
    let same = countersign_core::encoding::encode(&[0; 32]);
    for (content, why) in [
        (None, "No such file or directory"),
        (Some("c2hvcnQ="), "at least 256 bits (RFC 7518 section 3.2); this one has 40"),
        (Some(same.as_str()), "all bytes of the key are the same"),
        (Some("?"), "not a secret in base64"),
    ] {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        origin.clock.advance(20);
        let error = once(&origin.app).await.unwrap_err().to_string();
        let of_file = content.map_or(name.replace(": /", ": cannot read /"), |_| name.clone());
        assert!(error.starts_with(&of_file) && error.contains(why), "{error}");
        // Tokens are made as before.
        assert_eq!(rows(&origin).await.len(), before, "{content:?}");
        assert!(origin.is_valid(&token).await && origin.is_valid(&origin.log_in().await).await);
    }
    std::fs::write(&file, &text).unwrap();
    once(&origin.app).await.unwrap();
    // From now on it is not needed: what is published comes into use.
    std::fs::write(&file, "?").unwrap();
    for _ in 0..3 {
        origin.clock.advance(20);
        drop(once(&origin.app).await);
    }
    let keys = rows(&origin).await;
    let active = |key: &&StoredKey| key.purpose == "session-signing" && key.state == KeyState::Active;
    let active: Vec<_> = keys.iter().filter(active).map(|key| key.secret.to_vec()).collect();
    assert_eq!(active, [secret]);
    assert_eq!(states(&origin, "session-signing", "HS256").await, [KeyState::Active]);
    assert!(origin.is_valid(&token).await);
}
