//! `GET` and `POST /am/UI/Login`: the journeys of REST, as forms.
//!
//! `goto` leads on after success when it is allowed; it is ignored otherwise. `service` (or `authIndexType=service`
//! with `authIndexValue`) picks the journey. `ForceAuth=true` asks also whoever is signed in: an edge sends here whom
//! it refuses, and may know better than we do (its keys or its clock may differ), so that to send the browser back with
//! the same cookie would go on for ever. `suspendedId` is what a link in a mail has.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use countersign_core::session::Session;
use countersign_journey::{CallbackType, StepError};
use countersign_store::StoreError;

use super::super::body;
use super::super::journey_end::{self, EndError, Replaces};
use super::super::journey_request::request;
use super::super::limits;
use super::super::query::Query;
use super::message::{self, Link};
use super::reduced::{self, Piece};
use super::render::{Scripts, page, page_with, see_other};
use super::step::{self, Part, View};
use super::{LOGIN, LOGOUT, address, csrf, realm, waiting};
use crate::app::App;
use crate::journey::{self, AuthIdError, Destinations, Failed, JourneyError, Opened, Outcome, Shown, Succeeded};
use crate::rate_limits::Quota;
use crate::session_cookie::Presented;
use crate::sessions::{self, IssueError};

/// AM's name of it.
const FORCE_AUTH: &str = "ForceAuth";

const SIGN_IN: &str = "Sign in";
/// A journey that goes on where its link is opened.
const ELSEWHERE: &str = "Check your messages";
const SIGNED_OUT: &str = "You are signed out.";
const AGAIN: &str = "Please sign in again.";
const TOO_SLOW: &str = "The sign-in took too long. Please sign in again.";
const ANSWERED: &str =
    "This form was sent before, by a second click perhaps, or from another window. Please sign in again.";
const STALE: &str = "This page was used before, or it is too old. Please sign in again.";
const WRONG: &str = "User name or password is wrong.";
const FAILED: &str = "The sign-in did not succeed.";
const LOCKED: &str = "This account is locked.";
const UNFIT: &str = "Something is missing or cannot be used. Please check what you entered.";
const BUSY: &str = "Too many people are signing in at the moment. Please try again.";
const LIMIT: &str = "You have reached your session limit. Sign out somewhere else first.";
const TROUBLE: &str = "Signing in is not possible at the moment. Please try again shortly.";

#[derive(Template)]
#[template(path = "login.html", config = "console/askama.toml")]
struct Login<'a> {
    header: &'a str,
    realm_name: &'a str,
    description: &'a [Piece],
    notice: Option<&'a str>,
    error: Option<&'a str>,
    action: &'a str,
    auth_id: &'a str,
    goto: Option<&'a str>,
    view: &'a View,
    refresh: Option<(u64, &'a str)>,
}

#[derive(Template)]
#[template(path = "resume.html", config = "console/askama.toml")]
struct Resume<'a> {
    realm_name: &'a str,
    action: &'a str,
    id: &'a str,
}

/// A request for the page, sorted.
struct Visit {
    app: Arc<App>,
    realm: String,
    headers: HeaderMap,
    query: Query,
    /// The journey that the address names.
    service: Option<String>,
    forced: bool,
    session: Option<Session>,
}

/// What a step is shown with.
#[derive(Default)]
struct Says<'a> {
    notice: Option<&'a str>,
    error: Option<&'a str>,
    /// Shown again, no more of it than the fields can have.
    typed: Option<&'a Query>,
}

pub(super) async fn get(State(app): State<Arc<App>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let visit = match Visit::new(app, headers, query).await {
        Ok(visit) => visit,
        Err(response) => return *response,
    };
    if let Some(id) = visit.query.filled("suspendedId") {
        return visit.ask_to_resume(id).await;
    }
    if let Some(reference) = waiting::of(&visit.app, &visit.headers, &visit.query) {
        return visit.go_on(reference).await;
    }
    let (app, realm) = (&visit.app, visit.realm.as_str());
    let tree = visit.tree();
    let library = app.library(realm);
    let Some(journey) = library.journey(&tree).filter(|journey| journey.enabled && !journey.inner_only) else {
        return visit.no_configuration();
    };
    let to = visit.destinations(&visit.query);
    if let Some(session) = &visit.session
        && !visit.forced
        && !journey.must_run
        && visit.is_satisfied(session)
    {
        return signed_in(app, session, to.goto.as_deref());
    }
    let notice = visit.query.is_true("signedOut").then_some(SIGNED_OUT).or(visit.forced.then_some(AGAIN));
    visit.begin(&tree, to, StatusCode::OK, Says { notice, ..Says::default() }).await
}

