//! The API server or the DNS is gone for a while.

use std::time::Duration;

use freehold::api::State;
use freehold::api::conditions::RECORD_PRESENT;
use freehold_testbed::{Proxy, kubeconfig_through};
use futures::future::join_all;
use tokio::time::sleep;

use crate::support::{
    Cluster, OperatorProcess, Stated, Tenant, World, condition, publish, ready_reason, status,
};

const DOMAINS: usize = 6;
/// A minute in all: half of it refused, half of it without an answer.
const HALF: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_mins(1);
/// After an outage the wait before the next attempt may still be the longest one.
const RECOVERY: Duration = Duration::from_secs(150);

async fn pending(world: &World, tenant: &Tenant) -> (Vec<Stated>, Vec<String>) {
    let stated = join_all((0..DOMAINS).map(|n| async move {
        let name = format!("d{n}");
        tenant.state(&name, &world.name(&name)).await
    }))
    .await;
    let mut tokens = Vec::new();
    for domain in &stated {
        domain.until_reason("RecordAbsent").await;
        tokens.push(domain.challenge().await.token);
    }
    (stated, tokens)
}

async fn recovered(world: &World, tenant: &Tenant, stated: &[Stated], tokens: &[String]) {
    for (domain, token) in stated.iter().zip(tokens) {
        let verified = domain
            .until_within(RECOVERY, "recovers", |object| {
                status(object).state == Some(State::Verified)
            })
            .await;
        assert_eq!(&status(&verified).challenge.unwrap().token, token);
        assert_eq!(domain.holding().await.unwrap().spec.holder.uid, domain.uid);
        domain.until_event("Verified").await;
        let events = domain.events().await;
        let verified = events
            .iter()
            .filter(|event| event.reason.as_deref() == Some("Verified"));
        assert_eq!(verified.count(), 1, "{events:#?}");
    }
    // A new one shows that nothing is left of the outage.
    let new = tenant.state("new", &world.name("new")).await;
    publish(&world.dns, &new.challenge().await.records[0]);
    new.until_verified().await;
}

async fn api_outage(outage: impl AsyncFnOnce(&Proxy)) {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let proxy = Proxy::start(Cluster::shared_address()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let through = kubeconfig_through(&world.cluster.kubeconfig, &proxy, folder.path()).unwrap();
    let mut operator = world
        .operator(&[&tenant])
        .every("1s")
        .with("--api-timeout", "2s")
        .kubeconfig(&through)
        .start()
        .await;
    let (stated, tokens) = pending(&world, &tenant).await;
    let before = failed_calls(&operator).await;
    let outage_begins = async {
        for domain in &stated {
            publish(&world.dns, &domain.challenge().await.records[0]);
        }
        // Stated, and changed, while nobody hears of it.
        tenant.state("meanwhile", &world.name("meanwhile")).await
    };
    let fault = outage(&proxy);
    let (meanwhile, ()) = futures::join!(outage_begins, fault);
    let failures = failed_calls(&operator).await - before;
    operator.check_running();
    println!(
        "an outage of the API server, {} domains: {failures} failed calls",
        stated.len()
    );
    let bound = 20 * u64::try_from(DOMAINS + 2).unwrap();
    assert!(failures <= bound, "a storm of {failures} calls");
    recovered(&world, &tenant, &stated, &tokens).await;
    publish(&world.dns, &meanwhile.challenge().await.records[0]);
    meanwhile.until_verified().await;
}

async fn failed_calls(operator: &OperatorProcess) -> u64 {
    let name = "freehold_api_calls_total";
    operator.metric(name, "result=\"failure\"").await
        + operator.metric(name, "result=\"timeout\"").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_refuses_connections_for_a_minute() {
    api_outage(async |proxy: &Proxy| {
        proxy.cut();
        sleep(MINUTE).await;
        proxy.restore();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_gives_no_answer_for_a_while() {
    api_outage(async |proxy: &Proxy| {
        proxy.freeze();
        sleep(HALF).await;
        proxy.restore();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dns_gives_no_answer_for_a_minute() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let mut operator = world
        .operator(&[&tenant])
        .every("1s")
        .with("--dns-timeout", "1s")
        .with("--recheck-period", "1s")
        .with("--grace-check-period", "1s")
        // Nothing may count as lost that nobody denied.
        .with("--grace", "3s")
        .start()
        .await;
    let verified = tenant.state("verified", &world.name("verified")).await;
    publish(&world.dns, &verified.challenge().await.records[0]);
    verified.until_verified().await;
    let held = verified.holding().await.unwrap().metadata.uid;
    let (stated, tokens) = pending(&world, &tenant).await;

    world.dns.pause();
    for domain in &stated {
        domain.until_reason("CheckInconclusive").await;
        publish(&world.dns, &domain.challenge().await.records[0]);
    }
    let version = |object: &Stated| {
        let object = object.clone();
        async move { object.get().await.metadata.resource_version }
    };
    verified
        .until("the failed check is told", |object| {
            let check = status(object).last_check.unwrap();
            format!("{:?}", check.verdict) == "Inconclusive"
        })
        .await;
    let before = join_all(stated.iter().chain([&verified]).map(version)).await;
    let asked = world.dns.queries();
    sleep(MINUTE).await;
    let asked = world.dns.queries() - asked;
    let after = join_all(stated.iter().chain([&verified]).map(version)).await;
    assert_eq!(before, after, "an outage is told once");
    println!("a minute without DNS: {asked} questions, no write, no loss");
    let still = verified.get().await;
    assert_eq!(status(&still).state, Some(State::Verified));
    assert_eq!(condition(&still, RECORD_PRESENT).unwrap().status, "True");
    assert_eq!(verified.holding().await.unwrap().metadata.uid, held);
    operator.check_running();

    world.dns.resume();
    recovered(&world, &tenant, &stated, &tokens).await;
    verified
        .until("proven again", |object| {
            ready_reason(object) == "Verified"
                && format!("{:?}", status(object).last_check.unwrap().verdict) == "Proven"
        })
        .await;
}
