//! Approvals, by key and by the organization domain that they name.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::version::{is_known, version};
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
        let DomainApproval {
            metadata,
            spec,
            status,
        } = object;
        Self {
            version: version(&metadata),
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
        if self.get(&approval.key).is_some_and(|before| {
            before.uid == approval.uid && is_known(before.version, approval.version, listed)
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
    /// watch would show its end.
    pub fn update(&mut self, approval: Arc<Approval>) {
        let here = self.get(&approval.key);
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: &str = "2026-01-01T00:00:00Z";

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// For the one organization domain until some day, with something changed.
    fn approval(name: &str, day: u8, path: &str, value: Value) -> Arc<Approval> {
        let mut object = json!({
            "metadata": { "name": name, "namespace": "ns", "uid": name },
            "spec": {
                "organizationDomainRef": { "name": "main", "uid": "1" },
                "organization": "acme",
                "domain": "Acme.com",
                "reason": "a contract",
                "expiryTime": format!("2026-02-{day:02}T00:00:00Z"),
            },
        });
        if let Some(field) = object.pointer_mut(path) {
            *field = value;
        } else {
            object["metadata"][path] = value;
        }
        Arc::new(Approval::project(serde_json::from_value(object).unwrap()))
    }

    #[test]
    fn only_what_is_for_the_very_object_and_not_over_approves_it() {
        let (target, uid) = (Key::new("ns", "main"), Uid::from("1"));
        let candidate = Candidate {
            organization: "acme",
            canonical: Some("acme.com"),
            uid: &uid,
        };
        let until = |approvals: &[Arc<Approval>]| {
            let mut store = Approvals::default();
            for approval in approvals {
                store.upsert(Arc::clone(approval), false);
            }
            store.until(&target, &candidate, time(NOW))
        };
        let right = approval("right", 1, "/spec/reason", "another".into());
        let second = Some(time("2026-02-02T00:00:00Z"));
        let any_object = "/spec/organizationDomainRef/uid";
        let any_object = approval("any", 2, any_object, Value::Null);
        assert_eq!(until(std::slice::from_ref(&any_object)), second);
        // The longest, in any order.
        assert_eq!(until(&[right.clone(), any_object.clone()]), second);
        assert_eq!(until(&[any_object, right.clone()]), second);
        let first = Some(time("2026-02-01T00:00:00Z"));
        for (path, value) in [
            ("/spec/organization", json!("evil")),
            ("/spec/organization", Value::Null),
            ("/spec/domain", json!("acme.org")),
            ("/spec/domain", json!("no name")),
            ("/spec/organizationDomainRef/uid", json!("2")),
            ("/spec/organizationDomainRef/name", json!("other")),
            ("/metadata/namespace", json!("other")),
            ("/spec/expiryTime", json!(NOW)),
            ("/spec/expiryTime", json!("9999-12-31T23:59:59Z")),
            ("deletionTimestamp", json!(NOW)),
        ] {
            let wrong = approval("wrong", 3, path, value);
            assert_eq!(until(std::slice::from_ref(&wrong)), None, "{path}");
            assert_eq!(until(&[wrong, right.clone()]), first, "{path}");
        }
    }
}
