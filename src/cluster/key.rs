//! The key of an object.

use std::fmt;
use std::sync::Arc;

use kube::Resource;
use kube::core::ObjectMeta;

use super::intern::intern;

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
    #[must_use]
    pub fn interned(self) -> Self {
        Self(intern(&self.0))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
