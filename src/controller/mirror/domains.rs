//! Organization domains, as the store has them.

use std::sync::Arc;

use jiff::Timestamp;
use kube::api::{GetParams, ListParams};

use super::Mirror;
use super::unwritten::Unwritten;
use crate::api::organization_domain::{OrganizationDomain, OrganizationDomainStatus};
use crate::cluster::decode::InvalidObject;
use crate::cluster::error::ApiError;
use crate::cluster::key::Key;
use crate::cluster::objects::Objects;
use crate::cluster::store::domain::{Domain, StatusView};
use crate::cluster::store::domains::Upserted;
use crate::cluster::watch::Handler;
use crate::model::uid::Uid;

impl Handler<OrganizationDomain> for Mirror {
    fn watched(
        &self,
        client: kube::Client,
        namespace: Option<&str>,
    ) -> (Objects<OrganizationDomain>, ListParams) {
        let mut params = ListParams::default();
        let shard = &self.cluster.scope.shard;
        if !shard.is_whole() {
            params = params.labels_from(shard.selector());
        }
        (Objects::within(client, namespace), params)
    }

    fn applied(&self, object: OrganizationDomain, listed: bool) {
        let domain = self.as_decided(Domain::project(object));
        let store = &self.cluster.stores.domains;
        if store.read().knows_as_own(&domain, listed) {
            return;
        }
        let domain = Arc::new(domain.lean(self.cluster.clock.now(), &self.settings));
        let upserted = store.write().upsert(Arc::clone(&domain), listed);
        self.follow(&domain, upserted);
    }

    fn invalid(&self, key: Key, object: &InvalidObject) {
        let Some(known) = self.cluster.stores.domains.read().get(&key) else {
            return;
        };
        // What the store has stays, as an earlier state, unless that very object is gone.
        let metadata = &object.metadata;
        let gone = metadata.deletion_timestamp.is_some()
            || metadata.uid.as_deref().map(Uid::from).as_ref() != Some(&known.uid);
        if gone {
            self.forget_domain(&key, Some(&known.uid));
        }
    }

    fn deleted(&self, key: &Key, uid: Option<&Uid>) {
        self.forget_domain(key, uid);
    }

    fn known(&self, namespace: Option<&str>) -> Vec<Key> {
        self.cluster.stores.domains.read().keys_in(namespace)
    }
}

impl Mirror {
    /// Takes an object as a live read or a write showed it into the store, if it is in there.
    pub fn update(&self, domain: Domain, ours: bool) {
        let store = &self.cluster.stores.domains;
        if store.read().knows(&domain, false) {
            return;
        }
        let domain = Arc::new(domain.lean(self.cluster.clock.now(), &self.settings));
        let upserted = store.write().update(Arc::clone(&domain), ours);
        self.follow(&domain, upserted);
    }

    /// The object with what was decided of it, where it has no room for that.
    fn as_decided(&self, domain: Domain) -> Domain {
        // As nearly always, and nobody waits for that.
        if !self.unwritten.read().has(&domain.key) {
            return domain;
        }
        self.change_unwritten(|unwritten| unwritten.as_decided(domain))
    }

    fn change_unwritten<T>(&self, change: impl FnOnce(&mut Unwritten) -> T) -> T {
        let mut unwritten = self.unwritten.write();
        let changed = change(&mut unwritten);
        let metrics = &self.cluster.client.metrics;
        metrics.unwritten_statuses(unwritten.count());
        changed
    }

    /// The object says what was decided, or is gone.
    pub fn forget_unwritten(&self, key: &Key) {
        if self.unwritten.read().has(key) {
            self.change_unwritten(|unwritten| unwritten.forget(key));
        }
    }

    /// Goes on from what was decided of an object that has no room for it: the object as it is from now on,
    /// and whether this fact was not announced yet.
    pub fn record_unwritten(
        &self,
        domain: &Domain,
        status: &OrganizationDomainStatus,
        decided: &OrganizationDomainStatus,
        fact: &str,
    ) -> (Domain, bool) {
        let is_new = self
            .change_unwritten(|unwritten| unwritten.record(domain, status, decided.clone(), fact));
        let domain = Domain {
            status: StatusView::Whole(Box::new(decided.clone())),
            ..domain.clone()
        };
        self.queues.organizations.add(domain.organization.clone());
        let mut domains = self.cluster.stores.domains.write();
        domains.replace(Arc::new(domain.clone()));
        (domain, is_new)
    }

