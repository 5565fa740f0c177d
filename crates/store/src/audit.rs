//! Who did what, for those who must answer for it.

use countersign_core::time::UnixSeconds;
use serde_json::Value;

use crate::db::{Arg, Place, sql, sql_of};
use crate::{Store, StoreError, check};

const MAX_DETAIL: usize = 16 * 1024;
const MAX_WORD: usize = 64;

/// What happened. Texts that do not apply are empty.
#[derive(Clone, PartialEq, Debug)]
pub struct AuditEvent {
    pub at: UnixSeconds,
    /// `access`, `activity`, `authentication` or `config`.
    pub topic: String,
    /// Such as `AM-LOGOUT`.
    pub event: String,
    pub realm: String,
    /// Whom it concerned.
    pub username: String,
    /// Who did it.
    pub actor: String,
    /// What joins the lines of one request.
    pub transaction_id: String,
    /// An object. No secrets.
    pub detail: Value,
}

/// A line of the audit.
#[derive(Clone, PartialEq, Debug)]
pub struct AuditLine {
    pub id: u64,
    pub event: AuditEvent,
}

/// Which lines to list; what is left out is not asked about.
#[derive(Clone, Copy, Default, Debug)]
pub struct AuditFilter<'a> {
    pub realm: Option<&'a str>,
    pub username: Option<&'a str>,
    pub topic: Option<&'a str>,
    pub since: Option<UnixSeconds>,
    /// Only lines with a lower id: the cursor, which is the last id of the page before.
    pub before: Option<u64>,
}

pub struct Audit<'a>(pub(crate) &'a Store);

type Row = (i64, i64, String, String, String, String, String, String, String);

fn line_out(row: Row) -> Result<AuditLine, StoreError> {
    let (id, at, topic, event, realm, username, actor, transaction_id, detail) = row;
    let at = check::time_out("audit", at)?;
    let detail = serde_json::from_str(&detail).map_err(|_| StoreError::corrupt("audit", "the detail is no JSON"))?;
    let event = AuditEvent { at, topic, event, realm, username, actor, transaction_id, detail };
    Ok(AuditLine { id: id.unsigned_abs(), event })
}

