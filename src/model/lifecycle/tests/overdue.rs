//! From when on a holder counts as left alone.

use super::*;

/// How long after now the default shard steps in.
fn after_now(subject: &Subject, held_since: Timestamp) -> SignedDuration {
    left_alone_from(subject.now, &subject.settings, &subject.status, held_since)
        .duration_since(subject.now)
}

#[test]
fn a_check_that_is_late_by_a_quarter_of_its_period_is_nobodys() {
    let subject = Subject::verified();
    let next = subject.next_check.unwrap().duration_since(subject.now);
    let late = after_now(&subject, subject.now);
    assert_eq!(late.as_secs(), (next + hours(6)).as_secs());

    let subject = Subject::in_grace();
    let next = subject.next_check.unwrap().duration_since(subject.now);
    let late = after_now(&subject, start());
    assert!(next <= hours(1));
    assert_eq!(
        late.as_secs(),
        (next + SignedDuration::from_mins(15)).as_secs()
    );
}

#[test]
fn close_checks_are_known_by_what_they_leave() {
    let mut subject = Subject::pending();
    subject.settings = Settings {
        recheck_period: seconds(40),
        grace_check_period: seconds(20),
        grace: seconds(180),
        ..Settings::default()
    };
    subject.after(hours(1)).step(Some(Verdict::Proven));
    assert_eq!(subject.status.next_check_time, None);
    // A proof in the five minutes after one that was told leaves nothing.
    let told = SignedDuration::from_mins(5);
    assert_eq!(after_now(&subject, start()), told + seconds(50));
    let proven = subject.now;
    subject.after(told).step(Some(Verdict::Proven));
    subject.after(seconds(40)).step(Some(Verdict::Proven));
    assert_eq!(
        subject.status.last_proven_time,
        Some(Time(schedule::add(proven, told)))
    );
    assert_eq!(after_now(&subject, start()), told + seconds(10));
    subject.after(seconds(30)).step(Some(INCONCLUSIVE));
    assert_eq!(after_now(&subject, start()), told - seconds(20));
    subject.after(seconds(30)).step(Some(Verdict::Absent));
    // The next third of the grace is the next to be written.
    assert_eq!(after_now(&subject, start()), seconds(65));
}

#[test]
fn a_status_that_hides_its_holding_is_as_old_as_the_holding() {
    for subject in [Subject::pending(), Subject::lost()] {
        let late = after_now(&subject, subject.now);
        assert_eq!(late, hours(6));
    }
}

#[test]
fn a_promise_that_no_schedule_makes_is_not_believed() {
    let mut subject = Subject::verified();
    let far = schedule::add(subject.now, days(300));
    subject.status.next_check_time = Some(Time(far));
    assert_eq!(after_now(&subject, start()), days(1) + hours(6));
}