    /// Asks for what follows from a change.
    fn follow(&self, domain: &Domain, upserted: Upserted) {
        let before = match upserted {
            Upserted::Taken { before } => before,
            Upserted::Left(gone) => {
                // The watch will not show it: it is out of the store by then.
                self.forget_side_state(&gone.key);
                return self.enqueue_beside(&gone);
            }
            Upserted::Known => return,
        };
        let other = |before: &Arc<Domain>| {
            (&before.uid, &before.canonical) != (&domain.uid, &domain.canonical)
        };
        if let Some(before) = before.filter(other) {
            self.enqueue_orphan_check(&before);
            self.queues.organizations.add(before.organization.clone());
        }
        self.queues.organizations.add(domain.organization.clone());
        self.enqueue_approvals_of(&domain.key);
        self.queues.domains.add(domain.key.clone());
        self.enqueue_promoted();
    }

    /// Those for whom there is room in the quota by now.
    fn enqueue_promoted(&self) {
        let promoted = self.cluster.stores.domains.write().quota.take_promoted();
        self.enqueue_domains(promoted);
    }

    /// Takes an organization domain that is gone out of the store.
    fn forget_domain(&self, key: &Key, uid: Option<&Uid>) {
        let gone = {
            let mut domains = self.cluster.stores.domains.write();
            match (domains.get(key), uid) {
                // Made again under the same name before this news came.
                (Some(known), Some(uid)) if known.uid != *uid => return,
                _ => domains.remove(key),
            }
        };
        // Also of one that was borrowed, and is not in the store any more.
        self.forget_side_state(key);
        if let Some(gone) = gone {
            self.enqueue_beside(&gone);
        }
    }

    /// What is stored of an object beside the store of domains.
    fn forget_side_state(&self, key: &Key) {
        self.forget_unwritten(key);
        self.forget_token_recovery(key);
    }

    /// The token was found or replaced, or the object is gone.
    pub fn forget_token_recovery(&self, key: &Key) {
        if self.token_recoveries.read().has(key) {
            self.token_recoveries.write().forget(key);
        }
    }

    /// The object is not in the store any more.
    fn enqueue_beside(&self, gone: &Domain) {
        self.enqueue_orphan_check(gone);
        self.enqueue_approvals_of(&gone.key);
        self.queues.organizations.add(gone.organization.clone());
        self.enqueue_promoted();
    }

    /// Another shard's object is checked here, once.
    pub fn borrow(&self, domain: Domain, now: Timestamp) {
        let key = domain.key.clone();
        let domain = Arc::new(domain);
        self.cluster.stores.domains.write().borrow(domain, now);
        self.queues.domains.add(key);
    }

    /// The object is gone: what it held is requeued now.
    pub fn enqueue_orphan_check(&self, gone: &Domain) {
        if let Some(holding) = self.cluster.stores.held_by(gone) {
            self.queues.orphans.add(Arc::clone(&holding.name));
        }
    }

    /// Reads the object live into the store, and whole; none where it is gone.
    pub async fn refresh(&self, key: &Key) -> Result<Option<Arc<Domain>>, ApiError> {
        let known = self.cluster.stores.domains.read().get(key);
        self.refresh_with(key, known.as_deref(), &GetParams::default())
            .await
    }

    /// As `refresh`, from what the API server watches itself, which may be a moment behind though never
    /// behind this version of the object: what is gone may still be in there, and what is there is never
    /// missing. Costs it a third of a read from etcd.
    pub async fn refresh_since(&self, domain: &Domain) -> Result<Option<Arc<Domain>>, ApiError> {
        let params = GetParams::at(&domain.version.to_string());
        self.refresh_with(&domain.key, Some(domain), &params).await
    }

    async fn refresh_with(
        &self,
        key: &Key,
        known: Option<&Domain>,
        params: &GetParams,
    ) -> Result<Option<Arc<Domain>>, ApiError> {
        let client = &self.cluster.client;
        let api = client.namespaced::<OrganizationDomain>(key.namespace());
        let Some(object) = client.call_opt(api.get_with(key.name(), params)).await? else {
            // One made since the question was asked is another, and no watch would show it again.
            if let Some(known) = known {
                self.forget_domain(key, Some(&known.uid));
            }
            return Ok(None);
        };
        let ours = self.cluster.scope.shard.takes_object(object.metadata());
        let uid = object.metadata().uid.as_deref().map(Uid::from);
        let domain = match known.filter(|known| Some(&known.uid) == uid.as_ref()) {
            Some(known) => Domain::project_with(object, &known.stated, known.organization.name()),
            None => Domain::project(object.0?),
        };
        let domain = self.as_decided(domain);
        self.update(domain.clone(), ours);
        Ok(Some(Arc::new(domain)))
    }
}
