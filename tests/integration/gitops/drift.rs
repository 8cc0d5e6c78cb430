//! What a `GitOps` tool applied stays as it applied it: the operator writes statuses only.

use std::path::{Path, PathBuf};
use std::process::Output;

use freehold::api::{OrganizationDomain, State};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::support::{Cluster, Stated, Tenant, World, eventually, publish, status};

/// As Flux and Argo CD call themselves.
const MANAGERS: [&str; 2] = ["kustomize-controller", "argocd-controller"];

fn manifests(tenant: &Tenant, proved: &str, approved: &str) -> Vec<Value> {
    let meta = |name: &str| {
        json!({
            "name": name, "namespace": tenant.namespace,
            "labels": { "team": "platform" }, "annotations": { "note": "from a repository" }
        })
    };
    let domain = |name: &str, domain: &str| {
        json!({
            "apiVersion": "freehold.dev/v1alpha1", "kind": "OrganizationDomain",
            "metadata": meta(name),
            "spec": { "organizationRef": { "name": "acme" }, "domain": domain }
        })
    };
    vec![
        json!({
            "apiVersion": "freehold.dev/v1alpha1", "kind": "Organization",
            "metadata": meta("acme"), "spec": { "displayName": "Acme" }
        }),
        domain("proved", proved),
        domain("approved", approved),
        json!({
            "apiVersion": "freehold.dev/v1alpha1", "kind": "DomainApproval",
            "metadata": meta("approved"),
            "spec": {
                "organizationDomainRef": { "name": "approved" },
                "organization": "acme", "domain": approved, "reason": "a contract shows it"
            }
        }),
    ]
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

async fn live(world: &World, manifest: &Value) -> DynamicObject {
    api(world, manifest)
        .get(text(&manifest["metadata"]["name"]))
        .await
        .unwrap()
}

fn api(world: &World, manifest: &Value) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("freehold.dev", "v1alpha1", text(&manifest["kind"]));
    Api::namespaced_with(
        world.cluster.client.clone(),
        text(&manifest["metadata"]["namespace"]),
        &ApiResource::from_gvk(&kind),
    )
}

async fn kubectl(arguments: &[&str], file: &Path) -> Output {
    let mut command = Cluster::kubectl();
    command.args(arguments).arg("--filename").arg(file);
    command.output().await.unwrap()
}

