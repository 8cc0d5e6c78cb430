//! Statuses written back as a back-up tool does: under the same names, with other uids.

use std::time::Duration;

use freehold::api::conditions::VERIFIED;
use freehold::api::{State, VerifiedDomain};
use kube::api::DeleteParams;
use serde_json::Value;

use crate::support::{
    History, Stated, World, condition, eventually, publish, ready_reason, status, uid,
};

/// The status as a back-up keeps it.
async fn saved(domain: &Stated) -> Value {
    serde_json::to_value(domain.get().await.status.unwrap()).unwrap()
}

async fn until_held_by(world: &World, name: &str, uid: &str) -> VerifiedDomain {
    eventually("the holding names the object", async || {
        match world.holding(name).await {
            Some(holding) if holding.spec.holder.uid == uid => Ok(holding),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_without_its_holding_is_proved_anew_or_not_at_all() {
    let world = World::new().await;
    let (tenant, elsewhere) = (world.tenant().await, world.tenant().await);
    let settings = world.operator(&[&tenant, &elsewhere]).every("7d");
    let operator = settings.start().await;
    let (here, there) = (world.name("here"), world.name("there"));
    let (unproved, gone) = (world.name("unproved"), world.name("gone"));
    let mut statuses = Vec::new();
    for name in [&here, &there, &unproved, &gone] {
        let object = name.split('.').next().unwrap();
        let domain = world.verified(&tenant, object, name).await;
        statuses.push(saved(&domain).await);
        domain.delete().await;
        world.until_released(name).await;
    }
    assert!(operator.terminate().await.success());
    let token = |n: usize| {
        statuses[n]["challenge"]["token"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    world.dns.remove(&format!("_freehold-challenge.{unproved}"));
    let restored = tenant.state("here", &here).await;
    let moved_away = elsewhere.state("there", &there).await;
    let unproved_one = tenant.state("unproved", &unproved).await;
    for (domain, n) in [(&restored, 0), (&moved_away, 1), (&unproved_one, 2)] {
        domain.patch_status(statuses[n].clone()).await.unwrap();
    }
    let history = History::of(tenant.domains()).await;
    let _operator = settings.start().await;

    // In its own place the token is its own, and the record that is still there proves it.
    restored.until_event("HoldingLost").await;
    until_held_by(&world, &here, &restored.uid).await;
    let verified = restored.until_verified().await;
    assert_eq!(restored.challenge().await.token, token(0));
    let made_again = verified.metadata.creation_timestamp.as_ref().unwrap().0;
    assert!(status(&verified).verified_time.unwrap().0 >= made_again);

    // Without the record it proves nothing, whatever the status says.
    unproved_one.until_event("HoldingLost").await;
    unproved_one.until_reason("RecordAbsent").await;
    assert!(world.holding(&unproved).await.is_none());

    // In another namespace the record proves nothing.
    let other = moved_away
        .until("it has a token of its own", |object| {
            let status = status(object);
            status.state == Some(State::Pending)
                && status
                    .challenge
                    .is_some_and(|challenge| challenge.token != token(1))
        })
        .await;
    assert_eq!(status(&other).verified_time, None);
    let checked = moved_away.checked("restored").await;
    assert_eq!(ready_reason(&checked), "RecordMismatch");
    assert!(world.holding(&there).await.is_none());

    // Made again without its status, the old record proves nothing either.
    let fresh = tenant.state("gone", &gone).await;
    assert_ne!(fresh.challenge().await.token, token(3));
    assert_eq!(ready_reason(&fresh.checked("2").await), "RecordMismatch");
    assert!(history.all().iter().all(
        |(_, object)| uid(object) != fresh.uid || status(object).state != Some(State::Verified)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_holder_of_old_is_relied_on_as_before() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let settings = world
        .operator(&[&tenant])
        .every("1s")
        .with("--recheck-period", "1s")
        .with("--max-proof-age", "4s");
    let operator = settings.start().await;
    let name = world.name("old");
    let original = world.verified(&tenant, "main", &name).await;
    // Held for longer than a proof may be old, and proved all the time.
    let proven = |object: &freehold::api::OrganizationDomain| {
        let status = status(object);
        let times = (status.verified_time, status.last_proven_time);
        let (Some(verified), Some(proven)) = times else {
            return false;
        };
        proven.0.duration_since(verified.0) >= Duration::from_secs(5).try_into().unwrap()
    };
    original.until("it is proved again later", proven).await;
    operator.kill().await;
    let status_before = saved(&original).await;
    let holding = world.holding(&name).await.unwrap();
    original.delete().await;
    let history = History::of(tenant.domains()).await;
    let restored = tenant.state("main", &name).await;
    restored.patch_status(status_before).await.unwrap();
    let _operator = settings.start().await;
    let bound = until_held_by(&world, &name, &restored.uid).await;
    assert_eq!(bound.metadata.uid, holding.metadata.uid);
    let since = status(&restored.get().await).last_proven_time;
    restored
        .until("it is proved anew", |object| {
            status(object).last_proven_time > since
        })
        .await;
    for (_, object) in history.all() {
        if uid(&object) == restored.uid
            && let Some(verified) = condition(&object, VERIFIED)
        {
            assert_eq!(verified.status, "True", "{verified:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_restored_for_another_domain_keeps_no_hold_on_the_first() {
    let world = World::new().await;
    let (tenant, waiting) = (world.tenant().await, world.tenant().await);
    let settings = world
        .operator(&[&tenant, &waiting])
        .every("7d")
        .with("--orphan-delay", "1s");
    let operator = settings.start().await;
    let (first, second) = (world.name("first"), world.name("second"));
    let original = world.verified(&tenant, "main", &first).await;
    let status_before = saved(&original).await;
    operator.kill().await;
    original.delete().await;
    let changed = tenant.state("main", &second).await;
    changed.patch_status(status_before).await.unwrap();
    let _operator = settings.start().await;
    changed.until_reason("RecordAbsent").await;
    world.until_released(&first).await;
    // The name is another's to prove.
    world.verified(&waiting, "next", &first).await;
    assert!(world.holding(&second).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_cut_off_before_its_status_counts_from_now() {
    let world = World::new().await;
    let (first, second) = (world.tenant().await, world.tenant().await);
    let settings = world
        .operator(&[&first, &second])
        .with("--check-ladder", "1s")
        .with("--recheck-period", "3s")
        .with("--max-proof-age", "6s")
        .with("--hand-over-period", "1h");
    let operator = settings.start().await;
    let name = world.name("cut-off");
    let holder = world.verified(&first, "holder", &name).await;
    let held_since = status(&holder.get().await).verified_time.unwrap().0;
    let record = holder.challenge().await.records[0].clone();
    let contender = second.state("contender", &name).await;
    let token = contender.challenge().await;
    world.dns.remove(&record.name);
    publish(&world.dns, &token.records[0]);
    let passing = contender
        .until("a hand-over began and the holding is old", |object| {
            status(object).hand_over.is_some()
                && jiff::Timestamp::now().duration_since(held_since).as_secs() >= 8
        })
        .await;
    operator.kill().await;
    // As the operator replaces it, and then dies.
    let mut holding = world.holding(&name).await.unwrap();
    holding.spec.handed_over_from = Some(holder.uid.clone());
    holding.spec.holder = crate::support::holder_of(&contender).await;
    world
        .holdings()
        .replace(&name, &kube::api::PostParams::default(), &holding)
        .await
        .unwrap();
    let history = History::of(second.domains()).await;
    let _operator = settings.start().await;
    let verified = contender.until_verified().await;
    holder.until_reason("HandedOver").await;
    let begun = status(&passing).hand_over.unwrap().since_time.0;
    assert!(status(&verified).verified_time.unwrap().0 >= begun);
    for (_, object) in history.all() {
        assert_ne!(ready_reason(&object), "ProofStale");
    }
    world
        .holdings()
        .delete(&name, &DeleteParams::default())
        .await
        .unwrap();
}
