//! The life table, row by row.

use std::collections::{BTreeSet, HashSet};

use super::*;
use crate::api::conditions::{READY, RECORD_PRESENT, STALLED, VERIFIED, find};
use crate::model::policy::NamePolicy;

#[test]
fn a_new_name_gets_a_challenge_and_a_window() {
    let mut subject = Subject::new();
    subject.domain = "Acme.COM".into();
    let decision = subject.step(None);
    assert_eq!(subject.state(), State::Pending);
    assert_eq!(subject.reason(), Reason::ChallengeIssued);
    assert_eq!(subject.status.canonical_name.as_deref(), Some("acme.com"));
    assert_eq!(subject.token(), Some(token(1)));
    assert_eq!(subject.expiry(), Some(schedule::add(start(), days(30))));
    let records: Vec<String> = subject.status.challenge.unwrap().records[..]
        .iter()
        .map(|record| format!("{} {} {}", record.name, record.record_type, record.value))
        .collect();
    assert_eq!(
        records,
        [
            format!("_freehold-challenge.acme.com TXT token={}", token(1)),
            format!("acme.com TXT freehold-domain-verification={}", token(1)),
        ]
    );
    assert_eq!(decision.holding, HoldingAction::Keep);
    assert_eq!(reasons(&decision), [Reason::ChallengeIssued]);
    let next = decision.next_check.unwrap();
    assert!(next > start() && next <= schedule::add(start(), seconds(10)));
    assert_eq!(decision.wake, Some(next));
}

#[test]
fn a_refused_name_fails_from_the_start_and_from_pending() {
    for name in [
        "com",
        "co.uk",
        "github.io",
        "192.0.2.1",
        "2001:db8::1",
        "a.example",
        "x.cluster.local",
        "nosuchtld",
        "gmail.com",
        "*.acme.com",
        "acme.com..",
        "",
    ] {
        for mut subject in [Subject::new(), Subject::pending(), Subject::failed()] {
            subject.domain = name.into();
            assert_eq!(subject.due(), None, "{name}");
            let decision = subject.step(None);
            assert_eq!(subject.state(), State::Failed, "{name}");
            assert_eq!(subject.reason(), Reason::NameRefused, "{name}");
            assert_eq!(subject.condition(STALLED), "True");
            let records = subject.status.challenge.as_ref().map(|c| c.records.len());
            assert_eq!(records.unwrap_or_default(), 0, "nothing to publish");
            assert_eq!(reasons(&decision), [Reason::NameRefused], "{name}");
            assert_eq!((decision.next_check, decision.wake), (None, None));
            assert_eq!(decision.holding, HoldingAction::Keep);
        }
    }
}

#[test]
fn a_refused_name_begins_anew_once_the_settings_allow_it() {
    let mut subject = Subject::new();
    subject.domain = "shop.internal".into();
    subject.step(None);
    assert_eq!(subject.reason(), Reason::NameRefused);
    subject.settings.names.allowed_suffixes = vec![DomainName::parse("internal").unwrap()];
    let decision = subject.step(None);
    assert_eq!(subject.state(), State::Pending);
    assert_eq!(subject.token(), Some(token(1)));
    assert_eq!(reasons(&decision), [Reason::ChallengeIssued]);
}

/// Two operators with different settings, or one whose settings change and change back.
#[test]
fn a_token_outlasts_a_refusal_however_often_it_comes() {
    let mut subject = Subject::pending();
    for _ in 0..3 {
        subject.settings.names = refusing_acme();
        let refused = subject.after(days(20)).step(None);
        assert_eq!(reasons(&refused), [Reason::NameRefused]);
        assert_eq!(subject.token(), Some(token(1)));
        assert_eq!((subject.expiry(), refused.wake), (None, None));
        let again = subject.decide(None);
        assert_eq!(again.status, subject.status);
        subject.settings.names = NamePolicy::default();
        assert!(!issues(&subject), "no token is taken from the limit");
        let decision = subject.after(seconds(1)).step(None);
        assert_eq!(reasons(&decision), []);
        assert_eq!((subject.state(), subject.tokens), (State::Pending, 1));
        assert_eq!(subject.token(), Some(token(1)));
        assert_eq!(subject.status.challenge.as_ref().unwrap().records.len(), 2);
        let window = subject.expiry().unwrap();
        assert_eq!(window, schedule::add(subject.now, days(30)), "anew");
    }
    subject.after(hours(1)).step(Some(Verdict::Proven));
    assert_eq!(subject.state(), State::Verified);
}

#[test]
fn a_holder_that_was_refused_before_its_holding_was_seen_keeps_its_token() {
    let mut subject = Subject::pending();
    subject.settings.names = refusing_acme();
    subject.step(None);
    subject.held_by = us(subject.now);
    for request in [None, Some("a".to_owned())] {
        let mut subject = subject.clone();
        subject.requested = request;
        let decision = subject.step(None);
        assert_eq!(decision.holding, HoldingAction::Keep);
        assert_eq!(subject.state(), State::Verified);
        assert_eq!(subject.token(), Some(token(1)));
    }
}

