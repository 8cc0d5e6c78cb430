//! The mirror of organization domains, and what is asked for when one changes.

use std::sync::Arc;

use jiff::Timestamp;
use kube::api::GetParams;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};

use super::own;
use crate::api::organization_domain::OrganizationDomain;
use crate::controller::calls::CallError;
use crate::controller::decode::Decoded;
use crate::controller::operator::Operator;
use crate::controller::store::Key;
use crate::controller::store::domain::Domain;
use crate::controller::store::domains::Upserted;
use crate::controller::watch;
use crate::model::uid::Uid;

/// What the watch of organization domains does.
pub struct Sink;

impl watch::Sink for Sink {
    type Kind = OrganizationDomain;

    fn api(client: &Client, scope: Option<&str>) -> Api<Decoded<OrganizationDomain>> {
        match scope {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        }
    }

    fn config(operator: &Operator, _: Option<&str>) -> watcher::Config {
        let config = watcher::Config::default();
        if operator.shard.is_whole() {
            config
        } else {
            config.labels_from(operator.shard.selector())
        }
    }

    fn applied(operator: &Operator, object: OrganizationDomain, listed: bool) {
        operator.remember(Domain::project(object), listed);
    }

    fn deleted(operator: &Operator, key: &Key, uid: Option<&Uid>) {
        operator.forget(key, uid);
    }

    fn known(operator: &Operator, scope: Option<&str>) -> Vec<Key> {
        operator.stores.domains().keys_in(scope)
    }
}

impl Operator {
    /// Takes an organization domain into the store and asks for what follows from it.
    fn remember(&self, domain: Domain, listed: bool) {
        if self.stores.domains().knows_as_own(&domain, listed) {
            return;
        }
        let domain = Arc::new(domain.lean(Timestamp::now(), &self.settings));
        let upserted = self
            .stores
            .domains_mut()
            .upsert(Arc::clone(&domain), listed);
        self.follow(&domain, upserted);
    }

    /// Takes an object as a live read or a write showed it into the store, if it is in there.
    pub(super) fn update(&self, domain: Domain, ours: bool) {
        if self.stores.domains().knows(&domain, false) {
            return;
        }
        let domain = Arc::new(domain.lean(Timestamp::now(), &self.settings));
        let upserted = self.stores.domains_mut().update(Arc::clone(&domain), ours);
        self.follow(&domain, upserted);
    }

    /// Asks for what follows from a change.
    fn follow(&self, domain: &Domain, upserted: Upserted) {
        let before = match upserted {
            Upserted::Taken { before } => before,
            Upserted::Left(gone) => {
                // The watch will not tell of it: it is out of the store by then.
                self.look_for_orphans(&gone);
                return self.look_at_those_beside(&gone);
            }
            Upserted::Known => return,
        };
        let other = |before: &Arc<Domain>| {
            (&before.uid, &before.canonical) != (&domain.uid, &domain.canonical)
        };
        if let Some(before) = before.filter(other) {
            self.look_for_orphans(&before);
            self.organizations.add(before.organization.clone());
        }
        self.organizations.add(domain.organization.clone());
        self.look_at_approvals_of(&domain.key);
        self.domains.add(domain.key.clone());
        self.look_at_promoted();
    }

    /// Those for whom there is room in the quota by now.
    fn look_at_promoted(&self) {
        let promoted = self.stores.domains_mut().take_promoted();
        for key in promoted {
            self.domains.add(key);
        }
    }

    /// Takes an organization domain that is gone out of the store.
    fn forget(&self, key: &Key, uid: Option<&Uid>) {
        let gone = {
            let mut domains = self.stores.domains_mut();
            match (domains.get(key), uid) {
                // Made again under the same name before this news came.
                (Some(known), Some(uid)) if known.uid != *uid => return,
                _ => domains.remove(key),
            }
        };
        if let Some(gone) = gone {
            self.look_for_orphans(&gone);
            self.look_at_those_beside(&gone);
        }
    }

    /// The object is not in the store any more.
    fn look_at_those_beside(&self, gone: &Domain) {
        self.look_at_approvals_of(&gone.key);
        self.organizations.add(gone.organization.clone());
        self.look_at_promoted();
    }

    /// Another shard's object is checked here, once.
    pub(in crate::controller) fn borrow(&self, domain: Domain, now: Timestamp) {
        let key = domain.key.clone();
        self.stores.domains_mut().borrow(Arc::new(domain), now);
        self.domains.add(key);
    }

    /// The object is gone: what it held is looked at now.
    pub(super) fn look_for_orphans(&self, gone: &Domain) {
        if let Some(holding) = own(self, gone) {
            self.orphans.add(Arc::clone(&holding.name));
        }
    }

    pub(in crate::controller) fn domain_api(&self, namespace: &str) -> Api<OrganizationDomain> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Reads the object live into the store, and whole; none where it is gone.
    pub(in crate::controller) async fn refresh(
        &self,
        key: &Key,
    ) -> Result<Option<Arc<Domain>>, CallError> {
        let known = self.stores.domains().get(key);
        let known = known.as_ref().map(|known| &known.uid);
        self.refresh_with(key, known, &GetParams::default()).await
    }

    /// As `refresh`, from what the API server watches itself, which may be a moment behind though never
    /// behind this version of the object: what is gone may still be in there, and what is there is never
    /// missing. Costs it a third of a read from etcd.
    pub(in crate::controller) async fn refresh_since(
        &self,
        domain: &Domain,
    ) -> Result<Option<Arc<Domain>>, CallError> {
        let params = GetParams::at(&domain.version.to_string());
        self.refresh_with(&domain.key, Some(&domain.uid), &params)
            .await
    }

    async fn refresh_with(
        &self,
        key: &Key,
        known: Option<&Uid>,
        params: &GetParams,
    ) -> Result<Option<Arc<Domain>>, CallError> {
        let api = self.domain_api(key.namespace());
        match self.call(api.get_with(key.name(), params)).await {
            Ok(object) => {
                let ours = self.shard.takes(object.labels());
                let domain = Domain::project(object);
                self.update(domain.clone(), ours);
                Ok(Some(Arc::new(domain)))
            }
            Err(CallError::NotFound) => {
                // One made since the question was asked is another, and nobody would tell of it again.
                if let Some(known) = known {
                    self.forget(key, Some(known));
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
