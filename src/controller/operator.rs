//! The operator as a whole: what its parts share, its start and its end.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use jiff::Timestamp;
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;

use super::checks::{self, Checks};
use super::gatherer::ThreadedGatherer;
use super::live_reads::LiveReads;
use super::{domain_approval, namespace, organization, organization_domain, verified_domain};
use crate::api::State;
use crate::cluster::access::{Access, CutOff, Purpose};
use crate::cluster::client::Client;
use crate::cluster::clock::{self, Clock};
use crate::cluster::error::ApiError;
use crate::cluster::events::Events;
use crate::cluster::leader_election::ElectionError;
use crate::cluster::leadership::Leadership;
use crate::cluster::shard::Shard;
use crate::cluster::store::{Key, Stores};
use crate::cluster::watch::{Scope, Watching};
use crate::model::settings::Settings;
use crate::telemetry::metrics::{Controller, Metrics, ReconcileResult};
use crate::telemetry::readiness::{NotReady, Readiness};
use crate::workqueue::fair::{Flow, Priority, Share};
use crate::workqueue::queue::Queue;
use crate::workqueue::rate_limit::RateLimiter;

/// Requests by annotation for one namespace and registrable domain: so many at once, then one each
/// time.
const REQUESTS: (u32, Duration) = (60, Duration::from_secs(1));
/// New tokens for one namespace and registrable domain: as many as may be pending, then one each
/// time.
const TOKEN_REFILL: Duration = Duration::from_secs(10);
/// How long a key rests that the API server refuses for good: repeating helps nobody, and somebody
/// may change the rights or the definitions.
pub(super) const REFUSED_PAUSE: Duration = Duration::from_mins(5);
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
    /// Namespaces to look after; none for all.
    pub namespaces: Vec<String>,
    /// Which organization domains to look after there.
    pub shard: Shard,
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
    pub leadership: Option<Leadership>,
}

