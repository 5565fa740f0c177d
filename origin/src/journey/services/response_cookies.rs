//! Cookies of journeys' own, which go out with the answer to the request in which their node ran.

use std::sync::PoisonError;

use axum::http::HeaderValue;
use countersign_core::cookie::{self, Attributes, SameSite};
use countersign_journey::host::ResponseCookie;

use super::Services;

/// Cookies that one answer takes from a journey.
const MAX_COOKIES: usize = 16;
/// Longest life, as browsers have it (RFC 6265bis §5.5): 400 days.
const MAX_AGE: i64 = 400 * 24 * 3600;

impl Services<'_> {
    pub(super) fn keep_cookie(&self, cookie: &ResponseCookie) -> Result<(), String> {
        let settings = self.app.settings();
        // A journey that could set these could log somebody else in.
        let own = &settings.realm(&self.realm_name).session.cookie_name;
        let bare = |name: &str| name.trim_start_matches("__Host-").trim_start_matches("__Secure-").to_lowercase();
        if bare(&cookie.name) == bare(own) || bare(&cookie.name).starts_with("countersign") {
            return Err(format!("cookie {:?} is not for journeys to set", cookie.name));
        }
        let line = line(cookie).and_then(|line| HeaderValue::try_from(line).map_err(|error| error.to_string()))?;
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        if cookies.len() >= MAX_COOKIES {
            return Err(format!("a journey may set {MAX_COOKIES} cookies at once"));
        }
        cookies.push(line);
        Ok(())
    }

    /// What the answer is to set.
    pub(crate) fn take_cookies(&self) -> Vec<HeaderValue> {
        std::mem::take(&mut self.cookies.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn line(given: &ResponseCookie) -> Result<String, String> {
    let same_site = match given.same_site.as_str() {
        "STRICT" => SameSite::Strict,
        "NONE" => SameSite::None,
        _ => SameSite::Lax,
    };
    let attributes = Attributes {
        secure: given.secure,
        same_site: Some(same_site),
        domain: given.domain.clone(),
        partitioned: false,
    };
    // It knows what browsers take; a path, and a cookie that pages may read, are no session's business.
    let checked = cookie::set(&given.name, &given.value, &attributes).map_err(|error| error.to_string())?;
    let path = given.path.as_deref().unwrap_or("/");
    if !path.starts_with('/') || path.len() > 1024 || !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';')
    {
        return Err(format!("{path:?} is not a path for a cookie"));
    }
    if same_site == SameSite::None && !given.secure {
        return Err("browsers take no cookie for other sites without https".to_owned());
    }
    let mut line = format!("{}={}; Path={path}", given.name, given.value);
    if let Some(seconds) = given.max_age_seconds {
        line.push_str(&format!("; Max-Age={}", seconds.clamp(0, MAX_AGE)));
    }
    let rest = checked.split_once("; Path=/").map_or("", |(_, rest)| rest);
    line.push_str(&if given.http_only { rest.to_owned() } else { rest.replacen("; HttpOnly", "", 1) });
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie() -> ResponseCookie {
        ResponseCookie {
            name: "brand".to_owned(),
            value: "blue".to_owned(),
            max_age_seconds: None,
            domain: None,
            path: None,
            secure: false,
            http_only: false,
            same_site: "LAX".to_owned(),
        }
    }

    #[test]
    fn a_cookie_is_what_its_node_says() {
        assert_eq!(line(&cookie()).as_deref(), Ok("brand=blue; Path=/; SameSite=Lax"));
        let all = ResponseCookie {
            max_age_seconds: Some(60),
            domain: Some("example.com".to_owned()),
            path: Some("/shop".to_owned()),
            secure: true,
            http_only: true,
            same_site: "NONE".to_owned(),
            ..cookie()
        };
        assert_eq!(
            line(&all).as_deref(),
            Ok("brand=blue; Path=/shop; Max-Age=60; Domain=example.com; Secure; HttpOnly; SameSite=None")
        );
        for wrong in [
            ResponseCookie { name: "a b".to_owned(), ..cookie() },
            ResponseCookie { value: "a; Domain=x".to_owned(), ..cookie() },
            ResponseCookie { value: "a\r\nSet-Cookie: b=c".to_owned(), ..cookie() },
            ResponseCookie { path: Some("/a; Secure".to_owned()), ..cookie() },
            ResponseCookie { domain: Some("com".to_owned()), ..cookie() },
            ResponseCookie { same_site: "NONE".to_owned(), ..cookie() },
        ] {
            assert!(line(&wrong).is_err(), "{wrong:?}");
        }
    }
}
