//! Namespaces: whether each is suspended.

use std::collections::HashMap;

use kube::core::ObjectMeta;

use super::version::version;
use crate::api::SUSPENDED;

/// Whether the namespace carries the label that suspends its tenant.
#[must_use]
pub fn is_suspended(namespace: &ObjectMeta) -> bool {
    let labels = namespace.labels.as_ref();
    labels
        .and_then(|labels| labels.get(SUSPENDED))
        .is_some_and(|value| value == "true")
}

/// The store.
#[derive(Debug, Default)]
pub struct Namespaces {
    entries: HashMap<Box<str>, Entry>,
}

#[derive(Debug)]
struct Entry {
    version: u64,
    suspended: bool,
}

impl Namespaces {
    #[must_use]
    pub fn suspended(&self, namespace: &str) -> bool {
        self.entries
            .get(namespace)
            .is_some_and(|entry| entry.suspended)
    }

    /// Takes a namespace in; true where that suspends it or lifts a suspension.
    pub fn upsert(&mut self, namespace: &ObjectMeta) -> bool {
        let entry = Entry {
            version: version(namespace),
            suspended: is_suspended(namespace),
        };
        let name = namespace.name.as_deref().unwrap_or_default();
        let before = self.entries.get(name);
        if before.is_some_and(|before| before.version == entry.version) {
            return false;
        }
        let changes = before.is_some_and(|before| before.suspended) != entry.suspended;
        self.entries.insert(name.into(), entry);
        changes
    }

    pub fn remove(&mut self, namespace: &str) {
        self.entries.remove(namespace);
    }

    #[must_use]
    pub fn names(&self) -> Vec<Box<str>> {
        self.entries.keys().cloned().collect()
    }
}
