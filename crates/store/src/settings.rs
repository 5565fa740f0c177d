//! Settings that are kept in the database: one JSON document for the installation and one for each realm.

use std::collections::BTreeSet;

use countersign_core::time::UnixSeconds;
use serde_json::{Map, Value, json};

use crate::db::sql;
use crate::{AuditEvent, Store, StoreError, audit, check};

const MAX_DOCUMENT: usize = 256 * 1024;

#[derive(Clone, PartialEq, Debug)]
pub struct SettingsDocument {
    /// An object. What its members mean is not for the store.
    pub document: Value,
    /// One higher with each change.
    pub version: u64,
    pub changed_at: UnixSeconds,
    pub actor: String,
}

/// Documents by realm; `None` is the installation.
pub struct Settings<'a>(pub(crate) &'a Store);

type Row = (String, i64, i64, String);

fn document_out((document, version, changed_at, actor): Row) -> Result<SettingsDocument, StoreError> {
    let document = serde_json::from_str(&document).map_err(|_| StoreError::corrupt("settings", "no JSON"))?;
    let changed_at = check::time_out("settings", changed_at)?;
    Ok(SettingsDocument { document, version: version.unsigned_abs(), changed_at, actor })
}

impl Settings<'_> {
    pub async fn get(&self, realm: Option<&str>) -> Result<Option<SettingsDocument>, StoreError> {
        let row: Option<Row> = sql("SELECT document, version, changed_at, actor FROM settings WHERE realm = $1")
            .bind(realm.unwrap_or_default())
            .optional(&mut self.0.db().read().await?)
            .await?;
        row.map(document_out).transpose()
    }

    /// Puts the document in the place of the one at `version`, which is 0 where there is none yet; of two who changed
    /// the same one the second is [`StoreError::Outdated`]. Gives the new version.
    pub async fn put(
        &self,
        realm: Option<&str>,
        document: &Value,
        version: u64,
        actor: &str,
        now: UnixSeconds,
    ) -> Result<u64, StoreError> {
        if !document.is_object() {
            return Err(StoreError::Invalid { what: "settings", rule: "must be a JSON object" });
        }
        let text = document.to_string();
        check::at_most("settings", text.len(), MAX_DOCUMENT)?;
        check::line("actor", actor, check::MAX_NAME)?;
        let name = realm.unwrap_or_default();
        let mut tx = self.0.db().begin().await?;
        tx.lock(&["settings", name]).await?;
        if let Some(realm) = realm {
            let found: Option<(String,)> =
                sql("SELECT name FROM realms WHERE name = $1").bind(realm).optional(&mut tx).await?;
            found.ok_or_else(|| StoreError::NotFound { what: "realm", name: realm.to_owned() })?;
        }
        let before: Option<(i64, String)> =
            sql("SELECT version, document FROM settings WHERE realm = $1").bind(name).optional(&mut tx).await?;
        if before.as_ref().map_or(0, |(current, _)| current.unsigned_abs()) != version {
            return Err(StoreError::Outdated { what: "settings" });
        }
        let next = version.saturating_add(1);
        sql("INSERT INTO settings (realm, document, version, changed_at, actor) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (realm) DO UPDATE SET document = excluded.document, version = excluded.version,
                 changed_at = excluded.changed_at, actor = excluded.actor")
        .bind(name)
        .bind(text)
        .bind(i64::try_from(next).unwrap_or(i64::MAX))
        .bind(check::time_in(now)?)
        .bind(actor)
        .run(&mut tx)
        .await?;
        let before = match before {
            Some((_, text)) => serde_json::from_str(&text).unwrap_or_default(),
            None => Value::Null,
        };
        let detail = json!({ "object": "settings", "changed": changed(&before, document) });
        audit::write(&mut tx, &AuditEvent::config_change(now, name, actor, detail)).await?;
        tx.commit().await?;
        Ok(next)
    }

    /// The versions of all documents, summed up: another number whenever one was changed. Cheap enough for a poll.
    pub async fn generation(&self) -> Result<u64, StoreError> {
        let (sum,): (i64,) = sql("SELECT CAST(COALESCE(SUM(version), 0) AS BIGINT) FROM settings")
            .one(&mut self.0.db().read().await?)
            .await?;
        Ok(sum.unsigned_abs())
    }
}

