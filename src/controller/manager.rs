//! The operator as a whole: its parts, its start and its end.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use tokio::sync::watch::Receiver;
use tokio::task::{JoinError, JoinSet};

use super::announcer::Announcer;
use super::checks::Checks;
use super::domain_approval::ApprovalReconciler;
use super::gatherer::ThreadedGatherer;
use super::holding_writer::HoldingWriter;
use super::mirror::Mirror;
use super::organization::OrganizationReconciler;
use super::organization_domain::{
    Applier, Checker, DNS_OUTAGE, DomainReconciler, Observer, TenantLimits,
};
use super::orphan::OrphanReconciler;
use super::queues::{Queues, Workers};
use crate::api::{DomainApproval, Organization, OrganizationDomain, VerifiedDomain};
use crate::cluster::Cluster;
use crate::cluster::access_monitor::{AccessMonitor, CutOff, Purpose};
use crate::cluster::client::Client;
use crate::cluster::clock::{self, Clock};
use crate::cluster::events::Events;
use crate::cluster::leader_election::{ElectionError, LeaderElector};
use crate::cluster::scope::Scope;
use crate::cluster::store::Stores;
use crate::cluster::watch::Watching;
use crate::model::settings::Settings;
use crate::telemetry::metrics::{Controller, Metrics};
use crate::telemetry::outage::Outage;
use crate::telemetry::readiness::{NotReady, Readiness};
use crate::workqueue::worker::{Reconciler, work};

/// How long running reconciles may take to end after a stop was asked for.
const STOP_DEADLINE: Duration = Duration::from_secs(25);

/// What an operator is made of.
pub struct Config {
    pub client: kube::Client,
    /// Watches stay open and quiet for minutes, so their client has time limits of its own.
    pub watch_client: kube::Client,
    pub settings: Settings,
    pub gatherer: ThreadedGatherer,
    pub metrics: Arc<Metrics>,
    pub scope: Scope,
    /// Most pending domains of one namespace that are checked.
    pub max_pending: usize,
    /// Reconciles of organization domains at once, and as many checks beside them.
    pub concurrency: usize,
    /// Deadline of one call to the API server.
    pub api_timeout: Duration,
    /// How long a holding without its holder is left alone when nobody saw the holder deleted.
    pub orphan_delay: Duration,
    /// Who reports Events, for instance the pod's name.
    pub instance: String,
    pub readiness: Arc<Readiness>,
    /// None where no other replica could lead.
    pub election: Option<LeaderElector>,
}

