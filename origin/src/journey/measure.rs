//! For the benchmarks: a step that asks for callbacks, of a journey that the client keeps. Neither HTTP nor the store
//! has a part in it.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_core::denylist::Epoch;
use countersign_journey::{Answer, Request, import};
use countersign_store::{MasterKey, Store, StoreError};
use serde_json::{Value, json};

use super::library::{Editor, RealmJourneys};
use super::run::{self, Turn};
use super::{Destinations, JourneyError, Outcome, auth_id, journey_sessions};
use crate::ambient::{Clock as _, SystemClock, SystemEntropy, random};
use crate::{App, Settings, keyring};

const REALM: &str = "/alpha";
const JOURNEY: &str = "Two";

type Failed = Box<dyn Error + Send + Sync>;

/// One step, to be taken any number of times: nobody remembers that it was.
pub struct Step {
    app: Arc<App>,
    auth_id: String,
    callbacks: Vec<Value>,
    request: Request,
}

/// How long its parts took.
pub struct Took {
    pub open: Duration,
    pub run: Duration,
    pub seal: Duration,
    /// Bytes of the next `authId`.
    pub bytes: usize,
}

impl Step {
    /// The answer to a first question, which leads to a second one, at an origin in a directory of its own.
    pub async fn new(dir: &Path) -> Result<Self, Failed> {
        let file = dir.join("countersign.toml");
        std::fs::write(&file, "[server]\npublic_url = \"http://localhost:8787\"\n")?;
        let settings = Settings::load(&file, std::iter::empty())?;
        let (now, entropy) = (SystemClock.now().seconds(), SystemEntropy);
        let master = MasterKey::from_bytes(&random::<32>(&entropy));
        let store = Store::open(dir.join("countersign.db").as_path(), master).await?;
        store.installation().initialise(Epoch(random(&entropy)), now).await?;
        store.realms().create(REALM, now).await?;
        keyring::generate(&store, None, now, &entropy).await?;
        keyring::generate(&store, Some((REALM, settings.realm(REALM))), now, &entropy).await?;
        let node = |id: &str, node_type: &str, next: &str| {
            let association = json!({"nodeType": node_type, "displayName": id, "connections": {"outcome": next}});
            let config = json!({"_id": id, "_type": {"_id": node_type, "name": node_type, "collection": true}});
            (association, config)
        };
        let (name, name_config) = node("name", "UsernameCollectorNode", "password");
        let (password, password_config) =
            node("password", "PasswordCollectorNode", "70e691a5-1e33-4ac3-a356-e7b6d60d92e0");
        let tree = json!({"_id": JOURNEY, "entryNodeId": "name", "nodes": {"name": name, "password": password}});
        let whole = json!({"tree": tree, "nodes": {"name": name_config, "password": password_config}, "innerNodes": {},
            "scripts": {}, "emailTemplates": {}});
        let export = import::from_json(&json!({"trees": {JOURNEY: whole}}).to_string()).map_err(text)?;
        let editor = Editor { store: &store, realm: REALM, actor: "bench", now };
        let decide =
            |journeys: &RealmJourneys| Ok::<_, StoreError>((journeys.documents.plan(&export, true).changes, ()));
        editor.change(decide).await?;
        let app = App::new(settings, store, Box::new(SystemClock), Box::new(entropy)).await?;
        let request = Request::default();
        let begun = run::begin(&app, REALM, JOURNEY, &request, None, Destinations::default()).await.map_err(text)?;
        let Outcome::Step(shown) = begun else { return Err("the journey asks nothing".into()) };
        let mut callbacks = shown.progress.state.callbacks_json();
        let input = callbacks.first_mut().and_then(|callback| callback.pointer_mut("/input/0/value"));
        *input.ok_or("nothing to fill in")? = json!("demo");
        Ok(Self { app, auth_id: shown.auth_id, callbacks, request })
    }

    /// Opens the `authId`, runs the journey to its next question, and seals it.
    pub async fn take(&self) -> Result<Took, Failed> {
        let app = &*self.app;
        let begun = Instant::now();
        let ring = app.keys();
        let keys = ring.realms.get(REALM).ok_or("no keys")?;
        let outer =
            auth_id::check(app, REALM, keys, &self.auth_id).map_err(|error| text(JourneyError::AuthId(error)))?;
        let progress =
            journey_sessions::unseal(keys, outer.session_id.as_bytes()).ok_or("not sealed by this origin")?;
        let opened = Instant::now();
        let turn = Turn::at(app, REALM, &progress.id).map_err(text)?;
        let methods = turn.methods();
        let (state, before) = progress.split(&Destinations::default());
        let answer = turn.engine(&methods).step(state, &self.callbacks, &self.request).await?;
        let Answer::Callbacks { state, page } = answer else { return Err("no second question".into()) };
        let next = before.then(REALM, state, page, 0);
        let ran = Instant::now();
        let ends = next.ends(&turn.limits);
        let sealed = journey_sessions::with_client(app, (REALM, JOURNEY), keys, &next, ends).await.map_err(text)?;
        let (open, run, seal) = (opened - begun, ran - opened, ran.elapsed());
        Ok(Took { open, run, seal, bytes: sealed.len() })
    }
}

fn text(error: impl std::fmt::Display) -> Failed {
    error.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_step_that_is_measured_is_a_whole_one() {
        let dir = tempfile::tempdir().unwrap();
        let step = Step::new(dir.path()).await.unwrap();
        for _ in 0..2 {
            let took = step.take().await.unwrap();
            assert!(took.bytes > 500 && took.open + took.run + took.seal > Duration::ZERO);
        }
        // Another's is not opened.
        let other = tempfile::tempdir().unwrap();
        let other = Step::new(other.path()).await.unwrap();
        assert!(Step { auth_id: other.auth_id, ..step }.take().await.is_err());
    }
}
