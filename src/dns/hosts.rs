//! The addresses of name servers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt};
use futures::stream;
use hickory_resolver::net::proto::rr::{Name, RecordType};
use rand::seq::SliceRandom;

use super::addresses::HostAddresses;
use super::answer::{Reading, shown};
use super::budget::{MAX_ADDRESSES, MAX_SERVERS};
use super::descent::Descent;
use super::dnssec::Chain;
use super::exchange::Transport;
use super::path::{Link, Needed, Path};
use super::walk::Walk;
use super::zone::{Delegation, NameServer, REGISTRY_SERVERS, Zone};
use crate::model::agreement::Weight;
use crate::model::evidence::Failure;

/// Name servers whose addresses need name servers whose addresses need ..., so deep.
const MAX_DEPTH: usize = 4;
/// Servers of a zone that are asked for the address of a name server, or for its keys: enough to
/// contradict one that lies, and few enough for providers whose zones have many.
const HOST_SERVERS: usize = 4;
/// Addresses that one check looks up at once. One whose host does not exist is not followed by many
/// before that is known.
const LOOKUPS_AT_ONCE: usize = 4;

impl Walk<'_> {
    /// Finds the addresses of a zone's servers, and its keys.
    pub async fn open(
        &self,
        delegation: &Delegation,
        needed: Needed,
        transport: Transport,
        path: Path<'_>,
    ) -> Result<Arc<Zone>, Failure> {
        if let Some(zone) = delegation.settled() {
            return Ok(zone);
        }
        // Boxed, because it is large and seldom: a check's future stays small.
        Box::pin(self.open_anew(delegation, needed, transport, path)).await
    }

    async fn open_anew(
        &self,
        delegation: &Delegation,
        needed: Needed,
        transport: Transport,
        path: Path<'_>,
    ) -> Result<Arc<Zone>, Failure> {
        if delegation.hosts.len() > MAX_SERVERS {
            return Err(Failure::Budget);
        }
        let (servers, weight) = self.servers_of(delegation, needed, path).await;
        let chain = async {
            // Nothing else is waited for in here: whoever needs these keys waits for us.
            let asked = self.keys_of(&delegation.name, &delegation.trust, &servers, transport);
            match asked.await {
                Chain::Broken(broken) => Err(broken),
                chain => Ok(chain),
            }
        };
        let shared = self.patiently(delegation.keys.get_or_try_init(|| chain));
        let chain = if let Some(chain) = shared.await {
            chain.map_or_else(Chain::Broken, Clone::clone)
        } else {
            let asked = self.keys_of(&delegation.name, &delegation.trust, &servers, transport);
            asked.await
        };
        let zone = Arc::new(Zone {
            name: delegation.name.clone(),
            chain,
            servers,
            partial: weight == Weight::Partial,
            registry: delegation.registry,
            way: delegation.way.clone(),
        });
        if needed == Needed::All || delegation.registry {
            delegation.settle(&zone);
        }
        Ok(zone)
    }

    /// Those whose addresses the parent gave come first, as they cost nothing; of the others no more
    /// are looked up than needed.
    async fn servers_of(
        &self,
        delegation: &Delegation,
        needed: Needed,
        path: Path<'_>,
    ) -> (Vec<NameServer>, Weight) {
        let cut = &delegation.name;
        // In order, so that what is shown is stable.
        let mut hosts: Vec<&(Name, Vec<IpAddr>)> = delegation.hosts.iter().collect();
        let enough = match needed {
            _ if delegation.registry => REGISTRY_SERVERS,
            Needed::Some => HOST_SERVERS,
            Needed::All => hosts.len(),
        };
        if enough < hosts.len() {
            hosts.shuffle(&mut rand::rng());
        }
        let (given, mut unknown): (Vec<_>, Vec<_>) = hosts
            .into_iter()
            .partition(|(host, glue)| !glue.is_empty() || cut.zone_of(host));
        let mut servers: Vec<NameServer> = given
            .into_iter()
            .map(|(host, glue)| self.with_glue(host, glue))
            .collect();
        if !delegation.registry {
            servers.sort_by_key(|server| server.addresses.is_err());
            servers.truncate(enough);
        }
        let mut weight = Weight::Complete;
        let mut usable = servers.iter().filter(|s| s.addresses.is_ok()).count();
        while usable < enough && !unknown.is_empty() {
            let next = unknown.split_off(unknown.len().saturating_sub(enough - usable));
            // Boxed here, as closures over names that are borrowed confuse the compiler otherwise.
            let lookups: Vec<_> = next
                .into_iter()
                .map(|(host, _)| self.looked_up(cut, host, path).boxed())
                .collect();
            let looked_up = stream::iter(lookups).buffered(LOOKUPS_AT_ONCE);
            let looked_up: Vec<(NameServer, Weight)> = looked_up.collect().await;
            for (server, of_host) in looked_up {
                weight = weight.min(of_host);
                usable += usize::from(server.addresses.is_ok());
                servers.push(server);
            }
        }
        if enough == delegation.hosts.len() {
            servers.sort_by(|a, b| a.host.cmp(&b.host));
        }
        (servers, weight)
    }

    fn with_glue(&self, host: &Name, glue: &[IpAddr]) -> NameServer {
        let addresses = if glue.is_empty() {
            // Nobody but the zone itself could tell, and the way there is what is looked for.
            Err(Failure::NoAddress)
        } else {
            self.permitted(glue)
        };
        NameServer::new(&shown(host), addresses)
    }

    async fn looked_up(&self, cut: &Name, host: &Name, path: Path<'_>) -> (NameServer, Weight) {
        let (addresses, weight, without_v6) = match self.addresses_of(cut, host, path).await {
            Ok(found) => (self.permitted(&found.ips), found.weight, found.without_v6),
            Err(failure) => (Err(failure), Weight::Complete, false),
        };
        let mut server = NameServer::new(&shown(host), addresses);
        server.without_v6 = without_v6.then(|| host.clone());
        (server, weight)
    }

    /// A server at the IPv6 addresses that were not looked up as it has IPv4 ones.
    pub async fn over_v6(&self, host: &Name, path: Path<'_>) -> Option<NameServer> {
        let known = self.walker.cache.host(host)?;
        let mut ips: Vec<IpAddr> = known.ips.iter().copied().filter(IpAddr::is_ipv6).collect();
        if known.without_v6 {
            if path.depth() == MAX_DEPTH || path.has(host) {
                return None;
            }
            let link = Link {
                host,
                awaited: false,
                above: path,
            };
            let path = Path::to(&link);
            let delegation = self.delegation_for(host, path).await.ok()?;
            let zone = self.open(&delegation, Needed::Some, Transport::Tcp, path);
            let zone = zone.await.ok()?;
            let descent = self.descend(zone, host, RecordType::AAAA, Transport::Tcp, path);
            match descent.await {
                Descent {
                    end: Ok(Reading::Addresses(found)),
                    weight: Weight::Complete,
                    ..
                } => ips = found,
                Descent {
                    end: Ok(Reading::NoData { .. }),
                    ..
                } => {}
                _ => return None,
            }
            let all = known.ips.iter().chain(&ips).copied();
            let known = HostAddresses {
                ips: all.collect(),
                without_v6: false,
                ..known
            };
            self.walker.cache.insert_host(host.clone(), known);
        }
        let found = self.permitted(&ips).ok()?;
        Some(NameServer::new(&shown(host), Ok(found)))
    }

    fn permitted(&self, addresses: &[IpAddr]) -> Result<Vec<SocketAddr>, Failure> {
        let permitted: Vec<SocketAddr> = addresses
            .iter()
            .map(|&ip| SocketAddr::new(ip, self.walker.port))
            .filter(|&address| self.walker.exchange.guard().permits(address))
            .take(MAX_ADDRESSES)
            .collect();
        if permitted.is_empty() {
            Err(Failure::NotPublicAddress)
        } else {
            Ok(permitted)
        }
    }

    /// The addresses of a name server that the delegation gives none for, by a walk of its own.
    fn addresses_of<'b>(
        &'b self,
        cut: &'b Name,
        host: &'b Name,
        path: Path<'b>,
    ) -> BoxFuture<'b, Result<HostAddresses, Failure>> {
        async move {
            let from_internal = self.walker.policy.is_internal(&shown(cut));
            if !self.walker.policy.admits(&shown(host), from_internal) {
                return Err(Failure::NotPublicName);
            }
            if let Some(found) = self.walker.cache.host(host) {
                return Ok(found);
            }
            if path.has(host) {
                return Err(Failure::NoAddress);
            }
            if path.depth() == MAX_DEPTH {
                return Err(Failure::Budget);
            }
            let turn = self.walker.hosts.turn(host.clone(), path.awaited());
            let mut turn = self.patiently(turn).await.flatten();
            if let Some(turn) = &turn {
                if let Some(found) = self.walker.cache.host(host) {
                    return Ok(found);
                }
                if let Some(failure) = turn.failed() {
                    return Err(failure);
                }
            }
            let link = Link {
                host,
                awaited: turn.is_some(),
                above: path,
            };
            let found = self.look_up(host, Path::to(&link)).await;
            match (&found, &mut turn) {
                // A nested look-up may have left out servers that need the outer one.
                (Ok(found), _) if found.weight == Weight::Complete || path.is_empty() => {
                    self.walker.cache.insert_host(host.clone(), found.clone());
                }
                // What this check may not spend, the next one may.
                (Err(failure), Some(turn)) if path.is_empty() && *failure != Failure::Budget => {
                    turn.fail(*failure);
                }
                _ => {}
            }
            found
        }
        .boxed()
    }

    async fn look_up(&self, host: &Name, path: Path<'_>) -> Result<HostAddresses, Failure> {
        self.budget.host()?;
        let found = self.look_up_by_walk(host, path).await;
        if matches!(found, Err(Failure::NoAddress | Failure::AddressLookup)) {
            self.budget.host_in_vain()?;
        }
        found
    }

    async fn look_up_by_walk(&self, host: &Name, path: Path<'_>) -> Result<HostAddresses, Failure> {
        let unknown = |failure| match failure {
            Failure::Budget => Failure::Budget,
            _ => Failure::AddressLookup,
        };
        let delegation = self.delegation_for(host, path).await;
        let delegation = delegation.map_err(|unreached| unknown(unreached.failure))?;
        if let Some(glue) = delegation.glue(host) {
            // As good as the glue of any other zone: the registry's word.
            return Ok(HostAddresses {
                ips: glue.into(),
                weight: Weight::Complete,
                without_v6: false,
            });
        }
        let zone = self.open(&delegation, Needed::Some, Transport::Tcp, path);
        let zone = zone.await.map_err(unknown)?;
        let mut weight = Weight::Complete;
        let mut last = Failure::NoAddress;
        let mut kinds = [RecordType::A, RecordType::AAAA];
        if self.walker.exchange.is_without_v4() {
            kinds.reverse();
        }
        for kind in kinds {
            let descent = self
                .descend(Arc::clone(&zone), host, kind, Transport::Tcp, path)
                .await;
            weight = weight.min(descent.weight);
            match descent.end {
                Ok(Reading::Addresses(ips)) => {
                    // Of the other kind there may be some, which a failure hid.
                    if last == Failure::AddressLookup {
                        weight = Weight::Partial;
                    }
                    return Ok(HostAddresses {
                        ips: ips.into(),
                        weight,
                        without_v6: kind == RecordType::A,
                    });
                }
                Ok(Reading::NoData { .. }) => {}
                // A name server's name is never an alias (RFC 2181 section 10.3).
                Ok(_) => return Err(Failure::NoAddress),
                Err(Failure::Budget) => return Err(Failure::Budget),
                // Whoever is contradicted about one kind may have the only word on the other.
                Err(Failure::Disagreement) => return Err(Failure::AddressLookup),
                Err(_) => last = Failure::AddressLookup,
            }
        }
        Err(last)
    }
}
