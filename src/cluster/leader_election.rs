//! One of several replicas works: the one that holds a Lease of `coordination.k8s.io` and renews it.
//!
//! No clock but the process's own counts, and that one never goes back: how long ago somebody renewed
//! is how long ago this process saw the Lease change, and leadership ends by the time at which the last
//! renewal that succeeded was sent. (A suspended machine does not count its sleep.) The Lease saves
//! work, it does not make writes safe: these carry resource versions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::PostParams;
use rand::RngExt;
use tokio::sync::watch::{Receiver, Sender};
use tokio::time::{sleep, sleep_until, timeout_at};

use super::access_monitor::{AccessMonitor, CutOff, Purpose};
use super::client::Client;
use super::error::ApiError;
use super::leadership::Leadership;
use super::objects::Objects;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::outage::Outage;
use crate::telemetry::readiness::Readiness;

/// How long others leave an unrenewed Lease to its holder.
const DURATION: Duration = Duration::from_secs(15);
/// How long its holder works without having renewed it: so much shorter that it has ended when
/// another begins.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Between two renewals.
const RETRY_PERIOD: Duration = Duration::from_secs(2);
/// Between two reads of a standby: what it sees late, it takes over late.
const POLL_PERIOD: Duration = Duration::from_secs(1);
/// For one call; a frozen API server answers none, and the next one goes over a new connection.
const CALL_DEADLINE: Duration = Duration::from_secs(3);

/// A replica that leads or waits for its turn.
pub struct LeaderElector {
    leases: Objects<Lease>,
    name: String,
    identity: String,
    client: Client,
    /// Until when this replica may lead.
    until: Sender<Instant>,
}

/// Why a process that led, or was to lead, must end.
#[derive(Debug, thiserror::Error)]
pub enum ElectionError {
    #[error("the Lease was not renewed in time, so another replica may be the leader")]
    LeaseLost,
    #[error(transparent)]
    CutOff(#[from] CutOff),
}

/// A Lease as it was first seen.
struct ObservedLease {
    spec: LeaseSpec,
    since: Instant,
}

impl ObservedLease {
    /// How long its holder still has it, unless it renews: nothing where it gave it up.
    fn left(&self, now: Instant) -> Duration {
        let holder = self.spec.holder_identity.as_deref().unwrap_or_default();
        let promised = self
            .spec
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map_or(DURATION, Duration::from_secs);
        if holder.is_empty() {
            return Duration::ZERO;
        }
        promised.saturating_sub(now.duration_since(self.since))
    }
}

impl LeaderElector {
    /// `instance` is the holder's name in the Lease, with something behind it that no other process has.
    #[must_use]
    pub fn new(
        api: kube::Client,
        namespace: &str,
        name: String,
        instance: &str,
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
    ) -> Self {
        let suffix: [u8; 4] = rand::rng().random();
        Self {
            // Renewed by writing it as a whole.
            leases: Objects::namespaced(api.clone(), namespace).whole(),
            identity: format!("{instance}_{}", HEXLOWER.encode(&suffix)),
            client: Client {
                api,
                metrics,
                deadline: CALL_DEADLINE,
                leadership: None,
                access_monitor: Arc::new(AccessMonitor::new(Purpose::Lease, readiness)),
            },
            name,
            until: Sender::new(Instant::now()),
        }
    }

    /// Current while this replica leads.
    #[must_use]
    pub fn leadership(&self) -> Leadership {
        Leadership(self.until.subscribe())
    }

    /// Runs `lead` from when this replica leads until it ends, which it does when `stop` says so.
    ///
    /// # Errors
    /// That of `lead`, and where the Lease is lost or out of reach for good.
    pub async fn run<E: From<ElectionError>>(
        self,
        mut stop: Receiver<bool>,
        lead: impl Future<Output = Result<(), E>>,
    ) -> Result<(), E> {
        self.client.metrics.leads(&self.name, false);
        let mut lease = tokio::select! {
            taken = self.take() => taken,
            why = self.client.access_monitor.cut_off() => return Err(ElectionError::from(why).into()),
            _ = stop.wait_for(|stop| *stop) => {
                self.release().await;
                return Ok(());
            }
        };
        tracing::info!(lease = self.name, identity = self.identity, "leading");
        self.client.metrics.leads(&self.name, true);
        let outcome = tokio::select! {
            outcome = lead => outcome,
            () = self.keep_renewed(&mut lease) => return Err(ElectionError::LeaseLost.into()),
        };
        self.release().await;
        outcome
    }

