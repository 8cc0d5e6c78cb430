//! The likely mistake behind a proof that fails.

use std::fmt;

use super::challenge::{Challenge, RecordForm, Token, ValueMatch};
use super::evidence::{Evidence, Failure, Outcome, Source};
use super::verdict::{Verdict, judge};

/// What somebody probably did, as far as the evidence shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The panel took the full name for one relative to the zone.
    ZoneAppendedTwice { name: String },
    /// The record's value stands at the other record's name.
    OtherName { name: String, wanted: String },
    /// The value is there with quotes, blanks or in another case.
    WrittenDifferently,
    /// The token is there without the words before it.
    BareToken { wanted: String },
    /// A well-formed token, but not the one of this challenge.
    OldToken,
    /// The servers of the zone say different things.
    ServersDisagree,
    /// The name servers that the parent names do not serve the zone.
    NotServed { zone: String },
    /// The parent knows no such domain.
    NotDelegated { zone: String },
    /// Every label answers with the same alias.
    Wildcard { target: String },
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZoneAppendedTwice { name } => write!(
                f,
                "The record was found at {name}: the panel appends the zone by itself, so give it the name without the zone."
            ),
            Self::OtherName { name, wanted } => write!(
                f,
                "The value was found at {name}; this value must be published at {wanted}."
            ),
            Self::WrittenDifferently => f.write_str(
                "The value was found with quotes, blanks or capitals that do not belong to it; publish it exactly as given.",
            ),
            Self::BareToken { wanted } => write!(
                f,
                "The token was found without the words before it; the whole value is {wanted}."
            ),
            Self::OldToken => f.write_str(
                "Another token was found, perhaps of an earlier challenge; publish the present one.",
            ),
            Self::ServersDisagree => f.write_str(
                "The name servers of the zone do not say the same. Wait until the change has reached all of them; if they belong to two providers, publish the record at both.",
            ),
            Self::NotServed { zone } => write!(
                f,
                "The name servers to which {zone} is delegated do not serve it. If the record is at another provider, change the name servers at the registrar."
            ),
            Self::NotDelegated { zone } => write!(
                f,
                "The servers of {zone} know no such domain: it is not registered, or not delegated to any name server."
            ),
            Self::Wildcard { target } => write!(
                f,
                "Every name below the domain is an alias of {target}; a wildcard proves nothing, so publish the record itself."
            ),
        }
    }
}

/// The likeliest mistake, or none where the proof succeeds or nothing is known.
#[must_use]
pub fn of(challenge: &Challenge, evidence: &Evidence) -> Option<Hint> {
    let verdict = judge(challenge, evidence).verdict;
    if verdict == Verdict::Proven {
        return None;
    }
    doubled(challenge, evidence)
        .or_else(|| misplaced(challenge, evidence))
        .or_else(|| {
            (verdict == Verdict::Disagreement && evidence.source == Source::Authoritative)
                .then_some(Hint::ServersDisagree)
        })
        .or_else(|| zone(evidence))
}

fn doubled(challenge: &Challenge, evidence: &Evidence) -> Option<Hint> {
    let step = &evidence.strays.first()?.step;
    let found = step
        .answers
        .iter()
        .filter_map(|answer| match &answer.outcome {
            Outcome::Values { values, .. } => Some(values),
            _ => None,
        })
        .flatten()
        .any(|value| proves(challenge, RecordForm::Underscore, value, evidence));
    found.then(|| Hint::ZoneAppendedTwice {
        name: step.name.clone(),
    })
}

