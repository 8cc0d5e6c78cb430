//! The one way into the stores: what a watch, a live read or a write shows is taken in here, and what
//! follows from the change is enqueued.

mod approvals;
mod domains;
mod holdings;
mod namespaces;
mod organizations;
mod token_recoveries;
mod unwritten;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::RwLock;

use self::token_recoveries::TokenRecoveries;
use self::unwritten::Unwritten;
use super::queues::Queues;
use crate::cluster::Cluster;
use crate::cluster::key::Key;
use crate::cluster::watch::Listener;
use crate::model::settings::Settings;

/// Keeps the stores and the queues in step.
pub struct Mirror {
    pub cluster: Arc<Cluster>,
    pub queues: Arc<Queues>,
    pub settings: Arc<Settings>,
    /// How long a holding without its holder is left alone when nobody saw the holder deleted.
    pub orphan_delay: Duration,
    /// Whether every store has its first full list.
    synced: AtomicBool,
    /// What was decided of objects that have no room for it.
    pub unwritten: RwLock<Unwritten>,
    pub token_recoveries: RwLock<TokenRecoveries>,
}

impl Mirror {
    #[must_use]
    pub fn new(
        cluster: Arc<Cluster>,
        queues: Arc<Queues>,
        settings: Arc<Settings>,
        orphan_delay: Duration,
    ) -> Self {
        Self {
            cluster,
            queues,
            settings,
            orphan_delay,
            synced: AtomicBool::new(false),
            unwritten: RwLock::default(),
            token_recoveries: RwLock::default(),
        }
    }

    /// From now on this process decides.
    pub fn begin(&self) {
        self.cluster.stores.domains.write().quota.fill_all();
        self.enqueue_missing_holders();
    }

    /// Enqueues everything whose time was read off the wall clock.
    pub fn requeue_all(&self) {
        let domains = self.cluster.stores.domains.read().keys_in(None);
        self.enqueue_domains(domains);
        let approvals = self.cluster.stores.approvals.read().keys_in(None);
        for key in approvals {
            self.queues.approvals.add(key);
        }
    }

    fn enqueue_domains(&self, keys: Vec<Key>) {
        for key in keys {
            self.queues.domains.add(key);
        }
    }
}

impl Listener for Mirror {
    fn listed(&self) {
        self.queues.retry_failed();
    }
}