    /// Waits for the Lease.
    async fn take(&self) -> Lease {
        let mut observed: Option<ObservedLease> = None;
        let mut leader = None;
        let failing = Outage::new(1);
        loop {
            match self.try_to_take(&mut observed).await {
                Ok(Some((lease, until))) => {
                    self.until.send_replace(until);
                    return lease;
                }
                Ok(None) => {
                    if failing.ended().is_some() {
                        tracing::info!(
                            lease = self.name,
                            "the Lease can be read and written again"
                        );
                    }
                    let seen = observed.as_ref();
                    let holder = seen.and_then(|seen| seen.spec.holder_identity.clone());
                    if holder.is_some() && holder != leader {
                        tracing::info!(lease = self.name, leader = holder, "standing by");
                        leader = holder;
                    }
                }
                Err(error) => {
                    if let Some(failures) = failing.failed() {
                        tracing::warn!(%error, lease = self.name, failures, "cannot read or write the Lease; trying again");
                    }
                }
            }
            let left = observed.as_ref().map(|seen| seen.left(Instant::now()));
            // At once where it ended meanwhile, though never without a pause.
            let pause = left.filter(|left| !left.is_zero()).unwrap_or(POLL_PERIOD);
            sleep(pause.min(POLL_PERIOD)).await;
        }
    }

