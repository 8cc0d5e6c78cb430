//! Organizations, as the store has them.

use std::sync::Arc;

use kube::ResourceExt;

use super::Mirror;
use crate::api::organization::Organization;
use crate::cluster::decode::InvalidObject;
use crate::cluster::error::ApiError;
use crate::cluster::key::Key;
use crate::cluster::objects::Objects;
use crate::cluster::store::organizations::OrganizationView;
use crate::cluster::watch;
use crate::model::uid::Uid;

/// Takes organizations in.
pub struct OrganizationHandler(pub Arc<Mirror>);

impl watch::Handler for OrganizationHandler {
    type Kind = Organization;

    fn objects(client: &kube::Client, scope: Option<&str>) -> Objects<Organization> {
        match scope {
            Some(namespace) => Objects::namespaced(client.clone(), namespace),
            None => Objects::all(client.clone()),
        }
    }

    fn applied(&self, object: Organization, listed: bool) {
        self.0.remember_organization(object, listed);
    }

    fn deleted(&self, key: &Key, uid: Option<&Uid>) {
        let mut organizations = self.0.cluster.stores.organizations_mut();
        match (organizations.get(key), uid) {
            (Some(known), Some(uid)) if known.uid != *uid => return,
            _ => organizations.remove(key),
        };
        drop(organizations);
        self.0.enqueue_domains_of(key);
    }

    fn invalid(&self, key: Key, _: &InvalidObject) {
        self.0
            .cluster
            .stores
            .organizations_mut()
            .insert_invalid(key);
    }

    fn listed(&self) {
        self.0.queues.retry_failed();
    }

    fn known(&self, scope: Option<&str>) -> Vec<Key> {
        self.0.cluster.stores.organizations().keys_in(scope)
    }
}

impl Mirror {
    fn remember_organization(&self, object: Organization, listed: bool) {
        let ours = self.cluster.scope.shard.takes(object.labels());
        let organization = Arc::new(OrganizationView::project(object, ours));
        let (before, taken) = {
            let mut organizations = self.cluster.stores.organizations_mut();
            let before = organizations.exists(&organization.key);
            (
                before,
                organizations.upsert(Arc::clone(&organization), listed),
            )
        };
        if !taken {
            return;
        }
        self.queues.organizations.add(organization.key.clone());
        if before == organization.deleting {
            self.enqueue_domains_of(&organization.key);
        }
    }

    /// Whether the organization is there, read live.
    pub async fn organization_exists_live(&self, key: &Key) -> Result<bool, ApiError> {
        let api = self
            .cluster
            .client
            .namespaced::<Organization>(key.namespace());
        match self.cluster.client.call(api.get_metadata(key.name())).await {
            Ok(found) => Ok(found.deletion_timestamp.is_none()),
            Err(ApiError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn enqueue_domains_of(&self, organization: &Key) {
        // Not in the loop's head, which would keep the store locked while the queue is.
        let keys = self.cluster.stores.domains().of_organization(organization);
        for key in keys {
            self.queues.domains.add(key);
        }
    }
}
