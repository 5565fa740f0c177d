//! Takes journeys one request further, whatever way the request came.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_journey::host::{Host, HostError};
use countersign_journey::{
    Answer, CallbackError, Engine, Failure, FailureCause, JourneyState, Library, Limits, NodeError, Page, Request,
    StepError,
};
use serde_json::Value;

use super::auth_id::AuthIdError;
use super::claim::Claim;
use super::journey_sessions::{self, Link, Opened, Place};
use super::methods::Methods;
use super::progress::{Before, Destinations, Progress, Proved};
use super::services::{Admission, Guess, Services};
use super::{Credentials, Failed, JourneyError, Outcome, Shown, Succeeded};
use crate::ambient::random;
use crate::app::App;

/// Begins a journey. Steps that `credentials` answer in full are answered with them.
pub(crate) async fn begin(
    app: &App,
    realm: &str,
    tree: &str,
    request: &Request,
    credentials: Option<&Credentials>,
    to: Destinations,
) -> Result<Outcome, JourneyError> {
    let id = URL_SAFE_NO_PAD.encode(random::<16>(&*app.entropy));
    let turn = Turn::new(app, realm, &id).await?;
    if turn.library.journey(tree).is_some_and(|journey| journey.transactional_only) {
        return Err(StepError::NoJourney.into());
    }
    let methods = turn.methods();
    let engine = turn.engine(&methods);
    let answer = engine.start(tree, request).await?;
    let answer = fill_up(&engine, answer, credentials, request).await;
    turn.settle(answer.map_err(JourneyError::from), Before::new(id, to), &methods, None).await
}

/// Takes a journey further with a client's answers.
pub(crate) async fn advance(
    app: &App,
    opened: Opened,
    callbacks: Option<&[Value]>,
    request: &Request,
    to: &Destinations,
) -> Result<Outcome, JourneyError> {
    if opened.progress.state.is_suspended() {
        return Ok(shown_again(opened));
    }
    let callbacks = callbacks.ok_or(StepError::Callbacks(CallbackError::Count))?;
    opened.progress.state.check_answers(callbacks).map_err(StepError::Callbacks)?;
    let Opened { progress, place, ends, .. } = opened;
    let realm = progress.realm.clone();
    let turn = Turn::new(app, &realm, &progress.id).await?;
    let claim = Claim::step(app, &realm, &place, ends).await?;
    let methods = turn.methods();
    let (state, before) = progress.split(to);
    let answer = match turn.admitted(&before).await {
        Ok(None) => turn.engine(&methods).step(state, callbacks, request).await.map_err(JourneyError::from),
        Ok(Some(refused)) => Ok(refused),
        Err(error) => Err(error),
    };
    turn.settle(answer, before, &methods, Some(From { claim, what: What::Step(place) })).await
}

/// The same with credentials, where they answer the step in full; else the step is asked again.
pub(crate) async fn fill(
    app: &App,
    opened: Opened,
    credentials: &Credentials,
    request: &Request,
    to: &Destinations,
) -> Result<Outcome, JourneyError> {
    let callbacks = credentials.fill(opened.progress.state.callbacks());
    let Some(callbacks) = callbacks.filter(|_| !opened.progress.state.is_suspended()) else {
        return Ok(shown_again(opened));
    };
    opened.progress.state.check_answers(&callbacks).map_err(StepError::Callbacks)?;
    let Opened { progress, place, ends, .. } = opened;
    let realm = progress.realm.clone();
    let turn = Turn::new(app, &realm, &progress.id).await?;
    let claim = Claim::step(app, &realm, &place, ends).await?;
    let methods = turn.methods();
    let engine = turn.engine(&methods);
    let (state, before) = progress.split(to);
    let answer = match turn.admitted(&before).await {
        Ok(None) => match engine.step(state, &callbacks, request).await {
            Ok(answer) => fill_up(&engine, answer, Some(credentials), request).await.map_err(JourneyError::from),
            Err(error) => Err(error.into()),
        },
        Ok(Some(refused)) => Ok(refused),
        Err(error) => Err(error),
    };
    turn.settle(answer, before, &methods, Some(From { claim, what: What::Step(place) })).await
}

/// Takes a suspended journey further, whose link was opened: once.
pub(crate) async fn resume(
    app: &App,
    realm: &str,
    id: &str,
    request: &Request,
    to: &Destinations,
) -> Result<Outcome, JourneyError> {
    let (progress, version) = journey_sessions::find_suspended(app, realm, id).await?;
    let turn = Turn::new(app, realm, &progress.id).await?;
    let claim = Claim::link(app, &journey_sessions::suspended(id), progress.ends(&turn.limits)).await?;
    let what = What::Link(Link::new(id, version, &progress));
    let methods = turn.methods();
    let (state, before) = progress.split(to);
    let answer = turn.engine(&methods).resume(state, request).await.map_err(JourneyError::from);
    turn.settle(answer, before, &methods, Some(From { claim, what })).await
}

/// Nothing was done, so nothing is used up.
fn shown_again(opened: Opened) -> Outcome {
    Outcome::Step(Box::new(Shown { auth_id: opened.auth_id, progress: opened.progress, cookies: Vec::new() }))
}

