//! The pure judgement of evidence against a challenge.

use super::agreement::{Agreement, Weight, agree};
use super::challenge::{Challenge, RecordForm, ValueMatch};
use super::evidence::{Evidence, Failure, Lookup, Outcome, Security, Source, Step, ZoneServers};
use crate::api::organization_domain::CheckVerdict;

/// What the evidence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A record with the token is there.
    Proven,
    /// There is no record; a definite negative.
    Absent,
    /// There are records, none with the token; a definite negative.
    Mismatch(MismatchKind),
    /// The evidence allows neither yes nor no, for the first reason met.
    Inconclusive(Failure),
    /// The servers do not agree, so neither yes nor no.
    Disagreement,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MismatchKind {
    OtherValue,
    /// The very token, in a value whose own `expiry=` has passed.
    Expired,
}

impl Verdict {
    /// Whether it is a definite no.
    #[must_use]
    pub fn is_negative(self) -> bool {
        matches!(self, Self::Absent | Self::Mismatch(_))
    }

    /// Whether it is neither a yes nor a no.
    #[must_use]
    pub fn is_undecided(self) -> bool {
        matches!(self, Self::Inconclusive(_) | Self::Disagreement)
    }
}

/// As a status says it.
impl From<Verdict> for CheckVerdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Proven => Self::Proven,
            Verdict::Absent => Self::Absent,
            Verdict::Mismatch(_) => Self::Mismatch,
            Verdict::Inconclusive(_) | Verdict::Disagreement => Self::Inconclusive,
        }
    }
}

/// A verdict, and what it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    pub verdict: Verdict,
    /// Whether every server had its say.
    pub weight: Weight,
    pub security: Security,
}

/// Judges the evidence: proven if the record of either form is, negative only if both are.
#[must_use]
pub fn judge(challenge: &Challenge, evidence: &Evidence) -> Judged {
    evidence
        .lookups
        .iter()
        .map(|lookup| judge_lookup(challenge, evidence, lookup))
        .reduce(either_lookup)
        .unwrap_or(Judged::inconclusive(Failure::NobodyAsked))
}

impl Judged {
    fn inconclusive(failure: Failure) -> Self {
        Self {
            verdict: Verdict::Inconclusive(failure),
            weight: Weight::Partial,
            security: Security::Unknown,
        }
    }
}

/// A proof rests on its own form alone; everything else on both.
fn either_lookup(a: Judged, b: Judged) -> Judged {
    let strongest = |a: Judged, b: Judged| {
        if (a.weight, a.security) >= (b.weight, b.security) {
            a
        } else {
            b
        }
    };
    match (a.verdict, b.verdict) {
        (Verdict::Proven, Verdict::Proven) => strongest(a, b),
        (Verdict::Proven, _) => a,
        (_, Verdict::Proven) => b,
        (one, other) => Judged {
            verdict: either(one, other),
            weight: a.weight.min(b.weight),
            security: a.security.min(b.security),
        },
    }
}

fn either(a: Verdict, b: Verdict) -> Verdict {
    use Verdict::{Absent, Disagreement, Inconclusive, Mismatch, Proven};
    match (a, b) {
        (Proven, _) | (_, Proven) => Proven,
        (Disagreement, _) | (_, Disagreement) => Disagreement,
        (Inconclusive(failure), _) | (_, Inconclusive(failure)) => Inconclusive(failure),
        (Mismatch(MismatchKind::Expired), _) | (_, Mismatch(MismatchKind::Expired)) => {
            Mismatch(MismatchKind::Expired)
        }
        (Mismatch(kind), _) | (_, Mismatch(kind)) => Mismatch(kind),
        (Absent, Absent) => Absent,
    }
}

/// Judges the record of one form by itself.
#[must_use]
pub fn judge_lookup(challenge: &Challenge, evidence: &Evidence, lookup: &Lookup) -> Judged {
    let Some((last, way)) = lookup.steps.split_last() else {
        return Judged::inconclusive(lookup.stopped.unwrap_or(Failure::NobodyAsked));
    };
    let mut answers = lookup.answers();
    if answers.any(|answer| answer.outcome == Outcome::Failed(Failure::Budget)) {
        return Judged::inconclusive(Failure::Budget);
    }
    if evidence.secure_only && lookup.security != Security::Secure {
        return Judged::inconclusive(Failure::NotSigned);
    }
    let mut weight = if lookup.partial {
        Weight::Partial
    } else {
        Weight::Complete
    };
    let judged = |verdict, weight| Judged {
        verdict,
        weight,
        security: lookup.security,
    };
    for step in way {
        match step_agreement(step) {
            Agreement::Agreed(_, of_step) => weight = weight.min(of_step),
            Agreement::Disagreement => return judged(Verdict::Disagreement, weight),
            Agreement::TooFew => return judged(silence(step), Weight::Partial),
        }
    }
    if step_agreement(last) == Agreement::Disagreement {
        return judged(Verdict::Disagreement, weight);
    }
    if let Some(failure) = lookup.stopped {
        return judged(Verdict::Inconclusive(failure), weight);
    }
    let votes: Vec<Verdict> = last
        .answers
        .iter()
        .map(|answer| judge_outcome(challenge, evidence, lookup.form, &answer.outcome))
        .collect();
    let (verdict, of_votes) = match evidence.source {
        Source::Authoritative => all_who_answered(&votes),
        Source::Recursive => quorum(&votes),
    };
    judged(verdict, weight.min(of_votes))
}

