//! What the cluster's own roles let a tenant do.

use std::collections::BTreeSet;
use std::path::PathBuf;

use freehold::api::State;
use http::{Method, Request};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use crate::support::{Stated, World, eventually, status, variable};

const GROUP: &str = "/apis/freehold.dev/v1alpha1";

/// A client of the administrator who acts as somebody else.
async fn acting_as(user: &str) -> Client {
    let kubeconfig = PathBuf::from(variable("FREEHOLD_TEST_KUBECONFIG"));
    let read = Kubeconfig::read_from(kubeconfig).unwrap();
    let mut config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
        .await
        .unwrap();
    config.auth_info.impersonate = Some(user.to_owned());
    Client::try_from(config).unwrap()
}

/// Sends a request and says with which code the API server answers.
async fn code(client: &Client, method: Method, path: &str, body: Option<&Value>) -> u16 {
    let kind = if method == Method::PATCH {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Content-Type", kind)
        .body(body.into_bytes())
        .unwrap();
    match client.request_text(request).await {
        Ok(_) => 200,
        Err(kube::Error::Api(status)) => status.code,
        Err(error) => panic!("{path}: {error}"),
    }
}

/// All that the group serves, subresources too, and which of it is in namespaces.
async fn resources(client: &Client) -> Vec<(String, String, bool)> {
    let request = Request::get(GROUP).body(Vec::new()).unwrap();
    let list: Value = client.request(request).await.unwrap();
    let resources = list["resources"].as_array().unwrap().iter();
    resources
        .map(|resource| {
            let text = |key: &str| resource[key].as_str().unwrap().to_owned();
            (text("name"), text("kind"), resource["namespaced"] == true)
        })
        .collect()
}

/// What a tenant would write to be believed.
fn forgery(kind: &str, name: &str, domain: &Stated, verified: &Value) -> Value {
    let holder = json!({
        "namespace": domain.namespace, "name": domain.object, "uid": domain.uid,
        "organization": "acme", "tokenHash": "0".repeat(64)
    });
    let spec = match kind {
        "VerifiedDomain" => json!({ "holder": holder, "strategy": "DNS" }),
        "DomainApproval" => json!({
            "organizationDomainRef": { "name": domain.object },
            "organization": "acme", "domain": domain.domain, "reason": "because we say so"
        }),
        "OrganizationDomain" => json!({
            "organizationRef": { "name": "acme" }, "domain": domain.domain
        }),
        _ => json!({}),
    };
    json!({
        "apiVersion": "freehold.dev/v1alpha1", "kind": kind,
        "metadata": { "name": name }, "spec": spec, "status": verified
    })
}

/// Tries every verb on every resource of the group; returns those that are not forbidden.
async fn try_all(
    tenant: &Client,
    world: &World,
    domain: &Stated,
    verified: &Value,
) -> BTreeSet<(String, &'static str)> {
    let admin = &world.cluster.client;
    let mut allowed = BTreeSet::new();
    for (resource, kind, namespaced) in resources(admin).await {
        let (plural, subresource) = resource.split_once('/').unwrap_or((&resource, ""));
        let collection = if namespaced {
            format!("{GROUP}/namespaces/{}/{plural}", domain.namespace)
        } else {
            format!("{GROUP}/{plural}")
        };
        let name = match plural {
            "organizationdomains" => &domain.object,
            "verifieddomains" => &domain.domain,
            _ => "acme",
        };
        let slash = if subresource.is_empty() { "" } else { "/" };
        let one = format!("{collection}/{name}{slash}{subresource}");
        let (all, made) = if subresource.is_empty() {
            (collection.clone(), collection)
        } else {
            (one.clone(), one.clone())
        };
        let forged = forgery(&kind, name, domain, verified);
        let copy = forgery(&kind, "copy", domain, verified);
        // Written over what there is, where there is something.
        let request = Request::get(&one).body(Vec::new()).unwrap();
        let mut replaced = admin
            .request::<Value>(request)
            .await
            .unwrap_or(forged.clone());
        replaced["status"] = verified.clone();
        let dry = "dryRun=All";
        for (verb, method, path, body) in [
            ("get", Method::GET, one.clone(), None),
            ("list", Method::GET, all.clone(), None),
            (
                "watch",
                Method::GET,
                format!("{all}?watch=true&timeoutSeconds=1"),
                None,
            ),
            ("create", Method::POST, made.clone(), Some(&copy)),
            ("update", Method::PUT, one.clone(), Some(&replaced)),
            ("patch", Method::PATCH, one.clone(), Some(&forged)),
            ("delete", Method::DELETE, format!("{one}?{dry}"), None),
            (
                "deletecollection",
                Method::DELETE,
                format!("{all}?{dry}"),
                None,
            ),
        ] {
            if code(tenant, method, &path, body).await != 403 {
                allowed.insert((resource.clone(), verb));
            }
        }
    }
    allowed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_admin_can_make_nothing_verified() {
    const VERBS: [&str; 8] = [
        "get",
        "list",
        "watch",
        "create",
        "update",
        "patch",
        "delete",
        "deletecollection",
    ];
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("1s").start().await;
    let domain = tenant.state("main", &world.name("forged")).await;
    let honest = world
        .verified(&tenant, "honest", &world.name("honest"))
        .await;
    let verified = serde_json::to_value(status(&honest.get().await)).unwrap();
    domain.challenge().await;

    let user = format!("admin-of-{}", tenant.namespace);
    let client = acting_as(&user).await;
    for role in ["admin", "edit"] {
        let binding: RoleBinding = serde_json::from_value(json!({
            "metadata": { "name": role },
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{
                "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user }]
        }))
        .unwrap();
        Api::<RoleBinding>::namespaced(world.cluster.client.clone(), &tenant.namespace)
            .create(&PostParams::default(), &binding)
            .await
            .unwrap();
    }
    let collection = format!(
        "{GROUP}/namespaces/{}/organizationdomains",
        tenant.namespace
    );
    eventually("the roles are aggregated and bound", async || {
        let dry = format!("{collection}?dryRun=All");
        match code(&client, Method::DELETE, &dry, None).await {
            403 => Err("not yet"),
            _ => Ok(()),
        }
    })
    .await;

    let allowed = try_all(&client, &world, &domain, &verified).await;
    let expected: BTreeSet<_> = ["organizations", "organizationdomains"]
        .into_iter()
        .flat_map(|resource| VERBS.map(|verb| (resource.to_owned(), verb)))
        .collect();
    assert_eq!(allowed, expected);
    // Nor by giving the right to oneself.
    let role: Role = serde_json::from_value(json!({
        "metadata": { "name": "more" },
        "rules": [{
            "apiGroups": ["freehold.dev"], "resources": ["domainapprovals"], "verbs": ["create"] }]
    }))
    .unwrap();
    let refusal = Api::<Role>::namespaced(client, &tenant.namespace)
        .create(&PostParams::default(), &role)
        .await
        .unwrap_err();
    assert!(
        refusal.to_string().contains("attempting to grant"),
        "{refusal}"
    );

    let copy = Stated::new(
        &world.cluster.client,
        &tenant.domains().get("copy").await.unwrap(),
    );
    for forged in [&domain, &copy] {
        let object = forged.checked("after the forgeries").await;
        assert_eq!(status(&object).state, Some(State::Pending));
    }
    assert!(world.holding(&domain.domain).await.is_none());
}

/// What a role lets write, by kind.
fn written(role: &Value) -> Vec<(String, String)> {
    let mut written = Vec::new();
    for rule in role["rules"].as_array().unwrap() {
        for verb in rule["verbs"].as_array().unwrap() {
            if ["get", "list", "watch"].contains(&verb.as_str().unwrap()) {
                continue;
            }
            for resource in rule["resources"].as_array().unwrap() {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                written.push((text(resource), text(verb)));
            }
        }
    }
    written
}

#[test]
fn aggregated_roles_write_what_tenants_write_and_no_status() {
    let chart = crate::support::Chart::installed();
    let mut aggregated = 0;
    for role in chart.of_kind("ClusterRole") {
        let labels = role["metadata"]["labels"].as_object().unwrap();
        let is_aggregated = labels.keys().any(|label| label.contains("/aggregate-to-"));
        let to_view = labels.contains_key("rbac.authorization.k8s.io/aggregate-to-view");
        let rules = role["rules"].to_string();
        if is_aggregated {
            aggregated += 1;
            for never in ["/status", "verifieddomains", "domainapprovals", "\"*\""] {
                assert!(!rules.contains(never), "{never} in {rules}");
            }
            assert!(!to_view || written(role).is_empty(), "{rules}");
        }
    }
    assert_eq!(aggregated, 2);
    let approve = chart
        .of_kind("ClusterRole")
        .find(|role| role["metadata"]["name"] == "freehold-approve")
        .unwrap();
    for (resource, _) in written(approve) {
        assert_eq!(resource, "domainapprovals");
    }
}
