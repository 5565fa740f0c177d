//! Journeys of several steps through the router: by every scheme, across processes, against every kind of replay.
//! Above 600 lines because every test speaks the same few short words for steps and answers, which stand at the top.

use axum::http::Method;
use countersign_journey::import;
use countersign_store::{Attributes, IdentityStatus, StoreError};
use serde_json::{Map, Value, json};

use super::library::{Editor, RealmJourneys};
use crate::testing::{ALPHA, Answer, COOKIE, Origin, PASSWORD};

pub(crate) const SUCCESS: &str = "70e691a5-1e33-4ac3-a356-e7b6d60d92e0";
pub(crate) const FAILURE: &str = "e301438c-0bd0-429c-ab0c-66126501069a";

/// A journey of nodes in a row: each is left by its first outcome to the next one, by the second to Failure. Nodes are
/// named by their place.
pub(crate) fn journey(name: &str, tree: Value, nodes: &[(&str, Value, &[&str])]) -> Value {
    let mut associations = Map::new();
    let mut configurations = Map::new();
    for (place, (node_type, config, outcomes)) in nodes.iter().enumerate() {
        let next = if place + 1 < nodes.len() { format!("n{}", place + 1) } else { SUCCESS.to_owned() };
        let mut connections = Map::new();
        for (number, outcome) in outcomes.iter().enumerate() {
            let target = if number == 0 { next.as_str() } else { FAILURE };
            connections.insert((*outcome).to_owned(), json!(target));
        }
        let id = format!("n{place}");
        associations
            .insert(id.clone(), json!({"nodeType": node_type, "displayName": node_type, "connections": connections}));
        let mut config = config.clone();
        config["_id"] = json!(id);
        config["_type"] = json!({"_id": node_type, "name": node_type, "collection": true});
        configurations.insert(id, config);
    }
    let mut whole = json!({"_id": name, "entryNodeId": "n0", "nodes": associations});
    for (key, value) in tree.as_object().unwrap() {
        whole[key] = value.clone();
    }
    json!({"tree": whole, "nodes": configurations, "innerNodes": {}, "scripts": {}, "emailTemplates": {}})
}

/// Imports journeys into `/alpha`.
pub(crate) async fn import(origin: &Origin, journeys: &[Value]) {
    let trees: Map<String, Value> =
        journeys.iter().map(|one| (one["tree"]["_id"].as_str().unwrap().to_owned(), one.clone())).collect();
    let export = import::from_json(&json!({"trees": trees}).to_string()).unwrap();
    let now = origin.app.clock.now().seconds();
    let editor = Editor { store: &origin.app.store, realm: "/alpha", actor: "test", now };
    let decide = |journeys: &RealmJourneys| Ok::<_, StoreError>((journeys.documents.plan(&export, true).changes, ()));
    editor.change(decide).await.unwrap();
    origin.app.journeys_current("/alpha").await.unwrap();
}

const OUT: &[&str] = &["outcome"];
const DECISION: &[&str] = &["true", "false"];

/// Name, password and a word, each a step of its own.
fn three_steps() -> Value {
    journey(
        "Three",
        json!({}),
        &[
            ("UsernameCollectorNode", json!({}), OUT),
            ("PasswordCollectorNode", json!({}), OUT),
            ("DataStoreDecisionNode", json!({}), DECISION),
            (
                "ChoiceCollectorNode",
                json!({"choices": ["yes", "no"], "defaultChoice": "no", "prompt": "Sure?"}),
                &["yes", "no"],
            ),
        ],
    )
}

