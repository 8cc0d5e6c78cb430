//! What one check may spend.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::model::evidence::Failure;

/// Questions of one check, to all servers together, those over TCP for confirmation included. A
/// challenge that is an alias between two providers, each with eight servers below four top-level
/// domains, takes 180 when nothing is known yet; twice an alias more.
pub const MAX_QUESTIONS: u32 = 320;
/// Octets of all answers of one check.
pub const MAX_OCTETS: u32 = 1 << 20;
/// Name servers of one check whose addresses must be looked up because the delegation has none.
pub const MAX_HOSTS: u32 = 40;
/// Those of them that turn out not to exist, or whose zone does not answer. An honest zone has few, a zone made to send questions to
/// a victim has nothing else (the NXNS attack).
pub const MAX_HOSTS_IN_VAIN: u32 = 8;
/// Name servers of one zone; the root and the largest domains have thirteen.
pub const MAX_SERVERS: usize = 16;
/// Addresses at which one name server is tried.
pub const MAX_ADDRESSES: usize = 4;

/// Counts down; what is not granted ends the check as inconclusive.
#[derive(Debug)]
pub struct Budget {
    questions: AtomicU32,
    octets: AtomicU32,
    hosts: AtomicU32,
    hosts_in_vain: AtomicU32,
    deadline: Instant,
}

impl Budget {
    #[must_use]
    pub fn new(time: Duration) -> Self {
        Self {
            questions: AtomicU32::new(MAX_QUESTIONS),
            octets: AtomicU32::new(MAX_OCTETS),
            hosts: AtomicU32::new(MAX_HOSTS),
            hosts_in_vain: AtomicU32::new(MAX_HOSTS_IN_VAIN),
            deadline: Instant::now() + time,
        }
    }

    /// When the check must be over.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    pub fn question(&self) -> Result<(), Failure> {
        if Instant::now() >= self.deadline {
            return Err(Failure::Budget);
        }
        take(&self.questions, 1)
    }

    pub fn octets(&self, octets: usize) -> Result<(), Failure> {
        take(&self.octets, u32::try_from(octets).unwrap_or(u32::MAX))
    }

    /// A name server's address to look up.
    pub fn host(&self) -> Result<(), Failure> {
        if self.hosts_in_vain.load(Ordering::Relaxed) == 0 {
            return Err(Failure::Budget);
        }
        take(&self.hosts, 1)
    }

    /// One that does not exist.
    pub fn host_in_vain(&self) -> Result<(), Failure> {
        take(&self.hosts_in_vain, 1)
    }
}

fn take(left: &AtomicU32, wanted: u32) -> Result<(), Failure> {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(wanted)
    })
    .map(drop)
    .map_err(|_| Failure::Budget)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_spent_is_gone() {
        let budget = Budget::new(Duration::from_mins(1));
        for _ in 0..MAX_QUESTIONS {
            assert_eq!(budget.question(), Ok(()));
        }
        assert_eq!(budget.question(), Err(Failure::Budget));
        assert_eq!(budget.octets(1 << 19), Ok(()));
        assert_eq!(budget.octets((1 << 19) + 1), Err(Failure::Budget));
        for _ in 0..MAX_HOSTS {
            assert_eq!(budget.host(), Ok(()));
        }
        assert_eq!(budget.host(), Err(Failure::Budget));
        let budget = Budget::new(Duration::from_mins(1));
        for _ in 0..MAX_HOSTS_IN_VAIN {
            assert_eq!(budget.host(), Ok(()));
            assert_eq!(budget.host_in_vain(), Ok(()));
        }
        assert_eq!(budget.host(), Err(Failure::Budget));
        assert_eq!(Budget::new(Duration::ZERO).question(), Err(Failure::Budget));
    }
}
