//! Free ports for servers that must be told theirs before they start.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Result, bail};
use ring::rand::{SecureRandom, SystemRandom};

/// Below the range from which operating systems number outgoing connections, so that a server
/// which is stopped finds its port still free when it is started again.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;
const ATTEMPTS: usize = 5;

/// From a random beginning one after the other: two searches at the same time find different ports,
/// of which neither server listens yet.
static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
    let mut bytes = [0; 2];
    // Without random numbers any beginning will do.
    let _ = SystemRandom::new().fill(&mut bytes);
    AtomicU16::new(u16::from_be_bytes(bytes))
});

/// Finds `N` different ports that nobody listens on, over TCP or UDP.
pub(crate) fn free<const N: usize>() -> Result<[u16; N]> {
    let mut ports = [0; N];
    for port in &mut ports {
        *port = unused()?;
    }
    Ok(ports)
}

/// Whether a server did not start since somebody took its port before it listened, and is to be started at
/// another one: whoever asks the DNS does so from a random port.
pub(crate) fn is_taken<T>(started: &Result<T>, attempt: &mut usize) -> bool {
    *attempt += 1;
    *attempt < ATTEMPTS && started.as_ref().err().is_some_and(says_taken)
}

/// Whether the end of a server's log says so.
fn says_taken(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}").to_lowercase();
    text.contains("address already in use") || text.contains("address in use")
}

fn unused() -> Result<u16> {
    for _ in 0..200 {
        let port = FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let address = (Ipv4Addr::LOCALHOST, port);
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return Ok(port);
        }
    }
    bail!(
        "no free port on 127.0.0.1 between {FIRST} and {}",
        FIRST + COUNT
    )
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_server_whose_port_was_taken_is_started_anew_some_times() {
        let taken: Result<()> = Err(anyhow!("bind: Address already in use"));
        let mut attempt = 0;
        let tried = (0..20).take_while(|_| is_taken(&taken, &mut attempt));
        assert_eq!(tried.count(), ATTEMPTS - 1);
        let missing: Result<()> = Err(anyhow!("no such file"));
        assert!(!is_taken(&missing, &mut 0));
        assert!(!is_taken(&Ok(()), &mut 0));
    }
}
