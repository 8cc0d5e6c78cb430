//! Exports, imports, and restores by tools that know nothing of Freehold.

mod bad_input;
mod conflicts;
mod documented;
mod many;
mod moved;
mod operator_at_work;
mod velero;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use freehold::model::challenge::Token;
use jiff::{SignedDuration, Timestamp};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Resource, ResourceExt};
use rand::RngExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Duration, timeout};

use crate::support::{freehold, variable};

const RUN: Duration = Duration::from_mins(5);

/// How a command ended, and what it said.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    error: String,
}

async fn ran(mut command: Command) -> Ran {
    let output = timeout(RUN, command.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran {
        code: output.status.code(),
        out: text(output.stdout),
        error: text(output.stderr),
    }
}

async fn run(kubeconfig: &Path, arguments: &[&str]) -> Ran {
    let mut command = freehold();
    command.args(arguments).env("KUBECONFIG", kubeconfig);
    ran(command).await
}

/// An export that a test wrote.
struct Export {
    file: PathBuf,
    _folder: TempDir,
}

impl Export {
    fn of(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("export.yaml");
        std::fs::write(&file, text).unwrap();
        Self {
            file,
            _folder: folder,
        }
    }

    /// As the administrator of the shared control plane.
    async fn import(&self) -> Ran {
        let admin = PathBuf::from(variable("FREEHOLD_TEST_KUBECONFIG"));
        self.import_into(&admin).await
    }

    async fn import_into(&self, kubeconfig: &Path) -> Ran {
        run(
            kubeconfig,
            &["import", "--file", self.file.to_str().unwrap()],
        )
        .await
    }
}

/// A whole stream of these objects.
fn stream(documents: &[Value], suspended: &[&str]) -> String {
    let kinds = [
        "Organization",
        "OrganizationDomain",
        "VerifiedDomain",
        "DomainApproval",
    ];
    let count = |kind: &str| documents.iter().filter(|d| d["kind"] == kind).count();
    let counts: BTreeMap<_, _> = kinds.map(|kind| (kind, count(kind))).into();
    let header = json!({
        "apiVersion": "backup.freehold.dev/v1", "kind": "Export",
        "time": "2026-11-22T12:00:00Z", "suspendedNamespaces": suspended
    });
    let end = json!({ "apiVersion": "backup.freehold.dev/v1", "kind": "End", "counts": counts });
    let all = [&header].into_iter().chain(documents).chain([&end]);
    let yaml: Vec<_> = all
        .map(|document| serde_yaml::to_string(document).unwrap())
        .collect();
    format!("---\n{}", yaml.join("---\n"))
}

/// An organization domain of organization acme as it stands in an export.
#[derive(Clone)]
struct Old {
    namespace: String,
    name: String,
    domain: String,
    token: Token,
}

impl Old {
    fn new(namespace: &str, name: &str, domain: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            domain: domain.to_owned(),
            token: Token::from_random(rand::rng().random()),
        }
    }

    fn document(&self, state: &str) -> Value {
        // Its window is open.
        let yesterday = Timestamp::now() - SignedDuration::from_hours(24);
        json!({
            "apiVersion": "freehold.dev/v1alpha1", "kind": "OrganizationDomain",
            "metadata": {
                "name": self.name, "namespace": self.namespace, "generation": 3,
                "uid": format!("old-{}", self.name),
                "annotations": { "note": "kept" }
            },
            "spec": { "organizationRef": { "name": "acme" }, "domain": self.domain },
            "status": {
                "observedGeneration": 3,
                "canonicalName": self.domain,
                "state": state,
                "strategy": "DNS",
                "challenge": {
                    "token": self.token.to_string(),
                    "records": [{
                        "name": format!("_freehold-challenge.{}", self.domain),
                        "type": "TXT",
                        "value": format!("token={}", self.token)
                    }],
                    "issuedFor": format!("{}/{}/acme", self.namespace, self.name),
                    "issuedTime": yesterday
                },
                "verifiedTime": yesterday,
                "lastProvenTime": Timestamp::now(),
                "conditions": []
            }
        })
    }

    fn holding(&self) -> Value {
        json!({
            "apiVersion": "freehold.dev/v1alpha1", "kind": "VerifiedDomain",
            "metadata": { "name": self.domain },
            "spec": {
                "holder": {
                    "namespace": self.namespace, "name": self.name,
                    "uid": format!("old-{}", self.name),
                    "organization": "acme", "tokenHash": self.token.hash()
                },
                "strategy": "DNS"
            }
        })
    }
}

fn organization(namespace: &str) -> Value {
    json!({
        "apiVersion": "freehold.dev/v1alpha1", "kind": "Organization",
        "metadata": { "name": "acme", "namespace": namespace }, "spec": {}
    })
}

/// All objects of a kind.
async fn all<K>(api: &Api<K>) -> Vec<K>
where
    K: Clone + Debug + DeserializeOwned,
{
    api.list(&ListParams::default()).await.unwrap().items
}

/// Deletes all objects of a kind; returns them as they were.
async fn take_away<K>(api: &Api<K>) -> Vec<K>
where
    K: Clone + Debug + DeserializeOwned,
{
    let were = all(api).await;
    api.delete_collection(&DeleteParams::default(), &ListParams::default())
        .await
        .unwrap();
    assert!(all(api).await.is_empty());
    were
}

/// What identifies every version of every object.
fn versions<K: Resource + ResourceExt>(objects: &[K]) -> Vec<(String, String)> {
    let version = |object: &K| (object.name_any(), object.resource_version().unwrap());
    objects.iter().map(version).collect()
}

fn json_of(object: &impl Serialize) -> Value {
    serde_json::to_value(object).unwrap()
}
