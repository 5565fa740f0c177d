//! What the journeys of a realm are made of. The store knows no more of a document than what kind it is; all are
//! sealed, since exports have passwords and signing keys in them.

use std::collections::BTreeMap;

use countersign_core::time::UnixSeconds;
use zeroize::Zeroizing;

use crate::db::{Place, Tx, sql};
use crate::{AuditEvent, Store, StoreError, audit, check};

/// Largest document. A line of a copy has room for it, in base64url.
const MAX_DOCUMENT: usize = 512 * 1024;
/// Deepest nesting of a document. Readers of JSON stop at 128, and exports have some levels around each document: one
/// that went in and could not be read would keep all journeys of the realm from loading.
const MAX_DEPTH: usize = 100;
/// Of one realm. (Tests reach a lower bound: to seal so much takes a minute without optimisation.)
const MAX_DOCUMENTS: i64 = 20_000;
const MAX_BYTES: i64 = if cfg!(test) { 2 } else { 64 } * 1024 * 1024;
const MAX_CHANGES: usize = 40_000;
/// A node's type and its id.
const MAX_ID: usize = 512;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DocumentKind {
    Tree,
    /// What came with a tree and means nothing here; it is kept to be given back.
    Part,
    /// Its id is `type/uuid`.
    Node,
    Script,
    EmailTemplate,
    /// Of the node designer.
    NodeType,
    Variable,
    /// The outcome of nodes of a type that is not known.
    Stub,
}

impl DocumentKind {
    const ALL: [Self; 8] = [
        Self::Tree,
        Self::Part,
        Self::Node,
        Self::Script,
        Self::EmailTemplate,
        Self::NodeType,
        Self::Variable,
        Self::Stub,
    ];

    pub const fn text(self) -> &'static str {
        match self {
            Self::Tree => "tree",
            Self::Part => "part",
            Self::Node => "node",
            Self::Script => "script",
            Self::EmailTemplate => "email-template",
            Self::NodeType => "node-type",
            Self::Variable => "variable",
            Self::Stub => "stub",
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.text() == text)
    }
}

/// Where a document is, within a realm.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DocumentKey {
    pub kind: DocumentKind,
    /// The journey with which it came; empty for what the journeys of a realm share.
    pub journey: String,
    pub id: String,
}

/// No `Debug`: it may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct JourneyDocument {
    pub text: Zeroizing<String>,
    pub changed_at: UnixSeconds,
    pub actor: String,
}

/// One step of [`JourneyDocuments::change`].
pub enum DocumentChange {
    Put(DocumentKey, Zeroizing<String>),
    Delete(DocumentKey),
}

/// All documents of a realm, as of one moment.
pub struct DocumentRows {
    /// One higher with each change; 0 where there never was one.
    pub generation: u64,
    pub documents: BTreeMap<DocumentKey, JourneyDocument>,
}

pub struct JourneyDocuments<'a>(pub(crate) &'a Store);

/// So that a sealed document opens in its own row only.
fn context<'a>(realm: &'a str, key: &'a DocumentKey) -> [&'a str; 5] {
    ["journey document", realm, key.kind.text(), &key.journey, &key.id]
}

type Row = (String, String, String, Vec<u8>, i64, String);

