//! Other projects' kinds on the test's control plane, and what the API server takes.

use std::path::PathBuf;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use super::cluster::{Cluster, variable};

/// Installs CRDs of other projects from these files, and returns once they are served.
pub async fn define(cluster: &Cluster, files: &[&str]) {
    let folder = PathBuf::from(variable("FREEHOLD_TEST_DEFINITIONS"));
    let definitions: Vec<CustomResourceDefinition> = files
        .iter()
        .map(|file| {
            let text = std::fs::read_to_string(folder.join(file)).unwrap();
            serde_yaml::from_str(&text).unwrap()
        })
        .collect();
    cluster.install(definitions).await;
}

/// What the API server would make of these documents in a dry run that allows no unknown field and
/// no warning: the names of the objects, or its words.
pub async fn kubectl_takes(documents: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("documents.yaml");
    std::fs::write(&file, documents).unwrap();
    let output = Cluster::kubectl()
        .args([
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
        ])
        .args(["--validate=strict", "--output=name", "--filename"])
        .arg(&file)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    if output.status.success() && !said.contains("Warning") {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(said)
    }
}
