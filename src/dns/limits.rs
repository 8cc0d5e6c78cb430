//! What all checks together may do to one server: nobody is flooded through us, and nobody spends
//! what others need of that.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;

use hickory_resolver::net::proto::rr::Name;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::allowance::Allowance;
use super::places::{Place, Places};
use super::silence::{Silence, Turn, Waiter};

/// Questions under way at once, to all servers; each is a socket, and many processes may open no more
/// than 1024. One asker alone may have 103 of them.
const IN_FLIGHT: usize = 512;
/// Questions under way at once to one address.
const IN_FLIGHT_PER_ADDRESS: usize = 8;
/// Addresses remembered; beyond that, the ones not in use are forgotten.
const MAX_ADDRESSES: usize = 20_000;
/// Zones remembered for one address.
const MAX_ZONES: usize = 4096;

/// Who has something checked.
#[derive(Clone, Debug)]
pub struct Asker {
    /// All who ask under one name have their turns together.
    pub name: Arc<str>,
    /// Whether servers of the domain answered an earlier check.
    pub answered_before: bool,
}

impl Asker {
    /// Somebody of whom nothing is known.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            answered_before: false,
        }
    }
}

/// The limits, shared by all checks of the process.
#[derive(Debug)]
pub struct Limits {
    in_flight: Arc<Places>,
    addresses: Mutex<HashMap<IpAddr, Arc<AddressLimits>>>,
    hasher: RandomState,
}

#[derive(Debug)]
struct AddressLimits {
    in_flight: Arc<Semaphore>,
    state: Mutex<State>,
    /// Something was answered, or came to nothing.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// Zones for which the address once gave an answer that counts, by their hash.
    answered: HashSet<u64>,
    /// Those for which all it gave were answers that do not.
    useless: HashMap<u64, Allowance>,
    silence: Silence,
}

/// The permission to ask one question.
#[derive(Debug)]
pub struct Permit {
    address: Arc<AddressLimits>,
    zone: u64,
    asker: u64,
    /// Whether the address never answered for the zone, and whether the question still counts as one
    /// in vain.
    first: bool,
    counted: bool,
    _slots: Slots,
}

/// What a question under way has of all that is limited.
#[derive(Debug)]
struct Slots {
    _of_check: OwnedSemaphorePermit,
    _at_address: OwnedSemaphorePermit,
    _of_all: Place,
}

/// Where a question waits.
#[derive(Clone, Copy)]
enum Full {
    Check,
    Address,
    All,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: Places::new(IN_FLIGHT),
            addresses: Mutex::default(),
            hasher: RandomState::new(),
        }
    }
}

impl Limits {
    /// The permission to ask an address that answered for the zone before, where nothing has to be
    /// waited for.
    pub fn free_turn(
        &self,
        asker: &Asker,
        at_once: &Arc<Semaphore>,
        zone: &Name,
        ip: IpAddr,
    ) -> Option<Permit> {
        let address = self.address(ip);
        let zone = self.hasher.hash_one(zone);
        if !address.state().answered.contains(&zone) {
            return None;
        }
        let name = self.hasher.hash_one(&asker.name);
        let slots = Slots {
            _of_check: Arc::clone(at_once).try_acquire_owned().ok()?,
            _at_address: Arc::clone(&address.in_flight).try_acquire_owned().ok()?,
            _of_all: self.in_flight.try_take(&asker.name)?,
        };
        Some(Permit::new(address, zone, name, false, slots))
    }

    /// Waits until one more question may be sent to the address, of all and of those that `at_once`
    /// allows; for the asker's turn with one that owes answers until then at most. None where it owes too
    /// many to be asked again now.
    pub async fn turn(
        &self,
        asker: &Asker,
        at_once: &Arc<Semaphore>,
        zone: &Name,
        ip: IpAddr,
        until: Instant,
    ) -> Option<Permit> {
        let address = self.address(ip);
        let zone = self.hasher.hash_one(zone);
        let name = self.hasher.hash_one(&asker.name);
        let mut waiting = Waiting {
            address: &address,
            waiter: Waiter::new(name, zone, asker.answered_before),
        };
        loop {
            // Before the look at the state: what changes after it wakes us.
            let changed = address.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let slots = self.slots(asker, at_once, &address).await?;
            let turn = address.state().turn(&mut waiting.waiter, until);
            let next = match turn {
                Turn::Free | Turn::Now => {
                    let first = turn == Turn::Now;
                    if first {
                        // Who comes next may have its turn too.
                        address.changed.notify_waiters();
                    }
                    let address = Arc::clone(&address);
                    return Some(Permit::new(address, zone, name, first, slots));
                }
                Turn::Never => return None,
                Turn::At(next) => next,
            };
            drop(slots);
            if Instant::now() >= until {
                return None;
            }
            tokio::select! {
                () = changed => {}
                () = sleep_until(next) => {}
            }
        }
    }

