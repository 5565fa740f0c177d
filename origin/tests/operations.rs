//! The operator's commands on a file and on PostgreSQL, and origins that share one.

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use countersign_test_postgres::{Cluster, Database, shared_database};

const PASSWORD: &str = "Ch4ng31t";

/// An installation in a directory of its own; its database is a file there, or the one given.
struct Site {
    dir: tempfile::TempDir,
    database: Option<Database>,
}

impl Site {
    fn new(database: Option<Database>) -> Self {
        let site = Self { dir: tempfile::tempdir().unwrap(), database };
        let args = ["init", "--public-url", "http://localhost:8787", "--listen", "127.0.0.1:0", "--dir"];
        let made = site.command().args(args).arg(site.dir.path()).output().unwrap();
        assert!(made.status.success(), "{}", stderr(&made));
        site
    }

    fn postgres() -> Self {
        Self::new(Some(shared_database().unwrap_or_else(|error| panic!("{error:#}"))))
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn command(&self) -> Command {
        let mut command = bare(self.path());
        if let Some(database) = &self.database {
            command.env("COUNTERSIGN__DATABASE__URL", database.url());
        }
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).output().unwrap()
    }

    /// The output of a command that succeeds.
    fn does(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}{}", stdout(&output), stderr(&output));
        stdout(&output)
    }

    fn with_input(&self, args: &[&str], input: &str) -> Output {
        let mut command = self.command();
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn add_user(&self, realm: &str, username: &str, more: &[&str]) {
        let mut args = vec!["user", "add", "--realm", realm, "--username", username, "--password-stdin"];
        args.extend_from_slice(more);
        let added = self.with_input(&args, PASSWORD);
        assert!(added.status.success(), "{}", stderr(&added));
    }

    fn serve(&self) -> Server {
        Server::start(self.command())
    }
}