async fn succeed(arguments: &[&str], file: &Path) {
    let output = kubectl(arguments, file).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

/// `kubectl diff` ends with 0 where there is nothing to tell.
async fn is_no_drift(arguments: &[&str], file: &Path) {
    let output = kubectl(&[&["diff"], arguments].concat(), file).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{arguments:?}: {said}{output:?}");
}

fn write(folder: &Path, manifests: &[Value]) -> PathBuf {
    let file = folder.join("manifests.json");
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": manifests });
    std::fs::write(&file, list.to_string()).unwrap();
    file
}

/// Takes both domains to Verified, one by a record, and has one lose and regain its record.
async fn work(world: &World, tenant: &Tenant) {
    let domain = |name: &'static str| async move {
        let object = tenant.domains().get(name).await.unwrap();
        Stated::new(&tenant.client, &object)
    };
    let (proved, approved) = (domain("proved").await, domain("approved").await);
    let record = proved.challenge().await.records[0].clone();
    publish(&world.dns, &record);
    proved.until_verified().await;
    approved.until_reason("Approved").await;
    world.dns.remove(&record.name);
    let missing = |object: &OrganizationDomain| status(object).record_missing.is_some();
    proved.until("its record is missing", missing).await;
    publish(&world.dns, &record);
    let back = |object: &OrganizationDomain| {
        status(object).record_missing.is_none() && status(object).state == Some(State::Verified)
    };
    proved.until("its record is back", back).await;
    eventually("the organization is summed up", async || {
        let organization = tenant.organizations().get("acme").await.unwrap();
        let counts = organization.status.unwrap_or_default().counts;
        match counts.map(|counts| counts.verified) {
            Some(2) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

/// Without what changes with every write, of whatever part.
fn without_bookkeeping(mut object: DynamicObject) -> Value {
    object.metadata.managed_fields = None;
    object.metadata.resource_version = None;
    serde_json::to_value(object).unwrap()
}

/// The operator's part of the object is its status, and the rest is as it was applied.
fn has_its_status_alone(before: &DynamicObject, after: &DynamicObject) {
    let managers = after.metadata.managed_fields.as_ref().unwrap();
    let own: Vec<_> = managers
        .iter()
        .filter(|entry| entry.manager.as_deref() == Some("freehold"))
        .collect();
    assert!(!own.is_empty());
    for entry in own {
        assert_eq!(entry.subresource.as_deref(), Some("status"));
        let fields = serde_json::to_value(entry.fields_v1.as_ref().unwrap()).unwrap();
        let fields: Vec<&String> = fields.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["f:status"]);
    }
    assert_eq!(after.metadata.generation, before.metadata.generation);
    assert_ne!(after.data["status"], before.data["status"]);
    let rest = |object: &DynamicObject| {
        let mut rest = without_bookkeeping(object.clone());
        rest.as_object_mut().unwrap().remove("status");
        rest
    };
    assert_eq!(rest(after), rest(before));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_is_no_drift() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = |tenant: &Tenant| {
        let settings = world.operator(&[tenant]).every("1s");
        settings
            .with("--recheck-period", "1s")
            .with("--grace-check-period", "1s")
    };
    for manager in MANAGERS {
        let tenant = world.empty_tenant().await;
        let name = |prefix: &str| world.name(&format!("{prefix}-{}", &manager[..4]));
        let manifests = manifests(&tenant, &name("proved"), &name("approved"));
        let file = write(folder.path(), &manifests);
        let by = format!("--field-manager={manager}");
        succeed(&["apply", "--server-side", &by], &file).await;
        let mut before = Vec::new();
        for manifest in &manifests {
            before.push(live(&world, manifest).await);
        }
        let operator = settings(&tenant).start().await;
        work(&world, &tenant).await;
        assert!(operator.terminate().await.success());

        is_no_drift(&["--server-side", &by], &file).await;
        for (manifest, before) in manifests.iter().zip(&before) {
            let after = live(&world, manifest).await;
            has_its_status_alone(before, &after);
            // No conflict either: without force.
            let params = PatchParams {
                dry_run: true,
                ..PatchParams::apply(manager)
            };
            let applied = api(&world, manifest)
                .patch(
                    text(&manifest["metadata"]["name"]),
                    &params,
                    &Patch::Apply(manifest),
                )
                .await
                .unwrap();
            assert_eq!(
                applied.metadata.resource_version,
                after.metadata.resource_version
            );
            assert_eq!(without_bookkeeping(applied), without_bookkeeping(after));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_is_it_to_who_applies_from_the_client() {
    let world = World::new().await;
    let tenant = world.empty_tenant().await;
    let folder = tempfile::tempdir().unwrap();
    let manifests = manifests(&tenant, &world.name("proved"), &world.name("approved"));
    let file = write(folder.path(), &manifests);
    succeed(&["apply"], &file).await;
    let settings = world
        .operator(&[&tenant])
        .every("1s")
        .with("--recheck-period", "1s");
    let operator = settings.with("--grace-check-period", "1s").start().await;
    work(&world, &tenant).await;
    assert!(operator.terminate().await.success());
    is_no_drift(&[], &file).await;
    let output = kubectl(&["apply"], &file).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        said.matches(" unchanged").count(),
        manifests.len(),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_definitions_are_no_drift() {
    Cluster::shared().await;
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    // By the name under which the tests install them, so that it is all there is to compare.
    is_no_drift(&["--server-side", "--field-manager=freehold-tests"], &crds).await;
}

/// A selector of a `GitOps` tool's own labels finds what it applied and nothing of the operator's.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_makes_carries_no_label_of_a_tool() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("1s").start().await;
    let name = world.name("labelled");
    let domain = tenant.state("main", &name).await;
    let label = json!({ "metadata": {
        "labels": { "kustomize.toolkit.fluxcd.io/name": "tenants" },
        "annotations": { "argocd.argoproj.io/tracking-id": "tenants:main" }
    } });
    domain.patch(label).await.unwrap();
    publish(&world.dns, &domain.challenge().await.records[0]);
    domain.until_verified().await;
    let holding = world.holding(&name).await.unwrap();
    assert_eq!(holding.metadata.labels, None);
    assert_eq!(holding.metadata.annotations, None);
    assert_eq!(holding.metadata.owner_references, None);
}
