//! `kubectl freehold status`: where domains stand.

use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;
use tokio::time::sleep;

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

    /// Output format.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,

    /// After the table, show each domain again when it changes.
    #[arg(long, short)]
    watch: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    /// The table with more columns.
    Wide,
    Json,
    Yaml,
}

/// Between two looks.
const POLL: Duration = Duration::from_secs(2);

/// One domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    last_proven_time: Option<Timestamp>,
}

const ANOTHER: &str = "another";

pub(super) async fn run(access: &Access, arguments: &Arguments) -> Result<(), Failure> {
    let mut shown = rows(access, arguments).await?;
    match arguments.output {
        Output::Json => return print_as(Format::Json, &shown),
        Output::Yaml => return print_as(Format::Yaml, &shown),
        Output::Table | Output::Wide => {}
    }
    if shown.is_empty() {
        eprintln!("No OrganizationDomains found.");
    } else {
        print(&as_table(&shown, arguments))?;
    }
    if !arguments.watch {
        return Ok(());
    }
    loop {
        sleep(POLL).await;
        let now = rows(access, arguments).await?;
        let changed = now.iter().filter(|row| !shown.contains(row));
        let changed: Vec<_> = changed.cloned().collect();
        if !changed.is_empty() {
            print(&as_table(&changed, arguments))?;
        }
        shown = now;
    }
}

async fn rows(access: &Access, arguments: &Arguments) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    let mut may_know = true;
    for domain in arguments.selection.of(access).await? {
        rows.push(row(access, domain, &mut may_know).await);
    }
    Ok(rows)
}

fn as_table(rows: &[Row], arguments: &Arguments) -> String {
    let now = Timestamp::now();
    let everywhere = arguments.selection.all_namespaces;
    let cells = |row: &Row| {
        let name = if everywhere {
            format!("{}/{}", row.namespace, row.name)
        } else {
            row.name.clone()
        };
        let holder = row.holder.clone().unwrap_or(NONE.to_owned());
        let next = next_check(row.next_check_time, row.check_period_seconds, now);
        let (domain, reason) = (row.domain.clone(), row.reason.clone());
        [name, domain, state(row.state), reason, holder, next]
    };
    let head = ["NAME", "DOMAIN", "STATE", "REASON", "HOLDER", "NEXT CHECK"];
    if arguments.output != Output::Wide {
        return table(head, &rows.iter().map(cells).collect::<Vec<_>>());
    }
    let wide = |row: &Row| {
        let [name, domain, state, reason, holder, next] = cells(row);
        let proven = row.last_proven_time;
        let proven = proven.map_or(NONE.to_owned(), |time| time.to_string());
        let organization = row.organization.clone();
        [
            name,
            domain,
            state,
            reason,
            holder,
            next,
            organization,
            proven,
        ]
    };
    let [name, domain, state, reason, holder, next] = head;
    table(
        [
            name,
            domain,
            state,
            reason,
            holder,
            next,
            "ORGANIZATION",
            "LAST PROVEN",
        ],
        &rows.iter().map(wide).collect::<Vec<_>>(),
    )
}

async fn row(access: &Access, domain: OrganizationDomain, may_know: &mut bool) -> Row {
    let status = status_of(&domain);
    let reason = reason(&status).to_owned();
    let canonical = status.canonical_name.as_deref();
    let holder = if status.state == Some(State::Verified) {
        Some(path(&domain))
    } else if !*may_know {
        None
    } else {
        let found = access
            .holder(canonical.unwrap_or(&domain.spec.domain))
            .await;
        *may_know = found.is_ok();
        found.ok().flatten()
    };
    let is_held = reason == Reason::HeldByAnother.as_str();
    Row {
        namespace: domain.namespace().unwrap_or_default(),
        name: domain.name_any(),
        domain: domain.spec.domain,
        organization: domain.spec.organization_ref.name,
        state: status.state,
        reason,
        holder: holder.or_else(|| is_held.then(|| ANOTHER.to_owned())),
        next_check_time: status.next_check_time.map(|time| time.0),
        check_period_seconds: status.check_period_seconds,
        last_proven_time: status.last_proven_time.map(|time| time.0),
    }
}
