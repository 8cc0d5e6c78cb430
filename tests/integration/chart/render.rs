//! What the chart renders to, over its switches.

use std::collections::{BTreeMap, BTreeSet};

use freehold::api;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::support::{
    Chart, Cluster, IMAGE, chart_folder, define, helm, kubectl_takes, random_label,
};

/// Names of releases, each with how it is in the names of objects: YAML reads some as no text, and a Service
/// has no dot, no digit first and 63 characters at most.
const RELEASES: [(&str, &str); 6] = [
    ("freehold", "freehold"),
    ("123", "freehold-123"),
    ("true", "true-freehold"),
    ("my.freehold", "my-freehold"),
    ("my.release", "my-release-freehold"),
    (
        "a-release-of-as-many-characters-as-helm-allows.at-all",
        "a-release-of-as-many-characters-as-helm-al",
    ),
];

/// The chart's switches, each with what it can be set to; the first is the default.
fn switches(namespaces: [&str; 3]) -> Vec<Vec<Value>> {
    let [first, second, of_digits] = namespaces;
    let volume = json!({ "name": "dns", "configMap": { "name": "dns" } });
    vec![
        vec![
            json!({}),
            json!({ "watchNamespaces": [first, second] }),
            json!({ "watchNamespaces": [of_digits] }),
        ],
        vec![
            json!({}),
            json!({ "shards": ["east", "west"] }),
            json!({ "shards": ["1", "2", "on", "null"] }),
        ],
        vec![
            json!({}),
            json!({ "crds": { "keep": false } }),
            json!({ "crds": { "enabled": false } }),
        ],
        vec![json!({}), json!({ "rbac": { "create": false } })],
        vec![json!({}), json!({ "rbac": { "userRoles": false } })],
        vec![
            json!({}),
            json!({ "serviceAccount": { "create": false, "name": "own" } }),
            json!({ "serviceAccount": { "name": "own" } }),
        ],
        vec![
            json!({}),
            json!({ "podDisruptionBudget": { "enabled": false } }),
        ],
        vec![
            json!({}),
            json!({ "leaderElection": { "enabled": false }, "replicas": 1 }),
        ],
        vec![json!({}), json!({ "networkPolicy": { "enabled": true } })],
        vec![
            json!({}),
            json!({ "metrics": { "serviceMonitor": { "enabled": true, "labels": { "by": "us" } } } }),
        ],
        vec![
            json!({}),
            json!({ "metrics": { "prometheusRule": { "enabled": true } } }),
        ],
        vec![
            json!({}),
            json!({ "metrics": { "dashboard": { "enabled": true } } }),
        ],
        vec![
            json!({}),
            json!({ "image": {
                "digest": format!("sha256:{}", "0".repeat(64)), "pullPolicy": "Always"
            }, "imagePullSecrets": [{ "name": "registry" }] }),
        ],
        vec![
            json!({}),
            json!({
                "settings": {
                    "dnsMode": "recursive", "dnsServer": ["tls://192.0.2.1", "192.0.2.2"],
                    "dnsCaFile": "/etc/freehold/ca.crt", "maxPendingPerNamespace": 2_000_000
                },
                "extraVolumes": [volume],
                "extraVolumeMounts": [{ "name": "dns", "mountPath": "/etc/freehold", "readOnly": true }]
            }),
            json!({ "settings": { "dnsPort": 5353, "dnsRoot": ["[2001:db8::1]:5300"] } }),
        ],
        vec![
            json!({}),
            json!({
                "fullnameOverride": "verifier", "priorityClassName": "high",
                "nodeSelector": { "kubernetes.io/os": "linux" },
                "tolerations": [{ "key": "own", "operator": "Exists" }],
                "affinity": { "podAntiAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [] } },
                "topologySpread": []
            }),
        ],
        vec![json!({}), additions()],
    ]
}

/// What platforms add to what the chart makes; the chart's own labels win.
fn additions() -> Value {
    json!({
        "commonLabels": { "team": "platform", "app.kubernetes.io/part-of": "else" },
        "podLabels": { "mesh": "on" }, "podAnnotations": { "scan": "yes" },
        "deploymentAnnotations": { "reload": "true" },
        "serviceAccount": { "annotations": { "role": "dns" } },
        "extraArgs": ["--log-level=debug"],
        "extraEnv": [{ "name": "HTTPS_PROXY", "value": "http://192.0.2.1:3128" }],
        "podSecurityContext": { "runAsUser": 1000 },
        "securityContext": { "privileged": false }
    })
}

#[test]
fn additions_are_where_they_belong() {
    let values = merge_all(json!({ "nameOverride": "verifier" }), &additions());
    let chart = Chart::render("r", "default", &values).unwrap();
    for document in &chart.documents {
        let labels = &document["metadata"]["labels"];
        assert_eq!(labels["team"], "platform", "{document}");
        assert_eq!(labels["app.kubernetes.io/part-of"], "freehold");
        assert_eq!(labels["app.kubernetes.io/name"], "verifier");
    }
    let deployment = chart.of_kind("Deployment").next().unwrap();
    assert_eq!(deployment["metadata"]["name"], "r-verifier");
    assert_eq!(deployment["metadata"]["annotations"]["reload"], "true");
    let metadata = &deployment["spec"]["template"]["metadata"];
    assert_eq!(metadata["labels"]["mesh"], "on");
    assert_eq!(metadata["labels"]["team"], "platform");
    assert_eq!(metadata["annotations"]["scan"], "yes");
    let pod = chart.pod();
    assert_eq!(pod["enableServiceLinks"], false);
    assert_eq!(pod["securityContext"]["runAsUser"], 1000);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["containers"][0]["securityContext"]["privileged"], false);
    assert_eq!(chart.arguments(), ["operator", "--log-level=debug"]);
    let proxy = ("HTTPS_PROXY".to_owned(), "http://192.0.2.1:3128".to_owned());
    assert!(chart.environment().contains(&proxy));
    let account = chart.of_kind("ServiceAccount").next().unwrap();
    assert_eq!(account["metadata"]["annotations"]["role"], "dns");
}