fn misplaced(challenge: &Challenge, evidence: &Evidence) -> Option<Hint> {
    let mut hint = None;
    for lookup in &evidence.lookups {
        let form = lookup.form;
        let other = match form {
            RecordForm::Underscore => RecordForm::Apex,
            RecordForm::Apex => RecordForm::Underscore,
        };
        for answer in lookup.steps.iter().flat_map(|step| &step.answers) {
            let values = match &answer.outcome {
                Outcome::Values { values, .. } => values,
                Outcome::WildcardAlias { aliases } => {
                    let target = aliases.first().cloned()?;
                    hint.get_or_insert(Hint::Wildcard { target });
                    continue;
                }
                _ => continue,
            };
            for value in values {
                if proves(challenge, form, value, evidence) {
                    continue;
                }
                if proves(challenge, other, value, evidence) {
                    return Some(Hint::OtherName {
                        name: challenge.owner(form),
                        wanted: challenge.owner(other),
                    });
                }
                let plain = plain(value);
                if [form, other]
                    .iter()
                    .any(|&form| plain == challenge.value(form))
                {
                    return Some(Hint::WrittenDifferently);
                }
                if plain == challenge.token.as_str() {
                    return Some(Hint::BareToken {
                        wanted: challenge.value(form),
                    });
                }
                if is_token_of_another(challenge, form, value) {
                    hint = Some(Hint::OldToken);
                }
            }
        }
    }
    hint
}

fn proves(challenge: &Challenge, form: RecordForm, value: &[u8], evidence: &Evidence) -> bool {
    challenge.matches(form, value, evidence.time) == ValueMatch::Proves
}

/// The value without what people and panels add: quotes, blanks, backslashes, capitals.
fn plain(value: &[u8]) -> String {
    value
        .iter()
        .filter(|octet| !octet.is_ascii_whitespace() && !b"\"'\\".contains(octet))
        .map(|octet| char::from(octet.to_ascii_lowercase()))
        .collect()
}

/// Whether the value would prove the form for some other token.
fn is_token_of_another(challenge: &Challenge, form: RecordForm, value: &[u8]) -> bool {
    let own = challenge.value(form);
    let words = own.len() - challenge.token.as_str().len();
    std::str::from_utf8(value)
        .ok()
        .and_then(|value| value.strip_prefix(&own[..words]))
        .and_then(|rest| Token::parse(rest.split(' ').next()?))
        .is_some_and(|token| token != challenge.token)
}

