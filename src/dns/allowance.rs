//! What an address that gives no answer may still be asked.

use std::time::Duration;

use tokio::time::Instant;

/// Questions in vain until the address must rest: to one address in silence, or about one zone of
/// which it says nothing that counts.
pub const UNANSWERED: u32 = 12;
/// The rest after which one more of them may be asked.
pub const UNANSWERED_PERIOD: Duration = Duration::from_secs(20);

/// Questions that may be in vain.
#[derive(Debug)]
pub struct Allowance {
    pub spent: u32,
    last: Instant,
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
    pub fn is_spent(&mut self) -> bool {
        self.forgive();
        self.spent >= UNANSWERED
    }

    /// Gives back what the time since then allows.
    pub fn forgive(&mut self) {
        let periods = self.last.elapsed().as_secs() / UNANSWERED_PERIOD.as_secs();
        if periods > 0 {
            let forgiven = u32::try_from(periods).unwrap_or(u32::MAX);
            self.spent = self.spent.saturating_sub(forgiven);
            self.last = Instant::now();
        }
    }

    /// When the next part comes back.
    pub fn next(&self) -> Instant {
        self.last + UNANSWERED_PERIOD
    }
}
