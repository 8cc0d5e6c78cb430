//! The operator is killed at any moment; the next one goes on from what is written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use freehold::api::{OrganizationDomain, State};
use futures::future::join_all;
use kube::ResourceExt;
use rand::RngExt;
use tokio::time::sleep;

use crate::outbox::until_all_are_told;
use crate::support::{
    History, OperatorSettings, Stated, Tenant, World, eventually, publish, ready_reason, status,
    uid,
};

const KILLS: usize = 50;
const STEADY: usize = 24;
const RESTARTED: usize = 6;

/// Kills the operator at random moments, from its very start on.
async fn crash(settings: &OperatorSettings, over: &AtomicBool) {
    for _ in 0..KILLS {
        let mut operator = settings.spawn();
        let life = rand::rng().random_range(20..1300);
        sleep(Duration::from_millis(life)).await;
        operator.check_running();
        operator.kill().await;
    }
    over.store(true, Ordering::Relaxed);
}

/// One domain from nothing to Verified, with a request on the way.
async fn verified_once(world: &World, tenant: &Tenant, n: usize) -> Stated {
    // Domains begin their life all through the test.
    sleep(Duration::from_millis(1300) * u32::try_from(n).unwrap()).await;
    let name = format!("d{n}");
    let domain = tenant.state(&name, &world.name(&name)).await;
    let record = domain.challenge().await.records[0].clone();
    domain.checked(&format!("check-{n}")).await;
    publish(&world.dns, &record);
    domain.until_verified().await;
    domain
}

/// One domain whose window is always too short, restarted again and again.
async fn restarted(world: &World, tenant: &Tenant, n: usize, over: &AtomicBool) -> (Stated, usize) {
    let name = format!("r{n}");
    let domain = tenant.state(&name, &world.name(&name)).await;
    let mut requests = 0;
    loop {
        domain.until_state(State::Failed).await;
        if over.load(Ordering::Relaxed) {
            return (domain, requests);
        }
        requests += 1;
        let request = format!("restart-{requests}");
        domain.request(&request).await;
        domain
            .until("the restart is handled", |object| {
                status(object).last_handled_request.as_ref() == Some(&request)
            })
            .await;
    }
}

#[derive(Default, Debug)]
struct Life {
    tokens: Vec<String>,
    verified_times: BTreeSet<String>,
    handled: Vec<String>,
}

/// What became of each object, by uid.
fn lives(history: &History<OrganizationDomain>) -> BTreeMap<String, Life> {
    let mut lives: BTreeMap<String, Life> = BTreeMap::new();
    for (_, object) in history.all() {
        let life = lives.entry(uid(&object)).or_default();
        let seen = status(&object);
        if let Some(challenge) = seen.challenge
            && life.tokens.last() != Some(&challenge.token)
        {
            life.tokens.push(challenge.token);
        }
        if let Some(time) = seen.verified_time {
            life.verified_times.insert(time.0.to_string());
        }
        if let Some(handled) = seen.last_handled_request
            && life.handled.last() != Some(&handled)
        {
            life.handled.push(handled);
        }
    }
    lives
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_fifty_random_moments_nothing_is_lost_or_done_twice() {
    let world = World::new().await;
    let (steady, restarting) = (world.tenant().await, world.tenant().await);
    let histories = [
        History::of(steady.domains()).await,
        History::of(restarting.domains()).await,
    ];
    let holdings = History::of(world.holdings()).await;
    let steady_settings = world.operator(&[&steady]).every("1s");
    let restarting_settings = world
        .operator(&[&restarting])
        .every("1s")
        .with("--window", "1s")
        .with("--hand-over-period", "1s");
    let (steady_over, over) = (AtomicBool::new(false), AtomicBool::new(false));
    // After its kills each operator is started for good.
    let killing = async {
        tokio::join!(
            crash(&steady_settings, &steady_over),
            crash(&restarting_settings, &over)
        );
        [
            steady_settings.start().await,
            restarting_settings.start().await,
        ]
    };
    let verifying = join_all((0..STEADY).map(|n| verified_once(&world, &steady, n)));
    let restarts = join_all((0..RESTARTED).map(|n| restarted(&world, &restarting, n, &over)));
    let (operators, verified, restarted) = tokio::join!(killing, verifying, restarts);

    // Nothing is lost, nothing verified twice.
    let lives_of_steady = lives(&histories[0]);
    for domain in &verified {
        let object = domain.get().await;
        assert_eq!(ready_reason(&object), "Verified");
        let holding = domain.holding().await.unwrap();
        assert_eq!(holding.spec.holder.uid, domain.uid);
        let name = holding.name_any();
        let uids: BTreeSet<String> = holdings
            .all()
            .into_iter()
            .filter(|(_, holding)| holding.name_any() == name)
            .map(|(_, holding)| uid(&holding))
            .collect();
        assert_eq!(uids.len(), 1, "holdings of {name}");
        let life = &lives_of_steady[&domain.uid];
        assert_eq!(life.tokens.len(), 1, "{name}: {life:?}");
        assert_eq!(life.verified_times.len(), 1, "{name}: {life:?}");
        assert_eq!(life.handled.len(), 1, "{name}: {life:?}");
    }
    let mut told = 0;
    for (tenant, history) in [&steady, &restarting].into_iter().zip(&histories) {
        told += until_all_are_told(tenant, history)
            .await
            .values()
            .sum::<usize>();
    }
    // Each request made one new token.
    let lives_of_restarted = lives(&histories[1]);
    let mut requests_made = 0;
    for (domain, requests) in &restarted {
        let life = &lives_of_restarted[&domain.uid];
        assert_eq!(life.handled.len(), *requests, "{life:?}");
        assert_eq!(life.tokens.len(), requests + 1, "{life:?}");
        let distinct: BTreeSet<_> = life.tokens.iter().collect();
        assert_eq!(distinct.len(), life.tokens.len(), "{life:?}");
        requests_made += requests;
    }
    assert!(requests_made > RESTARTED, "{requests_made} restarts");
    // The summary has caught up.
    eventually("the organization is summed up", async || {
        let organization = steady.organizations().get("acme").await.unwrap();
        let counts = organization.status.unwrap().counts.unwrap_or_default();
        if counts.verified == i64::try_from(STEADY).unwrap() {
            Ok(())
        } else {
            Err(format!("{counts:?}"))
        }
    })
    .await;
    drop(operators);
    println!(
        "{KILLS} kills of each of two operators: {STEADY} domains verified once each, {requests_made} requests handled once each, {told} transitions told once each"
    );
}
