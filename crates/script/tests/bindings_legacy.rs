//! What legacy scripts find: Java's classes and methods, as far as they go.

mod support;

use std::sync::Arc;

use countersign_script::Generation::Legacy;
use countersign_script::{Action, ScriptError};
use serde_json::{Value, json};
use support::{World, decide, fails, report, sent, values};

const IMPORT: &str = "var fr = JavaImporter(org.forgerock.openam.auth.node.api.Action, javax.security.auth.callback.NameCallback,
    javax.security.auth.callback.PasswordCallback, javax.security.auth.callback.TextOutputCallback,
    javax.security.auth.callback.ChoiceCallback, javax.security.auth.callback.ConfirmationCallback,
    com.sun.identity.authentication.callbacks.HiddenValueCallback, com.sun.identity.authentication.callbacks.ScriptTextOutputCallback,
    org.forgerock.openam.authentication.callbacks.BooleanAttributeInputCallback, java.lang.String);";

/// The wire callbacks of `source`, answered.
fn answered(source: &str, answers: &[(usize, Value)]) -> Vec<Value> {
    let mut wire = sent(&decide(Legacy, source, json!({})));
    for (at, answer) in answers {
        wire[*at]["input"][0]["value"] = answer.clone();
    }
    wire
}

#[test]
fn an_outcome_or_an_action_decides() {
    assert_eq!(decide(Legacy, "outcome = 'true'", json!({})).action, Action::GoTo("true".into()));
    let both = format!("{IMPORT} outcome = 'a'; action = fr.Action.goTo('b').putSessionProperty('k', 'v').build()");
    let decision = decide(Legacy, &both, json!({}));
    assert_eq!((&decision.action, &*decision.session_properties["k"]), (&Action::GoTo("b".into()), "v"));
    // Unbuilt, by its full name, and through a declared variable.
    let full = "var action = org.forgerock.openam.auth.node.api.Action.goTo('c')";
    assert_eq!(decide(Legacy, full, json!({})).action, Action::GoTo("c".into()));
    assert!(fails(Legacy, "action = 'true'").to_string().contains("no Action"));
}

#[test]
fn imports_work_with_with() {
    let source = "var fr = new JavaImporter(org.forgerock.openam.auth.node.api, javax.security.auth.callback);
        with (fr) { action = Action.send(new NameCallback('User')).build(); }";
    assert_eq!(sent(&decide(Legacy, source, json!({})))[0]["type"], "NameCallback");
    let classes =
        "importClass(javax.security.auth.callback.NameCallback); importPackage(org.forgerock.openam.auth.node.api);
        importClass(Packages.java.util.ArrayList);
        var l = new ArrayList(); l.add(new NameCallback('User')); action = Action.send(l).build()";
    assert_eq!(sent(&decide(Legacy, classes, json!({})))[0]["type"], "NameCallback");
}

#[test]
fn an_unknown_class_is_named_when_it_is_used() {
    let import =
        "var fr = JavaImporter(org.forgerock.openam.sm.Unheard, java.lang.Math); outcome = String(fr.Math.max(1, 2))";
    assert_eq!(decide(Legacy, import, json!({})).action, Action::GoTo("2".into()));
    for use_it in [
        "new org.forgerock.openam.sm.Unheard()",
        "org.forgerock.openam.sm.Unheard.get()",
        "org.forgerock.openam.sm.Unheard()",
    ] {
        let ScriptError::Threw { message, line: Some(1) } = fails(Legacy, use_it) else { panic!("{use_it}") };
        assert!(message.contains("the Java class org.forgerock.openam.sm.Unheard is not available"), "{message}");
    }
    let message = fails(Legacy, "\n\njava.lang.Runtime.getRuntime().exec('id')").to_string();
    assert_eq!(message, "threw ReferenceError: the Java class java.lang.Runtime is not available to scripts (line 3)");
}

