use super::prelude::*;
use crate::encoded_word;

config! {
    /// The header with the user name.
    usernameHeader: String = "X-OpenAM-Username";
    /// The header with the password.
    passwordHeader: String = "X-OpenAM-Password";
    /// Take them whatever the request's `Referer` is.
    allowWithoutReferer: bool = true;
    /// The `Referer` values that are taken otherwise.
    referrerWhiteList: Vec<String>;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "ZeroPageLoginNode";
    const NAME: &'static str = "Zero Page Login Collector";
    const ABOUT: &'static str = "Takes user name and password from the request's headers.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const OUTPUTS: &'static [Key] = &[Key::Named("username"), Key::Named("password")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        if !config.allowWithoutReferer {
            let referer = step.request.header("referer");
            if !matches!(referer, [one] if config.referrerWhiteList.contains(one)) {
                return decide(false);
            }
        }
        let one = |name: &str| match step.request.header(name) {
            [] => Ok(None),
            [value] => Ok(Some(encoded_word::decode(value))),
            _ => Err(NodeError::Refused(format!("header {name} came more than once"))),
        };
        let (username, password) = (one(&config.usernameHeader)?, one(&config.passwordHeader)?);
        let found = username.is_some() || password.is_some();
        if let Some(username) = username {
            step.state.put_shared("username", username);
        }
        if let Some(password) = password {
            step.state.put_transient("password", password);
        }
        decide(found)
    }
}
