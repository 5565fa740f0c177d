//! Keys that change while sessions live, in real workerd with the real origin.

use std::process::Command;
use std::time::Duration;

use countersign_core::encoding;
use countersign_tests::{World, cookie, eventually, send};
use ed25519_dalek::{Signer as _, SigningKey};
use xtask::edge_build::{self, BuildOptions};
use xtask::stack::{DenylistProfile, Stack};

/// Runs `countersign keys …` and gives what it printed.
fn keys(stack: &Stack, arguments: &[&str]) -> String {
    let output = stack.countersign().arg("keys").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

/// The identifier of the key of a purpose and algorithm in a state, as `keys list` shows it.
fn kid(stack: &Stack, purpose: &str, algorithm: &str, state: &str) -> Option<String> {
    let list = keys(stack, &["list", "--all"]);
    list.lines().find_map(|line| {
        let cells: Vec<_> = line.split_whitespace().collect();
        (cells.get(2..5)? == [purpose, algorithm, state]).then(|| cells[0].to_owned())
    })
}

fn eventually_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let mut found = None;
    eventually(what, Duration::from_secs(30), || {
        found = look();
        found.is_some()
    });
    found.unwrap()
}

/// Every key that can be rotated is, twice over, while people log in, stay and log out; with the strict profile a key
/// is published for 4 s before it is used.
#[test]
fn rotation_under_load_loses_no_session_and_lets_nothing_back_in() {
    let world = World::new(DenylistProfile::Strict);
    let (before, ended) = (world.log_in(), world.log_in());
    assert_eq!((world.check(&before), world.check(&ended)), (204, 204));
    assert_eq!(world.log_out(&ended).status, 200);
    eventually("the logout arrives", DenylistProfile::Strict.bound(), || world.check(&ended) == 401);
    let old = kid(&world.stack, "session-signing", "EdDSA", "active").unwrap();

    let planned = keys(&world.stack, &["rotate"]);
    assert_eq!(planned.matches("standby, active in 4s").count(), 5, "{planned}");
    // The assertion key waits for what keeps the published keys.
    assert!(planned.contains("new assertion-signing EdDSA of /alpha key, standby, active in 1m 10s"), "{planned}");
    let new = kid(&world.stack, "session-signing", "EdDSA", "standby").unwrap();
    // K02: a second rotation does not push the first along.
    let mut again = world.stack.countersign();
    again.args(["keys", "rotate"]);
    assert!(refused(again).contains("has the standby key"));

    let mut during = Vec::new();
    eventually("the new keys are in use", Duration::from_secs(20), || {
        let token = world.log_in();
        assert_eq!(world.check(&token), 204, "made during the rotation, session {}", during.len());
        assert_eq!((world.check(&before), world.check(&ended)), (204, 401));
        during.push(token);
        kid(&world.stack, "session-signing", "EdDSA", "active").as_ref() == Some(&new)
    });
    assert_eq!(kid(&world.stack, "session-signing", "EdDSA", "verify-only"), Some(old.clone()));
    for _ in 0..20 {
        during.push(world.log_in());
    }
    assert!(during.iter().chain([&before]).all(|token| world.check(token) == 204));
    assert_eq!(world.check(&ended), 401);
    assert_eq!(world.log_out(&during[0]).status, 200);
    eventually("a logout still arrives", DenylistProfile::Strict.bound(), || world.check(&during[0]) == 401);

    // What hangs on the old key is counted, and keeps it.
    let mut retire = world.stack.countersign();
    retire.args(["keys", "retire", &old]);
    let reason = refused(retire);
    assert!(reason.contains("live sessions hang on"), "{reason}");

    // At once, an edge meets tokens of a key it never heard of: it fetches the key and refuses nobody.
    keys(&world.stack, &["rotate", "--purpose", "session-signing", "--now"]);
    for _ in 0..10 {
        let token = world.log_in();
        assert_eq!(world.check(&token), 204);
    }
    assert_eq!((world.check(&before), world.check(&ended)), (204, 401));
}

/// An edge that starts with the bundle of long ago: everything in it but denylist and credential has been replaced.
#[test]
fn an_edge_with_an_old_bundle_catches_up() {
    let mut world = World::new(DenylistProfile::Strict);
    let stale = world.stack.bundle().unwrap();
    keys(&world.stack, &["rotate", "--now"]);
    let feed = kid(&world.stack, "feed-signing", "EdDSA", "verify-only").unwrap();
    keys(&world.stack, &["retire", &feed, "--force"]);
    world.stack.stop_workerd();
    world.stack.start_workerd_with(stale).unwrap();
    let token = world.log_in();
    eventually("the edge has the new keys", Duration::from_secs(5), || world.check(&token) == 204);
}

