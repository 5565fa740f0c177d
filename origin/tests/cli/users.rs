//! Users and agents, and what the audit says of commands.

use std::io::Write as _;
use std::process::Stdio;

use crate::{add_user, add_user_with, countersign, init, stderr, stdout};

#[test]
fn users_come_from_a_file_all_or_none_and_agents_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    assert!(init(dir.path()).status.success());
    let file = dir.path().join("users.csv");
    let text = "userName,password_hash,mail\n\
                ada,$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW,ada@example.com\n\
                bob,{MD5}rL0Y20zC+Fzt72VPzMSk2A==,bob@example.com\n";
    std::fs::write(&file, text).unwrap();
    let import = |more: &[&str]| {
        let mut command = countersign(dir.path());
        command.args(["user", "import", "--realm", "alpha"]).args(more).arg(&file).output().unwrap()
    };
    let dry = import(&["--dry-run"]);
    assert_eq!(dry.status.code(), Some(1));
    assert_eq!(stdout(&dry), "1 users could be imported into /alpha, 1 are refused.\n");
    assert!(stderr(&dry).contains("users.csv:3: refused: the password hash is of no scheme that is known"));
    let refused = import(&[]);
    assert!(stderr(&refused).contains("1 are refused, so nobody was imported"), "{}", stderr(&refused));
    let taken = import(&["--skip-refused"]);
    assert_eq!(stdout(&taken), "Imported 1 users into /alpha; 1 were refused.\n", "{}", stderr(&taken));
    assert!(stderr(&import(&["--skip-refused"])).contains("\"ada\" exists already"));
    let unnamed = dir.path().join("users.txt");
    std::fs::write(&unnamed, text).unwrap();
    let arguments = ["user", "import", "--realm", "alpha"];
    let unnamed = countersign(dir.path()).args(arguments).arg(&unnamed).output().unwrap();
    assert_eq!(stderr(&unnamed), "countersign: say the file's --format: csv, jsonl or ldif\n");

    let agent = |arguments: &[&str]| {
        let mut command = countersign(dir.path());
        command.arg("agent").args(arguments).args(["--realm", "alpha"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Only `add` reads it.
        let _ = child.stdin.take().unwrap().write_all(b"s3cr3t\n");
        child.wait_with_output().unwrap()
    };
    let add = ["add", "--name", "reader", "--password-stdin"];
    assert_eq!(stdout(&agent(&add)), "Added the agent reader to /alpha.\n");
    assert_eq!(stderr(&agent(&add)), "countersign: agent \"reader\" already exists\n");
    // As for users: where the password comes from is said.
    assert_eq!(agent(&["add", "--name", "writer"]).status.code(), Some(2));
    assert_eq!(stdout(&agent(&["list"])), "reader\n");
    assert_eq!(stdout(&agent(&["delete", "--name", "reader"])), "Removed the agent reader from /alpha.\n");
    assert_eq!(agent(&["delete", "--name", "reader"]).status.code(), Some(1));
}

#[test]
fn users_are_listed_page_by_page() {
    let dir = tempfile::tempdir().unwrap();
    assert!(init(dir.path()).status.success());
    for (name, mail) in [("ben", "mail=ben@example.com"), ("Ann", "mail=ann\u{1b}[2J@example.com"), ("cy", "cn=Cy")] {
        assert!(add_user_with(dir.path(), name, "Ch4ng31t", mail).status.success());
    }
    assert_eq!(stderr(&add_user(dir.path(), "BEN", "Ch4ng31t")), "countersign: identity \"BEN\" already exists\n");
    for bad in ["a/b", "a b", ".."] {
        assert!(stderr(&add_user(dir.path(), bad, "Ch4ng31t")).starts_with("countersign: username must"), "{bad}");
    }
    let list =
        |more: &[&str]| countersign(dir.path()).args(["user", "list", "--realm", "alpha"]).args(more).output().unwrap();
    let table = stdout(&list(&[]));
    let names: Vec<&str> = table.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["USERNAME", "Ann", "ben", "cy"], "{table}");
    assert!(table.contains("ben@example.com") && !table.contains('\u{1b}'), "{table}");
    let page = list(&["--limit", "2", "--json"]);
    let lines: Vec<serde_json::Value> = stdout(&page).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), lines[1]["username"].as_str()), (2, Some("ben")));
    assert_eq!((&lines[1]["status"], &lines[1]["administrator"]), (&"Active".into(), &false.into()));
    assert_eq!(lines[1]["attributes"]["mail"][0], "ben@example.com");
    assert!(stderr(&page).contains("--after \"ben\""), "{}", stderr(&page));
    let rest = list(&["--after", "ben", "--limit", "2"]);
    assert!(stdout(&rest).contains("cy") && !stdout(&rest).contains("Ann") && stderr(&rest).is_empty());
    assert_eq!(list(&["--limit", "0"]).status.code(), Some(2));
    let nowhere = countersign(dir.path()).args(["user", "list", "--realm", "beta"]).output().unwrap();
    assert_eq!(stderr(&nowhere), "countersign: there is no realm /beta\n");
}

