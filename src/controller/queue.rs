//! A queue of keys, each due at a time: equal keys are one entry, the earlier time wins, and no key
//! is handed out twice at once.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// First and longest wait after failures of one key.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_mins(1));

#[derive(Debug)]
pub struct Queue<K> {
    inner: Mutex<Inner<K>>,
    changed: Notify,
}

#[derive(Debug)]
struct Inner<K> {
    due: BTreeSet<(Instant, K)>,
    times: HashMap<K, Instant>,
    running: HashSet<K>,
    failures: HashMap<K, u32>,
    closed: bool,
}

impl<K: Clone + Eq + Hash + Ord> Queue<K> {
    #[must_use]
    pub fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                due: BTreeSet::new(),
                times: HashMap::new(),
                running: HashSet::new(),
                failures: HashMap::new(),
                closed: false,
            }),
            changed: Notify::new(),
        }
    }

    /// Asks for the key now.
    pub fn add(&self, key: K) {
        self.add_at(key, Instant::now());
    }

    pub fn add_after(&self, key: K, wait: Duration) {
        self.add_at(key, Instant::now() + wait);
    }

    fn add_at(&self, key: K, at: Instant) {
        self.lock().schedule(key, at);
        self.changed.notify_one();
    }

    /// The next key that is due; none once the queue is closed.
    pub async fn next(&self) -> Option<K> {
        loop {
            let wait = {
                let mut inner = self.lock();
                if inner.closed {
                    // Every worker must hear of it.
                    self.changed.notify_one();
                    return None;
                }
                match inner.take(Instant::now()) {
                    Ok(key) => {
                        if !inner.due.is_empty() {
                            self.changed.notify_one();
                        }
                        return Some(key);
                    }
                    Err(wait) => wait,
                }
            };
            match wait {
                Some(at) => {
                    tokio::select! {
                        () = self.changed.notified() => {}
                        () = tokio::time::sleep_until(at) => {}
                    }
                }
                None => self.changed.notified().await,
            }
        }
    }

    /// The key was handled; it comes again after `again`.
    pub fn done(&self, key: &K, again: Option<Duration>) {
        let mut inner = self.lock();
        inner.failures.remove(key);
        inner.finish(key, again.map(|wait| Instant::now() + wait));
        drop(inner);
        self.changed.notify_one();
    }

    /// The key could not be handled; it comes again after a wait that doubles with each failure.
    pub fn failed(&self, key: &K) {
        let mut inner = self.lock();
        let failures = inner.failures.entry(key.clone()).or_default();
        let wait = BACKOFF
            .0
            .saturating_mul(1 << (*failures).min(10))
            .min(BACKOFF.1);
        *failures += 1;
        inner.finish(key, Some(Instant::now() + wait));
        drop(inner);
        self.changed.notify_one();
    }

    /// Lets workers end after what they have in hand.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Keys that wait for their time or for a worker.
    pub fn depth(&self) -> usize {
        self.lock().due.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner<K>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash + Ord> Default for Queue<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Clone + Eq + Hash + Ord> Inner<K> {
    fn schedule(&mut self, key: K, at: Instant) {
        match self.times.get(&key) {
            Some(&before) if before <= at => return,
            Some(&before) => {
                self.due.remove(&(before, key.clone()));
            }
            None => {}
        }
        self.times.insert(key.clone(), at);
        // A running key waits in `times` until it is done.
        if !self.running.contains(&key) {
            self.due.insert((at, key));
        }
    }

    fn take(&mut self, now: Instant) -> Result<K, Option<Instant>> {
        match self.due.first() {
            None => Err(None),
            Some((at, _)) if *at > now => Err(Some(*at)),
            Some(_) => {
                let (_, key) = self.due.pop_first().ok_or(None)?;
                self.times.remove(&key);
                self.running.insert(key.clone());
                Ok(key)
            }
        }
    }

    fn finish(&mut self, key: &K, again: Option<Instant>) {
        self.running.remove(key);
        let asked = self.times.remove(key);
        if let Some(at) = [asked, again].into_iter().flatten().min() {
            self.schedule(key.clone(), at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn keys_come_at_their_time_and_the_earlier_time_wins() {
        let queue = Queue::new();
        queue.add_after("late", Duration::from_secs(9));
        queue.add_after("b", Duration::from_secs(5));
        queue.add_after("b", Duration::from_secs(2));
        queue.add_after("b", Duration::from_secs(7));
        queue.add("a");
        let start = Instant::now();
        assert_eq!(queue.next().await, Some("a"));
        assert_eq!(queue.next().await, Some("b"));
        assert_eq!(start.elapsed().as_secs(), 2);
        assert_eq!(queue.next().await, Some("late"));
        assert_eq!(queue.depth(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_key_is_not_handed_out_and_comes_again_when_done() {
        let queue = Queue::new();
        queue.add(1);
        assert_eq!(queue.next().await, Some(1));
        queue.add(1);
        assert!(
            tokio::time::timeout(Duration::from_mins(1), queue.next())
                .await
                .is_err()
        );
        queue.done(&1, Some(Duration::from_secs(1000)));
        assert_eq!(queue.next().await, Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_wait_longer_each_time_until_one_success() {
        let queue = Queue::new();
        queue.add(1);
        let mut waits = Vec::new();
        for _ in 0..10 {
            let start = Instant::now();
            queue.next().await;
            waits.push(start.elapsed().as_millis());
            queue.failed(&1);
        }
        assert_eq!(&waits[..4], &[0, 500, 1000, 2000]);
        assert_eq!(waits[9], 60_000);
        queue.next().await;
        queue.done(&1, None);
        queue.add(1);
        queue.next().await;
        queue.failed(&1);
        let start = Instant::now();
        queue.next().await;
        assert_eq!(start.elapsed().as_millis(), 500);
    }

    #[tokio::test]
    async fn closing_ends_every_worker() {
        let queue = Arc::new(Queue::<u8>::new());
        let workers: Vec<_> = (0..8)
            .map(|_| {
                let queue = Arc::clone(&queue);
                tokio::spawn(async move { queue.next().await })
            })
            .collect();
        tokio::task::yield_now().await;
        queue.close();
        for worker in workers {
            let ended = tokio::time::timeout(Duration::from_mins(1), worker).await;
            assert_eq!(ended.unwrap().unwrap(), None);
        }
    }
}
