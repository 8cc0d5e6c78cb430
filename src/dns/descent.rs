//! Asks all servers of a zone, and those of the zones below it, until no cut lies between.

use std::net::IpAddr;
use std::sync::Arc;

use futures::future::join_all;
use hickory_resolver::net::proto::op::Message;
use hickory_resolver::net::proto::rr::{Name, RecordType};

use super::answer::{Reading, Referral, read_authoritative, shown};
use super::dnssec::Chain;
use super::exchange::{Answer, Transport};
use super::path::{Needed, Path};
use super::walk::{Reply, Walk, question};
use super::zone::{Delegation, NameServer, Zone};
use crate::model::agreement::{Agreement, Weight, agree};
use crate::model::evidence::{Failure, Security};

/// One question put to all servers of a zone.
#[derive(Debug)]
pub struct Asked {
    pub zone: Arc<Zone>,
    pub replies: Vec<Reply<(Said, Security)>>,
}

/// What one server says.
#[derive(Clone, Debug)]
pub enum Said {
    Reading(Reading),
    /// It has the zone below a cut too, and answers for that at once, where others refer to it.
    Below(Arc<Referral>),
}

/// A question asked from a zone downwards until no cut lies between.
pub struct Descent {
    /// Each but the last led to a cut.
    pub asked: Vec<Asked>,
    /// What the servers of the last zone agree on, or why they do not.
    pub end: Result<Reading, Failure>,
    pub weight: Weight,
}

