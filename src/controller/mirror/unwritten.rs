//! Statuses that were decided and for which their objects have no room: a tenant that fills its object
//! to the API server's limit puts nothing off that is owed to others. They are lost with the process,
//! which then decides anew from what is stored.

use std::collections::HashMap;

use crate::api::organization_domain::OrganizationDomainStatus;
use crate::cluster::key::Key;
use crate::cluster::store::domain::{Domain, StatusView};
use crate::model::uid::Uid;

#[derive(Debug, Default)]
pub struct Unwritten {
    entries: HashMap<Key, Entry>,
}

#[derive(Debug)]
struct Entry {
    uid: Uid,
    stored: OrganizationDomainStatus,
    decided: OrganizationDomainStatus,
    /// What was announced of it.
    fact: String,
}

impl Unwritten {
    /// Records what was decided of an object; `stored` is what it says, unless an earlier decision was not
    /// written either. Says whether there is something new to announce: the fact is another one.
    pub fn record(
        &mut self,
        domain: &Domain,
        stored: &OrganizationDomainStatus,
        decided: OrganizationDomainStatus,
        fact: &str,
    ) -> bool {
        let before = self.entries.remove(&domain.key);
        let before = before.filter(|before| before.uid == domain.uid);
        let is_new = before.as_ref().is_none_or(|before| before.fact != fact);
        let entry = Entry {
            uid: domain.uid.clone(),
            stored: before.map_or_else(|| stored.clone(), |before| before.stored),
            decided,
            fact: fact.to_owned(),
        };
        self.entries.insert(domain.key.clone(), entry);
        is_new
    }

    #[must_use]
    pub fn has(&self, key: &Key) -> bool {
        self.entries.contains_key(key)
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// The object with what was decided of it in place of what it says. Where it says something else than
    /// it did then, that counts.
    #[must_use]
    pub fn as_decided(&mut self, domain: Domain) -> Domain {
        let Some(entry) = self.entries.get(&domain.key) else {
            return domain;
        };
        if entry.uid == domain.uid
            && matches!(&domain.status, StatusView::Whole(status) if **status == entry.stored)
        {
            return Domain {
                status: StatusView::Whole(Box::new(entry.decided.clone())),
                ..domain
            };
        }
        self.entries.remove(&domain.key);
        domain
    }

    /// What the object says, where something else was decided.
    #[must_use]
    pub fn stored(&self, domain: &Domain) -> Option<&OrganizationDomainStatus> {
        let entry = self.entries.get(&domain.key)?;
        (entry.uid == domain.uid).then_some(&entry.stored)
    }

    pub fn forget(&mut self, key: &Key) {
        self.entries.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::organization_domain::{OrganizationDomain, State};

    fn status(state: State) -> OrganizationDomainStatus {
        OrganizationDomainStatus {
            state: Some(state),
            ..OrganizationDomainStatus::default()
        }
    }

    /// As the watch shows it.
    fn shown(uid: &str, version: u64, status: &OrganizationDomainStatus) -> Domain {
        let object = serde_json::json!({
            "metadata": {
                "name": "main",
                "namespace": "acme",
                "uid": uid,
                "resourceVersion": version.to_string(),
            },
            "spec": { "organizationRef": { "name": "acme" }, "domain": "acme.example" },
            "status": status,
        });
        Domain::project(serde_json::from_value::<OrganizationDomain>(object).unwrap())
    }

    #[test]
    fn what_was_decided_stands_until_the_object_says_something_else() {
        let mut unwritten = Unwritten::default();
        let stored = status(State::Verified);
        let domain = shown("1", 1, &stored);
        assert!(unwritten.stored(&domain).is_none());
        assert_eq!(unwritten.as_decided(domain.clone()), domain);
        assert!(unwritten.record(&domain, &stored, status(State::Failed), "lost"));
        assert_eq!(unwritten.count(), 1);
        // A later version that says the same.
        let later = shown("1", 7, &stored);
        let decided = unwritten.as_decided(later.clone());
        assert_eq!((decided.state(), decided.version), (Some(State::Failed), 7));
        assert_eq!(unwritten.stored(&later), Some(&stored));
        // Somebody, for instance another replica, had room.
        let written = shown("1", 8, &status(State::Pending));
        assert_eq!(unwritten.as_decided(written.clone()), written);
        assert!(!unwritten.has(&domain.key));
    }

    #[test]
    fn a_decision_on_top_of_one_that_was_not_written_keeps_what_is_stored() {
        let mut unwritten = Unwritten::default();
        let stored = status(State::Verified);
        let domain = shown("1", 1, &stored);
        assert!(unwritten.record(&domain, &stored, status(State::Pending), "missing"));
        let decided = unwritten.as_decided(domain.clone());
        let StatusView::Whole(before) = &decided.status else {
            panic!("{decided:?}");
        };
        // Tried once more: nothing is new, whatever else is in the status.
        let mut again = (**before).clone();
        again.observed_generation = Some(3);
        assert!(!unwritten.record(&decided, before, again, "missing"));
        assert!(unwritten.record(&decided, before, status(State::Failed), "lost"));
        assert_eq!(unwritten.stored(&domain), Some(&stored));
        let decided = unwritten.as_decided(domain);
        assert_eq!(decided.state(), Some(State::Failed));
    }

    #[test]
    fn an_object_that_is_gone_leaves_nothing_to_the_one_in_its_place() {
        let mut unwritten = Unwritten::default();
        let stored = OrganizationDomainStatus::default();
        let domain = shown("1", 1, &stored);
        let _ = unwritten.record(&domain, &stored, status(State::Pending), "issued");
        let other = shown("2", 2, &stored);
        assert!(unwritten.stored(&other).is_none());
        assert_eq!(unwritten.as_decided(other.clone()), other);
        assert_eq!(unwritten.count(), 0);
        // What is said of the first is news of the second.
        let _ = unwritten.record(&domain, &stored, status(State::Pending), "issued");
        assert!(unwritten.record(&other, &stored, status(State::Pending), "issued"));
        unwritten.forget(&domain.key);
        assert_eq!(unwritten.as_decided(other.clone()), other);
    }

    /// A start decides from what is stored: what was kept is lost with the process.
    #[test]
    fn an_object_that_was_filled_before_its_first_status_is_decided_on_in_memory() {
        let stored = OrganizationDomainStatus::default();
        let domain = shown("1", 1, &stored);
        let mut unwritten = Unwritten::default();
        let _ = unwritten.record(&domain, &stored, status(State::Pending), "issued");
        assert!(domain.is_new());
        assert!(!unwritten.as_decided(domain.clone()).is_new());
        assert!(Unwritten::default().as_decided(domain).is_new());
    }
}
