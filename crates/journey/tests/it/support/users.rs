use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use countersign_journey::host::{
    Device, DeviceKind, Identities, Identity, Kba, PasswordChange, PasswordCheck, Pending, Property, PropertyKind,
    PushSettings, Question, Realm, RelyingParty, Schema, Terms,
};
use serde_json::{Map, Value, json};

use super::START;

pub(crate) const PASSWORD: &str = "Secret12!";

#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) password: String,
    pub(crate) active: bool,
    pub(crate) expired: bool,
    pub(crate) change: PasswordChange,
    pub(crate) attributes: Map<String, Value>,
    pub(crate) answers: Vec<(Question, String)>,
    pub(crate) terms: Option<String>,
    pub(crate) codes: Vec<(String, String)>,
    pub(crate) devices: Vec<(DeviceKind, Device)>,
    pub(crate) counters: BTreeMap<String, i64>,
}

/// The identity store.
#[derive(Default)]
pub(crate) struct Users {
    /// By user name.
    by_name: Mutex<BTreeMap<String, User>>,
    /// Whether it refuses every change of a profile.
    pub(crate) refuses: AtomicBool,
}

pub(crate) fn realm() -> Realm {
    let property = |title: &str, kind, required| Property {
        title: title.to_owned(),
        kind,
        required,
        viewable: true,
        user_editable: true,
        policies: json!({"policyRequirements": ["REQUIRED"], "name": title}),
    };
    let text = PropertyKind::Text;
    let properties = [
        ("userName", property("Username", text, true)),
        ("password", property("Password", text, false)),
        ("givenName", property("First Name", text, true)),
        ("sn", property("Last Name", text, true)),
        ("mail", property("Email Address", text, true)),
        ("description", property("Description", text, false)),
        ("telephoneNumber", property("Telephone Number", text, false)),
        ("postalAddress", property("Address", text, false)),
        ("postalCode", property("Postal Code", text, false)),
        ("city", property("City", text, false)),
        ("country", property("Country", text, false)),
        ("stateProvince", property("State", text, false)),
        ("age", property("Age", PropertyKind::Number, false)),
        ("preferences/updates", property("Send me news", PropertyKind::Boolean, false)),
        ("preferences/marketing", property("Send me offers", PropertyKind::Boolean, false)),
    ];
    let properties = properties.into_iter().map(|(name, property)| (name.to_owned(), property)).collect();
    let questions = [("1", "What's your favourite colour?"), ("2", "Who was your first employer?")];
    Realm {
        name: "/alpha".to_owned(),
        terms: Some(Terms {
            version: "1.0".to_owned(),
            text: "Be kind.".to_owned(),
            create_date: "2026-01-01T00:00:00Z".to_owned(),
        }),
        kba: Kba {
            questions: questions.into_iter().map(|(id, text)| (id.to_owned(), text.to_owned())).collect(),
            minimum_answers_to_define: 2,
            minimum_answers_to_verify: 1,
            maximum_attempts: 3,
        },
        resume_uri: "https://am.example.com/am/XUI/?realm=/alpha&suspendedId=".to_owned(),
        secrets: BTreeMap::new(),
        push: PushSettings {
            gateway: "https://push.example/send".to_owned(),
            register: "https://am.example.com/am/json/push/sns/message?_action=register".to_owned(),
            authenticate: "https://am.example.com/am/json/push/sns/message?_action=authenticate".to_owned(),
        },
        consents: Vec::new(),
        ping_one_environments: [("TestSDKs".to_owned(), "environment".to_owned())].into(),
        schemas: [(Realm::DEFAULT_RESOURCE.to_owned(), Schema { properties })].into(),
        app_schemes: vec!["com.example.app".to_owned()],
        key_attestation: super::attestation::trusted(),
        relying_party: RelyingParty { id: super::RP.to_owned(), origins: vec![super::ORIGIN.to_owned()] },
    }
}

impl Users {
    /// `demo`, with all that a journey may ask for.
    pub(crate) fn demo() -> Self {
        let users = Self::default();
        users.put("demo", json!({"givenName": "Dem", "sn": "O", "mail": "demo@example.com", "age": 40}));
        users.change("demo", |user| {
            user.answers = vec![
                (Question::Predefined("1".to_owned()), "blue".to_owned()),
                (Question::Custom("Pet?".to_owned()), "rex".to_owned()),
            ];
            user.terms = Some("0.9".to_owned());
            user.codes = vec![("OATH".to_owned(), "abcd".to_owned())];
        });
        users
    }

