use super::prelude::*;

config! {}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "AcceptTermsAndConditionsNode";
    const NAME: &'static str = "Accept Terms and Conditions";
    const ABOUT: &'static str = "Asks to accept the terms in force.";
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::TermsAndConditionsCallback];
    const OUTPUTS: &'static [Key] = &[Key::Named("termsVersion"), Key::Named("termsAccepted")];
    type Config = Config;

    async fn process(_: Config, step: &mut Step<'_>) -> NodeResult {
        let terms = step.host.realm.terms.as_ref();
        let terms = terms.ok_or_else(|| NodeError::Config("no terms are in force".to_owned()))?;
        let accepted =
            step.answered(CallbackType::TermsAndConditionsCallback).is_some_and(|callback| callback.flag(""));
        if !accepted {
            return send([Callback::terms(&terms.version, &terms.text, &terms.create_date)]);
        }
        let date = step.date();
        step.state.put_shared("termsVersion", terms.version.as_str());
        step.state.put_shared("termsAccepted", json!({"acceptDate": date, "termsVersion": terms.version}));
        next()
    }
}
