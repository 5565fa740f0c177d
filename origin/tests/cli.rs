//! The binary `countersign`, run as an operator runs it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const PUBLIC_URL: &str = "http://localhost:8787";

fn countersign(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    // Nothing of the machine's own settings.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("COUNTERSIGN")) {
        command.env_remove(name);
    }
    command.env("COUNTERSIGN_CONFIG", dir.join("countersign.toml"));
    command.env("COUNTERSIGN__ARGON2__MEMORY_KIB", "8").env("COUNTERSIGN__ARGON2__ITERATIONS", "1");
    command
}

fn init(dir: &Path) -> Output {
    let mut command = countersign(dir);
    command.args(["init", "--realm", "alpha", "--public-url", PUBLIC_URL, "--listen", "127.0.0.1:0", "--dir"]).arg(dir);
    command.output().unwrap()
}

fn add_user(dir: &Path, username: &str, password: &str) -> Output {
    add_user_with(dir, username, password, "cn=Demo")
}

fn add_user_with(dir: &Path, username: &str, password: &str, attribute: &str) -> Output {
    let mut command = countersign(dir);
    command.args(["user", "add", "--realm", "alpha", "--username", username, "--password-stdin", "--attr", attribute]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_new_installation_is_private_and_healthy() {
    let dir = tempfile::tempdir().unwrap();
    let made = init(dir.path());
    assert!(made.status.success(), "{}", stderr(&made));
    #[cfg(unix)]
    for name in ["master.key", "countersign.db"] {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    let again = init(dir.path());
    assert_eq!((again.status.code(), stderr(&again).lines().count()), (Some(1), 1));
    assert!(stderr(&again).contains("exists already"));

    let added = add_user(dir.path(), "demo", "Ch4ng31t\n");
    assert!(added.status.success(), "{}", stderr(&added));
    let twice = add_user(dir.path(), "demo", "Ch4ng31t\n");
    assert_eq!(
        (twice.status.code(), stderr(&twice).as_str()),
        (Some(1), "countersign: identity \"demo\" already exists\n")
    );
    assert_eq!(add_user(dir.path(), "empty", "\n").status.code(), Some(1));
    assert_eq!(add_user(dir.path(), "long", &"x".repeat(1025)).status.code(), Some(1));

    let spaced = add_user(dir.path(), "demo ", "Ch4ng31t\n");
    assert_eq!(
        (spaced.status.code(), stderr(&spaced).as_str()),
        (Some(1), "countersign: username must not begin or end with white space\n")
    );
    let large = add_user_with(dir.path(), "large", "Ch4ng31t\n", &format!("cn={}", "x".repeat(4000)));
    assert_eq!(
        (large.status.code(), stderr(&large).as_str()),
        (
            Some(1),
            "countersign: no session could be issued: user name and attributes (mail, cn) are too long for a cookie, \
             of which browsers keep 4096 bytes\n"
        )
    );
    // What does not ride along in the session may be longer.
    assert!(add_user_with(dir.path(), "photo", "Ch4ng31t\n", &format!("x={}", "x".repeat(4000))).status.success());

    let doctor = countersign(dir.path()).arg("doctor").output().unwrap();
    let report = stdout(&doctor);
    assert!(doctor.status.success(), "{report}");
    assert!(report.lines().all(|line| line.starts_with("ok ") || line.contains("weaker than OWASP")), "{report}");
    std::fs::write(dir.path().join("master.key"), "AAAA").unwrap();
    let doctor = countersign(dir.path()).arg("doctor").output().unwrap();
    assert_eq!(doctor.status.code(), Some(1));
    assert!(stdout(&doctor).contains("fail  "));
}

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
    assert_eq!(stdout(&agent(&["add", "--name", "reader"])), "Added the agent reader to /alpha.\n");
    assert_eq!(stderr(&agent(&["add", "--name", "reader"])), "countersign: agent \"reader\" already exists\n");
    let said = agent(&["add", "--name", "writer", "--password-stdin"]);
    assert_eq!(stdout(&said), "Added the agent writer to /alpha.\n", "{}", stderr(&said));
    assert!(agent(&["delete", "--name", "writer"]).status.success());
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

#[test]
fn a_failed_init_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut bad = countersign(dir.path());
    let bad =
        bad.args(["init", "--realm", "a b", "--public-url", PUBLIC_URL, "--dir"]).arg(dir.path()).output().unwrap();
    assert_eq!(
        (bad.status.code(), stderr(&bad).as_str()),
        (Some(1), "countersign: realm name must be a path such as /alpha\n")
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    for (realm, line) in [
        ("a b", "countersign: realm name must be a path such as /alpha\n"),
        ("", "countersign: --realm must have a name, such as alpha\n"),
        ("/", "countersign: --realm must have a name, such as alpha\n"),
        ("//", "countersign: --realm must have a name, such as alpha\n"),
    ] {
        let mut bad = countersign(dir.path());
        // A relative one too, and more than one of them new.
        bad.current_dir(dir.path()).args(["init", "--realm", realm, "--public-url", PUBLIC_URL, "--dir", "deep/er"]);
        let bad = bad.output().unwrap();
        assert_eq!((bad.status.code(), stderr(&bad).as_str()), (Some(1), line));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{realm:?}");
    }
    assert!(init(dir.path()).status.success());
}

#[test]
fn the_bundle_is_json_and_warns_of_keys_that_mint() {
    let dir = tempfile::tempdir().unwrap();
    assert!(init(dir.path()).status.success());
    let bundle = countersign(dir.path()).args(["edge", "bundle", "--realm", "alpha"]).output().unwrap();
    assert_eq!(stderr(&bundle), "");
    let json: serde_json::Value = serde_json::from_slice(&bundle.stdout).unwrap();
    assert_eq!((&json["realm"], &json["issuer"]), (&"/alpha".into(), &format!("{PUBLIC_URL}/am").into()));
    assert_eq!(json["cookie_name"], "iPlanetDirectoryPro");
    let mut weak = countersign(dir.path());
    weak.env("COUNTERSIGN__SESSION__STATELESSSIGNINGTYPE", "HS256").args(["edge", "bundle"]);
    assert!(stderr(&weak.output().unwrap()).contains("can mint sessions"));
    let nope = countersign(dir.path()).args(["edge", "bundle", "--realm", "nope"]).output().unwrap();
    assert_eq!((nope.status.code(), stderr(&nope).as_str()), (Some(1), "countersign: there is no realm /nope\n"));
}

/// `countersign keys …`, with `input` on standard input.
fn keys(dir: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = countersign(dir);
    command.arg("keys").args(arguments).env_remove("SUDO_USER").env("USER", "ada");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn keys_are_listed_rotated_and_retired_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    assert!(init(dir.path()).status.success());
    let run = |arguments: &[&str]| {
        let output = keys(dir.path(), arguments, "");
        (output.status.code(), stdout(&output), stderr(&output))
    };
    let before = run(&["list"]).1;
    for part in ["KID", "session-signing", "EdDSA", "journey-content", "edge-delivery", "denylist"] {
        assert!(before.contains(part), "{part} in {before}");
    }
    assert!(run(&["rotate", "--dry-run"]).1.lines().last().unwrap().starts_with("Nothing was changed."));
    let untouched = run(&["list"]).1;
    assert_eq!(untouched.lines().count(), before.lines().count());

    let (code, said, _) = run(&["rotate", "--realm", "alpha", "--purpose", "session-signing"]);
    assert_eq!(code, Some(0));
    assert!(said.contains("new session-signing EdDSA of /alpha key, standby, active in 20s"), "{said}");
    let standby = said.split(' ').next().unwrap().to_owned();
    let (code, _, why) = run(&["rotate", "--purpose", "session-signing"]);
    assert_eq!((code, why.contains("has the standby key")), (Some(1), true), "{why}");
    assert_eq!(run(&["retire", &standby]).0, Some(0));
    assert_eq!(run(&["retire", &standby]).0, Some(1));
    assert!(!run(&["list"]).1.contains(&standby) && run(&["list", "--all"]).1.contains(&standby));
    let history = run(&["history"]).1;
    assert!(history.lines().nth(1).unwrap().contains("retired") && history.contains("command line, ada"), "{history}");
    // The bundles' own keys change by name only.
    let (code, said, _) = run(&["rotate", "--purpose", "denylist"]);
    assert_eq!((code, said.contains("new denylist HS256 key, standby")), (Some(0), true), "{said}");
    assert_eq!(run(&["retire", "no-such-key"]).2, "countersign: there is no key no-such-key\n");
    let why = run(&["rotate", "--purpose", "no-such-purpose"]).2;
    assert!(why.contains("in use are: feed-signing EdDSA") && why.contains("edge-delivery HMAC-SHA256"), "{why}");
    // What becomes of a key is told as it is: neither of these two is retired by any time.
    let (code, said, _) = run(&["rotate", "--purpose", "feed-credential", "--now"]);
    assert_eq!((code, said.contains("verify-only, edge keys only in 2m 20s")), (Some(0), true), "{said}");
    let (code, said, _) = run(&["rotate", "--purpose", "edge-delivery"]);
    assert_eq!((code, said.contains("new edge-delivery HMAC-SHA256 key, active")), (Some(0), true), "{said}");
    assert!(
        said.contains("verify-only, for bundles of its time") && said.contains("countersign edge bundle"),
        "{said}"
    );
    let audit =
        countersign(dir.path()).args(["audit", "list", "--topic", "config", "--realm", "alpha"]).output().unwrap();
    let audit = stdout(&audit);
    let retired = audit.lines().find(|line| line.contains(&standby) && line.contains("after=\"retired\"")).unwrap();
    assert!(retired.contains("AM-CONFIG-CHANGE") && retired.contains("command line, ada"), "{audit}");
    assert!(!audit.contains("edge-delivery"), "not of the realm: {audit}");
    let audit =
        countersign(dir.path()).args(["audit", "list", "--json", "--limit", "1", "--days", "1"]).output().unwrap();
    let line: serde_json::Value = serde_json::from_slice(&audit.stdout).unwrap();
    assert_eq!((&line["topic"], &line["detail"]["purpose"]), (&"config".into(), &"edge-delivery".into()));
    let doctor = countersign(dir.path()).arg("doctor").output().unwrap();
    assert!(doctor.status.success(), "{}", stdout(&doctor));
}

/// The signing secret that AM generates for journeys, set to a value of one's own; and what is too weak to be one.
#[test]
fn a_signing_secret_of_ones_own_is_imported_or_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    assert!(init(dir.path()).status.success());
    let import = |purpose: &str, alg: &str, secret: &str| {
        let arguments = ["import", "--purpose", purpose, "--alg", alg, "--file", "-", "--now"];
        let output = keys(dir.path(), &arguments, secret);
        (output.status.code(), stderr(&output))
    };
    for (purpose, alg, secret, why) in [
        ("journey-signing", "HS256", "c2hvcnQ=", "at least 128 bits; this one has 40"),
        (
            "journey-signing",
            "HS256",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "all bytes of the key are the same",
        ),
        ("journey-signing", "HS256", "no base64!", "not a secret in base64"),
        ("session-content", "A256GCM", "AAECAwQFBgcICQoLDA0ODw==", "exactly 256 bits; this one has 128"),
        ("session-signing", "HS256", "AAECAwQFBgcICQoLDA0ODw==", "no session-signing HS256 key is in use there"),
        ("denylist", "HS256", "AAECAwQFBgcICQoLDA0ODw==", "no denylist HS256 key is in use there"),
    ] {
        let (code, said) = import(purpose, alg, secret);
        assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
        assert!(said.contains(why), "{said}");
    }
    // 128 bits, in the alphabet of AM's own and with padding.
    assert_eq!(import("journey-signing", "HS256", "+/ECAwQFBgcICQoLDA0ODw==\n"), (Some(0), String::new()));
    let (code, said) = import("journey-signing", "HS256", "-_ECAwQFBgcICQoLDA0ODw");
    assert_eq!((code, said.contains("that is the key")), (Some(1), true), "{said}");
    assert_eq!(
        import("session-signing", "EdDSA", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"),
        (Some(0), String::new())
    );
    let doctor = countersign(dir.path()).arg("doctor").output().unwrap();
    assert!(doctor.status.success(), "{}", stdout(&doctor));
}

/// A running server; killed when the test ends early.
struct Server(Child, String, BufReader<std::process::ChildStderr>);

impl Server {
    fn start(dir: &Path) -> Self {
        let mut child = countersign(dir).arg("serve").stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        // The port is the system's choice; the log tells it.
        let address = loop {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "the server ended");
            if let Some((_, after)) = line.split_once("listening listen=") {
                break after.split(' ').next().unwrap().to_owned();
            }
        };
        Self(child, address, log)
    }

    fn terminate(&self) {
        assert!(Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap().success());
    }

    /// Reads the log until a line has the text.
    fn logged(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(self.2.read_line(&mut line).unwrap() > 0, "the server ended");
        }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.1).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(unix)]
#[test]
fn the_server_serves_refuses_a_taken_port_and_stops_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    assert!(init(dir.path()).status.success());
    let mut server = Server::start(dir.path());
    assert!(server.get("/health/ready").starts_with("HTTP/1.1 200"));
    assert!(server.get("/am/UI/Login").contains("IDToken1"));

    let mut second = countersign(dir.path());
    let taken = second.arg("serve").env("COUNTERSIGN__SERVER__LISTEN", &server.1).output().unwrap();
    assert_eq!((taken.status.code(), stderr(&taken).lines().count()), (Some(1), 1));
    assert!(stderr(&taken).starts_with(&format!("countersign: cannot listen on {}: ", server.1)));

    server.terminate();
    assert!(server.0.wait().unwrap().success());
    let mut rest = String::new();
    server.2.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("stopped"), "{rest}");
}

