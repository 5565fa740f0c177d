use super::*;
use crate::testing::{NOW, Site, on_both, tamper};

on_both!(
    an_identity_is_created_changed_and_deleted,
    what_breaks_a_rule_is_not_stored,
    listing_goes_on_where_the_last_page_ended,
    a_damaged_row_is_reported,
    a_hash_is_renewed_only_for_the_password_it_was_made_of,
    attributes_change_one_by_one,
    a_name_is_one_in_all_its_spellings,
    two_spellings_of_before_are_both_found,
    a_value_finds_who_has_had_it_for_longest,
);

fn new<'a>(username: &'a str, attributes: &'a Attributes) -> NewIdentity<'a> {
    let status = IdentityStatus::Active;
    NewIdentity { realm: "/alpha", username, password_hash: "$argon2id$x", status, attributes }
}

async fn an_identity_is_created_changed_and_deleted(site: Site) {
    let store = site.store().await;
    let identities = store.identities();
    let attributes = Attributes::from([("mail".into(), vec!["a@example.com".into(), "b@example.com".into()])]);
    identities.create(new("demo", &attributes), NOW).await.unwrap();
    let again = identities.create(new("demo", &attributes), NOW).await;
    assert_eq!(again, Err(StoreError::Conflict { what: "identity", name: "demo".into() }));

    identities.set_status("/alpha", "demo", IdentityStatus::Inactive).await.unwrap();
    let found = identities.get("/alpha", "demo").await.unwrap().unwrap();
    assert_eq!(found.password_hash, "$argon2id$x");
    assert_eq!((found.status, found.created_at, found.attributes), (IdentityStatus::Inactive, NOW, attributes));

    assert!(identities.get("/alpha", "Demo").await.unwrap().is_none());
    assert!(identities.get("/beta", "demo").await.unwrap().is_none());
    identities.delete("/alpha", "demo").await.unwrap();
    let gone = StoreError::NotFound { what: "identity", name: "demo".into() };
    assert_eq!(identities.delete("/alpha", "demo").await, Err(gone.clone()));
    assert_eq!(identities.set_status("/alpha", "demo", IdentityStatus::Active).await, Err(gone));
}

async fn what_breaks_a_rule_is_not_stored(site: Site) {
    let store = site.store().await;
    let (identities, none) = (store.identities(), Attributes::new());
    for username in ["", "a\nb", &"x".repeat(256), "..", "a/b", "a b", "Countersign-Canary"] {
        assert_eq!(identities.create(new(username, &none), NOW).await.unwrap_err().fault(), crate::Fault::Caller);
    }
    let clear = NewIdentity { password_hash: "Ch4ng31t", ..new("demo", &none) };
    assert!(matches!(identities.create(clear, NOW).await, Err(StoreError::Invalid { .. })));
    let large = Attributes::from([("a".into(), vec!["x".repeat(MAX_ATTRIBUTES)])]);
    let error = identities.create(new("demo", &large), NOW).await.unwrap_err();
    assert_eq!(error, StoreError::TooLarge { what: "attributes", max: MAX_ATTRIBUTES });
    let nowhere = NewIdentity { realm: "/nowhere", ..new("demo", &none) };
    let error = identities.create(nowhere, NOW).await.unwrap_err();
    assert_eq!(error, StoreError::NotFound { what: "realm", name: "/nowhere".into() });
    assert!(identities.list("/alpha", None, 10).await.unwrap().is_empty());
}

async fn listing_goes_on_where_the_last_page_ended(site: Site) {
    let store = site.store().await;
    for username in ["c", "a", "b"] {
        store.identities().create(new(username, &Attributes::new()), NOW).await.unwrap();
    }
    let page = |found: Vec<Identity>| found.into_iter().map(|i| i.username).collect::<Vec<_>>();
    assert_eq!(page(store.identities().list("/alpha", None, 2).await.unwrap()), ["a", "b"]);
    assert_eq!(page(store.identities().list("/alpha", Some("b"), u32::MAX).await.unwrap()), ["c"]);
}

async fn a_hash_is_renewed_only_for_the_password_it_was_made_of(site: Site) {
    let store = site.store().await;
    let identities = store.identities();
    identities.create(new("demo", &Attributes::new()), NOW).await.unwrap();
    let renew = async |old, new| identities.renew_password_hash("/alpha", "demo", old, new).await;
    assert_eq!(renew("$argon2id$x", "$argon2id$y").await, Ok(true));
    assert_eq!(renew("$argon2id$y", "$argon2id$changed").await, Ok(true));
    assert_eq!(renew("$argon2id$y", "$argon2id$z").await, Ok(false));
    assert!(renew("$argon2id$changed", "clear").await.is_err());
    let found = identities.get("/alpha", "demo").await.unwrap().unwrap();
    assert_eq!(found.password_hash, "$argon2id$changed");
}

