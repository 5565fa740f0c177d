use axum::http::Method;
use countersign_store::{Attributes, IdentityStatus};
use serde_json::json;

use crate::journey::tests::{import, journey};
use crate::testing::{Answer, COOKIE, Origin, PASSWORD};

const LOGIN: &str = "/am/UI/Login?realm=/alpha";
const LOGOUT: &str = "/am/UI/Logout?realm=/alpha";
const OWN: [(&str, &str); 2] =
    [("sec-fetch-site", "same-origin"), ("content-type", "application/x-www-form-urlencoded")];

/// The value of a hidden field.
fn hidden(page: &Answer, name: &str) -> Option<String> {
    let text = page.text();
    let (_, after) = text.split_once(&format!("name=\"{name}\" value=\""))?;
    Some(after.split('"').next()?.to_owned())
}

fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

async fn submit(origin: &Origin, headers: &[(&str, &str)], goto: &str, password: &str) -> Answer {
    let page = origin.get(LOGIN).await;
    let auth_id = hidden(&page, "authId").unwrap();
    let fields = [("authId", auth_id.as_str()), ("goto", goto), ("IDToken1", "demo"), ("IDToken2", password)];
    origin.send(Method::POST, LOGIN, headers, &form(&fields)).await
}

#[tokio::test]
async fn a_browser_without_scripts_signs_in_and_out() {
    let origin = Origin::new().await;
    let page = origin.get("/am/UI/Login?realm=/alpha&goto=/app%3Fx%3Dy").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert_eq!(hidden(&page, "goto").as_deref(), Some("http://localhost:8787/app?x=y"));
    assert!(!page.text().contains("<script"));

    let answer = submit(&origin, &OWN, "http://localhost:8787/app?x=y", PASSWORD).await;
    assert_eq!((answer.status, answer.header("location")), (303, "http://localhost:8787/app?x=y"));
    let token = answer.cookie().unwrap();
    assert!(origin.is_valid(&token).await);
    let cookie = format!("{COOKIE}={token}");
    let cookies = [("cookie", cookie.as_str())];

    let signed_in = origin.get_with(LOGIN, &cookies).await;
    assert!(signed_in.status == 200 && signed_in.text().contains("signed in to alpha as demo"));
    let onwards = origin.get_with("/am/UI/Login?realm=/alpha&goto=/app", &cookies).await;
    assert_eq!((onwards.status, onwards.header("location")), (303, "http://localhost:8787/app"));

    let question = origin.get_with("/am/UI/Logout?realm=/alpha&goto=/app", &cookies).await;
    assert!(question.status == 200 && question.text().contains("<strong>demo</strong>"));
    assert!(origin.is_valid(&token).await, "asking ends nothing");
    let headers = [OWN[0], OWN[1], cookies[0]];
    let done = origin.send(Method::POST, LOGOUT, &headers, "goto=/app").await;
    assert_eq!((done.status, done.cookie().as_deref()), (303, Some("")));
    assert_eq!(
        done.header("location"),
        "/am/UI/Login?realm=%2Falpha&goto=http%3A%2F%2Flocalhost%3A8787%2Fapp&signedOut=true"
    );
    assert!(!origin.is_valid(&token).await);
    let login = origin.get_with(done.header("location"), &cookies).await;
    assert!(login.text().contains("You are signed out."));
    assert_eq!(hidden(&login, "goto").as_deref(), Some("http://localhost:8787/app"));
    assert_eq!(origin.get_with(LOGOUT, &cookies).await.status, 303, "nothing to sign out of");
}

#[tokio::test]
async fn a_wrong_password_keeps_the_name_and_a_late_form_begins_anew() {
    let origin = Origin::new().await;
    let wrong = submit(&origin, &OWN, "/app", "<wrong>").await;
    assert_eq!((wrong.status, wrong.cookie()), (401, None));
    assert!(wrong.text().contains("User name or password is wrong.") && wrong.text().contains("value=\"demo\""));
    assert!(!wrong.text().contains("wrong&gt;") && !wrong.text().contains("<wrong>"), "the password is not shown");
    assert_eq!(hidden(&wrong, "goto").as_deref(), Some("http://localhost:8787/app"));

    let old = hidden(&wrong, "authId").unwrap();
    origin.clock.advance(301);
    let fields = form(&[("authId", &old), ("IDToken1", "\"><b>"), ("IDToken2", PASSWORD)]);
    let late = origin.send(Method::POST, LOGIN, &OWN, &fields).await;
    assert!(late.status == 200 && late.text().contains("took too long"));
    assert!(!late.text().contains("<b>"), "what was typed is escaped");
    assert!(hidden(&late, "authId").unwrap() != old);
    let none = origin.send(Method::POST, LOGIN, &OWN, "").await;
    assert!(none.status == 200 && hidden(&none, "authId").is_some());
}

