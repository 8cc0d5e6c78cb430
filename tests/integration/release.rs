//! A name is given up when its holder is gone for certain, and never else.

use futures::future::join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use serde_json::json;

use freehold::api::verified_domain::{Holder, VerifiedDomain, VerifiedDomainSpec};
use freehold::api::{State, Strategy};

use crate::support::{World, eventually, publish, status};

async fn orphan(world: &World, namespace: &str, prefix: &str) -> String {
    let name = world.name(prefix);
    let holding = VerifiedDomain {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            ..ObjectMeta::default()
        },
        spec: VerifiedDomainSpec {
            holder: Holder {
                namespace: namespace.to_owned(),
                name: "gone".to_owned(),
                uid: "6f3c8f0e-0000-4000-8000-000000000001".to_owned(),
                organization: "acme".to_owned(),
                token_hash: "0".repeat(64),
            },
            strategy: Strategy::Dns,
            handed_over_from: None,
            importing: false,
        },
    };
    let params = PostParams::default();
    world.holdings().create(&params, &holding).await.unwrap();
    name
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_holder_frees_its_name() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("7d").start().await;
    let domain = world.verified(&tenant, "main", &world.name("main")).await;
    let name = domain.domain.clone();
    domain.delete().await;
    world.until_released(&name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_holder_counts_as_gone_whatever_finalizers_it_has() {
    let world = World::new().await;
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    let _operator = world
        .operator(&[&tenant, &other])
        .every("1s")
        .with("--recheck-period", "1s")
        .start()
        .await;
    let domain = world.verified(&tenant, "main", &world.name("main")).await;
    let next = other.state("next", &domain.domain).await;
    publish(&world.dns, &next.challenge().await.records[0]);
    next.until_reason("HeldByAnother").await;
    let finalizers = |list: &[&str]| json!({ "metadata": { "finalizers": list } });
    domain
        .patch(finalizers(&["example.com/keep"]))
        .await
        .unwrap();
    domain.delete().await;
    // Its record is still published and it is still there: the name is the next one's.
    next.until_verified().await;
    let says = domain.until_reason("Deleting").await;
    assert_eq!(status(&says).state, Some(State::Pending));
    assert!(says.metadata.deletion_timestamp.is_some());
    // Neither a request nor the end of the next one brings it back.
    domain.checked("2").await;
    next.delete().await;
    world.until_released(&domain.domain).await;
    let again = other.state("again", &domain.domain).await;
    publish(&world.dns, &again.challenge().await.records[0]);
    again.until_verified().await;
    assert_eq!(status(&domain.get().await).state, Some(State::Pending));
    domain.patch(finalizers(&[])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_for_fewer_namespaces_releases_nothing() {
    let world = World::new().await;
    let (wide, narrow) = (world.tenant().await, world.tenant().await);
    let settings = world
        .operator(&[&wide, &narrow])
        .every("1s")
        .with("--orphan-delay", "1s");
    let operator = settings.start().await;
    let kept = world.verified(&wide, "kept", &world.name("kept")).await;
    let gone = world.verified(&wide, "gone", &world.name("gone")).await;
    let gone_before = world
        .verified(&wide, "gone-before", &world.name("gone-before"))
        .await;
    let gone_name = gone_before.domain.clone();
    let of_the_gone = gone_before.holding().await.unwrap();
    assert!(operator.terminate().await.success());
    gone_before.delete().await;
    let before = [
        kept.holding().await.unwrap(),
        gone.holding().await.unwrap(),
        of_the_gone,
    ];

    let narrow_operator = world
        .operator(&[&narrow])
        .every("1s")
        .with("--orphan-delay", "1s")
        .start()
        .await;
    // One that it must release, and one that goes while it runs; then a contender's checks.
    let control = orphan(&world, &narrow.namespace, "control").await;
    world.until_released(&control).await;
    gone.delete().await;
    let contender = narrow.state("contender", &gone.domain).await;
    let record = contender.challenge().await.records[0].clone();
    publish(&world.dns, &record);
    contender.until_reason("HeldByAnother").await;
    let asked = world.dns.queries_for(&record.name);
    eventually("three more checks", async || {
        match world.dns.queries_for(&record.name) - asked {
            0..3 => Err("not yet"),
            _ => Ok(()),
        }
    })
    .await;
    for holding in &before {
        let name = holding.metadata.name.as_deref().unwrap();
        let now = world.holding(name).await.unwrap();
        assert_eq!(now.metadata.uid, holding.metadata.uid, "{name}");
    }
    assert!(narrow_operator.terminate().await.success());
    assert_eq!(status(&kept.get().await).state, Some(State::Verified));

    // The one that looks after the holder's namespace does its duty.
    let _operator = settings.start().await;
    contender.until_verified().await;
    world.until_released(&gone_name).await;
    assert_eq!(
        kept.holding().await.unwrap().metadata.uid,
        before[0].metadata.uid
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_many_that_one_tenant_gives_up_hold_up_no_other_s() {
    let world = World::new().await;
    let (big, small) = (world.tenant().await, world.tenant().await);
    let many = async |n: usize| orphan(&world, &big.namespace, &format!("big-{n}")).await;
    let many = join_all((0..60).map(many)).await;
    let one = orphan(&world, &small.namespace, "small").await;
    // All are found at the start, and ten are released in a second.
    let _operator = world
        .operator(&[&big, &small])
        .with("--orphan-delay", "1s")
        .start()
        .await;
    world.until_released(&one).await;
    let left = join_all(many.iter().map(|name| world.holding(name))).await;
    let left = left.iter().flatten().count();
    assert!(left >= 30, "only {left} of 60 wait");
    for name in &many {
        world.until_released(name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holding_whose_holder_went_unseen_is_released_after_a_while() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let settings = world.operator(&[&tenant]).every("1s");
    let operator = settings.start().await;
    let domain = world.verified(&tenant, "main", &world.name("main")).await;
    assert!(operator.terminate().await.success());
    domain.delete().await;
    // With the real delay it is left alone: another name goes through its whole life meanwhile.
    let operator = settings.start().await;
    world
        .verified(&tenant, "meanwhile", &world.name("meanwhile"))
        .await;
    assert!(world.holding(&domain.domain).await.is_some());
    assert!(operator.terminate().await.success());
    let _operator = settings.with("--orphan-delay", "1s").start().await;
    world.until_released(&domain.domain).await;
    assert!(world.holding(&world.name("meanwhile")).await.is_some());
}
