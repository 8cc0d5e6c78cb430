//! Delegations of registries, for a short while. Answers are never kept.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::net::proto::rr::Name;
use tokio::time::Instant;

use super::delegation::Zone;

/// A change of a domain's name servers is seen after this time at the latest, whatever TTL its
/// registry gives the delegation.
pub const MAX_AGE: Duration = Duration::from_mins(15);
/// Most entries of each kind.
const MAX_ENTRIES: usize = 20_000;

/// What walks have in common.
#[derive(Debug, Default)]
pub struct Cache {
    zones: Mutex<Aged<Arc<Zone>>>,
    /// Addresses of name servers that their delegations give none for.
    hosts: Mutex<Aged<Arc<[IpAddr]>>>,
}

type Aged<T> = HashMap<Name, (Instant, T)>;

impl Cache {
    /// The deepest zone known that holds the name.
    pub fn closest(&self, name: &Name) -> Option<Arc<Zone>> {
        let zones = self.zones.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ancestor = name.clone();
        loop {
            if let Some(zone) = fresh(&zones, &ancestor) {
                return Some(zone);
            }
            if ancestor.is_root() {
                return None;
            }
            ancestor = ancestor.base_name();
        }
    }

    pub fn keep_zone(&self, zone: &Arc<Zone>, ttl: Duration) {
        let mut zones = self.zones.lock().unwrap_or_else(PoisonError::into_inner);
        keep(&mut zones, zone.name.clone(), Arc::clone(zone), ttl);
    }

    pub fn host(&self, host: &Name) -> Option<Arc<[IpAddr]>> {
        fresh(
            &self.hosts.lock().unwrap_or_else(PoisonError::into_inner),
            host,
        )
    }

    pub fn keep_host(&self, host: Name, addresses: Arc<[IpAddr]>, ttl: Duration) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        keep(&mut hosts, host, addresses, ttl);
    }
}

fn fresh<T: Clone>(entries: &Aged<T>, name: &Name) -> Option<T> {
    entries
        .get(name)
        .filter(|(until, _)| Instant::now() < *until)
        .map(|(_, entry)| entry.clone())
}

fn keep<T>(entries: &mut Aged<T>, name: Name, entry: T, ttl: Duration) {
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
        keep(&mut entries, name(0), 0, Duration::from_secs(10));
        keep(&mut entries, name(1), 1, Duration::from_secs(100_000));
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(fresh(&entries, &name(0)), None);
        assert_eq!(fresh(&entries, &name(1)), Some(1));
        tokio::time::advance(MAX_AGE).await;
        assert_eq!(fresh(&entries, &name(1)), None);
        for n in 0..MAX_ENTRIES + 10 {
            keep(&mut entries, name(n), n, MAX_AGE);
        }
        assert_eq!(entries.len(), MAX_ENTRIES);
        assert!(fresh(&entries, &name(MAX_ENTRIES + 9)).is_some());
    }
}
