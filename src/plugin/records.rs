//! `kubectl freehold records`: what to publish.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use super::access::Access;
use super::select::Selection;
use super::text::{path, status_of, table};
use super::{Failure, Format, print, print_as};
use crate::api::OrganizationDomain;
use crate::api::organization_domain::{ChallengeRecord, DnsProvider};
use crate::model::terminal;

/// Seconds for which a published record may be remembered, so that a mistake is soon mended.
const TTL: u32 = 300;

/// Show the DNS records to publish. One record per domain is enough; the first is preferred.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    selection: Selection,

    /// Output format. zone prints the preferred record of each domain as a line of a zone file, message a
    /// text to forward to whoever runs the DNS.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Zone,
    Message,
    Json,
    Yaml,
}

/// The records of one domain.
#[derive(Debug, Serialize)]
struct OfDomain {
    namespace: String,
    name: String,
    domain: String,
    records: Vec<ChallengeRecord>,
    #[serde(skip)]
    path: String,
    #[serde(skip)]
    provider: Option<DnsProvider>,
    #[serde(skip)]
    deadline: Option<Timestamp>,
}

pub(super) async fn run(access: &Access, arguments: &Arguments) -> Result<(), Failure> {
    let mut all = Vec::new();
    for domain in arguments.selection.of(access).await? {
        let records = records(&domain);
        if records.records.is_empty() {
            eprintln!(
                "{} ({}) has no record to publish: kubectl freehold explain {} shows why",
                records.path,
                terminal::line(&records.domain),
                terminal::line(&records.name)
            );
        } else {
            all.push(records);
        }
    }
    match arguments.output {
        Output::Json => print_as(Format::Json, &all),
        Output::Yaml => print_as(Format::Yaml, &all),
        Output::Zone => print(&zone(&all)),
        Output::Message => print(&message(&all)),
        Output::Table if all.is_empty() => Ok(()),
        Output::Table => {
            let everywhere = arguments.selection.all_namespaces;
            let rows: Vec<_> = all
                .iter()
                .flat_map(|of| {
                    let name = if everywhere { &of.path } else { &of.name };
                    of.records.iter().map(move |record| {
                        let ChallengeRecord {
                            name: owner,
                            record_type,
                            value,
                        } = record;
                        [name, owner, record_type, value].map(String::clone)
                    })
                })
                .collect();
            print(&table(["NAME", "RECORD NAME", "TYPE", "VALUE"], &rows))
        }
    }
}

fn records(domain: &OrganizationDomain) -> OfDomain {
    let status = status_of(domain);
    let challenge = status.challenge;
    OfDomain {
        provider: status.dns_provider,
        deadline: challenge
            .as_ref()
            .and_then(|challenge| challenge.expiry_time.as_ref())
            .map(|time| time.0),
        namespace: domain.namespace().unwrap_or_default(),
        name: domain.name_any(),
        domain: domain.spec.domain.clone(),
        records: challenge.map_or_else(Vec::new, |challenge| challenge.records),
        path: path(domain),
    }
}

/// What somebody needs who has a DNS panel and nothing else. Panels want the host without the zone.
fn message(all: &[OfDomain]) -> String {
    let mut text = String::new();
    for of in all {
        let Some(record) = of.records.first() else {
            continue;
        };
        let domain = of.domain.trim_end_matches('.').to_lowercase();
        let host = record.name.strip_suffix(&domain);
        let host = host.map(|host| host.trim_end_matches('.'));
        let host = host.filter(|host| !host.is_empty());
        let whole = &record.name;
        let relative = match host {
            Some(host) => format!(
                "  Host:   {host}\n          (or the whole name, where the panel asks for it: {whole})\n"
            ),
            None => format!("  Host:   {whole}\n"),
        };
        // Nothing can go wrong in memory.
        let _ = write!(
            text,
            "Please add this DNS record. It proves that we control {domain}.\n\n{relative}  Zone:   {domain}\n  Type:   {}\n  TTL:    {TTL}\n  Value:  {}\n",
            record.record_type, record.value
        );
        if let Some(deadline) = of.deadline {
            let _ = writeln!(text, "\nThe record is looked for until {deadline}.");
        }
        if let Some(DnsProvider { name, link }) = &of.provider {
            let page = link
                .as_ref()
                .map_or(String::new(), |link| format!(": {link}"));
            let _ = writeln!(text, "The DNS of {domain} seems to be at {name}{page}");
        }
        text.push_str("Keep the record: it is checked again every day.\n\n");
    }
    text.trim_end().to_owned() + "\n"
}

/// Lines of a zone file (RFC 1035 section 5.1), with whole names so that no origin matters.
fn zone(all: &[OfDomain]) -> String {
    let mut text = String::new();
    for of in all {
        let Some(record) = of.records.first() else {
            continue;
        };
        // Nothing can go wrong in memory.
        let _ = writeln!(
            text,
            "; {}\n{}. {TTL} IN {} \"{}\"",
            of.path,
            record.name,
            record.record_type,
            quoted(&record.value)
        );
    }
    text
}

/// A character-string of a zone file, between its quotes.
fn quoted(value: &str) -> String {
    value.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            other => {
                // Nothing can go wrong in memory.
                let _ = write!(text, "\\{other:03}");
            }
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_for_a_zone_file() {
        assert_eq!(quoted("token=abc"), "token=abc");
        assert_eq!(quoted("a\"b\\c\nü"), "a\\\"b\\\\c\\010\\195\\188");
    }
}
