//! Shards: the same domains by one operator, by two and by four, each at work on its own.

use std::path::Path;

use anyhow::Result;
use kube::Api;
use kube::api::ListParams;
use kube::core::DynamicObject;
use tokio::time::Instant;

use super::fleet::{self, Domain, RUN_LABEL};
use super::kinds;
use super::parts::{DEADLINE, Parts, until};
use super::requests::Requests;
use super::table::{Limit, Row, number};
use super::watch::{Progress, Watch};

const DOMAINS: usize = 2_000;
/// Names that domains of two shards prove, after the others.
const CONTESTED: usize = 20;
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
    /// Holders of a name that domains of two shards proved.
    holders: f64,
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
        rows.push(Row::new(
            "shards",
            format!("{shards} shards, names that two of them prove"),
            (many.holders, "holders"),
            Limit::Between(1.0, 1.0),
        ));
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
    let server = Requests::read(&parts.client).await?.cpu_since(&before);
    let (mut cpu, mut memory) = (0.0, 0.0_f64);
    for operator in &operators {
        cpu += operator.cpu()?;
        memory = memory.max(operator.memory()?.peak);
    }
    let holders = contested(&parts, shards).await?;
    for operator in operators {
        operator.stop().await?;
    }
    drop(watch);
    parts.stop().await?;
    Ok(Cost {
        rate: number(DOMAINS) / time.as_secs_f64(),
        cpu: cpu * 1000.0 / number(DOMAINS),
        server: server * 1000.0 / number(DOMAINS),
        memory: memory / 1024.0,
        holders,
    })
}

/// Of names that are stated and proven by two domains each, in two shards where there are two: how many
/// of both become Verified.
async fn contested(parts: &Parts, shards: usize) -> Result<f64> {
    let run = format!("contested{shards}");
    let domains: Vec<Domain> = (0..2 * CONTESTED)
        .map(|n| {
            let (rival, name) = (n / CONTESTED, Domain::of(&run, n % CONTESTED));
            Domain {
                namespace: format!("{}-{rival}", name.namespace),
                label: Some((KEY, shard(shards, (n + rival) % shards))),
                ..name
            }
        })
        .collect();
    let watch = Watch::start(&parts.client, &run, None).await?;
    fleet::state(&parts.client, &run, &domains).await?;
    let all = |seen: &Progress| seen.records.len() == domains.len();
    watch.until("both have a challenge", all).await?;
    let records = watch.look(|seen| seen.records.clone());
    for record in records.into_values() {
        parts.dns.add_txt(&record.name, &record.value);
    }
    let kind = kinds::organization_domains();
    let api = Api::<DynamicObject>::all_with(parts.client.clone(), &kind);
    let of_run = ListParams::default().labels(&format!("{RUN_LABEL}={run}"));
    let verified = |domain: &DynamicObject| domain.data["status"]["state"] == "Verified";
    // It was proven too.
    let refused = |domain: &DynamicObject| {
        let conditions = domain.data["status"]["conditions"].as_array();
        conditions.is_some_and(|all| all.iter().any(|one| one["reason"] == "HeldByAnother"))
    };
    until("each is decided on", DEADLINE, || async {
        let listed = api.list(&of_run).await?.items;
        Ok(listed
            .iter()
            .all(|domain| verified(domain) || refused(domain)))
    })
    .await?;
    let holders = api
        .list(&of_run)
        .await?
        .items
        .iter()
        .filter(|&domain| verified(domain))
        .count();
    Ok(number(holders) / number(CONTESTED))
}

/// Each run has its own, so that it lists its own domains alone.
fn shard(of: usize, n: usize) -> String {
    format!("shard{n}-of-{of}")
}
