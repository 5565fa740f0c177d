//! Forms are taken from our own pages only: a forged login would sign the victim in as the attacker.

use axum::http::HeaderMap;
use axum::http::header::ORIGIN;

use crate::app::App;

pub(super) fn is_own_form(app: &App, headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all("sec-fetch-site").iter();
    match (sites.next(), sites.next()) {
        // `none` is the user's own doing: a typed address, a bookmark.
        (Some(site), None) => matches!(site.as_bytes(), b"same-origin" | b"none"),
        (Some(_), Some(_)) => false,
        // Older browsers send no Sec-Fetch-Site, but an Origin with every form.
        (None, _) => {
            let mut origins = headers.get_all(ORIGIN).iter();
            let (origin, second) = (origins.next(), origins.next());
            origin.is_some_and(|origin| origin.as_bytes() == app.settings().public_url.origin().as_bytes())
                && second.is_none()
        }
    }
}