fn bare(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("COUNTERSIGN__")) {
        command.env_remove(name);
    }
    command.env("COUNTERSIGN_CONFIG", dir.join("countersign.toml"));
    command.env("COUNTERSIGN__ARGON2__MEMORY_KIB", "8").env("COUNTERSIGN__ARGON2__ITERATIONS", "1");
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(mut command: Command) -> Self {
        let mut process = command.arg("serve").stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let address = common::address(&mut log);
        // What is logged later must go somewhere.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { process, address }
    }

    /// Status and body.
    fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
             {headers}Content-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    fn log_in(&self, realm: &str, username: &str, password: &str) -> Option<String> {
        let headers = format!(
            "Accept-API-Version: protocol=1.0,resource=2.1\r\nX-OpenAM-Username: {username}\r\nX-OpenAM-Password: \
             {password}\r\n"
        );
        let (_, body) = self.send("POST", &format!("/am/json{realm}/authenticate"), &headers, "{}");
        let (_, rest) = body.split_once("\"tokenId\":\"")?;
        Some(rest.split('"').next()?.to_owned())
    }

    fn demo(&self) -> String {
        self.log_in("/realms/root/realms/alpha", "demo", PASSWORD).unwrap()
    }

    fn is_valid(&self, token: &str) -> bool {
        let headers = "Accept-API-Version: resource=4.0\r\n";
        let body = format!("{{\"tokenId\":\"{token}\"}}");
        let (status, body) = self.send("POST", "/am/json/sessions?_action=validate", headers, &body);
        assert_eq!(status, 200, "{body}");
        body.contains("\"valid\":true")
    }

    fn log_out(&self, token: &str) -> u16 {
        let headers = format!("Accept-API-Version: resource=4.0\r\niPlanetDirectoryPro: {token}\r\n");
        self.send("POST", "/am/json/realms/root/realms/alpha/sessions?_action=logout", &headers, "").0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn an_installation_on_postgresql() {
    let site = Site::postgres();
    assert!(!site.path().join("countersign.db").exists());
    site.add_user("alpha", "demo", &[]);
    let report = site.does(&["doctor"]);
    assert!(report.contains("ok    postgres://countersign@"), "{report}");
    assert!(report.lines().all(|line| line.starts_with("ok ") || line.contains("weaker than OWASP")), "{report}");

    // A second attempt does not write over the first.
    let other = tempfile::tempdir().unwrap();
    let mut again = bare(other.path());
    again.env("COUNTERSIGN__DATABASE__URL", site.database.as_ref().unwrap().url());
    let args = ["init", "--public-url", "http://localhost:8787", "--dir"];
    let again = again.args(args).arg(other.path()).output().unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(std::fs::read_dir(other.path()).unwrap().next().is_none());
    assert!(!stderr(&again).contains("password"));

    // The same from a file, which only its owner may read.
    let file = site.path().join("database.url");
    std::fs::write(&file, site.database.as_ref().unwrap().url()).unwrap();
    let settings = std::fs::read_to_string(site.path().join("countersign.toml")).unwrap();
    let settings = settings.replace("[database]\n", "[database]\nurl_file = \"database.url\"\n");
    std::fs::write(site.path().join("countersign.toml"), settings).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let open = bare(site.path()).arg("doctor").output().unwrap();
        assert_eq!(open.status.code(), Some(1));
        assert!(stdout(&open).contains("database URL"), "{}", stdout(&open));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let closed = bare(site.path()).arg("doctor").output().unwrap();
    assert!(closed.status.success(), "{}", stdout(&closed));
}

#[test]
fn two_and_three_origins_on_one_postgresql() {
    let site = Site::postgres();
    site.add_user("alpha", "demo", &[]);
    let origins = [site.serve(), site.serve(), site.serve()];
    for (one, other) in [(0, 1), (1, 2), (2, 0)] {
        let token = origins[one].demo();
        assert!(origins.iter().all(|origin| origin.is_valid(&token)));
        assert_eq!(origins[other].log_out(&token), 200);
        assert!(origins.iter().all(|origin| !origin.is_valid(&token)));
    }
    for origin in &origins {
        assert_eq!(origin.send("GET", "/health/ready", "", "").0, 200);
    }
}

/// Password change, disable and delete; and the log of it.
#[test]
fn s07_what_becomes_of_a_user_ends_the_sessions() {
    let site = Site::new(None);
    site.add_user("alpha", "demo", &[]);
    site.add_user("alpha", "ben", &[]);
    let origin = site.serve();
    let alpha = "/realms/root/realms/alpha";
    let whom = ["--realm", "alpha", "--username", "demo"];
    let user = |what: &str| site.does(&[&["user", what], &whom[..]].concat());
    let (demo, ben) = (origin.demo(), origin.log_in(alpha, "ben", PASSWORD).unwrap());

    let passwd = [&["user", "passwd"], &whom[..], &["--password-stdin"]].concat();
    let changed = site.with_input(&passwd, "An0ther1\n");
    assert!(changed.status.success(), "{}", stderr(&changed));
    assert!(!origin.is_valid(&demo) && origin.is_valid(&ben));
    assert!(origin.log_in(alpha, "demo", PASSWORD).is_none());
    let demo = origin.log_in(alpha, "demo", "An0ther1").unwrap();
    assert!(origin.is_valid(&demo));

    user("disable");
    assert!(!origin.is_valid(&demo) && origin.log_in(alpha, "demo", "An0ther1").is_none());
    user("enable");
    let demo = origin.log_in(alpha, "demo", "An0ther1").unwrap();
    assert!(origin.is_valid(&demo));
    user("delete");
    assert!(!origin.is_valid(&demo) && origin.is_valid(&ben));
    assert_eq!(site.run(&[&["user", "delete"], &whom[..]].concat()).status.code(), Some(1));

    let end = |args: &[&str]| site.does(&[&["sessions", "end", "--reason", "a drill"], args].concat());
    end(&["--user", "ben"]);
    assert!(!origin.is_valid(&ben));
    let listed = site.does(&["denylist", "list", "--kind", "user"]);
    for reason in ["the password was changed", "the user was disabled", "the user was deleted", "a drill"] {
        assert!(listed.contains(reason), "{listed}");
    }
    let undone = site.does(&["denylist", "undo", "4", "--reason", "a mistake"]);
    assert_eq!(undone, "Line 4 is taken back by line 5.\n");
    assert!(origin.is_valid(&ben));

    let kid = site.does(&["keys", "list"]);
    let kid = kid.lines().find(|line| line.contains("session-signing")).unwrap();
    let kid = kid.split_whitespace().next().unwrap();
    end(&["--kid", kid]);
    assert!(!origin.is_valid(&ben));
    site.does(&["denylist", "undo", "6", "--reason", "a mistake"]);
    end(&["--whole-realm"]);
    assert!(!origin.is_valid(&ben));
    let exported = site.does(&["denylist", "export"]);
    assert_eq!(exported.lines().count(), 8);
    assert!(exported.lines().all(|line| line.starts_with("{\"seq\":") && line.contains("\"actor\":\"command line")));
    assert_eq!(site.run(&["sessions", "end", "--reason", "x"]).status.code(), Some(2));

    drop(origin);
    site.does(&["denylist", "new-epoch", "--end-all-sessions"]);
    let origin = site.serve();
    assert!(!origin.is_valid(&ben));
    let ben = origin.log_in(alpha, "ben", PASSWORD).unwrap();
    assert!(origin.is_valid(&ben));
    // One session by its handle.
    let explained = site.with_input(&["session", "decode"], &ben);
    let explained = stdout(&explained);
    let (_, rest) = explained.split_once("\"sid\": \"").unwrap();
    let sid = rest.split('"').next().unwrap();
    assert!(end(&["--sid", sid]).starts_with("Ended "));
    assert!(!origin.is_valid(&ben));
}

/// From a file to PostgreSQL: sessions and logouts go with it.
#[test]
fn an_installation_moves_to_postgresql() {
    let mut site = Site::new(None);
    site.add_user("alpha", "demo", &[]);
    let origin = site.serve();
    let (kept, ended) = (origin.demo(), origin.demo());
    assert_eq!(origin.log_out(&ended), 200);
    drop(origin);
    assert!(site.does(&["db", "check"]).starts_with("ok    "));
    let file = site.path().join("copy.jsonl");
    let copy = file.to_str().unwrap().to_owned();
    site.does(&["db", "export", "--out", &copy]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(site.run(&["db", "export", "--out", &copy]).status.code(), Some(1), "nothing is written over");
    assert_eq!(site.run(&["db", "import", "--file", &copy]).status.code(), Some(1), "the database has something in it");

    site.database = Some(shared_database().unwrap_or_else(|error| panic!("{error:#}")));
    site.does(&["db", "migrate"]);
    // A damaged copy leaves nothing.
    let text = std::fs::read_to_string(&file).unwrap();
    let damaged = site.with_input(&["db", "import", "--file", "-"], &text.replacen("demo", "dem0", 1));
    assert_eq!(damaged.status.code(), Some(1), "{}", stdout(&damaged));
    site.does(&["db", "import", "--file", &copy]);
    let checked = site.does(&["db", "check"]);
    assert!(checked.contains("postgres://") && checked.contains(": 1 lines"), "{checked}");
    let origin = site.serve();
    assert!(origin.is_valid(&kept) && !origin.is_valid(&ended));
    assert!(origin.log_in("/realms/root/realms/alpha", "demo", PASSWORD).is_some());
}

/// Every logout that was acknowledged holds at both origins, whatever became of the database in between.
#[test]
fn postgresql_crashes_while_sessions_are_ended() {
    const SESSIONS: usize = 60;
    let cluster = Cluster::start().unwrap_or_else(|error| panic!("{error:#}"));
    let site = Site::new(Some(cluster.database().unwrap()));
    site.add_user("alpha", "demo", &[]);
    let origins = [site.serve(), site.serve()];
    let tokens: Vec<String> = (0..SESSIONS).map(|_| origins[0].demo()).collect();
    let (done, progress) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for (worker, mine) in tokens.chunks(SESSIONS / 4).enumerate() {
            let (origin, done) = (&origins[worker % 2], done.clone());
            scope.spawn(move || {
                for token in mine {
                    // What was not acknowledged is repeated, as a client would.
                    let tries = (0..200).find(|_| {
                        let status = origin.log_out(token);
                        // 401: an earlier try, whose answer was an error, did it after all.
                        status == 200 || status == 401 || {
                            assert!((500..=503).contains(&status), "{status}");
                            std::thread::sleep(std::time::Duration::from_millis(100));
                            false
                        }
                    });
                    assert!(tries.is_some(), "the origin did not come back");
                    done.send(()).unwrap();
                }
            });
        }
        for _ in 0..SESSIONS / 3 {
            progress.recv().unwrap();
        }
        cluster.restart_immediately().unwrap();
    });
    for token in &tokens {
        assert!(origins.iter().all(|origin| !origin.is_valid(token)));
    }
    for origin in &origins {
        assert_eq!(origin.send("GET", "/health/ready", "", "").0, 200);
    }
    let checked = site.does(&["db", "check"]);
    assert!(checked.contains(&format!(": {SESSIONS} lines")), "gap-free, and none twice: {checked}");
}

