//! What a status repeats of a check: bounded, legible, and in the order in which it was asked.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::challenge::{Challenge, RecordForm, ValueMatch};
use super::evidence::{Evidence, Lookup, Misplacement, Outcome, Security, Step};
use super::hint;
use super::legible;
use super::name::MAX_NAME_OCTETS;
use super::verdict::{Judged, Verdict};
use crate::api::organization_domain::{
    AskedServer, CheckVerdict, DnssecState, LastCheck, MAX_HINT_CHARS, MAX_LISTED_ANSWERS,
    MAX_OBSERVED_CHARS, MAX_OBSERVED_VALUES,
};

/// Writes the report. Of an `internal` name it has the verdict alone: whoever may state a name must not
/// read the install's own zones through it, nor find out which names and servers there are.
#[must_use]
pub fn last_check(
    challenge: &Challenge,
    evidence: &Evidence,
    judged: Judged,
    internal: bool,
) -> LastCheck {
    if internal {
        return verdict_alone(judged.verdict.into(), None);
    }
    let lookups = evidence.lookups.iter();
    let observed: BTreeSet<String> = lookups
        .flat_map(|lookup| {
            let answers = lookup.answers();
            answers.flat_map(|answer| others(challenge, evidence, lookup.form, &answer.outcome))
        })
        .collect();
    LastCheck {
        time: None,
        verdict: judged.verdict.into(),
        dnssec: match judged.security {
            Security::Secure => Some(DnssecState::Secure),
            Security::Insecure => Some(DnssecState::Insecure),
            Security::Unknown => None,
        },
        servers: servers(challenge, evidence),
        observed_values: observed.into_iter().take(MAX_OBSERVED_VALUES).collect(),
        hint: hint(challenge, evidence, judged.verdict),
    }
}

/// What a status says of a check: of a proof, only the lookups that prove. Every octet of a status is read,
/// validated and stored by the API server with each write.
#[must_use]
pub fn for_status(
    challenge: &Challenge,
    evidence: &Evidence,
    judged: Judged,
    internal: bool,
) -> LastCheck {
    if internal || judged.verdict != Verdict::Proven {
        return last_check(challenge, evidence, judged, internal);
    }
    let mut proving = evidence.clone();
    proving.strays.clear();
    let lookups = &mut proving.lookups;
    lookups.retain(|lookup| proves(challenge, evidence, lookup));
    last_check(challenge, &proving, judged, internal)
}

fn proves(challenge: &Challenge, evidence: &Evidence, lookup: &Lookup) -> bool {
    let proves = |value: &Vec<u8>| challenge.matches(lookup.form, value, evidence.time);
    lookup
        .values()
        .any(|value| proves(value) == ValueMatch::Proves)
}

/// All that is repeated of a check of an internal name.
#[must_use]
pub fn verdict_alone(verdict: CheckVerdict, time: Option<Time>) -> LastCheck {
    LastCheck {
        time,
        verdict,
        dnssec: None,
        servers: Vec::new(),
        observed_values: Vec::new(),
        hint: None,
    }
}

/// Who was asked for what, as a person follows it: the way to the zone where it ended early, then
/// form by form and step by step, and at last the names where records stand by mistake.
fn servers(challenge: &Challenge, evidence: &Evidence) -> Vec<AskedServer> {
    let listed = |form, step: &Step| {
        let mut servers: Vec<AskedServer> = step
            .answers
            .iter()
            .map(|answer| AskedServer {
                server: shorten(&answer.server),
                name: legible::text(&step.name, MAX_NAME_OCTETS),
                answer: describe(challenge, evidence, form, &answer.outcome),
            })
            .collect();
        servers.sort();
        servers
    };
    let way = evidence.unreached.iter();
    let mut sections: Vec<Vec<AskedServer>> = way
        .map(|unreached| listed(RecordForm::Apex, &unreached.step))
        .collect();
    for lookup in &evidence.lookups {
        let steps = lookup.steps.iter();
        sections.push(steps.flat_map(|step| listed(lookup.form, step)).collect());
    }
    let strays = evidence.strays.iter().flat_map(|stray| {
        let (Misplacement::ZoneAppended(form) | Misplacement::ParentDomain(form)) = stray.place;
        listed(form, &stray.step)
    });
    sections.push(strays.collect());
    let mut seen = BTreeSet::new();
    for section in &mut sections {
        section.retain(|asked| seen.insert(asked.clone()));
    }
    shorten_sections(&mut sections, MAX_LISTED_ANSWERS);
    sections.concat()
}

