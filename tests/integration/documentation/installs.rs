//! The commands that install, use, upgrade and remove Freehold, on a control plane where no pod runs: the
//! operator is a process with the account and the settings that the release gives its pods.

use std::collections::BTreeMap;

use freehold::api::OrganizationDomain;
use freehold_testbed::DnsServer;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::run_by;
use crate::support::{
    Account, Chart, Cluster, IMAGE, Installed, OperatorSettings, PrivatePlane, Stated, Tenant,
    World, client_of, publish,
};

const NAMESPACE: &str = "freehold-system";

/// The commands that the chart shows after an install, to the letter: they are pasted.
fn next_steps(said: &str) -> String {
    let (_, notes) = said.split_once("NOTES:\n").unwrap();
    let parts = notes
        .split("\n\n")
        .filter(|part| part.starts_with("kubectl "));
    let parts: Vec<&str> = parts.collect();
    assert_eq!(parts.len(), 2, "{notes}");
    parts.join("\n")
}

/// Says of the release's pods what a cluster would that runs them.
async fn pods_run(client: &Client) {
    let status = json!({ "status": {
        "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2
    } });
    Api::<Deployment>::namespaced(client.clone(), NAMESPACE)
        .patch_status("freehold", &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
}

/// The environment of the operator, by Deployment.
async fn deployed(client: &Client, namespace: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let deployments = Api::<Deployment>::namespaced(client.clone(), namespace);
    let all = deployments.list(&ListParams::default()).await.unwrap();
    all.iter()
        .map(|deployment| {
            let pod = deployment.spec.clone().unwrap().template.spec.unwrap();
            let variables = pod.containers[0].env.clone().unwrap().into_iter();
            let environment = variables.map(|variable| (variable.name, variable.value.unwrap()));
            (deployment.name_any(), environment.collect())
        })
        .collect()
}

/// A command of the docs for the domain that the chart's next steps state.
fn of_notes(command: &str) -> String {
    command.replace("acme.com", "example.com")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_install_from_its_first_command_to_its_last() {
    let [
        install,
        rollout,
        check,
        reading @ ..,
        upgrade,
        uninstall,
        other,
        remove,
    ] = run_by("an_install_from_its_first_command_to_its_last")
    else {
        panic!("commands are missing")
    };
    let private = PrivatePlane::start().await;
    let kubeconfig = private.plane.kubeconfig();
    let admin = client_of(kubeconfig).await;
    let installed = Installed::new();
    let type_in = async |command: &str| installed.told(command, kubeconfig).await;

    let said = type_in(install).await;
    pods_run(&admin).await;
    type_in(rollout).await;
    let account = Account::mint(&admin, kubeconfig, Chart::installed()).await;
    let world = World::on(Cluster::with(admin.clone(), account)).await;
    let settings = world.operator(&[]).deployed_by(Chart::installed());
    let operator = settings.every("1s").start().await;
    let shown = type_in(&next_steps(&said)).await;
    assert!(shown.contains("example.com"), "{shown}");

    let domain = Api::<OrganizationDomain>::namespaced(admin.clone(), "default")
        .get("acme")
        .await
        .unwrap();
    let domain = Stated::new(&admin, &domain);
    let challenge = domain.challenge().await;
    publish(&world.dns, &challenge.records[0]);
    let server = world.dns.addr().to_string();
    let environment = [
        ("FREEHOLD_DNS_MODE", "recursive"),
        ("FREEHOLD_DNS_SERVER", server.as_str()),
        ("FREEHOLD_TOKEN", challenge.token.as_str()),
    ];
    let check = of_notes(check).replace("DOMAIN", "example.com");
    let output = installed.done(&check, kubeconfig, &environment).await;
    assert!(output.status.success(), "{check}: {output:?}");
    domain.until_verified().await;
    for command in reading {
        let shown = type_in(&of_notes(command).replace("NAME", "acme")).await;
        assert!(shown.lines().count() > 1, "{command}: {shown}");
    }

    type_in(upgrade).await;
    let environment = &deployed(&admin, NAMESPACE).await["freehold"];
    assert_eq!(environment["FREEHOLD_LEASE_NAME"], "freehold");
    let images = type_in("kubectl get deployment --all-namespaces --output wide").await;
    assert!(images.contains(IMAGE), "{images}");
    assert!(operator.terminate().await.success());
    type_in(uninstall).await;
    assert!(deployed(&admin, NAMESPACE).await.is_empty());
    domain.until_verified().await;
    // The same name goes on with the CRDs that it left, another leaves them alone, or takes them.
    type_in(install).await;
    type_in(uninstall).await;
    type_in(other).await;
    domain.until_verified().await;
    type_in("helm uninstall verifier --namespace verifier-system").await;
    let (command, last_option) = other.rsplit_once("--set ").unwrap();
    assert_eq!(last_option, "crds.enabled=false");
    type_in(&format!("{command}--take-ownership")).await;
    domain.until_verified().await;
    type_in(remove).await;
    let left = type_in("kubectl get customresourcedefinitions --output name").await;
    assert_eq!(left, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn installs_of_other_kinds() {
    let [
        define,
        operator,
        help,
        recursive_operator,
        namespace,
        template,
        recursive,
        some,
        other,
        sharded,
    ] = run_by("installs_of_other_kinds")
    else {
        panic!("commands are missing")
    };
    let private = PrivatePlane::start().await;
    let kubeconfig = private.plane.kubeconfig();
    let admin = client_of(kubeconfig).await;
    let installed = Installed::new();
    let type_in = async |command: &str| installed.told(command, kubeconfig).await;
    let uninstall = async |release: &str| {
        let command = format!("helm uninstall freehold --namespace {release}");
        type_in(&command).await;
    };

    type_in(define).await;
    let dns = DnsServer::start().await.unwrap();
    let by_test = [
        ("FREEHOLD_DNS_MODE", "recursive".to_owned()),
        ("FREEHOLD_DNS_SERVER", dns.addr().to_string()),
        ("FREEHOLD_CHECK_LADDER", "1s".to_owned()),
    ];
    let tenant = Tenant::empty(&admin).await;
    tenant.organization("acme").await;
    let stated = tenant.state("main", "example.com").await;
    let settings = OperatorSettings::typed(operator, kubeconfig, &installed, &by_test);
    let running = settings.start().await;
    publish(&dns, &stated.challenge().await.records[0]);
    stated.until_verified().await;
    assert!(running.terminate().await.success());
    assert!(type_in(help).await.contains("--dns-mode"));
    // Where these servers are out of reach it has nothing to say, and is at work all the same.
    let settings = OperatorSettings::typed(recursive_operator, kubeconfig, &installed, &[]);
    let running = settings.start().await;
    assert!(running.terminate().await.success());

    type_in(namespace).await;
    type_in(template).await;
    assert_eq!(deployed(&admin, NAMESPACE).await.len(), 1);
    let (rendering, _) = template.split_once(" | ").unwrap();
    type_in(&format!("{rendering} | kubectl delete -f -")).await;

    type_in(recursive).await;
    let environment = &deployed(&admin, NAMESPACE).await["freehold"];
    assert_eq!(environment["FREEHOLD_DNS_MODE"], "recursive");
    let servers = &environment["FREEHOLD_DNS_SERVER"];
    assert_eq!(servers, "tls://9.9.9.9,https://1.1.1.1");
    uninstall(NAMESPACE).await;

    for name in ["team-a", "team-b", "team-c"] {
        Tenant::named(&admin, name).await;
    }
    type_in(some).await;
    type_in(other).await;
    for (namespace, watched) in [(NAMESPACE, "team-a,team-b"), ("freehold-c", "team-c")] {
        let environment = &deployed(&admin, namespace).await["freehold"];
        assert_eq!(environment["FREEHOLD_WATCH_NAMESPACE"], watched);
        uninstall(namespace).await;
    }

    type_in(sharded).await;
    let deployments = deployed(&admin, NAMESPACE).await;
    let names: Vec<&String> = deployments.keys().collect();
    assert_eq!(names, ["freehold", "freehold-east", "freehold-west"]);
}
