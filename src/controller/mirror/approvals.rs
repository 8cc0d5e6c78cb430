//! Approvals, as the store has them.

use std::sync::Arc;

use jiff::Timestamp;
use kube::api::ListParams;

use super::Mirror;
use crate::api::domain_approval::DomainApproval;
use crate::cluster::error::ApiError;
use crate::cluster::key::Key;
use crate::cluster::store::approvals::{Approval, Approvals};
use crate::cluster::store::domain::Domain;
use crate::cluster::watch::Handler;
use crate::model::uid::Uid;

impl Handler<DomainApproval> for Mirror {
    fn applied(&self, object: DomainApproval, listed: bool) {
        let approval = Arc::new(Approval::project(object));
        let store = &self.cluster.stores.approvals;
        let before = store.read().get(&approval.key);
        if store.write().upsert(Arc::clone(&approval), listed) {
            // One that was made again may name another organization domain.
            if let Some(before) = before.filter(|before| before.target != approval.target) {
                self.queues.domains.add(before.target.clone());
            }
            self.queues.domains.add(approval.target.clone());
            self.queues.approvals.add(approval.key.clone());
        }
    }

    fn deleted(&self, key: &Key, uid: Option<&Uid>) {
        let gone = {
            let mut approvals = self.cluster.stores.approvals.write();
            match (approvals.get(key), uid) {
                (Some(known), Some(uid)) if known.uid != *uid => return,
                _ => approvals.remove(key),
            }
        };
        if let Some(gone) = gone {
            self.queues.domains.add(gone.target.clone());
        }
    }

    fn known(&self, namespace: Option<&str>) -> Vec<Key> {
        self.cluster.stores.approvals.read().keys_in(namespace)
    }
}

impl Mirror {
    /// The organization domain changed: approvals that name it may read otherwise.
    pub fn enqueue_approvals_of(&self, target: &Key) {
        let approvals = self.cluster.stores.approvals.read().naming(target);
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
        let client = &self.cluster.client;
        let api = client.namespaced::<DomainApproval>(target.namespace());
        let of_target = format!("spec.organizationDomainRef.name={}", target.name());
        let params = ListParams::default().fields(&of_target);
        let mut live = Approvals::default();
        let listed = api.each(params, |object| {
            let key = Key::of_metadata(object.metadata());
            let approval = match object.0 {
                Ok(object) => Some(Arc::new(Approval::project(object))),
                // As for the watch, it is what it was when it could be read.
                Err(_) => self.cluster.stores.approvals.read().get(&key),
            };
            if let Some(approval) = approval {
                live.upsert(approval, true);
            }
            Ok(())
        });
        client.call(listed).await?;
        Ok(live.until(target, &domain.candidate(), now))
    }
}