#[test]
fn metrics_are_for_the_operators_listener_alone() {
    let site = Site::new(None);
    let mut command = site.command();
    command.env("COUNTERSIGN__METRICS__LISTEN", "127.0.0.1:0").arg("serve").stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap());
    let mut line = String::new();
    let mut address = |after: &str| loop {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "the server ended");
        if let Some((_, after)) = line.split_once(after) {
            break after.split_whitespace().next().unwrap().to_owned();
        }
    };
    let (metrics, address) = (address("metrics metrics="), address("listening listen="));
    let server = Server { process, address };
    assert_eq!(server.send("GET", "/metrics", "", "").0, 404);
    let mut stream = TcpStream::connect(metrics).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("countersign_denylist_up 1\n"), "{answer}");
}

/// The next step of a login in progress, with a value in each input.
fn filled(step: &str, values: &[&str]) -> String {
    let mut step: serde_json::Value = serde_json::from_str(step).unwrap();
    for (position, value) in values.iter().enumerate() {
        step["callbacks"][position]["input"][0]["value"] = (*value).into();
    }
    step.to_string()
}

const LOGIN: &str = "/am/json/realms/root/realms/alpha/authenticate";
const VERSION: &str = "Accept-API-Version: protocol=1.0,resource=2.1\r\n";

