//! What lasts is logged when it begins, once a minute while it lasts, and when it ends.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Between two lines about one outage, also one that ends and begins again and again.
pub const REMINDER: Duration = Duration::from_mins(1);

/// Something that fails for a while.
#[derive(Debug)]
pub struct Outage {
    /// Failures in a row that make an outage.
    threshold: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Failures in a row, and when the first was.
    failures: u64,
    since: Option<Instant>,
    /// When it was last logged, and whether that was of the outage that lasts.
    logged: Option<Instant>,
    is_known: bool,
}

impl Outage {
    #[must_use]
    pub fn new(threshold: u64) -> Self {
        Self {
            threshold,
            state: Mutex::default(),
        }
    }

    /// Counts a failure. Returns the failures in a row where it is time for a line.
    pub fn failed(&self) -> Option<u64> {
        let now = Instant::now();
        let mut state = self.state.lock();
        state.failures += 1;
        state.since.get_or_insert(now);
        let is_quiet = state
            .logged
            .is_some_and(|logged| now.duration_since(logged) < REMINDER);
        if state.failures < self.threshold || is_quiet {
            return None;
        }
        state.logged = Some(now);
        state.is_known = true;
        Some(state.failures)
    }

    /// Nothing fails any more. Returns how long it lasted, where its begin was logged.
    pub fn ended(&self) -> Option<Duration> {
        let mut state = self.state.lock();
        state.failures = 0;
        let since = state.since.take()?;
        std::mem::take(&mut state.is_known).then(|| since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn an_outage_of_a_minute_has_a_line_at_each_end_and_one_between() {
        let outage = Outage::new(3);
        let mut lines = Vec::new();
        for second in 0..=62 {
            if let Some(failures) = outage.failed() {
                lines.push((second, failures));
            }
            advance(SECOND).await;
        }
        assert_eq!(lines, [(2, 3), (62, 63)]);
        assert_eq!(outage.ended(), Some(63 * SECOND));
        assert_eq!(outage.ended(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_and_goes_has_two_lines_a_minute() {
        let outage = Outage::new(1);
        let mut lines = 0;
        for _ in 0..600 {
            lines += u32::from(outage.failed().is_some()) + u32::from(outage.ended().is_some());
            advance(SECOND).await;
        }
        assert_eq!(lines, 20);
    }

    #[tokio::test(start_paused = true)]
    async fn fewer_failures_in_a_row_are_no_outage() {
        let outage = Outage::new(3);
        for _ in 0..10 {
            assert_eq!((outage.failed(), outage.failed()), (None, None));
            assert_eq!(outage.ended(), None);
        }
    }
}
