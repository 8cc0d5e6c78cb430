//! Watches that do not get through, as one outage: whatever keeps one kind from being watched mostly keeps all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::telemetry::outage::REMINDER;

/// How long the first line waits for the other kinds.
const GATHER: Duration = Duration::from_secs(1);
/// A watch that goes on says nothing. One that does not fails again within the longest wait before a retry.
const FORGET_AFTER: Duration = Duration::from_secs(45);

/// The kinds whose watch failed lately.
#[derive(Debug, Default)]
pub struct Interruptions(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failing: BTreeMap<String, Failure>,
    /// Whether somebody reports.
    reported: bool,
}

#[derive(Debug)]
struct Failure {
    last: Instant,
    error: String,
}

impl Interruptions {
    /// The watch of the kind was interrupted.
    pub fn failed(self: &Arc<Self>, kind: &str, error: String) {
        let mut state = self.0.lock();
        let last = Instant::now();
        state
            .failing
            .insert(kind.to_owned(), Failure { last, error });
        if !std::mem::replace(&mut state.reported, true) {
            tokio::spawn(Arc::clone(self).report());
        }
    }

    /// The watch of the kind gets through.
    pub fn ended(&self, kind: &str) {
        let mut state = self.0.lock();
        // As nearly always.
        if !state.failing.is_empty() {
            state.failing.remove(kind);
        }
    }

    /// Logs until no watch fails any more.
    async fn report(self: Arc<Self>) {
        let mut said: Option<Instant> = None;
        loop {
            sleep(GATHER).await;
            let Some((kinds, error)) = self.failing() else {
                break;
            };
            if said.is_none_or(|said| said.elapsed() >= REMINDER) {
                tracing::warn!(
                    kinds,
                    error,
                    "cannot watch the API server's objects; trying again"
                );
                said = Some(Instant::now());
            }
        }
        if said.is_some() {
            tracing::info!("all watches of the API server work again");
        }
    }

    /// The kinds that fail, and what the last of them said.
    fn failing(&self) -> Option<(String, String)> {
        let mut state = self.0.lock();
        state
            .failing
            .retain(|_, failure| failure.last.elapsed() < FORGET_AFTER);
        let last = state.failing.values().max_by_key(|failure| failure.last);
        let Some(error) = last.map(|failure| failure.error.clone()) else {
            state.reported = false;
            return None;
        };
        let kinds: Vec<_> = state.failing.keys().map(String::as_str).collect();
        Some((kinds.join(", "), error))
    }
}
