//! `cargo xtask bench`: what Freehold costs, as ratios within one run.

mod calls;
mod fleet;
mod floor;
mod kinds;
mod operator;
mod parts;
mod requests;
mod same_watches;
mod sample;
mod table;
mod throughput;
mod watch;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::cargo::{self, Profile};
use crate::signals::EndSignals;
use parts::Parts;
use sample::Sample;
use table::Row;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Rows to measure; all when left out
    rows: Vec<Name>,
    /// Domains of a throughput run. Repeatable
    #[arg(long, default_values_t = [2_000, 10_000])]
    domains: Vec<usize>,
    /// Fail where a ratio or a count is worse than it may be on a machine that is not alone
    #[arg(long, conflicts_with = "domains")]
    check: bool,
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Published domains from new to Verified, against a plain client's writes
    Throughput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

pub async fn run(arguments: Arguments) -> Result<ExitCode> {
    let mut signals = EndSignals::new()?;
    if cfg!(debug_assertions) {
        return optimized().await;
    }
    tokio::select! {
        biased;
        () = signals.received() => bail!("interrupted"),
        rows = measure(&arguments) => {
            let rows = rows?;
            match arguments.output {
                Output::Text => table::print_text(&rows),
                Output::Json => table::print_json(&rows)?,
            }
            if arguments.check {
                table::check(&rows)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The floor is a client too: not optimized it would be none.
async fn optimized() -> Result<ExitCode> {
    let status = cargo::command()
        .args(["run", "--quiet", "--release", "--package=xtask", "--"])
        .args(env::args_os().skip(1))
        .status()
        .await
        .context("starting cargo")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

async fn measure(arguments: &Arguments) -> Result<Vec<Row>> {
    let freehold = cargo::build_freehold(Profile::Release).await?;
    let wanted = |name| arguments.rows.is_empty() || arguments.rows.contains(&name);
    let mut rows = Vec::new();
    if wanted(Name::Throughput) {
        for &count in &arguments.domains {
            rows.extend(throughput_of(&freehold, count).await?);
        }
    }
    Ok(rows)
}

async fn throughput_of(freehold: &Path, count: usize) -> Result<Vec<Row>> {
    let parts = Parts::start(freehold).await?;
    let sample = Sample::take(&parts).await?;
    let rows = throughput::measure(&parts, &sample, count).await?;
    parts.stop().await?;
    Ok(rows)
}
