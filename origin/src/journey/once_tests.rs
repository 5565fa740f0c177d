//! What a login does once: the nodes behind a step, the mails to one address, the links of one user; and what ends it
//! that would go on for ever.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use countersign_store::{Attributes, IdentityStatus};
use serde_json::{Value, json};

use super::tests::{SUCCESS, answer, import, journey, start};
use crate::testing::{ALPHA, Origin, PASSWORD};

const OUT: &[&str] = &["outcome"];
const DECISION: &[&str] = &["true", "false"];
const SCHEMES: [&str; 3] = ["JWT", "CTS", "In-Memory"];
const DEMO: &str = "demo@example.com";

fn mailed_link(name: &str) -> Value {
    let identify = json!({"identityAttribute": "userName", "identifier": "userName"});
    let suspend = json!({"objectLookup": true, "emailTemplateName": "none"});
    let nodes = [
        ("UsernameCollectorNode", json!({}), OUT),
        ("IdentifyExistingUserNode", identify, DECISION),
        ("EmailSuspendNode", suspend, OUT),
    ];
    journey(name, json!({}), &nodes)
}

async fn origin(scheme: &str, more: &str) -> Origin {
    let settings = format!(
        "[journey]\nauthenticationSessionsStateManagement = \"{scheme}\"\nsuspendedAuthenticationTimeout = 60\n{more}"
    );
    let origin = Origin::with(&settings).await;
    import(&origin, &[mailed_link("Link"), mailed_link("Other")]).await;
    origin
}

/// Mails that may still go to an address, once this one is counted.
fn left(origin: &Origin, to: &str) -> u64 {
    let settings = origin.app.settings();
    origin.app.limiter.mail(&settings.rate_limits, to, origin.app.clock.now().0).unwrap().remaining
}

/// The id that a mail would have.
async fn link(origin: &Origin, journey: &str, name: &str) -> String {
    let one = start(origin, journey).await;
    let waiting = answer(origin, &one, json!(name)).await.json();
    assert_eq!(waiting["callbacks"][0]["type"], "SuspendedTextOutputCallback", "{waiting}");
    let opened = super::open(&origin.app, "/alpha", waiting["authId"].as_str().unwrap()).await.unwrap();
    let state = serde_json::to_value(&opened.progress.state).unwrap();
    state["suspended"]["id"].as_str().unwrap().to_owned()
}

async fn follow(origin: &Origin, id: &str) -> u16 {
    origin.post(&format!("{ALPHA}/authenticate?suspendedId={id}"), &[], "").await.status
}

/// However many answers there are to one step, its mail is sent once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s10_of_many_answers_at_once_one_has_its_nodes_run() {
    for scheme in SCHEMES {
        let origin = Arc::new(origin(scheme, "").await);
        let step = start(&origin, "Link").await;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let (origin, step) = (Arc::clone(&origin), step.clone());
            tasks.spawn(async move { answer(&origin, &step, json!("demo")).await.status });
        }
        let mut statuses = tasks.join_all().await;
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401, 401, 401, 401, 401, 401, 401, 401, 401], "{scheme}");
        assert_eq!(left(&origin, DEMO), 8, "{scheme}: one mail, and the one that was counted here");
    }
}

/// A link too: of many clicks one goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s10_of_many_clicks_on_a_link_one_goes_on() {
    let origin = Arc::new(origin("JWT", "").await);
    let id = link(&origin, "Link", "demo").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (origin, id) = (Arc::clone(&origin), id.clone());
        tasks.spawn(async move { follow(&origin, &id).await });
    }
    let mut statuses = tasks.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401, 401, 401, 401, 401]);
}

