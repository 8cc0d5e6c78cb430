//! Approvals, by key and by the organization domain that they name.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::version::version;
use crate::api::domain_approval::{DomainApproval, DomainApprovalStatus};
use crate::cluster::key::Key;
use crate::model::approval::{Candidate, Expiry, Subject};
use crate::model::name::DomainName;
use crate::model::uid::Uid;

/// What is kept of an approval.
#[derive(Clone, Debug, PartialEq)]
pub struct Approval {
    pub key: Key,
    pub uid: Uid,
    pub version: u64,
    pub generation: i64,
    pub deleting: bool,
    /// The organization domain that it names.
    pub target: Key,
    /// The uid of that one, where it is given.
    pub target_uid: Option<Uid>,
    pub organization: Option<Box<str>>,
    /// None where the domain is no domain name.
    pub canonical: Option<Box<str>>,
    pub expiry: Expiry,
    pub status: DomainApprovalStatus,
}

impl Approval {
    #[must_use]
    pub fn project(object: DomainApproval) -> Self {
        let key = Key::of(&object);
        let version = version(&object.metadata);
        let DomainApproval {
            metadata,
            spec,
            status,
        } = object;
        Self {
            version,
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            generation: metadata.generation.unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            target: Key::new(key.namespace(), &spec.organization_domain_ref.name),
            target_uid: spec.organization_domain_ref.uid.as_deref().map(Uid::from),
            organization: spec.organization.map(String::into_boxed_str),
            canonical: DomainName::parse(&spec.domain)
                .ok()
                .map(|name| name.as_str().into()),
            expiry: Expiry::of(spec.expiry_time.as_ref()),
            status: status.unwrap_or_default(),
            key,
        }
    }

    /// What it is given for.
    #[must_use]
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            organization: self.organization.as_deref(),
            canonical: self.canonical.as_deref(),
            uid: self.target_uid.as_ref(),
        }
    }

    /// Until when it approves this one, if it does.
    fn until(&self, candidate: &Candidate<'_>, now: Timestamp) -> Option<Timestamp> {
        let is_for_it = !self.deleting && self.subject().difference(candidate).is_none();
        self.expiry.until(now).filter(|_| is_for_it)
    }
}

/// The store.
#[derive(Debug, Default)]
pub struct Approvals {
    entries: HashMap<Key, Arc<Approval>>,
    by_target: HashMap<Key, HashSet<Key>>,
}

impl Approvals {
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Arc<Approval>> {
        self.entries.get(key).cloned()
    }

    /// Those that name this organization domain.
    #[must_use]
    pub fn naming(&self, target: &Key) -> Vec<Arc<Approval>> {
        let keys = self.by_target.get(target).into_iter().flatten();
        keys.filter_map(|key| self.entries.get(key).cloned())
            .collect()
    }

    /// Until when this organization domain is approved; the longest of several.
    #[must_use]
    pub fn until(
        &self,
        target: &Key,
        candidate: &Candidate<'_>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        self.naming(target)
            .iter()
            .filter_map(|approval| approval.until(candidate, now))
            .max()
    }

    /// Takes an object in; false where the store already has this or a newer one.
    pub fn upsert(&mut self, approval: Arc<Approval>, listed: bool) -> bool {
        if self.entries.get(&approval.key).is_some_and(|before| {
            before.uid == approval.uid
                && super::version::is_known(before.version, approval.version, listed)
        }) {
            return false;
        }
        self.remove(&approval.key);
        self.by_target
            .entry(approval.target.clone())
            .or_default()
            .insert(approval.key.clone());
        self.entries.insert(approval.key.clone(), approval);
        true
    }

    /// Takes a newer version in of an object that is here. One that went meanwhile is not taken in: no
    /// watch would tell of its end.
    pub fn update(&mut self, approval: Arc<Approval>) {
        let here = self.entries.get(&approval.key);
        if here.is_some_and(|here| here.uid == approval.uid) {
            self.upsert(approval, false);
        }
    }

    pub fn remove(&mut self, key: &Key) -> Option<Arc<Approval>> {
        let approval = self.entries.remove(key)?;
        if let Some(keys) = self.by_target.get_mut(&approval.target) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_target.remove(&approval.target);
            }
        }
        Some(approval)
    }

    /// The keys in one namespace, or all.
    #[must_use]
    pub fn keys_in(&self, namespace: Option<&str>) -> Vec<Key> {
        let inside = |key: &&Key| namespace.is_none_or(|namespace| key.namespace() == namespace);
        self.entries.keys().filter(inside).cloned().collect()
    }
}
