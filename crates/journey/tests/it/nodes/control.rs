use countersign_journey::host::ScriptAction;
use countersign_journey::{Callback, CallbackType, FailureCause};
use serde_json::{Value, json};

use super::{outcome, trial};
use crate::support::{Trial, World, dummy_script};

#[test]
fn polling_wait() {
    let config = json!({
        "secondsToWait": 5, "exitable": true, "exitMessage": {"en": "Stop"}, "spamDetectionEnabled": true,
        "spamDetectionTolerance": 1, "waitingMessage": {"en": "{{time}} seconds"},
    });
    let asked = Trial::new("PollingWaitNode", config.clone()).run();
    assert_eq!(asked.types(), ["PollingWaitCallback", "ConfirmationCallback"]);
    assert_eq!((asked.output(0, "waitTime"), asked.output(0, "message")), (json!("5000"), json!("5 seconds")));
    assert_eq!(asked.output(1, "options"), json!(["Stop"]));
    assert_eq!(asked.asked()[1]["input"][0]["value"], 100, "not pressed");
    asked.world.pass(2000);
    let early = asked.answer(&[json!(100)]);
    assert_eq!(early.output(0, "waitTime"), "3000");
    early.world.pass(3000);
    let done = early.answer(&[Value::Null]);
    assert_eq!((done.outcome(), done.shared()["it.end_time"].clone()), ("DONE".to_owned(), Value::Null));

    let exited = done.again().answer(&[json!(0)]);
    assert_eq!(exited.outcome(), "EXITED");
    let spam = exited.again().answer(&[Value::Null]).answer(&[Value::Null]);
    assert_eq!(spam.outcome(), "SPAM");

    let plain = Trial::new("PollingWaitNode", json!({"secondsToWait": 0})).run();
    assert_eq!(plain.types(), ["PollingWaitCallback"]);
    assert_eq!(plain.answer(&[]).outcome(), "DONE");
}

