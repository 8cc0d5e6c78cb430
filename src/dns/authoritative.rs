//! Evidence from the servers of the domain's own zone, each asked by itself.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join;
use hickory_resolver::net::proto::dnssec::TrustAnchors;
use hickory_resolver::net::proto::rr::{Name, RecordType};
use jiff::Timestamp;
use rand::distr::{Alphanumeric, SampleString};

use super::answer::{MAX_ALIASES, Reading, shown};
use super::cache::Cache;
use super::delegation::{Asked, Descent, NameServer, NoWay, Told, Walk, Walker, Zone};
use super::exchange::{Exchange, Transport};
use super::guard::Guard;
use super::limits::Limits;
use super::roots::{ROOT_SERVERS, addresses};
use crate::model::agreement::Weight;
use crate::model::challenge::{Challenge, FORMS, RecordForm};
use crate::model::evidence::{
    Evidence, Failure, Lookup, Outcome, Place, Security, ServerAnswer, Source, Step, Stray,
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
                policy: settings.policy,
                roots: roots(&settings.roots),
                anchors: Arc::new(settings.anchors),
                port: settings.port,
            }),
            secure_only: settings.secure_only,
        }
    }

    pub async fn gather(&self, challenge: &Challenge) -> Evidence {
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
                let check = Check {
                    walk: Walk::new(
                        &self.walker,
                        self.walker.exchange.timeout() * CHECK_TIMEOUTS,
                    ),
                    walker: &self.walker,
                    challenge,
                    underscore,
                    apex,
                    internal: self.walker.policy.is_internal(challenge.name.as_str()),
                };
                check.gather(&mut evidence).await;
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

struct Check<'a> {
    walk: Walk<'a>,
    walker: &'a Walker,
    challenge: &'a Challenge,
    /// The names of the records of both forms; that of the apex form is the domain.
    underscore: Name,
    apex: Name,
    internal: bool,
}