    pub(crate) fn put(&self, name: &str, attributes: Value) {
        let mut attributes = attributes.as_object().cloned().unwrap();
        attributes.insert("userName".to_owned(), json!(name));
        let user = User {
            id: format!("id-of-{name}"),
            password: PASSWORD.to_owned(),
            active: true,
            expired: false,
            change: PasswordChange::None,
            attributes,
            answers: Vec::new(),
            terms: None,
            codes: Vec::new(),
            devices: Vec::new(),
            counters: BTreeMap::new(),
        };
        self.by_name.lock().unwrap().insert(name.to_owned(), user);
    }

    pub(crate) fn change<T>(&self, name: &str, work: impl FnOnce(&mut User) -> T) -> T {
        work(self.by_name.lock().unwrap().get_mut(name).unwrap())
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.by_name.lock().unwrap().keys().cloned().collect()
    }

    /// None for somebody who is not there.
    pub(crate) fn devices<T>(&self, name: &str, work: impl FnOnce(&mut Vec<(DeviceKind, Device)>) -> T) -> T {
        match self.by_name.lock().unwrap().get_mut(name) {
            Some(user) => work(&mut user.devices),
            None => work(&mut Vec::new()),
        }
    }

    pub(crate) fn identity(&self, name: &str) -> Option<Identity> {
        self.by_name.lock().unwrap().get(name).map(|user| identity(name, user))
    }
}

fn identity(name: &str, user: &User) -> Identity {
    Identity {
        id: user.id.clone(),
        username: name.to_owned(),
        universal_id: format!("id={name},ou=user,o=alpha"),
        active: user.active,
        created: Some(START - 86_400_000),
        attributes: user.attributes.clone(),
    }
}

fn at<'a>(map: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    path.split('/').try_fold(None, |value: Option<&Value>, part| match value {
        None => map.get(part).map(Some),
        Some(value) => value.get(part).map(Some),
    })?
}

pub(super) fn ready<'a, T: Send + 'a>(value: T) -> Pending<'a, T> {
    Box::pin(async move { Ok(value) })
}

impl Identities for Users {
    fn find<'a>(&'a self, _: &'a str, attribute: &'a str, value: &'a str) -> Pending<'a, Option<Identity>> {
        let users = self.by_name.lock().unwrap();
        let found = users.iter().find(|(name, user)| match attribute {
            "_id" => user.id == value,
            "userName" => name.eq_ignore_ascii_case(value),
            other => match at(&user.attributes, other) {
                // As the stores do.
                Some(Value::Array(values)) => {
                    values.iter().filter_map(Value::as_str).any(|one| one.eq_ignore_ascii_case(value))
                }
                one => one.and_then(Value::as_str) == Some(value),
            },
        });
        ready(found.map(|(name, user)| identity(name, user)))
    }