/// A second click, the back button, another window.
#[tokio::test]
async fn a_form_that_was_sent_before_says_so() {
    let origin = Origin::new().await;
    let page = origin.get(LOGIN).await;
    let auth_id = hidden(&page, "authId").unwrap();
    let fields = form(&[("authId", &auth_id), ("IDToken1", "demo"), ("IDToken2", PASSWORD)]);
    let done = origin.send(Method::POST, LOGIN, &OWN, &fields).await;
    let cookie = format!("{COOKIE}={}", done.cookie().unwrap());
    let again = origin.send(Method::POST, LOGIN, &OWN, &fields).await;
    let text = again.text();
    assert!(again.status == 200 && text.contains("was sent before") && !text.contains("took too long"), "{text}");
    assert!(hidden(&again, "authId").unwrap() != auth_id);
    // Whoever is signed in by the first one is told that.
    let headers = [OWN[0], OWN[1], ("cookie", cookie.as_str())];
    let signed_in = origin.send(Method::POST, LOGIN, &headers, &fields).await;
    assert!(signed_in.text().contains("signed in to alpha as demo"), "{}", signed_in.text());
    let onwards = format!("{fields}&goto=/app");
    let onwards = origin.send(Method::POST, LOGIN, &headers, &onwards).await;
    assert_eq!((onwards.status, onwards.header("location")), (303, "http://localhost:8787/app"));
}

const OUT: &[&str] = &["outcome"];

/// What stands between two texts.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, after) = text.split_once(from).unwrap_or_else(|| panic!("{from} is not in {text}"));
    after.split(to).next().unwrap()
}

#[tokio::test]
async fn security_questions_are_chosen_from_a_list_or_are_the_users_own() {
    let origin = Origin::with("[identities.kba]\nquestions = { a = \"Colour?\", b = \"Town?\" }\n").await;
    let own =
        [("KbaCreateNode", json!({"message": {"en": "Pick"}}), OUT), ("MessageNode", json!({}), &["true", "false"])];
    let only = [("KbaCreateNode", json!({"allowUserDefinedQuestions": false}), OUT)];
    import(&origin, &[journey("Own", json!({}), &own), journey("Only", json!({}), &only)]).await;
    let path = "/am/UI/Login?realm=/alpha&service=Own";
    let page = origin.get(path).await;
    let select = between(&page.text(), "<select id=\"IDToken1question\"", "</select>").to_owned();
    assert!(
        select.contains("<option value=\"Town?\">Town?</option>") && select.contains("My own question"),
        "{select}"
    );
    assert!(page.text().contains("name=\"IDToken1ownQuestion\"") && !page.text().contains("datalist"));
    let send = async |page: &Answer, questions: [(&str, &str); 2]| {
        let auth_id = hidden(page, "authId").unwrap();
        let fields = form(&[
            ("authId", &auth_id),
            ("IDToken1question", questions[0].0),
            ("IDToken1ownQuestion", questions[0].1),
            ("IDToken1answer", "x"),
            ("IDToken2question", questions[1].0),
            ("IDToken2ownQuestion", questions[1].1),
            ("IDToken2answer", "y"),
        ]);
        origin.send(Method::POST, path, &OWN, &fields).await
    };
    let twice = send(&page, [("Town?", ""), ("", "town")]).await;
    let text = twice.text();
    assert!(text.contains("This question was chosen before."), "{text}");
    assert!(text.contains("<option value=\"Town?\" selected>") && text.contains("value=\"town\""), "{text}");
    let done = send(&twice, [("Town?", "ignored"), ("", "Pet?")]).await;
    assert!(!done.text().contains("IDToken1question"), "{}", done.text());

    let page = origin.get("/am/UI/Login?realm=/alpha&service=Only").await.text();
    assert!(
        page.contains("id=\"IDToken1question\" name=\"IDToken1question\" required") && !page.contains("ownQuestion")
    );
}

