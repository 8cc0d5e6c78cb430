//! Shared look-ups: a check that needs what another one is looking up waits for it.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Weak};

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

use crate::model::evidence::Failure;

/// One entry for each name that somebody is at.
#[derive(Debug)]
pub struct Flights<K>(parking_lot::Mutex<State<K>>);

#[derive(Debug)]
struct State<K> {
    under_way: HashMap<K, Weak<Mutex<Landed>>>,
    /// What each one under way needs others for.
    needs: HashMap<K, Vec<K>>,
}

/// How the last one ended in vain, and when.
type Landed = Option<(Instant, Failure)>;

/// The turn to find it out.
pub struct Turn<'a, K: Eq + Hash> {
    landed: OwnedMutexGuard<Landed>,
    since: Instant,
    _need: Option<Need<'a, K>>,
}

/// That one needs another, until it is dropped.
struct Need<'a, K: Eq + Hash> {
    flights: &'a Flights<K>,
    of: K,
    needed: K,
}

impl<K> Default for Flights<K> {
    fn default() -> Self {
        Self(parking_lot::Mutex::new(State {
            under_way: HashMap::new(),
            needs: HashMap::new(),
        }))
    }
}

impl<K: Clone + Eq + Hash> Flights<K> {
    /// Waits until nobody else looks the key up; the result is in the cache then. Returns none if the
    /// other look-up needs `on_behalf_of` itself, since both would wait for ever.
    pub async fn turn(&self, key: K, on_behalf_of: Option<&K>) -> Option<Turn<'_, K>> {
        let since = Instant::now();
        let need = match on_behalf_of {
            Some(of) => Some(self.need(of, &key)?),
            None => None,
        };
        let flight = {
            let mut state = self.state();
            let under_way = state.under_way.get(&key).and_then(Weak::upgrade);
            under_way.unwrap_or_else(|| {
                state
                    .under_way
                    .retain(|_, flight| flight.strong_count() > 0);
                let flight = Arc::new(Mutex::new(None));
                state.under_way.insert(key, Arc::downgrade(&flight));
                flight
            })
        };
        Some(Turn {
            landed: flight.lock_owned().await,
            since,
            _need: need,
        })
    }

    /// Notes that one needs another, unless that one needs it.
    fn need(&self, of: &K, needed: &K) -> Option<Need<'_, K>> {
        let mut state = self.state();
        let mut seen = HashSet::new();
        let mut ahead = vec![needed];
        while let Some(key) = ahead.pop() {
            if key == of {
                return None;
            }
            if seen.insert(key) {
                ahead.extend(state.needs.get(key).into_iter().flatten());
            }
        }
        let needs = state.needs.entry(of.clone()).or_default();
        needs.push(needed.clone());
        Some(Need {
            flights: self,
            of: of.clone(),
            needed: needed.clone(),
        })
    }
}

impl<K> Flights<K> {
    fn state(&self) -> parking_lot::MutexGuard<'_, State<K>> {
        self.0.lock()
    }
}

impl<K: Eq + Hash> Turn<'_, K> {
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

impl<K: Eq + Hash> Drop for Need<'_, K> {
    fn drop(&mut self) {
        let mut state = self.flights.state();
        if let Some(needs) = state.needs.get_mut(&self.of) {
            if let Some(at) = needs.iter().position(|needed| *needed == self.needed) {
                needs.swap_remove(at);
            }
            if needs.is_empty() {
                state.needs.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_shares_a_failure_and_whoever_comes_later_does_not() {
        let flights = Arc::new(Flights::default());
        let mut first = flights.turn("a", None).await.unwrap();
        let waiting = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.turn("a", None).await.unwrap().failed() }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(flights.turn("b", None).await.unwrap().failed(), None);
        first.fail(Failure::ServFail);
        drop(first);
        assert_eq!(waiting.await.unwrap(), Some(Failure::ServFail));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(flights.turn("a", None).await.unwrap().failed(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_in_a_circle() {
        let flights = Flights::default();
        let a = flights.turn("a", None).await.unwrap();
        let b = flights.turn("b", Some(&"a")).await.unwrap();
        let c = flights.turn("c", Some(&"b")).await.unwrap();
        assert!(flights.turn("a", Some(&"c")).await.is_none());
        assert!(flights.turn("b", Some(&"b")).await.is_none());
        // Once it is found out, nothing stands in the way.
        drop((b, c));
        drop(a);
        let c = flights.turn("c", None).await.unwrap();
        assert!(flights.turn("a", Some(&"c")).await.is_some());
        drop(c);
        assert!(flights.state().needs.is_empty());
    }
}