    fn check_password<'a>(&'a self, username: &'a str, password: &'a str) -> Pending<'a, PasswordCheck> {
        let users = self.by_name.lock().unwrap();
        ready(match users.get(username) {
            Some(user) if !user.active => PasswordCheck::Locked,
            Some(user) if user.password == password && user.expired => PasswordCheck::Expired,
            Some(user) if user.password == password => {
                PasswordCheck::Right { identity: identity(username, user), change: user.change }
            }
            _ => PasswordCheck::Wrong,
        })
    }

    fn check_agent_password<'a>(&'a self, name: &'a str, password: &'a str) -> Pending<'a, Option<Identity>> {
        let known = name == "agent" && password == PASSWORD;
        ready(known.then(|| Identity {
            id: name.to_owned(),
            username: name.to_owned(),
            universal_id: format!("id={name},ou=agent,o=alpha"),
            active: true,
            created: None,
            attributes: Map::new(),
        }))
    }

    fn change_password<'a>(&'a self, username: &'a str, old: &'a str, new: &'a str) -> Pending<'a, bool> {
        let mut users = self.by_name.lock().unwrap();
        let user = users.get_mut(username).filter(|user| user.password == old);
        let changed = user.map(|user| {
            user.password = new.to_owned();
            user.change = PasswordChange::None;
        });
        ready(changed.is_some())
    }

    fn create<'a>(&'a self, _: &'a str, attributes: &'a Map<String, Value>) -> Pending<'a, Result<Identity, String>> {
        let Some(name) = attributes.get("userName").and_then(Value::as_str) else {
            return ready(Err("userName is required".to_owned()));
        };
        if self.identity(name).is_some() {
            return ready(Err("the name is taken".to_owned()));
        }
        let taken =
            |user: &User| attributes.contains_key("mail") && user.attributes.get("mail") == attributes.get("mail");
        if self.by_name.lock().unwrap().values().any(taken) {
            return ready(Err("the address is taken".to_owned()));
        }
        let mut shown = attributes.clone();
        let password = shown.remove("password");
        shown.remove("kbaInfo");
        self.put(name, Value::Object(shown));
        if let Some(Value::String(password)) = password {
            self.change(name, |user| user.password = password);
        }
        ready(Ok(self.identity(name).unwrap()))
    }

    fn patch<'a>(
        &'a self,
        _: &'a str,
        identity: &'a Identity,
        changes: &'a Map<String, Value>,
        as_user: bool,
    ) -> Pending<'a, Result<(), String>> {
        if as_user && changes.contains_key("sn") {
            return ready(Err("sn is not for users".to_owned()));
        }
        if self.refuses.load(Ordering::Relaxed) {
            return ready(Err("refused".to_owned()));
        }
        self.change(&identity.username, |user| {
            for (key, value) in changes {
                match (key.as_str(), value) {
                    ("password", Value::String(password)) => user.password = password.clone(),
                    ("kbaInfo", _) => user.answers.push((Question::Custom("new".to_owned()), String::new())),
                    _ => {
                        user.attributes.insert(key.clone(), value.clone());
                    }
                }
            }
        });
        ready(Ok(()))
    }

    fn failed_policies<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        attribute: &'a str,
        value: &'a Value,
    ) -> Pending<'a, Vec<Value>> {
        let text = value.as_str().unwrap_or_default();
        ready(match attribute {
            "userName" if self.identity(text).is_some() => vec![json!({"policyRequirement": "UNIQUE"})],
            "password" if text.len() < 8 => {
                vec![json!({"policyRequirement": "MIN_LENGTH", "params": {"minLength": 8}})]
            }
            "mail" if !text.contains('@') => vec![json!({"policyRequirement": "VALID_EMAIL_ADDRESS_FORMAT"})],
            _ => Vec::new(),
        })
    }

    fn has<'a>(&'a self, _: &'a str, identity: &'a Identity, attribute: &'a str) -> Pending<'a, bool> {
        ready(self.change(&identity.username, |user| match attribute {
            "password" => !user.password.is_empty(),
            "kbaInfo" => !user.answers.is_empty(),
            other => at(&user.attributes, other).is_some(),
        }))
    }

    fn set_active<'a>(&'a self, username: &'a str, active: bool) -> Pending<'a, bool> {
        let mut users = self.by_name.lock().unwrap();
        ready(users.get_mut(username).map(|user| user.active = active).is_some())
    }

    fn counter<'a>(&'a self, username: &'a str, name: &'a str) -> Pending<'a, Option<i64>> {
        ready(self.by_name.lock().unwrap().get(username).and_then(|user| user.counters.get(name).copied()))
    }

    fn set_counter<'a>(&'a self, username: &'a str, name: &'a str, value: Option<i64>) -> Pending<'a, bool> {
        let mut users = self.by_name.lock().unwrap();
        let Some(user) = users.get_mut(username) else { return ready(false) };
        match value {
            Some(value) => user.counters.insert(name.to_owned(), value),
            None => user.counters.remove(name),
        };
        ready(true)
    }

    fn questions<'a>(&'a self, identity: &'a Identity, _: &'a str) -> Pending<'a, Vec<Question>> {
        ready(
            self.change(&identity.username, |user| user.answers.iter().map(|(question, _)| question.clone()).collect()),
        )
    }

    fn check_answer<'a>(
        &'a self,
        identity: &'a Identity,
        _: &'a str,
        question: &'a Question,
        answer: &'a str,
    ) -> Pending<'a, bool> {
        let known = (question.clone(), answer.to_owned());
        ready(self.change(&identity.username, |user| user.answers.contains(&known)))
    }

    fn accepted_terms<'a>(&'a self, identity: &'a Identity) -> Pending<'a, Option<String>> {
        ready(self.change(&identity.username, |user| user.terms.clone()))
    }

    fn accept_terms<'a>(&'a self, identity: &'a Identity, version: &'a str, _: &'a str) -> Pending<'a, ()> {
        self.change(&identity.username, |user| user.terms = Some(version.to_owned()));
        ready(())
    }

    fn use_recovery_code<'a>(&'a self, username: &'a str, kind: &'a str, code: &'a str) -> Pending<'a, bool> {
        let mut users = self.by_name.lock().unwrap();
        let Some(user) = users.get_mut(username) else { return ready(false) };
        let before = user.codes.len();
        user.codes.retain(|known| *known != (kind.to_owned(), code.to_owned()));
        ready(user.codes.len() < before)
    }
}
