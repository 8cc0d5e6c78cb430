//! Every row of the condition matrix, as kstatus, Helm, kubectl and Argo CD read it.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::argocd::test_data_is_what_the_operator_writes;
use super::rows::{self, Row};
use crate::support::{World, health, helm_waits, kstatus, kubectl_finds};

const TYPES: [&str; 5] = [
    "Ready",
    "Verified",
    "RecordPresent",
    "Reconciling",
    "Stalled",
];
/// How many tools run at once.
const AT_ONCE: usize = 4;
/// How long Helm waits in turn, until it has said what it saw of the object. It ends at once where
/// it sees that the object is done.
const HELM_SECONDS: [u64; 3] = [5, 30, 120];

/// The conditions with their statuses.
fn conditions(object: &Value) -> BTreeMap<&str, &str> {
    let conditions = object["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .map(|condition| {
            (
                condition["type"].as_str().unwrap(),
                condition["status"].as_str().unwrap(),
            )
        })
        .collect()
}

fn seen_as_it_is(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
}

/// The API server, kstatus and Argo CD's script.
fn is_read_right(row: &Row) {
    let Row { what, object, .. } = row;
    let wanted: BTreeMap<_, _> = row.conditions.iter().copied().collect();
    assert_eq!(conditions(object), wanted, "{what}: {object:#}");
    assert!(object["status"]["observedGeneration"].is_i64(), "{what}");
    assert_eq!(kstatus(object).status, row.kstatus, "{what}: {object:#}");
    let said = health(object);
    assert_eq!(said.status, row.argo, "{what}: {object:#}");
    let ready = object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready" && seen_as_it_is(object));
    let message = ready.map_or("Waiting for Freehold to process the object", |ready| {
        ready["message"].as_str().unwrap()
    });
    assert_eq!(said.message, message, "{what}");
}

/// Every condition, asked for as `kubectl wait` is: for True, and for what it is.
async fn kubectl_waits_right(row: &Row) {
    let seen = seen_as_it_is(&row.object);
    for kind in TYPES {
        let status = row.conditions.iter().find(|(of, _)| *of == kind);
        let is_true = status.is_some_and(|(_, status)| *status == "True");
        let found = kubectl_finds(&row.object, kind).await;
        assert_eq!(found, is_true && seen, "{}: {kind}", row.what);
        if let Some((_, status)) = status.filter(|(_, status)| *status != "True") {
            let found = kubectl_finds(&row.object, &format!("{kind}={status}")).await;
            assert_eq!(found, seen, "{}: {kind}={status}", row.what);
        }
    }
}

async fn helm_waits_right(row: &Row) {
    let saw = format!("status: {}", row.kstatus);
    let mut last = String::new();
    for seconds in HELM_SECONDS {
        last = match helm_waits(&row.object, seconds).await {
            Ok(()) => "Helm takes it for done".to_owned(),
            Err(said) => said,
        };
        match row.kstatus {
            "Current" if last == "Helm takes it for done" => return,
            // That it gave up for what it saw, and for nothing else.
            "InProgress" | "Failed" | "Terminating" if last.contains(&saw) => return,
            _ => {}
        }
    }
    panic!("{}: {last}", row.what);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_the_matrix_is_read_right() {
    let rows = rows::all().await;
    for row in &rows {
        is_read_right(row);
    }
    test_data_is_what_the_operator_writes(&rows);
    stream::iter(&rows)
        .for_each_concurrent(AT_ONCE, kubectl_waits_right)
        .await;
    stream::iter(&rows)
        .for_each_concurrent(AT_ONCE, helm_waits_right)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_a_name_is_done_when_it_is_there() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world.operator(&[&tenant]).every("1s").start().await;
    let name = world.name("held");
    world.verified(&tenant, "main", &name).await;
    let holding = serde_json::to_value(world.holding(&name).await.unwrap()).unwrap();
    assert_eq!(holding.get("status"), None);
    assert_eq!(kstatus(&holding).status, "Current");
}

#[test]
fn without_a_status_an_object_would_look_done() {
    // What the default of the CRDs is there for.
    let bare = json!({
        "apiVersion": "freehold.dev/v1alpha1", "kind": "OrganizationDomain",
        "metadata": { "name": "main", "namespace": "tenants", "generation": 1 }, "spec": {}
    });
    assert_eq!(kstatus(&bare).status, "Current");
    let mut defaulted = bare.clone();
    defaulted["status"] = json!({ "observedGeneration": -1 });
    assert_eq!(kstatus(&defaulted).status, "InProgress");
    for object in [&bare, &defaulted] {
        assert_eq!(health(object).status, "Progressing");
    }
}