/// What servers must agree on before what they say of the name itself is weighed.
#[derive(PartialEq)]
enum Said<'a> {
    Alias(&'a str),
    Cut(&'a ZoneServers),
    OfTheName,
}

/// Whether the servers agree on the kind of answer: an alias and a zone cut must be the very same,
/// what there is at the name itself is left to the votes.
fn step_agreement(step: &Step) -> Agreement<Said<'_>> {
    agree(step.answers.iter().map(|answer| match &answer.outcome {
        Outcome::Failed(_) => None,
        Outcome::Alias { target } => Some(Said::Alias(target)),
        Outcome::Referral(zone) | Outcome::Below(zone) => Some(Said::Cut(zone)),
        _ => Some(Said::OfTheName),
    }))
}

fn silence(step: &Step) -> Verdict {
    let failure = step.answers.iter().find_map(|answer| match answer.outcome {
        Outcome::Failed(failure) => Some(failure),
        _ => None,
    });
    Verdict::Inconclusive(failure.unwrap_or(Failure::NobodyAsked))
}

/// The servers of a zone: nobody may contradict, and at least half must have answered.
fn all_who_answered(votes: &[Verdict]) -> (Verdict, Weight) {
    let decided = |vote: &Verdict| !vote.is_undecided();
    let said = votes
        .iter()
        .map(|vote| decided(vote).then_some(*vote == Verdict::Proven));
    match agree(said) {
        Agreement::Agreed(true, weight) => (Verdict::Proven, weight),
        Agreement::Agreed(false, weight) => (negative(votes), weight),
        Agreement::Disagreement => (Verdict::Disagreement, Weight::Partial),
        Agreement::TooFew => (first_failure(votes), Weight::Partial),
    }
}

/// Recursive servers: more than half must say the same, and nobody the opposite.
fn quorum(votes: &[Verdict]) -> (Verdict, Weight) {
    let proven = votes
        .iter()
        .filter(|&&vote| vote == Verdict::Proven)
        .count();
    let denied = votes.iter().filter(|vote| vote.is_negative()).count();
    let needed = votes.len() / 2 + 1;
    if proven > 0 && denied > 0 {
        (Verdict::Disagreement, Weight::Partial)
    } else if proven >= needed {
        (Verdict::Proven, Weight::Complete)
    } else if denied >= needed {
        (negative(votes), Weight::Complete)
    } else {
        (first_failure(votes), Weight::Partial)
    }
}

fn negative(votes: &[Verdict]) -> Verdict {
    let negatives = votes.iter().copied().filter(|vote| vote.is_negative());
    negatives.fold(Verdict::Absent, either)
}

fn first_failure(votes: &[Verdict]) -> Verdict {
    let mut votes = votes.iter().copied();
    let first = votes.find(|vote| matches!(vote, Verdict::Inconclusive(_)));
    first.unwrap_or(Verdict::Inconclusive(Failure::NobodyAsked))
}