#[test]
fn a_request_for_a_refused_name_asks_for_a_new_token() {
    let mut refused = Subject::pending();
    refused.settings.names = refusing_acme();
    refused.step(None);
    refused.requested = Some("a".into());
    for seen_while_refused in [true, false] {
        let mut subject = refused.clone();
        if seen_while_refused {
            subject.step(None);
            assert_eq!(subject.reason(), Reason::NameRefused);
        }
        subject.settings.names = NamePolicy::default();
        assert!(issues(&subject));
        let decision = subject.step(None);
        assert_eq!(subject.token(), Some(token(2)));
        assert_eq!(reasons(&decision), [Reason::ChallengeIssued]);
        assert_eq!(subject.status.last_handled_request.as_deref(), Some("a"));
    }
}

fn issues(subject: &Subject) -> bool {
    issues_challenge(subject.now, &subject.settings, &subject.snapshot())
}

fn refusing_acme() -> NamePolicy {
    NamePolicy {
        consumer_mail_domains: HashSet::from([DomainName::parse("acme.com").unwrap()]),
        ..NamePolicy::default()
    }
}

#[test]
fn a_holder_outlives_a_refusal_and_is_still_checked() {
    let mut subject = Subject::verified();
    subject.settings.names = refusing_acme();
    let before = subject.status.clone();
    assert_eq!(subject.step(None).holding, HoldingAction::Keep);
    assert_eq!(subject.status, before);
    subject.now = subject.next_check.unwrap();
    assert!(subject.due().is_some());
    subject.step(Some(Verdict::Absent));
    for _ in 0..3 {
        subject.after(hours(56)).step(Some(Verdict::Absent));
    }
    assert_eq!(subject.held_by, HeldBy::Nobody);
    subject.step(None);
    assert_eq!(subject.reason(), Reason::NameRefused);
}

#[test]
fn proofs_close_to_each_other_write_nothing() {
    let mut subject = Subject::verified();
    subject.settings.recheck_period = seconds(30);
    let proven = |subject: &Subject| subject.status.last_proven_time.as_ref().map(|time| time.0);
    subject.after(hours(1)).step(Some(Verdict::Proven));
    assert_eq!(proven(&subject), Some(subject.now));
    let told = subject.status.clone();
    for _ in 0..9 {
        subject.after(seconds(30)).step(Some(Verdict::Proven));
        assert_eq!(subject.status, told);
    }
    subject.after(seconds(30)).step(Some(Verdict::Proven));
    assert_eq!(proven(&subject), Some(subject.now), "five minutes on");
    subject.after(seconds(30)).step(Some(Verdict::Absent));
    assert!(subject.status.record_missing.is_some());
    subject.after(seconds(30)).step(Some(Verdict::Proven));
    assert_eq!(proven(&subject), Some(subject.now), "it was missing");
    subject.requested = Some("again".into());
    subject.after(seconds(30)).step(Some(Verdict::Proven));
    assert_eq!(proven(&subject), Some(subject.now), "it was asked for");
    subject.after(seconds(30)).step(Some(Verdict::Absent));
    subject.requested = Some("once more".into());
    subject.after(seconds(30)).step(Some(Verdict::Proven));
    assert_eq!(subject.status.record_missing, None, "whoever asked");
    subject.settings.max_proof_age = seconds(90);
    subject.after(seconds(30)).step(Some(Verdict::Proven));
    assert_eq!(
        proven(&subject),
        Some(subject.now),
        "proofs are soon too old"
    );
}

#[test]
fn a_token_keeps_the_word_that_it_was_issued_with() {
    let mut subject = Subject::new();
    subject.domain = format!("{0}.{0}.{0}.{1}.com", "a".repeat(63), "a".repeat(37));
    subject.step(None);
    let published = subject.status.challenge.clone().unwrap().records;
    subject.step(Some(Verdict::Proven));
    // Even one for which the name of a new record would have no room.
    subject.settings.service = "b".repeat(40).parse().unwrap();
    for _ in 0..3 {
        let decision = subject.after(days(1)).step(None);
        assert_eq!(decision.holding, HoldingAction::Keep);
        assert_eq!(subject.state(), State::Verified);
        assert_eq!(subject.due().unwrap().service.as_str(), "freehold");
        subject.step(Some(Verdict::Proven));
    }
    assert_eq!(subject.token(), Some(token(1)));
    assert_eq!(subject.status.challenge.clone().unwrap().records, published);
}

#[test]
fn a_new_token_has_the_new_word() {
    let mut subject = Subject::new();
    subject.step(None);
    subject.settings.service = "acme-verify".parse().unwrap();
    subject.after(days(31)).step(Some(Verdict::Absent));
    assert_eq!(subject.state(), State::Failed);
    subject.requested = Some("again".to_owned());
    subject.step(None);
    let records = subject.status.challenge.clone().unwrap().records;
    assert_eq!(
        records[0].name,
        format!("_acme-verify-challenge.{}", subject.domain)
    );
}

