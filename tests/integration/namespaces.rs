//! A namespace that is deleted and made again under the same names.

use freehold::api::State;
use futures::future::join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::DeleteParams;

use crate::support::{History, Stated, Tenant, World, eventually, ready_reason, status, uid};

/// Deletes the namespace with all that is in it, and makes it again, empty.
async fn made_again(world: &World, tenant: Tenant) -> Tenant {
    let namespaces = Api::<Namespace>::all(world.cluster.client.clone());
    namespaces
        .delete(&tenant.namespace, &DeleteParams::default())
        .await
        .unwrap();
    eventually("the namespace is gone", async || {
        match namespaces.get_opt(&tenant.namespace).await.unwrap() {
            None => Ok(()),
            Some(namespace) => Err(serde_yaml::to_string(&namespace).unwrap()),
        }
    })
    .await;
    Tenant::named(&world.cluster.client, &tenant.namespace).await
}

/// The same organization and object once more, whose names and record are as before.
async fn must_prove_itself_anew(world: &World, tenant: &Tenant, before: &Stated, old: &str) {
    let history = History::of(tenant.domains()).await;
    tenant.organization("acme").await;
    let after = tenant.state(&before.object, &before.domain).await;
    let challenge = after.challenge().await;
    assert_ne!(challenge.token, old);
    assert_eq!(ready_reason(&after.checked("2").await), "RecordMismatch");
    world.until_released(&before.domain).await;
    for (_, object) in history.all() {
        assert_ne!(status(&object).state, Some(State::Verified));
    }
    crate::support::publish(&world.dns, &challenge.records[0]);
    after.request("3").await;
    after.until_verified().await;
    let holding = world.holding(&before.domain).await.unwrap();
    assert_eq!(holding.spec.holder.uid, after.uid);
    assert!(
        history
            .all()
            .iter()
            .all(|(_, object)| uid(object) == after.uid)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_namespace_made_again_the_old_record_proves_nothing() {
    let world = World::new().await;
    let seen = async {
        let tenant = world.tenant().await;
        let _operator = world.operator(&[&tenant]).every("7d").start().await;
        let before = world.verified(&tenant, "main", &world.name("seen")).await;
        let old = before.challenge().await.token;
        let tenant = made_again(&world, tenant).await;
        // The operator saw it go.
        world.until_released(&before.domain).await;
        must_prove_itself_anew(&world, &tenant, &before, &old).await;
    };
    let unseen = async {
        let tenant = world.tenant().await;
        let settings = world.operator(&[&tenant]).every("7d");
        let operator = settings.start().await;
        let before = world.verified(&tenant, "main", &world.name("unseen")).await;
        let old = before.challenge().await.token;
        assert!(operator.terminate().await.success());
        let tenant = made_again(&world, tenant).await;
        assert!(world.holding(&before.domain).await.is_some());
        let _operator = settings.start().await;
        must_prove_itself_anew(&world, &tenant, &before, &old).await;
    };
    tokio::join!(seen, unseen);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_deleted_for_good_gives_its_names_up() {
    let world = World::new().await;
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    let _operator = world.operator(&[&tenant, &other]).every("1s").start().await;
    let names: Vec<String> = (0..3).map(|n| world.name(&format!("gone-{n}"))).collect();
    let waiting = join_all(names.iter().enumerate().map(|(n, name)| {
        let (world, tenant, other) = (&world, &tenant, &other);
        async move {
            let object = format!("d{n}");
            world.verified(tenant, &object, name).await;
            let waits = other.state(&object, name).await;
            crate::support::publish(&world.dns, &waits.challenge().await.records[0]);
            waits.until_reason("HeldByAnother").await;
            waits
        }
    }))
    .await;
    Api::<Namespace>::all(world.cluster.client.clone())
        .delete(&tenant.namespace, &DeleteParams::default())
        .await
        .unwrap();
    for waits in waiting {
        waits.until_verified().await;
    }
}