#[cfg(unix)]
#[test]
fn a_login_under_way_is_finished_before_the_server_stops() {
    let dir = tempfile::tempdir().unwrap();
    assert!(init(dir.path()).status.success());
    assert!(add_user(dir.path(), "demo", "Ch4ng31t\n").status.success());
    let mut server = Server::start(dir.path());
    let mut login = BufReader::new(TcpStream::connect(&server.1).unwrap());
    write!(
        login.get_mut(),
        "POST /am/json/realms/root/realms/alpha/authenticate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         X-OpenAM-Username: demo\r\nX-OpenAM-Password: Ch4ng31t\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    )
    .unwrap();
    // Said when the body is asked for: the request is under way.
    let mut line = String::new();
    login.read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    login.get_mut().write_all(b"{").unwrap();
    server.terminate();
    server.logged("shutting down");
    assert!(TcpStream::connect(&server.1).is_err(), "nobody new is let in");
    login.get_mut().write_all(b"}").unwrap();
    let mut answer = String::new();
    login.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("HTTP/1.1 200 OK") && answer.contains("tokenId"), "{answer}");
    assert!(server.0.wait().unwrap().success());
    server.logged("stopped");
}

#[test]
fn errors_are_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let missing = countersign(dir.path()).arg("serve").output().unwrap();
    assert_eq!((missing.status.code(), stderr(&missing).lines().count()), (Some(1), 1));
    assert!(init(dir.path()).status.success());
    let mut wrong = countersign(dir.path());
    let wrong = wrong.arg("serve").env("COUNTERSIGN__SERVER__LISTN", "x").output().unwrap();
    assert_eq!(
        stderr(&wrong),
        "countersign: environment variable COUNTERSIGN__SERVER__LISTN: unknown key `listn`; did you mean `listen`?\n"
    );
    let bad_url =
        countersign(dir.path()).args(["init", "--public-url", "x", "--dir"]).arg(dir.path()).output().unwrap();
    assert_eq!((bad_url.status.code(), stderr(&bad_url).lines().count()), (Some(1), 1));
}

