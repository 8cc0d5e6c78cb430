//! How many new tokens and requested checks a tenant gets at once.

use std::time::Duration;

use jiff::Timestamp;

use crate::cluster::store::domain::Domain;
use crate::controller::operator::Operator;
use crate::model::lifecycle::{self, Snapshot};

/// What the limits let through in one reconcile, however often it decides.
pub struct Admission {
    request: bool,
    challenge: bool,
}

impl Admission {
    /// A `met` request is let through, as a check answers it that was asked for already.
    pub fn new(met: bool) -> Self {
        Self {
            request: met,
            challenge: false,
        }
    }

    /// Takes from the limits for what the snapshot asks. Where one is used up the request is left
    /// for later, and it says how much later.
    pub fn admit(
        &mut self,
        operator: &Operator,
        now: Timestamp,
        domain: &Domain,
        snapshot: &mut Snapshot<'_>,
    ) -> Option<Duration> {
        let Some(canonical) = &domain.canonical else {
            return None;
        };
        let namespace = domain.key.namespace();
        if !self.request && lifecycle::has_new_request(now, snapshot) {
            if let Err(wait) = operator.request_limit.take(namespace, canonical) {
                snapshot.requested = None;
                return Some(wait);
            }
            self.request = true;
        }
        if !self.challenge && lifecycle::issues_challenge(now, &operator.settings, snapshot) {
            if let Err(wait) = operator.token_limit.take(namespace, canonical) {
                return Some(wait);
            }
            self.challenge = true;
        }
        None
    }
}