#[test]
fn what_a_proof_brings_depends_on_who_holds_the_name() {
    let since = schedule::add(start(), seconds(-7));
    for (held_by, state, reason, holding, told) in [
        (
            HeldBy::Nobody,
            State::Verified,
            Reason::Verified,
            HoldingAction::Take(held("tenant", "acme-com", "uid-1", Strategy::Dns)),
            vec![Reason::Verified],
        ),
        (
            ANOTHER,
            State::Pending,
            Reason::HeldByAnother,
            HoldingAction::Keep,
            vec![Reason::HeldByAnother],
        ),
        (
            us(since),
            State::Verified,
            Reason::Verified,
            HoldingAction::Keep,
            vec![Reason::Verified],
        ),
    ] {
        let mut subject = Subject::pending();
        subject.held_by = held_by;
        let decision = subject.step(Some(Verdict::Proven));
        assert_eq!(subject.state(), state, "{held_by:?}");
        assert_eq!(subject.reason(), reason, "{held_by:?}");
        assert_eq!(decision.holding, holding, "{held_by:?}");
        assert_eq!(reasons(&decision), told, "{held_by:?}");
        assert_eq!(subject.token(), Some(token(1)), "{held_by:?}");
    }
}

#[test]
fn a_predecessor_is_released_before_the_name_is_taken() {
    for verdict in [None, Some(Verdict::Absent), Some(Verdict::Proven)] {
        let mut subject = Subject::pending();
        subject.held_by = HeldBy::Predecessor;
        let decision = subject.decide(verdict);
        assert_eq!(decision.holding, HoldingAction::ReleasePredecessor);
        assert_eq!(decision.status.state, Some(State::Pending));
        subject.apply(&decision);
        // The same evidence, read again.
        let taken = subject.decide(verdict).decision.holding;
        assert_eq!(
            matches!(taken, HoldingAction::Take(_)),
            verdict == Some(Verdict::Proven)
        );
    }
}

#[test]
fn a_holding_whose_status_was_not_written_is_told_of_without_a_check() {
    let mut subject = Subject::pending();
    let since = schedule::add(start(), seconds(30));
    subject.after(seconds(60)).held_by = us(since);
    assert_eq!(subject.due(), None);
    subject.step(None);
    assert_eq!(subject.state(), State::Verified);
    assert_eq!(subject.status.verified_time, Some(Time(since)));
    assert_eq!(subject.expiry(), None);
}

#[test]
fn what_a_pending_domain_says_of_each_verdict() {
    for (verdict, reason, told) in [
        (Verdict::Absent, Reason::RecordAbsent, vec![]),
        (
            MISMATCH,
            Reason::RecordMismatch,
            vec![Reason::RecordMismatch],
        ),
        (EXPIRED, Reason::RecordExpired, vec![Reason::RecordExpired]),
        (INCONCLUSIVE, Reason::CheckInconclusive, vec![]),
        (Verdict::Disagreement, Reason::CheckInconclusive, vec![]),
    ] {
        let mut subject = Subject::pending();
        let decision = subject.step(Some(verdict));
        assert_eq!(subject.state(), State::Pending);
        assert_eq!(subject.reason(), reason);
        assert_eq!(reasons(&decision), told);
        let said = message(&subject.status);
        let is_absent = reason == Reason::RecordAbsent;
        assert_eq!(
            said.contains("The record has not been found yet"),
            is_absent,
            "{said}"
        );
        assert_eq!(decision.holding, HoldingAction::Keep);
        assert_eq!(subject.status.last_check, Some(report(verdict)));
    }
}

#[test]
fn the_window_ends_with_its_reason() {
    use HeldBy::Nobody;
    use Reason::{HeldByAnother, WindowExpired};
    for (held_by, verdict, reason) in [
        (Nobody, Verdict::Absent, WindowExpired),
        (Nobody, MISMATCH, WindowExpired),
        (ANOTHER, Verdict::Absent, WindowExpired),
        (ANOTHER, Verdict::Proven, HeldByAnother),
    ] {
        let mut subject = Subject::pending();
        subject.held_by = held_by;
        subject.after(days(30) - seconds(1)).step(Some(verdict));
        assert_eq!(subject.state(), State::Pending);
        subject.after(seconds(1));
        subject.next_check = Some(schedule::add(subject.now, hours(1)));
        assert!(subject.due().is_some(), "the end of the window is a check");
        let decision = subject.step(Some(verdict));
        assert_eq!(subject.state(), State::Failed, "{verdict:?}");
        assert_eq!(subject.reason(), reason, "{verdict:?}");
        assert_eq!(reasons(&decision), [reason]);
        assert_eq!(subject.status.challenge, None);
        assert_eq!((decision.next_check, decision.wake), (None, None));
        assert_eq!(decision.holding, HoldingAction::Keep);
        assert_eq!(
            subject.status.last_check,
            Some(LastCheck {
                time: Some(Time(subject.now)),
                ..report(verdict)
            })
        );
    }
}

#[test]
fn an_outage_at_the_end_of_the_window_costs_a_day_and_no_more() {
    let mut subject = Subject::pending();
    subject.after(days(30)).step(Some(INCONCLUSIVE));
    assert_eq!(subject.state(), State::Pending);
    assert!(subject.decide(None).wake > Some(subject.now));
    let mut proven = subject.clone();
    proven.after(hours(1)).step(Some(Verdict::Proven));
    assert_eq!(proven.state(), State::Verified);
    subject.after(days(1)).step(Some(INCONCLUSIVE));
    assert_eq!(subject.reason(), Reason::WindowExpired);
}

