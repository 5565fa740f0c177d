//! `POST …/sessions/renew`: re-issues the token in the body for an edge that saw it used; an edge has no key to do so.
//! 200 with the cookie to set; 204 when it is too soon; 403 when the session does not hold.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, SET_COOKIE};
use axum::response::{IntoResponse as _, Response};

use super::super::body;
use super::problem::Problem;
use crate::app::App;
use crate::sessions::{self, IssueError, Renew, Renewal};

pub(super) async fn post(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let token = body::read(request.into_body()).await;
    let token = token.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "The body is not a token."))?;
    let no_store = (CACHE_CONTROL, "no-store");
    match sessions::renew(&app, &token, Renew::IfDue).await {
        Ok(Renewal::Issued(issued)) => Ok(([(SET_COOKIE, issued.set_cookie)], [no_store]).into_response()),
        Ok(Renewal::Needless | Renewal::Noted) => Ok((StatusCode::NO_CONTENT, [no_store]).into_response()),
        Ok(Renewal::Over) => Err(Problem::new(StatusCode::FORBIDDEN, "The session does not hold.")),
        // With settings of today it has no room in a cookie. That is this session's own misfortune: an edge that is
        // told of a failure leaves everybody's renewals for a while.
        Err(IssueError::TooLarge) => {
            tracing::warn!("a session cannot be renewed: its cookie would be too long");
            Ok((StatusCode::NO_CONTENT, [no_store]).into_response())
        }
        Err(IssueError::Store(error)) => Err(error.into()),
        Err(error) => Err(Problem::internal(error)),
    }
}
