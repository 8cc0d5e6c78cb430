//! The chart's life on a cluster: installed, upgraded, uninstalled, installed again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use freehold::api::{OrganizationDomain, State, VerifiedDomain};
use freehold_testbed::Options;
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::support::{
    Account, Chart, Cluster, IMAGE, OperatorSettings, PrivatePlane, Stated, World, chart_folder,
    client_of, helm, publish, status, uid,
};

const NAMESPACE: &str = "freehold-system";

fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn git(arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// The chart as it was released last, or before its last change, as a package.
fn previous_package(folder: &Path) -> PathBuf {
    let tag = git(&["describe", "--tags", "--abbrev=0", "HEAD^"])
        .output()
        .unwrap();
    let revision = if tag.status.success() {
        String::from_utf8(tag.stdout).unwrap()
    } else {
        succeed(&mut git(&[
            "log",
            "-2",
            "--format=%H",
            "--",
            "charts/freehold",
        ]))
    };
    let revision = revision.lines().last().unwrap();
    let unchanged = ["diff", "--quiet", revision, "HEAD", "--", "charts/freehold"];
    if git(&unchanged).status().unwrap().success() {
        eprintln!("without the history of the chart, the upgrade is from the chart as it is");
    }
    let archive = folder.join("previous.tar");
    succeed(
        git(&["archive", "--format=tar", "--output"])
            .arg(&archive)
            .args([revision, "charts/freehold"]),
    );
    succeed(
        Command::new("tar")
            .arg("-xf")
            .arg(&archive)
            .current_dir(folder),
    );
    succeed(
        helm()
            .args(["package", "charts/freehold", "--version=0.0.1-previous"])
            .current_dir(folder),
    );
    folder.join("freehold-0.0.1-previous.tgz")
}

/// What was rendered and is not there; the API server adds defaults.
fn missing(path: &str, live: &Value, rendered: &Value) -> Option<String> {
    match (live, rendered) {
        (Value::Object(live), Value::Object(rendered)) => {
            rendered.iter().find_map(|(key, value)| {
                missing(
                    &format!("{path}.{key}"),
                    live.get(key).unwrap_or(&Value::Null),
                    value,
                )
            })
        }
        (Value::Array(live), Value::Array(rendered)) if live.len() == rendered.len() => live
            .iter()
            .zip(rendered)
            .find_map(|(live, value)| missing(&format!("{path}[]"), live, value)),
        (live, rendered) if live == rendered => None,
        // 0 and 0.0 are one number.
        (live, rendered) if live.is_number() && live.as_f64() == rendered.as_f64() => None,
        (live, rendered) => Some(format!("{path} is {live}, not {rendered}")),
    }
}

async fn is_as_rendered(client: &Client, chart: &Chart) {
    // What a hook makes is not there until somebody asks for it.
    let is_hook =
        |document: &&Value| !document["metadata"]["annotations"]["helm.sh/hook"].is_null();
    for document in chart.documents.iter().filter(|document| !is_hook(document)) {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let version = text(&document["apiVersion"]);
        let (group, version) = version.split_once('/').unwrap_or(("", &version));
        let kind = GroupVersionKind::gvk(group, version, &text(&document["kind"]));
        let resource = ApiResource::from_gvk(&kind);
        let name = text(&document["metadata"]["name"]);
        let api: Api<DynamicObject> = match document["metadata"]["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        let live = serde_json::to_value(api.get(&name).await.unwrap()).unwrap();
        assert_eq!(missing(&name, &live, document), None);
    }
}

/// The tokens of all domains, which are all Verified, and the uids of what holds their names.
async fn verified(client: &Client) -> BTreeMap<String, (String, String)> {
    let domains = Api::<OrganizationDomain>::all(client.clone());
    let holdings = Api::<VerifiedDomain>::all(client.clone());
    let mut verified = BTreeMap::new();
    for object in domains.list(&ListParams::default()).await.unwrap() {
        let status = status(&object);
        assert_eq!(status.state, Some(State::Verified), "{:?}", object.metadata);
        let name = status.canonical_name.unwrap();
        let holding = holdings.get(&name).await.unwrap();
        assert_eq!(holding.spec.holder.uid, uid(&object));
        verified.insert(name, (status.challenge.unwrap().token, uid(&holding)));
    }
    verified
}

/// The operator that the release's account and the chart's settings make.
async fn operator(private: &PrivatePlane, admin: &Client, chart: &Chart) -> World {
    let account = Account::mint(admin, private.plane.kubeconfig(), chart).await;
    World::on(Cluster::with(admin.clone(), account)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn installed_upgraded_uninstalled_and_installed_again() {
    let folder = tempfile::tempdir().unwrap();
    let previous = previous_package(folder.path());
    let current = chart_folder();
    let private = PrivatePlane::start_with(Options {
        controller_manager: false,
        ..Options::default()
    })
    .await;
    let kubeconfig = private.plane.kubeconfig().to_owned();
    let admin = client_of(&kubeconfig).await;
    let run = |arguments: &[&str], chart: Option<&Path>| {
        succeed(
            helm()
                .args(arguments)
                .args(chart.map(|_| format!("--set=image.repository={IMAGE}")))
                .args(chart)
                .args(["--namespace", NAMESPACE])
                .env("KUBECONFIG", &kubeconfig),
        )
    };

    let said = run(
        &["install", "freehold", "--create-namespace"],
        Some(&previous),
    );
    assert!(
        said.contains("kubectl --namespace freehold-system rollout status"),
        "{said}"
    );
    let old = Chart::render_from(&previous, "freehold", NAMESPACE, &json!({})).unwrap();
    let world = operator(&private, &admin, &old).await;
    let settings: OperatorSettings = world.operator(&[]).every("1s");
    let before_upgrade = settings.clone().deployed_by(&old).start().await;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/demo");
    let applied = private
        .plane
        .kubectl()
        .args(["apply", "--filename"])
        .arg(examples)
        .output();
    let applied = applied.await.unwrap();
    assert!(applied.status.success(), "{applied:?}");
    let domains = Api::<OrganizationDomain>::all(admin.clone());
    for object in domains.list(&ListParams::default()).await.unwrap() {
        let domain = Stated::new(&admin, &object);
        publish(&world.dns, &domain.challenge().await.records[0]);
        domain.until_verified().await;
    }
    let first = verified(&admin).await;
    assert!(first.len() > 2);

    run(&["upgrade", "freehold"], Some(&current));
    let chart = Chart::installed();
    is_as_rendered(&admin, chart).await;
    assert_eq!(verified(&admin).await, first);
    before_upgrade.terminate().await;
    let settings = settings.deployed_by(chart);
    let after_upgrade = settings.with("--recheck-period", "1s").start().await;
    for object in domains.list(&ListParams::default()).await.unwrap() {
        Stated::new(&admin, &object)
            .checked("after the upgrade")
            .await;
    }
    assert_eq!(verified(&admin).await, first);
    after_upgrade.terminate().await;

    run(&["uninstall", "freehold"], None);
    let accounts = private
        .plane
        .kubectl()
        .args([
            "get",
            "serviceaccount,deployment,clusterrole",
            "--output=name",
        ])
        .args([
            "--all-namespaces",
            "--selector=app.kubernetes.io/instance=freehold",
        ])
        .output()
        .await
        .unwrap();
    assert_eq!(String::from_utf8(accounts.stdout).unwrap(), "");
    assert_eq!(verified(&admin).await, first);

    run(&["install", "freehold"], Some(&current));
    is_as_rendered(&admin, chart).await;
    // A second release for all namespaces would write the same statuses.
    let second = helm()
        .args(["install", "second", "--namespace=default", "--set"])
        .arg(format!("image.repository={IMAGE},crds.enabled=false"))
        .arg(&current)
        .env("KUBECONFIG", &kubeconfig)
        .output()
        .unwrap();
    let refusal = String::from_utf8_lossy(&second.stderr);
    let words = format!("the release freehold in namespace {NAMESPACE} already watches all");
    assert!(refusal.contains(&words), "{refusal}");
    assert_eq!(verified(&admin).await, first);
    let world = operator(&private, &admin, chart).await;
    let again = world.operator(&[]).deployed_by(chart).start().await;
    again.terminate().await;
    assert_eq!(verified(&admin).await, first);
}

/// The chart, with other words in a CRD.
fn with_other_words(folder: &Path) -> PathBuf {
    let changed = folder.join("changed");
    succeed(
        Command::new("cp")
            .arg("-r")
            .arg(chart_folder())
            .arg(&changed),
    );
    let file = changed.join("templates/crds.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let other = text.replacen("description: The ", "description: Said otherwise, the ", 1);
    assert_ne!(text, other);
    std::fs::write(&file, other).unwrap();
    changed
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_pass_from_kubectl_to_helm_and_back_and_change_with_an_upgrade() {
    let folder = tempfile::tempdir().unwrap();
    let changed = with_other_words(folder.path());
    let private = PrivatePlane::start_with(Options {
        controller_manager: false,
        ..Options::default()
    })
    .await;
    let apply = async |more: &[&str]| {
        let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
        let mut kubectl = private.plane.kubectl();
        kubectl.args(["apply", "--server-side", "--filename"]);
        let applied = kubectl.arg(crds).args(more).output().await.unwrap();
        assert!(applied.status.success(), "{applied:?}");
    };
    let run = |arguments: &[&str], chart: &Path| {
        let mut helm = helm();
        helm.args(arguments).arg(chart);
        helm.arg(format!("--set=image.repository={IMAGE}"));
        helm.args(["--namespace", NAMESPACE])
            .env("KUBECONFIG", private.plane.kubeconfig());
        succeed(&mut helm)
    };
    let says_otherwise = async || {
        let mut kubectl = private.plane.kubectl();
        kubectl.args(["get", "customresourcedefinitions", "--output=yaml"]);
        let shown = kubectl.output().await.unwrap();
        String::from_utf8(shown.stdout)
            .unwrap()
            .contains("Said otherwise, the ")
    };

    apply(&[]).await;
    let take = [
        "install",
        "freehold",
        "--create-namespace",
        "--take-ownership",
    ];
    run(&take, &chart_folder());
    // kubectl has applied them too, until Helm takes them over.
    run(&["upgrade", "freehold", "--force-conflicts"], &changed);
    assert!(says_otherwise().await);
    run(&["upgrade", "freehold"], &chart_folder());
    assert!(!says_otherwise().await);
    run(&["upgrade", "freehold"], &changed);
    apply(&["--force-conflicts"]).await;
    assert!(!says_otherwise().await);
}