#[test]
fn a_cookie_is_explained_from_standard_input_file_or_argument() {
    let dir = tempfile::tempdir().unwrap();
    assert!(init(dir.path()).status.success());
    let decode = |arguments: &[&str], input: &str| {
        let mut command = countersign(dir.path());
        command.args(["session", "decode"]).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let file = dir.path().join("cookie");
    std::fs::write(&file, "eyJhbGciOiJub25lIn0.e30.").unwrap();
    let file = file.to_str().unwrap();
    for (arguments, input) in [
        (&[][..], "eyJhbGciOiJub25lIn0.e30."),
        (&["--file", "-"], "eyJhbGciOiJub25lIn0.e30.\n"),
        (&["--file", file], ""),
        (&["iPlanetDirectoryPro=eyJhbGciOiJub25lIn0.e30."], ""),
    ] {
        let told = decode(arguments, input);
        assert!(told.status.success(), "{}", stderr(&told));
        let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
        assert_eq!((&told["valid"], &told["bytes"]), (&false.into(), &24.into()), "{arguments:?}");
        assert_eq!(
            (&told["layers"][0]["header"]["alg"], &told["refused"][0]),
            (&"none".into(), &"token_format".into())
        );
    }
    for (arguments, input) in [(&[][..], " \n"), (&["--file", "/no/such/file"], "")] {
        let failed = decode(arguments, input);
        assert_eq!((failed.status.code(), stderr(&failed).lines().count()), (Some(1), 1), "{arguments:?}");
    }
    // Looking costs nothing of what a content key may seal.
    let list = stdout(&keys(dir.path(), &["list"], ""));
    let seals: Vec<_> =
        list.lines().filter(|line| line.contains("A256GCM")).map(|line| line.split(' ').next_back()).collect();
    assert_eq!(seals, [Some("0"), Some("0")], "{list}");
}

/// K07: the source of the master key is down. What runs goes on to verify with the keys it has; nothing new is made, and
/// nothing starts without.
#[cfg(unix)]
#[test]
fn k07_without_the_master_key_nothing_starts_and_what_runs_verifies() {
    let dir = tempfile::tempdir().unwrap();
    assert!(init(dir.path()).status.success());
    let server = Server::start(dir.path());
    let (source, away) = (dir.path().join("master.key"), dir.path().join("away"));
    std::fs::rename(&source, &away).unwrap();

    let before = std::fs::read(dir.path().join("countersign.db")).unwrap();
    for arguments in [&["serve"][..], &["keys", "rotate"], &["edge", "bundle"]] {
        let refused = countersign(dir.path()).args(arguments).output().unwrap();
        assert_eq!((refused.status.code(), stderr(&refused).lines().count()), (Some(1), 1), "{arguments:?}");
        assert!(stderr(&refused).starts_with("countersign: cannot read "), "{}", stderr(&refused));
        assert!(stderr(&refused).contains("master.key"));
    }
    assert_eq!(std::fs::read(dir.path().join("countersign.db")).unwrap(), before, "nothing was rotated");
    assert!(server.get("/health/ready").starts_with("HTTP/1.1 200"));
    assert!(server.get("/am/.well-known/jwks.json").contains("Ed25519"));

    std::fs::rename(&away, &source).unwrap();
    assert!(countersign(dir.path()).args(["keys", "rotate"]).output().unwrap().status.success());
}

/// The file is read again when it changes; one that is wrong is named by line, and what was in force stays.
#[cfg(unix)]
#[test]
fn a_running_server_takes_up_its_settings() {
    let dir = tempfile::tempdir().unwrap();
    assert!(init(dir.path()).status.success());
    let file = dir.path().join("countersign.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    let mut server = Server::start(dir.path());
    let named = |name: &str| good.replace("[session]", &format!("[session]\ncookie_name = \"{name}\""));
    std::fs::write(&file, named("first")).unwrap();
    server.logged("the settings were taken");
    assert!(server.get("/am/json/serverinfo/*").contains("\"cookieName\":\"first\""));
    std::fs::write(&file, named("second").replace("cookie_name", "cookie_nam")).unwrap();
    server.logged("countersign.toml:");
    assert!(server.get("/am/json/serverinfo/*").contains("\"cookieName\":\"first\""));
    std::fs::write(&file, named("third")).unwrap();
    assert!(Command::new("kill").args(["-HUP", &server.0.id().to_string()]).status().unwrap().success());
    server.logged("the settings were taken");
    assert!(server.get("/am/json/serverinfo/*").contains("\"cookieName\":\"third\""));
}

/// As before `| head`: whoever has seen enough is no reason for a panic.
#[test]
fn a_reader_that_goes_away_is_no_mistake() {
    let dir = tempfile::tempdir().unwrap();
    assert!(init(dir.path()).status.success());
    for arguments in [&["keys", "list"][..], &["doctor"], &["edge", "bundle"], &["audit", "list"]] {
        let mut command = countersign(dir.path());
        let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), ""), "{arguments:?}");
    }
}

