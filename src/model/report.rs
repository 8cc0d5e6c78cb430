//! What a status repeats of a check: bounded, escaped, and in an order that does not change.

use super::challenge::{Challenge, RecordForm, ValueMatch};
use super::evidence::{Evidence, Outcome, Security};
use super::hint;
use super::verdict::{Judged, Verdict};
use crate::api::organization_domain::{
    AskedServer, CheckVerdict, DnssecState, LastCheck, MAX_HINT_CHARS, MAX_LISTED_ANSWERS,
    MAX_OBSERVED_CHARS, MAX_OBSERVED_VALUES,
};

/// Writes the report. Values of an `internal` name are counted and not repeated: whoever may state
/// a name must not read the install's own zones through it.
#[must_use]
pub fn last_check(
    challenge: &Challenge,
    evidence: &Evidence,
    judged: Judged,
    internal: bool,
) -> LastCheck {
    let mut servers = Vec::new();
    let mut observed = Vec::new();
    for lookup in &evidence.lookups {
        for step in &lookup.steps {
            for answer in &step.answers {
                let read = read(challenge, evidence, lookup.form, &answer.outcome);
                servers.push(AskedServer {
                    server: shorten(&answer.server),
                    name: step.name.clone(),
                    answer: read.words,
                });
                observed.extend(read.others);
            }
        }
    }
    for step in evidence.unreached.iter().map(|unreached| &unreached.step) {
        servers.extend(step.answers.iter().map(|answer| AskedServer {
            server: shorten(&answer.server),
            name: step.name.clone(),
            answer: read(challenge, evidence, RecordForm::Apex, &answer.outcome).words,
        }));
    }
    servers.sort();
    servers.dedup();
    servers.truncate(MAX_LISTED_ANSWERS);
    observed.sort();
    observed.dedup();
    observed.truncate(MAX_OBSERVED_VALUES);
    if internal {
        observed.clear();
    }
    LastCheck {
        time: None,
        verdict: check_verdict(judged.verdict),
        dnssec: match judged.security {
            Security::Secure => Some(DnssecState::Secure),
            Security::Insecure => Some(DnssecState::Insecure),
            Security::Unknown => None,
        },
        servers,
        observed_values: observed,
        hint: hint(challenge, evidence, judged.verdict),
    }
}

/// The likely mistake, or else why nothing could be found out.
fn hint(challenge: &Challenge, evidence: &Evidence, verdict: Verdict) -> Option<String> {
    let text = match (hint::of(challenge, evidence), verdict) {
        (Some(hint), _) => hint.to_string(),
        (None, Verdict::Inconclusive(failure)) => format!("Nothing is decided: {failure}."),
        (None, _) => return None,
    };
    Some(cut(&text, MAX_HINT_CHARS))
}

fn check_verdict(verdict: Verdict) -> CheckVerdict {
    match verdict {
        Verdict::Proven => CheckVerdict::Proven,
        Verdict::Absent => CheckVerdict::Absent,
        Verdict::Mismatch(_) => CheckVerdict::Mismatch,
        Verdict::Inconclusive(_) | Verdict::Disagreement => CheckVerdict::Inconclusive,
    }
}

struct Read {
    words: String,
    others: Vec<String>,
}

fn read(challenge: &Challenge, evidence: &Evidence, form: RecordForm, outcome: &Outcome) -> Read {
    let silent = |words: String| Read {
        words,
        others: Vec::new(),
    };
    match outcome {
        Outcome::Failed(failure) => silent(failure.to_string()),
        Outcome::NoData { aliases } => silent(with_aliases("no TXT record", aliases)),
        Outcome::NxDomain { aliases } => silent(with_aliases("no such name", aliases)),
        Outcome::WildcardValues { values } => Read {
            words: "no such name; a wildcard answers".to_owned(),
            others: values.iter().map(|value| escape(value)).collect(),
        },
        Outcome::WildcardAlias { aliases } => silent(with_aliases(
            "a wildcard only, which proves nothing",
            aliases,
        )),
        Outcome::Alias { target } => silent(shorten(&format!("a CNAME to {target}"))),
        Outcome::Referral(zone) => silent(shorten(&format!(
            "the zone {} with the servers {}",
            zone.name,
            zone.hosts.join(", ")
        ))),
        Outcome::Below(zone) => silent(shorten(&format!("answers for the zone {}", zone.name))),
        Outcome::Values { values, aliases } => {
            let matches: Vec<ValueMatch> = values
                .iter()
                .map(|v| challenge.matches(form, v, evidence.time))
                .collect();
            let words = if matches.contains(&ValueMatch::Proves) {
                "the wanted value"
            } else if matches.contains(&ValueMatch::Expired) {
                "the wanted value, expired"
            } else if matches.contains(&ValueMatch::Differs) {
                "other values"
            } else {
                "no value of ours"
            };
            let others = values
                .iter()
                .zip(&matches)
                .filter(|(_, m)| matches!(m, ValueMatch::Differs | ValueMatch::Expired))
                .map(|(value, _)| escape(value))
                .collect();
            Read {
                words: with_aliases(words, aliases),
                others,
            }
        }
    }
}

fn with_aliases(words: &str, aliases: &[String]) -> String {
    match aliases.last() {
        None => words.to_owned(),
        Some(last) => shorten(&format!("{words} (CNAME to {last})")),
    }
}

/// Printable ASCII as it is, everything else as in a zone file (RFC 1035 section 5.1).
fn escape(value: &[u8]) -> String {
    let mut text = String::new();
    for &octet in value.iter().take(MAX_OBSERVED_CHARS) {
        match octet {
            b'"' | b'\\' => text.extend(['\\', char::from(octet)]),
            b' '..=b'~' => text.push(char::from(octet)),
            _ => text.extend(format!("\\{octet:03}").chars()),
        }
    }
    if value.len() > MAX_OBSERVED_CHARS {
        shorten(&(text + "…"))
    } else {
        shorten(&text)
    }
}

/// Cuts to the length that the schema allows.
fn shorten(text: &str) -> String {
    cut(text, MAX_OBSERVED_CHARS)
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::model::challenge::{TOKEN_OCTETS, Token};
    use crate::model::evidence::{Lookup, ServerAnswer, Source, Step};
    use crate::model::name::DomainName;
    use crate::model::service::ServiceName;
    use crate::model::verdict::judge;

    fn report(values: Vec<Vec<u8>>, internal: bool) -> LastCheck {
        let challenge = Challenge {
            name: DomainName::parse("acme.example").unwrap(),
            service: ServiceName::default(),
            token: Token::from_random([1; TOKEN_OCTETS]),
        };
        let evidence = Evidence {
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
                    name: challenge.owner(RecordForm::Underscore),
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
        };
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
    fn values_of_internal_names_are_not_repeated() {
        assert_eq!(
            report(vec![b"secret".to_vec()], true).observed_values,
            Vec::<String>::new()
        );
    }

    proptest! {
        #[test]
        fn whatever_is_published_fits_the_schema(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..700), 0..20)) {
            let report = report(values, false);
            prop_assert!(report.observed_values.len() <= MAX_OBSERVED_VALUES);
            for value in &report.observed_values {
                prop_assert!(value.chars().count() <= MAX_OBSERVED_CHARS);
                prop_assert!(value.chars().all(|c| c.is_ascii_graphic() || c == ' ' || c == '…'));
            }
        }
    }
}