impl Check<'_> {
    async fn gather(&self, evidence: &mut Evidence) {
        let start = match self.walk.zone_for(&self.apex, 0).await {
            Ok(zone) => zone,
            Err(NoWay { failure, unreached }) => {
                evidence.unreached = unreached;
                return evidence.lookups = stopped_before(failure);
            }
        };
        let by_any = |form| self.look_up(&start, form, Transport::Any);
        let (underscore, apex) =
            join(by_any(RecordForm::Underscore), by_any(RecordForm::Apex)).await;
        evidence.lookups = vec![underscore.lookup, apex.lookup];
        self.confirm(evidence, &start).await;
        let zone = apex.zone.unwrap_or(start);
        evidence.zone = Some(zone_servers(&zone));
        if judge(self.challenge, evidence).verdict != Verdict::Proven {
            evidence.strays = self.doubled(&zone).await.into_iter().collect();
        }
    }

    /// Off the path, an answer over UDP can be guessed at and one over TCP cannot: a proof that
    /// nobody signed is asked for once more, of every server.
    async fn confirm(&self, evidence: &mut Evidence, start: &Arc<Zone>) {
        for n in 0..evidence.lookups.len() {
            let lookup = &evidence.lookups[n];
            let proven = judge_lookup(self.challenge, evidence, lookup).verdict == Verdict::Proven;
            if proven && lookup.security != Security::Secure {
                let form = lookup.form;
                evidence.lookups[n] = self.look_up(start, form, Transport::Tcp).await.lookup;
            }
        }
    }

    async fn look_up(&self, start: &Arc<Zone>, form: RecordForm, transport: Transport) -> LookedUp {
        let mut lookup = Lookup {
            form,
            steps: Vec::new(),
            stopped: None,
            partial: false,
            security: Security::Secure,
        };
        let zone = match self.follow(&mut lookup, start, transport).await {
            Ok(zone) => Some(zone),
            Err(failure) => {
                lookup.stopped = Some(failure);
                None
            }
        };
        LookedUp { lookup, zone }
    }

    /// Follows the name of a form to the servers that have its answer: the zone they serve.
    async fn follow(
        &self,
        lookup: &mut Lookup,
        start: &Arc<Zone>,
        transport: Transport,
    ) -> Result<Arc<Zone>, Failure> {
        let mut name = match lookup.form {
            RecordForm::Underscore => self.underscore.clone(),
            RecordForm::Apex => self.apex.clone(),
        };
        let mut start = Arc::clone(start);
        let mut aliases: Vec<String> = Vec::new();
        let mut beside = None;
        loop {
            let Descent { asked, end, weight } = self
                .walk
                .descend(start, &name, RecordType::TXT, transport, 0)
                .await;
            lookup.partial |= weight == Weight::Partial;
            let Some(zone) = asked.last().map(|asked| Arc::clone(&asked.zone)) else {
                return Err(Failure::Unreachable);
            };
            for asked in asked {
                lookup.security = lookup.security.min(security(&asked.told));
                lookup.steps.push(step(&name, asked, &aliases));
            }
            let Reading::Alias { target, above } = end? else {
                return Ok(zone);
            };
            if lookup.form == RecordForm::Apex {
                // Whoever controls the target controls every name that points there.
                Self::replace_last(lookup, |aliases| Outcome::NoData { aliases }, &target);
                return Ok(zone);
            }
            if aliases.is_empty() {
                beside = self.beside(&zone)?;
            }
            let leads_on = above.is_some();
            // Boxed, because it is large and seldom.
            let is_wildcard =
                Box::pin(self.is_wildcard(lookup, &mut beside, &target, leads_on, transport));
            if is_wildcard.await? {
                Self::replace_last(
                    lookup,
                    |aliases| Outcome::WildcardAlias { aliases },
                    &target,
                );
                return Ok(zone);
            }
            let shown = shown(&target);
            if aliases.len() == MAX_ALIASES || aliases.contains(&shown) {
                return Err(Failure::AliasChain);
            }
            if !self.walker.policy.admits(&shown, self.internal) {
                return Err(Failure::NotPublicName);
            }
            aliases.push(shown);
            start = self.walk.zone_for(&target, 0).await?;
            name = target;
        }
    }

    /// A random name beside the challenge's; none where that is a zone of its own, so that nothing
    /// stands beside it there.
    fn beside(&self, zone: &Arc<Zone>) -> Result<Option<(Arc<Zone>, Name)>, Failure> {
        let label = Alphanumeric
            .sample_string(&mut rand::rng(), 20)
            .to_lowercase();
        let sibling = self.apex.prepend_label(format!("_{label}").as_bytes());
        let sibling = sibling.map_err(|_| Failure::Malformed)?;
        Ok(zone
            .name
            .zone_of(&sibling)
            .then(|| (Arc::clone(zone), sibling)))
    }

    /// An alias delegates the proof only if it was put there for the challenge: under a wildcard the
    /// name beside it has the same target. A DNAME leads both on, perhaps to a wildcard.
    async fn is_wildcard(
        &self,
        lookup: &mut Lookup,
        beside: &mut Option<(Arc<Zone>, Name)>,
        target: &Name,
        leads_on: bool,
        transport: Transport,
    ) -> Result<bool, Failure> {
        let Some((zone, sibling)) = beside.take() else {
            return Ok(false);
        };
        let descent = self
            .walk
            .descend(zone, &sibling, RecordType::TXT, transport, 0)
            .await;
        lookup.partial |= descent.weight == Weight::Partial;
        let Reading::Alias { target: other, .. } = descent.end? else {
            return Ok(false);
        };
        if other == *target {
            return Ok(true);
        }
        if leads_on && self.walker.policy.admits(&shown(&other), self.internal) {
            *beside = Some((self.walk.zone_for(&other, 0).await?, other));
        }
        Ok(false)
    }

    fn replace_last(lookup: &mut Lookup, outcome: impl Fn(Vec<String>) -> Outcome, target: &Name) {
        let Some(last) = lookup.steps.last_mut() else {
            return;
        };
        for answer in &mut last.answers {
            if matches!(answer.outcome, Outcome::Alias { .. }) {
                answer.outcome = outcome(vec![shown(target)]);
            }
        }
    }

    /// A panel that takes names relative to the zone makes `_x.acme.com.acme.com` of a full name.
    async fn doubled(&self, zone: &Arc<Zone>) -> Option<Stray> {
        let name = self.underscore.clone().append_domain(&zone.name).ok()?;
        let one = zone
            .asked()
            .iter()
            .find(|server| server.addresses.is_ok())?;
        let told = self.walk.ask_one(zone, one, &name).await;
        let asked = Asked {
            zone: Arc::clone(zone),
            told: vec![told],
        };
        Some(Stray {
            place: Place::ZoneAppended(RecordForm::Underscore),
            step: step(&name, asked, &[]),
        })
    }
}

struct LookedUp {
    lookup: Lookup,
    zone: Option<Arc<Zone>>,
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

/// The least of what counts.
fn security(told: &[Told]) -> Security {
    told.iter()
        .filter_map(|one| one.told.as_ref().ok())
        .map(|&(_, security)| security)
        .min()
        .unwrap_or(Security::Unknown)
}

fn step(name: &Name, asked: Asked, aliases: &[String]) -> Step {
    Step {
        name: shown(name),
        answers: asked
            .told
            .into_iter()
            .map(|one| ServerAnswer {
                server: one.server,
                outcome: match one.told {
                    Ok((reading, _)) => outcome(reading, aliases.to_vec()),
                    Err(failure) => Outcome::Failed(failure),
                },
            })
            .collect(),
    }
}

fn outcome(reading: Reading, aliases: Vec<String>) -> Outcome {
    match reading {
        Reading::Texts(values) => Outcome::Values { values, aliases },
        Reading::NoData => Outcome::NoData { aliases },
        Reading::NxDomain => Outcome::NxDomain { aliases },
        Reading::Alias { target, .. } => Outcome::Alias {
            target: shown(&target),
        },
        Reading::Referral(referral) => Outcome::Referral(ZoneServers {
            name: shown(&referral.cut),
            hosts: referral.hosts.iter().map(|(host, _)| shown(host)).collect(),
        }),
        Reading::Addresses(_) => Outcome::Failed(Failure::Malformed),
    }
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