#[test]
fn a_proof_at_the_last_moment_counts() {
    let mut subject = Subject::pending();
    let decision = subject.after(days(31)).step(Some(Verdict::Proven));
    assert_eq!(subject.state(), State::Verified);
    assert!(matches!(decision.holding, HoldingAction::Take(_)));
}

#[test]
fn the_end_of_a_window_wakes_before_the_next_check() {
    let mut subject = Subject::pending();
    subject
        .after(days(30) - seconds(1))
        .step(Some(Verdict::Absent));
    let decision = subject.decide(None);
    assert_eq!(decision.wake, subject.expiry());
    assert!(decision.next_check > decision.wake);
}

#[test]
fn a_name_that_came_free_is_checked_at_once() {
    let mut subject = Subject::pending();
    subject.held_by = ANOTHER;
    subject.step(Some(Verdict::Proven));
    assert_eq!(subject.due(), None);
    subject.held_by = HeldBy::Nobody;
    assert!(subject.due().is_some());
}

#[test]
fn a_request_restarts_what_failed() {
    let by_another = || {
        let mut subject = Subject::pending();
        subject.held_by = ANOTHER;
        subject.after(days(30)).step(Some(Verdict::Proven));
        subject
    };
    for mut subject in [Subject::failed(), Subject::lost(), by_another()] {
        let tokens = subject.tokens;
        subject.after(hours(1));
        assert_eq!(subject.due(), None);
        assert_eq!(subject.decide(None).status, subject.status);
        subject.requested = Some("again".into());
        let decision = subject.step(None);
        assert_eq!(subject.state(), State::Pending);
        assert_eq!(subject.token(), Some(token(tokens + 1)));
        assert_eq!(subject.expiry(), Some(schedule::add(subject.now, days(30))));
        assert_eq!(reasons(&decision), [Reason::ChallengeIssued]);
        assert_eq!(
            subject.status.last_handled_request.as_deref(),
            Some("again")
        );
        let next = decision.next_check.unwrap();
        assert!(next <= schedule::add(subject.now, seconds(10)));
    }
}

#[test]
fn a_restart_without_the_organization_waits_for_it() {
    let mut subject = Subject::failed().paused();
    subject.requested = Some("again".into());
    subject.step(None);
    assert_eq!(subject.state(), State::Pending);
    assert_eq!(subject.reason(), Reason::OrganizationMissing);
    assert_eq!(subject.token(), None);
    subject.after(days(3)).organization_exists = true;
    subject.step(None);
    assert_eq!(subject.token(), Some(token(2)));
    assert_eq!(subject.expiry(), Some(schedule::add(subject.now, days(30))));
}

#[test]
fn a_missing_record_starts_the_grace() {
    for (verdict, told) in [
        (Verdict::Absent, Reason::RecordAbsent),
        (MISMATCH, Reason::RecordMismatch),
        (EXPIRED, Reason::RecordMismatch),
    ] {
        let mut subject = Subject::verified();
        let decision = subject.after(days(1)).step(Some(verdict));
        assert_eq!(subject.state(), State::Verified);
        assert_eq!(subject.condition(READY), "True");
        assert_eq!(subject.condition(RECORD_PRESENT), "False");
        assert_eq!(
            subject.status.record_missing,
            Some(CountedChecks {
                since_time: Time(subject.now),
                definite_checks: 1,
                last_time: Time(subject.now),
            })
        );
        assert_eq!(reasons(&decision), [told]);
        assert_eq!(decision.holding, HoldingAction::Keep);
        let next = decision.next_check.unwrap();
        assert!(next <= schedule::add(subject.now, hours(1)), "hourly");
    }
}

#[test]
fn a_record_that_is_back_ends_the_grace() {
    let mut subject = Subject::in_grace();
    subject.after(hours(100)).step(Some(Verdict::Absent));
    let decision = subject.after(hours(1)).step(Some(Verdict::Proven));
    assert_eq!(subject.status.record_missing, None);
    assert_eq!(subject.condition(RECORD_PRESENT), "True");
    assert_eq!(reasons(&decision), [Reason::RecordFound]);
    assert_eq!(subject.status.last_proven_time, Some(Time(subject.now)));
    // The next loss has a grace of its own.
    subject.after(hours(100)).step(Some(Verdict::Absent));
    let missing = subject.status.record_missing.clone().unwrap();
    assert_eq!(missing.since_time, Time(subject.now));
    assert_eq!(missing.definite_checks, 1);
}

