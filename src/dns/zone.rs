//! A zone: how its parent delegates it, and its servers as they are asked.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use hickory_resolver::net::proto::op::Message;
use hickory_resolver::net::proto::rr::Name;
use tokio::sync::OnceCell;

use super::answer::Referral;
use super::dnssec::{Chain, Keys};
use crate::model::evidence::{BrokenZone, Failure};

/// Servers of a registry that are asked; they are one organization's and say the same.
pub const REGISTRY_SERVERS: usize = 4;

/// What a zone's parent says of it. Nothing of it was asked yet.
#[derive(Debug)]
pub struct Delegation {
    pub name: Name,
    /// Host names, each with the addresses that the parent gave along.
    pub hosts: Vec<(Name, Vec<IpAddr>)>,
    /// Whether it registers names for others, so that one server's referral is enough.
    pub registry: bool,
    pub trust: Trust,
    /// The zones above it whose servers agreed on the cuts that led here.
    pub way: Vec<Name>,
    /// The zone's keys, once all who need them have waited for one question.
    pub keys: OnceCell<Chain>,
    settled: OnceLock<Arc<Zone>>,
}

/// What the parent proves of a zone's keys.
#[derive(Debug)]
pub enum Trust {
    Signed {
        parent: Arc<Keys>,
        /// The parent's answer with the DS records.
        ds: Box<Message>,
    },
    Insecure,
    Broken(Arc<BrokenZone>),
}

/// A zone whose servers can be asked.
#[derive(Debug)]
pub struct Zone {
    pub name: Name,
    pub servers: Vec<NameServer>,
    pub chain: Chain,
    /// Whether an address of a server was found without all who were asked for it.
    pub partial: bool,
    pub registry: bool,
    /// See [`Delegation::way`].
    pub way: Vec<Name>,
}

/// A host name of a delegation.
#[derive(Clone, Debug)]
pub struct NameServer {
    pub host: Arc<str>,
    /// Where to ask it, or why it cannot be asked.
    pub addresses: Result<Vec<Address>, Failure>,
    /// The host name, where its IPv6 addresses were not looked up as it has IPv4 ones.
    pub without_v6: Option<Name>,
}

/// An address of a name server.
#[derive(Clone, Debug)]
pub struct Address {
    pub socket: SocketAddr,
    /// The host name with it, as a person is told of it.
    pub shown: Arc<str>,
}

impl Delegation {
    #[must_use]
    pub fn new(referral: Referral, registry: bool, trust: Trust, way: Vec<Name>) -> Self {
        Self {
            name: referral.cut,
            hosts: referral.hosts,
            registry,
            trust,
            way,
            keys: OnceCell::new(),
            settled: OnceLock::new(),
        }
    }

    /// The root has no parent; its servers and keys are configured.
    #[must_use]
    pub fn of_root(zone: Arc<Zone>) -> Self {
        Self {
            name: Name::root(),
            hosts: Vec::new(),
            registry: true,
            trust: Trust::Insecure,
            way: Vec::new(),
            keys: OnceCell::new(),
            settled: OnceLock::from(zone),
        }
    }

    /// The zone, where asking again would find nothing else.
    #[must_use]
    pub fn settled(&self) -> Option<Arc<Zone>> {
        self.settled.get().cloned()
    }

    pub fn settle(&self, zone: &Arc<Zone>) {
        let whole = self.registry || zone.servers.len() == self.hosts.len();
        let found = zone.servers.iter().all(|server| server.addresses.is_ok());
        if whole && found && !zone.partial && !matches!(zone.chain, Chain::Broken(_)) {
            // Whoever came first found the same.
            let _ = self.settled.set(Arc::clone(zone));
        }
    }

    /// The addresses that the parent gave of a host.
    #[must_use]
    pub fn glue(&self, host: &Name) -> Option<&[IpAddr]> {
        let (_, glue) = self.hosts.iter().find(|(name, _)| name == host)?;
        (!glue.is_empty()).then_some(glue)
    }
}

impl Zone {
    /// The servers that are asked for answers.
    #[must_use]
    pub fn asked(&self) -> &[NameServer] {
        if self.registry {
            &self.servers[..self.servers.len().min(REGISTRY_SERVERS)]
        } else {
            &self.servers
        }
    }
}

impl NameServer {
    #[must_use]
    pub fn new(host: &str, addresses: Result<Vec<SocketAddr>, Failure>) -> Self {
        let address = |socket: SocketAddr| Address {
            socket,
            shown: match (socket.ip(), socket.port()) {
                (ip, 53) => format!("{host} ({ip})"),
                (ip, port) => format!("{host} ({ip} port {port})"),
            }
            .into(),
        };
        Self {
            host: host.into(),
            addresses: addresses.map(|sockets| sockets.into_iter().map(address).collect()),
            without_v6: None,
        }
    }

    pub fn ips(&self) -> impl Iterator<Item = IpAddr> {
        let addresses = self.addresses.iter().flatten();
        addresses.map(|address| address.socket.ip())
    }
}