#[test]
fn callbacks_are_sent_and_read() {
    let source = format!("{IMPORT}
        if (callbacks.isEmpty()) {{
            action = fr.Action.send(new fr.NameCallback('User'), new fr.PasswordCallback('Password', false),
                new fr.HiddenValueCallback('stage', 'S'), new fr.TextOutputCallback(fr.TextOutputCallback.ERROR, 'no'),
                new fr.ChoiceCallback('Which', ['a', 'b'], 0, false), new fr.ConfirmationCallback(fr.ConfirmationCallback.INFORMATION, ['Yes', 'No'], 1),
                new fr.ScriptTextOutputCallback('alert(1)'), new fr.BooleanAttributeInputCallback('agree', 'Agree', false, true)).build();
        }} else {{
            var password = callbacks.get(1).getPassword();
            sharedState.put('read', [callbacks.get(0).getName(), callbacks.get(0).name, fr.String(password), new java.lang.String(password).length(),
                password.length, String.fromCharCode.apply(null, password), password[0] == 'p', callbacks.get(2).getValue(), callbacks.get(2).getId(),
                callbacks.get(4).getSelectedIndexes()[0], callbacks.get(5).getSelectedIndex(), callbacks.get(7).getValue().toString() == 'true', callbacks.size(),
                typeof callbacks.get(0).getPassword]);
            transientState.put('password', password);
            action = fr.Action.goTo('done').build();
        }}");
    let wire = answered(
        &source,
        &[(0, json!("bob")), (1, json!("pw1")), (2, json!("V")), (4, json!(1)), (5, json!(0)), (7, json!(true))],
    );
    assert_eq!(
        wire[3],
        json!({ "type": "TextOutputCallback", "output": [{ "name": "message", "value": "no" }, { "name": "messageType", "value": "2" }] })
    );
    assert_eq!(wire[5]["output"][2], json!({ "name": "options", "value": ["Yes", "No"] }));
    assert_eq!(wire[6]["output"][1], json!({ "name": "messageType", "value": "4" }));
    assert_eq!(
        wire[7]["input"],
        json!([{ "name": "IDToken8", "value": true }, { "name": "IDToken8validateOnly", "value": false }])
    );
    let decision = decide(Legacy, &source, json!({ "callbacks": wire }));
    assert_eq!(
        decision.shared["read"],
        json!(["bob", "bob", "pw1", 3, 3, "pw1", true, "V", "stage", 1, 0, true, 8, "undefined"])
    );
    assert_eq!(decision.transient["password"], "pw1");
}

#[test]
fn send_takes_lists_and_what_apply_gives() {
    for how in [
        "fr.Action.send([a, b])",
        "fr.Action.send.apply(null, [a, b])",
        "fr.Action.send(java.util.Arrays.asList(a, b))",
        "fr.Action.send(java.util.List.of(a, b))",
    ] {
        let source =
            format!("{IMPORT} var a = new fr.NameCallback('A'), b = new fr.NameCallback('B'); action = {how}.build()");
        assert_eq!(sent(&decide(Legacy, &source, json!({}))).len(), 2, "{how}");
    }
    let wrong = format!("{IMPORT} action = fr.Action.send({{ type: 'NameCallback', output: [], input: [] }})");
    assert!(fails(Legacy, &wrong).to_string().contains("only callbacks can be sent"));
}

#[test]
fn state_behaves_like_java_maps() {
    let told = json!({ "shared": { "username": "bob", "objectAttributes": { "mail": "m" } }, "transient": { "p": "x" }, "secure": { "s": "y" } });
    let source = "var o = sharedState.get('objectAttributes'); o.put('sn', 'Smith'); o['givenName'] = 'Bob';
        sharedState.put('made', { a: { b: 1 } });
        sharedState.put('it', [sharedState.get('none'), o.get('mail'), o.mail, o.containsKey('sn'), sharedState.get('made').get('a').get('b'),
            o.keySet().toArray().length, sharedState.get('made').toString(), transientState.get('p').equals('x'), sharedState.remove('username')]);
        outcome = 'x'";
    let decision = decide(Legacy, source, told);
    assert_eq!(decision.shared["it"], json!([null, "m", "m", true, 1, 3, "{a={b=1}}", true, "bob"]));
    assert_eq!(decision.shared["objectAttributes"], json!({ "mail": "m", "sn": "Smith", "givenName": "Bob" }));
    assert!(!decision.shared.contains_key("username"));
    assert_eq!(decision.secure["s"], "y");
}

#[test]
fn node_state_gives_json_values() {
    let told = json!({ "shared": { "level": 3, "mode": "m", "objectAttributes": { "mail": "a", "list": [1] } }, "transient": { "objectAttributes": { "password": "p" } } });
    let seen = values(
        Legacy,
        "[nodeState.get('level').asInteger() + 1, nodeState.get('mode').asString(), '' + nodeState.get('mode'), nodeState.get('none'),
          nodeState.getObject('objectAttributes').get('password').asString(), nodeState.get('level').isNumber(),
          nodeState.getObject('objectAttributes').get('list').asList().get(0), nodeState.getObject('objectAttributes').get('none').isNull(),
          nodeState.get('objectAttributes').asMap().get('password')]",
        told,
    );
    assert_eq!(seen, json!([4, "m", "\"m\"", null, "p", true, 1, true, "p"]));
    assert!(
        fails(Legacy, "nodeState.putShared('a', 1); nodeState.get('a').asString()").to_string().contains("not a text")
    );
}

