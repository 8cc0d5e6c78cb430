//! Metrics, under the names that dashboards of controller-runtime know, and our own.

use std::time::{Duration, Instant};

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry};
use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};
use tokio::runtime::Handle;

use super::process::Process;
use super::text_format::as_text;
use crate::api::organization::DomainCounts;
use crate::api::organization_domain::State;
use crate::api::reason::Reason;
use crate::model::verdict::Verdict;

/// A controller's name in labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Controller {
    /// Checks of organization domains, which decisions wait for and do not make.
    Check,
    DomainApproval,
    Organization,
    OrganizationDomain,
    VerifiedDomain,
}

impl Controller {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ReconcileResult {
    Success,
    RequeueAfter,
    Error,
    /// An error that no retry can mend.
    #[strum(serialize = "error")]
    TerminalError,
}

/// How a call to the API server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum CallResult {
    Success,
    Failure,
    Timeout,
}

/// What became of an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum EventResult {
    Published,
    /// It was there already.
    Known,
    Dropped,
}

/// A label whose value is of a closed list.
type Label = (&'static str, &'static str);
/// A label whose value is any text.
type TextLabel = (&'static str, String);

/// All metrics of a process.
#[derive(Debug)]
pub struct Metrics {
    groups: [Group; 4],
    reconciles: Family<[Label; 2], Counter>,
    errors: Family<[Label; 1], Counter>,
    terminal_errors: Family<[Label; 1], Counter>,
    durations: Family<[Label; 1], Histogram>,
    active: Family<[Label; 1], Gauge>,
    workers: Family<[Label; 1], Gauge>,
    depth: Family<[Label; 1], Gauge>,
    adds: Family<[Label; 1], Counter>,
    retries: Family<[Label; 1], Counter>,
    waits: Family<[Label; 1], Histogram>,
    requests: Family<[TextLabel; 3], Counter>,
    leading: Family<[TextLabel; 1], Gauge>,
    calls: Family<[Label; 1], Counter>,
    events: Family<[Label; 1], Counter>,
    checks: Family<[Label; 2], Counter>,
    notices: Family<[Label; 1], Counter>,
    watch_errors: Family<[TextLabel; 1], Counter>,
    invalid: Family<[TextLabel; 1], Gauge>,
    unwritten: Gauge,
    domains: Family<[Label; 1], Gauge>,
    at_risk: Family<[Label; 1], Gauge>,
    dns: Histogram,
    tasks: Gauge,
    process: Process,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut runtime = Group(Registry::with_prefix("controller_runtime"));
        let mut queue = Group(Registry::with_prefix("workqueue"));
        let mut ours = Group(Registry::with_prefix("freehold"));
        let mut others = Group(Registry::default());
        let build: Family<[Label; 1], Gauge> = ours.add("build_info", "The version that runs");
        build
            .get_or_create(&[("version", env!("CARGO_PKG_VERSION"))])
            .set(1);
        let metrics = Self {
            reconciles: runtime.add("reconcile", "Reconciles by result"),
            errors: runtime.add("reconcile_errors", "Reconciles that failed"),
            terminal_errors: runtime.add(
                "terminal_reconcile_errors",
                "Reconciles that failed with an error that retries do not fix",
            ),
            durations: runtime.add_durations(
                "reconcile_time_seconds",
                "Duration of a reconcile, or of a check with its DNS queries",
            ),
            active: runtime.add("active_workers", "Reconciles that are running"),
            workers: runtime.add(
                "max_concurrent_reconciles",
                "Maximum number of concurrent reconciles",
            ),
            depth: queue.add("depth", "Keys waiting for their time or for a worker"),
            adds: queue.add("adds", "Keys added to the queue"),
            retries: queue.add("retries", "Keys requeued after a failure"),
            waits: queue.add_durations(
                "queue_duration_seconds",
                "How long due keys waited for a worker",
            ),
            requests: others.add(
                "rest_client_requests",
                "Requests to the API server by method and code",
            ),
            leading: others.add(
                "leader_election_master_status",
                "1 if this replica is the leader, 0 if it is a standby",
            ),
            calls: ours.add("api_calls", "Calls to the API server by result"),
            events: ours.add("events", "Kubernetes Events by result"),
            checks: ours.add(
                "checks",
                "Checks by verdict and by the domain's state before the check",
            ),
            notices: ours.add("notices", "Transitions announced by Event, by reason"),
            watch_errors: ours.add("watch_errors", "Interruptions of watches"),
            invalid: ours.add(
                "invalid_objects",
                "Objects in the cluster that are invalid",
            ),
            unwritten: ours.add(
                "unwritten_statuses",
                "OrganizationDomains that are too large for their status",
            ),
            domains: ours.add("organization_domains", "OrganizationDomains by state"),
            at_risk: ours.add(
                "domains_at_risk",
                "Verified domains in their grace, with a stale proof or whose last check was inconclusive, and hand-overs that have begun",
            ),
            dns: {
                let dns = durations();
                ours.0.register(
                    "dns_seconds",
                    "Duration of the DNS queries of one check",
                    dns.clone(),
                );
                dns
            },
            tasks: ours.add("tasks", "Tasks of the async runtime that have not ended"),
            process: Process::register(&mut others.0),
            groups: [runtime, queue, others, ours],
        };
        metrics.begin_at_zero();
        metrics
    }
}

