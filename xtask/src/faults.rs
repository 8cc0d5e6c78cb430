//! `cargo xtask faults`: the fault suite at full size.

use std::process::ExitCode;

use anyhow::Result;
use freehold_testbed::packages::{Packages, TESTED_WITH};

use crate::test;

/// What the tests read their size from.
const DOMAINS_VARIABLE: &str = "FREEHOLD_FAULTS_DOMAINS";

pub async fn run(rounds: u32, domains: u32) -> Result<ExitCode> {
    let packages = match Packages::find_or_unpack(TESTED_WITH).await {
        Ok(packages) => Some(packages),
        Err(error) => {
            eprintln!("not run: jumps of the clock, which need libfaketime: {error:#}");
            None
        }
    };
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
                .env(DOMAINS_VARIABLE, domains.to_string());
            if let Some(packages) = &packages {
                let (variable, folder) = packages.environment();
                command.arg("--include-ignored").env(variable, folder);
            }
        })
        .await?;
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
    }
    Ok(ExitCode::SUCCESS)
}
