//! What the realms have to run: their journeys as they are in the database, and the built-in one.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use countersign_core::time::UnixSeconds;
use countersign_journey::{EmailTemplate, Export, Journey, Library, Script, Variables, import};
use countersign_store::{DocumentChange, DocumentKind, JourneyDocuments, Store, StoreError};
use serde_json::json;

use super::DEFAULT_TREE;
use super::documents::{Change, Documents, for_store};
use crate::app::App;
use crate::background::{Complaint, every};

const BUILT_IN: &str = include_str!("login.journey.json");
const EVERY: Duration = Duration::from_secs(1);
/// Of two who change a realm at once, one tries again.
const ATTEMPTS: usize = 4;
/// What the journeys of a realm may come to, in bytes. Small documents that refer to a large one often would otherwise
/// take all memory there is, here and at the next start.
const MAX_COMPILED: usize = 256 * 1024 * 1024;

/// The journeys of a realm, as of one moment.
pub(crate) struct RealmJourneys {
    pub(crate) documents: Documents,
    pub(crate) library: Arc<Library>,
    /// AM's `orgConfig`: the journey of logins that name none.
    pub(crate) default: String,
    variables: BTreeMap<String, String>,
}

impl RealmJourneys {
    pub(crate) fn new(documents: Documents, default: String) -> Self {
        let variables: BTreeMap<String, String> =
            documents.variables().map(|(name, value)| (name.replace('-', "."), value)).collect();
        let library = Arc::new(library(&documents, &default, &Variables::new(variables.clone())));
        Self { documents, library, default, variables }
    }

    /// The value of an ESV, by its name with dots or dashes.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(&name.replace('-', ".")).map(String::as_str)
    }
}

/// Whether these can be made into journeys that run.
pub(crate) fn fits(documents: &Documents) -> Result<(), StoreError> {
    match documents.compiled_bytes() {
        bytes if bytes > MAX_COMPILED => {
            Err(StoreError::TooLarge { what: "what is made of a realm's journeys", max: MAX_COMPILED })
        }
        _ => Ok(()),
    }
}

fn library(documents: &Documents, default: &str, variables: &Variables) -> Library {
    let mut library = Library::new();
    library.add(&built_in(), &Variables::default());
    if default != DEFAULT_TREE
        && let Some(login) = library.journey(DEFAULT_TREE)
    {
        // Who chose another journey, with a second factor perhaps, is not to be got around by naming this one.
        let mut login = Journey::clone(login);
        login.inner_only = true;
        library.insert(login);
    }
    // One by one: each comes with all that it uses.
    for name in documents.names() {
        let journeys = documents.document(name).map(|document| (name.to_owned(), document)).into_iter().collect();
        library.add(&Export { journeys, ..Export::default() }, variables);
    }
    for (id, value) in documents.shared(DocumentKind::Script) {
        if let Some(script) = value.as_object().and_then(|script| Script::read(id, script)) {
            library.insert_script(script);
        }
    }
    for (id, value) in documents.shared(DocumentKind::EmailTemplate) {
        if let Some(template) = value.as_object().and_then(EmailTemplate::read) {
            library.insert_template(id, template);
        }
    }
    documents.stubs().for_each(|(node_type, outcome)| library.stub(node_type, outcome));
    library
}

/// The journeys that every realm has.
pub(crate) fn built_in() -> Export {
    // A test reads it: the text is part of the program.
    import::from_json(BUILT_IN).unwrap_or_default()
}

/// Of all realms, as of the last look at the database.
pub(crate) struct Libraries {
    /// Of a realm that has none of its own.
    built_in: Arc<RealmJourneys>,
    realms: RwLock<Arc<Loaded>>,
    /// Held while they are loaded, so that it is done once.
    loading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Loaded {
    seen: Seen,
    realms: BTreeMap<String, Arc<RealmJourneys>>,
}

/// By which a change is noticed.
#[derive(Clone, PartialEq, Eq, Default)]
struct Seen {
    documents: BTreeMap<String, u64>,
    settings: u64,
}

impl Seen {
    async fn now(store: &Store) -> Result<Self, StoreError> {
        let documents = store.journey_documents().generations().await?;
        Ok(Self { documents, settings: store.settings().generation().await? })
    }
}

impl Libraries {
    pub(crate) async fn load(store: &Store) -> Result<Self, StoreError> {
        let libraries = Self {
            built_in: Arc::new(RealmJourneys::new(Documents::default(), DEFAULT_TREE.to_owned())),
            realms: RwLock::default(),
            loading: tokio::sync::Mutex::default(),
        };
        libraries.refresh(store).await?;
        Ok(libraries)
    }

    fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.realms.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn of(&self, realm: &str) -> Arc<RealmJourneys> {
        Arc::clone(self.loaded().realms.get(realm).unwrap_or(&self.built_in))
    }

