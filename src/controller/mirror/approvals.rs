//! Approvals, as the store has them.

use std::sync::Arc;

use jiff::Timestamp;
use kube::api::ListParams;

use super::Mirror;
use crate::api::domain_approval::DomainApproval;
use crate::cluster::error::ApiError;
use crate::cluster::key::Key;
use crate::cluster::objects::Objects;
use crate::cluster::store::approvals::{Approval, Approvals};
use crate::cluster::store::domain::Domain;
use crate::cluster::watch;
use crate::model::uid::Uid;

/// Takes approvals in.
pub struct ApprovalHandler(pub Arc<Mirror>);

impl watch::Handler for ApprovalHandler {
    type Kind = DomainApproval;

    fn objects(client: &kube::Client, scope: Option<&str>) -> Objects<DomainApproval> {
        match scope {
            Some(namespace) => Objects::namespaced(client.clone(), namespace),
            None => Objects::all(client.clone()),
        }
    }

    fn applied(&self, object: DomainApproval, listed: bool) {
        let approval = Arc::new(Approval::project(object));
        let before = self.0.cluster.stores.approvals().get(&approval.key);
        if self
            .0
            .cluster
            .stores
            .approvals_mut()
            .upsert(Arc::clone(&approval), listed)
        {
            // One that was made again may name another organization domain.
            if let Some(before) = before.filter(|before| before.target != approval.target) {
                self.0.queues.domains.add(before.target.clone());
            }
            self.0.queues.domains.add(approval.target.clone());
            self.0.queues.approvals.add(approval.key.clone());
        }
    }

    fn deleted(&self, key: &Key, uid: Option<&Uid>) {
        let gone = {
            let mut approvals = self.0.cluster.stores.approvals_mut();
            match (approvals.get(key), uid) {
                (Some(known), Some(uid)) if known.uid != *uid => return,
                _ => approvals.remove(key),
            }
        };
        if let Some(gone) = gone {
            self.0.queues.domains.add(gone.target.clone());
        }
    }

    fn listed(&self) {
        self.0.queues.retry_failed();
    }

    fn known(&self, scope: Option<&str>) -> Vec<Key> {
        self.0.cluster.stores.approvals().keys_in(scope)
    }
}

impl Mirror {
    /// The organization domain changed: approvals that name it may read otherwise.
    pub fn enqueue_approvals_of(&self, target: &Key) {
        let approvals = self.cluster.stores.approvals().naming(target);
        for approval in approvals {
            self.queues.approvals.add(approval.key.clone());
        }
    }

    /// Until when an organization domain is approved by a live read: no name is taken or given up by
    /// hand on the word of a cache. The store is left to the watch, which may know better by then.
    pub async fn approved_until_live(
        &self,
        domain: &Domain,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, ApiError> {
        let target = &domain.key;
        let api = self
            .cluster
            .client
            .namespaced::<DomainApproval>(target.namespace());
        let of_target = format!("spec.organizationDomainRef.name={}", target.name());
        let params = ListParams::default().fields(&of_target);
        let mut live = Approvals::default();
        let listed = api.each(params, |object| {
            let key = Key::of_metadata(object.metadata());
            let approval = match object.0 {
                Ok(object) => Some(Arc::new(Approval::project(object))),
                // As for the watch, it is what it was when it could be read.
                Err(_) => self.cluster.stores.approvals().get(&key),
            };
            if let Some(approval) = approval {
                live.upsert(approval, true);
            }
            Ok(())
        });
        self.cluster.client.call(listed).await?;
        Ok(live.until(target, &domain.candidate(), now))
    }
}
