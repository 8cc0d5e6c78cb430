//! Approvals: their conditions follow the organization domain that they name.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::api::{ListParams, ObjectMeta, PostParams};

use super::operator::Operator;
use crate::api::OrganizationDomain;
use crate::api::conditions;
use crate::api::domain_approval::{
    DomainApproval, DomainApprovalSpec, DomainApprovalStatus, OrganizationDomainRef,
};
use crate::cluster::error::ApiError;
use crate::cluster::objects::Objects;
use crate::cluster::store::Key;
use crate::cluster::store::approvals::{Approval, Approvals};
use crate::cluster::store::domain::Domain;
use crate::cluster::watch;
use crate::model::approval::{self, Seen, Target};
use crate::model::facts::whole_second;
use crate::model::uid::Uid;

/// What the watch of approvals does.
pub struct Handler(pub Arc<Operator>);

impl watch::Handler for Handler {
    type Kind = DomainApproval;

    fn objects(client: &kube::Client, scope: Option<&str>) -> Objects<DomainApproval> {
        match scope {
            Some(namespace) => Objects::namespaced(client.clone(), namespace),
            None => Objects::all(client.clone()),
        }
    }

    fn applied(&self, object: DomainApproval, listed: bool) {
        let approval = Arc::new(Approval::project(object));
        let before = self.0.stores.approvals().get(&approval.key);
        if self
            .0
            .stores
            .approvals_mut()
            .upsert(Arc::clone(&approval), listed)
        {
            // One that was made again may name another organization domain.
            if let Some(before) = before.filter(|before| before.target != approval.target) {
                self.0.domains.add(before.target.clone());
            }
            self.0.domains.add(approval.target.clone());
            self.0.approvals.add(approval.key.clone());
        }
    }

    fn deleted(&self, key: &Key, uid: Option<&Uid>) {
        let gone = {
            let mut approvals = self.0.stores.approvals_mut();
            match (approvals.get(key), uid) {
                (Some(known), Some(uid)) if known.uid != *uid => return,
                _ => approvals.remove(key),
            }
        };
        if let Some(gone) = gone {
            self.0.domains.add(gone.target.clone());
        }
    }

    fn listed(&self) {
        self.0.retry_failed();
    }

    fn known(&self, scope: Option<&str>) -> Vec<Key> {
        self.0.stores.approvals().keys_in(scope)
    }
}

impl Operator {
    /// The organization domain changed: approvals that name it may read otherwise.
    pub(super) fn look_at_approvals_of(&self, target: &Key) {
        let approvals = self.stores.approvals().naming(target);
        for approval in approvals {
            self.approvals.add(approval.key.clone());
        }
    }

    /// Whether an organization domain that is not in the store is there all the same: its shard says
    /// of the approval what it is worth.
    async fn is_of_another_shard(&self, target: &Key) -> Result<bool, ApiError> {
        if self.shard.is_whole() {
            return Ok(false);
        }
        let api = self
            .client
            .namespaced::<OrganizationDomain>(target.namespace());
        match self.client.call(api.get_metadata(target.name())).await {
            Ok(_) => Ok(true),
            Err(ApiError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Until when an organization domain is approved by a live read: no name is taken or given up by
    /// hand on the word of a cache. The store is left to the watch, which may know better by then.
    pub(super) async fn approved_until_live(
        &self,
        domain: &Domain,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, ApiError> {
        let target = &domain.key;
        let api = self.client.namespaced::<DomainApproval>(target.namespace());
        let of_target = format!("spec.organizationDomainRef.name={}", target.name());
        let params = ListParams::default().fields(&of_target);
        let mut live = Approvals::default();
        let listed = api.each(params, |object| {
            let key = Key::of_metadata(object.metadata());
            let approval = match object.0 {
                Ok(object) => Some(Arc::new(Approval::project(object))),
                // As for the watch, it is what it was when it could be read.
                Err(_) => self.stores.approvals().get(&key),
            };
            if let Some(approval) = approval {
                live.upsert(approval, true);
            }
            Ok(())
        });
        self.client.call(listed).await?;
        Ok(live.until(target, &domain.candidate(), now))
    }
}

/// Looks at one approval; says after which time to look again without any event.
pub async fn reconcile(operator: &Operator, key: &Key) -> Result<Option<Duration>, ApiError> {
    let Some(approval) = operator.stores.approvals().get(key) else {
        return Ok(None);
    };
    if approval.deleting {
        return Ok(None);
    }
    let now = whole_second(operator.clock.now());
    let expires = approval
        .expiry
        .until(now)
        .filter(|&end| end < Timestamp::MAX)
        .map(|end| Duration::try_from(end.duration_since(now)).unwrap_or_default());
    let target = operator.stores.domains().get_own(&approval.target);
    if target.is_none() && operator.is_of_another_shard(&approval.target).await? {
        return Ok(expires);
    }
    let status = status(&approval, target.as_deref(), now);
    if status == approval.status {
        return Ok(expires);
    }
    let object = DomainApproval {
        metadata: ObjectMeta {
            name: Some(key.name().to_owned()),
            namespace: Some(key.namespace().to_owned()),
            uid: Some(approval.uid.to_string()),
            resource_version: Some(approval.version.to_string()),
            ..ObjectMeta::default()
        },
        // Ignored on a status, yet part of what the type must say.
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
    let api = operator
        .client
        .namespaced::<DomainApproval>(key.namespace());
    let params = PostParams {
        field_manager: Some("freehold".to_owned()),
        ..PostParams::default()
    };
    match operator
        .client
        .call(api.replace_status(key.name(), &params, &object))
        .await
    {
        Ok(written) => {
            // The watch tells of one that cannot be read.
            if let Ok(written) = written.0 {
                let written = Arc::new(Approval::project(written));
                operator.stores.approvals_mut().update(written);
            }
            Ok(expires)
        }
        // The watch brings the change, and with it this key again.
        Err(ApiError::Conflict | ApiError::NotFound) => Ok(expires),
        Err(error) => Err(error),
    }
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
