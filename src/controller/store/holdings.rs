//! Holdings, by canonical name and by the holder's uid: a mirror of the `VerifiedDomain`s.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::version;
use crate::api::verified_domain::{Holder, VerifiedDomain};

/// What is kept of a `VerifiedDomain`.
#[derive(Clone, Debug, PartialEq)]
pub struct HoldingView {
    pub name: Box<str>,
    pub uid: Box<str>,
    pub version: u64,
    pub deleting: bool,
    pub since: Timestamp,
    pub holder: Holder,
}

impl HoldingView {
    #[must_use]
    pub fn project(object: VerifiedDomain) -> Self {
        Self {
            name: object.name_any().into(),
            version: version(&object),
            uid: object.metadata.uid.unwrap_or_default().into(),
            deleting: object.metadata.deletion_timestamp.is_some(),
            since: object
                .metadata
                .creation_timestamp
                .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            holder: object.spec.holder,
        }
    }
}

/// The store.
#[derive(Debug, Default)]
pub struct Holdings {
    entries: HashMap<Box<str>, Arc<HoldingView>>,
    by_holder: HashMap<Box<str>, HashSet<Box<str>>>,
}

impl Holdings {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<HoldingView>> {
        self.entries.get(name).cloned()
    }

    /// The names that the object with this uid holds.
    #[must_use]
    pub fn held_by(&self, uid: &str) -> Vec<Box<str>> {
        self.by_holder
            .get(uid)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    #[must_use]
    pub fn names(&self) -> Vec<Box<str>> {
        self.entries.keys().cloned().collect()
    }

    /// Takes an object in; false where the store already has this or a newer one.
    pub fn upsert(&mut self, holding: Arc<HoldingView>) -> bool {
        if self
            .entries
            .get(&holding.name)
            .is_some_and(|before| before.uid == holding.uid && before.version >= holding.version)
        {
            return false;
        }
        self.remove(&holding.name);
        self.by_holder
            .entry(holding.holder.uid.as_str().into())
            .or_default()
            .insert(holding.name.clone());
        self.entries.insert(holding.name.clone(), holding);
        true
    }

    /// Takes the holding out, if it is still the one with this uid.
    pub fn remove_uid(&mut self, name: &str, uid: &str) -> Option<Arc<HoldingView>> {
        self.entries
            .get(name)
            .filter(|holding| *holding.uid == *uid)?;
        self.remove(name)
    }

    pub fn remove(&mut self, name: &str) -> Option<Arc<HoldingView>> {
        let holding = self.entries.remove(name)?;
        if let Some(names) = self.by_holder.get_mut(holding.holder.uid.as_str()) {
            names.remove(name);
            if names.is_empty() {
                self.by_holder.remove(holding.holder.uid.as_str());
            }
        }
        Some(holding)
    }
}
