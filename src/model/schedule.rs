//! When a domain is checked: a pure function of its age and its uid, so that a restart changes
//! nothing and a cold start spreads out.

use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use sha2::{Digest, Sha256};

use super::uid::Uid;

/// Below this period neither the time of a check nor of the next one is written to a status.
pub const WRITTEN_FROM: SignedDuration = SignedDuration::from_mins(5);

/// Periods between checks by age: each rung holds until its age is reached, the last for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    rungs: Vec<Rung>,
    last: SignedDuration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rung {
    until_age: SignedDuration,
    period: SignedDuration,
}

/// Why a text is not a ladder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "use PERIOD:UNTIL-AGE pairs with rising ages and a final PERIOD, such as 10s:15m,1m:1h,5m:1d,1h, not {0:?}"
)]
pub struct LadderError(String);

impl Ladder {
    /// The period at this age.
    #[must_use]
    pub fn period(&self, age: SignedDuration) -> SignedDuration {
        self.rungs
            .iter()
            .find(|rung| age < rung.until_age)
            .map_or(self.last, |rung| rung.period)
    }
}

impl Default for Ladder {
    fn default() -> Self {
        let rung = |until_age, period| Rung { until_age, period };
        Self {
            rungs: vec![
                rung(SignedDuration::from_mins(15), SignedDuration::from_secs(10)),
                rung(SignedDuration::from_hours(1), SignedDuration::from_mins(1)),
                rung(SignedDuration::from_hours(24), SignedDuration::from_mins(5)),
            ],
            last: SignedDuration::from_hours(1),
        }
    }
}

impl FromStr for Ladder {
    type Err = LadderError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rung = |part: &str| {
            let (period, until_age) = part.split_once(':')?;
            Some(Rung {
                period: parse_duration(period).ok()?,
                until_age: parse_duration(until_age).ok()?,
            })
        };
        let read = || {
            let mut parts = text.split(',');
            let last = parse_duration(parts.next_back()?).ok()?;
            let rungs: Vec<Rung> = parts.map(rung).collect::<Option<_>>()?;
            let rise = rungs.is_sorted_by(|a, b| a.until_age < b.until_age);
            rise.then_some(Self { rungs, last })
        };
        read().ok_or_else(|| LadderError(text.to_owned()))
    }
}

/// Reads `90s`, `15m`, `1h 30m` or `7d` (days of 24 hours), above zero.
pub fn parse_duration(text: &str) -> Result<SignedDuration, String> {
    let span: Option<Span> = text.trim().parse().ok();
    let duration = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let bounded = duration.filter(|&it| it > SignedDuration::ZERO && it <= MAX_DURATION);
    bounded.ok_or_else(|| {
        let number = text.trim();
        let unit = if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
            format!("the unit is missing: {number}s is {number} seconds; ")
        } else {
            String::new()
        };
        format!("{unit}use a duration such as 90s, 15m, 12h or 7d, not {text:?}")
    })
}

/// Ten years keep every sum of a time and a setting far from the end of time.
const MAX_DURATION: SignedDuration = SignedDuration::from_hours(24 * 3650);

/// The first time after `after` at which an object of this uid is due, once in each `period`.
#[must_use]
pub fn tick_after(after: Timestamp, period: SignedDuration, uid: &Uid) -> Timestamp {
    let period = millis(period);
    let phase = phase(uid, period);
    let passed = (after.as_millisecond() - phase).rem_euclid(period);
    add(after, SignedDuration::from_millis(period - passed))
}

/// When to check after a start: as the status promised, or, where that time went by while nobody
/// watched, soon but not all at once.
#[must_use]
pub fn resume(
    now: Timestamp,
    promised: Option<Timestamp>,
    period: SignedDuration,
    uid: &Uid,
) -> Timestamp {
    match promised {
        Some(time) if time > now && time <= add(now, period) => time,
        _ if period < WRITTEN_FROM => tick_after(now, period, uid),
        // A day's checks spread over an hour.
        _ => tick_after(now, period / 24, uid),
    }
}

/// The least time after which a check that decided nothing is repeated.
const REPEATED_FROM: SignedDuration = SignedDuration::from_mins(5);

/// When to repeat a check that decided nothing, of an object that is due since `due`: after as long
/// as it is overdue, so that the waits double, up to `longest`. Nothing need be counted for that.
#[must_use]
pub fn repeat_after(
    now: Timestamp,
    due: Timestamp,
    longest: SignedDuration,
    uid: &Uid,
) -> Timestamp {
    let overdue = now.duration_since(due);
    let wait = overdue.max(REPEATED_FROM).min(longest);
    spread_before(now, wait, uid)
}

