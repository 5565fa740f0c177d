//! Loopback ports: a fixed one that must be free, or a free one that stays ours among parallel test processes.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};

/// Below the kernel's ephemeral range, so that no outgoing connection sits on a port between our look and the bind.
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

/// A port that nobody else of this workspace is given while it is held.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: Option<File>,
}

impl Port {
    /// The port a person asked for. `flag` is what they would change.
    pub fn fixed(number: u16, what: &str, flag: &str) -> Result<Self> {
        if !is_free(number) {
            bail!("port {number} ({what}) is taken; stop what listens there or choose another with {flag}");
        }
        Ok(Self { number, _lock: None })
    }

    pub fn free() -> Result<Self> {
        static TURN: AtomicU32 = AtomicU32::new(0);
        let dir = crate::cargo::target_dir()?.join("locks/ports");
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.subsec_micros());
        let seed = std::process::id().wrapping_mul(31).wrapping_add(clock);
        for _ in 0..COUNT {
            let turn = TURN.fetch_add(1, Ordering::Relaxed);
            let offset = seed.wrapping_add(turn.wrapping_mul(7)) % COUNT;
            let Ok(number) = u16::try_from(FIRST + offset) else { continue };
            let file = File::create(dir.join(number.to_string())).context("cannot create a port's lock file")?;
            if file.try_lock().is_ok() && is_free(number) {
                return Ok(Self { number, _lock: Some(file) });
            }
        }
        bail!("no free port between {FIRST} and {}", FIRST + COUNT)
    }

    pub fn number(&self) -> u16 {
        self.number
    }

    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.number))
    }
}

fn is_free(number: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_names_itself_and_the_flag() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let number = taken.local_addr().unwrap().port();
        let error = Port::fixed(number, "edge", "--port").unwrap_err().to_string();
        assert!(error.contains(&number.to_string()) && error.contains("--port"), "{error}");
    }

    #[test]
    fn held_ports_differ() {
        let ports: Vec<Port> = (0..20).map(|_| Port::free().unwrap()).collect();
        let mut numbers: Vec<u16> = ports.iter().map(Port::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), ports.len());
    }
}
