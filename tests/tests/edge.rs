//! The edge in real workerd, with the real origin and the demo application behind it.

use std::io::Read as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use countersign_tests::{World, check, cookie, eventually, json_path, log_in, log_out, send, try_send};
use serde_json::json;
use xtask::edge_build::{self, BuildOptions};
use xtask::stack::{COOKIE_NAME, DenylistProfile};

const NAVIGATION: [(&str, &str); 2] = [("accept", "text/html"), ("sec-fetch-mode", "navigate")];

#[test]
fn the_main_job() {
    let world = World::new(DenylistProfile::Default);

    let away = send("GET", &world.edge("/wanted?a=1&b=%2F"), &NAVIGATION, "");
    assert_eq!(away.status, 302);
    assert_eq!(away.header("location"), "/am/UI/Login?realm=/alpha&goto=/wanted%3Fa%3D1%26b%3D%252F");
    assert_eq!(away.header("cache-control"), "no-store");

    let refused = send("GET", &world.edge("/wanted"), &[("accept", "application/json")], "");
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("content-type"), "application/problem+json");
    assert_eq!(refused.header("www-authenticate"), "Session realm=\"/alpha\", error=\"no_session\"");
    assert_eq!(refused.json()["code"], "no_session");

    let token = world.log_in();
    let page = world.page(&token);
    assert_eq!(page.status, 200, "{page:?}");
    let seen = page.json();
    assert_eq!(seen["user"], "demo");
    assert_eq!(seen["assertion"]["verified"], true, "{seen}");
    assert_eq!(seen["assertion"]["claims"]["sub"], "demo");
    assert_eq!(seen["assertion"]["claims"]["realm"], "/alpha");
    assert_eq!(seen["headers"]["remote-email"], "demo@example.com");
    assert_eq!(seen["headers"]["cookie"], json!(null), "the session is not passed on");

    // The copy is current now: nothing but the edge's own decision stands before the page.
    let timing = world.page(&token).header("server-timing").to_owned();
    assert!(timing.contains("origin;desc=\"0 calls\"") && timing.contains("cache;desc=\"hit\""), "{timing}");
    assert_eq!(world.check(&token), 204);

    let out = world.log_out(&token);
    assert_eq!((out.status, out.json()), (200, json!({ "result": "Successfully logged out" })));
    assert!(out.header("set-cookie").starts_with(&format!("{COOKIE_NAME}=; ")), "{out:?}");
    eventually("the copied cookie is refused", DenylistProfile::Default.bound(), || world.check(&token) == 401);
    assert_eq!(send("GET", &world.edge("/"), &[("cookie", &cookie(&token))], "").json()["code"], "invalid_session");
    // S06: a new login right after is another session.
    assert_eq!(world.check(&world.log_in()), 204);
}

