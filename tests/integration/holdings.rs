//! `VerifiedDomain`s that somebody edits or makes by hand: they are the authority all the same.

use freehold::api::conditions::RECORD_PRESENT;
use freehold::api::{OrganizationDomain, State, Strategy, VerifiedDomain, VerifiedDomainSpec};
use kube::api::PostParams;
use serde_json::Value;

use crate::support::{
    History, Stated, World, condition, eventually, holder_of, publish, ready_reason, status, uid,
};

async fn replace(world: &World, holding: &VerifiedDomain) {
    let name = holding.metadata.name.as_deref().unwrap();
    world
        .holdings()
        .replace(name, &PostParams::default(), holding)
        .await
        .unwrap();
}

async fn make(world: &World, domain: &Stated, strategy: Strategy) -> VerifiedDomain {
    let spec = VerifiedDomainSpec {
        holder: holder_of(domain).await,
        strategy,
        handed_over_from: None,
        importing: false,
    };
    world
        .holdings()
        .create(
            &PostParams::default(),
            &VerifiedDomain::new(&domain.domain, spec),
        )
        .await
        .unwrap()
}

/// When an object last became Verified, by its versions.
fn became_verified(history: &History<OrganizationDomain>, of: &Stated) -> usize {
    let mut times = 0;
    let mut verified = false;
    for (_, object) in history.all() {
        if uid(&object) == of.uid {
            let now = status(&object).state == Some(State::Verified);
            times += usize::from(now && !verified);
            verified = now;
        }
    }
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holding_edited_to_name_another_moves_the_state_with_it() {
    let world = World::new().await;
    let (first, second) = (world.tenant().await, world.tenant().await);
    let histories = [
        History::of(first.domains()).await,
        History::of(second.domains()).await,
    ];
    let _operator = world
        .operator(&[&first, &second])
        .every("1s")
        .with("--recheck-period", "1s")
        .start()
        .await;
    let name = world.name("edited");
    let holder = world.verified(&first, "holder", &name).await;
    let other = second.state("other", &name).await;
    other.until_reason("RecordMismatch").await;
    let mut holding = world.holding(&name).await.unwrap();
    holding.spec.holder = holder_of(&other).await;
    replace(&world, &holding).await;
    other.until_verified().await;
    holder.until_event("HoldingLost").await;
    // Its record is still there, which proves it and takes nothing.
    holder.until_reason("HeldByAnother").await;
    // The new holder is checked like any other.
    other
        .until("its record is found missing", |object| {
            condition(object, RECORD_PRESENT).is_some_and(|present| present.status == "False")
        })
        .await;
    let now = world.holding(&name).await.unwrap();
    assert_eq!(now.spec.holder.uid, other.uid);
    assert_eq!(now.metadata.uid, holding.metadata.uid);
    assert_eq!(status(&holder.get().await).state, Some(State::Pending));
    assert_eq!(became_verified(&histories[0], &holder), 1);
    assert_eq!(became_verified(&histories[1], &other), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holding_edited_to_name_nobody_is_released_and_proved_anew() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world
        .operator(&[&tenant])
        .every("1s")
        .with("--orphan-delay", "1s")
        .start()
        .await;
    let name = world.name("nobody");
    let domain = world.verified(&tenant, "main", &name).await;
    let mut holding = world.holding(&name).await.unwrap();
    "6f3c8f0e-0000-4000-8000-00000000000a".clone_into(&mut holding.spec.holder.uid);
    "nobody".clone_into(&mut holding.spec.holder.name);
    replace(&world, &holding).await;
    domain.until_event("HoldingLost").await;
    let next = eventually("the name is held anew", async || {
        match world.holding(&name).await {
            Some(next) if next.metadata.uid != holding.metadata.uid => Ok(next),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_eq!(next.spec.holder.uid, domain.uid);
    domain.until_verified().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holding_made_by_hand_makes_its_holder_verified_and_no_approval() {
    let world = World::new().await;
    let (first, second) = (world.tenant().await, world.tenant().await);
    let _operator = world
        .operator(&[&first, &second])
        .every("1s")
        .with("--recheck-period", "1s")
        .with("--grace-check-period", "1s")
        .with("--grace", "3s")
        .start()
        .await;
    let by_hand = first.state("by-hand", &world.name("by-hand")).await;
    let rival = second.state("rival", &by_hand.domain).await;
    by_hand.challenge().await;
    publish(&world.dns, &rival.challenge().await.records[0]);
    rival.until_verified().await;
    // The authority is taken away and given to somebody without any record.
    let mut holding = world.holding(&by_hand.domain).await.unwrap();
    holding.spec.holder = holder_of(&by_hand).await;
    replace(&world, &holding).await;
    by_hand.until_verified().await;
    rival.until_state(State::Pending).await;
    // It is no proof for ever: without the record it is lost, and the one that has it gets it.
    by_hand.until_reason("RecordLost").await;
    rival.until_verified().await;
    let now = world.holding(&rival.domain).await.unwrap();
    assert_eq!(now.spec.holder.uid, rival.uid);
    assert_ne!(now.metadata.uid, holding.metadata.uid);

    // A Manual one without its approval stands for nothing.
    let manual = first.state("manual", &world.name("manual")).await;
    manual.challenge().await;
    make(&world, &manual, Strategy::Manual).await;
    world.until_released(&manual.domain).await;
    assert_eq!(status(&manual.get().await).state, Some(State::Pending));
    let own = world.own_holdings().await;
    assert_eq!(own.len(), 1, "{own:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holding_edited_to_another_token_needs_a_new_record() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("7d").start().await;
    let name = world.name("token");
    let domain = world.verified(&tenant, "main", &name).await;
    let before = domain.challenge().await;
    let mut holding = world.holding(&name).await.unwrap();
    holding.spec.holder.token_hash = "0".repeat(64);
    replace(&world, &holding).await;
    domain
        .until("it has another token", |object| {
            let challenge = status(object).challenge;
            challenge.is_some_and(|challenge| challenge.token != before.token)
        })
        .await;
    let checked = domain.checked("2").await;
    // Still the holder, and told that the old record is the wrong one.
    assert_eq!(status(&checked).state, Some(State::Verified));
    let present = condition(&checked, RECORD_PRESENT).unwrap();
    assert_eq!(
        (&*present.status, &*present.reason),
        ("False", "RecordMismatch")
    );
    publish(&world.dns, &domain.challenge().await.records[0]);
    let proven = domain.checked("3").await;
    assert_eq!(condition(&proven, RECORD_PRESENT).unwrap().status, "True");
    assert_eq!(ready_reason(&proven), "Verified");
    let now = world.holding(&name).await.unwrap();
    assert_eq!(now.spec.holder, holder_of(&domain).await);
    assert_eq!(now.metadata.uid, holding.metadata.uid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_status_comes_back_with_the_token_that_is_published() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("7d").start().await;
    let name = world.name("removed");
    let domain = world.verified(&tenant, "main", &name).await;
    let before = domain.challenge().await;
    let holding = world.holding(&name).await.unwrap();
    let issued = async || {
        let events = domain.events().await;
        let of_tokens = events
            .into_iter()
            .filter(|event| event.reason.as_deref() == Some("ChallengeIssued"));
        of_tokens
            .map(|event| event.note.unwrap())
            .collect::<Vec<_>>()
    };
    domain.patch_status(Value::Null).await.unwrap();
    let back = domain.until_verified().await;
    let challenge = status(&back).challenge.unwrap();
    assert_eq!(
        (challenge.token, challenge.records),
        (before.token, before.records.clone())
    );
    assert_eq!(condition(&back, RECORD_PRESENT).unwrap().status, "True");
    let held = world.holding(&name).await.unwrap();
    assert_eq!(
        held.metadata.resource_version,
        holding.metadata.resource_version
    );
    assert_eq!(issued().await, [""; 0]);

    // Where the record is gone as well, it is told that another one must be published.
    world.dns.remove(&before.records[0].name);
    domain.patch_status(Value::Null).await.unwrap();
    let replaced = domain.until_verified().await;
    let now = status(&replaced).challenge.unwrap();
    assert!(!before.records[0].value.ends_with(&now.token));
    assert_eq!(
        condition(&replaced, RECORD_PRESENT).unwrap().status,
        "False"
    );
    let note = eventually("it is told", async || {
        issued()
            .await
            .into_iter()
            .find(|note| note.contains(&now.token))
            .ok_or("not yet")
    })
    .await;
    assert!(
        note.contains("Publish a TXT record") && !note.contains("Keep the record"),
        "{note}"
    );
}
