//! What is in the cluster already is never overwritten.

use freehold::api::SUSPENDED;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::{Export, Old, organization, stream};
use crate::support::World;

#[tokio::test(flavor = "multi_thread")]
async fn another_token_or_holder_is_told_and_nothing_is_written() {
    let world = World::new().await;
    let (first, second) = (world.tenant().await, world.tenant().await);
    let _operator = world.operator(&[&first, &second]).every("1s").start().await;
    let name = world.name("taken");
    let holder = world.verified(&first, "main", &name).await;
    let version = holder.get().await.resource_version();
    let other_token = Old::new(&first.namespace, "main", &name);
    let other_holder = Old::new(&second.namespace, "theirs", &name);
    let other_domain = Old::new(&first.namespace, "main", &world.name("other"));
    let beside = Old::new(&second.namespace, "beside", &world.name("beside"));
    for (old, words) in [
        (
            &other_token,
            vec!["it has another token", "it has another holder"],
        ),
        (&other_holder, vec!["it has another holder"]),
        (&other_domain, vec!["it states another domain"]),
    ] {
        let documents = [
            organization(&first.namespace),
            beside.document("Pending"),
            old.document("Verified"),
            old.holding(),
        ];
        let ran = Export::of(&stream(&documents, &[])).import().await;
        assert_eq!(ran.code, Some(1), "{ran:?}");
        for words in words {
            assert!(ran.error.contains(words), "{words}: {ran:?}");
        }
        assert!(ran.error.contains("nothing was written"), "{ran:?}");
    }
    assert_eq!(holder.get().await.resource_version(), version);
    for object in ["beside", "theirs"] {
        assert!(second.domains().get_opt(object).await.unwrap().is_none());
    }
    assert!(world.holding(&other_domain.domain).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_must_be_there_and_suspended_as_they_were() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let old = Old::new(&tenant.namespace, "main", &world.name("suspended"));
    let mut elsewhere = old.document("Pending");
    elsewhere["metadata"]["namespace"] = json!("nowhere-at-all");
    let ran = Export::of(&stream(&[elsewhere], &[])).import().await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.error.contains("namespaces are missing") && ran.error.contains("nowhere-at-all"),
        "{ran:?}"
    );
    let export = Export::of(&stream(
        &[old.document("Pending")],
        &[&tenant.namespace, "of-nobody"],
    ));
    let ran = export.import().await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.error.contains(&tenant.namespace) && !ran.error.contains("of-nobody"),
        "{ran:?}"
    );
    assert!(tenant.domains().get_opt("main").await.unwrap().is_none());
    let label = json!({ "metadata": { "labels": { SUSPENDED: "true" } } });
    Api::<Namespace>::all(world.cluster.client.clone())
        .patch(
            &tenant.namespace,
            &PatchParams::default(),
            &Patch::Merge(&label),
        )
        .await
        .unwrap();
    let ran = export.import().await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(tenant.domains().get_opt("main").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_the_rights_is_told_which_it_lacks() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let name = world.name("forbidden");
    let old = Old::new(&tenant.namespace, "main", &name);
    let documents = [old.document("Verified"), old.holding()];
    let export = Export::of(&stream(&documents, &[]));
    // The operator's own account makes no objects of tenants.
    let ran = export.import_into(&world.cluster.kubeconfig).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.error.contains("cannot create resource"), "{ran:?}");
    // The name is reserved all the same, and stays so for the next try.
    assert!(world.holding(&name).await.unwrap().spec.importing);
    let ran = export.import().await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!world.holding(&name).await.unwrap().spec.importing);
}
