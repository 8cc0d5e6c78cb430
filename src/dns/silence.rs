//! Who may ask an address that owes answers: the allowance is one for all, and those who ask take
//! turns with it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::allowance::{Allowance, UNANSWERED};

/// Most who wait for one address. Of more, those who would come last are not asked for.
const MAX_WAITING: usize = 16;

/// For so long it is remembered who spent how much, which is long enough for a turn of five hundred.
const REMEMBERED: Duration = Duration::from_hours(3);

static WAITERS: AtomicU64 = AtomicU64::new(0);

/// Questions to one address that were not answered, and those who wait until one more may be asked.
#[derive(Debug, Default)]
pub struct Silence {
    allowance: Allowance,
    /// Who spent how much of it, and when for the last time.
    spent_by: HashMap<u64, (u32, Instant)>,
    /// Zones that the address is asked about for the first time now, each with how often.
    under_way: HashMap<u64, u32>,
    waiting: Vec<Waiter>,
}

/// One question that waits for its turn.
#[derive(Clone, Debug)]
pub struct Waiter {
    pub zone: u64,
    asker: u64,
    /// Whether servers of the domain never answered.
    new: bool,
    /// Older ones have lower numbers.
    number: u64,
    in_line: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The address answered for the zone: nothing is spent.
    Free,
    Now,
    /// Not before then, or before something changes.
    At(Instant),
    Never,
}

impl Waiter {
    #[must_use]
    pub fn new(asker: u64, zone: u64, answered_before: bool) -> Self {
        Self {
            zone,
            asker,
            new: !answered_before,
            number: WAITERS.fetch_add(1, Ordering::Relaxed),
            in_line: false,
        }
    }
}

impl Silence {
    /// Whether it may be asked now. It is spent then. Whoever waits until then at most waits for
    /// nothing that comes later.
    pub fn turn(&mut self, waiter: &mut Waiter, until: Instant) -> Turn {
        self.allowance.forgive();
        let is_in_line = self.is_in_line(waiter);
        if waiter.in_line && !is_in_line {
            // Its place was given to one who comes before it.
            return Turn::Never;
        }
        let rank = self.rank(waiter);
        let mut others = self.waiting.iter();
        let is_first = others.all(|other| self.rank(other) >= rank);
        if self.allowance.spent < UNANSWERED && is_first {
            self.leave(waiter);
            self.allowance.spent += 1;
            self.spend(waiter.asker);
            *self.under_way.entry(waiter.zone).or_default() += 1;
            return Turn::Now;
        }
        let next = self.allowance.next();
        if next <= until && (is_in_line || self.enter(waiter)) {
            Turn::At(next)
        } else if self.is_asked(waiter) {
            // One answer frees all questions about the zone.
            Turn::At(until)
        } else {
            Turn::Never
        }
    }

    /// Somebody answered, or nothing was sent: the question was not in vain.
    pub fn refund(&mut self, asker: u64) {
        self.allowance.spent = self.allowance.spent.saturating_sub(1);
        self.unspend(asker);
    }

    /// A question about the zone came to its end.
    pub fn end(&mut self, zone: u64) {
        if let Some(count) = self.under_way.get_mut(&zone) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(&zone);
            }
        }
    }

    /// It waits no longer; says whether it did.
    pub fn leave(&mut self, waiter: &Waiter) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|other| other.number != waiter.number);
        self.waiting.len() < before
    }

    /// One of each asker waits, and one more for a domain that was answered before; whoever comes
    /// first in line takes the place of the last where there is none.
    fn enter(&mut self, waiter: &mut Waiter) -> bool {
        let is_same = |other: &Waiter| (other.asker, other.new) == (waiter.asker, waiter.new);
        if self.waiting.iter().any(is_same) {
            return false;
        }
        if self.waiting.len() >= MAX_WAITING {
            let last = self.waiting.iter().max_by_key(|other| self.rank(other));
            let Some(last) = last.filter(|last| self.rank(last) > self.rank(waiter)) else {
                return false;
            };
            let last = last.clone();
            self.leave(&last);
        }
        waiter.in_line = true;
        self.waiting.push(waiter.clone());
        true
    }

    /// Whether the same is being asked now, or waits for the same asker's turn.
    fn is_asked(&self, waiter: &Waiter) -> bool {
        let is_same = |other: &Waiter| {
            (other.asker, other.zone) == (waiter.asker, waiter.zone)
                && other.number != waiter.number
        };
        self.under_way.contains_key(&waiter.zone) || self.waiting.iter().any(is_same)
    }

    fn is_in_line(&self, waiter: &Waiter) -> bool {
        let mut waiting = self.waiting.iter();
        waiting.any(|other| other.number == waiter.number)
    }

    /// Who spent least comes first; of equals a domain that was answered before, then the oldest.
    fn rank(&self, waiter: &Waiter) -> (u32, bool, u64) {
        let spent = self.spent_by.get(&waiter.asker);
        (spent.map_or(0, |spent| spent.0), waiter.new, waiter.number)
    }

    fn spend(&mut self, asker: u64) {
        let now = Instant::now();
        if !self.spent_by.contains_key(&asker) {
            self.spent_by
                .retain(|_, (_, last)| now.duration_since(*last) < REMEMBERED);
        }
        let (spent, last) = self.spent_by.entry(asker).or_insert((0, now));
        *spent += 1;
        *last = now;
    }

    fn unspend(&mut self, asker: u64) {
        if let Some((spent, _)) = self.spent_by.get_mut(&asker) {
            *spent = spent.saturating_sub(1);
            if *spent == 0 {
                self.spent_by.remove(&asker);
            }
        }
    }
}
