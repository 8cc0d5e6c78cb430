//! At rest: what the operator costs while nothing happens.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use super::fleet;
use super::parts::{DEADLINE, Parts, until};
use super::requests::{Requests, Writes};
use super::table::{Limit, Row, number};

const PENDING: usize = 1_000;
const MINUTE: Duration = Duration::from_mins(1);
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
    let before = Requests::read(client).await?;
    let (packets, checks, cpu) = (
        parts.dns.queries(),
        operator.checks().await?,
        operator.cpu()?,
    );
    let start = Instant::now();
    sleep(MINUTE).await;
    let seconds = start.elapsed().as_secs_f64();
    let cpu = operator.cpu()? - cpu;
    let checks = number(operator.checks().await? - checks);
    let packets = number(parts.dns.queries() - packets);
    let writes = Writes::between(&before, &Requests::read(client).await?);
    operator.stop().await?;
    fleet::remove(client, run, &pending).await?;
    let case = |what: &str| format!("{verified} verified, {PENDING} pending, {what}");
    let rechecks = number(verified) / 86_400.0 * seconds;
    let strays = 4.0 / rechecks.max(1.0).sqrt();
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
            (number(writes.all()) / rechecks.max(1.0), "times"),
            // One a re-check, and a random spread strays from its mean.
            Limit::Between(1.0 - strays, 1.0 + strays),
        )
        .figure("writes", number(writes.all()), "")
        .figure("Events", number(writes.events), "")
        .figure("re-checks by the schedule", rechecks, ""),
    ])
}
