use std::collections::BTreeMap;

use countersign_core::denylist::{Entry, Fingerprint, Kind, Slot};
use countersign_core::keys::{KeyState, Kid};
use countersign_core::session::{Properties, SessionId};
use serde_json::json;
use tokio::task::JoinSet;

use super::tables::TABLES;
use crate::denylist::{NewEntry, Probe};
use crate::testing::{EPOCH, NOW, Site, on_both, tamper};
use crate::{
    Attributes, AuditEvent, DocumentChange, DocumentKey, DocumentKind, IdentityStatus, MasterKey, NewDevice,
    NewIdentity, NewKey, ServerSession, Store, StoreError,
};

on_both!(
    a_copy_comes_back_the_same,
    a_damaged_copy_is_refused_whole,
    only_an_empty_database_takes_a_copy,
    another_master_key_is_noticed,
    a_check_names_what_is_wrong,
);

/// Something in every table.
async fn filled(site: &Site) -> Store {
    let store = site.store().await;
    let attributes: Attributes = BTreeMap::from([("mail".into(), vec!["ä\u{0}@example.com".into()])]);
    for n in 0..3 {
        let status = IdentityStatus::Active;
        let username = format!("user-{n}");
        let new =
            NewIdentity { realm: "/alpha", username: &username, password_hash: "$x", status, attributes: &attributes };
        store.identities().create(new, NOW).await.unwrap();
        let kid = Kid::try_from(format!("k{n}")).unwrap();
        let realm = (n > 0).then_some("/alpha");
        let key = NewKey {
            kid: &kid,
            realm,
            purpose: "session-signing",
            algorithm: "EdDSA",
            state: KeyState::Active,
            activates_at: None,
            secret: &[7; 32],
        };
        store.keys().insert(key, NOW).await.unwrap();
        store.keys().count_tokens(&[(kid, NOW, n)]).await.unwrap();
    }
    let log = store.denylist();
    for numbers in [1..=500, 501..=700] {
        log.prune(Slot(2).end()).await.unwrap();
        let mut tasks = JoinSet::new();
        for n in numbers {
            // On the one thread of these tests they reach the queue in this order.
            let entry =
                Entry { kind: Kind::Family, slot: Slot(n % 3), fingerprint: Fingerprint(u64::MAX - u64::from(n)) };
            let (store, new) = (store.clone(), NewEntry::new(entry, "/alpha", "logout", "demo").username("demo"));
            tasks.spawn(async move { store.denylist().append(new, NOW).await.unwrap() });
        }
        tasks.join_all().await;
    }
    log.undo(600, "a mistake", "admin", NOW).await.unwrap();
    let session = ServerSession {
        sid: SessionId([1; 16]),
        realm: "/alpha".into(),
        username: "demo".into(),
        auth_level: 0,
        amr: vec![],
        properties: Properties::default(),
        rvs: 3,
        created_at: NOW,
        last_used: NOW,
        max_idle: 60,
        ends_at: NOW.plus(60),
    };
    store.sessions().create(b"reference", &session, None, NOW).await.unwrap();
    store.journeys().create(b"journey", "/alpha", &[0, 255, 1], NOW.plus(60)).await.unwrap();
    store.once().consume("journey", b"id", NOW.plus(60)).await.unwrap();
    for (kind, credential_id) in [("oath", None), ("webauthn", Some("abc"))] {
        let new = NewDevice {
            realm: "/alpha",
            username: "user-1",
            kind,
            id: "1",
            credential_id,
            profile: b"{}",
            replace: false,
        };
        store.devices().add(new, NOW).await.unwrap();
    }
    store.administrators().grant("/alpha", "user-1", NOW).await.unwrap();
    store.attempts().fail("/alpha", "demo", "lockout", 60, NOW).await.unwrap();
    store.settings().put(Some("/alpha"), &json!({"a": 1}), 0, "admin", NOW).await.unwrap();
    let key = DocumentKey { kind: DocumentKind::Tree, journey: String::new(), id: "Login".into() };
    let put = DocumentChange::Put(key, "{}".to_owned().into());
    store.journey_documents().change("/alpha", &[put], None, "admin", NOW).await.unwrap();
    let event = AuditEvent {
        at: NOW,
        topic: "access".into(),
        event: "AM-LOGIN".into(),
        realm: "/alpha".into(),
        username: String::new(),
        actor: String::new(),
        transaction_id: String::new(),
        detail: json!({}),
    };
    store.audit().append(&[event.clone(), event]).await.unwrap();
    store
}

async fn copy(store: &Store) -> Vec<u8> {
    let mut out = Vec::new();
    store.export(&mut out, NOW).await.unwrap();
    out
}

/// All lines but the first and the last, which differ: each database sealed its own check of the master key.
fn rows(copy: &[u8]) -> Vec<&[u8]> {
    let lines: Vec<&[u8]> = copy.split_inclusive(|byte| *byte == b'\n').collect();
    lines[1..lines.len() - 1].to_vec()
}