/// Answers steps with the credentials while they answer them in full, each node once: a journey may ask again.
async fn fill_up(
    engine: &Engine<'_>,
    mut answer: Answer,
    credentials: Option<&Credentials>,
    request: &Request,
) -> Result<Answer, StepError> {
    let mut seen = BTreeSet::new();
    while let (Answer::Callbacks { state, .. }, Some(credentials)) = (&answer, credentials) {
        let (journey, node) = state.position();
        let Some(callbacks) = credentials.fill(state.callbacks()) else { break };
        if !seen.insert((journey.to_owned(), node.to_owned())) {
            break;
        }
        answer = engine.step((**state).clone(), &callbacks, request).await?;
    }
    Ok(answer)
}

/// What the request answers, and that nobody else does.
struct From {
    claim: Claim,
    what: What,
}

enum What {
    Step(Place),
    Link(Link),
}

/// Whom the request concerns, as far as that is known.
fn who(answer: &Answer) -> String {
    let of_state = |state: &JourneyState| {
        let identified = state.identified().map(|identified| identified.username.clone());
        identified.or_else(|| state.shared().get("username").and_then(Value::as_str).map(str::to_owned))
    };
    match answer {
        Answer::Callbacks { state, .. } | Answer::Suspended { state, .. } => of_state(state),
        Answer::Success(success) => success.username.clone(),
        Answer::Failure(_) => None,
    }
    .unwrap_or_default()
}

/// One request's look at a realm.
pub(super) struct Turn<'a> {
    app: &'a App,
    realm: &'a str,
    library: Arc<Library>,
    services: Services<'a>,
    pub(super) limits: Limits,
    /// Where the denylist log ended before anything was known of the identity: a watermark that comes while a password
    /// is being checked (because it is being changed, say) has a higher number and ends the session, which is the safe
    /// way to be wrong.
    head: u64,
}

impl<'a> Turn<'a> {
    async fn new(app: &'a App, realm: &'a str, id: &str) -> Result<Self, JourneyError> {
        Ok(Self { head: app.store.denylist().head().await?.seq, ..Self::at(app, realm, id)? })
    }

    /// At the beginning of the log.
    pub(super) fn at(app: &'a App, realm: &'a str, id: &str) -> Result<Self, JourneyError> {
        if !app.keys().realms.contains_key(realm) {
            return Err(JourneyError::NoSuchRealm);
        }
        let settings = app.settings();
        let journey = &settings.realm(realm).journey;
        let minutes = |seconds: u64| i64::try_from(seconds / 60).unwrap_or(i64::MAX);
        let limits = Limits {
            journey_minutes: minutes(journey.max_seconds),
            suspended_minutes: minutes(journey.suspended_seconds),
            ..Limits::default()
        };
        let library = app.library(realm);
        let services = Services::new(app, realm).in_transaction(id);
        Ok(Self { app, realm, library, services, limits, head: 0 })
    }

