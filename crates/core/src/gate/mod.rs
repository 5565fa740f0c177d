//! The one decision: request facts, keys, a view of the denylist and the time go in; a verdict comes out.
//!
//! The order is that of the design, cheap and certain things first and the lease last, with the clock read after the
//! denylist was probed: a lease that ran out during the probe must not count.

mod cache;
mod checked;
mod identity;
mod opener;
mod path;
mod policy;
mod refusal;
#[cfg(test)]
mod tests;

pub use cache::SessionCache;
pub use checked::{AnswerError, Checked, Question};
pub use identity::{ASSERTION_SECONDS, Assertion, IDENTITY_HEADERS, is_reserved_header, percent_encode};
pub use opener::Signature;
pub use path::AmbiguousPath;
pub use policy::{Access, Policy, PolicyError, RouteSettings};
pub use refusal::{Action, Refusal};

use self::checked::Answers;
use self::opener::{Closed, Opener};
use crate::cookie::{self, Lookup};
use crate::denylist::fingerprint::DenylistKey;
use crate::denylist::{Fingerprint, Slot};
use crate::keys::KeySet;
use crate::replica::{Replica, State};
use crate::session::{Marks, Reference, Session, SessionClaims};
use crate::time::{UnixMillis, UnixSeconds};
use crate::token::TokenError;

/// How far in the future a token's `iat` may lie, in seconds: the maker's clock may be ahead of ours. `exp` gets no
/// leeway.
pub const IAT_LEEWAY: u64 = 60;

/// What the decision needs to know of the denylist.
pub trait DenylistView {
    fn family_ended(&self, slot: Slot, family: Fingerprint) -> bool;
    /// The log position before which all of the user's tokens are dead.
    fn user_watermark(&self, user: Fingerprint) -> Option<u64>;
    /// Likewise of the realm, or of the whole installation.
    fn realm_watermark(&self, realm: Fingerprint) -> Option<u64>;
    /// Whether everything made with the key is ended.
    fn key_ended(&self, key: Fingerprint) -> bool;
    /// The log position up to which this view is complete.
    fn applied(&self) -> u64;
    /// Whether the view may be trusted at `now`.
    fn current(&self, now: UnixMillis) -> bool;
    /// Whether the keys in use here may be behind: the last refresh is too long ago, or one is under way.
    fn keys_doubtful(&self, _now: UnixMillis) -> bool {
        false
    }
}

impl DenylistView for Replica {
    fn family_ended(&self, slot: Slot, family: Fingerprint) -> bool {
        self.list().family_ended(slot, family)
    }

    fn user_watermark(&self, user: Fingerprint) -> Option<u64> {
        self.list().user_watermark(user)
    }

    fn realm_watermark(&self, realm: Fingerprint) -> Option<u64> {
        self.list().realm_watermark(realm)
    }

    fn key_ended(&self, key: Fingerprint) -> bool {
        self.list().key_ended(key)
    }

    fn applied(&self) -> u64 {
        Replica::applied(self)
    }

    fn current(&self, now: UnixMillis) -> bool {
        self.state(now) == State::Fresh
    }

    fn keys_doubtful(&self, now: UnixMillis) -> bool {
        Replica::keys_doubtful(self, now)
    }
}

/// What the decision needs to know of a request.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The path as it would be sent upstream, without query.
    pub path: &'a str,
    /// The `Cookie` header, empty when there is none.
    pub cookie: &'a [u8],
    /// The header named like the session cookie: how REST clients present a session. Where cookie and header both have
    /// one, they must be equal. Whoever has a session in the cookie may leave it out until the answer is `Allow`.
    pub header: Option<&'a [u8]>,
}

/// The decision.
#[derive(Debug)]
pub enum Verdict<'a> {
    /// For the origin, which judges for itself.
    Origin,
    /// For anybody; no identity is stated.
    Public,
    /// For this session.
    Allow(&'a Session),
    /// Not decidable on what is known: refresh the view, then decide again.
    Behind,
    /// Not decidable until the origin said what this reference is: see [`Gate::take_answer`].
    Ask(Reference),
    /// Not decidable until the host said whether the signature is good: see [`Gate::take_signature`].
    Verify(Box<Signature>),
    Refuse(Refusal),
}

/// Judges whether a verified session holds: its times, then what the denylist says of it, then the view itself.
pub fn judge(
    session: &Session,
    realm: &str,
    view: &impl DenylistView,
    clock: impl FnOnce() -> UnixMillis,
) -> Result<(), Judgement> {
    let claims = session.claims();
    if claims.realm != realm {
        return Err(Judgement::Refuse(Refusal::Realm));
    }
    let ends = |Marks { family, user, realm, keys }| {
        view.user_watermark(user).max(view.realm_watermark(realm)).is_some_and(|seq| claims.rvs < seq)
            || keys.into_iter().flatten().any(|key| view.key_ended(key))
            || view.family_ended(session.slot(), family)
    };
    let ended = session.marks().any(ends);
    // One reading for times and lease, after the probe; at the edge each is a call out of the module.
    let now = clock();
    judge_times(claims, now.seconds())?;
    if ended {
        return Err(Judgement::Refuse(Refusal::Ended));
    }
    if claims.rvs > view.applied() || !view.current(now) {
        return Err(Judgement::Behind);
    }
    Ok(())
}

/// What [`judge`] says when it does not say yes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgement {
    Refuse(Refusal),
    /// The view is not current, or the token was made after it.
    Behind,
}

