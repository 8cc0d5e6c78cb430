//! Checks that count only together: a definite no once in each third of a period, and a verdict
//! from incomplete evidence once it was repeated.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::organization_domain::{CheckVerdict, CountedChecks, UnconfirmedVerdict};
use crate::model::schedule;

/// Counts a definite no; true once there was one in each third, a third apart, and the period is
/// over, so that no single outage or mistake costs a name.
pub fn count(counted: &mut Option<CountedChecks>, now: Timestamp, period: SignedDuration) -> bool {
    let counted = counted.get_or_insert_with(|| CountedChecks {
        since_time: Time(now),
        definite_checks: 1,
        last_time: Time(now),
    });
    if counted.definite_checks < 3 && now >= schedule::add(counted.last_time.0, period / 3) {
        counted.definite_checks += 1;
        counted.last_time = Time(now);
    }
    counted.definite_checks >= 3 && now >= schedule::add(counted.since_time.0, period)
}

/// Counts a verdict from incomplete evidence; true once three checks over the period said the same
/// with none contrary.
pub fn confirm(
    unconfirmed: &mut Option<UnconfirmedVerdict>,
    verdict: CheckVerdict,
    now: Timestamp,
    period: SignedDuration,
) -> bool {
    unconfirmed.take_if(|before| before.verdict != verdict);
    let said = unconfirmed.get_or_insert_with(|| UnconfirmedVerdict {
        verdict,
        since_time: Time(now),
        checks: 1,
        last_time: Time(now),
    });
    if said.checks < 3 && now >= schedule::add(said.last_time.0, period / 2) {
        said.checks += 1;
        said.last_time = Time(now);
    }
    said.checks >= 3 && now >= schedule::add(said.since_time.0, period)
}
