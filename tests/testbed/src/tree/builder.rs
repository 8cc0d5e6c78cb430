//! Describes a tree and starts it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use hickory_proto::rr::rdata::NS;
use hickory_proto::rr::{Name, RData, RecordType};
use ring::rand::{SecureRandom, SystemRandom};

use super::behaviour::Behaviour;
use super::dnssec::{Denial, Signing};
use super::host::Host;
use super::sockets::Sockets;
use super::state::{Shared, State};
use super::style::Style;
use super::zone::Zone;
use super::{Tree, name};

const TTL: u32 = 3600;
const NEGATIVE_TTL: u32 = 5;
const SERVERS: usize = 2;
const ATTEMPTS: usize = 50;
/// Below the range from which operating systems number outgoing connections.
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 10_000;

/// What a parent tells of a child's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ds {
    /// The child's own, where it is signed.
    Right,
    Missing,
    /// One that no key fits.
    Wrong,
}

#[derive(Debug, Default)]
struct ZonePlan {
    /// None: two servers `ns1` and `ns2` of the zone itself.
    hosts: Option<Vec<String>>,
    denial: Option<Denial>,
    unsigned: bool,
    ds: Option<Ds>,
    txt: Vec<(String, String)>,
}

/// Zones are given one after the other; what follows a zone is said of it. The root and every
/// top-level domain that a zone needs are there unasked, signed, each with two servers; other zones
/// are unsigned unless said otherwise.
#[derive(Debug, Default)]
pub struct Builder {
    zones: BTreeMap<Name, ZonePlan>,
    current: Name,
    told: BTreeMap<Name, Vec<IpAddr>>,
    real: BTreeMap<Name, Ipv4Addr>,
    external: BTreeSet<Name>,
    public: bool,
    port: Option<u16>,
}

impl Builder {
    #[must_use]
    pub fn zone(mut self, origin: &str) -> Self {
        self.current = name(origin);
        self.plan();
        self
    }

    /// That many servers, `ns1.<zone>` and on, with glue. Two unless said otherwise.
    #[must_use]
    pub fn servers(mut self, count: usize) -> Self {
        let hosts = own_hosts(&self.current, count);
        self.plan().hosts = Some(hosts);
        self
    }

    /// Servers of these names, each of which belongs to a zone of the tree. A server may have
    /// several zones.
    #[must_use]
    pub fn served_by(mut self, hosts: &[&str]) -> Self {
        self.plan().hosts = Some(hosts.iter().map(|&host| host.to_owned()).collect());
        self
    }

    /// Signed, names denied by NSEC.
    #[must_use]
    pub fn signed(mut self) -> Self {
        self.plan().denial = Some(Denial::Nsec);
        self
    }

    /// Signed, names denied by NSEC3 with this many additional hash rounds.
    #[must_use]
    pub fn signed_with_nsec3(mut self, rounds: u16) -> Self {
        self.plan().denial = Some(Denial::Nsec3 {
            rounds,
            opt_out: false,
        });
        self
    }

    /// Signed, names denied by NSEC3 without additional hash rounds; delegations without DS are left
    /// out of the chain (RFC 5155 section 6), as large top-level domains have it.
    #[must_use]
    pub fn signed_with_opt_out(mut self) -> Self {
        self.plan().denial = Some(Denial::Nsec3 {
            rounds: 0,
            opt_out: true,
        });
        self
    }

    #[must_use]
    pub fn unsigned(mut self) -> Self {
        self.plan().unsigned = true;
        self
    }

    /// What the parent tells of the zone's key; right unless said otherwise.
    #[must_use]
    pub fn ds(mut self, ds: Ds) -> Self {
        self.plan().ds = Some(ds);
        self
    }

    #[must_use]
    pub fn txt(mut self, owner: &str, value: &str) -> Self {
        let record = (owner.to_owned(), value.to_owned());
        self.plan().txt.push(record);
        self
    }

    /// The zones tell this address of the server; it listens there only if it is on loopback, and
    /// else where [`Tree::address_map`] says.
    #[must_use]
    pub fn told_address(self, host: &str, address: IpAddr) -> Self {
        self.told_addresses(host, &[address])
    }

    /// The same with several addresses, of one server.
    #[must_use]
    pub fn told_addresses(mut self, host: &str, addresses: &[IpAddr]) -> Self {
        self.told.insert(name(host), addresses.to_vec());
        self
    }

