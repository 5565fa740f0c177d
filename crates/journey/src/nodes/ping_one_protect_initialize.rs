use super::prelude::*;

config! {
    /// The worker service whose environment the signals are for.
    pingOneWorker: String;
    /// Have the app write to its log.
    consoleLogEnabled: bool = false;
    /// What of the device is not to be looked at.
    deviceAttributesToIgnore: Vec<String>;
    /// Where the signals go, if not to the environment's own address.
    customHost: Option<String>;
    /// Look at the device only when signals are asked for.
    lazyMetadata: bool = false;
    /// Look at how it is used.
    behavioralDataCollection: bool = true;
    /// Do not share the device's id between tabs.
    disableHub: bool = false;
    /// Days until the device's key is made known again.
    deviceKeyRsyncIntervals: i64 = 14;
    /// Tie the signals to the device.
    enableTrust: bool = false;
    /// Do not collect tags.
    disableTags: bool = false;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "product-PingOneProtectInitializeNode";
    const NAME: &'static str = "PingOne Protect Initialize";
    const ABOUT: &'static str =
        "Has the client begin to collect signals for PingOne Protect; `false` when it reports that it cannot.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const CALLBACKS: &'static [CallbackType] = &[CallbackType::PingOneProtectInitializeCallback];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        if let Some(callback) = step.answered(CallbackType::PingOneProtectInitializeCallback) {
            return decide(callback.input("clientError").and_then(Value::as_str).is_none_or(str::is_empty));
        }
        let environment = step.host.realm.ping_one_environments.get(&config.pingOneWorker);
        let missing = || NodeError::Config(format!("PingOne worker service {:?} does not exist", config.pingOneWorker));
        let output = [
            ("envId", json!(environment.ok_or_else(missing)?)),
            ("consoleLogEnabled", json!(config.consoleLogEnabled)),
            ("deviceAttributesToIgnore", json!(config.deviceAttributesToIgnore)),
            ("customHost", json!(config.customHost.unwrap_or_default())),
            ("lazyMetadata", json!(config.lazyMetadata)),
            ("behavioralDataCollection", json!(config.behavioralDataCollection)),
            ("disableHub", json!(config.disableHub)),
            ("deviceKeyRsyncIntervals", json!(config.deviceKeyRsyncIntervals)),
            ("enableTrust", json!(config.enableTrust)),
            ("disableTags", json!(config.disableTags)),
        ];
        let kind = CallbackType::PingOneProtectInitializeCallback;
        send([Callback::new(kind, output, [("clientError", json!(""))])])
    }
}
