//! Organizations: their domains summed up.

use std::sync::Arc;
use std::time::Duration;

use kube::api::ObjectMeta;
use tokio::time::Instant;

use super::queues::Queues;
use crate::api::conditions::{self, ConditionStatus, READY, Wanted};
use crate::api::organization::{
    MAX_LISTED_DOMAINS, Organization, OrganizationSpec, OrganizationStatus,
};
use crate::api::reason::Reason;
use crate::cluster::Cluster;
use crate::cluster::error::ApiError;
use crate::cluster::key::Key;
use crate::cluster::store::organizations::OrganizationView;
use crate::model::facts::whole_second;
use crate::model::history::History;
use crate::telemetry::metrics::Controller;
use crate::workqueue::queue::Queue;
use crate::workqueue::worker::Reconciler;

/// Least time between two writes of one summary. A summary lists up to a hundred names and costs the API
/// server more than any other write.
const COALESCE: Duration = Duration::from_secs(5);

/// Sums up the domains of organizations.
pub struct OrganizationReconciler {
    pub cluster: Arc<Cluster>,
    pub queues: Arc<Queues>,
}

impl Reconciler for OrganizationReconciler {
    type Key = Key;
    const CONTROLLER: Controller = Controller::Organization;

    fn queue(&self) -> &Queue<Key> {
        &self.queues.organizations
    }

    async fn reconcile(&self, key: &Key) -> Result<Option<Duration>, ApiError> {
        let Cluster { client, stores, .. } = &*self.cluster;
        let Some(organization) = stores.organizations.read().get(key) else {
            return Ok(None);
        };
        // One writer each: the shard that its labels belong to.
        if organization.deleting || !organization.ours {
            return Ok(None);
        }
        let written = stores.organizations.read().written(key);
        if let Some(rest) = written.and_then(|at| COALESCE.checked_sub(at.elapsed())) {
            return Ok(Some(rest));
        }
        let status = summarize(&self.cluster, &organization);
        if status == organization.status {
            return Ok(None);
        }
        let object = Organization {
            metadata: ObjectMeta::default(),
            spec: OrganizationSpec::default(),
            status: Some(status),
        };
        let at = (key, &organization.uid, organization.version);
        match client.replace_status(at, object).await {
            Ok(written) => {
                let mut organizations = stores.organizations.write();
                // The watch reports one that cannot be read.
                if let Ok(written) = written.0 {
                    let written = OrganizationView::project(written, organization.ours);
                    organizations.update(Arc::new(written));
                }
                organizations.set_written(key, Instant::now());
                Ok(None)
            }
            // The watch brings the change, and with it this key again.
            Err(ApiError::Conflict | ApiError::NotFound) => Ok(Some(COALESCE)),
            Err(error) => Err(error),
        }
    }
}

fn summarize(cluster: &Cluster, organization: &OrganizationView) -> OrganizationStatus {
    let (counts, verified_domains) = cluster
        .stores
        .domains
        .read()
        .summary(&organization.key, MAX_LISTED_DOMAINS);
    let ready = Wanted {
        kind: READY,
        status: ConditionStatus::True,
        reason: Reason::Reconciled,
        message: "The summary of the organization's domains is up to date.".to_owned(),
    };
    let now = whole_second(cluster.clock.now());
    let before = &organization.status;
    let mut history = History::read(&before.history);
    match before.observed_generation.filter(|&observed| observed >= 0) {
        None => history.push(Reason::Created, now),
        Some(observed) if observed != organization.generation => {
            history.push(Reason::Updated, now);
        }
        Some(_) => {}
    }
    OrganizationStatus {
        observed_generation: Some(organization.generation),
        counts: Some(counts),
        verified_domains,
        history: history.write(),
        conditions: conditions::transition(
            &before.conditions,
            vec![ready],
            organization.generation,
            now,
        ),
    }
}
