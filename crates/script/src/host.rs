use serde_json::Value;

use crate::http::AllowList;

/// Why a host did not do what a script asked for. The script gets the text as an error that it can catch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HostError {
    /// This host has no such service.
    Absent(&'static str),
    /// The service failed.
    Failed(String),
    /// It refused, as IDM's resources do, with a status of HTTP.
    Refused { code: u16, why: String },
}

impl std::fmt::Display for HostError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent(service) => write!(out, "{service} is not available to scripts"),
            Self::Failed(why) | Self::Refused { why, .. } => out.write_str(why),
        }
    }
}

impl std::error::Error for HostError {}

/// Someone a script asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoundIdentity {
    pub universal_id: String,
    pub name: String,
}

/// An exchange that the allow-list has let through. The host bounds its time, does not follow redirects (each target
/// would need the list again), and reads no more than `most` bytes of the answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpRequest {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
    pub most: usize,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpResponse {
    pub status: u16,
    pub reason: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// The world, as far as scripts may reach it. Called on a thread of the sandbox, one call at a time per run; a call may
/// block. Each service is absent unless the host has it.
#[allow(unused_variables, reason = "the names of the arguments are the documentation")]
pub trait Host: Send + Sync {
    /// The user with this universal id or username.
    fn identity(&self, user: &str) -> Result<Option<FoundIdentity>, HostError> {
        Err(HostError::Absent("idRepository"))
    }

    fn attribute(&self, universal_id: &str, name: &str) -> Result<Vec<String>, HostError> {
        Err(HostError::Absent("idRepository"))
    }

    fn set_attribute(&self, universal_id: &str, name: &str, values: &[String]) -> Result<(), HostError> {
        Err(HostError::Absent("idRepository"))
    }

    fn add_attribute(&self, universal_id: &str, name: &str, value: &str) -> Result<(), HostError> {
        Err(HostError::Absent("idRepository"))
    }

    /// Where scripts may send requests to; nowhere, unless the host says so.
    fn reachable(&self) -> Option<&AllowList> {
        None
    }

    fn exchange(&self, request: &HttpRequest) -> Result<HttpResponse, HostError> {
        Err(HostError::Absent("httpClient"))
    }

    /// `secrets.getGenericSecret(id)`.
    fn secret(&self, id: &str) -> Result<Vec<u8>, HostError> {
        Err(HostError::Absent("secrets"))
    }

    /// `systemEnv.getProperty(name)`.
    fn property(&self, name: &str) -> Result<Option<String>, HostError> {
        Ok(None)
    }

    /// The source of a library script, for `require`.
    fn library(&self, name: &str) -> Result<Option<std::sync::Arc<str>>, HostError> {
        Ok(None)
    }

    /// `openidm.method(...)`.
    fn openidm(&self, method: &str, arguments: &[Value]) -> Result<Value, HostError> {
        Err(HostError::Absent("openidm"))
    }
}
