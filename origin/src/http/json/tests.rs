use axum::http::Method;

use crate::testing::{ALPHA, COOKIE, Origin};

#[tokio::test]
async fn every_answer_has_the_headers() {
    let origin = Origin::new().await;
    for path in ["/am/json/serverinfo/*", "/am/json/nothing", "/am/json/realms/root/realms/nope/authenticate"] {
        let answer = origin.get(path).await;
        for (name, value) in [
            ("x-frame-options", "SAMEORIGIN"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("pragma", "no-cache"),
            ("expires", "0"),
            ("content-security-policy", "default-src 'none';frame-ancestors 'none';sandbox"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), value, "{path}: {name}");
        }
        assert!(answer.header("content-type").starts_with("application/json"));
    }
    assert_eq!(origin.get("/am/json/nothing").await.error(), (404, "Not Found".into()));
}

/// S07: the filter concerns requests that a browser would send for somebody else: with the cookie, and changing.
#[tokio::test]
async fn s07_a_cookie_needs_a_header_that_no_form_can_set() {
    let origin = Origin::new().await;
    let token = origin.log_in().await;
    let cookie = format!("{COOKIE}={token}");
    let path = format!("{ALPHA}/sessions?_action=validate");
    let send = async |headers: &[(&str, &str)]| origin.send(Method::POST, &path, headers, "").await;
    let forged = send(&[("cookie", &cookie)]).await;
    assert_eq!(forged.error(), (403, "Forbidden".into()));
    assert_eq!(send(&[("cookie", &cookie), ("x-requested-with", "x")]).await.status, 200);
    assert_eq!(send(&[("cookie", &cookie), ("accept-api-version", "resource=4.0")]).await.status, 200);
    assert_eq!(send(&[(COOKIE, &token)]).await.status, 200, "a header is no browser's doing");
    let two = format!("{cookie}; {COOKIE}=x");
    assert_eq!(send(&[("cookie", &two)]).await.status, 403, "two cookies are cookies too");
    let logout =
        origin.send(Method::POST, &format!("{ALPHA}/sessions?_action=logout"), &[("cookie", &cookie)], "").await;
    assert_eq!((logout.status, logout.cookie()), (403, None));
    assert!(origin.is_valid(&token).await);
    let authenticate = format!("{ALPHA}/authenticate");
    assert_eq!(origin.send(Method::POST, &authenticate, &[("cookie", &cookie)], "").await.status, 403);
    assert_eq!(origin.get_with("/am/json/serverinfo/*", &[("cookie", &cookie)]).await.status, 200);
}

#[tokio::test]
async fn versions_are_negotiated() {
    let origin = Origin::new().await;
    let send = async |version| {
        let headers = [("accept-api-version", version), ("content-type", "application/json")];
        origin.send(Method::POST, &format!("{ALPHA}/authenticate"), &headers, "").await
    };
    assert_eq!(send("resource=2.0").await.header("content-api-version"), "resource=2.1");
    assert_eq!(send("protocol=1.0").await.header("content-api-version"), "resource=2.1");
    let unsupported = send("resource=42.0").await;
    assert_eq!((unsupported.status, unsupported.body.len()), (404, 0));
    assert_eq!(unsupported.header("content-api-version"), "");
    assert_eq!(send("2.1").await.error(), (400, "Version string is in an invalid format: 2.1".into()));
    assert_eq!(send("protocol=9.0").await.error(), (400, "Unsupported major version: 9".into()));
}

/// AM's browser clients on a page of another origin.
#[tokio::test]
async fn listed_origins_may_use_it_from_the_browser_and_others_not() {
    const APP: &str = "https://app.example.com";
    let origin = Origin::with(&format!("[cors]\nacceptedOrigins = [\"{APP}\"]\n")).await;
    let path = format!("{ALPHA}/authenticate");
    let asked = "accept-api-version,content-type,x-requested-with,x-requested-platform";
    let preflight = async |from: &str| {
        let headers =
            [("origin", from), ("access-control-request-method", "POST"), ("access-control-request-headers", asked)];
        origin.send(Method::OPTIONS, &path, &headers, "").await
    };
    let allowed = preflight(APP).await;
    assert_eq!(allowed.status, 200);
    for (name, value) in [
        ("access-control-allow-origin", APP),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-headers", asked),
        ("access-control-max-age", "600"),
    ] {
        assert_eq!(allowed.header(name), value, "{name}");
    }
    assert!(allowed.header("access-control-allow-methods").contains("POST"));
    let step = origin.post(&path, &[("origin", APP)], "").await;
    assert_eq!((step.status, step.header("access-control-allow-origin")), (200, APP));
    assert!(step.header("vary").contains("origin"), "{}", step.header("vary"));
    for other in ["https://evil.example.com", "null"] {
        assert_eq!(preflight(other).await.header("access-control-allow-origin"), "", "{other}");
        assert_eq!(origin.post(&path, &[("origin", other)], "").await.header("access-control-allow-origin"), "");
    }
}
