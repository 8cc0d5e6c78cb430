//! Checks of a verified domain that decide nothing, or nothing yet, are repeated soon.

use super::*;
use crate::model::facts::Pace;

impl Subject {
    /// The next check, at its time, in which the servers take two seconds.
    fn next_step(&mut self, verdict: Verdict, weight: Weight) -> Decided {
        self.now = schedule::add(self.next_check.unwrap(), seconds(2));
        let judgement = Judgement {
            weight,
            ..self.judgement(verdict)
        };
        let decision = self.decide_on(Some(&judgement));
        self.apply(&decision);
        decision
    }

    /// How long the next check is away.
    fn wait(&self) -> SignedDuration {
        self.next_check.unwrap().duration_since(self.now)
    }
}

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

#[test]
fn an_undecided_check_is_repeated_soon_and_ever_later_up_to_an_hour() {
    for verdict in [INCONCLUSIVE, Verdict::Disagreement] {
        let mut subject = Subject::verified();
        let mut longest = SignedDuration::ZERO;
        let mut checks = 0;
        let end = schedule::add(subject.next_check.unwrap(), days(1));
        while subject.next_check.unwrap() < end {
            subject.next_step(verdict, Weight::Partial);
            checks += 1;
            assert!(subject.wait() >= 3 * MINUTE, "{:?}", subject.wait());
            assert!(subject.wait() <= 3 * longest.max(5 * MINUTE) && subject.wait() <= hours(1));
            longest = longest.max(subject.wait());
        }
        assert!(longest > 45 * MINUTE, "{longest:?}");
        assert!((24..=36).contains(&checks), "{checks}");
        // Proven again, it is checked daily at its own time.
        let daily = Subject::verified().next_check.unwrap();
        subject.next_step(Verdict::Proven, Weight::Complete);
        let next = subject.next_check.unwrap();
        assert_eq!(next.duration_since(daily).as_secs() % days(1).as_secs(), 0);
    }
}

#[test]
fn an_outage_is_written_once_a_period_and_no_default_shard_steps_in() {
    let mut subject = Subject::verified();
    let end = schedule::add(subject.next_check.unwrap(), days(10));
    let mut writes = 0;
    while subject.next_check.unwrap() < end {
        let before = subject.status.clone();
        let left_alone = left_alone_from(
            subject.next_check.unwrap(),
            &subject.settings,
            &before,
            start(),
        );
        assert!(left_alone > subject.next_check.unwrap());
        subject.next_step(INCONCLUSIVE, Weight::Partial);
        writes += u32::from(subject.status != before);
        // After a restart it is as after any other.
        let facts = Facts::read(&subject.status, subject.now);
        assert_eq!(facts.pace, Some(Pace::Every(hours(1))), "{writes}");
        let promised = Settled::of(subject.now, &subject.settings, &subject.snapshot())
            .unwrap()
            .next_check;
        let period = subject.settings.recheck_period;
        let resumed = schedule::resume(subject.now, promised, period, &subject.uid);
        assert!(resumed <= schedule::add(subject.now, hours(1)));
        let checked = subject.status.last_check.clone().unwrap().time.unwrap().0;
        assert!(subject.next_check.unwrap() <= schedule::add(checked, period));
    }
    assert!((10..=11).contains(&writes), "{writes}");
    subject.next_step(Verdict::Proven, Weight::Complete);
    assert_eq!(subject.status.check_period_seconds, None);
    assert!(subject.status.next_check_time.is_some());
}

#[test]
fn a_request_in_an_outage_is_answered_and_no_request_hurries_a_fresh_proof() {
    let mut subject = Subject::verified();
    let daily = subject.next_check;
    subject.requested = Some("a".into());
    subject.after(MINUTE).step(Some(INCONCLUSIVE));
    assert_eq!(subject.next_check, daily);
    subject.next_step(INCONCLUSIVE, Weight::Partial);
    subject.next_step(INCONCLUSIVE, Weight::Partial);
    subject.requested = Some("b".into());
    subject.step(Some(INCONCLUSIVE));
    assert_eq!(subject.status.last_handled_request.as_deref(), Some("b"));
    let checked = subject.status.last_check.clone().unwrap().time;
    assert_eq!(checked, Some(Time(whole_second(subject.now))));
}

