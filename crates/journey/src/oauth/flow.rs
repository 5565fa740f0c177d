use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::id_token;
use super::{ClientAuth, KeySource, Pkce, Provider, id_text};
use crate::callback::{Callback, CallbackType};
use crate::node::{Key, NodeError};
use crate::outbound::{form, get, post_form};
use crate::step::Step;

/// What the node keeps while the user is away.
pub(crate) const SAVED: Key = Key::Own(SUFFIX);
const SUFFIX: &str = "authorization";

/// Longest code or state that is looked at.
const MAX_PARAMETER: usize = 4096;

/// Who came back.
pub(crate) struct Came {
    /// What the provider says of the user.
    pub(crate) profile: Map<String, Value>,
    /// By which the provider knows the user.
    pub(crate) subject: String,
    /// The answer of the token endpoint.
    pub(crate) tokens: Map<String, Value>,
}

pub(crate) enum Progress {
    Ask(Box<Callback>),
    Came(Box<Came>),
    /// The provider says that there will be no login: its error code.
    Interrupted(String),
}

/// Sends the browser to the provider, or takes it back from there: then the request has the provider's answer among its
/// parameters.
pub(crate) async fn authenticate(step: &mut Step<'_>, provider: &Provider) -> Result<Progress, NodeError> {
    let Some((saved, answer)) = returned(step) else {
        return Ok(Progress::Ask(Box::new(depart(step, provider)?)));
    };
    let key = step.own(SUFFIX);
    // Once: a second answer to the same question would be somebody else's.
    step.state.remove(&key);
    let kept = |name: &str| saved.get(name).and_then(Value::as_str).unwrap_or_default();
    let same = |given: &str, name: &str| bool::from(given.as_bytes().ct_eq(kept(name).as_bytes()));
    if kept("provider") != provider.name || !same(&answer.state, "state") {
        return Err(NodeError::Refused("the answer is not to this journey's question".to_owned()));
    }
    // RFC 9207: another provider's answer is not taken for this one's.
    if let (Some(given), Some(issuer)) = (&answer.issuer, &provider.issuer)
        && given != issuer
    {
        return Err(NodeError::Refused("the answer is of another issuer".to_owned()));
    }
    let code = match answer.outcome {
        Err(error) => return Ok(Progress::Interrupted(error)),
        Ok(code) => code,
    };
    let tokens = redeem(step, provider, &code, kept("verifier")).await?;
    Ok(Progress::Came(Box::new(arrive(step, provider, tokens, kept("nonce")).await?)))
}

/// A mobile app logs in with the provider's own SDK and brings what it got there.
pub(crate) async fn native(step: &mut Step<'_>, provider: &Provider) -> Result<Progress, NodeError> {
    let key = step.own(SUFFIX);
    let saved = step.state.get(&key).cloned();
    let answered = step.answered(CallbackType::IdPCallback).zip(saved);
    let brought = answered.and_then(|(callback, saved)| {
        let token = callback.input("token").and_then(Value::as_str).filter(|token| !token.is_empty())?;
        Some((callback, token.to_owned(), saved))
    });
    let Some((callback, token, saved)) = brought else {
        let nonce = step.random_id();
        step.state.put_transient(&key, json!({"nonce": nonce, "provider": provider.name}));
        let output = [
            ("provider", json!(provider.name)),
            ("clientId", json!(provider.client_id)),
            ("redirectUri", json!(provider.redirect_uri)),
            ("scopes", json!(provider.scope.split_whitespace().collect::<Vec<_>>())),
            ("nonce", json!(nonce)),
            ("acrValues", json!(provider.acr_values.split_whitespace().collect::<Vec<_>>())),
            ("request", json!("")),
            ("requestUri", json!("")),
            ("acceptsJSON", json!(true)),
        ];
        let callback =
            Callback::new(CallbackType::IdPCallback, output, [("token", json!("")), ("token_type", json!(""))]);
        return Ok(Progress::Ask(Box::new(callback)));
    };
    step.state.remove(&key);
    let kept = |name: &str| saved.get(name).and_then(Value::as_str).unwrap_or_default();
    if kept("provider") != provider.name {
        return Err(NodeError::Refused("the answer is for another provider".to_owned()));
    }
    let tokens = match callback.input("token_type").and_then(Value::as_str) {
        Some("id_token") => Map::from_iter([("id_token".to_owned(), json!(token))]),
        Some("authorization_code") => redeem(step, provider, &token, "").await?,
        // An access token says nothing of the client it was made for: any other app's would do.
        _ => return Err(NodeError::Refused("only identity tokens and codes are taken from apps".to_owned())),
    };
    Ok(Progress::Came(Box::new(arrive(step, provider, tokens, kept("nonce")).await?)))
}

