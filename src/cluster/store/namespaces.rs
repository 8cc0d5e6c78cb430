//! Namespaces: whether each is suspended.

use std::collections::HashMap;

use kube::core::ObjectMeta;

use crate::api::SUSPENDED;

/// Whether the namespace carries the label that suspends its tenant.
#[must_use]
pub fn is_suspended(namespace: &ObjectMeta) -> bool {
    let labels = namespace.labels.as_ref();
    labels
        .and_then(|labels| labels.get(SUSPENDED))
        .is_some_and(|value| value == "true")
}

#[derive(Debug, Default)]
pub struct Namespaces {
    /// Whether each is suspended.
    entries: HashMap<Box<str>, bool>,
}

impl Namespaces {
    #[must_use]
    pub fn suspended(&self, namespace: &str) -> bool {
        self.entries.get(namespace).copied().unwrap_or_default()
    }

    /// Takes a namespace in; true where that suspends it or lifts a suspension.
    pub fn upsert(&mut self, namespace: &ObjectMeta) -> bool {
        let suspended = is_suspended(namespace);
        let name = namespace.name.as_deref().unwrap_or_default();
        let before = self.entries.insert(name.into(), suspended);
        before.unwrap_or_default() != suspended
    }

    pub fn remove(&mut self, namespace: &str) {
        self.entries.remove(namespace);
    }

    #[must_use]
    pub fn names(&self) -> Vec<Box<str>> {
        self.entries.keys().cloned().collect()
    }
}
