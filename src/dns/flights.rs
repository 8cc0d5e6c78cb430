//! What is being found out: whoever needs the same waits for it and does not ask again.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

use crate::model::evidence::Failure;

/// One entry for each name that somebody is at. The lock is a std one and held for a moment.
#[derive(Debug)]
pub struct Flights<K>(std::sync::Mutex<HashMap<K, Weak<Mutex<Landed>>>>);

/// How the last one ended in vain, and when.
type Landed = Option<(Instant, Failure)>;

/// The turn to find it out.
pub struct Turn {
    landed: OwnedMutexGuard<Landed>,
    since: Instant,
}

impl<K> Default for Flights<K> {
    fn default() -> Self {
        Self(std::sync::Mutex::default())
    }
}

impl<K: Eq + Hash> Flights<K> {
    /// Waits for whoever is at it. What that one found is in the cache then.
    pub async fn turn(&self, key: K) -> Turn {
        let since = Instant::now();
        let flight = {
            let mut flights = self
                .0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let under_way = flights.get(&key).and_then(Weak::upgrade);
            under_way.unwrap_or_else(|| {
                flights.retain(|_, flight| flight.strong_count() > 0);
                let flight = Arc::new(Mutex::new(None));
                flights.insert(key, Arc::downgrade(&flight));
                flight
            })
        };
        Turn {
            landed: flight.lock_owned().await,
            since,
        }
    }
}

impl Turn {
    /// Why the one that was waited for found nothing: to ask again at once would find no more.
    #[must_use]
    pub fn failed(&self) -> Option<Failure> {
        let &(at, failure) = self.landed.as_ref()?;
        (self.since <= at).then_some(failure)
    }

    /// Lets those who wait know.
    pub fn fail(&mut self, failure: Failure) {
        *self.landed = Some((Instant::now(), failure));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_shares_a_failure_and_whoever_comes_later_does_not() {
        let flights = Arc::new(Flights::default());
        let mut first = flights.turn("a").await;
        let waiting = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.turn("a").await.failed() }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(flights.turn("b").await.failed(), None);
        first.fail(Failure::ServFail);
        drop(first);
        assert_eq!(waiting.await.unwrap(), Some(Failure::ServFail));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(flights.turn("a").await.failed(), None);
    }
}
