//! What a session cookie of AM is, told to an operator who comes from there. It needs nothing of an installation, and
//! nothing that it tells of is a session here.

mod key_files;
mod settings;
#[cfg(test)]
mod tests;

use countersign_core::encoding;
use countersign_core::session::Reference;
use countersign_core::time::UnixSeconds;
use countersign_core::token::Kind;
use countersign_core::token::am::{Cookie, Culprit, Reading};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::{Map, Value, json};
pub(crate) use settings::AmSettings;

use crate::explain::readable;

/// Holds nothing that is not in the token, but for the names of keys.
#[derive(Serialize, Debug)]
pub(crate) struct AmExplanation {
    pub(crate) kind: &'static str,
    /// Whether AM made it, by these settings, and it has not come to its end. What AM's denylist has is not known.
    pub(crate) holds: bool,
    /// Why not: a code, and a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<(&'static str, String)>,
    /// Where the mistake is to be looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) look_at: Option<&'static str>,
    pub(crate) note: &'static str,
    pub(crate) bytes: usize,
    /// What stands in the cookie before the token.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) cookie: Map<String, Value>,
    /// From the outermost to the innermost that could be opened.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) layers: Vec<AmLayer>,
    /// As AM wrote them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) claims: Option<Map<String, Value>>,
    /// Instants, readable.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) times: Map<String, Value>,
}

#[derive(Serialize, Debug)]
pub(crate) struct AmLayer {
    kind: &'static str,
    header: Map<String, Value>,
    holds: bool,
    /// By which key, and how its text is to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

const NOT_OURS: &str = "Countersign does not accept it: it is a session of AM, and what AM's denylist has of it is not \
                        known here. Who holds it logs in anew.";
const SERVER_SIDE: &str = "It has no token in it: it is a reference to a session that AM keeps itself, in its token \
                           store. No key opens it; AM's REST interface says what it is \
                           (/json/sessions?_action=getSessionInfo).";
const OURS: &str = "A session of Countersign, not of AM: `session decode` without --am-settings explains it.";
const NOTHING: &str = "Neither a session cookie of AM nor a token out of one.";

/// `exp` of a session that does not end.
const NEVER: u64 = i64::MAX.unsigned_abs();

impl AmExplanation {
    fn new(kind: &'static str, note: &'static str, bytes: usize) -> Self {
        Self {
            kind,
            holds: false,
            refused: None,
            look_at: None,
            note,
            bytes,
            cookie: Map::new(),
            layers: Vec::new(),
            claims: None,
            times: Map::new(),
        }
    }

