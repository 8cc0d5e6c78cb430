//! Cold start: ready against a bare paged list of the same objects, and how the first checks spread.

use std::time::Duration;

use anyhow::Result;
use futures::future;
use kube::api::ListParams;
use kube::{Api, Client};
use tokio::time::{Instant, sleep};

use super::kinds::{self, Seen};
use super::parts::Parts;
use super::table::{Limit, Row, number};

const PAGE: u32 = 500;
const ROUNDS: usize = 3;
const SECONDS: usize = 30;

/// From the start of the process to ready, in turn with the bare list.
pub async fn ready(parts: &Parts, domains: usize) -> Result<Row> {
    let (mut lists, mut starts) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        lists.push(list(&parts.client).await?);
        let mut operator = parts.spawn(&[])?;
        starts.push(operator.ready().await?);
        operator.stop().await?;
    }
    lists.sort();
    starts.sort();
    let (list, start) = (
        lists[ROUNDS / 2].as_secs_f64(),
        starts[ROUNDS / 2].as_secs_f64(),
    );
    Ok(Row::new(
        "cold-start",
        format!("{domains} verified, start to ready, of a bare list"),
        (start / list, "times"),
        Limit::AtMost(1.5),
    )
    .with_domains(domains)
    .figure("ready", start, "s")
    .figure("list", list, "s"))
}

/// All kinds that the operator watches, at once as it does, by pages of its size.
async fn list(client: &Client) -> Result<Duration> {
    let start = Instant::now();
    let lists = kinds::watched().map(|kind| async move {
        let api = Api::<Seen>::all_with(client.clone(), &kind);
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let page = api.list(&params).await?;
            match page.metadata.continue_ {
                Some(next) if !next.is_empty() => params = params.continue_token(&next),
                _ => return anyhow::Ok(()),
            }
        }
    });
    future::try_join_all(lists).await?;
    Ok(start.elapsed())
}

/// With a re-check period of a quarter of the restored one's day, half of the promised checks lie too
/// far off to be believed: they are made anew, spread over a 24th of the period.
pub async fn spread(parts: &Parts, domains: usize) -> Result<Row> {
    let operator = parts.operator(&["--recheck-period=6h"]).await?;
    let mut before = parts.dns.queries();
    let mut most = 0;
    let first = before;
    for _ in 0..SECONDS {
        sleep(Duration::from_secs(1)).await;
        let now = parts.dns.queries();
        most = most.max(now - before);
        before = now;
    }
    let sent = number(before - first) / number(SECONDS);
    operator.stop().await?;
    let quarter_hour = 6.0 * 3600.0 / 24.0;
    let checks = number(domains) / 2.0 / quarter_hour + number(domains) / 86_400.0;
    let implied = 2.0 * checks;
    Ok(Row::new(
        "cold-start",
        format!("{domains} verified, half overdue, busiest second's packets"),
        (number(most) / implied, "times"),
        // A second's share of a random spread strays from its mean.
        Limit::AtMost(1.0 + 4.0 / implied.sqrt()),
    )
    .figure("busiest second", number(most), "packets")
    .figure("mean", sent, "packets/s")
    .figure("by the schedule", implied, "packets/s"))
}
