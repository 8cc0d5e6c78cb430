//! The likely mistake behind a proof that fails.

use std::fmt;

use super::challenge::{Challenge, RecordForm, Token, ValueMatch};
use super::evidence::{BrokenZone, Evidence, Failure, Misplacement, Outcome, Source, Stray};
use super::spelling::{self, Slip, Spelling};
use super::verdict::{Verdict, judge};

/// Most servers that one hint names.
const MAX_NAMED_SERVERS: usize = 4;

/// What somebody probably did, as far as the evidence shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The panel took the full name for one relative to the zone.
    ZoneAppended {
        name: String,
        zone: String,
        relative: String,
    },
    /// The record stands at the name for a parent of the domain.
    AtParent { name: String, wanted: String },
    /// The record's value stands at the other record's name.
    OtherName { name: String, wanted: String },
    /// The value is there with characters that do not belong to it.
    WrittenDifferently {
        name: String,
        slips: Vec<Slip>,
        wanted: String,
    },
    /// The value field has the name, type or time to live as well.
    RecordLine { name: String, wanted: String },
    /// The words before the token are there twice.
    RepeatedKey { name: String, wanted: String },
    /// The value has the token and more.
    OtherText { name: String, wanted: String },
    /// The token is there without the words before it.
    BareToken { name: String, wanted: String },
    /// The token ends too early.
    CutShort { name: String, wanted: String },
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
    /// Every label answers with the same values.
    WildcardRecord { name: String },
    /// All fits, but these servers do not answer over TCP.
    NoTcp { servers: Vec<String> },
    /// The signatures of a zone on the way do not hold.
    BrokenZone(BrokenZone),
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZoneAppended {
                name,
                zone,
                relative,
            } => write!(
                f,
                "The record was found at {name}. The DNS panel appends {zone} to every name, so enter {relative} as the name."
            ),
            Self::AtParent { name, wanted } => write!(
                f,
                "The value was found at {name}, which belongs to a parent of the domain. Publish it at {wanted}."
            ),
            Self::OtherName { name, wanted } => write!(
                f,
                "The value was found at {name}, but this value must be published at {wanted}."
            ),
            Self::WrittenDifferently {
                name,
                slips,
                wanted,
            } => write!(
                f,
                "The value at {name} contains {}. Publish exactly {wanted}, without them.",
                list(slips)
            ),
            Self::RecordLine { name, wanted } => write!(
                f,
                "The value at {name} contains the record's name or type, like a whole record line. Enter only {wanted} as the value."
            ),
            Self::RepeatedKey { name, wanted } => write!(
                f,
                "The value at {name} repeats the text before the token. Publish exactly {wanted}."
            ),
            Self::OtherText { name, wanted } => write!(
                f,
                "The value at {name} contains the token and other text. Publish exactly {wanted}."
            ),
            Self::BareToken { name, wanted } => write!(
                f,
                "The value at {name} is the token without the text before it. Publish exactly {wanted}."
            ),
            Self::CutShort { name, wanted } => write!(
                f,
                "The value at {name} does not contain the whole token. Publish exactly {wanted}."
            ),
            Self::OldToken => f.write_str(
                "Another token was found, perhaps from an earlier challenge. Publish the current one.",
            ),
            Self::ServersDisagree => f.write_str(
                "The zone's name servers give different answers. Wait until the change has reached all of them. If they belong to two providers, publish the record at both.",
            ),
            Self::NotServed { zone } => write!(
                f,
                "{zone} is delegated to name servers that do not serve it. If the record is at another provider, change the name servers at the registrar."
            ),
            Self::NotDelegated { zone } => write!(
                f,
                "The servers of {zone} say that the domain does not exist. It is not registered, or not delegated to any name server."
            ),
            Self::Wildcard { target } => write!(
                f,
                "A wildcard makes every name below the domain an alias of {target}. A wildcard proves nothing. Publish the TXT record itself."
            ),
            Self::WildcardRecord { name } => write!(
                f,
                "A wildcard record answers for {name}, which proves nothing. Publish a TXT record at exactly that name. It overrides the wildcard there."
            ),
            Self::NoTcp { servers } => write!(
                f,
                "No answer over TCP from {}. Open TCP port 53 on these servers: an answer without DNSSEC is trusted only after it is confirmed over TCP.",
                named(servers)
            ),
            Self::BrokenZone(broken) => write_broken(f, broken),
        }
    }
}

