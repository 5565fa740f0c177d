use countersign_journey::host::{HostError, Identities, Identity, PasswordCheck, Pending, Question, Realm, Schema};
use countersign_store::{AcceptedTerms, Answer, IdentityStatus, NewIdentity, StoreError, name_key, normal_name};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::passwords::is_plausible;
use super::{Services, lockout, profile};

/// Attributes that are not among the others: what they hold is never shown.
const PASSWORD: &str = "password";
const KBA: &str = "kbaInfo";
/// Its value is the account's status.
const STATUS: &str = "accountStatus";
/// Several users may give one address: whose it was first, is found by it.
const MAIL: &str = "mail";
/// Names by which a user is found directly.
const NAMES: [&str; 2] = ["userName", "_id"];

const USER_EXISTS: &str = "User already exists.";

/// Longest answer to a security question.
const MAX_ANSWER: usize = 255;
/// Security questions of one user.
const MAX_ANSWERS: usize = 32;

/// What of an object is kept apart from its attributes.
struct Apart {
    password: Option<Zeroizing<String>>,
    answers: Option<Vec<(Question, Zeroizing<String>)>>,
    status: Option<IdentityStatus>,
}

impl Apart {
    /// Takes it out, or says why it cannot be meant.
    fn take(object: &mut Map<String, Value>) -> Result<Self, String> {
        let password = match object.remove(PASSWORD) {
            None => None,
            Some(Value::String(password)) => Some(Zeroizing::new(password)),
            Some(_) => return Err("the password is no text".to_owned()),
        };
        let answers = object.remove(KBA).map(|entries| questions_of(&entries)).transpose()?;
        let status = match object.remove(STATUS).as_ref().map(status_of) {
            None => None,
            Some(Some(status)) => Some(status),
            Some(None) => return Err(format!("{STATUS} must be active or inactive")),
        };
        Ok(Self { password, answers, status })
    }
}

