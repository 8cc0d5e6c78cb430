//! At rest: what the operator costs while nothing happens.

use std::time::Duration;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use tokio::time::{Instant, sleep};

use super::calls::list;
use super::fleet;
use super::kinds::{self, Seen};
use super::parts::{DEADLINE, Parts, until};
use super::requests::{Requests, Writes};
use super::table::{Limit, Row, number};

const PENDING: usize = 1_000;
const MINUTE: Duration = Duration::from_mins(1);
/// What came due while nobody watched is spread over a 24th of a day.
const SPREAD: Duration = Duration::from_hours(1);
/// First checks, their Events and the summaries of organizations.
const SETTLE: Duration = Duration::from_secs(10);

pub async fn measure(parts: &Parts, verified: usize) -> Result<Vec<Row>> {
    let client = &parts.client;
    let run = "rest";
    let operator = parts.operator(&[]).await?;
    let pending = fleet::domains(run, PENDING);
    fleet::state(client, run, &pending).await?;
    until("the pending ones are checked", DEADLINE, || async {
        Ok(operator.checks().await? >= u64::try_from(PENDING)?)
    })
    .await?;
    sleep(SETTLE).await;
    let promised = promised(client).await?;
    let before = Requests::read(client).await?;
    let (packets, checks, cpu) = (
        parts.dns.queries(),
        operator.checks().await?,
        operator.cpu()?,
    );
    let (start, began) = (Instant::now(), Timestamp::now());
    sleep(MINUTE).await;
    let seconds = start.elapsed().as_secs_f64();
    let cpu = operator.cpu()? - cpu;
    let checks = number(operator.checks().await? - checks);
    let packets = number(parts.dns.queries() - packets);
    let writes = Writes::between(&before, &Requests::read(client).await?);
    operator.stop().await?;
    fleet::remove(client, run, &pending).await?;
    let case = |what: &str| format!("{verified} verified, {PENDING} pending, {what}");
    let due = |until| promised.iter().filter(|&&time| time <= until).count();
    let overdue = due(began);
    let ended = began + SignedDuration::try_from_secs_f64(seconds)?;
    let spread = number(overdue) / SPREAD.as_secs_f64() * seconds;
    let rechecks = number(due(ended) - overdue) + spread;
    // Of the promised ones, those at the ends of the minute; of the others, chance.
    let strays = (4.0 * spread.sqrt() + 4.0) / rechecks;
    let implied = rechecks + number(PENDING) / 10.0 * seconds;
    Ok(vec![
        Row::new(
            "rest",
            case("CPU of a core"),
            (cpu / seconds * 100.0, "%"),
            Limit::AtMost(10.0),
        )
        .figure("seconds", seconds, "")
        .figure("CPU", cpu * 1000.0 / checks, "ms a check"),
        Row::new(
            "rest",
            case("checks by the schedule"),
            (checks / implied, "times"),
            Limit::Between(0.9, 1.1),
        )
        .figure("checks", checks, "")
        .figure("by the schedule", implied, "")
        .figure("DNS packets", packets / checks, "a check"),
        Row::new(
            "rest",
            case("writes a re-check"),
            (number(writes.all()) / rechecks, "times"),
            // One a re-check.
            Limit::Between(1.0 - strays, 1.0 + strays),
        )
        .figure("writes", number(writes.all()), "")
        .figure("Events", number(writes.events), "")
        .figure("re-checks by the schedule", rechecks, "")
        .figure("of them overdue before", spread, ""),
    ])
}

/// When the statuses of the verified ones promise their next checks.
async fn promised(client: &Client) -> Result<Vec<Timestamp>> {
    let mut promised = Vec::new();
    list(client, kinds::organization_domains(), |page| {
        let verified = page.into_iter().filter(Seen::is_verified);
        promised.extend(verified.filter_map(|seen| Some(seen.status?.next_check_time?.0)));
    })
    .await?;
    Ok(promised)
}
