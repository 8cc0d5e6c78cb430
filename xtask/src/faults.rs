//! `cargo xtask faults`: the fault suite at full size.

use std::process::ExitCode;

use anyhow::{Context, Result};
use freehold_testbed::packages::{Packages, TESTED_WITH};

use crate::test;

/// What the tests read their size from.
const DOMAINS_VARIABLE: &str = "FREEHOLD_FAULTS_DOMAINS";

pub async fn run(rounds: u32, domains: u32) -> Result<ExitCode> {
    // Without it the jumps of the clock would be left out.
    let packages = Packages::find_or_unpack(TESTED_WITH)
        .await
        .context("libfaketime, for the jumps of the clock")?;
    let (variable, folder) = packages.environment();
    for round in 1..=rounds {
        println!("round {round} of {rounds}, {domains} domains a fault");
        let code = test::on_control_plane(|command| {
            command
                .args([
                    "test",
                    "--profile=faults",
                    "--package=freehold",
                    "--test=integration",
                    "--",
                    "faults::",
                    "fairness::",
                ])
                // One fault at a time, and its figures are told.
                .args(["--test-threads=1", "--nocapture"])
                .arg("--include-ignored")
                .env(DOMAINS_VARIABLE, domains.to_string())
                .env(variable, folder);
        })
        .await?;
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
    }
    Ok(ExitCode::SUCCESS)
}