pub(super) async fn post(State(app): State<Arc<App>>, RawQuery(query): RawQuery, request: Request) -> Response {
    let own = csrf::is_own_form(&app, request.headers());
    let (parts, body) = request.into_parts();
    let visit = match Visit::new(app, parts.headers, query).await {
        Ok(visit) => visit,
        Err(response) => return *response,
    };
    let app = &visit.app;
    if !own {
        return message::forged(app, &address(LOGIN, &visit.realm, None));
    }
    let Ok(body) = body::read(body).await else {
        return message::show(app, StatusCode::PAYLOAD_TOO_LARGE, "Form refused", "The form is too large.", None);
    };
    let form = Query::parse(&body);
    let mut to = visit.destinations(&form);
    let of_address = visit.destinations(&visit.query);
    to = to.or(&of_address);
    if let Some(id) = form.filled("suspendedId") {
        return visit.resume(id, to).await;
    }
    // Expired, of another realm, answered before, or none at all: all the user can do is to begin anew.
    let auth_id = form.first("authId").unwrap_or_default();
    match journey::open(app, &visit.realm, auth_id).await {
        Ok(opened) => visit.advance(opened, Some(&form), to).await,
        Err(JourneyError::AuthId(error)) => visit.late(Some(&error), to).await,
        Err(error) => visit.trouble(&error),
    }
}

impl Visit {
    async fn new(app: Arc<App>, headers: HeaderMap, query: Option<String>) -> Result<Self, Box<Response>> {
        let query = Query::parse(query.unwrap_or_default().as_bytes());
        let Some(realm) = realm(&app, &query) else { return Err(Box::new(message::no_realm(&app))) };
        let indexed = query.filled("authIndexType").is_some_and(|kind| kind.eq_ignore_ascii_case("service"));
        let service = query.filled("service").or_else(|| query.filled("authIndexValue").filter(|_| indexed));
        let service = service.map(str::to_owned);
        let forced = query.is_true(FORCE_AUTH);
        let Ok(session) = session(&app, &headers, &realm).await else {
            let goto = query.only("goto").and_then(|goto| app.settings().destinations.check(goto));
            return Err(Box::new(message::trouble(&app, TROUBLE, &address(LOGIN, &realm, goto.as_deref()))));
        };
        Ok(Self { app, realm, headers, query, service, forced, session })
    }

    /// These pages show what others have scripts for.
    fn request(&self) -> countersign_journey::Request {
        let request = request(&self.headers, &self.query, self.session.as_ref());
        countersign_journey::Request { without_scripts: true, ..request }
    }

    fn tree(&self) -> String {
        self.service.clone().unwrap_or_else(|| self.app.default_journey(&self.realm))
    }

    fn is_satisfied(&self, session: &Session) -> bool {
        let services = session.claims().properties.get("Service").unwrap_or(journey::DEFAULT_TREE);
        self.service.as_deref().is_none_or(|asked| services.split('|').any(|service| service == asked))
    }

    fn destinations(&self, from: &Query) -> Destinations {
        let settings = self.app.settings();
        let checked = |name: &str| from.only(name).and_then(|url| settings.destinations.check(url));
        Destinations { goto: checked("goto"), goto_on_fail: checked("gotoOnFail") }
    }

    /// The page's own address, for its form.
    fn action(&self) -> String {
        let mut action = address(LOGIN, &self.realm, None);
        if let Some(service) = &self.service {
            let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("service", service).finish();
            action = format!("{action}&{query}");
        }
        if self.forced {
            action.push_str("&ForceAuth=true");
        }
        action
    }

