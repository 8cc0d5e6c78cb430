//! What is announced of a status that somebody else wrote, or that was written without an answer.

use super::*;

impl Subject {
    fn unannounced(&self, announced: &Facts) -> Vec<Notice> {
        unannounced(self.now, &self.settings, &self.snapshot(), announced)
    }
}

#[test]
fn what_is_told_late_is_the_same_event() {
    let mut suspended = Subject::pending();
    suspended.suspended = true;
    let mut lost = Subject::verified();
    lost.held_by = HeldBy::Nobody;
    let mut ended = Subject::pending();
    ended.approved_until = Some(schedule::add(ended.now, days(1)));
    ended.step(None);
    ended.approved_until = None;
    for (mut subject, reason) in [
        (suspended, Reason::NamespaceSuspended),
        (lost, Reason::HoldingLost),
        (ended, Reason::ApprovalEnded),
        (Subject::in_grace(), Reason::RecordFound),
    ] {
        let announced = read(subject.now, &subject.snapshot());
        let proven = (reason == Reason::RecordFound).then_some(Verdict::Proven);
        let decision = subject.after(hours(1)).step(proven);
        assert_eq!(reasons(&decision), [reason]);
        let late = subject.after(days(2)).unannounced(&announced);
        assert_eq!(facts(&late), facts(&decision.notices));
    }
}

/// An import writes the whole life of an object into one that an operator has just seen.
#[test]
fn what_was_imported_is_no_news() {
    let nothing = Facts::new(None);
    let mut absent = Subject::pending();
    absent.step(Some(Verdict::Absent));
    for mut subject in [
        absent,
        Subject::verified(),
        Subject::in_grace(),
        Subject::stale(),
        Subject::failed(),
        Subject::lost(),
    ] {
        let announced = subject.after(days(1)).unannounced(&nothing);
        assert_eq!(announced, [], "{:?}", subject.reason());
    }
    let recently = Subject::verified().unannounced(&nothing);
    assert_eq!(recently.len(), 1);
    assert!(recently[0].becomes_verified);
}

#[test]
fn nobody_tells_of_an_edited_status() {
    let held = Subject::verified();
    let announced = read(held.now, &held.snapshot());
    let mut failed = held.clone();
    failed.status.state = Some(State::Failed);
    assert_eq!(failed.unannounced(&announced), []);
    let mut replaced = held.clone();
    replaced.status.challenge.as_mut().unwrap().token = token(9).to_string();
    replaced.held_by = HeldBy::Us {
        since: held.now,
        strategy: Strategy::Dns,
        token_known: false,
    };
    assert_eq!(replaced.unannounced(&announced), []);

    let pending = Subject::pending();
    let announced = read(pending.now, &pending.snapshot());
    let mut verified = held;
    verified.held_by = HeldBy::Nobody;
    assert_eq!(verified.unannounced(&announced), []);
    let mut emptied = pending;
    emptied.status.challenge = None;
    assert_eq!(emptied.unannounced(&announced), []);
}
