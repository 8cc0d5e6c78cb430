//! What others have waiting beside one namespace's one new domain.

use std::time::{Duration, Instant};

use freehold_testbed::Behaviour;
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

/// Domains that wait for a decision, or for their check.
async fn depth(operator: &OperatorProcess) -> u64 {
    let mut depth = 0;
    for name in ["organizationdomain", "check"] {
        let labels = format!("name=\"{name}\"");
        depth += operator.metric("workqueue_depth", &labels).await;
    }
    depth
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

/// Namespaces whose name servers say nothing, each with as many domains: more than are checked at once.
const SILENT: (usize, usize) = (16, 8);
/// Time for one question, as it is by default.
const QUERY: Duration = Duration::from_secs(5);

/// From creation to the challenge, and to what the first check found.
async fn times_to_first_check(world: &World, tenant: &Tenant) -> (Duration, Duration) {
    let name = world.name(&tenant.namespace);
    let start = Instant::now();
    let domain = tenant.state("one", &name).await;
    domain.challenge().await;
    let challenge = start.elapsed();
    domain.until_reason("RecordAbsent").await;
    (challenge, start.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_for_silent_servers_delay_nobody_else() {
    let private = PrivatePlane::start().await;
    let cluster = private.cluster().await;
    cluster.install(freehold::api::crds()).await;
    let world = World::on(cluster).await;
    let operator = world.operator(&[]).every("1s").start().await;
    let (quiet_challenge, quiet_check) = times_to_first_check(&world, &world.tenant().await).await;

    let (namespaces, each) = SILENT;
    stream::iter(0..namespaces)
        .for_each_concurrent(8, async |_| {
            let tenant = world.tenant().await;
            for n in 0..each {
                let name = world.name(&format!("d{n}.{}", tenant.namespace));
                for asked in [name.clone(), format!("_freehold-challenge.{name}")] {
                    world.dns.set_behaviour(&asked, Behaviour::Silent);
                }
                tenant.state(&format!("d{n}"), &name).await;
            }
        })
        .await;
    eventually("checks wait for the servers", async || {
        let active = operator
            .metric("controller_runtime_active_workers", "controller=")
            .await;
        if active >= 64 { Ok(()) } else { Err(active) }
    })
    .await;
    let (challenge, check) = times_to_first_check(&world, &world.tenant().await).await;
    println!(
        "{namespaces} silent namespaces: challenge {challenge:.1?} (quiet {quiet_challenge:.1?}), first check {check:.1?} (quiet {quiet_check:.1?})"
    );
    assert!(
        challenge <= quiet_challenge + Duration::from_secs(1),
        "{challenge:?}"
    );
    assert!(check <= 2 * quiet_check + QUERY, "{check:?}");
}