/// Why an operator ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    #[error("a loop ended unexpectedly; the process must be restarted")]
    LoopEnded,
    #[error("a loop failed; the process must be restarted: {0}")]
    LoopFailed(#[from] JoinError),
    #[error(transparent)]
    Election(#[from] ElectionError),
    #[error(transparent)]
    CutOff(#[from] CutOff),
}

/// All parts of an operator.
pub struct Operator {
    mirror: Arc<Mirror>,
    workers: Workers,
    domains: Arc<DomainReconciler>,
    checker: Arc<Checker>,
    organizations: Arc<OrganizationReconciler>,
    approvals: Arc<ApprovalReconciler>,
    orphans: Arc<OrphanReconciler>,
}

impl Operator {
    /// Runs until `stop` says so, then finishes what is under way. Its stores are filled whether it leads
    /// or waits for that; it is ready once every store has its first full list.
    ///
    /// # Errors
    /// Where a loop ends by itself, the Lease is lost, or the API server refuses this process for minutes.
    pub async fn run(mut config: Config, mut stop: Receiver<bool>) -> Result<(), OperatorError> {
        let election = config.election.take();
        let readiness = Arc::clone(&config.readiness);
        let access_monitor = AccessMonitor::new(Purpose::Work, Arc::clone(&readiness));
        let access_monitor = Arc::new(access_monitor);
        let client = Client {
            api: config.client.clone(),
            metrics: Arc::clone(&config.metrics),
            deadline: config.api_timeout,
            leadership: election.as_ref().map(LeaderElector::leadership),
            access_monitor: Arc::clone(&access_monitor),
        };
        let (events, publisher) = Events::new(client.clone(), config.instance.clone());
        let events = Arc::new(events);
        let watching = Watching {
            client: config.watch_client.clone(),
            metrics: Arc::clone(&config.metrics),
            readiness: Arc::clone(&readiness),
            access_monitor: Arc::clone(&access_monitor),
            events: Arc::clone(&events),
            interruptions: Arc::default(),
        };
        let operator = Self::new(config, client, events);
        let publisher = tokio::spawn(publisher.run());

        let mut watches = JoinSet::new();
        tokio::select! {
            () = operator.watch_all(&watching, &mut watches) => {}
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            Some(ended) = watches.join_next() => return Err(ended_early(ended)),
            why = access_monitor.cut_off() => return Err(why.into()),
        }
        readiness.clear(&NotReady::Phase);
        tracing::info!("all caches are filled");
        operator.warn_of_missing_namespaces();

        let lead = operator.lead(&readiness, stop.clone());
        let working = async {
            match election {
                Some(election) => election.run(stop.clone(), lead).await,
                None => lead.await,
            }
        };
        let outcome = tokio::select! {
            outcome = working => outcome,
            Some(ended) = watches.join_next() => Err(ended_early(ended)),
            why = access_monitor.cut_off() => Err(why.into()),
        };
        watches.shutdown().await;
        // With the last sender gone the publisher ends after what it has.
        drop((operator, watching));
        drop(tokio::time::timeout(Duration::from_secs(5), publisher).await);
        outcome
    }

    fn warn_of_missing_namespaces(&self) {
        let cluster = &self.mirror.cluster;
        let known = cluster.stores.namespaces.read().names();
        for namespace in &cluster.scope.namespaces {
            if !known.iter().any(|name| **name == **namespace) {
                tracing::warn!(
                    namespace,
                    "a watched namespace does not exist; its objects are processed once it is created"
                );
            }
        }
    }

    /// Works until `stop` says so.
    async fn lead(
        &self,
        readiness: &Readiness,
        mut stop: Receiver<bool>,
    ) -> Result<(), OperatorError> {
        let mirror = &self.mirror;
        tracing::info!("reconciling");
        mirror.begin();
        let mut workers = self.start_workers();
        let outcome = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => Ok(()),
            Some(ended) = workers.join_next() => Err(ended_early(ended)),
            () = watch_clock(mirror) => Err(OperatorError::LoopEnded),
        };
        readiness.set(NotReady::Phase, "the process is stopping");
        tracing::info!("stopping; finishing the running reconciles");
        mirror.queues.close();
        finish(workers).await;
        outcome
    }

    fn new(config: Config, client: Client, events: Arc<Events>) -> Self {
        let workers = Workers::new(config.concurrency.max(1));
        let settings = Arc::new(config.settings);
        let cluster = Arc::new(Cluster {
            client,
            stores: Stores::new(config.max_pending),
            clock: Clock::default(),
            scope: config.scope,
        });
        let queues = Arc::new(Queues::new(&cluster, workers, &config.metrics));
        let mirror = Arc::new(Mirror::new(
            Arc::clone(&cluster),
            Arc::clone(&queues),
            Arc::clone(&settings),
            config.orphan_delay,
        ));
        let observer = Observer {
            mirror: Arc::clone(&mirror),
        };
        let checks = Arc::new(Checks::new(Arc::clone(&queues)));
        let holding_writer = Arc::new(HoldingWriter::new(Arc::clone(&mirror)));
        Self {
            workers,
            domains: Arc::new(DomainReconciler {
                observer: observer.clone(),
                checks: Arc::clone(&checks),
                limits: TenantLimits::new(config.max_pending),
                applier: Applier {
                    mirror: Arc::clone(&mirror),
                    holding_writer: Arc::clone(&holding_writer),
                    announcer: Arc::new(Announcer::new(Arc::clone(&cluster), events, settings)),
                },
            }),
            checker: Arc::new(Checker {
                observer,
                checks,
                holding_writer,
                gatherer: config.gatherer,
                dns_outage: Outage::new(DNS_OUTAGE),
            }),
            organizations: Arc::new(OrganizationReconciler {
                cluster: Arc::clone(&cluster),
                queues: Arc::clone(&queues),
            }),
            approvals: Arc::new(ApprovalReconciler { cluster, queues }),
            orphans: Arc::new(OrphanReconciler {
                mirror: Arc::clone(&mirror),
            }),
            mirror,
        }
    }

    fn watch_all(
        &self,
        watching: &Watching,
        tasks: &mut JoinSet<()>,
    ) -> impl Future<Output = ()> + use<> {
        let mirror = &self.mirror;
        let mut synced = Vec::new();
        for namespace in mirror.cluster.scope.watched() {
            synced.extend([
                watching.start::<Namespace>(mirror, namespace, tasks),
                watching.start::<DomainApproval>(mirror, namespace, tasks),
                watching.start::<Organization>(mirror, namespace, tasks),
                watching.start::<OrganizationDomain>(mirror, namespace, tasks),
            ]);
        }
        synced.push(watching.start::<VerifiedDomain>(mirror, None, tasks));
        join_all(synced).map(|_| ())
    }

    fn start_workers(&self) -> JoinSet<()> {
        let metrics = &self.mirror.cluster.client.metrics;
        let mut tasks = JoinSet::new();
        let counts = self.workers;
        start(&mut tasks, metrics, &self.domains, counts.domains);
        let organizations = &self.organizations;
        start(&mut tasks, metrics, organizations, counts.organizations);
        start(&mut tasks, metrics, &self.approvals, 1);
        start(&mut tasks, metrics, &self.orphans, 1);
        metrics.workers(Controller::OrganizationDomain, counts.domains);
        metrics.workers(Controller::Check, counts.checks);
        tasks.spawn(Arc::clone(&self.checker).run());
        tasks
    }
}

fn start<R: Reconciler>(
    tasks: &mut JoinSet<()>,
    metrics: &Arc<Metrics>,
    reconciler: &Arc<R>,
    count: usize,
) {
    for _ in 0..count {
        let (reconciler, metrics) = (Arc::clone(reconciler), Arc::clone(metrics));
        tasks.spawn(async move { work(&*reconciler, &metrics).await });
    }
}

/// Requeues everything whose next reconcile may come too late.
async fn watch_clock(mirror: &Mirror) {
    let set = |forward: Option<Timestamp>| {
        if let Some(now) = forward {
            mirror.cluster.stores.domains.write().forget_overdue(now);
        }
        mirror.requeue_all();
    };
    clock::watch(&mirror.cluster.clock, set).await;
}

/// Waits until all workers ended after what they had in hand.
async fn finish(mut workers: JoinSet<()>) {
    let finished = tokio::time::timeout(STOP_DEADLINE, async {
        while workers.join_next().await.is_some() {}
    })
    .await;
    if finished.is_err() {
        tracing::warn!("some reconciles did not end in time");
    }
}

fn ended_early(ended: Result<(), JoinError>) -> OperatorError {
    ended.map_or_else(OperatorError::LoopFailed, |()| OperatorError::LoopEnded)
}
