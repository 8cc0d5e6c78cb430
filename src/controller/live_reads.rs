//! Live reads of whether a namespace is suspended, shared by the domains that become Verified in it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, timeout};

use crate::cluster::error::ApiError;

/// For so long a read stands that showed no suspension. The evidence that a name is taken on may be a
/// minute old.
const STANDS: Duration = Duration::from_secs(1);

/// Live reads, one of a namespace at a time. Many domains of one become Verified at once, and one read
/// answers all who ask while it stands.
#[derive(Debug, Default)]
pub struct LiveReads {
    /// Of the namespaces that somebody asks for now, or asked for a moment ago.
    asked: Mutex<HashMap<Box<str>, Turn>>,
}

/// Whoever holds it reads; the last read is left to those who come after.
type Turn = Arc<tokio::sync::Mutex<Option<Read>>>;

#[derive(Clone, Copy, Debug)]
struct Read {
    begun: Instant,
    suspended: bool,
}

impl Read {
    /// Whether somebody who asked then may have it for an answer now.
    fn answers(self, asked: Instant) -> bool {
        self.begun >= asked || self.stands()
    }

    /// A suspension is lifted by somebody who waits for it.
    fn stands(self) -> bool {
        !self.suspended && self.begun.elapsed() < STANDS
    }
}

impl LiveReads {
    /// What `read` says of the namespace, begun by us or by another: after we asked, or no suspension a
    /// moment ago. While reads succeed that is the second one from now at the latest, and none takes longer
    /// than `deadline`.
    pub async fn suspended<F>(
        &self,
        namespace: &str,
        deadline: Duration,
        read: impl FnOnce() -> F,
    ) -> Result<bool, ApiError>
    where
        F: Future<Output = Result<bool, ApiError>>,
    {
        let asked = Instant::now();
        let turn = Arc::clone(self.lock().entry(namespace.into()).or_default());
        let suspended = async {
            let longest = 2 * deadline;
            let mut last = timeout(longest, turn.lock())
                .await
                .map_err(|_| ApiError::TimedOut(longest))?;
            if let Some(read) = last.filter(|read| read.answers(asked)) {
                return Ok(read.suspended);
            }
            let begun = Instant::now();
            let suspended = read().await?;
            *last = Some(Read { begun, suspended });
            Ok(suspended)
        }
        .await;
        drop(turn);
        self.forget_what_stands_no_longer();
        suspended
    }

    /// Few were read within the last second, so all are tested.
    fn forget_what_stands_no_longer(&self) {
        self.lock().retain(|_, turn| {
            // The table's own, where nobody waits. One whose future was dropped leaves it to the next.
            Arc::strong_count(turn) > 1
                || turn
                    .try_lock()
                    .is_ok_and(|last| last.is_some_and(Read::stands))
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Turn>> {
        self.asked.lock()
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
    async fn a_read_that_showed_no_suspension_stands_for_a_moment() {
        let reads = LiveReads::default();
        let made = AtomicUsize::new(0);
        // Suspended from the third read on.
        let read = || async { Ok(made.fetch_add(1, Ordering::Relaxed) > 1) };
        let ask = async || reads.suspended("a", DEADLINE, read).await.unwrap();
        assert!(!ask().await);
        sleep(STANDS * 9 / 10).await;
        assert!(!ask().await);
        assert_eq!(made.load(Ordering::Relaxed), 1);
        sleep(STANDS / 10).await;
        assert!(!ask().await);
        assert_eq!(made.load(Ordering::Relaxed), 2);
        sleep(STANDS).await;
        // A suspension answers nobody who asks after it.
        for reads in 3..6 {
            assert!(ask().await);
            assert_eq!(made.load(Ordering::Relaxed), reads);
        }
        assert!(reads.lock().is_empty(), "{reads:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_stands_no_longer_is_forgotten_with_the_next_read() {
        let reads = LiveReads::default();
        let read = || async { Ok(false) };
        for namespace in ["a", "b", "c"] {
            reads.suspended(namespace, DEADLINE, read).await.unwrap();
        }
        assert_eq!(reads.lock().len(), 3);
        sleep(STANDS).await;
        reads.suspended("d", DEADLINE, read).await.unwrap();
        assert_eq!(reads.lock().len(), 1, "{reads:?}");
    }

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
            Err(ApiError::NotFound)
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
        assert!(matches!(failed, Err(ApiError::NotFound)));
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
        assert!(matches!(waited.0, Err(ApiError::TimedOut(_))));
        assert_eq!(waited.1, 2 * DEADLINE);
        assert!(reads.lock().is_empty(), "{reads:?}");
    }
}
