//! Whether the API server lets this process in. A process that is refused does not find out why: it
//! read its certificates, its CA and some tokens once, and new ones may be there. So it says that it
//! is not ready, and ends after minutes, for whoever starts it again with what the files say then.
//!
//! An API server that is away refuses nobody: that only stops the counting.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::error::ApiError;
use crate::telemetry::readiness::{NotReady, Readiness};

/// Longer than an API server that has just started refuses everybody.
pub(super) const UNREADY_AFTER: Duration = Duration::from_secs(6);
/// Longer than a token or a role takes to reach every API server.
const CUT_OFF_AFTER: Duration = Duration::from_mins(5);
/// Two refusals further apart count as so far apart: nobody knows what was between them.
const LONGEST_STEP: Duration = Duration::from_mins(1);

/// How calls with one purpose end.
#[derive(Debug)]
pub struct AccessMonitor {
    purpose: Purpose,
    readiness: Arc<Readiness>,
    refused: Mutex<Refused>,
    cut_off: Notify,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Many objects: one that is forbidden shows that the account is known.
    Work,
    /// The Lease: where it is forbidden, this replica will never work.
    Lease,
}

/// The API server refused this process for minutes; with what it said last.
#[derive(Debug, thiserror::Error)]
#[error(
    "the API server refused this process for five minutes, so the process must restart: certificates, CA files and some tokens are read only at start. If this happens again, check the kubeconfig or the service account, its roles, and the server's certificate. The last answer was: {0}"
)]
pub struct CutOff(pub String);

/// The refusals since the API server last let this process in.
#[derive(Debug, Default)]
struct Refused {
    time: Duration,
    last: Option<Instant>,
    why: String,
}

impl AccessMonitor {
    #[must_use]
    pub fn new(purpose: Purpose, readiness: Arc<Readiness>) -> Self {
        Self {
            purpose,
            readiness,
            refused: Mutex::default(),
            cut_off: Notify::new(),
        }
    }

    /// Counts a refusal; any other answer of the API server ends the count.
    pub fn record<T>(&self, result: &Result<T, ApiError>) {
        match result {
            Err(error @ ApiError::Untrusted(_)) => self.refused(error),
            Err(error @ ApiError::Forbidden(_)) if self.purpose == Purpose::Lease => {
                self.refused(error);
            }
            Err(ApiError::Unavailable(_) | ApiError::TimedOut(_)) => {
                self.refused.lock().last = None;
            }
            // Nothing was sent.
            Err(ApiError::NotLeading | ApiError::NoRandomness(_)) => {}
            _ => self.accepted(),
        }
    }

    /// The API server let this process in.
    pub fn accepted(&self) {
        let before = std::mem::take(&mut *self.refused.lock());
        if before.time >= UNREADY_AFTER {
            tracing::info!("the API server accepts this process again");
            self.readiness.clear(&self.not_ready().0);
        }
    }

    fn refused(&self, error: &ApiError) {
        let mut refused = self.refused.lock();
        let now = Instant::now();
        let step = refused.last.map(|last| now.duration_since(last));
        let (before, step) = (refused.time, step.unwrap_or_default().min(LONGEST_STEP));
        refused.time += step;
        refused.last = Some(now);
        refused.why = error.to_string();
        let time = refused.time;
        drop(refused);
        if before < UNREADY_AFTER && time >= UNREADY_AFTER {
            tracing::error!(%error, "the API server refuses this process");
            let (reason, sentence) = self.not_ready();
            self.readiness.set(reason, sentence);
        }
        if time >= CUT_OFF_AFTER {
            self.cut_off.notify_one();
        }
    }

    /// Waits until the refusals have lasted too long; returns what the last one said.
    pub async fn cut_off(&self) -> CutOff {
        self.cut_off.notified().await;
        CutOff(self.refused.lock().why.clone())
    }

    fn not_ready(&self) -> (NotReady, &'static str) {
        match self.purpose {
            Purpose::Work => (
                NotReady::Credentials,
                "the API server does not accept this process's credentials",
            ),
            Purpose::Lease => (
                NotReady::Lease,
                "the API server does not let this replica use its Lease",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use tokio::time::{advance, timeout};

    use super::*;

    fn access_monitor(purpose: Purpose) -> AccessMonitor {
        let readiness = Readiness::default();
        readiness.clear(&NotReady::Phase);
        AccessMonitor::new(purpose, Arc::new(readiness))
    }

    fn answer(code: u16) -> Result<(), ApiError> {
        let status = Status::failure("no", "Reason").with_code(code);
        Err(kube::Error::Api(Box::new(status)).into())
    }

    /// A call every two seconds, for so long.
    async fn hear(access_monitor: &AccessMonitor, result: &Result<(), ApiError>, time: Duration) {
        for _ in 0..time.as_secs() / 2 {
            access_monitor.record(result);
            advance(Duration::from_secs(2)).await;
        }
        access_monitor.record(result);
    }

    async fn is_cut_off(access_monitor: &AccessMonitor) -> bool {
        timeout(Duration::from_millis(1), access_monitor.cut_off())
            .await
            .is_ok()
    }

    fn is_ready(access_monitor: &AccessMonitor) -> bool {
        access_monitor.readiness.reasons().is_none()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn refused_credentials_cost_readiness_after_seconds_and_the_process_after_minutes() {
        for (purpose, code) in [
            (Purpose::Work, 401),
            (Purpose::Lease, 401),
            (Purpose::Lease, 403),
        ] {
            let access_monitor = access_monitor(purpose);
            hear(&access_monitor, &answer(code), 4 * SECOND).await;
            assert!(is_ready(&access_monitor), "{purpose:?} {code}");
            hear(&access_monitor, &answer(code), 4 * SECOND).await;
            assert!(!is_ready(&access_monitor), "{purpose:?} {code}");
            hear(&access_monitor, &answer(code), 280 * SECOND).await;
            assert!(!is_cut_off(&access_monitor).await, "{purpose:?} {code}");
            hear(&access_monitor, &answer(code), 20 * SECOND).await;
            assert!(access_monitor.cut_off().await.0.contains("no"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_answer_that_is_no_refusal_ends_it() {
        for answered in [Ok(()), answer(403), answer(409), answer(422)] {
            let access_monitor = access_monitor(Purpose::Work);
            for _ in 0..3 {
                hear(&access_monitor, &answer(401), 250 * SECOND).await;
                assert!(!is_ready(&access_monitor));
                access_monitor.record(&answered);
                assert!(is_ready(&access_monitor));
            }
            assert!(!is_cut_off(&access_monitor).await, "{answered:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_is_away_ends_no_process() {
        let away = [answer(503), answer(404), Err(ApiError::TimedOut(SECOND))];
        for purpose in [Purpose::Work, Purpose::Lease] {
            let access_monitor = access_monitor(purpose);
            for away in &away {
                hear(&access_monitor, away, 600 * SECOND).await;
            }
            assert!(is_ready(&access_monitor));
            // It starts, refuses a moment, and is away again: for hours.
            for _ in 0..20 {
                hear(&access_monitor, &answer(401), 4 * SECOND).await;
                hear(&access_monitor, &away[0], 600 * SECOND).await;
            }
            assert!(!is_cut_off(&access_monitor).await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_far_apart_are_not_the_time_between_them() {
        let access_monitor = access_monitor(Purpose::Work);
        for _ in 0..4 {
            access_monitor.record(&answer(401));
            advance(Duration::from_hours(1)).await;
        }
        assert!(!is_cut_off(&access_monitor).await);
    }
}