/// Trouble of ours uses nothing up, and a client that has gone neither.
#[tokio::test]
async fn s10_a_step_that_came_to_nothing_is_answered_again() {
    for scheme in SCHEMES {
        let origin = origin(scheme, "").await;
        let nodes = [
            ("UsernameCollectorNode", json!({}), OUT),
            ("PasswordCollectorNode", json!({}), OUT),
            ("DataStoreDecisionNode", json!({}), DECISION),
        ];
        import(&origin, &[journey("Two", json!({}), &nodes)]).await;
        let one = start(&origin, "Two").await;
        let two = answer(&origin, &one, json!("demo")).await.json();
        let busy = origin.app.passwords.occupy();
        for _ in 0..2 {
            assert_eq!(answer(&origin, &two, json!(PASSWORD)).await.status, 503, "{scheme}");
        }
        drop(busy);
        {
            let mut gone = Box::pin(answer(&origin, &two, json!(PASSWORD)));
            // As far as the password check, which is done elsewhere.
            let mut poll = async || poll_fn(|context| Poll::Ready(gone.as_mut().poll(context).is_pending())).await;
            while poll().await && !is_claimed(&origin, &two).await {
                tokio::task::yield_now().await;
            }
        }
        // It is given back beside whatever comes next.
        while is_claimed(&origin, &two).await {
            tokio::task::yield_now().await;
        }
        assert_eq!(answer(&origin, &two, json!(PASSWORD)).await.status, 200, "{scheme}");
    }
}

/// Whether somebody is answering the step.
async fn is_claimed(origin: &Origin, step: &Value) -> bool {
    let opened = super::open(&origin.app, "/alpha", step["authId"].as_str().unwrap()).await.unwrap();
    match opened.place {
        super::journey_sessions::Place::Client { otk, .. } => origin.app.claims.is_held(&otk),
        super::journey_sessions::Place::Store { reference, version } => {
            let id = [&reference[..], &version.to_be_bytes()].concat();
            origin.app.store.once().is_consumed(super::journey_sessions::STEP, &id).await.unwrap()
        }
        super::journey_sessions::Place::Memory { reference, version } => {
            origin.app.memory.is_claimed(&reference, version)
        }
    }
}

#[tokio::test]
async fn mails_to_one_address_are_limited_and_nobody_sees_it() {
    let origin = origin("JWT", "[rate_limits]\nmails = 3\nmail_seconds = 600\n").await;
    let mail = Attributes::from([("mail".to_owned(), vec!["Demo@Example.com".to_owned()])]);
    origin.add_user("twin", IdentityStatus::Active, &mail).await;
    for name in ["demo", "twin", "demo"] {
        link(&origin, "Link", name).await;
    }
    assert_eq!(left(&origin, DEMO), 0);
    // It looks the same.
    link(&origin, "Link", "demo").await;
    origin.clock.advance(200);
    assert_eq!(left(&origin, DEMO), 0, "one more after a third of the time");
    assert_eq!(left(&origin, "other@example.com"), 2);
}

#[tokio::test]
async fn a_link_that_was_used_ends_the_older_ones_of_its_user_and_journey() {
    let origin = origin("JWT", "").await;
    let mail = Attributes::from([("mail".to_owned(), vec!["eve@example.com".to_owned()])]);
    origin.add_user("eve", IdentityStatus::Active, &mail).await;
    let mut links = Vec::new();
    for (journey, name) in
        [("Link", "demo"), ("Link", "eve"), ("Other", "demo"), ("Link", "DEMO"), ("Link", "demo"), ("Link", "demo")]
    {
        links.push(link(&origin, journey, name).await);
        origin.clock.advance(1);
    }
    assert_eq!(follow(&origin, &links[4]).await, 200);
    assert_eq!(follow(&origin, &links[0]).await, 401, "older");
    assert_eq!(follow(&origin, &links[3]).await, 401, "older, under another spelling");
    assert_eq!(follow(&origin, &links[1]).await, 200, "another user's");
    assert_eq!(follow(&origin, &links[2]).await, 200, "another journey's");
    assert_eq!(follow(&origin, &links[5]).await, 200, "younger");
    let page = origin.get(&format!("/am/XUI/?realm=/alpha&suspendedId={}", links[0])).await;
    assert_eq!(page.status, 401);
}

#[tokio::test]
async fn a_changed_password_ends_the_links_of_before() {
    let origin = origin("JWT", "").await;
    let before = link(&origin, "Link", "demo").await;
    origin.clock.advance(1);
    let services = super::services::Services::new(&origin.app, "/alpha");
    use countersign_journey::host::Identities as _;
    assert!(services.change_password("demo", PASSWORD, "N3wPassw0rd").await.unwrap());
    assert_eq!(follow(&origin, &before).await, 401);
    let after = link(&origin, "Link", "demo").await;
    assert_eq!(follow(&origin, &after).await, 200);
}