fn scripted(
    config: Value,
    shared: Value,
    body: fn(&mut countersign_journey::host::ScriptCall<'_>) -> Result<ScriptAction, String>,
) -> Trial {
    let script = json!({"trees": {"Scripts": {"tree": {"entryNodeId": "none"}, "scripts": {"s": dummy_script("s")}}}});
    let world = World::new().with(&script).script("s", body);
    Trial::of("ScriptedDecisionNode", config, shared, json!({"secret": 1}), world).run()
}

#[test]
fn scripts_choose_one_of_their_outcomes() {
    let config = json!({"script": "s", "outcomes": ["yes", "no"]});
    let yes = scripted(config.clone(), Value::Null, |_| Ok(ScriptAction::GoTo("yes".to_owned())));
    assert_eq!(yes.outcome(), "yes");
    let other = scripted(config.clone(), Value::Null, |_| Ok(ScriptAction::GoTo("other".to_owned())));
    assert_eq!(other.outcome(), "exception: script: \"other\" is not one of its outcomes");
    assert!(scripted(config.clone(), Value::Null, |_| Err("stuck".to_owned())).outcome().contains("stuck"));
    assert!(
        outcome("ScriptedDecisionNode", json!({"script": "[Empty]", "outcomes": ["x"]}), Value::Null)
            .starts_with("exception")
    );
    let asks = scripted(config, Value::Null, |call| {
        Ok(match call.callbacks.first() {
            None => {
                let outputs = [("prompt", json!("Colour?")), ("defaultText", json!("blue"))];
                let asked = Callback::new(CallbackType::TextInputCallback, outputs, [("", json!("blue"))]);
                ScriptAction::Send(vec![asked])
            }
            Some(answered) => {
                call.shared.insert("colour".to_owned(), json!(answered.text()));
                ScriptAction::GoTo("no".to_owned())
            }
        })
    });
    assert_eq!(asks.asked()[0]["input"][0]["value"], "blue");
    let answered = asks.answer(&[json!("red")]);
    assert_eq!((answered.outcome(), answered.shared()["colour"].clone()), ("no".to_owned(), json!("red")));
}

#[test]
fn scripts_see_their_inputs_and_leave_their_outputs() {
    let config = json!({"script": "s", "outcomes": ["yes"], "inputs": ["a", "gone"], "outputs": ["out", "gone"]});
    let body: fn(&mut countersign_journey::host::ScriptCall<'_>) -> _ = |call| {
        assert_eq!(json!(call.shared), json!({"a": 1, "gone": 2}));
        assert!(call.transient.is_empty());
        call.shared.insert("out".to_owned(), json!(3));
        call.shared.insert("a".to_owned(), json!(4));
        call.transient.insert("gone".to_owned(), json!(5));
        call.shared.remove("gone");
        Ok(ScriptAction::GoTo("yes".to_owned()))
    };
    let done = scripted(config.clone(), json!({"a": 1, "gone": 2, "hidden": 3}), body);
    let shared = done.shared();
    assert_eq!(
        (&shared["a"], &shared["out"], &shared["gone"], &shared["hidden"]),
        (&json!(1), &json!(3), &Value::Null, &json!(3))
    );
    assert_eq!(done.transient(), json!({"gone": 5, "secret": 1}));
    let missing = scripted(config, json!({"a": 1, "gone": 2}), |_| Ok(ScriptAction::GoTo("yes".to_owned())));
    assert!(missing.outcome().contains("\"out\""), "{}", missing.outcome());
}

#[test]
fn scripts_suspend() {
    let config = json!({"script": "s", "outcomes": ["yes"]});
    let suspended = scripted(config, Value::Null, |call| {
        Ok(if call.resumed {
            ScriptAction::GoTo("yes".to_owned())
        } else {
            ScriptAction::Suspend { message: "Open {{resumeURI}}".to_owned(), minutes: Some(1) }
        })
    });
    let message = suspended.state().callbacks_json()[0]["output"][0]["value"].as_str().unwrap().to_owned();
    assert!(message.starts_with("Open https://am.example.com/"), "{message}");
    assert_eq!(suspended.resume().outcome(), "yes");
}

#[test]
fn designed_nodes_bring_their_script() {
    let definition = json!({
        "serviceName": "0123456789abcdef0123456789abcdef", "displayName": "Mine", "outcomes": ["Low", "High"],
        "errorOutcome": true, "inputs": [], "outputs": [], "script": "action.goTo(properties.level)",
        "properties": {"level": {"type": "STRING", "defaultValue": "Low"}, "limit": {"type": "NUMBER"}},
    });
    let type_id = "designer-0123456789abcdef0123456789abcdef";
    let run = |config: Value, defined: bool| {
        let ends: &[_] = &[("Low", "SUCCESS"), ("High", "FAILURE"), ("Error", "FAILURE")];
        let mut export = crate::support::journey("Designed", &[("it", type_id, config, ends)]);
        if defined {
            export["trees"]["Designed"]["nodeTypes"] = json!({"0123456789abcdef0123456789abcdef-1": definition});
        }
        let world = World::new().with(&export).script(type_id, |call| {
            assert!(call.script.next_generation && call.script.source.starts_with("action."));
            match &call.properties["level"] {
                Value::String(level) => Ok(ScriptAction::GoTo(level.clone())),
                _ => Err("not a text".to_owned()),
            }
        });
        let journey = world.library.journey("Designed").unwrap().clone();
        let outcomes = journey.nodes["it"].outcomes();
        let verdict = countersign_journey::validate::validate(&world.library, &journey).verdict;
        world.start("Designed").unwrap();
        (outcomes, verdict, world.outcome(type_id))
    };
    use countersign_journey::validate::Verdict;
    let all = Some(vec!["Low".to_owned(), "High".to_owned(), "Error".to_owned()]);
    assert_eq!(run(json!({}), true), (all.clone(), Verdict::Runs, Some(Ok("Low".to_owned()))));
    assert_eq!(run(json!({"level": "High", "limit": 3}), true).2, Some(Ok("High".to_owned())));
    assert_eq!(run(json!({"level": 1}), true).2, Some(Ok("Error".to_owned())));
    let (outcomes, verdict, _) = run(json!({}), false);
    assert_eq!((outcomes, verdict), (None, Verdict::Partial), "no definition");
    assert!(countersign_journey::node_type("designer").is_some());
}

#[test]
fn config_providers_are_the_node_that_their_script_says() {
    let run = |node_type: &str, settings: Value| {
        let script =
            json!({"trees": {"Scripts": {"tree": {"entryNodeId": "none"}, "scripts": {"s": dummy_script("s")}}}});
        let runs = std::sync::atomic::AtomicU32::new(0);
        let world = World::new().with(&script).script("s", move |call| {
            assert_eq!(runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed), 0, "once for each visit");
            call.shared.insert("config".to_owned(), settings.clone());
            Ok(ScriptAction::GoTo(String::new()))
        });
        let config = json!({"nodeType": node_type, "script": "s", "scriptInputs": ["*"]});
        Trial::of("ConfigProviderNode", config, Value::Null, Value::Null, world).run()
    };
    let asked = run("MessageNode", json!({"message": {"en": "Made"}, "stateField": "button"}));
    assert_eq!(asked.output(0, "message"), "Made");
    let done = asked.answer(&[json!(0)]);
    assert_eq!((done.outcome(), done.shared()["button"].clone()), ("true".to_owned(), json!(0)));
    assert_eq!(done.transient().get("it.config"), None);
    assert_eq!(run("MessageNode", json!({"message": 7})).outcome(), "CONFIGURATION_FAILED");
    assert_eq!(run("MessageNode", Value::Null).outcome(), "CONFIGURATION_FAILED");
    assert!(run("ChoiceCollectorNode", json!({"choices": ["a"]})).is_exception(), "its outcomes are not fixed");
}

