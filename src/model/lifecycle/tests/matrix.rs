//! The condition matrix, row by row.

use super::*;
use crate::api::conditions::{
    MAX_MESSAGE_CHARS, READY, RECONCILING, RECORD_PRESENT, STALLED, VERIFIED,
};

const KINDS: [&str; 5] = [READY, VERIFIED, RECORD_PRESENT, RECONCILING, STALLED];

const PENDING: [&str; 5] = ["False", "False", "-", "True", "-"];
const FAILED: [&str; 5] = ["False", "False", "-", "-", "True"];
const WELL: [&str; 5] = ["True", "True", "True", "-", "-"];
const GRACE: [&str; 5] = ["True", "True", "False", "-", "-"];
const STALE: [&str; 5] = ["False", "Unknown", "-", "-", "-"];
const STALE_GRACE: [&str; 5] = ["False", "Unknown", "False", "-", "-"];
/// Still the holder, and in need of somebody.
const ABANDONED: [&str; 5] = ["False", "True", "True", "-", "-"];

/// A row: how it is reached, what the conditions are, why, and what the message tells to do.
type Row = (Subject, [&'static str; 5], Reason, &'static str);

fn checked(verdict: Verdict, held_by: HeldBy) -> Subject {
    let mut subject = Subject::pending();
    subject.held_by = held_by;
    subject.step(Some(verdict));
    subject
}

fn rows() -> Vec<Row> {
    let nobody = |verdict| checked(verdict, HeldBy::Nobody);
    let mut gone = Subject::verified();
    gone.held_by = ANOTHER;
    gone.step(None);
    let mut outlasted = checked(Verdict::Proven, ANOTHER);
    outlasted.after(days(30)).step(Some(Verdict::Proven));
    let mut stale_grace = Subject::stale();
    stale_grace.after(days(1)).step(Some(Verdict::Absent));
    let mut mismatch = Subject::verified();
    mismatch.after(days(1)).step(Some(MISMATCH));
    let publish = "Publish a TXT record at _freehold-challenge.acme.com with the value token=";
    let restart = "set the annotation freehold.dev/requestedAt to a new value";
    vec![
        (
            Subject::pending(),
            PENDING,
            Reason::ChallengeIssued,
            publish,
        ),
        (
            nobody(Verdict::Absent),
            PENDING,
            Reason::RecordAbsent,
            publish,
        ),
        (nobody(MISMATCH), PENDING, Reason::RecordMismatch, publish),
        (
            nobody(EXPIRED),
            PENDING,
            Reason::RecordExpired,
            "Publish it with a later expiry=, or without one",
        ),
        (
            nobody(INCONCLUSIVE),
            PENDING,
            Reason::CheckInconclusive,
            publish,
        ),
        (
            checked(Verdict::Proven, ANOTHER),
            PENDING,
            Reason::HeldByAnother,
            "Keep the record published",
        ),
        (gone, PENDING, Reason::HoldingLost, publish),
        (
            Subject::pending().paused(),
            PENDING,
            Reason::OrganizationMissing,
            "Organization acme does not exist in this namespace. Create it",
        ),
        (
            Subject::new().paused(),
            PENDING,
            Reason::OrganizationMissing,
            "Create it, or delete this object",
        ),
        (
            Subject::refused(),
            FAILED,
            Reason::NameRefused,
            "for another domain",
        ),
        (Subject::failed(), FAILED, Reason::WindowExpired, restart),
        (
            Subject::failed().paused(),
            FAILED,
            Reason::WindowExpired,
            restart,
        ),
        (outlasted, FAILED, Reason::HeldByAnother, restart),
        (Subject::lost(), FAILED, Reason::RecordLost, restart),
        (
            Subject::verified(),
            WELL,
            Reason::Verified,
            "Keep the record published",
        ),
        (Subject::in_grace(), GRACE, Reason::Verified, publish),
        (mismatch, GRACE, Reason::Verified, publish),
        (
            Subject::stale(),
            STALE,
            Reason::ProofStale,
            "status.lastCheck shows what the servers answered",
        ),
        (stale_grace, STALE_GRACE, Reason::ProofStale, publish),
        (
            Subject::verified().paused(),
            ABANDONED,
            Reason::OrganizationMissing,
            "Create it, or delete this object",
        ),
    ]
}

#[test]
fn every_state_shows_its_row() {
    for (subject, expected, reason, advice) in rows() {
        let shown = KINDS.map(|kind| subject.condition(kind));
        assert_eq!(shown, expected, "{reason}");
        assert_eq!(subject.reason(), reason);
        let count = expected.iter().filter(|&&status| status != "-").count();
        assert_eq!(
            subject.status.conditions.len(),
            count,
            "no other conditions"
        );
        assert!(
            message(&subject.status).contains(advice),
            "{reason}: {}",
            message(&subject.status)
        );
    }
}

#[test]
fn every_condition_says_why_and_of_which_generation() {
    for (mut subject, _, reason, _) in rows() {
        subject.generation = 8;
        subject.step(None);
        assert_eq!(subject.status.observed_generation, Some(8));
        for condition in &subject.status.conditions {
            assert_eq!(condition.observed_generation, Some(8), "{reason}");
            assert!(condition.reason.parse::<Reason>().is_ok(), "{condition:?}");
            assert!(!condition.message.is_empty(), "{condition:?}");
            assert!(condition.message.len() <= MAX_MESSAGE_CHARS);
        }
    }
}

#[test]
fn a_transition_time_moves_with_its_status_alone() {
    let mut subject = Subject::pending();
    subject.after(hours(1)).step(Some(Verdict::Absent));
    let since = |subject: &Subject, kind| {
        conditions::find(&subject.status.conditions, kind)
            .unwrap()
            .last_transition_time
            .0
    };
    assert_eq!(since(&subject, READY), start());
    subject.after(hours(1)).step(Some(Verdict::Proven));
    assert_eq!(since(&subject, READY), subject.now);
    let verified = subject.now;
    subject.after(days(1)).step(Some(Verdict::Absent));
    assert_eq!(since(&subject, READY), verified);
    assert_eq!(since(&subject, RECORD_PRESENT), subject.now);
}

#[test]
fn the_longest_names_fit_the_messages() {
    let label = "ä".repeat(20);
    for domain in [
        format!("{0}.{0}.{0}.{1}.com", "a".repeat(63), "a".repeat(6)),
        format!("{0}.{0}.{0}.{1}.com", "a".repeat(63), "a".repeat(57)),
        format!("{label}.{label}.{label}.com"),
        "ﷺ".repeat(253),
        "語".repeat(253),
        format!("{}.com", "\u{1d400}".repeat(60)),
    ] {
        for organization_exists in [true, false] {
            let mut subject = Subject::new();
            subject.domain.clone_from(&domain);
            subject.organization = "o".repeat(253);
            subject.organization_exists = organization_exists;
            subject.settings.service = "s".repeat(40).parse().unwrap();
            for verdict in [None, Some(MISMATCH), Some(Verdict::Proven), Some(EXPIRED)] {
                subject.after(days(1)).step(verdict);
                for condition in &subject.status.conditions {
                    assert!(
                        condition.message.len() <= MAX_MESSAGE_CHARS,
                        "{condition:?}"
                    );
                }
            }
        }
    }
}
