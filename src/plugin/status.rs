//! `kubectl freehold status`: where domains stand.

use clap::Args;
use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use super::access::Access;
use super::select::Selection;
use super::text::{NONE, next_check, path, reason, state, status_of, table};
use super::{Failure, Format, print, print_as};
use crate::api::reason::Reason;
use crate::api::{OrganizationDomain, State};

/// Show the state of domains, their holders and the next checks.
///
/// The name of another holder is shown only to users who may read VerifiedDomains.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    selection: Selection,

    /// Output format. Defaults to a table.
    #[arg(long, short, value_enum)]
    output: Option<Format>,
}

/// One domain.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    namespace: String,
    name: String,
    domain: String,
    organization: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    reason: String,
    /// `NAMESPACE/NAME`, or `another` where the caller may not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_check_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    check_period_seconds: Option<i64>,
    #[serde(skip)]
    next_check: String,
}

const ANOTHER: &str = "another";

pub(super) async fn run(access: &Access, arguments: &Arguments) -> Result<(), Failure> {
    let now = Timestamp::now();
    let mut rows = Vec::new();
    for domain in arguments.selection.of(access).await? {
        rows.push(row(access, domain, now).await);
    }
    if let Some(format) = arguments.output {
        return print_as(format, &rows);
    }
    if rows.is_empty() {
        eprintln!("No OrganizationDomains found.");
        return Ok(());
    }
    let everywhere = arguments.selection.all_namespaces;
    let cells = |row: Row| {
        let name = if everywhere {
            format!("{}/{}", row.namespace, row.name)
        } else {
            row.name
        };
        let holder = row.holder.unwrap_or(NONE.to_owned());
        let state = state(row.state);
        [name, row.domain, state, row.reason, holder, row.next_check]
    };
    let rows: Vec<_> = rows.into_iter().map(cells).collect();
    print(&table(
        ["NAME", "DOMAIN", "STATE", "REASON", "HOLDER", "NEXT CHECK"],
        &rows,
    ))
}

async fn row(access: &Access, domain: OrganizationDomain, now: Timestamp) -> Row {
    let status = status_of(&domain);
    let reason = reason(&status).to_owned();
    let holder = if status.state == Some(State::Verified) {
        Some(path(&domain))
    } else if reason == Reason::HeldByAnother.as_str() {
        let canonical = status.canonical_name.as_ref();
        let holder = access
            .holder(canonical.unwrap_or(&domain.spec.domain))
            .await;
        Some(holder.unwrap_or_else(|| ANOTHER.to_owned()))
    } else {
        None
    };
    Row {
        namespace: domain.namespace().unwrap_or_default(),
        name: domain.name_any(),
        next_check: next_check(&status, now),
        domain: domain.spec.domain,
        organization: domain.spec.organization_ref.name,
        state: status.state,
        reason,
        holder,
        next_check_time: status.next_check_time.map(|time| time.0),
        check_period_seconds: status.check_period_seconds,
    }
}