#[test]
fn inner_trees_have_an_error_outcome_on_request() {
    let kind = countersign_journey::node_type("InnerTreeEvaluatorNode").unwrap();
    let outcomes = |config: Value| kind.outcomes(config.as_object().unwrap()).unwrap().unwrap();
    assert_eq!(outcomes(json!({"tree": "x"})), ["true", "false"]);
    assert_eq!(outcomes(json!({"tree": "x", "displayErrorOutcome": true})), ["true", "false", "error"]);
}

#[test]
fn journey_timeout() {
    let deadline = |config: Value| {
        let trial = trial("UpdateJourneyTimeoutNode", config, Value::Null, Value::Null);
        (trial.state().deadline(&trial.world.limits) - crate::support::START) / 60_000
    };
    assert_eq!(deadline(json!({"operation": "SET", "value": 30})), 30);
    assert_eq!(deadline(json!({"operation": "MODIFY", "value": -2})), 3);
    let none = outcome("UpdateJourneyTimeoutNode", json!({"operation": "MODIFY", "value": -5}), Value::Null);
    assert!(none.starts_with("exception"));
}

#[test]
fn failure_and_error_details() {
    let ends = |kind: &str, config: Value, end: &[(&str, &str)]| {
        let nodes = [
            ("it", kind, config, &[("outcome", "end")][..]),
            ("end", "DataStoreDecisionNode", json!({}), &[("true", "SUCCESS"), ("false", "FAILURE")]),
        ];
        let mut nodes = nodes.to_vec();
        if let Some((_, target)) = end.first() {
            nodes[0].3 = if *target == "FAILURE" { &[("outcome", "FAILURE")] } else { &[("outcome", "end")] };
        }
        let world = World::new().with(&crate::support::journey("Ends", &nodes));
        let Ok(countersign_journey::Answer::Failure(failure)) = world.start("Ends") else { panic!() };
        failure
    };
    let config = json!({"failureMessage": {"en": "Sorry"}, "failureDetails": {"code": "7", "text": "x y"}});
    let failure = ends("SetFailureDetailsNode", config.clone(), &[("outcome", "FAILURE")]);
    assert_eq!((failure.cause.clone(), failure.message.as_deref()), (FailureCause::Rejected, Some("Sorry")));
    assert_eq!(json!(failure.details), json!({"code": 7, "text": "x y"}));
    let failure = ends("SetFailureDetailsNode", config, &[]);
    assert_eq!(failure.message, None, "an exception is not a failure");
    let config = json!({"errorMessage": {"en": "Oops"}, "errorDetails": {"url": "https://x"}});
    let failure = ends("SetErrorDetailsNode", config, &[]);
    assert_eq!((failure.message.as_deref(), &failure.details["url"]), (Some("Oops"), &json!("https://x")));
}
