//! What journeys need beside the database: mail, scripts, what users are asked and told, and how often they may try.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_journey::host::{Kba, Property, PropertyKind, Terms};
use countersign_script::{AllowList, Limits};
use serde::Deserialize;
use serde_json::Value;

use super::session::over;
use super::within;

type Wrong = (&'static str, String);

/// The server that takes mail for delivery.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mail {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) security: MailSecurity,
    pub(crate) username: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
    /// Certificates that are believed beside those of the system.
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) from: String,
    /// Mails that may wait.
    pub(crate) queue: usize,
    pub(crate) timeout: Duration,
    /// How often delivery of one is tried.
    pub(crate) attempts: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MailSecurity {
    /// TLS begins with the command STARTTLS, and nothing is sent without it.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// For a server on this machine.
    None,
}

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MailSection {
    host: Option<String>,
    port: Option<u16>,
    security: Option<MailSecurity>,
    username: Option<String>,
    password_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    from: Option<String>,
    queue: Option<u64>,
    timeout_seconds: Option<u64>,
    attempts: Option<u64>,
}

impl MailSection {
    /// `None` where no server is named: then no mail is sent.
    pub(super) fn check(self, base: &Path) -> Result<Option<Arc<Mail>>, Wrong> {
        let Some(host) = self.host else { return Ok(None) };
        let from = self.from.ok_or(("mail.from", "is missing: the address that mails come from".to_owned()))?;
        if from.parse::<lettre::message::Mailbox>().is_err() {
            return Err(("mail.from", "must be an address such as Login <login@example.com>".to_owned()));
        }
        if self.username.is_some() != self.password_file.is_some() {
            return Err(("mail.username", "and password_file must both be there, or neither".to_owned()));
        }
        let security = self.security.unwrap_or(MailSecurity::StartTls);
        if security == MailSecurity::None && self.username.is_some() {
            return Err(("mail.security", "cannot be none with a password: it would be sent in clear".to_owned()));
        }
        let port = match security {
            MailSecurity::StartTls => 587,
            MailSecurity::Tls => 465,
            MailSecurity::None => 25,
        };
        let (queue, timeout) = (self.queue.unwrap_or(1000), self.timeout_seconds.unwrap_or(30));
        let attempts = self.attempts.unwrap_or(3);
        within("mail.queue", queue, 1, 100_000)?;
        within("mail.timeout_seconds", timeout, 1, 600)?;
        within("mail.attempts", attempts, 1, 10)?;
        Ok(Some(Arc::new(Mail {
            host,
            port: self.port.unwrap_or(port),
            security,
            username: self.username,
            password_file: self.password_file.map(|file| base.join(file)),
            ca_file: self.ca_file.map(|file| base.join(file)),
            from,
            queue: usize::try_from(queue).unwrap_or(1000),
            timeout: Duration::from_secs(timeout),
            attempts: u32::try_from(attempts).unwrap_or(3),
        })))
    }
}

/// What scripts may use and reach.
#[derive(Clone, Debug)]
pub(crate) struct Scripts {
    pub(crate) threads: usize,
    pub(crate) queue: usize,
    pub(crate) limits: Limits,
    pub(crate) http_allow: Arc<AllowList>,
    pub(crate) http_timeout: Duration,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ScriptsSection {
    threads: u64,
    queue: u64,
    memory_kib: u64,
    stack_kib: u64,
    time_ms: u64,
    total_ms: u64,
    source_kib: u64,
    output_kib: u64,
    log_lines: u64,
    exchanges: u64,
    body_kib: u64,
    http_allow: Vec<String>,
    http_timeout_ms: u64,
}

impl Default for ScriptsSection {
    fn default() -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let Limits { memory, stack, time, total, source, output, log_lines, exchanges, body, .. } = Limits::default();
        let kib = |bytes: usize| bytes as u64 >> 10;
        Self {
            threads: 4,
            queue: 64,
            memory_kib: kib(memory),
            stack_kib: kib(stack),
            time_ms: ms(time),
            total_ms: ms(total),
            source_kib: kib(source),
            output_kib: kib(output),
            log_lines: log_lines as u64,
            exchanges: exchanges as u64,
            body_kib: kib(body),
            http_allow: Vec::new(),
            http_timeout_ms: 5000,
        }
    }
}

/// Most URLs that scripts may be let reach.
const MAX_ALLOWED: usize = 256;