pub(crate) async fn start(origin: &Origin, journey: &str) -> Value {
    let path = format!("{ALPHA}/authenticate?authIndexType=service&authIndexValue={journey}");
    let answer = origin.post(&path, &[], "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Sends a step back with a value in its first input.
pub(crate) async fn answer(origin: &Origin, step: &Value, value: Value) -> Answer {
    let mut back = step.clone();
    back["callbacks"][0]["input"][0]["value"] = value;
    origin.post(&format!("{ALPHA}/authenticate"), &[], &back.to_string()).await
}

const TIMED_OUT: (u16, &str) = (401, "Session has timed out");

fn is_refused(answer: &Answer) -> bool {
    let (status, message) = answer.error();
    (status, message.as_str()) == TIMED_OUT && answer.json()["detail"]["errorCode"] == "110"
}

fn scheme(name: &str) -> String {
    format!("[journey]\nauthenticationSessionsStateManagement = \"{name}\"\n")
}

#[tokio::test]
async fn every_scheme_leads_to_the_same_end() {
    for name in ["JWT", "CTS", "SERVER", "In-Memory", "IN_MEMORY"] {
        let origin = Origin::with(&scheme(name)).await;
        import(&origin, &[three_steps()]).await;
        let one = start(&origin, "Three").await;
        assert_eq!(
            one["callbacks"],
            json!([{"type": "NameCallback", "output": [{"name": "prompt", "value": "User Name"}],
            "input": [{"name": "IDToken1", "value": ""}]}]),
            "no page, no index"
        );
        assert!(one.get("stage").is_none() && one.get("header").is_none());
        let two = answer(&origin, &one, json!("demo")).await.json();
        assert_eq!(two["callbacks"][0]["type"], "PasswordCallback");
        let three = answer(&origin, &two, json!(PASSWORD)).await.json();
        assert_eq!(three["callbacks"][0]["type"], "ChoiceCallback");
        let end = answer(&origin, &three, json!(0)).await;
        assert!(origin.is_valid(end.json()["tokenId"].as_str().unwrap()).await, "{name}: {}", end.text());
        // Whether the state is with the client shows in its length.
        let length = one["authId"].as_str().unwrap().len();
        assert_eq!(length > 1000, name == "JWT", "{name}: {length}");
    }
}

/// The same journey, each step on the other of two processes.
#[tokio::test]
async fn origins_take_turns() {
    for (name, shared) in [("JWT", true), ("CTS", true), ("In-Memory", false)] {
        let first = Origin::with(&scheme(name)).await;
        import(&first, &[three_steps()]).await;
        let second = first.again_with(&scheme(name)).await;
        let one = start(&first, "Three").await;
        let two = answer(&second, &one, json!("demo")).await;
        if !shared {
            assert!(is_refused(&two), "what is in one's memory is not in another's");
            continue;
        }
        let three = answer(&first, &two.json(), json!(PASSWORD)).await.json();
        let end = answer(&second, &three, json!(0)).await;
        let token = end.cookie().unwrap();
        assert!(first.is_valid(&token).await && second.is_valid(&token).await);
        // And what one has used up, the other does not take.
        assert!(is_refused(&answer(&first, &three, json!(0)).await), "{name}");
        assert!(is_refused(&answer(&first, &one, json!("demo")).await), "{name}");
    }
}

#[tokio::test]
async fn s10_a_step_is_answered_once() {
    for name in ["JWT", "CTS", "In-Memory"] {
        let origin = Origin::with(&scheme(name)).await;
        import(&origin, &[three_steps()]).await;
        let one = start(&origin, "Three").await;
        // A fault of the client's leaves the journey where it was.
        let mut faulty = one.clone();
        faulty["callbacks"] = json!([]);
        let refused = origin.post(&format!("{ALPHA}/authenticate"), &[], &faulty.to_string()).await;
        assert_eq!(refused.error(), (400, "Incorrect number of callbacks found in JSON response".to_owned()));
        let two = answer(&origin, &one, json!("demo")).await.json();
        assert!(is_refused(&answer(&origin, &one, json!("eve")).await), "{name}: the same step twice");
        let three = answer(&origin, &two, json!(PASSWORD)).await.json();
        assert!(is_refused(&answer(&origin, &two, json!(PASSWORD)).await), "{name}: an older step after a newer one");
        assert_eq!(answer(&origin, &three, json!(0)).await.status, 200);
        for step in [&one, &two, &three] {
            assert!(is_refused(&answer(&origin, step, json!(0)).await), "{name}: after the end");
        }
        // A failure ends a journey as well.
        let one = start(&origin, "Three").await;
        let two = answer(&origin, &one, json!("demo")).await.json();
        assert_eq!(answer(&origin, &two, json!("wrong")).await.error(), (401, "Login failure".to_owned()));
        assert!(is_refused(&answer(&origin, &two, json!(PASSWORD)).await), "{name}: another guess at the same step");
    }
}

/// However many answer a step at once, one of them counts.
#[tokio::test]
async fn s10_of_many_answers_at_once_one_counts() {
    for name in ["JWT", "CTS", "In-Memory"] {
        let origin = Origin::with(&scheme(name)).await;
        import(&origin, &[three_steps()]).await;
        let one = start(&origin, "Three").await;
        let two = answer(&origin, &one, json!("demo")).await.json();
        let three = answer(&origin, &two, json!(PASSWORD)).await.json();
        let all = [0; 6].map(|choice| answer(&origin, &three, json!(choice)));
        let [a, b, c, d, e, f] = all;
        let (a, b, c, d, e, f) = tokio::join!(a, b, c, d, e, f);
        let good = [a, b, c, d, e, f].iter().filter(|answer| answer.status == 200).count();
        assert_eq!(good, 1, "{name}");
    }
}

/// AM's behaviour: an older step of a client-side journey can be answered again, until the journey is over.
#[tokio::test]
async fn without_allowlisting_a_completed_journey_is_still_over() {
    for name in ["JWT", "CTS", "In-Memory"] {
        let origin = Origin::with(&format!("{}authenticationSessionsWhitelist = false\n", scheme(name))).await;
        import(&origin, &[three_steps()]).await;
        let one = start(&origin, "Three").await;
        let two = answer(&origin, &one, json!("demo")).await.json();
        let again = answer(&origin, &one, json!("demo")).await;
        // What the server holds is at the password, which a name does not answer.
        assert_eq!(again.status, if name == "JWT" { 200 } else { 400 }, "{name}");
        let three = answer(&origin, &two, json!(PASSWORD)).await.json();
        assert_eq!(answer(&origin, &three, json!(0)).await.status, 200);
        for step in [&one, &two, &three] {
            assert!(is_refused(&answer(&origin, step, json!(0)).await), "{name}");
        }
    }
}

#[tokio::test]
async fn s11_a_step_belongs_to_its_realm_its_journey_and_its_destination() {
    let settings = "[validation]\nvalid_goto_destinations = [\"https://app.example.com\"]\n";
    for name in ["JWT", "CTS"] {
        let origin = Origin::with(&format!("{}{settings}", scheme(name))).await;
        let now = origin.app.clock.now().seconds();
        origin.app.store.realms().create("/beta", now).await.unwrap();
        let settings = origin.app.settings();
        let of = Some(("/beta", settings.realm("/beta")));
        crate::keyring::generate(&origin.app.store, of, now, &crate::SystemEntropy).await.unwrap();
        origin.app.keys_current().await.unwrap();
        import(&origin, &[three_steps()]).await;
        let one = start(&origin, "Three").await;
        let elsewhere = "/am/json/realms/root/realms/beta/authenticate";
        let other = origin.post(elsewhere, &[], &one.to_string()).await;
        assert_eq!(other.error(), (400, "AuthId JWT Signature not valid".to_owned()));

        let path = |query: &str| format!("{ALPHA}/authenticate{query}");
        let begun = origin.post(&path("?service=Three&goto=/mine"), &[], "").await.json();
        // Clients repeat the query; what another says changes neither the journey nor where it leads.
        let two = {
            let mut back = begun.clone();
            back["callbacks"][0]["input"][0]["value"] = "demo".into();
            let query = "?authIndexType=service&authIndexValue=Login&goto=https://app.example.com/theirs";
            origin.post(&path(query), &[], &back.to_string()).await.json()
        };
        assert_eq!(two["callbacks"][0]["type"], "PasswordCallback");
        let three = answer(&origin, &two, json!(PASSWORD)).await.json();
        let end = answer(&origin, &three, json!(0)).await.json();
        assert_eq!(end["successUrl"], "http://localhost:8787/mine");
        let standing = crate::sessions::judge(&origin.app, end["tokenId"].as_str().unwrap().as_bytes()).await.unwrap();
        assert_eq!(standing.valid().unwrap().claims().properties.get("Service"), Some("Three"));
    }
}

/// S14: a name that is unknown, known, inactive or locked out is asked the same questions and gets the same answer.
#[tokio::test]
async fn s14_a_journey_does_not_say_who_exists() {
    let origin = Origin::new().await;
    import(&origin, &[three_steps()]).await;
    let mut seen = Vec::new();
    for name in ["demo", "nobody", "gone"] {
        let one = start(&origin, "Three").await;
        let two = answer(&origin, &one, json!(name)).await;
        let asked = two.json()["callbacks"].clone();
        let end = answer(&origin, &two.json(), json!("wrong")).await;
        seen.push((two.status, asked, end.status, end.text(), end.headers.len()));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
}

/// S15: no step is skipped, a weaker journey is not a stronger one, and what a session has shown is not lost or gained.
#[tokio::test]
async fn s15_a_lesser_login_is_not_a_greater_one() {
    let origin = Origin::new().await;
    let strong = journey(
        "Strong",
        json!({}),
        &[
            ("UsernameCollectorNode", json!({}), OUT),
            ("PasswordCollectorNode", json!({}), OUT),
            ("DataStoreDecisionNode", json!({}), DECISION),
            ("ModifyAuthLevelNode", json!({"authLevelIncrement": 5}), OUT),
            (
                "ChoiceCollectorNode",
                json!({"choices": ["yes", "no"], "defaultChoice": "no", "prompt": "Sure?"}),
                &["yes", "no"],
            ),
        ],
    );
    import(&origin, &[three_steps(), strong]).await;
    let claims = async |token: &str| {
        let standing = crate::sessions::judge(&origin.app, token.as_bytes()).await.unwrap();
        standing.valid().unwrap().claims().clone()
    };
    let weak = origin.log_in().await;
    assert_eq!(claims(&weak).await.auth_level, 0);
    let cookie = format!("{COOKIE}={weak}");
    let headers = [("cookie", cookie.as_str())];
    let path = format!("{ALPHA}/authenticate?service=Strong");
    // The session of one journey does not stand for another one.
    let one = origin.post(&path, &headers, "").await.json();
    assert_eq!(one["callbacks"][0]["type"], "NameCallback");
    let send = async |step: &Value, value: Value, headers: &[(&str, &str)]| {
        let mut back = step.clone();
        back["callbacks"][0]["input"][0]["value"] = value;
        origin.post(&path, headers, &back.to_string()).await
    };
    let two = send(&one, json!("demo"), &headers).await.json();
    let three = send(&two, json!(PASSWORD), &headers).await.json();
    // The second factor of another, weaker journey does not fit.
    let other = start(&origin, "Three").await;
    let mut forged = three.clone();
    forged["authId"] = other["authId"].clone();
    assert_eq!(send(&forged, json!(0), &[]).await.status, 400);
    let refused = send(&three, json!(1), &headers).await;
    assert_eq!((refused.status, origin.is_valid(&weak).await), (401, true));

    let one = origin.post(&path, &headers, "").await.json();
    let two = send(&one, json!("demo"), &headers).await.json();
    let three = send(&two, json!(PASSWORD), &headers).await.json();
    let end = send(&three, json!(0), &headers).await;
    let strong = end.cookie().unwrap();
    let said = claims(&strong).await;
    assert_eq!((said.auth_level, said.properties.get("Service")), (5, Some("Strong|Login")));
    assert!(!origin.is_valid(&weak).await);
    // Now both journeys are satisfied, and one that was not run still is not.
    let cookie = format!("{COOKIE}={strong}");
    for (service, satisfied) in [("Strong", true), ("Login", true), ("Three", false)] {
        let path = format!("{ALPHA}/authenticate?service={service}");
        let answer = origin.post(&path, &[("cookie", &cookie)], "").await.json();
        assert_eq!(answer.get("tokenId").is_some(), satisfied, "{service}");
    }
    // Logging in again by the weaker one is the same user's, and takes the level along.
    let weaker = format!("{ALPHA}/authenticate?ForceAuth=true");
    let credentials = [("x-openam-username", "demo"), ("x-openam-password", PASSWORD), ("cookie", cookie.as_str())];
    let again = origin.post(&weaker, &credentials, "").await.cookie().unwrap();
    assert_eq!(claims(&again).await.auth_level, 5);
}

/// S21: a hundred guesses at one account. A journey with a retry limit lets nobody guess on.
#[tokio::test]
async fn s21_a_hundred_guesses_are_not_a_hundred_answers() {
    let origin = Origin::new().await;
    let mut limited = journey(
        "Limited",
        json!({}),
        &[
            ("UsernameCollectorNode", json!({}), OUT),
            ("PasswordCollectorNode", json!({}), OUT),
            ("DataStoreDecisionNode", json!({}), DECISION),
            (
                "RetryLimitDecisionNode",
                json!({"retryLimit": 3, "incrementUserAttributeOnFailure": true}),
                &["Retry", "Reject"],
            ),
            ("AccountLockoutNode", json!({"lockAction": "LOCK"}), OUT),
        ],
    );
    let connect = |journey: &mut Value, node: &str, outcome: &str, target: &str| {
        journey["tree"]["nodes"][node]["connections"][outcome] = json!(target);
    };
    connect(&mut limited, "n2", "true", SUCCESS);
    connect(&mut limited, "n2", "false", "n3");
    connect(&mut limited, "n3", "Retry", "n1");
    connect(&mut limited, "n3", "Reject", "n4");
    connect(&mut limited, "n4", "outcome", FAILURE);
    import(&origin, &[limited]).await;
    let mut looked_at = 0;
    for _ in 0..10 {
        let mut step = start(&origin, "Limited").await;
        step = answer(&origin, &step, json!("demo")).await.json();
        for _ in 0..10 {
            let next = answer(&origin, &step, json!("wrong")).await;
            looked_at += 1;
            if next.status != 200 {
                break;
            }
            step = next.json();
        }
    }
    // Each journey ends at its fourth guess, and the user's rate limit comes before the hundredth journey.
    assert!(looked_at <= 40, "{looked_at}");
    let one = start(&origin, "Limited").await;
    let two = answer(&origin, &one, json!("demo")).await.json();
    assert!(answer(&origin, &two, json!(PASSWORD)).await.cookie().is_none(), "locked");
    // Nobody else is.
    origin.add_user("eve", IdentityStatus::Active, &Attributes::new()).await;
    let one = start(&origin, "Limited").await;
    let two = answer(&origin, &one, json!("eve")).await.json();
    assert!(answer(&origin, &two, json!(PASSWORD)).await.cookie().is_some());
}

/// The realm's, the tree's and the node's word on how long a login may take.
#[tokio::test]
async fn how_long_a_login_may_take_is_said_in_three_places() {
    let origin = Origin::with("[journey]\nmax_duration_minutes = 2\n").await;
    let tail: [(&str, Value, &[&str]); 3] = [
        ("UsernameCollectorNode", json!({}), OUT),
        ("PasswordCollectorNode", json!({}), OUT),
        ("DataStoreDecisionNode", json!({}), DECISION),
    ];
    let node = ("UpdateJourneyTimeoutNode", json!({"operation": "SET", "value": 7}), OUT);
    let with_node: Vec<_> = std::iter::once(node).chain(tail.clone()).collect();
    let journeys = [journey("Realm", json!({}), &tail), journey("Tree", json!({"treeTimeout": 4}), &tail), {
        journey("Node", json!({"treeTimeout": 4}), &with_node)
    }];
    import(&origin, &journeys).await;
    for (name, minutes) in [("Realm", 2), ("Tree", 4), ("Node", 7)] {
        for (late, good) in [(false, true), (true, false)] {
            let one = start(&origin, name).await;
            let two = answer(&origin, &one, json!("demo")).await.json();
            origin.clock.advance(minutes * 60 - 1 + u64::from(late));
            let end = answer(&origin, &two, json!(PASSWORD)).await;
            assert_eq!(end.cookie().is_some(), good, "{name}: {}", end.text());
            assert!(good || is_refused(&end));
        }
    }
}

/// What a journey says of the session it leads to.
#[tokio::test]
async fn a_journey_makes_the_session_it_describes() {
    let origin = Origin::with("[validation]\nvalid_goto_destinations = [\"https://www.example.com\"]\n").await;
    let rich = journey(
        "Rich",
        json!({"maximumSessionTime": 10, "maximumIdleTime": 3}),
        &[
            ("ZeroPageLoginNode", json!({}), DECISION),
            ("DataStoreDecisionNode", json!({}), DECISION),
            ("SetSessionPropertiesNode", json!({"properties": {"colour": "blue"}}), OUT),
            ("SetSuccessUrlNode", json!({"successUrl": "https://www.example.com/done"}), OUT),
            ("SetSuccessDetailsNode", json!({"successDetails": {"greeting": "hello"}}), OUT),
        ],
    );
    let none = journey(
        "None",
        json!({"noSession": true}),
        &[("ZeroPageLoginNode", json!({}), DECISION), ("DataStoreDecisionNode", json!({}), DECISION)],
    );
    import(&origin, &[rich, none]).await;
    let credentials = [("x-openam-username", "demo"), ("x-openam-password", PASSWORD)];
    let end = origin.post(&format!("{ALPHA}/authenticate?service=Rich"), &credentials, "").await;
    let body = end.json();
    assert_eq!(end.status, 200, "{body}");
    assert_eq!((&body["successUrl"], &body["greeting"]), (&json!("https://www.example.com/done"), &json!("hello")));
    let token = body["tokenId"].as_str().unwrap();
    assert_eq!(Some(token), end.cookie().as_deref());
    let standing = crate::sessions::judge(&origin.app, token.as_bytes()).await.unwrap();
    let session = standing.valid().unwrap();
    let claims = session.claims();
    assert_eq!((claims.fexp.0 - claims.iat.0, claims.idle), (600, Some(180)));
    assert_eq!((claims.properties.get("colour"), claims.properties.get("Service")), (Some("blue"), Some("Rich")));
    assert_eq!(
        (claims.amr.as_slice(), claims.properties.get("mail")),
        (&["pwd".to_owned()][..], Some("demo@example.com"))
    );

    let wanted = format!("{ALPHA}/authenticate?service=Rich&goto=/mine");
    assert_eq!(origin.post(&wanted, &credentials, "").await.json()["successUrl"], "http://localhost:8787/mine");
    let end = origin.post(&format!("{ALPHA}/authenticate?service=None"), &credentials, "").await;
    assert!(end.json().get("tokenId").is_none() && end.cookie().is_none() && end.status == 200);
}

#[tokio::test]
async fn a_failure_says_what_its_journey_says() {
    let origin = Origin::with("[validation]\nvalid_goto_destinations = [\"https://www.example.com\"]\n").await;
    let mut said = journey(
        "Said",
        json!({}),
        &[
            ("SetFailureUrlNode", json!({"failureUrl": "https://www.example.com/sorry"}), OUT),
            (
                "SetFailureDetailsNode",
                json!({"failureMessage": {"en": "Not today"}, "failureDetails": {"why": "rain"}}),
                OUT,
            ),
        ],
    );
    said["tree"]["nodes"]["n1"]["connections"]["outcome"] = json!(FAILURE);
    import(&origin, &[said]).await;
    let path = format!("{ALPHA}/authenticate?service=Said");
    let end = origin.post(&path, &[], "").await;
    assert_eq!(end.error(), (401, "Not today".to_owned()));
    assert_eq!(end.json()["detail"], json!({"why": "rain", "failureUrl": "https://www.example.com/sorry"}));
    let end = origin.post(&format!("{path}&gotoOnFail=/mine"), &[], "").await;
    assert_eq!(end.json()["detail"]["failureUrl"], "http://localhost:8787/mine");
}

fn mailed_link() -> Value {
    journey(
        "Link",
        json!({}),
        &[
            ("UsernameCollectorNode", json!({}), OUT),
            ("IdentifyExistingUserNode", json!({"identityAttribute": "userName", "identifier": "userName"}), DECISION),
            ("EmailSuspendNode", json!({"objectLookup": true, "emailTemplateName": "none"}), OUT),
        ],
    )
}

/// The id of a journey that waits for its link: what the mail has.
async fn suspend(origin: &Origin) -> (Value, String) {
    let one = start(origin, "Link").await;
    let waiting = answer(origin, &one, json!("demo")).await.json();
    assert_eq!(waiting["callbacks"][0]["type"], "SuspendedTextOutputCallback", "{waiting}");
    let opened = super::open(&origin.app, "/alpha", waiting["authId"].as_str().unwrap()).await.unwrap();
    let state = serde_json::to_value(&opened.progress.state).unwrap();
    (waiting, state["suspended"]["id"].as_str().unwrap().to_owned())
}

const NOT_FOUND: &str = "org.forgerock.openam.auth.nodes.framework.token.SuspendedAuthSessionException: Token not found. It may have expired.";

#[tokio::test]
async fn a_suspended_journey_goes_on_once_wherever_its_link_is_opened() {
    for name in ["JWT", "CTS", "In-Memory"] {
        let origin = Origin::with(&format!("{}suspendedAuthenticationTimeout = 60\n", scheme(name))).await;
        import(&origin, &[mailed_link()]).await;
        let (waiting, id) = suspend(&origin).await;
        // Whoever waits sees the same again; that uses nothing up and sends no mail.
        for _ in 0..2 {
            let again = origin.post(&format!("{ALPHA}/authenticate"), &[], &waiting.to_string()).await.json();
            assert_eq!(again["callbacks"], waiting["callbacks"]);
        }
        origin.clock.advance(59 * 60);
        let other = origin.again_with(&scheme(name)).await;
        let path = format!("{ALPHA}/authenticate?suspendedId={id}&authIndexType=service&authIndexValue=Link");
        let end = other.post(&path, &[], "").await;
        assert!(origin.is_valid(&end.cookie().unwrap()).await, "{name}: {}", end.text());
        for _ in 0..2 {
            let again = other.post(&path, &[], "").await;
            assert_eq!((again.error(), again.json().get("detail")), ((401, NOT_FOUND.to_owned()), None), "{name}");
        }
        let (_, late) = suspend(&origin).await;
        origin.clock.advance(60 * 60);
        let path = format!("{ALPHA}/authenticate?suspendedId={late}");
        assert_eq!(origin.post(&path, &[], "").await.error(), (401, NOT_FOUND.to_owned()));
        let nonsense = format!("{ALPHA}/authenticate?suspendedId={}", "x".repeat(5000));
        assert_eq!(origin.post(&nonsense, &[], "").await.error(), (401, NOT_FOUND.to_owned()));
    }
}

const OWN: [(&str, &str); 2] =
    [("sec-fetch-site", "same-origin"), ("content-type", "application/x-www-form-urlencoded")];

fn hidden(page: &Answer, name: &str) -> Option<String> {
    let text = page.text();
    let (_, after) = text.split_once(&format!("name=\"{name}\" value=\""))?;
    Some(after.split('"').next()?.to_owned())
}

fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// As pages: a program that opens every link in a mail does not use it up.
#[tokio::test]
async fn a_link_is_opened_in_a_second_browser() {
    let origin = Origin::new().await;
    import(&origin, &[mailed_link()]).await;
    let page = origin.get("/am/XUI/?realm=/alpha&service=Link").await;
    let fields = form(&[("authId", &hidden(&page, "authId").unwrap()), ("IDToken1", "demo")]);
    let login = "/am/UI/Login?realm=/alpha&service=Link";
    let waiting = origin.send(Method::POST, login, &OWN, &fields).await;
    assert!(waiting.status == 200 && waiting.text().contains("An email has been sent"), "{}", waiting.text());
    assert!(!waiting.text().contains("<button"), "there is nothing to send");
    let opened = super::open(&origin.app, "/alpha", &hidden(&waiting, "authId").unwrap()).await.unwrap();
    let state = serde_json::to_value(&opened.progress.state).unwrap();
    let id = state["suspended"]["id"].as_str().unwrap();
    let link = format!("/am/XUI/?realm=/alpha&suspendedId={id}");
    for _ in 0..2 {
        let page = origin.get(&link).await;
        assert_eq!((page.status, hidden(&page, "suspendedId").as_deref()), (200, Some(id)));
    }
    let click = form(&[("suspendedId", id)]);
    assert_eq!(origin.send(Method::POST, "/am/UI/Login?realm=/alpha", &OWN[1..], &click).await.status, 403);
    let done = origin.send(Method::POST, "/am/UI/Login?realm=/alpha", &OWN, &click).await;
    assert_eq!(done.status, 303, "{}", done.text());
    assert!(origin.is_valid(&done.cookie().unwrap()).await);
    let again = origin.send(Method::POST, "/am/UI/Login?realm=/alpha", &OWN, &click).await;
    assert!(again.status == 401 && again.text().contains("used before"));
    assert_eq!(origin.get(&link).await.status, 401);
}

/// A realm whose sessions are in the store ends the client's journey session all the same.
#[tokio::test]
async fn s10_a_server_side_session_ends_the_client_side_journey() {
    for allowlisting in ["true", "false"] {
        let settings = format!(
            "[session]\nstatelessSessionsEnabled = false\n[journey]\nauthenticationSessionsWhitelist = {allowlisting}\n"
        );
        let origin = Origin::with(&settings).await;
        let mut step = origin.post(&format!("{ALPHA}/authenticate"), &[], "").await.json();
        step["callbacks"][0]["input"][0]["value"] = "demo".into();
        step["callbacks"][1]["input"][0]["value"] = PASSWORD.into();
        let path = format!("{ALPHA}/authenticate");
        let end = origin.post(&path, &[], &step.to_string()).await;
        assert!(end.cookie().unwrap().len() < 100, "a reference");
        assert!(is_refused(&origin.post(&path, &[], &step.to_string()).await));
    }
}

/// A state that clients could not carry is kept here.
#[tokio::test]
async fn a_state_too_large_for_an_auth_id_is_kept_in_the_store() {
    let origin = Origin::new().await;
    let large = journey(
        "Large",
        json!({}),
        &[
            ("UsernameCollectorNode", json!({}), OUT),
            ("PasswordCollectorNode", json!({}), OUT),
            ("DataStoreDecisionNode", json!({}), DECISION),
        ],
    );
    import(&origin, &[large]).await;
    let one = start(&origin, "Large").await;
    let two = answer(&origin, &one, json!("x".repeat(12_000))).await.json();
    let length = two["authId"].as_str().unwrap().len();
    assert!(length < 1000, "{length}");
    assert_eq!(answer(&origin, &two, json!(PASSWORD)).await.error(), (401, "Login failure".to_owned()));
    assert!(is_refused(&answer(&origin, &two, json!(PASSWORD)).await));
}

/// What was typed is in neither the token nor the row, for whoever has no key.
#[tokio::test]
async fn what_was_typed_is_sealed_wherever_it_is() {
    for name in ["JWT", "CTS"] {
        let origin = Origin::with(&scheme(name)).await;
        // The password is needed later than in the next step.
        let kept = journey(
            "Kept",
            json!({}),
            &[
                ("UsernameCollectorNode", json!({}), OUT),
                ("PasswordCollectorNode", json!({}), OUT),
                (
                    "ChoiceCollectorNode",
                    json!({"choices": ["yes", "no"], "defaultChoice": "no", "prompt": "Sure?"}),
                    &["yes", "no"],
                ),
                ("DataStoreDecisionNode", json!({}), DECISION),
            ],
        );
        import(&origin, &[kept]).await;
        let one = start(&origin, "Kept").await;
        let two = answer(&origin, &one, json!("demo")).await.json();
        let three = answer(&origin, &two, json!(PASSWORD)).await.json();
        let payload = three["authId"].as_str().unwrap().split('.').nth(1).unwrap();
        let payload = countersign_core::encoding::decode(payload.as_bytes()).unwrap();
        let claims: Value = serde_json::from_slice(&payload).unwrap();
        let names: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["authIndexValue", "otk", "authIndexType", "realm", "sessionId", "exp", "iat"]);
        assert_eq!((&claims["authIndexValue"], &claims["realm"]), (&json!("Kept"), &json!("/alpha")));
        let database = ["countersign.db", "countersign.db-wal"].map(|file| std::fs::read(origin.dir().join(file)));
        for bytes in database.into_iter().flatten().chain([payload]) {
            assert!(!bytes.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes()), "{name}");
        }
        assert!(answer(&origin, &three, json!(0)).await.cookie().is_some());
    }
}

/// A page with everything that people are asked.
#[tokio::test]
async fn a_page_shows_every_kind_of_callback_without_scripts() {
    let origin = Origin::new().await;
    let mut all = journey(
        "All",
        json!({}),
        &[(
            "PageNode",
            json!({
                "pageHeader": {"en": "Tell <b>us</b>"},
                "pageDescription": {"en": "New? <a href=\"#/service/Registration\">Join</a><script>x</script>"},
                "nodes": [
                    {"_id": "c0", "nodeType": "UsernameCollectorNode", "displayName": "x"},
                    {"_id": "c1", "nodeType": "AttributeCollectorNode", "displayName": "x"},
                    {"_id": "c2", "nodeType": "MessageNode", "displayName": "x"},
                ],
            }),
            DECISION,
        )],
    );
    all["innerNodes"] = json!({
        "c0": {"_id": "c0", "_type": {"_id": "UsernameCollectorNode"}},
        "c1": {"_id": "c1", "_type": {"_id": "AttributeCollectorNode"}, "required": true, "validateInputs": false,
               "attributesToCollect": ["mail", "preferences/updates"], "identityAttribute": "userName"},
        "c2": {"_id": "c2", "_type": {"_id": "MessageNode"}, "message": {"en": "Are you <i>sure</i>?"},
               "messageYes": {"en": "Yes"}, "messageNo": {"en": "No"}},
    });
    import(&origin, &[all]).await;
    let path = "/am/UI/Login?realm=/alpha&service=All&goto=/app";
    let page = origin.get(path).await;
    let text = page.text();
    assert_eq!(page.status, 200, "{text}");
    for part in [
        "<h1>Tell us</h1>",
        "<a href=\"/am/UI/Login?realm=%2Falpha&#38;service=Registration\">Join</a>",
        "name=\"IDToken1\" type=\"text\"",
        "name=\"IDToken2\" type=\"email\"",
        "name=\"IDToken3\" type=\"checkbox\" value=\"true\"",
        "Are you sure?",
        "name=\"IDToken5\" value=\"0\"",
        "action=\"/am/UI/Login?realm=%2Falpha&#38;service=All\"",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!text.contains("<script") && !text.contains("<b>us"));
    // A number that is none keeps everything else as it was typed.
    let auth_id = hidden(&page, "authId").unwrap();
    let unfit = form(&[("authId", &auth_id), ("IDToken1", "zoe"), ("IDToken2", "z@example.com"), ("IDToken5", "9")]);
    let again = origin.send(Method::POST, path, &OWN, &unfit).await;
    assert_eq!((again.status, hidden(&again, "authId").as_deref()), (400, Some(auth_id.as_str())));
    assert!(again.text().contains("value=\"zoe\"") && again.text().contains("check what you entered"));
    let fields = [
        ("authId", auth_id.as_str()),
        ("IDToken1", "demo"),
        ("IDToken2", "a@example.com"),
        ("IDToken3", "true"),
        ("IDToken5", "0"),
    ];
    let done = origin.send(Method::POST, path, &OWN, &form(&fields)).await;
    assert_eq!((done.status, done.header("location")), (303, "http://localhost:8787/app"), "{}", done.text());
}

/// Waiting without a script: the page asks again by itself, with a cookie that only this browser has.
#[tokio::test]
async fn a_page_waits_and_goes_on_by_itself() {
    let origin = Origin::new().await;
    let wait = journey(
        "Wait",
        json!({}),
        &[
            ("UsernameCollectorNode", json!({}), OUT),
            ("PollingWaitNode", json!({"secondsToWait": 8, "exitable": false}), &["DONE"]),
        ],
    );
    import(&origin, &[wait]).await;
    let path = "/am/UI/Login?realm=/alpha&service=Wait&goto=/app";
    let page = origin.get(path).await;
    let fields = form(&[("authId", &hidden(&page, "authId").unwrap()), ("IDToken1", "demo")]);
    let waiting = origin.send(Method::POST, path, &OWN, &fields).await;
    let text = waiting.text();
    assert!(text.contains("<meta http-equiv=\"refresh\" content=\"8;url=/am/UI/Login?realm=%2Falpha&#38;service=Wait&#38;continue=true\">"), "{text}");
    let cookie = |answer: &Answer| answer.header("set-cookie").split(';').next().unwrap().to_owned();
    let first = cookie(&waiting);
    assert!(first.starts_with("countersign-step=") && waiting.header("set-cookie").contains("HttpOnly"));
    let next = "/am/UI/Login?realm=/alpha&service=Wait&continue=true";
    let early = origin.get_with(next, &[("cookie", &first)]).await;
    assert!(early.status == 200 && early.text().contains("http-equiv=\"refresh\""));
    let second = cookie(&early);
    assert_ne!(first, second);
    origin.clock.advance(9);
    let replayed = origin.get_with(next, &[("cookie", &first)]).await;
    assert!(
        replayed.cookie().is_none() && replayed.text().contains("used before, or it is too old"),
        "a reference is good once"
    );
    let done = origin.get_with(next, &[("cookie", &second)]).await;
    assert_eq!((done.status, done.header("location")), (303, "http://localhost:8787/app"));
    assert!(origin.is_valid(&done.cookie().unwrap()).await);
}

/// Serializers may write every letter that is not ASCII as six, and some do so with `<` too.
#[tokio::test]
async fn a_step_can_come_back_however_its_client_writes_it() {
    let origin = Origin::new().await;
    for letter in ["é", "€", "😀", "<"] {
        let text = letter.repeat(60_000 / letter.len());
        let ask = journey("Ask", json!({}), &[("MessageNode", json!({"message": {"en": text}}), DECISION)]);
        import(&origin, &[ask]).await;
        let step = start(&origin, "Ask").await;
        assert_eq!(step["callbacks"][0]["output"][0]["value"], text);
        let escaped = |letter: char| match letter {
            '<' => "\\u003c".to_owned(),
            plain if plain.is_ascii() => plain.to_string(),
            other => other.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
        };
        let body: String = step.to_string().chars().map(escaped).collect();
        let answer = origin.post(&format!("{ALPHA}/authenticate"), &[], &body).await;
        assert_eq!(answer.error(), (401, "Login failure".to_owned()), "{letter}");
    }
}