#[test]
fn identity_headers_come_from_the_edge_alone() {
    let world = World::new(DenylistProfile::Default);
    let token = world.log_in();
    let session = format!("theme=dark; {}; lang=en", cookie(&token));
    let forged = [
        ("accept", "application/json"),
        ("cookie", session.as_str()),
        ("remote-user", "admin"),
        ("Remote_User", "admin"),
        ("REMOTE.USER", "admin"),
        ("remote~user", "admin"),
        ("x_countersign~assertion", "admin"),
        ("host", "evil.example"),
        ("cf-connecting-ip", "evil"),
        (COOKIE_NAME, token.as_str()),
        ("x-openam-password", "admin"),
        ("remote-groups", "wheel"),
        ("x-countersign-assertion", "forged"),
        ("x-auth-request-email", "admin@example.com"),
        ("x-forwarded-user", "admin"),
        ("x-forwarded-host", "evil.example"),
        ("x-original-url", "/public/"),
        ("x-middleware-subrequest", "middleware"),
        ("connection", "remote-user, x-countersign-assertion"),
    ];
    let seen = send("GET", &world.edge("/?format=json"), &forged, "").json();
    assert_eq!(seen["user"], "demo", "{seen}");
    assert_eq!(seen["assertion"]["verified"], true);
    let headers = seen["headers"].as_object().unwrap();
    assert_eq!(headers["cookie"], "theme=dark; lang=en");
    assert!(headers["x-forwarded-host"].as_str().unwrap().starts_with("localhost:"), "{headers:?}");
    for (name, value) in headers {
        let value = value.as_str().unwrap();
        assert!(!value.contains(&token), "the session reaches the application in {name}");
        assert!(!value.contains("admin") && !value.contains("evil") && !value.contains("wheel"), "{name}: {value}");
    }

    let behind_a_comma = format!("theme=dark, {}", cookie(&token));
    let hidden = send("GET", &world.edge("/?format=json"), &[("cookie", &behind_a_comma)], "");
    assert_eq!(hidden.status, 400, "{hidden:?}");
    let traced = send("TRACE", &world.edge("/"), &[("cookie", &session)], "");
    assert_eq!(traced.status, 405, "{traced:?}");

    // A public path states nobody, and the session does not go there either.
    let public = send("GET", &world.edge("/public/"), &forged, "");
    assert_eq!(public.status, 200);
    let page = send("GET", &world.edge("/healthz"), &forged, "");
    assert_eq!(page.body, "ok");
}

/// H01 to H04, seen raw: what reaches a public application that prints all it gets.
#[test]
fn a_public_path_states_nobody() {
    let world = World::with(DenylistProfile::Default, |options| {
        options.settings = json!({ "routes": [{ "path": "/open/*", "access": "public" }] });
    });
    let token = world.log_in();
    let two = format!("a=1, {}", cookie(&token));
    let forged = [("accept", "application/json"), ("cookie", two.as_str()), ("remote-user", "admin")];
    let seen = send("GET", &world.edge("/open/x?format=json"), &forged, "").json();
    assert_eq!(seen["user"], json!(null), "{seen}");
    assert_eq!(seen["headers"]["cookie"], json!(null));
    assert_eq!(seen["assertion"]["error"], "missing");
}