#[test]
fn a_proof_goes_stale_in_an_outage_and_its_checks_go_on() {
    let mut subject = Subject::verified();
    let stale = schedule::add(subject.now, days(30));
    while subject.now < schedule::add(stale, days(2)) {
        subject.next_step(INCONCLUSIVE, Weight::Partial);
        assert!(subject.wait() <= hours(1));
        let expected = if subject.now > stale {
            Reason::ProofStale
        } else {
            Reason::Verified
        };
        assert_eq!(subject.reason(), expected);
    }
    subject.next_step(Verdict::Proven, Weight::Complete);
    assert_eq!(subject.reason(), Reason::Verified);
}

#[test]
fn incomplete_evidence_is_confirmed_within_its_period() {
    for period in [SignedDuration::from_mins(10), hours(1)] {
        for verdict in [Verdict::Proven, Verdict::Absent, MISMATCH] {
            let mut subject = Subject::verified();
            subject.settings.confirmation_period = period;
            subject.next_step(verdict, Weight::Partial);
            let since = subject.now;
            let before = subject.status.last_proven_time.clone();
            for _ in 0..2 {
                assert_eq!(subject.status.record_missing, None);
                assert_eq!(subject.status.last_proven_time, before);
                assert!(subject.wait() >= period / 2);
                subject.next_step(verdict, Weight::Partial);
            }
            let took = subject.now.duration_since(since);
            assert!(took >= period && took <= period + period / 4, "{took:?}");
            if verdict == Verdict::Proven {
                assert_eq!(
                    subject.status.last_proven_time,
                    Some(Time(whole_second(subject.now)))
                );
                assert!(subject.wait() > hours(20));
                // The same part of the servers is believed from then on.
                subject.next_step(verdict, Weight::Partial);
                assert!(subject.wait() > hours(20));
            } else {
                assert!(subject.status.record_missing.is_some());
            }
        }
    }
}

#[test]
fn a_record_that_is_back_in_the_grace_is_confirmed_within_the_period() {
    let mut subject = Subject::in_grace();
    subject.settings.confirmation_period = SignedDuration::from_mins(10);
    for _ in 0..3 {
        assert!(subject.status.record_missing.is_some());
        subject.next_step(Verdict::Proven, Weight::Partial);
    }
    assert_eq!(subject.status.record_missing, None);
}

#[test]
fn a_record_that_was_removed_in_an_outage_has_its_whole_grace() {
    let mut subject = Subject::verified();
    for _ in 0..40 {
        subject.next_step(INCONCLUSIVE, Weight::Partial);
        assert_eq!(subject.status.record_missing, None);
    }
    subject.next_step(Verdict::Absent, Weight::Complete);
    let since = subject.now;
    let mut counted = vec![since];
    while subject.state() == State::Verified {
        let hour = subject.now.duration_since(since).as_hours();
        // Only these hours decide anything.
        let verdict = if hour % 50 < 2 {
            Verdict::Absent
        } else {
            INCONCLUSIVE
        };
        let before = subject.status.record_missing.clone();
        subject.next_step(verdict, Weight::Complete);
        if subject.status.record_missing != before {
            counted.push(subject.now);
        }
    }
    assert!(subject.now >= schedule::add(since, days(7)));
    assert!(counted.windows(2).all(
        |pair| pair[1].duration_since(pair[0]) >= hours(56) - MINUTE || pair[1] == subject.now
    ));
    assert_eq!(subject.reason(), Reason::RecordLost);
}

#[test]
fn the_ordinary_period_is_never_exceeded() {
    for (recheck, grace_check) in [
        (seconds(1), seconds(1)),
        (seconds(40), hours(1)),
        (7 * MINUTE, hours(1)),
        (hours(1), hours(1)),
        (days(1), 2 * MINUTE),
    ] {
        let mut subject = Subject::verified();
        subject.settings.recheck_period = recheck;
        subject.settings.grace_check_period = grace_check;
        subject.step(Some(Verdict::Proven));
        for n in 0..50 {
            let weight = [Weight::Partial, Weight::Complete][n % 2];
            let verdict = [INCONCLUSIVE, Verdict::Proven, Verdict::Disagreement][n / 2 % 3];
            subject.next_step(verdict, weight);
            assert!(subject.wait() > SignedDuration::ZERO && subject.wait() <= recheck);
        }
    }
}
