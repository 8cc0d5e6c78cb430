//! Finds the zone of a name and its servers by walking down from the root.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, join_all};
use hickory_resolver::net::proto::dnssec::TrustAnchors;
use hickory_resolver::net::proto::op::{Message, ResponseCode};
use hickory_resolver::net::proto::rr::{Name, RecordType};
use rand::seq::SliceRandom;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::answer::{Reading, Referral, read_authoritative, shown};
use super::budget::{Budget, MAX_ADDRESSES, MAX_SERVERS};
use super::cache::{Cache, MAX_AGE};
use super::dnssec::{Chain, Delegation, Keys};
use super::exchange::{Answer, Exchange, Manner, Question, Transport};
use super::limits::Limits;
use crate::model::agreement::{Agreement, Weight, agree};
use crate::model::evidence::{Failure, Outcome, Security, ServerAnswer, Step, Unreached};
use crate::model::policy::NamePolicy;

/// Servers of a registry that are asked; they are one organization's and say the same.
const REGISTRY_SERVERS: usize = 4;
/// Questions of one check under way at once. All that one namespace may have under way, three
/// quarters of the workers' checks, leave room among all that are under way to all servers.
const AT_ONCE: usize = 4;
/// Addresses of one name server that are waited for in vain.
const MAX_SILENT_ADDRESSES: usize = 2;
/// Name servers whose addresses need name servers whose addresses need ..., so deep.
const MAX_DEPTH: u8 = 3;

/// What all walks share.
pub struct Walker {
    pub exchange: Exchange,
    pub limits: Limits,
    pub cache: Cache,
    pub policy: NamePolicy,
    /// The root servers, by name, each with its addresses.
    pub roots: Vec<NameServer>,
    /// Keys of the root zone; empty where it is not signed.
    pub anchors: Arc<TrustAnchors>,
    /// The port of servers that the DNS tells of.
    pub port: u16,
}

/// A zone, as its parent delegates it.
#[derive(Debug)]
pub struct Zone {
    pub name: Name,
    pub servers: Vec<NameServer>,
    pub chain: Chain,
    /// Whether an address of a server was found without all who were asked for it.
    pub partial: bool,
    /// Whether it registers names for others, so that one server's referral is enough.
    registry: bool,
}

/// A host name of a delegation.
#[derive(Clone, Debug)]
pub struct NameServer {
    pub host: Arc<str>,
    /// Where to ask it, or why it cannot be asked.
    pub addresses: Result<Vec<Address>, Failure>,
}

/// An address of a name server.
#[derive(Clone, Debug)]
pub struct Address {
    pub socket: SocketAddr,
    /// The host name with it, as a person is told of it.
    shown: Arc<str>,
}

/// What one server told.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its host name and address.
    pub server: Arc<str>,
    pub told: Result<(Reading, Security), Failure>,
}

/// One question put to all servers of a zone.
#[derive(Clone, Debug)]
pub struct Asked {
    pub zone: Arc<Zone>,
    pub told: Vec<Told>,
}

/// A question asked from a zone downwards until no cut lies between.
pub struct Descent {
    /// Each but the last led to a cut.
    pub asked: Vec<Asked>,
    /// What the servers of the last zone agree on, or why they do not.
    pub end: Result<Reading, Failure>,
    pub weight: Weight,
}

/// Why no way leads to a zone.
#[derive(Debug)]
pub struct NoWay {
    pub failure: Failure,
    /// The zone none of whose servers helped, where it was for that.
    pub unreached: Option<Unreached>,
}

impl NoWay {
    fn at(zone: &Name, name: &Name, failed: Vec<(Arc<str>, Failure)>) -> Self {
        let failure = failed.last().map_or(Failure::Unreachable, |last| last.1);
        let answers = failed.into_iter().map(|(server, failure)| ServerAnswer {
            server,
            outcome: Outcome::Failed(failure),
        });
        Self {
            failure,
            unreached: Some(Unreached {
                zone: shown(zone),
                step: Step {
                    name: shown(name),
                    answers: answers.collect(),
                },
            }),
        }
    }
}