    /// A slot of each limit. Whoever waits for one of them holds none of the others, which somebody else
    /// may need.
    async fn slots(
        &self,
        asker: &Asker,
        at_once: &Arc<Semaphore>,
        address: &AddressLimits,
    ) -> Option<Slots> {
        let mut full = Full::Check;
        loop {
            let (mut of_check, mut at_address, mut of_all) = (None, None, None);
            match full {
                Full::Check => of_check = Some(Arc::clone(at_once).acquire_owned().await.ok()?),
                Full::Address => {
                    let slots = Arc::clone(&address.in_flight);
                    at_address = Some(slots.acquire_owned().await.ok()?);
                }
                Full::All => of_all = Some(self.in_flight.take(&asker.name).await),
            }
            let of_check = of_check.or_else(|| Arc::clone(at_once).try_acquire_owned().ok());
            let Some(of_check) = of_check else {
                full = Full::Check;
                continue;
            };
            let at_address =
                at_address.or_else(|| Arc::clone(&address.in_flight).try_acquire_owned().ok());
            let Some(at_address) = at_address else {
                full = Full::Address;
                continue;
            };
            let Some(of_all) = of_all.or_else(|| self.in_flight.try_take(&asker.name)) else {
                full = Full::All;
                continue;
            };
            return Some(Slots {
                _of_check: of_check,
                _at_address: at_address,
                _of_all: of_all,
            });
        }
    }

    /// Says that an address has just answered for a zone, though it was asked for one above it.
    pub fn vouch(&self, zone: &Name, ip: IpAddr) {
        let address = self.address(ip);
        let zone = self.hasher.hash_one(zone);
        address.state().note_answered(zone);
        address.changed.notify_waiters();
    }

    fn address(&self, ip: IpAddr) -> Arc<AddressLimits> {
        let mut addresses = self.addresses.lock();
        if addresses.len() >= MAX_ADDRESSES {
            addresses.retain(|_, address| Arc::strong_count(address) > 1);
        }
        Arc::clone(addresses.entry(ip).or_insert_with(|| {
            Arc::new(AddressLimits {
                in_flight: Arc::new(Semaphore::new(IN_FLIGHT_PER_ADDRESS)),
                state: Mutex::new(State {
                    answered: HashSet::new(),
                    useless: HashMap::new(),
                    silence: Silence::default(),
                }),
                changed: Notify::new(),
            })
        }))
    }
}

impl AddressLimits {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// One who may wait in line: whoever gives up does not stand there any more.
struct Waiting<'a> {
    address: &'a AddressLimits,
    waiter: Waiter,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.address.state().silence.leave(&self.waiter) {
            self.address.changed.notify_waiters();
        }
    }
}

impl Permit {
    fn new(address: Arc<AddressLimits>, zone: u64, asker: u64, first: bool, slots: Slots) -> Self {
        Self {
            address,
            zone,
            asker,
            first,
            counted: first,
            _slots: slots,
        }
    }

    /// Says that something answered, even if nothing that counts. What a server says of a zone that
    /// it does not have is held against that zone, not against all that it has.
    pub fn replied(&mut self) {
        if !std::mem::take(&mut self.counted) {
            return;
        }
        let mut state = self.address.state();
        state.silence.refund(self.asker);
        if state.useless.len() >= MAX_ZONES {
            state.useless.clear();
        }
        state.useless.entry(self.zone).or_default().spent += 1;
    }

    /// Says that the server gave an answer that counts.
    pub fn answered(mut self) {
        if !self.first {
            return;
        }
        self.replied();
        self.address.state().note_answered(self.zone);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.first {
            return;
        }
        {
            let mut state = self.address.state();
            state.silence.end(self.zone);
        }
        self.address.changed.notify_waiters();
    }
}

