//! Cargo, run in this workspace.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::process::Command;

/// The workspace's folder.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// The folder for everything that is built.
pub fn target_folder() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The cargo that runs this program.
pub fn command() -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root()).kill_on_drop(true);
    // What the cargo that runs this program says of its package; build scripts (ring's) would run again
    // for it each time.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

/// How a binary is optimized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    Dev,
    Release,
}

/// Builds the programs and returns the path of `freehold`, beside which `kubectl-freehold` is;
/// `FREEHOLD_BINARY` names one that is built.
pub async fn build_freehold(profile: Profile) -> Result<PathBuf> {
    if let Some(built) = env::var_os("FREEHOLD_BINARY") {
        return Ok(built.into());
    }
    let mut build = command();
    build
        .args(["build", "--package=freehold", "--bins"])
        .args((profile == Profile::Release).then_some("--release"));
    executables_of(build)
        .await?
        .into_iter()
        .find(|program| program.file_stem().is_some_and(|name| name == "freehold"))
        .context("cargo built no freehold binary")
}

/// Runs a build and returns the paths of the programs.
pub async fn executables_of(mut build: Command) -> Result<Vec<PathBuf>> {
    // Not by output(), which would take the progress and the errors too.
    let building = build
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped())
        .spawn()
        .context("starting cargo")?;
    let output = building
        .wait_with_output()
        .await
        .context("waiting for cargo")?;
    if !output.status.success() {
        bail!("building freehold failed");
    }
    let programs = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter_map(|message: Value| message["executable"].as_str().map(PathBuf::from))
        .collect();
    Ok(programs)
}