impl Walk<'_> {
    /// Asks from this zone downwards. At every cut all servers must say the same of it.
    pub async fn descend(
        &self,
        zone: Arc<Zone>,
        name: &Name,
        kind: RecordType,
        transport: Transport,
        path: Path<'_>,
    ) -> Descent {
        let mut zone = zone;
        let mut weight = Weight::Complete;
        let mut asked = Vec::new();
        let end = loop {
            if zone.partial {
                weight = Weight::Partial;
            }
            let (replies, agreed) = self.consult(&zone, (name, kind), transport, path).await;
            let is_below =
                |reply: &Reply<(Said, Security)>| matches!(reply.result, Ok((Said::Below(_), _)));
            let all_refer = !replies.iter().any(is_below);
            asked.push(Asked {
                zone: Arc::clone(&zone),
                replies,
            });
            let referral = match agreed {
                Ok((Reading::Referral(referral), of_zone)) => {
                    weight = weight.min(of_zone);
                    referral
                }
                Ok((reading, of_zone)) => {
                    weight = weight.min(of_zone);
                    break Ok(reading);
                }
                Err(failure) => break Err(failure),
            };
            // Where a server answers itself, its answer and the address must agree in the zone below.
            if kind != RecordType::TXT
                && all_refer
                && let Some(ips) = glue_of(&referral, name)
            {
                break Ok(Reading::Addresses(ips));
            }
            // Boxed, because it is large and seldom: a check's future stays small.
            let child = Box::pin(self.enter(&zone, referral, kind, transport, path));
            match child.await {
                Ok(child) => zone = child,
                Err(failure) => break Err(failure),
            }
        };
        Descent { asked, end, weight }
    }

    /// What one server says of a name; nothing rests on it.
    pub async fn ask_one(&self, zone: &Zone, server: &NameServer, name: &Name) -> Reply<Reading> {
        let kind = RecordType::TXT;
        let read = |answer: &Message| read_authoritative(answer, &zone.name, name, kind);
        let question = question(name, kind, Transport::AnyLowerCase, false);
        let reply = self.query(&zone.name, server, &question, read).await;
        Reply {
            server: reply.server,
            result: reply.result.map(|(_, reading)| reading),
        }
    }

    /// Asks all servers of a zone, and holds against each other what they say.
    async fn consult(
        &self,
        zone: &Zone,
        asked: (&Name, RecordType),
        transport: Transport,
        path: Path<'_>,
    ) -> (
        Vec<Reply<(Said, Security)>>,
        Result<(Reading, Weight), Failure>,
    ) {
        let mut replies = self.ask_all(zone, asked, transport, path).await;
        let (name, _) = asked;
        for reply in &mut replies {
            if let Ok((_, Reading::NoSuchZone { above })) = &reply.result
                && !zone.way.contains(above)
            {
                // It has neither this zone nor one that led here, and knows nothing.
                reply.result = Err(Failure::NegativeWithoutSoa);
            }
        }
        let mut referrals: Vec<&Referral> = replies
            .iter()
            .filter_map(|reply| match &reply.result {
                Ok((_, Reading::Referral(referral))) => Some(referral),
                _ => None,
            })
            .collect();
        // A server that has the child too may refer to a zone below that at once.
        let labels = |referral: &Referral| referral.cut.iter().count();
        let next = referrals.iter().map(|referral| labels(referral)).min();
        referrals.retain(|referral| Some(labels(referral)) == next);
        let of_all = Referral::of_all(&referrals);
        let contradictory = !referrals.is_empty() && of_all.is_none();
        let mut known = of_all;
        if let Some(referral) = &mut known {
            for (server, reply) in zone.asked().iter().zip(&replies) {
                if let Ok((_, reading)) = &reply.result
                    && has_child(reading, referral, server, name)
                {
                    // It was heard of the zone below, too.
                    for ip in server.ips() {
                        self.walker.limits.vouch(&referral.cut, ip);
                    }
                    // It answered at these addresses; the referral may lie about them.
                    let host = |entry: &&mut (Name, _)| *shown(&entry.0) == *server.host;
                    if let Some((_, glue)) = referral.hosts.iter_mut().find(host) {
                        *glue = server.ips().collect();
                    }
                }
            }
        }
        let known = known.map(Arc::new);
        let mut deeper = None;
        let mut said = Vec::with_capacity(replies.len());
        for (server, reply) in zone.asked().iter().zip(replies) {
            let below = match (&reply.result, &known) {
                (Ok((_, reading)), Some(referral))
                    if has_child(reading, referral, server, name) =>
                {
                    Some(Arc::clone(referral))
                }
                _ => None,
            };
            let result = match (reply.result, below) {
                (Err(failure), _) => Err(failure),
                // As secure as the delegation that it leads to.
                (Ok(_), Some(referral)) => self
                    .referral_security(zone)
                    .map(|security| (Said::Below(referral), security)),
                (Ok((_, reading @ Reading::Referral(_))), None) => self
                    .referral_security(zone)
                    .map(|security| (Said::Reading(reading), security)),
                (Ok((answer, reading)), None) => self
                    .validate(zone, asked, (&answer, &reading), transport, &mut deeper)
                    .await
                    .map(|security| (Said::Reading(reading), security)),
            };
            said.push(Reply {
                server: reply.server,
                result,
            });
        }
        let agreed = if contradictory {
            Err(Failure::Disagreement)
        } else {
            consensus(&said, known.as_deref())
        };
        (said, agreed)
    }

    async fn ask_all(
        &self,
        zone: &Zone,
        (name, kind): (&Name, RecordType),
        transport: Transport,
        path: Path<'_>,
    ) -> Vec<Reply<(Answer, Reading)>> {
        let read = |answer: &Message| read_authoritative(answer, &zone.name, name, kind);
        let signatures = !matches!(zone.chain, Chain::Insecure);
        let question = question(name, kind, transport, signatures);
        let asked = zone.asked().iter().map(async |server| {
            let reply = self.query(&zone.name, server, &question, read).await;
            match (&reply.result, &server.without_v6) {
                (Err(failure), Some(host))
                    if failure.is_silence() || *failure == Failure::Unreachable =>
                {
                    // Boxed, because it is large and seldom.
                    let over_v6 = Box::pin(self.over_v6(host, path)).await;
                    match over_v6 {
                        Some(server) => self.query(&zone.name, &server, &question, read).await,
                        None => reply,
                    }
                }
                _ => reply,
            }
        });
        join_all(asked).await
    }

    async fn enter(
        &self,
        zone: &Zone,
        referral: Referral,
        kind: RecordType,
        transport: Transport,
        path: Path<'_>,
    ) -> Result<Arc<Zone>, Failure> {
        let trust = self.trust_of(zone, &referral.cut, transport).await;
        let registry = self.walker.policy.is_registry(&shown(&referral.cut));
        let way = zone.way.iter().chain([&zone.name]).cloned().collect();
        let child = Delegation::new(referral, registry, trust, way);
        let needed = if kind == RecordType::TXT {
            Needed::All
        } else {
            Needed::Some
        };
        self.open(&child, needed, transport, path).await
    }
}

