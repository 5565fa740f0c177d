mod cookies;
mod identities;
mod passwords;
mod scripts;

use countersign_journey::host::Identities as _;
use countersign_journey::host::{Identity, PasswordCheck};
use serde_json::{Map, Value};

use super::Services;
use crate::testing::Origin;

const USER: &str = "managed/user";

fn services(origin: &Origin) -> Services<'_> {
    Services::new(&origin.app, "/alpha")
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other}"),
    }
}

async fn user(services: &Services<'_>, name: &str) -> Identity {
    services.find(USER, "userName", name).await.unwrap().unwrap()
}

/// The outcome of a check in a word.
fn word(check: &PasswordCheck) -> &'static str {
    match check {
        PasswordCheck::Right { .. } => "right",
        PasswordCheck::Wrong => "wrong",
        PasswordCheck::Locked => "locked",
        PasswordCheck::Expired => "expired",
    }
}

async fn check(services: &Services<'_>, name: &str, password: &str) -> &'static str {
    word(&services.check_password(name, password).await.unwrap())
}