impl From<Failure> for NoWay {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            unreached: None,
        }
    }
}

impl From<NoWay> for Failure {
    fn from(no_way: NoWay) -> Self {
        no_way.failure
    }
}

/// One check's walk.
pub struct Walk<'a> {
    walker: &'a Walker,
    budget: Budget,
    /// Addresses that let a question of this check pass without an answer; they are not asked again.
    silent: Mutex<HashSet<SocketAddr>>,
    at_once: Semaphore,
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
        }
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

    fn question(&self, name: &Name, kind: RecordType, transport: Transport) -> Question {
        let signatures = !matches!(self.chain, Chain::Insecure);
        question(name, kind, transport, signatures)
    }
}

impl<'a> Walk<'a> {
    #[must_use]
    pub fn new(walker: &'a Walker, time: Duration) -> Self {
        Self {
            walker,
            budget: Budget::new(time),
            silent: Mutex::default(),
            at_once: Semaphore::new(AT_ONCE),
        }
    }

    /// The zone from which on the servers must agree: the first on the way to the name that no
    /// registry keeps, or the registry's own where it delegates nothing.
    ///
    /// All of this goes over TCP: it is remembered for a while, and must not be forged by somebody
    /// who only guesses ports.
    pub fn zone_for<'b>(
        &'b self,
        name: &'b Name,
        depth: u8,
    ) -> BoxFuture<'b, Result<Arc<Zone>, NoWay>> {
        async move {
            let mut zone = match self.walker.cache.closest(name) {
                Some(zone) => zone,
                None => self.root().await?,
            };
            while zone.registry {
                let Reading::Referral(referral) = self.ask_registry(&zone, name).await? else {
                    break;
                };
                let ttl = Duration::from_secs(referral.ttl.into());
                let child = Arc::new(self.enter(&zone, referral, Transport::Tcp, depth).await?);
                if child.is_settled() {
                    self.walker.cache.keep_zone(&child, ttl);
                }
                zone = child;
            }
            Ok(zone)
        }
        .boxed()
    }

    async fn root(&self) -> Result<Arc<Zone>, NoWay> {
        let mut zone = Zone {
            name: Name::root(),
            servers: self.walker.roots.clone(),
            chain: Chain::Insecure,
            partial: false,
            registry: true,
        };
        if !self.walker.anchors.is_empty() {
            let mut failed = Vec::new();
            let mut found = None;
            for server in in_any_order(&zone.servers) {
                let read = self.keys_at(&zone.name, server, Transport::Tcp).await;
                let keys = match read.told {
                    Ok((dnskey, ())) => Keys::of_root(&self.walker.anchors, &dnskey.message).await,
                    Err(failure) => Err(failure),
                };
                match keys {
                    Ok(keys) => {
                        found = Some(keys);
                        break;
                    }
                    Err(failure) => failed.push((read.server, failure)),
                }
            }
            let keys = found.ok_or_else(|| NoWay::at(&zone.name, &zone.name, failed))?;
            zone.chain = Chain::Secure(Arc::new(keys));
        }
        let zone = Arc::new(zone);
        self.walker.cache.keep_zone(&zone, MAX_AGE);
        Ok(zone)
    }

    /// What any one server of a registry says of the name.
    async fn ask_registry(&self, zone: &Zone, name: &Name) -> Result<Reading, NoWay> {
        let mut failed = Vec::new();
        let question = zone.question(name, RecordType::TXT, Transport::Tcp);
        for server in in_any_order(&zone.servers) {
            let read =
                |answer: &Message| read_authoritative(answer, &zone.name, name, RecordType::TXT);
            let answer = self.put(&zone.name, server, &question, read).await;
            match answer.told {
                Ok((_, reading)) => return Ok(reading),
                Err(failure) => failed.push((answer.server, failure)),
            }
        }
        Err(NoWay::at(&zone.name, name, failed))
    }

    /// Asks from this zone downwards. At every cut all servers must say the same of it.
    pub async fn descend(
        &self,
        zone: Arc<Zone>,
        name: &Name,
        kind: RecordType,
        transport: Transport,
        depth: u8,
    ) -> Descent {
        let mut zone = zone;
        let mut weight = Weight::Complete;
        let mut asked = Vec::new();
        loop {
            if zone.partial {
                weight = Weight::Partial;
            }
            let told = self.ask_all(&zone, name, kind, transport).await;
            let agreed = agree(told.iter().map(|one| {
                let (reading, _) = one.told.as_ref().ok()?;
                Some(Essence(reading))
            }));
            let failure = first_failure(&told);
            let agreed = match agreed {
                Agreement::Agreed(Essence(reading), of_zone) => {
                    weight = weight.min(of_zone);
                    Ok(reading.clone())
                }
                Agreement::Disagreement => Err(Failure::Disagreement),
                Agreement::TooFew => Err(failure),
            };
            asked.push(Asked {
                zone: Arc::clone(&zone),
                told,
            });
            match agreed {
                Ok(Reading::Referral(referral)) => {
                    // Boxed, because it is large and seldom: a check's future stays small.
                    let child = Box::pin(self.enter(&zone, referral, transport, depth));
                    match child.await {
                        Ok(child) => zone = Arc::new(child),
                        Err(failure) => {
                            return Descent {
                                asked,
                                end: Err(failure),
                                weight,
                            };
                        }
                    }
                }
                end => {
                    return Descent { asked, end, weight };
                }
            }
        }
    }

    /// What one server says of a name; nothing rests on it.
    pub async fn ask_one(&self, zone: &Zone, server: &NameServer, name: &Name) -> Told {
        let kind = RecordType::TXT;
        let read = |answer: &Message| read_authoritative(answer, &zone.name, name, kind);
        let question = zone.question(name, kind, Transport::Any);
        let answer = self.put(&zone.name, server, &question, read).await;
        Told {
            server: answer.server,
            told: answer.told.map(|(_, reading)| (reading, Security::Unknown)),
        }
    }

    async fn ask_all(
        &self,
        zone: &Zone,
        name: &Name,
        kind: RecordType,
        transport: Transport,
    ) -> Vec<Told> {
        let read = |answer: &Message| read_authoritative(answer, &zone.name, name, kind);
        let question = zone.question(name, kind, transport);
        let asked = zone.asked().iter();
        let answers: Vec<Read<Reading>> =
            join_all(asked.map(|server| self.put(&zone.name, server, &question, read))).await;
        let mut deeper = None;
        let mut told = Vec::with_capacity(answers.len());
        for answer in answers {
            let validated = match answer.told {
                Err(failure) => Err(failure),
                Ok((answer, reading)) => self
                    .validate(zone, name, kind, &answer, &reading, transport, &mut deeper)
                    .await
                    .map(|security| (reading, security)),
            };
            told.push(Told {
                server: answer.server,
                told: validated,
            });
        }
        told
    }

    /// A referral is as secure as the delegation it leads to; everything else must be signed by its
    /// zone, or by one between zone and name that the same servers keep.
    #[expect(clippy::too_many_arguments)]
    async fn validate(
        &self,
        zone: &Zone,
        name: &Name,
        kind: RecordType,
        answer: &Answer,
        reading: &Reading,
        transport: Transport,
        deeper: &mut Option<Chain>,
    ) -> Result<Security, Failure> {
        let keys = match &zone.chain {
            Chain::Insecure => return Ok(Security::Insecure),
            Chain::Broken(failure) => return Err(*failure),
            Chain::Secure(keys) => keys,
        };
        if matches!(reading, Reading::Referral(_)) {
            return Ok(Security::Secure);
        }
        let failure = match keys.validate(name, kind, answer, reading).await {
            Ok(security) => return Ok(security),
            Err(failure) => failure,
        };
        if deeper.is_none() {
            // Boxed, because it is large and seldom.
            let chain = Box::pin(self.chain_to(zone, keys, name, None, transport));
            *deeper = Some(chain.await);
        }
        match deeper {
            Some(Chain::Secure(keys)) => keys.validate(name, kind, answer, reading).await,
            Some(Chain::Insecure) => Ok(Security::Insecure),
            _ => Err(failure),
        }
    }

    /// The zone that a referral leads to.
    async fn enter(
        &self,
        zone: &Zone,
        referral: Referral,
        transport: Transport,
        depth: u8,
    ) -> Result<Zone, Failure> {
        if referral.hosts.len() > MAX_SERVERS {
            return Err(Failure::Budget);
        }
        let cut = &referral.cut;
        let found = join_all(
            referral
                .hosts
                .into_iter()
                .map(|(host, glue)| self.name_server(cut, host, glue, transport, depth)),
        )
        .await;
        let partial = found.iter().any(|(_, weight)| *weight == Weight::Partial);
        let servers: Vec<NameServer> = found.into_iter().map(|(server, _)| server).collect();
        let chain = match &zone.chain {
            Chain::Secure(keys) => {
                self.chain_to(zone, keys, cut, Some(&servers), transport)
                    .await
            }
            chain => chain.clone(),
        };
        Ok(Zone {
            registry: self.walker.policy.is_registry(&shown(cut)),
            name: referral.cut,
            servers,
            chain,
            partial,
        })
    }

    async fn name_server(
        &self,
        cut: &Name,
        host: Name,
        glue: Vec<IpAddr>,
        transport: Transport,
        depth: u8,
    ) -> (NameServer, Weight) {
        let mut weight = Weight::Complete;
        let found = if !glue.is_empty() {
            Ok(glue)
        } else if cut.zone_of(&host) {
            // Nobody but the zone itself could tell, and the way there is what is looked for.
            Err(Failure::NoAddress)
        } else {
            match self.addresses_of(cut, &host, transport, depth).await {
                Ok((addresses, of_host)) => {
                    weight = of_host;
                    Ok(addresses.to_vec())
                }
                Err(failure) => Err(failure),
            }
        };
        let permitted = found.and_then(|addresses| self.permitted(&addresses));
        (NameServer::new(&shown(&host), permitted), weight)
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
    async fn addresses_of(
        &self,
        cut: &Name,
        host: &Name,
        transport: Transport,
        depth: u8,
    ) -> Result<(Arc<[IpAddr]>, Weight), Failure> {
        let from_internal = self.walker.policy.is_internal(&shown(cut));
        if !self.walker.policy.admits(&shown(host), from_internal) {
            return Err(Failure::NotPublicName);
        }
        if let Some(addresses) = self.walker.cache.host(host) {
            return Ok((addresses, Weight::Complete));
        }
        if depth == MAX_DEPTH {
            return Err(Failure::Budget);
        }
        self.budget.glueless()?;
        let zone = self.zone_for(host, depth + 1).await?;
        let of_kind = |kind| self.descend(Arc::clone(&zone), host, kind, transport, depth + 1);
        let found = join_all([of_kind(RecordType::A), of_kind(RecordType::AAAA)]).await;
        let mut weight = Weight::Complete;
        let mut addresses = Vec::new();
        for descent in found {
            weight = weight.min(descent.weight);
            match descent.end? {
                Reading::Addresses(of_kind) => addresses.extend(of_kind),
                // A name server's name is never an alias (RFC 2181 section 10.3).
                Reading::Alias { .. } => return Err(Failure::NoAddress),
                _ => {}
            }
        }
        if addresses.is_empty() {
            return Err(Failure::NoAddress);
        }
        let addresses: Arc<[IpAddr]> = addresses.into();
        if transport == Transport::Tcp && weight == Weight::Complete {
            let (host, addresses) = (host.clone(), Arc::clone(&addresses));
            self.walker.cache.keep_host(host, addresses, MAX_AGE);
        }
        Ok((addresses, weight))
    }

    /// The chain of trust from a zone down to a name: to the cut whose servers are given, else to
    /// the deepest zone on the way that the zone's own servers keep too.
    async fn chain_to(
        &self,
        zone: &Zone,
        keys: &Arc<Keys>,
        name: &Name,
        child: Option<&[NameServer]>,
        transport: Transport,
    ) -> Chain {
        let mut keys = Arc::clone(keys);
        let from = zone.name.iter().count() + 1;
        for labels in from..=name.iter().count() {
            let step = name.trim_to(labels);
            let at_cut = child.filter(|_| step == *name);
            let (ds, delegation) = match self.delegation_at(zone, &keys, &step, transport).await {
                Ok(found) => found,
                Err(failure) => return Chain::Broken(failure),
            };
            match delegation {
                Delegation::NotSigned => return Chain::Insecure,
                Delegation::NoCut if at_cut.is_some() => return Chain::Broken(Failure::Bogus),
                Delegation::NoCut => {}
                Delegation::Signed => {
                    let servers = at_cut.unwrap_or(&zone.servers);
                    match self.child_keys(&keys, &step, &ds, servers, transport).await {
                        Chain::Secure(of_child) => keys = of_child,
                        other => return other,
                    }
                }
            }
        }
        Chain::Secure(keys)
    }

    async fn delegation_at(
        &self,
        zone: &Zone,
        keys: &Keys,
        name: &Name,
        transport: Transport,
    ) -> Result<(Message, Delegation), Failure> {
        let question = zone.question(name, RecordType::DS, transport);
        let mut failure = Failure::Unreachable;
        for server in zone.servers.iter().take(REGISTRY_SERVERS) {
            let told = self
                .put(&zone.name, server, &question, with_authority)
                .await
                .told;
            let proven = match told {
                Ok((Answer { message: ds, .. }, ())) => {
                    keys.delegation(name, &ds).await.map(|found| (ds, found))
                }
                Err(of_server) => Err(of_server),
            };
            match proven {
                Ok(found) => return Ok(found),
                Err(of_server) => failure = of_server,
            }
        }
        Err(failure)
    }

    async fn child_keys(
        &self,
        keys: &Keys,
        child: &Name,
        ds: &Message,
        servers: &[NameServer],
        transport: Transport,
    ) -> Chain {
        let mut failure = Failure::Unreachable;
        for server in servers.iter().take(REGISTRY_SERVERS) {
            let chain = match self.keys_at(child, server, transport).await.told {
                Ok((dnskey, ())) => keys.of_child(child, ds, &dnskey.message).await,
                Err(of_server) => Err(of_server),
            };
            match chain {
                Ok(chain) => return chain,
                Err(of_server) => failure = of_server,
            }
        }
        Chain::Broken(failure)
    }

    async fn keys_at(&self, zone: &Name, server: &NameServer, transport: Transport) -> Read<()> {
        let question = question(zone, RecordType::DNSKEY, transport, true);
        self.put(zone, server, &question, with_authority).await
    }

    /// Puts a question to one server, at one of its addresses after the other, until it gives an
    /// answer that `read` accepts.
    async fn put<T>(
        &self,
        zone: &Name,
        server: &NameServer,
        question: &Question,
        read: impl Fn(&Message) -> Result<T, Failure>,
    ) -> Read<T> {
        let addresses = match &server.addresses {
            Ok(addresses) => addresses,
            Err(failure) => {
                return Read {
                    server: Arc::clone(&server.host),
                    told: Err(*failure),
                };
            }
        };
        let mut last = (&server.host, Failure::NoAddress);
        let mut waited = 0;
        for address in addresses {
            match self.put_to(zone, &address.socket, question, &read).await {
                Ok(told) => {
                    return Read {
                        server: Arc::clone(&address.shown),
                        told: Ok(told),
                    };
                }
                Err(failure) => last = (&address.shown, failure),
            }
            waited += usize::from(last.1 == Failure::Timeout);
            if last.1 == Failure::Budget || waited == MAX_SILENT_ADDRESSES {
                break;
            }
        }
        Read {
            server: Arc::clone(last.0),
            told: Err(last.1),
        }
    }

    async fn put_to<T>(
        &self,
        zone: &Name,
        address: &SocketAddr,
        question: &Question,
        read: &impl Fn(&Message) -> Result<T, Failure>,
    ) -> Result<(Answer, T), Failure> {
        if self.silent().contains(address) {
            return Err(Failure::Timeout);
        }
        self.budget.question()?;
        let told = self.put_in_turn(zone, address, question, read).await;
        if matches!(told, Err(Failure::Timeout)) {
            if Instant::now() >= self.budget.deadline() {
                return Err(Failure::Budget);
            }
            self.silent().insert(*address);
        }
        told
    }

    /// Waits until it may ask. A server that never answered for the zone counts as silent.
    async fn put_in_turn<T>(
        &self,
        zone: &Name,
        address: &SocketAddr,
        question: &Question,
        read: &impl Fn(&Message) -> Result<T, Failure>,
    ) -> Result<(Answer, T), Failure> {
        let deadline = self.budget.deadline();
        let turn = async {
            let turn = self.at_once.acquire().await;
            (turn, self.walker.limits.ask(zone, address.ip()).await)
        };
        let turn = timeout_at(deadline, turn).await;
        let (_turn, leave) = turn.map_err(|_| Failure::Budget)?;
        let mut leave = leave.ok_or(Failure::Timeout)?;
        let exchange = &self.walker.exchange;
        let answer = exchange.ask(*address, question, deadline).await?;
        leave.heard();
        self.budget.octets(answer.wire.len())?;
        let reading = read(&answer.message)?;
        leave.answered();
        Ok((answer, reading))
    }

    fn silent(&self) -> MutexGuard<'_, HashSet<SocketAddr>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Read<T> {
    server: Arc<str>,
    told: Result<(Answer, T), Failure>,
}

