use countersign_journey::host::ScriptAction;
use countersign_journey::{Answer, Callback, CallbackError, Failure, FailureCause, JourneyState, NodeError, StepError};
use serde_json::{Value, json};

use crate::support::{PASSWORD, START, World, dummy_script, journey, page};

const LOGIN_PAGE: &[(&str, &str)] = &[("outcome", "store")];

fn login() -> Value {
    let children = page(&[("name", "UsernameCollectorNode", json!({})), ("word", "PasswordCollectorNode", json!({}))]);
    let mut children = children;
    children["pageHeader"] = json!({"en": "Sign in", "fr": "Connexion"});
    children["stage"] = json!("UsernamePassword");
    journey(
        "Login",
        &[
            ("page", "PageNode", children, LOGIN_PAGE),
            ("store", "DataStoreDecisionNode", json!({}), &[("true", "SUCCESS"), ("false", "retry")]),
            (
                "retry",
                "RetryLimitDecisionNode",
                json!({"retryLimit": 1, "incrementUserAttributeOnFailure": false}),
                &[("Retry", "page"), ("Reject", "FAILURE")],
            ),
        ],
    )
}

fn asked(answer: Result<Answer, StepError>) -> Box<JourneyState> {
    match answer.unwrap() {
        Answer::Callbacks { state, .. } => state,
        Answer::Suspended { .. } => panic!("suspended"),
        Answer::Success(_) => panic!("succeeded"),
        Answer::Failure(failure) => panic!("failed: {:?}", failure.cause),
    }
}

fn failed(answer: Result<Answer, StepError>) -> Box<Failure> {
    match answer.unwrap() {
        Answer::Failure(failure) => failure,
        _ => panic!("did not fail"),
    }
}

