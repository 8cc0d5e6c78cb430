//! Organization domains: from a change or a due check to statuses, holdings and Events.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::api::{ObjectMeta, PostParams};
use kube::core::DeserializeGuard;
use kube::{Api, Client};
use rand::TryRng;
use rand::rngs::SysRng;

use super::calls::CallError;
use super::events::Subject;
use super::operator::Operator;
use super::store::Key;
use super::store::domains::Domain;
use super::store::holdings::HoldingView;
use super::{verified_domain, watch};
use crate::api::Strategy;
use crate::api::organization_domain::{
    OrganizationDomain, OrganizationDomainSpec, OrganizationDomainStatus, OrganizationRef, State,
};
use crate::api::verified_domain::{Holder, VerifiedDomain, VerifiedDomainSpec};
use crate::model::challenge::{Challenge, TOKEN_OCTETS, Token};
use crate::model::facts::{Facts, Pace};
use crate::model::lifecycle::{self, Decision, HeldBy, Holding, Judgement, Snapshot};
use crate::model::{report, schedule, verdict};

/// Reads and decisions before a key that others keep changing waits its turn again.
const ATTEMPTS: usize = 8;
/// A name is taken on evidence no older than this.
const MAX_EVIDENCE_AGE: SignedDuration = SignedDuration::from_secs(60);

/// What the watch of organization domains does.
pub struct Sink;

impl watch::Sink for Sink {
    type Kind = OrganizationDomain;

    fn api(client: &Client, scope: Option<&str>) -> Api<DeserializeGuard<OrganizationDomain>> {
        match scope {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        }
    }

    fn applied(operator: &Operator, object: OrganizationDomain) {
        operator.remember(Domain::project(object));
    }

    fn deleted(operator: &Operator, key: &Key, uid: Option<&str>) {
        operator.forget(key, uid);
    }

    fn known(operator: &Operator, scope: Option<&str>) -> Vec<Key> {
        operator.stores.domains().keys_in(scope)
    }
}

impl Operator {
    /// Takes an organization domain into the store and asks for what follows from it.
    fn remember(&self, domain: Domain) {
        let domain = Arc::new(domain);
        let before = self.stores.domains().get(&domain.key);
        if !self.stores.domains_mut().upsert(Arc::clone(&domain)) {
            return;
        }
        if let Some(before) = before.filter(|before| before.uid != domain.uid) {
            self.look_for_orphans(&before);
        }
        self.organizations.add(domain.organization_key());
        self.domains.add(domain.key.clone());
    }

    /// Takes an organization domain that is gone out of the store.
    fn forget(&self, key: &Key, uid: Option<&str>) {
        let gone = {
            let mut domains = self.stores.domains_mut();
            match (domains.get(key), uid) {
                // Made again under the same name before this news came.
                (Some(known), Some(uid)) if *known.uid != *uid => return,
                _ => domains.remove(key),
            }
        };
        if let Some(gone) = gone {
            self.look_for_orphans(&gone);
            self.organizations.add(gone.organization_key());
        }
    }

    /// The object is gone: what it held is looked at now.
    fn look_for_orphans(&self, gone: &Domain) {
        for name in self.stores.holdings().held_by(&gone.uid) {
            self.orphans.add(name);
        }
    }