    async fn begin(&self, tree: &str, to: Destinations, status: StatusCode, says: Says<'_>) -> Response {
        let request = self.request();
        match journey::begin(&self.app, &self.realm, tree, &request, None, to).await {
            Ok(Outcome::Step(shown)) => self.show(status, &shown, says).await,
            Ok(Outcome::Success(succeeded)) => self.succeeded(&succeeded).await,
            // It failed before it asked anything: to begin it again would do the same.
            Ok(Outcome::Failure(failed)) => {
                if let Some(url) = away(&self.app, &failed) {
                    return see_other(&url);
                }
                let text = failed.failure.message.as_deref().or(says.error).unwrap_or(FAILED);
                let link = Link { href: &self.action(), label: "Try again" };
                message::show(&self.app, StatusCode::UNAUTHORIZED, "Not signed in", text, Some(link))
            }
            Err(JourneyError::Limited(quota)) => self.limited(&quota),
            Err(JourneyError::Overloaded) => message::trouble(&self.app, BUSY, &self.action()),
            Err(JourneyError::Step(StepError::NoJourney | StepError::InnerOnly)) => self.no_configuration(),
            Err(error) => self.trouble(&error),
        }
    }

    fn no_configuration(&self) -> Response {
        let text = "There is no such journey in this realm. Check the address.";
        message::show(&self.app, StatusCode::BAD_REQUEST, "No configuration found", text, None)
    }

    /// The user was tried too often.
    fn limited(&self, quota: &Quota) -> Response {
        let mut response = super::too_many(&self.app);
        quota.head(limits::BY_USER, response.headers_mut());
        response
    }

    /// The step can no longer be answered.
    async fn late(&self, error: Option<&AuthIdError>, to: Destinations) -> Response {
        if let (Some(AuthIdError::Used), Some(session)) = (error, &self.session)
            && !self.forced
        {
            // What was sent first has led to this.
            return signed_in(&self.app, session, to.goto.as_deref());
        }
        let notice = match error {
            Some(AuthIdError::Used) => ANSWERED,
            Some(AuthIdError::Expired) => TOO_SLOW,
            Some(AuthIdError::Format(_) | AuthIdError::Signature | AuthIdError::Elsewhere) => AGAIN,
            None => STALE,
        };
        let says = Says { notice: Some(notice), ..Says::default() };
        self.begin(&self.tree(), to, StatusCode::OK, says).await
    }

    /// Nothing can be shown but that it does not work.
    fn trouble(&self, error: &JourneyError) -> Response {
        tracing::error!(%error, "a login could not be shown");
        message::trouble(&self.app, TROUBLE, &self.action())
    }

    /// Takes a step further, with what a form sent or as it is.
    async fn advance(&self, opened: Opened, form: Option<&Query>, to: Destinations) -> Response {
        let asked = opened.progress.state.callbacks();
        let unasked = Query::parse(b"");
        let answers = step::answers(asked, form.unwrap_or(&unasked));
        let secret = asked.iter().any(|callback| callback.is(CallbackType::PasswordCallback));
        let tree = opened.progress.state.journey().to_owned();
        let again =
            Shown { auth_id: opened.auth_id().to_owned(), progress: opened.progress.clone(), cookies: Vec::new() };
        let request = self.request();
        let says = |error| Says { error: Some(error), typed: form, ..Says::default() };
        match journey::advance(&self.app, opened, Some(&answers), &request, &to).await {
            Ok(Outcome::Step(shown)) => {
                self.show(StatusCode::OK, &shown, Says { typed: form, ..Says::default() }).await
            }
            Ok(Outcome::Success(succeeded)) => self.succeeded(&succeeded).await,
            Ok(Outcome::Failure(failed)) => {
                if let Some(url) = away(&self.app, &failed) {
                    return see_other(&url);
                }
                let default = match failed.failure.cause {
                    countersign_journey::FailureCause::LockedOut => LOCKED,
                    _ if secret => WRONG,
                    _ => FAILED,
                };
                let text = failed.failure.message.as_deref().map(reduced::plain);
                let error = says(text.as_deref().unwrap_or(default));
                self.begin(&tree, failed.to, StatusCode::UNAUTHORIZED, error).await
            }
            Err(JourneyError::AuthId(error)) => self.late(Some(&error), to).await,
            // The journey is where it was, and so is what was typed.
            Err(JourneyError::Step(StepError::Callbacks(_))) => {
                self.show(StatusCode::BAD_REQUEST, &again, says(UNFIT)).await
            }
            Err(JourneyError::Limited(quota)) => self.limited(&quota),
            Err(JourneyError::Overloaded) => self.show(StatusCode::SERVICE_UNAVAILABLE, &again, says(BUSY)).await,
            Err(error) => {
                tracing::error!(%error, "a login could not go on");
                self.show(StatusCode::SERVICE_UNAVAILABLE, &again, says(TROUBLE)).await
            }
        }
    }

