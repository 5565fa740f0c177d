use countersign_journey::host::{HostError, Pending, ScriptCall, ScriptResult, Scripts};
use serde_json::{Map, Value};

use super::Services;

fn none() -> HostError {
    HostError { service: "scripts", why: "scripts are turned off".to_owned() }
}

impl Scripts for Services<'_> {
    fn decide<'a>(&'a self, _: ScriptCall<'a>) -> Pending<'a, ScriptResult> {
        Box::pin(async { Err(none()) })
    }

    fn configure<'a>(&'a self, _: ScriptCall<'a>) -> Pending<'a, Map<String, Value>> {
        Box::pin(async { Err(none()) })
    }
}
