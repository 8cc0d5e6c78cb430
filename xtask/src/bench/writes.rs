//! Writes of a domain's whole way and of re-checks, as the API server counts them.

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
    operator.stop().await?;

    let each = |count: u64| number(count) / number(DOMAINS);
    let per = |count: u64| (each(count), "a domain");
    let exactly_two = Limit::AtMost(2.0);
    let mut rows = vec![
        Row::new(
            "writes",
            "statuses, new to Verified",
            per(way.statuses),
            exactly_two,
        ),
        Row::new(
            "writes",
            "VerifiedDomains, new to Verified",
            per(way.holdings),
            Limit::AtMost(1.0),
        ),
        Row::new(
            "writes",
            "Events, new to Verified",
            per(way.events),
            exactly_two,
        ),
        Row::new(
            "writes",
            "organizations' statuses, new to Verified",
            per(way.organizations),
            Limit::AtMost(0.2),
        )
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
        Row::new(
            "writes",
            "re-checks unchanged, 2 s apart",
            (number(quiet.all()) / number(checks), "a check"),
            Limit::AtMost(0.0),
        )
        .figure("checks", number(checks), ""),
    );

    // Unchanged, five minutes apart, the next one overdue.
    let overdue = Timestamp::now() - SignedDuration::from_hours(1);
    for domain in &domains {
        let status = json!({ "status": { "nextCheckTime": format!("{overdue:.0}"), "checkPeriodSeconds": null } });
        patch(client, domain, &status, true).await?;
    }
    let before = Requests::read(client).await?;
    let operator = parts.operator(&["--recheck-period=5m"]).await?;
    checked(&operator, u64::try_from(DOMAINS)?).await?;
    tokio::time::sleep(SETTLE).await;
    let (after, checks) = (Requests::read(client).await?, operator.checks().await?);
    let slow = Writes::between(&before, &after);
    operator.stop().await?;
    rows.push(
        Row::new(
            "writes",
            "re-checks unchanged, 5 min apart",
            (number(slow.all()) / number(checks), "a check"),
            Limit::AtMost(1.0),
        )
        .figure("checks", number(checks), "")
        .figure("statuses", number(slow.statuses), ""),
    );
    Ok(rows)
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
