//! Organization domains: from a change or a due check to statuses, holdings and Events.

mod apply;
mod check;
mod next_check;
mod observe;
mod status;
mod throttle;
mod token;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

pub use self::apply::Applier;
pub use self::check::{Checker, DNS_OUTAGE};
use self::observe::Observed;
pub use self::observe::Observer;
pub use self::throttle::TenantLimits;
use self::throttle::Throttle;
use self::token::fresh_token;
use super::checks::{Checked, Checks, RecoveryResult};
use super::holding_writer::Obstacle;
use crate::api::Strategy;
use crate::api::organization_domain::OrganizationDomainStatus;
use crate::cluster::error::ApiError;
use crate::cluster::key::Key;
use crate::cluster::store::domain::Domain;
use crate::model::challenge::Token;
use crate::model::lifecycle::{self, Decision, HeldBy, HoldingAction, Snapshot};
use crate::model::{schedule, token_recovery};
use crate::telemetry::metrics::Controller;
use crate::workqueue::queue::Queue;
use crate::workqueue::worker::Reconciler;

/// Reads and decisions before a key that others keep changing waits its turn again.
const ATTEMPTS: usize = 8;

/// Objects applied together arrive in any order: for so long a new domain waits for its organization
/// before it is reported as missing.
const ORDER: SignedDuration = SignedDuration::from_secs(3);

/// Decides on organization domains, and carries it out.
pub struct DomainReconciler {
    pub observer: Observer,
    pub checks: Arc<Checks>,
    pub limits: TenantLimits,
    pub applier: Applier,
}

impl Reconciler for DomainReconciler {
    type Key = Key;
    const CONTROLLER: Controller = Controller::OrganizationDomain;

    fn queue(&self) -> &Queue<Key> {
        &self.observer.mirror.queues.domains
    }

    async fn reconcile(&self, key: &Key) -> Result<Option<Duration>, ApiError> {
        let mut checked = self.checks.take(key);
        let outcome = self.decide_on(key, &mut checked).await;
        if let Some(checked) = checked
            && outcome.as_ref().is_err_and(ApiError::is_retryable)
        {
            self.observer.check_again(key, &checked.uid);
        }
        let again = outcome?;
        let cluster = &self.observer.mirror.cluster;
        let again = self.give_back(key, again);
        let (counts, at_risk) = {
            let domains = cluster.stores.domains.read();
            (domains.counts(), domains.at_risk())
        };
        cluster.client.metrics.domains(counts);
        cluster.client.metrics.at_risk([
            ("grace", at_risk.grace),
            ("stale", at_risk.stale),
            ("inconclusive", at_risk.inconclusive),
            ("hand_over", at_risk.hand_over),
        ]);
        Ok(again)
    }
}

impl DomainReconciler {
    async fn decide_on(
        &self,
        key: &Key,
        checked: &mut Option<Checked>,
    ) -> Result<Option<Duration>, ApiError> {
        // As the check read it. What changed since is read again.
        let mut whole = checked.as_mut().and_then(|checked| checked.domain.take());
        let mut throttle = Throttle {
            limits: &self.limits,
            // A request that a check already answers costs no other one.
            request: checked.is_some() || self.checks.is_asked(key),
            challenge: false,
        };
        if self.queue().has_failed(key) {
            // Before a check is asked for: nothing is decided while the API server is away.
            whole = self.observer.mirror.refresh(key).await?;
        }
        for _ in 0..ATTEMPTS {
            let attempt = self.attempt(key, whole.take(), checked, &mut throttle);
            match attempt.await {
                Ok(again) => return Ok(again),
                Err(Obstacle::Gone) => return Ok(None),
                Err(Obstacle::Api(error)) => return Err(error),
                Err(Obstacle::Changed) => {}
                Err(Obstacle::TooOld) => {
                    if let Some(checked) = checked.take() {
                        self.observer.check_again(key, &checked.uid);
                    }
                }
            }
        }
        Err(ApiError::Conflict)
    }

