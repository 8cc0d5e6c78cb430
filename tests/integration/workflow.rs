//! The release workflow, as far as it can be checked without running it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::variable;

fn release() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows/release.yml")
}

fn actionlint(workflow: &Path) -> Output {
    Command::new(variable("FREEHOLD_TEST_ACTIONLINT"))
        // Programs that a machine may have or not.
        .args(["-shellcheck=", "-pyflakes="])
        .arg(workflow)
        .output()
        .unwrap()
}

#[test]
fn the_release_workflow_is_linted() {
    let output = actionlint(&release());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{output:?}");

    let text = fs::read_to_string(release()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.yml");
    fs::write(
        &wrong,
        text.replace("steps.push.outputs.", "steps.pull.outputs."),
    )
    .unwrap();
    let output = actionlint(&wrong);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("pull"), "{said}");
}

#[test]
fn actions_are_pinned_and_may_do_what_they_must() {
    let text = fs::read_to_string(release()).unwrap();
    let mut actions = 0;
    for line in text.lines() {
        let Some((_, action)) = line.split_once("uses: ") else {
            continue;
        };
        let (pinned, version) = action.split_once(" # v").unwrap();
        let (_, commit) = pinned.split_once('@').unwrap();
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        assert!(commit.len() == 40 && commit.chars().all(hex), "{action}");
        assert_eq!(version.split('.').count(), 3, "{action}");
        actions += 1;
    }
    assert_eq!(actions, 4);

    let workflow: Value = serde_yaml::from_str(&text).unwrap();
    assert_eq!(workflow["permissions"], json!({}));
    let jobs = workflow["jobs"].as_object().unwrap();
    assert_eq!(jobs.keys().collect::<Vec<_>>(), ["build", "publish"]);
    // What dependencies run can neither push nor sign.
    assert_eq!(jobs["build"]["permissions"], json!({ "contents": "read" }));
    let wanted = json!({
        "packages": "write", "id-token": "write", "attestations": "write"
    });
    assert_eq!(jobs["publish"]["permissions"], wanted);
    // Text of others is no part of a script.
    for (name, job) in jobs {
        for step in job["steps"].as_array().unwrap() {
            let script = step["run"].as_str().unwrap_or_default();
            assert!(!script.contains("${{"), "{script}");
            assert!(name == "build" || !script.contains("cargo"), "{script}");
        }
    }
}
