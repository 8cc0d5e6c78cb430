//! Approvals: their conditions follow the organization domain that they name.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::api::ObjectMeta;

use super::queues::Queues;
use crate::api::OrganizationDomain;
use crate::api::conditions;
use crate::api::domain_approval::{
    DomainApproval, DomainApprovalSpec, DomainApprovalStatus, OrganizationDomainRef,
};
use crate::cluster::Cluster;
use crate::cluster::error::ApiError;
use crate::cluster::key::Key;
use crate::cluster::store::approvals::Approval;
use crate::cluster::store::domain::Domain;
use crate::model::approval::{self, Seen, Target};
use crate::model::facts::whole_second;
use crate::model::schedule;
use crate::telemetry::metrics::Controller;
use crate::workqueue::queue::Queue;
use crate::workqueue::worker::Reconciler;

/// Keeps the conditions of approvals.
pub struct ApprovalReconciler {
    pub cluster: Arc<Cluster>,
    pub queues: Arc<Queues>,
}

impl Reconciler for ApprovalReconciler {
    type Key = Key;
    const CONTROLLER: Controller = Controller::DomainApproval;

    fn queue(&self) -> &Queue<Key> {
        &self.queues.approvals
    }

    async fn reconcile(&self, key: &Key) -> Result<Option<Duration>, ApiError> {
        let cluster = &self.cluster;
        let approval = cluster.stores.approvals.read().get(key);
        let Some(approval) = approval.filter(|approval| !approval.deleting) else {
            return Ok(None);
        };
        let now = whole_second(cluster.clock.now());
        let end = approval.expiry.until(now);
        let expires = end
            .filter(|&end| end < Timestamp::MAX)
            .map(|end| schedule::wait(now, end));
        let target = cluster.stores.domains.read().get_own(&approval.target);
        if target.is_none() && is_of_another_shard(cluster, &approval.target).await? {
            return Ok(expires);
        }
        let status = status(&approval, target.as_deref(), now);
        if status == approval.status {
            return Ok(expires);
        }
        let object = DomainApproval {
            metadata: ObjectMeta::default(),
            // Part of what the type must say.
            spec: DomainApprovalSpec {
                organization_domain_ref: OrganizationDomainRef {
                    name: approval.target.name().to_owned(),
                    uid: None,
                },
                organization: None,
                domain: "-".to_owned(),
                reason: "-".to_owned(),
                expiry_time: None,
            },
            status: Some(status),
        };
        let at = (key, &approval.uid, approval.version);
        match cluster.client.replace_status(at, object).await {
            Ok(written) => {
                // The watch reports one that cannot be read.
                if let Ok(written) = written.0 {
                    let written = Arc::new(Approval::project(written));
                    cluster.stores.approvals.write().update(written);
                }
                Ok(expires)
            }
            // The watch brings the change, and with it this key again.
            Err(ApiError::Conflict | ApiError::NotFound) => Ok(expires),
            Err(error) => Err(error),
        }
    }
}

/// Whether an organization domain that is not in the store is there all the same: its shard says
/// of the approval what it is worth.
async fn is_of_another_shard(cluster: &Cluster, target: &Key) -> Result<bool, ApiError> {
    if cluster.scope.shard.is_whole() {
        return Ok(false);
    }
    let client = &cluster.client;
    let api = client.namespaced::<OrganizationDomain>(target.namespace());
    let found = client.call_opt(api.get_metadata(target.name())).await?;
    Ok(found.is_some())
}

fn status(approval: &Approval, target: Option<&Domain>, now: Timestamp) -> DomainApprovalStatus {
    let seen = Seen {
        subject: approval.subject(),
        expiry: approval.expiry,
        target: target
            .filter(|target| !target.deleting)
            .map(|target| Target {
                candidate: target.candidate(),
                state: target.state(),
                strategy: target.strategy(),
                reason: target.reason(),
            }),
    };
    DomainApprovalStatus {
        observed_generation: Some(approval.generation),
        conditions: conditions::transition(
            &approval.status.conditions,
            approval::conditions(now, &seen),
            approval.generation,
            now,
        ),
    }
}