impl Zone {
    /// Whether asking again would find nothing else.
    fn is_settled(&self) -> bool {
        !self.partial
            && !matches!(self.chain, Chain::Broken(_))
            && self.servers.iter().all(|server| server.addresses.is_ok())
    }
}

/// What servers must agree on: the way to go. What stands at the name itself is compared by whoever
/// asked for it, except for addresses.
struct Essence<'a>(&'a Reading);

impl PartialEq for Essence<'_> {
    fn eq(&self, other: &Self) -> bool {
        use Reading::{Addresses, Alias, NoData, NxDomain, Referral, Texts};
        match (self.0, other.0) {
            (Alias { target: a, .. }, Alias { target: b, .. }) => a == b,
            (Referral(a), Referral(b)) => a == b,
            (Addresses(a), Addresses(b)) => a == b,
            (Texts(_) | NoData | NxDomain, Texts(_) | NoData | NxDomain) => true,
            _ => false,
        }
    }
}

fn first_failure(told: &[Told]) -> Failure {
    told.iter()
        .find_map(|one| one.told.as_ref().err().copied())
        .unwrap_or(Failure::NoAddress)
}

fn question(name: &Name, kind: RecordType, transport: Transport, signatures: bool) -> Question {
    let manner = Manner {
        transport,
        recursion_desired: false,
        signatures,
    };
    Question::new(name, kind, manner)
}

/// Any answer that a server gives for a zone of its own.
fn with_authority(answer: &Message) -> Result<(), Failure> {
    match answer.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain if answer.metadata.authoritative => Ok(()),
        ResponseCode::NoError | ResponseCode::NXDomain => Err(Failure::Lame),
        ResponseCode::ServFail => Err(Failure::ServFail),
        ResponseCode::Refused => Err(Failure::Refused),
        _ => Err(Failure::OtherCode),
    }
}

/// A registry's load is spread over its servers.
fn in_any_order(servers: &[NameServer]) -> impl Iterator<Item = &NameServer> {
    let mut servers: Vec<&NameServer> = servers.iter().collect();
    servers.shuffle(&mut rand::rng());
    servers.into_iter().take(REGISTRY_SERVERS)
}
