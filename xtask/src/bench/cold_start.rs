//! Cold start: ready against a bare paged list of the same objects, and how the first checks spread.

use std::time::Duration;

use anyhow::Result;
use futures::future;
use jiff::SignedDuration;
use kube::Client;
use tokio::time::{Instant, sleep};

use super::calls::list;
use super::kinds;
use super::parts::Parts;
use super::restore::due_in;
use super::table::{Limit, Row, number};

const ROUNDS: usize = 3;
const SECONDS: usize = 30;
/// Between two checks of a domain.
const PERIOD: SignedDuration = SignedDuration::from_hours(6);
/// Of a check that asks one recursive server.
const PACKETS: f64 = 2.0;

/// From the start of the process to ready, in turn with the bare list.
pub async fn ready(parts: &Parts, domains: usize) -> Result<Row> {
    let (mut lists, mut starts) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        lists.push(list_all(&parts.client).await?);
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

/// All kinds that the operator watches, at once as it does.
async fn list_all(client: &Client) -> Result<Duration> {
    let start = Instant::now();
    let lists = kinds::watched().map(|kind| list(client, kind, drop));
    future::try_join_all(lists).await?;
    Ok(start.elapsed())
}

/// With a shorter re-check period than the restored one's day, most of the promised checks lie too far
/// off to be believed: they are made anew, spread over a 24th of the period.
pub async fn spread(parts: &Parts, domains: usize) -> Result<Vec<Row>> {
    let operator = parts
        .operator(&[&format!("--recheck-period={}h", PERIOD.as_hours())])
        .await?;
    let start = Instant::now();
    let first = parts.dns.queries();
    let (mut then, mut before, mut most) = (start, first, 0.0_f64);
    for _ in 0..SECONDS {
        sleep(Duration::from_secs(1)).await;
        // A busy machine's seconds are longer.
        let (now, sent) = (Instant::now(), parts.dns.queries());
        most = most.max(number(sent - before) / (now - then).as_secs_f64());
        (then, before) = (now, sent);
    }
    let mean = number(before - first) / start.elapsed().as_secs_f64();
    operator.stop().await?;
    let far_off = (0..domains).filter(|&n| due_in(n) > PERIOD).count();
    let checks = number(far_off) / (PERIOD / 24).as_secs_f64() + number(domains) / 86_400.0;
    let implied = PACKETS * checks;
    let row = |what: &str, packets: f64, limit| {
        let case = format!("{domains} verified, {far_off} to spread, {what}");
        Row::new("cold-start", case, (packets / implied, "times"), limit).figure(
            "by the schedule",
            implied,
            "packets/s",
        )
    };
    // What a random spread strays from its mean by, in a second and in all of them.
    let strays = |checks: f64| 4.0 / checks.sqrt();
    let in_all = strays(checks * number(SECONDS));
    Ok(vec![
        row(
            "busiest second's packets",
            most,
            Limit::AtMost(1.0 + strays(checks)),
        )
        .figure("busiest second", most, "packets/s"),
        row(
            "packets a second",
            mean,
            Limit::Between(1.0 - in_all, 1.0 + in_all),
        )
        .figure("mean", mean, "packets/s"),
    ])
}
