//! A step is answered by one at a time: whoever comes first claims it before any node runs, so that nodes do what they
//! do once, and lets it go when trouble of ours kept the journey where it was.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::time::UnixSeconds;
use countersign_store::{Store, StoreError};

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

/// Not to be had: what was wanted, and whether whoever has it may yet let it go, as far as is known here.
type Missed = (What, bool);

impl What {
    async fn attempt(self) -> Result<Result<Claim, Missed>, StoreError> {
        let stored = match self {
            Self::Nothing => return Ok(Ok(Claim::of(self))),
            Self::Memory { ref memory, reference, version } => {
                let (taken, held) = (memory.claim(&reference, version), memory.is_claimed(&reference, version));
                return Ok(if taken { Ok(Claim::of(self)) } else { Err((self, held)) });
            }
            Self::Stored(stored) => stored,
        };
        if !stored.claims.held().insert(stored.id.clone()) {
            return Ok(Err((Self::Stored(stored), true)));
        }
        // To its end, also when the client goes away now: the claim is dropped then, and lets go what it has.
        let attempt = tokio::spawn(async move {
            match stored.store.once().consume(stored.kind, &stored.id, stored.until).await {
                Ok(true) => Ok(Ok(Claim::of(Self::Stored(stored)))),
                other => {
                    stored.claims.held().remove(&stored.id);
                    other.map(|_| Err((Self::Stored(stored), false)))
                }
            }
        });
        attempt.await.unwrap_or_else(|error| Err(StoreError::Internal { detail: error.to_string() }))
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

    async fn take(mut what: What, taken: JourneyError) -> Result<Self, JourneyError> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let held = match what.attempt().await? {
                Ok(claim) => return Ok(claim),
                Err((back, held)) => {
                    what = back;
                    held
                }
            };
            let Some(pause) = pauses.next().filter(|_| held) else { return Err(taken) };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    fn of(what: What) -> Self {
        Self { what: Some(what), running: true }
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
