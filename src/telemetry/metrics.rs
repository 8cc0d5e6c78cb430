//! Metrics, under the names that dashboards of controller-runtime know, and our own.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;

use crate::api::organization::DomainCounts;
use crate::api::organization_domain::State;
use crate::api::reason::Reason;
use crate::model::verdict::Verdict;

/// A controller's name in labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
        match self {
            Self::Check => "check",
            Self::DomainApproval => "domainapproval",
            Self::Organization => "organization",
            Self::OrganizationDomain => "organizationdomain",
            Self::VerifiedDomain => "verifieddomain",
        }
    }
}

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReconcileResult {
    Success,
    RequeueAfter,
    Error,
    /// An error that no retry can mend.
    TerminalError,
}

/// How a call to the API server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallResult {
    Success,
    Failure,
    Timeout,
}

/// What became of an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventResult {
    Published,
    /// It was there already.
    Known,
    Dropped,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    controller: LabelValue,
    result: LabelValue,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabel {
    controller: LabelValue,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabel {
    name: LabelValue,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: LabelValue,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CheckLabels {
    verdict: LabelValue,
    state: LabelValue,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: LabelValue,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: LabelValue,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LeaseLabel {
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    code: u16,
    method: String,
    host: String,
}

/// A label value from a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct LabelValue(&'static str);

impl EncodeLabelValue for LabelValue {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.0, encoder)
    }
}

/// All metrics of a process.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    reconciles: Family<ReconcileLabels, Counter>,
    errors: Family<ControllerLabel, Counter>,
    terminal_errors: Family<ControllerLabel, Counter>,
    durations: Family<ControllerLabel, Histogram>,
    active: Family<ControllerLabel, Gauge>,
    depth: Family<QueueLabel, Gauge>,
    adds: Family<QueueLabel, Counter>,
    retries: Family<QueueLabel, Counter>,
    waits: Family<QueueLabel, Histogram>,
    workers: Family<ControllerLabel, Gauge>,
    requests: Family<RequestLabels, Counter>,
    calls: Family<ResultLabel, Counter>,
    events: Family<ResultLabel, Counter>,
    checks: Family<CheckLabels, Counter>,
    notices: Family<ReasonLabel, Counter>,
    watch_errors: Family<KindLabel, Counter>,
    invalid: Family<KindLabel, Gauge>,
    unwritten: Gauge,
    domains: Family<StateLabel, Gauge>,
    leading: Family<LeaseLabel, Gauge>,
    tasks: Gauge,
}

