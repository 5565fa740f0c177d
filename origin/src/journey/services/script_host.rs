//! What scripts may reach: the realm's users, and the URLs that the settings let through.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use countersign_core::time::UnixSeconds;
use countersign_script::{AllowList, FoundIdentity, Host, HostError, HttpRequest, HttpResponse};
use countersign_store::{Attributes, Identity, IdentityStatus, Store, StoreError};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use countersign_journey::host::Realm;

use super::openidm::Asked;
use crate::app::App;
use crate::journey::library::RealmJourneys;
use crate::universal_id::universal_id;

/// Values that one attribute may have by a script's doing.
const MAX_VALUES: usize = 256;

/// It is called on threads of the sandbox, which may block.
pub(super) struct ScriptHost {
    store: Store,
    realm: String,
    reachable: Arc<AllowList>,
    timeout: Duration,
    journeys: Arc<RealmJourneys>,
    settings: Arc<Realm>,
    runtime: Handle,
    /// When the script began.
    now: UnixSeconds,
    /// To the step that runs the script.
    ask: Sender<Asked>,
}

/// Secrets that scripts may have are those whose label begins so, as in AM: the others are for nodes.
const FOR_SCRIPTS: &str = "scripted.node.";

/// What is not for scripts to write: names, and what has an operation of its own.
const RESERVED: [&str; 8] =
    ["_id", "uid", "userName", "password", "userPassword", "kbaInfo", "inetUserStatus", "accountStatus"];

impl ScriptHost {
    pub(super) fn new(app: &App, realm: &str, own: Arc<Realm>, ask: Sender<Asked>) -> Self {
        let settings = app.settings();
        Self {
            store: app.store.clone(),
            realm: realm.to_owned(),
            reachable: Arc::clone(&settings.scripts.http_allow),
            timeout: settings.scripts.http_timeout,
            journeys: app.journeys(realm),
            settings: own,
            runtime: Handle::current(),
            now: app.clock.now().seconds(),
            ask,
        }
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, HostError> {
        self.runtime.block_on(work).map_err(|error| {
            tracing::warn!(%error, "a script's request to the store failed");
            HostError::Failed("the store failed".to_owned())
        })
    }

    /// By universal id or by name.
    fn user(&self, user: &str) -> Result<Option<Identity>, HostError> {
        let named = unescaped(user).filter(|name| universal_id(&self.realm, name) == user);
        let name = named.unwrap_or_else(|| user.to_owned());
        if name.is_empty() || name.len() > 255 {
            return Ok(None);
        }
        self.wait(self.store.identities().named(&self.realm, &name))
    }

    fn write(&self, universal_id: &str, name: &str, values: Vec<String>) -> Result<(), HostError> {
        let name = &*managed_name(name);
        if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
            return Err(HostError::Failed(format!("{name} is not for scripts to change")));
        }
        if values.len() > MAX_VALUES {
            return Err(HostError::Failed(format!("{name} may have at most {MAX_VALUES} values")));
        }
        let user = self.user(universal_id)?.ok_or_else(|| HostError::Failed("there is no such user".to_owned()))?;
        let change = Attributes::from([(name.to_owned(), values)]);
        self.wait(self.store.identities().update_attributes(&self.realm, &user.username, &change, self.now)).map(drop)
    }
}

/// The general purpose attributes have a name in the directory, which scripts use, and another in IDM, which nodes use:
/// `fr-attr-istr1` is `frIndexedString1`, `fr-attr-str1` is `frUnindexedString1`.
fn managed_name(name: &str) -> Cow<'_, str> {
    const KINDS: [(&str, &str); 4] =
        [("str", "String"), ("date", "Date"), ("int", "Integer"), ("multi", "Multivalued")];
    let read = || {
        let rest = name.strip_prefix("fr-attr-")?;
        let (indexed, rest) = match rest.strip_prefix('i') {
            // `int` begins with it too.
            Some(after) if !rest.starts_with("int") => ("Indexed", after),
            _ => ("Unindexed", rest),
        };
        let (kind, number) = KINDS.iter().find_map(|(short, long)| Some((long, rest.strip_prefix(short)?)))?;
        let right = (1..=2).contains(&number.len()) && number.bytes().all(|digit| digit.is_ascii_digit());
        right.then(|| format!("fr{indexed}{kind}{number}"))
    };
    read().map_or(Cow::Borrowed(name), Cow::Owned)
}

/// The name in `id=NAME,ou=user,…`.
fn unescaped(universal_id: &str) -> Option<String> {
    let mut out = String::new();
    let mut letters = universal_id.strip_prefix("id=")?.chars();
    loop {
        match letters.next()? {
            '\\' => out.push(letters.next()?),
            ',' => return Some(out),
            letter => out.push(letter),
        }
    }
}

impl Host for ScriptHost {
    fn identity(&self, user: &str) -> Result<Option<FoundIdentity>, HostError> {
        let found = self.user(user)?;
        Ok(found.map(|found| FoundIdentity {
            universal_id: universal_id(&self.realm, &found.username),
            name: found.username,
        }))
    }

