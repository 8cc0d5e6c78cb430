//! What docs/backup.md says, done.

use std::path::Path;

use freehold::api::{self, OrganizationDomain};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{DynamicObject, ListParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::json;

use super::{Export, Old, organization, ran, stream};
use crate::support::{
    Chart, Installed, PrivatePlane, Stated, Tenant, World, blocks, client_of, commands_of,
    eventually, status,
};

fn deployments(client: &Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("apps", "v1", "Deployment");
    let resource = ApiResource::from_gvk(&kind);
    Api::namespaced_with(client.clone(), "freehold-system", &resource)
}

/// The chart's Deployments, of every shard, which nobody runs here.
async fn deployed(client: &Client) {
    let values = json!({ "shards": ["east"] });
    let chart = Chart::render("freehold", "freehold-system", &values).unwrap();
    for deployment in chart.of_kind("Deployment") {
        let object = serde_json::from_value(deployment.clone()).unwrap();
        let deployments = deployments(client);
        let created = deployments.create(&PostParams::default(), &object).await;
        created.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_page_move_a_cluster() {
    let private = PrivatePlane::start().await;
    let world = World::on(private.cluster().await).await;
    world.cluster.install(api::crds()).await;
    let client = &world.cluster.client;
    deployed(client).await;
    let tenant = world.tenant().await;
    let operator = world.operator(&[&tenant]).every("1s").start().await;
    let held = world.verified(&tenant, "main", &world.name("moved")).await;
    let token = held.challenge().await.token;
    assert!(operator.terminate().await.success());

    let installed = Installed::new();
    let folder = tempfile::tempdir().unwrap();
    for name in ["crds", "charts"] {
        let original = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        std::os::unix::fs::symlink(original, folder.path().join(name)).unwrap();
    }
    let commands = commands_of("backup.md");
    let [backup, out, into, install] = commands.as_slice() else {
        panic!("{commands:?}")
    };
    for command in [backup, out] {
        let mut shell = installed.shell(command, private.plane.kubeconfig());
        shell.current_dir(folder.path());
        let ran = ran(shell).await;
        assert_eq!(ran.code, Some(0), "{command}: {ran:?}");
    }
    // All shards stand still.
    let stopped = deployments(client).list(&ListParams::default()).await;
    let stopped = stopped.unwrap().items;
    assert_eq!(stopped.len(), 2);
    for deployment in stopped {
        assert_eq!(deployment.data["spec"]["replicas"], 0);
    }

    // One control plane at a time.
    drop(private);
    let new = PrivatePlane::start().await;
    let admin = client_of(new.plane.kubeconfig()).await;
    let moved = Tenant::named(&admin, &tenant.namespace).await;
    for command in [into, install] {
        let mut shell = installed.shell(command, new.plane.kubeconfig());
        shell.current_dir(folder.path());
        let ran = ran(shell).await;
        assert_eq!(ran.code, Some(0), "{command}: {ran:?}");
    }
    let object: OrganizationDomain = moved.domains().get("main").await.unwrap();
    assert_eq!(status(&object).challenge.unwrap().token, token);
    let there = Stated::new(&admin, &object);
    assert_eq!(there.holding().await.unwrap().spec.holder.uid, there.uid);
}

/// No right of the page's role is wanting, and none is for nothing that the import writes.
#[tokio::test(flavor = "multi_thread")]
async fn the_role_of_the_page_is_enough_for_an_import() {
    let world = World::new().await;
    let tenant = world.empty_tenant().await;
    let client = &world.cluster.client;
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/backup.md");
    let page = std::fs::read_to_string(page).unwrap();
    let role = blocks(&page, "yaml").remove(0);
    let mut role: ClusterRole = serde_yaml::from_str(&role).unwrap();
    let name = format!("import-{}", tenant.namespace);
    role.metadata.name = Some(name.clone());
    let rights = role.rules.clone().unwrap();
    Api::<ClusterRole>::all(client.clone())
        .create(&PostParams::default(), &role)
        .await
        .unwrap();
    let account: ServiceAccount =
        serde_json::from_value(json!({ "metadata": { "name": "import" } })).unwrap();
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), &tenant.namespace);
    accounts
        .create(&PostParams::default(), &account)
        .await
        .unwrap();
    let binding: ClusterRoleBinding = serde_json::from_value(json!({
        "metadata": { "name": name },
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name },
        "subjects": [{
            "kind": "ServiceAccount", "name": "import", "namespace": tenant.namespace }]
    }))
    .unwrap();
    Api::<ClusterRoleBinding>::all(client.clone())
        .create(&PostParams::default(), &binding)
        .await
        .unwrap();
    let token = accounts
        .create_token_request("import", &PostParams::default(), &TokenRequest::default())
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let admin = crate::support::variable("FREEHOLD_TEST_KUBECONFIG");
    freehold_testbed::kubeconfig_with_token(
        Path::new(&admin),
        &token.status.unwrap().token,
        &kubeconfig,
    )
    .unwrap();

    let old = Old::new(&tenant.namespace, "main", &world.name("by-role"));
    let approval = json!({
        "apiVersion": "freehold.dev/v1alpha1", "kind": "DomainApproval",
        "metadata": { "name": "other", "namespace": tenant.namespace },
        "spec": {
            "organizationDomainRef": { "name": "other" }, "organization": "acme",
            "domain": world.name("other"), "reason": "a contract"
        }
    });
    let documents = [
        organization(&tenant.namespace),
        approval,
        old.document("Verified"),
        old.holding(),
    ];
    let export = Export::of(&stream(&documents, &[]));
    // The API server learns of the role by a watch of its own.
    eventually("the import has its rights", async || {
        let ran = export.import_into(&kubeconfig).await;
        match ran.code {
            Some(0) => Ok(()),
            _ => Err(format!("{ran:?}")),
        }
    })
    .await;
    assert!(!world.holding(&old.domain).await.unwrap().spec.importing);
    assert_eq!(rights.len(), 3);
}
