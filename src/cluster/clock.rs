//! The wall clock may be set while the process runs. Times are compared by it, waits go by the
//! monotonic clock, which also stands still while a machine sleeps: a requeue that was put off by another
//! clock would come too late.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

const PERIOD: Duration = Duration::from_secs(10);
/// Seconds by which a clock is corrected without anybody setting it.
const TOLERANCE: i64 = 5;

/// The wall clock that reconciles go by.
pub struct Clock {
    start: Instant,
    /// The monotonic clock's seconds and so many were the latest time that a reconcile went by.
    latest: AtomicI64,
}

/// By how many seconds the clock was set.
#[derive(Debug, PartialEq, Eq)]
enum Set {
    Back(i64),
    Forward(i64),
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            latest: AtomicI64::new(i64::MIN),
        }
    }
}

impl Clock {
    pub fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        let ahead = self.ahead_of_monotonic(now);
        self.latest.fetch_max(ahead, Ordering::Relaxed);
        now
    }

    /// Whether it was set since this was asked last, and what it was ahead by then.
    fn was_set(&self, now: Timestamp, before: &mut i64) -> Option<Set> {
        let ahead = self.ahead_of_monotonic(now);
        let latest = self.latest.swap(ahead, Ordering::Relaxed);
        let back = latest.saturating_sub(ahead);
        let forward = ahead.saturating_sub(std::mem::replace(before, ahead));
        if back > TOLERANCE {
            Some(Set::Back(back))
        } else if forward > TOLERANCE {
            Some(Set::Forward(forward))
        } else {
            None
        }
    }

    fn ahead_of_monotonic(&self, now: Timestamp) -> i64 {
        let passed = i64::try_from(self.start.elapsed().as_secs()).unwrap_or(i64::MAX);
        now.as_second().saturating_sub(passed)
    }
}

/// Calls `set` whenever the clock was set; with the time, where it was set forward.
pub async fn watch(clock: &Clock, set: impl Fn(Option<Timestamp>)) {
    let mut before = clock.ahead_of_monotonic(Timestamp::now());
    loop {
        sleep(PERIOD).await;
        let now = Timestamp::now();
        match clock.was_set(now, &mut before) {
            None => {}
            Some(Set::Back(seconds)) => {
                tracing::warn!(seconds, "the clock was set back");
                set(None);
            }
            Some(Set::Forward(seconds)) => {
                tracing::warn!(seconds, "the clock was set forward");
                set(Some(now));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_is_told_from_one_that_goes_on() {
        let clock = Clock::default();
        let start = clock.now();
        let mut before = clock.ahead_of_monotonic(start);
        let mut after = |seconds| {
            let now = start + SignedDuration::from_secs(seconds);
            clock.was_set(now, &mut before)
        };
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(after(100), None);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(after(86_510), Some(Set::Forward(86_400)));
        assert_eq!(after(86_511), None, "told once");
        assert_eq!(after(110), Some(Set::Back(86_401)));
        assert_eq!(after(110), None, "told once");
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(after(100), Some(Set::Back(20)));
        assert_eq!(after(104), None, "corrected");
    }
}
