//! Project Wycheproof's vectors for JOSE and its primitives, through our own code paths. They are read from
//! `../shared/vectors/wycheproof`, beside the workspace; where they are not, the tests say so and pass.
//!
//! Every `invalid` case must be refused, and every `valid` one of an algorithm that we have accepted. The rest is
//! counted by reason and printed: `cargo nextest run -p countersign-tests --test wycheproof --no-capture`.

mod jose;
mod primitives;

use std::collections::BTreeMap;

use countersign_core::keys::{KeyError, Kid};
use serde_json::Value;

/// The test groups of a file, or `None` when the vectors are not there.
fn groups(file: &str) -> Option<Vec<Value>> {
    let path = xtask::workspace_root().parent()?.join("shared/vectors/wycheproof").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("{file}: not present: skipped");
        return None;
    };
    let mut file: Value = serde_json::from_str(&text).expect("vectors are JSON");
    match file["testGroups"].take() {
        Value::Array(groups) => Some(groups),
        _ => panic!("vectors have test groups"),
    }
}

/// Why a case says nothing of us: what it needs we do not offer.
struct NotOffered(String);

impl From<KeyError> for NotOffered {
    fn from(error: KeyError) -> Self {
        Self(error.to_string())
    }
}

#[derive(Default)]
struct Tally {
    accepted: usize,
    refused: usize,
    /// Invalid too, but already for what is not offered, a weak key among it.
    unread: usize,
    acceptable: usize,
    not_offered: BTreeMap<String, usize>,
}

impl Tally {
    /// `outcome` is whether the case was accepted. A key that does not load refuses everything.
    fn judge(&mut self, file: &str, case: &Value, outcome: Result<bool, NotOffered>) {
        let name = format!("{file} {}: {}", case["tcId"], case["comment"]);
        match (case["result"].as_str(), outcome) {
            (Some("valid"), Ok(accepted)) => {
                assert!(accepted, "{name} is valid");
                self.accepted += 1;
            }
            (Some("invalid"), Ok(accepted)) => {
                assert!(!accepted, "{name} is invalid");
                self.refused += 1;
            }
            (Some("invalid"), Err(_)) => self.unread += 1,
            (_, Err(NotOffered(reason))) => *self.not_offered.entry(reason).or_default() += 1,
            (_, Ok(_)) => self.acceptable += 1,
        }
    }

    fn print(&self, file: &str) {
        let Self { accepted, refused, unread, acceptable, .. } = self;
        println!(
            "{file}: {accepted} valid accepted, {refused} invalid refused and {unread} more with their key or algorithm, \
             {acceptable} acceptable either way"
        );
        for (reason, count) in &self.not_offered {
            println!("  {count} valid not offered: {reason}");
        }
        assert!(accepted + refused + unread > 0, "{file} has cases");
    }
}

/// Judges every case of a file.
fn run(file: &str, mut outcome: impl FnMut(&Value, &Value) -> Result<bool, NotOffered>) {
    let Some(groups) = groups(file) else { return };
    let mut tally = Tally::default();
    for group in groups {
        for case in group["tests"].as_array().expect("a group has tests") {
            tally.judge(file, case, outcome(&group, case));
        }
    }
    tally.print(file);
}

fn kid(text: &str) -> Kid {
    Kid::try_from(text.to_owned()).expect("a kid")
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("hexadecimal text").as_bytes();
    let digit = |byte: &u8| u8::try_from(char::from(*byte).to_digit(16).expect("a digit")).expect("below 16");
    text.chunks(2).map(|pair| pair.iter().fold(0, |byte, next| byte << 4 | digit(next))).collect()
}

fn base64url(value: &Value) -> Option<Vec<u8>> {
    countersign_core::encoding::decode(value.as_str()?.as_bytes()).ok()
}
