//! Checks, apart from the decisions that ask for them: who waits for the DNS holds up no decision.
//!
//! A decision that finds a check due asks for it and ends. The check has a place of its own, given by
//! turns, and comes back with what it found: the key is decided on again, by what the object is then.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::operator::{Operator, REFUSED_PAUSE};
use super::organization_domain::{Checked, check_now};
use crate::cluster::error::ApiError;
use crate::cluster::store::Key;
use crate::telemetry::metrics::{Controller, QueueCounters, ReconcileResult};
use crate::workqueue::fair::{Flow, Share};
use crate::workqueue::queue::Queue;

/// Places for checks beside so many workers that decide: a check mostly waits.
pub fn places(workers: usize) -> usize {
    workers.saturating_mul(16)
}

/// The checks of one operator.
pub struct Checks {
    queue: Queue<Key>,
    /// What was found and nobody has decided on yet; its check keeps its place until then.
    found: Mutex<HashMap<Key, Checked>>,
    /// Something found was taken.
    taken: Notify,
}

impl Checks {
    pub fn new(
        places: usize,
        counters: QueueCounters,
        lane: impl Fn(&Key) -> Flow + Send + Sync + 'static,
    ) -> Self {
        Self {
            queue: Queue::new(Share::OfPlaces(places), counters, lane),
            found: Mutex::default(),
            taken: Notify::new(),
        }
    }

    /// Asks for a check of the object. It comes back as a key to decide on.
    pub fn ask(&self, key: &Key) {
        if !self.is_asked(key) {
            self.queue.add(key.clone());
        }
    }

    /// Whether a check was asked for, or is under way.
    pub fn is_asked(&self, key: &Key) -> bool {
        self.queue.has(key)
    }

    /// What a check found, for a decision.
    pub fn take(&self, key: &Key) -> Option<Checked> {
        let checked = self.found().remove(key)?;
        self.queue.done(key, None);
        self.taken.notify_waiters();
        Some(checked)
    }

    /// Waits until a decision took everything that was found.
    async fn decided(&self) {
        loop {
            let mut taken = pin!(self.taken.notified());
            // Before the look: what is taken after it wakes us.
            taken.as_mut().enable();
            if self.found().is_empty() {
                return;
            }
            taken.await;
        }
    }

    /// Asks again for checks that failed.
    pub fn retry_failed(&self) {
        self.queue.retry_failed();
    }

    /// No check begins any more.
    pub fn close(&self) {
        self.queue.close();
    }

    fn found(&self) -> MutexGuard<'_, HashMap<Key, Checked>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the checks that are asked for. Those under way when the operator stops are finished and decided
/// on; then nothing is decided any more.
pub async fn run(operator: Arc<Operator>) {
    let checks = &operator.checks;
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            next = checks.queue.next() => {
                let Some((key, waited)) = next else {
                    while under_way.join_next().await.is_some() {}
                    checks.decided().await;
                    break;
                };
                operator.metrics.queue_waited(Controller::Check, waited);
                let depth = checks.queue.depth();
                operator.metrics.queue_depth(Controller::Check, depth);
                under_way.spawn(make(Arc::clone(&operator), key));
            }
            Some(ended) = under_way.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a check failed");
                    break;
                }
            }
        }
    }
    under_way.shutdown().await;
    operator.domains.close();
}

async fn make(operator: Arc<Operator>, key: Key) {
    let checks = &operator.checks;
    let timer = operator.metrics.reconcile_started(Controller::Check);
    match check_now(&operator, &key).await {
        Ok(Some(checked)) => {
            checks.found().insert(key.clone(), checked);
            timer.finish(ReconcileResult::Success);
        }
        Ok(None) => {
            checks.queue.done(&key, None);
            timer.finish(ReconcileResult::Success);
        }
        Err(error) => {
            again(checks, &key, &error);
            timer.finish(if error.is_retryable() {
                ReconcileResult::Error
            } else {
                ReconcileResult::TerminalError
            });
            return;
        }
    }
    operator.domains.add(key.clone());
}

fn again(checks: &Checks, key: &Key, error: &ApiError) {
    if error.is_retryable() {
        tracing::warn!(%key, %error, "the check is made again");
        checks.queue.failed(key);
    } else {
        tracing::error!(%key, %error, "cannot be checked");
        checks.queue.refused(key, REFUSED_PAUSE);
    }
}
