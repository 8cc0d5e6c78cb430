//! Whatever becomes of a domain is published once, though the operator is killed again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use freehold::api::conditions::RECORD_PRESENT;
use freehold::api::{OrganizationDomain, State};
use freehold_testbed::{Behaviour, ResponseCode};
use futures::future::join_all;
use kube::api::DeleteParams;
use rand::RngExt;
use tokio::time::sleep;

use crate::support::{
    Approval, History, OperatorSettings, Stated, Tenant, World, condition, eventually, publish,
    status, uid,
};

const KILLS: usize = 50;

/// The transitions that no Event tells of.
const UNTOLD: &str = "ChallengeIssued";

type Counts = BTreeMap<(String, String), usize>;

/// How often each object came to each reason, by uid, through all versions of its history.
pub fn transitions(history: &History<OrganizationDomain>) -> Counts {
    let mut reasons: BTreeMap<(String, i64), String> = BTreeMap::new();
    for (_, object) in history.all() {
        for entry in status(&object).history {
            let known = reasons
                .entry((uid(&object), entry.sequence))
                .or_insert_with(|| entry.reason.clone());
            assert_eq!(
                *known,
                entry.reason,
                "{} of {}",
                entry.sequence,
                uid(&object)
            );
        }
    }
    let mut counts = Counts::new();
    for ((uid, _), reason) in reasons {
        if reason != UNTOLD {
            *counts.entry((uid, reason)).or_default() += 1;
        }
    }
    counts
}

/// Waits until exactly the transitions of the objects were told of, each once.
pub async fn until_all_are_told(tenant: &Tenant, history: &History<OrganizationDomain>) -> Counts {
    eventually("all transitions are told of", async || {
        let wanted = transitions(history);
        let mut told = Counts::new();
        for event in tenant.events().await {
            let about = event.regarding.and_then(|object| object.uid).unwrap();
            let reason = event.reason.unwrap();
            if reason != "SubdomainVerified" {
                *told.entry((about, reason)).or_default() += 1;
            }
        }
        if told == wanted {
            return Ok(told);
        }
        let of = |a: &Counts, b: &Counts| -> Vec<_> {
            let differ = a.iter().filter(|(key, count)| b.get(*key) != Some(*count));
            differ
                .map(|(key, count)| format!("{key:?} {count}"))
                .collect()
        };
        let (missing, more) = (of(&wanted, &told), of(&told, &wanted));
        Err(format!("happened: {missing:#?}\ntold: {more:#?}"))
    })
    .await
}

/// As many kills at random moments, and a start for good.
async fn killed(settings: &OperatorSettings) -> crate::support::OperatorProcess {
    for _ in 0..KILLS {
        let mut operator = settings.spawn();
        let life = rand::rng().random_range(100..1300);
        sleep(Duration::from_millis(life)).await;
        operator.check_running();
        operator.kill().await;
    }
    settings.start().await
}

async fn until_record(domain: &Stated, is: &str) {
    domain
        .until("the record is there or not", |object| {
            condition(object, RECORD_PRESENT).is_some_and(|condition| condition.status == is)
        })
        .await;
}

async fn missed_found_and_lost(world: &World, tenant: &Tenant) {
    let domain = world
        .verified(tenant, "missed", &world.name("missed"))
        .await;
    let record = domain.challenge().await.records[0].clone();
    world.dns.remove(&record.name);
    until_record(&domain, "False").await;
    publish(&world.dns, &record);
    until_record(&domain, "True").await;
    world.dns.remove(&record.name);
    domain.until_reason("RecordLost").await;
}

async fn mistaken(world: &World, tenant: &Tenant) {
    let domain = tenant.state("mistaken", &world.name("mistaken")).await;
    let record = domain.challenge().await.records[0].clone();
    world.dns.set_txt(&record.name, vec!["token=other".into()]);
    domain.until_reason("RecordMismatch").await;
    let expired = format!("{} expiry=2020-01-01T00:00:00Z", record.value);
    world.dns.set_txt(&record.name, vec![expired]);
    domain.until_reason("RecordExpired").await;
    world.dns.set_txt(&record.name, vec![record.value]);
    domain.until_verified().await;
}

async fn handed_over(world: &World, from: &Tenant, to: &Tenant) {
    let name = world.name("passed");
    let holder = world.verified(from, "holder", &name).await;
    let theirs = holder.challenge().await.records[0].clone();
    let contender = to.state("contender", &name).await;
    let ours = contender.challenge().await.records[0].clone();
    let both = vec![theirs.value.clone(), ours.value.clone()];
    world.dns.set_txt(&ours.name, both.clone());
    contender.until_reason("HeldByAnother").await;
    let taking = async |begun: bool| {
        contender
            .until("the hand-over begins or ends", |object| {
                status(object).hand_over.is_some() == begun
                    || status(object).state == Some(State::Verified)
            })
            .await;
    };
    world.dns.set_txt(&ours.name, vec![ours.value.clone()]);
    taking(true).await;
    world.dns.set_txt(&ours.name, both);
    taking(false).await;
    world.dns.set_txt(&ours.name, vec![ours.value]);
    contender.until_verified().await;
    holder.until_reason("HandedOver").await;
}

