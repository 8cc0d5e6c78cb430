//! What others have waiting beside one namespace's one new domain.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use freehold_testbed::{Behaviour, Tree, tree};
use futures::future::join_all;
use futures::{StreamExt, stream};

use crate::faults::Size;
use crate::support::{
    OperatorProcess, OperatorSettings, PrivatePlane, Tenant, World, eventually, publish,
};

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

/// Domains of each namespace whose servers keep everybody waiting.
const EACH: usize = 8;
/// Time for one question: to a recursive server as it is by default, to others as these tests have it.
const QUERY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(1));
/// Newcomers at once. The one that waits longest counts.
const NEWCOMERS: usize = 4;

/// From creation to the challenge, and to what the first check found.
async fn times_to_first_check(tenant: &Tenant, name: &str) -> [Duration; 2] {
    let start = Instant::now();
    let domain = tenant.state("one", name).await;
    domain.challenge().await;
    let challenge = start.elapsed();
    domain.until_reason("RecordAbsent").await;
    [challenge, start.elapsed()]
}

/// The longest that any of some newcomers waits.
async fn longest_times(world: &World, name: impl Fn(usize) -> String) -> [Duration; 2] {
    let newcomers = (0..NEWCOMERS).map(async |n| {
        let tenant = world.tenant().await;
        times_to_first_check(&tenant, &name(n)).await
    });
    let times = join_all(newcomers).await;
    [0, 1].map(|n| times.iter().map(|times| times[n]).max().unwrap())
}

/// Beside namespaces whose domains `name` gives, newcomers of whom `newcomer` gives the domains have
/// their challenges and first checks nearly as soon as without them.
async fn besiege(
    world: &World,
    settings: OperatorSettings,
    query: Duration,
    name: impl Fn(usize, usize) -> String,
    newcomer: impl Fn(&str, usize) -> String,
) {
    let operator = settings.start().await;
    let [quiet_challenge, quiet_check] = longest_times(world, |n| newcomer("quiet", n)).await;
    let namespaces = Size::of_this_run().slow_namespaces();
    stream::iter(0..namespaces)
        .for_each_concurrent(8, async |n| {
            let tenant = world.tenant().await;
            for m in 0..EACH {
                tenant.state(&format!("d{m}"), &name(n, m)).await;
            }
        })
        .await;
    let active = eventually("checks wait for the servers", async || {
        let labels = "controller=\"check\"";
        let metric = "controller_runtime_active_workers";
        let active = operator.metric(metric, labels).await;
        if active >= namespaces as u64 {
            Ok(active)
        } else {
            Err(active)
        }
    })
    .await;
    let [challenge, check] = longest_times(world, |n| newcomer("late", n)).await;
    println!(
        "{namespaces} slow namespaces, {active} of their checks under way: challenge {challenge:.2?} (quiet {quiet_challenge:.2?}), first check {check:.2?} (quiet {quiet_check:.2?})"
    );
    assert!(
        challenge <= quiet_challenge + Duration::from_secs(1),
        "{challenge:?}"
    );
    assert!(check <= 2 * quiet_check + query, "{check:?}");
}

async fn private_world() -> (PrivatePlane, World) {
    let private = PrivatePlane::start().await;
    let cluster = private.cluster().await;
    cluster.install(freehold::api::crds()).await;
    let world = World::on(cluster).await;
    (private, world)
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_for_silent_domains_of_a_recursive_server_delay_nobody_else() {
    let (_private, world) = private_world().await;
    let name = |n, m| {
        let name = world.name(&format!("d{m}.hostile{n}"));
        for asked in [name.clone(), format!("_freehold-challenge.{name}")] {
            world.dns.set_behaviour(&asked, Behaviour::Silent);
        }
        name
    };
    let newcomer = |when: &str, n| world.name(&format!("{when}{n}"));
    let settings = world.operator(&[]).every("2s");
    besiege(&world, settings, QUERY.0, name, newcomer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_for_slow_name_servers_delay_nobody_else() {
    let (_private, world) = private_world().await;
    let zones = 0..Size::of_this_run().slow_namespaces();
    let hostile = |n| format!("hostile{n}.com");
    let builder = zones.clone().fold(Tree::builder(), |builder, n| {
        builder.zone(&hostile(n)).servers(1)
    });
    let tree = builder.zone("newcomers.com").start().await.unwrap();
    for n in zones {
        // As late as an answer may come.
        let late = tree::Behaviour::Slow(QUERY.1 * 9 / 10);
        tree.server(&format!("ns1.{}", hostile(n)))
            .set_behaviour(late);
    }
    let name = |n, m| format!("d{m}.{}", hostile(n));
    let newcomer = |when: &str, n| format!("{when}{n}.newcomers.com");
    let settings = world.walking_operator(&[], &tree).every("2s");
    besiege(&world, settings, QUERY.1, name, newcomer).await;
}

/// Challenges of somebody else meanwhile.
const CHALLENGES: usize = 20;

/// The median and the longest time to a challenge, of one domain after the other.
async fn challenges(world: &World, tenant: &Tenant, prefix: &str) -> [Duration; 2] {
    let mut times = Vec::new();
    for n in 0..CHALLENGES {
        let start = Instant::now();
        let object = format!("{prefix}{n}");
        let domain = tenant.state(&object, &world.name(&object)).await;
        domain.challenge().await;
        times.push(start.elapsed());
        domain.delete().await;
    }
    times.sort();
    [times[CHALLENGES / 2], times[CHALLENGES - 1]]
}

#[tokio::test(flavor = "multi_thread")]
async fn creations_and_deletions_without_end_delay_nobody_else() {
    let (_private, world) = private_world().await;
    let (storming, other) = (world.tenant().await, world.tenant().await);
    let _operator = world.operator(&[]).every(PERIOD).start().await;
    let quiet = challenges(&world, &other, "quiet").await;
    let begun = Instant::now();
    let (over, pairs) = (AtomicBool::new(false), AtomicUsize::new(0));
    let storm = join_all((0..Size::of_this_run().storm()).map(async |worker| {
        while !over.load(Ordering::Relaxed) {
            let n = pairs.fetch_add(1, Ordering::Relaxed);
            let object = format!("w{worker}-{n}");
            let domain = storming.state(&object, &world.name(&object)).await;
            domain.delete().await;
        }
    }));
    let beside = async {
        let times = challenges(&world, &other, "beside").await;
        over.store(true, Ordering::Relaxed);
        times
    };
    let (_, beside) = tokio::join!(storm, beside);
    let pairs = u32::try_from(pairs.load(Ordering::Relaxed)).unwrap();
    let rate = f64::from(pairs) / begun.elapsed().as_secs_f64();
    println!(
        "challenge {quiet:.2?}, beside {rate:.0} creations and deletions a second {beside:.2?}"
    );
    assert!(beside[0] <= quiet[0] + Duration::from_secs(1), "{beside:?}");
}
