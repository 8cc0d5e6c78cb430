//! What is to be reconciled, by kind.

use std::sync::Arc;

use crate::api::State;
use crate::cluster::Cluster;
use crate::cluster::key::Key;
use crate::telemetry::metrics::{Controller, Metrics};
use crate::workqueue::fair::{Flow, InFlightLimit, Priority};
use crate::workqueue::queue::Queue;

/// The queues of one operator.
pub struct Queues {
    pub domains: Queue<Key>,
    /// Organization domains whose check is due.
    pub checks: Queue<Key>,
    pub organizations: Queue<Key>,
    pub approvals: Queue<Key>,
    /// Canonical names whose holder may be gone.
    pub orphans: Queue<Arc<str>>,
}

/// Who works on the queues, and how many at once.
#[derive(Clone, Copy, Debug)]
pub struct Workers {
    pub domains: usize,
    /// Checks in flight: one mostly waits.
    pub checks: usize,
    pub organizations: usize,
}

impl Workers {
    #[must_use]
    pub fn new(concurrency: usize) -> Self {
        Self {
            domains: concurrency,
            checks: concurrency.saturating_mul(16),
            // They are written less often than their domains by far.
            organizations: concurrency.div_ceil(8),
        }
    }
}

impl Queues {
    #[must_use]
    pub fn new(cluster: &Arc<Cluster>, workers: Workers, metrics: &Metrics) -> Self {
        let by_domain = || {
            let cluster = Arc::clone(cluster);
            move |key: &Key| flow_of_domain(&cluster, key)
        };
        let by_namespace = |key: &Key| flow_of_namespace(key.namespace());
        let by_holder = {
            let cluster = Arc::clone(cluster);
            move |name: &Arc<str>| flow_of_holder(&cluster, name)
        };
        let one = InFlightLimit::Fixed(1);
        Self {
            domains: Queue::new(
                InFlightLimit::Fixed(max_in_flight(workers.domains)),
                metrics.queue(Controller::OrganizationDomain),
                by_domain(),
            ),
            checks: Queue::new(
                InFlightLimit::ShareOfFree(workers.checks),
                metrics.queue(Controller::Check),
                by_domain(),
            ),
            organizations: Queue::new(
                InFlightLimit::Fixed(max_in_flight(workers.organizations)),
                metrics.queue(Controller::Organization),
                by_namespace,
            ),
            approvals: Queue::new(one, metrics.queue(Controller::DomainApproval), by_namespace),
            orphans: Queue::new(one, metrics.queue(Controller::VerifiedDomain), by_holder),
        }
    }

    /// Asks again for what failed: what stood in the way may be gone.
    pub fn retry_failed(&self) {
        self.domains.retry_failed();
        self.checks.retry_failed();
        self.organizations.retry_failed();
        self.approvals.retry_failed();
        self.orphans.retry_failed();
    }

    /// Closes all but the queue of domains, which are decided on until the last check is.
    pub fn close(&self) {
        self.checks.close();
        self.organizations.close();
        self.approvals.close();
        self.orphans.close();
    }
}

/// How many of these workers one namespace may keep busy: the others are left to other namespaces.
fn max_in_flight(workers: usize) -> usize {
    workers - workers / 4
}

fn flow_of_domain(cluster: &Cluster, key: &Key) -> Flow {
    let domains = cluster.stores.domains.read();
    let Some(domain) = domains.get(key) else {
        return flow_of_namespace(key.namespace());
    };
    let held = domain.state() == Some(State::Verified) || domain.is_taking_over();
    // A start has thousands to reconcile for the first time. A check that is due does not wait for them,
    // or all that came due meanwhile would be made at once.
    let planned = domains.next_check(key, &domain.uid).is_some();
    Flow {
        priority: if held && planned {
            Priority::Held
        } else {
            Priority::Pending
        },
        namespace: key.namespace().into(),
        organization: domain.organization.name().into(),
    }
}

/// The many that one tenant gives up hold up no other's.
fn flow_of_holder(cluster: &Cluster, name: &str) -> Flow {
    let holding = cluster.stores.holdings.read().get(name);
    let namespace = holding
        .as_ref()
        .map(|holding| holding.holder.key.namespace());
    flow_of_namespace(namespace.unwrap_or_default())
}

fn flow_of_namespace(namespace: &str) -> Flow {
    Flow {
        priority: Priority::Pending,
        namespace: namespace.into(),
        organization: "".into(),
    }
}