impl ScriptsSection {
    pub(super) fn check(self) -> Result<Scripts, Wrong> {
        let size = |key, value: u64, least, most, unit: usize| -> Result<usize, Wrong> {
            within(key, value, least, most)?;
            Ok(usize::try_from(value).unwrap_or(usize::MAX).saturating_mul(unit))
        };
        let time = |key, value: u64, most| within(key, value, 1, most).map(|()| Duration::from_millis(value));
        if self.http_allow.len() > MAX_ALLOWED {
            return Err(("scripts.http_allow", format!("must name at most {MAX_ALLOWED} URLs")));
        }
        let allow = AllowList::new(self.http_allow.iter().map(String::as_str));
        Ok(Scripts {
            threads: size("scripts.threads", self.threads, 1, 256, 1)?,
            queue: size("scripts.queue", self.queue, 0, 65536, 1)?,
            limits: Limits {
                memory: size("scripts.memory_kib", self.memory_kib, 1024, 1 << 20, 1024)?,
                stack: size("scripts.stack_kib", self.stack_kib, 64, 16384, 1024)?,
                time: time("scripts.time_ms", self.time_ms, 60_000)?,
                total: time("scripts.total_ms", self.total_ms, 300_000)?,
                source: size("scripts.source_kib", self.source_kib, 1, 16384, 1024)?,
                output: size("scripts.output_kib", self.output_kib, 1, 16384, 1024)?,
                log_lines: size("scripts.log_lines", self.log_lines, 0, 10_000, 1)?,
                exchanges: size("scripts.exchanges", self.exchanges, 0, 1000, 1)?,
                body: size("scripts.body_kib", self.body_kib, 1, 65536, 1024)?,
                ..Limits::default()
            },
            http_allow: Arc::new(allow.map_err(|why| ("scripts.http_allow", format!("has one that is none: {why}")))?),
            http_timeout: time("scripts.http_timeout_ms", self.http_timeout_ms, 300_000)?,
        })
    }
}

/// How often may be tried, whatever comes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RateLimits {
    /// Requests to log in from one address.
    pub(crate) address: Option<Rate>,
    /// Wrong passwords for one user.
    pub(crate) user: Option<Rate>,
    /// Mails to one address.
    pub(crate) mail: Option<Rate>,
    /// Addresses of either kind and users that are kept in mind at once, each.
    pub(crate) tracked: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rate {
    pub(crate) quota: u64,
    pub(crate) seconds: u64,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RateLimitsSection {
    address_requests: u64,
    address_seconds: u64,
    user_failures: u64,
    user_seconds: u64,
    mails: u64,
    mail_seconds: u64,
    tracked: u64,
}

impl Default for RateLimitsSection {
    fn default() -> Self {
        Self {
            address_requests: 300,
            address_seconds: 60,
            user_failures: 30,
            user_seconds: 60,
            mails: 10,
            mail_seconds: 3600,
            tracked: 65536,
        }
    }
}

impl RateLimitsSection {
    pub(super) fn check(self) -> Result<RateLimits, Wrong> {
        let rate = |keys: [&'static str; 2], quota: u64, seconds: u64| {
            within(keys[0], quota, 0, 1_000_000)?;
            within(keys[1], seconds, 1, 24 * 3600)?;
            Ok((quota > 0).then_some(Rate { quota, seconds }))
        };
        within("rate_limits.tracked", self.tracked, 64, 1 << 22)?;
        let (requests, failures) = (self.address_requests, self.user_failures);
        Ok(RateLimits {
            address: rate(
                ["rate_limits.address_requests", "rate_limits.address_seconds"],
                requests,
                self.address_seconds,
            )?,
            user: rate(["rate_limits.user_failures", "rate_limits.user_seconds"], failures, self.user_seconds)?,
            mail: rate(["rate_limits.mails", "rate_limits.mail_seconds"], self.mails, self.mail_seconds)?,
            tracked: usize::try_from(self.tracked).unwrap_or(65536),
        })
    }
}

/// What a realm asks its users and tells them.
#[derive(Clone)]
pub(crate) struct Identities {
    pub(crate) terms: Option<Terms>,
    pub(crate) kba: Kba,
    /// Beside those that every user has, or instead of them.
    pub(crate) properties: BTreeMap<String, Property>,
}

impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identities").finish_non_exhaustive()
    }
}

