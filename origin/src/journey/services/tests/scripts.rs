use std::sync::LazyLock;

use countersign_journey::host::{ScriptAction, ScriptCall, ScriptResult, Scripts as _};
use countersign_journey::{Journey, Language, Library, Request, Script, Variables};
use countersign_store::{DocumentKind, StoreError};
use serde_json::{Map, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{Services, object, services};
use crate::journey::documents::key;
use crate::journey::library::{Editor, built_in};
use crate::testing::Origin;

static JOURNEY: LazyLock<Journey> = LazyLock::new(|| {
    let mut library = Library::new();
    library.add(&built_in(), &Variables::default());
    let journey = library.journeys().next().unwrap();
    Journey::clone(journey)
});

fn script(next_generation: bool, source: &str) -> Script {
    Script {
        id: "id".to_owned(),
        name: "test".to_owned(),
        language: Language::JavaScript,
        next_generation,
        source: source.to_owned(),
    }
}

fn call<'a>(script: &'a Script, request: &'a Request, outcomes: &'a [String]) -> ScriptCall<'a> {
    ScriptCall {
        script,
        node: "node",
        shared: object(json!({"username": "demo"})),
        transient: Map::new(),
        secure: Map::new(),
        callbacks: &[],
        properties: Map::new(),
        outcomes,
        realm: "/alpha",
        journey: &JOURNEY,
        request,
        resumed: false,
    }
}

async fn decide(services: &Services<'_>, next: bool, source: &str) -> Result<ScriptResult, String> {
    let (script, request) = (script(next, source), Request::default());
    services.decide(call(&script, &request, &[])).await.map_err(|error| error.why)
}

fn outcome(result: &ScriptResult) -> &str {
    match &result.action {
        ScriptAction::GoTo(outcome) => outcome,
        _ => panic!("no outcome"),
    }
}

#[tokio::test]
async fn a_script_reads_and_writes_the_profile_of_a_user() {
    let origin = Origin::new().await;
    let services = services(&origin);
    let source = "var id = idRepository.getIdentity(nodeState.get('username'));
                  var mail = id.getAttributeValues('mail')[0];
                  id.setAttribute('description', ['of ' + mail]); id.store();
                  nodeState.putShared('mail', mail);
                  action.goTo('done').putSessionProperty('colour', 'blue');";
    let result = decide(&services, true, source).await.unwrap();
    assert_eq!((outcome(&result), &result.shared["mail"]), ("done", &json!("demo@example.com")));
    assert_eq!(result.session_properties["colour"], "blue");
    let known = origin.app.store.identities().get("/alpha", "demo").await.unwrap().unwrap();
    assert_eq!(known.attributes["description"], ["of demo@example.com"]);
    let legacy = "var mail = idRepository.getAttribute(sharedState.get('username'), 'mail').iterator().next();
                  sharedState.put('mail', mail); outcome = 'done';";
    let result = decide(&services, false, legacy).await.unwrap();
    assert_eq!(result.shared["mail"], json!("demo@example.com"));
}

#[tokio::test]
async fn users_are_managed_objects() {
    let origin = Origin::new().await;
    let services = services(&origin);
    let source = "var made = openidm.create('managed/alpha_user', null, { userName: 'bjensen', mail: 'bj@example.com', givenName: 'Babs', sn: 'Jensen' });
        var read = openidm.read('managed/alpha_user/' + made._id, null, ['mail']);
        var found = openidm.query('managed/alpha_user', { _queryFilter: 'userName eq \"bjensen\" and mail co \"bj@\"' }, ['*']);
        var by = openidm.query('managed/user', { _queryFilter: '/mail eq \"bj@example.com\"' });
        var none = openidm.query('managed/user', { _queryFilter: '/mail eq \"none\"' });
        var patched = openidm.patch('managed/alpha_user/' + made._id, null, [{ operation: 'replace', field: '/mail', value: 'new@example.com' },
            { operation: 'add', field: 'description', value: 'd' }]);
        var codes = [() => openidm.delete('managed/user/bjensen', null), () => openidm.query('managed/user', { _queryFilter: 'true' }),
            () => openidm.patch('managed/user/none', null, []), () => openidm.action('system/x', 'y', {}), () => openidm.query('managed/user', { _queryFilter: '((' })]
            .map(f => { try { f(); return 0; } catch (e) { return e.javaException.getCode(); } });
        nodeState.putShared('it', [made.userName, Object.keys(read).sort(), read.mail, found.resultCount, found.result[0].givenName, by.result.length, none.resultCount,
            patched.mail, patched.description, openidm.read('managed/user/none'), openidm.read('managed/alpha_role/x'), codes]);
        action.goTo('done');";
    let result = decide(&services, true, source).await.unwrap();
    assert_eq!(
        result.shared["it"],
        json!([
            "bjensen",
            ["_id", "_rev", "mail"],
            "bj@example.com",
            1,
            "Babs",
            1,
            0,
            "new@example.com",
            "d",
            null,
            null,
            [403, 501, 404, 501, 400]
        ])
    );
    let known = origin.app.store.identities().get("/alpha", "bjensen").await.unwrap().unwrap();
    assert_eq!(known.attributes["mail"], ["new@example.com"]);
    // No mail server is set in this test.
    let mail = "var code; try { openidm.action('external/email', 'send', { to: 'a@example.com', subject: 's', body: 'b' }); } catch (e) { code = e.javaException.getCode(); }
        nodeState.putShared('it', code); action.goTo('done');";
    assert_eq!(decide(&services, true, mail).await.unwrap().shared["it"], json!(500));
}

