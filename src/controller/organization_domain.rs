//! Organization domains: from a change or a due check to statuses, holdings and Events.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use rand::TryRng;
use rand::rngs::SysRng;
use tokio::time::Instant;

use super::calls::CallError;
use super::decode::Decoded;
use super::events::Subject;
use super::holding::{self, Obstacle};
use super::operator::Operator;
use super::status;
use super::store::Key;
use super::store::domains::{Domain, Kept, Upserted};
use super::store::holdings::HoldingView;
use super::{verified_domain, watch};
use crate::api::Strategy;
use crate::api::organization_domain::{OrganizationDomain, OrganizationDomainStatus, State};
use crate::model::challenge::{Challenge, TOKEN_OCTETS, Token};
use crate::model::evidence::Evidence;
use crate::model::facts::{Facts, Pace};
use crate::model::lifecycle::{
    self, About, Decision, HeldBy, Holding, JudgedHolder, Judgement, Notice, Snapshot,
};
use crate::model::verdict::Verdict;
use crate::model::{provider, report, schedule, verdict};

/// Reads and decisions before a key that others keep changing waits its turn again.
const ATTEMPTS: usize = 8;
/// A name is taken on evidence no older than this.
const MAX_EVIDENCE_AGE: Duration = Duration::from_mins(1);

/// Objects applied together arrive in any order: for so long a new domain waits for its organization
/// before anybody is told that it is missing.
const ORDER: SignedDuration = SignedDuration::from_secs(3);

/// What the watch of organization domains does.
pub struct Sink;

impl watch::Sink for Sink {
    type Kind = OrganizationDomain;

    fn api(client: &Client, scope: Option<&str>) -> Api<Decoded<OrganizationDomain>> {
        match scope {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        }
    }

    fn config(operator: &Operator, _: Option<&str>) -> watcher::Config {
        let config = watcher::Config::default();
        if operator.shard.is_whole() {
            config
        } else {
            config.labels_from(operator.shard.selector())
        }
    }

    fn applied(operator: &Operator, object: OrganizationDomain, listed: bool) {
        operator.remember(Domain::project(object), listed);
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
    fn remember(&self, domain: Domain, listed: bool) {
        if self.stores.domains().knows_as_own(&domain, listed) {
            return;
        }
        let domain = Arc::new(domain.lean(Timestamp::now(), &self.settings));
        let upserted = self
            .stores
            .domains_mut()
            .upsert(Arc::clone(&domain), listed);
        self.follow(&domain, upserted);
    }

    /// Takes an object as a live read or a write showed it into the store, if it is in there.
    fn update(&self, domain: Domain, ours: bool) {
        if self.stores.domains().knows(&domain, false) {
            return;
        }
        let domain = Arc::new(domain.lean(Timestamp::now(), &self.settings));
        let upserted = self.stores.domains_mut().update(Arc::clone(&domain), ours);
        self.follow(&domain, upserted);
    }

    /// Asks for what follows from a change.
    fn follow(&self, domain: &Domain, upserted: Upserted) {
        let before = match upserted {
            Upserted::Taken { before } => before,
            Upserted::Left(gone) => return self.look_at_those_beside(&gone),
            Upserted::Known => return,
        };
        let other = |before: &Arc<Domain>| {
            (&before.uid, &before.canonical) != (&domain.uid, &domain.canonical)
        };
        if let Some(before) = before.filter(other) {
            self.look_for_orphans(&before);
        }
        self.organizations.add(domain.organization.clone());
        self.look_at_approvals_of(&domain.key);
        self.domains.add(domain.key.clone());
        self.look_at_promoted();
    }

    /// Those for whom there is room in the quota by now.
    fn look_at_promoted(&self) {
        let promoted = self.stores.domains_mut().take_promoted();
        for key in promoted {
            self.domains.add(key);
        }
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
            self.look_at_those_beside(&gone);
        }
    }

    /// The object is not in the store any more.
    fn look_at_those_beside(&self, gone: &Domain) {
        self.look_at_approvals_of(&gone.key);
        self.organizations.add(gone.organization.clone());
        self.look_at_promoted();
    }

