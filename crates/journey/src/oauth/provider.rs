use serde_json::{Map, Value};

use crate::node::NodeError;
use crate::step::Step;

/// How the client shows that it is itself at the token endpoint.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientAuth {
    Basic,
    Post,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pkce {
    None,
    Plain,
    S256,
}

/// Where the keys of identity tokens are. Without any, the provider is one of OAuth 2.0 alone.
#[derive(Clone)]
pub(crate) enum KeySource {
    None,
    Jwks(String),
    WellKnown(String),
    /// HMAC under the client's secret.
    ClientSecret,
}

/// A realm's settings for one provider. No `Debug`: it has the client's secret.
#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) name: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: Option<String>,
    pub(crate) authorize: String,
    pub(crate) token: String,
    pub(crate) user_info: Option<String>,
    pub(crate) redirect_uri: String,
    pub(crate) scope: String,
    pub(crate) acr_values: String,
    pub(crate) response_mode: Option<String>,
    pub(crate) pkce: Pkce,
    pub(crate) auth: ClientAuth,
    pub(crate) issuer: Option<String>,
    pub(crate) keys: KeySource,
    /// The member of the profile that identifies the user.
    pub(crate) id_key: String,
    /// The script that brings the provider's profile into the common form.
    pub(crate) transform: Option<String>,
}

impl Provider {
    /// From the form of `socialIdentityProviders`.
    pub(crate) fn read(name: &str, settings: &Map<String, Value>, step: &Step<'_>) -> Result<Self, NodeError> {
        let wrong = |why: &str| NodeError::Config(format!("identity provider {name:?}: {why}"));
        let text = |key: &str| {
            let text = settings.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
            text.map(str::to_owned)
        };
        let list = |key: &str, delimiter: &str| {
            let list = settings.get(key).and_then(Value::as_array).into_iter().flatten();
            list.filter_map(Value::as_str).collect::<Vec<_>>().join(delimiter)
        };
        let required = |key: &str| text(key).ok_or_else(|| wrong(&format!("{key} is missing")));
        let auth = match text("clientAuthenticationMethod").as_deref() {
            None | Some("CLIENT_SECRET_POST") => ClientAuth::Post,
            Some("CLIENT_SECRET_BASIC") => ClientAuth::Basic,
            Some(_) => return Err(wrong("its clientAuthenticationMethod is not supported")),
        };
        let pkce = match text("pkceMethod").as_deref() {
            Some("NONE") => Pkce::None,
            Some("PLAIN") => Pkce::Plain,
            _ => Pkce::S256,
        };
        if settings.get("encryptedIdTokens").and_then(Value::as_bool) == Some(true) {
            return Err(wrong("encrypted identity tokens are not supported"));
        }
        if text("issuerComparisonCheckType").is_some_and(|check| check != "EXACT") {
            return Err(wrong("issuers are only compared exactly"));
        }
        if text("jwtRequestParameterOption").is_some_and(|option| option != "NONE") {
            return Err(wrong("request objects are not supported"));
        }
        let labelled = text("clientSecretLabelIdentifier").and_then(|label| step.secret(&label).map(str::to_owned));
        let labelled = labelled.or_else(|| secret_of(name, step));
        let delimiter = text("scopeDelimiter").unwrap_or_else(|| " ".to_owned());
        let scope = list("scopes", &delimiter);
        let keys = match (text("jwksUriEndpoint"), text("wellKnownEndpoint")) {
            // Providers of plain OAuth carry these settings along, unused.
            _ if !scope.split(&*delimiter).any(|scope| scope == "openid") => KeySource::None,
            (Some(jwks), _) => KeySource::Jwks(jwks),
            (None, Some(document)) => KeySource::WellKnown(document),
            (None, None) => KeySource::None,
        };
        let user_info = text("userInfoEndpoint");
        if matches!(keys, KeySource::None) && user_info.is_none() {
            return Err(wrong("it has neither keys for identity tokens nor a userInfoEndpoint"));
        }
        Ok(Self {
            name: name.to_owned(),
            client_id: required("clientId")?,
            client_secret: text("clientSecret").or(labelled),
            authorize: required("authorizationEndpoint")?,
            token: required("tokenEndpoint")?,
            user_info,
            redirect_uri: required("redirectURI")?,
            scope,
            acr_values: list("acrValues", " "),
            response_mode: text("responseMode").filter(|mode| mode != "DEFAULT").map(|mode| mode.to_lowercase()),
            pkce,
            auth,
            issuer: text("issuer"),
            keys,
            id_key: text("authenticationIdKey").unwrap_or_else(|| "sub".to_owned()),
            transform: text("transform"),
        })
    }
}

/// Exports have no secrets: the realm may have one under this label.
pub(crate) fn secret_of(provider: &str, step: &Step<'_>) -> Option<String> {
    step.secret(&format!("social.{provider}")).map(str::to_owned)
}
