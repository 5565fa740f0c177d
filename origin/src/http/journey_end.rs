//! What becomes of a journey that has ended: the session and its cookies, the same for REST and for the pages.

use axum::http::header::HeaderValue;
use countersign_core::session::Session;
use countersign_journey::Request;
use countersign_store::StoreError;

use crate::app::App;
use crate::journey::Succeeded;
use crate::sessions::{self, Authenticated, IssueError};

/// What a successful login gives.
pub(super) struct End {
    /// `None` where no session is made.
    pub(super) token: Option<String>,
    /// For the answer, in this order.
    pub(super) cookies: Vec<HeaderValue>,
}

/// Why a successful journey gives nothing.
pub(super) enum EndError {
    /// The session that came along is somebody else's, and may not be upgraded.
    Another,
    Issue(IssueError),
}

impl From<StoreError> for EndError {
    fn from(error: StoreError) -> Self {
        Self::Issue(IssueError::Store(error))
    }
}

/// Whose session a login may replace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Replaces {
    /// Its own user's only: another's is left as it is, and the login fails (§3.3 of the contract).
    Own,
    /// Whoever's: the browser forgets it anyway.
    Anybodys,
}

pub(super) async fn end(
    app: &App,
    realm: &str,
    succeeded: &Succeeded,
    request: &Request,
    parent: Option<&Session>,
    (replaces, session_wanted): (Replaces, bool),
) -> Result<End, EndError> {
    let mut cookies = Vec::new();
    let authenticated = succeeded.authenticated(app, realm).await?;
    let authenticated = authenticated.filter(|_| session_wanted && !succeeded.success.no_session);
    let token = match &authenticated {
        None => None,
        Some(authenticated) => {
            if replaces == Replaces::Own && parent.is_some_and(|parent| !authenticated.is_of(parent.claims())) {
                return Err(EndError::Another);
            }
            let issued = issue(app, authenticated, parent).await.map_err(EndError::Issue)?;
            cookies.push(issued.set_cookie);
            Some(issued.token)
        }
    };
    cookies.extend(succeeded.cookies(app, realm, request).await);
    Ok(End { token, cookies })
}

async fn issue(
    app: &App,
    authenticated: &Authenticated,
    parent: Option<&Session>,
) -> Result<sessions::Issued, IssueError> {
    let issued = sessions::issue(app, authenticated, parent).await;
    if let Err(error) = &issued
        && !matches!(error, IssueError::Store(StoreError::QuotaExhausted))
    {
        tracing::error!(%error, username = authenticated.username, "a session could not be issued");
    }
    issued
}
