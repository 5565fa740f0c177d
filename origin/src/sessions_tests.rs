use countersign_store::{Attributes, IdentityStatus, NewIdentity};

use super::*;
use crate::testing::{NOW, Origin, PASSWORD};
use crate::{SystemEntropy, keyring, passwords};

/// The longest session that is issued can be renewed too.
#[tokio::test]
async fn a_cookie_leaves_room_for_its_renewal() {
    let origin = Origin::new().await;
    let (ring, settings) = (origin.app.keys(), origin.app.settings());
    let fits = |length: usize| {
        let attributes = Attributes::from([("cn".to_owned(), vec!["x".repeat(length)])]);
        let subject = Subject { realm: "/alpha", username: "long", attributes: &attributes, inherited: None };
        let session = &settings.realm("/alpha").session;
        mint(session, &ring.realms["/alpha"], subject, 0, UnixSeconds(NOW), &SystemEntropy).is_ok()
    };
    let longest = (1000..4096).take_while(|length| fits(*length)).last().unwrap();
    // The journey has a few things to say of the session too.
    let mut length = longest + 1;
    let token = loop {
        length -= 1;
        let (name, attributes) = (format!("long{length}"), [("cn".to_owned(), vec!["x".repeat(length)])].into());
        origin.add_user(&name, IdentityStatus::Active, &attributes).await;
        let headers = [("x-openam-username", name.as_str()), ("x-openam-password", PASSWORD)];
        let answer = origin.post(&format!("{}/authenticate", crate::testing::ALPHA), &headers, "{}").await;
        if let Some(token) = answer.json()["tokenId"].as_str() {
            break token.to_owned();
        }
        assert!(longest - length < 300, "{}", answer.text());
    };
    for _ in 0..11 {
        let token = origin.log_in().await;
        origin.log_out(&token).await;
    }
    origin.clock.advance(900);
    let renewed = renew(&origin.app, token.as_bytes(), Renew::IfDue).await.unwrap();
    let Renewal::Issued(issued) = renewed else { panic!("it is due") };
    assert!(issued.set_cookie.len() <= MAX_SET_COOKIE && issued.token.len() > token.len());
}

async fn add_realm(origin: &Origin, realm: &str) {
    let (app, now) = (&origin.app, origin.app.clock.now().seconds());
    app.store.realms().create(realm, now).await.unwrap();
    let settings = app.settings();
    keyring::generate(&app.store, Some((realm, settings.realm(realm))), now, &SystemEntropy).await.unwrap();
    let argon2 = passwords::hasher(&settings.argon2).unwrap();
    let hash = passwords::hash(&argon2, PASSWORD.as_bytes(), &SystemEntropy).unwrap();
    let (status, attributes) = (IdentityStatus::Active, &Attributes::new());
    let new = NewIdentity { realm, username: "demo", password_hash: &hash, status, attributes };
    app.store.identities().create(new, now).await.unwrap();
    app.keys_current().await.unwrap();
}

#[tokio::test]
async fn realms_with_other_layers_do_not_hide_each_others_tokens() {
    let beta = "[realm.\"/beta\".session]\nstatelessEncryptionType = \"NONE\"\n";
    let gamma = "[realm.\"/gamma\".session]\nstatelessSigningType = \"NONE\"\n";
    let origin = Origin::with(&format!("{beta}{gamma}")).await;
    let mut tokens = vec![origin.log_in().await];
    for realm in ["/beta", "/gamma"] {
        add_realm(&origin, realm).await;
        let headers = [("x-openam-username", "demo"), ("x-openam-password", PASSWORD)];
        let answer = origin.post(&format!("/am/json/realms/root/realms{realm}/authenticate"), &headers, "{}").await;
        tokens.push(answer.json()["tokenId"].as_str().unwrap().to_owned());
    }
    let dots: Vec<_> = tokens.iter().map(|token| token.matches('.').count()).collect();
    assert_eq!(dots, [4, 2, 4]);
    for (token, realm) in tokens.iter().zip(["/alpha", "/beta", "/gamma"]) {
        let session = judge(&origin.app, token.as_bytes()).await.unwrap().valid();
        assert_eq!(session.map(|session| session.claims().realm.clone()).as_deref(), Some(realm));
    }
    // Nonsense is still told from a key that is not known here.
    let code = |token: &str| open(&origin.app, token.as_bytes(), &mut Scratch::default()).err().unwrap();
    assert_eq!((code("x.y"), code("nonsense")), (TokenError::Format, TokenError::Format));
    let other = Origin::new().await.log_in().await;
    assert_eq!(code(&other), TokenError::UnknownKey);
}
