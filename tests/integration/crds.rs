//! The CRDs: what is in crds/, what `kubectl` makes of them, what is bounded.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;

use freehold::api::{Organization, OrganizationDomain, VerifiedDomain};
use kube::Api;
use kube::api::ListParams;
use serde_json::Value;

use crate::support::{Cluster, World, eventually, freehold, publish, status};

fn files(folder: &Path) -> BTreeMap<String, String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_folder_is_what_the_binary_prints() {
    let folder = tempfile::tempdir().unwrap();
    let status = freehold()
        .args(["crds", "--output-dir"])
        .arg(folder.path())
        .status()
        .await
        .unwrap();
    assert!(status.success());
    let committed = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("crds"));
    let printed = files(folder.path());
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&committed), names(&printed), "run: cargo xtask crds");
    for (name, text) in &committed {
        assert!(
            text == &printed[name],
            "crds/{name} is stale; run: cargo xtask crds"
        );
    }
    let output = freehold().arg("crds").output().await.unwrap();
    let stream = String::from_utf8(output.stdout).unwrap();
    for text in committed.values() {
        assert!(stream.contains(text), "the stream lacks a file");
    }
}

/// Says what is undocumented, ragged or unbounded at and below a schema.
fn walk(path: &str, schema: &Value, faults: &mut Vec<String>) {
    let has = |key: &str| schema.get(key).is_some_and(|value| !value.is_null());
    if schema["description"].as_str().unwrap_or_default().len() < 10 {
        faults.push(format!("{path}: no description"));
    }
    // kubectl explain keeps a line's end and wraps beside it: the text gets ragged.
    let paragraphs = schema["description"].as_str().unwrap_or_default();
    if paragraphs.split("\n\n").any(|text| text.contains('\n')) {
        faults.push(format!("{path}: a line's end within a paragraph"));
    }
    match schema["type"].as_str() {
        Some("string") => {
            let closed = has("enum") || schema["format"] == "date-time";
            if !closed && !has("maxLength") {
                faults.push(format!("{path}: a string without maxLength"));
            }
        }
        Some("array") => {
            if !has("maxItems") {
                faults.push(format!("{path}: a list without maxItems"));
            }
            let mut items = schema["items"].clone();
            // What an item is, its list says.
            if items["type"] != "object" {
                items["description"] = schema["description"].clone();
            }
            walk(&format!("{path}[]"), &items, faults);
        }
        Some("object") => {
            if has("x-kubernetes-preserve-unknown-fields") {
                faults.push(format!("{path}: anything goes"));
            }
            if has("additionalProperties") {
                if !has("maxProperties") {
                    faults.push(format!("{path}: a map without maxProperties"));
                }
                let mut values = schema["additionalProperties"].clone();
                values["description"] = schema["description"].clone();
                walk(&format!("{path}{{}}"), &values, faults);
            }
            let fields = schema["properties"].as_object();
            for (name, field) in fields.into_iter().flatten() {
                walk(&format!("{path}.{name}"), field, faults);
            }
        }
        Some("boolean" | "integer") => {}
        other => faults.push(format!("{path}: type {other:?}")),
    }
}