/// Within the transaction of what it tells of, so that one is not there without the other.
pub(crate) async fn write(conn: &mut impl Place, event: &AuditEvent) -> Result<(), StoreError> {
    for (what, text) in [("audit topic", &event.topic), ("audit event", &event.event)] {
        check::name(what, text)?;
        check::at_most(what, text.len(), MAX_WORD)?;
    }
    for (what, text) in [
        ("realm name", &event.realm),
        ("username", &event.username),
        ("actor", &event.actor),
        ("transaction id", &event.transaction_id),
    ] {
        check::line(what, text, check::MAX_NAME)?;
    }
    let detail = event.detail.to_string();
    check::at_most("audit detail", detail.len(), MAX_DETAIL)?;
    sql("INSERT INTO audit (at, topic, event, realm, username, actor, transaction_id, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
    .bind(check::time_in(event.at)?)
    .bind(&event.topic)
    .bind(&event.event)
    .bind(&event.realm)
    .bind(&event.username)
    .bind(&event.actor)
    .bind(&event.transaction_id)
    .bind(detail)
    .run(conn)
    .await?;
    Ok(())
}

impl AuditEvent {
    /// A change of what is configured, by AM's name. `detail` says which object it is of.
    pub fn config_change(at: UnixSeconds, realm: &str, actor: &str, detail: Value) -> Self {
        let [topic, event] = ["config", "AM-CONFIG-CHANGE"].map(str::to_owned);
        let (username, transaction_id) = (String::new(), String::new());
        Self { at, topic, event, realm: realm.to_owned(), username, actor: actor.to_owned(), transaction_id, detail }
    }
}

impl Audit<'_> {
    /// Appends the events, all of them or none.
    pub async fn append(&self, events: &[AuditEvent]) -> Result<(), StoreError> {
        let mut tx = self.0.db().begin().await?;
        for event in events {
            write(&mut tx, event).await?;
        }
        tx.commit().await
    }

    /// The newest `limit` (at most 1,000) lines that the filter lets through, newest first.
    pub async fn find(&self, filter: AuditFilter<'_>, limit: u32) -> Result<Vec<AuditLine>, StoreError> {
        let before = filter.before.and_then(|id| i64::try_from(id).ok()).unwrap_or(i64::MAX);
        let mut text = "SELECT id, at, topic, event, realm, username, actor, transaction_id, detail FROM audit
                        WHERE id < $1"
            .to_owned();
        let mut args: Vec<Arg> = vec![before.into()];
        let since = filter.since.map(check::time_in).transpose()?.map(Arg::from);
        for (condition, value) in [
            ("realm =", filter.realm.map(Arg::from)),
            ("username =", filter.username.map(Arg::from)),
            ("topic =", filter.topic.map(Arg::from)),
            ("at >=", since),
        ] {
            if let Some(value) = value {
                args.push(value);
                text.push_str(&format!(" AND {condition} ${}", args.len()));
            }
        }
        args.push(check::listed(limit).into());
        text.push_str(&format!(" ORDER BY id DESC LIMIT ${}", args.len()));
        let rows: Vec<Row> = sql_of(text).bind_all(args).all(&mut self.0.db().read().await?).await?;
        rows.into_iter().map(line_out).collect()
    }

    /// Deletes up to `batch` lines that are older than `before`, oldest first; how many.
    pub async fn prune(&self, batch: u32, before: UnixSeconds) -> Result<u64, StoreError> {
        sql("DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 ORDER BY at LIMIT $2)")
            .bind(check::time_in(before)?)
            .bind(check::listed(batch))
            .run(&mut self.0.db().write().await?)
            .await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{NOW, Site, on_both};

    on_both!(lines_are_found_and_kept_for_their_time);

    fn event(n: u64) -> AuditEvent {
        AuditEvent {
            at: NOW.plus(n),
            topic: if n.is_multiple_of(2) { "access" } else { "config" }.into(),
            event: "AM-LOGOUT".into(),
            realm: "/alpha".into(),
            username: if n < 5 { "anna" } else { "ben" }.into(),
            actor: "admin".into(),
            transaction_id: n.to_string(),
            detail: json!({"n": n}),
        }
    }

    async fn lines_are_found_and_kept_for_their_time(site: Site) {
        let store = site.store().await;
        let audit = store.audit();
        audit.append(&(0..10).map(event).collect::<Vec<_>>()).await.unwrap();
        let found = async |filter: AuditFilter<'_>, limit| {
            let lines = audit.find(filter, limit).await.unwrap();
            lines.iter().map(|line| line.event.at.0 - NOW.0).collect::<Vec<_>>()
        };
        assert_eq!(audit.find(AuditFilter::default(), 1).await.unwrap()[0].event, event(9));
        let filter = AuditFilter { topic: Some("access"), realm: Some("/alpha"), ..AuditFilter::default() };
        assert_eq!(found(filter, 100).await, [8, 6, 4, 2, 0]);
        assert_eq!(found(AuditFilter { username: Some("anna"), ..filter }, 100).await, [4, 2, 0]);
        assert_eq!(found(AuditFilter { since: Some(NOW.plus(4)), ..filter }, 100).await, [8, 6, 4]);
        let cursor = audit.find(filter, 2).await.unwrap()[1].id;
        assert_eq!(found(AuditFilter { before: Some(cursor), ..filter }, 2).await, [4, 2]);

        // One that breaks a rule takes the others with it.
        let bad = AuditEvent { actor: "a\nb".into(), ..event(11) };
        assert!(audit.append(&[event(10), bad]).await.is_err());
        assert_eq!(found(AuditFilter::default(), 100).await.len(), 10);
        for deleted in [3, 2, 0] {
            assert_eq!(audit.prune(3, NOW.plus(5)).await, Ok(deleted));
        }
        assert_eq!(found(AuditFilter::default(), 100).await, [9, 8, 7, 6, 5]);
    }
}
