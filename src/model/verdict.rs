//! The pure judgement of evidence against a challenge.

use super::challenge::{Challenge, RecordForm, ValueMatch};
use super::evidence::{Evidence, Failure, Lookup, Outcome};

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

/// Which mismatch it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MismatchKind {
    OtherValue,
    /// The very token, in a value whose own `expiry=` has passed.
    Expired,
}

/// How much a verdict weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Every server answered and all agree: it acts at once.
    Complete,
    /// Some did not answer, all who did agree: it acts once it is repeated.
    Partial,
}

impl Verdict {
    /// Whether it is a definite no.
    #[must_use]
    pub fn is_negative(self) -> bool {
        matches!(self, Self::Absent | Self::Mismatch(_))
    }
}

/// Judges the evidence: proven if the record of either form is, negative only if both are.
#[must_use]
pub fn judge(challenge: &Challenge, evidence: &Evidence) -> Verdict {
    let mut verdicts = evidence
        .lookups
        .iter()
        .map(|lookup| judge_lookup(challenge, evidence, lookup));
    let Some(first) = verdicts.next() else {
        return Verdict::Inconclusive(Failure::Timeout);
    };
    verdicts.fold(first, either)
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

/// A verdict needs more than half of the servers asked to say the same, and nobody to say the
/// opposite.
fn judge_lookup(challenge: &Challenge, evidence: &Evidence, lookup: &Lookup) -> Verdict {
    let votes: Vec<Verdict> = lookup
        .answers
        .iter()
        .map(|answer| judge_outcome(challenge, evidence, lookup.form, &answer.outcome))
        .collect();
    let proven = votes
        .iter()
        .filter(|&&vote| vote == Verdict::Proven)
        .count();
    let negative = votes.iter().filter(|vote| vote.is_negative()).count();
    if proven > 0 && negative > 0 {
        return Verdict::Disagreement;
    }
    let needed = votes.len() / 2 + 1;
    if proven >= needed {
        return Verdict::Proven;
    }
    if negative >= needed {
        return votes
            .iter()
            .copied()
            .filter(|vote| vote.is_negative())
            .reduce(either)
            .unwrap_or(Verdict::Absent);
    }
    votes
        .into_iter()
        .find(|vote| matches!(vote, Verdict::Inconclusive(_)))
        .unwrap_or(Verdict::Inconclusive(Failure::Timeout))
}

fn judge_outcome(
    challenge: &Challenge,
    evidence: &Evidence,
    form: RecordForm,
    outcome: &Outcome,
) -> Verdict {
    let values = match outcome {
        Outcome::Failed(failure) => return Verdict::Inconclusive(*failure),
        Outcome::NoData { .. } | Outcome::NxDomain { .. } | Outcome::WildcardAlias { .. } => {
            return Verdict::Absent;
        }
        // Whoever controls the target of an apex CNAME controls the name, yet the record would
        // then prove every name that points there.
        Outcome::Values { aliases, .. } if form == RecordForm::Apex && !aliases.is_empty() => {
            return Verdict::Absent;
        }
        Outcome::Values { values, .. } => values,
    };
    let mut verdict = Verdict::Absent;
    for value in values {
        match challenge.matches(form, value, evidence.time) {
            ValueMatch::Proves => return Verdict::Proven,
            ValueMatch::Expired => verdict = Verdict::Mismatch(MismatchKind::Expired),
            ValueMatch::Differs => {
                verdict = either(verdict, Verdict::Mismatch(MismatchKind::OtherValue));
            }
            ValueMatch::Foreign => {}
        }
    }
    verdict
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
            answers: outcomes
                .into_iter()
                .enumerate()
                .map(|(n, outcome)| ServerAnswer {
                    server: format!("192.0.2.{n}"),
                    outcome,
                })
                .collect(),
        };
        Evidence {
            time: Timestamp::UNIX_EPOCH,
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
            assert_eq!(judge(&c, &evidence), verdict, "{evidence:?}");
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
            judge(&c, &evidence(vec![no_data()], vec![aliased])),
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
            assert_eq!(judge(&c, &evidence), verdict, "{evidence:?}");
        }
        assert!(matches!(
            judge(&c, &evidence(vec![], vec![])),
            Verdict::Inconclusive(_)
        ));
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
            let verdict = judge(&challenge(), &evidence);
            prop_assert_ne!(verdict, Verdict::Proven);
            if FORMS.iter().zip(&evidence.lookups).any(|(_, lookup)| {
                lookup.answers.iter().all(|a| matches!(a.outcome, Outcome::Failed(_)))
            }) {
                prop_assert!(!verdict.is_negative());
            }
        }
    }
}
