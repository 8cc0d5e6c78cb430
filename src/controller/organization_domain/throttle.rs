//! How many new tokens and requested checks a tenant gets at once.

use std::time::Duration;

use jiff::Timestamp;

use crate::cluster::store::domain::Domain;
use crate::model::lifecycle::{self, Snapshot};
use crate::model::settings::Settings;
use crate::workqueue::rate_limit::RateLimiter;

/// Requests by annotation for one namespace and registrable domain: so many at once, then one each
/// time.
const REQUESTS: (u32, Duration) = (60, Duration::from_secs(1));
/// New tokens for one namespace and registrable domain: as many as may be pending, then one each
/// time.
const TOKEN_REFILL: Duration = Duration::from_secs(10);

/// The limits of all tenants.
pub struct TenantLimits {
    requests: RateLimiter,
    tokens: RateLimiter,
}

impl TenantLimits {
    #[must_use]
    pub fn new(max_pending: usize) -> Self {
        let tokens = u32::try_from(max_pending).unwrap_or(u32::MAX);
        Self {
            requests: RateLimiter::new(REQUESTS.0, REQUESTS.1),
            tokens: RateLimiter::new(tokens, TOKEN_REFILL),
        }
    }

    /// How long to wait until a token could be issued; none where one could be now.
    #[must_use]
    pub fn wait_for_token(&self, domain: &Domain) -> Option<Duration> {
        let canonical = domain.canonical.as_deref()?;
        self.tokens.wait(domain.key.namespace(), canonical)
    }
}

/// What the limits let through in one reconcile, however often it decides.
pub struct Throttle<'a> {
    pub limits: &'a TenantLimits,
    /// Whether the request is let through, and the challenge.
    pub request: bool,
    pub challenge: bool,
}

impl Throttle<'_> {
    /// Takes from the limits for what the snapshot asks. Where one is used up the request is left
    /// for later, and it says how much later.
    pub fn admit(
        &mut self,
        settings: &Settings,
        now: Timestamp,
        domain: &Domain,
        snapshot: &mut Snapshot<'_>,
    ) -> Option<Duration> {
        let canonical = domain.canonical.as_deref()?;
        let namespace = domain.key.namespace();
        if !self.request && lifecycle::has_new_request(now, snapshot) {
            if let Err(wait) = self.limits.requests.take(namespace, canonical) {
                snapshot.requested = None;
                return Some(wait);
            }
            self.request = true;
        }
        if !self.challenge && lifecycle::issues_challenge(now, settings, snapshot) {
            if let Err(wait) = self.limits.tokens.take(namespace, canonical) {
                return Some(wait);
            }
            self.challenge = true;
        }
        None
    }
}