impl JourneyDocuments<'_> {
    pub async fn load(&self, realm: &str) -> Result<DocumentRows, StoreError> {
        let mut tx = self.0.db().snapshot().await?;
        let generation = generation(&mut tx, realm).await?;
        let rows: Vec<Row> =
            sql("SELECT kind, journey, id, document, changed_at, actor FROM journey_documents WHERE realm = $1")
                .bind(realm)
                .all(&mut tx)
                .await?;
        let documents = rows.into_iter().map(|row| self.opened(realm, row)).collect::<Result<_, _>>()?;
        Ok(DocumentRows { generation, documents })
    }

    fn opened(&self, realm: &str, row: Row) -> Result<(DocumentKey, JourneyDocument), StoreError> {
        let (kind, journey, id, sealed, changed_at, actor) = row;
        let corrupt = |what: &str| StoreError::corrupt("journey_documents", format!("{kind} {id:?}: {what}"));
        let known = DocumentKind::from_text(&kind).ok_or_else(|| corrupt("no such kind"))?;
        let key = DocumentKey { kind: known, journey, id: id.clone() };
        let opened = self.0.master().open(&context(realm, &key), &sealed).map_err(|_| corrupt("does not open"))?;
        let text = std::str::from_utf8(&opened).map_err(|_| corrupt("no text"))?;
        let text = Zeroizing::new(text.to_owned());
        let changed_at = check::time_out("journey_documents", changed_at)?;
        Ok((key, JourneyDocument { text, changed_at, actor }))
    }

    /// All of the changes or none. With `on`, only while the realm is still at that generation: of two who decide at
    /// once on the same state the second is [`StoreError::Outdated`]. Gives the new generation.
    pub async fn change(
        &self,
        realm: &str,
        changes: &[DocumentChange],
        on: Option<u64>,
        actor: &str,
        now: UnixSeconds,
    ) -> Result<u64, StoreError> {
        let (tx, next) = self.written(realm, changes, on, actor, now).await?;
        tx.commit().await?;
        Ok(next)
    }

    /// Whether [`change`](Self::change) would write these. Nothing is left of it.
    pub async fn rehearse(
        &self,
        realm: &str,
        changes: &[DocumentChange],
        actor: &str,
        now: UnixSeconds,
    ) -> Result<(), StoreError> {
        self.written(realm, changes, None, actor, now).await.map(drop)
    }

    async fn written(
        &self,
        realm: &str,
        changes: &[DocumentChange],
        on: Option<u64>,
        actor: &str,
        now: UnixSeconds,
    ) -> Result<(Tx<'_>, u64), StoreError> {
        check::at_most("list of changes", changes.len(), MAX_CHANGES)?;
        check::line("actor", actor, check::MAX_NAME)?;
        let (at, mut sealed) = (check::time_in(now)?, Vec::with_capacity(changes.len()));
        for change in changes {
            Self::check(change)?;
            sealed.push(match change {
                DocumentChange::Put(key, text) => Some(self.sealed(realm, key, text)?),
                DocumentChange::Delete(_) => None,
            });
        }
        let mut tx = self.0.db().begin().await?;
        tx.lock(&["journey documents", realm]).await?;
        let found: Option<(String,)> =
            sql("SELECT name FROM realms WHERE name = $1").bind(realm).optional(&mut tx).await?;
        found.ok_or_else(|| StoreError::NotFound { what: "realm", name: realm.to_owned() })?;
        let current = generation(&mut tx, realm).await?;
        if on.is_some_and(|on| on != current) {
            return Err(StoreError::Outdated { what: "journeys" });
        }
        for (change, sealed) in changes.iter().zip(sealed) {
            let (DocumentChange::Put(key, _) | DocumentChange::Delete(key)) = change;
            let statement = match sealed {
                Some(_) => {
                    "INSERT INTO journey_documents (realm, kind, journey, id, document, changed_at, actor)
                     VALUES ($1, $2, $3, $4, $5, $6, $7)
                     ON CONFLICT (realm, kind, journey, id) DO UPDATE SET document = excluded.document,
                         changed_at = excluded.changed_at, actor = excluded.actor"
                }
                None => "DELETE FROM journey_documents WHERE realm = $1 AND kind = $2 AND journey = $3 AND id = $4",
            };
            let statement = sql(statement).bind(realm).bind(key.kind.text()).bind(&key.journey).bind(&key.id);
            let statement = match sealed {
                Some(sealed) => statement.bind(sealed).bind(at).bind(actor),
                None => statement,
            };
            statement.run(&mut tx).await?;
        }
        within_bounds(&mut tx, realm).await?;
        let next = current.saturating_add(1);
        sql("INSERT INTO journey_generations (realm, generation) VALUES ($1, $2)
             ON CONFLICT (realm) DO UPDATE SET generation = excluded.generation")
        .bind(realm)
        .bind(i64::try_from(next).unwrap_or(i64::MAX))
        .run(&mut tx)
        .await?;
        audit::write(&mut tx, &AuditEvent::config_change(now, realm, actor, told(changes))).await?;
        Ok((tx, next))
    }

    /// The rules for one change.
    pub fn check(change: &DocumentChange) -> Result<(), StoreError> {
        let DocumentChange::Put(key, text) = change else { return Ok(()) };
        check::at_most("document of a journey", text.len(), MAX_DOCUMENT)?;
        if depth(text) > MAX_DEPTH {
            return Err(StoreError::Invalid { what: "document of a journey", rule: "has more than 100 levels" });
        }
        check::line("id of a document", &key.id, MAX_ID)?;
        if key.id.is_empty() {
            return Err(StoreError::Invalid { what: "id of a document", rule: "must not be empty" });
        }
        match key.kind {
            DocumentKind::Tree => check::name("name of a journey", &key.id),
            _ => check::line("name of a journey", &key.journey, check::MAX_NAME),
        }
    }

    fn sealed(&self, realm: &str, key: &DocumentKey, text: &str) -> Result<Vec<u8>, StoreError> {
        self.0.master().seal(&context(realm, key), text.as_bytes())
    }

    /// The generations of the realms that have one. Cheap enough for a poll.
    pub async fn generations(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let rows: Vec<(String, i64)> =
            sql("SELECT realm, generation FROM journey_generations").all(&mut self.0.db().read().await?).await?;
        Ok(rows.into_iter().map(|(realm, generation)| (realm, generation.unsigned_abs())).collect())
    }

    /// What does not open or means nothing, for an examination of the database.
    pub(crate) async fn findings(&self, place: &mut impl Place) -> Result<Vec<String>, StoreError> {
        let realms: Vec<(String,)> = sql("SELECT DISTINCT realm FROM journey_documents").all(place).await?;
        let mut findings = Vec::new();
        for (realm,) in realms {
            let rows: Vec<Row> =
                sql("SELECT kind, journey, id, document, changed_at, actor FROM journey_documents WHERE realm = $1")
                    .bind(&realm)
                    .all(place)
                    .await?;
            let wrong = rows.into_iter().filter_map(|row| self.opened(&realm, row).err());
            findings.extend(wrong.map(|error| error.to_string()));
        }
        Ok(findings)
    }
}

