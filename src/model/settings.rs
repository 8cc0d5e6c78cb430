//! What an install may set, with the defaults that the documentation explains.

use jiff::SignedDuration;

use super::policy::NamePolicy;
use super::schedule::{Ladder, WRITTEN_FROM};
use super::service::ServiceName;

/// Everything a decision depends on besides the objects.
#[derive(Clone, Debug)]
pub struct Settings {
    pub service: ServiceName,
    pub names: NamePolicy,
    /// Periods between checks of a pending domain, by the age of its window.
    pub ladder: Ladder,
    /// How long a challenge may wait for its record.
    pub window: SignedDuration,
    /// Period between checks of a verified domain.
    pub recheck_period: SignedDuration,
    /// Period between checks of a verified domain whose record is missing.
    pub grace_check_period: SignedDuration,
    /// How long a verified domain outlives its record.
    pub grace: SignedDuration,
    /// How long a proof must stand beside a holder without record before the name passes on.
    pub hand_over_period: SignedDuration,
    /// Over how long incomplete evidence must be repeated before it acts.
    pub confirmation_period: SignedDuration,
    /// How long a proof is relied on without having been renewed.
    pub max_proof_age: SignedDuration,
}

impl Settings {
    /// A proof so soon after the one in the status is not written, so that checks close to each other
    /// write nothing: within five minutes, or a tenth of the time for which a proof is relied
    /// on, and never so long that the next one would come too late.
    #[must_use]
    pub fn proof_write_interval(&self) -> SignedDuration {
        let spare = self.max_proof_age - self.recheck_period;
        WRITTEN_FROM
            .min(self.max_proof_age / 10)
            .min(spare)
            .max(SignedDuration::ZERO)
    }
}

impl Default for Settings {
    fn default() -> Self {
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        Self {
            service: ServiceName::default(),
            names: NamePolicy::default(),
            ladder: Ladder::default(),
            window: days(30),
            recheck_period: days(1),
            grace_check_period: SignedDuration::from_hours(1),
            grace: days(7),
            hand_over_period: days(3),
            confirmation_period: SignedDuration::from_hours(1),
            max_proof_age: days(30),
        }
    }
}