fn write_broken(
    f: &mut fmt::Formatter<'_>,
    BrokenZone { zone, failure }: &BrokenZone,
) -> fmt::Result {
    let is_root = zone == ".";
    let zone = if is_root { "the root zone" } else { zone };
    match failure {
        Failure::SignatureExpired => write!(
            f,
            "The DNSSEC signatures of {zone} have expired. First check the clock of the machine that runs this check. If the clock is right, the zone must be signed again."
        ),
        Failure::SignatureNotYetValid => write!(
            f,
            "The DNSSEC signatures of {zone} are not valid yet. First check the clock of the machine that runs this check. If the clock is right, the zone must be signed again."
        ),
        Failure::UntrustedRoot => f.write_str(
            "The root zone's keys do not match the trust anchor. The anchor is out of date or belongs to another root. Correct --dns-trust-anchor.",
        ),
        // Nothing is above it that has a DS record.
        Failure::Bogus if is_root => f.write_str(
            "The DNSSEC signatures of the root zone are missing or wrong. Either something on the network path removes them, or this root is not signed. For an unsigned root, --dns-trust-anchor must name an empty file.",
        ),
        Failure::Bogus => write!(
            f,
            "The DNSSEC signatures of {zone} are missing or wrong. Sign the zone with the keys in its DS record, or remove the DS record from the parent zone."
        ),
        other => write!(f, "DNSSEC fails at {zone}: {other}."),
    }
}

