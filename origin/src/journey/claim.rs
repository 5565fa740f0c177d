//! A step is answered by one at a time: whoever comes first claims it before any node runs, so that nodes do what they do
//! once, and lets it go when trouble of ours kept the journey where it was.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::time::UnixSeconds;
use countersign_store::Store;

use super::JourneyError;
use super::auth_id::AuthIdError;
use super::journey_sessions::{Place, STEP};
use super::memory::{Memory, Reference};
use crate::app::App;

/// The kind of a suspended journey's link, in the store.
const LINK: &str = "journey link";

/// Whoever sends a form twice gives up the first one. Before the second is refused it is seen whether that was let go.
const PAUSES: [u64; 3] = [100, 200, 400];

/// What this process answers at the moment.
#[derive(Default)]
pub(crate) struct Claims(Mutex<HashSet<Vec<u8>>>);

impl Claims {
    fn held(&self) -> MutexGuard<'_, HashSet<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the step of this key is being answered, and not answered yet.
    pub(super) fn is_held(&self, otk: &str) -> bool {
        self.held().contains(otk.as_bytes())
    }
}

enum What {
    /// Nothing keeps others away: an older step of a client-side journey may be answered again, as the settings say.
    Nothing,
    Stored(Stored),
    Memory {
        memory: Arc<Memory>,
        reference: Reference,
        version: u64,
    },
}

struct Stored {
    store: Store,
    claims: Arc<Claims>,
    kind: &'static str,
    id: Vec<u8>,
    until: UnixSeconds,
}

impl What {
    async fn take(&self) -> Result<bool, JourneyError> {
        Ok(match self {
            Self::Nothing => true,
            Self::Stored(Stored { store, claims, kind, id, until }) => {
                let taken = store.once().consume(kind, id, *until).await?;
                if taken {
                    claims.held().insert(id.clone());
                }
                taken
            }
            Self::Memory { memory, reference, version } => memory.claim(reference, *version),
        })
    }

    /// Whether it may be let go yet, as far as is known here.
    fn is_held(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Stored(Stored { claims, id, .. }) => claims.held().contains(id),
            Self::Memory { memory, reference, version } => memory.is_claimed(reference, *version),
        }
    }

    async fn release(self) {
        match self {
            Self::Nothing => {}
            Self::Stored(Stored { store, claims, kind, id, .. }) => {
                if let Err(error) = store.once().release(kind, &id).await {
                    tracing::warn!(%error, "a step that came to nothing cannot be answered again");
                }
                claims.held().remove(&id);
            }
            Self::Memory { memory, reference, version } => memory.release(&reference, version),
        }
    }

    /// It is answered, for good.
    fn used(self) {
        if let Self::Stored(Stored { claims, id, .. }) = self {
            claims.held().remove(&id);
        }
    }
}

/// Dropped while nodes run (the client has gone) it is let go; once they have run it is for [`Claim::release`] to say.
pub(super) struct Claim {
    what: Option<What>,
    running: bool,
}

impl Claim {
    /// Of the step at `place`, which ends by itself at `until`.
    pub(super) async fn step(app: &App, realm: &str, place: &Place, until: UnixSeconds) -> Result<Self, JourneyError> {
        let stored = |id: Vec<u8>| stored(app, STEP, id, until);
        let what = match place {
            Place::Client { otk, .. } if app.settings().realm(realm).journey.allowlisting => {
                stored(otk.as_bytes().to_vec())
            }
            Place::Client { .. } => What::Nothing,
            Place::Store { reference, version } => stored([&reference[..], &version.to_be_bytes()].concat()),
            Place::Memory { reference, version } => {
                What::Memory { memory: Arc::clone(&app.memory), reference: *reference, version: *version }
            }
        };
        Self::take(what, JourneyError::AuthId(AuthIdError::Used)).await
    }

    /// Of a link.
    pub(super) async fn link(app: &App, id: &[u8], until: UnixSeconds) -> Result<Self, JourneyError> {
        Self::take(stored(app, LINK, id.to_vec(), until), JourneyError::NotSuspended).await
    }

    async fn take(what: What, taken: JourneyError) -> Result<Self, JourneyError> {
        let mut pauses = PAUSES.into_iter();
        while !what.take().await? {
            let Some(pause) = pauses.next().filter(|_| what.is_held()) else { return Err(taken) };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        Ok(Self { what: Some(what), running: true })
    }

    /// Whether the step of a client-side journey is used up with this.
    pub(super) fn uses_up(&self) -> bool {
        matches!(self.what, Some(What::Stored(_)))
    }

    /// The nodes have run: nobody is to have them run again by going away now.
    pub(super) fn done(&mut self) {
        self.running = false;
    }

    /// The journey stayed where it was.
    pub(super) async fn release(mut self) {
        if let Some(what) = self.what.take() {
            what.release().await;
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let Some(what) = self.what.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if self.running => drop(runtime.spawn(what.release())),
            _ => what.used(),
        }
    }
}

fn stored(app: &App, kind: &'static str, id: Vec<u8>, until: UnixSeconds) -> What {
    What::Stored(Stored { store: app.store.clone(), claims: Arc::clone(&app.claims), kind, id, until })
}