#[derive(Clone, Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct IdentitiesSection {
    terms: Option<TermsSection>,
    kba: Option<KbaSection>,
    properties: Option<BTreeMap<String, PropertySection>>,
}

#[derive(Clone, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct TermsSection {
    version: String,
    text: Option<String>,
    file: Option<PathBuf>,
    create_date: String,
}

#[derive(Clone, Deserialize, Debug)]
#[serde(deny_unknown_fields, default)]
struct KbaSection {
    questions: BTreeMap<String, String>,
    minimum_answers_to_define: u64,
    minimum_answers_to_verify: u64,
    maximum_attempts: u64,
}

impl Default for KbaSection {
    fn default() -> Self {
        let questions = [("1", "What's your favorite color?"), ("2", "Who was your first employer?")];
        Self {
            questions: questions.map(|(id, text)| (id.to_owned(), text.to_owned())).into(),
            minimum_answers_to_define: 2,
            minimum_answers_to_verify: 1,
            maximum_attempts: 5,
        }
    }
}

#[derive(Clone, Copy, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
enum KindSection {
    String,
    Number,
    Boolean,
    Object,
}

#[derive(Clone, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct PropertySection {
    title: String,
    #[serde(rename = "type")]
    kind: KindSection,
    #[serde(default)]
    required: bool,
    #[serde(default = "yes")]
    viewable: bool,
    #[serde(default = "yes")]
    user_editable: bool,
}

const fn yes() -> bool {
    true
}

const MAX_TERMS: u64 = 256 * 1024;
const MAX_PROPERTIES: usize = 200;

impl IdentitiesSection {
    /// With what `above` says where this says nothing.
    pub(super) fn over(self, above: &Self) -> Self {
        over!(self, above, terms, kba, properties)
    }

    pub(super) fn check(&self, base: &Path) -> Result<Identities, Wrong> {
        let kba = self.kba.clone().unwrap_or_default();
        within("identities.kba.minimum_answers_to_define", kba.minimum_answers_to_define, 1, 16)?;
        within("identities.kba.minimum_answers_to_verify", kba.minimum_answers_to_verify, 1, 16)?;
        within("identities.kba.maximum_attempts", kba.maximum_attempts, 0, 1000)?;
        let properties = self.properties.clone().unwrap_or_default();
        if properties.len() > MAX_PROPERTIES {
            return Err(("identities.properties", format!("must be at most {MAX_PROPERTIES}")));
        }
        let small = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Identities {
            terms: self.terms.clone().map(|terms| terms.check(base)).transpose()?,
            kba: Kba {
                questions: kba.questions,
                minimum_answers_to_define: small(kba.minimum_answers_to_define),
                minimum_answers_to_verify: small(kba.minimum_answers_to_verify),
                maximum_attempts: u32::try_from(kba.maximum_attempts).unwrap_or(u32::MAX),
            },
            properties: properties.into_iter().map(|(name, it)| (name, it.property())).collect(),
        })
    }
}

impl TermsSection {
    fn check(self, base: &Path) -> Result<Terms, Wrong> {
        let key = "identities.terms";
        let text = match (self.text, self.file) {
            (Some(text), None) => text,
            (None, Some(file)) => {
                let file = base.join(file);
                let cannot = |error: std::io::Error| (key, format!("cannot be read, {}: {error}", file.display()));
                if std::fs::metadata(&file).map_err(cannot)?.len() > MAX_TERMS {
                    return Err((key, format!("names a file above {MAX_TERMS} bytes")));
                }
                std::fs::read_to_string(&file).map_err(cannot)?
            }
            _ => return Err((key, "must have one of text and file".to_owned())),
        };
        if self.create_date.parse::<jiff::Timestamp>().is_err() {
            return Err((key, "must have a create_date such as 2026-01-01T00:00:00Z".to_owned()));
        }
        Ok(Terms { version: self.version, text, create_date: self.create_date })
    }
}

impl PropertySection {
    fn property(self) -> Property {
        Property {
            title: self.title,
            kind: match self.kind {
                KindSection::String => PropertyKind::Text,
                KindSection::Number => PropertyKind::Number,
                KindSection::Boolean => PropertyKind::Boolean,
                KindSection::Object => PropertyKind::Other,
            },
            required: self.required,
            viewable: self.viewable,
            user_editable: self.user_editable,
            policies: Value::Null,
        }
    }
}
