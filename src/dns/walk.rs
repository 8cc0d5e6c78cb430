//! One check's walk: what it may spend, and how it asks one server.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::net::proto::dnssec::TrustAnchors;
use hickory_resolver::net::proto::op::{Message, ResponseCode};
use hickory_resolver::net::proto::rr::{Name, RecordType};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::budget::Budget;
use super::cache::Cache;
use super::exchange::{Answer, Exchange, QueryOptions, Question, Transport};
use super::flights::Flights;
use super::limits::{Asker, Limits, Permit};
use super::zone::NameServer;
use crate::model::evidence::{BrokenZone, Failure};
use crate::model::policy::NamePolicy;

/// Questions of one check under way at once.
const AT_ONCE: usize = 4;
/// Addresses of one name server that are waited for in vain.
const MAX_SILENT_ADDRESSES: usize = 2;

/// What all walks share.
pub struct Walker {
    pub exchange: Exchange,
    pub limits: Limits,
    pub cache: Cache,
    /// Delegations that are being found out, by the name below their registry.
    pub delegations: Flights<Name>,
    /// Name servers whose addresses are being looked up.
    pub hosts: Flights<Name>,
    pub policy: NamePolicy,
    /// The root servers, by name, each with its addresses.
    pub roots: Vec<NameServer>,
    /// Keys of the root zone; empty where it is not signed.
    pub anchors: Arc<TrustAnchors>,
    /// The port of servers that the DNS tells of.
    pub port: u16,
}

/// One check's walk.
pub struct Walk<'a> {
    pub walker: &'a Walker,
    asker: &'a Asker,
    pub budget: Budget,
    silent: Mutex<HashSet<SilentAddress>>,
    /// Addresses that it was in vain to wait for: other questions went first.
    busy: Mutex<HashSet<IpAddr>>,
    at_once: Arc<Semaphore>,
    broken: Mutex<Option<BrokenZone>>,
}

/// An address let a question of this check pass without an answer, and is not asked so again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct SilentAddress {
    address: SocketAddr,
    over_tcp: bool,
    /// Some servers answer everything but questions for IPv6 addresses, and are witnesses of all else.
    about_v6: bool,
}

/// What came of a question to one server.
#[derive(Debug)]
pub struct Reply<T> {
    /// The server's host name and address.
    pub server: Arc<str>,
    pub result: Result<T, Failure>,
}

impl<'a> Walk<'a> {
    #[must_use]
    pub fn new(walker: &'a Walker, time: Duration, asker: &'a Asker) -> Self {
        Self {
            walker,
            asker,
            budget: Budget::new(time),
            silent: Mutex::default(),
            busy: Mutex::default(),
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            broken: Mutex::default(),
        }
    }

    /// Waits for something as long as the check may last.
    pub async fn in_time<T>(&self, wait: impl Future<Output = T>) -> Result<T, Failure> {
        timeout_at(self.budget.deadline(), wait)
            .await
            .map_err(|_| Failure::Budget)
    }

