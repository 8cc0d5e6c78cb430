//! Places of which all want some: whoever holds none finds one, whatever others hold.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::model::share::may_have_one_more;

/// What somebody has had is forgotten after so long without anything.
const REMEMBERED: Duration = Duration::from_mins(10);
/// Accounts that are kept; beyond that, those with nothing now are dropped.
const MAX_ACCOUNTS: usize = 10_000;

/// Places, and who waits for one.
#[derive(Debug)]
pub struct Places {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    accounts: HashMap<Arc<str>, Account>,
    /// How many wait, of all together.
    waiting: usize,
}

/// What one asker has, and has had.
#[derive(Debug)]
struct Account {
    held: usize,
    /// For how long it has held places, together.
    had: Duration,
    last: Instant,
    waiting: VecDeque<oneshot::Sender<Place>>,
}

/// One place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    asker: Arc<str>,
    since: Instant,
}

impl Places {
    #[must_use]
    pub fn new(places: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                free: places,
                accounts: HashMap::new(),
                waiting: 0,
            }),
        })
    }

    /// A place, where the asker may have one more now.
    pub fn try_take(self: &Arc<Self>, asker: &Arc<str>) -> Option<Place> {
        let now = Instant::now();
        let taken = self.state().take(asker, now);
        taken.then(|| self.place(asker, now))
    }

    /// Waits until the asker may have one more. Among those who may, whoever has had least comes first.
    pub async fn take(self: &Arc<Self>, asker: &Arc<str>) -> Place {
        loop {
            let granted = {
                let now = Instant::now();
                let mut state = self.state();
                if state.take(asker, now) {
                    return self.place(asker, now);
                }
                state.enter(asker, now)
            };
            // The other end goes only with the place.
            if let Ok(place) = granted.await {
                return place;
            }
        }
    }

    fn place(self: &Arc<Self>, asker: &Arc<str>, since: Instant) -> Place {
        Place {
            places: Arc::clone(self),
            asker: Arc::clone(asker),
            since,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let now = Instant::now();
        let had = now.saturating_duration_since(self.since);
        let granted = self.places.state().give_back(&self.asker, had, now);
        for (asker, waiting) in granted {
            // Whoever does not wait any more gives it back at once.
            drop(waiting.send(self.places.place(&asker, now)));
        }
    }
}

impl State {
    fn account(&mut self, asker: &Arc<str>, now: Instant) -> &mut Account {
        if self.accounts.len() >= MAX_ACCOUNTS && !self.accounts.contains_key(asker) {
            let is_used = |account: &Account| account.held > 0 || !account.waiting.is_empty();
            self.accounts.retain(|_, account| is_used(account));
        }
        let new = || Account {
            held: 0,
            had: Duration::ZERO,
            last: now,
            waiting: VecDeque::new(),
        };
        let account = self.accounts.entry(Arc::clone(asker)).or_insert_with(new);
        if account.is_forgotten(now) {
            account.had = Duration::ZERO;
        }
        account.last = now;
        account
    }

    fn take(&mut self, asker: &Arc<str>, now: Instant) -> bool {
        let free = self.free;
        let account = self.account(asker, now);
        let may_take = may_have_one_more(account.held, free);
        if may_take {
            account.held += 1;
            self.free -= 1;
        }
        may_take
    }

    fn enter(&mut self, asker: &Arc<str>, now: Instant) -> oneshot::Receiver<Place> {
        let (sender, receiver) = oneshot::channel();
        self.account(asker, now).waiting.push_back(sender);
        self.waiting += 1;
        receiver
    }

    /// One place more is free; says who have one of it now.
    fn give_back(
        &mut self,
        asker: &Arc<str>,
        had: Duration,
        now: Instant,
    ) -> Vec<(Arc<str>, oneshot::Sender<Place>)> {
        self.free += 1;
        let account = self.account(asker, now);
        account.held -= 1;
        account.had += had;
        let mut granted = Vec::new();
        while self.waiting > 0
            && let Some(next) = self.next()
        {
            granted.push(next);
        }
        granted
    }

