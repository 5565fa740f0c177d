//! `GET …/sessions?_queryFilter=username eq "demo" and realm eq "/alpha"`: the server-side sessions of a user or of a
//! realm, for its administrators. Client-side sessions are nowhere, so nobody can list them.

use countersign_journey::{Filter, Operator};
use serde_json::{Value, json};

use super::super::error::Crest;
use super::super::{Answer, Call, administrator, listing};
use super::{HANDLE, universal_id};
use crate::explain::timestamp;
use crate::server_side;

/// AM's Maximum Number of Search Results.
const MAX_RESULTS: u32 = 120;

pub(super) async fn get(call: &Call) -> Answer {
    let Some(text) = call.query.only("_queryFilter") else {
        return Err(Crest::bad_request("The request has no _queryFilter"));
    };
    let wanted = read(text)?;
    let realm = wanted.realm.unwrap_or_else(|| call.realm.clone());
    administrator::require(call, &realm).await?;
    let username = match wanted.username {
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
    // What is asked for has been looked up; the rest of the query is about order, pages and fields.
    listing::page(call, items)
}

#[derive(Default, PartialEq, Eq, Debug)]
struct Wanted {
    username: Option<String>,
    realm: Option<String>,
}

/// `field eq "value"`, one or both, joined by `and`.
fn read(text: &str) -> Result<Wanted, Crest> {
    let unreadable = || listing::unreadable("_queryFilter", text);
    let mut wanted = Wanted::default();
    let mut parts = vec![Filter::parse(text).ok_or_else(unreadable)?];
    while let Some(part) = parts.pop() {
        let (field, value) = match part {
            Filter::And(more) => {
                parts.extend(more);
                continue;
            }
            Filter::Compare(field, Operator::Equal, Value::String(value)) => (field, value),
            _ => return Err(unreadable()),
        };
        let place = match field.trim_start_matches('/') {
            "username" => &mut wanted.username,
            "realm" => &mut wanted.realm,
            other => {
                let shown: String = other.chars().take(100).collect();
                return Err(Crest::bad_request(format!("{shown} is not supported in query filter")));
            }
        };
        if place.replace(value).is_some() {
            return Err(unreadable());
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn filters_are_read_and_others_refused() {
        let both = Wanted { username: Some("d\"e".into()), realm: Some("/alpha".into()) };
        assert_eq!(read(r#"username eq "d\"e" and realm eq "/alpha""#), Ok(both));
        let both = Wanted { username: Some("x".into()), realm: Some("/".into()) };
        assert_eq!(read(r#"(username eq "x") and (/realm eq "/")"#), Ok(both));
        assert_eq!(read(r#" realm eq "/" "#), Ok(Wanted { username: None, realm: Some("/".into()) }));
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