impl State {
    fn turn(&mut self, waiter: &mut Waiter, until: Instant) -> Turn {
        if self.answered.contains(&waiter.zone) {
            return Turn::Free;
        }
        let useless = self.useless.get_mut(&waiter.zone);
        if useless.is_some_and(Allowance::is_spent) {
            return Turn::Never;
        }
        self.silence.turn(waiter, until)
    }

    fn note_answered(&mut self, zone: u64) {
        self.useless.remove(&zone);
        if self.answered.len() >= MAX_ZONES {
            self.answered.clear();
        }
        self.answered.insert(zone);
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use std::time::Duration;

    use super::super::allowance::{UNANSWERED, UNANSWERED_PERIOD};
    use super::*;

    /// Somebody who asks at once or not at all.
    struct Asking<'a>(&'a Limits, &'a Asker);

    impl Asking<'_> {
        async fn ask(&self, zone: &Name, ip: IpAddr) -> Option<Permit> {
            self.ask_until(zone, ip, Instant::now()).await
        }

        async fn ask_until(&self, zone: &Name, ip: IpAddr, until: Instant) -> Option<Permit> {
            let Self(limits, asker) = self;
            limits.turn(asker, &own(1), zone, ip, until).await
        }
    }

    /// What one check may have under way.
    fn own(at_once: usize) -> Arc<Semaphore> {
        Arc::new(Semaphore::new(at_once))
    }

    fn zone(number: usize) -> Name {
        Name::from_ascii(format!("z{number}.example.")).unwrap()
    }

    fn ip() -> IpAddr {
        "192.0.2.1".parse().unwrap()
    }

    const SILENCE: Duration = Duration::from_secs(10);
    const SIEGE: Duration = Duration::from_mins(30);

