//! What the nodes share that log in with an identity provider.

use serde_json::{Map, Value, json};

use crate::config::Secret;
use crate::host::Identity;
use crate::library::Library;
use crate::node::{Key, NodeError, NodeResult, goto, send};
use crate::oauth::mapping::{self, Mapping, NoMapping};
use crate::oauth::{self, Came, ClientAuth, KeySource, Pkce, Progress, Provider};
use crate::profile::Where;
use crate::state::OBJECT_ATTRIBUTES;
use crate::step::Step;

pub(crate) const SELECTED: &str = "selectedIdp";
/// What the provider gave, for later nodes.
pub(crate) const OAUTH_DATA: &str = "socialOAuthData";
const ALIASES: &str = "aliasList";
const NAMES_FLAG: &str = "nameEmptyOrNull";

pub(crate) const ACCOUNT_EXISTS: &str = "ACCOUNT_EXISTS";
pub(crate) const NO_ACCOUNT: &str = "NO_ACCOUNT";
pub(crate) const INTERRUPTED: &str = "SOCIAL_AUTH_INTERRUPTED";

pub(crate) const HANDLER_INPUTS: &[Key] = &[Key::Named(SELECTED), Key::Named(OBJECT_ATTRIBUTES), oauth::SAVED];
pub(crate) const HANDLER_OUTPUTS: &[Key] = &[
    Key::Named("username"),
    Key::Named("_id"),
    Key::Named(OBJECT_ATTRIBUTES),
    Key::Named(OAUTH_DATA),
    Key::Named(NAMES_FLAG),
    oauth::SAVED,
];

/// Settings of both versions of the handler.
pub(crate) struct Handler<'a> {
    pub(crate) script: &'a str,
    pub(crate) username_attribute: &'a str,
    pub(crate) native: bool,
    pub(crate) store_tokens: bool,
    /// Whether there is an outcome for a login that the provider has refused.
    pub(crate) interruptible: bool,
}

/// The Social Provider Handler: logs in with the provider that was selected.
pub(crate) async fn handle(handler: Handler<'_>, step: &mut Step<'_>) -> NodeResult {
    let name = step.state.text(SELECTED).map(str::to_owned);
    let name = name.ok_or_else(|| NodeError::State("no identity provider is selected".to_owned()))?;
    let settings = step.library.providers().find(|(known, _)| *known == name).map(|(_, settings)| settings);
    let settings = settings.ok_or_else(|| NodeError::Config(format!("identity provider {name:?} does not exist")))?;
    let provider = Provider::read(&name, settings, step)?;
    // Before the user goes away for it.
    let to_user = profile_script(step.library, handler.script)?;
    let normal = provider.transform.as_deref().map(|id| profile_script(step.library, id)).transpose()?;
    let progress = if handler.native {
        oauth::native(step, &provider).await?
    } else {
        oauth::authenticate(step, &provider).await?
    };
    let came = match progress {
        Progress::Ask(callback) => return send([*callback]),
        Progress::Interrupted(_) if handler.interruptible => return goto(INTERRUPTED),
        Progress::Interrupted(error) => return Err(interrupted(&error)),
        Progress::Came(came) => *came,
    };
    let normalized = match &normal {
        Some(mapping) => mapping.apply(&came.profile),
        None => came.profile.clone(),
    };
    let alias = format!("{name}-{}", came.subject);
    if handler.store_tokens {
        let tokens = came.tokens.clone();
        step.state.put_transient(OAUTH_DATA, json!({name.as_str(): tokens}));
    }
    if to_user.names_flag {
        let blank = |key: &str| normalized.get(key).and_then(Value::as_str).is_none_or(|name| name.trim().is_empty());
        step.state.put_shared(NAMES_FLAG, blank("givenName") && blank("familyName"));
    }
    for (attribute, value) in to_user.apply(&normalized) {
        step.set_attribute(Where::Transient, &attribute, value);
    }
    let known = by_alias(step, &alias).await?;
    let mut aliases = known.as_ref().map(aliases).unwrap_or_else(|| {
        // A user who is known by other means is linked when a later node stores the profile.
        let listed = step.attribute(ALIASES);
        listed.as_ref().and_then(Value::as_array).cloned().unwrap_or_default()
    });
    if !aliases.iter().any(|known| known == alias.as_str()) {
        aliases.push(json!(alias));
    }
    step.set_attribute(Where::Transient, ALIASES, Value::Array(aliases));
    let Some(identity) = known else { return goto(NO_ACCOUNT) };
    let named = identity.attributes.get(handler.username_attribute).and_then(Value::as_str);
    let username = named.unwrap_or(&identity.username).to_owned();
    step.state.put_shared("username", username);
    step.state.put_shared("_id", identity.id.as_str());
    step.identify(&identity);
    goto(ACCOUNT_EXISTS)
}

fn aliases(identity: &Identity) -> Vec<Value> {
    match identity.attributes.get(ALIASES) {
        Some(Value::Array(list)) => list.clone(),
        // A store may give a list of one as its value.
        Some(one @ Value::String(_)) => vec![one.clone()],
        _ => Vec::new(),
    }
}

/// Whose alias this is. Stores find without regard to case, and providers give ids that differ in nothing else.
async fn by_alias(step: &Step<'_>, alias: &str) -> Result<Option<Identity>, NodeError> {
    let found = step.host.identities.find(step.resource(), ALIASES, alias).await?;
    Ok(found.filter(|identity| aliases(identity).iter().any(|known| known == alias)))
}

fn interrupted(error: &str) -> NodeError {
    NodeError::Refused(format!("the identity provider ended the login: {error}"))
}

