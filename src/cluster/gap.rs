//! A watch that cannot begin, for a reason that may last: its kind is not served, or the account may
//! not watch it. `/readyz` says so until a full list came.

use std::sync::Arc;
use std::time::Duration;

use kube::Resource;
use kube::runtime::watcher;
use tokio::time::Instant;

use super::access_monitor::UNREADY_AFTER;
use crate::api::OrganizationDomain;
use crate::telemetry::readiness::{NotReady, Readiness};

/// Between two lists meanwhile: whoever mends it watches.
const RETRY_PERIOD: Duration = Duration::from_secs(5);
/// Refusals further apart have nothing to do with each other: a watch that goes on says nothing.
const LONGEST_STEP: Duration = Duration::from_mins(1);

/// Why a watch cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The API server knows no such kind of ours. Of an unknown path it says no more than 404.
    Undefined,
    Forbidden,
    Other,
}

impl Cause {
    pub fn of<K: Resource<DynamicType = ()>>(error: &watcher::Error) -> Self {
        let (watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))) = error
        else {
            return Self::Other;
        };
        match status.code {
            404 if K::group(&()) == OrganizationDomain::group(&()) => Self::Undefined,
            403 => Self::Forbidden,
            _ => Self::Other,
        }
    }
}

/// What became of one watch.
#[derive(Debug)]
pub struct Gap {
    kind: String,
    namespace: Option<String>,
    readiness: Arc<Readiness>,
    /// The first and the last time that it was forbidden.
    forbidden: Option<(Instant, Instant)>,
}

impl Gap {
    pub fn new(kind: &str, namespace: Option<String>, readiness: Arc<Readiness>) -> Self {
        Self {
            kind: kind.to_owned(),
            namespace,
            readiness,
            forbidden: None,
        }
    }

    /// After how long the watch is to begin anew with a list, where nothing else would show its end.
    pub fn restart_after(&mut self, cause: Cause) -> Option<Duration> {
        let sentence = match cause {
            Cause::Other => return None,
            Cause::Undefined => format!(
                "the API server does not serve {}: install the CRDs",
                self.kind
            ),
            Cause::Forbidden => {
                let now = Instant::now();
                let first = match self.forbidden {
                    Some((first, last)) if now.duration_since(last) < LONGEST_STEP => first,
                    _ => now,
                };
                self.forbidden = Some((first, now));
                // An API server that has just started refuses everybody for a moment.
                if now.duration_since(first) < UNREADY_AFTER {
                    return None;
                }
                format!(
                    "the account may not list and watch {} objects: check its roles",
                    self.kind
                )
            }
        };
        self.readiness.set(self.not_ready(), sentence);
        Some(RETRY_PERIOD)
    }

    /// A full list came.
    pub fn ended(&mut self) {
        self.forbidden = None;
        self.readiness.clear(&self.not_ready());
    }

    fn not_ready(&self) -> NotReady {
        NotReady::Watch {
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn gap() -> Gap {
        let readiness = Readiness::default();
        readiness.clear(&NotReady::Phase);
        let namespace = Some("tenant".to_owned());
        Gap::new("OrganizationDomain", namespace, Arc::new(readiness))
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_definition_is_said_until_a_list_comes() {
        let mut gap = gap();
        assert_eq!(gap.restart_after(Cause::Undefined), Some(RETRY_PERIOD));
        let said = gap.readiness.reasons().unwrap();
        assert!(said.contains("does not serve OrganizationDomain"), "{said}");
        // The port is open to everybody.
        assert!(!said.contains("tenant"), "{said}");
        assert_eq!(gap.restart_after(Cause::Other), None);
        assert!(gap.readiness.reasons().is_some());
        gap.ended();
        assert_eq!(gap.readiness.reasons(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_said_once_it_lasted() {
        let mut gap = gap();
        for _ in 0..10 {
            assert_eq!(gap.restart_after(Cause::Forbidden), None);
            assert_eq!(gap.readiness.reasons(), None);
            // The watch went on, and said nothing.
            advance(LONGEST_STEP).await;
        }
        for _ in 0..3 {
            assert_eq!(gap.restart_after(Cause::Forbidden), None);
            advance(UNREADY_AFTER / 3).await;
        }
        assert_eq!(gap.restart_after(Cause::Forbidden), Some(RETRY_PERIOD));
        assert!(gap.readiness.reasons().unwrap().contains("roles"));
    }
}