    async fn try_to_take(
        &self,
        observed: &mut Option<ObservedLease>,
    ) -> Result<Option<(Lease, Instant)>, ApiError> {
        let found = self.read().await?;
        if let Some(lease) = &found {
            let spec = lease.spec.clone().unwrap_or_default();
            let now = Instant::now();
            let seen = match observed.take() {
                Some(seen) if seen.spec == spec => seen,
                _ => ObservedLease { spec, since: now },
            };
            if !observed.insert(seen).left(now).is_zero() {
                return Ok(None);
            }
        }
        let sent = Instant::now();
        let is_there = found.is_some();
        let mut lease = found.unwrap_or_default();
        lease.metadata.name = Some(self.name.clone());
        lease.spec = Some(self.claim(lease.spec.unwrap_or_default()));
        let written = if is_there {
            self.replace(&lease).await
        } else {
            let params = PostParams::default();
            match self.client.call(self.leases.create(&params, &lease)).await {
                // Where a name is free, only the namespace can be missing.
                Err(ApiError::NotFound) => return Err(ApiError::NoNamespace),
                created => created.and_then(|lease| Ok(lease.0?)),
            }
        };
        match written {
            Ok(lease) => Ok(Some((lease, sent + RENEW_DEADLINE))),
            // Somebody was faster.
            Err(ApiError::Conflict | ApiError::AlreadyExists | ApiError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn claim(&self, before: LeaseSpec) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            lease_transitions: Some(before.lease_transitions.map_or(0, |n| n.saturating_add(1))),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            ..before
        }
    }

    /// Renews the Lease; returns when it is lost.
    async fn keep_renewed(&self, lease: &mut Lease) {
        loop {
            let end = *self.until.borrow();
            sleep_until(end.min(Instant::now() + RETRY_PERIOD).into()).await;
            // A process that stood still finds its time over before it sends anything.
            if Instant::now() >= end {
                return;
            }
            match timeout_at(end.into(), self.renew(lease)).await {
                Ok(Ok(Some(sent))) => {
                    self.until.send_replace(sent + RENEW_DEADLINE);
                }
                Ok(Ok(None)) | Err(_) => return,
                Ok(Err(error)) => {
                    tracing::warn!(%error, lease = self.name, "the Lease is not renewed yet; trying again");
                }
            }
        }
    }

    /// Returns when the renewal was sent; none where the Lease is another's by now.
    async fn renew(&self, lease: &mut Lease) -> Result<Option<Instant>, ApiError> {
        loop {
            let sent = Instant::now();
            let mut renewed = lease.clone();
            let spec = renewed.spec.get_or_insert_default();
            spec.renew_time = Some(MicroTime(Timestamp::now()));
            match self.replace(&renewed).await {
                Ok(written) => {
                    *lease = written;
                    return Ok(Some(sent));
                }
                // Our own, where a renewal was written and its answer lost, or something beside the
                // holder changed.
                Err(ApiError::Conflict) => match self.own().await? {
                    Some(own) => *lease = own,
                    None => return Ok(None),
                },
                Err(ApiError::NotFound) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// The Lease as it is, if it is ours.
    async fn own(&self) -> Result<Option<Lease>, ApiError> {
        let holder = |lease: &Lease| lease.spec.as_ref()?.holder_identity.clone();
        let found = self.read().await?;
        Ok(found.filter(|lease| holder(lease).as_ref() == Some(&self.identity)))
    }

    async fn read(&self) -> Result<Option<Lease>, ApiError> {
        let found = self.client.call_opt(self.leases.get(&self.name)).await?;
        Ok(found.map(|lease| lease.0).transpose()?)
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, ApiError> {
        let params = PostParams::default();
        let request = self.leases.replace(&self.name, &params, lease);
        Ok(self.client.call(request).await?.0?)
    }

    /// Gives the Lease back, so that another need not wait for its end.
    async fn release(&self) {
        self.client.metrics.leads(&self.name, false);
        let Ok(Some(mut lease)) = self.own().await else {
            return;
        };
        lease.spec.get_or_insert_default().holder_identity = None;
        match self.replace(&lease).await {
            Ok(_) => tracing::info!(lease = self.name, "the Lease is released"),
            Err(error) => {
                tracing::warn!(%error, lease = self.name, "cannot release the Lease; it expires by itself");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::Value;
    use tokio::time::timeout;

    use super::*;
    use crate::cluster::fake_api;
    use crate::telemetry::readiness::NotReady;

    /// What a standby ends with in twenty minutes, where the API server answers so, and what it says
    /// at `/readyz` then.
    async fn ends(code: StatusCode) -> (Option<String>, Option<String>) {
        let readiness = Arc::new(Readiness::default());
        // As after a first read that found another's Lease.
        readiness.clear(&NotReady::Phase);
        let elector = LeaderElector::new(
            fake_api::client(move |_| (code.as_u16(), Value::Null)),
            "default",
            "freehold".to_owned(),
            "pod",
            Arc::default(),
            Arc::clone(&readiness),
        );
        let ended = timeout(Duration::from_mins(20), async {
            tokio::select! {
                _ = elector.take() => panic!("nobody gave it the Lease"),
                why = elector.client.access_monitor.cut_off() => why.0,
            }
        });
        (ended.await.ok(), readiness.reasons())
    }

    #[tokio::test(start_paused = true)]
    async fn a_standby_that_is_refused_ends_and_one_whose_api_server_is_away_waits() {
        for code in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
            let (ended, said) = ends(code).await;
            assert!(ended.is_some(), "{code}");
            assert!(said.unwrap().contains("use its Lease"), "{code}");
        }
        for code in [
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::NOT_FOUND,
        ] {
            assert_eq!(ends(code).await, (None, None), "{code}");
        }
    }

    fn observed(holder: &str, seconds: Option<i32>) -> ObservedLease {
        ObservedLease {
            spec: LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                lease_duration_seconds: seconds,
                // A clock that is far ahead: of no account.
                renew_time: Some(MicroTime(Timestamp::MAX)),
                ..LeaseSpec::default()
            },
            since: Instant::now(),
        }
    }

    #[test]
    fn a_lease_is_free_once_its_holder_was_not_seen_for_as_long_as_it_promised() {
        for (holder, promised, seconds, free) in [
            ("other", Some(15), 14, false),
            ("other", Some(15), 15, true),
            ("other", Some(60), 59, false),
            ("other", None, 14, false),
            ("other", None, 15, true),
            ("other", Some(-1), 14, false),
            ("", Some(15), 0, true),
        ] {
            let seen = observed(holder, promised);
            let now = seen.since + Duration::from_secs(seconds);
            assert_eq!(
                seen.left(now).is_zero(),
                free,
                "{holder} {promised:?} {seconds}"
            );
        }
    }

    /// Whoever leads has stopped before another may begin, also where its last call to the API
    /// server began at the end of its time.
    #[test]
    fn a_leader_stops_before_its_lease_ends() {
        assert!(RENEW_DEADLINE + CALL_DEADLINE < DURATION);
        assert!(RETRY_PERIOD + CALL_DEADLINE < RENEW_DEADLINE);
    }
}
