//! The binary `countersign`, run as an operator runs it.

mod am;
#[path = "../common/mod.rs"]
mod common;
mod keys;
mod realms;
mod server;
mod users;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

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

/// As before `| head`: whoever has seen enough is no reason for a panic.
#[test]
fn a_reader_that_goes_away_is_no_mistake() {
    let dir = tempfile::tempdir().unwrap();
    assert!(init(dir.path()).status.success());
    let graph = ["journey", "graph", "Login"];
    for arguments in [&["keys", "list"][..], &["doctor"], &["edge", "bundle"], &["audit", "list"], &graph] {
        let mut command = countersign(dir.path());
        let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), ""), "{arguments:?}");
        #[cfg(target_os = "linux")]
        {
            let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
            let output = countersign(dir.path()).args(arguments).stdout(full).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{arguments:?}");
            assert!(stderr(&output).contains("No space left on device"), "{arguments:?}: {}", stderr(&output));
        }
    }
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
    assert!(report.contains("/am/realms/root/realms/alpha/.well-known/jwks.json"), "{report}");
    let (_, report, bundle) = doctor("");
    assert!(!report.contains("all-formats") && bundle.is_empty(), "{report}{bundle}");

    let hs256 = "[realm.\"/alpha\".session]\nstatelessSigningType = \"HS256\"\n\
                 statelessSigningHmacSecret = { file = \"hmac.b64\" }\n";
    let secret = dir.path().join("hmac.b64");
    for (content, why) in [
        (None, "No such file"),
        (
            Some("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MA=="),
            "at least 256 bits (RFC 7518 section 3.2); this one has 248",
        ),
        (Some("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), "all bytes of the key are the same"),
        (Some("a secret"), "not a secret in base64"),
    ] {
        if let Some(content) = content {
            std::fs::write(&secret, content).unwrap();
        }
        let (code, report, _) = doctor(hs256);
        let line = report.lines().find(|line| line.contains("hmac.b64")).unwrap_or_default();
        let named = line.starts_with("fail  setting realm.\"/alpha\".session.statelessSigningHmacSecret is refused: ");
        assert_eq!((code, named, line.contains(why)), (Some(1), true, true), "{report}");
        assert!(report.contains("ok    database opens"), "the rest is looked at: {report}");
    }
    std::fs::write(&secret, "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n").unwrap();
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o644)).unwrap();
    let (code, report, _) = doctor(hs256);
    assert_eq!((code, report.contains("mode 0644 lets others in")), (Some(1), true), "{report}");
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    let (code, report, _) = doctor(hs256);
    assert_eq!((code, report.contains("its file's is not here yet")), (Some(0), true), "{report}");
}

#[test]
fn doctor_says_which_cookie_domain_counts() {
    let dir = tempfile::tempdir().unwrap();
    assert!(init(dir.path()).status.success());
    let doctor = |public_url: &str, domains: &str| {
        let mut doctor = countersign(dir.path());
        doctor.env("COUNTERSIGN__SERVER__PUBLIC_URL", public_url).env("COUNTERSIGN__SESSION__COOKIE_DOMAINS", domains);
        let output = doctor.arg("doctor").output().unwrap();
        (output.status.code(), stdout(&output))
    };
    for (domains, line) in [
        (r#"["example.com"]"#, "ok    cookie: for example.com and all below it\n"),
        (
            r#"["example.org", "example.com"]"#,
            "ok    cookie: for example.com and all below it, by the host of public_url; not used here: example.org\n",
        ),
    ] {
        let (code, report) = doctor("https://login.example.com", domains);
        assert_eq!((code, report.contains(line)), (Some(0), true), "{report}");
    }
    for (domains, line) in [
        (r#"["example.com", "com"]"#, "has \"com\": a Domain is a host name"),
        (r#"["example.org", "ample.com"]"#, "must name a domain that public_url (https://login.example.com/) is in"),
    ] {
        let (code, report) = doctor("https://login.example.com", domains);
        assert_eq!((code, report.contains(line)), (Some(1), true), "{report}");
    }
}