    /// Who has the next place.
    fn next(&mut self) -> Option<(Arc<str>, oneshot::Sender<Place>)> {
        let free = self.free;
        loop {
            let may_take = self.accounts.iter_mut().filter(|(_, account)| {
                !account.waiting.is_empty() && may_have_one_more(account.held, free)
            });
            let (asker, account) = may_take.min_by_key(|(_, account)| account.had)?;
            let next = account.waiting.pop_front()?;
            self.waiting -= 1;
            if !next.is_closed() {
                account.held += 1;
                self.free -= 1;
                return Some((Arc::clone(asker), next));
            }
        }
    }
}

impl Account {
    fn is_forgotten(&self, now: Instant) -> bool {
        self.held == 0 && self.waiting.is_empty() && now >= self.last + REMEMBERED
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use tokio::time::{sleep, timeout};

    use super::*;

    const HOSTILE: usize = 512;
    /// How long a question to a silent server lasts.
    const SILENCE: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_secs(1);

    fn asker(n: usize) -> Arc<str> {
        n.to_string().into()
    }

    /// Each has many questions that nobody answers, all the time.
    async fn besiege(places: &Arc<Places>) {
        let silent = (0..16 * HOSTILE).map(async |n| {
            loop {
                let place = places.take(&asker(n % HOSTILE)).await;
                sleep(SILENCE).await;
                drop(place);
            }
        });
        join_all(silent).await;
    }

    /// How long somebody waits for the next of a few questions at most, one after the other.
    async fn wait_beside_siege(places: usize) -> Duration {
        let places = Places::new(places);
        let questions = async {
            sleep(Duration::from_mins(5)).await;
            let mut longest = Duration::ZERO;
            for _ in 0..5 {
                let begun = Instant::now();
                let place = places.take(&asker(HOSTILE)).await;
                longest = longest.max(begun.elapsed());
                sleep(Duration::from_millis(50)).await;
                drop(place);
            }
            longest
        };
        tokio::select! {
            () = besiege(&places) => unreachable!("it has no end"),
            longest = questions => longest,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_none_finds_a_place_beside_five_hundred_who_take_all_they_get() {
        assert_eq!(wait_beside_siege(1024).await, Duration::ZERO);
        // Where there are fewer places than askers, it has the next that comes free.
        let waited = wait_beside_siege(24).await;
        assert!(waited <= SILENCE, "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_wait_come_to_a_place_and_all_places_come_back() {
        let places = Places::new(7);
        let all = (0..1000).map(async |n| {
            let place = places.take(&asker(n % 10)).await;
            sleep(SHORT).await;
            drop(place);
        });
        assert!(timeout(1000 * SHORT, join_all(all)).await.is_ok());
        let state = places.state();
        assert_eq!((state.free, state.waiting), (7, 0));
        assert!(state.accounts.values().all(|account| account.held == 0));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_keeps_no_place_and_holds_up_nobody() {
        let places = Places::new(1);
        let held = places.take(&asker(1)).await;
        for n in [2, 2, 3] {
            assert!(timeout(SHORT, places.take(&asker(n))).await.is_err());
        }
        let (four, five) = (asker(4), asker(5));
        let mut patient = Box::pin(places.take(&four));
        assert!(futures::poll!(&mut patient).is_pending());
        drop(held);
        let place = patient.await;
        // Given to one who has gone meanwhile.
        let mut gone = Box::pin(places.take(&five));
        assert!(futures::poll!(&mut gone).is_pending());
        drop(place);
        drop(gone);
        assert!(places.try_take(&asker(6)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_somebody_had_is_forgotten_in_time() {
        let places = Places::new(1);
        let place = places.take(&asker(1)).await;
        sleep(SHORT).await;
        drop(place);
        assert_eq!(places.state().accounts[&asker(1)].had, SHORT);
        sleep(REMEMBERED).await;
        drop(places.try_take(&asker(1)));
        assert_eq!(places.state().accounts[&asker(1)].had, Duration::ZERO);
    }
}