/// Leaves out the first answers of the longest sections: the last ones decide.
fn shorten_sections<T>(sections: &mut [Vec<T>], most: usize) {
    // Of equally long ones the first.
    while sections.iter().map(Vec::len).sum::<usize>() > most
        && let Some(longest) = sections
            .iter_mut()
            .rev()
            .max_by_key(|section| section.len())
    {
        longest.remove(0);
    }
}

/// The likely mistake, or else why nothing could be found out.
fn hint(challenge: &Challenge, evidence: &Evidence, verdict: Verdict) -> Option<String> {
    let text = match (hint::of(challenge, evidence), verdict) {
        (Some(hint), _) => hint.to_string(),
        (None, Verdict::Inconclusive(failure)) => format!("The check could not decide: {failure}."),
        (None, _) => return None,
    };
    Some(legible::text(&text, MAX_HINT_CHARS))
}

fn describe(
    challenge: &Challenge,
    evidence: &Evidence,
    form: RecordForm,
    outcome: &Outcome,
) -> String {
    match outcome {
        Outcome::Failed(failure) => failure.to_string(),
        Outcome::NoData { aliases } => with_aliases("no TXT record", aliases),
        Outcome::NxDomain { aliases } => with_aliases("no such name", aliases),
        Outcome::WildcardValues { .. } => {
            "no record of its own; a wildcard record answers, which proves nothing".to_owned()
        }
        Outcome::WildcardAlias { aliases } => {
            with_aliases("only a wildcard answers, which proves nothing", aliases)
        }
        Outcome::Alias { target } => shorten(&format!("a CNAME to {target}")),
        Outcome::Referral(zone) => shorten(&format!(
            "referral to the zone {} with the name servers {}",
            zone.name,
            zone.hosts.join(", ")
        )),
        Outcome::Below(zone) => shorten(&format!("answers for the zone {}", zone.name)),
        Outcome::Values { values, aliases } => {
            let matches: Vec<ValueMatch> = values
                .iter()
                .map(|v| challenge.matches(form, v, evidence.time))
                .collect();
            let found = if matches.contains(&ValueMatch::Proves) {
                "the expected value"
            } else if matches.contains(&ValueMatch::Expired) {
                "the expected value, expired"
            } else if matches.contains(&ValueMatch::Differs) {
                "other values"
            } else {
                "no value for this check"
            };
            with_aliases(found, aliases)
        }
    }
}

/// The values of an answer that are not the wanted one.
fn others(
    challenge: &Challenge,
    evidence: &Evidence,
    form: RecordForm,
    outcome: &Outcome,
) -> Vec<String> {
    let shown = |value: &Vec<u8>| legible::value(value, MAX_OBSERVED_CHARS);
    match outcome {
        Outcome::WildcardValues { values } => values.iter().map(shown).collect(),
        Outcome::Values { values, .. } => values
            .iter()
            .filter(|value| {
                let found = challenge.matches(form, value, evidence.time);
                matches!(found, ValueMatch::Differs | ValueMatch::Expired)
            })
            .map(shown)
            .collect(),
        _ => Vec::new(),
    }
}

fn with_aliases(answer: &str, aliases: &[String]) -> String {
    match aliases.last() {
        None => answer.to_owned(),
        Some(last) => shorten(&format!("{answer} (CNAME to {last})")),
    }
}

