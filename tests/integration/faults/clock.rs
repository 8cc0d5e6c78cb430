//! The operator's clock jumps by a day while it works, and comes back.

use axum::http::Method;
use freehold_testbed::{Clock, Packages};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::campaign::Campaign;
use crate::support::{Approval, At, Cluster, HttpProxy, World, publish, ready_reason, status};

fn clock() -> Clock {
    Clock::new(&Packages::from_environment().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "not run: it needs libfaketime, which cargo xtask test --with-dns-servers brings"]
async fn the_clock_jumps_a_day_ahead_and_a_day_behind() {
    let clock = clock();
    let campaign = Campaign::new(Cluster::shared().await).await;
    let mut operator = campaign.operator().clock(&clock).start().await;
    campaign
        .run("the clock is a day ahead, then a day behind", async || {
            for (percent, days) in [(20, 1), (35, 0), (50, -1), (65, 1), (80, 0)] {
                campaign.until_verified(percent).await;
                clock.set(days).unwrap();
            }
        })
        .await;
    operator.check_running();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "not run: it needs libfaketime, which cargo xtask test --with-dns-servers brings"]
async fn what_was_written_without_an_answer_before_a_jump_is_told() {
    let clock = clock();
    let world = World::new().await;
    let tenant = world.tenant().await;
    let proxy = HttpProxy::start(&world.cluster).await;
    let mut operator = world
        .operator(&[&tenant])
        .every("1s")
        .with("--api-timeout", "2s")
        .kubeconfig(proxy.kubeconfig())
        .clock(&clock)
        .start()
        .await;
    let domain = tenant.state("main", &world.name("main")).await;
    let challenge = domain.challenge().await;
    domain.until_reason("RecordAbsent").await;
    let status = proxy.hold(At::Answer, Method::PUT, "/organizationdomains/main/status");
    publish(&world.dns, &challenge.records[0]);
    status.came().await;
    clock.set(2).unwrap();
    domain.until_event("Verified").await;
    operator.check_running();
}

/// By the clock of who watches.
fn is_ahead(time: Option<Time>) -> bool {
    let soon = Timestamp::now() + SignedDuration::from_hours(12);
    time.is_some_and(|time| time.0 > soon)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "not run: it needs libfaketime, which cargo xtask test --with-dns-servers brings"]
async fn a_clock_that_comes_back_leaves_no_check_and_no_proof_in_the_future() {
    let clock = clock();
    let world = World::new().await;
    let tenant = world.tenant().await;
    let settings = world.operator(&[&tenant]).every("1s:12h,1h");
    let mut operator = settings.clock(&clock).start().await;
    let held = world.verified(&tenant, "held", &world.name("held")).await;
    let new = tenant.state("new", &world.name("new")).await;
    let challenge = new.challenge().await;

    clock.set(1).unwrap();
    held.request("ahead").await;
    held.until("proven a day ahead", |object| {
        is_ahead(status(object).last_proven_time)
    })
    .await;
    new.until("checked each hour", |object| {
        is_ahead(status(object).next_check_time)
    })
    .await;

    clock.set(0).unwrap();
    publish(&world.dns, &challenge.records[0]);
    new.until_verified().await;
    let held = held
        .until("proven by now", |object| {
            !is_ahead(status(object).last_proven_time)
        })
        .await;
    assert_eq!(ready_reason(&held), "Verified");
    operator.check_running();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "not run: it needs libfaketime, which cargo xtask test --with-dns-servers brings"]
async fn a_clock_that_is_set_forward_ends_what_is_over() {
    let clock = clock();
    let world = World::new().await;
    let tenant = world.tenant().await;
    let mut operator = world.operator(&[&tenant]).clock(&clock).start().await;
    let held = join_all(["a", "b", "c", "d"].map(async |object| {
        let held = world.verified(&tenant, object, &world.name(object)).await;
        held.challenge().await.records.remove(0).name
    }))
    .await;
    let approved = tenant.state("approved", &world.name("approved")).await;
    let expiry = Timestamp::now() + SignedDuration::from_hours(12);
    Approval::of(
        &tenant,
        "by-hand",
        "approved",
        &approved.domain,
        Some(expiry),
    )
    .await;
    approved.until_verified().await;

    let asked = || held.iter().map(|record| world.dns.queries_for(record));
    let before: Vec<_> = asked().collect();
    clock.set(1).unwrap();
    approved.until_event("ApprovalEnded").await;
    // A day's checks became due by that: they are made in the course of an hour.
    let later = asked().zip(before).filter(|(now, before)| now == before);
    assert!(later.count() > 0);
    operator.check_running();
}