/// Fields that a line of the audit names, and letters of a value in it.
const TOLD: usize = 24;
const TOLD_LETTERS: usize = 100;

/// What the audit says: the fields of groups that are others now, with their texts where these are short.
fn changed(before: &Value, after: &Value) -> Value {
    let fields = |document: &Value| -> Map<String, Value> {
        let groups = document.as_object().into_iter().flatten();
        let fields = groups.flat_map(|(group, fields)| match fields.as_object() {
            Some(fields) => {
                fields.iter().map(|(field, value)| (format!("{group}.{field}"), value.clone())).collect::<Vec<_>>()
            }
            None => vec![(group.clone(), fields.clone())],
        });
        fields.collect()
    };
    let short = |value: Option<&Value>| {
        let text = value.and_then(Value::as_str).filter(|text| text.chars().count() <= TOLD_LETTERS);
        text.map_or(Value::Null, Value::from)
    };
    let (before, after) = (fields(before), fields(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let others = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    let told = others.take(TOLD).map(|name| {
        let shown: String = name.chars().take(TOLD_LETTERS).collect();
        (shown, json!({"before": short(before.get(name)), "after": short(after.get(name))}))
    });
    Value::Object(told.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, Site, on_both};

    on_both!(a_document_is_changed_on_the_version_that_was_read);

    async fn a_document_is_changed_on_the_version_that_was_read(site: Site) {
        let store = site.store().await;
        let settings = store.settings();
        assert_eq!(settings.get(Some("/alpha")).await, Ok(None));
        let put = async |realm, document, version| settings.put(realm, &document, version, "admin", NOW).await;
        assert_eq!(put(Some("/alpha"), json!({"a": "ä\u{0}"}), 0).await, Ok(1));
        let outdated = Err(StoreError::Outdated { what: "settings" });
        assert_eq!(put(Some("/alpha"), json!({"a": 2}), 0).await, outdated);
        assert_eq!(put(None, json!({}), 0).await, Ok(1));
        let before = settings.generation().await.unwrap();
        let found = settings.get(Some("/alpha")).await.unwrap().unwrap();
        assert_eq!((found.document, found.version, found.actor), (json!({"a": "ä\u{0}"}), 1, "admin".to_owned()));
        assert_eq!(put(Some("/alpha"), json!({"a": 2}), 1).await, Ok(2));
        assert_eq!(put(Some("/alpha"), json!({"a": 3}), 7).await, outdated);
        assert!(settings.generation().await.unwrap() > before);
        let core = |name: &str| json!({"a": 2, "core": {"orgConfig": name, "other": [1]}});
        assert_eq!(put(Some("/alpha"), core("Mine"), 2).await, Ok(3));
        assert_eq!(put(Some("/alpha"), core("Theirs"), 3).await, Ok(4));
        let lines = store.audit().find(crate::AuditFilter::default(), 1).await.unwrap();
        assert_eq!((lines[0].event.actor.as_str(), lines[0].event.realm.as_str()), ("admin", "/alpha"));
        let told = json!({"core.orgConfig": {"before": "Mine", "after": "Theirs"}});
        assert_eq!(lines[0].event.detail, json!({"object": "settings", "changed": told}));
        assert!(matches!(put(Some("/none"), json!({}), 0).await, Err(StoreError::NotFound { .. })));
        assert!(matches!(put(None, json!([]), 1).await, Err(StoreError::Invalid { .. })));
        let large = json!({"a": "x".repeat(MAX_DOCUMENT)});
        assert!(matches!(put(None, large, 1).await, Err(StoreError::TooLarge { .. })));
    }
}