#[test]
fn cookies_and_paths_at_fault_are_refused() {
    let world = World::new(DenylistProfile::Default);
    let token = world.log_in();
    let good = cookie(&token);
    let at = |path: &str, cookie: &str| {
        let answer = send("GET", &world.edge(path), &[("cookie", cookie)], "");
        let code = if answer.status == 200 { json!("ok") } else { answer.json()["code"].clone() };
        (answer.status, code.as_str().unwrap_or_default().to_owned())
    };
    let tampered = {
        let mut bytes = good.clone().into_bytes();
        let middle = bytes.len() / 2;
        bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let long = format!("{good}; pad={}", "x".repeat(17_000));
    let longer = format!("{good}; pad={}", "x".repeat(40_000));
    let long_path = format!("/{}", "x".repeat(16_400));
    let fitting_path = format!("/{}", "x".repeat(16_200));
    for (path, cookie, status, code) in [
        ("/", good.as_str(), 200, "ok"),
        ("/", tampered.as_str(), 401, "invalid_session"),
        ("/", &format!("{good}x"), 401, "invalid_session"),
        ("/", &format!("{COOKIE_NAME}=eyJhbGciOiJub25lIn0.e30."), 401, "invalid_session"),
        ("/", &format!("{good}; {good}"), 400, "ambiguous_cookie"),
        ("/", &format!("{COOKIE_NAME}=x; {good}"), 400, "ambiguous_cookie"),
        ("/", &format!("{COOKIE_NAME}=\"{token}\""), 400, "malformed_cookie"),
        ("/", &good.to_lowercase(), 401, "no_session"),
        ("/", &long, 400, "cookie_header_too_long"),
        ("/", &longer, 400, "cookie_header_too_long"),
        (&long_path, &good, 414, "url_too_long"),
        (&long_path, &long, 414, "url_too_long"),
        (&fitting_path, &good, 200, "ok"),
        (&fitting_path, &longer, 400, "cookie_header_too_long"),
        ("/a%2fb", &good, 400, "ambiguous_path"),
        ("/public/..%2fadmin", &good, 400, "ambiguous_path"),
        ("/public/..;/admin", &good, 400, "ambiguous_path"),
        ("/a//b", &good, 400, "ambiguous_path"),
        ("/admin/x", &good, 403, "auth_level"),
        ("/ADMIN/x", &good, 403, "auth_level"),
        ("/public/%2e%2e/admin/x", &good, 400, "ambiguous_path"),
    ] {
        let (got, reason) = at(path, cookie);
        assert_eq!((got, reason.as_str()), (status, code), "{path:.40} {cookie:.40}");
    }
    // The cookie in two headers, as an attacker on a sibling host would have it.
    let two = send("GET", &world.edge("/"), &[("cookie", &good), ("cookie", &good)], "");
    assert_eq!(two.status, 400, "{two:?}");
}

#[test]
fn websockets_and_streams_pass() {
    let world = World::new(DenylistProfile::Default);
    let token = world.log_in();

    let authority = world.stack.edge_url().replace("http://", "");
    let tcp = TcpStream::connect(authority.replace("localhost", "127.0.0.1")).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut upgrade =
        tungstenite::client::IntoClientRequest::into_client_request(format!("ws://{authority}/ws")).unwrap();
    upgrade.headers_mut().insert("cookie", cookie(&token).parse().unwrap());
    let (mut socket, _) = tungstenite::client(upgrade, tcp).expect("the upgrade passes");
    assert_eq!(socket.read().unwrap().into_text().unwrap().as_str(), "demo", "the identity arrives");
    socket.send("ping".into()).unwrap();
    assert_eq!(socket.read().unwrap().into_text().unwrap().as_str(), "ping");
    socket.send(tungstenite::Message::Binary(vec![0, 255, 7].into())).unwrap();
    assert_eq!(socket.read().unwrap().into_data().as_ref(), [0, 255, 7]);

    let tcp = TcpStream::connect(authority.replace("localhost", "127.0.0.1")).unwrap();
    let bare = tungstenite::client::IntoClientRequest::into_client_request(format!("ws://{authority}/ws")).unwrap();
    assert!(tungstenite::client(bare, tcp).is_err(), "H15: no session, no socket");

    let body = "0123456789".repeat(300_000);
    let echoed = send("POST", &world.edge("/echo"), &[("cookie", &cookie(&token))], &body);
    assert_eq!(echoed.status, 200);
    assert!(echoed.body == body, "{} bytes of {} came back", echoed.body.len(), body.len());

    // A stream arrives as it is made: the first chunk long before the last.
    let mut tcp = TcpStream::connect(authority.replace("localhost", "127.0.0.1")).unwrap();
    use std::io::Write as _;
    write!(tcp, "GET /stream HTTP/1.1\r\nhost: {authority}\r\ncookie: {}\r\nconnection: close\r\n\r\n", cookie(&token))
        .unwrap();
    let start = Instant::now();
    let mut seen = String::new();
    let (mut first, mut buffer) = (None, [0; 4096]);
    loop {
        let read = tcp.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        if first.is_none() && seen.contains("chunk 1") {
            first = Some(start.elapsed());
            assert!(!seen.contains("chunk 5"), "buffered: {seen}");
        }
    }
    assert!(seen.contains("chunk 5"), "{seen}");
}

#[test]
fn a_panic_fails_one_request_and_not_the_worker() {
    let faulty = edge_build::build(&BuildOptions::for_tests().unwrap()).expect("the variant builds");
    let mut world = World::new(DenylistProfile::Default);
    let token = world.log_in();
    let base = world.stack.start_extra_edge(Some(&faulty.dist), &json!({ "status": true })).unwrap();
    for _ in 0..3 {
        assert_eq!(check(&base, &token), 204);
        let failed = send("GET", &format!("{base}/.countersign/panic"), &[("cookie", &cookie(&token))], "");
        assert_eq!(failed.status, 500, "{failed:?}");
        assert!(!failed.body.contains("panic"), "the cause is for the log: {failed:?}");
        // The instance that panicked is gone, and with it its denylist: the new one asks the origin before it accepts.
        assert_eq!(check(&base, &token), 204);
    }
    // A panic in work that its request did not wait for.
    send("GET", &format!("{base}/.countersign/panic-later"), &[("cookie", &cookie(&token))], "");
    assert_eq!(check(&base, &token), 204);
    log_out(&base, &token);
    eventually("refused", DenylistProfile::Default.bound(), || check(&base, &token) == 401);
    let again = send("GET", &format!("{base}/.countersign/panic"), &[], "");
    assert_eq!(again.status, 500);
    assert_eq!(check(&base, &token), 401, "G4: a new instance does not accept what was ended");
}

#[test]
fn a_stale_edge_answers_503_keeps_the_cookie_and_recovers() {
    let mut world = World::new(DenylistProfile::Strict);
    let token = world.log_in();
    assert_eq!(world.check(&token), 204);
    world.stack.kill_origin();
    assert_eq!(world.check(&token), 204, "within the lease the origin is not needed");
    let start = Instant::now();
    let mut accepted = Duration::ZERO;
    eventually("stale", Duration::from_secs(5), || {
        let asked = start.elapsed();
        let status = world.check(&token);
        if status == 204 {
            accepted = asked;
        }
        status == 503
    });
    assert!(accepted <= DenylistProfile::Strict.bound(), "R01: accepted after {accepted:?} without an origin");

    let page = send("GET", &world.edge("/"), &[("cookie", &cookie(&token)), NAVIGATION[0], NAVIGATION[1]], "");
    assert_eq!(page.status, 503, "not a redirect to a login page that cannot answer");
    assert_eq!(page.header("set-cookie"), "", "the cookie is kept");
    assert_eq!(page.header("retry-after"), "1");
    assert!(page.body.contains("still logged in"), "{page:?}");
    assert_eq!(send("GET", &world.edge("/healthz"), &[], "").status, 200, "what is public stays so");

    world.stack.start_origin().unwrap();
    eventually("recovered", Duration::from_secs(5), || world.check(&token) == 204);
}

#[test]
fn a_logout_that_was_acknowledged_survives_kill_9() {
    let mut world = World::new(DenylistProfile::Strict);
    let tokens: Vec<String> = (0..5).map(|_| world.log_in()).collect();
    for token in &tokens {
        assert_eq!(world.check(token), 204);
    }
    for token in &tokens[..4] {
        assert_eq!(world.log_out(token).status, 200);
    }
    world.stack.kill_origin();
    world.stack.stop_workerd();
    world.stack.start_origin().unwrap();
    world.stack.start_workerd().unwrap();
    for token in &tokens[..4] {
        assert_eq!(world.check(token), 401, "R13");
        let validate = send(
            "POST",
            &format!("{}{}", world.stack.origin_url(), json_path("sessions?_action=validate")),
            &[("content-type", "application/json"), ("accept-api-version", "resource=4.0")],
            &json!({ "tokenId": token }).to_string(),
        );
        assert_eq!(validate.json()["valid"], false, "{validate:?}");
    }
    assert_eq!(world.check(&tokens[4]), 204);
}

#[test]
fn two_origins_share_a_journey_and_a_logout() {
    let mut world = World::new(DenylistProfile::Strict);
    let first = world.stack.origin_url();
    let second = world.stack.start_second_origin().unwrap();
    let authenticate = json_path("authenticate");
    let headers = [("accept-api-version", "resource=2.1"), ("content-type", "application/json")];

    let mut step = send("POST", &format!("{first}{authenticate}"), &headers, "").json();
    step["callbacks"][0]["input"][0]["value"] = json!("demo");
    step["callbacks"][1]["input"][0]["value"] = json!(xtask::stack::DEMO_PASSWORD);
    let success = send("POST", &format!("{second}{authenticate}"), &headers, &step.to_string());
    assert_eq!(success.status, 200, "{success:?}");
    let token = success.json()["tokenId"].as_str().unwrap().to_owned();

    assert_eq!(world.check(&token), 204);
    assert_eq!(log_out(&second, &token).status, 200);
    let took = eventually("an edge fed by the first refuses what the second ended", Duration::from_secs(5), || {
        world.check(&token) == 401
    });
    assert!(took <= DenylistProfile::Strict.bound(), "{took:?}");
    // The origins ask the log itself: no delay there at all.
    let other = log_in(&first);
    assert_eq!(log_out(&first, &other).status, 200);
    let validate = send(
        "POST",
        &format!("{second}{}", json_path("sessions?_action=validate")),
        &[("accept-api-version", "resource=4.0"), headers[1]],
        &json!({ "tokenId": other }).to_string(),
    );
    assert_eq!(validate.json()["valid"], false);
}

#[test]
fn a_worker_without_its_bindings_says_so_and_lets_nobody_in() {
    let mut world = World::new(DenylistProfile::Default);
    let token = world.log_in();
    for wrong in [
        json!({ "realm": "/beta" }),
        json!({ "unknown_member": 1 }),
        json!({ "upstream": "http://127.0.0.1:1/path" }),
        json!({ "routes": [{ "path": "relative", "access": "public" }] }),
    ] {
        let base = world.stack.start_extra_edge(None, &wrong).unwrap();
        for path in ["/", "/public/", "/am/json/serverinfo/*", "/.countersign/check"] {
            let answer = try_send("GET", &format!("{base}{path}"), &[("cookie", &cookie(&token))], "").unwrap();
            assert_eq!(answer.status, 500, "{wrong} {path}");
        }
    }
}

#[test]
fn the_status_route_is_off_unless_asked_for() {
    let mut world = World::new(DenylistProfile::Default);
    let token = world.log_in();
    let status = |base: &str| send("GET", &format!("{base}/.countersign/status"), &[], "");
    assert_eq!(status(&world.stack.edge_url()).status, 404);
    let base = world.stack.start_extra_edge(None, &json!({ "status": true })).unwrap();
    assert_eq!(status(&base).json()["state"], "cold");
    assert_eq!(check(&base, &token), 204);
    let fresh = status(&base).json();
    assert_eq!(fresh["state"], "fresh", "{fresh}");
    assert!((1..=10_000).contains(&fresh["lease_remaining_ms"].as_u64().unwrap()), "{fresh}");
    // The metric of the decrypt cache: the second look at a token is a hit.
    assert_eq!(check(&base, &token), 204);
    let cache = |status: &serde_json::Value, name: &str| status["cache"][name].as_u64().unwrap();
    let after = status(&base).json();
    assert_eq!((cache(&after, "hits"), cache(&after, "misses")), (cache(&fresh, "hits") + 1, cache(&fresh, "misses")));
}

/// A request is refused once, for one reason: clients of the REST interface have no cookie, and are not refused for
/// that.
#[test]
fn refusals_are_counted_when_they_are_answered() {
    for signing in ["EdDSA", "ES256"] {
        let mut world = World::with(DenylistProfile::Default, |options| {
            options.origin_env.push(("COUNTERSIGN__SESSION__STATELESSSIGNINGTYPE".to_owned(), signing.to_owned()));
        });
        let token = world.log_in();
        let base = world.stack.start_extra_edge(None, &json!({ "status": true })).unwrap();
        let refusals = || send("GET", &format!("{base}/.countersign/status"), &[], "").json()["refusals"].clone();
        let page = |headers: &[(&str, &str)]| send("GET", &format!("{base}/?format=json"), headers, "").status;
        for _ in 0..2 {
            assert_eq!(page(&[(COOKIE_NAME, &token)]), 200);
        }
        assert_eq!(refusals(), json!({}), "{signing}");
        assert_eq!(page(&[]), 401);
        assert_eq!(page(&[(COOKIE_NAME, "x")]), 401);
        assert_eq!(refusals(), json!({ "no_session": 1, "token_format": 1 }), "{signing}");
    }
}

/// `wrangler.toml` as it is deployed, but for the addresses: what Cloudflare says of a client's address is believed by
/// the origin's limits, and what a client says of it is not.
#[test]
fn the_settings_of_cloudflare_tell_the_origin_the_clients_address() {
    let text = std::fs::read_to_string(xtask::workspace_root().join("wrangler.toml")).unwrap();
    let file: toml::Table = text.parse().unwrap();
    let mut settings = serde_json::to_value(&file["vars"]["SETTINGS"]).unwrap();
    for own in ["origin", "upstream", "public_url", "realm", "cookie_name", "login_url"] {
        assert!(settings.as_object_mut().unwrap().remove(own).is_some(), "{own}");
    }
    let world = World::with(DenylistProfile::Default, |options| {
        options.settings = settings;
        for (name, value) in [
            ("SERVER__CLIENT_ADDRESS", "X-Forwarded-For"),
            ("SERVER__TRUSTED_PROXIES", "[\"127.0.0.1\"]"),
            ("RATE_LIMITS__ADDRESS_REQUESTS", "2"),
        ] {
            options.origin_env.push((format!("COUNTERSIGN__{name}"), value.to_owned()));
        }
    });
    let step = |address: &str, claimed: &str| {
        let headers = [
            ("accept-api-version", "resource=2.1"),
            ("content-type", "application/json"),
            ("cf-connecting-ip", address),
            ("x-forwarded-for", claimed),
            ("x-real-ip", claimed),
        ];
        send("POST", &world.edge(&json_path("authenticate")), &headers, "").status
    };
    let claims = ["198.51.100.1", "198.51.100.2", "198.51.100.3"];
    assert_eq!(claims.map(|claimed| step("192.0.2.1", claimed)), [200, 200, 429]);
    assert_eq!(claims.map(|claimed| step("2001:db8::1", claimed)), [200, 200, 429]);
    assert_eq!(step("192.0.2.2", "192.0.2.1"), 200);
}

/// R24, R25: an origin in trouble is not asked once for every request.
#[test]
fn an_outage_does_not_become_a_storm() {
    use std::io::Write as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let mut world = World::new(DenylistProfile::Default);
    let token = world.log_in();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let failing = format!("http://{}", listener.local_addr().unwrap());
    let polls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&polls);
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            counter.fetch_add(1, Ordering::SeqCst);
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection.write_all(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    let base = world.stack.start_extra_edge(None, &json!({ "origin": failing })).unwrap();
    let start = Instant::now();
    for _ in 0..200 {
        assert_eq!(check(&base, &token), 503);
    }
    let most = 2 + start.elapsed().as_millis() / 500;
    let polls = polls.load(Ordering::SeqCst);
    assert!(polls as u128 <= most, "{polls} polls for 200 requests in {:?}", start.elapsed());
}

/// The origin thinks well of a session that this edge has no keys for: the browser must end at a login form and not go
/// back and forth between the two.
#[test]
fn an_edge_with_other_keys_sends_to_a_form() {
    let mut world = World::new(DenylistProfile::Default);
    let other = World::new(DenylistProfile::Default);
    let stranger = cookie(&other.log_in());
    let to_login = send("GET", &world.edge("/page"), &[("cookie", &stranger), NAVIGATION[0], NAVIGATION[1]], "");
    assert_eq!(to_login.status, 302);
    assert_eq!(to_login.header("location"), "/am/UI/Login?realm=/alpha&ForceAuth=true&goto=/page");
    // As it is where the origin knows the session: the one that it was told to ask again about.
    let own = cookie(&world.log_in());
    let form = send("GET", &world.edge(to_login.header("location")), &[("cookie", &own)], "");
    assert_eq!(form.status, 200, "{form:?}");
    assert!(form.body.contains("IDToken1"), "{form:?}");
    world.stack.stop_workerd();
}
