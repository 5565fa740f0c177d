use std::sync::atomic::Ordering;

use countersign_journey::Mail;
use countersign_journey::host::{HostError, Mailer, Pending};

use super::Services;
use crate::outbox::MailError;

impl Mailer for Services<'_> {
    fn send<'a>(&'a self, mail: Mail) -> Pending<'a, ()> {
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
