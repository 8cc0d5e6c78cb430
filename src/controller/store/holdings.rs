//! Holdings, by canonical name and by the holder's uid: a mirror of the `VerifiedDomain`s.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::version;
use crate::api::verified_domain::{Holder, VerifiedDomain, VerifiedDomainSpec};

/// What is kept of a `VerifiedDomain`.
#[derive(Clone, Debug, PartialEq)]
pub struct HoldingView {
    pub name: Box<str>,
    pub uid: Box<str>,
    pub version: u64,
    pub since: Timestamp,
    pub spec: VerifiedDomainSpec,
}

impl HoldingView {
    #[must_use]
    pub fn project(object: VerifiedDomain) -> Self {
        Self {
            name: object.name_any().into(),
            version: version(&object),
            uid: object.metadata.uid.unwrap_or_default().into(),
            since: object
                .metadata
                .creation_timestamp
                .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            spec: object.spec,
        }
    }
}

impl HoldingView {
    #[must_use]
    pub fn holder(&self) -> &Holder {
        &self.spec.holder
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

    /// Whose a host is: the holding of the host itself, or of the nearest name above it.
    #[must_use]
    pub fn covering(&self, host: &str) -> Option<Arc<HoldingView>> {
        let above = host.match_indices('.').map(|(dot, _)| &host[dot + 1..]);
        std::iter::once(host)
            .chain(above)
            .find_map(|name| self.get(name))
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
    pub fn upsert(&mut self, holding: Arc<HoldingView>, listed: bool) -> bool {
        if self.entries.get(&holding.name).is_some_and(|before| {
            before.uid == holding.uid && super::is_known(before.version, holding.version, listed)
        }) {
            return false;
        }
        self.remove(&holding.name);
        self.by_holder
            .entry(holding.spec.holder.uid.as_str().into())
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
        if let Some(names) = self.by_holder.get_mut(holding.spec.holder.uid.as_str()) {
            names.remove(name);
            if names.is_empty() {
                self.by_holder.remove(holding.spec.holder.uid.as_str());
            }
        }
        Some(holding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::organization_domain::Strategy;

    fn holding(name: &str, holder: &str) -> Arc<HoldingView> {
        Arc::new(HoldingView {
            name: name.into(),
            uid: format!("uid of {name}").into(),
            version: 1,
            since: Timestamp::UNIX_EPOCH,
            spec: VerifiedDomainSpec {
                holder: Holder {
                    namespace: "ns".into(),
                    name: holder.into(),
                    uid: holder.into(),
                    organization: "acme".into(),
                    token_hash: String::new(),
                },
                strategy: Strategy::Dns,
                handed_over_from: None,
            },
        })
    }

    #[test]
    fn a_host_belongs_to_the_most_specific_holder() {
        let mut store = Holdings::default();
        store.upsert(holding("acme.com", "a"), false);
        store.upsert(holding("shop.acme.com", "b"), false);
        let whose = |host: &str| store.covering(host).map(|h| h.holder().name.clone());
        assert_eq!(whose("acme.com").as_deref(), Some("a"));
        assert_eq!(whose("www.acme.com").as_deref(), Some("a"));
        assert_eq!(whose("shop.acme.com").as_deref(), Some("b"));
        assert_eq!(whose("eu.shop.acme.com").as_deref(), Some("b"));
        assert_eq!(whose("notacme.com"), None);
        assert_eq!(whose("com"), None);
    }

    #[test]
    fn the_holders_index_follows_a_replace() {
        let mut store = Holdings::default();
        store.upsert(holding("acme.com", "a"), false);
        let mut next = (*holding("acme.com", "b")).clone();
        next.version = 2;
        store.upsert(Arc::new(next), false);
        assert!(store.held_by("a").is_empty());
        assert_eq!(store.held_by("b"), ["acme.com".into()]);
        assert!(store.remove_uid("acme.com", "another").is_none());
        store.remove("acme.com");
        assert!(store.by_holder.is_empty());
    }
}
