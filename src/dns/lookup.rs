//! The look-up of one form's record: along aliases and zone cuts to the servers that have it.

use std::sync::Arc;

use hickory_resolver::net::proto::rr::{Name, RecordType};
use rand::distr::{Alphanumeric, SampleString};

use super::answer::{MAX_ALIASES, Reading, Referral, shown};
use super::descent::{Asked, Descent, Said};
use super::exchange::Transport;
use super::path::Path;
use super::walk::Walk;
use super::zone::Zone;
use crate::model::agreement::Weight;
use crate::model::challenge::{Challenge, RecordForm};
use crate::model::evidence::{
    Evidence, Failure, Lookup, Outcome, Security, ServerAnswer, Step, ZoneServers,
};
use crate::model::verdict::{Verdict, judge_lookup};

/// What is looked up in one check.
pub struct Lookups<'a> {
    pub walk: &'a Walk<'a>,
    /// The names of the records of both forms; that of the apex form is the domain.
    pub underscore: Name,
    pub apex: Name,
    /// Whether the domain is one of the install's own.
    pub internal: bool,
}

pub struct LookedUp {
    pub lookup: Lookup,
    /// The zone that has the answer.
    pub zone: Option<Arc<Zone>>,
}

impl Lookups<'_> {
    pub async fn of(&self, start: &Arc<Zone>, form: RecordForm, transport: Transport) -> LookedUp {
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

    /// A random name beside the challenge's.
    pub fn sibling(&self) -> Result<Name, Failure> {
        let sibling = self.apex.prepend_label(random_label().as_bytes());
        sibling.map_err(|_| Failure::Malformed)
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
            let Descent { asked, end, weight } = self.descend(start, &name, transport).await;
            lookup.partial |= weight == Weight::Partial;
            let zones: Vec<Arc<Zone>> = asked.iter().map(|asked| Arc::clone(&asked.zone)).collect();
            let Some(zone) = zones.last().cloned() else {
                return Err(Failure::Unreachable);
            };
            for asked in asked {
                lookup.security = lookup.security.min(security(&asked));
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
            // A zone's own name is never an alias (RFC 1034 section 3.6.2).
            if name == zone.name {
                return Err(Failure::Malformed);
            }
            if aliases.is_empty() {
                let sibling = self.sibling()?;
                let of_sibling = zones.into_iter().rev();
                let of_sibling = of_sibling
                    .into_iter()
                    .find(|zone| zone.name.zone_of(&sibling));
                beside = of_sibling.map(|zone| (zone, sibling));
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
            if !self.walk.walker.policy.admits(&shown, self.internal) {
                return Err(Failure::NotPublicName);
            }
            aliases.push(shown);
            start = self.walk.zone_for(&target).await?;
            name = target;
        }
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
        let descent = self.descend(zone, &sibling, transport).await;
        lookup.partial |= descent.weight == Weight::Partial;
        let Reading::Alias { target: other, .. } = descent.end? else {
            return Ok(false);
        };
        if other == *target {
            return Ok(true);
        }
        if leads_on
            && self
                .walk
                .walker
                .policy
                .admits(&shown(&other), self.internal)
        {
            *beside = Some((self.walk.zone_for(&other).await?, other));
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

    async fn descend(&self, zone: Arc<Zone>, name: &Name, transport: Transport) -> Descent {
        let kind = RecordType::TXT;
        self.walk
            .descend(zone, name, kind, transport, Path::default())
            .await
    }
}

/// The least of what counts.
fn security(asked: &Asked) -> Security {
    asked
        .replies
        .iter()
        .filter_map(|reply| reply.result.as_ref().ok())
        .map(|&(_, security)| security)
        .min()
        .unwrap_or(Security::Unknown)
}

fn step(name: &Name, asked: Asked, aliases: &[String]) -> Step {
    Step {
        name: shown(name),
        answers: asked
            .replies
            .into_iter()
            .map(|reply| ServerAnswer {
                server: reply.server,
                outcome: match reply.result {
                    Ok((Said::Reading(reading), _)) => outcome(reading, aliases.to_vec()),
                    Ok((Said::Below(referral), _)) => Outcome::Below(cut(&referral)),
                    Err(failure) => Outcome::Failed(failure),
                },
            })
            .collect(),
    }
}

pub fn outcome(reading: Reading, aliases: Vec<String>) -> Outcome {
    match reading {
        Reading::Texts(values) => Outcome::Values { values, aliases },
        Reading::NoData { .. } => Outcome::NoData { aliases },
        Reading::NxDomain { .. } => Outcome::NxDomain { aliases },
        Reading::Alias { target, .. } => Outcome::Alias {
            target: shown(&target),
        },
        Reading::Referral(referral) => Outcome::Referral(cut(&referral)),
        Reading::NoSuchZone { .. } => Outcome::Failed(Failure::NegativeWithoutSoa),
        Reading::Addresses(_) => Outcome::Failed(Failure::Malformed),
    }
}

fn cut(referral: &Referral) -> ZoneServers {
    ZoneServers {
        name: shown(&referral.cut),
        hosts: referral.hosts.iter().map(|(host, _)| shown(host)).collect(),
    }
}

/// A label that nobody has put anything at.
#[must_use]
pub fn random_label() -> String {
    let random = Alphanumeric.sample_string(&mut rand::rng(), 20);
    format!("_{}", random.to_lowercase())
}

/// Whether a look-up rests on what a server might not say of the same name in lower case: it found no
/// proof, and nobody signed that.
#[must_use]
pub fn rests_on_case(challenge: &Challenge, evidence: &Evidence, lookup: &Lookup) -> bool {
    let judged = judge_lookup(challenge, evidence, lookup);
    let is_proof = (judged.verdict, judged.weight) == (Verdict::Proven, Weight::Complete);
    !is_proof
        && lookup.security != Security::Secure
        && lookup.stopped != Some(Failure::Budget)
        && !lookup.steps.is_empty()
}