    /// Where the server really is, in place of an address that is free.
    #[must_use]
    pub fn real_address(mut self, host: &str, address: Ipv4Addr) -> Self {
        self.real.insert(name(host), address);
        self
    }

    /// The server has an address and zones, and another program will listen there.
    #[must_use]
    pub fn external(mut self, host: &str) -> Self {
        self.external.insert(name(host));
        self
    }

    /// The zones tell addresses of 192.88.0.0/16 instead of loopback ones.
    #[must_use]
    pub fn public_addresses(mut self) -> Self {
        self.public = true;
        self
    }

    /// Servers listen at this port instead of a free one. Below 1024 that needs root's rights.
    #[must_use]
    pub fn listen_at(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// # Errors
    /// When no free port is found, or a name server's name is in no zone of the tree.
    pub async fn start(mut self) -> Result<Tree> {
        self.add_parents();
        let random = SystemRandom::new();
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let mut octets = [0; 4];
            if random.fill(&mut octets).is_err() {
                bail!("the operating system gives no random numbers");
            }
            // 127.0.0.0/16 is left to everything else on this machine.
            let network = [octets[0] | 64, octets[1]];
            let port = self
                .port
                .unwrap_or_else(|| FIRST_PORT + u16::from_be_bytes([octets[2], octets[3]]) % PORTS);
            let state = self.state(network, port)?;
            match serve(state, port).await {
                Ok((state, serving)) => return Ok(Tree::new(state, port, network, serving)),
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    return Err(error).with_context(|| {
                        format!(
                            "listening at port {port}, which needs root or CAP_NET_BIND_SERVICE"
                        )
                    });
                }
                Err(error) => last = Some(error),
            }
        }
        let error = last.context("no attempt to listen was made")?;
        Err(error).context("no free port for a tree of name servers")
    }

    fn plan(&mut self) -> &mut ZonePlan {
        self.zones.entry(self.current.clone()).or_default()
    }

    /// The root, and the top-level domains of all zones.
    fn add_parents(&mut self) {
        let tops: Vec<Name> = self.zones.keys().map(|origin| origin.trim_to(1)).collect();
        for origin in tops.into_iter().chain([Name::root()]) {
            let plan = self.zones.entry(origin).or_default();
            if !plan.unsigned && plan.denial.is_none() {
                plan.denial = Some(Denial::Nsec);
            }
        }
    }

    fn state(&self, network: [u8; 2], port: u16) -> Result<State> {
        let mut state = State::default();
        for (origin, plan) in &self.zones {
            let hosts: Vec<Name> = match &plan.hosts {
                Some(hosts) => hosts.iter().map(|host| name(host)).collect(),
                None => own_hosts(origin, SERVERS).iter().map(|h| name(h)).collect(),
            };
            let primary = hosts.first().context("a zone without a server")?;
            let mut zone = Zone::new(origin, primary.clone(), NEGATIVE_TTL);
            zone.set(origin, TTL, servers(&hosts));
            if let Some(denial) = plan.denial.filter(|_| !plan.unsigned) {
                let signing = Signing::new(origin, denial)?;
                zone.set(origin, TTL, vec![signing.dnskey()]);
                zone.set(origin, 0, signing.nsec3_parameters());
                zone.signing = Some(Arc::new(signing));
            }
            for host in hosts {
                self.add_host(&mut state, host, origin, network, port);
            }
            state.zones.insert(origin.clone(), zone);
        }
        for (origin, plan) in &self.zones {
            Self::delegate(&mut state, origin, plan)?;
        }
        add_addresses(&mut state)?;
        let shared = Shared::new(state);
        for (origin, plan) in &self.zones {
            let edit = super::ZoneEdit::new(shared.clone(), &origin.to_ascii(), None);
            let mut owners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for (owner, value) in &plan.txt {
                owners.entry(owner).or_default().push(value);
            }
            for (owner, values) in owners {
                edit.set_txt(owner, &values);
            }
        }
        Ok(shared.write(std::mem::take))
    }

    fn add_host(&self, state: &mut State, host: Name, origin: &Name, network: [u8; 2], port: u16) {
        // The last octet's ends are no hosts, and 255 is promised to be unused.
        let number = u8::try_from(state.hosts.len() % 253 + 1).unwrap_or(1);
        let page = u8::try_from(state.hosts.len() / 253).unwrap_or(u8::MAX);
        let own = self.real.get(&host).copied().unwrap_or_else(|| {
            Ipv4Addr::new(127, network[0], network[1].wrapping_add(page), number)
        });
        let told = self.told.get(&host).cloned().unwrap_or_else(|| {
            let one = if self.public {
                Ipv4Addr::new(192, 88, page + 1, number)
            } else {
                own
            };
            vec![one.into()]
        });
        let real = match told[..] {
            [IpAddr::V4(told)] if told.is_loopback() => told,
            _ => own,
        };
        let external = self.external.contains(&host);
        let entry = state.hosts.entry(host).or_insert_with(|| Host {
            real,
            told,
            port,
            external,
            zones: BTreeSet::new(),
            views: BTreeMap::new(),
            behaviour: Behaviour::Normal,
            behaviours: BTreeMap::new(),
            style: Style::default(),
            forger: false,
            forward: None,
        });
        entry.zones.insert(origin.clone());
    }

    /// Tells the parent of the zone.
    fn delegate(state: &mut State, origin: &Name, plan: &ZonePlan) -> Result<()> {
        if origin.is_root() {
            return Ok(());
        }
        let parent = closest_zone(state, &origin.base_name())?;
        let child = state.zones.get(origin).context("a zone without a plan")?;
        let apex = child
            .get(origin, hickory_proto::rr::RecordType::NS)
            .cloned()
            .context("a zone without servers")?;
        let ds = match (plan.ds.unwrap_or(Ds::Right), &child.signing) {
            (Ds::Missing, _) | (_, None) => None,
            (Ds::Right, Some(signing)) => Some(signing.ds()?),
            (Ds::Wrong, Some(signing)) => Some(signing.wrong_ds()),
        };
        let glue: Vec<(Name, Vec<IpAddr>)> = state
            .hosts
            .iter()
            .filter(|(host, _)| origin.zone_of(host))
            .map(|(host, data)| (host.clone(), data.told.clone()))
            .collect();
        let parent = state.zones.get_mut(&parent).context("a missing parent")?;
        parent.set(origin, TTL, apex.data);
        if let Some(ds) = ds {
            parent.set(origin, TTL, vec![ds]);
        }
        for (host, addresses) in glue {
            parent.glue.insert(host, addresses);
        }
        Ok(())
    }
}

