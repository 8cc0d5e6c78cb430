//! The history of a status, and the Events that are published of it.

use super::super::notices;
use super::*;
use crate::model::message;

const APPROVAL: HeldBy = HeldBy::Another {
    manual: true,
    from_us: false,
};

/// A subject in each of the states.
const BEGINNINGS: [fn() -> Subject; 7] = [
    Subject::pending,
    Subject::verified,
    Subject::in_grace,
    Subject::stale,
    Subject::failed,
    Subject::lost,
    Subject::refused,
];

fn abouts(notices: &[Notice]) -> Vec<(About, Reason)> {
    let notices = notices.iter();
    notices
        .map(|notice| (notice.about, notice.reason))
        .collect()
}

#[test]
fn every_transition_has_the_next_number_and_the_latest_are_kept() {
    let mut subject = Subject::verified();
    let history = |subject: &Subject| -> Vec<_> {
        let history = subject.status.history.iter();
        history
            .map(|entry| (entry.sequence, entry.reason.clone(), entry.time.0))
            .collect()
    };
    let issued = (1, "ChallengeIssued".to_owned(), start());
    let verified = (2, "Verified".to_owned(), subject.now);
    assert_eq!(history(&subject), [issued, verified]);
    for _ in 0..6 {
        subject.after(days(1)).step(Some(Verdict::Absent));
        subject.after(hours(1)).step(Some(Verdict::Proven));
    }
    let kept = history(&subject);
    let numbers: Vec<_> = kept.iter().map(|entry| entry.0).collect();
    assert_eq!(numbers, (7..=14).collect::<Vec<_>>());
    assert_eq!(kept.last().unwrap().1, "RecordFound");
}

#[test]
fn an_unchanged_state_adds_nothing_to_the_history() {
    for begin in BEGINNINGS {
        let mut subject = begin();
        let before = subject.status.history.clone();
        subject.after(seconds(1)).step(None);
        assert_eq!(subject.status.history, before);
    }
}

#[test]
fn what_checks_of_a_pending_domain_find_in_turn_is_told_once() {
    let mut subject = Subject::pending();
    let mut told = Vec::new();
    for _ in 0..9 {
        subject.held_by = HeldBy::Nobody;
        told.extend(reasons(&subject.after(seconds(10)).step(Some(MISMATCH))));
        told.extend(reasons(&subject.after(seconds(10)).step(Some(EXPIRED))));
        subject.held_by = ANOTHER;
        told.extend(reasons(
            &subject.after(seconds(10)).step(Some(Verdict::Proven)),
        ));
    }
    let once = [
        Reason::RecordMismatch,
        Reason::RecordExpired,
        Reason::HeldByAnother,
    ];
    assert_eq!(told, once);
    // A new token is another challenge.
    subject.after(days(31)).step(Some(Verdict::Absent));
    subject.requested = Some("again".into());
    subject.step(None);
    let again = subject.after(hours(1)).step(Some(MISMATCH));
    assert_eq!(reasons(&again), [Reason::RecordMismatch]);
}

#[test]
fn one_transition_is_one_event_whoever_publishes_it_and_when() {
    let mut subject = Subject::pending();
    let decided = subject.after(hours(1)).step(Some(Verdict::Proven));
    let now = subject.notices(&decided.news);
    subject.after(seconds(600)).step(None);
    let later = subject.notices(&decided.news);
    let fact = |notices: &[Notice]| notices[0].fact.clone();
    assert_eq!(fact(&now), fact(&later));
    // The next one of the same reason is another.
    subject.after(days(1)).step(Some(Verdict::Absent));
    subject.held_by = HeldBy::Nobody;
    subject.step(None);
    let again = subject.after(hours(1)).step(Some(Verdict::Proven));
    assert_eq!(reasons(&again), [Reason::Verified]);
    assert_ne!(fact(&subject.notices(&again.news)), fact(&now));
    let other = Subject {
        uid: "uid-2".into(),
        ..subject.clone()
    };
    assert_ne!(
        fact(&other.notices(&again.news)),
        fact(&subject.notices(&again.news))
    );
}

/// The API server reads, validates and stores each octet of a status with each write.
#[test]
fn what_to_do_is_said_once_and_the_other_conditions_are_short() {
    for begin in BEGINNINGS {
        let subject = begin();
        for condition in &subject.status.conditions {
            let is_short = condition.message.len() <= 60;
            let is_summary = condition.type_ == conditions::READY;
            assert!(is_short || is_summary, "{condition:?}");
            assert!(!condition.message.is_empty(), "{condition:?}");
        }
    }
}

#[test]
fn a_challenge_is_no_event() {
    let mut subject = Subject::new();
    let decided = subject.step(None);
    assert_eq!(reasons(&decided), [Reason::ChallengeIssued]);
    assert_eq!(subject.notices(&decided.news), []);
}

