//! Argo CD's scripts with their test data, in the layout in which Argo CD keeps and tests its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::rows::Row;
use crate::support::{customization, health};

const KINDS: [&str; 3] = ["Organization", "OrganizationDomain", "DomainApproval"];

/// Argo CD's `health_test.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tests {
    tests: Vec<Test>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Test {
    health_status: HealthStatus,
    input_path: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HealthStatus {
    status: String,
    message: String,
}

fn yaml(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    serde_yaml::from_str(&text).unwrap()
}

/// The objects of the test data, by kind.
fn test_data() -> BTreeMap<&'static str, Vec<Value>> {
    KINDS
        .into_iter()
        .map(|kind| {
            let files = fs::read_dir(customization(kind).join("testdata")).unwrap();
            let objects = files.map(|file| yaml(&file.unwrap().path()));
            (kind, objects.collect())
        })
        .collect()
}

#[test]
fn scripts_say_what_their_test_data_wants() {
    let mut health_of = BTreeSet::new();
    for kind in KINDS {
        let folder = customization(kind);
        let text = fs::read_to_string(folder.join("health_test.yaml")).unwrap();
        let Tests { tests } = serde_yaml::from_str(&text).unwrap();
        let mut tested = BTreeSet::new();
        for test in tests {
            let object = yaml(&folder.join(&test.input_path));
            assert_eq!(object["kind"], kind);
            let said = health(&object);
            assert_eq!(
                said.status, test.health_status.status,
                "{}",
                test.input_path
            );
            assert_eq!(said.message, test.health_status.message);
            health_of.insert(said.status);
            tested.insert(test.input_path);
        }
        let files = fs::read_dir(folder.join("testdata")).unwrap();
        let files: BTreeSet<String> = files
            .map(|file| format!("testdata/{}", file.unwrap().file_name().display()))
            .collect();
        assert_eq!(files, tested, "{kind}");
    }
    let all = ["Degraded", "Healthy", "Progressing", "Suspended"];
    assert_eq!(health_of, all.map(str::to_owned).into());
}

#[test]
fn the_settings_have_the_scripts() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/argocd/argocd-cm.yaml");
    let settings = yaml(&path);
    let data = settings["data"].as_object().unwrap();
    assert_eq!(data.len(), KINDS.len());
    for kind in KINDS {
        let script = fs::read_to_string(customization(kind).join("health.lua")).unwrap();
        let key = format!("resource.customizations.health.freehold.dev_{kind}");
        assert_eq!(data[&key].as_str(), Some(&*script), "{kind}");
    }
}

/// The conditions of a status, without words and times, and whether they are of the object as it is.
type Said = (BTreeSet<[String; 3]>, bool);

fn said(object: &Value) -> Said {
    let status = &object["status"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let conditions = conditions
        .map(|c| ["type", "status", "reason"].map(|key| text(&c[key])))
        .collect();
    let seen = status["observedGeneration"] == object["metadata"]["generation"];
    (conditions, seen)
}

/// The fields of a status but for what any may have: the echo of a request, and what happened earlier.
fn fields(object: &Value) -> BTreeSet<&String> {
    let any = ["lastHandledRequest", "history", "publishedSequence"];
    let keys = object["status"].as_object().unwrap().keys();
    keys.filter(|key| !any.contains(&key.as_str())).collect()
}

/// Every file of the test data is a status that an operator wrote, and every row has its file.
pub fn test_data_is_what_the_operator_writes(rows: &[Row]) {
    for (kind, data) in test_data() {
        let written: Vec<&Value> = rows
            .iter()
            .map(|row| &row.object)
            .filter(|object| object["kind"] == kind)
            .collect();
        let all_said: BTreeSet<Said> = written.iter().map(|object| said(object)).collect();
        assert_eq!(data.iter().map(said).collect::<BTreeSet<_>>(), all_said);
        for object in &data {
            let as_written = |written: &&Value| {
                said(written) == said(object) && fields(written) == fields(object)
            };
            assert!(written.iter().any(as_written), "nobody wrote {object:#}");
        }
    }
}