impl Metrics {
    #[must_use]
    pub fn new() -> Self {
        let metrics = Self {
            registry: Mutex::default(),
            reconciles: Family::default(),
            errors: Family::default(),
            terminal_errors: Family::default(),
            durations: Family::new_with_constructor(histogram),
            active: Family::default(),
            depth: Family::default(),
            adds: Family::default(),
            retries: Family::default(),
            waits: Family::new_with_constructor(histogram),
            workers: Family::default(),
            requests: Family::default(),
            calls: Family::default(),
            events: Family::default(),
            checks: Family::default(),
            notices: Family::default(),
            watch_errors: Family::default(),
            invalid: Family::default(),
            unwritten: Gauge::default(),
            domains: Family::default(),
            leading: Family::default(),
            tasks: Gauge::default(),
        };
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        metrics.register_ours(&mut registry);
        Self {
            registry: Mutex::new(registry),
            ..metrics
        }
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "controller_runtime_reconcile",
            "Reconciles by result",
            self.reconciles.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_errors",
            "Reconciles that failed",
            self.errors.clone(),
        );
        registry.register(
            "controller_runtime_terminal_reconcile_errors",
            "Reconciles that failed with an error that retries do not fix",
            self.terminal_errors.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_time_seconds",
            "Duration of a reconcile, or of a check with its DNS queries",
            self.durations.clone(),
        );
        registry.register(
            "controller_runtime_active_workers",
            "Reconciles that are running",
            self.active.clone(),
        );
        registry.register(
            "workqueue_depth",
            "Keys waiting for their time or for a worker",
            self.depth.clone(),
        );
        registry.register(
            "controller_runtime_max_concurrent_reconciles",
            "Maximum number of concurrent reconciles",
            self.workers.clone(),
        );
        registry.register(
            "workqueue_adds",
            "Keys added to the queue",
            self.adds.clone(),
        );
        registry.register(
            "workqueue_retries",
            "Keys requeued after a failure",
            self.retries.clone(),
        );
        registry.register(
            "workqueue_queue_duration_seconds",
            "How long due keys waited for a worker",
            self.waits.clone(),
        );
        registry.register(
            "rest_client_requests",
            "Requests to the API server by method and code",
            self.requests.clone(),
        );
        registry.register(
            "leader_election_master_status",
            "1 if this replica is the leader, 0 if it is a standby",
            self.leading.clone(),
        );
    }

    fn register_ours(&self, registry: &mut Registry) {
        registry.register(
            "freehold_api_calls",
            "Calls to the API server by result",
            self.calls.clone(),
        );
        registry.register(
            "freehold_events",
            "Kubernetes Events by result",
            self.events.clone(),
        );
        registry.register(
            "freehold_checks",
            "Checks by verdict and by the domain's state before the check",
            self.checks.clone(),
        );
        registry.register(
            "freehold_notices",
            "Transitions announced by Event, by reason",
            self.notices.clone(),
        );
        registry.register(
            "freehold_watch_errors",
            "Interruptions of watches",
            self.watch_errors.clone(),
        );
        registry.register(
            "freehold_unreadable_objects",
            "Objects in the cluster that are invalid",
            self.invalid.clone(),
        );
        registry.register(
            "freehold_unwritten_statuses",
            "OrganizationDomains that are too large for their status",
            self.unwritten.clone(),
        );
        registry.register(
            "freehold_organization_domains",
            "OrganizationDomains by state",
            self.domains.clone(),
        );
        registry.register(
            "freehold_tasks",
            "Tasks of the async runtime that have not ended",
            self.tasks.clone(),
        );
    }

    /// All metrics in the `OpenMetrics` text format.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        if let Ok(runtime) = Handle::try_current() {
            let tasks = runtime.metrics().num_alive_tasks();
            self.tasks.set(i64::try_from(tasks).unwrap_or(i64::MAX));
        }
        let mut page = String::new();
        let registry = self.registry.lock();
        text::encode(&mut page, &registry)?;
        Ok(page)
    }

    /// Counts a reconcile as under way until the timer is finished.
    pub fn reconcile_started(&self, controller: Controller) -> ReconcileTimer<'_> {
        let label = ControllerLabel {
            controller: LabelValue(controller.as_str()),
        };
        self.active.get_or_create(&label).inc();
        ReconcileTimer {
            metrics: self,
            label,
            started: Instant::now(),
        }
    }

    /// The counters of a controller's queue.
    #[must_use]
    pub fn queue(&self, controller: Controller) -> QueueCounters {
        let label = QueueLabel {
            name: LabelValue(controller.as_str()),
        };
        QueueCounters {
            adds: self.adds.get_or_create(&label).clone(),
            retries: self.retries.get_or_create(&label).clone(),
        }
    }

    pub fn queue_waited(&self, controller: Controller, waited: Duration) {
        let label = QueueLabel {
            name: LabelValue(controller.as_str()),
        };
        self.waits
            .get_or_create(&label)
            .observe(waited.as_secs_f64());
    }

    pub fn workers(&self, controller: Controller, count: usize) {
        let label = ControllerLabel {
            controller: LabelValue(controller.as_str()),
        };
        self.workers
            .get_or_create(&label)
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A request to the API server ended; code 0 where there was no answer.
    pub fn request(&self, method: &str, code: u16, host: &str) {
        let labels = RequestLabels {
            method: method.to_owned(),
            code,
            host: host.to_owned(),
        };
        self.requests.get_or_create(&labels).inc();
    }

    pub fn queue_depth(&self, controller: Controller, depth: usize) {
        let label = QueueLabel {
            name: LabelValue(controller.as_str()),
        };
        self.depth
            .get_or_create(&label)
            .set(i64::try_from(depth).unwrap_or(i64::MAX));
    }

    pub fn api_calls(&self, result: CallResult) {
        let value = match result {
            CallResult::Success => "success",
            CallResult::Failure => "failure",
            CallResult::Timeout => "timeout",
        };
        self.calls
            .get_or_create(&ResultLabel {
                result: LabelValue(value),
            })
            .inc();
    }

    pub fn event(&self, result: EventResult) {
        let value = match result {
            EventResult::Published => "published",
            EventResult::Known => "known",
            EventResult::Dropped => "dropped",
        };
        self.events
            .get_or_create(&ResultLabel {
                result: LabelValue(value),
            })
            .inc();
    }

    /// A check of a domain that was in this state.
    pub fn check(&self, verdict: Verdict, state: State) {
        let value = match verdict {
            Verdict::Proven => "proven",
            Verdict::Absent => "absent",
            Verdict::Mismatch(_) => "mismatch",
            Verdict::Inconclusive(_) | Verdict::Disagreement => "inconclusive",
        };
        self.checks
            .get_or_create(&CheckLabels {
                verdict: LabelValue(value),
                state: state_value(state),
            })
            .inc();
    }

    pub fn notice(&self, reason: Reason) {
        self.notices
            .get_or_create(&ReasonLabel {
                reason: LabelValue(reason.as_str()),
            })
            .inc();
    }

    pub fn watch_error(&self, kind: &str) {
        self.watch_errors
            .get_or_create(&KindLabel {
                kind: kind.to_owned(),
            })
            .inc();
    }

    /// How many objects one watch of a kind cannot read, after so many.
    pub fn invalid_objects(&self, kind: &str, before: usize, now: usize) {
        let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.invalid
            .get_or_create(&KindLabel {
                kind: kind.to_owned(),
            })
            .inc_by(number(now) - number(before));
    }

    /// How many objects have no room for what was decided of them.
    pub fn unwritten_statuses(&self, count: usize) {
        self.unwritten.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Whether this replica holds the Lease.
    pub fn leads(&self, lease: &str, leads: bool) {
        self.leading
            .get_or_create(&LeaseLabel {
                name: lease.to_owned(),
            })
            .set(i64::from(leads));
    }

    pub fn domains(&self, counts: DomainCounts) {
        for (state, count) in [
            (State::Pending, counts.pending),
            (State::Verified, counts.verified),
            (State::Failed, counts.failed),
        ] {
            let state = state_value(state);
            self.domains.get_or_create(&StateLabel { state }).set(count);
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn state_value(state: State) -> LabelValue {
    LabelValue(match state {
        State::Pending => "Pending",
        State::Verified => "Verified",
        State::Failed => "Failed",
    })
}

/// From a millisecond to half a minute.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
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
    label: ControllerLabel,
    started: Instant,
}

impl ReconcileTimer<'_> {
    pub fn finish(self, result: ReconcileResult) {
        let value = match result {
            ReconcileResult::Success => "success",
            ReconcileResult::RequeueAfter => "requeue_after",
            ReconcileResult::Error | ReconcileResult::TerminalError => "error",
        };
        let Self {
            metrics,
            label,
            started,
        } = self;
        metrics.active.get_or_create(&label).dec();
        metrics
            .durations
            .get_or_create(&label)
            .observe(started.elapsed().as_secs_f64());
        if result == ReconcileResult::TerminalError {
            metrics.terminal_errors.get_or_create(&label).inc();
        }
        if value == "error" {
            metrics.errors.get_or_create(&label).inc();
        }
        let labels = ReconcileLabels {
            controller: label.controller,
            result: LabelValue(value),
        };
        metrics.reconciles.get_or_create(&labels).inc();
    }
}
