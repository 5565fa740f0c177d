use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rquickjs::{Ctx, Exception, Value as JsValue};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::bytecode;
use crate::host::{Host, HostError, HttpRequest};
use crate::limits::Limits;
use crate::program::Programs;
use crate::run::{Deadline, Level, LogLine};
use crate::{jose, jwe};

/// The one way out of the sandbox: the shim asks with a word and JSON, and is answered with JSON. What is allowed is
/// decided on this side, since a script that got hold of the shim's own functions could ask for anything.
pub(crate) struct Door {
    programs: Arc<Programs>,
    limits: Limits,
    /// For whom it is open, and until when; nobody while the engine is built ahead, and when the run is over.
    run: RefCell<Option<Open>>,
    log: RefCell<Vec<LogLine>>,
    exchanges: Cell<usize>,
    panicked: Cell<bool>,
}

type Answer = Result<Value, String>;
type Open = (Arc<dyn Host>, Arc<Deadline>);

#[derive(Deserialize)]
struct Line {
    level: String,
    text: String,
}

#[derive(Deserialize)]
struct Attribute {
    user: String,
    name: String,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Deserialize)]
struct Exchange {
    method: String,
    uri: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

#[derive(Deserialize)]
struct Idm {
    method: String,
    arguments: Vec<Value>,
}

impl Door {
    pub(crate) fn new(programs: Arc<Programs>, limits: Limits) -> Self {
        Self {
            programs,
            limits,
            run: RefCell::default(),
            log: RefCell::default(),
            exchanges: Cell::new(0),
            panicked: Cell::new(false),
        }
    }

    pub(crate) fn open(&self, host: Arc<dyn Host>, deadline: Arc<Deadline>) {
        self.run.replace(Some((host, deadline)));
    }

    /// Lets go of the host, whatever becomes of the engine.
    pub(crate) fn close(&self) {
        self.run.take();
    }

    fn run(&self) -> Option<Open> {
        self.run.borrow().clone()
    }

    pub(crate) fn log(&self) -> Vec<LogLine> {
        self.log.take()
    }

    /// Whether the host did; the engine's own frames must not be unwound, so it ends at the door.
    pub(crate) fn panicked(&self) -> bool {
        self.panicked.get()
    }

    pub(crate) fn answer(&self, what: &str, details: &str) -> String {
        // The engine looks at the clock at every so many steps; a step through here may be a long one.
        if self.run().is_some_and(|(_, deadline)| deadline.passed()) {
            return json!({ "error": "the time is over" }).to_string();
        }
        let answer = serde_json::from_str(details).map_err(|error| error.to_string());
        match answer.and_then(|details| self.ask(what, details)) {
            Ok(value) => json!({ "value": value }),
            Err(error) => json!({ "error": error }),
        }
        .to_string()
    }

    fn ask(&self, what: &str, details: Value) -> Answer {
        match what {
            "log" => self.line(read(details)?),
            "uuid" => {
                let mut bytes = [0; 16];
                getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
                Ok(json!(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()))
            }
            "random" => {
                let count = details.as_u64().and_then(|count| usize::try_from(count).ok());
                let count = count.filter(|count| *count <= 65536).ok_or("at most 65536 random bytes at once")?;
                Ok(json!(STANDARD.encode(random(count)?)))
            }
            "utf8" => Ok(json!(STANDARD.encode(text(&details)?))),
            "fromUtf8" => Ok(json!(String::from_utf8_lossy(&decoded(text(&details)?)?))),
            "digest" => jose::digest(&read(details)?),
            "hmac" => jose::hmac(&read(details)?),
            "sign" => jose::sign(&read(details)?),
            "verify" => jose::verify(&read(details)?),
            "encrypt" => jwe::encrypt(&read(details)?),
            "decrypt" => jwe::decrypt(&read(details)?),
            "equal" => jose::equal(&read(details)?),
            "identity" => {
                let found = self.host(|host| host.identity(text(&details).unwrap_or_default()))?;
                Ok(found.map_or(Value::Null, |found| json!({ "universalId": found.universal_id, "name": found.name })))
            }
            "attribute" => {
                let Attribute { user, name, .. } = read(details)?;
                self.host(|host| host.attribute(&user, &name)).map(|values| json!(values))
            }
            "setAttribute" => {
                let Attribute { user, name, values } = read(details)?;
                self.host(|host| host.set_attribute(&user, &name, &values)).map(|()| Value::Null)
            }
            "addAttribute" => {
                let Attribute { user, name, values } = read(details)?;
                let value = values.first().ok_or("a value to add")?;
                self.host(|host| host.add_attribute(&user, &name, value)).map(|()| Value::Null)
            }
            "secret" => self
                .host(|host| host.secret(text(&details).unwrap_or_default()))
                .map(|bytes| json!(STANDARD.encode(bytes))),
            "property" => self.host(|host| host.property(text(&details).unwrap_or_default())).map(|value| json!(value)),
            "openidm" => {
                let Idm { method, arguments } = read(details)?;
                match self.outside(|host| host.openidm(&method, &arguments)) {
                    Ok(value) => Ok(json!({ "value": value })),
                    Err(HostError::Refused { code, why }) => {
                        Ok(json!({ "failed": { "code": code, "reason": reason(code), "message": why } }))
                    }
                    Err(error) => Err(error.to_string()),
                }
            }
            "http" => self.exchange(read(details)?),
            other => Err(format!("nothing is known of {other:?}")),
        }
    }

