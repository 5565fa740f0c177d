//! `GET …/sessions?_queryFilter=username eq "demo" and realm eq "/alpha"`: the server-side sessions of a user or of a
//! realm, for its administrators. Client-side sessions are nowhere, so nobody can list them.

use axum::http::StatusCode;
use serde_json::json;

use super::super::error::Crest;
use super::super::{Answer, Call, administrator, crest_json};
use super::{HANDLE, universal_id};
use crate::explain::timestamp;
use crate::server_side;

/// AM's Maximum Number of Search Results.
const MAX_RESULTS: u32 = 120;

const MAX_FILTER: usize = 2048;

pub(super) async fn get(call: &Call) -> Answer {
    let Some(text) = call.query.only("_queryFilter") else {
        return Err(Crest::bad_request("The request has no _queryFilter"));
    };
    let filter = read(text)?;
    let realm = filter.realm.unwrap_or_else(|| call.realm.clone());
    administrator::require(call, &realm).await?;
    let username = match filter.username {
        None => None,
        Some(name) => Some(match call.app.store.identities().named(&realm, &name).await? {
            Some(known) => known.username,
            None => name,
        }),
    };
    let sessions = server_side::list(&call.app, &realm, username.as_deref(), MAX_RESULTS).await?;
    let items: Vec<_> = sessions
        .iter()
        .map(|session| {
            let claims = session.claims();
            json!({
                "username": claims.sub,
                "universalId": universal_id(&claims.realm, &claims.sub),
                "realm": claims.realm,
                "sessionHandle": format!("{HANDLE}{}", claims.sid),
                "latestAccessTime": timestamp(claims.iat),
                "maxIdleExpirationTime": timestamp(claims.idle_end().unwrap_or(claims.fexp).min(claims.fexp)),
                "maxSessionExpirationTime": timestamp(claims.fexp),
            })
        })
        .collect();
    Ok(crest_json(
        StatusCode::OK,
        &json!({
            "result": items,
            "resultCount": items.len(),
            "pagedResultsCookie": null,
            "totalPagedResultsPolicy": "NONE",
            "totalPagedResults": -1,
            "remainingPagedResults": -1,
        }),
    ))
}

#[derive(Default, PartialEq, Eq, Debug)]
struct Filter {
    username: Option<String>,
    realm: Option<String>,
}

/// `field eq "value"`, one or both, joined by `and`.
fn read(text: &str) -> Result<Filter, Crest> {
    let unreadable = || {
        let shown: String = text.chars().take(100).collect();
        Crest::bad_request(format!(
            "The value '{shown}' for parameter '_queryFilter' could not be parsed as a valid query filter"
        ))
    };
    if text.len() > MAX_FILTER {
        return Err(unreadable());
    }
    let mut filter = Filter::default();
    let mut rest = text.trim();
    loop {
        let (field, after) = rest.split_once(' ').ok_or_else(unreadable)?;
        let after = after.trim_start().strip_prefix("eq").filter(|after| after.starts_with([' ', '"']));
        let (value, after) = after.and_then(|after| quoted(after.trim_start())).ok_or_else(unreadable)?;
        let place = match field.trim_start_matches('/') {
            "username" => &mut filter.username,
            "realm" => &mut filter.realm,
            other => {
                let shown: String = other.chars().take(100).collect();
                return Err(Crest::bad_request(format!("{shown} is not supported in query filter")));
            }
        };
        if place.replace(value).is_some() {
            return Err(unreadable());
        }
        if after.trim().is_empty() {
            return Ok(filter);
        }
        let more = after.strip_prefix(' ').and_then(|after| after.trim_start().strip_prefix("and "));
        rest = more.ok_or_else(unreadable)?.trim_start();
    }
}

/// A string in quotation marks, in which `\` takes the next character as it is; and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.strip_prefix('"')?.chars();
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => value.push(chars.next()?),
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_and_others_refused() {
        let both = Filter { username: Some("d\"e".into()), realm: Some("/alpha".into()) };
        assert_eq!(read(r#"username eq "d\"e" and realm eq "/alpha""#), Ok(both));
        assert_eq!(read(r#" realm eq "/" "#), Ok(Filter { username: None, realm: Some("/".into()) }));
        for (text, message) in [
            (r#"mail eq "x""#, "mail is not supported in query filter"),
            ("true", "could not be parsed"),
            ("", "could not be parsed"),
            (r#"username eq "x"#, "could not be parsed"),
            (r#"username eq "x" or realm eq "/""#, "could not be parsed"),
            (r#"username eq "x" and username eq "y""#, "could not be parsed"),
            (r#"username co "x""#, "could not be parsed"),
            (r#"username eq "x" and "#, "could not be parsed"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.status == StatusCode::BAD_REQUEST && error.message.contains(message), "{text}: {error:?}");
        }
    }
}