/// Where secrets come in the environment there is no file.
#[test]
fn the_master_key_may_come_in_the_environment() {
    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], key: &str| {
        let output = countersign(dir.path()).env("COUNTERSIGN_MASTER_KEY", key).args(arguments).output().unwrap();
        (output.status.code(), stdout(&output), stderr(&output))
    };
    let path = dir.path().to_str().unwrap();
    let init = ["init", "--public-url", PUBLIC_URL, "--dir", path];
    let (code, _, why) = run(&init, "too short");
    assert_eq!((code, why.starts_with("countersign: COUNTERSIGN_MASTER_KEY: ")), (Some(1), true), "{why}");
    assert!(!why.contains("too short"), "{why}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    assert_eq!(run(&init, KEY).0, Some(0));
    assert!(!dir.path().join("master.key").exists() && !dir.path().join("countersign.init").exists());
    let (code, report, _) = run(&["doctor"], KEY);
    assert_eq!((code, report.contains("ok    master key: from COUNTERSIGN_MASTER_KEY")), (Some(0), true), "{report}");
    assert_eq!(run(&["keys", "list"], KEY).0, Some(0));
    // Another key, and none.
    assert_eq!(run(&["keys", "list"], &KEY.replace("AAEC", "AAAC")).0, Some(1));
    assert_eq!(countersign(dir.path()).args(["keys", "list"]).output().unwrap().status.code(), Some(1));
    // Two of them: the one in the environment counts, and doctor says so.
    std::fs::write(dir.path().join("master.key"), "another").unwrap();
    let (code, report, _) = run(&["doctor"], KEY);
    assert_eq!((code, report.contains("warn  master key: COUNTERSIGN_MASTER_KEY goes before")), (Some(0), true));
}