fn profile_script(library: &Library, id: &str) -> Result<Mapping, NodeError> {
    mapping::find(library, id).map_err(|why| match why {
        NoMapping::Missing => NodeError::Config(format!("script {id} does not exist")),
        NoMapping::Other => NodeError::Config(format!("profile script {id} does more than to map names")),
    })
}

/// Whether the user has logged in with this provider before.
pub(crate) fn linked(identity: &Identity, provider: &str) -> bool {
    let of = |alias: &Value| {
        alias.as_str().and_then(|alias| alias.strip_prefix(provider)).is_some_and(|rest| rest.starts_with('-'))
    };
    aliases(identity).iter().any(of)
}

/// Settings of the nodes that are one provider each.
pub(crate) struct Single<'a> {
    pub(crate) provider: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) client_secret: &'a Secret,
    pub(crate) authorize: &'a str,
    pub(crate) token: &'a str,
    pub(crate) user_info: &'a str,
    pub(crate) scope: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) id_key: &'a str,
    pub(crate) basic: bool,
    pub(crate) issuer: &'a str,
    pub(crate) keys: KeySource,
    pub(crate) account: &'a std::collections::BTreeMap<String, String>,
    pub(crate) account_class: &'a str,
    pub(crate) attributes: &'a std::collections::BTreeMap<String, String>,
    pub(crate) attribute_classes: &'a [String],
    pub(crate) to_session: bool,
}

pub(crate) const SINGLE_INPUTS: &[Key] = &[oauth::SAVED];
pub(crate) const SINGLE_OUTPUTS: &[Key] = &[Key::Named("username"), Key::Named("userInfo"), oauth::SAVED];
pub(crate) const SINGLE_OUTCOMES: &[&str] = &[ACCOUNT_EXISTS, NO_ACCOUNT];

/// The nodes that are one provider each: finds the user by attributes, and leaves what the provider says for a later
/// node that makes an account of it.
pub(crate) async fn single(settings: Single<'_>, step: &mut Step<'_>) -> NodeResult {
    let filled = |text: &str| Some(text.to_owned()).filter(|text| !text.trim().is_empty());
    let user_info = filled(settings.user_info);
    if matches!(settings.keys, KeySource::None) && user_info.is_none() {
        return Err(NodeError::Config("setting userInfoEndpoint: is required".to_owned()));
    }
    let provider = Provider {
        name: settings.provider.to_owned(),
        client_id: settings.client_id.to_owned(),
        client_secret: settings.client_secret.0.clone().or_else(|| oauth::secret_of(settings.provider, step)),
        authorize: settings.authorize.to_owned(),
        token: settings.token.to_owned(),
        user_info,
        redirect_uri: settings.redirect_uri.to_owned(),
        scope: settings.scope.to_owned(),
        acr_values: String::new(),
        response_mode: None,
        pkce: Pkce::S256,
        auth: if settings.basic { ClientAuth::Basic } else { ClientAuth::Post },
        issuer: filled(settings.issuer),
        keys: settings.keys.clone(),
        id_key: settings.id_key.to_owned(),
        transform: None,
    };
    let came = match oauth::authenticate(step, &provider).await? {
        Progress::Ask(callback) => return send([*callback]),
        Progress::Interrupted(error) => return Err(interrupted(&error)),
        Progress::Came(came) => *came,
    };
    let names = mapped(&came, settings.account, std::slice::from_ref(&settings.account_class));
    let attributes = mapped(&came, settings.attributes, settings.attribute_classes);
    if settings.to_session {
        for (name, values) in &attributes {
            if let Some(Value::String(text)) = values.get(0) {
                step.effects.set_property(name, json!(text))?;
            }
        }
    }
    let mut found = None;
    for (attribute, values) in &names {
        for value in values.as_array().into_iter().flatten().filter_map(Value::as_str) {
            let identity = match attribute.as_str() {
                ALIASES => by_alias(step, value).await?,
                _ => step.host.identities.find(step.resource(), attribute, value).await?,
            };
            found = found.or(identity);
        }
    }
    let (user_names, attributes) = (Value::Object(names), Value::Object(attributes));
    step.state.put_shared("userInfo", json!({"attributes": attributes, "userNames": user_names}));
    let Some(identity) = found else { return goto(NO_ACCOUNT) };
    step.state.put_shared("username", identity.username.as_str());
    step.identify(&identity);
    goto(ACCOUNT_EXISTS)
}

/// Attributes with their values, by a map from the provider's names to ours. A mapper class may name, between bars, an
/// attribute (`*`: all of them) and what to put before its values, so that ids of two providers are not taken for each
/// other.
fn mapped<S: AsRef<str>>(
    came: &Came,
    map: &std::collections::BTreeMap<String, String>,
    classes: &[S],
) -> Map<String, Value> {
    let mut out = Map::new();
    for (theirs, ours) in map {
        let Some(value) = oauth::id_text(&came.profile, theirs) else { continue };
        let prefix = classes.iter().find_map(|class| {
            let mut parts = class.as_ref().split('|').skip(1);
            let (of, prefix) = (parts.next()?, parts.next()?);
            (of == "*" || of.split(',').any(|of| of == ours)).then(|| prefix.to_owned())
        });
        let value = format!("{}{value}", prefix.unwrap_or_default());
        let name = platform_name(ours);
        match out.get_mut(name) {
            Some(Value::Array(values)) => values.push(json!(value)),
            _ => {
                out.insert(name.to_owned(), json!([value]));
            }
        }
    }
    out
}

/// These nodes come from realms whose store is an LDAP directory.
fn platform_name(attribute: &str) -> &str {
    match attribute {
        "uid" => "userName",
        "iplanet-am-user-alias-list" => ALIASES,
        other => other,
    }
}
