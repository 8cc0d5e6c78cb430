//! What one namespace can ask for.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use freehold::api::State;
use futures::future::join_all;

use crate::support::{
    History, Stated, World, eventually, publish, ready_message, ready_reason, status, uid,
};

/// How many DNS questions there were below a name.
fn asked_below(world: &World, name: &str) -> usize {
    let log = world.dns.log();
    log.iter()
        .filter(|entry| entry.name.ends_with(name))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_pending_domain_too_many_waits_its_turn_unasked() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let settings = world
        .operator(&[&tenant])
        .every("1s")
        .with("--max-pending-per-namespace", "3");
    let operator = settings.start().await;
    let mut checked: Vec<Stated> = Vec::new();
    for object in ["first", "second", "third"] {
        let domain = tenant.state(object, &world.name(object)).await;
        domain.until_reason("RecordAbsent").await;
        checked.push(domain);
    }
    let mut waiting: Vec<Stated> = Vec::new();
    // A namespace full of them is ended by neither organization nor request.
    tenant.organization("other").await;
    for (organization, object) in [("acme", "waits-1"), ("other", "waits-2")] {
        let domain = tenant
            .state_for(organization, object, &world.name(object))
            .await;
        let over = domain.until_reason("QuotaExceeded").await;
        assert_eq!(status(&over).state, Some(State::Pending));
        assert!(ready_message(&over).contains("more pending domains"));
        domain.until_event("QuotaExceeded").await;
        let handled = domain.checked("now").await;
        assert_eq!(ready_reason(&handled), "QuotaExceeded");
        assert_eq!(status(&handled).challenge, None);
        waiting.push(domain);
    }
    // A start changes nobody's place.
    assert!(operator.terminate().await.success());
    let _operator = settings.start().await;
    for domain in &checked {
        domain.checked("after the start").await;
    }
    for domain in &waiting {
        assert_eq!(ready_reason(&domain.get().await), "QuotaExceeded");
        assert_eq!(asked_below(&world, &domain.domain), 0);
    }

    // One that is verified, and one that is deleted, make room for the oldest.
    publish(&world.dns, &checked[0].challenge().await.records[0]);
    checked[0].until_verified().await;
    waiting[0].until_reason("RecordAbsent").await;
    assert_eq!(ready_reason(&waiting[1].get().await), "QuotaExceeded");
    assert_eq!(asked_below(&world, &waiting[1].domain), 0);
    checked[1].delete().await;
    waiting[1].until_reason("RecordAbsent").await;
    let record = waiting[1].challenge().await.records[0].clone();
    publish(&world.dns, &record);
    let verified = waiting[1].until_verified().await;
    assert_eq!(status(&verified).paused_time, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_and_creating_again_yields_no_more_tokens() {
    const LIMIT: usize = 3;
    const ROUNDS: usize = 8;
    /// As the operator refills it.
    const REFILL: Duration = Duration::from_secs(10);
    let world = World::new().await;
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    let _operator = world
        .operator(&[&tenant, &other])
        .every("7d")
        .with("--max-pending-per-namespace", "3")
        .start()
        .await;
    let history = History::of(tenant.domains()).await;
    let start = Instant::now();
    // One object after the other, of which none stays; each for another name below the same domain.
    for round in 0..ROUNDS {
        let name = world.name(&format!("round-{round}"));
        let domain = tenant.state("again", &name).await;
        if round < LIMIT {
            domain.challenge().await;
        }
        // One that gets a token has it well before another namespace's has one.
        let unlimited = other
            .state(&format!("round-{round}"), &world.public_name("x"))
            .await;
        if round < LIMIT {
            unlimited.challenge().await;
        }
        unlimited.delete().await;
        domain.delete().await;
    }
    // Under another domain, and for another namespace, there is room.
    let elsewhere = tenant.state("elsewhere", &world.public_name("free")).await;
    elsewhere.challenge().await;
    let neighbour = other.state("neighbour", &world.name("round-0")).await;
    neighbour.challenge().await;
    // The last of them gets its token after a while, as the limit refills.
    let last = tenant.state("again", &world.name("last")).await;
    let token = last.challenge().await.token;
    let seen = || -> BTreeSet<String> {
        let token = |object| Some(status(object).challenge?.token);
        let all = history.all();
        let own = all
            .iter()
            .filter(|(_, object)| uid(object) != elsewhere.uid);
        own.filter_map(|(_, object)| token(object)).collect()
    };
    eventually("the watch tells of the last token", async || {
        if seen().contains(&token) {
            Ok(())
        } else {
            Err("not yet")
        }
    })
    .await;
    let refilled = usize::try_from(start.elapsed().as_secs() / REFILL.as_secs()).unwrap();
    let tokens = seen();
    println!(
        "{} objects made again in {} s: {} tokens",
        ROUNDS + 1,
        start.elapsed().as_secs(),
        tokens.len()
    );
    let most = LIMIT + refilled + 1;
    assert!((LIMIT + 1..=most).contains(&tokens.len()), "{tokens:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_limited_whichever_object_asks() {
    /// At once, and then one a second.
    const LIMIT: usize = 60;
    const OBJECTS: usize = 9;
    const EACH: usize = 8;
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("7d").start().await;
    let start = Instant::now();
    join_all((0..OBJECTS).map(|n| {
        let (tenant, object) = (&tenant, format!("d{n}"));
        let name = world.name(&object);
        async move {
            let mut domain = tenant.state(&object, &name).await;
            for request in 0..EACH {
                if request == EACH / 2 {
                    // Made again, it has no more.
                    domain.delete().await;
                    domain = tenant.state(&object, &name).await;
                }
                domain.challenge().await;
                domain.checked(&format!("request-{request}")).await;
            }
        }
    }))
    .await;
    let (handled, seconds) = (OBJECTS * EACH, start.elapsed().as_secs());
    println!("{handled} requests handled in {seconds} s");
    let most = LIMIT + usize::try_from(seconds).unwrap() + 1;
    assert!(handled <= most, "{handled} in {seconds} s");
}