fn zone(evidence: &Evidence) -> Option<Hint> {
    if evidence.source != Source::Authoritative {
        return None;
    }
    let zone = evidence.zone.as_ref()?.name.clone();
    let apex = evidence
        .lookups
        .iter()
        .find(|lookup| lookup.form == RecordForm::Apex)?;
    let answers = &apex.steps.last()?.answers;
    let all = |wanted: fn(&Outcome) -> bool| {
        !answers.is_empty() && answers.iter().all(|answer| wanted(&answer.outcome))
    };
    if all(|outcome| matches!(outcome, Outcome::NxDomain { .. })) {
        return Some(Hint::NotDelegated { zone });
    }
    let unserved = |outcome: &Outcome| {
        matches!(
            outcome,
            Outcome::Failed(Failure::Lame | Failure::Refused | Failure::NoAddress)
        )
    };
    all(unserved).then_some(Hint::NotServed { zone })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::challenge::TOKEN_OCTETS;
    use crate::model::evidence::{Lookup, Place, Security, ServerAnswer, Step, Stray, ZoneServers};
    use crate::model::name::DomainName;
    use crate::model::service::ServiceName;

    fn challenge() -> Challenge {
        Challenge {
            name: DomainName::parse("acme.example").unwrap(),
            service: ServiceName::default(),
            token: Token::from_random([1; TOKEN_OCTETS]),
        }
    }

    fn values(values: &[String]) -> Outcome {
        Outcome::Values {
            values: values.iter().map(|v| v.clone().into_bytes()).collect(),
            aliases: vec![],
        }
    }

    fn none() -> Outcome {
        Outcome::NoData { aliases: vec![] }
    }

    fn step(name: &str, outcomes: Vec<Outcome>) -> Step {
        Step {
            name: name.to_owned(),
            answers: outcomes
                .into_iter()
                .map(|outcome| ServerAnswer {
                    server: "ns1.host.example (192.0.2.1)".into(),
                    outcome,
                })
                .collect(),
        }
    }

    fn evidence(underscore: Vec<Outcome>, apex: Vec<Outcome>) -> Evidence {
        let lookup = |form, outcomes| Lookup {
            form,
            steps: vec![step(&challenge().owner(form), outcomes)],
            stopped: None,
            partial: false,
            security: Security::Insecure,
        };
        Evidence {
            time: Timestamp::UNIX_EPOCH,
            source: Source::Authoritative,
            secure_only: false,
            lookups: vec![
                lookup(RecordForm::Underscore, underscore),
                lookup(RecordForm::Apex, apex),
            ],
            zone: Some(ZoneServers {
                name: "acme.example".to_owned(),
                hosts: vec![],
            }),
            registry: false,
            strays: Vec::new(),
            broken: None,
            unreached: None,
        }
    }

    #[test]
    fn a_value_at_the_wrong_place_or_written_otherwise_is_recognised() {
        let c = challenge();
        let right = c.value(RecordForm::Underscore);
        let at_apex = c.value(RecordForm::Apex);
        let other = format!("token={}", Token::from_random([2; TOKEN_OCTETS]));
        let bare = c.token.to_string();
        for (underscore, apex, hint) in [
            (vec![right.clone()], vec![], None),
            (vec![], vec!["v=spf1".to_owned()], None),
            (vec!["hello".to_owned()], vec![], None),
            (
                vec![],
                vec![right.clone()],
                Some(Hint::OtherName {
                    name: c.owner(RecordForm::Apex),
                    wanted: c.owner(RecordForm::Underscore),
                }),
            ),
            (
                vec![at_apex.clone()],
                vec![],
                Some(Hint::OtherName {
                    name: c.owner(RecordForm::Underscore),
                    wanted: c.owner(RecordForm::Apex),
                }),
            ),
            (
                vec![format!("\"{right}\"")],
                vec![],
                Some(Hint::WrittenDifferently),
            ),
            (
                vec![right.to_uppercase()],
                vec![],
                Some(Hint::WrittenDifferently),
            ),
            (
                vec![right.replace('=', " = ")],
                vec![],
                Some(Hint::WrittenDifferently),
            ),
            (
                vec![bare],
                vec![],
                Some(Hint::BareToken {
                    wanted: right.clone(),
                }),
            ),
            (vec![other.clone()], vec![], Some(Hint::OldToken)),
            (
                vec![format!("{other} expiry=never")],
                vec![],
                Some(Hint::OldToken),
            ),
        ] {
            let outcome = |of: &[String]| if of.is_empty() { none() } else { values(of) };
            let evidence = evidence(vec![outcome(&underscore)], vec![outcome(&apex)]);
            assert_eq!(of(&c, &evidence), hint, "{underscore:?} {apex:?}");
        }
    }

    #[test]
    fn what_the_servers_do_is_recognised() {
        let c = challenge();
        let zone = "acme.example".to_owned();
        let refused = || Outcome::Failed(Failure::Refused);
        let lame = || Outcome::Failed(Failure::Lame);
        let missing = || Outcome::NxDomain { aliases: vec![] };
        let right = values(&[c.value(RecordForm::Underscore)]);
        for (underscore, apex, hint) in [
            (
                vec![right, none()],
                vec![none(), none()],
                Some(Hint::ServersDisagree),
            ),
            (
                vec![refused(), lame()],
                vec![refused(), lame()],
                Some(Hint::NotServed { zone: zone.clone() }),
            ),
            (vec![refused(), none()], vec![refused(), none()], None),
            (
                vec![missing(), missing()],
                vec![missing(), missing()],
                Some(Hint::NotDelegated { zone }),
            ),
        ] {
            assert_eq!(of(&c, &evidence(underscore, apex)), hint);
        }
    }

    #[test]
    fn a_zone_appended_twice_is_recognised() {
        let c = challenge();
        let name = "_freehold-challenge.acme.example.acme.example".to_owned();
        let mut evidence = evidence(vec![none()], vec![none()]);
        evidence.strays.push(Stray {
            place: Place::ZoneAppended(RecordForm::Underscore),
            step: step(&name, vec![values(&[c.value(RecordForm::Underscore)])]),
        });
        assert_eq!(of(&c, &evidence), Some(Hint::ZoneAppendedTwice { name }));
    }
}
