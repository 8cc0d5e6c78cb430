//! What `/readyz` answers.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;

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

/// The reasons there are, each with a sentence. Anybody who reaches the port can read it, so that
/// the sentences name no namespace, object or account: the logs do.
#[derive(Debug)]
pub struct Readiness(Mutex<BTreeMap<NotReady, String>>);

impl Readiness {
    pub fn set(&self, reason: NotReady, sentence: impl Into<String>) {
        self.0.lock().insert(reason, sentence.into());
    }

    pub fn clear(&self, reason: &NotReady) {
        self.0.lock().remove(reason);
    }

    /// A line for each reason; none where the process is ready.
    #[must_use]
    pub fn reasons(&self) -> Option<String> {
        let reasons = self.0.lock();
        let lines: BTreeSet<&str> = reasons.values().map(String::as_str).collect();
        let lines = Vec::from_iter(lines).join("\n");
        (!reasons.is_empty()).then_some(lines)
    }
}

/// Of a process that starts.
impl Default for Readiness {
    fn default() -> Self {
        let readiness = Self(Mutex::default());
        readiness.set(NotReady::Phase, "the caches are not filled yet");
        readiness
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
        let readiness = Readiness::default();
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
