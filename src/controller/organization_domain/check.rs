//! Checks: evidence from the DNS, judged for the domain and for whoever holds its name.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::observe::Observer;
use super::token::fresh_token;
use crate::api::organization_domain::State;
use crate::cluster::error::ApiError;
use crate::cluster::key::Key;
use crate::cluster::store::domain::{Domain, StatusView};
use crate::cluster::store::holdings::HoldingView;
use crate::controller::checks::{Checked, Checks};
use crate::controller::gatherer::ThreadedGatherer;
use crate::controller::holding_writer::HoldingWriter;
use crate::dns::Asker;
use crate::model::challenge::Challenge;
use crate::model::evidence::Evidence;
use crate::model::facts::issued_service;
use crate::model::lifecycle::{self, JudgedHolder, Judgement};
use crate::model::name::DomainName;
use crate::model::servers::Servers;
use crate::model::verdict::Verdict;
use crate::model::{provider, report, token_recovery, verdict};
use crate::telemetry::metrics::{Controller, ReconcileResult};
use crate::telemetry::outage::Outage;
use crate::workqueue::worker::back;

/// Makes the checks that are asked for.
pub struct Checker {
    pub observer: Observer,
    pub checks: Arc<Checks>,
    pub holding_writer: Arc<HoldingWriter>,
    pub gatherer: ThreadedGatherer,
    /// Checks to which no server answers.
    pub dns_outage: Outage,
}

/// Checks in a row without any answer that are hardly their domains' fault.
pub const DNS_OUTAGE: u64 = 3;

