//! What next-generation scripts are given, and what they can decide.

mod support;

use std::sync::Arc;

use countersign_script::Generation::Next;
use countersign_script::{Action, ScriptError};
use serde_json::json;
use support::{World, decide, fails, report, sent, values};

#[test]
fn an_outcome_or_an_action_decides() {
    assert_eq!(decide(Next, "outcome = 'true'", json!({})).action, Action::GoTo("true".into()));
    assert_eq!(decide(Next, "var outcome = 'a'; action.goTo('b')", json!({})).action, Action::GoTo("b".into()));
    assert_eq!(decide(Next, "const outcome = 'a';", json!({})).action, Action::GoTo("a".into()));
    assert_eq!(fails(Next, "1"), ScriptError::NoOutcome);
    assert!(fails(Next, "outcome = true").to_string().contains("no text"));
}

#[test]
fn an_action_carries_more_than_its_outcome() {
    let source = "action.goTo('ok').putSessionProperty('a', 1).putSessionProperty('gone', 'x').removeSessionProperty('gone')
        .withMaxSessionTime(10).withMaxIdleTime(5).withErrorMessage('e').withLockoutMessage('l').withIdentifiedUser('bob')
        .withStage('s').withHeader('h').withDescription('d'); auditEntryDetail = { why: 'test' };";
    let decision = decide(Next, source, json!({}));
    assert_eq!(decision.session_properties, [("a".to_owned(), "1".to_owned())].into());
    assert_eq!(decision.removed_session_properties, ["gone"]);
    assert_eq!((decision.max_session_minutes, decision.max_idle_minutes), (Some(10), Some(5)));
    assert_eq!(decision.error_message.as_deref(), Some("e"));
    assert_eq!(decision.lockout_message.as_deref(), Some("l"));
    assert_eq!(decision.identified.map(|who| (who.name, who.agent)), Some(("bob".to_owned(), false)));
    assert_eq!(decision.stage.as_deref(), Some("s"));
    assert_eq!(decision.header.as_deref(), Some("h"));
    assert_eq!(decision.description.as_deref(), Some("d"));
    assert_eq!(decision.audit, Some(json!({ "why": "test" })));
}

#[test]
fn suspend_gives_the_link_to_its_handler() {
    let source = "action.suspend('see your mail', function (uri) { nodeState.putShared('uri', uri); }, 30)";
    let decision = decide(Next, source, json!({}));
    assert_eq!(decision.action, Action::Suspend { message: "see your mail".into(), minutes: Some(30) });
    assert_eq!(decision.shared["uri"], "{{resumeURI}}");
}

#[test]
fn state_is_read_in_order_and_written_where_asked() {
    let told = json!({
        "shared": { "a": 1, "b": "s", "objectAttributes": { "mail": "m", "n": { "x": 1 } } },
        "transient": { "a": 2, "objectAttributes": { "password": "p", "n": { "y": 2 } } },
        "secure": { "a": 3, "c": 4 },
    });
    let source =
        "nodeState.putShared('got', [nodeState.get('a'), nodeState.get('b'), nodeState.get('c'), nodeState.get('none'),
            nodeState.isDefined('c'), nodeState.isDefined('none'), nodeState.keys().sort()]);
        nodeState.putShared('whole', nodeState.getObject('objectAttributes')).putTransient('t', { deep: [1] });
        nodeState.mergeShared({ c: 5, objectAttributes: { n: { z: 3 } } });
        nodeState.remove('b'); outcome = 'x'";
    let decision = decide(Next, source, told);
    assert_eq!(decision.shared["got"], json!([2, "s", 4, null, true, false, ["a", "b", "c", "objectAttributes"]]));
    assert_eq!(decision.shared["whole"], json!({ "mail": "m", "password": "p", "n": { "x": 1, "y": 2 } }));
    assert_eq!(decision.transient["t"], json!({ "deep": [1] }));
    assert_eq!(decision.shared["c"], 5);
    assert!(!decision.secure.contains_key("c") && !decision.shared.contains_key("b"));
    assert_eq!(decision.shared["objectAttributes"]["n"], json!({ "x": 1, "z": 3 }));
}

