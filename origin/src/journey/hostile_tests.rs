//! Scripts that mean harm, in journeys: each ends in the node's error, and nobody else waits for it. What shows it is
//! the order of events, not their time.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::tests::{answer, import, journey, start};
use crate::testing::{ALPHA, Answer, Origin};

const OUTCOMES: &[&str] = &["true"];

/// A journey of one script, after an optional question.
fn scripted(name: &str, asks: bool, source: &str) -> Value {
    let script = json!({"script": name, "outcomes": OUTCOMES});
    let nodes: &[(&str, Value, &[&str])] =
        &[("UsernameCollectorNode", json!({}), &["outcome"]), ("ScriptedDecisionNode", script, OUTCOMES)];
    let mut whole = journey(name, json!({"noSession": true}), if asks { nodes } else { &nodes[1..] });
    whole["scripts"] = json!({name: {
        "_id": name, "name": name, "language": "JAVASCRIPT", "evaluatorVersion": "2.0",
        "context": "AUTHENTICATION_TREE_DECISION_NODE", "script": source,
    }});
    whole
}

fn run(origin: &Arc<Origin>, journey: &str) -> JoinHandle<Answer> {
    let (origin, path) = (Arc::clone(origin), format!("{ALPHA}/authenticate?service={journey}"));
    tokio::spawn(async move { origin.post(&path, &[], "").await })
}

/// A server that tells which paths it was asked for, and answers those called `/slow` when the gate opens.
async fn serve() -> (u16, UnboundedReceiver<String>, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, asked_for) = unbounded_channel();
    let (gate, opened) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (asked, mut opened) = (asked.clone(), opened.clone());
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while !String::from_utf8_lossy(&seen).contains("\r\n\r\n") {
                    if stream.read_buf(&mut seen).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let path = String::from_utf8_lossy(&seen).split(' ').nth(1).unwrap_or_default().to_owned();
                let slow = path == "/slow";
                let _ = asked.send(path);
                if slow {
                    let _ = opened.wait_for(|open| *open).await;
                }
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
            });
        }
    });
    (port, asked_for, gate)
}

/// Logins, plain requests, and steps of journeys without scripts.
async fn others_are_served(origin: &Origin) {
    for _ in 0..5 {
        let token = origin.log_in().await;
        assert!(origin.is_valid(&token).await);
        assert_eq!(origin.get("/am/json/serverinfo/*").await.status, 200);
        assert_eq!(start(origin, "Login").await["callbacks"][0]["type"], "NameCallback");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_scripts_hold_up_nobody_else() {
    let (port, mut asked_for, gate) = serve().await;
    // Far longer than the test takes: what is answered meanwhile was answered beside them.
    let settings = format!(
        "[scripts]\nthreads = 3\nqueue = 2\ntime_ms = 60000\ntotal_ms = 120000\nhttp_timeout_ms = 120000\n\
         http_allow = [\"http://127.0.0.1:{port}\"]\n"
    );
    let origin = Arc::new(Origin::with(&settings).await);
    let ask = |path: &str| format!("httpClient.send('http://127.0.0.1:{port}/{path}', {{}}).get().status;");
    let bomb = "var all = []; for (;;) all.push(new Array(1000).fill(all.length));";
    let journeys = [
        ("Endless", false, format!("{} for (;;);", ask("endless"))),
        ("Backtracking", false, format!("{} /(a+)+$/.test('a'.repeat(60) + 'b');", ask("backtracking"))),
        ("Slow", false, format!("{} action.goTo('true');", ask("slow"))),
        ("Bomb", false, bomb.to_owned()),
        ("Deep", false, "(function deeper() { return [deeper()]; })();".to_owned()),
        ("Plain", false, "action.goTo('true');".to_owned()),
        ("Asking", true, "action.goTo('true');".to_owned()),
    ];
    let journeys: Vec<Value> = journeys.iter().map(|(name, asks, source)| scripted(name, *asks, source)).collect();
    import(&origin, &journeys).await;
    assert_eq!(run(&origin, "Plain").await.unwrap().status, 200);
    let asking = start(&origin, "Asking").await;

    // Each place is held once its script has said so.
    let endless = [run(&origin, "Endless"), run(&origin, "Backtracking")];
    let slow = run(&origin, "Slow");
    let mut running = Vec::new();
    while running.len() < 3 {
        running.push(asked_for.recv().await.unwrap());
    }
    running.sort();
    assert_eq!(running, ["/backtracking", "/endless", "/slow"]);
    others_are_served(&origin).await;

    // Two may wait; the third is told at once to come again.
    let mut waiting = JoinSet::new();
    for journey in ["Bomb", "Deep", "Bomb"] {
        let run = run(&origin, journey);
        waiting.spawn(async move { run.await.unwrap() });
    }
    let refused = waiting.join_next().await.unwrap().unwrap();
    assert_eq!(refused.error(), (503, "Too many logins at once; try again".to_owned()));
    assert_eq!(run(&origin, "Plain").await.unwrap().status, 503);
    assert_eq!(answer(&origin, &asking, json!("demo")).await.status, 503);
    others_are_served(&origin).await;
    assert!(waiting.try_join_next().is_none() && !slow.is_finished(), "they wait for a place, and it for its server");

    // One place is free again: those that waited come to their own end.
    gate.send(true).unwrap();
    assert_eq!(slow.await.unwrap().status, 200);
    while let Some(ended) = waiting.join_next().await {
        assert_eq!(ended.unwrap().error(), (401, "Login failure".to_owned()));
    }
    // A step that found no place was not used up by that.
    assert_eq!(answer(&origin, &asking, json!("demo")).await.status, 200);
    others_are_served(&origin).await;
    assert!(endless.iter().all(|run| !run.is_finished()), "all this was beside two scripts that do not end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_hostile_script_ends_in_the_nodes_error() {
    let (port, _asked_for, _gate) = serve().await;
    let settings = format!(
        "[scripts]\nthreads = 2\nqueue = 64\ntime_ms = 200\ntotal_ms = 600\nhttp_timeout_ms = 60000\n\
         http_allow = [\"http://127.0.0.1:{port}\"]\n"
    );
    let origin = Arc::new(Origin::with(&settings).await);
    let slow = format!("httpClient.send('http://127.0.0.1:{port}/slow', {{}}).get(); action.goTo('true');");
    let hostile = [
        ("Endless", "for (;;);"),
        ("Bomb", "var all = []; for (;;) all.push(new Array(1000).fill(all.length));"),
        ("Deep", "(function deeper() { return [deeper()]; })();"),
        ("Prototypes", "Object.prototype.toJSON = function () { return { goTo: 5 }; }; action.goTo('true');"),
        ("Elsewhere", "action.goTo('false');"),
        ("Code", "logger.error.constructor('return 1')();"),
        ("Backtracking", "/(a+)+$/.test('a'.repeat(60) + 'b');"),
        ("Slow", slow.as_str()),
    ];
    let mut journeys: Vec<Value> = hostile.iter().map(|(name, source)| scripted(name, false, source)).collect();
    journeys.push(scripted("Plain", false, "action.goTo('true');"));
    import(&origin, &journeys).await;
    let runs = hostile.map(|(name, _)| (name, run(&origin, name)));
    for (name, run) in runs {
        assert_eq!(run.await.unwrap().error(), (401, "Login failure".to_owned()), "{name}");
    }
    assert_eq!(run(&origin, "Plain").await.unwrap().status, 200);
}
