//! Growth: what one domain more costs beside few and beside many.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::fleet;
use super::operator::Operator;
use super::parts::{DEADLINE, Parts, until};
use super::table::{Limit, Row, number};
use super::watch::Watch;

const DOMAINS: usize = 1_000;
/// The middle one counts.
const ROUNDS: usize = 3;
const SECOND: Duration = Duration::from_secs(1);
/// Seconds of processor time in a second of an operator that has nothing to do.
const IDLE: f64 = 0.03;

#[derive(Debug, Clone, Copy)]
pub struct Cost {
    beside: usize,
    /// Milliseconds of processor time for one domain from new to Verified.
    cpu: f64,
}

pub async fn cost(parts: &Parts, beside: usize) -> Result<Cost> {
    let operator = parts.operator(&["--check-ladder=1s"]).await?;
    let mut costs = Vec::new();
    for round in 0..ROUNDS {
        let run = format!("grow{round}beside{beside}");
        let watch = Watch::start(&parts.client, &run, Some(parts.dns.clone())).await?;
        settle(&operator).await?;
        let before = operator.cpu()?;
        fleet::state(&parts.client, &run, &fleet::domains(&run, DOMAINS)).await?;
        watch.until_verified(DOMAINS).await?;
        costs.push((operator.cpu()? - before) * 1000.0 / number(DOMAINS));
    }
    operator.stop().await?;
    costs.sort_by(f64::total_cmp);
    Ok(Cost {
        beside,
        cpu: costs[ROUNDS / 2],
    })
}

/// After its start an operator looks at every domain once: that is not the new ones' cost.
async fn settle(operator: &Operator) -> Result<()> {
    until("the operator has nothing to do", DEADLINE, || async {
        let before = operator.cpu()?;
        sleep(SECOND).await;
        Ok(operator.cpu()? - before < IDLE)
    })
    .await
}

pub fn row(few: Cost, many: Cost) -> Row {
    Row::new(
        "growth",
        format!(
            "CPU a domain, beside {} of beside {}",
            many.beside, few.beside
        ),
        (many.cpu / few.cpu, "times"),
        Limit::AtMost(1.2),
    )
    .figure("few", few.cpu, "ms a domain")
    .figure("many", many.cpu, "ms a domain")
}
