//! What the controllers know of the cluster: projections of objects, with the indices that
//! decisions need. Nothing here is an authority; writes are decided by the API server.

pub mod approvals;
pub mod domain;
pub mod domains;
pub mod holdings;
pub mod namespaces;
pub mod organizations;
mod quota;
mod version;

use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use self::approvals::Approvals;
use self::domain::Domain;
use self::domains::Domains;
use self::holdings::{HoldingView, Holdings};
use self::namespaces::Namespaces;
use self::organizations::Organizations;

/// All stores of one process.
#[derive(Debug)]
pub struct Stores {
    domains: RwLock<Domains>,
    organizations: RwLock<Organizations>,
    holdings: RwLock<Holdings>,
    approvals: RwLock<Approvals>,
    namespaces: RwLock<Namespaces>,
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
        self.holdings().get(domain.canonical.as_deref()?)
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
        let domain = self.domains().get_own(&holding.holder.key);
        domain.is_some_and(|domain| {
            domain.uid == holding.holder.uid && !domain.deleting && domain.states(&holding.name)
        })
    }

    pub fn approvals(&self) -> RwLockReadGuard<'_, Approvals> {
        self.approvals.read()
    }

    pub fn approvals_mut(&self) -> RwLockWriteGuard<'_, Approvals> {
        self.approvals.write()
    }

    pub fn namespaces(&self) -> RwLockReadGuard<'_, Namespaces> {
        self.namespaces.read()
    }

    pub fn namespaces_mut(&self) -> RwLockWriteGuard<'_, Namespaces> {
        self.namespaces.write()
    }

    pub fn domains(&self) -> RwLockReadGuard<'_, Domains> {
        self.domains.read()
    }

    pub fn domains_mut(&self) -> RwLockWriteGuard<'_, Domains> {
        self.domains.write()
    }

    pub fn organizations(&self) -> RwLockReadGuard<'_, Organizations> {
        self.organizations.read()
    }

    pub fn organizations_mut(&self) -> RwLockWriteGuard<'_, Organizations> {
        self.organizations.write()
    }

    pub fn holdings(&self) -> RwLockReadGuard<'_, Holdings> {
        self.holdings.read()
    }

    pub fn holdings_mut(&self) -> RwLockWriteGuard<'_, Holdings> {
        self.holdings.write()
    }
}
