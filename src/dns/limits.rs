//! What all checks together may do to one server: nobody is flooded through us.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::net::proto::rr::Name;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Questions under way at once, to all servers.
const IN_FLIGHT: usize = 256;
/// Questions under way at once to one address.
const IN_FLIGHT_PER_ADDRESS: usize = 8;
/// Questions to one address, about zones for which it never answered, until it must rest.
const UNANSWERED: u32 = 12;
/// The rest after which one more of them may be asked.
const UNANSWERED_PERIOD: Duration = Duration::from_secs(20);
/// Addresses remembered; beyond that, the ones not in use are forgotten.
const MAX_ADDRESSES: usize = 20_000;
/// Zones remembered for one address.
const MAX_ZONES: usize = 4096;

/// The limits, shared by all checks of the process.
#[derive(Debug)]
pub struct Limits {
    in_flight: Arc<Semaphore>,
    addresses: Mutex<HashMap<IpAddr, Arc<Address>>>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Address {
    in_flight: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Zones for which the address once gave an answer that counts, by their hash.
    answered: HashSet<u64>,
    unanswered: u32,
    last: Instant,
}

/// The leave to ask one question.
#[derive(Debug)]
pub struct Leave {
    address: Arc<Address>,
    zone: u64,
    counted: bool,
    _slots: [OwnedSemaphorePermit; 2],
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT)),
            addresses: Mutex::default(),
            hasher: RandomState::new(),
        }
    }
}

impl Limits {
    /// Waits for a free slot. None where the address owes too many answers to be asked again now.
    pub async fn ask(&self, zone: &Name, ip: IpAddr) -> Option<Leave> {
        let address = self.address(ip);
        let zone = self.hasher.hash_one(zone);
        let of_address = Arc::clone(&address.in_flight).acquire_owned().await.ok()?;
        let of_all = Arc::clone(&self.in_flight).acquire_owned().await.ok()?;
        let counted = {
            let mut state = address.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.answered.contains(&zone) {
                false
            } else {
                state.rest();
                if state.unanswered >= UNANSWERED {
                    return None;
                }
                state.unanswered += 1;
                true
            }
        };
        Some(Leave {
            address,
            zone,
            counted,
            _slots: [of_address, of_all],
        })
    }

    fn address(&self, ip: IpAddr) -> Arc<Address> {
        let mut addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if addresses.len() >= MAX_ADDRESSES {
            addresses.retain(|_, address| Arc::strong_count(address) > 1);
        }
        Arc::clone(addresses.entry(ip).or_insert_with(|| {
            Arc::new(Address {
                in_flight: Arc::new(Semaphore::new(IN_FLIGHT_PER_ADDRESS)),
                state: Mutex::new(State {
                    answered: HashSet::new(),
                    unanswered: 0,
                    last: Instant::now(),
                }),
            })
        }))
    }
}

impl Leave {
    /// Says that the server gave an answer that counts.
    pub fn answered(self) {
        if !self.counted {
            return;
        }
        let mut state = self
            .address
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        state.unanswered = state.unanswered.saturating_sub(1);
        if state.answered.len() >= MAX_ZONES {
            state.answered.clear();
        }
        state.answered.insert(self.zone);
    }
}

impl State {
    fn rest(&mut self) {
        let periods = self.last.elapsed().as_secs() / UNANSWERED_PERIOD.as_secs();
        if periods > 0 {
            let forgiven = u32::try_from(periods).unwrap_or(u32::MAX);
            self.unanswered = self.unanswered.saturating_sub(forgiven);
            self.last = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silent_address_must_rest_and_a_talking_one_need_not() {
        let limits = Limits::default();
        let zone = Name::from_ascii("acme.example.").unwrap();
        let other = Name::from_ascii("other.example.").unwrap();
        let silent = "192.0.2.1".parse().unwrap();
        let talking = "192.0.2.2".parse().unwrap();
        for _ in 0..UNANSWERED {
            assert!(limits.ask(&zone, silent).await.is_some());
        }
        assert!(limits.ask(&zone, silent).await.is_none());
        assert!(limits.ask(&other, silent).await.is_none());
        tokio::time::advance(UNANSWERED_PERIOD).await;
        assert!(limits.ask(&zone, silent).await.is_some());
        assert!(limits.ask(&zone, silent).await.is_none());
        for _ in 0..3 * UNANSWERED {
            limits.ask(&zone, talking).await.unwrap().answered();
        }
        // An answer for one zone says nothing of another.
        for _ in 0..UNANSWERED {
            assert!(limits.ask(&other, talking).await.is_some());
        }
        assert!(limits.ask(&other, talking).await.is_none());
        assert!(limits.ask(&zone, talking).await.is_some());
    }

    #[tokio::test]
    async fn one_address_has_few_questions_under_way() {
        let limits = Limits::default();
        let zone = Name::root();
        let ip = "192.0.2.1".parse().unwrap();
        let mut leaves = Vec::new();
        for _ in 0..IN_FLIGHT_PER_ADDRESS {
            leaves.push(limits.ask(&zone, ip).await.unwrap());
        }
        let wait = Duration::from_millis(20);
        assert!(
            tokio::time::timeout(wait, limits.ask(&zone, ip))
                .await
                .is_err()
        );
        leaves.pop();
        assert!(limits.ask(&zone, ip).await.is_some());
    }
}
