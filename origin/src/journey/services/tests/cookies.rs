use countersign_journey::host::{Identities as _, PersistentCookies as _};
use countersign_journey::{PersistentCookie, Request};

use super::{Services, services};
use crate::testing::Origin;

const HOUR: u64 = 3600;

fn cookie() -> PersistentCookie {
    PersistentCookie {
        name: "session-jwt".to_owned(),
        idle_hours: 2,
        max_hours: Some(5),
        secure: true,
        http_only: true,
        enforce_client_ip: false,
        signing_key: None,
    }
}

fn from(address: &str) -> Request {
    Request { client_ip: Some(address.parse().unwrap()), ..Request::default() }
}

async fn made(services: &Services<'_>, cookie: &PersistentCookie, request: &Request) -> (String, String) {
    let head = services.app.store.denylist().head().await.unwrap().seq;
    let lines = services.persistent_cookies(std::slice::from_ref(cookie), "demo", head, request).await.unwrap();
    let line = lines.first().map(|line| line.to_str().unwrap().to_owned()).unwrap_or_default();
    let value = line.split(';').next().unwrap().strip_prefix("session-jwt=").unwrap_or_default().to_owned();
    (value, line)
}

async fn opens(services: &Services<'_>, value: &str, cookie: &PersistentCookie, request: &Request) -> bool {
    services.open(value, cookie, request).await.unwrap().is_some_and(|who| who.username == "demo")
}

#[tokio::test]
async fn a_cookie_is_good_until_it_is_idle_and_no_longer_than_its_life() {
    let origin = Origin::new().await;
    let (services, here) = (services(&origin), from("192.0.2.1"));
    let (mut value, line) = made(&services, &cookie(), &here).await;
    assert!(line.ends_with("Path=/; Max-Age=18000; HttpOnly; SameSite=Lax"), "{line}");
    let renewal = PersistentCookie { max_hours: None, ..cookie() };
    for _ in 0..2 {
        origin.clock.advance(2 * HOUR - 1);
        assert!(opens(&services, &value, &renewal, &here).await);
        let mut request = here.clone();
        request.cookies.insert("session-jwt".to_owned(), value.clone());
        value = made(&services, &renewal, &request).await.0;
    }
    // A renewal moves the idle time and not the end.
    origin.clock.advance(HOUR + 1);
    assert!(opens(&services, &value, &renewal, &here).await);
    origin.clock.advance(1);
    assert!(!opens(&services, &value, &renewal, &here).await);

    let (value, _) = made(&services, &cookie(), &here).await;
    origin.clock.advance(2 * HOUR);
    assert!(!opens(&services, &value, &cookie(), &here).await);
}

#[tokio::test]
async fn a_cookie_is_of_one_node_one_realm_and_one_key() {
    let origin = Origin::new().await;
    let (services, here, there) = (services(&origin), from("192.0.2.1"), from("192.0.2.2"));
    let (value, _) = made(&services, &cookie(), &here).await;
    assert!(opens(&services, &value, &cookie(), &there).await);
    let strict = PersistentCookie { enforce_client_ip: true, ..cookie() };
    assert!(opens(&services, &value, &strict, &here).await);
    assert!(!opens(&services, &value, &strict, &there).await);
    assert!(!opens(&services, &value, &strict, &Request::default()).await);
    for other in [
        PersistentCookie { name: "other".to_owned(), ..cookie() },
        PersistentCookie { signing_key: Some("a2V5".to_owned()), ..cookie() },
    ] {
        assert!(!opens(&services, &value, &other, &here).await);
    }
    assert!(!opens(&Services::new(&origin.app, "/beta"), &value, &cookie(), &here).await);
    for bad in ["", "x", &origin.log_in().await, &format!("{value}x")] {
        assert!(!opens(&services, bad, &cookie(), &here).await);
    }
    // A cookie is no session, and no authId.
    assert!(!origin.is_valid(&value).await);
}

#[tokio::test]
async fn what_ends_the_sessions_of_a_user_ends_the_cookie() {
    let origin = Origin::new().await;
    let (services, here) = (services(&origin), from("192.0.2.1"));
    let (value, _) = made(&services, &cookie(), &here).await;
    services.set_active("demo", false).await.unwrap();
    assert!(!opens(&services, &value, &cookie(), &here).await);
    services.set_active("demo", true).await.unwrap();
    assert!(!opens(&services, &value, &cookie(), &here).await, "it stays ended");
    let (value, _) = made(&services, &cookie(), &here).await;
    assert!(opens(&services, &value, &cookie(), &here).await);
}
