//! Who is at the other end, as far as that can be believed.

use std::net::IpAddr;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::settings::ClientAddress;

/// The other end of the connection. In the extensions of a request.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Our own name for the address, within this process: what a client sends under it is taken away at the door.
const HEADER: HeaderName = HeaderName::from_static("x-countersign-client-address");

/// Finds out the address and notes it for [`of`].
pub(super) fn note(parts: &mut Parts, settings: &ClientAddress) -> Option<IpAddr> {
    parts.headers.remove(&HEADER);
    let peer = parts.extensions.get::<Peer>().map(|Peer(address)| address.to_canonical());
    let address = match settings {
        ClientAddress::Unknown => None,
        ClientAddress::Peer => peer,
        ClientAddress::Header { name, trusted } => {
            let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(*address));
            // Each proxy writes behind what it was sent, so the last address that is no proxy's is the client's; what
            // stands before it is what that client said.
            let values = parts.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            let told: Option<Vec<IpAddr>> =
                values.flat_map(|value| value.split(',')).map(|text| text.trim().parse().ok()).collect();
            peer.filter(is_trusted).and_then(|_| told?.into_iter().rev().find(|address| !is_trusted(address)))
        }
    }?
    .to_canonical();
    let text = HeaderValue::try_from(address.to_string()).ok()?;
    parts.headers.insert(HEADER, text);
    Some(address)
}

/// The address of the client that these headers came from, if it is known.
pub(super) fn of(headers: &HeaderMap) -> Option<IpAddr> {
    headers.get(&HEADER)?.to_str().ok()?.parse().ok()
}

/// Whether a header is ours and not the client's.
pub(super) fn is_own(name: &HeaderName) -> bool {
    *name == HEADER
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn seen(settings: &str, peer: &str, forwarded: &[&str]) -> Option<String> {
        let toml = format!("[server]\npublic_url = \"http://localhost\"\n{settings}\n");
        let settings = crate::Settings::of_text(&toml, std::path::Path::new(""), std::iter::empty()).unwrap();
        let mut request = Request::builder().header(&HEADER, "203.0.113.9");
        for value in forwarded {
            request = request.header("x-forwarded-for", *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(Peer(peer.parse().unwrap()));
        let noted = note(&mut parts, &settings.client_address);
        assert_eq!(noted, of(&parts.headers));
        noted.map(|address| address.to_string())
    }

    #[tokio::test]
    async fn only_what_a_trusted_proxy_says_is_believed() {
        let proxied = "client_address = \"X-Forwarded-For\"\ntrusted_proxies = [\"10.0.0.0/8\"]";
        for (settings, peer, forwarded, expected) in [
            ("", "192.0.2.1", &["192.0.2.7"][..], None),
            ("client_address = \"peer\"", "192.0.2.1", &["192.0.2.7"], Some("192.0.2.1")),
            ("client_address = \"peer\"", "::ffff:192.0.2.1", &[], Some("192.0.2.1")),
            (proxied, "10.0.0.1", &["192.0.2.7"], Some("192.0.2.7")),
            (proxied, "10.0.0.1", &["203.0.113.1, 192.0.2.7, 10.0.0.2"], Some("192.0.2.7")),
            (proxied, "10.0.0.1", &["203.0.113.1", "192.0.2.7"], Some("192.0.2.7")),
            (proxied, "192.0.2.1", &["192.0.2.7"], None),
            (proxied, "10.0.0.1", &[], None),
            (proxied, "10.0.0.1", &["unknown"], None),
        ] {
            assert_eq!(seen(settings, peer, forwarded).await.as_deref(), expected, "{settings} {peer} {forwarded:?}");
        }
    }
}