    /// Another shard's object is checked here, once.
    pub(super) fn borrow(&self, domain: Domain, now: Timestamp) {
        let key = domain.key.clone();
        self.stores.domains_mut().borrow(Arc::new(domain), now);
        self.domains.add(key);
    }

    /// The object is gone: what it held is looked at now.
    fn look_for_orphans(&self, gone: &Domain) {
        if let Some(holding) = own(self, gone) {
            self.orphans.add(Arc::clone(&holding.name));
        }
    }

    pub(super) fn domain_api(&self, namespace: &str) -> Api<OrganizationDomain> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Reads the object live into the store, and whole; none where it is gone.
    pub(super) async fn refresh(&self, key: &Key) -> Result<Option<Arc<Domain>>, CallError> {
        let known = self.stores.domains().get(key);
        match self
            .call(self.domain_api(key.namespace()).get(key.name()))
            .await
        {
            Ok(object) => {
                let ours = self.shard.takes(object.labels());
                let domain = Domain::project(object);
                self.update(domain.clone(), ours);
                Ok(Some(Arc::new(domain)))
            }
            Err(CallError::NotFound) => {
                // One made since the question was asked is another, and nobody would tell of it again.
                if let Some(known) = known {
                    self.forget(key, Some(&known.uid));
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The next check comes a period later, whatever becomes of this one.
    fn put_off(&self, domain: &Domain, now: Timestamp) {
        let period = period(self, domain, now);
        let next = schedule::tick_after(now, period, &domain.uid);
        self.stores
            .domains_mut()
            .set_next_check(&domain.key, &domain.uid, Some(next));
    }

    /// Until when an approval stands for this object and name.
    fn approved_until(&self, domain: &Domain, now: Timestamp) -> Option<Timestamp> {
        self.stores
            .approvals()
            .until(&domain.key, domain.canonical.as_deref()?, now)
    }

    /// The holder of the domain's name is checked at once, where its namespace is looked after here,
    /// whichever shard it is in.
    async fn check_holder_of(&self, domain: &Domain, now: Timestamp) {
        let Some(holding) = held(self, domain) else {
            return;
        };
        let holder = &holding.holder;
        if self.knows_holder(&holding) {
            let key = holding.holder.key.clone();
            self.stores
                .domains_mut()
                .set_next_check(&key, &holder.uid, Some(now));
            self.domains.add(key);
        } else if !self.shard.is_whole() && self.watches(holder.key.namespace()) {
            match holding::live_holder(self, &holding).await {
                Ok(Some(live)) => self.borrow(live, now),
                Ok(None) => {}
                // Its own check comes.
                Err(error) => {
                    tracing::warn!(name = %holding.name, %error, "the holder is not checked at once");
                }
            }
        }
    }

    /// Who holds the name. Where store and status do not agree on whether we do, it is asked for: no
    /// state is given or taken back on the word of a cache.
    async fn held_by(&self, domain: &Domain) -> Result<HeldBy, CallError> {
        let Some(canonical) = &domain.canonical else {
            return Ok(HeldBy::Nobody);
        };
        let known = self.stores.holdings().get(canonical);
        let held_by = seen_by(domain, known.as_deref());
        let ours = matches!(held_by, HeldBy::Us { .. });
        if ours != (domain.state() == Some(State::Verified)) {
            let live = self.refresh_holding(canonical).await?;
            return Ok(seen_by(domain, live.as_deref()));
        }
        Ok(held_by)
    }
}

/// Who holds the name, as this object sees it.
fn seen_by(domain: &Domain, holding: Option<&HoldingView>) -> HeldBy {
    let token = domain.token();
    holding.map_or(HeldBy::Nobody, |holding| {
        HeldBy::of(
            &holding.spec(),
            holding.since,
            domain.identity(),
            token.as_ref(),
        )
    })
}

/// What a first look at an object shows.
enum Looked {
    Gone,
    /// Nothing is to be done for so long.
    AtRest(Duration),
    Whole(Arc<Domain>),
}

/// Looks an object up: in the store, and live where the store keeps too little to decide from, unless
/// it was read a moment ago. One that was checked is not at rest: the check is to be decided on.
async fn look(
    operator: &Operator,
    key: &Key,
    read: Option<Arc<Domain>>,
    checked: bool,
) -> Result<Looked, CallError> {
    let Some(known) = operator.stores.domains().get(key) else {
        return Ok(Looked::Gone);
    };
    if !checked && let Some(wait) = at_rest(operator, &known, operator.clock.now()) {
        return Ok(Looked::AtRest(wait));
    }
    if matches!(known.kept, Kept::Whole(_)) {
        return Ok(Looked::Whole(known));
    }
    let same = |read: &Arc<Domain>| read.uid == known.uid && read.version == known.version;
    if let Some(read) = read.filter(same) {
        return Ok(Looked::Whole(read));
    }
    let live = operator.refresh(key).await?;
    Ok(live.map_or(Looked::Gone, Looked::Whole))
}

/// Looks at one organization domain; says after which time to look again without any event.
pub async fn reconcile(operator: &Operator, key: &Key) -> Result<Option<Duration>, CallError> {
    let again = look_at(operator, key).await?;
    if operator.shard.is_whole() {
        return Ok(again);
    }
    let seen = operator.stores.domains().get(key);
    if !operator.stores.domains_mut().give_back(key) {
        return Ok(again);
    }
    // It is not forgotten: its holding says when to look at it again.
    if operator.shard.is_default()
        && let Some(seen) = seen
    {
        let period = operator.settings.recheck_period.unsigned_abs();
        if let Some(holding) = own(operator, &seen) {
            let name = Arc::clone(&holding.name);
            operator.orphans.add_after(name, again.unwrap_or(period));
        }
    }
    Ok(None)
}

async fn look_at(operator: &Operator, key: &Key) -> Result<Option<Duration>, CallError> {
    let mut checked: Option<Checked> = None;
    let mut whole: Option<Arc<Domain>> = None;
    let mut admission = Admission::default();
    for _ in 0..ATTEMPTS {
        let domain = match look(operator, key, whole.take(), checked.is_some()).await? {
            Looked::Gone => return Ok(None),
            Looked::AtRest(wait) => return Ok(Some(wait)),
            Looked::Whole(domain) => domain,
        };
        let Kept::Whole(status) = &domain.kept else {
            return Err(CallError::Conflict);
        };
        let held_by = operator.held_by(&domain).await?;
        if is_seen_to(operator, &domain, held_by) {
            return Ok(None);
        }
        let organization_exists = operator
            .stores
            .organizations()
            .exists(&domain.organization.clone());
        let now = operator.clock.now();
        let mut snapshot = Snapshot {
            organization_exists,
            suspended: operator.stores.namespaces().suspended(key.namespace()),
            over_quota: operator.stores.domains().is_over_quota(&domain),
            approved_until: operator.approved_until(&domain, now),
            held_by,
            ..domain.snapshot(status)
        };
        if !organization_exists && may_come(&domain, now) {
            return Ok(Some(Duration::from_secs(1)));
        }
        let limited = admission.admit(operator, now, &domain, &mut snapshot);
        if let Some(wait) = limited
            && lifecycle::issues_challenge(now, &operator.settings, &snapshot)
        {
            return Ok(Some(wait));
        }
        let next_check = next_check(operator, &domain, now);
        if checked.is_none()
            && let Some(challenge) = lifecycle::due(now, &operator.settings, &snapshot, next_check)
        {
            checked = Some(check(operator, &domain, &challenge).await?);
            // Where nothing can be written, the next check comes at its time all the same.
            operator.put_off(&domain, now);
            whole = Some(domain);
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
        let approved_until = snapshot.approved_until;
        let inherited = operator
            .stores
            .domains_mut()
            .take_inherited(key, &domain.uid);
        if inherited {
            let recent = lifecycle::recent(now, &operator.settings, &snapshot);
            publish(operator, &domain, recent);
        }
        if by_hand(operator, &domain, &decision)
            && changed_approval(operator, &domain, now, approved_until).await?
        {
            continue;
        }
        let applied = apply(operator, &domain, status, &decision, checked.as_ref()).await;
        if checked.is_some() && applied.as_ref().is_err_and(CallError::can_pass) {
            // What the check found is not lost: it is made again with the next try.
            let mut domains = operator.stores.domains_mut();
            domains.set_next_check(key, &domain.uid, Some(now));
        }
        if matches!(applied, Err(_) | Ok(Applied::Changed)) {
            operator.stores.domains_mut().tell_again(key, &domain.uid);
        }
        match applied? {
            Applied::Done => {
                operator
                    .stores
                    .domains_mut()
                    .set_next_check(key, &domain.uid, decision.next_check);
                publish(operator, &domain, decision.notices);
                if decision.check_holder {
                    operator.check_holder_of(&domain, now).await;
                }
                let wake = decision.wake.map(|at| wait(now, at));
                return Ok([wake, limited].into_iter().flatten().min());
            }
            Applied::Gone => return Ok(None),
            Applied::Changed => {}
            Applied::EvidenceTooOld => checked = None,
        }
    }
    Err(CallError::Conflict)
}

/// Whether the organization of a new domain may be on its way. The object's time is the API server's,
/// whose clock may be another.
fn may_come(domain: &Domain, now: Timestamp) -> bool {
    domain.is_new() && now.duration_since(domain.created).abs() < ORDER
}

/// A check that was made.
struct Checked {
    judgement: Judgement,
    /// When the first question was asked, by the clock that nobody sets.
    begun: Instant,
    /// The holding whose holder was judged too.
    holding: Option<Arc<HoldingView>>,
}

async fn check(
    operator: &Operator,
    domain: &Domain,
    challenge: &Challenge,
) -> Result<Checked, CallError> {
    let begun = Instant::now();
    let evidence = operator.gatherer.gather(challenge).await;
    let judged = verdict::judge(challenge, &evidence);
    let state = domain.state().unwrap_or(State::Pending);
    operator.metrics.check(judged.verdict, state);
    let holding = held(operator, domain)
        .filter(|holding| *holding.holder.uid != *domain.uid)
        .filter(|_| judged.verdict == Verdict::Proven || domain.is_taking_over());
    let holder = match &holding {
        Some(holding) => judge_holder(operator, holding, challenge, &evidence).await?,
        None => None,
    };
    let internal = operator.settings.names.is_internal(challenge.name.as_str());
    Ok(Checked {
        begun,
        holding,
        judgement: Judgement {
            verdict: judged.verdict,
            weight: judged.weight,
            token: challenge.token.clone(),
            holder,
            dns_provider: provider::of(&evidence, &operator.settings.names),
            report: report::last_check(challenge, &evidence, judged, internal),
        },
    })
}

/// Judges the holder of the name by the evidence that was gathered for somebody else, on the token
/// that a live read of it shows. None where the token is not the one that was proved.
async fn judge_holder(
    operator: &Operator,
    holding: &HoldingView,
    challenge: &Challenge,
    evidence: &Evidence,
) -> Result<Option<JudgedHolder>, CallError> {
    let Some(holder) = holding::live_holder(operator, holding).await? else {
        return Ok(None);
    };
    let (Some(token), Kept::Whole(status)) = (holder.token(), &holder.kept) else {
        return Ok(None);
    };
    let theirs = Challenge {
        token,
        ..challenge.clone()
    };
    let judged = verdict::judge(&theirs, evidence);
    Ok(Some(JudgedHolder {
        verdict: judged.verdict,
        weight: judged.weight,
        last_proven: status.last_proven_time.as_ref().map(|time| time.0),
    }))
}

/// What the limits let through in one reconcile, however often it decides.
#[derive(Default)]
struct Admission {
    request: bool,
    challenge: bool,
}

impl Admission {
    /// Takes from the limits for what the snapshot asks. Where one is used up the request is left
    /// for later, and it says how much later.
    fn admit(
        &mut self,
        operator: &Operator,
        now: Timestamp,
        domain: &Domain,
        snapshot: &mut Snapshot<'_>,
    ) -> Option<Duration> {
        let Some(canonical) = &domain.canonical else {
            return None;
        };
        let namespace = domain.key.namespace();
        if !self.request && lifecycle::has_new_request(now, snapshot) {
            if let Err(wait) = operator.request_limit.take(namespace, canonical) {
                snapshot.requested = None;
                return Some(wait);
            }
            self.request = true;
        }
        if !self.challenge && lifecycle::issues_challenge(now, &operator.settings, snapshot) {
            if let Err(wait) = operator.token_limit.take(namespace, canonical) {
                return Some(wait);
            }
            self.challenge = true;
        }
        None
    }
}

/// When the schedule wants the next check; after a start, worked out anew from the status.
fn next_check(operator: &Operator, domain: &Domain, now: Timestamp) -> Option<Timestamp> {
    let set = operator
        .stores
        .domains()
        .next_check(&domain.key, &domain.uid);
    let period = period(operator, domain, now);
    // Another shard may have seen that its record is missing, and checks are closer since.
    if let Some(set) = set.filter(|&set| set <= schedule::add(now, period)) {
        return Some(set);
    }
    let promised = match &domain.kept {
        Kept::AtRest(rest) => Some(rest.next_check),
        Kept::Whole(status) => {
            let facts = Facts::read(status, now);
            facts.challenge.as_ref()?;
            match facts.pace {
                Some(Pace::At(time)) => Some(time),
                Some(Pace::Every(_)) | None => None,
            }
        }
    };
    Some(schedule::resume(now, promised, period, &domain.uid))
}

/// How far apart checks are now.
fn period(operator: &Operator, domain: &Domain, now: Timestamp) -> SignedDuration {
    match &domain.kept {
        Kept::AtRest(_) => operator.settings.recheck_period,
        Kept::Whole(status) => Facts::read(status, now).period(now, &operator.settings),
    }
}

/// How long nothing is to be done about a domain at rest; none where it must be read and decided on.
fn at_rest(operator: &Operator, domain: &Domain, now: Timestamp) -> Option<Duration> {
    let Kept::AtRest(rest) = &domain.kept else {
        return None;
    };
    // Its Event may not have been told.
    if rest.verified_within(lifecycle::RECENT, now)
        && operator.stores.domains().is_inherited(&domain.key)
    {
        return None;
    }
    let held_by = seen_by(domain, held(operator, domain).as_deref());
    let stays = !domain.deleting
        && rest.lasts(now, &operator.settings, held_by)
        && operator.approved_until(domain, now).is_none()
        && operator
            .stores
            .organizations()
            .exists(&domain.organization.clone());
    let next_check = next_check(operator, domain, now).filter(|_| stays)?;
    operator
        .stores
        .domains_mut()
        .set_next_check(&domain.key, &domain.uid, Some(next_check));
    (next_check > now).then(|| wait(now, next_check))
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
    status: &OrganizationDomainStatus,
    decision: &Decision,
    checked: Option<&Checked>,
) -> Result<Applied, CallError> {
    // Until when what was found is as good as new.
    let until = checked.map_or_else(Instant::now, |checked| checked.begun + MAX_EVIDENCE_AGE);
    let obstacle = match &decision.holding {
        Holding::Keep => None,
        Holding::Release => not_yet_missing(operator, domain).await?,
        Holding::ReleasePredecessor => match held(operator, domain) {
            Some(holding) if verified_domain::release_if_gone(operator, &holding).await? => {
                Some(Obstacle::Changed)
            }
            _ => None,
        },
        Holding::Take(spec) if spec.strategy == Strategy::Manual => {
            holding::take(operator, domain, spec, None).await?
        }
        Holding::Take(spec) => holding::take(operator, domain, spec, Some(until)).await?,
        Holding::Rewrite(spec) => holding::rewrite(operator, domain, spec).await?,
        Holding::HandOver(spec) => {
            let judged = checked.and_then(|checked| checked.holding.as_deref());
            holding::hand_over(operator, domain, spec, judged, until).await?
        }
    };
    match obstacle {
        None => {}
        Some(Obstacle::Changed) => return Ok(Applied::Changed),
        Some(Obstacle::TooOld) => return Ok(Applied::EvidenceTooOld),
        Some(Obstacle::Gone) => return Ok(Applied::Gone),
    }
    let text_only = checked.is_none() && lifecycle::same_but_for_texts(&decision.status, status);
    if decision.status != *status && !text_only {
        let written = match status::write(operator, domain, &decision.status).await {
            Ok(written) => written,
            Err(CallError::Conflict | CallError::NotFound) => {
                let live = operator.refresh(&domain.key).await?;
                let Some(live) = live.filter(|live| live.uid == domain.uid) else {
                    // What was taken for it a moment ago is an orphan by now.
                    operator.look_for_orphans(domain);
                    return Ok(Applied::Gone);
                };
                match status::write_over(operator, domain, &live, &decision.status).await? {
                    Some(written) => written,
                    None => return Ok(Applied::Changed),
                }
            }
            Err(error) => return Err(error),
        };
        let ours = operator.shard.takes(written.labels());
        operator.update(Domain::project(written), ours);
    }
    if decision.holding == Holding::Release
        && let Some(holding) = own(operator, domain)
    {
        match operator.delete_holding(&holding).await {
            Err(CallError::Conflict) => {
                operator.refresh_holding(&holding.name).await?;
                return Ok(Applied::Changed);
            }
            result => result?,
        }
    }
    Ok(Applied::Done)
}

/// Whether an approval, or its end, is what the decision writes about the name.
fn by_hand(operator: &Operator, domain: &Domain, decision: &Decision) -> bool {
    let by_hand_now =
        || held(operator, domain).is_some_and(|held| held.strategy == Strategy::Manual);
    match &decision.holding {
        Holding::Take(spec) => spec.strategy == Strategy::Manual,
        Holding::Rewrite(spec) => spec.strategy == Strategy::Manual || by_hand_now(),
        Holding::Release => by_hand_now(),
        Holding::Keep | Holding::HandOver(_) | Holding::ReleasePredecessor => false,
    }
}

/// Whether a live read shows other approvals than those that were decided on.
async fn changed_approval(
    operator: &Operator,
    domain: &Domain,
    now: Timestamp,
    decided_on: Option<Timestamp>,
) -> Result<bool, CallError> {
    operator.refresh_approvals(&domain.key).await?;
    Ok(operator.approved_until(domain, now) != decided_on)
}

/// Whether others see to the object: an import that holds the name for it and has yet to write its
/// status, after which the holding changes; or, of what is deleted, whoever looks for orphans.
fn is_seen_to(operator: &Operator, domain: &Domain, held_by: HeldBy) -> bool {
    let imported = held(operator, domain)
        .is_some_and(|holding| holding.importing && holding.holder.key == domain.key);
    let deleted = domain.deleting && matches!(held_by, HeldBy::Us { .. });
    if deleted {
        operator.look_for_orphans(domain);
    }
    imported || deleted
}

pub(super) fn held(operator: &Operator, domain: &Domain) -> Option<Arc<HoldingView>> {
    operator.stores.holdings().get(domain.canonical.as_deref()?)
}

/// The holding of its name, where the object itself is the holder.
fn own(operator: &Operator, domain: &Domain) -> Option<Arc<HoldingView>> {
    held(operator, domain).filter(|holding| holding.holder.uid == domain.uid)
}

/// A name is not given up for want of an organization on the word of a cache.
async fn not_yet_missing(
    operator: &Operator,
    domain: &Domain,
) -> Result<Option<Obstacle>, CallError> {
    let organization = domain.organization.clone();
    if operator.stores.organizations().exists(&organization)
        || !operator.organization_exists_live(&organization).await?
    {
        return Ok(None);
    }
    operator
        .stores
        .organizations_mut()
        .insert_unreadable(organization);
    Ok(Some(Obstacle::Changed))
}

fn publish(operator: &Operator, domain: &Domain, notices: Vec<Notice>) {
    for notice in notices {
        operator.metrics.notice(notice.reason);
        let subject = match notice.about {
            About::OrganizationDomain => Subject {
                kind: "OrganizationDomain".to_owned(),
                namespace: domain.key.namespace().to_owned(),
                name: domain.key.name().to_owned(),
                uid: domain.uid.to_string(),
            },
            About::VerifiedDomain => match held(operator, domain) {
                Some(holding) => Subject {
                    kind: "VerifiedDomain".to_owned(),
                    namespace: String::new(),
                    name: holding.name.to_string(),
                    uid: holding.uid.to_string(),
                },
                None => continue,
            },
        };
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

pub(super) fn wait(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO)
}
