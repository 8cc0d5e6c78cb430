//! Shards: the same domains by one operator, by two and by four, each at work on its own.

use std::path::Path;

use anyhow::Result;
use tokio::time::Instant;

use super::fleet::{self, Domain};
use super::parts::Parts;
use super::requests::Requests;
use super::table::{Limit, Row, number};
use super::watch::Watch;

const DOMAINS: usize = 2_000;
/// The key by which Flux tells its shards apart.
const KEY: &str = "sharding.fluxcd.io/key";
const SETTINGS: [&str; 2] = ["--check-ladder=1s", "--max-pending-per-namespace=1000"];

struct Cost {
    /// Domains a second, from new to Verified.
    rate: f64,
    /// Milliseconds of processor time a domain, of all operators together.
    cpu: f64,
    /// Of the API server.
    server: f64,
    /// Peak of the largest, in MB.
    memory: f64,
}

pub async fn measure(freehold: &Path) -> Result<Vec<Row>> {
    let one = cost(freehold, 1).await?;
    let mut rows = Vec::new();
    for shards in [2, 4] {
        let many = cost(freehold, shards).await?;
        rows.push(
            Row::new(
                "shards",
                format!("{shards} shards, {DOMAINS} new to Verified, of one's"),
                (many.rate / one.rate, "times"),
                // On one machine they share its processors: what counts is that they cost no more.
                Limit::AtLeast(0.9),
            )
            .guard(Limit::AtLeast(0.6))
            .figure("shards", many.rate, "domains/s")
            .figure("one", one.rate, "domains/s")
            .figure("CPU of all shards", many.cpu, "ms/domain")
            .figure("CPU of one", one.cpu, "ms/domain")
            .figure("API server's", many.server, "ms/domain")
            .figure("API server's with one", one.server, "ms/domain")
            .figure("peak of a shard", many.memory, "MB")
            .figure("peak of one", one.memory, "MB"),
        );
    }
    Ok(rows)
}

/// On a control plane of its own: every shard has all holdings in memory.
async fn cost(freehold: &Path, shards: usize) -> Result<Cost> {
    let parts = Parts::start(freehold).await?;
    let run = format!("shards{shards}");
    let domains: Vec<Domain> = fleet::domains(&run, DOMAINS)
        .into_iter()
        .enumerate()
        .map(|(n, domain)| Domain {
            label: Some((KEY, shard(shards, n % shards))),
            ..domain
        })
        .collect();
    fleet::state(&parts.client, &run, &domains).await?;
    let watch = Watch::start(&parts.client, &run, Some(parts.dns.clone())).await?;
    let before = Requests::read(&parts.client).await?;
    let start = Instant::now();
    let mut operators = Vec::new();
    for n in 0..shards {
        let selector = format!("--watch-label-selector={KEY}={}", shard(shards, n));
        let arguments = [&SETTINGS[..], &[selector.as_str()]].concat();
        operators.push(parts.spawn(&arguments)?);
    }
    let time = watch.until_verified(DOMAINS).await?.duration_since(start);
    let (mut cpu, mut memory) = (0.0, 0.0_f64);
    for operator in operators {
        cpu += operator.cpu()?;
        memory = memory.max(operator.memory()?.peak);
        operator.stop().await?;
    }
    let server = Requests::read(&parts.client).await?.cpu_since(&before);
    drop(watch);
    parts.stop().await?;
    Ok(Cost {
        rate: number(DOMAINS) / time.as_secs_f64(),
        cpu: cpu * 1000.0 / number(DOMAINS),
        server: server * 1000.0 / number(DOMAINS),
        memory: memory / 1024.0,
    })
}

/// Each run has its own, so that it lists its own domains alone.
fn shard(of: usize, n: usize) -> String {
    format!("shard{n}-of-{of}")
}
