//! `kubectl freehold explain`: one domain in words.

use std::fmt::Write as _;

use clap::Args;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::access::Access;
use super::text::{next_check, path, reason, state, status_of, table};
use super::{Failure, print};
use crate::api::OrganizationDomain;
use crate::api::conditions::{self, READY};
use crate::api::history::HistoryEntry;
use crate::api::organization_domain::{AskedServer, LastCheck};
use crate::cluster::names;
use crate::model::terminal;

/// Explain the state of one domain: what the last check found and what to do next.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Name of the OrganizationDomain.
    #[arg(value_parser = names::parse_object)]
    name: String,
}

pub(super) async fn run(access: &Access, arguments: &Arguments) -> Result<(), Failure> {
    let domain = access.domain(&arguments.name).await?;
    print(&told(&domain, Timestamp::now()))
}

fn told(domain: &OrganizationDomain, now: Timestamp) -> String {
    let status = status_of(domain);
    let mut text = format!(
        "Domain        {}\nObject        {}\nOrganization  {}\nState         {}, {}\nNext check    {}\n",
        terminal::line(&domain.spec.domain),
        path(domain),
        terminal::line(&domain.spec.organization_ref.name),
        state(status.state),
        reason(&status),
        next_check(
            status.next_check_time.as_ref().map(|time| time.0),
            status.check_period_seconds,
            now
        )
    );
    let ready = conditions::find(&status.conditions, READY);
    let what_to_do = match ready {
        Some(ready) => ready.message.as_str(),
        None => {
            "No operator has processed this object yet. If this does not change within a minute, ask the cluster's administrators whether Freehold is running."
        }
    };
    // Nothing can go wrong in memory.
    let _ = writeln!(text, "\nWhat to do\n  {}", terminal::line(what_to_do));
    if !status.conditions.is_empty() {
        let row = |condition: &Condition| {
            [
                format!("  {}", condition.type_),
                condition.status.clone(),
                condition.reason.clone(),
                condition.last_transition_time.0.to_string(),
            ]
        };
        let rows: Vec<_> = status.conditions.iter().map(row).collect();
        text += "\nConditions\n";
        text += &table(["  TYPE", "STATUS", "REASON", "SINCE"], &rows);
        // The summary's is told above.
        let mut told = vec![what_to_do];
        for Condition { type_, message, .. } in &status.conditions {
            if !told.contains(&message.as_str()) {
                let _ = writeln!(text, "  {type_}: {}", terminal::line(message));
                told.push(message);
            }
        }
    }
    if let Some(check) = &status.last_check {
        text += &last_check(check);
    }
    text + &history(&status.history) + &commands(domain)
}

/// What there is to type next.
fn commands(domain: &OrganizationDomain) -> String {
    let (name, namespace) = (domain.name_any(), domain.namespace().unwrap_or_default());
    let of = |verb| format!("  kubectl freehold {verb} {name} --namespace {namespace}");
    let has_record = status_of(domain).challenge.is_some();
    let records = has_record.then(|| of("records") + "\n");
    format!(
        "\nCommands\n{}{}\n",
        records.unwrap_or_default(),
        of("check-now")
    )
}

fn history(entries: &[HistoryEntry]) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let row = |entry: &HistoryEntry| {
        let time = format!("  {}", entry.time.0);
        [time, terminal::line(&entry.reason)]
    };
    let rows: Vec<_> = entries.iter().map(row).collect();
    format!("\nHistory\n{}", table(["  TIME", "EVENT"], &rows))
}

fn last_check(check: &LastCheck) -> String {
    let time = check.time.as_ref();
    let at = time.map_or(String::new(), |time| format!(" at {}", time.0));
    let dnssec = check
        .dnssec
        .map_or(String::new(), |dnssec| format!(", DNSSEC {dnssec:?}"));
    let mut text = format!("\nLast check{at}\n  {:?}{dnssec}\n", check.verdict);
    for value in &check.observed_values {
        // Nothing can go wrong in memory.
        let _ = writeln!(text, "  found \"{}\"", terminal::line(value));
    }
    if let Some(hint) = &check.hint {
        let _ = writeln!(text, "  {}", terminal::line(hint));
    }
    let row =
        |AskedServer {
             name,
             server,
             answer,
         }: &AskedServer| { [format!("  {name}"), server.clone(), answer.clone()] };
    let rows: Vec<_> = check.servers.iter().map(row).collect();
    if !rows.is_empty() {
        text += &table(["  ASKED FOR", "SERVER", "ANSWER"], &rows);
    }
    text
}