/// Without a retry limit a question is asked often, but not for ever.
#[tokio::test]
async fn s21_guesses_in_one_login_come_to_an_end() {
    let origin = Origin::new().await;
    let ask = json!({"choices": ["no", "yes"], "defaultChoice": "no", "prompt": "Sure?"});
    let mut again = journey("Again", json!({}), &[("ChoiceCollectorNode", ask, &["no", "yes"])]);
    again["tree"]["nodes"]["n0"]["connections"] = json!({"no": "n0", "yes": SUCCESS});
    import(&origin, &[again]).await;
    let mut step = start(&origin, "Again").await;
    let mut asked = 1;
    loop {
        let next = answer(&origin, &step, json!(0)).await;
        if next.status != 200 {
            assert_eq!(next.error(), (401, "Login failure".to_owned()));
            break;
        }
        (step, asked) = (next.json(), asked + 1);
    }
    assert_eq!(asked, 50);
}

/// A journey leads where `goto` may lead, and browsers are sent to nothing that they would run.
#[tokio::test]
async fn s13_a_journey_leads_where_goto_may() {
    let origin = Origin::with(
        "[validation]\nvalid_goto_destinations = [\"https://app.example.com\", \"com.example.app:/done\"]\n",
    )
    .await;
    let ends = [
        ("https://app.example.com/x", Some("https://app.example.com/x")),
        ("/mine", Some("/mine")),
        ("com.example.app:/done", Some("com.example.app:/done")),
        ("https://evil.example/", None),
        ("//evil.example/", None),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("com.example.evil:/done", None),
    ];
    let headers = [("x-openam-username", "demo"), ("x-openam-password", PASSWORD)];
    for (url, expected) in ends {
        let collect = [("ZeroPageLoginNode", json!({"allowWithoutReferer": true}), &["true", "false"][..])];
        let good = ("DataStoreDecisionNode", json!({}), DECISION);
        let to = ("SetSuccessUrlNode", json!({ "successUrl": url }), OUT);
        let nodes: Vec<_> = collect.into_iter().chain([good, to]).collect();
        let fail =
            [("SetFailureUrlNode", json!({ "failureUrl": url }), OUT), ("DataStoreDecisionNode", json!({}), DECISION)];
        import(&origin, &[journey("To", json!({}), &nodes), journey("Fail", json!({}), &fail)]).await;
        let path = |name: &str| format!("{ALPHA}/authenticate?authIndexType=service&authIndexValue={name}");
        let end = origin.post(&path("To"), &headers, "").await.json();
        assert_eq!(end["successUrl"], expected.unwrap_or("/am/console"), "{url}: {end}");
        let end = origin.post(&path("Fail"), &[], "").await.json();
        assert_eq!(end["detail"].get("failureUrl").and_then(Value::as_str), expected, "{url}: {end}");
    }
}

#[tokio::test]
async fn s13_a_provider_is_on_the_web() {
    let origin = Origin::new().await;
    for (address, status) in [
        ("https://idp.example.com/authorize", 200),
        ("com.example.evil:/authorize", 401),
        ("javascript:alert(1)", 401),
        ("data:text/html,x", 401),
    ] {
        let config = json!({
            "clientId": "client", "clientSecret": "secret", "redirectURI": "https://am.example.com/am",
            "authorizeEndpoint": address, "provider": "google", "tokenEndpoint": "https://idp.example.com/token",
            "userInfoEndpoint": "https://idp.example.com/info",
        });
        let node = ("SocialGoogleNode", config, &["ACCOUNT_EXISTS", "NO_ACCOUNT"][..]);
        import(&origin, &[journey("Social", json!({}), &[node])]).await;
        let path = format!("{ALPHA}/authenticate?authIndexType=service&authIndexValue=Social");
        let answer = origin.post(&path, &[], "").await;
        assert_eq!(answer.status, status, "{address}: {}", answer.text());
    }
}
