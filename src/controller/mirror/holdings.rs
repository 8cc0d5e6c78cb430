//! Holdings, as the store has them: a mirror of the `VerifiedDomain`s.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use kube::api::{DeleteParams, Preconditions};

use super::Mirror;
use crate::api::verified_domain::VerifiedDomain;
use crate::cluster::error::ApiError;
use crate::cluster::key::Key;
use crate::cluster::store::holdings::HoldingView;
use crate::cluster::watch::Handler;
use crate::model::schedule;
use crate::model::uid::Uid;

impl Handler<VerifiedDomain> for Mirror {
    fn applied(&self, object: VerifiedDomain, listed: bool) {
        self.remember_holding(HoldingView::project(object), listed);
    }

    fn deleted(&self, key: &Key, uid: Option<&Uid>) {
        self.forget_holding(key.name(), uid);
    }

    fn known(&self, _: Option<&str>) -> Vec<Key> {
        let all = self.cluster.stores.holdings.read().all();
        let key = |holding: &Arc<HoldingView>| Key::new("", &holding.name);
        all.iter().map(key).collect()
    }
}

impl Mirror {
    /// Takes a holding into the store and asks for what follows from it.
    pub fn remember_holding(&self, holding: HoldingView, listed: bool) {
        let holding = Arc::new(holding);
        let mut holdings = self.cluster.stores.holdings.write();
        if !holdings.upsert(Arc::clone(&holding), listed) {
            return;
        }
        drop(holdings);
        self.enqueue_all_that_state(&holding.name);
        if self.synced.load(Ordering::Relaxed) {
            self.enqueue_orphan_check_later(&holding);
        }
    }

    /// Takes the holding of a name, or the one with this uid, out of the store.
    fn forget_holding(&self, name: &str, uid: Option<&Uid>) {
        let mut holdings = self.cluster.stores.holdings.write();
        let gone = match uid {
            Some(uid) => holdings.remove_uid(name, uid),
            None => holdings.remove(name),
        };
        drop(holdings);
        if gone.is_some() {
            self.enqueue_all_that_state(name);
        }
    }

    /// All stores have their first full list. Before that, nearly every holder seemed to be missing.
    pub fn enqueue_missing_holders(&self) {
        self.synced.store(true, Ordering::Relaxed);
        let holdings = self.cluster.stores.holdings.read().all();
        for holding in holdings {
            self.enqueue_orphan_check_later(&holding);
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
        let known = self.cluster.stores.holdings.read().get(name);
        let api = self.cluster.client.all::<VerifiedDomain>();
        if let Some(object) = self.cluster.client.call_opt(api.get(name)).await? {
            let holding = HoldingView::project(object.0?);
            self.remember_holding(holding.clone(), false);
            return Ok(Some(Arc::new(holding)));
        }
        // One made since the question was asked is another, and no watch would show it again.
        if let Some(known) = known {
            self.forget_holding(name, Some(&known.uid));
        }
        Ok(None)
    }

    /// Deletes exactly this holding: another uid or resource version is somebody else's.
    pub async fn delete_holding(&self, holding: &HoldingView) -> Result<(), ApiError> {
        let params = DeleteParams::default().preconditions(Preconditions {
            uid: Some(holding.uid.to_string()),
            resource_version: Some(holding.version.to_string()),
        });
        let api = self.cluster.client.all::<VerifiedDomain>();
        let request = api.delete(&holding.name, &params);
        // Where it is gone already, somebody else released it.
        self.cluster.client.call_opt(request).await?;
        self.forget_holding(&holding.name, Some(&holding.uid));
        tracing::debug!(name = %holding.name, "the VerifiedDomain is released");
        Ok(())
    }

    fn enqueue_all_that_state(&self, name: &str) {
        // Not in the call, which would keep the store locked while the queue is.
        let keys = self.cluster.stores.domains.read().stating(name);
        self.enqueue_domains(keys);
    }
}
