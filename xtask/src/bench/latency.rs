//! Latency from a request by annotation, with the record there, to the Verified condition seen by a
//! watcher, as a multiple of a read of the same object.

use std::time::Duration;

use anyhow::{Context, Result};
use kube::Api;
use tokio::time::Instant;

use super::fleet;
use super::kinds::{self, Seen};
use super::parts::{DEADLINE, Parts, until};
use super::table::{Limit, Row, number};
use super::watch::Watch;
use super::writes::request;

const PROBES: usize = 100;

pub async fn measure(parts: &Parts, background: usize) -> Result<Row> {
    let client = &parts.client;
    let (run, others) = (format!("probe{background}"), format!("wait{background}"));
    let operator = parts.operator(&[]).await?;
    let waiting = fleet::domains(&others, background);
    fleet::state(client, &others, &waiting).await?;
    until(
        "those in the background are checked",
        DEADLINE,
        // The first ones are checked again before the last ones are stated.
        || async { Ok(operator.checks().await? >= u64::try_from(2 * background)?) },
    )
    .await?;
    let probes = fleet::domains(&run, PROBES);
    let watch = Watch::start(client, &run, None).await?;
    fleet::state(client, &run, &probes).await?;
    watch
        .until("the probes have challenges", |seen| {
            seen.records.len() == PROBES
        })
        .await?;
    let (mut trips, mut times) = (Vec::new(), Vec::new());
    for (n, probe) in probes.iter().enumerate() {
        let api = Api::<Seen>::namespaced_with(
            client.clone(),
            &probe.namespace,
            &kinds::organization_domains(),
        );
        let start = Instant::now();
        api.get(&probe.name).await?;
        trips.push(start.elapsed());
        let key = probe.key();
        let record = watch.look(|seen| seen.records.get(&key).cloned());
        let record = record.context("a probe's record")?;
        parts.dns.set_txt(&record.name, vec![record.value]);
        let start = Instant::now();
        request(client, probe, &n.to_string()).await?;
        watch
            .until("a probe is verified", |seen| {
                seen.verified.contains_key(&key)
            })
            .await?;
        let verified = watch.look(|seen| seen.verified.get(&key).copied());
        let verified = verified.context("when a probe was verified")?;
        times.push(verified.saturating_duration_since(start));
    }
    operator.stop().await?;
    let (trip, slow_trip) = percentiles(trips);
    let (half, most) = percentiles(times);
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    let row = Row::new(
        "latency",
        match background {
            0 => "request to Verified, idle, median".to_owned(),
            _ => format!("request to Verified, {background} pending, median"),
        },
        (half.as_secs_f64() / trip.as_secs_f64(), "reads"),
        Limit::AtMost(15.0),
    )
    .guard(Limit::AtMost(40.0));
    Ok(row
        .figure("p50", milliseconds(half), "ms")
        .figure("p99", milliseconds(most), "ms")
        .figure(
            "p99 by the reads' own",
            most.as_secs_f64() / slow_trip.as_secs_f64(),
            "times",
        )
        .figure("a read, p50", milliseconds(trip), "ms")
        .figure("a read, p99", milliseconds(slow_trip), "ms")
        .figure("probes", number(PROBES), ""))
}

/// The fiftieth and the ninety-ninth percentile, by nearest rank.
fn percentiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    let at = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100);
        let time = rank.checked_sub(1).and_then(|place| times.get(place));
        time.copied().unwrap_or_default()
    };
    (at(50), at(99))
}
