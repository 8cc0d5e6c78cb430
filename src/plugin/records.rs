//! `kubectl freehold records`: what to publish.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use kube::ResourceExt;
use serde::Serialize;

use super::access::Access;
use super::select::Selection;
use super::text::{path, status_of, table};
use super::{Failure, Format, print, print_as};
use crate::api::OrganizationDomain;
use crate::api::organization_domain::ChallengeRecord;
use crate::model::terminal;

/// Seconds for which a published record may be remembered, so that a mistake is soon mended.
const TTL: u32 = 300;

/// Show the DNS records to publish. One record per domain is enough; the first is preferred.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    selection: Selection,

    /// Output format. zone prints the preferred record of each domain as a line of a zone file.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Zone,
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
    let challenge = status_of(domain).challenge;
    OfDomain {
        namespace: domain.namespace().unwrap_or_default(),
        name: domain.name_any(),
        domain: domain.spec.domain.clone(),
        records: challenge.map_or_else(Vec::new, |challenge| challenge.records),
        path: path(domain),
    }
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
