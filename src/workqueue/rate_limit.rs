//! Limits on what tenants ask for. They are kept by namespace and registrable domain, so that
//! deleting an object and creating it again resets nothing.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Buckets that are full again are dropped once there are this many.
const MAX_BUCKETS: usize = 10_000;

/// Token buckets, one for each namespace and registrable domain.
#[derive(Debug)]
pub struct RateLimiter {
    burst: u32,
    refill: Duration,
    /// When each bucket will be full again if nothing more is taken.
    buckets: Mutex<HashMap<(String, String), Instant>>,
}

impl RateLimiter {
    /// `burst` at once, then one for each `refill`.
    #[must_use]
    pub fn new(burst: u32, refill: Duration) -> Self {
        Self {
            burst,
            refill,
            buckets: Mutex::default(),
        }
    }

    /// How long to wait until one can be taken; takes none.
    pub fn wait(&self, namespace: &str, domain: &str) -> Option<Duration> {
        let now = Instant::now();
        let key = (namespace.to_owned(), registrable(domain).to_owned());
        let full_at = self.buckets.lock().get(&key).copied()?;
        self.fill(full_at, now).err()
    }

    /// When the bucket will be full after one more is taken, or how long to wait for that.
    fn fill(&self, full_at: Instant, now: Instant) -> Result<Instant, Duration> {
        let taken = full_at.max(now) + self.refill;
        let latest = now + self.refill * self.burst;
        if taken > latest {
            return Err(taken - latest);
        }
        Ok(taken)
    }

    /// Takes one, or says how long to wait for it.
    pub fn take(&self, namespace: &str, domain: &str) -> Result<(), Duration> {
        let now = Instant::now();
        let mut buckets = self.buckets.lock();
        if buckets.len() >= MAX_BUCKETS {
            buckets.retain(|_, full_at| *full_at > now);
        }
        let key = (namespace.to_owned(), registrable(domain).to_owned());
        let full_at = buckets.get(&key).copied().unwrap_or(now);
        buckets.insert(key, self.fill(full_at, now)?);
        Ok(())
    }
}

/// The registrable domain of a name; under a suffix that the public list does not know, its last
/// two labels.
fn registrable(name: &str) -> &str {
    psl::domain_str(name).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_asks_how_long_to_wait_takes_nothing() {
        let limit = RateLimiter::new(2, Duration::from_secs(10));
        for _ in 0..2 {
            assert_eq!(limit.wait("ns", "acme.com"), None);
            assert_eq!(limit.wait("ns", "acme.com"), None);
            assert_eq!(limit.take("ns", "a.acme.com"), Ok(()));
        }
        tokio::time::advance(Duration::from_secs(4)).await;
        let left = Duration::from_secs(6);
        assert_eq!(limit.wait("ns", "acme.com"), Some(left));
        assert_eq!(limit.take("ns", "acme.com"), Err(left));
        assert_eq!(limit.wait("other", "acme.com"), None);
        tokio::time::advance(left).await;
        assert_eq!(limit.wait("ns", "acme.com"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_one_each_refill() {
        let limit = RateLimiter::new(3, Duration::from_secs(10));
        for _ in 0..3 {
            assert_eq!(limit.take("ns", "a.acme.com"), Ok(()));
        }
        assert_eq!(limit.take("ns", "b.acme.com"), Err(Duration::from_secs(10)));
        assert_eq!(limit.take("ns", "other.com"), Ok(()));
        assert_eq!(limit.take("other", "acme.com"), Ok(()));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(limit.take("ns", "acme.com"), Ok(()));
        assert!(limit.take("ns", "acme.com").is_err());
        tokio::time::advance(Duration::from_secs(1000)).await;
        for _ in 0..3 {
            assert_eq!(limit.take("ns", "acme.com"), Ok(()));
        }
        assert!(limit.take("ns", "acme.com").is_err());
    }
}
