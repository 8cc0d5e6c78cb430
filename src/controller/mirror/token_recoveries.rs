//! Holders whose status lost its token, and when the DNS is asked for it again where it did not say.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::key::Key;
use crate::model::token_recovery;
use crate::model::uid::Uid;

#[derive(Debug, Default)]
pub struct TokenRecoveries {
    entries: HashMap<Key, Entry>,
}

#[derive(Debug)]
struct Entry {
    uid: Uid,
    /// Answers so far that said nothing.
    failed: u32,
    next: Instant,
}

impl TokenRecoveries {
    /// How long the object still waits before the DNS is asked again.
    #[must_use]
    pub fn wait(&self, key: &Key, uid: &Uid) -> Option<Duration> {
        let entry = self.entries.get(key).filter(|entry| entry.uid == *uid)?;
        let left = entry.next.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// The DNS did not say; says how long to wait now.
    pub fn failed(&mut self, key: &Key, uid: &Uid) -> Duration {
        let before = self.entries.get(key).filter(|entry| entry.uid == *uid);
        let failed = before.map_or(0, |before| before.failed).saturating_add(1);
        let wait = token_recovery::repeat_after(failed);
        let entry = Entry {
            uid: uid.clone(),
            failed,
            next: Instant::now() + wait,
        };
        self.entries.insert(key.clone(), entry);
        wait
    }

    /// The token was found or replaced, or the object is gone.
    pub fn forget(&mut self, key: &Key) {
        self.entries.remove(key);
    }

    #[must_use]
    pub fn has(&self, key: &Key) -> bool {
        self.entries.contains_key(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_the_dns_does_not_say_is_asked_for_ever_more_seldom() {
        let mut token_recoveries = TokenRecoveries::default();
        let (key, uid) = (Key::new("acme", "main"), Uid::from("1"));
        let mut asked = 0;
        let end = Instant::now() + Duration::from_hours(24);
        while Instant::now() < end {
            assert_eq!(token_recoveries.wait(&key, &uid), None);
            asked += 1;
            let wait = token_recoveries.failed(&key, &uid);
            // However often it is reconciled meanwhile.
            assert_eq!(token_recoveries.wait(&key, &uid), Some(wait));
            tokio::time::advance(wait / 2).await;
            assert_eq!(token_recoveries.wait(&key, &uid), Some(wait / 2));
            tokio::time::advance(wait / 2).await;
            assert!(wait <= Duration::from_hours(1), "{wait:?}");
        }
        assert!((24..=30).contains(&asked), "{asked}");
    }

    #[tokio::test(start_paused = true)]
    async fn another_object_of_the_same_name_waits_for_nothing() {
        let mut token_recoveries = TokenRecoveries::default();
        let key = Key::new("acme", "main");
        let first = token_recoveries.failed(&key, &"1".into());
        assert!(token_recoveries.failed(&key, &"1".into()) > first);
        assert_eq!(token_recoveries.wait(&key, &"2".into()), None);
        assert_eq!(token_recoveries.failed(&key, &"2".into()), first);
        token_recoveries.forget(&key);
        assert_eq!(token_recoveries.wait(&key, &"2".into()), None);
        assert!(!token_recoveries.has(&key));
    }
}