#[test]
fn a_loss_takes_a_definite_negative_in_each_third_and_the_grace() {
    use Verdict::{Absent, Proven};
    // The grace is 168 hours, a third of it 56. The times are hours since the first negative.
    for (checks, lost) in [
        (vec![(56, Absent), (112, Absent), (168, Absent)], true),
        (vec![(57, MISMATCH), (113, EXPIRED), (168, Absent)], true),
        (vec![(56, Absent), (112, Absent), (167, Absent)], false),
        (vec![(168, Absent)], false),
        (vec![(1000, Absent)], false),
        (vec![(1, Absent), (2, Absent), (168, Absent)], false),
        (vec![(55, Absent), (113, Absent), (168, Absent)], false),
        (
            vec![(56, Absent), (112, INCONCLUSIVE), (167, INCONCLUSIVE)],
            false,
        ),
        (
            vec![(56, Absent), (112, Absent), (168, INCONCLUSIVE)],
            false,
        ),
        (
            vec![
                (56, Absent),
                (112, Absent),
                (168, INCONCLUSIVE),
                (500, Absent),
            ],
            true,
        ),
        (
            vec![(56, Absent), (112, Absent), (140, Proven), (168, Absent)],
            false,
        ),
        // One outage between two mistakes: what is minutes apart is one mistake.
        (
            vec![(100, INCONCLUSIVE), (167, Absent), (168, Absent)],
            false,
        ),
        (vec![(167, Absent), (168, Absent), (222, Absent)], false),
        (vec![(167, Absent), (168, Absent), (223, Absent)], true),
    ] {
        let mut subject = Subject::in_grace();
        let since = subject.now;
        for (n, &(hour, verdict)) in checks.iter().enumerate() {
            subject.now = schedule::add(since, hours(hour));
            let decision = subject.step(Some(verdict));
            let last = n + 1 == checks.len();
            let expected = if lost && last {
                HoldingAction::Release
            } else {
                HoldingAction::Keep
            };
            assert_eq!(decision.holding, expected, "{checks:?} at {hour}");
            if lost && last {
                assert_eq!(subject.state(), State::Failed);
                assert_eq!(subject.reason(), Reason::RecordLost);
                assert_eq!(reasons(&decision), [Reason::RecordLost]);
                assert_eq!(subject.status.record_missing, None);
                assert_eq!(subject.status.challenge, None);
            } else {
                assert_eq!(subject.state(), State::Verified, "{checks:?} at {hour}");
            }
        }
    }
}

#[test]
fn the_grace_is_written_three_times() {
    let mut subject = Subject::in_grace();
    let mut written = BTreeSet::new();
    while subject.state() == State::Verified {
        let missing = subject.status.record_missing.clone().unwrap();
        written.insert((missing.definite_checks, missing.last_time));
        subject.now = subject.next_check.unwrap();
        subject.step(Some(Verdict::Absent));
    }
    assert_eq!(written.len(), 3);
}

#[test]
fn a_loss_whose_release_was_not_made_is_released() {
    for exists in [true, false] {
        let mut subject = Subject::lost();
        subject.held_by = us(start());
        subject.organization_exists = exists;
        let decision = subject.decide(None);
        assert_eq!(decision.holding, HoldingAction::Release, "{exists}");
        assert_eq!(decision.status.state, Some(State::Failed), "{exists}");
    }
}

#[test]
fn a_proof_that_is_not_renewed_goes_stale_and_comes_back() {
    let mut subject = Subject::verified();
    for day in 1..=30 {
        let decision = subject.after(days(1)).step(Some(INCONCLUSIVE));
        assert_eq!(subject.reason(), Reason::Verified, "day {day}");
        assert_eq!(reasons(&decision), []);
    }
    let decision = subject.after(days(1)).step(Some(INCONCLUSIVE));
    assert_eq!(subject.state(), State::Verified);
    assert_eq!(subject.condition(VERIFIED), "Unknown");
    assert_eq!(subject.condition(READY), "False");
    assert_eq!(decision.holding, HoldingAction::Keep);
    assert_eq!(reasons(&decision), [Reason::ProofStale]);
    assert_eq!(subject.after(days(1)).decide(None).status, subject.status);
    subject.after(days(1)).step(Some(Verdict::Proven));
    assert_eq!(subject.condition(VERIFIED), "True");
    assert_eq!(subject.condition(RECORD_PRESENT), "True");
    // The next time is news again.
    let again = subject.after(days(31)).step(Some(INCONCLUSIVE));
    assert_eq!(reasons(&again), [Reason::ProofStale]);
    assert_ne!(again.news[0].sequence, decision.news[0].sequence);
}

#[test]
fn a_stale_proof_whose_record_is_missing_is_lost_like_any_other() {
    let mut subject = Subject::stale();
    subject.after(days(1)).step(Some(Verdict::Absent));
    assert_eq!(subject.condition(VERIFIED), "Unknown");
    assert_eq!(subject.condition(RECORD_PRESENT), "False");
    assert!(message(&subject.status).contains("token="));
    for _ in 0..3 {
        subject.after(hours(56)).step(Some(Verdict::Absent));
    }
    assert_eq!(subject.reason(), Reason::RecordLost);
}

#[test]
fn one_negative_and_then_silence_does_not_keep_a_proof_fresh() {
    let mut subject = Subject::in_grace();
    for _ in 0..31 {
        subject.after(days(1)).step(Some(INCONCLUSIVE));
    }
    assert_eq!(subject.state(), State::Verified);
    assert_eq!(subject.condition(VERIFIED), "Unknown");
    assert_eq!(subject.condition(RECORD_PRESENT), "False");
}

