//! Organizations, by key.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::version::{is_known, version};
use crate::api::organization::{Organization, OrganizationStatus};
use crate::cluster::key::Key;
use crate::model::uid::Uid;

/// What is kept of an organization.
#[derive(Clone, Debug, PartialEq)]
pub struct OrganizationView {
    pub key: Key,
    pub uid: Uid,
    pub version: u64,
    pub generation: i64,
    pub deleting: bool,
    /// Whether this shard sums it up.
    pub ours: bool,
    pub status: OrganizationStatus,
}

impl OrganizationView {
    #[must_use]
    pub fn project(object: Organization, ours: bool) -> Self {
        let metadata = &object.metadata;
        Self {
            key: Key::of_metadata(metadata),
            version: version(metadata),
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            generation: metadata.generation.unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            ours,
            status: object.status.unwrap_or_default(),
        }
    }
}

#[derive(Debug, Default)]
pub struct Organizations {
    entries: HashMap<Key, Entry>,
    /// Those that cannot be read: they are there all the same.
    invalid: HashSet<Key>,
}

#[derive(Debug)]
struct Entry {
    organization: Arc<OrganizationView>,
    written: Option<Instant>,
}

impl Organizations {
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Arc<OrganizationView>> {
        Some(Arc::clone(&self.entries.get(key)?.organization))
    }

    /// Whether domains may count on it.
    #[must_use]
    pub fn exists(&self, key: &Key) -> bool {
        self.invalid.contains(key) || self.get(key).is_some_and(|here| !here.deleting)
    }

    /// When its status was last written by this process.
    #[must_use]
    pub fn written(&self, key: &Key) -> Option<Instant> {
        self.entries.get(key)?.written
    }

    pub fn set_written(&mut self, key: &Key, at: Instant) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.written = Some(at);
        }
    }

    /// Takes an object in; false where the store already has this or a newer one.
    pub fn upsert(&mut self, organization: Arc<OrganizationView>, listed: bool) -> bool {
        if self.get(&organization.key).is_some_and(|before| {
            before.uid == organization.uid && is_known(before.version, organization.version, listed)
        }) {
            return false;
        }
        self.invalid.remove(&organization.key);
        let entry = Entry {
            written: self.written(&organization.key),
            organization,
        };
        self.entries.insert(entry.organization.key.clone(), entry);
        true
    }

    /// Takes a newer version in of an object that is here. One that went meanwhile is not taken in: no
    /// watch would show its end.
    pub fn update(&mut self, organization: Arc<OrganizationView>) {
        let here = self.get(&organization.key);
        if here.is_some_and(|here| here.uid == organization.uid) {
            self.upsert(organization, false);
        }
    }

    /// Knows of one that cannot be read.
    pub fn insert_invalid(&mut self, key: Key) {
        self.invalid.insert(key);
    }

    pub fn remove(&mut self, key: &Key) -> Option<Arc<OrganizationView>> {
        self.invalid.remove(key);
        Some(self.entries.remove(key)?.organization)
    }

    /// The keys in one namespace, or all.
    #[must_use]
    pub fn keys_in(&self, namespace: Option<&str>) -> Vec<Key> {
        let inside = |key: &&Key| namespace.is_none_or(|namespace| key.namespace() == namespace);
        self.entries
            .keys()
            .chain(&self.invalid)
            .filter(inside)
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use kube::api::ObjectMeta;

    use super::*;
    use crate::api::organization::OrganizationSpec;

    fn organization(uid: &str, version: &str) -> Arc<OrganizationView> {
        let object = Organization {
            metadata: ObjectMeta {
                namespace: Some("ns".to_owned()),
                name: Some("acme".to_owned()),
                uid: Some(uid.to_owned()),
                resource_version: Some(version.to_owned()),
                ..ObjectMeta::default()
            },
            spec: OrganizationSpec::default(),
            status: None,
        };
        Arc::new(OrganizationView::project(object, true))
    }

    #[test]
    fn what_was_written_of_one_that_is_gone_does_not_bring_it_back() {
        let mut store = Organizations::default();
        let key = Key::new("ns", "acme");
        store.upsert(organization("1", "5"), false);
        store.update(organization("1", "6"));
        assert_eq!(store.get(&key).unwrap().version, 6);
        store.remove(&key);
        store.update(organization("1", "7"));
        assert!(!store.exists(&key));
        store.upsert(organization("2", "8"), false);
        store.update(organization("1", "9"));
        assert_eq!(store.get(&key).unwrap().uid, Uid::from("2"));
    }
}
