use countersign_journey::Mail;
use countersign_journey::host::{HostError, Mailer, Pending};

use super::Services;

impl Mailer for Services<'_> {
    fn send<'a>(&'a self, _: Mail) -> Pending<'a, ()> {
        let none = HostError { service: "mail", why: "the settings name no mail server".to_owned() };
        Box::pin(async move { Err(none) })
    }
}
