//! One namespace's backlog beside another namespace's one new domain.

use std::time::{Duration, Instant};

use futures::future::join_all;
use futures::{StreamExt, stream};

use crate::faults::Size;
use crate::support::{OperatorProcess, PrivatePlane, Tenant, World, eventually, publish};

/// New domains, each alone in its namespace: enough that chance has little say in their median.
const SMALL: usize = 41;
/// The first rung of the ladder, as it is for every new domain.
const PERIOD: &str = "10s";
/// The line is what is measured, not how two cores are shared by unoptimized programs.
const CONCURRENCY: &str = "8";

/// From creation to Verified, the record being published as soon as it is known.
async fn time_to_verified(world: &World, tenant: &Tenant, object: &str) -> Duration {
    let start = Instant::now();
    let domain = tenant
        .state(
            object,
            &world.name(&format!("{object}.{}", tenant.namespace)),
        )
        .await;
    publish(&world.dns, &domain.challenge().await.records[0]);
    domain.until_verified().await;
    start.elapsed()
}

async fn median(world: &World, tenants: &[Tenant], object: &str) -> Duration {
    let mut times = join_all(
        tenants
            .iter()
            .map(|tenant| time_to_verified(world, tenant, object)),
    )
    .await;
    times.sort();
    times[times.len() / 2]
}

async fn depth(operator: &OperatorProcess) -> u64 {
    operator
        .metric("workqueue_depth", "name=\"organizationdomain\"")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_thousands_does_not_delay_another_namespace() {
    let backlog = Size::of_this_run().backlog();
    let private = PrivatePlane::start().await;
    let cluster = private.cluster().await;
    cluster.install(freehold::api::crds()).await;
    let world = World::on(cluster).await;
    let big = world.tenant().await;
    let mut small = Vec::new();
    for _ in 0..SMALL {
        small.push(world.tenant().await);
    }
    let settings = world
        .operator(&[])
        .every(PERIOD)
        .with("--concurrency", CONCURRENCY)
        .with("--max-pending-per-namespace", &backlog.to_string());
    let operator = settings.start().await;
    let quiet = median(&world, &small, "quiet").await;
    assert!(operator.terminate().await.success());

    stream::iter(0..backlog)
        .for_each_concurrent(32, |n| {
            let (big, object) = (&big, format!("d{n}"));
            let name = world.name(&object);
            async move {
                big.state(&object, &name).await;
            }
        })
        .await;
    let operator = settings.start().await;
    let real = backlog as u64 / 2;
    let before = eventually("the backlog is in line", async || {
        let depth = depth(&operator).await;
        if depth > real { Ok(depth) } else { Err(depth) }
    })
    .await;
    let loaded = median(&world, &small, "loaded").await;
    let after = depth(&operator).await;
    let waited = loaded.as_secs_f64() / quiet.as_secs_f64();
    println!(
        "to Verified alone {:.1} s, beside {before} to {after} domains in line {:.1} s: {waited:.2} times",
        quiet.as_secs_f64(),
        loaded.as_secs_f64()
    );
    assert!(after > real, "no backlog: {after}");
    assert!(waited <= 2.0, "{waited}");
}
