//! `freehold export`: everything that Freehold knows, as one stream.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::backup::{self, LeftOut};
use crate::cluster::config;
use crate::model::terminal;

/// Write all Organizations, OrganizationDomains, VerifiedDomains and DomainApprovals as YAML for
/// freehold import.
///
/// Exits with 0 if the export is complete, 1 otherwise.
#[derive(Debug, Args)]
pub struct Arguments {
    /// File to write. It is created or replaced only after the whole export is written. Defaults to
    /// standard output.
    #[arg(long, short, env = "FREEHOLD_FILE")]
    file: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let left_out = match &arguments.file {
        None => runtime.block_on(export(&mut BufWriter::new(io::stdout().lock())))?,
        Some(file) => {
            let partial = partial(file);
            let cannot = |error| format!("cannot write {}: {error}", partial.display());
            let mut out = BufWriter::new(File::create(&partial).map_err(cannot)?);
            let outcome = runtime.block_on(export(&mut out));
            if outcome.is_err() {
                // The export failed already, and says why.
                let _ = fs::remove_file(&partial);
            }
            let left_out = outcome?;
            out.get_ref().sync_all().map_err(cannot)?;
            fs::rename(&partial, file)
                .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
            left_out
        }
    };
    let mut code = ExitCode::SUCCESS;
    for left_out in left_out {
        match left_out {
            LeftOut::Invalid { kind, name, why } => {
                eprintln!(
                    "freehold: {kind} {} is left out because it is invalid: {}. Correct or delete it, and export again",
                    terminal::line(&name),
                    terminal::line(&why)
                );
                code = ExitCode::FAILURE;
            }
            LeftOut::HolderGone { name } => {
                eprintln!(
                    "freehold: VerifiedDomain {} is left out because its holder is gone",
                    terminal::line(&name)
                );
            }
            LeftOut::HolderChanged { name, holder } => {
                eprintln!(
                    "freehold: VerifiedDomain {} is left out because its holder {} changed during the export. Export again",
                    terminal::line(&name),
                    terminal::line(&holder)
                );
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

async fn export(out: &mut impl Write) -> Result<Vec<LeftOut>, Box<dyn Error>> {
    let client = config::client().await?;
    Ok(backup::export(&client, out).await?)
}

/// Beside the file, so that it can be renamed.
fn partial(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}
