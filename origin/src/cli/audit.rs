//! `countersign audit`: who changed what.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use countersign_core::time::UnixSeconds;
use countersign_store::AuditFilter;

use super::keys::table;
use super::{Outcome, open_store, realm_path};
use crate::explain::timestamp;
use crate::settings::Settings;
use crate::{Clock as _, SystemClock};

#[derive(Subcommand)]
pub(super) enum Audit {
    /// The latest lines, newest first: changes of keys and settings, with who made them.
    List(List),
}

#[derive(Args)]
pub(super) struct List {
    #[arg(long)]
    realm: Option<String>,
    /// Only lines about this user.
    #[arg(long)]
    user: Option<String>,
    /// `access`, `activity`, `authentication` or `config`.
    #[arg(long, value_parser = ["access", "activity", "authentication", "config"])]
    topic: Option<String>,
    /// Only the last so many days.
    #[arg(long)]
    days: Option<u64>,
    /// At most 1,000.
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// JSON, one object in each line.
    #[arg(long)]
    json: bool,
}

impl Audit {
    pub(super) async fn run(self, settings: Settings) -> Outcome {
        let Self::List(list) = self;
        let store = open_store(&settings).await?;
        let realm = list.realm.as_deref().map(realm_path);
        let now = SystemClock.now().seconds();
        let filter = AuditFilter {
            realm: realm.as_deref(),
            username: list.user.as_deref(),
            topic: list.topic.as_deref(),
            since: list.days.map(|days| UnixSeconds(now.0.saturating_sub(days.saturating_mul(24 * 3600)))),
            before: None,
        };
        let lines = store.audit().find(filter, list.limit).await;
        store.close().await;
        let mut rows = vec![["AT", "EVENT", "REALM", "USER", "BY", "DETAIL"].map(str::to_owned)];
        for line in lines? {
            let event = line.event;
            if list.json {
                println!(
                    "{}",
                    serde_json::json!({
                        "id": line.id, "at": timestamp(event.at), "topic": event.topic, "event": event.event,
                        "realm": event.realm, "username": event.username, "actor": event.actor,
                        "transactionId": event.transaction_id, "detail": event.detail,
                    })
                );
                continue;
            }
            let dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
            let detail = match event.detail.as_object() {
                Some(members) => {
                    members.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
                }
                None => event.detail.to_string(),
            };
            let [realm, username, actor] = [event.realm, event.username, event.actor].map(dash);
            rows.push([timestamp(event.at), event.event, realm, username, actor, detail]);
        }
        if !list.json {
            table(&rows);
        }
        Ok(ExitCode::SUCCESS)
    }
}
