use super::prelude::*;
use crate::devices::{MFA_METHOD, opted_out};
use crate::host::DeviceKind;
use crate::push::{self, MESSAGE_ID, NUMBER, PENDING, Question};

config! {
    /// Milliseconds that an answer is waited for.
    messageTimeout: i64 = 120_000;
    /// What the phone shows; `{{user}}` and `{{issuer}}` stand for names.
    userMessage: Localised;
    /// Users cannot skip it.
    mandatory: bool = false;
    /// Tell the phone from where the login comes.
    contextInfo: bool = false;
    /// Keys of the shared state that the phone is told.
    customPayload: Vec<String>;
    /// How the user answers on the phone.
    pushType: String = "DEFAULT" => ["DEFAULT", "CHALLENGE", "BIOMETRIC"];
    /// Leave by `FAILURE` when the message cannot be sent.
    captureFailure: bool = false;
}

const FAILURE: &str = "PushAuthenticationFailureReason";

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "PushAuthenticationSenderNode";
    const NAME: &'static str = "Push Sender";
    const ABOUT: &'static str = "Sends a push message to the user's phone. `SKIPPED` is for users who have opted out.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Of(|config| {
        let ids = [
            (true, "SENT"),
            (true, "NOT_REGISTERED"),
            (!config.mandatory, "SKIPPED"),
            (config.captureFailure, "FAILURE"),
        ];
        ids.into_iter().filter(|(there, _)| *there).map(|(_, id)| id.to_owned()).collect()
    });
    const INPUTS: &'static [Key] = &[Key::Named("username"), Key::Setting("customPayload")];
    const OUTPUTS: &'static [Key] =
        &[Key::Named(MESSAGE_ID), Key::Named(PENDING), Key::Named(NUMBER), Key::Named(MFA_METHOD), Key::Named(FAILURE)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let missing = || NodeError::State("there is no user to send a message to".to_owned());
        let user = step.user().await?.ok_or_else(missing)?;
        let devices = step.host.devices.list(&user.username, DeviceKind::Push).await?;
        if !config.mandatory && step.host.identities.counter(&user.username, &opted_out("push")).await?.is_some() {
            return goto("SKIPPED");
        }
        let Some(device) = devices.last() else {
            step.state.put_shared(MFA_METHOD, "push");
            return goto("NOT_REGISTERED");
        };
        let issuer = device.profile.get("issuer").and_then(Value::as_str).unwrap_or("ForgeRock").to_owned();
        let text = step.text(&config.userMessage, "Login attempt from {{user}} at {{issuer}}");
        let text = text.replace("{{user}}", &user.username).replace("{{issuer}}", &issuer);
        let mut context = Map::new();
        if config.contextInfo {
            if let Some(address) = step.request.client_ip {
                context.insert("remoteIp".to_owned(), json!(address.to_string()));
            }
            if let [agent, ..] = step.request.header("user-agent") {
                context.insert("userAgent".to_owned(), json!(agent.chars().take(512).collect::<String>()));
            }
        }
        let told = |key: &String| Some((key.clone(), step.state.shared.get(key)?.clone()));
        let payload = config.customPayload.iter().filter_map(told).collect();
        let question = Question {
            text: &text,
            kind: &config.pushType.to_lowercase(),
            milliseconds: u64::try_from(config.messageTimeout).unwrap_or(0),
            context,
            payload,
        };
        match push::ask(step, device, question).await {
            Ok(()) => goto("SENT"),
            Err(error @ NodeError::Host(_)) if config.captureFailure => {
                step.state.put_shared(FAILURE, error.to_string());
                goto("FAILURE")
            }
            Err(error) => Err(error),
        }
    }
}