/// What must be agreed on: the way to go. What stands at the name itself is compared by whoever
/// asked for it, except for addresses.
struct Consensus<'a>(&'a Reading);

impl PartialEq for Consensus<'_> {
    fn eq(&self, other: &Self) -> bool {
        use Reading::{Addresses, Alias, NoData, NoSuchZone, NxDomain, Referral, Texts};
        match (self.0, other.0) {
            (Alias { target: a, .. }, Alias { target: b, .. }) => a == b,
            (Addresses(a), Addresses(b)) => a == b,
            // Referrals were held against each other before.
            (Referral(_), Referral(_))
            | (NoSuchZone { .. }, NoSuchZone { .. })
            | (
                Texts(_) | NoData { .. } | NxDomain { .. },
                Texts(_) | NoData { .. } | NxDomain { .. },
            ) => true,
            _ => false,
        }
    }
}

fn consensus(
    said: &[Reply<(Said, Security)>],
    known: Option<&Referral>,
) -> Result<(Reading, Weight), Failure> {
    let below = known.map(|referral| Reading::Referral(referral.clone()));
    let agreed = agree(said.iter().map(|reply| match &reply.result {
        Ok((Said::Reading(Reading::Referral(_)) | Said::Below(_), _)) => {
            below.as_ref().map(Consensus)
        }
        Ok((Said::Reading(reading), _)) => Some(Consensus(reading)),
        Err(_) => None,
    }));
    match agreed {
        Agreement::Agreed(Consensus(reading), weight) => Ok((reading.clone(), weight)),
        Agreement::Disagreement => Err(Failure::Disagreement),
        Agreement::TooFew => Err(said
            .iter()
            .find_map(|reply| reply.result.as_ref().err().copied())
            .unwrap_or(Failure::NoAddress)),
    }
}

/// Whether an answer may be of the zone at the cut that other servers refer to, and comes from one
/// of that zone's own servers. It is asked again there, beside all others of them.
fn has_child(reading: &Reading, referral: &Referral, server: &NameServer, name: &Name) -> bool {
    let fits = match reading {
        Reading::Referral(deeper) => {
            deeper.cut != referral.cut && referral.cut.zone_of(&deeper.cut)
        }
        Reading::NoData { zone } | Reading::NxDomain { zone } => referral.cut.zone_of(zone),
        Reading::NoSuchZone { .. } => false,
        Reading::Texts(_) | Reading::Addresses(_) => true,
        // A zone's own name is never an alias (RFC 1034 section 3.6.2), and what moves names stands
        // inside it.
        Reading::Alias { above, .. } => {
            *name != referral.cut
                && above
                    .as_ref()
                    .is_none_or(|above| referral.cut.zone_of(above))
        }
    };
    // It may have another name there, at no other addresses: it must be asked again, and nobody in
    // its place.
    let is_own = |ip: &IpAddr| server.ips().any(|own| own == *ip);
    let named = |(host, glue): &(Name, Vec<IpAddr>)| {
        *shown(host) == *server.host || (!glue.is_empty() && glue.iter().all(is_own))
    };
    fits && referral.hosts.iter().any(named)
}

fn glue_of(referral: &Referral, name: &Name) -> Option<Vec<IpAddr>> {
    let (_, glue) = referral.hosts.iter().find(|(host, _)| host == name)?;
    (!glue.is_empty()).then(|| glue.clone())
}
