//! What somebody who may change the zone, or the objects of a namespace, must not gain by it.

use super::*;
use crate::model::challenge::{FORMS, RecordForm};
use crate::model::evidence::{
    Evidence, Lookup, Outcome, Security, ServerAnswer, Source, Step as Asked,
};
use crate::model::token_recovery;

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

fn contend(subject: &mut Subject, verdict: Verdict, holder: JudgedHolder) -> Decided {
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
        matches!(decision.holding, HoldingAction::Rewrite(ref spec) if spec.strategy == Strategy::Dns)
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
        if matches!(decision.holding, HoldingAction::HandOver(_)) {
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
    assert!(matches!(
        subject.step(None).holding,
        HoldingAction::Rewrite(_)
    ));
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
    let HoldingAction::Rewrite(spec) = subject.step(None).decision.holding else {
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
    assert_ne!(subject.step(None).holding, HoldingAction::Release);
    assert_eq!(subject.state(), State::Verified);
}

/// A holder whose status was removed, and what the holding says of it.
fn without_status() -> (Subject, Holder) {
    let mut subject = Subject::verified();
    subject.status = OrganizationDomainStatus::default();
    subject.held_by = HeldBy::Us {
        since: start(),
        strategy: Strategy::Dns,
        token_known: false,
    };
    let holder = Holder {
        namespace: "tenant".into(),
        name: "acme-com".into(),
        uid: "uid-1".into(),
        organization: "acme".into(),
        token_hash: token(1).hash(),
    };
    (subject, holder)
}

/// One server answers so for both forms.
fn evidence(outcome: &Outcome) -> Evidence {
    let lookup = |form| Lookup {
        form,
        steps: vec![Asked {
            name: "acme.com".into(),
            answers: vec![ServerAnswer {
                server: "ns1".into(),
                outcome: outcome.clone(),
            }],
        }],
        stopped: None,
        partial: false,
        security: Security::Unknown,
    };
    Evidence {
        time: start(),
        source: Source::Authoritative,
        secure_only: false,
        lookups: FORMS.map(lookup).to_vec(),
        zone: None,
        registry: false,
        strays: Vec::new(),
        broken: None,
        unreached: None,
    }
}

fn published(values: &[String]) -> Evidence {
    evidence(&Outcome::Values {
        values: values.iter().map(|value| value.clone().into()).collect(),
        aliases: Vec::new(),
    })
}

fn challenge_of(token: Token) -> Challenge {
    Challenge {
        name: DomainName::parse("acme.com").unwrap(),
        service: Settings::default().service,
        token,
    }
}

#[test]
fn a_removed_status_gets_its_token_back_from_the_record() {
    for form in FORMS {
        let (mut subject, holder) = without_status();
        let name = lost_token(&subject.settings, &subject.snapshot(), "acme.com", &holder);
        assert_eq!(name, DomainName::parse("acme.com").ok());
        let value = challenge_of(token(1)).value(form);
        let found = published(&["token=other".into(), value]);
        let found = token_recovery::token(&subject.settings.service, &found, &holder).unwrap();
        assert_eq!(found, token(1));
        let identity = subject.snapshot().identity;
        let issued_for = identity.issued_for();
        subject.status = token_recovery::restored(&subject.status, &found, identity, start());
        let restored = subject.status.challenge.as_ref().unwrap();
        assert_eq!(restored.issued_for, issued_for);
        subject.held_by = us(start());
        let decision = subject.step(Some(Verdict::Proven));
        assert_eq!(decision.holding, HoldingAction::Keep);
        assert_eq!(subject.token(), Some(token(1)));
        assert_eq!(subject.state(), State::Verified);
        assert!(!reasons(&decision).contains(&Reason::ChallengeIssued));
        assert!(subject.expiry().is_none());
    }
}

#[test]
fn no_record_makes_a_token_of_its_own() {
    let (_, holder) = without_status();
    let service = Settings::default().service;
    let (right, other) = (challenge_of(token(1)), challenge_of(token(2)));
    let [underscore, apex] = FORMS.map(|form| right.value(form));
    for values in [
        FORMS.map(|form| other.value(form)).to_vec(),
        vec![format!("token={}", token(1).hash()), token(1).to_string()],
        vec![
            underscore.to_uppercase(),
            format!("{underscore}x"),
            format!("{apex} "),
        ],
        vec![format!("{underscore} {underscore}"), format!("x {apex}")],
        // Another install's word.
        vec![apex.replacen("freehold", "other", 1)],
    ] {
        let found = token_recovery::token(&service, &published(&values), &holder);
        assert_eq!(found, None, "{values:?}");
    }
    // Each form at its own name alone, and never what a wildcard answers.
    let mut evidence_of_apex = published(std::slice::from_ref(&underscore));
    evidence_of_apex
        .lookups
        .retain(|lookup| lookup.form == RecordForm::Apex);
    let wildcard = evidence(&Outcome::WildcardValues {
        values: vec![underscore.into(), apex.into()],
    });
    for evidence in [evidence_of_apex, wildcard] {
        assert_eq!(token_recovery::token(&service, &evidence, &holder), None);
    }
}

#[test]
fn a_token_is_looked_for_for_its_own_holder_alone() {
    let sought = |subject: &Subject, name: &str, holder: &Holder| {
        lost_token(&subject.settings, &subject.snapshot(), name, holder).is_some()
    };
    let (subject, holder) = without_status();
    assert!(sought(&subject, "acme.com", &holder));
    assert!(!sought(&subject, "evil.com", &holder));
    for change in [
        |holder: &mut Holder| holder.uid = "uid-2".into(),
        |holder: &mut Holder| holder.namespace = "other".into(),
        |holder: &mut Holder| holder.name = "other".into(),
        |holder: &mut Holder| holder.organization = "evil".into(),
    ] {
        let mut holder = holder.clone();
        change(&mut holder);
        assert!(!sought(&subject, "acme.com", &holder), "{holder:?}");
    }
    for change in [
        |subject: &mut Subject| subject.held_by = us(start()),
        |subject: &mut Subject| subject.held_by = HeldBy::Predecessor,
        |subject: &mut Subject| subject.held_by = HeldBy::Nobody,
        |subject: &mut Subject| subject.held_by = ANOTHER,
        |subject: &mut Subject| subject.deleting = true,
        |subject: &mut Subject| subject.organization_exists = false,
        |subject: &mut Subject| subject.approved_until = Some(Timestamp::MAX),
        |subject: &mut Subject| subject.status.state = Some(State::Failed),
    ] {
        let mut subject = subject.clone();
        change(&mut subject);
        assert!(!sought(&subject, "acme.com", &holder), "{subject:?}");
    }
}

#[test]
fn a_token_that_no_record_shows_is_replaced_and_nobody_is_told_to_keep_the_record() {
    let (mut subject, _) = without_status();
    let judgement = Judgement {
        token: token(2),
        ..subject.judgement(Verdict::Absent)
    };
    let decision = subject.decide_on(Some(&judgement));
    assert!(
        matches!(&decision.holding, HoldingAction::Rewrite(spec) if spec.holder.token_hash == token(2).hash())
    );
    assert_eq!(reasons(&decision), [Reason::ChallengeIssued]);
    subject.apply(&decision);
    let notice = &subject.notices(&decision.news)[0];
    let told = &notice.message;
    assert!(
        notice.warning && told.contains("Publish a TXT record") && !told.contains("Keep"),
        "{told}"
    );
    assert_eq!(subject.state(), State::Verified);
    assert_eq!(subject.condition(conditions::RECORD_PRESENT), "False");
}