/// Documents that a line of the audit names, the journeys first; the others are counted.
const TOLD: usize = 24;
const TOLD_LETTERS: usize = 100;

/// What the audit says of changes: which documents, never what is in them.
fn told(changes: &[DocumentChange]) -> serde_json::Value {
    let mut named: Vec<(&DocumentKey, bool)> = changes
        .iter()
        .map(|change| match change {
            DocumentChange::Put(key, _) => (key, true),
            DocumentChange::Delete(key) => (key, false),
        })
        .collect();
    named.sort_by_key(|(key, _)| key.kind != DocumentKind::Tree);
    let text = |key: &DocumentKey| -> String {
        let id: String = key.id.chars().filter(|letter| !letter.is_control()).take(TOLD_LETTERS).collect();
        format!("{} {id}", key.kind.text())
    };
    let of = |put: bool| -> Vec<String> {
        named.iter().take(TOLD).filter(|(_, other)| *other == put).map(|(key, _)| text(key)).collect()
    };
    serde_json::json!({
        "object": "journeys",
        "put": of(true),
        "deleted": of(false),
        "more": named.len().saturating_sub(TOLD),
    })
}

async fn generation(place: &mut impl Place, realm: &str) -> Result<u64, StoreError> {
    let row: Option<(i64,)> =
        sql("SELECT generation FROM journey_generations WHERE realm = $1").bind(realm).optional(place).await?;
    Ok(row.map_or(0, |(generation,)| generation.unsigned_abs()))
}