#[test]
fn callbacks_are_built_and_answered() {
    let source = "if (callbacks.isEmpty()) {
            callbacksBuilder.textOutputCallback(2, 'careful');
            callbacksBuilder.nameCallback('User', 'bob');
            callbacksBuilder.passwordCallback('Password', false);
            callbacksBuilder.hiddenValueCallback('id-1', 'v');
            callbacksBuilder.choiceCallback('Which', ['a', 'b'], 1, false);
            callbacksBuilder.confirmationCallback('Sure?', 0, ['Yes', 'No'], 0);
        } else {
            nodeState.putShared('all', [callbacks.getNameCallbacks()[0], callbacks.getPasswordCallbacks().get(0),
                callbacks.getHiddenValueCallbacks().get('id-1'), callbacks.getChoiceCallbacks()[0][0], callbacks.getConfirmationCallbacks()[0],
                callbacks.getTextInputCallbacks().isEmpty()]);
            action.goTo('done');
        }";
    let decision = decide(Next, source, json!({}));
    let mut wire = sent(&decision);
    assert_eq!(
        wire[0],
        json!({ "type": "TextOutputCallback", "output": [{ "name": "message", "value": "careful" }, { "name": "messageType", "value": "2" }] })
    );
    assert_eq!(wire[1]["input"], json!([{ "name": "IDToken2", "value": "bob" }]));
    assert_eq!(wire[3]["input"], json!([{ "name": "IDToken4", "value": "id-1" }]));
    for (at, answer) in [(1, json!("alice")), (2, json!("pw")), (3, json!("h")), (4, json!(0)), (5, json!("1"))] {
        wire[at]["input"][0]["value"] = answer;
    }
    let decision = decide(Next, source, json!({ "callbacks": wire }));
    assert_eq!(decision.shared["all"], json!(["alice", "pw", "h", 0, 1, true]));
    assert_eq!(decision.action, Action::GoTo("done".into()));
}

#[test]
fn every_builder_makes_a_wire_form() {
    let source = "var b = callbacksBuilder; var n = 0;
        Object.keys(b).filter(k => k[0] === k[0].toLowerCase()).forEach(k => { b[k]('1', '2'); n++; });
        nodeState.putShared('n', n);";
    let decision = decide(Next, source, json!({}));
    assert!(decision.shared["n"].as_u64().unwrap() >= 27, "{:?}", decision.shared);
    assert_eq!(sent(&decision).len() as u64, decision.shared["n"].as_u64().unwrap());
}

#[test]
fn the_request_is_seen() {
    let told = json!({ "headers": { "X-Thing": ["1"], "x-thing": ["2"] }, "parameters": { "q": ["a", "b"] }, "session": { "UserId": "bob" }, "properties": { "p": 5 } });
    let seen = values(
        Next,
        "[requestHeaders.get('X-THING').get(1), requestHeaders.get('none'), requestParameters.get('q').get(0), requestParameters.q[1], existingSession.get('UserId'), realm, scriptName, properties.p, resumedFromSuspend]",
        told,
    );
    assert_eq!(seen, json!(["2", null, "a", "b", "bob", "/alpha", "test", 5, false]));
    assert_eq!(values(Next, "typeof existingSession", json!({})), "undefined");
}

#[test]
fn identities_are_changed_when_stored() {
    let world = Arc::new(World::new([]));
    let source = "var id = idRepository.getIdentity('bob'); id.setAttribute('sn', ['Smith']); id.addAttribute('mail', 'b2@example.com');
        nodeState.putShared('before', id.getAttributeValues('mail')); id.store();
        nodeState.putShared('after', [id.getAttributeValues('mail')[1], id.getAttributeValues('sn').get(0), id.getAttributeValues('none').length, id.getUniversalId(), idRepository.getIdentity('eve')]);
        outcome = 'x'";
    let decision = report(Next, source, json!({}), world).result.unwrap();
    assert_eq!(decision.shared["before"], json!(["bob@example.com"]));
    assert_eq!(decision.shared["after"], json!(["b2@example.com", "Smith", 0, "id=bob", null]));
}