#[test]
fn an_address_is_limited_once_it_is_known_whose_it_is() {
    let site = Site::new(None);
    for (address, statuses) in [(None, [200, 200, 200]), (Some("peer"), [200, 200, 429])] {
        let mut command = site.command();
        command.env("COUNTERSIGN__RATE_LIMITS__ADDRESS_REQUESTS", "2");
        address.map(|address| command.env("COUNTERSIGN__SERVER__CLIENT_ADDRESS", address));
        let server = Server::start(command);
        assert_eq!([(); 3].map(|()| server.send("POST", LOGIN, VERSION, "").0), statuses);
    }
}

/// A server that is killed takes no login with it that it does not have in its own memory alone, and none comes back
/// that it had used up.
#[test]
fn a_login_in_progress_survives_kill_9() {
    for (scheme, survives) in [("JWT", true), ("CTS", true), ("In-Memory", false)] {
        let site = Site::new(None);
        site.add_user("alpha", "demo", &[]);
        let serve = || {
            let mut command = site.command();
            command.env("COUNTERSIGN__JOURNEY__AUTHENTICATIONSESSIONSSTATEMANAGEMENT", scheme);
            Server::start(command)
        };
        let first = serve();
        let (status, step) = first.send("POST", LOGIN, VERSION, "");
        assert_eq!(status, 200, "{step}");
        drop(first); // SIGKILL
        let second = serve();
        // A field that is left empty is asked for again: a step that uses up the one before.
        let (status, next) = second.send("POST", LOGIN, VERSION, &filled(&step, &["demo", ""]));
        assert_eq!(status, if survives { 200 } else { 401 }, "{scheme}: {next}");
        if !survives {
            continue;
        }
        drop(second);
        let third = serve();
        let used = third.send("POST", LOGIN, VERSION, &filled(&step, &["demo", PASSWORD]));
        assert_eq!(used.0, 401, "{scheme}: {}", used.1);
        let (status, end) = third.send("POST", LOGIN, VERSION, &filled(&next, &["demo", PASSWORD]));
        assert_eq!(status, 200, "{scheme}: {end}");
        let end: serde_json::Value = serde_json::from_str(&end).unwrap();
        assert!(third.is_valid(end["tokenId"].as_str().unwrap()));
    }
}

