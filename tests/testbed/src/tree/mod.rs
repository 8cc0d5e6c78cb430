//! A private DNS on loopback: a root, top-level domains and zones below them, each on several name
//! servers of their own, which can be changed and made to misbehave while they run.
//!
//! Every server has an address of its own in 127.0.0.0/8 and all of a tree listen on one port, over
//! UDP and TCP, so that whoever learns addresses from referrals needs only that port. With
//! [`Builder::public_addresses`] the zones carry addresses that look public, and
//! [`Tree::address_map`] tells where their servers really are.

mod answer;
mod behaviour;
mod builder;
mod denial;
mod dnssec;
mod edit;
mod forward;
mod host;
mod resolve;
mod sockets;
mod state;
mod style;
mod zone;
mod zone_file;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use hickory_proto::rr::Name;
use tokio::task::AbortHandle;

pub use behaviour::{Behaviour, Signatures};
pub use builder::{Builder, Ds};
pub use edit::ZoneEdit;
pub use host::Server;
pub use state::Query;
pub use style::{AddressAnswer, Sections, Style, WithoutEdns};

use state::Shared;

/// Ends when it is dropped. Names are given as text, any case, with or without the final dot.
#[derive(Debug)]
pub struct Tree {
    state: Shared,
    port: u16,
    network: [u8; 2],
    serving: Vec<AbortHandle>,
}

impl Tree {
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The port of every server.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The part of 127.0.0.0/8 that has every server's real address.
    #[must_use]
    pub fn network(&self) -> String {
        format!("127.{}.0.0/16", self.network[0])
    }

    /// An address of [`Tree::network`] at which nobody listens.
    #[must_use]
    pub fn unused_address(&self) -> IpAddr {
        let [b, c] = self.network;
        [127, b, c, 255].into()
    }

    /// An address of [`Tree::network`] that no server has, for an asker of its own.
    #[must_use]
    pub fn asker_address(&self) -> Ipv4Addr {
        let [b, c] = self.network;
        [127, b, c, 254].into()
    }

    /// The root's servers, at the addresses that the zones tell.
    #[must_use]
    pub fn roots(&self) -> Vec<IpAddr> {
        self.state.read(|state| {
            state
                .hosts
                .values()
                .filter(|host| host.zones.contains(&Name::root()))
                .flat_map(|host| host.told.iter().copied())
                .collect()
        })
    }

    /// The root's servers as a recursive server's hints file.
    #[must_use]
    pub fn root_hints(&self) -> String {
        self.state.read(|state| {
            let mut text = String::new();
            for (name, host) in &state.hosts {
                if host.zones.contains(&Name::root()) {
                    for told in &host.told {
                        let _ = writeln!(text, ". 3600 NS {name}\n{name} 3600 A {told}");
                    }
                }
            }
            text
        })
    }

    /// Where the server behind each told address really listens.
    #[must_use]
    pub fn address_map(&self) -> BTreeMap<IpAddr, SocketAddr> {
        self.state.read(|state| {
            state
                .hosts
                .values()
                .flat_map(|host| {
                    let real = SocketAddr::from((host.real, self.port));
                    host.told.iter().map(move |&told| (told, real))
                })
                .collect()
        })
    }

    /// Every zone, and where its servers really listen.
    #[must_use]
    pub fn zones(&self) -> Vec<(String, Vec<SocketAddr>)> {
        self.state.read(|state| {
            let servers = |origin: &Name| {
                state
                    .hosts
                    .values()
                    .filter(|host| host.zones.contains(origin))
                    .map(|host| SocketAddr::from((host.real, self.port)))
                    .collect()
            };
            let origins = state.zones.keys();
            origins
                .map(|origin| (text(origin), servers(origin)))
                .collect()
        })
    }

    pub(crate) fn is_signed(&self, origin: &str) -> bool {
        self.state.read(|state| {
            let zone = state.zones.get(&name(origin));
            zone.is_some_and(|zone| zone.signing.is_some())
        })
    }

    /// How the zone hashes names (RFC 5155 section 4), where it does.
    pub(crate) fn hashing(&self, origin: &str) -> Option<String> {
        self.state.read(|state| {
            let zone = state.zones.get(&name(origin))?;
            zone.signing.as_ref()?.nsec3_words()
        })
    }

    /// The root's public key as a zone file's line, for a validator's trust anchor. None with an
    /// unsigned root.
    #[must_use]
    pub fn trust_anchor(&self) -> Option<String> {
        self.state.read(|state| {
            let root = state.zones.get(&Name::root())?;
            Some(root.signing.as_ref()?.anchor())
        })
    }

    /// Writes [`Tree::trust_anchor`] into a file.
    pub fn write_trust_anchor(&self, path: &Path) -> Result<()> {
        let anchor = self.trust_anchor().context("the root is not signed")?;
        std::fs::write(path, anchor).with_context(|| format!("writing {}", path.display()))
    }

    /// Changes the zone on all its servers.
    ///
    /// # Panics
    /// When there is no such zone.
    #[must_use]
    pub fn zone(&self, origin: &str) -> ZoneEdit {
        ZoneEdit::new(self.state.clone(), origin, None)
    }

    /// # Panics
    /// When there is no such server.
    #[must_use]
    pub fn server(&self, host: &str) -> Server {
        Server::new(self.state.clone(), host)
    }

    /// Every query at every server, oldest first.
    #[must_use]
    pub fn queries(&self) -> Vec<Query> {
        self.state.read(|state| state.log.clone())
    }

    /// Forgets the queries so far.
    pub fn forget_queries(&self) {
        self.state.write(|state| state.log.clear());
    }

    fn new(state: Shared, port: u16, network: [u8; 2], serving: Vec<AbortHandle>) -> Self {
        Self {
            state,
            port,
            network,
            serving,
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        for task in &self.serving {
            task.abort();
        }
    }
}

/// Reads a name that a test wrote.
#[expect(clippy::panic, reason = "a test with a broken name must end there")]
pub(crate) fn name(text: &str) -> Name {
    match Name::from_ascii(text) {
        Ok(mut name) => {
            name.set_fqdn(true);
            name.to_lowercase()
        }
        Err(error) => panic!("{text:?} is no domain name: {error}"),
    }
}

/// A name as tests write it: lower case, no final dot.
pub(crate) fn text(name: &Name) -> String {
    let text = name.to_lowercase().to_ascii();
    if text == "." {
        return text;
    }
    text.trim_end_matches('.').to_owned()
}

type SharedState = Arc<std::sync::Mutex<state::State>>;
