//! The chart as Helm renders it, and the operator's account made from that.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use freehold_testbed::kubeconfig_with_token;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::cluster::{client_of, variable};
use super::wait::eventually;

/// Which values must name; no pod pulls it.
pub const IMAGE: &str = "registry.example.com/freehold";
/// Where the operator of the tests belongs.
const NAMESPACE: &str = "freehold-system";
/// Longer than any run of the tests.
const TOKEN_SECONDS: i64 = 24 * 3600;

/// As an install without values renders it, once for all tests.
static RENDERED: LazyLock<Chart> =
    LazyLock::new(|| Chart::render("freehold", NAMESPACE, &json!({})).unwrap());

pub fn chart_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/freehold")
}

/// Helm with no other plugins, repositories and caches than none.
pub fn helm() -> Command {
    let mut command = Command::new(variable("FREEHOLD_TEST_HELM"));
    command.envs(helm_folders());
    command
}

pub fn helm_folders() -> [(&'static str, PathBuf); 3] {
    let nowhere = env::temp_dir().join("freehold-tests-helm");
    ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"].map(|name| (name, nowhere.clone()))
}

/// What a chart renders to.
#[derive(Clone)]
pub struct Chart {
    pub documents: Vec<Value>,
    /// As it is applied.
    pub text: String,
}

impl Chart {
    pub fn installed() -> &'static Self {
        &RENDERED
    }

    /// Renders with values, or says what Helm says.
    pub fn render(release: &str, namespace: &str, values: &Value) -> Result<Self, String> {
        Self::render_from(&chart_folder(), release, namespace, values)
    }

    /// Renders another chart, in a folder or packaged.
    pub fn render_from(
        chart: &Path,
        release: &str,
        namespace: &str,
        values: &Value,
    ) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("values.yaml");
        let mut values = values.clone();
        if values.pointer("/image/repository").is_none() {
            values["image"]["repository"] = json!(IMAGE);
        }
        std::fs::write(&file, values.to_string()).unwrap();
        let output = helm()
            .args(["template", release])
            .arg(chart)
            .args(["--namespace", namespace, "--values"])
            .arg(&file)
            .output()
            .unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let text = String::from_utf8(output.stdout).unwrap();
        let documents = serde_yaml::Deserializer::from_str(&text)
            .map(|document| Value::deserialize(document).unwrap())
            .filter(|document| !document.is_null())
            .collect();
        Ok(Self { documents, text })
    }

    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        let of_kind = move |document: &&Value| document["kind"] == kind;
        self.documents.iter().filter(of_kind)
    }

    /// The pod that the Deployment makes.
    pub fn pod(&self) -> &Value {
        &self.of_kind("Deployment").next().unwrap()["spec"]["template"]["spec"]
    }

    pub fn arguments(&self) -> Vec<String> {
        let arguments = self.pod()["containers"][0]["args"].as_array().unwrap();
        let text = |argument: &Value| argument.as_str().unwrap().to_owned();
        arguments.iter().map(text).collect()
    }

    pub fn environment(&self) -> Vec<(String, String)> {
        let variables = self.pod()["containers"][0]["env"].as_array().unwrap();
        variables
            .iter()
            .map(|variable| {
                let text = |key: &str| variable[key].as_str().unwrap().to_owned();
                (text("name"), text("value"))
            })
            .collect()
    }

    /// What the roles of the operator's own account allow.
    pub fn rights(&self) -> BTreeSet<Right> {
        let own: Vec<&Value> = ["ClusterRoleBinding", "RoleBinding"]
            .into_iter()
            .flat_map(|kind| self.of_kind(kind))
            .map(|binding| &binding["roleRef"]["name"])
            .collect();
        let texts = |value: &Value| -> Vec<String> {
            let text = |text: &Value| text.as_str().unwrap().to_owned();
            value.as_array().unwrap().iter().map(text).collect()
        };
        let mut rights = BTreeSet::new();
        let everywhere = self.of_kind("ClusterRole").map(|role| (role, true));
        let in_namespaces = self.of_kind("Role").map(|role| (role, false));
        for (role, everywhere) in everywhere.chain(in_namespaces) {
            if !own.contains(&&role["metadata"]["name"]) {
                continue;
            }
            for rule in role["rules"].as_array().unwrap() {
                for group in texts(&rule["apiGroups"]) {
                    for resource in texts(&rule["resources"]) {
                        for verb in texts(&rule["verbs"]) {
                            rights.insert(Right {
                                everywhere,
                                group: group.clone(),
                                resource: resource.clone(),
                                verb,
                            });
                        }
                    }
                }
            }
        }
        rights
    }
}

