use countersign_core::token::foreign::{ForeignKey, verify_by_set};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use super::{KeySource, Provider};
use crate::node::NodeError;
use crate::outbound::get;
use crate::step::Step;

/// Clocks differ.
const SKEW: i64 = 60;
/// Providers publish a handful.
const MAX_KEYS: usize = 64;

/// The claims of an identity token that this provider made for us and for this journey (OpenID Connect Core §3.1.3.7).
pub(crate) async fn verify(
    step: &Step<'_>,
    provider: &Provider,
    token: &str,
    nonce: &str,
) -> Result<Map<String, Value>, NodeError> {
    let refused = |why: &str| NodeError::Refused(format!("the identity token of {:?} {why}", provider.name));
    let (keys, published_issuer) = keys(step, provider).await?;
    let payload = verify_by_set(token.as_bytes(), &keys).map_err(|error| refused(&format!("is not taken: {error}")))?;
    let claims: Map<String, Value> = serde_json::from_slice(&payload).map_err(|_| refused("has no claims"))?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let issuer = provider.issuer.as_deref().or(published_issuer.as_deref());
    let issuer = issuer.ok_or_else(|| {
        NodeError::Config(format!("identity provider {:?}: without an issuer tokens cannot be checked", provider.name))
    })?;
    if text("iss") != Some(issuer) {
        return Err(refused("is of another issuer"));
    }
    let ours = |audience: &Value| audience.as_str() == Some(&provider.client_id);
    let (for_us, several) = match claims.get("aud") {
        Some(Value::Array(list)) => (list.iter().any(ours), list.len() > 1),
        Some(one) => (ours(one), false),
        None => (false, false),
    };
    let authorized = text("azp").map_or(!several, |party| party == provider.client_id);
    if !for_us || !authorized {
        return Err(refused("is for another client"));
    }
    let number = |name: &str| claims.get(name).and_then(|value| value.as_i64().or_else(|| value.as_f64().map(whole)));
    let now = i64::try_from(step.now() / 1000).unwrap_or(i64::MAX);
    if number("exp").is_none_or(|expires| now >= expires.saturating_add(SKEW)) {
        return Err(refused("has expired"));
    }
    let early = |name: &str| number(name).is_some_and(|from| from.saturating_sub(SKEW) > now);
    if early("iat") || early("nbf") {
        return Err(refused("is not valid yet"));
    }
    let same = text("nonce").is_some_and(|given| bool::from(given.as_bytes().ct_eq(nonce.as_bytes())));
    if !same {
        return Err(refused("was not made for this journey"));
    }
    if text("sub").is_none_or(str::is_empty) {
        return Err(refused("names nobody"));
    }
    Ok(claims)
}

/// Dates with fractions are allowed (RFC 7519 §2).
#[allow(clippy::cast_possible_truncation, reason = "the cast saturates, and a date so far off is no more valid for it")]
fn whole(seconds: f64) -> i64 {
    seconds as i64
}

/// The provider's keys, and the issuer that its document names.
async fn keys(step: &Step<'_>, provider: &Provider) -> Result<(Vec<ForeignKey>, Option<String>), NodeError> {
    let name = &provider.name;
    let wrong = |why: &str| NodeError::Config(format!("identity provider {name:?}: {why}"));
    let (jwks, issuer) = match &provider.keys {
        KeySource::None => return Err(wrong("it has no keys for identity tokens")),
        KeySource::ClientSecret => {
            let secret = provider.client_secret.as_deref().ok_or_else(|| wrong("it has no secret"))?;
            return Ok((vec![ForeignKey::secret(secret.as_bytes())], None));
        }
        KeySource::Jwks(jwks) => (jwks.clone(), None),
        KeySource::WellKnown(document) => {
            let document = step.fetch(&format!("the configuration of {name:?}"), get(document)).await?;
            let text = |key: &str| document.get(key).and_then(Value::as_str).map(str::to_owned);
            // OpenID Connect Discovery §4.3: the document speaks of the issuer it was asked for.
            if provider.issuer.is_some() && provider.issuer != text("issuer") {
                return Err(wrong("its configuration names another issuer"));
            }
            (text("jwks_uri").ok_or_else(|| wrong("its configuration names no keys"))?, text("issuer"))
        }
    };
    let set = step.fetch(&format!("the keys of {name:?}"), get(&jwks)).await?;
    let keys = set.get("keys").and_then(Value::as_array).into_iter().flatten().take(MAX_KEYS);
    // Keys for other purposes and of other kinds stand in the same set.
    Ok((keys.filter_map(Value::as_object).filter_map(|jwk| ForeignKey::from_jwk(jwk).ok()).collect(), issuer))
}
