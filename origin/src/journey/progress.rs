//! What is known of a login in progress between two requests.

use std::collections::BTreeSet;

use countersign_core::time::UnixSeconds;
use countersign_journey::{CallbackType, JourneyState, Limits, Page, Success};
use countersign_store::name_key;
use serde::{Deserialize, Serialize};

/// It holds what was typed, so it is sealed wherever it is kept; there is no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Of the journey, the same in all of its steps.
    pub(super) id: String,
    pub(super) realm: String,
    pub(crate) state: JourneyState,
    pub(crate) page: Page,
    since: Option<Since>,
    /// How the user has shown who it is (RFC 8176).
    methods: BTreeSet<String>,
    pub(crate) to: Destinations,
    /// When it was suspended, in milliseconds since 1970; 0 while it is not.
    #[serde(default)]
    pub(super) made: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) proved: Option<Proved>,
}

/// Whose password was right in this login. What is typed from there on is an attempt, as a password is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Proved {
    pub(super) username: String,
    /// An answer was typed that may have been wrong, and is counted.
    pub(super) open: bool,
}

/// What a secret can be guessed in.
const TYPED: [CallbackType; 8] = [
    CallbackType::HiddenValueCallback,
    CallbackType::KbaCreateCallback,
    CallbackType::NameCallback,
    CallbackType::NumberAttributeInputCallback,
    CallbackType::PasswordCallback,
    CallbackType::StringAttributeInputCallback,
    CallbackType::TextInputCallback,
    CallbackType::ValidatedCreatePasswordCallback,
];

/// Where the login shall lead, as its start said. Both were checked.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Destinations {
    pub(crate) goto: Option<String>,
    pub(crate) goto_on_fail: Option<String>,
}

impl Destinations {
    /// What the start said counts; a later request says something only where that said nothing.
    pub(crate) fn or(self, later: &Self) -> Self {
        Self {
            goto: self.goto.or_else(|| later.goto.clone()),
            goto_on_fail: self.goto_on_fail.or_else(|| later.goto_on_fail.clone()),
        }
    }
}

/// Since when it is this user: where the denylist log ended before the request in which that became known began. What
/// comes into the log after that ends the session that the journey leads to.
#[derive(Clone, Serialize, Deserialize)]
struct Since {
    username: String,
    /// A node said so; a name that was merely typed is nobody yet.
    identified: bool,
    rvs: u64,
}

/// All but the journey's state.
#[derive(Clone, Default)]
pub(super) struct Before {
    id: String,
    since: Option<Since>,
    /// Where the log ended when the journey itself ended the user's sessions in this request.
    renewed: Option<u64>,
    pub(super) methods: BTreeSet<String>,
    pub(super) to: Destinations,
    pub(super) proved: Option<Proved>,
    /// Something was typed that came with this request.
    pub(super) typed: bool,
}

impl Before {
    pub(super) fn new(id: String, to: Destinations) -> Self {
        Self { id, to, ..Self::default() }
    }

    /// The journey in its next state, after a request that began when the log ended at `head`.
    pub(super) fn then(self, realm: &str, state: Box<JourneyState>, page: Page, head: u64) -> Progress {
        let Self { id, since, renewed, methods, to, proved, .. } = self;
        let who = match state.identified() {
            Some(identified) => Some((identified.username.clone(), true)),
            None => state.shared().get("username").and_then(|name| name.as_str()).map(|name| (name.to_owned(), false)),
        };
        let since = who.map(|(username, identified)| match since {
            Some(since)
                if renewed.is_none() && is_same(&since.username, &username) && since.identified == identified =>
            {
                since
            }
            _ => Since { username, identified, rvs: renewed.unwrap_or(head) },
        });
        Progress { id, realm: realm.to_owned(), state: *state, page, since, methods, to, made: 0, proved }
    }

    /// A changed password ends all sessions of the user, but not the one that this journey leads to.
    pub(super) fn renew(&mut self, seq: u64) {
        self.renewed = Some(seq);
    }

    /// `rvs` of the session to come.
    pub(super) fn rvs(&self, success: &Success, head: u64) -> u64 {
        if let Some(renewed) = self.renewed {
            return renewed;
        }
        let known = self.since.as_ref().filter(|since| {
            let same = success.username.as_ref().is_some_and(|username| is_same(&since.username, username));
            since.identified == success.identified && same
        });
        known.map_or(head, |since| since.rvs)
    }
}

/// What was typed and what its user is called may be two spellings.
fn is_same(one: &str, other: &str) -> bool {
    one == other || name_key(one) == name_key(other)
}

impl Progress {
    pub(super) fn split(self, later: &Destinations) -> (JourneyState, Before) {
        let Self { id, state, since, methods, to, proved, .. } = self;
        let typed = state.callbacks().iter().any(|callback| TYPED.iter().any(|kind| callback.is(*kind)));
        (state, Before { id, since, renewed: None, methods, to: to.or(later), proved, typed })
    }

    /// Who logs in, or wants to.
    pub(super) fn username(&self) -> Option<&str> {
        let identified = self.state.identified().map(|identified| identified.username.as_str());
        identified.or_else(|| self.state.shared().get("username")?.as_str()).filter(|name| !name.is_empty())
    }

    /// When the journey ends by itself.
    pub(super) fn ends(&self, limits: &Limits) -> UnixSeconds {
        UnixSeconds(self.state.deadline(limits).div_ceil(1000))
    }
}