/// A bundle in other hands: once it is withdrawn, what comes later does not open with it, and the edge that still has
/// it is closed. A new one opens it again, and no session was lost.
#[test]
fn a_withdrawn_bundle_gets_no_later_keys() {
    let mut world = World::new(DenylistProfile::Strict);
    let token = world.log_in();
    assert_eq!(world.check(&token), 204);
    let old = kid(&world.stack, "edge-delivery", "HMAC-SHA256", "active").unwrap();
    keys(&world.stack, &["rotate", "--purpose", "edge-delivery"]);
    // Until then it goes on like any other.
    keys(&world.stack, &["rotate", "--purpose", "session-signing", "--now"]);
    let during = world.log_in();
    assert_eq!((world.check(&during), world.check(&token)), (204, 204));

    keys(&world.stack, &["retire", &old]);
    keys(&world.stack, &["rotate", "--purpose", "session-signing", "--now"]);
    eventually("the edge with it is closed", Duration::from_secs(5), || world.check(&token) == 503);
    let bundle = world.stack.bundle().unwrap();
    world.stack.stop_workerd();
    world.stack.start_workerd_with(bundle).unwrap();
    let after = world.log_in();
    eventually("the edge has the new keys", Duration::from_secs(5), || world.check(&after) == 204);
    assert_eq!((world.check(&during), world.check(&token)), (204, 204));
}