    pub(super) fn methods(&self) -> Methods<'_> {
        Methods::new(self.services.host().audit)
    }

    pub(super) fn engine<'b>(&'b self, methods: &'b Methods<'b>) -> Engine<'b> {
        let host = Host { audit: methods, ..self.services.host() };
        Engine { library: &self.library, host, limits: self.limits }
    }

    /// Whether what was typed after a right password may be looked at; else what the login ends with.
    async fn admitted(&self, before: &Before) -> Result<Option<Answer>, JourneyError> {
        let Some(proved) = before.proved.as_ref().filter(|_| before.typed) else { return Ok(None) };
        match self.services.admit_answer(&proved.username, proved.open).await {
            Ok(Admission::Admitted) => Ok(None),
            Ok(Admission::Locked) => {
                let (message, details, failure_url) = (None, serde_json::Map::new(), None);
                let failure = Failure { cause: FailureCause::LockedOut, message, details, failure_url };
                Ok(Some(Answer::Failure(Box::new(failure))))
            }
            Err(error) => Err(self.trouble(error)),
        }
    }

    /// What a service that did not do its work comes to.
    fn trouble(&self, error: HostError) -> JourneyError {
        match self.services.quota().filter(|quota| !quota.allowed) {
            Some(quota) => JourneyError::Limited(quota),
            None if self.services.overloaded() => JourneyError::Overloaded,
            None => JourneyError::Host(error),
        }
    }

    /// Counts what was tried in this request, now that it is known what came of it.
    async fn judge(&self, answer: &Answer, before: &mut Before, methods: &Methods<'_>) -> Result<(), JourneyError> {
        let (shown, right) = (methods.take(), self.services.whose_password());
        let unproved = before.typed && shown.is_empty() && right.is_none();
        let guess = match answer {
            _ if methods.missed() => Guess::Wrong,
            Answer::Failure(failure) => match failure.cause {
                FailureCause::Rejected => Guess::Wrong,
                FailureCause::Exception { .. } if unproved => Guess::Wrong,
                // What is wrong with the journey or the account is no guess of the user's.
                _ => Guess::Right,
            },
            Answer::Callbacks { .. } | Answer::Suspended { .. } if unproved => Guess::Open,
            Answer::Callbacks { .. } | Answer::Suspended { .. } | Answer::Success(_) => Guess::Right,
        };
        before.methods.extend(shown);
        let open = before.proved.as_ref().filter(|proved| proved.open && before.typed);
        let judged = self.services.judged(guess, open.map(|proved| proved.username.as_str())).await;
        let is_open = judged.map_err(|error| self.trouble(error))?;
        if let Some(username) = right {
            before.proved = Some(Proved { username, open: false });
        }
        if let Some(proved) = &mut before.proved {
            proved.open |= is_open;
        }
        Ok(())
    }

    /// Keeps or ends what the engine has come to. Trouble of ours leaves the journey where it was, and what was
    /// answered may be answered again.
    async fn settle(
        &self,
        answer: Result<Answer, JourneyError>,
        before: Before,
        methods: &Methods<'_>,
        mut from: Option<From>,
    ) -> Result<Outcome, JourneyError> {
        if let Some(from) = &mut from {
            from.claim.done();
        }
        let outcome = match answer {
            Ok(answer) => self.settled(answer, before, methods, from.as_ref()).await,
            Err(error) => Err(error),
        };
        if let (Err(error), Some(from)) = (&outcome, from)
            && !matches!(error, JourneyError::AuthId(_) | JourneyError::NotSuspended)
        {
            from.claim.release().await;
        }
        outcome
    }

    async fn settled(
        &self,
        answer: Answer,
        mut before: Before,
        methods: &Methods<'_>,
        from: Option<&From>,
    ) -> Result<Outcome, JourneyError> {
        let trouble = match &answer {
            Answer::Failure(failure) => self.not_the_journeys(&failure.cause),
            _ => None,
        };
        // What was tried and came to nothing by trouble of ours is given back; so is what led to a session.
        if trouble.is_none() && !matches!(answer, Answer::Success(_)) {
            self.judge(&answer, &mut before, methods).await?;
        }
        if let Some(seq) = self.services.renewed() {
            before.renew(seq);
        }
        self.services.audited(&who(&answer)).await;
        match answer {
            Answer::Callbacks { state, page } => {
                let progress = before.then(self.realm, state, page, self.head);
                self.step(progress, from).await
            }
            Answer::Suspended { state, id, .. } => {
                let mut progress = before.then(self.realm, state, Page::default(), self.head);
                progress.made = self.app.clock.now().0;
                journey_sessions::suspend(self.app, self.realm, &progress, &id, &self.limits).await?;
                self.step(progress, from).await
            }
            Answer::Success(success) => {
                self.finish(from).await?;
                if let Some(username) = success.username.as_deref().filter(|_| !success.no_session) {
                    self.services.forgive(username).await;
                }
                before.methods.extend(methods.take());
                let rvs = before.rvs(&success, self.head);
                let Before { methods, to, .. } = before;
                let cookies = self.services.take_cookies();
                Ok(Outcome::Success(Box::new(Succeeded { success: *success, rvs, methods, to, cookies })))
            }
            Answer::Failure(mut failure) => {
                if failure.message.is_none() {
                    failure.message = self.services.lockout_warning();
                }
                if let Some(error) = trouble {
                    return Err(error);
                }
                if let FailureCause::Exception { journey, node, node_type, error } = &failure.cause {
                    tracing::warn!(realm = self.realm, journey, node, node_type, %error, "a journey ended early");
                }
                self.finish(from).await?;
                Ok(Outcome::Failure(Box::new(Failed { failure: *failure, to: before.to })))
            }
        }
    }

    /// What the request comes to when the journey has not ended for reasons of its own.
    fn not_the_journeys(&self, cause: &FailureCause) -> Option<JourneyError> {
        match cause {
            FailureCause::TimedOut => Some(JourneyError::AuthId(AuthIdError::Expired)),
            FailureCause::Exception { error: NodeError::Host(error), .. } => Some(self.trouble(error.clone())),
            FailureCause::Exception { error: NodeError::Script(_), .. } if self.services.overloaded() => {
                Some(JourneyError::Overloaded)
            }
            FailureCause::Exception { .. }
            | FailureCause::Rejected
            | FailureCause::LockedOut
            | FailureCause::NoIdentity => None,
        }
    }

    async fn step(&self, progress: Progress, from: Option<&From>) -> Result<Outcome, JourneyError> {
        let place = match from.map(|from| &from.what) {
            Some(What::Step(place)) => Some(place),
            Some(What::Link(link)) => {
                link.take(self.app, self.realm).await?;
                None
            }
            None => None,
        };
        let auth_id = journey_sessions::keep(self.app, self.realm, &progress, place, &self.limits).await?;
        Ok(Outcome::Step(Box::new(Shown { auth_id, progress, cookies: self.services.take_cookies() })))
    }

    async fn finish(&self, from: Option<&From>) -> Result<(), JourneyError> {
        match from {
            Some(From { what: What::Step(place), claim }) => journey_sessions::finish(self.app, place, claim).await,
            Some(From { what: What::Link(link), .. }) => link.take(self.app, self.realm).await,
            None => Ok(()),
        }
    }
}
