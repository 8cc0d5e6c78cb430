//! Two operators at once, through all that can become of a name.

use std::collections::BTreeMap;

use freehold::api::{OrganizationDomain, State, Strategy};
use serde_json::Value;

use crate::support::{
    Approval, History, Stated, Tenant, World, eventually, holder_of, publish, ready_reason, status,
    uid,
};

/// A record that goes for good, and one that comes back.
async fn loss_and_return(world: &World, tenant: &Tenant) -> Vec<Stated> {
    let lost = world.verified(tenant, "lost", &world.name("lost")).await;
    let back = world.verified(tenant, "back", &world.name("back")).await;
    let records = [lost.challenge().await, back.challenge().await].map(|mut c| c.records.remove(0));
    for record in &records {
        world.dns.remove(&record.name);
    }
    back.until_event("RecordAbsent").await;
    publish(&world.dns, &records[1]);
    back.until_event("RecordFound").await;
    lost.until_reason("RecordLost").await;
    world.until_released(&lost.domain).await;
    // Failed until somebody asks: with a new token it is proved again.
    lost.request("restart").await;
    publish(&world.dns, &lost.challenge().await.records[0]);
    lost.until_verified().await;
    vec![lost, back]
}

async fn hand_over(world: &World, first: &Tenant, second: &Tenant) -> Vec<Stated> {
    let name = world.name("sold");
    let seller = world.verified(first, "seller", &name).await;
    let buyer = second.state("buyer", &name).await;
    let record = buyer.challenge().await.records[0].clone();
    world.dns.set_txt(&record.name, vec![record.value.clone()]);
    buyer.until_verified().await;
    seller.until_reason("HandedOver").await;
    buyer.until_event("HandOverStarted").await;
    vec![seller, buyer]
}

async fn approval(world: &World, tenant: &Tenant) -> Vec<Stated> {
    let name = world.name("approved");
    let domain = tenant.state("approved", &name).await;
    let approval = Approval::of(tenant, "approval", "approved", &name, None).await;
    domain.until_verified().await;
    approval.until_reason("Approved").await;
    approval.remove().await;
    domain.until_event("ApprovalEnded").await;
    world.until_released(&name).await;
    publish(&world.dns, &domain.challenge().await.records[0]);
    let proven = domain.until_verified().await;
    assert_eq!(status(&proven).strategy, Some(Strategy::Dns));
    vec![domain]
}

async fn deletion(world: &World, first: &Tenant, second: &Tenant) -> Vec<Stated> {
    let name = world.name("deleted");
    let holder = world.verified(first, "deleted", &name).await;
    let next = second.state("next", &name).await;
    publish(&world.dns, &next.challenge().await.records[0]);
    next.until_reason("HeldByAnother").await;
    holder.delete().await;
    next.until_verified().await;
    let again = first.state("deleted", &name).await;
    again.until_reason("RecordMismatch").await;
    vec![next, again]
}

/// Deleted and written back with its status while its holding stands.
async fn restored(domain: &Stated, tenant: &Tenant, status_before: Value) -> Stated {
    domain.delete().await;
    let restored = tenant.state(&domain.object, &domain.domain).await;
    restored.patch_status(status_before).await.unwrap();
    restored
}

/// The tokens that each object ever had, in their order.
fn tokens(history: &History<OrganizationDomain>) -> BTreeMap<String, Vec<String>> {
    let mut tokens: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (_, object) in history.all() {
        if let Some(challenge) = status(&object).challenge {
            let known = tokens.entry(uid(&object)).or_default();
            if known.last() != Some(&challenge.token) {
                known.push(challenge.token);
            }
        }
    }
    tokens
}

/// When each object became Verified, by its versions. Times have whole seconds, in which an object can
/// be proved twice: between two proofs lies a version without one.
fn verified_times(history: &History<OrganizationDomain>) -> BTreeMap<String, Vec<String>> {
    let mut times: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut last = BTreeMap::new();
    for (_, object) in history.all() {
        let time = status(&object).verified_time.map(|time| time.0.to_string());
        let before = last.insert(uid(&object), time.clone()).flatten();
        if let Some(time) = time.filter(|time| before.as_ref() != Some(time)) {
            times.entry(uid(&object)).or_default().push(time);
        }
    }
    times
}

