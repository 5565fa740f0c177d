//! A step is answered by one at a time: whoever comes first claims it before any node runs, so that nodes do what they do
//! once, and lets it go when trouble of ours kept the journey where it was.

use std::sync::Arc;
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

enum What {
    /// Nothing keeps others away: an older step of a client-side journey may be answered again, as the settings say.
    Nothing,
    Stored {
        store: Store,
        kind: &'static str,
        id: Vec<u8>,
        until: UnixSeconds,
    },
    Memory {
        memory: Arc<Memory>,
        reference: Reference,
        version: u64,
    },
}

impl What {
    async fn take(&self) -> Result<bool, JourneyError> {
        match self {
            Self::Nothing => Ok(true),
            Self::Stored { store, kind, id, until } => Ok(store.once().consume(kind, id, *until).await?),
            Self::Memory { memory, reference, version } => Ok(memory.claim(reference, *version)),
        }
    }

    async fn release(self) {
        match self {
            Self::Nothing => {}
            Self::Stored { store, kind, id, .. } => {
                if let Err(error) = store.once().release(kind, &id).await {
                    tracing::warn!(%error, "a step that came to nothing cannot be answered again");
                }
            }
            Self::Memory { memory, reference, version } => memory.release(&reference, version),
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
        let stored = |id: Vec<u8>| What::Stored { store: app.store.clone(), kind: STEP, id, until };
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
        let what = What::Stored { store: app.store.clone(), kind: LINK, id: id.to_vec(), until };
        Self::take(what, JourneyError::NotSuspended).await
    }

    async fn take(what: What, taken: JourneyError) -> Result<Self, JourneyError> {
        let mut pauses = PAUSES.into_iter();
        while !what.take().await? {
            let Some(pause) = pauses.next() else { return Err(taken) };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        Ok(Self { what: Some(what), running: true })
    }

    /// Whether the step of a client-side journey is used up with this.
    pub(super) fn uses_up(&self) -> bool {
        matches!(self.what, Some(What::Stored { .. }))
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
        if let Some(what) = self.what.take().filter(|_| self.running)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(what.release());
        }
    }
}