fn judge_times(claims: &SessionClaims, now: UnixSeconds) -> Result<(), Judgement> {
    if claims.iat > now.plus(IAT_LEEWAY) {
        return Err(Judgement::Refuse(Refusal::NotYetValid));
    }
    if now >= claims.exp || now >= claims.fexp {
        return Err(Judgement::Refuse(Refusal::Expired));
    }
    if claims.idle_end().is_some_and(|end| now >= end) {
        return Err(Judgement::Refuse(Refusal::Idle));
    }
    Ok(())
}

/// The one token that a request presents under `name`.
pub fn presented<'a>(facts: &Facts<'a>, name: &str) -> Result<&'a [u8], Refusal> {
    if facts.cookie.len() > cookie::MAX_HEADER {
        return Err(Refusal::CookieHeader);
    }
    match (cookie::find(facts.cookie, name), facts.header) {
        (Lookup::One(token), None) => Ok(token),
        (Lookup::One(token), Some(header)) if token == header => Ok(token),
        (Lookup::One(_), Some(_)) | (Lookup::Ambiguous, _) => Err(Refusal::AmbiguousCookie),
        (Lookup::Malformed, _) => Err(Refusal::CookieValue),
        (Lookup::Absent, Some(token)) if cookie::is_value(token) => Ok(token),
        (Lookup::Absent, Some(_)) => Err(Refusal::CookieValue),
        (Lookup::Absent, None) => Err(Refusal::NoSession),
    }
}

/// Everything the decision is made of but the denylist view, which changes on its own.
pub struct Gate {
    policy: Policy,
    opener: Opener,
    answers: Answers,
    /// When a key that is not known here last made this ask for a refresh.
    doubted: Option<UnixMillis>,
}

/// An unknown key identifier makes a gate ask for a refresh at most this often, so that made-up ones cost little.
const DOUBT_MS: u64 = 1000;

fn first_doubt(doubted: &mut Option<UnixMillis>, now: UnixMillis) -> bool {
    let first = doubted.is_none_or(|last| now < last || now.since(last) >= DOUBT_MS);
    if first {
        *doubted = Some(now);
    }
    first
}

impl Gate {
    pub fn new(policy: Policy, keys: KeySet, denylist_key: DenylistKey, cache: SessionCache) -> Self {
        Self { policy, opener: Opener::new(keys, denylist_key, cache), answers: Answers::default(), doubted: None }
    }

    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// From now on these keys and no others; what was verified with others is forgotten.
    pub fn replace_keys(&mut self, keys: KeySet) {
        self.opener.replace_keys(keys);
    }

    /// Likewise the denylist key: what the origin said of references is forgotten too, since their marks are under the
    /// key of before.
    pub fn replace_denylist_key(&mut self, key: DenylistKey) {
        self.opener.replace_denylist_key(key);
        self.answers = Answers::default();
    }

    pub fn cache(&self) -> &SessionCache {
        self.opener.cache()
    }

    /// Takes the origin's word about a reference, for at most `lease_ms` from when it was asked for.
    pub fn take_answer(
        &mut self,
        question: &Question,
        bytes: &[u8],
        feed_keys: &KeySet,
        lease_ms: u64,
        now: UnixMillis,
    ) -> Result<(), AnswerError> {
        self.answers.take(question, bytes, feed_keys, self.opener.denylist_key(), lease_ms, now)
    }

    /// Takes the host's word about a signature. When it is good the token passes for verified from here on, as one that
    /// was verified here; when keys were replaced meanwhile, the word is forgotten, and the next decision asks anew.
    pub fn take_signature(&mut self, asked: Signature, valid: bool) -> Result<(), TokenError> {
        self.opener.take_signature(asked, valid)
    }

    /// How many references are remembered.
    pub fn answers(&self) -> usize {
        self.answers.len()
    }

    /// Decides on one request.
    pub fn decide(
        &mut self,
        facts: &Facts<'_>,
        view: &impl DenylistView,
        clock: impl Fn() -> UnixMillis,
    ) -> Verdict<'_> {
        let min_auth_level = match self.policy.access(facts.path) {
            Err(AmbiguousPath) => return Verdict::Refuse(Refusal::Path),
            Ok(Access::Origin) => return Verdict::Origin,
            Ok(Access::Public) => return Verdict::Public,
            Ok(Access::Session { min_auth_level }) => min_auth_level,
        };
        let token = match presented(facts, self.policy.cookie_name()) {
            Ok(token) => token,
            Err(refusal) => return Verdict::Refuse(refusal),
        };
        let session = match Reference::read(token) {
            Some(reference) => match self.answers.get(&reference, clock()) {
                None => return Verdict::Ask(reference),
                Some(None) => return Verdict::Refuse(Refusal::Reference),
                Some(Some(session)) => Ok(session),
            },
            None => self.opener.session(token),
        };
        let session = match session {
            Ok(session) => session,
            Err(Closed::Unproven(signature)) => return Verdict::Verify(signature),
            // The key may be newer than what is known here: whoever is not current cannot know that it is none.
            Err(Closed::Refused(TokenError::UnknownKey))
                if !view.current(clock()) || view.keys_doubtful(clock()) || first_doubt(&mut self.doubted, clock()) =>
            {
                return Verdict::Behind;
            }
            Err(Closed::Refused(error)) => return Verdict::Refuse(Refusal::Token(error)),
        };
        match judge(session, self.policy.realm(), view, clock) {
            Err(Judgement::Behind) => Verdict::Behind,
            Err(Judgement::Refuse(refusal)) => Verdict::Refuse(refusal),
            Ok(()) if session.claims().auth_level < min_auth_level => {
                Verdict::Refuse(Refusal::AuthLevel { needed: min_auth_level })
            }
            Ok(()) => Verdict::Allow(session),
        }
    }
}