#[cfg(unix)]
#[test]
fn doctor_looks_at_key_files_and_at_what_edges_must_have() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    assert!(init(dir.path()).status.success());
    let doctor = |settings: &str| {
        let file = dir.path().join("countersign.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{text}{settings}")).unwrap();
        let output = countersign(dir.path()).arg("doctor").output().unwrap();
        let bundle = countersign(dir.path()).args(["edge", "bundle"]).output().unwrap();
        std::fs::write(&file, text).unwrap();
        (output.status.code(), stdout(&output), stderr(&bundle))
    };
    // Keys of the new kinds are not made yet: it is the settings that say what an edge will get.
    let es256 = "[realm.\"/alpha\".session]\nstatelessSigningType = \"ES256\"\nstatelessEncryptionType = \"RSA\"\n";
    let (code, report, bundle) = doctor(es256);
    assert_eq!(code, Some(0), "{report}");
    for told in [&report, &bundle] {
        assert!(told.contains("all-formats can use RSA-OAEP-256"), "{told}");
    }
    let (_, report, bundle) = doctor("");
    assert!(!report.contains("all-formats") && bundle.is_empty(), "{report}{bundle}");

    let hs256 = "[realm.\"/alpha\".session]\nstatelessSigningType = \"HS256\"\n\
                 statelessSigningHmacSecret = { file = \"hmac.b64\" }\n";
    let (code, report, _) = doctor(hs256);
    assert_eq!(
        (code, report.contains("warn  session-signing key of /alpha: cannot read")),
        (Some(0), true),
        "{report}"
    );
    let secret = dir.path().join("hmac.b64");
    std::fs::write(&secret, "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n").unwrap();
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o644)).unwrap();
    let (code, report, _) = doctor(hs256);
    assert_eq!((code, report.contains("mode 0644 lets others in")), (Some(1), true), "{report}");
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    let (code, report, _) = doctor(hs256);
    assert_eq!((code, report.contains("its file's is not here yet")), (Some(0), true), "{report}");
}
