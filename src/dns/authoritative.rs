//! Evidence from the servers of the domain's own zone, each asked by itself.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join, join_all};
use hickory_resolver::net::proto::dnssec::TrustAnchors;
use hickory_resolver::net::proto::rr::Name;
use jiff::Timestamp;

use super::answer::{is_same_set, shown};
use super::cache::Cache;
use super::delegation::Unreachable;
use super::exchange::{Exchange, Transport};
use super::flights::Flights;
use super::guard::Guard;
use super::limits::{Asker, Limits};
use super::lookup::{LookedUp, Lookups, outcome, rests_on_case};
use super::roots::{ROOT_SERVERS, addresses};
use super::walk::{Walk, Walker};
use super::zone::{NameServer, Zone};
use crate::model::agreement::Weight;
use crate::model::challenge::{Challenge, FORMS, RecordForm};
use crate::model::evidence::{
    Evidence, Failure, Lookup, Misplacement, Outcome, Security, ServerAnswer, Source, Step, Stray,
    ZoneServers,
};
use crate::model::policy::NamePolicy;
use crate::model::verdict::{Verdict, judge, judge_lookup};

/// The whole check ends after so many times the time for one question.
const CHECK_TIMEOUTS: u32 = 6;

/// How the public DNS is walked.
#[derive(Clone)]
pub struct AuthoritativeSettings {
    /// Where the walk begins; the root servers of the public DNS when empty.
    pub roots: Vec<SocketAddr>,
    /// The keys of the root zone. With none at all nothing is validated.
    pub anchors: TrustAnchors,
    /// The port of the servers that the DNS tells of.
    pub port: u16,
    /// Time for one question, over UDP with its resends and over TCP each.
    pub timeout: Duration,
    pub policy: NamePolicy,
    /// Whether only signed zones count.
    pub secure_only: bool,
}

/// Walks from the root to the domain's zone and asks every server of it.
#[derive(Clone)]
pub struct Authoritative {
    walker: Arc<Walker>,
    secure_only: bool,
}

impl Authoritative {
    /// `guard` must exempt the configured roots.
    #[must_use]
    pub fn new(settings: AuthoritativeSettings, guard: Guard) -> Self {
        Self {
            walker: Arc::new(Walker {
                exchange: Exchange::new(guard, settings.timeout),
                limits: Limits::default(),
                cache: Cache::default(),
                delegations: Flights::default(),
                hosts: Flights::default(),
                policy: settings.policy,
                roots: roots(&settings.roots),
                anchors: Arc::new(settings.anchors),
                port: settings.port,
            }),
            secure_only: settings.secure_only,
        }
    }

    pub async fn gather(&self, challenge: &Challenge, asker: &Asker) -> Evidence {
        let time = Timestamp::now();
        let mut evidence = Evidence {
            time,
            source: Source::Authoritative,
            secure_only: self.secure_only,
            lookups: Vec::new(),
            zone: None,
            registry: false,
            strays: Vec::new(),
            broken: None,
            unreached: None,
        };
        let owner = |form| fqdn(&challenge.owner(form));
        match (owner(RecordForm::Underscore), owner(RecordForm::Apex)) {
            (Ok(underscore), Ok(apex)) => {
                let time = self.walker.exchange.timeout() * CHECK_TIMEOUTS;
                let walk = Walk::new(&self.walker, time, asker);
                let check = Check {
                    challenge,
                    lookups: Lookups {
                        walk: &walk,
                        underscore,
                        apex,
                        internal: self.walker.policy.is_internal(challenge.name.as_str()),
                    },
                };
                let verdict = check.gather(&mut evidence).await;
                if let Verdict::Inconclusive(failure) = verdict
                    && (failure.is_of_dnssec() || failure == Failure::BrokenAbove)
                {
                    evidence.broken = walk.broken();
                }
            }
            (Err(failure), _) | (_, Err(failure)) => evidence.lookups = stopped_before(failure),
        }
        evidence
    }
}

impl fmt::Debug for Authoritative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authoritative")
            .field("roots", &self.walker.roots)
            .finish_non_exhaustive()
    }
}

