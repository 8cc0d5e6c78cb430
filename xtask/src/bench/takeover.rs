//! Take-over: from the leader's kill -9 to the standby's first write, and what it lists for that.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::Instant;

use super::fleet;
use super::kinds;
use super::parts::{Parts, until};
use super::requests::Requests;
use super::table::{Limit, Row, number};
use super::watch::Watch;

/// Seconds that a Lease stands without its holder, and what a standby may take beside.
const LEASE: f64 = 15.0;
const ALLOWED: f64 = 2.0;
const DEADLINE: Duration = Duration::from_mins(2);

pub async fn measure(parts: &Parts, domains: usize) -> Result<Vec<Row>> {
    let leader = parts.operator(&["--leader-election"]).await?;
    // The first write of its own: it leads.
    write(parts, &format!("led{domains}")).await?;
    let standby = parts.operator(&["--leader-election"]).await?;
    let before = Requests::read(&parts.client).await?;
    let run = format!("takeover{domains}");
    let watch = Watch::start(&parts.client, &run, None).await?;
    let listed = Requests::read(&parts.client).await?;
    leader.kill().await?;
    let killed = Instant::now();
    fleet::state(&parts.client, &run, &fleet::domains(&run, 1)).await?;
    until("the standby writes", DEADLINE, || async {
        Ok(watch.look(|seen| seen.records.len() == 1))
    })
    .await?;
    let taken = killed.elapsed().as_secs_f64();
    let after = Requests::read(&parts.client).await?;
    standby.stop().await?;
    let lists = |from: &Requests, to: &Requests| -> u64 {
        let of = |requests: &Requests, plural: &str| {
            requests.with(&[("verb", "LIST"), ("resource", plural)])
        };
        let kinds = kinds::watched();
        let counts = kinds
            .iter()
            .map(|kind| of(to, &kind.plural) - of(from, &kind.plural));
        counts.sum()
    };
    // The bench's own watch lists, so the count must show lists where there are some.
    ensure!(lists(&before, &listed) > 0, "the lists are not counted");
    let row = |case: &str, value, limit| {
        let case = format!("{domains} domains, {case}");
        Row::new("takeover", case, value, limit)
    };
    Ok(vec![
        row(
            "kill -9 to the standby's first write",
            (taken, "s"),
            Limit::AtMost(LEASE + ALLOWED),
        ),
        row(
            "lists by the standby",
            (number(lists(&listed, &after)), "in all"),
            Limit::AtMost(0.0),
        ),
    ])
}

/// States a domain and waits until the operator has written its challenge.
async fn write(parts: &Parts, run: &str) -> Result<()> {
    let watch = Watch::start(&parts.client, run, None).await?;
    fleet::state(&parts.client, run, &fleet::domains(run, 1)).await?;
    watch
        .until("the leader writes", |seen| seen.records.len() == 1)
        .await
}
