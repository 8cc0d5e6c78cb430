//! What holds for every status, however it came about.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use proptest::option::of;
use proptest::prelude::*;
use proptest::strategy::Strategy;

use super::*;
use crate::api::conditions::{MAX_MESSAGE_CHARS, READY, RECORD_PRESENT, STALLED, VERIFIED};
use crate::api::organization_domain::{ChallengeStatus, Strategy as Means};
use crate::model::challenge::FORMS;

/// Mostly around the start, at times absurd.
fn any_time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        20 => (-100 * 86_400_000_i64..100 * 86_400_000)
            .prop_map(|ms| schedule::add(start(), SignedDuration::from_millis(ms))),
        4 => (-100_i64..100).prop_map(|day| schedule::add(start(), days(day))),
        1 => Just(Timestamp::MAX),
        1 => Just(Timestamp::MIN),
    ]
}

fn any_state() -> impl Strategy<Value = State> {
    prop_oneof![
        Just(State::Pending),
        Just(State::Verified),
        Just(State::Failed)
    ]
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    prop::sample::select(VERDICTS.to_vec())
}

fn any_conditions() -> impl Strategy<Value = Vec<Condition>> {
    let reason = prop::sample::select(vec![
        "ChallengeIssued",
        "RecordAbsent",
        "RecordMismatch",
        "RecordExpired",
        "CheckInconclusive",
        "HeldByAnother",
        "OrganizationMissing",
        "NameRefused",
        "WindowExpired",
        "RecordLost",
        "RecordFound",
        "Verified",
        "ProofStale",
        "HoldingLost",
        "Reconciled",
        "FromTheFuture",
    ]);
    let kind =
        prop::sample::subsequence(vec![READY, VERIFIED, RECORD_PRESENT, STALLED, "Odd"], 0..=5);
    let status = prop::sample::select(vec!["True", "False", "Unknown"]);
    (kind, reason, status, any_time()).prop_map(|(kinds, reason, status, time)| {
        kinds
            .into_iter()
            .map(|kind| Condition {
                type_: kind.to_owned(),
                status: status.to_owned(),
                reason: reason.to_owned(),
                message: "written by somebody".to_owned(),
                observed_generation: None,
                last_transition_time: Time(time),
            })
            .collect()
    })
}

fn any_challenge() -> impl Strategy<Value = ChallengeStatus> {
    let token = prop_oneof![
        9 => (100_u8..104).prop_map(|n| token(n).to_string()),
        1 => "[a-zA-Z2-9]{0,64}",
    ];
    (token, any_time(), of(any_time())).prop_map(|(token, issued, expiry)| ChallengeStatus {
        token,
        records: Vec::new(),
        issued_for: "tenant/acme-com/acme".to_owned(),
        window_start_time: expiry.map(Time),
        issued_time: Time(issued),
        expiry_time: expiry.map(Time),
    })
}

prop_compose! {
    fn any_missing()(
        since in any_time(),
        last in any_time(),
        definite_checks in prop_oneof![9 => 0_i64..5, 1 => any::<i64>()],
    ) -> CountedChecks {
        CountedChecks { since_time: Time(since), definite_checks, last_time: Time(last) }
    }
}

fn any_history() -> impl Strategy<Value = Vec<HistoryEntry>> {
    let entry = (
        -1_i64..12,
        any_time(),
        prop_oneof![Just("Verified"), Just("Other")],
    );
    let entry = entry.prop_map(|(sequence, time, reason)| HistoryEntry {
        sequence,
        reason: reason.to_owned(),
        time: Time(time),
    });
    prop::collection::vec(entry, 0..4)
}

prop_compose! {
    /// Whatever the schema lets through, sense or not.
    fn any_status()(
        (state, challenge, conditions) in (of(any_state()), of(any_challenge()), any_conditions()),
        (generation, name, manual) in (of(-1_i64..5), of("[a-z.]{0,20}"), any::<bool>()),
        (verdict, period) in (of(any_verdict()), of(prop_oneof![9 => 0_i64..400, 1 => 0..i64::MAX])),
        times in prop::array::uniform4(of(any_time())),
        (missing, hand_over) in (of(any_missing()), of(any_missing())),
        handled in of("[a-c]{0,1}"),
        (history, published_sequence) in (any_history(), of(any::<i64>())),
    ) -> OrganizationDomainStatus {
        let [next, verified, proven, paused] = times.map(|time| time.map(Time));
        OrganizationDomainStatus {
            observed_generation: generation,
            canonical_name: name,
            unicode_name: None,
            mixed_scripts: false,
            state,
            strategy: manual.then_some(Means::Manual),
            challenge,
            dns_provider: None,
            last_check: verdict.map(report),
            check_period_seconds: period,
            next_check_time: next,
            verified_time: verified,
            last_proven_time: proven,
            record_missing: missing,
            hand_over,
            unconfirmed: None,
            paused_time: paused,
            last_handled_request: handled,
            history,
            published_sequence,
            conditions,
        }
    }
}