impl Metrics {
    /// A counter that appears with its first event has no increase then, and an alert misses it.
    fn begin_at_zero(&self) {
        for controller in Controller::iter() {
            let label = ("controller", controller.as_str());
            drop(self.errors.get_or_create(&[label]));
            drop(self.terminal_errors.get_or_create(&[label]));
            for result in ReconcileResult::iter() {
                let result = ("result", result.into());
                drop(self.reconciles.get_or_create(&[label, result]));
            }
        }
        for result in CallResult::iter() {
            drop(self.calls.get_or_create(&[("result", result.into())]));
        }
        for result in EventResult::iter() {
            drop(self.events.get_or_create(&[("result", result.into())]));
        }
        for reason in Reason::iter() {
            drop(self.notices.get_or_create(&[("reason", reason.as_str())]));
        }
        for verdict in ["proven", "absent", "mismatch", "inconclusive"] {
            for state in [State::Pending, State::Verified, State::Failed] {
                let labels = [("verdict", verdict), ("state", state_value(state))];
                drop(self.checks.get_or_create(&labels));
            }
        }
    }

    /// All metrics in the older text format, which is that of everything but newer Prometheus servers.
    pub fn encode_as_text(&self) -> Result<String, std::fmt::Error> {
        Ok(as_text(&self.encode()?))
    }

