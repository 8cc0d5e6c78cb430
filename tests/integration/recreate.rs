//! An object that is deleted and made again is another object.

use std::time::Duration;

use axum::http::Method;
use futures::future::join_all;
use rand::RngExt;

use freehold::api::State;
use freehold_testbed::Behaviour;

use crate::support::{
    At, History, HttpProxy, Stated, Tenant, World, eventually, publish, ready_reason, status, uid,
};

/// DNS answers come so late that the object is another by then.
const LATE: Duration = Duration::from_millis(600);

async fn recreated(world: &World, tenant: &Tenant, object: &str, wait: Duration) -> [Stated; 2] {
    let before = tenant.state(object, &world.name(object)).await;
    let record = before.challenge().await.records[0].clone();
    publish(&world.dns, &record);
    let late = u64::try_from(LATE.as_millis()).unwrap();
    world
        .dns
        .set_behaviour(&record.name, Behaviour::DelayMs(late));
    before.request("1").await;
    eventually("the DNS is asked", async || {
        match world.dns.queries_for(&record.name) {
            0 => Err("not yet"),
            _ => Ok(()),
        }
    })
    .await;
    tokio::time::sleep(wait).await;
    before.delete().await;
    let after = tenant.state(object, &before.domain).await;
    assert_ne!(after.uid, before.uid);
    [before, after]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_made_again_between_decision_and_write_keeps_nothing() {
    const AT_ONCE: usize = 6;
    const NEAR_THE_WRITE: usize = 24;
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("7d").start().await;
    let history = History::of(tenant.domains()).await;
    let pairs = join_all((0..AT_ONCE + NEAR_THE_WRITE).map(|n| {
        let (world, tenant) = (&world, &tenant);
        let wait = if n < AT_ONCE {
            Duration::ZERO
        } else {
            // Around the moment at which the answer comes and the writes begin.
            LATE.saturating_sub(Duration::from_millis(rand::rng().random_range(0..60)))
                + Duration::from_millis(40)
        };
        async move { recreated(world, tenant, &format!("d{n}"), wait).await }
    }))
    .await;

    let mut verified_before = 0;
    for [before, after] in &pairs {
        let challenge = after.challenge().await;
        // The old record is still published.
        let checked = after.checked("2").await;
        assert_eq!(status(&checked).state, Some(State::Pending));
        assert_eq!(ready_reason(&checked), "RecordMismatch");
        world.until_released(&after.domain).await;

        let mut old_tokens = Vec::new();
        for (_, object) in history.all() {
            let seen = status(&object);
            let token = seen.challenge.map(|challenge| challenge.token);
            if uid(&object) == before.uid {
                old_tokens.extend(token);
                verified_before += usize::from(seen.state == Some(State::Verified));
            } else if uid(&object) == after.uid {
                assert_ne!(seen.state, Some(State::Verified));
                assert!(token.is_none_or(|token| token == challenge.token));
            }
        }
        assert!(!old_tokens.is_empty() && !old_tokens.contains(&challenge.token));
    }
    println!(
        "{} objects made again around the write, {verified_before} of them just verified: nothing kept",
        pairs.len()
    );
    let [_, after] = &pairs[0];
    publish(&world.dns, &after.challenge().await.records[0]);
    after.request("3").await;
    after.until_verified().await;
    assert_eq!(after.holding().await.unwrap().spec.holder.uid, after.uid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_made_again_must_prove_itself_anew() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let settings = world.operator(&[&tenant]).every("7d");
    let operator = settings.start().await;
    // Seen by a running operator.
    let before = tenant.state("seen", &world.name("seen")).await;
    publish(&world.dns, &before.challenge().await.records[0]);
    before.request("1").await;
    before.until_verified().await;
    before.delete().await;
    let after = tenant.state("seen", &before.domain).await;
    after.challenge().await;
    let checked = after.checked("2").await;
    assert_eq!(ready_reason(&checked), "RecordMismatch");
    world.until_released(&before.domain).await;

    // While no operator ran.
    let before = tenant.state("unseen", &world.name("unseen")).await;
    let old = before.challenge().await;
    publish(&world.dns, &old.records[0]);
    before.request("1").await;
    before.until_verified().await;
    assert!(operator.terminate().await.success());
    before.delete().await;
    let after = tenant.state("unseen", &before.domain).await;
    let _operator = settings.start().await;
    let new = after.challenge().await;
    assert_ne!(new.token, old.token);
    assert_eq!(ready_reason(&after.checked("2").await), "RecordMismatch");
    publish(&world.dns, &new.records[0]);
    after.request("3").await;
    after.until_verified().await;
    assert_eq!(after.holding().await.unwrap().spec.holder.uid, after.uid);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_the_object_is_gone_says_nothing_of_one_made_since() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let proxy = HttpProxy::start(&world.cluster).await;
    let _operator = world
        .operator(&[&tenant])
        .every("7d")
        .kubeconfig(proxy.kubeconfig())
        .start()
        .await;
    let before = tenant.state("again", &world.name("again")).await;
    before.challenge().await;
    let written = proxy.hold(
        At::Request,
        Method::PUT,
        "/organizationdomains/again/status",
    );
    before.request("1").await;
    written.came().await;
    before.delete().await;
    let read = proxy.hold(At::Answer, Method::GET, "/organizationdomains/again");
    written.let_go();
    read.came().await;
    let after = tenant.state("again", &before.domain).await;
    // The watch tells of it before the answer comes.
    let beside = tenant.state("beside", &world.name("beside")).await;
    beside.challenge().await;
    read.let_go();
    after.challenge().await;
}