#[test]
fn every_field_is_documented_and_bounded() {
    let mut faults = Vec::new();
    let mut fields = 0;
    for crd in freehold::api::crds() {
        for version in &crd.spec.versions {
            let schema = version.schema.as_ref().unwrap();
            let root = serde_json::to_value(&schema.open_api_v3_schema).unwrap();
            fields += root.to_string().matches("\"description\"").count();
            walk(&crd.spec.names.kind, &root, &mut faults);
            for column in version.additional_printer_columns.iter().flatten() {
                assert!(!column.json_path.is_empty());
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    println!("{fields} descriptions");
}

fn text(output: Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_explains_every_kind() {
    Cluster::shared().await;
    for (path, words) in [
        (
            "organization.spec.itContacts",
            "publish the organization's DNS records",
        ),
        ("orgdomain", "this domain is ours"),
        (
            "orgdomain.spec.domain",
            "Immutable, because the token is bound to",
        ),
        ("orgdomain.status.challenge.records", "Publish any one"),
        ("verifieddomain.spec.holder.tokenHash", "SHA-256"),
    ] {
        // The API server publishes a CRD's schema a moment after it serves it.
        eventually(path, async || {
            let output = Cluster::kubectl().args(["explain", path]).output().await;
            let output = output.unwrap();
            let said = String::from_utf8_lossy(&output.stdout).replace("\n    ", " ");
            if output.status.success() && said.contains(words) {
                Ok(())
            } else {
                Err(format!("{said}{}", String::from_utf8_lossy(&output.stderr)))
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_shows_waits_and_selects() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("1s").start().await;
    let name = world.name("select");
    let domain = tenant.state("main", &name).await;
    tenant.state("other", &world.name("other")).await;
    let record = domain.challenge().await.records[0].clone();
    let kubectl = |arguments: &str| {
        let mut command = Cluster::kubectl();
        command
            .args(arguments.split(' '))
            .args(["--namespace", &tenant.namespace]);
        async move { text(command.output().await.unwrap()) }
    };

    let wide = kubectl("get orgdomain main -o wide").await;
    for part in [&name, "acme", "Pending", &record.name, &record.value] {
        assert!(wide.contains(part), "{part} in {wide}");
    }
    assert!(
        kubectl("get freehold")
            .await
            .contains("organizationdomain.freehold.dev/main")
    );
    assert!(kubectl("get org").await.contains("acme"));

    publish(&world.dns, &record);
    for condition in ["Verified", "Ready"] {
        kubectl(&format!(
            "wait orgdomain/main --for=condition={condition} --timeout=60s"
        ))
        .await;
    }
    assert_eq!(
        status(&domain.get().await).canonical_name.as_ref(),
        Some(&name)
    );

    let select = async |fields: &str| {
        let params = ListParams::default().fields(fields);
        let found = tenant.domains().list(&params).await.unwrap().items;
        let mut names: Vec<_> = found.into_iter().filter_map(|o| o.metadata.name).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(select(&format!("spec.domain={name}")).await, "main");
    assert_eq!(select("spec.organizationRef.name=acme").await, "main other");
    assert_eq!(select("spec.organizationRef.name=else").await, "");
    assert_eq!(
        select(&format!("status.canonicalName={name}")).await,
        "main"
    );
    assert_eq!(select("status.state=Verified").await, "main");
    assert_eq!(select("status.state=Pending").await, "other");
    for fields in [
        format!("spec.holder.namespace={}", tenant.namespace),
        format!(
            "spec.holder.organization=acme,spec.holder.namespace={}",
            tenant.namespace
        ),
    ] {
        let params = ListParams::default().fields(&fields);
        let found = world.holdings().list(&params).await.unwrap().items;
        assert_eq!(found.len(), 1, "{fields}");
        assert_eq!(found[0].metadata.name.as_ref(), Some(&name));
    }
    let all = Api::<OrganizationDomain>::all(world.cluster.client.clone());
    let params = ListParams::default().fields(&format!("spec.domain={name}"));
    assert_eq!(all.list(&params).await.unwrap().items.len(), 1);
}

#[test]
fn kinds_scopes_and_short_names_are_as_documented() {
    use kube::CustomResourceExt;
    for (crd, scope, short) in [
        (Organization::crd(), "Namespaced", "org"),
        (OrganizationDomain::crd(), "Namespaced", "orgdomain"),
        (VerifiedDomain::crd(), "Cluster", "vdomain"),
    ] {
        assert_eq!(crd.spec.scope, scope);
        assert_eq!(crd.spec.names.short_names.unwrap(), [short]);
        assert_eq!(crd.spec.names.categories.unwrap(), ["freehold"]);
    }
}