#[tokio::test]
async fn the_first_wrong_field_has_the_focus() {
    let origin = Origin::new().await;
    let page = json!({"nodes": [
        {"_id": "c0", "nodeType": "ValidatedUsernameNode", "displayName": "x"},
        {"_id": "c1", "nodeType": "ValidatedPasswordNode", "displayName": "x"},
        {"_id": "c2", "nodeType": "AttributeCollectorNode", "displayName": "x"},
    ]});
    let mut all = journey("All", json!({}), &[("PageNode", page, OUT)]);
    let of = |kind: &str| {
        json!({"_type": {"_id": kind}, "validateInput": true, "validateInputs": true,
        "attributesToCollect": ["givenName", "mail"], "identityAttribute": "userName"})
    };
    all["innerNodes"] = json!({"c0": of("ValidatedUsernameNode"), "c1": of("ValidatedPasswordNode"), "c2": of("AttributeCollectorNode")});
    import(&origin, &[all]).await;
    let path = "/am/UI/Login?realm=/alpha&service=All";
    let focused = |page: &Answer| {
        let text = page.text();
        let fields = text.split("<input ").filter(|field| field.split('>').next().unwrap().contains(" autofocus"));
        fields.map(|field| between(field, "name=\"", "\"").to_owned()).collect::<Vec<_>>().join(" ")
    };
    let page = origin.get(path).await;
    assert_eq!(focused(&page), "IDToken1");
    let auth_id = hidden(&page, "authId").unwrap();
    let fields = [("IDToken1", "new"), ("IDToken2", "L0ngEnough"), ("IDToken3", ""), ("IDToken4", "nowhere")];
    let fields = form(&[&[("authId", auth_id.as_str())], &fields[..]].concat());
    let wrong = origin.send(Method::POST, path, &OWN, &fields).await;
    assert!(wrong.text().contains("not an e-mail address"), "{}", wrong.text());
    assert_eq!(focused(&wrong), "IDToken4");
}

#[tokio::test]
async fn a_suspended_journey_does_not_ask_to_sign_in() {
    let origin = Origin::new().await;
    let nodes = [
        ("UsernameCollectorNode", json!({}), OUT),
        ("EmailSuspendNode", json!({"objectLookup": true, "emailTemplateName": "none"}), OUT),
    ];
    import(&origin, &[journey("Link", json!({}), &nodes)]).await;
    let path = "/am/UI/Login?realm=/alpha&service=Link";
    let page = origin.get(path).await;
    assert!(page.text().contains("<title>Sign in"));
    let fields = form(&[("authId", &hidden(&page, "authId").unwrap()), ("IDToken1", "demo")]);
    let waiting = origin.send(Method::POST, path, &OWN, &fields).await.text();
    assert!(
        waiting.contains("<title>Check your messages") && waiting.contains("<h1>Check your messages</h1>"),
        "{waiting}"
    );
}

#[tokio::test]
async fn a_success_without_destination_leads_to_the_page_itself() {
    let origin = Origin::new().await;
    for goto in ["", "//evil.example", "javascript:alert(1)"] {
        let answer = submit(&origin, &OWN, goto, PASSWORD).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/am/UI/Login?realm=%2Falpha"), "{goto}");
    }
}