    fn attribute(&self, universal_id: &str, name: &str) -> Result<Vec<String>, HostError> {
        let Some(user) = self.user(universal_id)? else { return Ok(Vec::new()) };
        Ok(match name {
            "uid" | "userName" | "_id" => vec![user.username],
            "inetUserStatus" | "inetuserstatus" => {
                vec![if user.status == IdentityStatus::Active { "Active" } else { "Inactive" }.to_owned()]
            }
            "fr-idm-uuid" => vec![user.username],
            other => user.attributes.get(&*managed_name(other)).cloned().unwrap_or_default(),
        })
    }

    fn set_attribute(&self, universal_id: &str, name: &str, values: &[String]) -> Result<(), HostError> {
        self.write(universal_id, name, values.to_vec())
    }

    fn add_attribute(&self, universal_id: &str, name: &str, value: &str) -> Result<(), HostError> {
        let mut values = self.attribute(universal_id, name)?;
        if !values.iter().any(|known| known == value) {
            values.push(value.to_owned());
        }
        self.write(universal_id, name, values)
    }

    fn reachable(&self) -> Option<&AllowList> {
        Some(&self.reachable)
    }

    fn exchange(&self, request: &HttpRequest) -> Result<HttpResponse, HostError> {
        let failed = |error: &dyn std::fmt::Display| HostError::Failed(error.to_string());
        let mut builder = ureq::http::Request::builder().method(request.method.as_str()).uri(&request.url);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        let agent = agent();
        let answer = match &request.body {
            Some(body) => {
                let request = builder.body(body.as_str()).map_err(|error| failed(&error))?;
                agent.run(agent.configure_request(request).timeout_global(Some(self.timeout)).build())
            }
            None => {
                let request = builder.body(()).map_err(|error| failed(&error))?;
                agent.run(agent.configure_request(request).timeout_global(Some(self.timeout)).build())
            }
        };
        let mut answer = answer.map_err(|error| failed(&error))?;
        let headers = answer.headers().iter();
        let headers =
            headers.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
        let headers = headers.collect();
        let status = answer.status();
        let most = u64::try_from(request.most).unwrap_or(u64::MAX);
        let body = answer.body_mut().with_config().limit(most).lossy_utf8(true).read_to_string();
        Ok(HttpResponse {
            status: status.as_u16(),
            reason: status.canonical_reason().unwrap_or_default().to_owned(),
            headers,
            body: body.map_err(|error| failed(&error))?,
        })
    }

    /// An ESV, by its name with dots or dashes.
    fn property(&self, name: &str) -> Result<Option<String>, HostError> {
        Ok(self.journeys.variable(name).map(str::to_owned))
    }

    /// A secret of the settings, or an ESV.
    fn secret(&self, id: &str) -> Result<Vec<u8>, HostError> {
        let own = id.starts_with(FOR_SCRIPTS).then(|| self.settings.secrets.get(id)).flatten().map(String::as_str);
        let found = own.or_else(|| self.journeys.variable(id));
        let missing = || HostError::Failed(format!("there is no secret {id:?} for scripts"));
        found.map(|secret| secret.as_bytes().to_vec()).ok_or_else(missing)
    }

    fn openidm(&self, method: &str, arguments: &[Value]) -> Result<Value, HostError> {
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        let gone = || HostError::Failed("the login is over".to_owned());
        let asked = Asked { method: method.to_owned(), arguments: arguments.to_vec(), answer };
        self.ask.blocking_send(asked).map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?
    }

    fn library(&self, name: &str) -> Result<Option<Arc<str>>, HostError> {
        let mut scripts = self.journeys.library.scripts();
        Ok(scripts.find(|script| script.name == name).map(|script| script.source.as_str().into()))
    }
}

/// One for all scripts and nodes, since it keeps connections. It follows no redirect and knows no proxy: each would
/// lead past the allow-list.
pub(super) fn agent() -> &'static ureq::Agent {
    static AGENT: OnceLock<ureq::Agent> = OnceLock::new();
    AGENT.get_or_init(|| {
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            tracing::warn!(%error, "a certificate of the system cannot be read");
        }
        let roots: Vec<Certificate<'static>> =
            system.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::new_with_certs(&roots))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .allow_non_standard_methods(true)
            .proxy(None)
            .tls_config(tls)
            .build()
            .new_agent()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_have_one_name_here() {
        for (given, kept) in [
            ("fr-attr-istr1", "frIndexedString1"),
            ("fr-attr-str20", "frUnindexedString20"),
            ("fr-attr-int5", "frUnindexedInteger5"),
            ("fr-attr-iint5", "frIndexedInteger5"),
            ("fr-attr-imulti1", "frIndexedMultivalued1"),
            ("fr-attr-date2", "frUnindexedDate2"),
            ("fr-attr-str", "fr-attr-str"),
            ("fr-attr-x1", "fr-attr-x1"),
            ("mail", "mail"),
        ] {
            assert_eq!(managed_name(given), kept);
        }
    }

    #[test]
    fn a_universal_id_gives_back_its_name() {
        for name in ["demo", "a,ou=admin", "#a#", " a ", "a\\b"] {
            assert_eq!(unescaped(&universal_id("/alpha", name)).as_deref(), Some(name));
        }
        assert_eq!(unescaped("demo"), None);
        assert_eq!(unescaped("id=demo"), None);
    }
}
