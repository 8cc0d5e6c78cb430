//! One name, one holder.

use futures::future::join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;

use freehold::api::verified_domain::{Holder, VerifiedDomain, VerifiedDomainSpec};
use freehold::api::{State, Strategy};

use crate::support::{
    Stated, World, publish, ready_message, ready_reason, round_trip, status, times,
};

/// What a tenant may read of its own object.
async fn all_that_is_told(domain: &Stated) -> String {
    let events = domain.events().await;
    let object = domain.get().await;
    serde_yaml::to_string(&(object, events)).unwrap()
}

async fn assert_learns_nothing(loser: &Stated, winner: &Stated) {
    let told = all_that_is_told(loser).await;
    let token = status(&winner.get().await).challenge.unwrap().token;
    let holding = winner.holding().await.unwrap();
    for secret in [
        &winner.namespace,
        &winner.object,
        &winner.uid,
        &token,
        &holding.spec.holder.organization,
        &holding.spec.holder.token_hash,
        holding.metadata.uid.as_ref().unwrap(),
    ] {
        assert!(!told.contains(secret.as_str()), "{secret} in:\n{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_prove_one_name_one_holds_it_and_the_other_learns_nothing() {
    let world = World::new().await;
    let (first, second) = (world.empty_tenant().await, world.empty_tenant().await);
    first.organization("winner-organization").await;
    second.organization("loser-organization").await;
    let operator = world.operator(&[&first, &second]).every("7d").start().await;
    let name = world.name("contested");
    let winner = first
        .state_for("winner-organization", "winner-object", &name)
        .await;
    let loser = second
        .state_for("loser-organization", "loser-object", &name)
        .await;
    for domain in [&winner, &loser] {
        publish(&world.dns, &domain.challenge().await.records[0]);
    }
    winner.request("1").await;
    winner.until_verified().await;
    let held = loser.checked("1").await;
    assert_eq!(status(&held).state, Some(State::Pending));
    assert_eq!(ready_reason(&held), "HeldByAnother");
    let message = ready_message(&held);
    assert!(
        message.contains("another OrganizationDomain holds the domain"),
        "{message}"
    );
    loser.until_event("HeldByAnother").await;
    assert_learns_nothing(&loser, &winner).await;
    assert_learns_nothing_of_the_loser(&winner, &loser).await;
    let holdings = world.own_holdings().await;
    assert_eq!(holdings.len(), 1);
    assert_eq!(holdings[0].spec.holder.uid, winner.uid);

    // Asked again, it says the same and writes no second Event.
    let again = loser.checked("2").await;
    assert_eq!(status(&again).conditions, status(&held).conditions);
    assert_eq!(loser.events().await.len(), 1);

    // The holder goes: the name passes on by itself, though no check is due.
    let unit = round_trip(&loser).await;
    let start = std::time::Instant::now();
    winner.delete().await;
    loser.until_verified().await;
    println!(
        "from the holder's deletion to the contender's Verified: {:.1} API round trips",
        times(start.elapsed(), unit)
    );
    let holding = loser.holding().await.unwrap();
    assert_eq!(holding.spec.holder.uid, loser.uid);
    assert_eq!(
        operator
            .metric("freehold_notices_total", "HoldingLost")
            .await,
        0
    );
}

async fn assert_learns_nothing_of_the_loser(winner: &Stated, loser: &Stated) {
    let told = all_that_is_told(winner).await;
    let token = status(&loser.get().await).challenge.unwrap().token;
    for secret in [&loser.namespace, &loser.object, &loser.uid, &token] {
        assert!(!told.contains(secret.as_str()), "{secret} in:\n{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_at_once_agree_on_one_holder() {
    const NAMES: usize = 12;
    let world = World::new().await;
    let (first, second) = (world.tenant().await, world.tenant().await);
    for (mode, scopes) in [
        ("each its own namespace", [vec![&first], vec![&second]]),
        ("both all", [vec![&first, &second], vec![&first, &second]]),
    ] {
        let label = mode.replace(' ', "-");
        let mut pairs = Vec::new();
        let operators = join_all(scopes.iter().map(|tenants| {
            let settings = world.operator(tenants).every("7d");
            async move { settings.start().await }
        }))
        .await;
        for n in 0..NAMES {
            let name = world.name(&format!("n{n}.{label}"));
            let object = format!("{label}-{n}");
            let pair = [
                first.state(&object, &name).await,
                second.state(&object, &name).await,
            ];
            for domain in &pair {
                publish(&world.dns, &domain.challenge().await.records[0]);
            }
            pairs.push(pair);
        }
        join_all(pairs.iter().flatten().map(|domain| domain.request("1"))).await;
        let mut won = [0, 0];
        for pair in &pairs {
            let mut states = Vec::new();
            for domain in pair {
                let decided = domain
                    .until("is decided", |object| {
                        ["Verified", "HeldByAnother"].contains(&ready_reason(object).as_str())
                    })
                    .await;
                states.push(status(&decided).state.unwrap());
            }
            let holding = pair[0].holding().await.unwrap();
            let winner = usize::from(holding.spec.holder.uid == pair[1].uid);
            assert_eq!(states[winner], State::Verified, "{states:?}");
            assert_eq!(states[1 - winner], State::Pending, "{states:?}");
            won[winner] += 1;
        }
        println!(
            "{mode}: {NAMES} names, won by the first {}, the second {}",
            won[0], won[1]
        );
        for operator in operators {
            assert!(operator.terminate().await.success());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holding_made_by_hand_for_somebody_else_is_respected() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("7d").start().await;
    let name = world.name("by-hand");
    let holding = VerifiedDomain {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            ..ObjectMeta::default()
        },
        spec: VerifiedDomainSpec {
            holder: Holder {
                namespace: "elsewhere".to_owned(),
                name: "somebody".to_owned(),
                uid: "6f3c8f0e-0000-4000-8000-000000000000".to_owned(),
                organization: "else".to_owned(),
                token_hash: "0".repeat(64),
            },
            strategy: Strategy::Manual,
            handed_over_from: None,
            importing: false,
        },
    };
    world
        .holdings()
        .create(&PostParams::default(), &holding)
        .await
        .unwrap();
    let domain = tenant.state("main", &name).await;
    publish(&world.dns, &domain.challenge().await.records[0]);
    let checked = domain.checked("1").await;
    assert_eq!(ready_reason(&checked), "HeldByAnother");
    let found = world.holding(&name).await.unwrap();
    assert_eq!(found.spec, holding.spec);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verified_domain_whose_holding_is_taken_away_proves_itself_again() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("7d").start().await;
    let domain = tenant.state("main", &world.name("taken")).await;
    let record = domain.challenge().await.records[0].clone();
    publish(&world.dns, &record);
    domain.request("1").await;
    domain.until_verified().await;
    let first = domain.holding().await.unwrap();
    world.dns.remove(&record.name);
    world
        .holdings()
        .delete(&domain.domain, &kube::api::DeleteParams::default())
        .await
        .unwrap();
    domain.until_state(State::Pending).await;
    domain.until_event("HoldingLost").await;
    domain.until_reason("RecordAbsent").await;
    publish(&world.dns, &record);
    domain.request("2").await;
    domain.until_verified().await;
    assert_ne!(
        domain.holding().await.unwrap().metadata.uid,
        first.metadata.uid
    );
}
