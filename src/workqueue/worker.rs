//! The worker: hands keys to a reconciler, and failed ones back to the queue.

use std::fmt::Display;
use std::hash::Hash;
use std::time::Duration;

use super::queue::Queue;
use crate::cluster::error::ApiError;
use crate::telemetry::metrics::{Controller, Metrics, ReconcileResult};

/// How long a key rests that the API server refuses for good: repeating helps nobody, and somebody
/// may change the rights or the CRDs.
pub const REFUSED_PAUSE: Duration = Duration::from_mins(5);

/// Brings what a key stands for closer to how it should be.
pub trait Reconciler: Send + Sync + 'static {
    type Key: Clone + Eq + Hash + Ord + Display + Send + Sync;

    const CONTROLLER: Controller;

    fn queue(&self) -> &Queue<Self::Key>;

    /// Says after which time to reconcile again without any event.
    fn reconcile(
        &self,
        key: &Self::Key,
    ) -> impl Future<Output = Result<Option<Duration>, ApiError>> + Send;
}

/// Takes keys until the queue closes.
pub async fn work<R: Reconciler>(reconciler: &R, metrics: &Metrics) {
    let queue = reconciler.queue();
    let controller = R::CONTROLLER;
    while let Some((key, waited)) = queue.next().await {
        metrics.queue_waited(controller, waited);
        let timer = metrics.reconcile_started(controller);
        match reconciler.reconcile(&key).await {
            Ok(again) => {
                queue.done(&key, again);
                // How long it lasted is the watches' to say: one key may fail beside others for ever.
                let _ = queue.failing.ended();
                timer.finish(match again {
                    Some(_) => ReconcileResult::RequeueAfter,
                    None => ReconcileResult::Success,
                });
            }
            Err(error) => {
                let controller = controller.as_str();
                timer.finish(back(queue, &key, &error, controller));
            }
        }
        metrics.queue_depth(controller, queue.depth());
        // Where a reconcile has nothing to write, nothing else lets the thread go: not to answers
        // of the DNS, nor to the Lease.
        tokio::task::coop::consume_budget().await;
    }
}

/// Hands a key back whose reconcile failed.
pub fn back<K>(queue: &Queue<K>, key: &K, error: &ApiError, controller: &str) -> ReconcileResult
where
    K: Clone + Eq + Hash + Ord + Display,
{
    tracing::debug!(%key, %error, controller, "a reconcile failed");
    let failures = queue.failing.failed();
    if error.is_retryable() {
        if let Some(failures) = failures {
            tracing::warn!(%key, %error, controller, failures, "reconciles fail; they are retried");
        }
        queue.failed(key);
        ReconcileResult::Error
    } else {
        if let Some(failures) = failures {
            tracing::error!(%key, %error, controller, failures, "reconciles fail; retries do not help");
        }
        queue.refused(key, REFUSED_PAUSE);
        ReconcileResult::TerminalError
    }
}
