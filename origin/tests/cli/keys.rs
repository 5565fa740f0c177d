//! Keys: the ring, bundles, the master key, and what a cookie was made with.

use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use crate::server::Server;
use crate::{PUBLIC_URL, add_user, countersign, init, stderr, stdout};

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

/// Before a key goes, whoever asks is told how many live sessions hang on it: the key in use too.
#[test]
fn what_hangs_on_a_key_is_told_before_it_goes() {
    let dir = tempfile::tempdir().unwrap();
    assert!(init(dir.path()).status.success());
    assert!(add_user(dir.path(), "demo", "Ch4ng31t\n").status.success());
    let run = |arguments: &[&str]| {
        let output = keys(dir.path(), arguments, "");
        (output.status.code(), stdout(&output), stderr(&output))
    };
    let rotate = ["rotate", "--purpose", "session-signing", "--dry-run"];
    let list = run(&["list"]).1;
    let kid = list.lines().find(|line| line.contains("session-signing")).unwrap().split(' ').next().unwrap().to_owned();
    assert!(run(&rotate).1.contains(&format!("{kid}  no live session hangs on {kid}")), "{}", run(&rotate).1);
    let (_, _, said) = run(&["retire", &kid, "--force", "--dry-run"]);
    assert_eq!(said, format!("countersign: no live session hangs on {kid}\n"));

    let mut server = Server::start(dir.path());
    server.log_in();
    server.log_in();
    server.stop(); // by then all is counted
    let counted = format!("up to 2 live sessions hang on {kid}, the last of them for ");
    for arguments in [&["retire", &kid][..], &["retire", &kid, "--dry-run"]] {
        let (code, _, why) = run(arguments);
        let key_in_use = format!("countersign: {kid} is the key in use, and {counted}");
        assert_eq!((code, why.starts_with(&key_in_use)), (Some(1), true), "{why}");
    }
    for more in [&[][..], &["--now"]] {
        let (code, said, _) = run(&[&rotate[..], more].concat());
        assert_eq!((code, said.matches(&format!("{kid}  {counted}")).count()), (Some(0), 1), "{said}");
    }
    for how in ["--force", "--revoke"] {
        let (code, said, warning) = run(&["retire", &kid, how, "--dry-run"]);
        assert_eq!(warning, format!("countersign: up to 2 live sessions end with {kid}\n"));
        assert_eq!((code, said.contains("Nothing was changed.")), (Some(0), true), "{said}");
    }
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
        ("session-signing", "HS256", "AAECAwQFBgcICQoLDA0ODw==", "HS256 key is in use there; --alg can be: EdDSA ("),
        ("journey-signing", "HS999", "AAECAwQFBgcICQoLDA0ODw==", "HS999 key is in use there; --alg can be: HS256 ("),
        ("denylist", "HS256", "AAECAwQFBgcICQoLDA0ODw==", "no denylist key is in use there; in use are: "),
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

/// K07: the source of the master key is down. What runs goes on to verify with the keys it has; nothing new is made,
/// and nothing starts without.
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