async fn a_name_is_one_in_all_its_spellings(site: Site) {
    let store = site.store().await;
    let (identities, none) = (store.identities(), Attributes::new());
    identities.create(new("Adm", &none), NOW).await.unwrap();
    for other in ["adm", "ADM", "Adm"] {
        let taken = StoreError::Conflict { what: "identity", name: other.into() };
        assert_eq!(identities.create(new(other, &none), NOW).await, Err(taken.clone()), "{other}");
        assert_eq!(identities.create_all(&[new("ben", &none), new(other, &none)], NOW).await, Err((1, taken)));
        assert_eq!(identities.named("/alpha", other).await.unwrap().unwrap().username, "Adm");
    }
    assert_eq!(identities.named("/alpha", "ａｄｍ").await.unwrap().unwrap().username, "Adm");
    assert!(identities.named("/beta", "adm").await.unwrap().is_none());
    assert!(identities.named("/alpha", "аdm").await.unwrap().is_none(), "a Cyrillic а");
    // Of many at the same time one gets the name.
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..8u32 {
        let store = site.open().await;
        let bits = (0..3).map(|bit| n >> bit & 1 == 1);
        let spelled: String =
            "ann".chars().zip(bits).map(|(c, up)| if up { c.to_ascii_uppercase() } else { c }).collect();
        tasks.spawn(async move { store.identities().create(new(&spelled, &Attributes::new()), NOW).await.is_ok() });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|made| *made).count(), 1);
}

async fn two_spellings_of_before_are_both_found(site: Site) {
    let store = site.store().await;
    for username in ["one", "two", "three"] {
        store.identities().create(new(username, &Attributes::new()), NOW).await.unwrap();
    }
    for (from, to) in [("one", "Ümit"), ("two", "ümit"), ("three", "ÄNNE")] {
        tamper(&store, &format!("UPDATE identities SET username = '{to}', name_key = NULL WHERE username = '{from}'"))
            .await;
    }
    assert_eq!(store.identities().named("/alpha", "Ümit").await.unwrap().unwrap().username, "Ümit");
    let store = site.open().await;
    let named = async |name| store.identities().named("/alpha", name).await.unwrap().map(|known| known.username);
    for (asked, found) in
        [("Ümit", Some("Ümit")), ("ümit", Some("ümit")), ("ÜMIT", None), ("änne", Some("ÄNNE")), ("ÄNNE", Some("ÄNNE"))]
    {
        assert_eq!(named(asked).await.as_deref(), found, "{asked}");
    }
    assert!(store.identities().create(new("ÜMIT", &Attributes::new()), NOW).await.is_err());
    store.identities().delete("/alpha", "ümit").await.unwrap();
    assert_eq!(named("ÜMIT").await.as_deref(), Some("Ümit"));
}

async fn a_value_finds_who_has_had_it_for_longest(site: Site) {
    let store = site.store().await;
    let identities = store.identities();
    let mail = |mail: &str| Attributes::from([("mail".to_owned(), vec![mail.to_owned()])]);
    identities.create(new("victim", &mail("v@example.com")), NOW.plus(1)).await.unwrap();
    identities.create(new("aaa", &mail("V@example.com")), NOW.plus(2)).await.unwrap();
    identities.create(new("old", &mail("o@example.com")), NOW).await.unwrap();
    identities.update_attributes("/alpha", "old", &mail("v@example.com"), NOW.plus(3)).await.unwrap();
    let found = async || {
        let found = identities.find("/alpha", "mail", "v@example.com", 9).await.unwrap();
        found.into_iter().map(|known| known.username).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(found().await, "victim aaa old");
    // Other changes change nothing about it.
    let name = Attributes::from([("sn".to_owned(), vec!["V".to_owned()])]);
    identities.update_attributes("/alpha", "victim", &name, NOW.plus(4)).await.unwrap();
    assert_eq!(found().await, "victim aaa old");
    identities.update_attributes("/alpha", "victim", &mail("new@example.com"), NOW.plus(5)).await.unwrap();
    assert_eq!(found().await, "aaa old");
}

async fn attributes_change_one_by_one(site: Site) {
    let store = site.store().await;
    store.identities().create(new("demo", &Attributes::new()), NOW).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..10 {
        let store = site.open().await;
        tasks.spawn(async move {
            let change = Attributes::from([(format!("a{n}"), vec![n.to_string()])]);
            store.identities().update_attributes("/alpha", "demo", &change, NOW).await.unwrap();
        });
    }
    tasks.join_all().await;
    let change = Attributes::from([("a3".into(), vec![])]);
    let left = store.identities().update_attributes("/alpha", "demo", &change, NOW).await.unwrap();
    assert_eq!((left.len(), left.contains_key("a3")), (9, false));
    assert!(store.identities().get("/alpha", "demo").await.unwrap().unwrap().attributes == left);
    assert!(store.identities().update_attributes("/alpha", "nobody", &change, NOW).await.is_err());
}

async fn a_damaged_row_is_reported(site: Site) {
    let store = site.store().await;
    store.identities().create(new("demo", &Attributes::new()), NOW).await.unwrap();
    tamper(&store, "UPDATE identities SET attributes = '[1]'").await;
    assert!(matches!(store.identities().get("/alpha", "demo").await.err(), Some(StoreError::Corrupt { .. })));
}
