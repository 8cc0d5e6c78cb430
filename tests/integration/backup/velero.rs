//! A restore by Velero, which creates each object without its status and then updates the status of
//! those kinds that `restoreStatus` names; kinds in the order of their names.

use freehold::api::{
    self, DomainApproval, Organization, OrganizationDomain, State, VerifiedDomain,
};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt::Debug;

use super::{all, json_of, take_away};
use crate::support::{
    Approval, History, PrivatePlane, Stated, World, blocks, page_at, publish, ready_reason, status,
};

/// As Velero makes an object anew.
async fn restore<K>(api: &Api<K>, saved: &K) -> K
where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
{
    let mut object = saved.clone();
    let metadata = object.meta_mut();
    let mut labels = metadata.labels.take().unwrap_or_default();
    labels.insert("velero.io/backup-name".to_owned(), "daily".to_owned());
    labels.insert("velero.io/restore-name".to_owned(), "daily-1".to_owned());
    *metadata = ObjectMeta {
        name: metadata.name.take(),
        namespace: metadata.namespace.take(),
        annotations: metadata.annotations.take(),
        labels: Some(labels),
        ..ObjectMeta::default()
    };
    api.create(&PostParams::default(), &object).await.unwrap()
}

fn api_of<K>(client: &Client, object: &K) -> Api<K>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
{
    Api::namespaced(client.clone(), &object.namespace().unwrap())
}

#[test]
fn the_documented_restore_takes_the_holdings_and_the_statuses() {
    let documents: Vec<Value> = blocks(&page_at("docs/backup.md"), "yaml")
        .iter()
        .flat_map(|block| serde_yaml::Deserializer::from_str(block))
        .map(|document| Value::deserialize(document).unwrap())
        .collect();
    let spec = |kind: &str| {
        let mut of_kind = documents.iter().filter(|document| document["kind"] == kind);
        &of_kind.next().unwrap()["spec"]
    };
    let holdings = json!("verifieddomains.freehold.dev");
    let saved = &spec("Backup")["includedClusterScopedResources"];
    assert!(saved.as_array().unwrap().contains(&holdings), "{saved}");
    let restore = spec("Restore");
    // Where a namespace is left out, Velero skips what is of none unless it is told otherwise.
    assert_eq!(restore["includeClusterResources"], true);
    let statuses = &restore["restoreStatus"]["includedResources"];
    assert_eq!(*statuses, json!(["organizationdomains.freehold.dev"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_with_statuses_keeps_tokens_states_and_holders() {
    let private = PrivatePlane::start().await;
    let world = World::on(private.cluster().await).await;
    world.cluster.install(api::crds()).await;
    let client = &world.cluster.client;
    let (first, second) = (world.tenant().await, world.tenant().await);
    let settings = world.operator(&[&first, &second]).every("1s");
    let operator = settings.start().await;
    let name = world.name("held");
    world.verified(&first, "holder", &name).await;
    let contender = second.state("contender", &name).await;
    publish(&world.dns, &contender.challenge().await.records[0]);
    contender.until_reason("HeldByAnother").await;
    let by_hand = second.state("by-hand", &world.name("by-hand")).await;
    let _approval = Approval::of(&second, "by-hand", "by-hand", &by_hand.domain, None).await;
    by_hand.until_verified().await;
    assert!(operator.terminate().await.success());

    let (approvals, domains, organizations) = (
        all(&Api::<DomainApproval>::all(client.clone())).await,
        all(&Api::<OrganizationDomain>::all(client.clone())).await,
        all(&Api::<Organization>::all(client.clone())).await,
    );
    for tenant in [&first, &second] {
        take_away(&tenant.domains()).await;
        take_away(&tenant.organizations()).await;
        let approvals = Api::<DomainApproval>::namespaced(client.clone(), &tenant.namespace);
        take_away(&approvals).await;
    }
    let holdings = take_away(&world.holdings()).await;
    let held = History::of(world.holdings()).await;
    let seen = History::of(Api::<OrganizationDomain>::all(client.clone())).await;
    // The operator is not there: its namespace is restored last.
    for approval in &approvals {
        restore(&api_of(client, approval), approval).await;
    }
    let mut restored = Vec::new();
    for domain in &domains {
        let api = api_of(client, domain);
        let mut made = restore(&api, domain).await;
        made.status.clone_from(&domain.status);
        let made = api
            .replace_status(&domain.name_any(), &PostParams::default(), &made)
            .await
            .unwrap();
        assert_eq!(json_of(&made.status), json_of(&domain.status));
        assert_ne!(made.uid(), domain.uid());
        restored.push(Stated::new(client, &made));
    }
    for organization in &organizations {
        restore(&api_of(client, organization), organization).await;
    }
    for holding in &holdings {
        restore(&Api::<VerifiedDomain>::all(client.clone()), holding).await;
    }

    let _operator = settings.start().await;
    for (restored, before) in restored.iter().zip(&domains) {
        let now = status(&restored.checked("restored").await);
        let before = status(before);
        assert_eq!((now.state, now.strategy), (before.state, before.strategy));
        assert_eq!(
            now.challenge.map(|challenge| challenge.token),
            before.challenge.map(|challenge| challenge.token)
        );
        if now.state == Some(State::Verified) {
            let holding = restored.holding().await.unwrap();
            assert_eq!(holding.spec.holder.uid, restored.uid);
        } else {
            assert_eq!(ready_reason(&restored.get().await), "HeldByAnother");
        }
    }
    for (_, holding) in held.all() {
        assert_ne!(holding.spec.holder.name, "contender", "{holding:?}");
    }
    for (_, object) in seen.all() {
        if object.name_any() == "contender" {
            assert_ne!(status(&object).state, Some(State::Verified));
        }
    }
}
