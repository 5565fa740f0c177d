use std::collections::BTreeMap;

use super::prelude::*;
use crate::oauth::KeySource;
use crate::social::{SINGLE_INPUTS, SINGLE_OUTCOMES, SINGLE_OUTPUTS, Single, single};

config! {
    /// The client's id at the provider.
    clientId: String;
    /// Its secret.
    clientSecret: Secret;
    /// Where the browser is sent.
    authorizeEndpoint: String;
    /// Where the code is changed for tokens.
    tokenEndpoint: String;
    /// Where the profile is.
    userInfoEndpoint: String;
    /// What is asked for.
    scopeString: String;
    /// Where the provider sends the browser back to.
    redirectURI: String;
    /// The provider's name.
    provider: String;
    /// The member of the profile that identifies the user.
    authenticationIdKey: String = "sub";
    /// Send id and secret as HTTP Basic instead of in the form.
    basicAuth: bool = true;
    /// Not used.
    cfgAccountProviderClass: Option<String>;
    /// May name an attribute and a prefix for its values after the class: `class|attribute|prefix`.
    cfgAccountMapperClass: String = "org.forgerock.openam.authentication.modules.common.mapping.JsonAttributeMapper";
    /// Likewise, for the attributes.
    cfgAttributeMappingClasses: Vec<String>;
    /// By which of their members, and as which of our attributes, users are found.
    cfgAccountMapperConfiguration: BTreeMap<String, String> = BTreeMap::new();
    /// Which of their members become which of our attributes.
    cfgAttributeMappingConfiguration: BTreeMap<String, String> = BTreeMap::new();
    /// Put the attributes into the session.
    saveUserAttributesToSession: bool = true;
    /// Not used: answers that name their issuer are always compared.
    cfgMixUpMitigation: bool = false;
    /// Who signs the provider's tokens.
    issuer: Option<String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "SocialOAuth2Node";
    const NAME: &'static str = "OAuth 2.0";
    const ABOUT: &'static str = "Logs in with a provider of OAuth 2.0.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(SINGLE_OUTCOMES);
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::RedirectCallback];
    const INPUTS: &'static [Key] = SINGLE_INPUTS;
    const OUTPUTS: &'static [Key] = SINGLE_OUTPUTS;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let settings = Single {
            provider: &config.provider,
            client_id: &config.clientId,
            client_secret: &config.clientSecret,
            authorize: &config.authorizeEndpoint,
            token: &config.tokenEndpoint,
            user_info: &config.userInfoEndpoint,
            scope: &config.scopeString,
            redirect_uri: &config.redirectURI,
            id_key: &config.authenticationIdKey,
            basic: config.basicAuth,
            issuer: config.issuer.as_deref().unwrap_or_default(),
            keys: KeySource::None,
            account: &config.cfgAccountMapperConfiguration,
            account_class: &config.cfgAccountMapperClass,
            attributes: &config.cfgAttributeMappingConfiguration,
            attribute_classes: &config.cfgAttributeMappingClasses,
            to_session: config.saveUserAttributesToSession,
        };
        single(settings, step).await
    }
}
