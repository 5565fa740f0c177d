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
    authorizeEndpoint: String = "https://www.facebook.com/dialog/oauth";
    /// Where the code is changed for tokens.
    tokenEndpoint: String = "https://graph.facebook.com/v2.12/oauth/access_token";
    /// Where the profile is.
    userInfoEndpoint: String = "https://graph.facebook.com/v2.6/me?fields=name%2Cemail%2Cfirst_name%2Clast_name";
    /// What is asked for.
    scopeString: String = "public_profile,email";
    /// Where the provider sends the browser back to.
    redirectURI: String;
    /// The provider's name.
    provider: String = "facebook";
    /// The member of the profile that identifies the user.
    authenticationIdKey: String = "id";
    /// Send id and secret as HTTP Basic instead of in the form.
    basicAuth: bool = true;
    /// Not used.
    cfgAccountProviderClass: Option<String>;
    /// May name an attribute and a prefix for its values after the class: `class|attribute|prefix`.
    cfgAccountMapperClass: String = "org.forgerock.openam.authentication.modules.common.mapping.JsonAttributeMapper|*|facebook-";
    /// Likewise, for the attributes.
    cfgAttributeMappingClasses: Vec<String>;
    /// By which of their members, and as which of our attributes, users are found.
    cfgAccountMapperConfiguration: BTreeMap<String, String> = BTreeMap::from([("id".to_owned(), "iplanet-am-user-alias-list".to_owned())]);
    /// Which of their members become which of our attributes.
    cfgAttributeMappingConfiguration: BTreeMap<String, String> = BTreeMap::from([("id".to_owned(), "iplanet-am-user-alias-list".to_owned()), ("name".to_owned(), "cn".to_owned()), ("first_name".to_owned(), "givenName".to_owned()), ("last_name".to_owned(), "sn".to_owned()), ("email".to_owned(), "mail".to_owned())]);
    /// Put the attributes into the session.
    saveUserAttributesToSession: bool = true;
    /// Not used: answers that name their issuer are always compared.
    cfgMixUpMitigation: bool = false;
    /// Who signs the provider's tokens.
    issuer: Option<String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "SocialFacebookNode";
    const NAME: &'static str = "Social Facebook";
    const ABOUT: &'static str = "Logs in with Facebook.";
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