async fn approved(world: &World, tenant: &Tenant) {
    let domain = tenant.state("approved", &world.name("approved")).await;
    let approval = Approval::of_object(tenant, "approval", &domain).await;
    domain.until_verified().await;
    approval.remove().await;
    domain.until_state(State::Pending).await;
    tenant.state("refused", "gmail.com").await;
}

async fn unheld(world: &World, tenant: &Tenant) {
    let domain = world
        .verified(tenant, "unheld", &world.name("unheld"))
        .await;
    let lost = domain.holding().await.unwrap().metadata.uid;
    let name = status(&domain.get().await).canonical_name.unwrap();
    world
        .holdings()
        .delete(&name, &DeleteParams::default())
        .await
        .unwrap();
    eventually("it is held again", async || {
        let holding = domain.holding().await;
        let uid = holding.and_then(|holding| holding.metadata.uid);
        (uid.is_some() && uid != lost)
            .then_some(())
            .ok_or("not yet")
    })
    .await;
}

async fn stale(world: &World, tenant: &Tenant) {
    let domain = world.verified(tenant, "stale", &world.name("stale")).await;
    let records = domain.challenge().await.records;
    for record in &records {
        world
            .dns
            .set_behaviour(&record.name, Behaviour::Rcode(ResponseCode::ServFail));
    }
    domain.until_reason("ProofStale").await;
    for record in &records {
        world.dns.set_behaviour(&record.name, Behaviour::Normal);
    }
    domain.until_reason("Verified").await;
}

async fn paused(world: &World, tenant: &Tenant) {
    let domain = tenant.state("paused", &world.name("paused")).await;
    domain.challenge().await;
    tenant.suspend(true).await;
    domain.until_reason("NamespaceSuspended").await;
    tenant.suspend(false).await;
    domain.until_reason("RecordAbsent").await;
    let organizations = tenant.organizations();
    organizations
        .delete("acme", &DeleteParams::default())
        .await
        .unwrap();
    domain.until_reason("OrganizationMissing").await;
    tenant.organization("acme").await;
    domain.until_reason("RecordAbsent").await;
}

async fn too_many(world: &World, tenant: &Tenant) {
    let names: Vec<_> = (0..5).map(|n| format!("many{n}")).collect();
    let stated = names
        .iter()
        .map(|name| async { tenant.state(name, &world.name(name)).await });
    let stated = join_all(stated).await;
    eventually("one waits for its turn", async || {
        for domain in &stated {
            if crate::support::ready_reason(&domain.get().await) == "QuotaExceeded" {
                return Ok(());
            }
        }
        Err("none yet")
    })
    .await;
}

/// One domain below another organization's; says how often it became Verified.
async fn below(world: &World, above: &Tenant, below: &Tenant) -> (Stated, Stated) {
    let name = world.name("above");
    let parent = world.verified(above, "parent", &name).await;
    let child = world
        .verified(below, "child", &format!("below.{name}"))
        .await;
    (parent, child)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_fifty_random_moments_it_tells_each_transition_once() {
    let world = World::new().await;
    let tenants = [
        world.tenant().await,
        world.tenant().await,
        world.tenant().await,
        world.tenant().await,
    ];
    let [one, two, pausing, full] = &tenants;
    let settings = world
        .operator(&[one, two, pausing, full])
        .every("1s")
        .with("--recheck-period", "1s")
        .with("--grace", "25s")
        .with("--grace-check-period", "1s")
        .with("--hand-over-period", "6s")
        .with("--max-proof-age", "15s")
        .with("--max-pending-per-namespace", "4");
    let histories = join_all(tenants.iter().map(|tenant| History::of(tenant.domains()))).await;
    let lives = async {
        tokio::join!(
            missed_found_and_lost(&world, one),
            mistaken(&world, one),
            handed_over(&world, one, two),
            approved(&world, two),
            unheld(&world, two),
            stale(&world, one),
            paused(&world, pausing),
            too_many(&world, full),
            below(&world, one, two)
        )
        .8
    };
    let (_operator, (parent, child)) = tokio::join!(killed(&settings), lives);

    let mut seen = std::collections::BTreeSet::new();
    for (tenant, history) in tenants.iter().zip(&histories) {
        let told = until_all_are_told(tenant, history).await;
        seen.extend(told.into_keys().map(|(_, reason)| reason));
    }
    for reason in [
        "Approved",
        "ApprovalEnded",
        "HandOverCancelled",
        "HandOverStarted",
        "HandedOver",
        "HeldByAnother",
        "HoldingLost",
        "NameRefused",
        "NamespaceSuspended",
        "OrganizationMissing",
        "ProofStale",
        "QuotaExceeded",
        "RecordAbsent",
        "RecordExpired",
        "RecordFound",
        "RecordLost",
        "RecordMismatch",
        "Verified",
    ] {
        assert!(seen.contains(reason), "no domain came to {reason}");
    }
    // And what concerns another object.
    let wanted = transitions(&histories[1])[&(child.uid.clone(), "Verified".to_owned())];
    eventually("the holder above is told", async || {
        let events = parent.events().await;
        let told = events
            .iter()
            .filter(|event| event.reason.as_deref() == Some("SubdomainVerified"));
        match told.count() {
            count if count == wanted => Ok(()),
            count => Err(format!("{count} of {wanted}")),
        }
    })
    .await;
}