    /// Waits for somebody else's work, and no longer than that should take: whoever holds it up holds
    /// up nobody but itself.
    pub async fn patiently<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        let patience = Instant::now() + self.walker.exchange.timeout() * 2;
        let until = patience.min(self.budget.deadline());
        timeout_at(until, wait).await.ok()
    }

    /// Asks one server, at one of its addresses after the other, until it gives an answer that
    /// `read` accepts.
    pub async fn query<T>(
        &self,
        zone: &Name,
        server: &NameServer,
        question: &Question,
        read: impl Fn(&Message) -> Result<T, Failure>,
    ) -> Reply<(Answer, T)> {
        let addresses = match &server.addresses {
            Ok(addresses) => addresses,
            Err(failure) => {
                return Reply {
                    server: Arc::clone(&server.host),
                    result: Err(*failure),
                };
            }
        };
        let mut last = (&server.host, Failure::NoAddress);
        let mut waited = 0;
        for address in addresses {
            match self.query_at(zone, address.socket, question, &read).await {
                Ok(answer) => {
                    return Reply {
                        server: Arc::clone(&address.shown),
                        result: Ok(answer),
                    };
                }
                Err(failure) => last = (&address.shown, failure),
            }
            waited += usize::from(last.1.is_silence());
            if last.1 == Failure::Budget || waited == MAX_SILENT_ADDRESSES {
                break;
            }
        }
        Reply {
            server: Arc::clone(last.0),
            result: Err(last.1),
        }
    }

    async fn query_at<T>(
        &self,
        zone: &Name,
        address: SocketAddr,
        question: &Question,
        read: &impl Fn(&Message) -> Result<T, Failure>,
    ) -> Result<(Answer, T), Failure> {
        let over_tcp = question.transport() == Transport::Tcp;
        let about_v6 = question.kind() == RecordType::AAAA;
        let silence = |over_tcp, about_v6| SilentAddress {
            address,
            over_tcp,
            about_v6,
        };
        let was_silent = |about_v6| self.silent().contains(&silence(over_tcp, about_v6));
        if was_silent(false) || about_v6 && was_silent(true) {
            return Err(in_vain(over_tcp));
        }
        self.budget.question()?;
        let answer = self.query_in_turn(zone, address, question, read).await;
        if matches!(&answer, Err(failure) if failure.is_silence()) {
            if Instant::now() >= self.budget.deadline() {
                return Err(Failure::Budget);
            }
            let mut silent = self.silent();
            // Over UDP it was tried over TCP as well.
            silent.extend([over_tcp, true].map(|over_tcp| silence(over_tcp, about_v6)));
        }
        answer
    }

    /// Waits until it may ask. A server that never answered for the zone counts as silent.
    async fn query_in_turn<T>(
        &self,
        zone: &Name,
        address: SocketAddr,
        question: &Question,
        read: &impl Fn(&Message) -> Result<T, Failure>,
    ) -> Result<(Answer, T), Failure> {
        let limits = &self.walker.limits;
        let free = limits.free_turn(self.asker, &self.at_once, zone, address.ip());
        let mut permit = match free {
            Some(permit) => permit,
            // Boxed, because it is large and seldom.
            None => Box::pin(self.in_time(self.turn(zone, address.ip()))).await??,
        };
        let exchange = &self.walker.exchange;
        let deadline = self.budget.deadline();
        let answer = exchange.ask(address, question, deadline).await?;
        permit.replied();
        self.budget.octets(answer.wire.len())?;
        let reading = read(&answer.message)?;
        permit.answered();
        Ok((answer, reading))
    }

    /// Waits for the turn to ask an address that owes answers, most of the time that is left.
    async fn turn(&self, zone: &Name, ip: IpAddr) -> Result<Permit, Failure> {
        let busy = || self.busy.lock();
        let now = Instant::now();
        let left = self.budget.deadline().saturating_duration_since(now);
        let patience = if busy().contains(&ip) {
            Duration::ZERO
        } else {
            left * 3 / 4
        };
        let limits = &self.walker.limits;
        let until = now + patience;
        let permit = limits
            .turn(self.asker, &self.at_once, zone, ip, until)
            .await;
        permit.ok_or_else(|| {
            busy().insert(ip);
            Failure::NotAsked
        })
    }

    /// Remembers the first zone whose signatures do not hold.
    pub fn note_broken(&self, broken: &BrokenZone) {
        if broken.failure.is_of_dnssec() {
            let mut noted = self.broken.lock();
            noted.get_or_insert_with(|| broken.clone());
        }
    }

    #[must_use]
    pub fn broken(&self) -> Option<BrokenZone> {
        let noted = self.broken.lock();
        noted.clone()
    }

    fn silent(&self) -> MutexGuard<'_, HashSet<SilentAddress>> {
        self.silent.lock()
    }
}

fn in_vain(over_tcp: bool) -> Failure {
    if over_tcp {
        Failure::NoTcp
    } else {
        Failure::Timeout
    }
}

/// A question to an authoritative server.
pub fn question(name: &Name, kind: RecordType, transport: Transport, signatures: bool) -> Question {
    let options = QueryOptions {
        transport,
        recursion_desired: false,
        signatures,
    };
    Question::new(name, kind, options)
}

/// Any answer that a server gives for a zone of its own.
pub fn with_authority(answer: &Message) -> Result<(), Failure> {
    match answer.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain if answer.metadata.authoritative => Ok(()),
        ResponseCode::NoError | ResponseCode::NXDomain => Err(Failure::Lame),
        ResponseCode::ServFail => Err(Failure::ServFail),
        ResponseCode::Refused => Err(Failure::Refused),
        ResponseCode::FormErr => Err(Failure::FormErr),
        ResponseCode::NotImp => Err(Failure::NotImp),
        _ => Err(Failure::OtherCode),
    }
}
