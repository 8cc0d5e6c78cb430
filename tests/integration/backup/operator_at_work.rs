//! Imports beside an operator that acts on what they write.

use std::collections::BTreeMap;

use freehold::api::organization_domain::{OrganizationDomainSpec, OrganizationRef};
use freehold::api::{OrganizationDomain, VerifiedDomain};
use kube::ResourceExt;
use kube::api::PostParams;
use serde_json::Value;

use super::{Export, Old, organization, stream};
use crate::support::{History, Stated, World, eventually, ready_reason, status};

const NAMES: usize = 25;

#[tokio::test(flavor = "multi_thread")]
async fn no_contender_takes_a_name_while_the_import_runs() {
    let world = World::new().await;
    let (first, second) = (world.empty_tenant().await, world.empty_tenant().await);
    let operator = world
        .operator(&[&first, &second])
        .every("1s")
        .with("--orphan-delay", "1s");
    let _operator = operator.start().await;
    let mut documents = vec![
        organization(&first.namespace),
        organization(&second.namespace),
    ];
    let mut pairs = Vec::new();
    for n in 0..NAMES {
        let name = world.name(&format!("n{n}"));
        let holder = Old::new(&first.namespace, &format!("holder-{n}"), &name);
        let contender = Old::new(&second.namespace, &format!("contender-{n}"), &name);
        let record = format!("_freehold-challenge.{name}");
        world
            .dns
            .add_txt(&record, &format!("token={}", holder.token));
        world
            .dns
            .add_txt(&record, &format!("token={}", contender.token));
        documents.extend([
            contender.document("Pending"),
            holder.document("Verified"),
            holder.holding(),
        ]);
        pairs.push((holder, contender));
    }
    let history = History::of(world.holdings()).await;
    let ran = Export::of(&stream(&documents, &[])).import().await;
    assert_eq!(ran.code, Some(0), "{ran:?}");

    for (holder, contender) in &pairs {
        let object = first.domains().get(&holder.name).await.unwrap();
        let there = Stated::new(&world.cluster.client, &object);
        let object = there.checked("1").await;
        let verified = there.until_verified().await;
        assert_eq!(there.challenge().await.token, holder.token.to_string());
        assert_eq!(
            status(&verified).observed_generation,
            object.metadata.generation
        );
        assert_eq!(object.annotations()["note"], "kept");
        let holding = there.holding().await.unwrap();
        assert_eq!(holding.spec.holder.uid, there.uid);
        assert!(!holding.spec.importing);
        let object = second.domains().get(&contender.name).await.unwrap();
        let there = Stated::new(&world.cluster.client, &object);
        assert_eq!(ready_reason(&there.checked("1").await), "HeldByAnother");
        assert_eq!(there.challenge().await.token, contender.token.to_string());
    }
    let mut uids = BTreeMap::new();
    for (_, holding) in history.all() {
        let name = holding.name_any();
        if pairs.iter().any(|(holder, _)| holder.domain == name) {
            assert_eq!(
                holding.spec.holder.namespace, first.namespace,
                "{holding:?}"
            );
            let uid = uids.entry(name).or_insert_with(|| holding.uid());
            assert_eq!(*uid, holding.uid(), "released and taken again");
        }
    }
    assert_eq!(uids.len(), NAMES);
}

/// What an import that was cut off leaves: a reserved name, at worst with a holder without status.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_was_cut_off_frees_no_name_and_can_be_run_again() {
    let world = World::new().await;
    let (first, second) = (world.tenant().await, world.tenant().await);
    let settings = world
        .operator(&[&first, &second])
        .every("1s")
        .with("--orphan-delay", "1s");
    let operator = settings.start().await;
    let name = world.name("cut-off");
    let old = Old::new(&first.namespace, "holder", &name);
    let mut reserved: VerifiedDomain = serde_json::from_value(old.holding()).unwrap();
    reserved.spec.importing = true;
    let reserved = world
        .holdings()
        .create(&PostParams::default(), &reserved)
        .await
        .unwrap();
    let record = format!("_freehold-challenge.{name}");
    world.dns.add_txt(&record, &format!("token={}", old.token));
    let contender = second.state("contender", &name).await;
    crate::support::publish(&world.dns, &contender.challenge().await.records[0]);
    contender.until_reason("HeldByAnother").await;
    eventually("the operator looked for its holder", async || {
        let told = operator
            .log()
            .contains("an import did not create the holder");
        told.then_some(()).ok_or("not yet")
    })
    .await;
    let spec = OrganizationDomainSpec {
        organization_ref: OrganizationRef {
            name: "acme".to_owned(),
        },
        domain: name.clone(),
        joinable: false,
    };
    let bare = first
        .domains()
        .create(
            &PostParams::default(),
            &OrganizationDomain::new("holder", spec),
        )
        .await
        .unwrap();
    // The operator is past it when it has seen one that came later.
    let later = first.state("later", &world.name("later")).await;
    later.until_reason("RecordAbsent").await;
    let object = first.domains().get("holder").await.unwrap();
    assert_eq!(object.resource_version(), bare.resource_version());
    // So is one that starts now.
    assert!(operator.terminate().await.success());
    let operator = settings.start().await;
    contender.checked("1").await;
    let holding = world.holding(&name).await.unwrap();
    assert_eq!(holding.resource_version(), reserved.resource_version());

    let documents: [Value; 3] = [
        organization(&first.namespace),
        old.document("Verified"),
        old.holding(),
    ];
    let export = Export::of(&stream(&documents, &[]));
    let ran = export.import().await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for line in [
        "VerifiedDomain: 0 created, 1 completed, 0 already there",
        "OrganizationDomain: 0 created, 1 completed, 0 already there",
    ] {
        assert!(ran.out.contains(line), "{ran:?}");
    }
    let holder = Stated::new(&world.cluster.client, &bare);
    holder.checked("1").await;
    holder.until_verified().await;
    assert_eq!(holder.challenge().await.token, old.token.to_string());
    let bound = world.holding(&name).await.unwrap();
    assert_eq!(
        (bound.uid(), bound.spec.holder.uid),
        (reserved.uid(), holder.uid)
    );
    assert_eq!(ready_reason(&contender.checked("2").await), "HeldByAnother");
    drop(operator);
}

/// The token was issued for another namespace, so the record there proves nothing here.
#[tokio::test(flavor = "multi_thread")]
async fn a_status_imported_into_another_namespace_is_not_believed() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("1s").start().await;
    let name = world.name("elsewhere");
    let old = Old::new("their-namespace", "main", &name);
    world.dns.add_txt(
        &format!("_freehold-challenge.{name}"),
        &format!("token={}", old.token),
    );
    let mut document = old.document("Verified");
    document["metadata"]["namespace"] = tenant.namespace.clone().into();
    let export = Export::of(&stream(&[document.clone()], &[]));
    let ran = export.import().await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let object = tenant.domains().get("main").await.unwrap();
    let there = Stated::new(&world.cluster.client, &object);
    // Which may be answered by a new token, before that is looked for.
    there.request("1").await;
    there.until_reason("RecordMismatch").await;
    assert_ne!(there.challenge().await.token, old.token.to_string());
    assert!(world.holding(&name).await.is_none());

    // Nor is a holding that says so.
    there.delete().await;
    let moved = Old {
        namespace: tenant.namespace.clone(),
        ..old
    };
    let export = Export::of(&stream(&[document, moved.holding()], &[]));
    let ran = export.import().await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.error.contains("token was issued for another object"),
        "{ran:?}"
    );
    assert!(world.holding(&name).await.is_none());
}