#[test]
fn an_event_says_what_to_do_next_while_that_is_so_and_later_what_happened() {
    let mut subject = Subject::verified();
    let missing = subject.after(days(1)).step(Some(Verdict::Absent));
    let told = |subject: &Subject| subject.notices(&missing.news)[0].message.clone();
    assert!(
        told(&subject).contains("Publish it again"),
        "{}",
        told(&subject)
    );
    let found = subject.after(hours(1)).step(Some(Verdict::Proven));
    assert_eq!(told(&subject), "The record was missing.");
    let found = subject.notices(&found.news);
    assert!(!found[0].warning);
    assert_eq!(found[0].message, "The record was found again.");
    // Nobody is told to keep a record that no longer counts.
    let verified = subject.status.history[1].clone();
    assert_eq!(verified.reason, "Verified");
    subject.after(days(1)).step(Some(Verdict::Absent));
    let late = subject.notices(&[verified]);
    assert_eq!(late[0].message, "The domain was verified.");
}

#[test]
fn every_reason_that_a_history_may_have_says_what_happened() {
    let other = message::happened(Reason::Reconciled);
    for reason in [
        Reason::Verified,
        Reason::Approved,
        Reason::ApprovalEnded,
        Reason::RecordAbsent,
        Reason::RecordMismatch,
        Reason::RecordExpired,
        Reason::RecordFound,
        Reason::RecordLost,
        Reason::WindowExpired,
        Reason::ProofStale,
        Reason::HeldByAnother,
        Reason::HandOverStarted,
        Reason::HandOverCancelled,
        Reason::HandedOver,
        Reason::HoldingLost,
        Reason::NameRefused,
        Reason::OrganizationMissing,
        Reason::NamespaceSuspended,
        Reason::QuotaExceeded,
    ] {
        assert_ne!(message::happened(reason), other, "{reason}");
    }
}

#[test]
fn the_holder_above_hears_of_a_domain_that_becomes_verified() {
    let mut subject = Subject::pending();
    let decided = subject.after(hours(1)).step(Some(Verdict::Proven));
    let both = [
        (About::OrganizationDomain, Reason::Verified),
        (About::HolderAbove, Reason::SubdomainVerified),
    ];
    let told = subject.notices(&decided.news);
    assert_eq!(abouts(&told), both);
    assert!(told[1].warning);
    assert!(told[1].message.contains("acme.com"), "{}", told[1].message);
    assert_eq!(told[0].fact, told[1].fact);
    // One that was verified and is approved by now is still verified.
    subject.approved_until = Some(schedule::add(subject.now, days(1)));
    let approved = subject.after(hours(1)).step(None);
    assert_eq!(reasons(&approved), [Reason::Approved]);
    let told = abouts(&subject.notices(&approved.news));
    assert_eq!(told, [(About::OrganizationDomain, Reason::Approved)]);
    let mut by_hand = Subject::pending();
    by_hand.approved_until = Some(schedule::add(by_hand.now, days(1)));
    let approved = by_hand.step(None);
    let told = abouts(&by_hand.notices(&approved.news));
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn administrators_hear_of_a_proof_beside_an_approval() {
    let mut subject = Subject::pending();
    subject.held_by = APPROVAL;
    let decided = subject.after(hours(1)).step(Some(Verdict::Proven));
    let both = [
        (About::OrganizationDomain, Reason::HeldByAnother),
        (About::VerifiedDomain, Reason::HeldByApproval),
    ];
    assert_eq!(abouts(&subject.notices(&decided.news)), both);
    subject.held_by = ANOTHER;
    let told = abouts(&subject.notices(&decided.news));
    assert_eq!(told, both[..1]);
}

#[test]
fn a_reason_of_another_version_is_kept_and_not_published() {
    let mut subject = Subject::verified();
    subject.status.history[1].reason = "Sealed".into();
    let entries = subject.status.history.clone();
    subject.after(days(1)).step(Some(Verdict::Absent));
    assert_eq!(subject.status.history[1], entries[1]);
    assert_eq!(subject.notices(&entries[1..2]), []);
}

#[test]
fn an_object_without_room_is_one_event_for_each_outcome() {
    let mut subject = Subject::in_grace();
    let missing = notices::no_room(&subject.status);
    assert!(missing.warning);
    assert_eq!(missing.reason, Reason::ObjectTooLarge);
    assert_eq!(missing.about, About::OrganizationDomain);
    for _ in 0..2 {
        subject.after(hours(1)).step(Some(Verdict::Absent));
        assert_eq!(notices::no_room(&subject.status).fact, missing.fact);
    }
    let lost = notices::no_room(&Subject::lost().status);
    assert_ne!(lost.fact, missing.fact);
    assert!(lost.message.contains("RecordLost"), "{}", lost.message);
    assert!(lost.message.contains("Remove labels"), "{}", lost.message);
    // Another token is another challenge to tell of.
    let mut again = Subject::pending();
    let first = notices::no_room(&again.status);
    again.status.challenge.as_mut().unwrap().token = token(9).to_string();
    assert_ne!(notices::no_room(&again.status).fact, first.fact);
}
