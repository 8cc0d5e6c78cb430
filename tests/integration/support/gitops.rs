//! What the tools of others make of an object.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

use super::chart::helm;
use super::cluster::{Cluster, variable};

/// What a reader says of an object.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Answer {
    pub status: String,
    pub message: String,
}

/// The program of `tests/gitops`, with something on its standard input.
pub fn gitops(arguments: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new(variable("FREEHOLD_TEST_GITOPS"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read says why not.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

fn answer(arguments: &[&str], object: &Value) -> Answer {
    let said = gitops(arguments, &object.to_string()).unwrap();
    serde_json::from_str(&said).unwrap()
}

/// As Flux and Helm see it.
pub fn kstatus(object: &Value) -> Answer {
    answer(&["kstatus"], object)
}

/// Where Argo CD's scripts for a kind are, in its own layout.
pub fn customization(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/argocd/resource_customizations/freehold.dev")
        .join(kind)
}

/// As Argo CD sees it.
pub fn health(object: &Value) -> Answer {
    let kind = object["kind"].as_str().unwrap();
    let script = customization(kind).join("health.lua");
    answer(&["health", script.to_str().unwrap()], object)
}

/// Whether `kubectl wait` takes the condition to be met now.
pub async fn kubectl_finds(object: &Value, condition: &str) -> bool {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let named = format!(
        "{}.freehold.dev/{}",
        text(&object["kind"]).to_lowercase(),
        text(&object["metadata"]["name"])
    );
    let output = Cluster::kubectl()
        // Zero: looked at once.
        .args(["wait", "--timeout=0", &named])
        .arg(format!("--for=condition={condition}"))
        .args(["--namespace", &text(&object["metadata"]["namespace"])])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() || said.contains("condition not met"),
        "{said}"
    );
    output.status.success()
}

/// Installs a release that has nothing but this object, which is there already, and waits for it as
/// long as said; returns what Helm says where it gives up.
pub async fn helm_waits(object: &Value, seconds: u64) -> Result<(), String> {
    let metadata = &object["metadata"];
    let manifest = json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"],
        "metadata": { "name": metadata["name"], "namespace": metadata["namespace"] },
        "spec": object["spec"]
    });
    let chart = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(chart.path().join(name), text).unwrap();
    write(
        "Chart.yaml",
        "apiVersion: v2\nname: object\nversion: 0.0.0\n",
    );
    std::fs::create_dir(chart.path().join("templates")).unwrap();
    write("templates/object.yaml", &manifest.to_string());
    // Of two kinds, objects may have one name.
    let kind = object["kind"].as_str().unwrap().to_lowercase();
    let release = format!("{}-{kind}", metadata["name"].as_str().unwrap());
    let mut command = helm();
    command
        .args(["upgrade", "--install", &release])
        .arg(chart.path())
        .args(["--namespace", metadata["namespace"].as_str().unwrap()])
        .args(["--take-ownership", "--wait", "--timeout"])
        .arg(format!("{seconds}s"))
        .env("KUBECONFIG", variable("FREEHOLD_TEST_KUBECONFIG"));
    let output = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}