#[test]
fn a_holding_that_is_gone_must_be_proved_again_at_once() {
    for held_by in [HeldBy::Nobody, ANOTHER] {
        let mut subject = Subject::verified();
        subject.after(days(3)).held_by = held_by;
        let decision = subject.step(None);
        assert_eq!(subject.state(), State::Pending);
        assert_eq!(subject.reason(), Reason::HoldingLost);
        assert_eq!(subject.token(), Some(token(1)), "the record may stay");
        assert_eq!(subject.expiry(), Some(schedule::add(subject.now, days(30))));
        assert_eq!(decision.holding, HoldingAction::Keep);
        assert_eq!(decision.next_check, Some(subject.now));
        assert!(subject.due().is_some());
        let taken = subject.step(Some(Verdict::Proven)).decision.holding;
        assert_eq!(
            matches!(taken, HoldingAction::Take(_)),
            held_by == HeldBy::Nobody
        );
    }
}

#[test]
fn an_inconclusive_check_changes_no_state() {
    for verdict in [INCONCLUSIVE, Verdict::Disagreement] {
        for mut subject in [
            Subject::pending(),
            Subject::verified(),
            Subject::in_grace(),
            Subject::stale(),
            Subject::failed(),
        ] {
            let before = subject.clone();
            let decision = subject.after(hours(1)).step(Some(verdict));
            assert_eq!(subject.state(), before.state());
            assert_eq!(subject.token(), before.token());
            assert_eq!(decision.holding, HoldingAction::Keep);
            assert_eq!(reasons(&decision), []);
            assert_eq!(
                subject.status.record_missing, before.status.record_missing,
                "neither loss nor return"
            );
            if subject.state() != State::Failed {
                assert_eq!(
                    subject.status.last_check.unwrap().verdict,
                    CheckVerdict::Inconclusive,
                    "it says so"
                );
            }
        }
    }
}

#[test]
fn without_its_organization_a_pending_domain_waits_and_its_window_stands_still() {
    let mut subject = Subject::pending();
    subject.after(days(10)).step(Some(Verdict::Absent));
    let expiry = subject.expiry().unwrap();
    let mut subject = subject.paused();
    assert_eq!(subject.state(), State::Pending);
    assert_eq!(subject.reason(), Reason::OrganizationMissing);
    assert_eq!(
        (subject.next_check, subject.decide(None).wake),
        (None, None)
    );
    subject.after(days(100));
    subject.requested = Some("now".into());
    assert_eq!(subject.due(), None);
    subject.step(Some(Verdict::Proven));
    assert_eq!(
        subject.state(),
        State::Pending,
        "nothing is proved meanwhile"
    );
    subject.organization_exists = true;
    let decision = subject.step(None);
    assert_eq!(subject.reason(), Reason::ChallengeIssued);
    assert_eq!(subject.expiry(), Some(schedule::add(expiry, days(100))));
    assert_eq!(decision.next_check, Some(subject.now));
    assert_eq!(subject.token(), Some(token(1)));
}

#[test]
fn a_new_domain_without_its_organization_gets_its_challenge_later() {
    let mut subject = Subject::new().paused();
    assert_eq!(subject.reason(), Reason::OrganizationMissing);
    assert_eq!(subject.status.challenge, None);
    subject.after(days(2)).organization_exists = true;
    subject.step(None);
    assert_eq!(subject.token(), Some(token(1)));
    assert_eq!(subject.expiry(), Some(schedule::add(subject.now, days(30))));
}

#[test]
fn without_its_organization_a_holding_is_given_up_after_the_grace() {
    let mut subject = Subject::verified().paused();
    let since = subject.now;
    assert_eq!(subject.state(), State::Verified);
    assert_eq!(subject.reason(), Reason::OrganizationMissing);
    let end = schedule::add(since, days(7));
    // What is held is checked on.
    let next_check = subject.next_check.unwrap();
    assert_eq!(subject.decide(None).wake, Some(next_check));
    assert!(next_check < end);
    subject.now = schedule::add(end, seconds(-1));
    assert_eq!(subject.step(None).holding, HoldingAction::Keep);
    subject.now = end;
    let decision = subject.decide(None);
    assert_eq!(decision.holding, HoldingAction::Release);
    assert_eq!(decision.status.state, Some(State::Pending));
    assert_eq!(reason(&decision.status), Reason::OrganizationMissing);
    // The status was written, the release was not.
    subject.status = decision.decision.status;
    assert_eq!(subject.step(None).holding, HoldingAction::Release);
    // It comes back to a whole window and no more.
    subject.after(days(3)).organization_exists = true;
    subject.step(None);
    assert_eq!(subject.state(), State::Pending);
    assert_eq!(subject.expiry(), Some(schedule::add(subject.now, days(30))));
    assert_eq!(subject.next_check, Some(subject.now));
}

#[test]
fn an_organization_that_is_back_in_the_grace_loses_nothing() {
    for (mut subject, missing) in [(Subject::verified(), false), (Subject::in_grace(), true)] {
        subject = subject.paused();
        subject.after(days(6)).organization_exists = true;
        let decision = subject.step(None);
        assert_eq!(subject.state(), State::Verified);
        assert_eq!(subject.reason(), Reason::Verified);
        assert_eq!(subject.status.record_missing.is_some(), missing);
        assert_eq!(subject.status.paused_time, None);
        assert_eq!(decision.next_check, Some(subject.now), "checked at once");
    }
}

#[test]
fn a_holding_without_status_and_organization_is_given_up_too() {
    let mut subject = Subject::pending();
    subject.held_by = us(start());
    let mut subject = subject.paused();
    assert_eq!(subject.state(), State::Verified);
    subject.after(days(7));
    assert_eq!(subject.step(None).holding, HoldingAction::Release);
}

