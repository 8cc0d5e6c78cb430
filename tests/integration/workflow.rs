//! The release workflow, as far as it can be checked without running it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::{chart_folder, helm, variable};

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
    assert_eq!(actions, 10);

    let workflow: Value = serde_yaml::from_str(&text).unwrap();
    assert_eq!(workflow["permissions"], json!({}));
    let jobs = workflow["jobs"].as_object().unwrap();
    assert_eq!(
        jobs.keys().collect::<Vec<_>>(),
        ["archives", "build", "publish"]
    );
    // What dependencies run can neither push nor sign.
    for builds in ["archives", "build"] {
        assert_eq!(jobs[builds]["permissions"], json!({ "contents": "read" }));
    }
    let wanted = json!({
        "contents": "write", "packages": "write", "id-token": "write", "attestations": "write"
    });
    assert_eq!(jobs["publish"]["permissions"], wanted);
    // Text of others is no part of a script.
    for (name, job) in jobs {
        for step in job["steps"].as_array().unwrap() {
            let script = step["run"].as_str().unwrap_or_default();
            assert!(!script.contains("${{"), "{script}");
            assert!(name != "publish" || !script.contains("cargo"), "{script}");
        }
    }
}

/// The script of the workflow's step of this name.
fn step(name: &str) -> String {
    let text = fs::read_to_string(release()).unwrap();
    let workflow: Value = serde_yaml::from_str(&text).unwrap();
    let jobs = workflow["jobs"].as_object().unwrap().values();
    let mut steps = jobs.flat_map(|job| job["steps"].as_array().unwrap());
    let step = steps.find(|step| step["name"] == name);
    step.unwrap()["run"].as_str().unwrap().to_owned()
}

/// As the workflow's runner runs it, for a tag.
fn run_step(name: &str, tag: &str, folder: &Path) -> Output {
    let helm_at = PathBuf::from(variable("FREEHOLD_TEST_HELM"));
    let path = std::env::var("PATH").unwrap();
    Command::new("bash")
        .args(["-eo", "pipefail", "-c", &step(name)])
        .current_dir(folder)
        .env("GITHUB_REF_NAME", tag)
        .env("GITHUB_REPOSITORY", "acme/freehold")
        .env("GITHUB_SERVER_URL", "https://git.example.com")
        .env(
            "PATH",
            format!("{}:{path}", helm_at.parent().unwrap().display()),
        )
        .output()
        .unwrap()
}

#[test]
fn a_tag_is_the_version_of_image_chart_and_programs() {
    let version = env!("CARGO_PKG_VERSION");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (tag, taken) in [(format!("v{version}"), true), ("v9.9.9".to_owned(), false)] {
        let output = run_step("The tag is the version", &tag, root);
        assert_eq!(output.status.success(), taken, "{tag}: {output:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let programs = folder.path().join("target/archives/freehold-linux-amd64");
    fs::create_dir_all(&programs).unwrap();
    for (name, program) in [
        ("freehold", env!("CARGO_BIN_EXE_freehold")),
        ("kubectl-freehold", env!("CARGO_BIN_EXE_kubectl-freehold")),
    ] {
        std::os::unix::fs::symlink(program, programs.join(name)).unwrap();
    }
    for (tag, taken) in [(format!("v{version}"), true), ("v9.9.9".to_owned(), false)] {
        let output = run_step("The programs are of the tag's version", &tag, folder.path());
        assert_eq!(output.status.success(), taken, "{tag}: {output:?}");
    }
}

#[test]
fn a_release_has_its_chart_and_a_krew_manifest_with_the_sums_of_its_archives() {
    let folder = tempfile::tempdir().unwrap();
    let charts = folder.path().join("charts");
    fs::create_dir(&charts).unwrap();
    let copied = Command::new("cp")
        .arg("-r")
        .args([&chart_folder(), &charts])
        .status();
    assert!(copied.unwrap().success());
    let version = env!("CARGO_PKG_VERSION");
    let tag = format!("v{version}");
    let output = run_step("Package the chart", &tag, folder.path());
    assert!(output.status.success(), "{output:?}");
    let files = folder.path().join("target/release-files");
    let package = files.join(format!("freehold-{version}.tgz"));
    let shown = helm().args(["show", "chart"]).arg(&package).output();
    let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
    assert!(
        shown.contains("home: https://github.com/acme/freehold\n"),
        "{shown}"
    );
    assert!(!shown.contains("OWNER"), "{shown}");

    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/krew.yaml");
    fs::copy(template, files.join("krew.yaml")).unwrap();
    let write = || run_step("Write the krew manifest and the checksums", &tag, &files);
    let platforms = ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"];
    let archive = |platform: &str| files.join(format!("freehold-{platform}.tar.gz"));
    for platform in &platforms[..3] {
        fs::write(archive(platform), platform).unwrap();
    }
    // An archive that is missing is no release.
    assert!(!write().status.success());
    fs::write(archive(platforms[3]), platforms[3]).unwrap();
    let output = write();
    assert!(output.status.success(), "{output:?}");
    let manifest = fs::read_to_string(files.join("krew.yaml")).unwrap();
    let manifest: Value = serde_yaml::from_str(&manifest).unwrap();
    assert_eq!(manifest["spec"]["version"], tag);
    let sums = fs::read_to_string(files.join("SHA256SUMS")).unwrap();
    let listed = manifest["spec"]["platforms"].as_array().unwrap();
    assert_eq!(listed.len(), platforms.len());
    for (platform, entry) in platforms.iter().zip([0, 1, 2, 3].map(|at| &listed[at])) {
        let file = format!("freehold-{platform}.tar.gz");
        let (sum, uri) = (
            entry["sha256"].as_str().unwrap(),
            entry["uri"].as_str().unwrap(),
        );
        assert!(sums.contains(&format!("{sum}  {file}\n")), "{sums}");
        assert_eq!(
            uri,
            format!("https://git.example.com/acme/freehold/releases/download/{tag}/{file}")
        );
    }
    assert!(sums.contains(&format!("freehold-{version}.tgz")), "{sums}");
}
