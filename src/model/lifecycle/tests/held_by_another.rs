//! What a pending domain says beside another holder: each holder, approval and record.

use super::*;

const BY_APPROVAL: HeldBy = HeldBy::Another {
    manual: true,
    from_us: false,
};

const FOUND: &str = "The record was found";
const KEEP: &str = "Keep the record published";
const HANDED_OVER: &str = "is handed over 3 days after the holder's record is gone";

/// A claimant after a check, and where `gone` is set, with the same evidence against the holder.
fn claimant(held_by: HeldBy, approved: bool, verdict: Verdict, gone: bool) -> String {
    let mut subject = Subject::pending();
    subject.held_by = held_by;
    subject.approved_until = approved.then_some(Timestamp::MAX);
    let judgement = Judgement {
        holder: gone.then_some(JudgedHolder {
            verdict: Verdict::Absent,
            weight: Weight::Complete,
            last_proven: None,
        }),
        ..subject.judgement(verdict)
    };
    let decision = subject.decide_on(Some(&judgement));
    subject.apply(&decision);
    assert_eq!(subject.reason(), Reason::HeldByAnother);
    message(&subject.status).to_owned()
}

#[test]
fn each_sentence_is_true_beside_its_holder() {
    let negatives = [Verdict::Absent, MISMATCH, INCONCLUSIVE];
    // By DNS, with a record.
    for approved in [false, true] {
        let said = claimant(ANOTHER, approved, Verdict::Proven, false);
        let after = "deleted or fails, or 3 days after its record is gone";
        assert!(said.starts_with(FOUND) && said.contains(KEEP), "{said}");
        assert!(said.contains(after), "{said}");
        let said = claimant(ANOTHER, approved, Verdict::Proven, true);
        assert!(said.contains("the holder's record is missing"), "{said}");
        assert!(said.contains("at 2026-03-04T00:00:00Z unless"), "{said}");
    }
    // By DNS, approved without a record.
    for verdict in negatives {
        let said = claimant(ANOTHER, true, verdict, false);
        assert!(!said.contains(FOUND) && !said.contains(KEEP), "{said}");
        assert!(
            said.starts_with("This OrganizationDomain has an approval"),
            "{said}"
        );
        assert!(said.contains(HANDED_OVER), "{said}");
    }
    // By approval, which a record does not override.
    let said = claimant(BY_APPROVAL, false, Verdict::Proven, true);
    assert!(said.starts_with(FOUND) && said.contains(KEEP), "{said}");
    assert!(said.contains("does not override"), "{said}");
    assert!(!said.contains("3 days"), "{said}");
    for verdict in negatives.into_iter().chain([Verdict::Proven]) {
        let said = claimant(BY_APPROVAL, true, verdict, true);
        assert!(said.contains("an approval of its own"), "{said}");
        assert!(!said.contains(FOUND) && !said.contains("3 days"), "{said}");
    }
}

#[test]
fn the_reason_outlives_the_approval_without_speaking_of_a_record() {
    let mut subject = Subject::pending();
    subject.held_by = ANOTHER;
    subject.approved_until = Some(Timestamp::MAX);
    subject.step(Some(Verdict::Absent));
    subject.approved_until = None;
    subject.step(None);
    let said = message(&subject.status);
    assert_eq!(subject.reason(), Reason::HeldByAnother);
    assert!(said.contains("was not found. Publish a TXT"), "{said}");
}

#[test]
fn a_failed_domain_hears_what_its_approval_does() {
    for approved in [false, true] {
        let mut subject = Subject::pending();
        subject.held_by = ANOTHER;
        subject.step(Some(Verdict::Proven));
        subject.after(days(30)).step(Some(Verdict::Proven));
        subject.approved_until = approved.then_some(Timestamp::MAX);
        subject.step(None);
        let said = message(&subject.status);
        assert_eq!(subject.state(), State::Failed);
        assert_eq!(said.contains("The approval takes effect"), approved);
        assert_ne!(said.contains("set the annotation"), approved, "{said}");
    }
}
