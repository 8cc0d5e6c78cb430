//! Holdings, by canonical name: a mirror of the `VerifiedDomain`s.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use jiff::Timestamp;

use super::domain::Domain;
use super::version::{is_known, version};
use crate::api::organization_domain::Strategy;
use crate::api::verified_domain::{Holder, VerifiedDomain, VerifiedDomainSpec};
use crate::cluster::intern::intern;
use crate::cluster::key::Key;
use crate::model::challenge::Token;
use crate::model::lifecycle::HeldBy;
use crate::model::uid::Uid;

/// What is kept of a `VerifiedDomain`.
#[derive(Clone, Debug, PartialEq)]
pub struct HoldingView {
    pub name: Arc<str>,
    pub uid: Uid,
    pub version: u64,
    pub since: Timestamp,
    pub holder: HolderView,
    pub strategy: Strategy,
    handed_over_from: Option<Box<Uid>>,
    /// Whether an import has yet to make the holder.
    pub importing: bool,
}

/// Whose object it is.
#[derive(Clone, Debug, PartialEq)]
pub struct HolderView {
    pub key: Key,
    pub uid: Uid,
    pub organization: Arc<str>,
    /// None where what stands there is no hash.
    token_hash: Option<[u8; 32]>,
}

impl HoldingView {
    #[must_use]
    pub fn project(object: VerifiedDomain) -> Self {
        let VerifiedDomain { metadata, spec } = object;
        let holder = spec.holder;
        Self {
            name: intern(metadata.name.as_deref().unwrap_or_default()),
            version: version(&metadata),
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            since: metadata
                .creation_timestamp
                .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            holder: HolderView {
                key: Key::new(&holder.namespace, &holder.name).interned(),
                uid: holder.uid.as_str().into(),
                organization: intern(&holder.organization),
                token_hash: HEXLOWER
                    .decode(holder.token_hash.as_bytes())
                    .ok()
                    .and_then(|hash| hash.try_into().ok()),
            },
            strategy: spec.strategy,
            handed_over_from: spec
                .handed_over_from
                .map(|from| Box::new(from.as_str().into())),
            importing: spec.importing,
        }
    }

    /// Who holds the name, as this domain sees it with this token in its status.
    #[must_use]
    pub fn seen_by(&self, domain: &Domain, token: Option<&Token>) -> HeldBy {
        HeldBy::of(&self.spec(), self.since, domain.identity(), token)
    }

    /// What the object says.
    #[must_use]
    pub fn spec(&self) -> VerifiedDomainSpec {
        VerifiedDomainSpec {
            holder: Holder {
                namespace: self.holder.key.namespace().to_owned(),
                name: self.holder.key.name().to_owned(),
                uid: self.holder.uid.to_string(),
                organization: self.holder.organization.to_string(),
                token_hash: self.holder.token_hash(),
            },
            strategy: self.strategy,
            handed_over_from: self.handed_over_from.as_deref().map(Uid::to_string),
            importing: self.importing,
        }
    }
}

impl HolderView {
    /// As in the object: lower-case hex; empty where that is no hash.
    #[must_use]
    pub fn token_hash(&self) -> String {
        let hash = self.token_hash.map(|hash| HEXLOWER.encode(&hash));
        hash.unwrap_or_default()
    }
}

#[derive(Debug, Default)]
pub struct Holdings {
    entries: BTreeMap<Arc<str>, Arc<HoldingView>>,
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

    #[must_use]
    pub fn all(&self) -> Vec<Arc<HoldingView>> {
        self.entries.values().cloned().collect()
    }

    /// Takes an object in; false where the store already has this or a newer one.
    pub fn upsert(&mut self, holding: Arc<HoldingView>, listed: bool) -> bool {
        if self.get(&holding.name).is_some_and(|before| {
            before.uid == holding.uid && is_known(before.version, holding.version, listed)
        }) {
            return false;
        }
        self.entries.insert(Arc::clone(&holding.name), holding);
        true
    }

