//! Server-side sessions at an edge: the origin is asked about a reference, and its signed answer is good for a lease.
//!
//! Such an answer ends in three ways. Its lease runs out, counted from when the question was sent; the denylist, whose
//! own lease must hold as for any token, has an entry for the session; or the idle time is over as far as is known
//! here, and the origin is asked whether it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::denylist::fingerprint::DenylistKey;
use crate::encoding;
use crate::keys::KeySet;
use crate::replica::Nonce;
use crate::session::{Reference, Session, SessionClaims};
use crate::time::UnixMillis;
use crate::token::{self, Kind, Scratch, TokenError};

/// Most references that are remembered, good ones and others.
const PLACES: usize = 2048;

/// The origin's signed word about one reference, for who asked with this nonce. The payload of a JWS with `typ`
/// `checked-session+jwt`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checked {
    #[serde(with = "encoding::bytes")]
    pub nonce: [u8; 16],
    /// [`Reference::digest`]: a question that was altered on the way is not answered.
    #[serde(with = "encoding::bytes")]
    pub reference: [u8; 32],
    /// For how long the answer is good, from when the question was sent.
    pub lease_ms: u64,
    /// `None`: there is no such session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionClaims>,
}

/// A question that was sent.
#[derive(Clone, Copy)]
pub struct Question {
    pub reference: Reference,
    pub nonce: Nonce,
    /// When it was.
    pub sent: UnixMillis,
}

/// Why an answer is not taken. The fault is with whoever made it, or stands between.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnswerError {
    Token(TokenError),
    /// It answers another question.
    Elsewhere,
}

impl std::fmt::Display for AnswerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Token(error) => write!(f, "the answer is refused: {}", error.code()),
            Self::Elsewhere => f.write_str("the answer is to another question"),
        }
    }
}

struct Answer {
    session: Option<Session>,
    sent: UnixMillis,
    until: UnixMillis,
}

impl Answer {
    fn holds(&self, now: UnixMillis) -> bool {
        (self.sent..self.until).contains(&now)
    }
}

/// The answers that are still good.
#[derive(Default)]
pub(super) struct Answers {
    by_reference: BTreeMap<Reference, Answer>,
}

impl Answers {
    /// What is known of a reference: `None` when the origin must be asked.
    pub(super) fn get(&self, reference: &Reference, now: UnixMillis) -> Option<Option<&Session>> {
        let answer = self.by_reference.get(reference).filter(|answer| answer.holds(now))?;
        Some(answer.session.as_ref())
    }

    pub(super) fn take(
        &mut self,
        question: &Question,
        bytes: &[u8],
        feed_keys: &KeySet,
        denylist_key: &DenylistKey,
        lease_ms: u64,
        now: UnixMillis,
    ) -> Result<(), AnswerError> {
        let opened = token::open::<Checked>(bytes, Kind::Checked, feed_keys, &mut Scratch::default());
        let checked = opened.map_err(AnswerError::Token)?.into_claims();
        if checked.nonce != question.nonce.0 || checked.reference != question.reference.digest() {
            return Err(AnswerError::Elsewhere);
        }
        let mut until = question.sent.plus(checked.lease_ms.min(lease_ms));
        if let Some(idle_end) = checked.session.as_ref().and_then(SessionClaims::idle_end) {
            until = until.min(UnixMillis(idle_end.0.saturating_mul(1000)));
        }
        let session = checked.session.map(|claims| Session::server_side(claims, denylist_key));
        self.make_room(now);
        self.by_reference.insert(question.reference, Answer { session, sent: question.sent, until });
        Ok(())
    }

    /// Good sessions are kept longest: references that are none may be anybody's invention.
    fn make_room(&mut self, now: UnixMillis) {
        if self.by_reference.len() >= PLACES {
            self.by_reference.retain(|_, answer| answer.holds(now) && answer.session.is_some());
        }
        if self.by_reference.len() >= PLACES {
            self.by_reference.clear();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_reference.len()
    }
}
