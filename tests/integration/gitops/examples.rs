//! The examples for Flux and Argo CD, held against the CRDs of these projects.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::support::{Chart, Cluster, chart_folder, define, gitops, kubectl_takes};

/// Flux takes its definition of a `HelmRelease` from its Go type, which is what is asked here.
const BY_TYPE: &str = "HelmRelease";

fn documents(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path.join("examples").join(file)).unwrap();
    serde_yaml::Deserializer::from_str(&text)
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

/// Words that these projects do not know are refused, and so are missing ones.
#[tokio::test(flavor = "multi_thread")]
async fn examples_are_what_flux_and_argo_cd_take() {
    let cluster = Cluster::shared().await;
    define(
        &cluster,
        &[
            "application-crd.yaml",
            "kustomize.toolkit.fluxcd.io_kustomizations.yaml",
            "source.toolkit.fluxcd.io_gitrepositories.yaml",
        ],
    )
    .await;
    for namespace in ["argocd", "flux-system"] {
        Cluster::kubectl()
            .args(["create", "namespace", namespace])
            .output()
            .await
            .unwrap();
    }
    let mut taken = Vec::new();
    for file in [
        "argocd/application.yaml",
        "argocd/argocd-cm.yaml",
        "flux/freehold.yaml",
        "flux/tenants.yaml",
    ] {
        for document in documents(file) {
            let kind = document["kind"].as_str().unwrap().to_owned();
            let mut unknown = document.clone();
            unknown["spec"]["colour"] = "blue".into();
            if kind == BY_TYPE {
                gitops(&["helmrelease"], &document.to_string()).unwrap();
                let refusal = gitops(&["helmrelease"], &unknown.to_string()).unwrap_err();
                assert!(refusal.contains("colour"), "{refusal}");
            } else {
                kubectl_takes(&document.to_string()).await.unwrap();
                let refusal = kubectl_takes(&unknown.to_string()).await.unwrap_err();
                assert!(refusal.contains("field not declared"), "{refusal}");
            }
            taken.push(kind);
        }
    }
    taken.sort();
    let all = [
        "Application",
        "Application",
        "ConfigMap",
        "GitRepository",
        "GitRepository",
        "HelmRelease",
        "Kustomization",
    ];
    assert_eq!(taken, all);
}

#[test]
fn the_examples_install_the_chart_with_values_that_it_takes() {
    let chart = chart_folder();
    let ends_in_the_chart = |path: &Value| chart.ends_with(path.as_str().unwrap());
    let applications = documents("argocd/application.yaml");
    let source = &applications[0]["spec"]["source"];
    assert!(ends_in_the_chart(&source["path"]));
    let releases = documents("flux/freehold.yaml");
    let release = releases.iter().find(|d| d["kind"] == BY_TYPE).unwrap();
    assert!(ends_in_the_chart(
        &release["spec"]["chart"]["spec"]["chart"]
    ));
    for values in [&source["helm"]["valuesObject"], &release["spec"]["values"]] {
        let rendered = Chart::render("freehold", "freehold-system", values).unwrap();
        assert!(rendered.text.contains("registry.example.com/freehold"));
    }
}
