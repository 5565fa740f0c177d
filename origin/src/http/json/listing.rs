//! Queries on collections, as CREST has them: `_queryFilter`, `_sortKeys`, pages, and counting alone.

use std::cmp::Ordering;

use axum::http::StatusCode;
use countersign_journey::Filter;
use serde_json::{Value, json};

use super::super::query::Query;
use super::error::Crest;
use super::version::Version;
use super::{Answer, Call, crest_json};

/// Most fields that a list is sorted by.
const MAX_SORT_KEYS: usize = 8;

/// In a response's extensions: it lists something, asked for by this version of the protocol.
#[derive(Clone, Copy)]
pub(super) struct Listed(pub(super) Version);

/// Those of `items` that the query asks for, in the order and the part that it asks for.
pub(super) async fn list(call: &Call, items: Vec<Value>) -> Answer {
    let filter = filter(&call.query)?;
    let mut found = Vec::new();
    for item in items {
        if item.as_object().is_some_and(|item| filter.matches(item)) {
            found.push(item);
        }
        // A long filter on long scripts takes seconds, in which others of this thread are waiting.
        tokio::task::yield_now().await;
    }
    page(call, found)
}

/// The same where the filter has been heeded already.
pub(super) fn page(call: &Call, mut found: Vec<Value>) -> Answer {
    let query = &call.query;
    sort(&mut found, query.filled("_sortKeys").unwrap_or_default());
    let exact = match query.filled("_totalPagedResultsPolicy").unwrap_or("NONE") {
        "NONE" => false,
        "EXACT" | "ESTIMATE" => true,
        other => return Err(unreadable("_totalPagedResultsPolicy", other)),
    };
    let total = found.len();
    let size = number(query, "_pageSize")?;
    let offset = number(query, "_pagedResultsOffset")?.unwrap_or(0);
    // The cookie is where the next page begins.
    let start = number(query, "_pagedResultsCookie")?.unwrap_or(0).saturating_add(offset).min(total);
    let only_counted = query.is_true("_countOnly");
    let shown = match size {
        _ if only_counted => Vec::new(),
        Some(0) if exact => Vec::new(), // who only counts, too
        None | Some(0) => found.split_off(start),
        Some(size) => {
            let mut rest = found.split_off(start);
            rest.truncate(size);
            rest
        }
    };
    let end = start + shown.len();
    let more = size.is_some_and(|size| size > 0) && !only_counted && end < total;
    let body = json!({
        "result": shown,
        "resultCount": if only_counted { total } else { shown.len() },
        "pagedResultsCookie": more.then(|| end.to_string()),
        "totalPagedResultsPolicy": if exact { "EXACT" } else { "NONE" },
        "totalPagedResults": if exact { json!(total) } else { json!(-1) },
        "remainingPagedResults": if exact && more { json!(total - end) } else { json!(-1) },
    });
    let mut response = crest_json(StatusCode::OK, &body);
    if !shown.is_empty() {
        response.extensions_mut().insert(Listed(call.protocol.unwrap_or(Version(1, 0))));
    }
    Ok(response)
}

pub(super) fn unreadable(parameter: &str, value: &str) -> Crest {
    let shown: String = value.chars().take(100).collect();
    let what = if parameter == "_queryFilter" { "query filter" } else { parameter.trim_start_matches('_') };
    Crest::bad_request(format!("The value '{shown}' for parameter '{parameter}' could not be parsed as a valid {what}"))
}

/// Without any, or with the identifier that stands for all of them in AM's older clients, everything.
fn filter(query: &Query) -> Result<Filter, Crest> {
    let [filter, id, expression] = ["_queryFilter", "_queryId", "_queryExpression"].map(|name| query.first(name));
    match (filter, id, expression) {
        (None, None | Some("*"), None) => Ok(Filter::Literal(true)),
        (Some(text), None, None) => Filter::parse(text).ok_or_else(|| unreadable("_queryFilter", text)),
        (None, Some(id), None) => Err(unreadable("_queryId", id)),
        (None, None, Some(expression)) => Err(unreadable("_queryExpression", expression)),
        _ => Err(Crest::bad_request("_queryFilter, _queryId and _queryExpression exclude each other")),
    }
}

