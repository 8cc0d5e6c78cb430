//! Where nothing changes, nothing is written.

use std::time::Instant;

use futures::{StreamExt, stream};
use kube::api::ListParams;

use crate::support::{PrivatePlane, World, eventually, ready_reason};

const DOMAINS: usize = 500;
const CHECKS: u64 = 3;
/// Of each check that finds nothing: in mixed case, and in lower case.
const QUESTIONS: u64 = 2;
const PERIOD: u64 = 4;

/// Whether the labels are of a write of ours: to our own kinds, or an Event.
fn is_write(labels: &str) -> bool {
    let ours = labels.contains("group=\"freehold.dev\"") || labels.contains("resource=\"events\"");
    let verbs = ["GET", "LIST", "WATCH"];
    let reads = verbs
        .iter()
        .any(|verb| labels.contains(&format!("verb=\"{verb}\"")));
    ours && !reads
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_pending_domains_are_checked_without_a_write() {
    let private = PrivatePlane::start().await;
    let cluster = private.cluster().await;
    cluster.install(freehold::api::crds()).await;
    let world = World::on(cluster).await;
    let tenant = world.tenant().await;
    let _operator = world
        .operator(&[&tenant])
        .every(&format!("{PERIOD}s"))
        .start()
        .await;
    let names: Vec<String> = (0..DOMAINS)
        .map(|n| format!("_freehold-challenge.{}", world.name(&format!("d{n}"))))
        .collect();
    stream::iter(0..DOMAINS)
        .for_each_concurrent(8, |n| {
            let (tenant, domain) = (&tenant, world.name(&format!("d{n}")));
            async move {
                tenant.state(&format!("d{n}"), &domain).await;
            }
        })
        .await;
    eventually("all are checked once and summed up", async || {
        let all = tenant.domains().list(&ListParams::default()).await.unwrap();
        let settled = all.iter().filter(|o| ready_reason(o) == "RecordAbsent");
        let organization = tenant.organizations().get("acme").await.unwrap();
        let counts = organization.status.unwrap().counts.unwrap_or_default();
        let (settled, counted) = (settled.count(), counts.pending);
        if (settled, counted) == (DOMAINS, 500) {
            Ok(())
        } else {
            Err(format!("{settled} checked, {counted} counted"))
        }
    })
    .await;

    let before = private.requests(is_write).await;
    let versions = |list: kube::core::ObjectList<freehold::api::OrganizationDomain>| {
        let version = |o: freehold::api::OrganizationDomain| o.metadata.resource_version;
        list.into_iter().map(version).collect::<Vec<_>>()
    };
    let list = || async { tenant.domains().list(&ListParams::default()).await.unwrap() };
    let written_before = versions(list().await);
    let asked: Vec<u64> = names.iter().map(|n| world.dns.queries_for(n)).collect();
    let start = Instant::now();
    eventually("three checks of each", async || {
        let done = names
            .iter()
            .zip(&asked)
            .filter(|(name, asked)| world.dns.queries_for(name) - **asked >= CHECKS * QUESTIONS)
            .count();
        if done == DOMAINS {
            Ok(())
        } else {
            Err(format!("{done} of {DOMAINS}"))
        }
    })
    .await;
    let seconds = start.elapsed().as_secs();
    let checks: u64 = names
        .iter()
        .zip(&asked)
        .map(|(name, asked)| (world.dns.queries_for(name) - asked) / QUESTIONS)
        .sum();
    let writes = private.requests(is_write).await - before;
    println!("{DOMAINS} pending domains, {checks} checks in {seconds} s: {writes} writes");
    assert_eq!(writes, 0);
    let most = u64::try_from(DOMAINS).unwrap() * (seconds / PERIOD + 2);
    assert!(checks <= most, "{checks} checks, {most} at the most");
    assert_eq!(versions(list().await), written_before);

    // The counter does count.
    tenant.state("one-more", &world.name("one-more")).await;
    assert!(private.requests(is_write).await > before);
}
