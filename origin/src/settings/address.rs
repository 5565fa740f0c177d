//! Where the address of a client is read from.

use std::net::IpAddr;

use axum::http::HeaderName;

/// A network, such as `10.0.0.0/8`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Network {
    address: u128,
    bits: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address.parse::<IpAddr>().ok()?, Some(bits.parse::<u32>().ok()?)),
            None => (text.parse().ok()?, None),
        };
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(longest);
        (bits <= longest).then(|| Self { address: number(address), bits: bits + 128 - longest })
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let differing = self.address ^ number(address);
        self.bits == 0 || differing >> (128 - self.bits) == 0
    }
}

/// As an address of IPv6, in which those of IPv4 have their place.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) enum ClientAddress {
    /// Nobody says what stands in front of this origin, so no address is believed.
    #[default]
    Unknown,
    /// The other end of the connection.
    Peer,
    /// A proxy's word, when the connection is from one of these networks.
    Header { name: HeaderName, trusted: Vec<Network> },
}

/// Networks that may be named.
const MAX_TRUSTED: usize = 256;

impl ClientAddress {
    pub(super) fn check(from: Option<&str>, trusted: &[String]) -> Result<Self, (&'static str, String)> {
        let key = "server.client_address";
        let named = |text: &String| {
            Network::parse(text).ok_or(("server.trusted_proxies", format!("has {text:?}, which is no network")))
        };
        if trusted.len() > MAX_TRUSTED {
            return Err(("server.trusted_proxies", format!("must be at most {MAX_TRUSTED}")));
        }
        let trusted = trusted.iter().map(named).collect::<Result<Vec<_>, _>>()?;
        match from {
            None => Ok(Self::Unknown),
            Some("peer") => Ok(Self::Peer),
            Some(_) if trusted.is_empty() => Err((key, "needs trusted_proxies: anybody can send a header".to_owned())),
            Some(name) => match HeaderName::try_from(name) {
                Ok(name) => Ok(Self::Header { name, trusted }),
                Err(_) => Err((key, "must be \"peer\" or the name of a header".to_owned())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_addresses_and_no_others() {
        let has = |network: &str, address: &str| Network::parse(network).unwrap().contains(address.parse().unwrap());
        assert!(has("10.0.0.0/8", "10.255.0.1") && has("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(!has("10.0.0.0/8", "11.0.0.1") && !has("10.0.0.0/8", "::a00:1"));
        assert!(has("2001:db8::/32", "2001:db8:1::1") && !has("2001:db8::/32", "2001:db9::1"));
        assert!(has("127.0.0.1", "127.0.0.1") && !has("127.0.0.1", "127.0.0.2"));
        assert!(has("0.0.0.0/0", "192.0.2.1") && !has("0.0.0.0/0", "2001:db8::1") && has("::/0", "192.0.2.1"));
        for bad in ["", "10.0.0.0/33", "x/8", "10.0.0.0/", "::/129"] {
            assert!(Network::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_header_is_believed_from_somebody_only() {
        let proxies = ["10.0.0.0/8".to_owned()];
        assert_eq!(ClientAddress::check(None, &[]), Ok(ClientAddress::Unknown));
        assert_eq!(ClientAddress::check(Some("peer"), &[]), Ok(ClientAddress::Peer));
        assert!(ClientAddress::check(Some("X-Forwarded-For"), &[]).is_err());
        assert!(ClientAddress::check(Some("a b"), &proxies).is_err());
        assert!(ClientAddress::check(Some("x"), &["y".to_owned()]).is_err());
        assert!(matches!(ClientAddress::check(Some("X-Forwarded-For"), &proxies), Ok(ClientAddress::Header { .. })));
    }
}
