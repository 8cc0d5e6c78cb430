//! Statuses that were decided and for which their objects have no room: a tenant that fills its object
//! to the API server's limit puts nothing off that is owed to others. They are lost with the process,
//! which then decides anew from what is stored.

use std::collections::HashMap;

use super::domain::{Domain, Kept};
use crate::api::organization_domain::OrganizationDomainStatus;
use crate::cluster::key::Key;
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
}

impl Unwritten {
    /// Keeps what was decided of an object; `stored` is what it says, unless an earlier decision was not
    /// written either.
    pub fn keep(
        &mut self,
        domain: &Domain,
        stored: &OrganizationDomainStatus,
        decided: OrganizationDomainStatus,
    ) {
        let before = self.entries.remove(&domain.key);
        let before = before.filter(|before| before.uid == domain.uid);
        let entry = Entry {
            uid: domain.uid.clone(),
            stored: before.map_or_else(|| stored.clone(), |before| before.stored),
            decided,
        };
        self.entries.insert(domain.key.clone(), entry);
    }

    /// The object with what was decided of it in place of what it says. Where it says something else than
    /// it did then, that counts.
    #[must_use]
    pub fn as_decided(&mut self, domain: Domain) -> Domain {
        let Some(entry) = self.entries.get(&domain.key) else {
            return domain;
        };
        if entry.uid == domain.uid
            && matches!(&domain.kept, Kept::Whole(status) if **status == entry.stored)
        {
            return Domain {
                kept: Kept::Whole(Box::new(entry.decided.clone())),
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
