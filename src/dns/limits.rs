//! What all checks together may do to one server: nobody is flooded through us.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hickory_resolver::net::proto::rr::Name;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Questions under way at once, to all servers.
const IN_FLIGHT: usize = 256;
/// Questions under way at once to one address.
const IN_FLIGHT_PER_ADDRESS: usize = 8;
/// Questions in vain until the address must rest: to one address in silence, or about one zone of
/// which it says nothing that counts.
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
    /// Those for which all it gave were answers that do not.
    useless: HashMap<u64, Allowance>,
    silence: Allowance,
}

/// Questions that may be in vain.
#[derive(Debug)]
struct Allowance {
    spent: u32,
    last: Instant,
}

/// The permission to ask one question.
#[derive(Debug)]
pub struct Permit {
    address: Arc<Address>,
    zone: u64,
    /// Whether the address never answered for the zone, and whether the question still counts as one
    /// in vain.
    first: bool,
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
    pub async fn ask(&self, zone: &Name, ip: IpAddr) -> Option<Permit> {
        let address = self.address(ip);
        let zone = self.hasher.hash_one(zone);
        let of_address = Arc::clone(&address.in_flight).acquire_owned().await.ok()?;
        let of_all = Arc::clone(&self.in_flight).acquire_owned().await.ok()?;
        let counted = {
            let mut state = address.state.lock().unwrap_or_else(PoisonError::into_inner);
            let answered = state.answered.contains(&zone);
            if !answered {
                let useless = state.useless.get_mut(&zone);
                if useless.is_some_and(Allowance::is_spent) || state.silence.is_spent() {
                    return None;
                }
                state.silence.spent += 1;
            }
            !answered
        };
        Some(Permit {
            address,
            zone,
            first: counted,
            counted,
            _slots: [of_address, of_all],
        })
    }

    /// Says that an address has just answered for a zone, though it was asked for one above it.
    pub fn vouch(&self, zone: &Name, ip: IpAddr) {
        let address = self.address(ip);
        let zone = self.hasher.hash_one(zone);
        let mut state = address.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.note_answered(zone);
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
                    useless: HashMap::new(),
                    silence: Allowance::default(),
                }),
            })
        }))
    }
}

impl Permit {
    /// Says that something answered, even if nothing that counts. What a server says of a zone that
    /// it does not have is held against that zone, not against all that it has.
    pub fn heard(&mut self) {
        if !std::mem::take(&mut self.counted) {
            return;
        }
        let zone = self.zone;
        let mut state = self.state();
        state.silence.spent = state.silence.spent.saturating_sub(1);
        if state.useless.len() >= MAX_ZONES {
            state.useless.clear();
        }
        state.useless.entry(zone).or_default().spent += 1;
    }

    /// Says that the server gave an answer that counts.
    pub fn answered(mut self) {
        if !self.first {
            return;
        }
        self.heard();
        let zone = self.zone;
        self.state().note_answered(zone);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.address
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note_answered(&mut self, zone: u64) {
        self.useless.remove(&zone);
        if self.answered.len() >= MAX_ZONES {
            self.answered.clear();
        }
        self.answered.insert(zone);
    }
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            spent: 0,
            last: Instant::now(),
        }
    }
}

impl Allowance {
    /// Whether nothing is left of it now; a part comes back with each rest.
    fn is_spent(&mut self) -> bool {
        let periods = self.last.elapsed().as_secs() / UNANSWERED_PERIOD.as_secs();
        if periods > 0 {
            let forgiven = u32::try_from(periods).unwrap_or(u32::MAX);
            self.spent = self.spent.saturating_sub(forgiven);
            self.last = Instant::now();
        }
        self.spent >= UNANSWERED
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

    #[tokio::test(start_paused = true)]
    async fn answers_that_count_for_nothing_cost_their_own_zone() {
        let limits = Limits::default();
        let lame = Name::from_ascii("lame.example.").unwrap();
        let served = Name::from_ascii("served.example.").unwrap();
        let ip = "192.0.2.1".parse().unwrap();
        for _ in 0..UNANSWERED {
            limits.ask(&lame, ip).await.unwrap().heard();
        }
        assert!(limits.ask(&lame, ip).await.is_none());
        for _ in 0..3 * UNANSWERED {
            let mut permit = limits.ask(&served, ip).await.unwrap();
            permit.heard();
            permit.answered();
        }
        tokio::time::advance(UNANSWERED_PERIOD).await;
        assert!(limits.ask(&lame, ip).await.is_some());
    }

    #[tokio::test]
    async fn one_address_has_few_questions_under_way() {
        let limits = Limits::default();
        let zone = Name::root();
        let ip = "192.0.2.1".parse().unwrap();
        let mut permits = Vec::new();
        for _ in 0..IN_FLIGHT_PER_ADDRESS {
            permits.push(limits.ask(&zone, ip).await.unwrap());
        }
        let wait = Duration::from_millis(20);
        assert!(
            tokio::time::timeout(wait, limits.ask(&zone, ip))
                .await
                .is_err()
        );
        permits.pop();
        assert!(limits.ask(&zone, ip).await.is_some());
    }
}
