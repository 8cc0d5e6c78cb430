//! `cargo xtask archive`: both programs for the machine that builds them, as a release has them.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;

use crate::{cargo, image};

/// Reads the list of components out of a binary, as `CycloneDX`.
const TO_CYCLONEDX: (&str, &str) = ("auditable2cdx", "0.1.0");
const PROGRAMS: [&str; 2] = ["freehold", "kubectl-freehold"];

pub async fn run() -> Result<ExitCode> {
    let target = image::host().await?;
    let name = format!("freehold-{}", platform(&target)?);
    let folder = cargo::target_folder().join("archives");
    let content = folder.join(&name);
    fs::create_dir_all(&content).with_context(|| format!("creating {}", content.display()))?;
    let binaries = image::build_binaries("release", &PROGRAMS, &target).await?;
    ensure!(binaries.len() == PROGRAMS.len(), "cargo built {binaries:?}");
    let reader = image::tool(TO_CYCLONEDX).await?.join(TO_CYCLONEDX.0);
    for binary in &binaries {
        let program = binary.file_name().context("a binary has a name")?;
        fs::copy(binary, content.join(program)).context("copying a binary")?;
        let components = succeed(Command::new(&reader).arg(binary)).await?;
        let file = format!("{}-{}.cdx.json", program.display(), platform(&target)?);
        fs::write(folder.join(file), components).context("writing the list of components")?;
    }
    let license = cargo::root().join("LICENSE");
    fs::copy(license, content.join("LICENSE")).context("copying the license")?;
    let archive = folder.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.arg("-czf").arg(&archive).arg("-C").arg(&content);
    succeed(tar.args(PROGRAMS).arg("LICENSE")).await?;
    println!("{}", archive.display());
    Ok(ExitCode::SUCCESS)
}

/// As Go and krew call it.
fn platform(target: &str) -> Result<String> {
    let architecture = match target.split('-').next() {
        Some("x86_64") => "amd64",
        Some("aarch64") => "arm64",
        _ => bail!("no archive is made for {target}"),
    };
    let system = if target.ends_with("-linux-gnu") {
        "linux"
    } else if target.ends_with("-apple-darwin") {
        "darwin"
    } else {
        bail!("no archive is made for {target}");
    };
    Ok(format!("{system}-{architecture}"))
}

async fn succeed(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output().await;
    let output =
        output.with_context(|| format!("starting {}", command.as_std().get_program().display()))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{command:?} failed: {}",
        error.trim()
    );
    Ok(output.stdout)
}
