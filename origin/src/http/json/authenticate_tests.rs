use axum::http::Method;
use countersign_store::{Attributes, IdentityStatus};
use serde_json::{Value, json};

use crate::testing::{ALPHA, COOKIE, Origin, PASSWORD};

const CREDENTIALS: [(&str, &str); 2] = [("x-openam-username", "demo"), ("x-openam-password", PASSWORD)];

fn path(query: &str) -> String {
    format!("{ALPHA}/authenticate{query}")
}

/// The step with its inputs filled.
fn filled(mut step: Value, username: &str, password: &str) -> Value {
    step["callbacks"][0]["input"][0]["value"] = username.into();
    step["callbacks"][1]["input"][0]["value"] = password.into();
    step
}

#[tokio::test]
async fn a_journey_of_callbacks_ends_in_a_session() {
    let origin = Origin::new().await;
    let answer = origin.post(&path("?authIndexType=service&authIndexValue=Login"), &[], "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!((answer.header("content-api-version"), answer.cookie()), ("resource=2.1", None));
    let step = answer.json();
    assert_eq!(
        step,
        json!({
            "authId": step["authId"],
            "callbacks": [
                {"type": "NameCallback", "output": [{"name": "prompt", "value": "User Name"}],
                 "input": [{"name": "IDToken1", "value": ""}], "_id": 0},
                {"type": "PasswordCallback", "output": [{"name": "prompt", "value": "Password"}],
                 "input": [{"name": "IDToken2", "value": ""}], "_id": 1},
            ],
            "stage": "UsernamePassword",
            "header": "Sign in",
        })
    );
    let order: Vec<_> = step.as_object().unwrap().keys().cloned().collect();
    assert_eq!(order, ["authId", "callbacks", "stage", "header"]);

    // As the JavaScript SDK sends it: the whole step, with members of its own, and without the index.
    let mut back = filled(step, "demo", PASSWORD);
    back["status"] = 200.into();
    back["ok"] = true.into();
    let answer = origin.post(&path(""), &[], &back.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let token = answer.cookie().unwrap();
    assert_eq!(answer.json(), json!({"tokenId": token, "successUrl": "/am/console", "realm": "/alpha"}));
    assert_eq!(answer.header("set-cookie"), format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax"));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(origin.is_valid(&token).await);
}

#[tokio::test]
async fn every_form_of_a_start_gives_the_step() {
    let origin = Origin::new().await;
    for body in ["", "{}", "\"\"", " \n"] {
        assert!(origin.post(&path(""), &[], body).await.json()["authId"].is_string(), "{body:?}");
    }
    for path in [
        "/am/json/authenticate",
        "/am/json/authenticate/?realm=/alpha",
        "/am/json/authenticate?realm=alpha",
        "/am/json/alpha/authenticate",
        "/am/json/realms/root/authenticate?realm=/alpha",
        "/am/json/realms/root/realms/alpha/authenticate/?noSession=false&x=y",
        "/am/json/authenticate?service=Login",
        "/am/json/authenticate?authIndexType=SERVICE",
    ] {
        assert!(origin.post(path, &[], "").await.json()["authId"].is_string(), "{path}");
    }
    // Without a body no content type is needed.
    let bare = origin.send(Method::POST, &path(""), &[], "").await;
    assert!(bare.json()["authId"].is_string());
    assert!(bare.header("warning").contains("Accept-API-Version"));
}

#[tokio::test]
async fn credentials_in_headers_fill_the_step_whole_or_not_at_all() {
    let origin = Origin::new().await;
    let answer = origin.post(&path(""), &CREDENTIALS, "{}").await;
    assert!(origin.is_valid(answer.json()["tokenId"].as_str().unwrap()).await);
    let half = origin.post(&path(""), &CREDENTIALS[..1], "{}").await;
    assert!(half.json()["authId"].is_string());
    // What old XUIs send means nothing.
    let headers = [("x-nosession", "true"), ("x-username", "anonymous"), ("x-password", "anonymous")];
    assert!(origin.post(&path(""), &headers, "").await.json()["authId"].is_string());

    origin.add_user("démo", IdentityStatus::Active, &Attributes::new()).await;
    let encoded = [("x-openam-username", "=?UTF-8?B?ZMOpbW8=?="), ("x-openam-password", PASSWORD)];
    assert_eq!(origin.post(&path(""), &encoded, "{}").await.status, 200);
}

#[tokio::test]
async fn callbacks_answer_by_position() {
    let origin = Origin::new().await;
    let step = origin.post(&path(""), &[], "").await.json();
    let body = json!({"authId": step["authId"], "callbacks": [
        {"type": "NameCallback", "input": [{"name": "IDToken2", "value": "demo"}]},
        {"type": "PasswordCallback", "output": [{"name": "prompt", "value": "Kennwort:"}],
         "input": [{"name": "x", "value": PASSWORD}]},
    ]});
    assert!(origin.post(&path(""), &[], &body.to_string()).await.json()["tokenId"].is_string());
}

#[tokio::test]
async fn every_failed_login_looks_the_same() {
    let origin = Origin::new().await;
    let expected = json!({"code": 401, "reason": "Unauthorized", "message": "Login failure"});
    let long_name = "x".repeat(256);
    let long_password = "x".repeat(1025);
    for (username, password) in [
        ("demo", "wrong"),
        ("nobody", PASSWORD),
        ("gone", PASSWORD),
        ("dеmo", PASSWORD), // a Cyrillic е
        (long_name.as_str(), PASSWORD),
        ("demo", long_password.as_str()),
        ("a\0b", PASSWORD),
    ] {
        let step = origin.post(&path(""), &[], "").await.json();
        let answer = origin.post(&path(""), &[], &filled(step, username, password).to_string()).await;
        assert_eq!((answer.status, answer.json()), (401, expected.clone()), "{username:?}");
        assert_eq!((answer.cookie(), answer.header("content-type")), (None, "application/json"));
        assert_eq!(answer.header("content-api-version"), "resource=2.1");
    }
    // Whoever leaves a field empty is asked again, whatever the other one has.
    for (username, password) in [("demo", ""), ("nobody", ""), ("", PASSWORD), ("", "")] {
        let step = origin.post(&path(""), &[], "").await.json();
        let answer = origin.post(&path(""), &[], &filled(step, username, password).to_string()).await;
        assert_eq!((answer.status, answer.json()["callbacks"].as_array().unwrap().len()), (200, 2), "{username:?}");
    }
    let version_1 = [CREDENTIALS[0], ("x-openam-password", "x"), ("accept-api-version", "resource=1.0")];
    let old = origin.post(&path(""), &version_1, "{}").await;
    assert_eq!((old.status, old.json()), (401, json!({"errorMessage": "Login failure"})));
    assert_eq!(old.header("content-api-version"), "resource=1.1");
    let wrong = [CREDENTIALS[0], ("x-openam-password", "x")];
    let answer = origin.post(&path("?gotoOnFail=/sorry"), &wrong, "{}").await;
    assert_eq!(answer.json()["detail"], json!({"failureUrl": "http://localhost:8787/sorry"}));
    let answer = origin.post(&path("?gotoOnFail=//evil.example"), &wrong, "{}").await;
    assert_eq!(answer.json(), expected);
}

/// Nobody is refused without the work of a password check: whoever needs one is told to come back when there is no
/// place.
#[tokio::test]
async fn every_login_costs_a_password_check() {
    let origin = Origin::new().await;
    let busy = origin.app.passwords.occupy();
    let long_name = "x".repeat(256);
    let long_password = "x".repeat(1025);
    for (username, password) in [
        ("demo", PASSWORD),
        ("demo", "wrong"),
        ("demo", long_password.as_str()),
        ("nobody", PASSWORD),
        ("gone", PASSWORD),
        (long_name.as_str(), PASSWORD),
    ] {
        let headers = [("x-openam-username", username), ("x-openam-password", password)];
        let answer = origin.post(&path(""), &headers, "{}").await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{username:?}");
    }
    drop(busy);
    assert_eq!(origin.post(&path(""), &CREDENTIALS, "{}").await.status, 200);
}

#[tokio::test]
async fn start_errors_are_ams() {
    let origin = Origin::new().await;
    for (path, code, message) in [
        ("/am/json/realms/root/realms/nope/authenticate".to_owned(), 404, "Realm \"/nope\" not found"),
        ("/am/json/authenticate?realm=/nope".to_owned(), 400, "Domain is invalid"),
        (path("?authIndexType=service&authIndexValue=FRServiceAccountInternal"), 400, "No Configuration found"),
        (path("?service=Other"), 400, "No Configuration found"),
        (path("?authIndexType=module&authIndexValue=DataStore"), 400, "No Configuration found"),
        (path("?authIndexType=nonsense"), 400, "Unknown Authentication Index Type"),
        ("/am/json/realms/root/authenticate".to_owned(), 400, "No Configuration found"),
    ] {
        assert_eq!(origin.post(&path, &[], "{}").await.error(), (code, message.to_owned()), "{path}");
    }
    let text = [("content-type", "text/plain")];
    assert_eq!(origin.post(&path(""), &text, "{}").await.error(), (415, "Unsupported Media Type".into()));
    assert_eq!(origin.send(Method::POST, &path(""), &[], "{}").await.status, 415);
    for body in ["{", "[]", "1", "null", "\"x\"", "{\"a\":1}x"] {
        assert_eq!(origin.post(&path(""), &[], body).await.error().0, 400, "{body}");
    }
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(512 * 1024));
    assert_eq!(origin.post(&path(""), &[], &large).await.error().0, 413);
    // Short, but much in memory for as long as the login has to wait.
    let many = json!({"more": vec![0; 20_000]}).to_string();
    assert_eq!(origin.post(&path(""), &[], &many).await.error().0, 413);
    let get = origin.get(&path("")).await;
    assert_eq!((get.status, get.header("allow")), (405, "POST"));
}

#[tokio::test]
async fn faulty_callbacks_are_refused_by_ams_texts() {
    let origin = Origin::new().await;
    let step = origin.post(&path(""), &[], "").await.json();
    let count = "Incorrect number of callbacks found in JSON response";
    let kind = "Required callback not found in JSON response";
    let name = step["callbacks"][0].clone();
    let password = step["callbacks"][1].clone();
    let without_input = json!({"type": "PasswordCallback"});
    let two = json!({"type": "PasswordCallback", "input": [{"value": "a"}, {"value": "b"}]});
    let number = json!({"type": "PasswordCallback", "input": [{"value": 1}]});
    let input = "Callback input is missing or not valid";
    for (callbacks, message) in [
        (Value::Null, count),
        (json!({}), count),
        (json!([]), count),
        (json!([name]), count),
        (json!([name, password, password]), count),
        (json!([password, name]), kind),
        (json!([name, {}]), kind),
        (json!([name, 1]), kind),
        (json!([name, without_input]), input),
        (json!([name, two]), input),
        (json!([name, number]), input),
    ] {
        let body = json!({"authId": step["authId"], "callbacks": callbacks});
        let answer = origin.post(&path(""), &[], &body.to_string()).await;
        assert_eq!(answer.error(), (400, message.to_owned()), "{callbacks}");
    }
    let bare = json!({"authId": step["authId"]});
    assert_eq!(origin.post(&path(""), &[], &bare.to_string()).await.error(), (400, count.to_owned()));
}

#[tokio::test]
async fn auth_ids_that_are_not_good_are_told_apart() {
    let origin = Origin::new().await;
    let step = origin.post(&path(""), &[], "").await.json();
    let send = async |auth_id: Value| {
        let mut body = filled(step.clone(), "demo", PASSWORD);
        body["authId"] = auth_id;
        origin.post(&path(""), &[], &body.to_string()).await
    };
    let auth_id = step["authId"].as_str().unwrap();
    let (rest, signature) = auth_id.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{rest}.{flipped}{}", &signature[1..]);
    assert_eq!(send(forged.into()).await.error(), (400, "AuthId JWT Signature not valid".into()));
    for (text, why) in [("x", true), ("", true), ("a.b.c", true), ("eyJhbGciOiJub25lIn0.e30.", true)] {
        let (code, message) = send(text.into()).await.error();
        assert_eq!((code, message.starts_with("Failed to parse JWT, ")), (400, why), "{text}: {message}");
    }
    assert!(send(json!(1)).await.error().1.starts_with("Failed to parse JWT, "));

    // Another installation's, hence another key's.
    let other = Origin::new().await.post(&path(""), &[], "").await.json();
    assert_eq!(send(other["authId"].clone()).await.error(), (400, "AuthId JWT Signature not valid".into()));

    origin.clock.advance(300);
    let expired = send(auth_id.into()).await;
    assert_eq!(
        (expired.status, expired.json()),
        (
            401,
            json!({"code": 401, "reason": "Unauthorized", "message": "Session has timed out",
                     "detail": {"errorCode": "110"}})
        )
    );
}

#[tokio::test]
async fn two_processes_continue_each_others_journeys() {
    let first = Origin::new().await;
    let second = first.second().await;
    let step = first.post(&path(""), &[], "").await.json();
    let answer = second.post(&path(""), &[], &filled(step, "demo", PASSWORD).to_string()).await;
    let token = answer.cookie().unwrap();
    assert!(first.is_valid(&token).await);
    first.log_out(&token).await;
    assert!(!second.is_valid(&token).await);
}

#[tokio::test]
async fn no_session_means_no_token() {
    let origin = Origin::new().await;
    let answer = origin.post(&path("?noSession=true"), &CREDENTIALS, "{}").await;
    assert_eq!(
        answer.json(),
        json!({"message": "Authentication Successful", "successUrl": "/am/console", "realm": "/alpha"})
    );
    assert_eq!(answer.cookie(), None);
    assert!(origin.post(&path("?noSession=false"), &CREDENTIALS, "{}").await.cookie().is_some());
}

#[tokio::test]
async fn a_session_that_is_there_is_kept_and_not_told() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    let cookie = format!("{COOKIE}={token}");
    for presented in [("cookie", cookie.as_str()), ("IPLANETDIRECTORYPRO", token.as_str())] {
        let answer = origin.post(&path(""), &[presented], "").await;
        assert_eq!(answer.json(), json!({"tokenId": "", "successUrl": "/am/console", "realm": "/alpha"}));
        assert_eq!(answer.cookie(), None);
    }

    let forced = origin.post(&path("?ForceAuth=true"), &[("cookie", &cookie)], "").await.json();
    assert!(forced["authId"].is_string());
    assert!(origin.is_valid(&token).await, "nothing is lost before the new login succeeds");
    let body = filled(forced, "demo", PASSWORD).to_string();
    let answer = origin.post(&path("?ForceAuth=true"), &[("cookie", &cookie)], &body).await;
    assert_eq!(answer.json()["tokenId"], "");
    assert!(origin.is_valid(&answer.cookie().unwrap()).await);
    assert!(!origin.is_valid(&token).await, "the replaced session is over");

    let dead = origin.post(&path(""), &[("cookie", &cookie)], "").await.json();
    assert!(dead["authId"].is_string(), "a dead session is none");
}

/// S01 and S02: another family, and the old one is over, in whichever way it was presented.
#[tokio::test]
async fn s01_s02_an_upgrade_replaces_the_session() {
    let origin = Origin::new().await;
    for by_cookie in [true, false] {
        let old = origin.log_in().await;
        let cookie = format!("{COOKIE}={old}");
        let presented = if by_cookie { ("cookie", cookie.as_str()) } else { (COOKIE, old.as_str()) };
        let headers = [presented, CREDENTIALS[0], CREDENTIALS[1]];
        let sid = async |token: &str| {
            let body = json!({"tokenId": token}).to_string();
            origin.post(&format!("{ALPHA}/sessions?_action=validate"), &[], &body).await.json()["sessionUid"].clone()
        };
        let before = sid(&old).await;

        // B7: a login that fails costs nobody the session.
        let wrong = [presented, CREDENTIALS[0], ("x-openam-password", "x")];
        let failed = origin.post(&path("?ForceAuth=true"), &wrong, "{}").await;
        assert_eq!((failed.status, failed.cookie()), (401, None));
        assert!(origin.is_valid(&old).await);

        let answer = origin.post(&path("?ForceAuth=true"), &headers, "{}").await;
        assert_eq!((answer.status, &answer.json()["tokenId"]), (200, &json!("")));
        let new = answer.cookie().unwrap();
        assert_ne!(sid(&new).await, before);
        assert!(origin.is_valid(&new).await && !origin.is_valid(&old).await);
    }
}

#[tokio::test]
async fn anothers_session_is_not_upgraded() {
    let origin = Origin::new().await;
    origin.add_user("eve", IdentityStatus::Active, &Attributes::new()).await;
    let token = origin.log_in().await;
    let cookie = format!("{COOKIE}={token}");
    let headers = [("cookie", cookie.as_str()), ("x-openam-username", "eve"), CREDENTIALS[1]];
    let answer = origin.post(&path("?ForceAuth=true"), &headers, "{}").await;
    assert_eq!((answer.error(), answer.cookie()), ((401, "Login failure".into()), None));
    assert!(origin.is_valid(&token).await, "and it stays as it was");
}

#[tokio::test]
async fn goto_becomes_the_success_url_when_it_is_allowed() {
    let origin = Origin::with("[validation]\nvalid_goto_destinations = [\"https://app.example.com\"]\n").await;
    for (query, expected) in [
        ("?goto=https%3A%2F%2Fapp.example.com%2Fx%3Fy%3Dz", "https://app.example.com/x?y=z"),
        ("?goto=/x", "http://localhost:8787/x"),
        ("?goto=//evil.example", "/am/console"),
        ("?goto=/x&goto=/y", "/am/console"),
        ("?goto=", "/am/console"),
    ] {
        let answer = origin.post(&path(query), &CREDENTIALS, "{}").await;
        assert_eq!(answer.json()["successUrl"], expected, "{query}");
    }
}

#[tokio::test]
async fn a_session_too_large_for_a_cookie_is_refused_in_words() {
    let origin = Origin::new().await;
    let attributes = Attributes::from([("cn".to_owned(), vec!["x".repeat(4000)])]);
    origin.add_user("large", IdentityStatus::Active, &attributes).await;
    // From before the attribute grew.
    let (app, none) = (&origin.app, Attributes::new());
    let small = crate::sessions::Subject { realm: "/alpha", username: "large", attributes: &none, inherited: None };
    let (settings, ring) = (app.settings(), app.keys());
    let settings = &settings.realm("/alpha").session;
    let keys = &ring.realms["/alpha"];
    let old = crate::sessions::mint(settings, keys, small, 0, app.clock.now().seconds(), &*app.entropy).unwrap().token;
    assert!(origin.is_valid(&old).await);
    let cookie = format!("{COOKIE}={old}");
    let headers = [("x-openam-username", "large"), CREDENTIALS[1], ("cookie", cookie.as_str())];
    let answer = origin.post(&path("?ForceAuth=true"), &headers, "{}").await;
    let message = "The session cannot be issued: it does not fit into a cookie";
    assert_eq!(answer.error(), (500, message.to_owned()));
    assert_eq!(answer.cookie(), None);
    assert!(origin.is_valid(&old).await, "whoever gets no new session keeps the old one");
}

/// A watermark between the look at the identity and the token: the password may have been changed with it.
#[tokio::test]
async fn what_happens_during_a_login_ends_its_session() {
    use countersign_core::denylist::{Entry, Kind, Slot};
    use countersign_store::denylist::NewEntry;

    let origin = Origin::new().await;
    let app = &origin.app;
    let credentials = || crate::journey::Credentials { username: "demo".into(), password: PASSWORD.to_owned().into() };
    let authenticated = async || {
        let (request, to) = (countersign_journey::Request::default(), crate::journey::Destinations::default());
        let begun = crate::journey::begin(app, "/alpha", "Login", &request, Some(&credentials()), to).await;
        match begun.unwrap() {
            crate::journey::Outcome::Success(succeeded) => {
                succeeded.authenticated(app, "/alpha").await.unwrap().unwrap()
            }
            _ => panic!("the password is right"),
        }
    };
    let before = authenticated().await;
    let fingerprint = app.keys().denylist.fingerprint(Kind::User, "/alpha", b"demo");
    let entry = Entry { kind: Kind::User, slot: Slot(u32::MAX), fingerprint };
    let new = NewEntry::new(entry, "/alpha", "password", "admin");
    app.store.denylist().append(new, app.clock.now().seconds()).await.unwrap();
    let token = crate::sessions::issue(app, &before, None).await.unwrap().token;
    assert!(!origin.is_valid(&token).await);
    let token = crate::sessions::issue(app, &authenticated().await, None).await.unwrap().token;
    assert!(origin.is_valid(&token).await);
}

#[tokio::test]
async fn a_login_renews_a_hash_of_other_parameters() {
    let origin = Origin::new().await;
    let identities = origin.app.store.identities();
    let stored = async || identities.get("/alpha", "demo").await.unwrap().unwrap().password_hash;
    let other = argon2::Argon2::new(
        argon2::Algorithm::Argon2id,
        argon2::Version::V0x13,
        argon2::Params::new(16, 2, 1, None).unwrap(),
    );
    let old = crate::passwords::hash(&other, PASSWORD.as_bytes(), &crate::SystemEntropy).unwrap();
    assert_eq!(identities.renew_password_hash("/alpha", "demo", &stored().await, &old).await, Ok(true));
    let wrong = [CREDENTIALS[0], ("x-openam-password", "x")];
    assert_eq!(origin.post(&path(""), &wrong, "{}").await.status, 401);
    assert_eq!(stored().await, old);
    assert_eq!(origin.post(&path(""), &CREDENTIALS, "{}").await.status, 200);
    let renewed = stored().await;
    assert!(renewed.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{renewed}");
    assert_eq!(origin.post(&path(""), &CREDENTIALS, "{}").await.status, 200);
    assert_eq!(stored().await, renewed);
}

#[tokio::test]
async fn droppable_properties_are_left_out_in_order_and_only_when_needed() {
    let origin =
        Origin::with("[session]\noversize = \"drop\"\ndroppable_properties = [\"absent\", \"cn\", \"mail\"]\n").await;
    let many = |cn: usize, mail: usize| {
        let value = |length| vec!["x".repeat(length)];
        Attributes::from([("cn".to_owned(), value(cn)), ("mail".to_owned(), value(mail))])
    };
    origin.add_user("fits", IdentityStatus::Active, &many(100, 100)).await;
    origin.add_user("one", IdentityStatus::Active, &many(3000, 100)).await;
    origin.add_user("both", IdentityStatus::Active, &many(3000, 12_000)).await;
    for (user, cn, mail) in [("fits", true, true), ("one", false, true), ("both", false, false)] {
        let answer = origin.post(&path(""), &[("x-openam-username", user), CREDENTIALS[1]], "{}").await;
        assert!(answer.header("set-cookie").len() <= 4096);
        let token = answer.cookie().unwrap();
        let standing = crate::sessions::judge(&origin.app, token.as_bytes()).await.unwrap();
        let session = standing.valid().unwrap();
        let properties = &session.claims().properties;
        assert_eq!((properties.get("cn").is_some(), properties.get("mail").is_some()), (cn, mail), "{user}");
    }
}

#[tokio::test]
async fn when_the_database_is_gone_no_login_succeeds() {
    let origin = Origin::new().await;
    origin.app.store.close().await;
    let answer = origin.post(&path(""), &CREDENTIALS, "{}").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
}

/// S-series: neither password, nor token, nor cookie reaches the log, at any level.
#[tokio::test]
async fn the_log_has_no_secrets() {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let origin = Origin::new().await;
    let lines = Lines::default();
    let writer = lines.clone();
    let log = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone());
    // With one subscriber only, an event that another test's thread comes to first is switched off for all threads.
    let _second = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish());
    let guard = tracing::subscriber::set_default(log.finish());
    let secret = "Pa55w0rd-in-a-query";
    let answer = origin.post(&path(&format!("?x={secret}")), &CREDENTIALS, "{}").await;
    let token = answer.cookie().unwrap();
    origin.post(&path(""), &[("x-openam-username", secret), ("x-openam-password", "wrong-password")], "{}").await;
    origin.post(&format!("/am/json/sessions/{token}?_action=validate"), &[], "").await;
    origin.post(&format!("/am/json/sessions?_action=validate&tokenId={token}"), &[], "").await;
    // Wherever in a path a token is put, and whatever it is mistaken for.
    for wrong in
        ["/am/json/%73essions/", "/sessionsx/", "/am/json/", "/am/json/realms/", "/am/UI/Login/", "/", "/am/console/"]
    {
        for path in [format!("{wrong}{token}"), format!("{wrong}{token}/authenticate")] {
            origin.post(&path, &[], "").await;
            origin.send(Method::from_bytes(b"LEAK-IN-A-METHOD").unwrap(), &path, &[], "").await;
        }
    }
    origin.log_out(&token).await;
    origin.app.store.close().await;
    origin.post(&path(""), &CREDENTIALS, "{}").await;
    drop(guard);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    for route in ["/am/json/…/authenticate", "/am/json/…/sessions/{token}", "/am/console/{asset}", "no route"] {
        assert!(text.contains(&format!("route=\"{route}\"")), "{route} is not in the log: {text}");
    }
    assert!(text.contains("could not answer"), "{text}");
    for secret in
        [secret, PASSWORD, "wrong-password", "LEAK-IN-A-METHOD", token.as_str(), token.rsplit_once('.').unwrap().1]
    {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn an_advice_starts_the_journey_it_names_whatever_the_session() {
    let origin = Origin::new().await;
    let start = async |attribute: &str, value: &str, headers: &[(&str, &str)]| {
        let xml = format!(
            "<Advices><AttributeValuePair><Attribute name=\"{attribute}\"/><Value>{value}</Value></AttributeValuePair></Advices>"
        );
        let xml: String = url::form_urlencoded::byte_serialize(xml.as_bytes()).collect();
        origin.post(&path(&format!("?authIndexType=composite_advice&authIndexValue={xml}")), headers, "").await
    };
    let token = origin.post(&path(""), &CREDENTIALS, "{}").await.cookie().unwrap();
    let session = [(COOKIE, token.as_str())];
    for (attribute, value) in [
        ("AuthenticateToTreeConditionAdvice", "Login"),
        ("AuthenticateToServiceConditionAdvice", "/alpha:Login"),
        ("AuthenticateToRealmConditionAdvice", "/alpha"),
    ] {
        let answer = start(attribute, value, &session).await;
        assert_eq!((answer.status, answer.json()["authId"].is_string()), (200, true), "{attribute}");
    }
    for (attribute, value) in [
        ("AuthenticateToTreeConditionAdvice", "None"),
        ("AuthenticateToRealmConditionAdvice", "/beta"),
        ("AuthLevelConditionAdvice", "5"),
        ("TransactionConditionAdvice", "1"),
    ] {
        let answer = start(attribute, value, &session).await;
        assert_eq!(answer.error(), (400, "No Configuration found".into()), "{attribute}");
    }
}