fn number(query: &Query, name: &str) -> Result<Option<usize>, Crest> {
    let Some(text) = query.filled(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| unreadable(name, text))
}

/// `a,-b`: by `a`, and then by `b` backwards. A `+` in a query string is a blank.
fn sort(items: &mut [Value], keys: &str) {
    let keys: Vec<(&str, bool)> = keys
        .split(',')
        .map(str::trim)
        .filter(|key| !key.is_empty())
        .take(MAX_SORT_KEYS)
        .map(|key| match key.strip_prefix('-') {
            Some(key) => (key.trim_start_matches('/'), true),
            None => (key.trim_start_matches(['+', '/']), false),
        })
        .collect();
    if keys.is_empty() {
        return;
    }
    items.sort_by(|one, other| {
        let by = |&(key, backwards): &(&str, bool)| {
            let order = compare(one.get(key), other.get(key));
            if backwards { order.reverse() } else { order }
        };
        keys.iter().map(by).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
}

/// Of two fields: what is not there, then numbers, then everything else as text. (Of three values there must be no
/// circle, which `sort_by` may answer with a panic.)
fn compare(one: Option<&Value>, other: Option<&Value>) -> Ordering {
    let number = |value: Option<&Value>| value.and_then(Value::as_f64);
    let text = |value: Option<&Value>| match value {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.to_lowercase()),
        Some(other) => Some(other.to_string()),
    };
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one.total_cmp(&other),
        (Some(_), None) if text(other).is_some() => Ordering::Less,
        (None, Some(_)) if text(one).is_some() => Ordering::Greater,
        _ => text(one).cmp(&text(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items() -> Vec<Value> {
        [("b", 2), ("a", 10), ("c", 2)].map(|(name, size)| json!({"_id": name, "size": size})).to_vec()
    }

    fn sorted(keys: &str) -> String {
        let mut items = items();
        sort(&mut items, keys);
        items.iter().filter_map(|item| item["_id"].as_str()).collect()
    }

    #[test]
    fn lists_are_sorted_by_several_keys_and_backwards() {
        assert_eq!([sorted(""), sorted("_id"), sorted("-_id")], ["bac", "abc", "cba"]);
        assert_eq!([sorted(" size,_id"), sorted("-/size, -_id"), sorted("none")], ["bca", "acb", "bac"]);
    }

    #[test]
    fn fields_of_several_types_have_an_order() {
        let values = [json!(10), json!(9), json!("5"), json!("9x"), json!(null), json!(true), json!({}), json!(1e300)];
        let of = |one, other| compare(Some(one), Some(other));
        for (a, b) in values.iter().flat_map(|a| values.iter().map(move |b| (a, b))) {
            assert_eq!(of(a, b), of(b, a).reverse(), "{a} {b}");
            for c in &values {
                assert!(of(a, b).is_gt() || of(b, c).is_gt() || of(a, c).is_le(), "{a} {b} {c}");
            }
        }
        // The circles among these have made `sort_by` panic.
        let mut items: Vec<Value> = (0..64u64)
            .map(|n| (n, n * 577 % 1000))
            .map(|(n, size)| json!({ "size": if n % 2 == 0 { json!(size) } else { json!(size.to_string()) } }))
            .collect();
        sort(&mut items, "size");
        assert!(items.iter().take(32).all(|item| item["size"].is_number()));
    }

    #[test]
    fn filters_are_of_one_kind_and_readable() {
        let read = |query: &str| filter(&Query::parse(query.as_bytes())).map_err(|error| error.message);
        for all in ["", "_queryFilter=true", "_queryId=*"] {
            assert_eq!(read(all), Ok(Filter::Literal(true)), "{all}");
        }
        for bad in
            ["_queryFilter=", "_queryFilter=%28", "_queryId=x", "_queryExpression=x", "_queryFilter=true&_queryId=*"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
        let why = "The value 'x y' for parameter '_queryFilter' could not be parsed as a valid query filter";
        assert_eq!(read("_queryFilter=x+y"), Err(why.to_owned()));
    }
}
