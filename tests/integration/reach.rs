//! The way to the API server, and what stands in it: proxies, token files, replaced CRDs,
//! refused credentials.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use freehold::api::State;
use freehold_testbed::ForwardProxy;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use serde_json::json;
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{
    Account, Chart, Cluster, DEADLINE, OperatorProcess, PrivatePlane, World, client_of, eventually,
    eventually_within, freehold, random_label, variable,
};

/// A name that only a proxy knows.
const SERVER: &str = "api.nowhere.example";

/// A copy of a kubeconfig with other lines for some keys.
fn changed(kubeconfig: &Path, folder: &Path, lines: &[(&str, &str)]) -> PathBuf {
    let mut text = String::new();
    for line in fs::read_to_string(kubeconfig).unwrap().lines() {
        let other = lines.iter().find(|(key, _)| line.trim().starts_with(key));
        text += other.map_or(line, |(_, other)| other);
        text += "\n";
    }
    let path = folder.join(random_label());
    fs::write(&path, text).unwrap();
    path
}

async fn ran(mut command: Command, kubeconfig: &Path, variables: &[(&str, &str)]) -> Output {
    command
        .env("KUBECONFIG", kubeconfig)
        .envs(variables.iter().copied());
    timeout(DEADLINE, command.output()).await.unwrap().unwrap()
}

fn plugin(namespace: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-freehold"));
    command
        .args(["status", "--namespace", namespace])
        .kill_on_drop(true);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_is_reached_through_http_and_socks_proxies() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    tenant.state("main", &world.name("proxied")).await;
    let proxy = ForwardProxy::start(Cluster::shared_address())
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let server = format!("    server: https://{SERVER}:6443\n    tls-server-name: 127.0.0.1");
    let admin = PathBuf::from(variable("FREEHOLD_TEST_KUBECONFIG"));
    let unproxied = changed(&admin, folder.path(), &[("server:", &server)]);
    let target = format!("{SERVER}:6443");
    for scheme in ["http", "socks5"] {
        let url = format!("{scheme}://{}", proxy.addr());
        let with_proxy = format!("{server}\n    proxy-url: {url}");
        let proxied = |of: &Path| changed(of, folder.path(), &[("server:", &with_proxy)]);
        // That is the proxy's own address.
        for no_proxy in ["", "127.0.0.1", "a,,b,"] {
            let variables = [("HTTPS_PROXY", &*url), ("NO_PROXY", no_proxy)];
            let output = ran(plugin(&tenant.namespace), &unproxied, &variables).await;
            assert!(output.status.success(), "{variables:?}: {output:?}");
            assert!(proxy.take_asked().contains(&target), "{variables:?}");
        }
        // Of all the cluster, so that what others leave there may be left out.
        let mut export = freehold();
        export.arg("export");
        let output = ran(export, &unproxied, &[("HTTPS_PROXY", &url)]).await;
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.stdout.is_empty(), "{error}");
        assert!(proxy.take_asked().contains(&target));
        let output = ran(plugin(&tenant.namespace), &proxied(&admin), &[]).await;
        assert!(output.status.success(), "{scheme}: {output:?}");
        assert!(proxy.take_asked().contains(&target));

        let kubeconfig = proxied(&world.cluster.kubeconfig);
        let operator = world.operator(&[&tenant]).kubeconfig(&kubeconfig);
        let operator = operator.start().await;
        assert!(proxy.take_asked().contains(&target));
        assert!(operator.terminate().await.success());
    }
    // What the operator connected to by the way.
    let _ = proxy.take_asked();
    let url = format!("http://{}", proxy.addr());
    let excepted = [("HTTPS_PROXY", &*url), ("NO_PROXY", "nowhere.example")];
    let output = ran(plugin(&tenant.namespace), &unproxied, &excepted).await;
    assert!(!output.status.success());
    assert_eq!(proxy.take_asked(), Vec::<String>::new());
    let unclear = [("HTTPS_PROXY", "http://u:secret@pro xy")];
    let output = ran(plugin(&tenant.namespace), &unproxied, &unclear).await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("HTTPS_PROXY is not a proxy URL"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_file_may_end_with_a_newline() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let folder = tempfile::tempdir().unwrap();
    let with_file = |kubeconfig: &Path, name: &str| {
        let text = fs::read_to_string(kubeconfig).unwrap();
        let mut lines = text.lines();
        let token = lines.find_map(|line| line.trim().strip_prefix("token: "));
        let file = folder.path().join(name);
        fs::write(&file, format!("{}\n", token.unwrap())).unwrap();
        let line = format!("    tokenFile: {}", file.display());
        changed(kubeconfig, folder.path(), &[("token:", &line)])
    };
    let admin = PathBuf::from(variable("FREEHOLD_TEST_KUBECONFIG"));
    let kubeconfig = with_file(&admin, "admin");
    let output = ran(plugin(&tenant.namespace), &kubeconfig, &[]).await;
    assert!(output.status.success(), "{output:?}");
    let kubeconfig = with_file(&world.cluster.kubeconfig, "operator");
    let operator = world.operator(&[&tenant]).kubeconfig(&kubeconfig);
    operator.start().await;
}

