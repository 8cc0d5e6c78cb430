//! `cargo xtask crds`: the CRDs as files, in the chart and as a reference.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::{cargo, chart, reference};

pub async fn run() -> Result<ExitCode> {
    let freehold = cargo::build_freehold(cargo::Profile::Dev).await?;
    let status = Command::new(freehold)
        .args(["crds", "--output-dir", "crds"])
        .current_dir(cargo::root())
        .status()
        .await
        .context("starting freehold")?;
    if !status.success() {
        bail!("freehold crds failed ({status})");
    }
    chart::write_crds()?;
    reference::write()
}