    fn refused(mut self, code: &'static str, what: String, look_at: Culprit) -> Self {
        self.refused = Some((code, what));
        self.look_at = Some(look_at.name());
        self
    }
}

/// Explains a cookie of AM: its value, also as `name=value` out of a header, or a JWT by itself. The text is hostile
/// like any other.
pub(crate) fn explain(settings: &AmSettings, text: &str, now: UnixSeconds) -> AmExplanation {
    let value = value(text);
    if is_ours(&value) {
        let what = "it is a session of Countersign".to_owned();
        return AmExplanation::new("Countersign session", OURS, value.len()).refused("own", what, Culprit::Token);
    }
    let cookie = match Cookie::parse(&value) {
        Ok(cookie) => cookie,
        Err(error) => {
            let nothing = AmExplanation::new("unknown", NOTHING, value.len());
            return nothing.refused(error.code(), error.to_string(), Culprit::Token);
        }
    };
    // `SK` is what finds a session in AM's store: as good as a password there.
    let told = cookie.extensions.iter().filter(|(key, _)| key != "SK");
    let extensions: Map<String, Value> = told.map(|(key, value)| (name_of(key), value.as_str().into())).collect();
    let is_journey = cookie.in_auth_id || cookie.extension("type").is_some_and(|kind| kind.ends_with("_AUTH"));
    let Some(token) = &cookie.token else {
        let kind = if is_journey { "AM server-side journey session" } else { "AM server-side session" };
        return AmExplanation { cookie: extensions, ..AmExplanation::new(kind, SERVER_SIDE, value.len()) };
    };
    let Reading { layers, claims } = settings.reader.read(token.as_bytes());
    let is_journey = is_journey || claims.as_ref().is_ok_and(has_tree_state);
    let (kind, note) = match (&claims, layers.is_empty()) {
        (Err(_), true) => ("unknown", NOTHING),
        _ if is_journey => ("AM client-side journey session", NOT_OURS),
        _ => ("AM client-side session", NOT_OURS),
    };
    let mut explanation = AmExplanation { cookie: extensions, ..AmExplanation::new(kind, note, value.len()) };
    explanation.layers = layers
        .into_iter()
        .map(|layer| {
            let names = if layer.kind == "JWS" { &settings.signing } else { &settings.encryption };
            let key = layer.key.and_then(|at| names.get(at).cloned());
            AmLayer { kind: layer.kind, header: layer.header, holds: layer.key.is_some(), key }
        })
        .collect();
    let claims = match claims {
        Ok(claims) => claims,
        Err(fault) => return explanation.refused(fault.code(), fault.to_string(), fault.culprit()),
    };
    explanation.times = times(&claims, now);
    let end = claims.get("exp").and_then(Value::as_u64);
    let state = claims.get("state").and_then(Value::as_str).filter(|state| !state.eq_ignore_ascii_case("valid"));
    explanation.refused = match state {
        _ if end.is_none() => Some(("claims", "it has no end in whole seconds (`exp`)".to_owned())),
        _ if end.is_some_and(|end| end < now.0) => Some(("expired", "the session has reached its end".to_owned())),
        Some(state) => Some(("state", format!("its state is {state:?}"))),
        None => None,
    };
    explanation.holds = explanation.refused.is_none();
    explanation.claims = Some(claims);
    explanation
}

/// Whether it looks like a cookie of AM: none of ours has its separators, nor its `typ`.
pub(crate) fn is_of_am(text: &str) -> bool {
    let value = value(text);
    let is_jwt = || typ(&value).is_some_and(|typ| typ == "JWT");
    matches!(Cookie::session_id(&value), Ok(Some(_))) || is_jwt()
}

/// The value of a cookie, out of what was copied.
fn value(text: &str) -> String {
    let one = text.trim().split(';').next().unwrap_or_default().trim();
    // `=` also ends base64 before AM's separators.
    let value = match one.split_once('=') {
        Some((name, value)) if is_name(name) && !value.is_empty() && !value.starts_with(['=', '@', '#']) => value,
        _ => one,
    };
    let value = value.trim_matches('"');
    percent_decode_str(value).decode_utf8().map_or_else(|_| value.to_owned(), Into::into)
}

/// Names of cookies have none of what AM separates by.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn typ(token: &str) -> Option<String> {
    let header = token.split('.').next().filter(|header| header.len() <= 4096)?;
    let header: Value = serde_json::from_slice(&encoding::decode(header.as_bytes()).ok()?).ok()?;
    header.get("typ").and_then(Value::as_str).map(str::to_owned)
}

fn is_ours(value: &str) -> bool {
    let ours = [Kind::Session, Kind::Journey, Kind::PersistentCookie].map(Kind::typ);
    Reference::read(value.as_bytes()).is_some() || typ(value).is_some_and(|typ| ours.contains(&typ.as_str()))
}

fn name_of(extension: &str) -> String {
    match extension {
        "S1" => "server",
        "SI" => "site",
        other => other,
    }
    .to_owned()
}

fn has_tree_state(claims: &Map<String, Value>) -> bool {
    claims.get("props").is_some_and(|props| props.get("treeState").is_some())
}

fn times(claims: &Map<String, Value>, now: UnixSeconds) -> Map<String, Value> {
    // AM never writes a token anew, so that the last activity is when it was made.
    let named = [("issued", "lastActivityTime"), ("expires", "exp")];
    let mut times: Map<String, Value> = named
        .into_iter()
        .filter_map(|(name, claim)| {
            let at = claims.get(claim)?.as_u64()?;
            Some((name.to_owned(), if at == NEVER { json!("never") } else { readable(UnixSeconds(at), now) }))
        })
        .collect();
    times.insert("now".to_owned(), readable(now, now));
    times
}