/// The question to the provider (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1).
fn depart(step: &mut Step<'_>, provider: &Provider) -> Result<Callback, NodeError> {
    let (state, nonce) = (step.random_id(), step.random_id());
    // RFC 7636 §4.1: at least 43 characters.
    let verifier = format!("{}{}", step.random_id(), step.random_id());
    let wrong =
        || NodeError::Config(format!("identity provider {:?}: {:?} is no URL", provider.name, provider.authorize));
    let mut url = url::Url::parse(&provider.authorize).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong());
    }
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("client_id", &provider.client_id).append_pair("response_type", "code");
        query.append_pair("redirect_uri", &provider.redirect_uri).append_pair("state", &state);
        let optional = [("scope", provider.scope.as_str()), ("acr_values", &provider.acr_values)];
        for (name, value) in optional.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        if let Some(mode) = &provider.response_mode {
            query.append_pair("response_mode", mode);
        }
        if !matches!(provider.keys, KeySource::None) {
            query.append_pair("nonce", &nonce);
        }
        match provider.pkce {
            Pkce::None => {}
            Pkce::Plain => {
                query.append_pair("code_challenge", &verifier).append_pair("code_challenge_method", "plain");
            }
            Pkce::S256 => {
                let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
                query.append_pair("code_challenge", &challenge).append_pair("code_challenge_method", "S256");
            }
        }
    }
    let verifier = if provider.pkce == Pkce::None { String::new() } else { verifier };
    let saved = json!({"state": state, "nonce": nonce, "verifier": verifier, "provider": provider.name});
    let key = step.own(SUFFIX);
    step.state.put_transient(&key, saved);
    Ok(Callback::redirect(url.as_str(), true))
}

struct Answered {
    state: String,
    issuer: Option<String>,
    /// The code, or the error's.
    outcome: Result<String, String>,
}

/// What was kept, and the provider's answer; `None` when the user comes for the first time or with nothing.
fn returned(step: &Step<'_>) -> Option<(Value, Answered)> {
    step.answered(CallbackType::RedirectCallback)?;
    let saved = step.state.get(&step.own(SUFFIX))?.clone();
    // A parameter that comes twice is not one (RFC 6749 §3.1).
    let parameter = |name: &str| match step.request.parameters.get(name).map(Vec::as_slice) {
        Some([value]) if !value.is_empty() && value.len() <= MAX_PARAMETER => Some(value.clone()),
        _ => None,
    };
    let outcome = match (parameter("error"), parameter("code")) {
        (Some(error), _) => Err(error.chars().filter(char::is_ascii_graphic).take(64).collect()),
        (None, Some(code)) => Ok(code),
        (None, None) => return None,
    };
    let state = parameter("state").unwrap_or_default();
    Some((saved, Answered { state, issuer: parameter("iss"), outcome }))
}

/// Changes the code for tokens (RFC 6749 §4.1.3).
async fn redeem(
    step: &Step<'_>,
    provider: &Provider,
    code: &str,
    verifier: &str,
) -> Result<Map<String, Value>, NodeError> {
    let mut pairs =
        vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", provider.redirect_uri.as_str())];
    if !verifier.is_empty() {
        pairs.push(("code_verifier", verifier));
    }
    let secret = provider.client_secret.as_deref();
    let basic = provider.auth == ClientAuth::Basic && secret.is_some();
    if !basic {
        pairs.push(("client_id", &provider.client_id));
        pairs.extend(secret.map(|secret| ("client_secret", secret)));
    }
    let mut request = post_form(&provider.token, form(pairs));
    if let (true, Some(secret)) = (basic, secret) {
        // RFC 6749 §2.3.1: both in the form's encoding.
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let credentials = STANDARD.encode(format!("{}:{}", encode(&provider.client_id), encode(secret)));
        request.headers.push(("authorization", format!("Basic {credentials}")));
    }
    step.fetch(&format!("the token endpoint of {:?}", provider.name), request).await
}

/// Finds out whose tokens these are.
async fn arrive(
    step: &Step<'_>,
    provider: &Provider,
    tokens: Map<String, Value>,
    nonce: &str,
) -> Result<Came, NodeError> {
    let refused = |why: &str| NodeError::Refused(format!("identity provider {:?}: {why}", provider.name));
    let token = |name: &str| tokens.get(name).and_then(Value::as_str).filter(|token| !token.is_empty());
    let mut profile = Map::new();
    if matches!(provider.keys, KeySource::None) {
        if token("access_token").is_none() {
            return Err(refused("it gave no access token"));
        }
    } else {
        let id_token = token("id_token").ok_or_else(|| refused("it gave no identity token"))?;
        profile = id_token::verify(step, provider, id_token, nonce).await?;
    }
    if let (Some(endpoint), Some(access)) = (&provider.user_info, token("access_token")) {
        let mut request = get(endpoint);
        request.headers.push(("authorization", format!("Bearer {access}")));
        let info = step.fetch(&format!("the user info endpoint of {:?}", provider.name), request).await?;
        // OpenID Connect Core §5.3.2: of the same user, or the answer is not to be used.
        if let Some(subject) = profile.get("sub")
            && info.get("sub") != Some(subject)
        {
            return Err(refused("its user info is of somebody else"));
        }
        profile.extend(info);
    }
    let subject = id_text(&profile, &provider.id_key);
    let subject = subject.ok_or_else(|| refused(&format!("its profile has no {}", provider.id_key)))?;
    Ok(Came { profile, subject, tokens })
}
