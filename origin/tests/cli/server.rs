//! `countersign serve`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::common::address;
use crate::{add_user, countersign, init, stderr, stdout};

/// A running server; killed when the test ends early.
pub(crate) struct Server(Child, String, BufReader<std::process::ChildStderr>);

impl Server {
    pub(crate) fn start(dir: &Path) -> Self {
        let mut child = countersign(dir).arg("serve").stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = address(&mut log);
        Self(child, address, log)
    }

    fn terminate(&self) {
        assert!(Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap().success());
    }

    /// Ends it as an operator does, and waits for that.
    pub(crate) fn stop(&mut self) {
        self.terminate();
        assert!(self.0.wait().unwrap().success());
    }

    /// Reads the log until a line has the text.
    fn logged(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(self.2.read_line(&mut line).unwrap() > 0, "the server ended");
        }
    }

    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.1).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Logs `demo` in, whose password is `Ch4ng31t`.
    pub(crate) fn log_in(&self) {
        let mut stream = TcpStream::connect(&self.1).unwrap();
        write!(
            stream,
            "POST /am/json/realms/root/realms/alpha/authenticate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Content-Type: application/json\r\nX-OpenAM-Username: demo\r\nX-OpenAM-Password: Ch4ng31t\r\n\
             Content-Length: 2\r\n\r\n{{}}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("tokenId"), "{answer}");
    }

    /// Asks until the answer has the text: what a command did is taken up within a second.
    pub(crate) fn until(&self, path: &str, text: &str) {
        let began = std::time::Instant::now();
        loop {
            let answer = self.get(path);
            if answer.contains(text) {
                return;
            }
            assert!(began.elapsed().as_secs() < 30, "{path}: {answer}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
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

    server.stop();
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

/// A secret that is too weak is refused with the reason: at the start, in settings that come later, and where the file
/// turns bad under a running server.
#[cfg(unix)]
#[test]
fn a_weak_secret_in_a_file_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    assert!(init(dir.path()).status.success());
    let (file, secret) = (dir.path().join("countersign.toml"), dir.path().join("aes.b64"));
    let good = std::fs::read_to_string(&file).unwrap();
    let named = good.replace(
        "[session]",
        "[session]\ncookie_name = \"second\"\nstatelessSigningType = \"NONE\"\n\
         statelessEncryptionAesKey = { file = \"aes.b64\" }",
    );
    std::fs::write(&file, &named).unwrap();
    std::fs::write(&secret, "MDEyMzQ1Njc4OTAxMjM0NQ==").unwrap();
    let why = format!(
        "setting session.statelessEncryptionAesKey is refused: {}: a session-content-alone key for A256GCM has exactly 256 \
         bits; this one has 128",
        secret.display()
    );
    for arguments in [&["serve"][..], &["realm", "add", "beta"]] {
        let refused = countersign(dir.path()).args(arguments).output().unwrap();
        assert_eq!((refused.status.code(), stderr(&refused)), (Some(1), format!("countersign: {why}\n")));
    }
    let listed = || stdout(&countersign(dir.path()).args(["keys", "list"]).output().unwrap());
    assert!(!listed().contains("session-content-alone"));

    std::fs::write(&file, &good).unwrap();
    let mut server = Server::start(dir.path());
    std::fs::write(&file, &named).unwrap();
    server.logged(&why);
    let name = |name: &str| format!("\"cookieName\":\"{name}\"");
    assert!(server.get("/am/json/serverinfo/*").contains(&name("iPlanetDirectoryPro")));
    // Nobody has to touch the settings once the file is mended.
    std::fs::write(&secret, "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=").unwrap();
    server.logged("the settings were taken");
    assert!(server.get("/am/json/serverinfo/*").contains(&name("second")));
    server.logged("new session-content-alone A256GCM of /alpha key");
    let listed = listed();
    std::fs::remove_file(&secret).unwrap();
    server.logged("setting session.statelessEncryptionAesKey is refused: cannot read ");
    assert_eq!(
        countersign(dir.path()).args(["keys", "list"]).output().map(|now| stdout(&now).lines().count()).unwrap(),
        listed.lines().count()
    );
}