    fn domain_api(&self, namespace: &str) -> Api<OrganizationDomain> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Reads the object live into the store; none where it is gone.
    async fn refresh(&self, key: &Key) -> Result<Option<Arc<Domain>>, CallError> {
        match self
            .call(self.domain_api(&key.namespace).get(&key.name))
            .await
        {
            Ok(object) => {
                let domain = Domain::project(object);
                self.remember(domain.clone());
                Ok(Some(Arc::new(domain)))
            }
            Err(CallError::NotFound) => {
                self.forget(key, None);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Who holds the name. What a store does not have is asked for where a Verified state hangs on
    /// it: a status is not taken back on the word of a cache.
    async fn held_by(&self, domain: &Domain) -> Result<HeldBy, CallError> {
        let Some(canonical) = &domain.canonical else {
            return Ok(HeldBy::Nobody);
        };
        let known = self.stores.holdings().get(canonical);
        let of =
            |holding: &HoldingView| HeldBy::of(&holding.holder, holding.since, domain.identity());
        let held_by = known.as_deref().map_or(HeldBy::Nobody, of);
        if domain.status.state == Some(State::Verified) && !matches!(held_by, HeldBy::Us { .. }) {
            let live = self.refresh_holding(canonical).await?;
            return Ok(live.as_deref().map_or(HeldBy::Nobody, of));
        }
        Ok(held_by)
    }
}

/// Looks at one organization domain; says after which time to look again without any event.
pub async fn reconcile(operator: &Operator, key: &Key) -> Result<Option<Duration>, CallError> {
    let mut checked: Option<Checked> = None;
    for _ in 0..ATTEMPTS {
        let Some(domain) = operator.stores.domains().get(key) else {
            return Ok(None);
        };
        if domain.deleting {
            operator.look_for_orphans(&domain);
            return Ok(None);
        }
        let held_by = operator.held_by(&domain).await?;
        let organization_exists = operator
            .stores
            .organizations()
            .exists(&domain.organization_key());
        let snapshot = Snapshot {
            identity: domain.identity(),
            generation: domain.generation,
            domain: &domain.stated,
            organization: &domain.organization,
            organization_exists,
            requested: domain.requested.as_deref(),
            status: &domain.status,
            held_by,
        };
        let now = Timestamp::now();
        let next_check = next_check(operator, &domain, now);
        if checked.is_none()
            && let Some(challenge) = lifecycle::due(now, &operator.settings, &snapshot, next_check)
        {
            checked = Some(check(operator, &challenge).await);
            // The object may have changed while the DNS was asked.
            continue;
        }
        let decision = lifecycle::decide(
            now,
            &operator.settings,
            &snapshot,
            next_check,
            checked.as_ref().map(|checked| &checked.judgement),
            // Reading the operating system's random source fails at boot at the most.
            token()?,
        );
        match apply(operator, &domain, &decision, checked.as_ref()).await? {
            Applied::Done => {
                operator
                    .stores
                    .domains_mut()
                    .set_next_check(key, &domain.uid, decision.next_check);
                publish(operator, &domain, decision.notices);
                return Ok(decision.wake.map(|at| wait(now, at)));
            }
            Applied::Gone => return Ok(None),
            Applied::Changed => {}
            Applied::EvidenceTooOld => checked = None,
        }
    }
    Err(CallError::Conflict)
}

/// A check that was made.
struct Checked {
    judgement: Judgement,
    time: Timestamp,
}

async fn check(operator: &Operator, challenge: &Challenge) -> Checked {
    let evidence = operator.gatherer.gather(challenge).await;
    let judged = verdict::judge(challenge, &evidence);
    operator.metrics.check(judged.verdict);
    let internal = operator.settings.names.is_internal(challenge.name.as_str());
    Checked {
        time: evidence.time,
        judgement: Judgement {
            verdict: judged.verdict,
            token: challenge.token.clone(),
            report: report::last_check(challenge, &evidence, judged, internal),
        },
    }
}

/// When the schedule wants the next check; after a start, worked out anew from the status.
fn next_check(operator: &Operator, domain: &Domain, now: Timestamp) -> Option<Timestamp> {
    if let Some(set) = operator
        .stores
        .domains()
        .next_check(&domain.key, &domain.uid)
    {
        return Some(set);
    }
    let facts = Facts::read(&domain.status);
    facts.challenge.as_ref()?;
    let promised = match facts.pace {
        Some(Pace::At(time)) => Some(time),
        Some(Pace::Every(_)) | None => None,
    };
    let period = facts.period(now, &operator.settings);
    Some(schedule::resume(now, promised, period, &domain.uid))
}

enum Applied {
    Done,
    /// Something changed since it was read: read and decide again.
    Changed,
    EvidenceTooOld,
    Gone,
}

/// Writes a decision, in the order in which a crash between two writes loses nothing: a holding is
/// taken before the status tells of it, and released after.
async fn apply(
    operator: &Operator,
    domain: &Domain,
    decision: &Decision,
    checked: Option<&Checked>,
) -> Result<Applied, CallError> {
    if let Holding::Take(holder) = &decision.holding {
        let fresh = checked.is_some_and(|checked| {
            Timestamp::now().duration_since(checked.time) <= MAX_EVIDENCE_AGE
        });
        if !fresh {
            return Ok(Applied::EvidenceTooOld);
        }
        if let Some(obstacle) = take(operator, domain, holder).await? {
            return Ok(obstacle);
        }
    }
    if decision.status != domain.status {
        match write_status(operator, domain, &decision.status).await {
            Ok(written) => operator.remember(Domain::project(written)),
            Err(CallError::Conflict | CallError::NotFound) => {
                return Ok(match operator.refresh(&domain.key).await? {
                    Some(live) if live.uid == domain.uid => Applied::Changed,
                    // What was taken for it a moment ago is an orphan by now.
                    _ => {
                        operator.look_for_orphans(domain);
                        Applied::Gone
                    }
                });
            }
            Err(error) => return Err(error),
        }
    }
    match decision.holding {
        Holding::Keep | Holding::Take(_) => {}
        Holding::Release => {
            if let Some(holding) = held(operator, domain)
                && *holding.holder.uid == *domain.uid
            {
                operator.delete_holding(&holding).await?;
            }
        }
        Holding::ReleasePredecessor => {
            if let Some(holding) = held(operator, domain)
                && verified_domain::release_if_gone(operator, &holding).await?
            {
                return Ok(Applied::Changed);
            }
        }
    }
    Ok(Applied::Done)
}

fn held(operator: &Operator, domain: &Domain) -> Option<Arc<HoldingView>> {
    operator.stores.holdings().get(domain.canonical.as_deref()?)
}

/// Takes the name, unless a live read shows another object than the one that was judged, or the API
/// server has a holder already.
async fn take(
    operator: &Operator,
    domain: &Domain,
    holder: &Holder,
) -> Result<Option<Applied>, CallError> {
    let Some(canonical) = &domain.canonical else {
        return Ok(Some(Applied::Changed));
    };
    let Some(live) = operator.refresh(&domain.key).await? else {
        return Ok(Some(Applied::Gone));
    };
    if live.uid != domain.uid || live.deleting {
        return Ok(Some(Applied::Gone));
    }
    let token = |status: &OrganizationDomainStatus| {
        status
            .challenge
            .as_ref()
            .map(|challenge| challenge.token.clone())
    };
    if token(&live.status) != token(&domain.status) {
        return Ok(Some(Applied::Changed));
    }
    let spec = VerifiedDomainSpec {
        holder: holder.clone(),
        strategy: Strategy::Dns,
    };
    let object = VerifiedDomain::new(canonical, spec);
    let api = Api::<VerifiedDomain>::all(operator.client.clone());
    match operator
        .call(api.create(&PostParams::default(), &object))
        .await
    {
        Ok(created) => {
            operator.remember_holding(HoldingView::project(created));
            Ok(None)
        }
        Err(CallError::AlreadyExists) => {
            operator.refresh_holding(canonical).await?;
            Ok(Some(Applied::Changed))
        }
        Err(error) => Err(error),
    }
}

/// Replaces the whole status, so that nothing of an edit by hand survives in it. The resource
/// version makes it fail where the object is not the one that was decided on.
async fn write_status(
    operator: &Operator,
    domain: &Domain,
    status: &OrganizationDomainStatus,
) -> Result<OrganizationDomain, CallError> {
    let object = OrganizationDomain {
        metadata: ObjectMeta {
            name: Some(domain.key.name.to_string()),
            namespace: Some(domain.key.namespace.to_string()),
            uid: Some(domain.uid.to_string()),
            resource_version: Some(domain.version.to_string()),
            ..ObjectMeta::default()
        },
        // Ignored on a status, yet part of what the type must say.
        spec: OrganizationDomainSpec {
            organization_ref: OrganizationRef {
                name: domain.organization.to_string(),
            },
            domain: domain.stated.to_string(),
            joinable: false,
        },
        status: Some(status.clone()),
    };
    let api = operator.domain_api(&domain.key.namespace);
    let params = PostParams {
        field_manager: Some("freehold".to_owned()),
        ..PostParams::default()
    };
    operator
        .call(api.replace_status(&domain.key.name, &params, &object))
        .await
}

fn publish(operator: &Operator, domain: &Domain, notices: Vec<lifecycle::Notice>) {
    let subject = Subject {
        kind: "OrganizationDomain".to_owned(),
        namespace: domain.key.namespace.to_string(),
        name: domain.key.name.to_string(),
        uid: domain.uid.to_string(),
    };
    for notice in notices {
        operator.metrics.notice(notice.reason);
        operator.events.publish(&subject, notice);
    }
}

/// A token in reserve, from the operating system.
fn token() -> Result<impl FnOnce() -> Token, CallError> {
    let mut octets = [0; TOKEN_OCTETS];
    SysRng
        .try_fill_bytes(&mut octets)
        .map_err(|error| CallError::NoRandomness(error.to_string()))?;
    Ok(move || Token::from_random(octets))
}

fn wait(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO)
}