fn roots(configured: &[SocketAddr]) -> Vec<NameServer> {
    if configured.is_empty() {
        return ROOT_SERVERS
            .into_iter()
            .zip('a'..)
            .map(|(server, letter)| {
                let addresses = addresses(server).map(|ip| SocketAddr::new(ip, 53));
                NameServer::new(&format!("{letter}.root-servers.net"), Ok(addresses.into()))
            })
            .collect();
    }
    configured
        .iter()
        .map(|&address| NameServer::new("root", Ok(vec![address])))
        .collect()
}

/// One check: both forms looked up, and again where that is needed to be sure.
struct Check<'a> {
    challenge: &'a Challenge,
    lookups: Lookups<'a>,
}

impl Check<'_> {
    /// Fills the evidence; says what it comes to.
    async fn gather(&self, evidence: &mut Evidence) -> Verdict {
        let start = match self.lookups.walk.zone_for(&self.lookups.apex).await {
            Ok(zone) => zone,
            Err(Unreachable { failure, unreached }) => {
                evidence.unreached = unreached;
                evidence.lookups = stopped_before(failure);
                return Verdict::Inconclusive(failure);
            }
        };
        let (underscore, apex) = join(
            self.lookups
                .of(&start, RecordForm::Underscore, Transport::Any),
            self.lookups.of(&start, RecordForm::Apex, Transport::Any),
        )
        .await;
        let zone = apex.zone.clone().unwrap_or_else(|| Arc::clone(&start));
        evidence.lookups = vec![underscore.lookup, apex.lookup];
        let first = judge(self.challenge, evidence);
        if (first.verdict, first.weight) != (Verdict::Proven, Weight::Complete) {
            self.repeat_in_lower_case(evidence, &start).await;
        }
        self.confirm(evidence, &start).await;
        evidence.zone = Some(zone_servers(&zone));
        evidence.registry = zone.registry;
        let verdict = judge(self.challenge, evidence).verdict;
        if matches!(verdict, Verdict::Mismatch(_)) {
            self.notice_wildcard(evidence, &zone).await;
        }
        // In a registry nobody has put a record by mistake.
        let may_be_misplaced = verdict.is_negative() || verdict == Verdict::Disagreement;
        if may_be_misplaced && !zone.registry {
            evidence.strays = self.strays(&zone, &start).await;
        }
        verdict
    }

    /// Some servers compare names octet by octet, and deny or refuse one with a capital letter. What
    /// rests on such an answer is asked for again.
    async fn repeat_in_lower_case(&self, evidence: &mut Evidence, start: &Arc<Zone>) {
        let transport = Transport::AnyLowerCase;
        let again = evidence.lookups.iter().map(async |lookup| {
            if !rests_on_case(self.challenge, evidence, lookup) {
                return lookup.clone();
            }
            let LookedUp { lookup, .. } = self.lookups.of(start, lookup.form, transport).await;
            lookup
        });
        evidence.lookups = join_all(again).await;
    }

    /// Off the path, an answer over UDP can be guessed at and one over TCP cannot: a proof that
    /// nobody signed is asked for once more, of every server.
    async fn confirm(&self, evidence: &mut Evidence, start: &Arc<Zone>) {
        for n in 0..evidence.lookups.len() {
            let lookup = &evidence.lookups[n];
            if lookup.security == Security::Secure {
                continue;
            }
            if judge_lookup(self.challenge, evidence, lookup).verdict == Verdict::Proven {
                let transport = Transport::Tcp;
                let again = self.lookups.of(start, lookup.form, transport).await;
                let mut again = again.lookup;
                blame_tcp(&mut again, &evidence.lookups[n]);
                evidence.lookups[n] = again;
            }
        }
    }

    /// Values that a random name beside the challenge's has too are those of a wildcard.
    async fn notice_wildcard(&self, evidence: &mut Evidence, zone: &Zone) {
        let is_alias = |answer: &ServerAnswer| matches!(answer.outcome, Outcome::Alias { .. });
        let underscore = evidence.lookups.iter_mut().find(|lookup| {
            // Behind an alias the name beside is not the target's.
            let mut answers = lookup.steps.iter().flat_map(|step| &step.answers);
            lookup.form == RecordForm::Underscore && !answers.any(is_alias)
        });
        let Some(step) = underscore.and_then(|lookup| lookup.steps.last_mut()) else {
            return;
        };
        let Ok(sibling) = self.lookups.sibling() else {
            return;
        };
        let found = self.ask_any(zone, &sibling).await;
        let Some(Outcome::Values { values: wild, .. }) = found.map(|answer| answer.outcome) else {
            return;
        };
        for answer in &mut step.answers {
            if let Outcome::Values { values, .. } = &answer.outcome
                && is_same_set(values, &wild)
            {
                answer.outcome = Outcome::WildcardValues {
                    values: wild.clone(),
                };
            }
        }
    }

    /// Looks where people publish the record by mistake.
    async fn strays(&self, zone: &Arc<Zone>, start: &Arc<Zone>) -> Vec<Stray> {
        let Lookups {
            underscore, apex, ..
        } = &self.lookups;
        let mut places = Vec::new();
        for (form, name) in [
            (RecordForm::Underscore, underscore),
            (RecordForm::Apex, apex),
        ] {
            // A panel that takes names relative to the zone makes this of a full one.
            if let Ok(appended) = name.clone().append_domain(&zone.name) {
                places.push((Misplacement::ZoneAppended(form), Arc::clone(zone), appended));
            }
        }
        let parent = apex.base_name();
        let of_parent = [zone, start]
            .into_iter()
            .find(|zone| !zone.registry && zone.name.zone_of(&parent));
        if let Some(zone) = of_parent {
            let label = underscore.iter().next().unwrap_or_default();
            if let Ok(name) = parent.prepend_label(label) {
                let place = Misplacement::ParentDomain(RecordForm::Underscore);
                places.push((place, Arc::clone(zone), name));
            }
            let place = Misplacement::ParentDomain(RecordForm::Apex);
            places.push((place, Arc::clone(zone), parent));
        }
        let asked = places.iter().map(async |(place, zone, name)| {
            let answer = self.ask_any(zone, name).await?;
            Some(Stray {
                place: *place,
                step: Step {
                    name: shown(name),
                    answers: vec![answer],
                },
            })
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// What any one server of a zone says.
    async fn ask_any(&self, zone: &Zone, name: &Name) -> Option<ServerAnswer> {
        let mut servers = zone.asked().iter();
        let server = servers.find(|server| server.addresses.is_ok())?;
        let reply = self.lookups.walk.ask_one(zone, server, name).await;
        Some(ServerAnswer {
            server: reply.server,
            outcome: match reply.result {
                Ok(reading) => outcome(reading, Vec::new()),
                Err(failure) => Outcome::Failed(failure),
            },
        })
    }
}

/// A server that answered over UDP and not over TCP is not silent; one that did neither is.
fn blame_tcp(over_tcp: &mut Lookup, over_udp: &Lookup) {
    let of_udp: Vec<&ServerAnswer> = over_udp
        .steps
        .iter()
        .flat_map(|step| &step.answers)
        .collect();
    for answer in over_tcp.steps.iter_mut().flat_map(|step| &mut step.answers) {
        let Outcome::Failed(failure) = &mut answer.outcome else {
            continue;
        };
        if failure.is_silence() || *failure == Failure::Unreachable {
            let failed_before = of_udp.iter().find_map(|before| match before.outcome {
                Outcome::Failed(failure) if before.server == answer.server => Some(failure),
                _ => None,
            });
            *failure = failed_before.unwrap_or(Failure::NoTcp);
        }
    }
    if over_tcp.stopped == Some(Failure::Unreachable) {
        over_tcp.stopped = Some(Failure::NoTcp);
    }
}

fn stopped_before(failure: Failure) -> Vec<Lookup> {
    FORMS
        .into_iter()
        .map(|form| Lookup {
            form,
            steps: Vec::new(),
            stopped: Some(failure),
            partial: true,
            security: Security::Unknown,
        })
        .collect()
}

fn zone_servers(zone: &Zone) -> ZoneServers {
    ZoneServers {
        name: shown(&zone.name),
        hosts: zone
            .servers
            .iter()
            .map(|server| server.host.to_string())
            .collect(),
    }
}

/// Names are validated before they come here; what is too long for a name is not one.
fn fqdn(name: &str) -> Result<Name, Failure> {
    Name::from_ascii(format!("{}.", name.trim_end_matches('.'))).map_err(|_| Failure::Malformed)
}