#[test]
fn without_its_organization_the_holding_says_how_it_is_verified() {
    let mut subject = Subject::new();
    subject.status.state = Some(State::Verified);
    subject.status.strategy = Some(Strategy::Manual);
    subject.held_by = us(start());
    let subject = subject.paused();
    assert_eq!(subject.condition(RECORD_PRESENT), "True");
    assert_eq!(subject.decide(None).status, subject.status);
}

#[test]
fn failed_stays_failed_while_its_organization_comes_and_goes() {
    for mut subject in [Subject::failed(), Subject::lost(), Subject::refused()] {
        let reason = subject.reason();
        subject = subject.paused();
        assert_eq!((subject.state(), subject.reason()), (State::Failed, reason));
        subject.after(days(40)).organization_exists = true;
        subject.step(None);
        assert_eq!((subject.state(), subject.reason()), (State::Failed, reason));
    }
}

fn held(namespace: &str, name: &str, uid: &str, strategy: Strategy) -> VerifiedDomainSpec {
    VerifiedDomainSpec {
        holder: Holder {
            namespace: namespace.into(),
            name: name.into(),
            uid: uid.into(),
            organization: "acme".into(),
            token_hash: token(1).hash(),
        },
        strategy,
        handed_over_from: None,
        importing: false,
    }
}

#[test]
fn who_holds_is_told_by_uid_namespace_and_token() {
    let subject = Subject::new();
    let identity = subject.snapshot().identity;
    let ours = HeldBy::Us {
        since: start(),
        strategy: Strategy::Dns,
        token_known: true,
    };
    let unknown = HeldBy::Us {
        since: start(),
        strategy: Strategy::Dns,
        token_known: false,
    };
    let restored = HeldBy::Restored {
        since: start(),
        strategy: Strategy::Dns,
    };
    for (namespace, name, uid, has, expected) in [
        ("tenant", "acme-com", "uid-1", 1, ours),
        ("tenant", "acme-com", "uid-1", 2, unknown),
        ("tenant", "acme-com", "uid-0", 2, HeldBy::Predecessor),
        ("tenant", "acme-com", "uid-0", 1, restored),
        ("tenant", "other", "uid-2", 1, ANOTHER),
        ("other", "acme-com", "uid-2", 1, ANOTHER),
        ("other", "acme-com", "uid-1", 1, ANOTHER),
    ] {
        let spec = held(namespace, name, uid, Strategy::Dns);
        assert_eq!(
            HeldBy::of(&spec, start(), identity, Some(&token(has))),
            expected
        );
    }
    let moved = Identity {
        organization: "other",
        ..identity
    };
    let spec = held("tenant", "acme-com", "uid-0", Strategy::Dns);
    assert_eq!(
        HeldBy::of(&spec, start(), moved, Some(&token(1))),
        HeldBy::Predecessor
    );
    let approved = held("other", "acme-com", "uid-2", Strategy::Manual);
    let by_hand = HeldBy::Another {
        manual: true,
        from_us: false,
    };
    assert_eq!(HeldBy::of(&approved, start(), identity, None), by_hand);
    let passed = VerifiedDomainSpec {
        handed_over_from: Some("uid-1".into()),
        ..held("other", "acme-com", "uid-2", Strategy::Dns)
    };
    let from_us = HeldBy::Another {
        manual: false,
        from_us: true,
    };
    assert_eq!(HeldBy::of(&passed, start(), identity, None), from_us);
}

#[test]
fn a_settings_change_does_not_hurry_the_checks_of_old_windows() {
    let mut subject = Subject::pending();
    subject.after(days(3)).settings.window = days(10);
    let decision = subject.step(Some(Verdict::Absent));
    let next = decision.next_check.unwrap();
    assert_eq!(
        subject.status.next_check_time,
        Some(Time(whole_second(next))),
        "hourly, as for any window of three days"
    );
}

#[test]
fn one_tick_is_one_check() {
    let mut subject = Subject::pending();
    for _ in 0..20 {
        let tick = subject.next_check.unwrap();
        // The DNS takes a moment, less than a second.
        subject.now = schedule::add(tick, SignedDuration::from_millis(1));
        subject.step(Some(Verdict::Absent));
        assert!(subject.next_check.unwrap() > subject.now, "tick {tick}");
    }
}

