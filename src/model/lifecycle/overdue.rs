//! A holder whose checks nobody makes.

use jiff::Timestamp;

use crate::api::organization_domain::{OrganizationDomainStatus, State};
use crate::model::facts::{Facts, Pace};
use crate::model::schedule;
use crate::model::settings::Settings;

/// From when on the holder of a name counts as left alone, by what its status says and since when
/// the name is held: its next check is late by a quarter of the period between its checks. Whoever
/// looks after it and was away starts again with what is overdue within a twenty-fourth.
#[must_use]
pub fn left_alone_from(
    now: Timestamp,
    settings: &Settings,
    status: &OrganizationDomainStatus,
    held_since: Timestamp,
) -> Timestamp {
    let facts = Facts::read(status, now);
    let (promised, period) = match facts.state {
        State::Verified => {
            let period = facts.period(now, settings);
            (promised(now, settings, &facts, held_since), period)
        }
        // The status does not even say that it holds the name.
        State::Pending | State::Failed => (held_since, settings.recheck_period),
    };
    schedule::add(promised, period / 4)
}

/// When the next check of a verified domain is due. Where the times of checks are not written down
/// each time, since they are close together or repeated, it is known by what they leave.
fn promised(
    now: Timestamp,
    settings: &Settings,
    facts: &Facts,
    held_since: Timestamp,
) -> Timestamp {
    let period = facts.period(now, settings);
    if let Some(Pace::At(time)) = facts.pace
        && time <= schedule::add(now, period)
    {
        return time;
    }
    let check = facts.last_check.as_ref();
    let checked = check.and_then(|check| Some(check.time.as_ref()?.0));
    let missing = facts.record_missing.as_ref();
    let missed = missing.map(|counted| counted.last_time.0);
    let signs = [facts.last_proven, missed, checked].into_iter().flatten();
    let past = signs.filter(|&time| time <= now);
    let sign = past.fold(held_since, Timestamp::max);
    let between = match facts.record_missing {
        // A missing record is counted once in each third.
        Some(_) => period.max(settings.grace / 3),
        None if period < schedule::WRITTEN_FROM => period + settings.proof_write_interval(),
        None => period,
    };
    schedule::add(sign, between)
}
