//! Free ports for servers that must be told theirs before they start.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result, bail};
use ring::rand::{SecureRandom, SystemRandom};

/// Below the range from which operating systems number outgoing connections, so that a server
/// which is stopped finds its port still free when it is started again.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// Finds `N` different ports that nobody listens on.
pub(crate) fn free<const N: usize>() -> Result<[u16; N]> {
    let random = SystemRandom::new();
    // Every listener is kept until all ports are found, so that none is found twice.
    let mut listeners = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = listen_somewhere(&random)?;
        *port = listener
            .local_addr()
            .context("reading a listener's port")?
            .port();
        listeners.push(listener);
    }
    Ok(ports)
}

fn listen_somewhere(random: &SystemRandom) -> Result<TcpListener> {
    for _ in 0..200 {
        let mut bytes = [0; 2];
        if random.fill(&mut bytes).is_err() {
            bail!("the operating system gives no random numbers");
        }
        let port = FIRST + u16::from_be_bytes(bytes) % COUNT;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return Ok(listener);
        }
    }
    bail!(
        "no free port on 127.0.0.1 between {FIRST} and {}",
        FIRST + COUNT
    )
}
