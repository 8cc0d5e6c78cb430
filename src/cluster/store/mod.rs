//! What the controllers know of the cluster: projections of objects, with the indices that
//! decisions need. Nothing here is an authority; writes are decided by the API server.

pub mod approvals;
pub mod domain;
pub mod domains;
pub mod holdings;
pub mod namespaces;
pub mod organizations;
pub mod quota;
mod version;

use std::sync::Arc;

use parking_lot::RwLock;

use self::approvals::Approvals;
use self::domain::Domain;
use self::domains::Domains;
use self::holdings::{HoldingView, Holdings};
use self::namespaces::Namespaces;
use self::organizations::Organizations;

/// All stores of one process.
#[derive(Debug)]
pub struct Stores {
    pub domains: RwLock<Domains>,
    pub organizations: RwLock<Organizations>,
    pub holdings: RwLock<Holdings>,
    pub approvals: RwLock<Approvals>,
    pub namespaces: RwLock<Namespaces>,
}

impl Stores {
    /// Empty stores; at most `max_pending` domains of a namespace are checked at once.
    #[must_use]
    pub fn new(max_pending: usize) -> Self {
        Self {
            domains: RwLock::new(Domains::new(max_pending)),
            organizations: RwLock::default(),
            holdings: RwLock::default(),
            approvals: RwLock::default(),
            namespaces: RwLock::default(),
        }
    }

    /// The holding of the domain's name.
    #[must_use]
    pub fn holding_of(&self, domain: &Domain) -> Option<Arc<HoldingView>> {
        self.holdings.read().get(domain.canonical.as_deref()?)
    }

    /// The holding of the domain's name, where the object itself is the holder.
    #[must_use]
    pub fn held_by(&self, domain: &Domain) -> Option<Arc<HoldingView>> {
        let holding = self.holding_of(domain)?;
        (holding.holder.uid == domain.uid).then_some(holding)
    }

    /// Whether the holder is one of this shard's, not deleted, stating the very name.
    #[must_use]
    pub fn knows_holder(&self, holding: &HoldingView) -> bool {
        let domain = self.domains.read().get_own(&holding.holder.key);
        domain.is_some_and(|domain| {
            domain.uid == holding.holder.uid && !domain.deleting && domain.states(&holding.name)
        })
    }
}