/// Each fact has one Event: `times` says how often each object became Verified, which is told in the
/// same words each time.
async fn assert_told_once(tenant: &Tenant, times: &BTreeMap<String, Vec<String>>) -> usize {
    let mut told: BTreeMap<_, usize> = BTreeMap::new();
    let events = tenant.events().await;
    for event in &events {
        let about = event.regarding.as_ref().and_then(|o| o.uid.clone());
        let fact = (about.unwrap(), event.reason.clone(), event.note.clone());
        *told.entry(fact).or_default() += 1;
        assert_eq!(event.series, None);
    }
    for ((about, reason, note), count) in told {
        let most = match reason.as_deref() {
            Some("Verified") => times[&about].len(),
            _ => 1,
        };
        assert!(count <= most, "{reason:?} {note:?} told {count} times");
    }
    events.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_at_once_are_as_good_as_one() {
    let world = World::new().await;
    let (first, second) = (world.tenant().await, world.tenant().await);
    let histories = [
        History::of(first.domains()).await,
        History::of(second.domains()).await,
    ];
    let settings = world
        .operator(&[&first, &second])
        .every("1s")
        .with("--recheck-period", "1s")
        .with("--grace-check-period", "1s")
        .with("--grace", "9s")
        .with("--hand-over-period", "6s");
    let operators = [settings.start().await, settings.start().await];
    let kept = world.verified(&first, "kept", &world.name("kept")).await;
    let (lost, sold, approved, deleted) = tokio::join!(
        loss_and_return(&world, &first),
        hand_over(&world, &first, &second),
        approval(&world, &first),
        deletion(&world, &first, &second),
    );

    // A back-up is written back while neither runs; both find it at once.
    let saved = serde_json::to_value(kept.get().await.status.unwrap()).unwrap();
    for operator in operators {
        operator.kill().await;
    }
    let bound = restored(&kept, &first, saved).await;
    let operators = tokio::join!(settings.start(), settings.start());
    eventually("the holding names the restored object", async || {
        let holding = world.holding(&bound.domain).await.ok_or("gone")?;
        if holding.spec.holder.uid == bound.uid {
            Ok(())
        } else {
            Err("not yet")
        }
    })
    .await;
    bound
        .until("it is Verified again", |object| {
            status(object).state == Some(State::Verified)
        })
        .await;
    let proven = bound.checked("anew").await;
    assert!(status(&proven).last_proven_time >= status(&proven).verified_time);

    // One holder a name, and each its own holding.
    let mut all: Vec<&Stated> = [&lost, &sold, &approved, &deleted]
        .into_iter()
        .flatten()
        .collect();
    all.push(&bound);
    let mut holders = 0;
    for domain in &all {
        let object = domain.get().await;
        let holding = world.holding(&domain.domain).await;
        let holds = holding
            .as_ref()
            .is_some_and(|h| h.spec.holder.uid == domain.uid);
        let verified = status(&object).state == Some(State::Verified);
        assert_eq!(
            holds,
            verified,
            "{} {}",
            domain.object,
            ready_reason(&object)
        );
        if holds {
            assert_eq!(holding.unwrap().spec.holder, holder_of(domain).await);
            holders += 1;
        }
    }
    assert_eq!(world.own_holdings().await.len(), holders);
    assert_eq!(holders, 6);
    // No token changed but that of the one that was restarted.
    for (uid, tokens) in histories.iter().flat_map(tokens) {
        // The restored one had none before its status was written back.
        let restarts = usize::from(uid == lost[0].uid);
        assert_eq!(tokens.len(), 1 + restarts, "{uid} {tokens:?}");
    }
    let mut told = 0;
    for (tenant, history) in [&first, &second].into_iter().zip(&histories) {
        let times = verified_times(history);
        for (uid, times) in &times {
            // Twice: after its loss, and by hand before its proof.
            let twice = [&lost[0].uid, &approved[0].uid].contains(&uid);
            assert_eq!(times.len(), 1 + usize::from(twice), "{uid} {times:?}");
        }
        told += assert_told_once(tenant, &times).await;
    }
    println!("{} objects, {holders} names held, {told} Events", all.len());
    for operator in [operators.0, operators.1] {
        assert!(operator.terminate().await.success());
    }
}