#[tokio::test]
async fn forms_of_other_sites_are_refused() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    let cookie = format!("{COOKIE}={token}");
    let own = "http://localhost:8787";
    for (headers, taken) in [
        (vec![("sec-fetch-site", "same-origin")], true),
        (vec![("sec-fetch-site", "none")], true),
        (vec![("origin", own)], true),
        (vec![("sec-fetch-site", "same-site")], false),
        (vec![("sec-fetch-site", "cross-site")], false),
        (vec![("sec-fetch-site", "cross-site"), ("origin", own)], false),
        (vec![("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], false),
        (vec![("origin", "http://localhost:8788")], false),
        (vec![("origin", "https://localhost:8787")], false),
        (vec![("origin", "http://localhost:8787.evil.example")], false),
        (vec![("origin", "null")], false),
        (vec![("origin", own), ("origin", "http://evil.example")], false),
        (vec![], false),
    ] {
        let answer = submit(&origin, &headers, "", PASSWORD).await;
        assert_eq!(answer.status, if taken { 303 } else { 403 }, "{headers:?}");
        assert_eq!(answer.cookie().is_some(), taken);
        if !taken {
            let mut headers = headers;
            headers.push(("cookie", &cookie));
            let answer = origin.send(Method::POST, LOGOUT, &headers, "").await;
            assert_eq!((answer.status, answer.cookie()), (403, None));
        }
    }
    assert!(origin.is_valid(&token).await);
}

#[tokio::test]
async fn pages_are_strict() {
    let origin = Origin::with("[validation]\nvalid_goto_destinations = [\"https://app.example.com/x/*\"]\n").await;
    for path in [LOGIN, "/am/XUI/", "/am/XUI/?realm=/alpha", "/am/UI/Login?realm=/nope"] {
        let page = origin.get(path).await;
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
            (
                "content-security-policy",
                "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self' https://app.example.com; \
                 frame-ancestors 'none'; base-uri 'none'",
            ),
        ] {
            assert_eq!(page.header(name), value, "{path}: {name}");
        }
        assert!(!page.header("permissions-policy").is_empty());
    }
    assert_eq!(origin.get("/am/UI/Login?realm=/nope").await.status, 404);
    assert_eq!(origin.get("/am/UI/Login?service=Other").await.status, 400);
    assert_eq!(origin.get("/am/UI/Login?service=Login").await.status, 200);
    let large = "x".repeat(64 * 1024 + 1);
    assert_eq!(origin.send(Method::POST, LOGIN, &OWN, &large).await.status, 413);
}

#[tokio::test]
async fn a_new_login_ends_the_session_it_replaces() {
    let origin = Origin::new().await;
    let old = origin.log_in().await;
    let cookie = format!("{COOKIE}={old}");
    let headers = [OWN[0], OWN[1], ("cookie", cookie.as_str())];
    let answer = submit(&origin, &headers, "", PASSWORD).await;
    assert_eq!(answer.status, 303);
    assert!(!origin.is_valid(&old).await);
    assert!(origin.is_valid(&answer.cookie().unwrap()).await);
}

#[tokio::test]
async fn a_session_that_cannot_be_replaced_goes_on() {
    let origin = Origin::new().await;
    let attributes = Attributes::from([("cn".to_owned(), vec!["x".repeat(4000)])]);
    origin.add_user("large", IdentityStatus::Active, &attributes).await;
    let old = origin.log_in().await;
    let cookie = format!("{COOKIE}={old}");
    let page = origin.get(LOGIN).await;
    let fields = form(&[("authId", &hidden(&page, "authId").unwrap()), ("IDToken1", "large"), ("IDToken2", PASSWORD)]);
    let answer = origin.send(Method::POST, LOGIN, &[OWN[0], OWN[1], ("cookie", &cookie)], &fields).await;
    assert_eq!((answer.status, answer.cookie()), (503, None));
    assert!(origin.is_valid(&old).await);
}

/// An edge that refuses what the origin takes for valid would otherwise send the browser round for ever.
#[tokio::test]
async fn whoever_is_signed_in_can_be_asked_again() {
    let origin = Origin::new().await;
    let old = origin.log_in().await;
    let cookie = format!("{COOKIE}={old}");
    let forced = "/am/UI/Login?realm=/alpha&goto=/app&ForceAuth=true";
    let page = origin.get_with(forced, &[("cookie", &cookie)]).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("Please sign in again."));
    assert!(origin.is_valid(&old).await, "asking ends nothing");

    let action = |page: &Answer| page.text().split_once("action=\"").unwrap().1.split('"').next().unwrap().to_owned();
    let to = "/am/UI/Login?realm=%2Falpha&ForceAuth=true";
    assert_eq!(action(&page).replace("&#38;", "&").replace("&amp;", "&"), to);
    let headers = [OWN[0], OWN[1], ("cookie", cookie.as_str())];
    let fields = |page: &Answer, password: &str| {
        let (auth_id, goto) = (hidden(page, "authId").unwrap(), hidden(page, "goto").unwrap());
        form(&[("authId", &auth_id), ("goto", &goto), ("IDToken1", "demo"), ("IDToken2", password)])
    };
    let wrong = origin.send(Method::POST, to, &headers, &fields(&page, "wrong")).await;
    assert_eq!((wrong.status, action(&wrong)), (401, action(&page)), "the flag stays");
    assert!(origin.is_valid(&old).await);
    let done = origin.send(Method::POST, to, &headers, &fields(&wrong, PASSWORD)).await;
    assert_eq!((done.status, done.header("location")), (303, "http://localhost:8787/app"));
    assert!(!origin.is_valid(&old).await);
    assert!(origin.is_valid(&done.cookie().unwrap()).await);
}