fn judge_outcome(
    challenge: &Challenge,
    evidence: &Evidence,
    form: RecordForm,
    outcome: &Outcome,
) -> Verdict {
    let values = match outcome {
        Outcome::Failed(failure) => return Verdict::Inconclusive(*failure),
        Outcome::NoData { .. }
        | Outcome::NxDomain { .. }
        | Outcome::WildcardValues { .. }
        | Outcome::WildcardAlias { .. } => return Verdict::Absent,
        // Where a look-up ends so, it says why itself.
        Outcome::Alias { .. } | Outcome::Referral(_) | Outcome::Below(_) => {
            return Verdict::Inconclusive(Failure::Malformed);
        }
        // Whoever controls the target of an apex CNAME controls the name, yet the record would
        // then prove every name that points there.
        Outcome::Values { aliases, .. } if form == RecordForm::Apex && !aliases.is_empty() => {
            return Verdict::Absent;
        }
        Outcome::Values { values, .. } => values,
    };
    let matches = values
        .iter()
        .map(|value| challenge.matches(form, value, evidence.time));
    let verdicts = matches.map(|found| match found {
        ValueMatch::Proves => Verdict::Proven,
        ValueMatch::Expired => Verdict::Mismatch(MismatchKind::Expired),
        ValueMatch::Differs => Verdict::Mismatch(MismatchKind::OtherValue),
        ValueMatch::Foreign => Verdict::Absent,
    });
    verdicts.fold(Verdict::Absent, either)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::model::challenge::{FORMS, TOKEN_OCTETS, Token};
    use crate::model::evidence::ServerAnswer;
    use crate::model::name::DomainName;
    use crate::model::service::ServiceName;

    fn challenge() -> Challenge {
        Challenge {
            name: DomainName::parse("acme.example").unwrap(),
            service: ServiceName::default(),
            token: Token::from_random([1; TOKEN_OCTETS]),
        }
    }

    fn values(values: &[&str]) -> Outcome {
        Outcome::Values {
            values: values.iter().map(|v| v.as_bytes().to_vec()).collect(),
            aliases: Vec::new(),
        }
    }

    fn no_data() -> Outcome {
        Outcome::NoData {
            aliases: Vec::new(),
        }
    }

    fn evidence(underscore: Vec<Outcome>, apex: Vec<Outcome>) -> Evidence {
        let lookup = |form, outcomes: Vec<Outcome>| Lookup {
            form,
            steps: vec![Step {
                name: challenge().owner(form),
                answers: outcomes
                    .into_iter()
                    .enumerate()
                    .map(|(n, outcome)| ServerAnswer {
                        server: format!("192.0.2.{n}").into(),
                        outcome,
                    })
                    .collect(),
            }],
            stopped: None,
            partial: false,
            security: Security::Insecure,
        };
        Evidence {
            time: Timestamp::UNIX_EPOCH,
            source: Source::Recursive,
            secure_only: false,
            zone: None,
            registry: false,
            strays: Vec::new(),
            broken: None,
            unreached: None,
            lookups: vec![
                lookup(RecordForm::Underscore, underscore),
                lookup(RecordForm::Apex, apex),
            ],
        }
    }

    #[test]
    fn either_record_proves_and_only_both_deny() {
        use Verdict::{Absent, Inconclusive, Mismatch, Proven};
        let c = challenge();
        let right = || values(&["v=spf1", &c.value(RecordForm::Underscore)]);
        let apex = || values(&["v=spf1", &c.value(RecordForm::Apex)]);
        let broken = || Outcome::Failed(Failure::ServFail);
        let other = || values(&["token=zzz"]);
        let expired = || {
            values(&[
                &format!("{} expiry=1960-01-01", c.value(RecordForm::Underscore)),
                "token=other",
            ])
        };
        for (underscore, at_apex, verdict) in [
            (right(), no_data(), Proven),
            (no_data(), apex(), Proven),
            (right(), broken(), Proven),
            (broken(), apex(), Proven),
            (no_data(), no_data(), Absent),
            (no_data(), values(&["v=spf1 -all"]), Absent),
            (no_data(), broken(), Inconclusive(Failure::ServFail)),
            (broken(), no_data(), Inconclusive(Failure::ServFail)),
            (other(), no_data(), Mismatch(MismatchKind::OtherValue)),
            (expired(), no_data(), Mismatch(MismatchKind::Expired)),
            // The other form's value is no proof at this name.
            (apex(), no_data(), Mismatch(MismatchKind::OtherValue)),
            (no_data(), right(), Absent),
        ] {
            let evidence = evidence(vec![underscore], vec![at_apex]);
            assert_eq!(judge(&c, &evidence).verdict, verdict, "{evidence:?}");
        }
    }

    #[test]
    fn an_alias_at_the_apex_counts_for_nothing() {
        let c = challenge();
        let aliased = Outcome::Values {
            values: vec![c.value(RecordForm::Apex).into_bytes()],
            aliases: vec!["shared.example".into()],
        };
        assert_eq!(
            judge(&c, &evidence(vec![no_data()], vec![aliased])).verdict,
            Verdict::Absent
        );
    }

    #[test]
    fn several_servers_need_a_majority_and_no_contradiction() {
        let c = challenge();
        let right = || values(&[&c.value(RecordForm::Underscore)]);
        let broken = || Outcome::Failed(Failure::Timeout);
        let apex = || vec![no_data(), no_data(), no_data()];
        for (servers, verdict) in [
            (vec![right(), right(), broken()], Verdict::Proven),
            (
                vec![right(), broken(), broken()],
                Verdict::Inconclusive(Failure::Timeout),
            ),
            (vec![right(), right(), no_data()], Verdict::Disagreement),
            (vec![no_data(), no_data(), broken()], Verdict::Absent),
            (
                vec![no_data(), broken(), broken()],
                Verdict::Inconclusive(Failure::Timeout),
            ),
        ] {
            let evidence = evidence(servers, apex());
            assert_eq!(judge(&c, &evidence).verdict, verdict, "{evidence:?}");
        }
        assert!(matches!(
            judge(&c, &evidence(vec![], vec![])).verdict,
            Verdict::Inconclusive(_)
        ));
    }

    #[test]
    fn the_servers_of_a_zone_all_agree_or_nothing_is_decided() {
        use Weight::{Complete, Partial};
        let c = challenge();
        let right = || values(&[&c.value(RecordForm::Underscore)]);
        let broken = || Outcome::Failed(Failure::Timeout);
        let alias = |target: &str| Outcome::Alias {
            target: target.to_owned(),
        };
        for (way, last, verdict, weight) in [
            (vec![], vec![right(), right()], Verdict::Proven, Complete),
            (vec![], vec![right(), broken()], Verdict::Proven, Partial),
            (
                vec![],
                vec![right(), broken(), broken()],
                Verdict::Inconclusive(Failure::Timeout),
                Partial,
            ),
            (
                vec![],
                vec![right(), right(), no_data()],
                Verdict::Disagreement,
                Partial,
            ),
            (vec![], vec![no_data(), broken()], Verdict::Absent, Partial),
            (
                vec![],
                vec![right(), Outcome::Failed(Failure::Budget)],
                Verdict::Inconclusive(Failure::Budget),
                Partial,
            ),
            (
                vec![alias("a.example"), alias("a.example")],
                vec![right()],
                Verdict::Proven,
                Complete,
            ),
            (
                vec![alias("a.example"), broken()],
                vec![right()],
                Verdict::Proven,
                Partial,
            ),
            (
                vec![alias("a.example"), alias("b.example")],
                vec![right()],
                Verdict::Disagreement,
                Complete,
            ),
            (
                vec![],
                vec![alias("a.example"), right()],
                Verdict::Disagreement,
                Complete,
            ),
        ] {
            let mut evidence = evidence(last, vec![no_data()]);
            evidence.source = Source::Authoritative;
            if !way.is_empty() {
                let answers = way
                    .into_iter()
                    .map(|outcome| ServerAnswer {
                        server: "".into(),
                        outcome,
                    })
                    .collect();
                evidence.lookups[0].steps.insert(
                    0,
                    Step {
                        name: String::new(),
                        answers,
                    },
                );
            }
            let judged = judge(&c, &evidence);
            assert_eq!(
                (judged.verdict, judged.weight),
                (verdict, weight),
                "{evidence:?}"
            );
        }
    }

    #[test]
    fn an_unsigned_zone_proves_nothing_where_only_signed_ones_count() {
        let c = challenge();
        let right = values(&[&c.value(RecordForm::Underscore)]);
        let mut evidence = evidence(vec![right], vec![no_data()]);
        evidence.secure_only = true;
        let refused = Verdict::Inconclusive(Failure::NotSigned);
        assert_eq!(judge(&c, &evidence).verdict, refused);
        evidence.lookups[0].security = Security::Secure;
        assert_eq!(judge(&c, &evidence).verdict, Verdict::Proven);
        assert_eq!(judge(&c, &evidence).security, Security::Secure);
    }

    fn any_outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            Just(no_data()),
            Just(Outcome::NxDomain { aliases: vec![] }),
            Just(Outcome::Failed(Failure::Timeout)),
            Just(Outcome::Failed(Failure::Refused)),
            prop::collection::vec("[a-z=\" ]{0,40}", 0..4).prop_map(|v| Outcome::Values {
                values: v.into_iter().map(String::into_bytes).collect(),
                aliases: vec![],
            }),
        ]
    }

    proptest! {
        #[test]
        fn without_the_token_nothing_is_proven_and_without_an_answer_nothing_denied(
            underscore in prop::collection::vec(any_outcome(), 0..5),
            apex in prop::collection::vec(any_outcome(), 0..5),
        ) {
            let evidence = evidence(underscore, apex);
            let verdict = judge(&challenge(), &evidence).verdict;
            prop_assert_ne!(verdict, Verdict::Proven);
            if FORMS.iter().zip(&evidence.lookups).any(|(_, lookup)| {
                lookup.steps.iter().flat_map(|s| &s.answers).all(|a| matches!(a.outcome, Outcome::Failed(_)))
            }) {
                prop_assert!(!verdict.is_negative());
            }
        }
    }
}