/// One thing that an account may do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// Not only in the namespaces that have a role of their own for it.
    pub everywhere: bool,
    pub group: String,
    pub resource: String,
    pub verb: String,
}

/// The operator's account on a cluster, with exactly the rights of the chart.
#[derive(Clone)]
pub struct Account {
    pub kubeconfig: PathBuf,
    /// The name by which the API server knows it.
    pub user: String,
    _folder: Arc<TempDir>,
}

impl Account {
    /// Makes the account that the chart renders, with a token as a pod has one.
    pub async fn make(admin: &Client, kubeconfig: &Path, chart: &Chart) -> Self {
        let (namespace, _) = account_of(chart);
        let own = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace }
        });
        apply(admin, &own).await;
        for kind in [
            "ServiceAccount",
            "ClusterRole",
            "Role",
            "ClusterRoleBinding",
            "RoleBinding",
        ] {
            for document in chart.of_kind(kind) {
                apply(admin, document).await;
            }
        }
        Self::mint(admin, kubeconfig, chart).await
    }

    /// A token for the account that the chart made.
    pub async fn mint(admin: &Client, kubeconfig: &Path, chart: &Chart) -> Self {
        let (namespace, name) = account_of(chart);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                expiration_seconds: Some(TOKEN_SECONDS),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let token = Api::<ServiceAccount>::namespaced(admin.clone(), namespace)
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .unwrap()
            .status
            .unwrap()
            .token;
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("kubeconfig");
        kubeconfig_with_token(kubeconfig, &token, &own).unwrap();
        until_it_may(&client_of(&own).await, chart).await;
        Self {
            kubeconfig: own,
            user: format!("system:serviceaccount:{namespace}:{name}"),
            _folder: Arc::new(folder),
        }
    }
}

/// The account's namespace and name.
fn account_of(chart: &Chart) -> (&str, &str) {
    let metadata = &chart.of_kind("ServiceAccount").next().unwrap()["metadata"];
    let text = |key: &str| metadata[key].as_str().unwrap();
    (text("namespace"), text("name"))
}

/// The API server learns of new roles by a watch of its own.
async fn until_it_may(account: &Client, chart: &Chart) {
    let environment = chart.environment();
    let watched = environment
        .iter()
        .find(|(name, _)| name == "FREEHOLD_WATCH_NAMESPACE");
    let namespace = watched.and_then(|(_, namespaces)| namespaces.split(',').next());
    let (group, resource, verb) = ("events.k8s.io", "events", "create");
    eventually("the account has its rights", async || {
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    group: Some(group.to_owned()),
                    resource: Some(resource.to_owned()),
                    verb: Some(verb.to_owned()),
                    namespace: namespace.map(str::to_owned),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let answer = Api::<SelfSubjectAccessReview>::all(account.clone())
            .create(&PostParams::default(), &review)
            .await
            .map_err(|error| error.to_string())?;
        match answer.status {
            Some(status) if status.allowed => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

async fn apply(client: &Client, document: &Value) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let api_version = text(&document["apiVersion"]);
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let kind = GroupVersionKind::gvk(group, version, &text(&document["kind"]));
    let resource = ApiResource::from_gvk(&kind);
    let metadata = &document["metadata"];
    let api = match metadata["namespace"].as_str() {
        Some(namespace) => {
            Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource)
        }
        None => Api::all_with(client.clone(), &resource),
    };
    let params = PatchParams::apply("freehold-tests").force();
    api.patch(&text(&metadata["name"]), &params, &Patch::Apply(document))
        .await
        .unwrap();
}