    /// Takes the holding out, if it is still the one with this uid.
    pub fn remove_uid(&mut self, name: &str, uid: &Uid) -> Option<Arc<HoldingView>> {
        self.get(name).filter(|holding| holding.uid == *uid)?;
        self.remove(name)
    }

    pub fn remove(&mut self, name: &str) -> Option<Arc<HoldingView>> {
        self.entries.remove(name)
    }
}

#[cfg(test)]
mod tests {
    use kube::core::ObjectMeta;
    use proptest::prelude::*;

    use super::*;
    use crate::api::organization_domain::Strategy;

    fn holding(name: &str, holder: &str) -> Arc<HoldingView> {
        Arc::new(HoldingView {
            name: name.into(),
            uid: format!("uid of {name}").as_str().into(),
            version: 1,
            since: Timestamp::UNIX_EPOCH,
            holder: HolderView {
                key: Key::new("ns", holder),
                uid: holder.into(),
                organization: "acme".into(),
                token_hash: None,
            },
            strategy: Strategy::Dns,
            handed_over_from: None,
            importing: false,
        })
    }

    #[test]
    fn a_host_belongs_to_the_most_specific_holder() {
        let mut store = Holdings::default();
        store.upsert(holding("acme.com", "a"), false);
        store.upsert(holding("shop.acme.com", "b"), false);
        let whose = |host: &str| Some(store.covering(host)?.holder.key.name().to_owned());
        assert_eq!(whose("acme.com").as_deref(), Some("a"));
        assert_eq!(whose("www.acme.com").as_deref(), Some("a"));
        assert_eq!(whose("shop.acme.com").as_deref(), Some("b"));
        assert_eq!(whose("eu.shop.acme.com").as_deref(), Some("b"));
        assert_eq!(whose("notacme.com"), None);
        assert_eq!(whose("com"), None);
    }

    #[test]
    fn a_newer_holding_is_taken_and_only_the_one_with_the_uid_goes() {
        let mut store = Holdings::default();
        store.upsert(holding("acme.com", "a"), false);
        let mut next = (*holding("acme.com", "b")).clone();
        next.version = 2;
        assert!(store.upsert(Arc::new(next), false));
        assert!(!store.upsert(holding("acme.com", "a"), false), "older");
        assert_eq!(store.get("acme.com").unwrap().holder.uid, Uid::from("b"));
        assert!(store.remove_uid("acme.com", &"another".into()).is_none());
        assert!(
            store
                .remove_uid("acme.com", &"uid of acme.com".into())
                .is_some()
        );
        assert!(store.get("acme.com").is_none());
    }

    proptest! {
        #[test]
        fn what_a_holding_says_is_kept_whole(
            [namespace, name, organization] in prop::array::uniform3("[a-z0-9.-]{1,9}"),
            uids in prop::array::uniform2("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[a-zA-Z-]{0,9}"),
            token_hash in "[0-9a-f]{64}|[0-9a-fA-F]{62,66}|.{0,64}",
            (manual, handed_over, importing) in any::<(bool, bool, bool)>(),
        ) {
            let [uid, from] = uids;
            let strategy = if manual { Strategy::Manual } else { Strategy::Dns };
            let spec = VerifiedDomainSpec {
                holder: Holder { namespace, name, uid, organization, token_hash },
                strategy,
                handed_over_from: handed_over.then_some(from),
                importing,
            };
            let view = HoldingView::project(VerifiedDomain {
                metadata: ObjectMeta::default(),
                spec: spec.clone(),
            });
            let mut expected = spec;
            let hash = &mut expected.holder.token_hash;
            let is_hash = hash.len() == 64 && hash.bytes().all(|o| matches!(o, b'0'..=b'9' | b'a'..=b'f'));
            if !is_hash {
                // No token has it.
                hash.clear();
            }
            prop_assert_eq!(view.spec(), expected);
        }
    }
}
