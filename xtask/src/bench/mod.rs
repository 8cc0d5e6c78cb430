//! `cargo xtask bench`: what Freehold costs, as ratios within one run.

mod binary;
pub mod calls;
mod cold_start;
pub mod fleet;
mod floor;
mod growth;
pub mod kinds;
mod latency;
mod memory;
pub mod operator;
mod packets;
pub mod parts;
mod plain;
mod plots;
mod requests;
mod rest;
mod restore;
mod same_watches;
mod sample;
mod scale;
mod shards;
pub mod table;
mod takeover;
mod throughput;
pub mod watch;
mod writes;

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::cargo::{self, Profile};
use crate::signals::EndSignals;
use parts::Parts;
use table::Row;

/// What a machine that does other things too changes little. Throughput is not in it: operator and
/// floor run one after the other, so that their ratio is also that of the machine's two moments.
const CHECKED: [Name; 6] = [
    Name::Writes,
    Name::Cost,
    Name::Packets,
    Name::Latency,
    Name::Memory,
    Name::Binary,
];
const BACKGROUND: usize = 10_000;

#[derive(Debug, Default, Args)]
pub struct Arguments {
    /// Rows to measure; all when left out
    rows: Vec<Name>,
    /// Domains of a throughput run; 2000, and 10000 with --full. Repeatable
    #[arg(long)]
    domains: Vec<usize>,
    /// Go up to 100000 domains, which takes more than an hour
    #[arg(long, conflicts_with = "check")]
    full: bool,
    /// Measure a part, and fail where a ratio or a count is worse than it ever should be
    #[arg(long)]
    check: bool,
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Draw what grows with the domains as SVG into this folder
    #[arg(long)]
    plots: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Published domains from new to Verified, against a plain client's writes
    Throughput,
    /// The API server's processor time and domains a second, against a plain controller
    Plain,
    /// Writes of a domain's whole way and of re-checks, as the API server counts them
    Writes,
    /// Processor time and reads of many domains at once
    Cost,
    /// DNS packets of a check
    Packets,
    /// From a request to Verified, against a read of the same object
    Latency,
    /// Peak memory, in all and for a domain more
    Memory,
    /// Ready against a bare list, and how the first checks spread
    ColdStart,
    /// Processor time, writes and checks while nothing happens
    Rest,
    /// Cost of a domain beside few and beside many
    Growth,
    /// The same domains by one operator, two and four
    Shards,
    /// From the leader's end to the standby's first write
    Takeover,
    /// Size of the binary, time from start to ready
    Binary,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    #[default]
    Text,
    Json,
}

pub async fn run(arguments: Arguments) -> Result<ExitCode> {
    let mut signals = EndSignals::new()?;
    if cfg!(debug_assertions) {
        return optimized(env::args_os().skip(1)).await;
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
            if let Some(folder) = &arguments.plots {
                plots::write(&rows, folder)?;
            }
            if arguments.check {
                table::check(&rows)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Measures the part that is checked. It counts and compares answers, for which a client that is not
/// optimized does as well.
pub async fn guard() -> Result<()> {
    cargo::build_freehold(Profile::Release).await?;
    let start = Instant::now();
    let rows = measure(&Arguments {
        check: true,
        ..Arguments::default()
    })
    .await?;
    table::print_text(&rows);
    println!("measured in {} s", start.elapsed().as_secs());
    table::check(&rows)
}

/// Does the task as a release build. The floor is a client too: not optimized it would be none.
pub async fn optimized(task: impl IntoIterator<Item: AsRef<OsStr>>) -> Result<ExitCode> {
    let status = cargo::command()
        .args(["run", "--quiet", "--release", "--package=xtask", "--"])
        .args(task)
        .status()
        .await
        .context("starting cargo")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

async fn measure(arguments: &Arguments) -> Result<Vec<Row>> {
    let freehold = cargo::build_freehold(Profile::Release).await?;
    let wanted = |name| match arguments.rows.as_slice() {
        [] if arguments.check => CHECKED.contains(&name),
        [] => true,
        rows => rows.contains(&name),
    };
    let mut rows = Vec::new();
    if wanted(Name::Binary) || wanted(Name::Writes) {
        let parts = Parts::start(&freehold).await?;
        if wanted(Name::Binary) {
            rows.extend(progress(binary::measure(&parts).await?));
        }
        if wanted(Name::Writes) {
            rows.extend(progress(writes::measure(&parts).await?));
        }
        parts.stop().await?;
    }
    if wanted(Name::Packets) {
        // Its own: domains of another row would be checked in between, by the same servers.
        let parts = Parts::start(&freehold).await?;
        rows.extend(progress(packets::measure(&parts).await?));
        parts.stop().await?;
    }
    if wanted(Name::Cost) {
        rows.extend(progress(throughput::cost(&freehold).await?));
    }
    if wanted(Name::Throughput) {
        for count in throughput_sizes(arguments) {
            rows.extend(progress(throughput::measure(&freehold, count).await?));
        }
    }
    if wanted(Name::Plain) {
        rows.extend(progress(plain::measure(&freehold).await?));
    }
    if wanted(Name::Latency) {
        let parts = Parts::start(&freehold).await?;
        rows.extend(progress(vec![latency::measure(&parts, 0).await?]));
        if !arguments.check {
            rows.extend(progress(vec![latency::measure(&parts, BACKGROUND).await?]));
        }
        parts.stop().await?;
    }
    if wanted(Name::Shards) {
        rows.extend(progress(shards::measure(&freehold).await?));
    }
    let scale = [
        Name::Memory,
        Name::ColdStart,
        Name::Rest,
        Name::Takeover,
        Name::Growth,
    ];
    if scale.into_iter().any(wanted) {
        let sizes: &[usize] = match (arguments.full, arguments.check) {
            (true, _) => &[1_000, 10_000, 100_000],
            (_, true) => &[1_000, 5_000],
            _ => &[1_000, 10_000],
        };
        rows.extend(scale::measure(&freehold, sizes, wanted).await?);
    }
    Ok(rows)
}

fn throughput_sizes(arguments: &Arguments) -> Vec<usize> {
    if !arguments.domains.is_empty() {
        return arguments.domains.clone();
    }
    let sizes = [2_000, 10_000].into_iter();
    sizes.take(if arguments.full { 2 } else { 1 }).collect()
}

/// Tells on the way what is measured, as the whole takes minutes.
fn progress(rows: Vec<Row>) -> Vec<Row> {
    for row in &rows {
        eprintln!("bench: {row}");
    }
    rows
}
