//! Requests for a check now, or for a restart.

use super::*;

fn asked(mut subject: Subject, request: &str) -> Subject {
    subject.requested = Some(request.into());
    subject
}

#[test]
fn a_request_is_handled_by_a_check_and_echoed_then() {
    for subject in [
        Subject::pending(),
        Subject::verified(),
        Subject::in_grace(),
        Subject::stale(),
    ] {
        for verdict in VERDICTS {
            let mut subject = subject.clone();
            subject.after(seconds(1));
            subject.next_check = Some(schedule::add(subject.now, hours(1)));
            assert_eq!(subject.due(), None);
            let mut subject = asked(subject, "2026-03-02T08:00:00Z");
            assert!(subject.due().is_some());
            let unchecked = subject.decide(None);
            assert_eq!(unchecked.status, subject.status, "not before its check");
            let decision = subject.step(Some(verdict));
            assert_eq!(
                decision.status.last_handled_request.as_deref(),
                Some("2026-03-02T08:00:00Z")
            );
            if subject.state() != State::Verified || subject.next_check > Some(subject.now) {
                assert_eq!(subject.due(), None, "once");
            }
            let mut again = asked(subject, "2026-03-02T09:00:00Z");
            again.after(seconds(1));
            assert!(again.due().is_some(), "any new value asks again");
        }
    }
}

#[test]
fn a_handled_request_always_writes() {
    for subject in [
        Subject::pending(),
        Subject::verified(),
        Subject::in_grace(),
        Subject::stale(),
        Subject::failed(),
        Subject::lost(),
        Subject::refused(),
        Subject::new().paused(),
        Subject::pending().paused(),
        Subject::verified().paused(),
        Subject::failed().paused(),
    ] {
        let mut subject = asked(subject, "a");
        for request in ["a", "b", "c"] {
            subject.requested = Some(request.into());
            let before = subject.status.clone();
            let verdict = subject.due().map(|_| INCONCLUSIVE);
            subject.step(verdict);
            assert_eq!(
                subject.status.last_handled_request.as_deref(),
                Some(request)
            );
            assert_ne!(subject.status, before);
            assert_eq!(subject.due(), None, "{request} is handled once");
            assert_eq!(subject.decide(None).status, subject.status);
        }
    }
}

#[test]
fn an_empty_or_a_removed_request_asks_for_nothing() {
    let mut subject = asked(Subject::verified(), "a");
    subject.step(Some(Verdict::Proven));
    for nothing in [None, Some(String::new())] {
        subject.requested = nothing;
        assert_eq!(subject.due(), None);
        let decision = subject.decide(None);
        assert_eq!(decision.status, subject.status);
        assert_eq!(decision.status.last_handled_request.as_deref(), Some("a"));
    }
    let failed = asked(Subject::failed(), "");
    assert_eq!(failed.decide(None).status.state, Some(State::Failed));
}

#[test]
fn a_long_request_is_echoed_shortened_and_handled_once() {
    for letter in ["a", "ä", "語", "😀"] {
        let mut subject = asked(Subject::verified(), &letter.repeat(300));
        assert!(subject.due().is_some());
        subject.step(Some(Verdict::Proven));
        assert_eq!(
            subject.status.last_handled_request,
            Some(letter.repeat(256))
        );
        assert_eq!(subject.due(), None);
    }
}

#[test]
fn a_request_at_the_end_of_the_window_is_no_restart() {
    let mut subject = asked(Subject::pending(), "a");
    subject.after(days(30)).step(Some(Verdict::Absent));
    assert_eq!(subject.state(), State::Failed);
    assert_eq!(subject.status.last_handled_request.as_deref(), Some("a"));
    subject.step(None);
    assert_eq!(subject.state(), State::Failed, "seen before it failed");
}

#[test]
fn a_request_that_finds_the_holding_gone_waits_for_the_check() {
    let mut subject = asked(Subject::verified(), "a");
    subject.held_by = HeldBy::Nobody;
    subject.step(None);
    assert_eq!(subject.status.last_handled_request, None);
    assert!(subject.due().is_some());
    subject.step(Some(Verdict::Proven));
    assert_eq!(subject.status.last_handled_request.as_deref(), Some("a"));
}