#[tokio::test]
async fn what_is_not_for_scripts_stays_as_it_is() {
    let origin = Origin::new().await;
    let services = services(&origin);
    for name in ["userPassword", "password", "inetUserStatus", "uid", "kbaInfo"] {
        let source = format!(
            "var id = idRepository.getIdentity('demo'); id.setAttribute('{name}', ['x']); id.store(); action.goTo('done');"
        );
        assert!(decide(&services, true, &source).await.is_err(), "{name}");
    }
    assert_eq!(super::check(&services, "demo", crate::testing::PASSWORD).await, "right");
}

#[tokio::test]
async fn a_script_that_does_not_end_is_ended() {
    let origin = Origin::with("[scripts]\ntime_ms = 50\nmemory_kib = 4096\n").await;
    let services = services(&origin);
    assert!(decide(&services, true, "while (true) {}").await.err().unwrap().contains("time"));
    let bomb = "var all = []; while (true) { all.push('x'.repeat(10000) + all.length); }";
    let why = decide(&services, true, bomb).await.err().unwrap();
    assert!(why.contains("memory") || why.contains("time"), "{why}");
    assert!(!services.overloaded());
}

#[tokio::test]
async fn a_config_provider_leaves_its_config() {
    let origin = Origin::new().await;
    let services = services(&origin);
    let request = Request::default();
    for next in [true, false] {
        let text = if next { "" } else { ".asString()" };
        let source = format!("config = {{ title: 'Hello ' + nodeState.get('username'){text} }}; // the end");
        let script = script(next, &source);
        let config = services.configure(call(&script, &request, &[])).await.unwrap();
        assert_eq!(config["title"], "Hello demo", "{next}");
    }
    let broken = script(true, "config = 1;");
    assert!(services.configure(call(&broken, &request, &[])).await.is_err());
}

#[tokio::test]
async fn libraries_and_variables_are_those_of_the_realm() {
    let origin = Origin::new().await;
    let now = origin.app.clock.now().seconds();
    let editor = Editor { store: &origin.app.store, realm: "/alpha", actor: "test", now };
    let source = "exports.hello = function (who) { return 'hello ' + who; };";
    let library = json!({"name": "greet", "language": "JAVASCRIPT", "evaluatorVersion": "2.0", "script": source});
    let changes = vec![
        (key(DocumentKind::Script, "", "7a1e"), Some(library)),
        (key(DocumentKind::Variable, "", "esv-where"), Some(json!("here"))),
    ];
    editor.change(|_| Ok::<_, StoreError>((changes.clone(), ()))).await.unwrap();
    origin.app.journeys_current("/alpha").await.unwrap();
    let services = services(&origin);
    let source = "var greet = require('greet'); nodeState.putShared('text', greet.hello('you'));
                  nodeState.putShared('where', systemEnv.getProperty('esv.where')); action.goTo('done');";
    let result = decide(&services, true, source).await.unwrap();
    assert_eq!((&result.shared["text"], &result.shared["where"]), (&json!("hello you"), &json!("here")));
    assert!(decide(&services, true, "require('other'); action.goTo('done');").await.is_err());
}

/// An HTTP server that answers every request the same way, and gives back what it was sent.
async fn serve(answer: &'static str) -> (u16, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut seen = Vec::new();
            while !String::from_utf8_lossy(&seen).contains("\r\n\r\n") {
                if stream.read_buf(&mut seen).await.unwrap_or(0) == 0 {
                    break;
                }
            }
            let _ = sender.send(String::from_utf8_lossy(&seen).into_owned());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (port, receiver)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_where_the_settings_let_them() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\n{\"risk\":\"no\"}";
    let (port, mut seen) = serve(answer).await;
    let (other, mut unseen) = serve(answer).await;
    let more = format!("[scripts]\nhttp_allow = [\"http://127.0.0.1:{port}/v1\"]\n");
    let origin = Origin::with(&more).await;
    let services = services(&origin);
    let ask = |url: String| {
        format!(
            "var answer = httpClient.send('{url}', {{method: 'GET', headers: {{'x-key': '1'}}}}).get();
             nodeState.putShared('status', answer.status); nodeState.putShared('body', answer.text());
             action.goTo('done');"
        )
    };
    let result = decide(&services, true, &ask(format!("http://127.0.0.1:{port}/v1/risk"))).await.unwrap();
    assert_eq!((&result.shared["status"], &result.shared["body"]), (&json!(200), &json!("{\"risk\":\"no\"}")));
    let request = seen.recv().await.unwrap().to_lowercase();
    assert!(request.starts_with("get /v1/risk http/1.1\r\n") && request.contains("x-key: 1"), "{request}");
    for url in [format!("http://127.0.0.1:{other}/v1/risk"), format!("http://127.0.0.1:{port}/admin")] {
        assert!(decide(&services, true, &ask(url)).await.is_err());
    }
    assert!(unseen.try_recv().is_err() && seen.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_leads_nowhere_and_a_slow_server_is_not_waited_for() {
    let (port, _seen) = serve("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n").await;
    let (slow, _) = serve("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").await;
    let more = format!(
        "[scripts]\nhttp_timeout_ms = 200\nhttp_allow = [\"http://127.0.0.1:{port}\", \"http://127.0.0.1:{slow}\"]\n"
    );
    let origin = Origin::with(&more).await;
    let services = services(&origin);
    let ask = |port: u16| {
        format!(
            "nodeState.putShared('status', httpClient.send('http://127.0.0.1:{port}/', {{method: 'GET'}}).get().status);
             action.goTo('done');"
        )
    };
    assert_eq!(decide(&services, true, &ask(port)).await.unwrap().shared["status"], json!(302));
    assert_eq!(decide(&services, true, &ask(slow)).await.unwrap().shared["status"], json!(502), "no answer");
}