    /// Loads what has changed since the last look.
    async fn refresh(&self, store: &Store) -> Result<(), StoreError> {
        if Seen::now(store).await? == self.loaded().seen {
            return Ok(());
        }
        let _loading = self.loading.lock().await;
        let before = self.loaded();
        // Before the rest is read: what changes meanwhile is seen at the next look.
        let seen = Seen::now(store).await?;
        if seen == before.seen {
            return Ok(()); // another task loaded it while this one waited
        }
        let mut realms = BTreeMap::new();
        for realm in store.realms().list().await? {
            let generation = seen.documents.get(&realm.name).copied().unwrap_or_default();
            let default = default_of(store, &realm.name).await?;
            let known = before.realms.get(&realm.name);
            let same =
                |known: &&Arc<RealmJourneys>| known.documents.generation == generation && known.default == default;
            let journeys = match known.filter(same) {
                Some(known) => Arc::clone(known),
                None if generation == 0 && default == DEFAULT_TREE => continue,
                None => load(store, &realm.name, default).await?,
            };
            realms.insert(realm.name, journeys);
        }
        let count: usize = realms.values().map(|realm| realm.documents.names().count()).sum();
        tracing::info!(journeys = count, "the journeys were loaded");
        *self.realms.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Loaded { seen, realms });
        Ok(())
    }
}

async fn load(store: &Store, realm: &str, default: String) -> Result<Arc<RealmJourneys>, StoreError> {
    let documents = Documents::read(store.journey_documents().load(realm).await?)?;
    // A script of half a megabyte is unpacked and looked through here.
    let journeys = tokio::task::spawn_blocking(move || RealmJourneys::new(documents, default)).await;
    journeys.map(Arc::new).map_err(|error| StoreError::Internal { detail: error.to_string() })
}

async fn default_of(store: &Store, realm: &str) -> Result<String, StoreError> {
    let settings = store.settings().get(Some(realm)).await?;
    let name = settings.as_ref().and_then(|settings| settings.document.get("core")?.get("orgConfig")?.as_str());
    Ok(name.unwrap_or(DEFAULT_TREE).to_owned())
}

/// A realm whose journeys are changed, by whom, when.
pub(crate) struct Editor<'a> {
    pub(crate) store: &'a Store,
    pub(crate) realm: &'a str,
    pub(crate) actor: &'a str,
    pub(crate) now: UnixSeconds,
}