#[test]
fn http_goes_where_it_may_and_nowhere_else() {
    let world = Arc::new(World::new([(201, r#"{"a":[1]}"#)]));
    let source = "var r = httpClient.send('https://api.example.com/v1/x', { method: 'POST', headers: { 'X-A': 'b' }, token: 't', body: { c: 1 } }).get();
        nodeState.putShared('r', [r.status, r.ok, r.json().a[0], r.headers.get('content-type').get(0)]);
        nodeState.putShared('gone', httpClient.send('https://api.example.com/v1/y').get().status);
        try { httpClient.send('https://evil.test/'); } catch (e) { nodeState.putShared('e', e.message); }
        try { httpClient.send('https://api.example.com/v1/', { headers: { 'X': 'a\\r\\nHost: b' } }); } catch (e) { nodeState.putShared('h', e.message); }
        outcome = 'x'";
    let decision = report(Next, source, json!({}), world.clone()).result.unwrap();
    assert_eq!(decision.shared["r"], json!([201, true, 1, "application/json"]));
    assert_eq!(decision.shared["gone"], 502);
    assert_eq!(decision.shared["e"], "scripts may not send requests to https://evil.test");
    assert_eq!(decision.shared["h"], "the method or a header is not valid");
    let sent = world.sent.lock().unwrap();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].body.as_deref(), Some(r#"{"c":1}"#));
    let headers = [("X-A", "b"), ("Authorization", "Bearer t"), ("Content-Type", "application/json")];
    assert_eq!(sent[0].headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

/// A virtual host behind an address that is allowed may be one that is not; and where a message ends, a script does not
/// say.
#[test]
fn what_frames_a_request_is_not_for_scripts() {
    let world = Arc::new(World::new([(200, "{}")]));
    let source = "var e = [];
        for (const host of ['evil.test', 'api.example.com:8443', 'api.example.com.evil.test'])
            try { httpClient.send('https://api.example.com/v1/', { headers: { 'hOsT': host } }); } catch (x) { e.push(x.message); }
        var all = ['Connection', 'CONTENT-LENGTH', 'Transfer-Encoding', 'TE', 'Trailer', 'Expect', 'Upgrade', 'Keep-Alive',
            'Proxy-Authorization', 'Proxy-Connection', 'HTTP2-Settings'];
        var headers = { Host: 'API.example.com:443', 'X-A': 'b' };
        all.forEach(name => headers[name] = 'chunked');
        httpClient.send('https://api.example.com/v1/', { headers });
        nodeState.putShared('e', e); outcome = 'x'";
    let decision = report(Next, source, json!({}), world.clone()).result.unwrap();
    let why = |host: &str| format!("the header Host may not be {host:?} where the URL says api.example.com");
    assert_eq!(
        decision.shared["e"],
        json!([why("evil.test"), why("api.example.com:8443"), why("api.example.com.evil.test")])
    );
    let sent = world.sent.lock().unwrap();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].headers, [("X-A".to_owned(), "b".to_owned())]);
}

#[test]
fn utils_convert_and_hash() {
    let all = "[utils.base64.encode('h\u{e9}'), utils.base64.decode('aMOp'), utils.base64url.encode('??>'), utils.base64url.decode('Pz8-'),
        utils.base64.encode(utils.crypto.subtle.digest('SHA-256', 'abc')), utils.crypto.randomUUID().length,
        utils.crypto.getRandomValues(new Uint8Array(4)).length, utils.types.bytesToString(utils.types.stringToBytes('\u{20ac}')),
        utils.base64.encode(utils.crypto.subtle.sign('HMAC', 'key', 'data')).length]";
    assert_eq!(
        values(Next, all, json!({})),
        json!([
            "aMOp",
            "h\u{e9}",
            "Pz8-",
            "??>",
            "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
            36,
            4,
            "\u{20ac}",
            44
        ])
    );
    assert!(fails(Next, "utils.crypto.subtle.encrypt()").to_string().contains("not supported"));
}

#[test]
fn tokens_are_made_and_checked() {
    let source = "var key = utils.base64.encode('0123456789abcdef0123456789abcdef');
        var jwt = jwtAssertion.generateJwt({ jwtType: 'SIGNED', jwsAlgorithm: 'HS256', issuer: 'me', subject: 'bob', audience: 'you', validityMinutes: 1, signingKey: key, claims: { x: 1 } });
        var read = jwtValidator.validateJwtClaims({ jwt: jwt, signingKey: key, issuer: 'me', audience: 'you' });
        var bad = [];
        [jwt.slice(0, -2) + 'AA', jwt.replace(/^[^.]+/, utils.base64url.encode('{\"alg\":\"none\"}'))].forEach(t => {
            try { jwtValidator.validateJwtClaims({ jwt: t, signingKey: key }); bad.push(false); } catch (e) { bad.push(true); } });
        nodeState.putShared('it', [read.sub, read.x, bad]); outcome = 'x'";
    assert_eq!(decide(Next, source, json!({})).shared["it"], json!(["bob", 1, [true, true]]));
}

#[test]
fn variables_secrets_libraries_and_what_is_absent() {
    let world = Arc::new(World {
        libraries: [
            ("lib", "exports.twice = function (x) { return 2 * x; }; var hidden = 1;"),
            ("bad", "exports. = 1"),
        ]
        .into(),
        ..World::new([])
    });
    let source = "var lib = require('lib');
        nodeState.putShared('it', [systemEnv.getProperty('esv.name'), systemEnv.getProperty('esv.none'), systemEnv.getProperty('esv.none', 'd'),
            systemEnv.getProperty('esv.count', '1', 'Integer'), secrets.getGenericSecret('known').getAsUtf8(), lib.twice(21), require('lib') === lib, typeof hidden]);
        nodeState.putShared('errors', [() => secrets.getGenericSecret('x'), () => openidm.read('managed/user/1'), () => require('none'), () => require('bad')]
            .map(f => { try { f(); return 'no error'; } catch (e) { return e.message; } }));
        logger.error('one {} and {}', 1, 'two', new Error('cause')); logger.debug('x'); outcome = logger.isErrorEnabled() ? 'x' : 'y'";
    let report = report(Next, source, json!({}), world);
    let decision = report.result.unwrap();
    assert_eq!(decision.shared["it"], json!(["value", null, "d", 7, "s3cr\u{e9}t", 42, true, "undefined"]));
    let errors = decision.shared["errors"].as_array().unwrap();
    assert_eq!(errors[0], "no secret \"x\"");
    assert_eq!(errors[1], "openidm is not available to scripts");
    assert_eq!(errors[2], "there is no library \"none\"");
    assert!(errors[3].as_str().unwrap().contains("cannot be compiled"), "{}", errors[3]);
    assert_eq!(report.log[0].text, "one 1 and two: Error: cause");
    assert_eq!(report.log.len(), 2);
}

#[test]
fn promises_are_worked_off() {
    let source = "(async function () { await null; outcome = 'later'; })()";
    assert_eq!(decide(Next, source, json!({})).action, Action::GoTo("later".into()));
}

#[test]
fn state_has_the_methods_of_java_beside_its_own() {
    let told = json!({ "shared": { "objectAttributes": { "mail": "m", "list": ["a", "b"] } } });
    let source = "var o = nodeState.get('objectAttributes');
        nodeState.putShared('it', [o.mail, o.get('mail'), o.get('none'), o.containsKey('list'), o.get('list').get(1), o.list.size(), Object.keys(o).length,
            Object.keys(JSON.parse(JSON.stringify(o))).sort().join(), nodeState.keys().contains('objectAttributes')]); outcome = 'x'";
    assert_eq!(decide(Next, source, told).shared["it"], json!(["m", "m", null, true, "b", 2, 2, "list,mail", true]));
    let source = "var none = idRepository.getIdentity('bob').getAttributeValues('none'); var mail = idRepository.getIdentity('bob').getAttributeValues('mail');
        nodeState.putShared('it', [none != '[]', String(mail), mail.toArray()[0], mail.length]); outcome = 'x'";
    assert_eq!(decide(Next, source, json!({})).shared["it"], json!([false, "[bob@example.com]", "bob@example.com", 1]));
}

#[test]
fn the_journey_and_the_language_are_seen() {
    let mut input = support::input(json!({}));
    input.languages = vec!["fr-CA".to_owned(), "de".to_owned()];
    input.journey.name = "Login".to_owned();
    input.journey.resource = "managed/user".to_owned();
    input.journey.must_run = true;
    let source = "nodeState.putShared('it', [journey.name(), journey.identityResource(), journey.innerJourney(), journey.mustRun(),
        locales.getLocalizedMessage({ 'en': 'Hello', 'fr': 'Bonjour' }), locales.getLocalizedMessage({ 'en': 'Hello', 'de-DE': 'Hallo' }),
        locales.getLocalizedMessage({ 'no': 'Hei', 'en': 'Hello' })]); outcome = 'x'";
    let world = Arc::new(World::new([]));
    let decision = support::SANDBOX.submit(support::script(Next, source), input, world).unwrap().wait().result.unwrap();
    assert_eq!(decision.shared["it"], json!(["Login", "managed/user", false, true, "Bonjour", "Hallo", "Hei"]));
}

#[test]
fn what_follows_an_answer_is_not_the_scripts_undoing() {
    let source = "httpClient.send('https://api.example.com/v1').then(function (answer) { logger.debug('status ' + answer.status); throw new Error('late'); });
        action.goTo('true');";
    let report = report(Next, source, json!({}), Arc::new(World::new([(200, "{}")])));
    assert_eq!(report.result.unwrap().action, Action::GoTo("true".into()));
    assert_eq!(report.log[0].text, "status 200");
    assert!(report.log[1].text.contains("late"));
}