fn merge_all(mut values: Value, more: &Value) -> Value {
    merge(&mut values, more);
    values
}

/// Choices in which every two options of two switches meet at least once.
fn pairwise(switches: &[Vec<Value>]) -> Vec<Vec<usize>> {
    let mut unmet = BTreeSet::new();
    for (first, options) in switches.iter().enumerate() {
        for (second, others) in switches.iter().enumerate().skip(first + 1) {
            for option in 0..options.len() {
                unmet.extend((0..others.len()).map(|other| (first, option, second, other)));
            }
        }
    }
    let mut choices = Vec::new();
    while let Some(&(first, option, second, other)) = unmet.first() {
        let mut chosen: BTreeMap<usize, usize> = [(first, option), (second, other)].into();
        for (switch, options) in switches.iter().enumerate() {
            if chosen.contains_key(&switch) {
                continue;
            }
            let meets = |option: &usize| {
                let pairs = chosen.iter().map(|(&with, &chosen)| {
                    if with < switch {
                        (with, chosen, switch, *option)
                    } else {
                        (switch, *option, with, chosen)
                    }
                });
                pairs.filter(|pair| unmet.contains(pair)).count()
            };
            let best = (0..options.len()).max_by_key(meets).unwrap();
            chosen.insert(switch, best);
        }
        unmet.retain(|(first, option, second, other)| {
            chosen[first] != *option || chosen[second] != *other
        });
        choices.push(chosen.into_values().collect());
    }
    choices
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// How many documents of each kind the values ask for.
fn expected(values: &Value) -> BTreeMap<&'static str, usize> {
    let is = |pointer: &str, default: bool| {
        let value = values.pointer(pointer);
        value.map_or(default, |value| value.as_bool().unwrap())
    };
    // The Lease is in the release's own namespace.
    let roles = values["watchNamespaces"].as_array().map_or(0, Vec::len)
        + usize::from(is("/leaderElection/enabled", true));
    let shards = 1 + values["shards"].as_array().map_or(0, Vec::len);
    let own = usize::from(is("/rbac/create", true));
    let crds = if is("/crds/enabled", true) { 4 } else { 0 };
    let users = if is("/rbac/userRoles", true) { 3 } else { 0 };
    let mut expected: BTreeMap<_, _> = [
        ("Deployment", shards),
        ("Pod", 1),
        ("Service", shards),
        ("CustomResourceDefinition", crds),
        ("ClusterRole", own + users),
        ("ClusterRoleBinding", own),
        ("Role", own * roles),
        ("RoleBinding", own * roles),
        ("ServiceAccount", is("/serviceAccount/create", true).into()),
        (
            "PodDisruptionBudget",
            shards * usize::from(is("/podDisruptionBudget/enabled", true)),
        ),
        ("NetworkPolicy", is("/networkPolicy/enabled", false).into()),
        (
            "ServiceMonitor",
            is("/metrics/serviceMonitor/enabled", false).into(),
        ),
        (
            "PrometheusRule",
            is("/metrics/prometheusRule/enabled", false).into(),
        ),
        ("ConfigMap", is("/metrics/dashboard/enabled", false).into()),
    ]
    .into();
    expected.retain(|_, count| *count > 0);
    expected
}