/// A slip of a key, or a shell variable that is not set, does not do something else than was meant.
#[test]
fn what_names_nothing_or_nobody_is_refused() {
    let site = Site::new(None);
    assert!(
        site.with_input(&["user", "add", "--realm", "alpha", "--username", "demo", "--password-stdin"], PASSWORD)
            .status
            .success()
    );
    let realms = site.does(&["realm", "list"]);
    for args in [
        &["user", "add", "--realm", "", "--username", "eve", "--password-stdin", "--admin"][..],
        &["user", "add", "--realm=", "--username", "eve", "--password-stdin", "--admin"],
        &["user", "add", "--realm", "alpha", "--username", "", "--password-stdin"],
        &["user", "list", "--realm", ""],
        &["realm", "add", ""],
        &["sessions", "end", "--realm", "", "--whole-realm", "--reason", "x"],
        &["sessions", "end", "--realm", "alpha", "--user", "", "--reason", "x"],
        &["sessions", "end", "--realm", "alpha", "--user", "demo", "--reason", ""],
    ] {
        let refused = site.with_input(args, PASSWORD);
        assert_eq!(refused.status.code(), Some(2), "{args:?}: {}", stdout(&refused));
    }
    assert_eq!(site.does(&["realm", "list"]), realms);

    let end = ["sessions", "end", "--realm", "alpha", "--reason", "x", "--user"];
    let unknown = site.run(&[&end[..], &["dmeo"]].concat());
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).starts_with("countersign: there is no user dmeo in /alpha; "), "{}", stderr(&unknown));
    assert!(site.does(&["denylist", "list"]).lines().count() <= 1, "nothing was written");
    site.does(&[&end[..], &["dmeo", "--even-if-unknown"]].concat());
    site.does(&[&end[..], &["DEMO"]].concat());

    // One rule for passwords, whoever sets them.
    let add = ["user", "add", "--realm", "alpha", "--username", "short", "--password-stdin"];
    let passwd = ["user", "passwd", "--realm", "alpha", "--username", "demo", "--password-stdin"];
    for args in [&add, &passwd] {
        let refused = site.with_input(args, "short\n");
        assert_eq!(refused.status.code(), Some(1), "{}", stdout(&refused));
        let why = stderr(&refused);
        assert!(why.starts_with("countersign: the password fails MIN_LENGTH") && why.contains("[passwords]"), "{why}");
        assert!(site.with_input(args, "l0ng enough\n").status.success());
    }
}

#[test]
fn a_realm_is_deleted_with_what_is_in_it() {
    for site in [Site::new(None), Site::postgres()] {
        let refused = |args: &[&str], part: &str| {
            let output = site.run(args);
            assert_eq!(output.status.code(), Some(1), "{args:?}: {}", stdout(&output));
            assert!(stderr(&output).contains(part), "{args:?}: {}", stderr(&output));
        };
        refused(&["realm", "delete", "alpha"], "/alpha is the only realm");
        refused(&["realm", "delete", "beta"], "there is no realm /beta");
        for name in ["sessions", "Authenticate", "users", "alpha/realms"] {
            refused(&["realm", "add", name], "must not be a word of the paths");
        }
        refused(&["realm", "add", "ALPHA"], "realm \"/alpha\" already exists");
        // A slip that nobody has used yet goes as easily as it came.
        site.does(&["realm", "add", "btea"]);
        assert!(site.does(&["realm", "delete", "btea", "--dry-run"]).contains("Would delete /btea with 0 users"));
        site.does(&["realm", "delete", "btea"]);

        site.does(&["realm", "add", "beta"]);
        let add = ["user", "add", "--realm", "beta", "--username", "demo", "--password-stdin", "--admin"];
        assert!(site.with_input(&add, PASSWORD).status.success());
        refused(&["realm", "delete", "beta"], "this would delete /beta with 1 users");
        let done = site.does(&["realm", "delete", "beta", "--even-if-used"]);
        assert!(done.starts_with("Deleted /beta with 1 users"), "{done}");
        assert_eq!(site.does(&["realm", "list"]), "/alpha\n");
        let told = site.does(&["audit", "list", "--topic", "config"]);
        assert!(told.lines().any(|line| line.contains("\"delete\"") && line.contains("/beta")), "{told}");
        assert!(site.does(&["denylist", "list"]).contains("the realm was deleted"));
        site.does(&["doctor"]);
        // What comes after has nothing of it.
        site.does(&["realm", "add", "beta"]);
        assert!(!site.does(&["user", "list", "--realm", "beta"]).contains("demo"));
    }
}