impl Services<'_> {
    pub(super) fn schema(&self) -> Option<&Schema> {
        self.realm.schema(Realm::DEFAULT_RESOURCE)
    }

    /// Whether objects of this kind are the realm's users: `managed/user`, or `managed/alpha_user` as some deployments
    /// name those of `/alpha`.
    pub(super) fn is_user(&self, resource: &str) -> bool {
        resource == Realm::DEFAULT_RESOURCE
            || resource
                .strip_prefix("managed/")
                .and_then(|kind| kind.strip_suffix("_user"))
                .is_some_and(|realm| self.realm_name.trim_start_matches('/') == realm)
    }

    pub(super) fn seen(&self, known: &countersign_store::Identity) -> Identity {
        profile::identity(known, self.schema())
    }

    pub(super) async fn known(&self, username: &str) -> Result<Option<countersign_store::Identity>, HostError> {
        if !is_plausible(username) {
            return Ok(None);
        }
        self.app.store.identities().named(&self.realm_name, username).await.map_err(|error| self.store_error(error))
    }

    /// The name as its user has it, for what is kept under it; nobody's stays as it is.
    async fn own_name(&self, name: &str) -> Result<String, HostError> {
        Ok(self.known(name).await?.map_or_else(|| name.to_owned(), |known| known.username))
    }

    /// The user of a name that was typed in; the store is asked whatever the name is like.
    pub(super) async fn plausible(&self, username: &str) -> Result<Option<countersign_store::Identity>, HostError> {
        let plausible = is_plausible(username);
        let known = self.known(if plausible { username } else { "-" }).await?;
        Ok(known.filter(|_| plausible))
    }

    async fn found(&self, resource: &str, attribute: &str, value: &str) -> Result<Option<Identity>, HostError> {
        if !self.is_user(resource) {
            return Ok(None);
        }
        let attribute = attribute.trim_start_matches('/');
        if NAMES.contains(&attribute) {
            return Ok(self.known(value).await?.map(|known| self.seen(&known)));
        }
        let found = self.app.store.identities().find(&self.realm_name, attribute, value, 2).await;
        match found.map_err(|error| self.store_error(error))?.as_slice() {
            [one] => Ok(Some(self.seen(one))),
            [] => Ok(None),
            // Whoever enters another's address must not keep mail from whom it has found so far.
            [first, ..] if attribute == MAIL => Ok(Some(self.seen(first))),
            _ => {
                // To take any of them would let one user's journey go on as another's.
                tracing::warn!(
                    realm = self.realm_name,
                    attribute,
                    "several users have the value that one was sought by"
                );
                Ok(None)
            }
        }
    }

    async fn created(
        &self,
        resource: &str,
        object: &Map<String, Value>,
    ) -> Result<Result<Identity, String>, HostError> {
        if !self.is_user(resource) {
            return Ok(Err(format!("there are no objects {resource}")));
        }
        let mut object = object.clone();
        let Some(Value::String(username)) = object.remove("userName") else {
            return Ok(Err("userName is missing".to_owned()));
        };
        let username = normal_name(&username).into_owned();
        if object.get(PASSWORD).is_some_and(Value::is_null) {
            object.remove(PASSWORD);
        }
        object.remove("_id");
        let Apart { password, answers, status } = match Apart::take(&mut object) {
            Ok(apart) => apart,
            Err(why) => return Ok(Err(why)),
        };
        if let Some(why) = self.wrong(&username, &object).await? {
            return Ok(Err(why));
        }
        if let Some(why) = password.as_ref().and_then(|password| self.refusal(&username, password)) {
            return Ok(Err(why));
        }
        let attributes = match profile::changes(&object, self.schema()) {
            Ok(mut attributes) => {
                attributes.retain(|_, values| !values.is_empty());
                attributes
            }
            Err(why) => return Ok(Err(why)),
        };
        let hash = match &password {
            Some(password) => self.hashed(password).await?,
            // One that nobody knows, so that every user has one.
            None => {
                let unknown: [u8; 32] = crate::ambient::random(&*self.app.entropy);
                self.hashed(&countersign_core::encoding::encode(&unknown)).await?
            }
        };
        let new = NewIdentity {
            realm: &self.realm_name,
            username: &username,
            password_hash: &hash,
            status: status.unwrap_or(IdentityStatus::Active),
            attributes: &attributes,
        };
        match self.app.store.identities().create(new, self.app.clock.now().seconds()).await {
            Ok(()) => {}
            // Somebody else was quicker.
            Err(StoreError::Conflict { .. }) => return Ok(Err(USER_EXISTS.to_owned())),
            Err(error) => return self.refused(error).map(Err),
        }
        if let Some(answers) = answers {
            self.keep_answers(&username, KBA, answers).await?;
        }
        match self.known(&username).await? {
            Some(known) => Ok(Ok(self.seen(&known))),
            None => Ok(Err("the user was deleted meanwhile".to_owned())),
        }
    }

    /// Why the store would not: the caller's fault is for the journey to tell, all else is trouble.
    fn refused(&self, error: StoreError) -> Result<String, HostError> {
        match error.fault() {
            countersign_store::Fault::Caller => Ok(error.to_string()),
            _ => Err(self.store_error(error)),
        }
    }

    /// What policies say against these values, in one line.
    async fn wrong(&self, username: &str, object: &Map<String, Value>) -> Result<Option<String>, HostError> {
        for (attribute, value) in object {
            if let Some(failure) = self.failures(Some(username), attribute, value).await?.first() {
                let requirement = failure.get("policyRequirement").and_then(Value::as_str).unwrap_or_default();
                return Ok(Some(format!("{attribute} fails {requirement}")));
            }
        }
        Ok(None)
    }

    async fn patched(
        &self,
        resource: &str,
        identity: &Identity,
        changes: &Map<String, Value>,
        as_user: bool,
    ) -> Result<Result<(), String>, HostError> {
        if !self.is_user(resource) {
            return Ok(Err(format!("there are no objects {resource}")));
        }
        let username = &identity.username;
        let mut changes = changes.clone();
        if as_user {
            let may = |name: &str| {
                let exact = self.schema().and_then(|schema| schema.property(name)).is_some_and(|it| it.user_editable);
                let below = format!("{}/", name.trim_matches('/'));
                let properties = self.schema().into_iter().flat_map(|schema| &schema.properties);
                exact
                    || name == KBA
                    || properties.filter(|(path, _)| path.starts_with(&below)).any(|(_, it)| it.user_editable)
            };
            if let Some(name) = changes.keys().find(|name| !may(name)) {
                return Ok(Err(format!("{name} is not for users to change")));
            }
        }
        for name in NAMES {
            match changes.remove(name) {
                Some(Value::String(same)) if name_key(&same) == name_key(username) => {}
                None => {}
                Some(_) => return Ok(Err(format!("{name} cannot be changed"))),
            }
        }
        let Apart { password, answers, status } = match Apart::take(&mut changes) {
            Ok(apart) => apart,
            Err(why) => return Ok(Err(why)),
        };
        if let Some(why) = self.wrong(username, &changes).await? {
            return Ok(Err(why));
        }
        if let Some(password) = &password {
            let failures = self.failures(Some(username), PASSWORD, &Value::from(password.as_str())).await?;
            if let Some(failure) = failures.first() {
                let requirement = failure.get("policyRequirement").and_then(Value::as_str).unwrap_or_default();
                return Ok(Err(format!("the password fails {requirement}")));
            }
        }
        let attributes = match profile::changes(&changes, self.schema()) {
            Ok(attributes) => attributes,
            Err(why) => return Ok(Err(why)),
        };
        if !attributes.is_empty() {
            let now = self.app.clock.now().seconds();
            match self.app.store.identities().update_attributes(&self.realm_name, username, &attributes, now).await {
                Ok(_) => {}
                Err(error) => return self.refused(error).map(Err),
            }
        }
        if let Some(answers) = answers {
            self.keep_answers(username, KBA, answers).await?;
        }
        if let Some(password) = password {
            self.set_password(username, &password, None).await?;
        }
        if let Some(status) = status {
            self.activated(username, status == IdentityStatus::Active).await?;
        }
        Ok(Ok(()))
    }

    async fn keep_answers(
        &self,
        username: &str,
        attribute: &str,
        answers: Vec<(Question, Zeroizing<String>)>,
    ) -> Result<(), HostError> {
        let mut kept = Vec::with_capacity(answers.len());
        for (question, answer) in answers {
            let hash = self.hashed(&answer).await?;
            kept.push(match question {
                Question::Predefined(question) => Answer { custom: false, question, hash },
                Question::Custom(question) => Answer { custom: true, question, hash },
            });
        }
        let replaced = self.app.store.answers().replace(&self.realm_name, username, attribute, &kept).await;
        replaced.map_err(|error| self.store_error(error))
    }

    async fn activated(&self, name: &str, active: bool) -> Result<bool, HostError> {
        let username = &self.own_name(name).await?;
        let status = if active { IdentityStatus::Active } else { IdentityStatus::Inactive };
        match self.app.store.identities().set_status(&self.realm_name, username, status).await {
            Ok(()) => {}
            Err(StoreError::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(self.store_error(error)),
        }
        if active {
            let cleared = self.app.store.attempts().clear(&self.realm_name, username, lockout::COUNTER).await;
            cleared.map_err(|error| self.store_error(error))?;
        } else {
            self.end_sessions(username, "the user was disabled").await?;
        }
        Ok(true)
    }

    async fn held(&self, identity: &Identity, attribute: &str) -> Result<bool, HostError> {
        let attribute = attribute.trim_start_matches('/');
        match attribute {
            // Everybody has one.
            PASSWORD => Ok(true),
            KBA => Ok(!self.answers(identity, KBA).await?.is_empty()),
            _ => {
                let mut parts = attribute.split('/');
                let first = parts.next().and_then(|name| identity.attributes.get(name));
                Ok(parts.try_fold(first, |value, part| value.map(|value| value.get(part))).flatten().is_some())
            }
        }
    }

    async fn answers(&self, identity: &Identity, attribute: &str) -> Result<Vec<Answer>, HostError> {
        let answers = self.app.store.answers().list(&self.realm_name, &identity.username, attribute).await;
        answers.map_err(|error| self.store_error(error))
    }

    async fn is_answer(
        &self,
        identity: &Identity,
        attribute: &str,
        question: &Question,
        answer: &str,
    ) -> Result<bool, HostError> {
        let (custom, text) = match question {
            Question::Predefined(id) => (false, id),
            Question::Custom(text) => (true, text),
        };
        let known = self.answers(identity, attribute).await?;
        let known = known.into_iter().find(|known| known.custom == custom && known.question == *text);
        let checked = self
            .app
            .passwords
            .verify(Zeroizing::new(answer.to_owned()), known.map(|known| known.hash), &*self.app.entropy)
            .await;
        Ok(checked.map_err(|error| self.hash_error(error))?.right)
    }
}

