//! Proof that stays true, and passes on when it should, with compressed durations.

use freehold::api::conditions::{READY, RECORD_PRESENT};
use freehold::api::domain_approval::{
    DomainApproval, DomainApprovalSpec, DomainApprovalStatus, OrganizationDomainRef,
};
use freehold::api::organization_domain::{CheckVerdict, OrganizationDomain};
use freehold::api::{State, Strategy};
use freehold_testbed::tree::Behaviour;
use freehold_testbed::{ResponseCode, Tree};
use kube::Api;
use kube::api::{DeleteParams, PostParams};

use crate::support::{History, World, condition, eventually, publish, ready_reason, status};

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_stays_away_costs_the_name_and_one_that_comes_back_does_not() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world
        .operator(&[&tenant])
        .with("--recheck-period", "1s")
        .with("--grace-check-period", "1s")
        .with("--grace", "9s")
        .start()
        .await;
    let lost = world.verified(&tenant, "lost", &world.name("lost")).await;
    let back = world.verified(&tenant, "back", &world.name("back")).await;
    let (gone, returns) = (lost.challenge().await, back.challenge().await);
    world.dns.remove(&gone.records[0].name);
    world.dns.remove(&returns.records[0].name);
    let missing = |value: &'static str| {
        move |object: &_| condition(object, RECORD_PRESENT).is_some_and(|c| c.status == value)
    };
    back.until("its record is missing", missing("False")).await;
    publish(&world.dns, &returns.records[0]);
    back.until("its record is back", missing("True")).await;
    lost.until_reason("RecordLost").await;
    world.until_released(&lost.domain).await;
    lost.until_event("RecordLost").await;
    let kept = status(&back.get().await);
    assert_eq!(kept.state, Some(State::Verified));
    assert_eq!(kept.record_missing, None);
    assert!(back.holding().await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_check_finds_of_a_domain_at_rest_is_written() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let operator = world.operator(&[&tenant]).start().await;
    let domain = world.verified(&tenant, "rests", &world.name("rests")).await;
    operator.terminate().await;
    domain.set_overdue().await;
    let challenge = domain.challenge().await;
    world.dns.remove(&challenge.records[0].name);
    // The shortest period whose checks a status promises, which spreads them over 13 seconds.
    let _operator = world
        .operator(&[&tenant])
        .with("--recheck-period", "5m")
        .start()
        .await;
    domain
        .until("its record is missing", |object| {
            condition(object, RECORD_PRESENT).is_some_and(|c| c.status == "False")
        })
        .await;
    assert!(status(&domain.get().await).record_missing.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_passes_on_when_its_holder_lost_the_record_and_another_proves_it() {
    let world = World::new().await;
    let (first, second) = (world.tenant().await, world.tenant().await);
    let _operator = world
        .operator(&[&first, &second])
        .every("1s")
        .with("--hand-over-period", "9s")
        .start()
        .await;
    let name = world.name("sold");
    let holder = world.verified(&first, "first", &name).await;
    let contender = second.state("second", &name).await;
    let (old, new) = (holder.challenge().await, contender.challenge().await);
    let owner = &old.records[0].name;
    let both = vec![old.records[0].value.clone(), new.records[0].value.clone()];
    world.dns.set_txt(owner, both.clone());
    contender.until_reason("HeldByAnother").await;
    assert_eq!(status(&contender.get().await).hand_over, None);
    // A record that comes back cancels.
    world.dns.set_txt(owner, vec![new.records[0].value.clone()]);
    contender
        .until("a hand-over began", |o| status(o).hand_over.is_some())
        .await;
    world.dns.set_txt(owner, both);
    contender
        .until("it was cancelled", |o| status(o).hand_over.is_none())
        .await;
    assert_eq!(status(&holder.get().await).state, Some(State::Verified));

    let before = world.holding(&name).await.unwrap().metadata.uid;
    world.dns.set_txt(owner, vec![new.records[0].value.clone()]);
    contender.until_verified().await;
    holder.until_reason("HandedOver").await;
    let holding = world.holding(&name).await.unwrap();
    assert_eq!(holding.metadata.uid, before, "one replace");
    assert_eq!(holding.spec.holder.uid, contender.uid);
    for object in [holder.get().await, contender.get().await] {
        let texts = serde_json::to_string(&object.status).unwrap();
        let other = if object.metadata.namespace == holder.get().await.metadata.namespace {
            &contender
        } else {
            &holder
        };
        assert!(
            !texts.contains(&other.uid),
            "neither is told who the other is"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_verifies_by_hand_until_it_is_removed() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("1s").start().await;
    let domain = tenant.state("main", &world.name("approved")).await;
    domain.challenge().await;
    let namespace = domain.get().await.metadata.namespace.unwrap();
    let api = Api::<DomainApproval>::namespaced(world.cluster.client.clone(), &namespace);
    let approve = |object: &str, name: &str| {
        DomainApproval::new(
            object,
            DomainApprovalSpec {
                organization_domain_ref: OrganizationDomainRef {
                    name: "main".to_owned(),
                    uid: None,
                },
                organization: Some("acme".to_owned()),
                domain: name.to_owned(),
                reason: "a contract shows it".to_owned(),
                expiry_time: None,
            },
        )
    };
    let params = PostParams::default();
    api.create(&params, &approve("other", "other.example"))
        .await
        .unwrap();
    api.create(&params, &approve("right", &domain.domain))
        .await
        .unwrap();
    let manual = domain.until_verified().await;
    assert_eq!(status(&manual).strategy, Some(Strategy::Manual));
    assert_eq!(
        domain.holding().await.unwrap().spec.strategy,
        Strategy::Manual
    );
    for (object, reason) in [("right", "Approved"), ("other", "DomainDiffers")] {
        eventually("its condition", async || {
            let DomainApprovalStatus { conditions, .. } =
                api.get(object).await.unwrap().status.unwrap_or_default();
            let ready = conditions.into_iter().find(|c| c.type_ == READY);
            match ready {
                Some(ready) if ready.reason == reason => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }
    api.delete("right", &DeleteParams::default()).await.unwrap();
    domain.until_state(State::Pending).await;
    world.until_released(&domain.domain).await;
    publish(&world.dns, &domain.challenge().await.records[0]);
    let proven = domain.until_verified().await;
    assert_eq!(status(&proven).strategy, Some(Strategy::Dns));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_a_suspended_namespace_becomes_verified() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("1s").start().await;
    let domain = tenant.state("main", &world.name("suspended")).await;
    let challenge = domain.challenge().await;
    tenant.suspend(true).await;
    domain.until_reason("NamespaceSuspended").await;
    publish(&world.dns, &challenge.records[0]);
    let asked = world.dns.queries();
    domain.request("now").await;
    domain
        .until("the request is answered", |object| {
            status(object).last_handled_request.as_deref() == Some("now")
        })
        .await;
    assert_eq!(status(&domain.get().await).state, Some(State::Pending));
    assert_eq!(world.dns.queries(), asked, "nothing is asked meanwhile");
    tenant.suspend(false).await;
    domain.until_verified().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_object_is_bound_again_and_a_copied_status_is_not_believed() {
    let world = World::new().await;
    let (tenant, elsewhere) = (world.tenant().await, world.tenant().await);
    let settings = world.operator(&[&tenant, &elsewhere]).every("7d");
    let operator = settings.start().await;
    let name = world.name("restored");
    let original = world.verified(&tenant, "main", &name).await;
    let saved = serde_json::to_value(original.get().await.status.unwrap()).unwrap();
    let token = original.challenge().await.token;
    let before = world.holding(&name).await.unwrap();
    operator.kill().await;
    original.delete().await;
    let restored = tenant.state("main", &name).await;
    restored.patch_status(saved.clone()).await.unwrap();
    let copied = elsewhere.state("main", &name).await;
    copied.patch_status(saved).await.unwrap();
    let _operator = settings.start().await;
    eventually("the holding names the restored object", async || {
        let holding = world.holding(&name).await.ok_or("gone")?;
        if holding.spec.holder.uid == restored.uid {
            assert_eq!(holding.metadata.uid, before.metadata.uid);
            Ok(())
        } else {
            Err("still the old one")
        }
    })
    .await;
    restored.until_verified().await;
    assert_eq!(restored.challenge().await.token, token);
    copied
        .until("it has a token of its own", |object| {
            let status = status(object);
            status.state == Some(State::Pending)
                && status
                    .challenge
                    .is_some_and(|challenge| challenge.token != token)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_from_some_of_the_servers_stands_once_it_was_repeated() {
    use CheckVerdict::{Absent, Proven};
    const PERIOD: i64 = 8;
    let world = World::new().await;
    let tenant = world.tenant().await;
    let name = world.public_name("half");
    let tree = Tree::builder().zone(&name).start().await.unwrap();
    let broken = tree.server(&format!("ns2.{name}"));
    broken.set_behaviour(Behaviour::Rcode(ResponseCode::ServFail));
    let _operator = world
        .walking_operator(&[&tenant], &tree)
        .every("1s")
        .with("--confirmation-period", &format!("{PERIOD}s"))
        .start()
        .await;
    let history = History::of(tenant.domains()).await;
    let domain = tenant.state("main", &name).await;
    let record = domain.challenge().await.records[0].clone();
    let publish = || tree.zone(&name).set_txt(&record.name, &[&record.value]);
    let counted = |verdict, checks| {
        move |object: &OrganizationDomain| {
            let unconfirmed = status(object).unconfirmed;
            unconfirmed.is_some_and(|found| found.verdict == verdict && found.checks >= checks)
        }
    };
    publish();
    let twice = domain
        .until("two checks proved it", counted(Proven, 2))
        .await;
    assert_eq!(ready_reason(&twice), "EvidenceIncomplete");
    assert!(domain.holding().await.is_none());
    // A contrary one begins the count anew.
    tree.zone(&name).remove(&record.name);
    domain.until("one denied it", counted(Absent, 1)).await;
    publish();
    let verified = domain.until_verified().await;
    assert!(domain.holding().await.is_some());

    let mut seen: Vec<_> = history
        .all()
        .iter()
        .filter_map(|(_, object)| status(object).unconfirmed)
        .collect();
    seen.dedup();
    let last = seen.last().unwrap();
    assert_eq!(
        (last.verdict, last.checks),
        (Proven, 2),
        "the third one acts"
    );
    let denied = seen
        .iter()
        .position(|found| found.verdict == Absent && found.since_time > seen[0].since_time);
    let anew = &seen[denied.unwrap()..];
    assert_eq!(anew[0].checks, 1, "{seen:#?}");
    let again = anew.iter().find(|found| found.verdict == Proven).unwrap();
    assert_eq!(again.checks, 1, "{seen:#?}");
    let took = status(&verified)
        .verified_time
        .unwrap()
        .0
        .duration_since(again.since_time.0);
    assert!(took.as_secs() >= PERIOD, "{took:#}");
}
