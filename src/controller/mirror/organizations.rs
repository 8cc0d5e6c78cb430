//! Organizations, as the store has them.

use std::sync::Arc;

use kube::ResourceExt;

use super::Mirror;
use crate::api::organization::Organization;
use crate::cluster::decode::InvalidObject;
use crate::cluster::error::ApiError;
use crate::cluster::key::Key;
use crate::cluster::store::organizations::OrganizationView;
use crate::cluster::watch::Handler;
use crate::model::uid::Uid;

impl Handler<Organization> for Mirror {
    fn applied(&self, object: Organization, listed: bool) {
        let ours = self.cluster.scope.shard.takes(object.labels());
        let organization = Arc::new(OrganizationView::project(object, ours));
        let mut organizations = self.cluster.stores.organizations.write();
        let before = organizations.exists(&organization.key);
        if !organizations.upsert(Arc::clone(&organization), listed) {
            return;
        }
        drop(organizations);
        self.queues.organizations.add(organization.key.clone());
        if before == organization.deleting {
            self.enqueue_domains_of(&organization.key);
        }
    }

    fn deleted(&self, key: &Key, uid: Option<&Uid>) {
        let mut organizations = self.cluster.stores.organizations.write();
        match (organizations.get(key), uid) {
            (Some(known), Some(uid)) if known.uid != *uid => return,
            _ => organizations.remove(key),
        };
        drop(organizations);
        self.enqueue_domains_of(key);
    }

    fn invalid(&self, key: Key, _: &InvalidObject) {
        let mut organizations = self.cluster.stores.organizations.write();
        organizations.insert_invalid(key);
    }

    fn known(&self, namespace: Option<&str>) -> Vec<Key> {
        self.cluster.stores.organizations.read().keys_in(namespace)
    }
}

impl Mirror {
    /// Whether the organization is there, read live.
    pub async fn organization_exists_live(&self, key: &Key) -> Result<bool, ApiError> {
        let client = &self.cluster.client;
        let api = client.namespaced::<Organization>(key.namespace());
        let found = client.call_opt(api.get_metadata(key.name())).await?;
        Ok(found.is_some_and(|found| found.deletion_timestamp.is_none()))
    }

    fn enqueue_domains_of(&self, organization: &Key) {
        // Not in the call, which would keep the store locked while the queue is.
        let keys = self
            .cluster
            .stores
            .domains
            .read()
            .of_organization(organization);
        self.enqueue_domains(keys);
    }
}