fn any_held_by() -> impl Strategy<Value = HeldBy> {
    prop_oneof![
        Just(HeldBy::Nobody),
        Just(ANOTHER),
        Just(HeldBy::Predecessor),
        (-100_i64..=0).prop_map(|day| us(schedule::add(start(), days(day)))),
    ]
}

prop_compose! {
    fn any_subject()(
        status in any_status(),
        held_by in any_held_by(),
        organization_exists in prop::bool::weighted(0.8),
        requested in of("[a-c]{0,1}"),
        domain in prop_oneof![9 => Just("acme.com"), 1 => Just("gmail.com"), 1 => Just("no name")],
        next_check in of(any_time()),
        subsecond in 0_i64..1000,
    ) -> Subject {
        Subject {
            now: schedule::add(start(), SignedDuration::from_millis(subsecond)),
            domain: domain.to_owned(),
            organization_exists,
            requested,
            status,
            held_by,
            next_check,
            ..Subject::new()
        }
    }
}

/// A status that the operator itself could have written.
fn assert_sound(subject: &Subject) {
    let status = &subject.status;
    let challenge = status.challenge.as_ref();
    let expiry = challenge.and_then(|challenge| challenge.expiry_time.as_ref());
    match status.state.unwrap() {
        State::Pending => {
            let waits = subject.reason() == Reason::OrganizationMissing && challenge.is_none();
            assert!(waits || expiry.is_some(), "pending has a window");
            assert_eq!(status.verified_time, None);
            assert_eq!(status.last_proven_time, None);
            assert_eq!(status.record_missing, None);
        }
        State::Verified => {
            assert!(challenge.is_some() || status.paused_time.is_some());
            assert!(expiry.is_none());
            assert!(status.verified_time.is_some());
        }
        State::Failed => {
            assert!(challenge.is_none() || subject.reason() == Reason::NameRefused);
            assert_eq!(expiry, None);
            assert_eq!(status.verified_time, None);
            assert_eq!(status.record_missing, None);
            assert_eq!(status.next_check_time, None);
            assert_eq!(status.check_period_seconds, None);
        }
    }
    if let Some(challenge) = challenge
        && status.canonical_name.is_some()
    {
        assert_eq!(challenge.records.len(), FORMS.len());
    }
    let stalled = subject.condition(STALLED) == "True";
    assert_eq!(stalled, subject.state() == State::Failed);
    for condition in &status.conditions {
        assert_eq!(condition.observed_generation, Some(subject.generation));
        assert!(condition.reason.parse::<Reason>().is_ok());
        assert!(!condition.message.is_empty() && condition.message.len() <= MAX_MESSAGE_CHARS);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_status_becomes_sound_and_stays_as_it_is(
        subject in any_subject(),
        verdict in of(any_verdict()),
        released in any::<bool>(),
        later in 0.0..1.0_f64,
    ) {
        let decision = subject.decide(verdict);
        let mut after = subject.clone();
        after.apply(&decision);
        // What was released may not have been done yet; of a refused name it would be news.
        let taken = matches!(decision.holding, HoldingAction::Take(_));
        if !taken && (!released || subject.domain != "acme.com") {
            after.held_by = subject.held_by;
        }
        assert_sound(&after);
        let again = after.decide(None);
        prop_assert_eq!(&again.status, &after.status);
        prop_assert_eq!(&again.news, &[]);
        prop_assert_eq!(again.wake, decision.wake);
        // And so until something is due.
        let idle = decision.wake.map_or(days(50), |wake| wake.duration_since(after.now));
        if idle > SignedDuration::ZERO {
            after.now = schedule::add(after.now, idle.mul_f64(later));
            let then = after.decide(None);
            if reason(&then.status) != Reason::ProofStale {
                prop_assert_eq!(&then.status, &after.status);
                prop_assert_eq!(&then.news, &[]);
                prop_assert_eq!(then.wake, decision.wake);
            }
        }
    }

    #[test]
    fn only_ones_own_proof_takes_a_free_name(
        subject in any_subject(),
        verdict in of(any_verdict()),
        other in any::<bool>(),
    ) {
        let mut judgement = verdict.map(|verdict| subject.judgement(verdict));
        if let Some(judgement) = judgement.as_mut().filter(|_| other) {
            judgement.token = token(99);
        }
        let decision = subject.decide_on(judgement.as_ref());
        let ours = matches!(subject.held_by, HeldBy::Us { .. });
        match &decision.holding {
            HoldingAction::Take(spec) => {
                prop_assert_eq!(verdict, Some(Verdict::Proven));
                prop_assert!(!other && subject.organization_exists);
                prop_assert_eq!(subject.held_by, HeldBy::Nobody);
                prop_assert_eq!(Some(spec.holder.token_hash.clone()), subject.token().map(|token| token.hash()));
                prop_assert_eq!(decision.status.state, Some(State::Verified));
            }
            HoldingAction::Release => {
                prop_assert!(ours);
                prop_assert_ne!(decision.status.state, Some(State::Verified));
            }
            HoldingAction::ReleasePredecessor => prop_assert_eq!(subject.held_by, HeldBy::Predecessor),
            HoldingAction::Rewrite(_) => prop_assert!(ours),
            HoldingAction::HandOver(_) => prop_assert_eq!(verdict, Some(Verdict::Proven)),
            HoldingAction::Keep => {}
        }
        if decision.status.state == Some(State::Verified) {
            prop_assert!(ours || matches!(decision.holding, HoldingAction::Take(_)));
        }
    }

    #[test]
    fn a_judgement_about_another_token_is_ignored(
        subject in any_subject(),
        verdict in any_verdict(),
    ) {
        let judgement = Judgement { token: token(99), ..subject.judgement(verdict) };
        prop_assert_eq!(
            &*subject.decide_on(Some(&judgement)),
            &*subject.decide(None)
        );
    }

    #[test]
    fn an_inconclusive_check_loses_nothing(
        subject in any_subject(),
        verdict in prop_oneof![Just(INCONCLUSIVE), Just(Verdict::Disagreement)],
    ) {
        let with = subject.decide(Some(verdict));
        let without = subject.decide(None);
        prop_assert_eq!(&with.holding, &without.holding, "whatever is released is so without it");
        if reason(&with.status) == Reason::RecordLost {
            prop_assert_eq!(reason(&without.status), Reason::RecordLost);
        }
        prop_assert_eq!(&with.status.record_missing, &without.status.record_missing);
        prop_assert_eq!(&with.status.last_proven_time, &without.status.last_proven_time);
    }

    #[test]
    fn every_status_heals(
        mut subject in any_subject(),
    ) {
        subject.organization_exists = true;
        "acme.com".clone_into(&mut subject.domain);
        if subject.held_by == ANOTHER {
            subject.held_by = HeldBy::Nobody;
        }
        for round in 0..8 {
            subject.after(hours(1)).requested = Some(format!("round {round}"));
            let verdict = subject.due().map(|_| Verdict::Proven);
            let decision = subject.decide(verdict);
            subject.apply(&decision);
        }
        prop_assert_eq!(subject.state(), State::Verified);
        prop_assert_eq!(subject.condition(READY), "True");
        prop_assert_eq!(subject.condition(RECORD_PRESENT), "True");
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_held_without_a_record_is_lost_whatever_the_status_says(
        mut subject in any_subject(),
    ) {
        subject.organization_exists = true;
        "acme.com".clone_into(&mut subject.domain);
        subject.held_by = us(start());
        subject.next_check = None;
        for _ in 0..24 * 20 {
            subject.after(hours(1));
            let verdict = subject.due().map(|_| Verdict::Absent);
            let decision = subject.decide(verdict);
            subject.apply(&decision);
            if decision.holding == HoldingAction::Release {
                break;
            }
        }
        prop_assert_eq!(subject.held_by, HeldBy::Nobody);
    }
}