#[test]
fn texts_and_collections_have_the_methods_of_java() {
    let all = "['a'.equals('a'), new java.lang.String('a') == 'a', 'A'.equalsIgnoreCase('a'), ''.isEmpty(), 'abc'.contains('b'), 'abc'.length(), 'abc'.hashCode(),
        ['x'].get(0), ['x'].size(), ['x', 'y'].contains('y'), [1, 2].iterator().next(), (5).equals(5), java.lang.Integer.parseInt('12'), java.lang.Integer.valueOf(7).intValue(),
        java.lang.Boolean.parseBoolean('TRUE'), java.lang.String.format('%05d|%s|%.2f', 42, 'x', 1.005), java.lang.Math.max(1, 2), java.lang.String.valueOf(5),
        java.util.UUID.randomUUID().toString().length(), new java.util.HashMap().isEmpty(), new java.util.ArrayList([1]).size(),
        new java.lang.StringBuilder('a').append('b').append(1).toString(), java.util.Arrays.asList('a', 'b').get(1), java.lang.System.currentTimeMillis() > 1e12,
        new java.lang.String(java.util.Base64.getDecoder().decode('aGk=')), java.util.Base64.getUrlEncoder().withoutPadding().encodeToString('??>?'.getBytes()),
        java.net.URLEncoder.encode('a b&c', 'UTF-8'), new java.util.HashSet(['a', 'a']).size(),
        new java.text.SimpleDateFormat(\"yyyy-MM-dd'T'HH:mm:ss\").format(new java.util.Date(0)),
        new java.text.SimpleDateFormat('dd/MM/yyyy').parse('02/01/1970').getTime(), java.time.Instant.ofEpochMilli(0).plus(2, java.time.temporal.ChronoUnit.DAYS).toString(),
        org.forgerock.util.encode.Base64.encode('hi'), java.time.Clock.systemUTC().millis() > 1e12]";
    let expected = json!([
        true,
        true,
        true,
        true,
        true,
        3,
        96354,
        "x",
        1,
        true,
        1,
        true,
        12,
        7,
        true,
        "00042|x|1.00",
        2,
        "5",
        36,
        true,
        1,
        "ab1",
        "b",
        true,
        "hi",
        "Pz8-Pw",
        "a+b%26c",
        1,
        "1970-01-01T00:00:00",
        86400000,
        "1970-01-03T00:00:00Z",
        "aGk=",
        true
    ]);
    let seen = values(Legacy, all, json!({}));
    for (at, (seen, expected)) in seen.as_array().unwrap().iter().zip(expected.as_array().unwrap()).enumerate() {
        assert_eq!(seen, expected, "at {at}");
    }
}

