use std::io::Write as _;
use std::process::Stdio;

use crate::server::Server;
use crate::{PUBLIC_URL, countersign, init, stderr, stdout};

#[test]
fn realms_are_added_with_keys_and_the_first_stays_the_default() {
    let dir = tempfile::tempdir().unwrap();
    assert!(init(dir.path()).status.success());
    let realm = |arguments: &[&str]| countersign(dir.path()).arg("realm").args(arguments).output().unwrap();
    let added = realm(&["add", "aardvark"]);
    assert!(added.status.success(), "{}", stderr(&added));
    let twice = realm(&["add", "/aardvark"]);
    assert_eq!(stderr(&twice), "countersign: realm \"/aardvark\" already exists\n");
    assert_eq!(stdout(&realm(&["list"])), "/aardvark\n/alpha\n");
    let listed = countersign(dir.path()).args(["keys", "list"]).output().unwrap();
    assert!(stdout(&listed).contains("/aardvark"), "{}", stdout(&listed));
    // Sessions of both, and no name in the address leads to the first one.
    let server = Server::start(dir.path());
    assert!(server.get("/am/json/serverinfo/*").contains("\"realm\":\"/alpha\""));
    assert!(server.get("/am/json/realms/root/realms/aardvark/serverinfo/*").contains("\"realm\":\"/aardvark\""));
}

/// What a running server makes of it: clear answers, and addresses that name none lead to the oldest that is left.
#[test]
fn the_default_realm_goes_only_when_it_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    assert!(init(dir.path()).status.success());
    let realm = |arguments: &[&str]| countersign(dir.path()).arg("realm").args(arguments).output().unwrap();
    for name in ["beta", "aardvark"] {
        assert!(realm(&["add", name]).status.success());
    }
    let refused = realm(&["delete", "alpha"]);
    assert_eq!(refused.status.code(), Some(1), "{}", stdout(&refused));
    assert!(stderr(&refused).contains("addresses that name no realm would lead to /beta"), "{}", stderr(&refused));
    assert!(!stdout(&realm(&["delete", "beta", "--dry-run"])).contains("name no realm"));

    let server = Server::start(dir.path());
    assert!(server.get("/am/UI/Login").starts_with("HTTP/1.1 200"));
    let done = realm(&["delete", "alpha", "--even-if-used"]);
    assert!(done.status.success(), "{}", stderr(&done));
    server.until("/am/json/serverinfo/*", "\"realm\":\"/beta\"");
    assert!(server.get("/am/UI/Login").starts_with("HTTP/1.1 200"));
    let named = "/am/json/realms/root/realms/alpha";
    for (path, message) in [
        (format!("{named}/serverinfo/*"), "Realm \\\"/alpha\\\" not found"),
        (format!("{named}/sessions?_action=validate"), "not found"),
        ("/am/UI/Login?realm=/alpha".to_owned(), "Unknown realm"),
    ] {
        let answer = server.get(&path);
        assert!(answer.starts_with("HTTP/1.1 404") && answer.contains(message), "{path}: {answer}");
    }
    // As any other, once there is a root realm: that is the default then.
    assert!(realm(&["add", "root"]).status.success());
    server.until("/am/json/serverinfo/*", "\"realm\":\"/\"");
    let refused = realm(&["delete", "root"]);
    assert!(stderr(&refused).contains("addresses that name no realm would lead to /beta"), "{}", stderr(&refused));
    assert!(realm(&["delete", "beta"]).status.success());
}

/// One realm need not be named, whatever it is called; of several, none is guessed.
#[test]
fn the_realm_is_the_only_one_there_is_or_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut made = countersign(dir.path());
    made.args(["init", "--realm", "shop", "--public-url", PUBLIC_URL, "--dir"]).arg(dir.path());
    assert!(made.output().unwrap().status.success());
    let run = |arguments: &[&str]| {
        let mut command = countersign(dir.path());
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Not all of them read it.
        let _ = child.stdin.take().unwrap().write_all(b"Ch4ng31t\n");
        child.wait_with_output().unwrap()
    };
    let add = ["user", "add", "--username", "ben", "--password-stdin"];
    let canary = ["canary", "--edge", "http://127.0.0.1:1", "--rounds", "1", "--origin", "http://127.0.0.1:1"];
    let commands = [
        &add[..],
        &["user", "list"],
        &["user", "disable", "--username", "ben"],
        &["agent", "add", "--name", "reader", "--password-stdin"],
        &["agent", "list"],
        &["journey", "list"],
        &["edge", "bundle"],
        &["sessions", "end", "--user", "ben", "--reason", "a drill"],
        &["sessions", "end", "--whole-realm", "--reason", "a drill"],
    ];
    for arguments in commands {
        let done = run(arguments);
        assert!(done.status.success(), "{arguments:?}: {}", stderr(&done));
    }
    assert!(stdout(&run(&["denylist", "list", "--realm", "shop"])).contains("a drill"));
    // It gets as far as the origin, which is not there.
    assert!(stdout(&run(&canary)).contains("\"outcome\":\"failed\""));
    // The root realm is there for administrators, and does not count.
    let admin = ["user", "add", "--realm", "root", "--admin", "--username", "op", "--password-stdin"];
    assert!(run(&admin).status.success());
    assert!(run(&["user", "list"]).status.success());

    assert!(run(&["realm", "add", "beta"]).status.success());
    for arguments in commands.iter().chain([&&canary[..]]) {
        let done = run(arguments);
        let why = "countersign: there are several realms; name one with --realm: /, /beta, /shop\n";
        assert_eq!((done.status.code(), stderr(&done).as_str()), (Some(1), why), "{arguments:?}");
        assert_eq!(stdout(&done), "", "{arguments:?}");
    }
    let named = [&add[..3], &["benno", "--password-stdin", "--realm", "beta"]].concat();
    assert!(stdout(&run(&named)).contains("Added benno to /beta"));
    // A key says itself which realm it is of.
    let keys = stdout(&run(&["keys", "list"]));
    let kid = keys.lines().find(|line| line.contains("session-signing")).unwrap().split(' ').next().unwrap();
    assert!(run(&["sessions", "end", "--kid", kid, "--reason", "a drill"]).status.success());
}
