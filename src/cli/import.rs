//! `freehold import`: what `freehold export` wrote, into another cluster.

use std::error::Error;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::backup::{self, Backup, Imported, Kind, lines};
use crate::cluster::config;
use crate::model::terminal;

/// Import an export into this cluster. Tokens, states and holders are kept; existing objects are not
/// overwritten.
///
/// Exits with 0 if all objects of the export are in the cluster, 1 otherwise. It can be run again.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Export to read, or - for standard input.
    #[arg(long, short, env = "FREEHOLD_FILE")]
    file: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let file = read(&arguments.file)
        .map_err(|error| format!("cannot read {}: {error}", arguments.file.display()))?;
    let backup = Backup::read(&file)?;
    drop(file);
    let imported = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let client = config::client().await?;
            Ok::<_, Box<dyn Error>>(backup::import(&client, backup).await)
        })?;
    match imported {
        Ok(imported) => {
            summarize(&imported);
            Ok(if imported.conflicts.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Err(ended) => {
            if !ended.imported.is_nothing() {
                summarize(&ended.imported);
            }
            Err(ended.why.into())
        }
    }
}

fn summarize(imported: &Imported) {
    for kind in Kind::ALL {
        let counts = imported.counts.get(&kind).copied().unwrap_or_default();
        println!("{kind}: {counts}");
    }
    if !imported.conflicts.is_empty() {
        eprintln!(
            "freehold: these objects were changed during the import and differ from the export:\n{}",
            terminal::lines(&lines(&imported.conflicts))
        );
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut content = Vec::new();
        io::stdin().read_to_end(&mut content)?;
        return Ok(content);
    }
    fs::read(file)
}