fn status_of(value: &Value) -> Option<IdentityStatus> {
    match value.as_str()?.to_ascii_lowercase().as_str() {
        "active" => Some(IdentityStatus::Active),
        "inactive" => Some(IdentityStatus::Inactive),
        _ => None,
    }
}

/// Questions with their answers in clear, as the node leaves them.
fn questions_of(entries: &Value) -> Result<Vec<(Question, Zeroizing<String>)>, String> {
    let wrong = || "kbaInfo is no list of questions and answers".to_owned();
    let entries = entries.as_array().filter(|entries| entries.len() <= MAX_ANSWERS).ok_or_else(wrong)?;
    let read = |entry: &Value| {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let question = match (text("questionId"), text("customQuestion")) {
            (Some(id), None) => Question::Predefined(id.to_owned()),
            (None, Some(own)) => Question::Custom(own.to_owned()),
            _ => return None,
        };
        let answer = text("answer").filter(|answer| answer.len() <= MAX_ANSWER)?;
        Some((question, Zeroizing::new(answer.to_owned())))
    };
    entries.iter().map(read).collect::<Option<_>>().ok_or_else(wrong)
}

impl Identities for Services<'_> {
    fn find<'a>(&'a self, resource: &'a str, attribute: &'a str, value: &'a str) -> Pending<'a, Option<Identity>> {
        Box::pin(self.found(resource, attribute, value))
    }

    fn check_password<'a>(&'a self, username: &'a str, password: &'a str) -> Pending<'a, PasswordCheck> {
        Box::pin(self.check(username, password))
    }

    fn check_agent_password<'a>(&'a self, name: &'a str, password: &'a str) -> Pending<'a, Option<Identity>> {
        Box::pin(self.check_agent(name, password))
    }

    fn change_password<'a>(&'a self, username: &'a str, old: &'a str, new: &'a str) -> Pending<'a, bool> {
        Box::pin(self.change_own(username, old, new))
    }

    fn create<'a>(
        &'a self,
        resource: &'a str,
        attributes: &'a Map<String, Value>,
    ) -> Pending<'a, Result<Identity, String>> {
        Box::pin(self.created(resource, attributes))
    }

    fn patch<'a>(
        &'a self,
        resource: &'a str,
        identity: &'a Identity,
        changes: &'a Map<String, Value>,
        as_user: bool,
    ) -> Pending<'a, Result<(), String>> {
        Box::pin(self.patched(resource, identity, changes, as_user))
    }

    fn failed_policies<'a>(
        &'a self,
        _: &'a str,
        object: Option<&'a str>,
        attribute: &'a str,
        value: &'a Value,
    ) -> Pending<'a, Vec<Value>> {
        Box::pin(self.failures(object, attribute.trim_start_matches('/'), value))
    }

    fn has<'a>(&'a self, _: &'a str, identity: &'a Identity, attribute: &'a str) -> Pending<'a, bool> {
        Box::pin(self.held(identity, attribute))
    }

    fn set_active<'a>(&'a self, username: &'a str, active: bool) -> Pending<'a, bool> {
        Box::pin(self.activated(username, active))
    }

    fn counter<'a>(&'a self, username: &'a str, name: &'a str) -> Pending<'a, Option<i64>> {
        Box::pin(async move {
            let username = self.own_name(username).await?;
            let value = self.app.store.counters().get(&self.realm_name, &username, name).await;
            value.map_err(|error| self.store_error(error))
        })
    }

    fn set_counter<'a>(&'a self, username: &'a str, name: &'a str, value: Option<i64>) -> Pending<'a, bool> {
        Box::pin(async move {
            let Some(known) = self.known(username).await? else { return Ok(false) };
            let counters = self.app.store.counters();
            let done = match value {
                Some(value) => counters.set(&self.realm_name, &known.username, name, value).await,
                None => counters.remove(&self.realm_name, &known.username, name).await.map(|()| true),
            };
            done.map_err(|error| self.store_error(error))
        })
    }

    fn questions<'a>(&'a self, identity: &'a Identity, attribute: &'a str) -> Pending<'a, Vec<Question>> {
        Box::pin(async move {
            let question = |answer: Answer| match answer.custom {
                true => Question::Custom(answer.question),
                false => Question::Predefined(answer.question),
            };
            Ok(self.answers(identity, attribute).await?.into_iter().map(question).collect())
        })
    }

    fn check_answer<'a>(
        &'a self,
        identity: &'a Identity,
        attribute: &'a str,
        question: &'a Question,
        answer: &'a str,
    ) -> Pending<'a, bool> {
        Box::pin(self.is_answer(identity, attribute, question, answer))
    }

    fn accepted_terms<'a>(&'a self, identity: &'a Identity) -> Pending<'a, Option<String>> {
        Box::pin(async move {
            let accepted = self.app.store.terms().accepted(&self.realm_name, &identity.username).await;
            Ok(accepted.map_err(|error| self.store_error(error))?.map(|accepted| accepted.version))
        })
    }

    fn accept_terms<'a>(&'a self, identity: &'a Identity, version: &'a str, date: &'a str) -> Pending<'a, ()> {
        Box::pin(async move {
            let terms = AcceptedTerms { version: version.to_owned(), accepted_at: date.to_owned() };
            let done = self.app.store.terms().accept(&self.realm_name, &identity.username, &terms).await;
            done.map(drop).map_err(|error| self.store_error(error))
        })
    }

    fn use_recovery_code<'a>(&'a self, username: &'a str, kind: &'a str, code: &'a str) -> Pending<'a, bool> {
        Box::pin(async move {
            let username = self.own_name(username).await?;
            // They are made of small letters and digits, and typed from paper.
            let plain = code.chars().filter(|letter| !letter.is_whitespace() && *letter != '-');
            let code = plain.flat_map(char::to_lowercase).collect::<String>();
            let used = self.app.store.recovery_codes().consume(&self.realm_name, &username, kind, &code).await;
            used.map_err(|error| self.store_error(error))
        })
    }
}
