//! The settings of the nodes for identity providers, declared once: nodes differ in defaults, and in little else.

use std::collections::BTreeMap;

/// What a node for one provider has. A setting without a default here is required, or empty where that means something.
macro_rules! single_config {
    (
        authorize: $authorize:expr, token: $token:expr, user_info: $user_info:expr, scope: $scope:expr, provider: $provider:expr,
        id_prefix: $prefix:literal, account: $account:expr, attributes: $attributes:expr
    ) => {
        $crate::social_settings::single_config! {
            @declare String,
            (= $authorize), (= $token), (= $user_info), (= $scope), (= $provider),
            concat!("org.forgerock.openam.authentication.modules.common.mapping.JsonAttributeMapper|*|", $prefix),
            $account, $attributes, {}
        }
    };
    // Of any provider: only its protocol is known.
    (any, user_info: $info:ty, scope: ($($scope:tt)*), { $($more:tt)* }) => {
        $crate::social_settings::single_config! {
            @declare $info, (), (), (), ($($scope)*), (),
            "org.forgerock.openam.authentication.modules.common.mapping.JsonAttributeMapper", &[], &[], { $($more)* }
        }
    };
    (
        @declare $info:ty, ($($authorize:tt)*), ($($token:tt)*), ($($user_info:tt)*), ($($scope:tt)*), ($($provider:tt)*),
        $mapper:expr, $account:expr, $attributes:expr, { $($more:tt)* }
    ) => {
        $crate::config::config! {
            /// The client's id at the provider.
            clientId: String;
            /// Its secret.
            clientSecret: Secret;
            /// Where the browser is sent.
            authorizeEndpoint: String $($authorize)*;
            /// Where the code is changed for tokens.
            tokenEndpoint: String $($token)*;
            /// Where the profile is.
            userInfoEndpoint: $info $($user_info)*;
            /// What is asked for.
            scopeString: String $($scope)*;
            /// Where the provider sends the browser back to.
            redirectURI: String;
            /// The provider's name.
            provider: String $($provider)*;
            /// The member of the profile that identifies the user.
            authenticationIdKey: String = $crate::social_settings::first($account);
            /// Send id and secret as HTTP Basic instead of in the form.
            basicAuth: bool = true;
            /// Not used.
            cfgAccountProviderClass: Option<String>;
            /// May name an attribute and a prefix for its values after the class: `class|attribute|prefix`.
            cfgAccountMapperClass: String = $mapper;
            /// Likewise, for the attributes.
            cfgAttributeMappingClasses: Vec<String>;
            /// By which of their members, and as which of our attributes, users are found.
            cfgAccountMapperConfiguration: std::collections::BTreeMap<String, String> = $crate::social_settings::map($account);
            /// Which of their members become which of our attributes.
            cfgAttributeMappingConfiguration: std::collections::BTreeMap<String, String> = $crate::social_settings::map($attributes);
            /// Put the attributes into the session.
            saveUserAttributesToSession: bool = true;
            /// Not used: answers that name their issuer are always compared.
            cfgMixUpMitigation: bool = false;
            /// Who signs the provider's tokens.
            issuer: Option<String>;
            $($more)*
        }

        impl Config {
            fn single(&self, keys: $crate::oauth::KeySource) -> $crate::social::Single<'_> {
                $crate::social::Single {
                    provider: &self.provider,
                    client_id: &self.clientId,
                    client_secret: &self.clientSecret,
                    authorize: &self.authorizeEndpoint,
                    token: &self.tokenEndpoint,
                    user_info: $crate::social_settings::Text::text(&self.userInfoEndpoint),
                    scope: &self.scopeString,
                    redirect_uri: &self.redirectURI,
                    id_key: &self.authenticationIdKey,
                    basic: self.basicAuth,
                    issuer: self.issuer.as_deref().unwrap_or_default(),
                    keys,
                    account: &self.cfgAccountMapperConfiguration,
                    account_class: &self.cfgAccountMapperClass,
                    attributes: &self.cfgAttributeMappingConfiguration,
                    attribute_classes: &self.cfgAttributeMappingClasses,
                    to_session: self.saveUserAttributesToSession,
                }
            }
        }
    };
}
pub(crate) use single_config;

/// What a node has that handles the provider which was selected.
macro_rules! handler_config {
    () => {
        $crate::config::config! {
            /// The script that makes a user's attributes of the provider's profile.
            script: String;
            /// The attribute that becomes the user name.
            usernameAttribute: String = "userName";
            /// `NATIVE` for apps that have the provider's SDK.
            clientType: String = "BROWSER" => ["BROWSER", "NATIVE"];
            /// Keep the provider's tokens for later nodes.
            storeTokens: bool = false;
        }

        impl Config {
            fn handler(&self, interruptible: bool) -> $crate::social::Handler<'_> {
                $crate::social::Handler {
                    script: &self.script,
                    username_attribute: &self.usernameAttribute,
                    native: self.clientType == "NATIVE",
                    store_tokens: self.storeTokens,
                    interruptible,
                }
            }
        }
    };
}
pub(crate) use handler_config;

/// The attribute in which a profile's identifiers at providers are.
pub(crate) const ALIASES: &str = "iplanet-am-user-alias-list";

/// The member that identifies a user, for providers that are not known: that of OpenID Connect.
pub(crate) fn first(account: &[(&str, &str)]) -> String {
    account.first().map_or("sub", |(member, _)| member).to_owned()
}

pub(crate) fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(theirs, ours)| ((*theirs).to_owned(), (*ours).to_owned())).collect()
}

/// A text that may be left out by some.
pub(crate) trait Text {
    fn text(&self) -> &str;
}

impl Text for String {
    fn text(&self) -> &str {
        self
    }
}

impl Text for Option<String> {
    fn text(&self) -> &str {
        self.as_deref().unwrap_or_default()
    }
}