impl Editor<'_> {
    /// As they are in the database now.
    pub(crate) async fn journeys(&self) -> Result<Arc<RealmJourneys>, StoreError> {
        load(self.store, self.realm, default_of(self.store, self.realm).await?).await
    }

    /// Decides on what there is and writes it; when somebody else was quicker, decides anew.
    pub(crate) async fn change<T, E: From<StoreError>>(
        &self,
        decide: impl FnMut(&RealmJourneys) -> Result<(Vec<Change>, T), E>,
    ) -> Result<T, E> {
        self.change_of(|| self.journeys(), decide).await
    }

    /// Likewise, where `current` is asked for what there is.
    async fn change_of<T, E: From<StoreError>, Now: Future<Output = Result<Arc<RealmJourneys>, StoreError>>>(
        &self,
        current: impl Fn() -> Now,
        mut decide: impl FnMut(&RealmJourneys) -> Result<(Vec<Change>, T), E>,
    ) -> Result<T, E> {
        let mut attempt = 1;
        loop {
            let current = current().await?;
            let (changes, outcome) = decide(&current)?;
            if changes.is_empty() {
                return Ok(outcome);
            }
            let after = current.documents.with(&changes);
            // What has become too large by other means may become less.
            if let Err(error) = fits(&after)
                && after.compiled_bytes() > current.documents.compiled_bytes()
            {
                return Err(error.into());
            }
            let generation = Some(current.documents.generation);
            let documents = self.store.journey_documents();
            match documents.change(self.realm, &for_store(&changes), generation, self.actor, self.now).await {
                Ok(_) => return Ok(outcome),
                Err(StoreError::Outdated { .. }) if attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether the changes could be written, and if not, which it is that cannot. Nothing is.
    pub(crate) async fn rehearse(&self, changes: &[Change]) -> Result<(), String> {
        for change in &for_store(changes) {
            let (DocumentChange::Put(key, _) | DocumentChange::Delete(key)) = change;
            let named = |error| match key.journey.as_str() {
                "" => format!("{} {:?}: {error}", key.kind.text(), key.id),
                journey => format!("journey {journey:?}, {} {:?}: {error}", key.kind.text(), key.id),
            };
            JourneyDocuments::check(change).map_err(named)?;
        }
        let documents = self.store.journey_documents();
        let done = documents.rehearse(self.realm, &for_store(changes), self.actor, self.now).await;
        done.map_err(|error| error.to_string())
    }

    /// Makes a journey the realm's default; that there is one of the name is up to the caller.
    pub(crate) async fn set_default(&self, name: &str) -> Result<(), StoreError> {
        let settings = self.store.settings();
        let mut attempt = 1;
        loop {
            let current = settings.get(Some(self.realm)).await?;
            let (mut document, version) = current.map_or_else(|| (json!({}), 0), |row| (row.document, row.version));
            if let Some(members) = document.as_object_mut() {
                let core = members.entry("core").or_insert_with(|| json!({}));
                match core.as_object_mut() {
                    Some(core) => drop(core.insert("orgConfig".to_owned(), json!(name))),
                    None => *core = json!({"orgConfig": name}),
                }
            }
            match settings.put(Some(self.realm), &document, version, self.actor, self.now).await {
                Err(StoreError::Outdated { .. }) if attempt < ATTEMPTS => attempt += 1,
                outcome => return outcome.map(drop),
            }
        }
    }
}

impl App {
    /// The journeys of a realm with what belongs to them, at most a second old. Take it once per request.
    pub(crate) fn library(&self, realm: &str) -> Arc<Library> {
        Arc::clone(&self.journeys(realm).library)
    }

    /// The journey of a realm's logins that name none. Where there is none of that name, nobody logs in: to take
    /// another one instead could ask for less.
    pub(crate) fn default_journey(&self, realm: &str) -> String {
        self.journeys(realm).default.clone()
    }

    /// What the library was made of, at most a second old.
    pub(crate) fn journeys(&self, realm: &str) -> Arc<RealmJourneys> {
        self.libraries.of(realm)
    }

    /// As [`Editor::change`], and takes it up at once.
    pub(crate) async fn change_journeys<T, E: From<StoreError>>(
        &self,
        realm: &str,
        actor: &str,
        mut decide: impl FnMut(&Documents) -> Result<(Vec<Change>, T), E>,
    ) -> Result<T, E> {
        let editor = Editor { store: &self.store, realm, actor, now: self.clock.now().seconds() };
        let current = || self.journeys_current(realm);
        let outcome = editor.change_of(current, |journeys| decide(&journeys.documents)).await?;
        self.libraries.refresh(&self.store).await?;
        Ok(outcome)
    }

    /// As they are in the database now.
    pub(crate) async fn journeys_current(&self, realm: &str) -> Result<Arc<RealmJourneys>, StoreError> {
        self.libraries.refresh(&self.store).await?;
        Ok(self.libraries.of(realm))
    }
}

/// Takes up what commands and other origins changed.
pub(crate) async fn run(app: Arc<App>) {
    let (mut ticks, mut complaint) = (every(EVERY), Complaint::default());
    loop {
        ticks.tick().await;
        // What was loaded stays in use.
        if let Some(error) = complaint.news(app.libraries.refresh(&app.store).await) {
            tracing::error!(%error, "changes of journeys are not taken up");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use countersign_journey::Export;
    use countersign_journey::validate::{Verdict, validate};

    use super::super::documents::key;
    use super::*;
    use crate::testing::Origin;

    #[test]
    fn the_built_in_journey_runs() {
        let journeys = RealmJourneys::new(Documents::default(), DEFAULT_TREE.to_owned());
        let journey = journeys.library.journey(DEFAULT_TREE).unwrap();
        let report = validate(&journeys.library, journey);
        assert_eq!((report.verdict, report.findings), (Verdict::Runs, vec![]));
    }

    #[tokio::test]
    async fn what_another_process_changes_is_taken_up() {
        let (origin, other) = {
            let origin = Origin::new().await;
            let other = origin.second().await;
            (origin, other)
        };
        let now = origin.app.clock.now().seconds();
        let editor = Editor { store: &other.app.store, realm: "/alpha", actor: "test", now };
        let mut export: Export = built_in();
        let document = export.journeys.remove(DEFAULT_TREE).unwrap();
        export.journeys.insert("Mine".to_owned(), document);
        let variable = (key(DocumentKind::Variable, "", "esv-a"), Some(json!("x")));
        let import = |journeys: &RealmJourneys| {
            let mut changes = journeys.documents.plan(&export, true).changes;
            changes.push(variable.clone());
            Ok::<_, StoreError>((changes, ()))
        };
        editor.change(import).await.unwrap();
        assert!(origin.app.library("/alpha").journey("Mine").is_none());
        let current = origin.app.journeys_current("/alpha").await.unwrap();
        assert_eq!(current.variable("esv.a"), Some("x"));
        let names: BTreeSet<String> =
            origin.app.library("/alpha").journeys().map(|journey| journey.name.clone()).collect();
        assert_eq!(names, ["Login", "Mine"].map(str::to_owned).into());
        assert!(origin.app.library("/beta").journey("Mine").is_none());

        // The built-in journey is not the way around the one that was chosen.
        assert!(!origin.app.library("/alpha").journey(DEFAULT_TREE).unwrap().inner_only);
        editor.set_default("Mine").await.unwrap();
        editor.set_default("Mine").await.unwrap();
        origin.app.journeys_current("/alpha").await.unwrap();
        assert_eq!(origin.app.default_journey("/alpha"), "Mine");
        assert!(origin.app.library("/alpha").journey(DEFAULT_TREE).unwrap().inner_only);
        // A new process has it from the start.
        let third = origin.second().await;
        assert_eq!(third.app.default_journey("/alpha"), "Mine");
        assert!(third.app.library("/alpha").journey("Mine").is_some());
    }
}
