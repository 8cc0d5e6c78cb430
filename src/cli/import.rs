//! `freehold import`: what `freehold export` wrote, into another cluster.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::cluster::ClusterArguments;
use crate::backup::{self, Backup, Counts, Imported, Kind, lines};
use crate::model::terminal;

/// Import an export into this cluster. Tokens, states and holders are kept; existing objects are not
/// overwritten.
///
/// Exits with 0 if all objects of the export are in the cluster, 1 otherwise. It can be run again.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Export to read, or - for standard input.
    #[arg(long, short)]
    file: PathBuf,

    /// Compare the export with the cluster, show what an import would do, and write nothing.
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    cluster: ClusterArguments,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let file = read(&arguments.file)
        .map_err(|error| format!("cannot read {}: {error}", arguments.file.display()))?;
    let backup = Backup::read(&file)?;
    drop(file);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (client, server) = runtime.block_on(arguments.cluster.client())?;
    if arguments.dry_run {
        let counts = runtime.block_on(backup::rehearse(&client, backup))?;
        summarize(&format!("would import into {server}"), &counts);
        return Ok(ExitCode::SUCCESS);
    }
    let imported = runtime.block_on(backup::import(&client, backup));
    let title = format!("imported into {server}");
    match imported {
        Ok(imported) => {
            conclude(&title, &imported);
            Ok(if imported.conflicts.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Err(ended) => {
            if !ended.imported.is_nothing() {
                conclude(&title, &ended.imported);
            }
            Err(ended.why.into())
        }
    }
}

fn conclude(title: &str, imported: &Imported) {
    summarize(title, &imported.counts);
    if !imported.conflicts.is_empty() {
        eprintln!(
            "freehold: these objects were changed during the import and differ from the export:\n{}",
            terminal::lines(&lines(&imported.conflicts))
        );
    }
}

fn summarize(title: &str, counts: &BTreeMap<Kind, Counts>) {
    let mut text = format!("{title}:\n");
    for kind in Kind::ALL {
        let counts = counts.get(&kind).copied().unwrap_or_default();
        // Nothing can go wrong in memory.
        let _ = writeln!(text, "{kind}: {counts}");
    }
    // What was done is done, whoever still reads.
    let _ = io::stdout().write_all(text.as_bytes());
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut content = Vec::new();
        io::stdin().read_to_end(&mut content)?;
        return Ok(content);
    }
    fs::read(file)
}