/// A namespace where the API server admits only restricted pods.
async fn restricted_namespace(cluster: &Cluster, name: String) -> String {
    let object: Namespace = serde_json::from_value(json!({
        "metadata": { "name": name, "labels": { "pod-security.kubernetes.io/enforce": "restricted" } }
    }))
    .unwrap();
    Api::<Namespace>::all(cluster.client.clone())
        .create(&PostParams::default(), &object)
        .await
        .unwrap();
    name
}

/// A name that YAML would read as a number.
fn digits() -> String {
    let label = random_label();
    let letters = label.bytes().map(|letter| letter.to_string());
    letters.collect()
}

/// The API server takes every document, and no part of any is unknown to it.
async fn is_taken(chart: &Chart) {
    let taken = kubectl_takes(&chart.text).await;
    let taken = taken.unwrap_or_else(|said| panic!("{said}\n{}", chart.text));
    assert_eq!(taken.lines().count(), chart.documents.len(), "{taken}");
}

async fn pod_is_admitted(cluster: &Cluster, namespace: &str, chart: &Chart) {
    let pod: Pod = serde_json::from_value(json!({
        "metadata": { "name": "operator" }, "spec": chart.pod()
    }))
    .unwrap();
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    Api::<Pod>::namespaced(cluster.client.clone(), namespace)
        .create(&dry_run, &pod)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_two_switches_together_render_what_the_api_server_takes() {
    let cluster = Cluster::shared().await;
    define(
        &cluster,
        &[
            "monitoring.coreos.com_servicemonitors.yaml",
            "monitoring.coreos.com_prometheusrules.yaml",
        ],
    )
    .await;
    // The switches' class of pods.
    let class = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": { "name": "high" }, "value": 1000
    });
    Api::<PriorityClass>::all(cluster.client.clone())
        .patch("high", &PatchParams::apply("test"), &Patch::Apply(&class))
        .await
        .unwrap();
    let named = || restricted_namespace(&cluster, format!("chart-{}", random_label()));
    let release_namespace = named().await;
    let of_digits = restricted_namespace(&cluster, digits()).await;
    let watched = [named().await, named().await];
    let mut switches = switches([&watched[0], &watched[1], &of_digits]);
    // Not of the values.
    switches.push(vec![Value::Null; RELEASES.len()]);
    let choices = pairwise(&switches);
    for choice in &choices {
        let mut values = json!({});
        let (&release, of_values) = choice.split_last().unwrap();
        for (options, &chosen) in switches.iter().zip(of_values) {
            merge(&mut values, &options[chosen]);
        }
        let (release, name) = RELEASES[release];
        let chart = Chart::render(release, &release_namespace, &values).unwrap();
        let mut kinds = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for document in &chart.documents {
            let metadata = &document["metadata"];
            let named = [&document["kind"], &metadata["namespace"], &metadata["name"]];
            assert!(seen.insert(named.map(Value::to_string)), "{named:?}");
            if values["fullnameOverride"].is_null() && document["kind"] == "Service" {
                let service = metadata["name"].as_str().unwrap();
                assert!(service.starts_with(name), "{service} of {release}");
            }
            *kinds.entry(document["kind"].as_str().unwrap()).or_insert(0) += 1;
            let labels = &document["metadata"]["labels"];
            for label in [
                "name",
                "instance",
                "version",
                "managed-by",
                "component",
                "part-of",
            ] {
                let label = format!("app.kubernetes.io/{label}");
                assert!(labels[&label].is_string(), "{label} of {document}");
            }
            assert_eq!(labels["app.kubernetes.io/instance"], release);
            assert_eq!(labels["helm.sh/chart"], "freehold-0.1.0");
        }
        assert_eq!(kinds, expected(&values), "{values}");
        let kept = !chart.text.contains("helm.sh/resource-policy: keep");
        let keeps = values.pointer("/crds/keep").is_none() && values["crds"]["enabled"] != false;
        assert_eq!(kept, !keeps, "{values}");
        is_taken(&chart).await;
        pod_is_admitted(&cluster, &release_namespace, &chart).await;
    }
    println!("{} sets of values", choices.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_and_its_namespace_may_be_called_what_yaml_reads_as_no_text() {
    let cluster = Cluster::shared().await;
    let monitors = ["monitoring.coreos.com_servicemonitors.yaml"];
    define(&cluster, &monitors).await;
    let namespace = restricted_namespace(&cluster, digits()).await;
    for name in ["", "null", "on", "false"] {
        let values = json!({
            "fullnameOverride": name, "watchNamespaces": [namespace], "shards": ["1", "y"],
            "networkPolicy": { "enabled": true },
            "metrics": { "serviceMonitor": { "enabled": true }, "dashboard": { "enabled": true } }
        });
        is_taken(&Chart::render("123", &namespace, &values).unwrap()).await;
    }
}

/// The longest names that any release makes, and the shortest.
#[tokio::test(flavor = "multi_thread")]
async fn the_longest_shard_of_the_longest_release_is_a_service() {
    let cluster = Cluster::shared().await;
    let namespace = restricted_namespace(&cluster, format!("chart-{}", random_label())).await;
    let shard = "s".repeat(20);
    let values = json!({ "shards": [shard], "crds": { "enabled": false } });
    let release = "r".repeat(53);
    let chart = Chart::render(&release, &namespace, &values).unwrap();
    is_taken(&chart).await;
    let names = chart
        .of_kind("Service")
        .map(|service| &service["metadata"]["name"]);
    let names: Vec<&Value> = names.collect();
    let name = "r".repeat(42);
    assert_eq!(names, [&json!(name), &json!(format!("{name}-{shard}"))]);
    // Where it is cut behind hyphens, none is left.
    let release = format!("{}--{}", "r".repeat(40), "s".repeat(11));
    is_taken(&Chart::render(&release, &namespace, &values).unwrap()).await;
}

#[test]
fn no_two_objects_have_one_name_in_whichever_namespace() {
    for namespace in ["lease", "view", "freehold", "edit"] {
        let values = json!({ "watchNamespaces": [namespace, "other"] });
        let chart = Chart::render("r", namespace, &values).unwrap();
        let mut seen = BTreeSet::new();
        for document in &chart.documents {
            let metadata = &document["metadata"];
            let named = [&document["kind"], &metadata["namespace"], &metadata["name"]];
            assert!(seen.insert(named.map(Value::to_string)), "{named:?}");
        }
    }
}

#[test]
fn the_definitions_are_those_of_the_operator() {
    let mut rendered: Vec<Value> = Chart::installed()
        .of_kind("CustomResourceDefinition")
        .cloned()
        .collect();
    for definition in &mut rendered {
        let metadata = definition["metadata"].as_object_mut().unwrap();
        assert_eq!(
            metadata.remove("annotations"),
            Some(json!({
                "helm.sh/resource-policy": "keep",
                // Argo CD minds the other when an application is deleted, not when it prunes.
                "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
            }))
        );
        metadata.remove("labels");
    }
    let of_name = |definition: &Value| definition["metadata"]["name"].to_string();
    rendered.sort_by_key(of_name);
    let mut own: Vec<Value> = api::crds()
        .iter()
        .map(|definition| serde_json::to_value(definition).unwrap())
        .collect();
    own.sort_by_key(of_name);
    assert!(rendered == own, "run: cargo xtask crds");
}

#[test]
fn openshift_chooses_the_user() {
    let rendered = |more: &[&str]| {
        let output = helm()
            .args(["template", "freehold", "--set"])
            .arg(format!("image.repository={IMAGE}"))
            .arg(chart_folder())
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let there = rendered(&["--api-versions=security.openshift.io/v1"]);
    for field in ["runAsUser", "runAsGroup", "fsGroup"] {
        assert!(rendered(&[]).contains(field));
        assert!(!there.contains(field), "{field}");
    }
    assert!(there.contains("runAsNonRoot: true"));
}

#[test]
fn every_rule_says_why_it_is_there() {
    for file in ["rbac.yaml", "userroles.yaml"] {
        let text = std::fs::read_to_string(chart_folder().join("templates").join(file)).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let rules = lines.iter().enumerate();
        let rules: Vec<_> = rules
            .filter(|(_, line)| line.starts_with("- apiGroups:"))
            .collect();
        assert!(rules.len() >= 4);
        for (at, _) in rules {
            let reason = lines[at - 1].strip_prefix("# ");
            let reason = reason.unwrap_or_else(|| panic!("{file}:{} has no reason", at + 1));
            assert!(reason.ends_with('.') && reason.len() > 30, "{reason}");
        }
    }
}

#[test]
fn a_shard_has_a_deployment_a_selector_and_a_lease_of_its_own() {
    let values = json!({ "shards": ["east", "west"] });
    let chart = Chart::render("freehold", "default", &values).unwrap();
    let deployments: Vec<&Value> = chart.of_kind("Deployment").collect();
    let variable = |deployment: &Value, name: &str| {
        let variables = &deployment["spec"]["template"]["spec"]["containers"][0]["env"];
        let variables = variables.as_array().unwrap().iter();
        let mut named = variables.filter(|variable| variable["name"] == name);
        named.next().unwrap()["value"].as_str().unwrap().to_owned()
    };
    let selectors: Vec<String> = deployments
        .iter()
        .map(|deployment| variable(deployment, "FREEHOLD_WATCH_LABEL_SELECTOR"))
        .collect();
    assert_eq!(
        selectors,
        [
            "sharding.fluxcd.io/key notin (east, west)",
            "sharding.fluxcd.io/key=east",
            "sharding.fluxcd.io/key=west"
        ]
    );
    let leases: Vec<String> = deployments
        .iter()
        .map(|deployment| variable(deployment, "FREEHOLD_LEASE_NAME"))
        .collect();
    assert_eq!(leases, ["freehold", "freehold-east", "freehold-west"]);
    let role = chart.of_kind("Role").next().unwrap();
    assert_eq!(role["rules"][0]["resourceNames"], json!(leases));
    // No two select the same pods.
    let selects = |selecting: &Value, selected: &Value| {
        let labels = &selected["spec"]["template"]["metadata"]["labels"];
        let wanted = selecting["spec"]["selector"]["matchLabels"].as_object();
        wanted
            .unwrap()
            .iter()
            .all(|(key, value)| &labels[key] == value)
    };
    for (at, selecting) in deployments.iter().enumerate() {
        for (other, selected) in deployments.iter().enumerate() {
            assert_eq!(selects(selecting, selected), at == other);
        }
    }
    // Nothing of it where there are none.
    assert!(!Chart::installed().text.contains("LABEL_SELECTOR"));
}

#[test]
fn the_network_policy_lets_out_to_the_ports_of_the_settings() {
    let plain = |port: u16| [format!("{port}/UDP"), format!("{port}/TCP")];
    let over_tls = |port: u16| vec![format!("{port}/TCP")];
    let recursive = |server: &str| json!({ "dnsMode": "recursive", "dnsServer": [server] });
    let several = json!({
        "dnsMode": "recursive", "dnsServer": ["192.0.2.1", "tls://192.0.2.1", "tls://192.0.2.2", "192.0.2.2"]
    });
    for (settings, ports) in [
        (json!({}), plain(53).to_vec()),
        (
            json!({ "dnsPort": 5353 }),
            [plain(53), plain(5353)].concat(),
        ),
        (
            json!({ "dnsRoot": ["192.0.2.1:5300", "2001:db8::1", "[2001:db8::2]:5301"] }),
            [plain(5300), plain(53), plain(5301)].concat(),
        ),
        (
            json!({ "dnsRoot": ["192.0.2.1:5300"], "dnsPort": 5300 }),
            plain(5300).to_vec(),
        ),
        (recursive("192.0.2.1:54"), plain(54).to_vec()),
        (recursive("2001:db8::1"), plain(53).to_vec()),
        (recursive("tls://[2001:db8::1]"), over_tls(853)),
        (
            recursive("tls://192.0.2.1:8853#dns.acme.example"),
            over_tls(8853),
        ),
        (
            recursive("https://192.0.2.1/q:7#dns.acme.example"),
            over_tls(443),
        ),
        (recursive("https://[2001:db8::1]:8443/q"), over_tls(8443)),
        (several, [plain(53).to_vec(), over_tls(853)].concat()),
    ] {
        let values = json!({ "settings": settings, "networkPolicy": { "enabled": true } });
        let chart = Chart::render("freehold", "default", &values).unwrap();
        let policy = chart.of_kind("NetworkPolicy").next().unwrap();
        let egress = policy["spec"]["egress"].as_array().unwrap();
        let [dns, api_server] = egress.as_slice() else {
            panic!("{policy}")
        };
        let ports_of = |rule: &Value| -> Vec<String> {
            let ports = rule["ports"].as_array().unwrap().iter();
            ports
                .map(|port| format!("{}/{}", port["port"], port["protocol"].as_str().unwrap()))
                .collect()
        };
        assert_eq!(ports_of(dns), ports, "{values}");
        assert_eq!(ports_of(api_server), ["443/TCP", "6443/TCP"]);
    }
}