    /// Asks about many zones of one name again and again, of which the address says nothing.
    async fn besiege(limits: &Limits, name: &str, zones: usize, sent: &Mutex<Vec<Instant>>) {
        let asker = Asker::new(name);
        let asking = Asking(limits, &asker);
        let besiege = (0..zones).map(async |number| {
            loop {
                let until = Instant::now() + Duration::from_secs(22);
                if let Some(_permit) = asking.ask_until(&zone(number), ip(), until).await {
                    sent.lock().push(Instant::now());
                    tokio::time::sleep(SILENCE).await;
                }
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
        });
        join_all(besiege).await;
    }

    /// How long a domain waits until the address is asked about it, while others are at it.
    async fn waits(hostile: usize, answered_before: bool) -> (Duration, usize) {
        let limits = Limits::default();
        let sent = Mutex::default();
        let names: Vec<String> = (0..hostile).map(|n| format!("hostile-{n}")).collect();
        let zones = 64 / hostile;
        let besiege = join_all(
            names
                .iter()
                .map(|name| besiege(&limits, name, zones, &sent)),
        );
        let victim = async {
            tokio::time::sleep(SIEGE).await;
            let begun = Instant::now();
            let asker = Asker {
                answered_before,
                ..Asker::new("victim")
            };
            let asking = Asking(&limits, &asker);
            loop {
                let until = Instant::now() + Duration::from_secs(22);
                // Both records are asked for.
                let acme = Name::from_ascii("acme.example.").unwrap();
                let (one, other) = tokio::join!(
                    async {
                        let permit = asking.ask_until(&acme, ip(), until).await;
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        permit.map(Permit::answered)
                    },
                    asking.ask_until(&acme, ip(), until),
                );
                if one.is_some() && other.is_some() {
                    return begun.elapsed();
                }
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
        };
        tokio::select! {
            _ = besiege => unreachable!("it has no end"),
            waited = victim => (waited, sent.lock().len()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_spends_the_silence_of_a_server_takes_turns_with_those_who_do_not() {
        for (hostile, answered_before) in [(1, false), (1, true), (64, false), (64, true)] {
            let (waited, sent) = waits(hostile, answered_before).await;
            assert!(
                waited <= UNANSWERED_PERIOD + Duration::from_secs(1),
                "{hostile}: {waited:?}"
            );
            // Many who are silent about cost the server no more than one.
            let most = 12 + (SIEGE + waited).as_secs() / UNANSWERED_PERIOD.as_secs();
            assert!(sent as u64 <= most, "{hostile}: {sent}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn among_equals_a_domain_that_was_answered_before_goes_first() {
        let limits = Limits::default();
        let spender = Asker::new("spender");
        for _ in 0..UNANSWERED {
            Asking(&limits, &spender).ask(&zone(0), ip()).await.unwrap();
        }
        let order = Mutex::new(Vec::new());
        let ask = async |name: &str, answered_before| {
            let asker = Asker {
                answered_before,
                ..Asker::new(name)
            };
            let until = Instant::now() + Duration::from_mins(10);
            let asking = Asking(&limits, &asker);
            let permit = asking.ask_until(&zone(name.len()), ip(), until).await;
            order.lock().push(name.to_owned());
            drop(permit);
        };
        tokio::join!(
            ask("a", false),
            ask("spender", true),
            ask("bb", false),
            ask("known", true),
        );
        assert_eq!(*order.lock(), ["known", "a", "bb", "spender"]);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_leaves_its_place() {
        let limits = Limits::default();
        let asker = Asker::new("a");
        let asking = Asking(&limits, &asker);
        for _ in 0..UNANSWERED {
            asking.ask(&zone(0), ip()).await.unwrap();
        }
        let other = Asker::new("b");
        let patient = Instant::now() + Duration::from_mins(1);
        let acme = zone(1);
        let one = own(1);
        let turn = limits.turn(&other, &one, &acme, ip(), patient);
        let given_up = tokio::time::timeout(Duration::from_secs(1), turn);
        assert!(given_up.await.is_err());
        let state = limits.address(ip());
        assert!(format!("{:?}", state.state()).contains("waiting: []"));
    }

    /// A check with more questions than it may have under way holds no slot of those that wait.
    #[tokio::test(start_paused = true)]
    async fn what_a_check_may_not_send_yet_holds_up_nobody_else() {
        let limits = Limits::default();
        let (many, other) = (Asker::new("many"), Asker::new("other"));
        let (few, acme, elsewhere) = (own(2), zone(1), zone(2));
        let hour = Instant::now() + Duration::from_hours(1);
        let ask = async || {
            let permit = limits.turn(&many, &few, &acme, ip(), hour).await;
            std::future::pending::<()>().await;
            drop(permit);
        };
        let besiege = join_all((0..4 * IN_FLIGHT_PER_ADDRESS).map(|_| ask()));
        let asked = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let asking = Asking(&limits, &other);
            let turn = asking.ask(&elsewhere, ip());
            tokio::time::timeout(Duration::from_secs(1), turn).await
        };
        tokio::select! {
            _ = besiege => unreachable!("it has no end"),
            permit = asked => assert!(permit.unwrap().is_some()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_many_questions_under_way_leaves_room_for_others() {
        let limits = Limits::default();
        let many = Asker::new("many");
        let ip = |n: u16| IpAddr::from([192, 0, n.to_be_bytes()[0], n.to_be_bytes()[1]]);
        let mut held = Vec::new();
        let short = Duration::from_secs(1);
        for n in 0..=u16::MAX {
            let asking = Asking(&limits, &many);
            let asked = tokio::time::timeout(short, asking.ask(&zone(n.into()), ip(n))).await;
            match asked {
                Ok(permit) => held.push(permit.unwrap()),
                Err(_) => break,
            }
        }
        assert!(held.len() < IN_FLIGHT / 4, "{}", held.len());
        let other = Asker::new("other");
        let asking = Asking(&limits, &other);
        assert!(asking.ask(&zone(99_999), ip(u16::MAX)).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_address_must_rest_and_a_talking_one_need_not() {
        let limits = Limits::default();
        let zone = Name::from_ascii("acme.example.").unwrap();
        let other = Name::from_ascii("other.example.").unwrap();
        let silent = "192.0.2.1".parse().unwrap();
        let talking = "192.0.2.2".parse().unwrap();
        let asker = Asker::new("a");
        let limits = Asking(&limits, &asker);
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
        let asker = Asker::new("a");
        let limits = Asking(&limits, &asker);
        for _ in 0..UNANSWERED {
            limits.ask(&lame, ip).await.unwrap().replied();
        }
        assert!(limits.ask(&lame, ip).await.is_none());
        for _ in 0..3 * UNANSWERED {
            let mut permit = limits.ask(&served, ip).await.unwrap();
            permit.replied();
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
        let asker = Asker::new("a");
        let limits = Asking(&limits, &asker);
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
