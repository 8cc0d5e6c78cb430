//! Checks, apart from the decisions that ask for them: who waits for the DNS holds up no decision.
//!
//! A decision that finds a check due asks for it and ends. The check has a place of its own, given by
//! turns, and comes back with what it found: the key is decided on again, by what the object is then.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::queues::Queues;
use crate::cluster::key::Key;
use crate::cluster::store::domain::Domain;
use crate::cluster::store::holdings::HoldingView;
use crate::model::challenge::Token;
use crate::model::lifecycle::Judgement;
use crate::model::uid::Uid;

/// A check that was made.
pub struct Checked {
    /// Of the object that was checked.
    pub uid: Uid,
    /// The object as it was then. Where it did not change, it need not be read again.
    pub domain: Option<Arc<Domain>>,
    /// The request that it answers. One that was made later waits for a check of its own.
    pub requested: Option<Box<str>>,
    pub judgement: Judgement,
    /// When the first question was asked, by the clock that nobody sets.
    pub begun: Instant,
    /// The holding whose holder was judged too.
    pub holding: Option<Arc<HoldingView>>,
    /// Where the object's status lacked the token of its holding.
    pub recovery: Option<RecoveryResult>,
}

/// What became of the token that a holder's status lost.
#[derive(Debug, PartialEq, Eq)]
pub enum RecoveryResult {
    /// The record shows it.
    Published(Token),
    /// No record shows it, nor this one, which is issued in its place.
    Replaced(Token),
    /// The DNS does not say, and nothing is replaced for an outage.
    Unknown,
}

impl Checked {
    /// Says what became of the token that the status lost. What was judged is the one that is published,
    /// or else a new one.
    #[must_use]
    pub fn with_recovery(mut self, published: Option<Token>) -> Self {
        self.recovery = Some(match published {
            Some(token) => RecoveryResult::Published(token),
            None if self.judgement.verdict.is_negative() => {
                RecoveryResult::Replaced(self.judgement.token.clone())
            }
            None => RecoveryResult::Unknown,
        });
        self
    }
}

/// The checks of one operator.
pub struct Checks {
    queues: Arc<Queues>,
    /// What was found and nobody has decided on yet; its check keeps its place until then.
    found: Mutex<HashMap<Key, Checked>>,
    /// Something found was collected.
    collected: Notify,
}

impl Checks {
    #[must_use]
    pub fn new(queues: Arc<Queues>) -> Self {
        Self {
            queues,
            found: Mutex::default(),
            collected: Notify::new(),
        }
    }

    /// Asks for a check of the object. It comes back as a key to decide on.
    pub fn ask(&self, key: &Key) {
        if !self.is_asked(key) {
            self.queues.checks.add(key.clone());
        }
    }

    /// Whether a check was asked for, or is under way.
    #[must_use]
    pub fn is_asked(&self, key: &Key) -> bool {
        self.queues.checks.has(key)
    }

    /// Hands in what a check found, to be decided on.
    pub fn found(&self, key: &Key, checked: Checked) {
        self.found.lock().insert(key.clone(), checked);
        self.queues.domains.add(key.clone());
    }

    /// What a check found, for a decision.
    #[must_use]
    pub fn take(&self, key: &Key) -> Option<Checked> {
        let checked = self.found.lock().remove(key)?;
        self.queues.checks.done(key, None);
        self.collected.notify_waiters();
        Some(checked)
    }

    /// Waits until a decision took everything that was found.
    pub async fn decided(&self) {
        loop {
            let mut collected = pin!(self.collected.notified());
            // Before the test: what is collected after it wakes us.
            collected.as_mut().enable();
            if self.found.lock().is_empty() {
                return;
            }
            collected.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::organization_domain::CheckVerdict;
    use crate::model::agreement::Weight;
    use crate::model::challenge::TOKEN_OCTETS;
    use crate::model::evidence::Failure;
    use crate::model::report;
    use crate::model::verdict::Verdict;

    #[test]
    fn a_lost_token_is_the_published_one_or_replaced_where_the_dns_says_no() {
        let token = |n| Token::from_random([n; TOKEN_OCTETS]);
        let (old, new) = (token(1), token(2));
        let inconclusive = Verdict::Inconclusive(Failure::ServFail);
        for (published, verdict, recovery) in [
            (
                Some(&old),
                Verdict::Proven,
                RecoveryResult::Published(old.clone()),
            ),
            // Where not every server shows it, it is the token all the same.
            (
                Some(&old),
                Verdict::Disagreement,
                RecoveryResult::Published(old.clone()),
            ),
            (None, Verdict::Absent, RecoveryResult::Replaced(new.clone())),
            (None, Verdict::Disagreement, RecoveryResult::Unknown),
            (None, inconclusive, RecoveryResult::Unknown),
        ] {
            let checked = Checked {
                uid: "1".into(),
                domain: None,
                requested: None,
                judgement: Judgement {
                    verdict,
                    weight: Weight::Complete,
                    token: published.unwrap_or(&new).clone(),
                    holder: None,
                    dns_provider: None,
                    report: report::verdict_alone(CheckVerdict::Absent, None),
                },
                begun: Instant::now(),
                holding: None,
                recovery: None,
            };
            let checked = checked.with_recovery(published.cloned());
            assert_eq!(
                checked.recovery,
                Some(recovery),
                "{published:?} {verdict:?}"
            );
        }
    }
}
