//! A queue of keys, each due at a time: equal keys are one entry, the earlier time wins, and no key
//! is handed out twice at once. Among those that are due, [`FairQueue`] says who comes next.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::fair::{FairQueue, Flow, InFlightLimit};
use crate::telemetry::metrics::QueueCounters;
use crate::telemetry::outage::Outage;

/// First and longest wait after failures of one key.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const LONGEST_BACKOFF: Duration = Duration::from_mins(1);

pub struct Queue<K> {
    inner: Mutex<Inner<K>>,
    changed: Notify,
    flow: Box<dyn Fn(&K) -> Flow + Send + Sync>,
    counters: QueueCounters,
    /// Reconciles that fail.
    pub(super) failing: Outage,
}

struct Inner<K> {
    waiting: BTreeSet<(Instant, K)>,
    due: FairQueue<K>,
    states: BTreeMap<K, KeyState>,
    failures: HashMap<K, u32>,
    closed: bool,
}

/// What becomes of a key.
enum KeyState {
    Waiting(Instant),
    Due {
        since: Instant,
    },
    /// Boxed, because nearly all wait.
    Running(Box<Running>),
}

struct Running {
    namespace: Arc<str>,
    again: Option<Instant>,
}

impl<K: Clone + Eq + Hash + Ord> Queue<K> {
    /// One namespace has at most `limit` keys in flight; `flow` says in which flow a key is.
    #[must_use]
    pub fn new(
        limit: InFlightLimit,
        counters: QueueCounters,
        flow: impl Fn(&K) -> Flow + Send + Sync + 'static,
    ) -> Self {
        Self {
            inner: Mutex::new(Inner {
                waiting: BTreeSet::new(),
                due: FairQueue::new(limit),
                states: BTreeMap::new(),
                failures: HashMap::new(),
                closed: false,
            }),
            changed: Notify::new(),
            flow: Box::new(flow),
            counters,
            failing: Outage::new(1),
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
        self.counters.adds.inc();
        self.inner.lock().schedule(key, at);
        self.changed.notify_one();
    }

    /// The next key that is due, and how long it waited for a worker; none once the queue is closed.
    pub async fn next(&self) -> Option<(K, Duration)> {
        loop {
            let next = {
                let mut inner = self.inner.lock();
                if inner.closed {
                    Ok(None)
                } else {
                    inner.pop(Instant::now(), &self.flow).map(Some)
                }
            };
            match next {
                Ok(next) => {
                    // Another worker may have more to do, and each must hear of the end.
                    self.changed.notify_one();
                    return next;
                }
                Err(Some(at)) => tokio::select! {
                    () = self.changed.notified() => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                Err(None) => self.changed.notified().await,
            }
        }
    }

    /// The key was handled; it comes again after `again`.
    pub fn done(&self, key: &K, again: Option<Duration>) {
        let mut inner = self.inner.lock();
        inner.failures.remove(key);
        let asked = inner.finish(key);
        let again = again.map(|wait| Instant::now() + wait);
        if let Some(at) = asked.into_iter().chain(again).min() {
            inner.schedule(key.clone(), at);
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// The key could not be handled; it comes again after a wait that doubles with each failure, and
    /// what was asked for meanwhile with it.
    pub fn failed(&self, key: &K) {
        self.counters.retries.inc();
        let mut inner = self.inner.lock();
        let failures = inner.failures.entry(key.clone()).or_default();
        let wait = LONGEST_BACKOFF.min(FIRST_BACKOFF * (1 << (*failures).min(10)));
        *failures += 1;
        inner.finish(key);
        inner.schedule(key.clone(), Instant::now() + wait);
        drop(inner);
        self.changed.notify_one();
    }

    /// The key cannot be handled as things are; it comes again after `pause`, and what was asked for
    /// meanwhile as it was asked.
    pub fn refused(&self, key: &K, pause: Duration) {
        self.done(key, Some(pause));
        self.inner.lock().failures.entry(key.clone()).or_default();
    }

    /// Asks now for every key whose last attempt failed. Its next failure waits longer all the same.
    pub fn retry_failed(&self) {
        let mut inner = self.inner.lock();
        let failed: Vec<K> = inner.failures.keys().cloned().collect();
        for key in failed {
            if matches!(inner.states.get(&key), Some(KeyState::Waiting(_))) {
                inner.schedule(key, Instant::now());
            }
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Whether the last attempt at the key failed.
    pub fn has_failed(&self, key: &K) -> bool {
        self.inner.lock().failures.contains_key(key)
    }

    /// Whether the key is asked for, or handed out.
    pub fn has(&self, key: &K) -> bool {
        self.inner.lock().states.contains_key(key)
    }

    /// Lets workers end after what they have in hand.
    pub fn close(&self) {
        self.inner.lock().closed = true;
        self.changed.notify_one();
    }

    /// Keys that are due and wait for a worker.
    pub fn depth(&self) -> usize {
        self.inner.lock().due.len()
    }
}

impl<K: Clone + Eq + Hash + Ord> Inner<K> {
    fn schedule(&mut self, key: K, at: Instant) {
        match self.states.get_mut(&key) {
            Some(KeyState::Due { .. }) => return,
            Some(KeyState::Running(running)) => {
                running.again = Some(running.again.map_or(at, |before| before.min(at)));
                return;
            }
            Some(KeyState::Waiting(before)) if *before <= at => return,
            Some(KeyState::Waiting(before)) => {
                self.waiting.remove(&(*before, key.clone()));
            }
            None => {}
        }
        self.states.insert(key.clone(), KeyState::Waiting(at));
        self.waiting.insert((at, key));
    }

    fn pop(
        &mut self,
        now: Instant,
        flow: impl Fn(&K) -> Flow,
    ) -> Result<(K, Duration), Option<Instant>> {
        while let Some((at, key)) = self.waiting.pop_first() {
            if at > now {
                self.waiting.insert((at, key));
                break;
            }
            self.states.insert(key.clone(), KeyState::Due { since: at });
            let flow = flow(&key);
            self.due.push(key, flow);
        }
        let Some((key, namespace)) = self.due.pop() else {
            return Err(self.waiting.first().map(|(at, _)| *at));
        };
        let running = KeyState::Running(Box::new(Running {
            namespace,
            again: None,
        }));
        let waited = match self.states.insert(key.clone(), running) {
            Some(KeyState::Due { since }) => now.saturating_duration_since(since),
            _ => Duration::ZERO,
        };
        Ok((key, waited))
    }

    /// Takes the key out of those that run; says when somebody asked for it meanwhile.
    fn finish(&mut self, key: &K) -> Option<Instant> {
        let Some(KeyState::Running(running)) = self.states.get(key) else {
            return None;
        };
        self.due.done(&running.namespace);
        let again = running.again;
        self.states.remove(key);
        again
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::workqueue::fair::Priority;

    fn queue<K: Clone + Eq + Hash + Ord>() -> Queue<K> {
        Queue::new(InFlightLimit::Fixed(9), QueueCounters::default(), |_| {
            Flow {
                priority: Priority::Pending,
                namespace: "a".into(),
                organization: "a".into(),
            }
        })
    }

    async fn key<K: Clone + Eq + Hash + Ord>(queue: &Queue<K>) -> Option<K> {
        queue.next().await.map(|(key, _)| key)
    }

    #[tokio::test(start_paused = true)]
    async fn keys_come_at_their_time_and_the_earlier_time_wins() {
        let queue = queue();
        queue.add_after("late", Duration::from_secs(9));
        queue.add_after("b", Duration::from_secs(5));
        queue.add_after("b", Duration::from_secs(2));
        queue.add_after("b", Duration::from_secs(7));
        queue.add("a");
        let start = Instant::now();
        assert_eq!(key(&queue).await, Some("a"));
        assert_eq!(key(&queue).await, Some("b"));
        assert_eq!(start.elapsed().as_secs(), 2);
        assert_eq!(key(&queue).await, Some("late"));
        assert_eq!(queue.depth(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_key_is_not_handed_out_and_comes_again_when_done() {
        let queue = queue();
        queue.add(1);
        assert_eq!(key(&queue).await, Some(1));
        queue.add(1);
        assert!(
            tokio::time::timeout(Duration::from_mins(1), queue.next())
                .await
                .is_err()
        );
        queue.done(&1, Some(Duration::from_secs(1000)));
        assert_eq!(key(&queue).await, Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_wait_longer_each_time_until_one_success() {
        let queue = queue();
        queue.add(1);
        let mut waits = Vec::new();
        for _ in 0..10 {
            let start = Instant::now();
            queue.next().await;
            waits.push(start.elapsed().as_millis());
            queue.failed(&1);
            assert!(queue.has_failed(&1));
        }
        assert_eq!(&waits[..4], &[0, 500, 1000, 2000]);
        assert_eq!(waits[9], 60_000);
        queue.next().await;
        queue.done(&1, None);
        assert!(!queue.has_failed(&1));
        queue.add(1);
        queue.next().await;
        queue.failed(&1);
        let start = Instant::now();
        queue.next().await;
        assert_eq!(start.elapsed().as_millis(), 500);
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_comes_at_once_when_what_stood_in_the_way_is_gone() {
        let queue = queue();
        for key in ["done", "failed", "refused", "running"] {
            queue.add(key);
            queue.next().await;
        }
        queue.done(&"done", Some(Duration::from_mins(1)));
        queue.failed(&"failed");
        queue.refused(&"refused", Duration::from_mins(5));
        let start = Instant::now();
        queue.retry_failed();
        assert_eq!(key(&queue).await, Some("failed"));
        assert_eq!(key(&queue).await, Some("refused"));
        assert_eq!(start.elapsed(), Duration::ZERO);
        // No storm: the next wait is longer, and nothing is asked for twice.
        queue.failed(&"failed");
        queue.done(&"refused", None);
        assert_eq!(key(&queue).await, Some("failed"));
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        queue.done(&"failed", None);
        queue.retry_failed();
        assert_eq!(key(&queue).await, Some("done"));
        assert_eq!(start.elapsed(), Duration::from_mins(1));
    }

    #[tokio::test]
    async fn closing_ends_every_worker() {
        let queue = Arc::new(queue::<u8>());
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
            assert!(ended.unwrap().unwrap().is_none());
        }
    }
}