async fn until_ready_says(operator: &OperatorProcess, code: u16, words: &str) {
    eventually(
        &format!("/readyz says {code} {words}"),
        async || match operator.get("/readyz").await? {
            (said, body) if said == code && body.contains(words) => Ok(()),
            (said, body) => Err(format!("{said} {body}")),
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_definition_costs_a_verified_name_seconds() {
    let private = PrivatePlane::start().await;
    let world = World::on(private.cluster().await).await;
    world.cluster.install(freehold::api::crds()).await;
    let tenant = world.tenant().await;
    let operator = world.operator(&[&tenant]).every("1s").start().await;
    let domain = world
        .verified(&tenant, "main", &world.name("replaced"))
        .await;
    let kubectl = async |arguments: &[&str]| {
        let mut command = private.plane.kubectl();
        let output = command.args(arguments).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    kubectl(&["delete", "crd", "verifieddomains.freehold.dev"]).await;
    until_ready_says(&operator, 503, "does not serve VerifiedDomain").await;
    eventually("a name was to be taken meanwhile", async || {
        let controller = "controller=\"organizationdomain\"";
        match operator
            .metric("controller_runtime_reconcile_errors_total", controller)
            .await
        {
            0..3 => Err("not yet"),
            _ => Ok(()),
        }
    })
    .await;
    world.cluster.install(freehold::api::crds()).await;
    let back = Instant::now();
    eventually_within(
        Duration::from_secs(15),
        "it is held again",
        async || match domain.holding().await {
            Some(_) => Ok(()),
            None => Err(format!("{:?}", domain.get().await.status)),
        },
    )
    .await;
    domain.until_state(State::Verified).await;
    println!("held again after {} ms", back.elapsed().as_millis());
    until_ready_says(&operator, 200, "ok").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_is_not_ready_until_it_is_let_in() {
    // For the CRDs.
    let tenant = World::new().await.empty_tenant().await;
    let admin = PathBuf::from(variable("FREEHOLD_TEST_KUBECONFIG"));
    let client = client_of(&admin).await;
    let namespace = format!("freehold-{}", random_label());
    let values = json!({ "watchNamespaces": [tenant.namespace] });
    let chart = Chart::render("freehold", &namespace, &values).unwrap();
    let account = Account::make(&client, &admin, &chart).await;
    let world = World::on(Cluster::with(client.clone(), account)).await;
    // Somebody leads for an hour.
    let lease: Lease = serde_json::from_value(json!({
        "metadata": { "name": "freehold" },
        "spec": { "holderIdentity": "another", "leaseDurationSeconds": 3600 },
    }))
    .unwrap();
    Api::<Lease>::namespaced(client.clone(), &namespace)
        .create(&PostParams::default(), &lease)
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = &world.cluster.kubeconfig;
    let unknown = changed(
        kubeconfig,
        folder.path(),
        &[("token:", "    token: unknown")],
    );
    let unknown = world.operator(&[]).kubeconfig(&unknown).spawn();
    let mut standby = world.operator(&[]).deployed_by(&chart).start().await;

    let bindings = Api::<RoleBinding>::namespaced(client, &namespace);
    let binding = bindings.list(&ListParams::default()).await.unwrap().items;
    let [binding] = &binding[..] else {
        panic!("{binding:?}");
    };
    let name = binding.metadata.name.as_deref().unwrap();
    bindings
        .delete(name, &DeleteParams::default())
        .await
        .unwrap();
    until_ready_says(&standby, 503, "use its Lease").await;
    until_ready_says(&unknown, 503, "does not accept this process's credentials").await;
    let again = RoleBinding {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        ..binding.clone()
    };
    bindings
        .create(&PostParams::default(), &again)
        .await
        .unwrap();
    until_ready_says(&standby, 200, "ok").await;
    standby.check_running();
}
