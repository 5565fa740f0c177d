use crate::token::TokenError;

/// Why a request is not let through. The outside sees the [`Action`]; the log sees this.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refusal {
    /// The URL is longer than what is looked at.
    Url,
    /// The path can be read in two ways.
    Path,
    /// The `Cookie` header is longer than [`crate::cookie::MAX_HEADER`].
    CookieHeader,
    /// Two cookies of the session's name, or a cookie and a header of it that differ.
    AmbiguousCookie,
    /// The session cookie, or the header named like it, has bytes that no cookie value has.
    CookieValue,
    NoSession,
    Token(TokenError),
    /// A reference to a server-side session that there is not, or no longer.
    Reference,
    /// A token of another realm.
    Realm,
    NotYetValid,
    Expired,
    /// Not used for longer than its idle time.
    Idle,
    /// Logged out.
    Ended,
    AuthLevel {
        needed: u32,
    },
    /// The denylist view is not current and could not be made so.
    Unavailable,
}

/// What the outside is told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// 400: the request itself is at fault.
    BadRequest,
    /// 401, or 302 to the login page for a navigation.
    LogIn,
    /// 403: the session is good but not good enough.
    Forbid,
    /// 503 with `Retry-After`; the cookie is kept, for nothing is known to be wrong with it.
    TryLater,
}

impl Refusal {
    pub const fn action(self) -> Action {
        match self {
            Self::Url | Self::Path | Self::CookieHeader | Self::AmbiguousCookie | Self::CookieValue => {
                Action::BadRequest
            }
            Self::Token(TokenError::UnusableKey) | Self::Unavailable => Action::TryLater,
            Self::NoSession
            | Self::Token(_)
            | Self::Reference
            | Self::Realm
            | Self::NotYetValid
            | Self::Expired
            | Self::Idle
            | Self::Ended => Action::LogIn,
            Self::AuthLevel { .. } => Action::Forbid,
        }
    }

    /// A stable code for logs and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Url => "url_too_long",
            Self::Path => "ambiguous_path",
            Self::CookieHeader => "cookie_header_too_long",
            Self::AmbiguousCookie => "ambiguous_cookie",
            Self::CookieValue => "malformed_cookie",
            Self::NoSession => "no_session",
            Self::Token(error) => error.code(),
            Self::Reference => "unknown_reference",
            Self::Realm => "other_realm",
            Self::NotYetValid => "not_yet_valid",
            Self::Expired => "expired",
            Self::Idle => "idle",
            Self::Ended => "ended",
            Self::AuthLevel { .. } => "auth_level",
            Self::Unavailable => "denylist_not_current",
        }
    }

    /// One sentence for whoever is refused. It says no more than they may know: a token is good or it is not.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Url => "The URL is too long.",
            Self::Path => "The path can be read in more than one way.",
            Self::CookieHeader => "The Cookie header is too long.",
            Self::AmbiguousCookie => {
                "There are two sessions in one request. Delete the cookies of this site and log in again."
            }
            Self::CookieValue => "The session cookie is malformed. Delete the cookies of this site and log in again.",
            Self::NoSession => "Log in to continue.",
            Self::Token(TokenError::UnusableKey) | Self::Unavailable => {
                "Sessions cannot be checked at the moment. Try again shortly; you are still logged in."
            }
            Self::Token(_)
            | Self::Reference
            | Self::Realm
            | Self::NotYetValid
            | Self::Expired
            | Self::Idle
            | Self::Ended => "The session is not valid. Log in to continue.",
            Self::AuthLevel { .. } => "The session's authentication level is too low for this.",
        }
    }
}
