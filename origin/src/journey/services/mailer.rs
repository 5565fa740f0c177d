use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use countersign_journey::Mail;
use countersign_journey::host::{HostError, Mailer, Pending};

use super::Services;
use crate::outbox::MailError;

impl Mailer for Services<'_> {
    fn send<'a>(&'a self, mail: Mail) -> Pending<'a, ()> {
        let settings = self.app.settings();
        let quota = self.app.limiter.mail(&settings.rate_limits, &mail.to, self.app.clock.now().0);
        if let Some(quota) = quota.filter(|quota| !quota.allowed) {
            *self.quota.lock().unwrap_or_else(PoisonError::into_inner) = Some(quota);
            tracing::warn!(realm = self.realm_name, "a mail was not taken: there were too many to one address");
            let why = "too many mails to one address".to_owned();
            return Box::pin(async { Err(HostError { service: "rate limit", why }) });
        }
        let taken = self.app.outbox.take(&mail);
        Box::pin(async move {
            taken.map_err(|error| {
                if error == MailError::Full {
                    self.overloaded.store(true, Ordering::Relaxed);
                }
                tracing::warn!(%error, "a mail was not taken");
                HostError { service: "mail", why: error.to_string() }
            })
        })
    }
}