#[tokio::test]
async fn an_applications_own_button_signs_out() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    let cookie = format!("{COOKIE}={token}");
    let headers = [OWN[0], ("cookie", cookie.as_str())];
    let done = origin.send(Method::POST, "/am/UI/Logout?realm=/alpha&goto=/", &headers, "").await;
    assert_eq!(
        done.header("location"),
        "/am/UI/Login?realm=%2Falpha&goto=http%3A%2F%2Flocalhost%3A8787%2F&signedOut=true"
    );
    assert!(!origin.is_valid(&token).await);
}

#[tokio::test]
async fn a_sign_out_that_cannot_be_recorded_says_so() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    origin.app.store.close().await;
    let cookie = format!("{COOKIE}={token}");
    let answer = origin.send(Method::POST, LOGOUT, &[OWN[0], ("cookie", &cookie)], "").await;
    assert!(answer.status == 503 && answer.text().contains("not effective yet"));
    assert_eq!(answer.cookie().as_deref(), Some(""));
}

#[tokio::test]
async fn assets_are_embedded_and_revalidated() {
    let origin = Origin::new().await;
    let page = origin.get(LOGIN).await.text();
    for (name, kind) in
        [("console.css", "text/css; charset=utf-8"), ("mark.svg", "image/svg+xml"), ("favicon.svg", "image/svg+xml")]
    {
        let path = format!("/am/console/{name}");
        assert!(page.contains(&path), "{name} is used");
        let asset = origin.get(&path).await;
        assert_eq!((asset.status, asset.header("content-type")), (200, kind));
        let again = origin.get_with(&path, &[("if-none-match", asset.header("etag"))]).await;
        assert_eq!((again.status, again.body.len()), (304, 0));
    }
    assert_eq!(origin.get("/am/console/../Cargo.toml").await.status, 404);
    assert_eq!(origin.get("/am/console/x").await.status, 404);
    assert_eq!(origin.get("/am/console").await.header("location"), "/am/UI/Login");
}

#[tokio::test]
async fn on_https_the_cookie_is_secure_and_host_only() {
    let origin = Origin::at("https://login.example.com", "").await;
    let page = origin.get(LOGIN).await;
    let fields = form(&[("authId", &hidden(&page, "authId").unwrap()), ("IDToken1", "demo"), ("IDToken2", PASSWORD)]);
    let answer = origin.send(Method::POST, LOGIN, &[("origin", "https://login.example.com"), OWN[1]], &fields).await;
    let set = answer.header("set-cookie");
    assert!(
        set.starts_with("__Host-iPlanetDirectoryPro=") && set.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax")
    );
}

#[tokio::test]
async fn an_address_without_a_page_has_one_that_says_so() {
    let origin = Origin::new().await;
    for path in ["/am/nonsense", "/am/UI/", "/nonsense"] {
        let answer = origin.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text().contains("No such page"), "{path}");
    }
    for path in ["/am", "/am/", "/am/console"] {
        assert_eq!((origin.get(path).await.status, origin.get(path).await.header("location")), (303, "/am/UI/Login"));
    }
}

/// Two people at one browser: the second one's session is a new one, with nothing of the first one's, which is over.
#[tokio::test]
async fn s01_anothers_login_takes_nothing_over() {
    let origin = Origin::new().await;
    origin.add_user("eve", IdentityStatus::Active, &Attributes::new()).await;
    let old = origin.log_in().await;
    let cookie = format!("{COOKIE}={old}");
    let auth_id = hidden(&origin.get(LOGIN).await, "authId").unwrap();
    let fields = [("authId", auth_id.as_str()), ("IDToken1", "eve"), ("IDToken2", PASSWORD)];
    let headers = [OWN[0], OWN[1], ("cookie", cookie.as_str())];
    let answer = origin.send(Method::POST, LOGIN, &headers, &form(&fields)).await;
    let new = answer.cookie().unwrap();
    let standing = crate::sessions::judge(&origin.app, new.as_bytes()).await.unwrap();
    let session = standing.valid().unwrap();
    assert_eq!((session.claims().sub.as_str(), session.claims().properties.get("mail")), ("eve", None));
    assert!(!origin.is_valid(&old).await);
}
