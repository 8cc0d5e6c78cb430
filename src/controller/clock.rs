//! The wall clock may be set back while the process runs. Times are compared by it, waits go by the
//! monotonic clock: a look that was put off by a clock that was ahead would come as much too late.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::operator::Operator;

const PERIOD: Duration = Duration::from_secs(10);
/// Seconds by which a clock is corrected without anybody setting it.
const TOLERANCE: i64 = 5;

/// The wall clock that reconciles go by.
pub struct Clock {
    start: Instant,
    /// The monotonic clock's seconds and so many were the latest time that a reconcile went by.
    latest: AtomicI64,
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

    /// By how many seconds the clock is behind a time that a reconcile went by since this was asked
    /// last.
    fn set_back_by(&self, now: Timestamp) -> i64 {
        let ahead = self.ahead_of_monotonic(now);
        let latest = self.latest.swap(ahead, Ordering::Relaxed);
        latest.saturating_sub(ahead)
    }

    fn ahead_of_monotonic(&self, now: Timestamp) -> i64 {
        let passed = i64::try_from(self.start.elapsed().as_secs()).unwrap_or(i64::MAX);
        now.as_second().saturating_sub(passed)
    }
}

/// Has everything looked at again whose next look may come too late.
pub async fn watch(operator: Arc<Operator>) {
    loop {
        sleep(PERIOD).await;
        let seconds = operator.clock.set_back_by(Timestamp::now());
        if seconds > TOLERANCE {
            tracing::warn!(seconds, "the clock was set back");
            operator.look_at_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_set_back_is_told_from_one_that_goes_on() {
        let clock = Clock::default();
        let start = clock.now();
        let after = |seconds| clock.set_back_by(start + SignedDuration::from_secs(seconds));
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(after(100), 0);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(after(86_510), -86_400);
        assert_eq!(after(110), 86_400);
        assert_eq!(after(110), 0, "told once");
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(after(100), 20);
    }
}
