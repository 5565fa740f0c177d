//! Mail on its way: taken at once, delivered in the background, by SMTP.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use countersign_journey::Mail;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::settings::{self, MailSecurity};

/// Deliveries at the same time: a slow server is not asked for more.
const AT_ONCE: usize = 4;
/// Before the second attempt; doubled for each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const MAX_BODY: usize = 1 << 20;
const MAX_SUBJECT: usize = 998;
const MAX_FILE: u64 = 1 << 20;

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// Why a mail was not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum MailError {
    /// The settings name no server.
    NoServer,
    /// As many wait as may wait.
    Full,
    /// It cannot be sent as it stands: mostly an address that is none.
    Content(String),
    /// The settings cannot be used: the operator's fault.
    Settings(String),
}

impl std::fmt::Display for MailError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoServer => f.write_str("the settings name no mail server"),
            Self::Full => f.write_str("too many mails wait for delivery"),
            Self::Content(why) => write!(f, "the mail cannot be sent: {why}"),
            Self::Settings(why) => f.write_str(why),
        }
    }
}

pub(crate) struct Outbox {
    server: Option<Arc<settings::Mail>>,
    /// One for each mail that is here, waiting or under way.
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    transport: OnceLock<Result<Transport, MailError>>,
}

impl Outbox {
    pub(crate) fn new(server: Option<Arc<settings::Mail>>) -> Self {
        let places = server.as_ref().map_or(0, |server| server.queue);
        Self {
            server,
            places: Arc::new(Semaphore::new(places)),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            transport: OnceLock::new(),
        }
    }

    /// Takes a mail, which is delivered or not, as the log says.
    pub(crate) fn take(&self, mail: &Mail) -> Result<(), MailError> {
        let server = self.server.as_ref().ok_or(MailError::NoServer)?;
        let message = message(server, mail)?;
        let transport = self.transport.get_or_init(|| transport(server)).clone()?;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| MailError::Full)?;
        let (turns, attempts) = (Arc::clone(&self.turns), server.attempts);
        tokio::spawn(async move {
            let _place = place;
            deliver(&transport, &turns, message, attempts).await;
        });
        Ok(())
    }

    /// Waits until nothing is on its way any more.
    pub(crate) async fn settled(&self) {
        let all = self.server.as_ref().map_or(0, |server| u32::try_from(server.queue).unwrap_or(u32::MAX));
        drop(self.places.acquire_many(all).await);
    }
}

async fn deliver(transport: &Transport, turns: &Semaphore, message: Message, attempts: u32) {
    let mut pause = FIRST_PAUSE;
    for attempt in 1..=attempts {
        let sent = {
            let Ok(_turn) = turns.acquire().await else { return };
            transport.send(message.clone()).await
        };
        match sent {
            Ok(_) => return,
            // No address: whoever reads the log need not know who logs in.
            Err(error) if error.is_permanent() || attempt == attempts => {
                tracing::error!(%error, attempt, "a mail was not delivered");
                return;
            }
            Err(error) => tracing::warn!(%error, attempt, "a mail was not delivered yet"),
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

fn message(server: &settings::Mail, mail: &Mail) -> Result<Message, MailError> {
    let wrong = |why: &str| MailError::Content(why.to_owned());
    if mail.body.len() > MAX_BODY || mail.subject.len() > MAX_SUBJECT {
        return Err(wrong("it is too long"));
    }
    // One address and nothing beside it: it may have been typed by a stranger.
    let to: Address = mail.to.trim().parse().map_err(|_| wrong("the recipient is no address"))?;
    let from = if mail.from.trim().is_empty() { server.from.as_str() } else { mail.from.trim() };
    let from: Mailbox = from.parse().map_err(|_| wrong("the sender is no address"))?;
    let kind = if mail.html { ContentType::TEXT_HTML } else { ContentType::TEXT_PLAIN };
    Message::builder()
        .from(from)
        .to(Mailbox::new(None, to))
        .subject(mail.subject.replace(['\r', '\n'], " "))
        .message_id(None)
        .header(kind)
        .body(mail.body.clone())
        .map_err(|error| MailError::Content(error.to_string()))
}

fn transport(server: &settings::Mail) -> Result<Transport, MailError> {
    let wrong = |why: String| MailError::Settings(format!("mail: {why}"));
    let tls = || {
        let mut parameters = TlsParameters::builder(server.host.clone());
        if let Some(file) = &server.ca_file {
            let pem = read(file).map_err(wrong)?;
            let certificates = Certificate::from_pem(pem.as_bytes()).map_err(|error| wrong(error.to_string()))?;
            parameters = parameters.add_root_certificate(certificates);
        }
        parameters.build_rustls().map_err(|error| wrong(error.to_string()))
    };
    let tls = match server.security {
        MailSecurity::StartTls => Tls::Required(tls()?),
        MailSecurity::Tls => Tls::Wrapper(tls()?),
        MailSecurity::None => Tls::None,
    };
    let mut builder =
        Transport::builder_dangerous(&server.host).port(server.port).tls(tls).timeout(Some(server.timeout));
    if let (Some(username), Some(file)) = (&server.username, &server.password_file) {
        let password = read(file).map_err(wrong)?;
        builder = builder.credentials(Credentials::new(username.clone(), password.trim().to_owned()));
    }
    Ok(builder.build())
}

fn read(file: &std::path::Path) -> Result<Zeroizing<String>, String> {
    let cannot = |error: std::io::Error| format!("{} cannot be read: {error}", file.display());
    if std::fs::metadata(file).map_err(cannot)?.len() > MAX_FILE {
        return Err(format!("{} is larger than 1 MiB", file.display()));
    }
    std::fs::read_to_string(file).map(Zeroizing::new).map_err(cannot)
}

#[cfg(test)]
#[path = "outbox_tests/mod.rs"]
mod tests;