    /// Says when to requeue.
    async fn attempt(
        &self,
        key: &Key,
        read: Option<Arc<Domain>>,
        checked: &mut Option<Checked>,
        throttle: &mut Throttle<'_>,
    ) -> Result<Option<Duration>, Obstacle> {
        let mirror = &self.observer.mirror;
        let settings = &mirror.settings;
        let domain = match self.observer.observe(key, read, checked.is_some()).await? {
            Observed::Gone => return Ok(None),
            Observed::Settled(wait) => return Ok(Some(wait)),
            // It is read when its turn comes.
            Observed::Due => {
                self.checks.ask(key);
                return Ok(None);
            }
            Observed::Whole(domain) => domain,
        };
        let status = domain.whole().ok_or(ApiError::Conflict)?;
        let held_by = self.observer.held_by(&domain).await?;
        if self.observer.is_handled_elsewhere(&domain, held_by) {
            return Ok(None);
        }
        let now = mirror.cluster.clock.now();
        let mut snapshot = self.observer.snapshot(&domain, status, held_by, now);
        self.announce(&domain, now, &snapshot);
        // What was found of an object that is gone says nothing of the one in its place.
        checked.take_if(|checked| checked.uid != domain.uid);
        let restored;
        match self.recover_token(&domain, &snapshot, checked) {
            TokenRecovery::NotLost => {}
            TokenRecovery::Ask => return Ok(self.ask_for_token(&domain)),
            TokenRecovery::Wait(wait) => return Ok(Some(wait)),
            TokenRecovery::Restored(status, held_by) => {
                restored = status;
                snapshot = Snapshot {
                    status: &restored,
                    held_by,
                    ..snapshot
                };
            }
        }
        mirror.forget_token_recovery(key);
        if !snapshot.organization_exists && may_come(&domain, now) {
            return Ok(Some(Duration::from_secs(1)));
        }
        let is_later = is_later_request(checked.as_ref(), &snapshot);
        if is_later {
            snapshot.requested = None;
        }
        let limited = throttle.admit(settings, now, &domain, &mut snapshot);
        if let Some(wait) = limited
            && lifecycle::issues_challenge(now, settings, &snapshot)
        {
            return Ok(Some(wait));
        }
        let next_check = self.observer.next_check(&domain, now);
        if checked.is_none() && lifecycle::due(now, settings, &snapshot, next_check).is_some() {
            // It comes back as a key to decide on.
            self.checks.ask(key);
            return Ok(limited);
        }
        let decision = lifecycle::decide(
            now,
            settings,
            &snapshot,
            next_check,
            checked.as_ref().map(|checked| &checked.judgement),
            issue(recovery_of(checked.as_ref()))?,
        );
        if self.by_hand(&domain, &decision)
            && mirror.approved_until_live(&domain, now).await? != snapshot.approved_until
        {
            return Err(Obstacle::Changed);
        }
        self.applier
            .announcer
            .make_room(&domain, now, &snapshot, &decision.status)
            .await;
        let applied = self
            .applier
            .apply(&domain, status, &decision, checked.as_ref());
        if let Some(written) = applied.await?
            && let Some(status) = written.whole()
        {
            let held_by = self.observer.held_by_in_store(&written);
            let snapshot = self.observer.snapshot(&written, status, held_by, now);
            self.announce(&written, now, &snapshot);
        }
        if is_later {
            mirror.queues.domains.add(key.clone());
        }
        Ok(self.conclude(&domain, &decision, now, limited).await)
    }

    /// Publishes the transitions that nobody published yet.
    fn announce(&self, domain: &Domain, now: Timestamp, snapshot: &Snapshot<'_>) {
        let announcer = &self.applier.announcer;
        if let Some(retry) = announcer.announce(domain, now, snapshot) {
            let queue = &self.observer.mirror.queues.domains;
            queue.add_after(domain.key.clone(), retry);
        }
    }

    /// Asks for a check of the DNS for a token that was lost, or says how long that waits: until the DNS may
    /// know more, and until a token could be issued in its place.
    fn ask_for_token(&self, domain: &Domain) -> Option<Duration> {
        let recoveries = self.observer.mirror.token_recoveries.read();
        let after_failure = recoveries.wait(&domain.key, &domain.uid);
        let wait = after_failure.or_else(|| self.limits.wait_for_token(domain));
        if wait.is_none() {
            self.checks.ask(&domain.key);
        }
        wait
    }

    /// Where the status of a holder lost its token: whether its record has it still.
    fn recover_token(
        &self,
        domain: &Domain,
        snapshot: &Snapshot<'_>,
        checked: &mut Option<Checked>,
    ) -> TokenRecovery {
        let Some((holding, _)) = self.observer.lost_token(domain, snapshot) else {
            return TokenRecovery::NotLost;
        };
        match recovery_of(checked.as_ref()) {
            None => TokenRecovery::Ask,
            Some(RecoveryResult::Unknown) => {
                *checked = None;
                let mut recoveries = self.observer.mirror.token_recoveries.write();
                TokenRecovery::Wait(recoveries.failed(&domain.key, &domain.uid))
            }
            Some(RecoveryResult::Published(token)) => TokenRecovery::Restored(
                Box::new(token_recovery::restored(
                    snapshot.status,
                    token,
                    domain.identity(),
                    holding.since,
                )),
                holding.seen_by(domain, Some(token)),
            ),
            // A new one is issued.
            Some(RecoveryResult::Replaced(_)) => TokenRecovery::NotLost,
        }
    }

