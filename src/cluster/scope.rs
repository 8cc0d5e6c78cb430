//! What this process is responsible for.

use super::shard::Shard;

/// Some namespaces or all, and there the organization domains of one shard.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// None for all namespaces.
    pub namespaces: Vec<String>,
    pub shard: Shard,
}

impl Scope {
    /// Whether this process watches the namespace.
    #[must_use]
    pub fn watches(&self, namespace: &str) -> bool {
        self.namespaces.is_empty() || self.namespaces.iter().any(|watched| watched == namespace)
    }

    /// Where to list and watch: each namespace, or all of them at once.
    #[must_use]
    pub fn watched(&self) -> Vec<Option<&str>> {
        if self.namespaces.is_empty() {
            return vec![None];
        }
        self.namespaces.iter().map(|name| Some(&**name)).collect()
    }
}
