//! Who is at the other end: the peer of the connection, or whom a proxy of ours says it speaks for.

use std::net::IpAddr;

use axum::http::HeaderMap;

use crate::settings::Network;

/// In a request's extensions: the other end of its connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Most entries of `X-Forwarded-For` that are looked at, from the end.
const MAX_HOPS: usize = 16;

/// The client's address, as far as it can be trusted. Each proxy appends whom it heard from, so the last entry that is not
/// a proxy of ours is the client; what stands before that is what the client itself says.
pub(super) fn client_address(peer: Option<Peer>, headers: &HeaderMap, proxies: Option<&[Network]>) -> Option<IpAddr> {
    let (Peer(peer), proxies) = (peer?, proxies?);
    let is_ours = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    if !is_ours(client) {
        return Some(client);
    }
    let lines: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
    for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')).take(MAX_HOPS) {
        // A proxy that says something else than an address says nothing of whom it heard from.
        let Ok(address) = entry.trim().parse::<IpAddr>() else { break };
        client = address.to_canonical();
        if !is_ours(client) {
            break;
        }
    }
    Some(client)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_proxies_of_ours_are_believed() {
        let proxies: Vec<Network> = ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().unwrap()).into();
        for (peer, forwarded, client) in [
            ("192.0.2.1", &["203.0.113.9"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.1, 203.0.113.9, 10.1.1.1"], "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.1, nonsense"], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["2001:db8::1, 2001:db9::1"], "2001:db9::1"),
        ] {
            let mut headers = HeaderMap::new();
            for line in forwarded {
                headers.append("x-forwarded-for", HeaderValue::from_static(line));
            }
            let peer = Some(Peer(peer.parse().unwrap()));
            assert_eq!(client_address(peer, &headers, Some(&proxies)), Some(client.parse().unwrap()), "{forwarded:?}");
        }
        assert_eq!(client_address(None, &HeaderMap::new(), Some(&proxies)), None);
        let peer = Some(Peer("192.0.2.1".parse().unwrap()));
        assert_eq!(client_address(peer, &HeaderMap::new(), None), None, "it may be a proxy that nobody spoke of");
    }
}
