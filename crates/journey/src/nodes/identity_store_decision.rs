use super::prelude::*;
use crate::host::{PasswordChange, PasswordCheck};

config! {
    /// The least length of a new password.
    minimumPasswordLength: i64 = 8;
    /// Use the universal id as user name.
    useUniversalIdForUsername: bool = false;
    /// Do not show messages of the password change in capitals.
    mixedCaseForPasswordChangeMessages: bool = false;
}

/// The index of the button.
const CANCEL: i64 = 1;

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "IdentityStoreDecisionNode";
    const NAME: &'static str = "Identity Store Decision";
    const ABOUT: &'static str = "Checks user name and password against the realm's identity store, and has an expired or reset password changed.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(&["TRUE", "FALSE", "LOCKED", "CANCELLED", "EXPIRED"]);
    const CALLBACKS: &'static [CallbackType] =
        &[CallbackType::TextOutputCallback, CallbackType::PasswordCallback, CallbackType::ConfirmationCallback];
    const INPUTS: &'static [Key] =
        &[Key::Named("realm"), Key::Named("username"), Key::Named("password"), Key::Named(OBJECT_ATTRIBUTES)];
    const OUTPUTS: &'static [Key] = &[Key::Named("password")];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let Some(password) = step.state.text("password") else {
            return Err(NodeError::State("no password was collected".to_owned()));
        };
        let Some(username) = step.login_name() else { return goto("FALSE") };
        if password.trim().is_empty() {
            return goto("FALSE");
        }
        let (identity, change) = match step.host.identities.check_password(&username, password).await? {
            PasswordCheck::Right { identity, change } => (identity, change),
            PasswordCheck::Wrong => return goto("FALSE"),
            PasswordCheck::Expired => return goto("EXPIRED"),
            PasswordCheck::Locked => {
                step.effects.lockout_message = Some("User Locked Out.".to_owned());
                return goto("LOCKED");
            }
        };
        let message = |text: &str| {
            if config.mixedCaseForPasswordChangeMessages { text.to_owned() } else { text.to_uppercase() }
        };
        let problem = match (change, step.answered(CallbackType::ConfirmationCallback).and_then(Callback::index)) {
            (PasswordChange::None, _) => None,
            (PasswordChange::Offered, None) => Some("Your password will expire soon. Please change it."),
            (PasswordChange::Forced, None) => Some("Your password was reset. Please change it."),
            (PasswordChange::Offered, Some(CANCEL)) => None,
            (PasswordChange::Forced, Some(CANCEL)) => return goto("CANCELLED"),
            (_, Some(_)) => {
                let typed = step.answers(CallbackType::PasswordCallback);
                let [old, new, again] = typed[..] else {
                    return Err(NodeError::State("not three passwords".to_owned()));
                };
                let least = usize::try_from(config.minimumPasswordLength).unwrap_or(0);
                if new != again {
                    Some("The new passwords do not match.")
                } else if new.chars().count() < least {
                    Some("The new password is too short.")
                } else if step.host.identities.change_password(&identity.username, old, new).await? {
                    step.state.put_transient("password", new);
                    None
                } else {
                    Some("The password was not changed.")
                }
            }
        };
        if let Some(problem) = problem {
            let [old, new, again, submit, cancel] =
                ["Old Password", "New Password", "Confirm Password", "Submit", "Cancel"].map(message);
            return send([
                Callback::text_output(&message(problem), MessageType::Information),
                Callback::password(&old),
                Callback::password(&new),
                Callback::password(&again),
                Callback::confirmation(&[submit, cancel], 0, 0),
            ]);
        }
        step.identify(&identity);
        goto("TRUE")
    }
}