/// When to repeat a check that must say the same again a `wait` later at least.
#[must_use]
pub fn confirm_after(now: Timestamp, wait: SignedDuration, uid: &Uid) -> Timestamp {
    spread_before(now, wait + wait / 4, uid)
}

/// A time of this uid's own in the last fifth of the wait.
fn spread_before(now: Timestamp, wait: SignedDuration, uid: &Uid) -> Timestamp {
    let part = wait / 5;
    tick_after(add(now, wait - part), part, uid)
}

/// From now until then, and nothing where that is over.
#[must_use]
pub fn wait(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO)
}

/// `time + duration`, held inside what a timestamp can say.
#[must_use]
pub fn add(time: Timestamp, duration: SignedDuration) -> Timestamp {
    time.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

fn millis(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_millis())
        .unwrap_or(i64::MAX)
        .max(1)
}

/// Where in a period this object's checks lie.
fn phase(uid: &Uid, period_millis: i64) -> i64 {
    let digest: [u8; 32] = Sha256::digest(uid.to_string()).into();
    let head = digest.first_chunk().copied().unwrap_or_default();
    i64::from_be_bytes(head).rem_euclid(period_millis)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn the_default_ladder_is_the_documented_one() {
        let ladder = Ladder::default();
        assert_eq!(ladder, "10s:15m,1m:1h,5m:1d,1h".parse().unwrap());
        for (age, period) in [
            (0, 10),
            (899, 10),
            (900, 60),
            (3599, 60),
            (3600, 300),
            (86_399, 300),
            (86_400, 3600),
            (10_000_000, 3600),
            (-5, 10),
        ] {
            assert_eq!(
                ladder.period(SignedDuration::from_secs(age)).as_secs(),
                period,
                "{age}"
            );
        }
    }

    #[test]
    fn bad_ladders_and_durations_are_refused() {
        for bad in [
            "",
            "10s:15m",
            "10s",
            "x",
            "10s:1h,1m:15m,1h",
            "0s",
            "-1s:1h,1h",
            "10s:15m,,1h",
        ] {
            let parsed = bad.parse::<Ladder>();
            assert_eq!(parsed.is_ok(), bad == "10s", "{bad:?} {parsed:?}");
        }
        for bad in ["", "10", "0s", "-5m", "1 month", "99999d", "1h x"] {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
        assert_eq!(parse_duration("7d").unwrap().as_hours(), 168);
        let unit = |text| {
            parse_duration(text)
                .unwrap_err()
                .contains("the unit is missing")
        };
        assert!(unit("5") && unit(" 30 ") && !unit("5 parsecs") && !unit(""));
    }

    #[test]
    fn after_a_start_the_promise_holds_or_the_checks_spread() {
        let day = SignedDuration::from_hours(24);
        assert_eq!(resume(at(0), Some(at(500)), day, &"u".into()), at(500));
        let late = resume(at(0), Some(at(-500)), day, &"u".into());
        assert!(late > at(0) && late <= at(3600));
        // Promised while the clock was a day ahead, or by nobody.
        for nonsense in [86_401, 172_000, 10_000_000] {
            let nonsense = resume(at(0), Some(at(nonsense)), day, &"u".into());
            assert!(nonsense > at(0) && nonsense <= at(3600));
        }
        let spread: std::collections::BTreeSet<_> = (0..1000)
            .map(|n| resume(at(0), None, day, &format!("uid-{n}").as_str().into()).as_second() / 60)
            .collect();
        assert_eq!(
            spread.len(),
            61.min(spread.len()).max(60),
            "a thousand objects reach every minute of the hour"
        );
    }

    proptest! {
        #[test]
        fn ticks_come_once_a_period(start in 0i64..1_000_000, period in 1i64..100_000, uid in "[a-f0-9]{8}") {
            let period = SignedDuration::from_secs(period);
            let uid = Uid::from(uid.as_str());
            let first = tick_after(at(start), period, &uid);
            prop_assert!(first > at(start) && first <= add(at(start), period));
            prop_assert_eq!(tick_after(first, period, &uid), add(first, period));
            // Whoever asks in between, after a restart for instance, hears of the same tick.
            let between = Timestamp::from_millisecond(first.as_millisecond() - 1).unwrap();
            if between >= at(start) {
                prop_assert_eq!(tick_after(between, period, &uid), first);
            }
        }

        #[test]
        fn extreme_times_do_not_panic(seconds in prop::num::i64::ANY, period in 1i64..i64::MAX / 2000) {
            if let Ok(time) = Timestamp::from_second(seconds) {
                let _ = tick_after(time, SignedDuration::from_secs(period), &"u".into());
            }
        }
    }
}