/// Who changed what, in order.
#[test]
fn what_commands_change_is_in_the_audit() {
    let dir = tempfile::tempdir().unwrap();
    assert!(init(dir.path()).status.success());
    assert!(add_user(dir.path(), "Demo", "Ch4ng31t").status.success());
    let does = |arguments: &[&str]| {
        let done = countersign(dir.path()).env("USER", "op").env_remove("SUDO_USER").args(arguments).output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", stderr(&done));
        stdout(&done)
    };
    let users = dir.path().join("users.jsonl");
    std::fs::write(&users, "{\"userName\":\"ada\",\"password\":\"Ch4ng31t\"}\n").unwrap();
    let success = "70e691a5-1e33-4ac3-a356-e7b6d60d92e0";
    let tree = serde_json::json!({
        "tree": {"_id": "Mine", "entryNodeId": "n", "nodes": {
            "n": {"nodeType": "UsernameCollectorNode", "displayName": "x", "connections": {"outcome": success}}}},
        "nodes": {"n": {"_id": "n", "_type": {"_id": "UsernameCollectorNode"}}},
    });
    let export = dir.path().join("mine.json");
    std::fs::write(&export, serde_json::json!({"trees": {"Mine": tree}}).to_string()).unwrap();
    let mut at = does(&["audit", "list", "--json", "--limit", "1000"]).lines().count();
    let mut expect = |arguments: &[&str], realm: &str, user: &str, parts: &[&str]| {
        does(arguments);
        let lines = does(&["audit", "list", "--json", "--limit", "1000"]);
        let new = lines.lines().count() - at;
        at += new;
        let of = |line: &str| -> serde_json::Value { serde_json::from_str(line).unwrap() };
        let told = lines.lines().take(new).map(of).find(|line| {
            let (detail, by) = (line["detail"].to_string(), line["actor"].as_str().unwrap());
            line["event"] == "AM-CONFIG-CHANGE"
                && line["realm"] == realm
                && line["username"] == user
                && by == "command line, op"
                && parts.iter().all(|part| detail.contains(part))
        });
        assert!(told.is_some(), "{arguments:?} is not in {lines}");
    };
    let demo = ["--realm", "alpha", "--username", "DEMO"];
    expect(&[&["user", "disable"], &demo[..]].concat(), "/alpha", "Demo", &["disable"]);
    expect(&[&["user", "enable"], &demo[..]].concat(), "/alpha", "Demo", &["enable"]);
    let file = users.to_str().unwrap();
    expect(&["user", "import", "--realm", "alpha", file], "/alpha", "", &["import", "\"imported\":1"]);
    expect(&["realm", "add", "beta"], "/beta", "", &["realm", "add"]);
    let mine = ["journey", "import", "--realm", "alpha", export.to_str().unwrap()];
    expect(&mine, "/alpha", "", &["tree Mine", "node UsernameCollectorNode/n"]);
    expect(
        &["journey", "default", "--realm", "alpha", "Mine"],
        "/alpha",
        "",
        &["core.orgConfig", "\"after\":\"Mine\""],
    );
    expect(&["journey", "default", "--realm", "alpha", "Login"], "/alpha", "", &["\"before\":\"Mine\""]);
    expect(&["journey", "delete", "--realm", "alpha", "Mine"], "/alpha", "", &["deleted", "tree Mine"]);
    expect(&[&["user", "delete"], &demo[..]].concat(), "/alpha", "Demo", &["delete"]);
}