#[test]
fn requests_are_objects() {
    let world = Arc::new(World::new([(200, r#"{"a":"b"}"#), (404, "gone")]));
    let source = "var request = new org.forgerock.http.protocol.Request();
        request.setMethod('POST'); request.setUri('https://api.example.com/v1/a'); request.getHeaders().add('X-A', 'b');
        request.setEntity({ c: 1 });
        var response = httpClient.send(request).get();
        var second = new org.forgerock.http.protocol.Request(); second.uri = 'https://api.example.com/v1/b'; second.method = 'GET'; second.getEntity().setString('raw');
        var missing = httpClient.send(second).get();
        var away = httpClient.send(second).get();
        sharedState.put('it', [response.getStatus().getCode(), response.getStatus().isSuccessful(), JSON.parse(response.getEntity().getString()).a, response.entity.string,
            response.getHeaders().getFirst('location'), String(response.getStatus()), missing.status.code, away.getStatus().getCode(), away.getCause().message]);
        try { second.setUri('http://169.254.169.254/'); httpClient.send(second); } catch (e) { sharedState.put('e', e.message); }
        outcome = 'x'";
    let decision = report(Legacy, source, json!({}), world.clone()).result.unwrap();
    assert_eq!(
        decision.shared["it"],
        json!([200, true, "b", "{\"a\":\"b\"}", "/next", "[Status: 200 Reason]", 404, 502, "connection refused"])
    );
    assert_eq!(decision.shared["e"], "scripts may not send requests to http://169.254.169.254");
    let sent = world.sent.lock().unwrap();
    assert_eq!(
        (sent[0].method.as_str(), sent[0].body.as_deref(), sent[1].body.as_deref()),
        ("POST", Some("{\"c\":1}"), Some("raw"))
    );
    assert_eq!(sent[0].headers, [("X-A".to_owned(), "b".to_owned())]);
}

#[test]
fn identities_are_sets_of_values() {
    let source = "idRepository.setAttribute('bob', 'sn', ['Smith']); idRepository.addAttribute('bob', 'mail', 'b2@example.com');
        var mails = idRepository.getAttribute('bob', 'mail');
        sharedState.put('it', [mails.iterator().next(), mails.iterator().hasNext(), String(mails), mails.size(), idRepository.getAttribute('eve', 'mail').isEmpty(),
            idRepository.getAttribute('id=bob', 'sn').toArray()[0]]); outcome = 'x'";
    let decision = decide(Legacy, source, json!({}));
    assert_eq!(
        decision.shared["it"],
        json!(["bob@example.com", true, "[bob@example.com, b2@example.com]", 2, true, "Smith"])
    );
}

#[test]
fn the_request_is_seen() {
    let told = json!({ "headers": { "Cookie": ["a=b; c=d"] }, "parameters": { "token": ["t"] }, "session": { "UserId": "bob" } });
    let seen = values(
        Legacy,
        "[requestHeaders.get('Cookie').get(0).split(';')[1].trim(), requestHeaders.get('none'), requestParameters.get('token').get(0), requestParameters.get('x') == null, existingSession.get('UserId'), realm]",
        told,
    );
    assert_eq!(seen, json!(["c=d", null, "t", true, "bob", "/alpha"]));
    assert_eq!(values(Legacy, "typeof existingSession", json!({})), "undefined");
}

#[test]
fn suspend_takes_a_handler() {
    let source = "var fr = JavaImporter(org.forgerock.openam.auth.node.api);
        action = fr.Action.suspend(function (uri) { return new fr.SuspendedTextOutputCallback(0, 'go to ' + uri); }).build()";
    assert_eq!(
        decide(Legacy, source, json!({})).action,
        Action::Suspend { message: "go to {{resumeURI}}".into(), minutes: None }
    );
}

#[test]
fn tokens_are_signed_and_verified() {
    let source = "var fr = JavaImporter(org.forgerock.json.jose.builders.JwtBuilderFactory, org.forgerock.json.jose.jwt.JwtClaimsSet, org.forgerock.json.jose.jws.JwsAlgorithm,
            org.forgerock.json.jose.jws.SignedJwt, org.forgerock.secrets.SecretBuilder, org.forgerock.secrets.keys.SigningKey, org.forgerock.secrets.keys.VerificationKey,
            org.forgerock.json.jose.jws.handlers.SecretHmacSigningHandler, java.time.temporal.ChronoUnit, java.time.Clock, org.forgerock.util.encode.Base64);
        function builder(secret) {
            var made = new fr.SecretBuilder;
            made.secretKey(new javax.crypto.spec.SecretKeySpec(java.lang.String(secret).getBytes(), 'Hmac'));
            made.stableId('me').expiresIn(5, fr.ChronoUnit.MINUTES, fr.Clock.systemUTC());
            return made;
        }
        var claims = new fr.JwtClaimsSet; claims.setIssuer('me'); claims.addAudience('you'); claims.setSubject('bob');
        claims.setIssuedAtTime(new Date(1000000)); claims.setExpirationTime(new Date(2000000)); claims.setClaims({ extra: { a: 1 } });
        var jwt = new fr.JwtBuilderFactory().jws(new fr.SecretHmacSigningHandler(new fr.SigningKey(builder('0123456789abcdef'))))
            .headers().alg(fr.JwsAlgorithm.HS256).done().claims(claims).build();
        var read = new fr.JwtBuilderFactory().reconstruct(jwt, fr.SignedJwt);
        var right = new fr.SecretHmacSigningHandler(new fr.VerificationKey(builder('0123456789abcdef')));
        var wrong = new fr.SecretHmacSigningHandler(new fr.VerificationKey(builder('0123456789abcdeX')));
        var set = read.getClaimsSet();
        sharedState.put('it', [read.verify(right), read.verify(wrong), set.getIssuer(), set.getExpirationTime().before(new Date()), set.getIssuedAtTime().getTime(),
            set.getClaim('extra').get('a'), JSON.parse(set.build()).aud[0], set.get('extra').get('a').asInteger()]);
        try { new fr.JwtBuilderFactory().reconstruct(jwt, org.forgerock.json.jose.jwe.SignedThenEncryptedJwt); } catch (e) { sharedState.put('e', e.message); }
        outcome = 'x'";
    let decision = decide(Legacy, source, json!({}));
    assert_eq!(decision.shared["it"], json!([true, false, "me", true, 1000000, 1, "you", 1]));
    assert_eq!(decision.shared["e"], "not a right number of dots, 5 expected");
}
