//! Writes and reads of a domain's whole way and of re-checks, as the API server counts them.

use std::time::Duration;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::fleet::{self, Domain};
use super::kinds::{self, REQUESTED_AT, Seen};
use super::parts::{DEADLINE, Parts, until};
use super::requests::{Requests, Writes};
use super::table::{Limit, Row, number};
use super::watch::Watch;

const DOMAINS: usize = 100;
const RUN: &str = "writes";
/// Writes a domain or a check that the guard allows beyond the target: one of twenty.
const SPARE: f64 = 0.05;
/// What would be written late is there after so long.
const SETTLE: Duration = Duration::from_secs(3);

pub async fn measure(parts: &Parts) -> Result<Vec<Row>> {
    let client = &parts.client;
    let domains = fleet::domains(RUN, DOMAINS);
    let before = Requests::read(client).await?;
    let operator = parts.operator(&["--check-ladder=7d"]).await?;
    let watch = Watch::start(client, RUN, Some(parts.dns.clone())).await?;
    fleet::state(client, RUN, &domains).await?;
    watch
        .until("all have a challenge", |seen| seen.records.len() == DOMAINS)
        .await?;
    for domain in &domains {
        request(client, domain, "1").await?;
    }
    watch.until_verified(DOMAINS).await?;
    tokio::time::sleep(SETTLE).await;
    let after = Requests::read(client).await?;
    let way = Writes::between(&before, &after);
    let reads_of_it = after.reads_of("organizationdomains", &before);
    operator.stop().await?;

    let each = |count: u64| number(count) / number(DOMAINS);
    let per = |count: u64| (each(count), "a domain");
    let mut rows = vec![
        row("statuses, new to Verified", per(way.statuses), 2.0),
        row("VerifiedDomains, new to Verified", per(way.holdings), 1.0),
        row("Events, new to Verified", per(way.events), 1.0),
        // Before its name is taken, and of its namespace, which all share.
        row(
            "reads of the object, new to Verified",
            per(reads_of_it),
            1.0,
        ),
        Row::new(
            "writes",
            "reads of anything else, new to Verified",
            per(after.reads_since(&before) - reads_of_it),
            Limit::AtMost(0.2),
        )
        // One a second, of seconds that a busy machine has more of.
        .guard(Limit::AtMost(0.8)),
        Row::new(
            "writes",
            "organizations' statuses, new to Verified",
            per(way.organizations),
            Limit::AtMost(0.2),
        )
        // At most one in five seconds, of which a busy machine has more.
        .guard(Limit::AtMost(0.8))
        .figure("in all", number(way.organizations), ""),
    ];

    // Unchanged, each 2 s.
    let operator = parts.operator(&["--recheck-period=2s"]).await?;
    let enough = u64::try_from(3 * DOMAINS)?;
    // The first check brings the status down to the new period.
    checked(&operator, u64::try_from(DOMAINS)?).await?;
    tokio::time::sleep(SETTLE).await;
    let (before, checks) = (Requests::read(client).await?, operator.checks().await?);
    checked(&operator, checks + enough).await?;
    let (after, checks) = (
        Requests::read(client).await?,
        operator.checks().await? - checks,
    );
    let quiet = Writes::between(&before, &after);
    operator.stop().await?;
    rows.push(
        row(
            "re-checks unchanged, 2 s apart",
            (number(quiet.all()) / number(checks), "a check"),
            0.0,
        )
        .figure("checks", number(checks), ""),
    );

    // Unchanged, five minutes apart, the next one overdue.
    for domain in &domains {
        patch(client, domain, &overdue(Timestamp::now()), true).await?;
    }
    let before = Requests::read(client).await?;
    let operator = parts.operator(&["--recheck-period=5m"]).await?;
    checked(&operator, u64::try_from(DOMAINS)?).await?;
    tokio::time::sleep(SETTLE).await;
    let (after, checks) = (Requests::read(client).await?, operator.checks().await?);
    let slow = Writes::between(&before, &after);
    operator.stop().await?;
    rows.push(
        row(
            "re-checks unchanged, 5 min apart",
            (number(slow.all()) / number(checks), "a check"),
            1.0,
        )
        .figure("checks", number(checks), "")
        .figure("statuses", number(slow.statuses), "")
        .figure("Events", number(slow.events), "")
        .figure("VerifiedDomains", number(slow.holdings), "")
        .figure("organizations' statuses", number(slow.organizations), ""),
    );
    // Nothing written is no merit here: it would be a check whose outcome is lost.
    let told = number(slow.statuses) / number(checks);
    rows.push(
        Row::new(
            "writes",
            "re-checks told, 5 min apart",
            (told, "a check"),
            Limit::AtLeast(1.0),
        )
        .guard(Limit::AtLeast(1.0 - SPARE)),
    );
    Ok(rows)
}

/// Writes are counted, so the guard only leaves room for a few that a busy machine repeats.
fn row(case: &str, value: (f64, &'static str), most: f64) -> Row {
    Row::new("writes", case, value, Limit::AtMost(most)).guard(Limit::AtMost(most + SPARE))
}

/// What the status of a domain says that was verified yesterday and checked last an hour ago. So a
/// start has nothing of the last minutes to tell once more, and a new proof is news: without that the
/// row would count the Events of another time and leave the status out.
fn overdue(now: Timestamp) -> Value {
    let before = |hours| format!("{:.0}", now - SignedDuration::from_hours(hours));
    json!({ "status": {
        "challenge": { "issuedTime": before(25) },
        "verifiedTime": before(24),
        "lastProvenTime": before(1),
        "lastCheck": { "time": before(1) },
        "nextCheckTime": before(1),
        "checkPeriodSeconds": null,
        // An Event that was on its way while the last status was written is not known as published.
        "history": [{ "sequence": 1, "reason": "Verified", "time": before(24) }],
        "publishedSequence": 1,
    } })
}

async fn checked(operator: &super::operator::Operator, count: u64) -> Result<()> {
    until("all are checked", DEADLINE, || async {
        Ok(operator.checks().await? >= count)
    })
    .await
}

/// Asks for a check by annotation.
pub async fn request(client: &Client, domain: &Domain, value: &str) -> Result<()> {
    let annotation = json!({ "metadata": { "annotations": { REQUESTED_AT: value } } });
    patch(client, domain, &annotation, false).await
}

async fn patch(client: &Client, domain: &Domain, body: &Value, status: bool) -> Result<()> {
    let kind = kinds::organization_domains();
    let api = Api::<Seen>::namespaced_with(client.clone(), &domain.namespace, &kind);
    let (params, body) = (PatchParams::default(), Patch::Merge(body));
    if status {
        api.patch_status(&domain.name, &params, &body).await?;
    } else {
        api.patch(&domain.name, &params, &body).await?;
    }
    Ok(())
}