    fn host<T>(&self, ask: impl FnOnce(&dyn Host) -> Result<T, HostError>) -> Result<T, String> {
        self.outside(ask).map_err(|error| error.to_string())
    }

    fn outside<T>(&self, ask: impl FnOnce(&dyn Host) -> Result<T, HostError>) -> Result<T, HostError> {
        let (host, deadline) = self.run().ok_or(HostError::Absent("the host"))?;
        let asked = deadline.waiting(|| catch_unwind(AssertUnwindSafe(|| ask(&*host))));
        asked.unwrap_or_else(|_| {
            self.panicked.set(true);
            Err(HostError::Failed("the host failed".to_owned()))
        })
    }

    fn line(&self, line: Line) -> Answer {
        let level = match line.level.as_str() {
            "trace" => Level::Trace,
            "debug" => Level::Debug,
            "info" => Level::Info,
            "warn" => Level::Warn,
            _ => Level::Error,
        };
        let mut log = self.log.borrow_mut();
        if log.len() < self.limits.log_lines {
            let mut text = line.text;
            text.truncate(text.floor_char_boundary(self.limits.log_line));
            log.push(LogLine { level, text });
        }
        Ok(Value::Null)
    }

    /// The allow-list is asked about the very URL that is sent to.
    fn exchange(&self, Exchange { method, uri, headers, body }: Exchange) -> Answer {
        let url = Url::parse(&uri).map_err(|error| format!("{uri:?} is no URL: {error}"))?;
        let host = self.run().map(|(host, _)| host);
        if !host.as_deref().and_then(Host::reachable).is_some_and(|list| list.allows(&url)) {
            return Err(format!("scripts may not send requests to {}", url.origin().ascii_serialization()));
        }
        if body.as_ref().is_some_and(|body| body.len() > self.limits.body) {
            return Err(format!("a body may have {} bytes", self.limits.body));
        }
        let token = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
        };
        let plain = |text: &str| !text.bytes().any(|byte| byte < b' ' && byte != b'\t' || byte == 0x7f);
        if !token(&method)
            || method.len() > 32
            || headers.len() > 100
            || !headers.iter().all(|(name, value)| token(name) && plain(value))
        {
            return Err("the method or a header is not valid".to_owned());
        }
        let headers = forwarded(&url, headers)?;
        if self.exchanges.get() >= self.limits.exchanges {
            return Err(format!("a script may send {} requests", self.limits.exchanges));
        }
        self.exchanges.set(self.exchanges.get() + 1);
        let request = HttpRequest { method, url: url.into(), headers, body, most: self.limits.body };
        match self.outside(|host| host.exchange(&request)) {
            Ok(answer) if answer.body.len() > self.limits.body => Ok(json!({ "failed": "the answer is too long" })),
            Ok(answer) => Ok(
                json!({ "status": answer.status, "reason": answer.reason, "headers": answer.headers, "body": answer.body }),
            ),
            Err(HostError::Failed(why) | HostError::Refused { why, .. }) => Ok(json!({ "failed": why })),
            Err(absent) => Err(absent.to_string()),
        }
    }

    /// A part of the shim, or a library of the realm, as the function that it evaluates to.
    pub(crate) fn part<'js>(&self, ctx: &Ctx<'js>, kind: &str, name: &str) -> rquickjs::Result<JsValue<'js>> {
        let refuse = |why: String| Exception::throw_message(ctx, &why);
        if kind == "shim" {
            let code = self.programs.shim(name).ok_or_else(|| refuse(format!("no part {name:?}")))?;
            return bytecode::run(ctx, code);
        }
        let source = self.host(|host| host.library(name)).map_err(refuse)?;
        let source = source.ok_or_else(|| refuse(format!("there is no library {name:?}")))?;
        let code = self
            .programs
            .library(&source, &self.limits)
            .map_err(|error| refuse(format!("the library {name:?} {error}")))?;
        bytecode::run(ctx, &code)
    }
}

/// Headers that are about one connection or where a message ends (RFC 9110 §7.6.1): the client's to make. What a script
/// says there is left out, so that one that counts its body's length goes on working.
const FRAMING: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What of a script's headers is sent. AM's documentation is silent here. `Host` is the URL's, which the allow-list was
/// asked about: another one would lead to another server behind the same address.
fn forwarded(url: &Url, mut headers: Vec<(String, String)>) -> Result<Vec<(String, String)>, String> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let own = [host.to_owned(), format!("{host}:{port}")];
    let is = |name: &str, other: &str| name.eq_ignore_ascii_case(other);
    let foreign = |value: &str| !own.iter().any(|own| is(own, value.trim()));
    if let Some((_, value)) = headers.iter().find(|(name, value)| is(name, "host") && foreign(value)) {
        return Err(format!("the header Host may not be {value:?} where the URL says {host}"));
    }
    headers.retain(|(name, _)| !is(name, "host") && !FRAMING.iter().any(|own| is(name, own)));
    Ok(headers)
}

/// As IDM names its statuses.
fn reason(code: u16) -> &'static str {
    match code {
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        412 => "Precondition Failed",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

fn read<T: serde::de::DeserializeOwned>(details: Value) -> Result<T, String> {
    serde_json::from_value(details).map_err(|error| error.to_string())
}

fn text(details: &Value) -> Result<&str, String> {
    details.as_str().ok_or_else(|| "a text is expected".to_owned())
}

pub(crate) fn decoded(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|error| error.to_string())
}

pub(crate) fn random(count: usize) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; count];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}
