//! What the controllers know of the cluster: projections of objects, with the indices that
//! decisions need. Nothing here is an authority; writes are decided by the API server.

pub mod approvals;
pub mod domain;
pub mod domains;
pub mod holdings;
pub mod namespaces;
pub mod organizations;
mod quota;
pub mod recalls;
mod shared;
pub mod unwritten;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kube::Resource;
use kube::core::ObjectMeta;

use approvals::Approvals;
use domains::Domains;
use holdings::Holdings;
use namespaces::Namespaces;
use organizations::Organizations;
use recalls::Recalls;
use shared::shared;
use unwritten::Unwritten;

/// The namespace and name of an object, as the text `namespace/name`: neither contains a slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<str>);

impl Key {
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self(format!("{namespace}/{name}").into())
    }

    /// The key of an object; the namespace of one without is empty.
    pub fn of(object: &impl Resource) -> Self {
        Self::of_metadata(object.meta())
    }

    #[must_use]
    pub fn of_metadata(metadata: &ObjectMeta) -> Self {
        Self::new(
            metadata.namespace.as_deref().unwrap_or_default(),
            metadata.name.as_deref().unwrap_or_default(),
        )
    }

    #[must_use]
    pub fn namespace(&self) -> &str {
        self.0
            .split_once('/')
            .map_or("", |(namespace, _)| namespace)
    }

    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or(&*self.0, |(_, name)| name)
    }

    /// With the one copy of its text, for a key that is kept.
    fn shared(self) -> Self {
        Self(shared(&self.0))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All stores of one operator.
#[derive(Debug)]
pub struct Stores {
    domains: RwLock<Domains>,
    organizations: RwLock<Organizations>,
    holdings: RwLock<Holdings>,
    approvals: RwLock<Approvals>,
    namespaces: RwLock<Namespaces>,
    unwritten: RwLock<Unwritten>,
    recalls: RwLock<Recalls>,
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
            unwritten: RwLock::default(),
            recalls: RwLock::default(),
        }
    }

    pub fn approvals(&self) -> RwLockReadGuard<'_, Approvals> {
        self.approvals
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub fn approvals_mut(&self) -> RwLockWriteGuard<'_, Approvals> {
        self.approvals
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub fn namespaces(&self) -> RwLockReadGuard<'_, Namespaces> {
        self.namespaces
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub fn namespaces_mut(&self) -> RwLockWriteGuard<'_, Namespaces> {
        self.namespaces
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub fn unwritten(&self) -> RwLockReadGuard<'_, Unwritten> {
        self.unwritten
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub fn unwritten_mut(&self) -> RwLockWriteGuard<'_, Unwritten> {
        self.unwritten
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub fn recalls(&self) -> RwLockReadGuard<'_, Recalls> {
        self.recalls.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn recalls_mut(&self) -> RwLockWriteGuard<'_, Recalls> {
        self.recalls.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn domains(&self) -> RwLockReadGuard<'_, Domains> {
        self.domains.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn domains_mut(&self) -> RwLockWriteGuard<'_, Domains> {
        self.domains.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn organizations(&self) -> RwLockReadGuard<'_, Organizations> {
        self.organizations
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub fn organizations_mut(&self) -> RwLockWriteGuard<'_, Organizations> {
        self.organizations
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub fn holdings(&self) -> RwLockReadGuard<'_, Holdings> {
        self.holdings.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn holdings_mut(&self) -> RwLockWriteGuard<'_, Holdings> {
        self.holdings
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A resource version as the number that it is (KEP-5504 makes them comparable); our own writes
/// reach a store before the watch tells of older ones.
pub(crate) fn version(metadata: &ObjectMeta) -> u64 {
    metadata
        .resource_version
        .as_deref()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// Whether a store that has one version of an object need not take another.
fn is_known(has: u64, other: u64, listed: bool) -> bool {
    has == other || (has > other && !listed)
}