#[test]
fn the_provider_is_told_and_outlives_a_check_that_decides_nothing() {
    let provider = |name: &str| {
        Some(DnsProvider {
            name: name.to_owned(),
            link: Some(format!("https://{}.example/add", name.to_lowercase())),
        })
    };
    let mut subject = Subject::pending();
    let mut check = |verdict, dns_provider: Option<DnsProvider>| {
        subject.after(seconds(10));
        let judgement = Judgement {
            dns_provider,
            ..subject.judgement(verdict)
        };
        let decision = subject.decide_on(Some(&judgement));
        subject.apply(&decision);
        let message = find(&subject.status.conditions, READY)
            .unwrap()
            .message
            .clone();
        (subject.status.dns_provider.clone(), message)
    };
    let (known, message) = check(Verdict::Absent, provider("One"));
    assert_eq!(known, provider("One"));
    assert!(
        message.contains("run by One") && message.contains("https://one.example/add"),
        "{message}"
    );
    for undecided in [
        Verdict::Inconclusive(Failure::Timeout),
        Verdict::Disagreement,
    ] {
        assert_eq!(check(undecided, None).0, provider("One"));
    }
    // Told at once, however close checks are.
    let (known, message) = check(Verdict::Absent, provider("Two"));
    assert_eq!(known, provider("Two"));
    assert!(message.contains("run by Two"), "{message}");
    let (known, message) = check(Verdict::Absent, None);
    assert_eq!(known, None);
    assert!(!message.contains("run by"), "{message}");
    let (known, _) = check(Verdict::Proven, provider("One"));
    assert_eq!(known, provider("One"));
    assert_eq!(subject.state(), State::Verified);
}

#[test]
fn a_new_mistake_is_told_at_once_and_written_once() {
    use Verdict::{Absent, Disagreement};
    use Weight::{Complete, Partial};
    let mut subject = Subject::pending();
    let mut check = |verdict, weight, hint: Option<&str>| {
        subject.after(seconds(10));
        let mut judgement = subject.judgement(verdict);
        judgement.weight = weight;
        judgement.report.hint = hint.map(str::to_owned);
        let decision = subject.decide_on(Some(&judgement));
        let written = decision.status != subject.status;
        subject.apply(&decision);
        (written, message(&subject.status).to_owned())
    };
    assert!(check(Absent, Complete, None).0);
    let (written, message) = check(Absent, Complete, Some("Twice."));
    assert!(
        written && message.contains(" Twice. Publish a TXT record"),
        "{message}"
    );
    // What a server says now and then is not written now and then.
    for hint in [Some("Twice."), None, Some("Twice."), None] {
        let (written, message) = check(Absent, Complete, hint);
        assert!(
            !written && message.contains("Twice."),
            "{hint:?}: {message}"
        );
    }
    let (written, message) = check(Absent, Complete, Some("Quotes."));
    assert!(written && message.contains("Quotes."), "{message}");
    let (written, message) = check(Disagreement, Complete, Some("They differ."));
    assert!(written && message.contains("They differ."), "{message}");
    for hint in [
        "The check could not decide: SERVFAIL.",
        "The check could not decide: REFUSED.",
    ] {
        let (written, message) = check(INCONCLUSIVE, Complete, Some(hint));
        assert!(!written && message.contains("They differ."), "{message}");
    }
    check(Absent, Partial, None);
    let (written, _) = check(Absent, Partial, Some("Twice."));
    assert!(written, "one dead server hides no mistake");
    for hint in [None, Some("Twice."), None] {
        assert!(!check(Absent, Partial, hint).0, "{hint:?}");
    }
}

/// An old value, then the right one, and one of two servers is dead.
#[test]
fn the_last_check_is_the_last_one_even_while_evidence_is_incomplete() {
    let mut subject = Subject::pending();
    let mut check = |verdict, hint: Option<&str>, observed: &[&str]| {
        subject.after(seconds(10));
        let mut judgement = subject.judgement(verdict);
        judgement.weight = Weight::Partial;
        judgement.report.hint = hint.map(str::to_owned);
        judgement.report.observed_values = observed.iter().map(ToString::to_string).collect();
        let decision = subject.decide_on(Some(&judgement));
        let written = decision.status != subject.status;
        subject.apply(&decision);
        assert_eq!(subject.reason(), Reason::EvidenceIncomplete);
        let unconfirmed = subject.status.unconfirmed.clone().unwrap().verdict;
        let last = subject.status.last_check.clone().unwrap();
        assert_eq!(unconfirmed, last.verdict);
        (written, last)
    };
    check(MISMATCH, Some("Publish the present one."), &["token=old"]);
    let (written, last) = check(MISMATCH, Some("Publish the present one."), &["token=new"]);
    assert!(written && last.observed_values == ["token=new"]);
    // A server that is seldom heard has another value still.
    let mut heard = false;
    let both = ["token=new", "token=old"];
    assert!(check(MISMATCH, None, &both).0);
    for (hint, observed) in [("One.", &both[..1]), ("Both.", &both)].repeat(3) {
        let (written, _) = check(MISMATCH, Some(hint), observed);
        assert_eq!(written, hint == "Both." && !heard, "{observed:?}");
        heard |= hint == "Both.";
    }
    let (written, last) = check(Verdict::Proven, None, &[]);
    assert!(written && last.verdict == CheckVerdict::Proven);
    assert_eq!((last.hint, last.observed_values.len()), (None, 0));
    assert!(!check(Verdict::Proven, None, &[]).0);
}

#[test]
fn a_verified_domain_is_told_why_its_record_is_missing() {
    let mut subject = Subject::verified();
    let mut judgement = subject.judgement(MISMATCH);
    judgement.report.hint = Some("Quotes.".to_owned());
    subject.after(days(1));
    let decision = subject.decide_on(Some(&judgement));
    for (kind, words) in [(READY, "Quotes."), (RECORD_PRESENT, "is missing")] {
        let message = &find(&decision.status.conditions, kind).unwrap().message;
        assert!(message.contains(words), "{message}");
    }
}