    /// Back from another site, or after having waited.
    async fn go_on(&self, reference: &str) -> Response {
        let to = Destinations::default();
        let auth_id = match journey::unpark(&self.app, &self.realm, reference).await {
            Ok(Some(auth_id)) => auth_id,
            Ok(None) => return self.late(None, to).await,
            Err(error) => return self.trouble(&error),
        };
        let mut response = match journey::open(&self.app, &self.realm, &auth_id).await {
            Ok(opened) => self.advance(opened, None, to).await,
            Err(JourneyError::AuthId(error)) => self.late(Some(&error), to).await,
            Err(error) => return self.trouble(&error),
        };
        let cookies = response.headers_mut();
        let replaced = cookies.get_all(SET_COOKIE).iter().any(waiting::is_ours);
        if !replaced {
            cookies.extend(waiting::clear(&self.app).map(|cookie| (SET_COOKIE, cookie)));
        }
        response
    }

    /// A link in a mail is opened by programs that look for danger in it, too: it is used up only by a person's click.
    async fn ask_to_resume(&self, id: &str) -> Response {
        match journey::is_suspended(&self.app, &self.realm, id).await {
            Ok(true) => {
                let template = Resume { realm_name: realm_name(&self.realm), action: &self.action(), id };
                page(&self.app, StatusCode::OK, &template)
            }
            Ok(false) => self.used_link(),
            Err(error) => self.trouble(&error),
        }
    }

    fn used_link(&self) -> Response {
        let text = "This link was used before, or it is too old.";
        let link = Link { href: &self.action(), label: SIGN_IN };
        message::show(&self.app, StatusCode::UNAUTHORIZED, "Link not valid", text, Some(link))
    }

    async fn resume(&self, id: &str, to: Destinations) -> Response {
        let request = self.request();
        match journey::resume(&self.app, &self.realm, id, &request, &to).await {
            Ok(Outcome::Step(shown)) => self.show(StatusCode::OK, &shown, Says::default()).await,
            Ok(Outcome::Success(succeeded)) => self.succeeded(&succeeded).await,
            Ok(Outcome::Failure(failed)) => {
                if let Some(url) = away(&self.app, &failed) {
                    return see_other(&url);
                }
                let text = failed.failure.message.as_deref().map(reduced::plain);
                let link = Link { href: &self.action(), label: SIGN_IN };
                let text = text.as_deref().unwrap_or(FAILED);
                message::show(&self.app, StatusCode::UNAUTHORIZED, "Not signed in", text, Some(link))
            }
            Err(JourneyError::NotSuspended | JourneyError::AuthId(_)) => self.used_link(),
            Err(JourneyError::Overloaded) => message::trouble(&self.app, BUSY, &self.action()),
            Err(error) => self.trouble(&error),
        }
    }

