//! Checks that count only together: a definite no once in each third of a period, and a verdict
//! from incomplete evidence once it was repeated.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::organization_domain::{CheckVerdict, CountedChecks, UnconfirmedVerdict};
use crate::model::schedule;

/// Counts a definite no; true once there was one in each third, a third apart, and the period is
/// over, so that no single outage or mistake costs a name.
pub fn count(counted: &mut Option<CountedChecks>, now: Timestamp, period: SignedDuration) -> bool {
    let Some(counted) = counted else {
        *counted = Some(CountedChecks {
            since_time: Time(now),
            definite_checks: 1,
            last_time: Time(now),
        });
        return false;
    };
    let since = counted.since_time.0;
    if counted.definite_checks < 3 && now >= schedule::add(counted.last_time.0, period / 3) {
        counted.definite_checks += 1;
        counted.last_time = Time(now);
    }
    counted.definite_checks >= 3 && now >= schedule::add(since, period)
}

/// Counts a verdict from incomplete evidence; true once three checks over the period said the same
/// with none contrary.
pub fn confirm(
    unconfirmed: &mut Option<UnconfirmedVerdict>,
    verdict: CheckVerdict,
    now: Timestamp,
    period: SignedDuration,
) -> bool {
    match unconfirmed {
        Some(before) if before.verdict == verdict => {
            if before.checks < 3 && now >= schedule::add(before.last_time.0, period / 2) {
                before.checks += 1;
                before.last_time = Time(now);
            }
            before.checks >= 3 && now >= schedule::add(before.since_time.0, period)
        }
        _ => {
            *unconfirmed = Some(UnconfirmedVerdict {
                verdict,
                since_time: Time(now),
                checks: 1,
                last_time: Time(now),
            });
            false
        }
    }
}
