//! The clock was a day ahead for a while, and is right again.

use super::*;
use crate::api::conditions::{RECORD_PRESENT, VERIFIED};

/// Checked while the clock was ahead; by now it is right.
fn checked_ahead(subject: &mut Subject, verdict: Verdict) {
    subject.after(days(1)).step(Some(verdict));
    subject.after(-days(1)).step(None);
}

#[test]
fn a_proof_found_while_the_clock_was_ahead_is_one_of_now() {
    let mut subject = Subject::verified();
    for _ in 0..40 {
        subject.after(days(1)).step(Some(Verdict::Proven));
    }
    checked_ahead(&mut subject, Verdict::Proven);
    assert_eq!(subject.reason(), Reason::Verified);
    assert_eq!(subject.condition(VERIFIED), "True");
    let proven = subject.status.last_proven_time.as_ref().unwrap().0;
    assert_eq!(proven, subject.now);
}

#[test]
fn a_record_missed_while_the_clock_was_ahead_is_missing_since_now() {
    for misses in 1..3 {
        let mut subject = Subject::verified();
        for _ in 1..misses {
            subject.after(hours(56)).step(Some(Verdict::Absent));
        }
        subject.after(hours(40));
        checked_ahead(&mut subject, Verdict::Absent);
        assert_eq!(subject.condition(RECORD_PRESENT), "False", "{misses}");
        let since = CountedChecks {
            since_time: Time(subject.now),
            definite_checks: 1,
            last_time: Time(subject.now),
        };
        assert_eq!(subject.status.record_missing, Some(since), "{misses}");
        for third in 1..=3 {
            assert_eq!(subject.state(), State::Verified, "{third}");
            subject.after(hours(56)).step(Some(Verdict::Absent));
        }
        assert_eq!(subject.reason(), Reason::RecordLost, "{misses}");
    }
}

#[test]
fn a_token_issued_while_the_clock_was_ahead_stays() {
    let mut subject = Subject::new();
    subject.after(days(1)).step(None);
    let token = subject.token();
    subject.after(-days(1));
    let decision = subject.step(None);
    assert_eq!(subject.token(), token);
    assert_eq!(reasons(&decision), []);
    assert_eq!(subject.expiry(), Some(schedule::add(subject.now, days(30))));
}

#[test]
fn a_domain_proven_while_the_clock_was_ahead_is_not_at_rest() {
    let mut subject = Subject::verified();
    subject.after(days(1)).step(Some(Verdict::Proven));
    let settled = Settled::of(subject.now, &subject.settings, &subject.snapshot()).unwrap();
    let lasts = |now| settled.lasts(now, &subject.settings, subject.held_by);
    assert!(lasts(subject.now));
    assert!(!lasts(schedule::add(subject.now, -days(1))));
}

#[test]
fn a_domain_verified_while_the_clock_was_ahead_is_one_verification() {
    let mut subject = Subject::pending();
    let right = subject.now;
    let decided = subject.after(days(1)).step(Some(Verdict::Proven));
    assert_eq!(reasons(&decided), [Reason::Verified]);
    // The holding's time is the API server's.
    subject.held_by = us(right);
    subject.after(-days(1)).step(None);
    assert_eq!(subject.status.verified_time, Some(Time(right)));
    assert_eq!(subject.status.history.last(), decided.news.last());
}
