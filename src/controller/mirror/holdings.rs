//! Holdings, as the store has them: a mirror of the `VerifiedDomain`s.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use kube::api::{DeleteParams, Preconditions};

use super::Mirror;
use crate::api::verified_domain::VerifiedDomain;
use crate::cluster::error::ApiError;
use crate::cluster::key::Key;
use crate::cluster::objects::Objects;
use crate::cluster::store::holdings::HoldingView;
use crate::cluster::watch;
use crate::model::schedule;
use crate::model::uid::Uid;

/// Takes holdings in.
pub struct HoldingHandler(pub Arc<Mirror>);

impl watch::Handler for HoldingHandler {
    type Kind = VerifiedDomain;

    fn objects(client: &kube::Client, _: Option<&str>) -> Objects<VerifiedDomain> {
        Objects::all(client.clone())
    }

    fn applied(&self, object: VerifiedDomain, listed: bool) {
        self.0
            .remember_holding(HoldingView::project(object), listed);
    }

    fn deleted(&self, key: &Key, uid: Option<&Uid>) {
        let gone = {
            let mut holdings = self.0.cluster.stores.holdings_mut();
            match uid {
                Some(uid) => holdings.remove_uid(key.name(), uid),
                None => holdings.remove(key.name()),
            }
        };
        if gone.is_some() {
            self.0.enqueue_all_that_state(key.name());
        }
    }

    fn listed(&self) {
        self.0.queues.retry_failed();
    }

    fn known(&self, _: Option<&str>) -> Vec<Key> {
        self.0
            .cluster
            .stores
            .holdings()
            .names()
            .iter()
            .map(|name| Key::new("", name))
            .collect()
    }
}

impl Mirror {
    /// Takes a holding into the store and asks for what follows from it.
    pub fn remember_holding(&self, holding: HoldingView, listed: bool) {
        let holding = Arc::new(holding);
        if !self
            .cluster
            .stores
            .holdings_mut()
            .upsert(Arc::clone(&holding), listed)
        {
            return;
        }
        self.enqueue_all_that_state(&holding.name);
        if self.synced.load(Ordering::Relaxed) {
            self.enqueue_orphan_check_later(&holding);
        }
    }

    /// All stores have their first full list. Before that, nearly every holder seemed to be missing.
    pub fn enqueue_missing_holders(&self) {
        self.synced.store(true, Ordering::Relaxed);
        let names = self.cluster.stores.holdings().names();
        for name in names {
            let holding = self.cluster.stores.holdings().get(&name);
            if let Some(holding) = holding {
                self.enqueue_orphan_check_later(&holding);
            }
        }
    }

    /// A holder that is not in the store is gone, or another shard's: the default shard sees to both.
    /// The many of the other shards are requeued as after a cold start, not all at once.
    fn enqueue_orphan_check_later(&self, holding: &HoldingView) {
        let namespace = holding.holder.key.namespace();
        if !self.cluster.scope.shard.is_default()
            || !self.cluster.scope.watches(namespace)
            || self.cluster.stores.knows_holder(holding)
        {
            return;
        }
        let mut wait = self.orphan_delay;
        if !self.cluster.scope.shard.is_whole() {
            let now = self.cluster.clock.now();
            let spread = schedule::tick_after(now, self.settings.recheck_period / 24, &holding.uid);
            wait += schedule::wait(now, spread);
        }
        self.queues.orphans.add_after(holding.name.clone(), wait);
    }

    /// Reads the holding of a name live into the store; none where there is none.
    pub async fn refresh_holding(&self, name: &str) -> Result<Option<Arc<HoldingView>>, ApiError> {
        let known = self.cluster.stores.holdings().get(name);
        let api = self.cluster.client.all::<VerifiedDomain>();
        match self.cluster.client.call(api.get(name)).await {
            Ok(object) => {
                let holding = HoldingView::project(object.0?);
                self.remember_holding(holding.clone(), false);
                Ok(Some(Arc::new(holding)))
            }
            Err(ApiError::NotFound) => {
                // One made since the question was asked is another, and no watch would show it again.
                if let Some(known) = known
                    && self
                        .cluster
                        .stores
                        .holdings_mut()
                        .remove_uid(name, &known.uid)
                        .is_some()
                {
                    self.enqueue_all_that_state(name);
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes exactly this holding: another uid or resource version is somebody else's.
    pub async fn delete_holding(&self, holding: &HoldingView) -> Result<(), ApiError> {
        let params = DeleteParams::default().preconditions(Preconditions {
            uid: Some(holding.uid.to_string()),
            resource_version: Some(holding.version.to_string()),
        });
        let api = self.cluster.client.all::<VerifiedDomain>();
        match self
            .cluster
            .client
            .call(api.delete(&holding.name, &params))
            .await
        {
            Ok(()) | Err(ApiError::NotFound) => {
                self.cluster
                    .stores
                    .holdings_mut()
                    .remove_uid(&holding.name, &holding.uid);
                self.enqueue_all_that_state(&holding.name);
                tracing::info!(name = %holding.name, "the VerifiedDomain is released");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn enqueue_all_that_state(&self, name: &str) {
        // Not in the loop's head, which would keep the store locked while the queue is.
        let keys = self.cluster.stores.domains().stating(name);
        for key in keys {
            self.queues.domains.add(key);
        }
    }
}