/// Why an operator ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    #[error("a loop ended unexpectedly; the process must be restarted")]
    LoopEnded,
    #[error("a loop failed; the process must be restarted: {0}")]
    LoopFailed(#[from] tokio::task::JoinError),
    #[error(transparent)]
    Election(#[from] ElectionError),
    #[error(transparent)]
    CutOff(#[from] CutOff),
}

/// What all loops share.
pub struct Operator {
    pub(super) client: Client,
    pub(super) settings: Settings,
    pub(super) gatherer: ThreadedGatherer,
    pub(super) metrics: Arc<Metrics>,
    pub(super) stores: Stores,
    pub(super) domains: Queue<Key>,
    pub(super) checks: Checks,
    pub(super) organizations: Queue<Key>,
    pub(super) approvals: Queue<Key>,
    /// Canonical names whose holder may be gone.
    pub(super) orphans: Queue<Arc<str>>,
    pub(super) live_namespaces: LiveReads,
    pub(super) events: Arc<Events>,
    pub(super) orphan_delay: Duration,
    /// Whether every store has its first full list.
    pub(super) synced: AtomicBool,
    pub(super) clock: Clock,
    /// On requests by annotation.
    pub(super) request_limit: RateLimiter,
    /// On new tokens.
    pub(super) token_limit: RateLimiter,
    pub(super) shard: Shard,
    namespaces: Vec<String>,
    pub(super) readiness: Arc<Readiness>,
}

impl Operator {
    /// Runs until `stop` says so, then finishes what is under way. It is ready once every store has
    /// its first full list.
    pub async fn run(config: Config, mut stop: Receiver<bool>) -> Result<(), OperatorError> {
        let access = Arc::new(Access::new(Purpose::Work, Arc::clone(&config.readiness)));
        let client = Client {
            api: config.client,
            metrics: Arc::clone(&config.metrics),
            deadline: config.api_timeout,
            leadership: config.leadership,
            access: Arc::clone(&access),
        };
        let (events, publisher) = Events::new(client.clone(), config.instance);
        let events = Arc::new(events);
        let watching = Watching {
            client: config.watch_client,
            metrics: Arc::clone(&config.metrics),
            readiness: Arc::clone(&config.readiness),
            access: Arc::clone(&access),
            events: Arc::clone(&events),
            definitions: Arc::default(),
        };
        let concurrency = config.concurrency.max(1);
        let most = share(concurrency);
        let metrics = Arc::clone(&config.metrics);
        let queue_counters = |controller| metrics.queue(controller);
        metrics.workers(Controller::OrganizationDomain, concurrency);
        let places = checks::places(concurrency);
        metrics.workers(Controller::Check, places);
        let operator = Arc::new_cyclic(|operator: &Weak<Self>| Self {
            client,
            settings: config.settings,
            gatherer: config.gatherer,
            metrics: config.metrics,
            stores: Stores::new(config.max_pending),
            domains: Queue::new(
                Share::UpTo(most),
                queue_counters(Controller::OrganizationDomain),
                lane_by(operator),
            ),
            checks: Checks::new(places, queue_counters(Controller::Check), lane_by(operator)),
            organizations: Queue::new(
                Share::UpTo(share(organization_workers(concurrency))),
                queue_counters(Controller::Organization),
                |key: &Key| namespace_lane(key.namespace()),
            ),
            approvals: Queue::new(
                Share::UpTo(1),
                queue_counters(Controller::DomainApproval),
                |key: &Key| namespace_lane(key.namespace()),
            ),
            orphans: Queue::new(
                Share::UpTo(1),
                queue_counters(Controller::VerifiedDomain),
                orphan_lane_by(operator),
            ),
            live_namespaces: LiveReads::default(),
            request_limit: RateLimiter::new(REQUESTS.0, REQUESTS.1),
            token_limit: RateLimiter::new(
                u32::try_from(config.max_pending).unwrap_or(u32::MAX),
                TOKEN_REFILL,
            ),
            events,
            orphan_delay: config.orphan_delay,
            synced: AtomicBool::new(false),
            clock: Clock::default(),
            shard: config.shard,
            namespaces: config.namespaces,
            readiness: config.readiness,
        });
        let publisher = tokio::spawn(publisher.run());
        if !operator.shard.is_whole() {
            let default = operator.shard.is_default();
            tracing::info!(selector = %operator.shard, default, "one shard of several");
        }

        let mut watches = JoinSet::new();
        let synced = operator.watch_all(&watching, &mut watches);
        tokio::pin!(synced);
        tokio::select! {
            () = &mut synced => {}
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            Some(ended) = watches.join_next() => return Err(ended_early(ended)),
            why = access.cut_off() => return Err(why.into()),
        }
        operator.readiness.clear(&NotReady::Phase);
        tracing::info!("all stores are filled; reconciling");

        operator.stores.domains_mut().fill_quotas();
        operator.look_for_missing_holders();
        watches.spawn(operator.clone().watch_clock());
        let mut workers = operator.start_workers(concurrency);
        let outcome = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => Ok(()),
            Some(ended) = workers.join_next() => Err(ended_early(ended)),
            Some(ended) = watches.join_next() => Err(ended_early(ended)),
            why = access.cut_off() => Err(why.into()),
        };
        operator.readiness.set(NotReady::Phase, "the process ends");
        tracing::info!("stopping; finishing what is under way");
        operator.finish(workers).await;
        watches.shutdown().await;
        // With the last sender gone the publisher ends after what it has.
        drop((operator, watching));
        drop(tokio::time::timeout(Duration::from_secs(5), publisher).await);
        outcome
    }

    /// Lets all workers end after what they have in hand, and waits for that.
    async fn finish(&self, mut workers: JoinSet<()>) {
        self.close();
        let finished = tokio::time::timeout(STOP_DEADLINE, async {
            while workers.join_next().await.is_some() {}
        })
        .await;
        if finished.is_err() {
            tracing::warn!("some reconciles did not end in time");
        }
    }

    /// Domains are decided on until the last check is.
    fn close(&self) {
        self.checks.close();
        self.organizations.close();
        self.approvals.close();
        self.orphans.close();
    }

    /// Whether this operator looks after the namespace.
    pub(super) fn watches(&self, namespace: &str) -> bool {
        self.namespaces.is_empty() || self.namespaces.iter().any(|watched| watched == namespace)
    }

    /// Asks for a look at everything whose time was read off the wall clock.
    pub(super) fn look_at_all(&self) {
        let domains = self.stores.domains().keys_in(None);
        for key in domains {
            self.domains.add(key);
        }
        let approvals = self.stores.approvals().keys_in(None);
        for key in approvals {
            self.approvals.add(key);
        }
    }

    /// Has everything looked at again whose next look may come too late.
    async fn watch_clock(self: Arc<Self>) {
        let set = |forward: Option<Timestamp>| {
            if let Some(now) = forward {
                self.stores.domains_mut().forget_overdue(now);
            }
            self.look_at_all();
        };
        clock::watch(&self.clock, set).await;
    }

    /// Asks again for what failed: what stood in the way may be gone.
    pub(super) fn retry_failed(&self) {
        self.domains.retry_failed();
        self.organizations.retry_failed();
        self.approvals.retry_failed();
        self.orphans.retry_failed();
        self.checks.retry_failed();
    }

    fn watch_all(
        self: &Arc<Self>,
        watching: &Watching,
        tasks: &mut JoinSet<()>,
    ) -> impl Future<Output = ()> + use<> {
        let mut synced = Vec::new();
        let scopes: Vec<Scope> = if self.namespaces.is_empty() {
            vec![None]
        } else {
            self.namespaces
                .iter()
                .map(|name| Some(name.clone()))
                .collect()
        };
        for scope in scopes {
            synced.push(watching.start(namespace::Handler(Arc::clone(self)), scope.clone(), tasks));
            synced.push(watching.start(
                domain_approval::Handler(Arc::clone(self)),
                scope.clone(),
                tasks,
            ));
            synced.push(watching.start(
                organization::Handler(Arc::clone(self)),
                scope.clone(),
                tasks,
            ));
            synced.push(watching.start(
                organization_domain::Handler(Arc::clone(self)),
                scope,
                tasks,
            ));
        }
        synced.push(watching.start(verified_domain::Handler(Arc::clone(self)), None, tasks));
        join_all(synced).map(|_| ())
    }

    fn start_workers(self: &Arc<Self>, concurrency: usize) -> JoinSet<()> {
        let mut workers = JoinSet::new();
        for _ in 0..concurrency {
            let operator = Arc::clone(self);
            workers.spawn(async move {
                work(
                    &operator,
                    Controller::OrganizationDomain,
                    &operator.domains,
                    |operator, key| organization_domain::reconcile(operator, key).boxed(),
                )
                .await;
            });
        }
        workers.spawn(checks::run(Arc::clone(self)));
        for _ in 0..organization_workers(concurrency) {
            let operator = Arc::clone(self);
            workers.spawn(async move {
                work(
                    &operator,
                    Controller::Organization,
                    &operator.organizations,
                    |operator, key| organization::reconcile(operator, key).boxed(),
                )
                .await;
            });
        }
        let operator = Arc::clone(self);
        workers.spawn(async move {
            work(
                &operator,
                Controller::DomainApproval,
                &operator.approvals,
                |operator, key| domain_approval::reconcile(operator, key).boxed(),
            )
            .await;
        });
        let operator = Arc::clone(self);
        workers.spawn(async move {
            work(
                &operator,
                Controller::VerifiedDomain,
                &operator.orphans,
                |operator, name| verified_domain::reconcile(operator, name).boxed(),
            )
            .await;
        });
        workers
    }
}

/// Organizations are written less often than their domains by far.
fn organization_workers(concurrency: usize) -> usize {
    concurrency.div_ceil(8)
}

/// How many of these workers one namespace may have: what it cannot have leaves room for the others.
fn share(workers: usize) -> usize {
    workers - workers / 4
}

/// One worker: takes keys until the queue closes.
async fn work<K, F>(operator: &Operator, controller: Controller, queue: &Queue<K>, reconcile: F)
where
    K: Clone + Eq + std::hash::Hash + Ord + std::fmt::Display,
    F: for<'a> Fn(&'a Operator, &'a K) -> BoxFuture<'a, Result<Option<Duration>, ApiError>>,
{
    while let Some((key, waited)) = queue.next().await {
        operator.metrics.queue_waited(controller, waited);
        let timer = operator.metrics.reconcile_started(controller);
        match reconcile(operator, &key).await {
            Ok(again) => {
                queue.done(&key, again);
                timer.finish(match again {
                    Some(_) => ReconcileResult::RequeueAfter,
                    None => ReconcileResult::Success,
                });
            }
            Err(error) if error.is_retryable() => {
                tracing::warn!(%key, %error, controller = controller.as_str(), "will try again");
                queue.failed(&key);
                timer.finish(ReconcileResult::Error);
            }
            Err(error) => {
                tracing::error!(%key, %error, controller = controller.as_str(), "cannot be written");
                queue.refused(&key, REFUSED_PAUSE);
                timer.finish(ReconcileResult::TerminalError);
            }
        }
        operator.metrics.queue_depth(controller, queue.depth());
        operator.metrics.domains(operator.stores.domains().counts());
        // Where there is nothing to do but to look, nothing else lets the thread go: not to answers
        // of the DNS, nor to the Lease.
        tokio::task::coop::consume_budget().await;
    }
}

fn lane_by(operator: &Weak<Operator>) -> impl Fn(&Key) -> Flow + Send + Sync + use<> {
    let operator = Weak::clone(operator);
    move |key| lane(operator.upgrade().as_deref(), key)
}

fn orphan_lane_by(operator: &Weak<Operator>) -> impl Fn(&Arc<str>) -> Flow + Send + Sync + use<> {
    let operator = Weak::clone(operator);
    move |name| orphan_lane(operator.upgrade().as_deref(), name)
}

/// Where an organization domain stands in line.
fn lane(operator: Option<&Operator>, key: &Key) -> Flow {
    let Some(domain) = operator.and_then(|operator| operator.stores.domains().get(key)) else {
        return namespace_lane(key.namespace());
    };
    let held = domain.state() == Some(State::Verified) || domain.is_taking_over();
    // A start has thousands to look at for the first time. A check that is due does not wait for them,
    // or all that came due meanwhile would be made at once.
    let planned = operator.is_some_and(|operator| {
        let domains = operator.stores.domains();
        domains.next_check(key, &domain.uid).is_some()
    });
    Flow {
        class: if held && planned {
            Priority::Held
        } else {
            Priority::Pending
        },
        namespace: key.namespace().into(),
        organization: domain.organization.name().into(),
    }
}

/// The many that one tenant gives up hold up no other's.
fn orphan_lane(operator: Option<&Operator>, name: &str) -> Flow {
    let holding = operator.and_then(|operator| operator.stores.holdings().get(name));
    let namespace = holding
        .as_ref()
        .map(|holding| holding.holder.key.namespace());
    namespace_lane(namespace.unwrap_or_default())
}

fn namespace_lane(namespace: &str) -> Flow {
    Flow {
        class: Priority::Pending,
        namespace: namespace.into(),
        organization: "".into(),
    }
}

fn ended_early(ended: Result<(), tokio::task::JoinError>) -> OperatorError {
    match ended {
        Ok(()) => OperatorError::LoopEnded,
        Err(error) => error.into(),
    }
}