/// Both ways between the two databases, and each into its own kind.
async fn a_copy_comes_back_the_same(site: Site) {
    let store = filled(&site).await;
    let first = copy(&store).await;
    for target in [Site::sqlite(), Site::postgres()] {
        let moved = target.open().await;
        let imported = moved.import(&mut first.as_slice()).await.unwrap();
        // The first line, the last and one for each table are no rows.
        let lines = first.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(imported.rows, (lines - 2 - TABLES.len()) as u64);
        assert!(rows(&copy(&moved).await) == rows(&first), "the copy of the copy has the same rows, byte for byte");
        let report = moved.check().await.unwrap();
        assert_eq!((report.findings.as_slice(), report.keys), (&[][..], 3));
        assert_eq!(moved.denylist().head().await, store.denylist().head().await);
        assert_eq!(moved.installation().get().await.unwrap().unwrap().epoch, EPOCH);

        // And it works on: numbers go on where they were.
        let entry = Entry { kind: Kind::User, slot: Slot(9), fingerprint: Fingerprint(1) };
        let appended = moved.denylist().append(NewEntry::new(entry, "/alpha", "", ""), NOW).await.unwrap();
        assert_eq!(appended.seq, store.denylist().head().await.unwrap().seq + 1);
        let probe = Probe {
            slot: Slot(601 % 3),
            family: Fingerprint(u64::MAX - 601),
            user: Fingerprint(1),
            realm: Fingerprint(0),
            keys: [None; 2],
        };
        let found = moved.denylist().lookup(&probe).await.unwrap();
        assert!(found.family_ended && found.user_watermark.is_some());
        let (before, kid) = (moved.keys().generation().await.unwrap(), Kid::try_from("k1".to_owned()).unwrap());
        moved.keys().set_state(&kid, KeyState::Retired).await.unwrap();
        assert!(moved.keys().generation().await.unwrap() > before);
        assert_eq!(moved.once().consume("journey", b"id", NOW).await, Ok(false));
        assert_eq!(moved.devices().owner("/alpha", "webauthn", "abc").await, Ok(Some("user-1".to_owned())));
    }
}

async fn a_damaged_copy_is_refused_whole(site: Site) {
    let text = String::from_utf8(copy(&filled(&Site::sqlite()).await).await).unwrap();
    let target = site.open().await;
    let lines: Vec<&str> = text.lines().collect();
    let joined = |lines: &[&str]| lines.iter().flat_map(|line| [line, "\n"]).collect::<String>();
    let swapped = {
        let mut lines = lines.clone();
        lines.swap(40, 41);
        joined(&lines)
    };
    let newer = text.replacen("\"format\":1", "\"format\":2", 1);
    for (what, damaged) in [
        ("nothing", String::new()),
        ("something else", "{}\n".to_owned()),
        ("another format", newer),
        ("cut off in a line", text[..text.len() / 2].to_owned()),
        ("the end is missing", joined(&lines[..lines.len() - 1])),
        ("a line is missing", joined(&[&lines[..50], &lines[51..]].concat())),
        ("two lines are swapped", swapped),
        ("a letter is another", text.replacen("user-1", "user-7", 1)),
        ("something follows", format!("{text}[]\n")),
        ("an endless line", "[".repeat(3 << 20)),
        ("no text", "\u{0}\n".repeat(10)),
    ] {
        let outcome = target.import(&mut damaged.as_bytes()).await;
        assert!(matches!(outcome, Err(StoreError::BadCopy { .. })), "{what}: {outcome:?}");
        assert_eq!(target.installation().get().await, Ok(None), "{what}: nothing was written");
    }
    // A checksum that fits does not make a log that contradicts itself acceptable.
    let bent = Site::sqlite();
    let store = filled(&bent).await;
    tamper(&store, "UPDATE denylist SET fingerprint = 1 WHERE seq = 600").await;
    let outcome = target.import(&mut copy(&store).await.as_slice()).await;
    assert!(matches!(outcome, Err(StoreError::BadCopy { .. })), "{outcome:?}");
    assert!(target.import(&mut text.as_bytes()).await.is_ok(), "and the good one is still taken");
}

async fn only_an_empty_database_takes_a_copy(site: Site) {
    let text = copy(&filled(&Site::sqlite()).await).await;
    let store = site.open().await;
    store.realms().create("/beta", NOW).await.unwrap();
    assert_eq!(store.import(&mut text.as_slice()).await, Err(StoreError::NotEmpty { table: "realms" }));
    assert_eq!(store.realms().list().await.unwrap().len(), 1);
}

async fn another_master_key_is_noticed(site: Site) {
    let text = copy(&filled(&Site::sqlite()).await).await;
    let store = Store::open(site.location(), MasterKey::from_bytes(&[8; 32])).await.unwrap();
    let outcome = store.import(&mut text.as_slice()).await;
    let detail = "was made under another master key";
    assert_eq!(outcome, Err(StoreError::BadCopy { line: 1, detail }));
}

async fn a_check_names_what_is_wrong(site: Site) {
    let store = filled(&site).await;
    assert_eq!(store.check().await.unwrap().findings, Vec::<String>::new());
    for (damage, finding) in [
        ("DELETE FROM denylist WHERE seq = 650", "denylist lines 650 to 650 are missing"),
        ("UPDATE denylist SET slot = 77 WHERE seq = 620", "denylist line 620 was altered"),
        ("UPDATE denylist SET kind = 99 WHERE seq = 610", "denylist line 610 means nothing"),
        ("UPDATE keys SET secret = (SELECT secret FROM keys WHERE kid = 'k0') WHERE kid = 'k1'", "k1"),
        ("DELETE FROM key_history WHERE kid = 'k2'", "1 keys without a line of history"),
        (
            "INSERT INTO settings (realm, document, version, changed_at, actor) VALUES ('/x', '{}', 1, 1, '')",
            "1 settings",
        ),
    ] {
        tamper(&store, damage).await;
        let findings = store.check().await.unwrap().findings;
        assert!(findings.iter().any(|text| text.contains(finding)), "{finding}: {findings:?}");
    }
}