    /// All metrics in the `OpenMetrics` text format.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        self.process.update();
        if let Ok(runtime) = Handle::try_current() {
            self.tasks.set(number(runtime.metrics().num_alive_tasks()));
        }
        let mut page = String::new();
        for Group(registry) in &self.groups {
            text::encode_registry(&mut page, registry)?;
        }
        text::encode_eof(&mut page)?;
        Ok(page)
    }

    /// Counts a reconcile as under way until the timer is finished.
    #[must_use]
    pub fn reconcile_started(&self, controller: Controller) -> ReconcileTimer<'_> {
        let label = ("controller", controller.as_str());
        self.active.get_or_create(&[label]).inc();
        ReconcileTimer {
            metrics: self,
            label,
            started: Instant::now(),
        }
    }

    /// The counters of a controller's queue.
    #[must_use]
    pub fn queue(&self, controller: Controller) -> QueueCounters {
        let label = [("name", controller.as_str())];
        QueueCounters {
            adds: self.adds.get_or_create_owned(&label),
            retries: self.retries.get_or_create_owned(&label),
        }
    }

    pub fn queue_waited(&self, controller: Controller, waited: Duration) {
        let label = [("name", controller.as_str())];
        self.waits
            .get_or_create(&label)
            .observe(waited.as_secs_f64());
    }

    pub fn queue_depth(&self, controller: Controller, depth: usize) {
        let label = [("name", controller.as_str())];
        self.depth.get_or_create(&label).set(number(depth));
    }

    pub fn workers(&self, controller: Controller, count: usize) {
        let label = [("controller", controller.as_str())];
        self.workers.get_or_create(&label).set(number(count));
    }

    /// A request to the API server ended; code 0 where there was no answer.
    pub fn request(&self, method: &str, code: u16, host: &str) {
        let labels = [
            ("code", code.to_string()),
            ("method", method.to_owned()),
            ("host", host.to_owned()),
        ];
        self.requests.get_or_create(&labels).inc();
    }

    pub fn api_calls(&self, result: CallResult) {
        self.calls.get_or_create(&[("result", result.into())]).inc();
    }

    pub fn event(&self, result: EventResult) {
        self.events
            .get_or_create(&[("result", result.into())])
            .inc();
    }

    /// A check of a domain that was in this state.
    pub fn check(&self, verdict: Verdict, state: State) {
        let verdict = match verdict {
            Verdict::Proven => "proven",
            Verdict::Absent => "absent",
            Verdict::Mismatch(_) => "mismatch",
            Verdict::Inconclusive(_) | Verdict::Disagreement => "inconclusive",
        };
        let labels = [("verdict", verdict), ("state", state_value(state))];
        self.checks.get_or_create(&labels).inc();
    }

    pub fn notice(&self, reason: Reason) {
        self.notices
            .get_or_create(&[("reason", reason.as_str())])
            .inc();
    }

    pub fn watch_error(&self, kind: &str) {
        self.watch_errors
            .get_or_create(&[("kind", kind.to_owned())])
            .inc();
    }

    /// How many objects one watch of a kind cannot read, after so many.
    pub fn invalid_objects(&self, kind: &str, before: usize, now: usize) {
        let gauge = self.invalid.get_or_create(&[("kind", kind.to_owned())]);
        gauge.inc_by(number(now) - number(before));
    }

    pub fn at_risk(&self, counts: [(&'static str, i64); 4]) {
        for (risk, count) in counts {
            self.at_risk.get_or_create(&[("risk", risk)]).set(count);
        }
    }

    /// All queries of one check took so long.
    pub fn dns_took(&self, took: Duration) {
        self.dns.observe(took.as_secs_f64());
    }

    /// How many objects have no room for what was decided of them.
    pub fn unwritten_statuses(&self, count: usize) {
        self.unwritten.set(number(count));
    }

    /// Whether this replica holds the Lease.
    pub fn leads(&self, lease: &str, leads: bool) {
        let label = [("name", lease.to_owned())];
        self.leading.get_or_create(&label).set(i64::from(leads));
    }

    pub fn domains(&self, counts: DomainCounts) {
        for (state, count) in [
            (State::Pending, counts.pending),
            (State::Verified, counts.verified),
            (State::Failed, counts.failed),
        ] {
            let label = [("state", state_value(state))];
            self.domains.get_or_create(&label).set(count);
        }
    }
}

/// Metrics whose names begin alike.
#[derive(Debug)]
struct Group(Registry);

impl Group {
    fn add<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        let metric = M::default();
        self.0.register(name, help, metric.clone());
        metric
    }

    fn add_durations(&mut self, name: &str, help: &str) -> Family<[Label; 1], Histogram> {
        let metric = Family::new_with_constructor(durations as fn() -> Histogram);
        self.0.register(name, help, metric.clone());
        metric
    }
}

/// From a millisecond to half a minute.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn state_value(state: State) -> &'static str {
    match state {
        State::Pending => "Pending",
        State::Verified => "Verified",
        State::Failed => "Failed",
    }
}

/// What a queue counts by itself.
#[derive(Clone, Debug, Default)]
pub struct QueueCounters {
    pub adds: Counter,
    pub retries: Counter,
}

/// A reconcile under way.
pub struct ReconcileTimer<'a> {
    metrics: &'a Metrics,
    label: Label,
    started: Instant,
}

impl ReconcileTimer<'_> {
    pub fn finish(self, result: ReconcileResult) {
        let (metrics, label) = (self.metrics, [self.label]);
        metrics.active.get_or_create(&label).dec();
        let took = self.started.elapsed().as_secs_f64();
        metrics.durations.get_or_create(&label).observe(took);
        if result == ReconcileResult::TerminalError {
            metrics.terminal_errors.get_or_create(&label).inc();
        }
        let result: &str = result.into();
        if result == "error" {
            metrics.errors.get_or_create(&label).inc();
        }
        let labels = [self.label, ("result", result)];
        metrics.reconciles.get_or_create(&labels).inc();
    }
}