    /// Whether an approval, or its end, is what the decision writes about the name.
    fn by_hand(&self, domain: &Domain, decision: &Decision) -> bool {
        let by_hand_now = || {
            let holding = self.observer.mirror.cluster.stores.holding_of(domain);
            holding.is_some_and(|holding| holding.strategy == Strategy::Manual)
        };
        match &decision.holding {
            HoldingAction::Take(spec) => spec.strategy == Strategy::Manual,
            HoldingAction::Rewrite(spec) => spec.strategy == Strategy::Manual || by_hand_now(),
            HoldingAction::Release => by_hand_now(),
            HoldingAction::Keep
            | HoldingAction::HandOver(_)
            | HoldingAction::ReleasePredecessor => false,
        }
    }

    /// After a decision was written: when to requeue.
    async fn conclude(
        &self,
        domain: &Domain,
        decision: &Decision,
        now: Timestamp,
        limited: Option<Duration>,
    ) -> Option<Duration> {
        self.observer
            .set_next_check(&domain.key, &domain.uid, decision.next_check);
        if decision.check_holder {
            self.check_holder_of(domain, now).await;
        }
        let wake = decision.wake.map(|at| schedule::wait(now, at));
        [wake, limited].into_iter().flatten().min()
    }

    /// The holder of the domain's name is checked at once, where its namespace is watched here,
    /// whichever shard it is in.
    async fn check_holder_of(&self, domain: &Domain, now: Timestamp) {
        let mirror = &self.observer.mirror;
        let cluster = &mirror.cluster;
        let Some(holding) = cluster.stores.holding_of(domain) else {
            return;
        };
        let holder = &holding.holder;
        if cluster.stores.knows_holder(&holding) {
            // The check comes with the next reconcile.
            self.observer
                .set_next_check(&holder.key, &holder.uid, Some(now));
            mirror.queues.domains.add(holder.key.clone());
        } else if !cluster.scope.shard.is_whole() && cluster.scope.watches(holder.key.namespace()) {
            match self.applier.holding_writer.live_holder(&holding).await {
                Ok(Some(live)) => mirror.borrow(live, now),
                Ok(None) => {}
                // Its own check comes.
                Err(error) => {
                    tracing::warn!(name = %holding.name, %error, "cannot requeue the holder for a check now");
                }
            }
        }
    }

    /// Lets go of what is another shard's, once it needs no check. It is not forgotten: its holding says
    /// when to requeue it.
    fn give_back(&self, key: &Key, again: Option<Duration>) -> Option<Duration> {
        let mirror = &self.observer.mirror;
        let stores = &mirror.cluster.stores;
        if !stores.domains.read().is_borrowed(key) || self.checks.is_asked(key) {
            return again;
        }
        let seen = stores.domains.read().get(key);
        if !stores.domains.write().give_back(key) {
            return again;
        }
        if mirror.cluster.scope.shard.is_default()
            && let Some(holding) = seen.and_then(|seen| stores.held_by(&seen))
        {
            let period = mirror.settings.recheck_period.unsigned_abs();
            let name = Arc::clone(&holding.name);
            let again = again.unwrap_or(period);
            mirror.queues.orphans.add_after(name, again);
        }
        None
    }
}

/// What became of a token that the status lost.
enum TokenRecovery {
    NotLost,
    /// The DNS is to be asked for it.
    Ask,
    /// The DNS did not say; it is asked again after so long.
    Wait(Duration),
    /// The status with the token, and who holds the name by it.
    Restored(Box<OrganizationDomainStatus>, HeldBy),
}

fn recovery_of(checked: Option<&Checked>) -> Option<&RecoveryResult> {
    checked?.recovery.as_ref()
}

/// Whether the object's request was made after the check was asked for.
fn is_later_request(checked: Option<&Checked>, snapshot: &Snapshot<'_>) -> bool {
    checked.is_some_and(|checked| checked.requested.as_deref() != snapshot.requested)
}

/// Whether the organization of a new domain may be on its way. The object's time is the API server's,
/// whose clock may be another.
fn may_come(domain: &Domain, now: Timestamp) -> bool {
    domain.is_new() && now.duration_since(domain.created).abs() < ORDER
}

/// The token to issue where one is issued: that which a check asked for already, or one in reserve.
fn issue(recovery: Option<&RecoveryResult>) -> Result<impl FnOnce() -> Token, ApiError> {
    let token = match recovery {
        Some(RecoveryResult::Replaced(token)) => token.clone(),
        Some(RecoveryResult::Published(_) | RecoveryResult::Unknown) | None => fresh_token()?,
    };
    Ok(move || token)
}
