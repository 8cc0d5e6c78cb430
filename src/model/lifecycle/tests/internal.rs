//! Of the install's own names a status and an Event tell nothing that the DNS said.

use super::*;
use crate::api::organization_domain::{AskedServer, DnssecState};
use crate::model::name::DomainName;
use crate::model::report;

const SECRET: &str = "10.1.2.3";

/// A report as an earlier version wrote it, or somebody else.
fn leak(report: &mut LastCheck) {
    report.dnssec = Some(DnssecState::Secure);
    report.hint = Some(format!("Every name is an alias of {SECRET}."));
    report.observed_values = vec![SECRET.to_owned()];
    report.servers = vec![AskedServer {
        server: SECRET.to_owned(),
        name: SECRET.to_owned(),
        answer: SECRET.to_owned(),
    }];
}

#[test]
fn whatever_was_found_of_an_internal_name_is_not_repeated() {
    for begin in [
        Subject::pending,
        Subject::verified,
        Subject::in_grace,
        Subject::stale,
    ] {
        for verdict in VERDICTS {
            for weight in [Weight::Complete, Weight::Partial] {
                let mut subject = begin();
                subject.domain = "acme.internal".into();
                let suffix = DomainName::parse("internal").unwrap();
                subject.settings.names.allowed_suffixes = vec![suffix];
                leak(subject.status.last_check.get_or_insert(report(verdict)));
                let provider = || DnsProvider {
                    name: SECRET.to_owned(),
                    link: None,
                };
                subject.status.dns_provider = Some(provider());
                let mut judgement = subject.judgement(verdict);
                judgement.weight = weight;
                judgement.dns_provider = Some(provider());
                leak(&mut judgement.report);
                subject.after(hours(2));
                for judgement in [None, Some(&judgement)] {
                    let decision = subject.decide_on(judgement);
                    let status = serde_json::to_string(&decision.status).unwrap();
                    assert!(!status.contains(SECRET), "{verdict:?} {status}");
                    assert!(!status.contains("Secure"), "{verdict:?} {status}");
                    assert!(!status.contains("lastCheck.servers"), "{status}");
                    let mut subject = subject.clone();
                    subject.status = decision.status.clone();
                    for notice in subject.notices(&decision.status.history) {
                        assert!(!notice.message.contains(SECRET), "{}", notice.message);
                    }
                    let check = decision.status.last_check.clone().unwrap();
                    assert_eq!(
                        check,
                        report::verdict_alone(check.verdict, check.time.clone())
                    );
                }
            }
        }
    }
}
