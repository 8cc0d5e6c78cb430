//! `cargo xtask zones`: random zones, Unbound and Freehold on the same trees.

use std::process::ExitCode;

use anyhow::{Context, Result};
use freehold_testbed::packages::{Packages, TESTED_WITH};

use crate::{cargo, test};

/// What the tests read their size from.
const COUNT_VARIABLE: &str = "FREEHOLD_ZONES_COUNT";
const SEED_VARIABLE: &str = "FREEHOLD_ZONES_SEED";
const ONLY_VARIABLE: &str = "FREEHOLD_ZONES_ONLY";

#[derive(clap::Args)]
pub struct Arguments {
    /// Layouts of each form, honest and lying
    #[arg(long, default_value_t = 20_000)]
    count: u64,
    /// The first layout's seed; the others follow it
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only the layout with this seed, told in full
    #[arg(long, conflicts_with_all = ["count", "seed"])]
    only: Option<u64>,
    /// Honest layouts whose servers are four name servers of Debian's packages
    #[arg(long)]
    software: bool,
    /// Honest layouts alone
    #[arg(long, conflicts_with = "software")]
    honest: bool,
    /// Lying layouts alone
    #[arg(long, conflicts_with_all = ["software", "honest"])]
    lying: bool,
}

pub async fn run(arguments: Arguments) -> Result<ExitCode> {
    test::until_interrupted(zones(arguments)).await
}

async fn zones(arguments: Arguments) -> Result<ExitCode> {
    let packages = Packages::find_or_unpack(TESTED_WITH).await?;
    let (variable, folder) = packages.environment();
    let mut command = cargo::command();
    command
        .args(["test", "--workspace", "--profile=faults", "--test=dns"])
        // One form at a time, and its figures are told.
        .args(["--", "--ignored", "--test-threads=1", "--nocapture"])
        .args(match arguments {
            Arguments { software: true, .. } => &["yardstick::software"][..],
            Arguments { honest: true, .. } => &["yardstick::honest"],
            Arguments { lying: true, .. } => &["yardstick::lying"],
            _ => &["yardstick::honest", "yardstick::lying"],
        })
        .env(variable, folder)
        .env(COUNT_VARIABLE, arguments.count.to_string())
        .env(SEED_VARIABLE, arguments.seed.to_string());
    if let Some(only) = arguments.only {
        command.env(ONLY_VARIABLE, only.to_string());
    }
    let status = command.status().await.context("starting cargo")?;
    Ok(test::exit_code(status))
}
