use super::prelude::*;
use crate::devices::{RECOVERY_CODES as CODES, RECOVERY_DEVICE as DEVICE};
use crate::mail::escape;

config! {}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "RecoveryCodeDisplayNode";
    const NAME: &'static str = "Recovery Code Display";
    const ABOUT: &'static str = "Shows recovery codes once.";
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::TextOutputCallback, CallbackType::MetadataCallback];
    const INPUTS: &'static [Key] = &[Key::Named(CODES), Key::Named(DEVICE)];
    const OUTPUTS: &'static [Key] = &[Key::Named(CODES), Key::Named(DEVICE)];
    type Config = Config;

    async fn process(_: Config, step: &mut Step<'_>) -> NodeResult {
        let codes = match step.state.get(CODES) {
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        if codes.is_empty() || !step.callbacks.is_empty() {
            step.state.remove(CODES);
            step.state.remove(DEVICE);
            return next();
        }
        let device = step.state.text(DEVICE).unwrap_or("New Security Key").to_owned();
        if step.request.without_scripts {
            let data = [("_type", json!("RecoveryCodes")), ("device", json!(device)), ("codes", json!(codes))];
            let data = data.map(|(name, value)| (name.to_owned(), value));
            return send([Callback::metadata(data.into_iter().collect())]);
        }
        send([Callback::script(&script(&codes, &device))])
    }
}

/// A script that puts the codes on AM's page. The SDKs read the codes out of it: one per line, each a literal with a
/// line feed, and the device's name in `<em>`.
fn script(codes: &[String], device: &str) -> String {
    // Codes are letters and digits; whatever else were in them would end the literal.
    let clean = |code: &String| code.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    let list: String = codes.iter().map(|code| format!("  \"{}\\n\" +\n", clean(code))).collect();
    let device: String = escape(device).chars().filter(|letter| !letter.is_control() && *letter != '\\').collect();
    format!(
        "var box = document.createElement('div');\n\
         box.style.position = 'relative';\n\
         box.innerHTML = \"<h3>Recovery Codes</h3><p>Each code works once. Keep them where you find them without this device.</p><pre>\" +\n\
         {list}  \"</pre><p>Device: <em>{device}</em></p>\";\n\
         document.body.appendChild(box);\n"
    )
}