async fn within_bounds(tx: &mut Tx<'_>, realm: &str) -> Result<(), StoreError> {
    let (documents, bytes): (i64, i64) =
        sql("SELECT COUNT(*), CAST(COALESCE(SUM(length(document)), 0) AS BIGINT) FROM journey_documents
             WHERE realm = $1")
        .bind(realm)
        .one(tx)
        .await?;
    let too_large =
        |what, max: i64| Err(StoreError::TooLarge { what, max: usize::try_from(max).unwrap_or(usize::MAX) });
    match (documents, bytes) {
        (documents, _) if documents > MAX_DOCUMENTS => {
            too_large("number of documents of a realm's journeys", MAX_DOCUMENTS)
        }
        (_, bytes) if bytes > MAX_BYTES => too_large("sum of a realm's journeys", MAX_BYTES),
        _ => Ok(()),
    }
}

/// How deep objects and arrays stand in each other, in a text that is JSON.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, Site, on_both, tamper};

    #[test]
    fn brackets_are_counted_outside_of_texts() {
        for (text, deepest) in
            [("", 0), ("1", 0), ("[]", 1), (r#"{"[[[":[{"\"{":"[\\"}]}"#, 3), ("[[],[[]]]", 3), ("]]]", 0)]
        {
            assert_eq!(depth(text), deepest, "{text}");
        }
    }

    on_both!(
        documents_change_together_and_on_what_was_read,
        documents_are_bounded_and_sealed_in_their_place,
        a_realm_has_a_largest_size,
    );

    fn key(kind: DocumentKind, journey: &str, id: &str) -> DocumentKey {
        DocumentKey { kind, journey: journey.to_owned(), id: id.to_owned() }
    }

    fn put(key: DocumentKey, text: &str) -> DocumentChange {
        DocumentChange::Put(key, Zeroizing::new(text.to_owned()))
    }

    async fn documents_change_together_and_on_what_was_read(site: Site) {
        let store = site.store().await;
        store.realms().create("/beta", NOW).await.unwrap();
        let documents = store.journey_documents();
        assert_eq!(documents.generations().await, Ok(BTreeMap::new()));
        assert_eq!(documents.load("/alpha").await.unwrap().generation, 0);
        let (tree, script) = (key(DocumentKind::Tree, "", "Ä b"), key(DocumentKind::Script, "", "s"));
        let node = key(DocumentKind::Node, "Ä b", "PageNode/1");
        let first = [put(tree.clone(), "{\"a\":\"\u{0}ä\"}"), put(node.clone(), "{}"), put(script.clone(), "1")];
        assert_eq!(documents.change("/alpha", &first, Some(0), "admin", NOW).await, Ok(1));
        let outdated = documents.change("/alpha", &[put(script.clone(), "2")], Some(0), "admin", NOW).await;
        assert_eq!(outdated, Err(StoreError::Outdated { what: "journeys" }));
        assert_eq!(documents.change("/beta", &[put(script.clone(), "b")], None, "admin", NOW).await, Ok(1));
        let later = [DocumentChange::Delete(node), put(script.clone(), "3")];
        assert_eq!(documents.change("/alpha", &later, Some(1), "ada", NOW.plus(9)).await, Ok(2));
        // One that cannot be done takes the others along.
        let bad = [put(tree.clone(), "x"), put(key(DocumentKind::Tree, "", " x"), "{}")];
        assert!(documents.change("/alpha", &bad, None, "ada", NOW).await.is_err());
        let rows = documents.load("/alpha").await.unwrap();
        assert_eq!(rows.generation, 2);
        let shown: Vec<_> = rows.documents.iter().map(|(key, row)| (key.clone(), row.text.as_str())).collect();
        assert_eq!(shown, [(tree, "{\"a\":\"\u{0}ä\"}"), (script.clone(), "3")]);
        let row = &rows.documents[&script];
        assert_eq!((row.changed_at, row.actor.as_str()), (NOW.plus(9), "ada"));
        let generations = BTreeMap::from([("/alpha".to_owned(), 2), ("/beta".to_owned(), 1)]);
        assert_eq!(documents.generations().await, Ok(generations));
        let nowhere = documents.change("/none", &[put(script, "1")], None, "ada", NOW).await;
        assert_eq!(nowhere, Err(StoreError::NotFound { what: "realm", name: "/none".into() }));
    }

    async fn documents_are_bounded_and_sealed_in_their_place(site: Site) {
        let store = site.store().await;
        let documents = store.journey_documents();
        let change = async |change| documents.change("/alpha", &[change], None, "admin", NOW).await;
        let a = key(DocumentKind::Script, "", "a");
        let large = change(put(a.clone(), &"x".repeat(MAX_DOCUMENT + 1))).await;
        assert!(matches!(large, Err(StoreError::TooLarge { .. })));
        let nested = |levels| put(a.clone(), &format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
        assert!(matches!(change(nested(MAX_DEPTH + 1)).await, Err(StoreError::Invalid { .. })));
        assert!(JourneyDocuments::check(&nested(MAX_DEPTH)).is_ok());
        for bad in
            [key(DocumentKind::Script, "", ""), key(DocumentKind::Script, "", "a\nb"), key(DocumentKind::Tree, "", "")]
        {
            assert!(matches!(change(put(bad, "x")).await, Err(StoreError::Invalid { .. })));
        }
        assert_eq!(change(put(a, "secret")).await, Ok(1));
        assert_eq!(change(put(key(DocumentKind::Script, "", "b"), "other")).await, Ok(2));
        assert_eq!(store.check().await.unwrap().findings, Vec::<String>::new());
        // The document of another row, which is as well sealed.
        tamper(
            &store,
            "UPDATE journey_documents SET document = (SELECT document FROM journey_documents WHERE id = 'a') WHERE id = 'b'",
        )
        .await;
        assert!(matches!(documents.load("/alpha").await, Err(StoreError::Corrupt { .. })));
        let findings = store.check().await.unwrap().findings;
        assert!(findings.len() == 1 && findings[0].contains("script \"b\": does not open"), "{findings:?}");
    }

    async fn a_realm_has_a_largest_size(site: Site) {
        let store = site.store().await;
        let documents = store.journey_documents();
        let text = "x".repeat(MAX_DOCUMENT);
        let many: Vec<_> = (0..4).map(|n| put(key(DocumentKind::Script, "", &n.to_string()), &text)).collect();
        let outcome = documents.change("/alpha", &many, None, "admin", NOW).await;
        assert!(matches!(outcome, Err(StoreError::TooLarge { .. })), "{outcome:?}");
        assert_eq!(documents.load("/alpha").await.unwrap().documents.len(), 0);
    }
}
