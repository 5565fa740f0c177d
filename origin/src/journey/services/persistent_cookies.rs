use countersign_journey::host::{Identity, Pending, PersistentCookies};
use countersign_journey::{PersistentCookie, Request};

use super::Services;

impl PersistentCookies for Services<'_> {
    fn open<'a>(&'a self, _: &'a str, _: &'a PersistentCookie, _: &'a Request) -> Pending<'a, Option<Identity>> {
        // None is made yet, so none is ours.
        Box::pin(async { Ok(None) })
    }
}