/// Cuts to the length that the schema allows.
fn shorten(text: &str) -> String {
    legible::text(text, MAX_OBSERVED_CHARS)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use proptest::strategy::Strategy;

    use super::*;
    use crate::model::challenge::{TOKEN_OCTETS, Token};
    use crate::model::evidence::{
        Failure, Lookup, ServerAnswer, Source, Stray, Unreached, ZoneServers,
    };
    use crate::model::name::DomainName;
    use crate::model::service::ServiceName;
    use crate::model::verdict::judge;

    fn challenge() -> Challenge {
        Challenge {
            name: DomainName::parse("acme.example").unwrap(),
            service: ServiceName::default(),
            token: Token::from_random([1; TOKEN_OCTETS]),
        }
    }

    fn evidence(values: Vec<Vec<u8>>) -> Evidence {
        Evidence {
            time: Timestamp::UNIX_EPOCH,
            source: Source::Recursive,
            secure_only: false,
            zone: None,
            registry: false,
            strays: Vec::new(),
            broken: None,
            unreached: None,
            lookups: vec![Lookup {
                form: RecordForm::Underscore,
                steps: vec![Step {
                    name: challenge().owner(RecordForm::Underscore),
                    answers: vec![ServerAnswer {
                        server: "192.0.2.1:53".into(),
                        outcome: Outcome::Values {
                            values,
                            aliases: vec![],
                        },
                    }],
                }],
                stopped: None,
                partial: false,
                security: Security::Unknown,
            }],
        }
    }

    fn report(values: Vec<Vec<u8>>, internal: bool) -> LastCheck {
        let (challenge, evidence) = (challenge(), evidence(values));
        last_check(
            &challenge,
            &evidence,
            judge(&challenge, &evidence),
            internal,
        )
    }

    #[test]
    fn values_are_escaped_sorted_and_bounded() {
        let values = (0..50)
            .rev()
            .map(|n| format!("v{n:02}\n\"x\\").into_bytes())
            .collect();
        let report = report(values, false);
        assert_eq!(report.verdict, CheckVerdict::Mismatch);
        assert_eq!(report.observed_values.len(), MAX_OBSERVED_VALUES);
        assert_eq!(report.observed_values[0], "v00\\010\\\"x\\\\");
        assert_eq!(report.servers[0].answer, "other values");
    }

    #[test]
    fn of_a_proof_a_status_shows_only_what_proves() {
        let challenge = challenge();
        let right = challenge.value(RecordForm::Underscore).into_bytes();
        for (value, shown) in [(right, 1), (b"other".to_vec(), 2)] {
            let mut evidence = evidence(vec![value]);
            let mut apex = evidence.lookups[0].clone();
            apex.form = RecordForm::Apex;
            apex.steps[0].answers[0].outcome = Outcome::NoData { aliases: vec![] };
            evidence.lookups.push(apex);
            let judged = judge(&challenge, &evidence);
            let all = last_check(&challenge, &evidence, judged, false);
            assert_eq!(all.servers.len(), 2);
            let report = for_status(&challenge, &evidence, judged, false);
            assert_eq!(report.servers, all.servers[..shown]);
            assert_eq!(report.verdict, all.verdict);
        }
    }

    #[test]
    fn the_walk_is_told_in_the_order_in_which_it_was_asked() {
        let challenge = challenge();
        let step = |name: &str, servers: &[&str]| Step {
            name: name.to_owned(),
            answers: servers
                .iter()
                .map(|&server| ServerAnswer {
                    server: server.into(),
                    outcome: Outcome::NoData { aliases: vec![] },
                })
                .collect(),
        };
        let lookup = |form, steps| Lookup {
            form,
            steps,
            stopped: None,
            partial: false,
            security: Security::Unknown,
        };
        let stray = |place, name| Stray {
            place,
            step: step(name, &["s"]),
        };
        let mut evidence = evidence(Vec::new());
        evidence.lookups = vec![
            lookup(
                RecordForm::Underscore,
                vec![step("z", &["b", "a"]), step("y", &["d", "c"])],
            ),
            lookup(
                RecordForm::Apex,
                vec![step("x", &["b", "a"]), step("z", &["a"])],
            ),
        ];
        evidence.strays = vec![
            stray(Misplacement::ZoneAppended(RecordForm::Underscore), "b.b"),
            stray(Misplacement::ParentDomain(RecordForm::Apex), "a"),
        ];
        evidence.unreached = Some(Unreached {
            zone: ".".to_owned(),
            step: step("w", &["r"]),
        });
        let listed = |evidence: &Evidence| {
            let judged = judge(&challenge, evidence);
            let report = last_check(&challenge, evidence, judged, false);
            let servers = report.servers.into_iter();
            servers
                .map(|asked| format!("{} {}", asked.name, asked.server))
                .collect::<Vec<_>>()
        };
        let told = [
            "w r", "z a", "z b", "y c", "y d", "x a", "x b", "b.b s", "a s",
        ];
        assert_eq!(listed(&evidence), told);

        let many: Vec<String> = (0..40).map(|n| format!("s{n:02}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        evidence.lookups[0].steps[0] = step("z", &many);
        evidence.lookups[1].steps[0] = step("x", &many[..20]);
        let told = listed(&evidence);
        assert_eq!(told.len(), MAX_LISTED_ANSWERS);
        assert_eq!(told[0], "w r");
        let last = ["x s19", "z a", "b.b s", "a s"];
        assert_eq!(told[MAX_LISTED_ANSWERS - 4..], last);
        let decides = told.iter().position(|asked| asked == "y c").unwrap();
        assert_eq!(told[decides - 1..decides + 2], ["z s39", "y c", "y d"]);
    }

    #[test]
    fn a_wildcard_is_told_of() {
        let challenge = challenge();
        let mut evidence = evidence(Vec::new());
        evidence.lookups[0].steps[0].answers[0].outcome = Outcome::WildcardValues {
            values: vec![b"v=spf1 -all".to_vec()],
        };
        let report = last_check(&challenge, &evidence, judge(&challenge, &evidence), false);
        assert_eq!(report.verdict, CheckVerdict::Absent);
        assert!(
            report.servers[0]
                .answer
                .contains("a wildcard record answers")
        );
        assert!(report.hint.unwrap().contains("A wildcard record answers"));
        assert_eq!(report.observed_values, ["v=spf1 -all"]);
    }

    #[test]
    fn of_an_internal_name_nothing_is_repeated_but_the_verdict() {
        let told = report(vec![b"secret".to_vec()], true);
        assert_eq!(told, verdict_alone(CheckVerdict::Mismatch, None));
    }

    /// Any text, often of characters that cannot be seen or that turn the direction.
    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![
            ".{0,300}",
            "[\u{200b}-\u{206f}\u{300}-\u{36f}\u{fe0f}\u{3164}\u{1d173}\u{e0000}-\u{e01ef}a-z]{0,300}",
        ]
    }

    fn any_outcome() -> impl Strategy<Value = Outcome> {
        let aliases = || prop::collection::vec(any_text(), 0..3);
        let octets = prop::collection::vec(any::<u8>(), 0..700);
        let value = prop_oneof![octets, any_text().prop_map(String::into_bytes)];
        let values = prop::collection::vec(value, 0..12);
        prop_oneof![
            4 => (values.clone(), aliases())
                .prop_map(|(values, aliases)| Outcome::Values { values, aliases }),
            2 => values.prop_map(|values| Outcome::WildcardValues { values }),
            1 => aliases().prop_map(|aliases| Outcome::WildcardAlias { aliases }),
            1 => any_text().prop_map(|target| Outcome::Alias { target }),
            1 => (any_text(), aliases())
                .prop_map(|(name, hosts)| Outcome::Referral(ZoneServers { name, hosts })),
            1 => Just(Outcome::Failed(Failure::NoTcp)),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_published_fits_the_schema_and_can_be_seen(
            outcomes in prop::collection::vec(any_outcome(), 1..40),
            name in any_text(),
        ) {
            let challenge = challenge();
            let mut evidence = evidence(Vec::new());
            let server: std::sync::Arc<str> = name.as_str().into();
            let answers = outcomes.into_iter().map(|outcome| ServerAnswer { server: server.clone(), outcome });
            evidence.lookups[0].steps[0] = Step { name: name.clone(), answers: answers.collect() };
            evidence.zone = Some(ZoneServers { name, hosts: Vec::new() });
            let report = last_check(&challenge, &evidence, judge(&challenge, &evidence), false);
            let seen = |text: &str, most: usize| text.chars().count() <= most && text.chars().all(legible::is_shown);
            prop_assert!(report.observed_values.len() <= MAX_OBSERVED_VALUES);
            prop_assert!(report.observed_values.iter().all(|value| seen(value, MAX_OBSERVED_CHARS)));
            prop_assert!(report.servers.len() <= MAX_LISTED_ANSWERS);
            for asked in &report.servers {
                prop_assert!(seen(&asked.server, 300) && seen(&asked.name, 253) && seen(&asked.answer, 255));
            }
            prop_assert!(report.hint.is_none_or(|hint| seen(&hint, MAX_HINT_CHARS)));
            let judged = judge(&challenge, &evidence);
            let internal = last_check(&challenge, &evidence, judged, true);
            prop_assert_eq!(internal, verdict_alone(judged.verdict.into(), None));
        }
    }
}
