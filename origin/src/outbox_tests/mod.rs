mod sink;

use std::time::Duration;

use countersign_journey::Mail;

use super::{MailError, Outbox};
use crate::settings::{self, MailSecurity};
use sink::{CERTIFICATE, Sink};

fn server(sink: &Sink, security: MailSecurity, dir: &std::path::Path) -> settings::Mail {
    let (ca_file, password_file) = (dir.join("ca.pem"), dir.join("password"));
    std::fs::write(&ca_file, CERTIFICATE).unwrap();
    std::fs::write(&password_file, "s3cr3t\n").unwrap();
    let plain = security == MailSecurity::None;
    settings::Mail {
        host: "localhost".to_owned(),
        port: sink.port,
        security,
        username: (!plain).then(|| "login".to_owned()),
        password_file: (!plain).then_some(password_file),
        ca_file: Some(ca_file),
        from: "Login <login@example.com>".to_owned(),
        queue: 3,
        timeout: Duration::from_secs(5),
        attempts: 2,
    }
}

fn outbox(server: settings::Mail) -> Outbox {
    Outbox::new(Some(std::sync::Arc::new(server)))
}

fn mail(to: &str) -> Mail {
    Mail {
        from: String::new(),
        to: to.to_owned(),
        subject: "Ihr Schlüssel".to_owned(),
        body: "Öffne: https://login.example.com/".to_owned(),
        html: false,
    }
}

#[tokio::test]
async fn a_mail_arrives_over_each_kind_of_connection() {
    let dir = tempfile::tempdir().unwrap();
    for security in [MailSecurity::None, MailSecurity::StartTls, MailSecurity::Tls] {
        let mut sink = Sink::start(security == MailSecurity::Tls, "250 OK").await;
        let outbox = outbox(server(&sink, security, dir.path()));
        outbox.take(&mail("demo@example.org")).unwrap();
        outbox.settled().await;
        let got = sink.next().await;
        assert_eq!((got.from.as_str(), got.to.as_str()), ("<login@example.com>", "<demo@example.org>"), "{security:?}");
        assert_eq!(got.encrypted, security != MailSecurity::None);
        assert_eq!(got.authenticated, security != MailSecurity::None);
        for part in [
            "From: Login <login@example.com>",
            "To: demo@example.org",
            "Subject: Ihr =?utf-8?b?U2NobMO8c3NlbA==?=",
            "Message-ID: <",
        ] {
            assert!(got.text.contains(part), "{part} is not in {}", got.text);
        }
        assert!(got.text.contains("=C3=96ffne"), "{}", got.text);
    }
}

/// A server that takes no mail in clear is not talked to in clear, and one with a strange certificate not at all.
#[tokio::test(start_paused = true)]
async fn nothing_is_sent_to_a_server_that_cannot_be_believed() {
    let dir = tempfile::tempdir().unwrap();
    let mut sink = Sink::without_tls("250 OK").await;
    let plain = outbox(server(&sink, MailSecurity::StartTls, dir.path()));
    plain.take(&mail("demo@example.org")).unwrap();
    plain.settled().await;
    assert!(sink.is_empty());

    let mut sink = Sink::start(true, "250 OK").await;
    let strange = outbox(settings::Mail { ca_file: None, ..server(&sink, MailSecurity::Tls, dir.path()) });
    // Where the system has no certificates at all, nothing is taken in the first place.
    if strange.take(&mail("demo@example.org")).is_ok() {
        strange.settled().await;
    }
    assert!(sink.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_now_is_tried_again_and_what_is_refused_for_good_is_not() {
    let dir = tempfile::tempdir().unwrap();
    for (answer, attempts) in [("451 later", 2), ("550 never", 1)] {
        let sink = Sink::start(false, answer).await;
        let outbox = outbox(server(&sink, MailSecurity::None, dir.path()));
        outbox.take(&mail("demo@example.org")).unwrap();
        outbox.settled().await;
        assert_eq!(sink.attempts(), attempts, "{answer}");
    }
}

#[tokio::test]
async fn what_cannot_be_sent_or_finds_no_place_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Sink::silent().await;
    let outbox = outbox(server(&sink, MailSecurity::None, dir.path()));
    for to in
        ["", "nowhere", "a@example.org, b@example.org", "a@example.org\r\nBcc: b@example.org", "A <a@example.org>"]
    {
        assert!(matches!(outbox.take(&mail(to)), Err(MailError::Content(_))), "{to:?}");
    }
    let long = Mail { body: "x".repeat(2 << 20), ..mail("a@example.org") };
    assert!(matches!(outbox.take(&long), Err(MailError::Content(_))));
    for _ in 0..3 {
        outbox.take(&mail("a@example.org")).unwrap();
    }
    assert_eq!(outbox.take(&mail("a@example.org")), Err(MailError::Full));
    assert_eq!(Outbox::new(None).take(&mail("a@example.org")), Err(MailError::NoServer));
}

/// A subject cannot begin another header.
#[tokio::test]
async fn a_line_break_in_a_subject_is_a_space() {
    let dir = tempfile::tempdir().unwrap();
    let mut sink = Sink::start(false, "250 OK").await;
    let outbox = outbox(server(&sink, MailSecurity::None, dir.path()));
    let sly = Mail { subject: "Hello\r\nBcc: b@example.org".to_owned(), html: true, ..mail("a@example.org") };
    outbox.take(&sly).unwrap();
    outbox.settled().await;
    let got = sink.next().await;
    assert!(!got.text.contains("\r\nBcc:") && got.text.contains("Content-Type: text/html"), "{}", got.text);
}