/// The key that the edge signed with for the application, which verified it.
fn signed_with(world: &World, token: &str) -> String {
    let page = world.page(token).json();
    assert_eq!(page["assertion"]["verified"], true, "{page}");
    let assertion = page["headers"]["x-countersign-assertion"].as_str().unwrap().split('.').next().unwrap().to_owned();
    let header: serde_json::Value =
        serde_json::from_slice(&countersign_core::encoding::decode(assertion.as_bytes()).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

/// The application verifies by the published keys all the time, and no request fails, while the keys that only edges
/// have are followed by others: assertion, feed credential, denylist. With published keys that may be kept for 5 s.
#[test]
fn what_every_bundle_has_is_rotated_under_traffic() {
    let mut world = World::with(DenylistProfile::Strict, |options| {
        options.origin_env.push(("COUNTERSIGN__KEYS__JWKS_MAX_AGE_SECONDS".to_owned(), "5".to_owned()));
    });
    let stale = world.stack.bundle().unwrap();
    let (token, ended) = (world.log_in(), world.log_in());
    assert_eq!(world.log_out(&ended).status, 200);
    eventually("the logout arrives", DenylistProfile::Strict.bound(), || world.check(&ended) == 401);
    let jwks = |world: &World| {
        let set = send("GET", &world.edge("/am/.well-known/jwks.json"), &[], "").json();
        let kids: Vec<_> = set["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect();
        kids
    };
    let pages = |world: &World, what: &str| {
        let page = world.page(&token);
        assert_eq!(page.status, 200, "{what}: {page:?}");
        assert_eq!(page.json()["assertion"]["verified"], true, "{what}: {page:?}");
        assert_eq!(world.check(&ended), 401, "{what}");
    };
    pages(&world, "before");
    let active = |stack: &Stack| {
        [("assertion-signing", "EdDSA"), ("feed-credential", "bearer"), ("denylist", "HS256")]
            .map(|(purpose, algorithm)| kid(stack, purpose, algorithm, "active"))
    };
    let before = active(&world.stack);
    for purpose in ["assertion-signing", "feed-credential", "denylist"] {
        keys(&world.stack, &["rotate", "--purpose", purpose]);
    }
    let mut requests = 0;
    eventually("all three are in use", Duration::from_secs(40), || {
        for _ in 0..20 {
            pages(&world, "during");
            requests += 1;
        }
        active(&world.stack).iter().zip(&before).all(|(now, then)| now != then)
    });
    assert!(requests > 50, "{requests}");
    // What the edge signs with now is what was published before.
    let new = active(&world.stack)[0].clone().unwrap();
    assert_eq!(jwks(&world).len(), 2);
    eventually("the edge signs with the new key", Duration::from_secs(40), || {
        let fresh = world.log_in();
        signed_with(&world, &fresh) == new
    });
    // Under the new denylist key sessions end as before.
    let later = world.log_in();
    assert_eq!(world.check(&later), 204);
    assert_eq!(world.log_out(&later).status, 200);
    eventually("a logout arrives", DenylistProfile::Strict.bound(), || world.check(&later) == 401);
    pages(&world, "after");

    // An edge that starts anew with the bundle of before has none of the three, and fetches them before it answers.
    world.stack.stop_workerd();
    world.stack.start_workerd_with(stale).unwrap();
    eventually("the edge has the new keys", Duration::from_secs(5), || world.check(&token) == 204);
    let fresh = world.log_in();
    assert_eq!(signed_with(&world, &fresh), new);
    for token in [&ended, &later] {
        assert_eq!(world.check(token), 401);
    }
}

/// K03: a key that may be in other hands. All it made is dead everywhere within `T`, and people can log in again.
#[test]
fn k03_what_a_revoked_key_made_is_dead_within_t() {
    let world = World::new(DenylistProfile::Strict);
    let token = world.log_in();
    assert_eq!(world.check(&token), 204);
    let stolen = kid(&world.stack, "session-signing", "EdDSA", "active").unwrap();
    let plan = keys(&world.stack, &["retire", &stolen, "--revoke", "--dry-run"]);
    assert!(plan.contains("Nothing was changed."), "{plan}");
    assert_eq!(world.check(&token), 204);

    keys(&world.stack, &["retire", &stolen, "--revoke"]);
    eventually("the revoked key is dead at the edge", DenylistProfile::Strict.bound(), || world.check(&token) == 401);
    let fresh = world.log_in();
    assert_eq!(world.check(&fresh), 204);
    assert_eq!(world.check(&token), 401);
    assert_eq!(kid(&world.stack, "session-signing", "EdDSA", "revoked"), Some(stolen));
}

/// A realm changes to a format that this edge was built without. The edge goes on with all that it can open, from the
/// moment that the new key is published; only who has a session in that format is told to try later, and keeps it.
#[test]
fn a_format_that_the_edge_was_built_without_ends_nothing_else() {
    let world = World::new(DenylistProfile::Strict);
    let config = world.stack.config();
    let settings = std::fs::read_to_string(&config).unwrap();
    let before = world.log_in();
    assert_eq!(world.check(&before), 204);
    let rsa = |state| kid(&world.stack, "session-content", "RSA-OAEP-256+A256GCM", state);
    let session = "[realm.\"/alpha\".session]\nstatelessEncryptionType = \"RSA\"\n";
    std::fs::write(&config, format!("{settings}\n{session}")).unwrap();
    for state in ["standby", "active"] {
        eventually(state, Duration::from_secs(30), || {
            assert_eq!(world.check(&before), 204, "before the new key is {state}");
            rsa(state).is_some()
        });
        assert_eq!(world.check(&before), 204, "the new key is {state}");
    }
    let during = eventually_some("a session in that format", || {
        let token = world.log_in();
        (world.check(&token) != 204).then_some(token)
    });
    let (cookie, url) = (cookie(&during), world.edge("/.countersign/check"));
    let told = send("GET", &url, &[("cookie", &cookie)], "");
    assert_eq!((told.status, told.header("set-cookie"), told.header("retry-after")), (503, "", "1"), "{told:?}");
    assert_eq!(world.check(&before), 204);
    let log = std::fs::read_to_string(world.stack.dir().join("log/workerd.log")).unwrap();
    let active = rsa("active").unwrap();
    let complaints: Vec<_> = log.lines().filter(|line| line.contains("is left out")).collect();
    assert!(!complaints.is_empty(), "{log}");
    assert!(complaints.iter().all(|line| line.contains(&active) && line.contains("RSA-OAEP-256")), "{complaints:?}");

    // Back again: the key goes on verifying, and the edge goes on without it.
    std::fs::write(&config, &settings).unwrap();
    eventually("the key of before is used again", Duration::from_secs(30), || rsa("verify-only").is_some());
    let after = world.log_in();
    assert_eq!((world.check(&after), world.check(&before), world.check(&during)), (204, 204, 503));
}

/// An application of one realm believes nothing that an edge of another realm can sign.
#[test]
fn an_edge_speaks_for_users_of_its_own_realm_alone() {
    let world = World::new(DenylistProfile::Strict);
    let own = world.stack.bundle().unwrap();
    let run = |arguments: &[&str]| {
        let output = world.stack.countersign().args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["realm", "add", "beta"]);
    let other = run(&["edge", "bundle", "--realm", "beta"]);
    let page = world.page(&world.log_in()).json();
    assert_eq!(page["assertion"]["claims"]["realm"], "/alpha", "{page}");
    let genuine = page["headers"]["x-countersign-assertion"].as_str().unwrap().to_owned();

    // What the edge said, signed with the key of a bundle and shown to the application itself.
    let signed_by = |bundle: &str| {
        let bundle: serde_json::Value = serde_json::from_str(bundle).unwrap();
        let (kid, seed) = (&bundle["assertion"]["kid"], bundle["assertion"]["jwk"]["d"].as_str().unwrap());
        let key = SigningKey::from_bytes(&encoding::decode_array(seed.as_bytes()).unwrap());
        let header = serde_json::json!({"alg": "EdDSA", "kid": kid, "typ": "assertion+jwt"}).to_string();
        let input = format!("{}.{}", encoding::encode(header.as_bytes()), genuine.split('.').nth(1).unwrap());
        let signature = key.sign(input.as_bytes()).to_bytes();
        (kid.clone(), format!("{input}.{}", encoding::encode(&signature)))
    };
    let told = |assertion: &str| {
        let url = format!("{}/?format=json", world.stack.app_url());
        send("GET", &url, &[("x-countersign-assertion", assertion)], "").json()["assertion"].clone()
    };
    let ((own_kid, as_own), (other_kid, as_other)) = (signed_by(&own), signed_by(&other));
    assert_eq!(told(&as_own)["verified"], true);
    let refused = told(&as_other);
    assert_eq!((&refused["verified"], &refused["error"]), (&false.into(), &"unknown_key".into()), "{refused}");

    let published = |realm: &str| {
        let path = format!("/am/realms/root/realms/{realm}/.well-known/jwks.json");
        send("GET", &world.edge(&path), &[], "")
    };
    let kids = |realm: &str| {
        let set = published(realm).json();
        let kids: Vec<_> = set["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect();
        kids
    };
    eventually("the origin knows the new realm", Duration::from_secs(5), || published("beta").status == 200);
    assert_eq!((kids("alpha"), kids("beta")), (vec![own_kid], vec![other_kid]));
    assert_eq!(published("gamma").status, 404);
}

/// A session in a format that is not the default: made, taken by the edge, ended.
fn passes_the_edge(signing: &str, encryption: &str, method: &str) {
    let world = World::with(DenylistProfile::Strict, |options| {
        if encryption == "RSA" {
            let every_format = edge_build::build(&BuildOptions::for_tests().unwrap()).expect("the variant builds");
            options.artifacts.edge_dist = every_format.dist;
        }
        for (name, value) in [
            ("STATELESSSIGNINGTYPE", signing),
            ("STATELESSENCRYPTIONTYPE", encryption),
            ("ORG_FORGEROCK_OPENAM_SESSION_STATELESS_ENCRYPTION_METHOD", method),
        ] {
            options.origin_env.push((format!("COUNTERSIGN__SESSION__{name}"), value.to_owned()));
        }
    });
    let token = world.log_in();
    assert_eq!(world.check(&token), 204, "{signing} {encryption} {method}");
    let (from, to) = token.split_at(token.len() - 9);
    let changed = format!("{from}{}{}", if to.starts_with('A') { 'B' } else { 'A' }, &to[1..]);
    assert_eq!(world.check(&changed), 401, "{signing} {encryption} {method}");
    assert_eq!(world.log_out(&token).status, 200);
    eventually("the logout arrives", DenylistProfile::Strict.bound(), || world.check(&token) == 401);
}

#[test]
fn hs512_passes_the_edge() {
    passes_the_edge("HS512", "DIRECT", "A256GCM");
}

#[test]
fn rs256_alone_passes_the_edge() {
    passes_the_edge("RS256", "NONE", "A256GCM");
}

#[test]
fn rs256_sealed_passes_the_edge() {
    passes_the_edge("RS256", "DIRECT", "A256GCM");
}

#[test]
fn es256_passes_the_edge() {
    passes_the_edge("ES256", "DIRECT", "A128GCM");
}

#[test]
fn es384_alone_passes_the_edge() {
    passes_the_edge("ES384", "NONE", "A256GCM");
}

#[test]
fn es512_passes_the_edge() {
    passes_the_edge("ES512", "DIRECT", "A256GCM");
}

#[test]
fn aes_key_wrap_passes_the_edge() {
    passes_the_edge("EdDSA", "AES_KEYWRAP", "A256GCM");
}

#[test]
fn cbc_with_hmac_passes_the_edge() {
    passes_the_edge("HS256", "DIRECT", "A128CBC-HS256");
}

/// Both layers as AM's highest setting of its own kind has them: HS384, and a content key of its own in each token.
#[test]
fn hs384_and_cbc_under_key_wrap_pass_the_edge() {
    passes_the_edge("HS384", "AES_KEYWRAP", "A256CBC-HS512");
}

#[test]
fn encryption_alone_passes_the_edge() {
    passes_the_edge("NONE", "DIRECT", "A256GCM");
}

#[test]
fn rsa_oaep_passes_the_edge() {
    passes_the_edge("ES384", "RSA", "A192CBC-HS384");
}