    async fn succeeded(&self, succeeded: &Succeeded) -> Response {
        let request = self.request();
        let (parent, how) = (self.session.as_ref(), (Replaces::Anybodys, true));
        let end = match journey_end::end(&self.app, &self.realm, succeeded, &request, parent, how).await {
            Ok(end) => end,
            Err(error) => {
                let (status, text) = match error {
                    EndError::Issue(IssueError::Store(StoreError::QuotaExhausted)) => (StatusCode::UNAUTHORIZED, LIMIT),
                    EndError::Issue(_) | EndError::Another => (StatusCode::SERVICE_UNAVAILABLE, TROUBLE),
                };
                let says = Says { error: Some(text), ..Says::default() };
                let tree = &succeeded.success.journey;
                return self.ask_again(tree, succeeded.to.clone(), status, says).await;
            }
        };
        let own = succeeded.success.success_url.as_deref().and_then(|url| own_destination(&self.app, url));
        let goto = succeeded.to.goto.as_deref().or(own.as_deref());
        let mut response = match (goto, &end.token) {
            (Some(goto), _) => see_other(goto),
            // The page itself says who is signed in: as a redirect, so that it can be reloaded.
            (None, Some(_)) => see_other(&address(LOGIN, &self.realm, None)),
            (None, None) => message::show(&self.app, StatusCode::OK, "Done", "There is nothing more to do here.", None),
        };
        for cookie in end.cookies {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        response
    }

    /// The first step with an error, where the journey has one; a journey that succeeds by itself is not begun again.
    async fn ask_again(&self, tree: &str, to: Destinations, status: StatusCode, says: Says<'_>) -> Response {
        let request = self.request();
        match journey::begin(&self.app, &self.realm, tree, &request, None, to).await {
            Ok(Outcome::Step(shown)) => self.show(status, &shown, says).await,
            _ => message::show(&self.app, status, "Not signed in", says.error.unwrap_or(FAILED), None),
        }
    }

    async fn show(&self, status: StatusCode, shown: &Shown, says: Says<'_>) -> Response {
        let (state, texts) = (&shown.progress.state, &shown.progress.page);
        let view = View::new(state, says.typed, &self.realm);
        let header = texts.header.as_deref().map(reduced::plain).filter(|header| !header.is_empty());
        let description = texts.description.as_deref().map(|text| reduced::reduce(text, &self.realm));
        let action = self.action();
        let comes_back = view.wait.is_some() || view.parts.iter().any(|part| matches!(part, Part::Away { .. }));
        let cookie = match comes_back {
            true => match waiting::set(&self.app, &self.realm, shown).await {
                Ok(cookie) => cookie,
                Err(error) => return self.trouble(&error),
            },
            false => None,
        };
        let again = format!("{action}&{}=true", waiting::CONTINUE);
        let template = Login {
            header: header.as_deref().unwrap_or(if state.is_suspended() { ELSEWHERE } else { SIGN_IN }),
            realm_name: realm_name(&self.realm),
            description: description.as_deref().unwrap_or_default(),
            notice: says.notice,
            error: says.error,
            action: &action,
            auth_id: &shown.auth_id,
            goto: shown.progress.to.goto.as_deref(),
            refresh: view.wait.filter(|_| cookie.is_some()).map(|seconds| (seconds, again.as_str())),
            view: &view,
        };
        let scripts = if view.web_authn().is_some() { Scripts::Own } else { Scripts::None };
        let mut response = page_with(&self.app, status, &template, scripts);
        let cookies = shown.cookies.iter().cloned().chain(cookie);
        response.headers_mut().extend(cookies.map(|cookie| (SET_COOKIE, cookie)));
        response
    }
}

/// Where a failure leads, when somebody said so.
fn away(app: &App, failed: &Failed) -> Option<String> {
    let own = || failed.failure.failure_url.as_deref().and_then(|url| own_destination(app, url));
    failed.to.goto_on_fail.clone().or_else(own)
}

/// Where the journey itself leads: held to the same as `goto`.
fn own_destination(app: &App, url: &str) -> Option<String> {
    let checked = app.settings().destinations.check_own(url);
    if checked.is_none() {
        tracing::warn!("a journey leads to where validation.valid_goto_destinations does not");
    }
    checked
}

fn signed_in(app: &App, session: &Session, goto: Option<&str>) -> Response {
    if let Some(goto) = goto {
        return see_other(goto);
    }
    let claims = session.claims();
    let text = format!("You are signed in to {} as {}.", realm_name(&claims.realm), claims.sub);
    let href = address(LOGOUT, &claims.realm, None);
    message::show(app, StatusCode::OK, "Signed in", &text, Some(Link { href: &href, label: "Sign out" }))
}

/// The browser's session in the realm, if it has one. The error is logged.
pub(super) async fn session(app: &App, headers: &HeaderMap, realm: &str) -> Result<Option<Session>, ()> {
    let presented = Presented::of(headers, &app.settings().realm(realm).session);
    let Presented::Cookie(token) = presented else { return Ok(None) };
    match sessions::judge(app, token).await {
        Ok(standing) => Ok(standing.valid().filter(|session| session.claims().realm == realm)),
        Err(error) => {
            tracing::error!(%error, "a session could not be judged");
            Err(())
        }
    }
}

/// How people call a realm: without the slash.
pub(super) fn realm_name(realm: &str) -> &str {
    realm.strip_prefix('/').filter(|name| !name.is_empty()).unwrap_or("Top Level Realm")
}