fn error(answer: Result<Answer, StepError>) -> NodeError {
    match failed(answer).cause {
        FailureCause::Exception { error, .. } => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_login_page_on_the_wire() {
    let world = World::new().with(&login());
    let Ok(Answer::Callbacks { state, page }) = world.start("Login") else { panic!("not asked") };
    let expected = json!([
        {"type": "NameCallback", "output": [{"name": "prompt", "value": "User Name"}],
         "input": [{"name": "IDToken1", "value": ""}], "_id": 0},
        {"type": "PasswordCallback", "output": [{"name": "prompt", "value": "Password"}],
         "input": [{"name": "IDToken2", "value": ""}], "_id": 1},
    ]);
    assert_eq!(json!(state.callbacks_json()), expected);
    assert_eq!(page.header.as_deref(), Some("Sign in"));
    assert_eq!(page.stage.as_deref(), Some("UsernamePassword"));
    assert_eq!(state.position(), ("Login", "page"));

    let Ok(Answer::Success(success)) = world.step(&state, &[json!("demo"), json!(PASSWORD)]) else {
        panic!("no success")
    };
    assert_eq!(success.username.as_deref(), Some("demo"));
    assert_eq!(success.universal_id.as_deref(), Some("id=demo,ou=user,o=alpha"));
    assert_eq!((success.journey.as_str(), success.auth_level), ("Login", 0));
}

#[test]
fn wrong_passwords_end_in_failure_after_the_retries() {
    let world = World::new().with(&login());
    let wrong = [json!("demo"), json!("wrong")];
    let first = asked(world.start("Login"));
    let second = asked(world.step(&first, &wrong));
    assert_eq!(failed(world.step(&second, &wrong)).cause, FailureCause::Rejected);
}

#[test]
fn a_page_shows_what_is_missing_and_never_a_password() {
    let world = World::new().with(&login());
    let state = asked(world.step(&asked(world.start("Login")), &[json!(""), json!(PASSWORD)]));
    assert_eq!(state.position().1, "page");
    assert!(!serde_json::to_string(&state.callbacks_json()).unwrap().contains(PASSWORD));
    let state = asked(world.step(&state, &[json!("demo"), json!("")]));
    assert_eq!(state.callbacks_json()[0]["input"][0]["value"], "demo");
}

#[test]
fn a_password_does_not_outlive_the_nodes_that_read_it() {
    let export = journey(
        "Kept",
        &[
            ("word", "PasswordCollectorNode", json!({}), &[("outcome", "name")]),
            ("name", "UsernameCollectorNode", json!({}), &[("outcome", "store")]),
            ("store", "DataStoreDecisionNode", json!({}), &[("true", "bye"), ("false", "FAILURE")]),
            ("bye", "MessageNode", json!({}), &[("true", "SUCCESS"), ("false", "FAILURE")]),
        ],
    );
    let world = World::new().with(&export);
    let kept = asked(world.step(&asked(world.start("Kept")), &[json!(PASSWORD)]));
    assert!(serde_json::to_string(&kept).unwrap().contains(PASSWORD), "a later node reads it");
    let gone = asked(world.step(&kept, &[json!("demo")]));
    assert_eq!(gone.position().1, "bye");
    assert!(matches!(world.step(&gone, &[json!(0)]), Ok(Answer::Success(_))));
}

#[test]
fn clients_must_answer_what_was_asked() {
    let world = World::new().with(&login());
    let state = asked(world.start("Login"));
    let send = |callbacks: Value| {
        let callbacks = callbacks.as_array().unwrap().clone();
        let request = countersign_journey::Request::default();
        let answer = crate::support::now_or_never(world.engine().step((*state).clone(), &callbacks, &request));
        answer.err()
    };
    let fault = |error| Some(StepError::Callbacks(error));
    assert_eq!(send(json!([])), fault(CallbackError::Count));
    assert_eq!(send(json!([{"type": "NameCallback"}, {"type": "NameCallback"}])), fault(CallbackError::Input));
    let name = json!({"type": "NameCallback", "input": [{"name": "IDToken1", "value": "demo"}]});
    assert_eq!(send(json!([name, {"type": "NameCallback"}])), fault(CallbackError::Type));
    let long = "x".repeat(64 * 1024);
    let word = json!({"type": "PasswordCallback", "input": [{"name": "IDToken2", "value": long}]});
    assert_eq!(send(json!([name, word])), fault(CallbackError::Input));
    let word = json!({"type": "PasswordCallback", "input": [{"name": "IDToken2", "value": 7}]});
    assert_eq!(send(json!([name, word])), fault(CallbackError::Input));
}

#[test]
fn an_index_out_of_range_is_refused_and_a_number_as_text_is_taken() {
    let export = journey("Message", &[("ask", "MessageNode", json!({}), &[("true", "SUCCESS"), ("false", "FAILURE")])]);
    let world = World::new().with(&export);
    let state = asked(world.start("Message"));
    assert!(state.callbacks_json()[0].get("_id").is_none(), "only pages have ids");
    for wrong in [json!(2), json!(-1), json!("x"), json!(1.5)] {
        assert!(matches!(world.step(&state, &[wrong]), Err(StepError::Callbacks(CallbackError::Input))));
    }
    assert_eq!(failed(world.step(&state, &[json!("1")])).cause, FailureCause::Rejected);
    assert_eq!(failed(world.step(&state, &[json!(0)])).cause, FailureCause::NoIdentity);
}

#[test]
fn a_loop_without_questions_ends() {
    let export = journey(
        "Loop",
        &[("retry", "RetryLimitDecisionNode", json!({"retryLimit": 1_000_000}), &[("Retry", "retry")])],
    );
    let answer = World::new().with(&export).start("Loop");
    assert_eq!(error(answer), NodeError::Limit("too many nodes in one request"));
}

#[test]
fn a_state_that_grows_too_large_ends_the_journey() {
    let node = json!({"script": "grow", "outcomes": ["x"]});
    let mut export = journey("Grow", &[("grow", "ScriptedDecisionNode", node, &[("x", "grow")])]);
    export["trees"]["Grow"]["scripts"] = json!({"grow": dummy_script("grow")});
    let world = World::new().with(&export).script("grow", |call| {
        call.shared.insert("big".to_owned(), json!("x".repeat(100_000)));
        Ok(ScriptAction::Send(vec![Callback::name("?")]))
    });
    assert_eq!(error(world.start("Grow")), NodeError::Limit("the journey's state is too large"));
}

/// Browsers are sent to the web, to a path, or to an app that is listed.
#[test]
fn s13_a_redirect_leads_to_nothing_that_a_browser_runs_itself() {
    let node = json!({"script": "away", "outcomes": ["x"]});
    let mut export = journey("Away", &[("away", "ScriptedDecisionNode", node, &[("x", "away")])]);
    export["trees"]["Away"]["scripts"] = json!({"away": dummy_script("away")});
    for (url, fine) in [
        ("https://idp.example.com/authorize?a=b:c", true),
        ("HTTP://idp.example.com/", true),
        ("/am/XUI/", true),
        ("com.example.app:/done", true),
        ("Com.Example.App:/done", true),
        ("com.example.evil:/done", false),
        ("javascript:alert(1)", false),
        (" javascript:alert(1)", false),
        ("java\nscript:alert(1)", false),
        ("data:text/html,x", false),
        ("//evil.example", false),
        ("/\\evil.example", false),
        ("nowhere", false),
        ("", false),
    ] {
        let world = World::new()
            .with(&export)
            .script("away", move |_| Ok(ScriptAction::Send(vec![Callback::redirect(url, true)])));
        let answer = world.start("Away");
        if fine {
            asked(answer);
        } else {
            let why = "a redirect leads to no address of the web and to no listed app".to_owned();
            assert_eq!(error(answer), NodeError::Config(why), "{url:?}");
        }
    }
}

fn outer(displays_error: bool) -> Value {
    let config = json!({"tree": "Inner", "displayErrorOutcome": displays_error});
    let connections: &[_] = &[("true", "bye"), ("false", "FAILURE"), ("error", "bye")];
    journey(
        "Outer",
        &[
            ("call", "InnerTreeEvaluatorNode", config, connections),
            ("bye", "MessageNode", json!({}), &[("true", "SUCCESS"), ("false", "FAILURE")]),
        ],
    )
}

#[test]
fn an_inner_journey_gives_back_shared_state_and_its_result() {
    let mut inner = login();
    inner["trees"]["Inner"] = inner["trees"]["Login"].clone();
    let world = World::new().with(&inner).with(&outer(false));
    let state = asked(world.start("Outer"));
    assert_eq!(state.position(), ("Inner", "page"));
    let after = asked(world.step(&state, &[json!("demo"), json!(PASSWORD)]));
    assert_eq!(after.position(), ("Outer", "bye"));
    assert_eq!(after.shared()["username"], "demo");
    assert!(!serde_json::to_string(&after).unwrap().contains(PASSWORD));
    assert!(matches!(world.step(&after, &[json!(0)]), Ok(Answer::Success(success)) if success.journey == "Outer"));
}

#[test]
fn an_exception_in_an_inner_journey_is_an_outcome_where_it_is_wanted() {
    let inner = journey("Inner", &[("store", "DataStoreDecisionNode", json!({}), &[("true", "SUCCESS")])]);
    let caught = asked(World::new().with(&inner).with(&outer(true)).start("Outer"));
    assert_eq!(caught.shared()["errorNode"]["type"], "DataStoreDecisionNode");
    assert!(matches!(error(World::new().with(&inner).with(&outer(false)).start("Outer")), NodeError::State(_)));
    let missing = World::new().with(&outer(false)).start("Outer");
    assert!(matches!(error(missing), NodeError::Config(_)));
}

#[test]
fn journeys_that_call_themselves_end() {
    let config = json!({"tree": "Me"});
    let export = journey("Me", &[("call", "InnerTreeEvaluatorNode", config, &[("true", "SUCCESS")])]);
    assert_eq!(error(World::new().with(&export).start("Me")), NodeError::Limit("inner trees are too deep"));
}

#[test]
fn unknown_types_fail_only_when_they_are_reached() {
    let export = journey(
        "Partial",
        &[
            ("ask", "MessageNode", json!({}), &[("true", "odd"), ("false", "FAILURE")]),
            ("odd", "TrusonaDecisionNode", json!({}), &[("x", "SUCCESS")]),
        ],
    );
    let mut world = World::new().with(&export);
    let state = asked(world.start("Partial"));
    assert_eq!(failed(world.step(&state, &[json!(1)])).cause, FailureCause::Rejected);
    assert!(matches!(error(world.step(&state, &[json!(0)])), NodeError::Config(_)));
    // Unless an administrator says how to leave them.
    std::sync::Arc::make_mut(&mut world.library).stub("TrusonaDecisionNode", "x");
    assert_eq!(failed(world.step(&state, &[json!(0)])).cause, FailureCause::NoIdentity);
    let report = countersign_journey::validate::validate(&world.library, world.library.journey("Partial").unwrap());
    assert_eq!(report.verdict, countersign_journey::validate::Verdict::Runs);
}

#[test]
fn an_empty_tree_ends_at_once() {
    let mut export = journey("Empty", &[]);
    export["trees"]["Empty"]["tree"]["entryNodeId"] = json!(countersign_journey::FAILURE_NODE);
    assert_eq!(failed(World::new().with(&export).start("Empty")).cause, FailureCause::Rejected);
}

#[test]
fn disabled_and_inner_journeys_cannot_be_started() {
    let mut export = login();
    export["trees"]["Login"]["tree"]["enabled"] = json!(false);
    assert_eq!(World::new().with(&export).start("Login").err(), Some(StepError::NoJourney));
    export["trees"]["Login"]["tree"]["enabled"] = json!(true);
    export["trees"]["Login"]["tree"]["innerTreeOnly"] = json!(true);
    assert_eq!(World::new().with(&export).start("Login").err(), Some(StepError::InnerOnly));
    assert_eq!(World::new().start("Login").err(), Some(StepError::NoJourney));
}

#[test]
fn a_journey_has_its_time() {
    let mut export = login();
    let world = World::new().with(&export);
    let state = asked(world.start("Login"));
    assert_eq!(state.deadline(&world.limits), START + 5 * 60_000);
    world.pass(5 * 60_000);
    assert_eq!(failed(world.step(&state, &[])).cause, FailureCause::TimedOut);

    export["trees"]["Login"]["tree"]["treeTimeout"] = json!(10);
    let world = World::new().with(&export);
    let state = asked(world.start("Login"));
    world.pass(9 * 60_000);
    asked(world.step(&state, &[json!("demo"), json!("")]));
}

#[test]
fn inactive_accounts_do_not_get_a_session() {
    let export = journey("Trusting", &[("name", "UsernameCollectorNode", json!({}), &[("outcome", "SUCCESS")])]);
    let world = World::new().with(&export);
    world.users.change("demo", |user| user.active = false);
    let state = asked(world.start("Trusting"));
    assert_eq!(failed(world.step(&state, &[json!("demo")])).cause, FailureCause::LockedOut);
    assert_eq!(failed(world.step(&state, &[json!("nobody")])).cause, FailureCause::NoIdentity);
}

#[test]
fn a_journey_suspended_within_another_goes_on_there() {
    let inner = journey("Inner", &[("mail", "EmailSuspendNode", json!({}), &[("outcome", "SUCCESS")])]);
    let world = World::new().with(&inner).with(&outer(false));
    let Ok(Answer::Suspended { state, until, .. }) = world.start("Outer") else { panic!("not suspended") };
    assert_eq!((state.journey(), state.position(), until), ("Outer", ("Inner", "mail"), START + 5 * 60_000));
    // Whoever posts it back instead of opening the link is told the same again.
    assert!(matches!(world.step(&state, &[]), Ok(Answer::Suspended { .. })));
    let after = asked(world.resume(&state));
    assert_eq!(after.position(), ("Outer", "bye"));
    assert_eq!(world.resume(&after).err(), Some(StepError::NotSuspended));
}

#[test]
fn transient_state_of_the_caller_waits_for_it() {
    let inner = journey(
        "Inner",
        &[
            ("ask", "MessageNode", json!({}), &[("true", "store"), ("false", "FAILURE")]),
            ("store", "DataStoreDecisionNode", json!({}), &[("true", "SUCCESS"), ("false", "FAILURE")]),
        ],
    );
    let export = journey(
        "Outer",
        &[
            ("word", "PasswordCollectorNode", json!({}), &[("outcome", "name")]),
            ("name", "UsernameCollectorNode", json!({}), &[("outcome", "call")]),
            ("call", "InnerTreeEvaluatorNode", json!({"tree": "Inner"}), &[("true", "again"), ("false", "FAILURE")]),
            ("again", "DataStoreDecisionNode", json!({}), &[("true", "SUCCESS"), ("false", "FAILURE")]),
        ],
    );
    let world = World::new().with(&inner).with(&export);
    let name = asked(world.step(&asked(world.start("Outer")), &[json!(PASSWORD)]));
    let message = asked(world.step(&name, &[json!("demo")]));
    assert_eq!(message.position(), ("Inner", "ask"));
    assert!(matches!(world.step(&message, &[json!(0)]), Ok(Answer::Success(_))), "both have checked the password");
}