impl Checker {
    /// Makes checks until the queue closes. Those under way then are finished and decided on; after that
    /// nothing is decided any more.
    pub async fn run(self: Arc<Self>) {
        let mirror = &self.observer.mirror;
        let metrics = &mirror.cluster.client.metrics;
        let queue = &mirror.queues.checks;
        let mut under_way = JoinSet::new();
        loop {
            tokio::select! {
                next = queue.next() => {
                    let Some((key, waited)) = next else {
                        while under_way.join_next().await.is_some() {}
                        self.checks.decided().await;
                        break;
                    };
                    metrics.queue_waited(Controller::Check, waited);
                    metrics.queue_depth(Controller::Check, queue.depth());
                    let checker = Arc::clone(&self);
                    under_way.spawn(async move { checker.make(key).await });
                }
                Some(ended) = under_way.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a check failed");
                        break;
                    }
                }
            }
        }
        under_way.shutdown().await;
        mirror.queues.domains.close();
    }

    async fn make(&self, key: Key) {
        let mirror = &self.observer.mirror;
        let queue = &mirror.queues.checks;
        let metrics = &mirror.cluster.client.metrics;
        let timer = metrics.reconcile_started(Controller::Check);
        let result = match self.check_now(&key).await {
            Ok(Some(checked)) => {
                self.checks.found(&key, checked);
                ReconcileResult::Success
            }
            Ok(None) => {
                queue.done(&key, None);
                mirror.queues.domains.add(key);
                ReconcileResult::Success
            }
            Err(error) => back(queue, &key, &error, Controller::Check.as_str()),
        };
        timer.finish(result);
    }

    /// Makes the check that was asked for, of the object as it is now; none where there is nothing to check
    /// any more.
    async fn check_now(&self, key: &Key) -> Result<Option<Checked>, ApiError> {
        let mirror = &self.observer.mirror;
        let Some(known) = mirror.cluster.stores.domains.read().get(key) else {
            return Ok(None);
        };
        let domain = match known.status {
            StatusView::Whole(_) => known,
            StatusView::Settled(_) => match mirror.refresh(key).await? {
                Some(live) => live,
                None => return Ok(None),
            },
        };
        let status = domain.whole().ok_or(ApiError::Conflict)?;
        let held_by = self.observer.held_by(&domain).await?;
        let now = mirror.cluster.clock.now();
        if self.observer.is_handled_elsewhere(&domain, held_by) {
            // Until what it waits for comes, it is not asked for at once again.
            self.observer.put_off(&domain, now);
            return Ok(None);
        }
        let snapshot = self.observer.snapshot(&domain, status, held_by, now);
        if let Some((holding, name)) = self.observer.lost_token(&domain, &snapshot) {
            return self.recover_token(&domain, name, &holding).await.map(Some);
        }
        // It was due when it was asked for.
        let due = lifecycle::due(now, &self.observer.mirror.settings, &snapshot, Some(now));
        let Some(challenge) = due else {
            return Ok(None);
        };
        // Where nothing can be written, the next check comes at its time all the same.
        self.observer.put_off(&domain, now);
        let begun = Instant::now();
        let evidence = self.gather(&domain, &challenge).await;
        let checked = self.judge(&domain, &challenge, evidence, begun).await?;
        Ok(Some(checked))
    }

    async fn gather(&self, domain: &Domain, challenge: &Challenge) -> Evidence {
        let asker = Asker {
            name: domain.key.namespace().into(),
            answered_before: domain.was_answered(),
        };
        let begun = Instant::now();
        let evidence = self.gatherer.gather(challenge, asker).await;
        let cluster = &self.observer.mirror.cluster;
        cluster.client.metrics.dns_took(begun.elapsed());
        if evidence.is_silence() {
            if let Some(checks) = self.dns_outage.failed() {
                tracing::warn!(
                    checks,
                    "no DNS server answers; check that this process may reach port 53 over UDP and TCP, or the servers of --dns-server (dns.servers)"
                );
            }
        } else if let Some(lasted) = self.dns_outage.ended() {
            tracing::info!(seconds = lasted.as_secs(), "DNS servers answer again");
        }
        evidence
    }

    /// Looks for the token that the holding has the hash of.
    async fn recover_token(
        &self,
        domain: &Arc<Domain>,
        name: DomainName,
        holding: &HoldingView,
    ) -> Result<Checked, ApiError> {
        let begun = Instant::now();
        let mut challenge = Challenge {
            name,
            service: self.observer.mirror.settings.service.clone(),
            token: fresh_token()?,
        };
        let evidence = self.gather(domain, &challenge).await;
        let holder = holding.spec().holder;
        let published = token_recovery::token(&challenge.service, &evidence, &holder);
        if let Some(token) = &published {
            challenge.token = token.clone();
        }
        let checked = self.judge(domain, &challenge, evidence, begun).await?;
        Ok(checked.with_recovery(published))
    }

    async fn judge(
        &self,
        domain: &Arc<Domain>,
        challenge: &Challenge,
        evidence: Evidence,
        begun: Instant,
    ) -> Result<Checked, ApiError> {
        let cluster = &self.observer.mirror.cluster;
        let judged = verdict::judge(challenge, &evidence);
        let state = domain.state().unwrap_or(State::Pending);
        cluster.client.metrics.check(judged.verdict, state);
        tracing::debug!(
            domain = &*domain.stated,
            key = %domain.key,
            verdict = ?judged.verdict,
            servers = %Servers::of(&evidence),
            milliseconds = begun.elapsed().as_millis(),
            "checked"
        );
        let holding = cluster
            .stores
            .holding_of(domain)
            .filter(|holding| holding.holder.uid != domain.uid)
            .filter(|_| judged.verdict == Verdict::Proven || domain.is_taking_over());
        let holder = match &holding {
            Some(holding) => self.judge_holder(holding, challenge, &evidence).await?,
            None => None,
        };
        let names = &self.observer.mirror.settings.names;
        let internal = names.is_internal(challenge.name.as_str());
        Ok(Checked {
            uid: domain.uid.clone(),
            domain: Some(Arc::clone(domain)),
            requested: domain.requested.clone(),
            begun,
            holding,
            recovery: None,
            judgement: Judgement {
                verdict: judged.verdict,
                weight: judged.weight,
                token: challenge.token.clone(),
                holder,
                dns_provider: provider::of(&evidence, names).filter(|_| !internal),
                report: report::for_status(challenge, &evidence, judged, internal),
            },
        })
    }

    /// Judges the holder of the name by the evidence that was gathered for somebody else, on the token
    /// that a live read of it shows. None where the token is not the one that was proved.
    async fn judge_holder(
        &self,
        holding: &HoldingView,
        challenge: &Challenge,
        evidence: &Evidence,
    ) -> Result<Option<JudgedHolder>, ApiError> {
        let Some(holder) = self.holding_writer.live_holder(holding).await? else {
            return Ok(None);
        };
        let (Some(token), Some(status)) = (holder.token(), holder.whole()) else {
            return Ok(None);
        };
        let issued = status.challenge.as_ref().and_then(issued_service);
        if issued.is_some_and(|issued| issued != challenge.service) {
            // Nobody asked for its records here. Its own checks do.
            return Ok(None);
        }
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
}
