//! Delegations of registries and addresses of name servers, for a short while. Answers about a domain
//! are never kept.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::net::proto::rr::Name;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::addresses::HostAddresses;
use super::zone::Delegation;
use crate::model::agreement::Weight;

/// A change of a domain's name servers is seen after this time at the latest, whatever TTL its
/// registry gives the delegation.
pub const MAX_AGE: Duration = Duration::from_mins(15);
/// An address that not all said who were asked is asked for again soon.
const PARTIAL_AGE: Duration = Duration::from_mins(1);
/// Most entries of each kind.
const MAX_ENTRIES: usize = 20_000;

/// What walks have in common.
#[derive(Debug, Default)]
pub struct Cache {
    delegations: Mutex<Aged<Arc<Delegation>>>,
    /// Addresses of name servers that their delegations give none for.
    hosts: Mutex<Aged<HostAddresses>>,
}

type Aged<T> = HashMap<Name, (Instant, T)>;

impl Cache {
    /// The deepest zone known that holds the name.
    pub fn closest(&self, name: &Name) -> Option<Arc<Delegation>> {
        let delegations = self.delegations.lock();
        let delegations = delegations;
        let mut ancestor = name.clone();
        loop {
            if let Some(delegation) = fresh(&delegations, &ancestor) {
                return Some(delegation);
            }
            if ancestor.is_root() {
                return None;
            }
            ancestor = ancestor.base_name();
        }
    }

    pub fn insert_delegation(&self, delegation: &Arc<Delegation>, ttl: Duration) {
        let delegations = self.delegations.lock();
        let mut delegations = delegations;
        let name = delegation.name.clone();
        insert(&mut delegations, name, Arc::clone(delegation), ttl);
    }

    pub fn host(&self, host: &Name) -> Option<HostAddresses> {
        fresh(&self.hosts.lock(), host)
    }

    pub fn insert_host(&self, host: Name, addresses: HostAddresses) {
        let age = match addresses.weight {
            Weight::Complete => MAX_AGE,
            Weight::Partial => PARTIAL_AGE,
        };
        let mut hosts = self.hosts.lock();
        insert(&mut hosts, host, addresses, age);
    }
}

fn fresh<T: Clone>(entries: &Aged<T>, name: &Name) -> Option<T> {
    entries
        .get(name)
        .filter(|(until, _)| Instant::now() < *until)
        .map(|(_, entry)| entry.clone())
}

fn insert<T>(entries: &mut Aged<T>, name: Name, entry: T, ttl: Duration) {
    let now = Instant::now();
    if entries.len() >= MAX_ENTRIES {
        entries.retain(|_, (until, _)| now < *until);
    }
    if entries.len() >= MAX_ENTRIES
        && let Some(any) = entries.keys().next().cloned()
    {
        entries.remove(&any);
    }
    entries.insert(name, (now + ttl.min(MAX_AGE), entry));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn entries_age_and_their_number_is_bounded() {
        let mut entries = Aged::new();
        let name = |n: usize| Name::from_ascii(format!("n{n}.example.")).unwrap();
        insert(&mut entries, name(0), 0, Duration::from_secs(10));
        insert(&mut entries, name(1), 1, Duration::from_secs(100_000));
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(fresh(&entries, &name(0)), None);
        assert_eq!(fresh(&entries, &name(1)), Some(1));
        tokio::time::advance(MAX_AGE).await;
        assert_eq!(fresh(&entries, &name(1)), None);
        for n in 0..MAX_ENTRIES + 10 {
            insert(&mut entries, name(n), n, MAX_AGE);
        }
        assert_eq!(entries.len(), MAX_ENTRIES);
        assert!(fresh(&entries, &name(MAX_ENTRIES + 9)).is_some());
    }
}
