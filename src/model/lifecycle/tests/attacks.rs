//! What somebody who may change the zone, or the objects of a namespace, must not gain by it.

use super::*;

fn negative(weight: Weight) -> JudgedHolder {
    JudgedHolder {
        verdict: Verdict::Absent,
        weight,
        last_proven: None,
    }
}

/// A contender whose first count was made.
fn taking_over() -> Subject {
    let mut subject = Subject::pending();
    subject.held_by = ANOTHER;
    subject.after(hours(1));
    contend(&mut subject, Verdict::Proven, negative(Weight::Complete));
    assert!(subject.status.hand_over.is_some());
    subject
}

fn contend(subject: &mut Subject, verdict: Verdict, holder: JudgedHolder) -> Decision {
    let judgement = Judgement {
        holder: Some(holder),
        ..subject.judgement(verdict)
    };
    let decision = subject.decide_on(Some(&judgement));
    subject.apply(&decision);
    decision
}

#[test]
fn a_hand_over_counts_nothing_that_a_server_did_not_say() {
    let mut subject = Subject::pending();
    subject.held_by = ANOTHER;
    for _ in 0..9 {
        subject.after(days(1));
        contend(&mut subject, Verdict::Proven, negative(Weight::Partial));
        assert_eq!(subject.status.hand_over, None);
    }
    assert_eq!(subject.held_by, ANOTHER);
}

#[test]
fn three_moments_of_absence_make_no_hand_over() {
    let proven = JudgedHolder {
        verdict: Verdict::Proven,
        weight: Weight::Complete,
        last_proven: None,
    };
    // While nobody can be judged but the holder.
    for verdict in [INCONCLUSIVE, Verdict::Disagreement, Verdict::Absent] {
        let mut subject = taking_over();
        subject.after(hours(1));
        contend(&mut subject, verdict, proven);
        assert_eq!(subject.status.hand_over, None, "{verdict:?}");
    }
    // Between two checks of the contender, by a check of the holder's own.
    let mut subject = taking_over();
    let found = schedule::add(subject.now, hours(1));
    subject.after(days(2));
    let holder = JudgedHolder {
        last_proven: Some(found),
        ..negative(Weight::Complete)
    };
    contend(&mut subject, Verdict::Proven, holder);
    let begun = subject.status.hand_over.as_ref().unwrap();
    assert_eq!(
        (begun.since_time.0, begun.definite_checks),
        (subject.now, 1)
    );
    // While the contender is not checked at all.
    let mut subject = taking_over();
    subject.organization_exists = false;
    subject.after(hours(1)).step(None);
    assert_eq!(subject.status.hand_over, None);
}

#[test]
fn a_holder_loses_its_record_and_its_name_without_its_organization_too() {
    let mut subject = Subject::verified().paused();
    let mut checks = 0;
    while subject.state() == State::Verified {
        subject.now = subject.next_check.unwrap();
        // It comes and goes before each check.
        subject.organization_exists = checks % 2 == 0;
        subject.step(None);
        subject.organization_exists = !subject.organization_exists;
        assert!(subject.due().is_some());
        subject.step(Some(Verdict::Absent));
        checks += 1;
    }
    assert_eq!(subject.reason(), Reason::RecordLost);
    assert_eq!(subject.held_by, HeldBy::Nobody);
}

#[test]
fn without_its_organization_a_proof_grows_old_too() {
    let mut subject = Subject::verified().paused();
    subject.settings.grace = days(60);
    subject.after(days(31)).step(Some(INCONCLUSIVE));
    assert_eq!(subject.condition(conditions::VERIFIED), "Unknown");
}

#[test]
fn the_end_of_an_approval_leaves_the_proof_before_it() {
    let mut subject = Subject::verified();
    subject.approved_until = Some(Timestamp::MAX);
    subject.after(days(1)).step(None);
    assert_eq!(subject.status.strategy, Some(Strategy::Manual));
    subject.approved_until = None;
    let decision = subject.after(days(1)).step(None);
    assert!(
        matches!(decision.holding, Holding::Rewrite(ref spec) if spec.strategy == Strategy::Dns)
    );
    assert_eq!(subject.state(), State::Verified);
    assert_eq!(subject.next_check, Some(subject.now), "checked at once");
    subject.step(Some(Verdict::Proven));
    assert_eq!(subject.reason(), Reason::Verified);
}

#[test]
fn an_approval_that_cannot_act_stops_no_hand_over() {
    let mut subject = taking_over();
    subject.approved_until = Some(Timestamp::MAX);
    subject.step(None);
    let mut writes = 0;
    for _ in 0..4 {
        subject.now = schedule::add(subject.now, hours(25));
        assert!(subject.due().is_some());
        let before = subject.status.clone();
        let decision = contend(&mut subject, Verdict::Proven, negative(Weight::Complete));
        writes += usize::from(before != subject.status);
        if matches!(decision.holding, Holding::HandOver(_)) {
            assert!(writes > 2);
            return;
        }
        assert_eq!(subject.decide(None).status, subject.status);
    }
    panic!("the name did not pass on: {:?}", subject.status);
}

#[test]
fn a_restored_holder_is_bound_whatever_else_is_missing() {
    let mut subject = Subject::verified();
    subject.held_by = HeldBy::Restored {
        since: start(),
        strategy: Strategy::Dns,
    };
    subject.organization_exists = false;
    subject.suspended = true;
    assert!(matches!(subject.step(None).holding, Holding::Rewrite(_)));
    subject.step(None);
    assert_eq!(subject.reason(), Reason::OrganizationMissing);
    assert!(subject.status.paused_time.is_some());
}

/// As a hand may edit it: the holding says which token was proved, and is never written without one.
#[test]
fn a_restored_holder_keeps_its_token_whatever_the_status_says_of_it() {
    let mut subject = Subject::verified();
    let mut challenge = subject.status.challenge.clone().unwrap();
    let token = challenge.token.clone();
    challenge.issued_for = "elsewhere/other/acme".to_owned();
    subject.status.challenge = Some(challenge);
    subject.held_by = HeldBy::Restored {
        since: start(),
        strategy: Strategy::Dns,
    };
    let Holding::Rewrite(spec) = subject.step(None).holding else {
        panic!("it is not bound again");
    };
    assert_eq!(spec.holder.token_hash, Token::parse(&token).unwrap().hash());
    assert_eq!(subject.status.challenge.as_ref().unwrap().token, token);
}

#[test]
fn an_approval_after_a_loss_is_not_released_with_it() {
    let mut subject = Subject::lost();
    subject.approved_until = Some(Timestamp::MAX);
    // The process ended between the holding and the status.
    subject.held_by = HeldBy::Us {
        since: subject.now,
        strategy: Strategy::Manual,
        token_known: false,
    };
    assert_ne!(subject.step(None).holding, Holding::Release);
    assert_eq!(subject.state(), State::Verified);
}
