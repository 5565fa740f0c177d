use std::collections::BTreeMap;
use std::net::IpAddr;

use super::prelude::*;

config! {
    /// Prefix length by network, such as `/24` for `10.10.10.0`.
    ipList: BTreeMap<String, String>;
    /// Leave by the other outcome.
    blacklist: bool = false;
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "IPAddressDecisionNode";
    const NAME: &'static str = "IP Address Decision";
    const ABOUT: &'static str = "Whether the client's address is in one of the networks.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let Some(address) = step.request.client_ip else { return decide(false) };
        let mut listed = false;
        for (network, prefix) in &config.ipList {
            let network: Option<IpAddr> = network.trim().parse().ok();
            let prefix = prefix.trim().trim_start_matches('/').parse().ok();
            let (Some(network), Some(prefix)) = (network, prefix) else {
                return Err(NodeError::Config("ipList holds what is not a network".to_owned()));
            };
            listed |= contains(network, prefix, address);
        }
        decide(listed != config.blacklist)
    }
}

fn contains(network: IpAddr, prefix: u32, address: IpAddr) -> bool {
    match (network, address.to_canonical()) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix)).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(prefix)).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        _ => false,
    }
}
