use super::identity_store_decision as own;
use super::prelude::*;

config! {
    /// Not used: users are in the realm's identity store.
    primaryServers: Vec<String>;
    /// Not used.
    secondaryServers: Vec<String>;
    /// Not used.
    accountSearchBaseDn: Vec<String>;
    /// Not used.
    adminDn: Option<String>;
    /// Not used.
    adminPassword: Secret;
    /// Not used.
    userProfileAttribute: String = "uid";
    /// Not used.
    searchFilterAttributes: Vec<String>;
    /// Not used.
    userSearchFilter: Option<String>;
    /// The least length of a new password.
    minimumPasswordLength: i64 = 8;
    /// Do not show messages of the password change in capitals.
    mixedCaseForPasswordChangeMessages: bool = false;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "LdapDecisionNode";
    const NAME: &'static str = "LDAP Decision";
    const ABOUT: &'static str =
        "As Identity Store Decision: the directory that it names is not asked, its users are brought into the realm.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(&["TRUE", "FALSE", "LOCKED", "CANCELLED", "EXPIRED"]);
    const CALLBACKS: &'static [CallbackType] = own::This::CALLBACKS;
    const INPUTS: &'static [Key] = own::This::INPUTS;
    const OUTPUTS: &'static [Key] = own::This::OUTPUTS;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let config = own::Config {
            minimumPasswordLength: config.minimumPasswordLength,
            useUniversalIdForUsername: false,
            mixedCaseForPasswordChangeMessages: config.mixedCaseForPasswordChangeMessages,
        };
        own::This::process(config, step).await
    }
}
