//! A name server: the zones it has, its own view of them, its behaviour.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hickory_proto::rr::{Name, RecordType};

use super::behaviour::Behaviour;
use super::edit::{ZoneEdit, no_such};
use super::state::{Query, Shared};
use super::style::Style;
use super::zone::Zone;
use super::{name, text};
use crate::dns::Transport;

#[derive(Debug)]
pub(super) struct Host {
    /// Where it listens.
    pub(super) real: Ipv4Addr,
    /// What the zones tell of it.
    pub(super) told: Vec<IpAddr>,
    pub(super) port: u16,
    /// Another program listens at its address.
    pub(super) external: bool,
    pub(super) zones: BTreeSet<Name>,
    /// Zones of which it serves something of its own.
    pub(super) views: BTreeMap<Name, Zone>,
    pub(super) behaviour: Behaviour,
    /// By the name asked for.
    pub(super) behaviours: BTreeMap<Name, Behaviour>,
    pub(super) style: Style,
    /// Has signatures of what the zones have, and no key to sign what it changed.
    pub(super) forger: bool,
    /// The program that answers in its place.
    pub(super) forward: Option<SocketAddr>,
}

impl Host {
    pub(super) fn behaviour(&self, name: &Name) -> &Behaviour {
        self.behaviours.get(name).unwrap_or(&self.behaviour)
    }

    /// The zone that answers for the name: the closest of those it has, and the parent for a DS.
    pub(super) fn zone_for<'a>(
        &'a self,
        shared: &'a BTreeMap<Name, Zone>,
        name: &Name,
        record_type: RecordType,
    ) -> Option<&'a Zone> {
        let above = |origin: &&Name| {
            origin.zone_of(name) && (record_type != RecordType::DS || *origin != name)
        };
        let closest = |origins: &mut dyn Iterator<Item = &'a Name>| {
            origins.max_by_key(|origin| origin.num_labels())
        };
        let origin = closest(&mut self.zones.iter().filter(above)).or_else(|| {
            let any = |origin: &&Name| origin.zone_of(name);
            closest(&mut self.zones.iter().filter(any))
        })?;
        self.views.get(origin).or_else(|| shared.get(origin))
    }
}

/// One name server of a running tree.
#[derive(Debug, Clone)]
pub struct Server {
    state: Shared,
    host: Name,
}

impl Server {
    pub(super) fn new(state: Shared, host: &str) -> Self {
        let server = Self {
            state,
            host: name(host),
        };
        server.edit(|_| {});
        server
    }

    /// For every question that has no behaviour of its own.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.edit(|host| host.behaviour = behaviour);
    }

    /// For questions about one name.
    pub fn set_behaviour_for(&self, asked: &str, behaviour: Behaviour) {
        let asked = name(asked);
        self.edit(|host| host.behaviours.insert(asked, behaviour));
    }

    /// How it answers where the standards leave a choice, or where it is older than they are.
    pub fn set_style(&self, style: Style) {
        self.edit(|host| host.style = style);
    }

    #[must_use]
    pub fn style(&self) -> Style {
        self.edit(|host| host.style)
    }

    /// What it serves otherwise than its zones' other servers is signed wrongly: it has not the keys.
    pub fn forges(&self) {
        self.edit(|host| host.forger = true);
    }

    /// Gives each question to the program at that address, and the program's answer to the asker.
    pub fn forward_to(&self, program: SocketAddr) {
        self.edit(|host| host.forward = Some(program));
    }

    /// Changes the zone on this server alone.
    ///
    /// # Panics
    /// When the tree has no such zone.
    #[must_use]
    pub fn zone(&self, origin: &str) -> ZoneEdit {
        ZoneEdit::new(self.state.clone(), origin, Some(self.host.clone()))
    }

    /// Lets the server answer for one more zone of the tree.
    pub fn serve(&self, origin: &str) {
        let origin = name(origin);
        self.edit(|host| host.zones.insert(origin));
    }

    /// The server knows the zone no more, and answers REFUSED for it.
    pub fn stop_serving(&self, origin: &str) {
        let origin = name(origin);
        self.edit(|host| {
            host.zones.remove(&origin);
            host.views.remove(&origin);
        });
    }

    /// The zones that it answers for.
    #[must_use]
    pub fn zones(&self) -> Vec<String> {
        self.edit(|host| host.zones.iter().map(text).collect())
    }

    /// Where the server really listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.edit(|host| (host.real, host.port).into())
    }

    /// The first address that the zones tell of it.
    ///
    /// # Panics
    /// When they tell none.
    #[must_use]
    pub fn told_address(&self) -> IpAddr {
        self.edit(|host| match host.told.first() {
            Some(&address) => address,
            None => no_such("address of", &self.host.to_ascii()),
        })
    }

    /// What it was asked, oldest first.
    #[must_use]
    pub fn queries(&self) -> Vec<Query> {
        let server = text(&self.host);
        self.state.read(|state| {
            let own = state.log.iter().filter(|query| query.server == server);
            own.cloned().collect()
        })
    }

    /// How often it was asked for a name.
    #[must_use]
    pub fn queries_for(&self, asked: &str) -> usize {
        let asked = text(&name(asked));
        let queries = self.queries();
        queries.iter().filter(|query| query.name == asked).count()
    }

    #[must_use]
    pub fn queries_over(&self, transport: Transport) -> usize {
        let queries = self.queries();
        queries
            .iter()
            .filter(|query| query.transport == transport)
            .count()
    }

    fn edit<T>(&self, edit: impl FnOnce(&mut Host) -> T) -> T {
        self.state
            .write(|state| match state.hosts.get_mut(&self.host) {
                Some(host) => edit(host),
                None => no_such("server", &self.host.to_ascii()),
            })
    }
}