/// One, two and three.
fn list(slips: &[Slip]) -> String {
    let words: Vec<String> = slips.iter().map(ToString::to_string).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

fn named(servers: &[String]) -> String {
    let shown = servers.len().min(MAX_NAMED_SERVERS);
    let more = match servers.len() - shown {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", servers[..shown].join(", "))
}

/// The likeliest mistake, or none where the proof succeeds or nothing is known.
#[must_use]
pub fn of(challenge: &Challenge, evidence: &Evidence) -> Option<Hint> {
    let verdict = judge(challenge, evidence).verdict;
    if verdict == Verdict::Proven {
        return None;
    }
    wildcard_with_token(challenge, evidence)
        .or_else(|| misspelled(challenge, evidence))
        .or_else(|| stray(challenge, evidence))
        .or_else(|| {
            let broken = evidence.broken.clone();
            broken
                .filter(|_| verdict.is_undecided())
                .map(Hint::BrokenZone)
        })
        .or_else(|| beside_the_point(challenge, evidence))
        .or_else(|| no_tcp(evidence).filter(|_| verdict.is_undecided()))
        .or_else(|| {
            (verdict == Verdict::Disagreement && evidence.source == Source::Authoritative)
                .then_some(Hint::ServersDisagree)
        })
        .or_else(|| not_served(evidence))
        .or_else(|| not_delegated(evidence).filter(|_| verdict.is_negative()))
}

/// Each answer to the question for a record, with the form of the record.
fn answers(evidence: &Evidence) -> impl Iterator<Item = (RecordForm, &Outcome)> {
    evidence.lookups.iter().flat_map(|lookup| {
        let answers = lookup.steps.iter().flat_map(|step| &step.answers);
        answers.map(move |answer| (lookup.form, &answer.outcome))
    })
}

/// A wildcard with the token answers at every name, also where people publish by mistake.
fn wildcard_with_token(challenge: &Challenge, evidence: &Evidence) -> Option<Hint> {
    answers(evidence).find_map(|(form, outcome)| {
        let Outcome::WildcardValues { values } = outcome else {
            return None;
        };
        let mut values = values.iter();
        values
            .any(|value| spelling::of(challenge, value).is_some())
            .then(|| Hint::WildcardRecord {
                name: challenge.owner(form),
            })
    })
}

/// The token at one of the right names, in a value that does not prove there.
fn misspelled(challenge: &Challenge, evidence: &Evidence) -> Option<Hint> {
    answers(evidence).find_map(|(form, outcome)| {
        let Outcome::Values { values, .. } = outcome else {
            return None;
        };
        values
            .iter()
            .find_map(|value| misspelled_value(challenge, evidence, form, value))
    })
}

fn misspelled_value(
    challenge: &Challenge,
    evidence: &Evidence,
    form: RecordForm,
    value: &[u8],
) -> Option<Hint> {
    let other = match form {
        RecordForm::Underscore => RecordForm::Apex,
        RecordForm::Apex => RecordForm::Underscore,
    };
    let stands = |form| challenge.matches(form, value, evidence.time);
    if matches!(stands(form), ValueMatch::Proves | ValueMatch::Expired) {
        return None;
    }
    let name = challenge.owner(form);
    let wanted = challenge.value(form);
    if stands(other) == ValueMatch::Proves {
        let wanted = challenge.owner(other);
        return Some(Hint::OtherName { name, wanted });
    }
    Some(match spelling::of(challenge, value)? {
        Spelling::Slips(slips) if slips.is_empty() => return None,
        Spelling::Slips(slips) => Hint::WrittenDifferently {
            name,
            slips,
            wanted,
        },
        Spelling::BareToken => Hint::BareToken { name, wanted },
        Spelling::CutShort => Hint::CutShort { name, wanted },
        Spelling::RecordLine => Hint::RecordLine { name, wanted },
        Spelling::RepeatedKey => Hint::RepeatedKey { name, wanted },
        Spelling::OtherText => Hint::OtherText { name, wanted },
    })
}

/// The token where it does not belong, however it is written there.
fn stray(challenge: &Challenge, evidence: &Evidence) -> Option<Hint> {
    evidence.strays.iter().find_map(|Stray { place, step }| {
        let found = step.answers.iter().any(|answer| match &answer.outcome {
            Outcome::Values { values, .. } => values
                .iter()
                .any(|value| spelling::of(challenge, value).is_some()),
            _ => false,
        });
        let name = step.name.clone();
        match place {
            _ if !found => None,
            Misplacement::ZoneAppended(form) => {
                let owner = challenge.owner(*form);
                let zone = name.strip_prefix(&owner)?.strip_prefix('.')?.to_owned();
                let relative = relative(&owner, &zone);
                Some(Hint::ZoneAppended {
                    name,
                    zone,
                    relative,
                })
            }
            Misplacement::ParentDomain(form) => Some(Hint::AtParent {
                name,
                wanted: challenge.owner(*form),
            }),
        }
    })
}

/// What to enter in a panel that appends the zone.
fn relative(owner: &str, zone: &str) -> String {
    match owner.strip_suffix(zone) {
        Some("") => "@ (or leave it empty)".to_owned(),
        Some(relative) => relative.trim_end_matches('.').to_owned(),
        None => owner.to_owned(),
    }
}

/// What stands at the challenge's names and is not ours, or not any more.
fn beside_the_point(challenge: &Challenge, evidence: &Evidence) -> Option<Hint> {
    let old = answers(evidence).any(|(form, outcome)| match outcome {
        Outcome::Values { values, .. } => values
            .iter()
            .any(|value| is_token_of_another(challenge, form, value)),
        _ => false,
    });
    if old {
        return Some(Hint::OldToken);
    }
    answers(evidence).find_map(|(form, outcome)| match outcome {
        Outcome::WildcardAlias { aliases } => Some(Hint::Wildcard {
            target: aliases.first()?.clone(),
        }),
        Outcome::WildcardValues { .. } => Some(Hint::WildcardRecord {
            name: challenge.owner(form),
        }),
        _ => None,
    })
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

fn no_tcp(evidence: &Evidence) -> Option<Hint> {
    let lookups = evidence.lookups.iter();
    let mut servers: Vec<String> = lookups
        .flat_map(|lookup| &lookup.steps)
        .flat_map(|step| &step.answers)
        .filter(|answer| answer.outcome == Outcome::Failed(Failure::NoTcp))
        .map(|answer| answer.server.to_string())
        .collect();
    servers.sort();
    servers.dedup();
    (!servers.is_empty()).then_some(Hint::NoTcp { servers })
}

/// The zone that was asked, and what its servers say of the domain itself.
fn zone(evidence: &Evidence) -> Option<(String, impl Iterator<Item = &Outcome> + Clone)> {
    if evidence.source != Source::Authoritative {
        return None;
    }
    let zone = evidence.zone.as_ref()?.name.clone();
    let mut lookups = evidence.lookups.iter();
    let apex = lookups.find(|lookup| lookup.form == RecordForm::Apex)?;
    let answers = &apex.steps.last()?.answers;
    Some((zone, answers.iter().map(|answer| &answer.outcome)))
}

fn not_served(evidence: &Evidence) -> Option<Hint> {
    let (zone, mut outcomes) = zone(evidence)?;
    let unserved = |outcome: &Outcome| {
        matches!(
            outcome,
            Outcome::Failed(Failure::Lame | Failure::Refused | Failure::NoAddress)
        )
    };
    let any = outcomes.clone().next().is_some();
    (any && outcomes.all(unserved)).then_some(Hint::NotServed { zone })
}

/// Only a zone that registers names for others says by its denial that a domain is not registered.
fn not_delegated(evidence: &Evidence) -> Option<Hint> {
    if !evidence.registry {
        return None;
    }
    let (zone, outcomes) = zone(evidence)?;
    let mut given = outcomes.filter(|outcome| !matches!(outcome, Outcome::Failed(_)));
    let any = given.clone().next().is_some();
    let denies = |outcome: &Outcome| matches!(outcome, Outcome::NxDomain { .. });
    (any && given.all(denies)).then_some(Hint::NotDelegated { zone })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::challenge::TOKEN_OCTETS;
    use crate::model::evidence::{
        Lookup, Misplacement, Security, ServerAnswer, Step, Stray, ZoneServers,
    };
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
        let owner = || c.owner(RecordForm::Underscore);
        let written = |slips: &[Slip]| {
            Some(Hint::WrittenDifferently {
                name: owner(),
                slips: slips.to_vec(),
                wanted: right.clone(),
            })
        };
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
                written(&[Slip::Quotes]),
            ),
            (
                vec![right.to_uppercase()],
                vec![],
                written(&[Slip::Capitals]),
            ),
            (
                vec![right.replace('=', " = ")],
                vec![],
                written(&[Slip::Blanks]),
            ),
            (
                vec![other.clone(), format!("“{right}”\u{200b}")],
                vec![],
                written(&[Slip::TypographicQuotes, Slip::Invisible]),
            ),
            (
                vec![],
                vec![format!(" {at_apex}")],
                Some(Hint::WrittenDifferently {
                    name: c.owner(RecordForm::Apex),
                    slips: vec![Slip::Blanks],
                    wanted: at_apex.clone(),
                }),
            ),
            // Its reason says what is wrong with it.
            (vec![format!("{right} expiry=1960-01-01")], vec![], None),
            (
                vec![bare],
                vec![],
                Some(Hint::BareToken {
                    name: owner(),
                    wanted: right.clone(),
                }),
            ),
            (
                vec!["token=".to_owned()],
                vec![],
                Some(Hint::CutShort {
                    name: owner(),
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
    fn a_value_with_more_than_belongs_there_is_recognised() {
        let c = challenge();
        let wanted = c.value(RecordForm::Underscore);
        let name = c.owner(RecordForm::Underscore);
        let hint = |value: String| of(&c, &evidence(vec![values(&[value])], vec![none()]));
        assert_eq!(
            hint(format!("{name} 300 IN TXT \"{wanted}\"")),
            Some(Hint::RecordLine {
                name: name.clone(),
                wanted: wanted.clone()
            })
        );
        assert_eq!(
            hint(format!("token={wanted}")),
            Some(Hint::RepeatedKey {
                name: name.clone(),
                wanted: wanted.clone()
            })
        );
        assert_eq!(
            hint(format!("{wanted} expiry=soon")),
            Some(Hint::OtherText { name, wanted })
        );
    }

    #[test]
    fn what_the_servers_do_is_recognised() {
        let c = challenge();
        let zone = "acme.example".to_owned();
        let refused = || Outcome::Failed(Failure::Refused);
        let lame = || Outcome::Failed(Failure::Lame);
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
                Some(Hint::NotServed { zone }),
            ),
            (vec![refused(), none()], vec![refused(), none()], None),
        ] {
            assert_eq!(of(&c, &evidence(underscore, apex)), hint);
        }
    }

    #[test]
    fn only_a_registry_says_that_a_domain_is_not_delegated() {
        let c = challenge();
        let missing = || Outcome::NxDomain { aliases: vec![] };
        let silent = || Outcome::Failed(Failure::Timeout);
        let not_delegated = Some(Hint::NotDelegated {
            zone: "example".to_owned(),
        });
        for (registry, answers, hint) in [
            (true, vec![missing(), missing()], &not_delegated),
            (true, vec![missing(), silent()], &not_delegated),
            (true, vec![missing(), none()], &None),
            (true, vec![silent(), silent()], &None),
            // A sub-domain of a healthy zone with nothing there yet.
            (false, vec![missing(), missing()], &None),
        ] {
            let mut evidence = evidence(answers.clone(), answers.clone());
            evidence.registry = registry;
            evidence.zone.as_mut().unwrap().name = "example".to_owned();
            assert_eq!(of(&c, &evidence), *hint, "{registry} {answers:?}");
        }
    }

    #[test]
    fn a_record_at_a_name_that_the_panel_made_longer_is_recognised() {
        let app = Challenge {
            name: DomainName::parse("app.acme.example").unwrap(),
            ..challenge()
        };
        for (challenge, form, zone, relative) in [
            (
                challenge(),
                RecordForm::Underscore,
                "acme.example",
                "_freehold-challenge",
            ),
            (
                challenge(),
                RecordForm::Apex,
                "acme.example",
                "@ (or leave it empty)",
            ),
            (
                app.clone(),
                RecordForm::Underscore,
                "acme.example",
                "_freehold-challenge.app",
            ),
            (
                app.clone(),
                RecordForm::Underscore,
                "app.acme.example",
                "_freehold-challenge",
            ),
            (app, RecordForm::Apex, "acme.example", "app"),
        ] {
            let name = format!("{}.{zone}", challenge.owner(form));
            // However it is written there: where it stands comes first.
            for value in [
                challenge.value(form),
                format!("\"{}\"", challenge.value(form)),
            ] {
                let mut evidence = evidence(vec![none()], vec![none()]);
                evidence.strays = vec![
                    stray_at(
                        Misplacement::ParentDomain(form),
                        "example",
                        Outcome::Failed(Failure::Timeout),
                    ),
                    stray_at(Misplacement::ZoneAppended(form), &name, values(&[value])),
                ];
                let hint = of(&challenge, &evidence);
                assert_eq!(
                    hint,
                    Some(Hint::ZoneAppended {
                        name: name.clone(),
                        zone: zone.to_owned(),
                        relative: relative.to_owned(),
                    })
                );
                assert!(hint.unwrap().to_string().contains(relative));
            }
        }
    }

    #[test]
    fn a_record_one_level_too_high_is_recognised() {
        let c = challenge();
        for form in crate::model::challenge::FORMS {
            let mut evidence = evidence(vec![none()], vec![none()]);
            let stray = |value: &str| {
                stray_at(
                    Misplacement::ParentDomain(form),
                    "example",
                    values(&[value.to_owned()]),
                )
            };
            evidence.strays = vec![stray("v=spf1 -all")];
            assert_eq!(of(&c, &evidence), None);
            evidence.strays.push(stray(&c.value(form)));
            let hint = Hint::AtParent {
                name: "example".to_owned(),
                wanted: c.owner(form),
            };
            assert_eq!(of(&c, &evidence), Some(hint));
        }
    }

    fn stray_at(place: Misplacement, name: &str, outcome: Outcome) -> Stray {
        Stray {
            place,
            step: step(name, vec![outcome]),
        }
    }

    #[test]
    fn a_wildcard_that_answers_is_named() {
        let c = challenge();
        let wildcard = |value: &str| Outcome::WildcardValues {
            values: vec![value.as_bytes().to_vec()],
        };
        let name = c.owner(RecordForm::Underscore);
        let hint = Some(Hint::WildcardRecord { name });
        let spf = evidence(vec![wildcard("v=spf1 -all")], vec![none()]);
        assert_eq!(judge(&c, &spf).verdict, Verdict::Absent);
        assert_eq!(of(&c, &spf), hint);
        // A mistake of ours is likelier.
        let quoted = format!("\"{}\"", c.value(RecordForm::Apex));
        let both = evidence(vec![wildcard("v=spf1 -all")], vec![values(&[quoted])]);
        assert!(matches!(
            of(&c, &both),
            Some(Hint::WrittenDifferently { .. })
        ));
        // A wildcard with the token answers at every other name as well.
        let token = format!("\"{}\"", c.value(RecordForm::Underscore));
        let mut everywhere = evidence(vec![wildcard(&token)], vec![none()]);
        everywhere.strays.push(stray_at(
            Misplacement::ZoneAppended(RecordForm::Underscore),
            "_freehold-challenge.acme.example.acme.example",
            values(&[token]),
        ));
        assert_eq!(of(&c, &everywhere), hint);
    }

    #[test]
    fn servers_without_tcp_are_named() {
        let c = challenge();
        let closed = || Outcome::Failed(Failure::NoTcp);
        let mut evidence = evidence(vec![closed(), closed()], vec![none(), none()]);
        evidence.lookups[0].steps[0].answers[0].server = "ns2.host.example".into();
        assert_eq!(
            judge(&c, &evidence).verdict,
            Verdict::Inconclusive(Failure::NoTcp)
        );
        let text = of(&c, &evidence).unwrap().to_string();
        let servers = "from ns1.host.example (192.0.2.1), ns2.host.example. Open TCP port 53";
        assert!(text.contains(servers), "{text}");
        for n in 0..9 {
            let mut answer = evidence.lookups[0].steps[0].answers[0].clone();
            answer.server = format!("ns3{n}.host.example").into();
            evidence.lookups[0].steps[0].answers.push(answer);
        }
        let text = of(&c, &evidence).unwrap().to_string();
        assert!(text.contains("ns31.host.example and 7 more"), "{text}");
    }

    #[test]
    fn a_zone_with_broken_signatures_is_named_with_what_to_do() {
        let c = challenge();
        for (zone, failure, parts) in [
            (
                "acme.example",
                Failure::SignatureExpired,
                ["acme.example have expired", "clock"],
            ),
            (
                ".",
                Failure::SignatureNotYetValid,
                ["the root zone are not valid yet", "clock"],
            ),
            (
                ".",
                Failure::UntrustedRoot,
                ["trust anchor", "--dns-trust-anchor"],
            ),
            (
                "acme.example",
                Failure::Bogus,
                ["acme.example are missing or wrong", "DS record"],
            ),
            (
                ".",
                Failure::Bogus,
                [
                    "something on the network path removes them",
                    "an empty file",
                ],
            ),
        ] {
            let above = || vec![Outcome::Failed(Failure::BrokenAbove)];
            let mut evidence = evidence(above(), above());
            let broken = BrokenZone {
                zone: zone.to_owned(),
                failure,
            };
            evidence.broken = Some(broken.clone());
            let hint = of(&c, &evidence).unwrap();
            assert_eq!(hint, Hint::BrokenZone(broken));
            let text = hint.to_string();
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        }
    }
}
