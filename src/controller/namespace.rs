//! Namespaces: a suspension reaches every domain in them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use tokio::time::{Instant, timeout};

use super::calls::CallError;
use super::decode::Decoded;
use super::operator::Operator;
use super::store::Key;
use super::store::namespaces::is_suspended;
use super::watch;
use crate::model::uid::Uid;

/// What the watch of namespaces does.
pub struct Sink;

impl watch::Sink for Sink {
    type Kind = Namespace;

    fn api(client: &Client, _: Option<&str>) -> Api<Decoded<Namespace>> {
        Api::all(client.clone())
    }

    fn config(_: &Operator, scope: Option<&str>) -> watcher::Config {
        match scope {
            Some(name) => watcher::Config::default().fields(&format!("metadata.name={name}")),
            None => watcher::Config::default(),
        }
    }

    fn applied(operator: &Operator, object: Namespace, _listed: bool) {
        if operator.stores.namespaces_mut().upsert(&object) {
            let keys = operator.stores.domains().keys_in(Some(&object.name_any()));
            for key in keys {
                operator.domains.add(key);
            }
        }
    }

    fn deleted(operator: &Operator, key: &Key, _: Option<&Uid>) {
        operator.stores.namespaces_mut().remove(key.name());
    }

    fn known(operator: &Operator, scope: Option<&str>) -> Vec<Key> {
        if let Some(name) = scope {
            return vec![Key::new("", name)];
        }
        let names = operator.stores.namespaces().names();
        names.iter().map(|name| Key::new("", name)).collect()
    }
}

/// Live reads, one of a namespace at a time. Many domains of one become Verified at once, and a read that
/// began after they all had asked answers them all.
#[derive(Debug, Default)]
pub struct LiveReads {
    /// Of the namespaces that somebody asks for now.
    asked: Mutex<HashMap<Box<str>, Turn>>,
}

/// Whoever holds it reads; the last read is left to those who wait.
type Turn = Arc<tokio::sync::Mutex<Option<Read>>>;

#[derive(Clone, Copy, Debug)]
struct Read {
    begun: Instant,
    suspended: bool,
}

impl LiveReads {
    /// What `read` says of the namespace, begun by us or by another, and not before we asked. While reads
    /// succeed that is the second one from now at the latest, and none takes longer than `deadline`.
    async fn suspended<F>(
        &self,
        namespace: &str,
        deadline: Duration,
        read: impl FnOnce() -> F,
    ) -> Result<bool, CallError>
    where
        F: Future<Output = Result<bool, CallError>>,
    {
        let asked = Instant::now();
        let turn = Arc::clone(self.lock().entry(namespace.into()).or_default());
        let suspended = async {
            let longest = 2 * deadline;
            let mut last = timeout(longest, turn.lock())
                .await
                .map_err(|_| CallError::TimedOut(longest))?;
            if let Some(read) = last.filter(|read| read.begun >= asked) {
                return Ok(read.suspended);
            }
            let begun = Instant::now();
            let suspended = read().await?;
            *last = Some(Read { begun, suspended });
            Ok(suspended)
        }
        .await;
        let mut turns = self.lock();
        drop(turn);
        // The table's own: nobody else waits. One whose future was dropped leaves it to the next.
        if turns
            .get(namespace)
            .is_some_and(|turn| Arc::strong_count(turn) == 1)
        {
            turns.remove(namespace);
        }
        suspended
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Turn>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Operator {
    /// Whether the namespace is suspended, read live.
    pub(super) async fn is_suspended_live(&self, namespace: &str) -> Result<bool, CallError> {
        let api = Api::<Namespace>::all(self.client.clone());
        self.live_namespaces
            .suspended(namespace, self.calls.deadline, || async {
                Ok(is_suspended(&self.call(api.get(namespace)).await?))
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use tokio::time::sleep;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);
    const LATENCY: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_while_a_read_is_under_way_share_the_next_one() {
        let reads = LiveReads::default();
        let made = AtomicUsize::new(0);
        // Suspended from the second read on.
        let read = || async {
            let suspended = made.fetch_add(1, Ordering::Relaxed) > 0;
            sleep(LATENCY).await;
            Ok(suspended)
        };
        let later = (0..63).map(async |_| {
            sleep(LATENCY / 2).await;
            reads.suspended("a", DEADLINE, read).await.unwrap()
        });
        let (first, later) = tokio::join!(reads.suspended("a", DEADLINE, read), join_all(later));
        assert!(!first.unwrap());
        assert_eq!(later, [true; 63]);
        assert_eq!(made.load(Ordering::Relaxed), 2);
        assert!(reads.suspended("a", DEADLINE, read).await.unwrap());
        assert_eq!(made.load(Ordering::Relaxed), 3);
        assert!(reads.lock().is_empty(), "{reads:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_answers_nobody_else_and_another_namespace_does_not_wait() {
        let reads = LiveReads::default();
        let fails = || async {
            sleep(LATENCY).await;
            Err(CallError::NotFound)
        };
        let answers = || async {
            sleep(LATENCY).await;
            Ok(false)
        };
        let begun = Instant::now();
        let (failed, after, other) = tokio::join!(
            reads.suspended("a", DEADLINE, fails),
            reads.suspended("a", DEADLINE, answers),
            async {
                let answer = reads.suspended("b", DEADLINE, answers).await;
                (answer, begun.elapsed())
            },
        );
        assert!(matches!(failed, Err(CallError::NotFound)));
        assert!(!after.unwrap());
        assert!(!other.0.unwrap());
        assert_eq!(other.1, LATENCY);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_api_server_answers_all_who_wait() {
        let reads = LiveReads::default();
        let read = || async {
            sleep(DEADLINE * 2 / 3).await;
            Ok(false)
        };
        let later = (0..8).map(async |_| {
            sleep(LATENCY).await;
            reads.suspended("a", DEADLINE, read).await
        });
        let (first, later) = tokio::join!(reads.suspended("a", DEADLINE, read), join_all(later));
        assert!(
            first.is_ok() && later.iter().all(Result::is_ok),
            "{later:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_for_two_reads() {
        let reads = LiveReads::default();
        let hangs = || async {
            sleep(3 * DEADLINE).await;
            Ok(false)
        };
        let begun = Instant::now();
        let (_, waited) = tokio::join!(reads.suspended("a", DEADLINE, hangs), async {
            let answer = reads.suspended("a", DEADLINE, hangs).await;
            (answer, begun.elapsed())
        });
        assert!(matches!(waited.0, Err(CallError::TimedOut(_))));
        assert_eq!(waited.1, 2 * DEADLINE);
        assert!(reads.lock().is_empty(), "{reads:?}");
    }
}