fn own_hosts(origin: &Name, count: usize) -> Vec<String> {
    let suffix = if origin.is_root() {
        // Names of its own zone, so that they need nobody else.
        "root".to_owned()
    } else {
        origin.to_ascii()
    };
    (1..=count).map(|n| format!("ns{n}.{suffix}")).collect()
}

fn servers(hosts: &[Name]) -> Vec<RData> {
    hosts
        .iter()
        .map(|host| RData::NS(NS(host.clone())))
        .collect()
}

fn closest_zone(state: &State, at: &Name) -> Result<Name> {
    state
        .zones
        .keys()
        .filter(|origin| origin.zone_of(at))
        .max_by_key(|origin| origin.num_labels())
        .cloned()
        .with_context(|| format!("no zone for {at}"))
}

/// Each server's address, in the zone that its name is in.
fn add_addresses(state: &mut State) -> Result<()> {
    let hosts: Vec<(Name, Vec<IpAddr>)> = state
        .hosts
        .iter()
        .map(|(host, data)| (host.clone(), data.told.clone()))
        .collect();
    for (host, addresses) in hosts {
        let origin = closest_zone(state, &host)?;
        if let Some(zone) = state.zones.get_mut(&origin) {
            let data = addresses.into_iter().map(super::zone::address);
            let (four, six) = data.partition(|data| data.record_type() == RecordType::A);
            // Of what there is none of, nothing is set.
            zone.set(&host, TTL, four);
            zone.set(&host, TTL, six);
        }
    }
    Ok(())
}

async fn serve(
    state: State,
    port: u16,
) -> std::io::Result<(Shared, Vec<tokio::task::AbortHandle>)> {
    let mut sockets = Vec::with_capacity(state.hosts.len());
    for (host, data) in state.hosts.iter().filter(|(_, data)| !data.external) {
        sockets.push((host.clone(), Sockets::bind(data.real, port).await?));
    }
    let state = Shared::new(state);
    let serving = sockets
        .into_iter()
        .flat_map(|(host, sockets)| sockets.serve(&state, &host))
        .collect();
    Ok((state, serving))
}
