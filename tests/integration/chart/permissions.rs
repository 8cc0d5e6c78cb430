//! The operator's account may do what the operator does, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;

use freehold_testbed::Options;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::support::{
    Account, Approval, Chart, Cluster, PrivatePlane, Right, Tenant, World, client_of, eventually,
};

/// Takes domains through all in which the operator writes or reads something of another kind.
async fn walk(world: &World, tenants: [&Tenant; 2], chart: &Chart, log: &Path, user: &str) {
    let [first, second] = tenants;
    let operator = world
        .operator(&[])
        .deployed_by(chart)
        .every("1s")
        .with("--recheck-period", "1s")
        .with("--grace-check-period", "1s")
        .with("--grace", "6s")
        .with("--hand-over-period", "4s")
        // Each proof a second after another is told.
        .with("--max-proof-age", "10s")
        .start()
        .await;
    let name = world.name("sold");
    let seller = world.verified(first, "seller", &name).await;
    let buyer = second.state("buyer", &name).await;
    let record = buyer.challenge().await.records[0].clone();
    world.dns.set_txt(&record.name, vec![record.value.clone()]);
    buyer.until_verified().await;
    seller.until_reason("HandedOver").await;
    buyer.until_event("HandOverStarted").await;
    buyer.delete().await;
    world.until_released(&name).await;

    let by_hand = world.name("by-hand");
    let approved = first.state("approved", &by_hand).await;
    let approval = Approval::of(first, "approval", "approved", &by_hand, None).await;
    approved.until_verified().await;
    approval.until_reason("Approved").await;

    let left = world.verified(second, "left", &world.name("left")).await;
    second
        .organizations()
        .delete("acme", &DeleteParams::default())
        .await
        .unwrap();
    world.until_released(&left.domain).await;
    let busy = world.verified(first, "busy", &world.name("busy")).await;
    tokio::select! {
        () = eventually("a status is patched", async || {
            let (rights, _) = asked(log, user, &chart.rights());
            let patched = rights.iter().any(|right| {
                right.resource == "organizationdomains/status" && right.verb == "patch"
            });
            patched.then_some(()).ok_or("not yet")
        }) => {}
        () = busy.change_without_end() => unreachable!("it has no end"),
    }
    assert!(operator.terminate().await.success());
}

/// Which rights an account used, and what it was refused. What the role of a namespace gives uses no
/// right that goes further.
fn asked(log: &Path, user: &str, given: &BTreeSet<Right>) -> (BTreeSet<Right>, Vec<Value>) {
    let mut rights = BTreeSet::new();
    let mut refused = Vec::new();
    for line in std::fs::read_to_string(log).unwrap().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let object = &event["objectRef"];
        // A review of one's own rights is the test's, and no rule gives it.
        if event["user"]["username"] != user || object["apiGroup"] == "authorization.k8s.io" {
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let resource = match object["subresource"].as_str() {
            Some(subresource) => format!("{}/{subresource}", text(&object["resource"])),
            None => text(&object["resource"]),
        };
        let mut right = Right {
            everywhere: false,
            group: text(&object["apiGroup"]),
            resource,
            verb: text(&event["verb"]),
        };
        right.everywhere = object["namespace"].is_null() || !given.contains(&right);
        rights.insert(right);
        if event["responseStatus"]["code"] == 403 {
            refused.push(event);
        }
    }
    (rights, refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_right_is_used_and_no_request_is_refused() {
    let private = PrivatePlane::start_with(Options {
        controller_manager: false,
        audit: true,
    })
    .await;
    let log = private.plane.audit_log();
    let admin = client_of(private.plane.kubeconfig()).await;
    let everywhere = private.cluster().await;
    everywhere.install(freehold::api::crds()).await;
    for watches_all in [true, false] {
        let (first, second) = (Tenant::empty(&admin).await, Tenant::empty(&admin).await);
        let namespaces = [&first.namespace, &second.namespace];
        let (release, values) = if watches_all {
            ("everywhere", json!({}))
        } else {
            ("some", json!({ "watchNamespaces": namespaces }))
        };
        let chart = Chart::render(release, "freehold-walk", &values).unwrap();
        let account = Account::make(&admin, private.plane.kubeconfig(), &chart).await;
        let user = account.user.clone();
        let world = World::on(Cluster::with(admin.clone(), account)).await;
        for tenant in [&first, &second] {
            tenant.organization("acme").await;
        }
        let tenants = [&first, &second];
        walk(&world, tenants, &chart, &log, &user).await;

        let given = chart.rights();
        // The API server writes a moment after it answers.
        eventually("every right is used", async || {
            let (rights, _) = asked(&log, &user, &given);
            let unused: Vec<_> = given.difference(&rights).collect();
            if unused.is_empty() {
                Ok(())
            } else {
                Err(format!("never used: {unused:?}"))
            }
        })
        .await;
        let (rights, refused) = asked(&log, &user, &given);
        assert_eq!(refused, Vec::<Value>::new());
        assert_eq!(rights, given);
        println!("{release}: {} rights, all used", given.len());
    }
}

#[test]
fn an_install_for_some_namespaces_has_its_rights_there() {
    let values = json!({ "watchNamespaces": ["one", "two"] });
    let chart = Chart::render("freehold", "own", &values).unwrap();
    let own = chart
        .of_kind("ClusterRole")
        .find(|role| role["metadata"]["name"] == "freehold:own")
        .unwrap();
    for rule in own["rules"].as_array().unwrap() {
        let resources = rule["resources"].as_array().unwrap();
        for resource in resources {
            match resource.as_str().unwrap() {
                "namespaces" => assert_eq!(rule["resourceNames"], json!(["one", "two"])),
                // Its names are the cluster's.
                "verifieddomains" => {}
                // The holder of a name may be anywhere.
                "organizationdomains" => assert_eq!(rule["verbs"], json!(["get"])),
                other => panic!("{other} everywhere"),
            }
        }
    }
    let roles: Vec<&Value> = chart
        .of_kind("Role")
        .map(|role| &role["metadata"]["namespace"])
        .collect();
    assert_eq!(roles, ["own", "one", "two"]);
}
