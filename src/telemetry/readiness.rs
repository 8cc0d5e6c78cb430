//! What `/readyz` answers.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::{Mutex, MutexGuard};

/// Why a process does not work.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotReady {
    /// It starts or ends.
    Phase,
    /// The API server does not take its credentials.
    Credentials,
    /// It may not use its Lease.
    Lease,
    /// One of its watches has no answer.
    Watch {
        kind: String,
        namespace: Option<String>,
    },
}

/// What a process says that has just started to work.
const NOT_FILLED: &str = "the caches are not filled yet";

/// The reasons there are, each with a sentence. Anybody who reaches the port can read it, so that
/// the sentences name no namespace, object or account: the logs do.
#[derive(Debug)]
pub struct Readiness(Mutex<BTreeMap<NotReady, String>>);

impl Readiness {
    /// Of a process that starts.
    #[must_use]
    pub fn new() -> Self {
        let readiness = Self(Mutex::default());
        readiness.set(NotReady::Phase, NOT_FILLED);
        readiness
    }

    pub fn set(&self, reason: NotReady, sentence: impl Into<String>) {
        self.lock().insert(reason, sentence.into());
    }

    pub fn clear(&self, reason: &NotReady) {
        self.lock().remove(reason);
    }

    /// A line for each reason; none where the process is ready.
    #[must_use]
    pub fn reasons(&self) -> Option<String> {
        let reasons = self.lock();
        let lines: BTreeSet<&str> = reasons.values().map(String::as_str).collect();
        let lines: Vec<&str> = lines.into_iter().collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NotReady, String>> {
        self.0.lock()
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(namespace: &str) -> NotReady {
        NotReady::Watch {
            kind: "Organization".to_owned(),
            namespace: Some(namespace.to_owned()),
        }
    }

    #[test]
    fn a_process_is_ready_when_the_last_reason_is_gone_and_each_sentence_is_said_once() {
        let readiness = Readiness::new();
        readiness.set(watch("a"), "no watch");
        readiness.set(watch("b"), "no watch");
        readiness.clear(&NotReady::Phase);
        assert_eq!(readiness.reasons().as_deref(), Some("no watch"));
        readiness.clear(&watch("a"));
        assert_eq!(readiness.reasons().as_deref(), Some("no watch"));
        readiness.clear(&watch("b"));
        assert_eq!(readiness.reasons(), None);
    }
}
