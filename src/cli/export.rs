//! `freehold export`: everything that Freehold knows, as one stream.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use tempfile::NamedTempFile;

use super::cluster::ClusterArguments;
use crate::backup::{self, Exported, Kind, LeftOut};
use crate::model::terminal;

/// Write all Organizations, OrganizationDomains, VerifiedDomains and DomainApprovals as YAML for
/// freehold import.
///
/// Exits with 0 if the export is complete, 1 otherwise.
#[derive(Debug, Args)]
pub struct Arguments {
    /// File to write, or - for standard output, which is the default. A file is created or replaced only
    /// after the whole export is written, and only its owner may read it: it contains tokens.
    #[arg(long, short, default_value = "-")]
    file: PathBuf,

    #[command(flatten)]
    cluster: ClusterArguments,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (client, server) = runtime.block_on(arguments.cluster.client())?;
    let export =
        |out: &mut dyn Write| runtime.block_on(backup::export(&client, &mut BufWriter::new(out)));
    let file = &arguments.file;
    let cannot = |error| format!("cannot write {}: {error}", file.display());
    let exported = if file == Path::new("-") {
        export(&mut io::stdout().lock())?
    } else if fs::metadata(file).is_ok_and(|there| !there.is_file()) {
        // A pipe or a device is written through: in its place a file would be of no use to anybody.
        export(&mut File::options().write(true).open(file).map_err(cannot)?)?
    } else {
        // Where a link leads is what is replaced.
        let target = fs::canonicalize(file).unwrap_or_else(|_| file.clone());
        let folder = target.parent().filter(|folder| *folder != Path::new(""));
        let folder = folder.unwrap_or(Path::new("."));
        let mut partial = NamedTempFile::new_in(folder).map_err(cannot)?;
        let exported = export(partial.as_file_mut())?;
        partial.as_file().sync_all().map_err(cannot)?;
        partial
            .persist(&target)
            .map_err(|kept| cannot(kept.error))?;
        exported
    };
    Ok(summarize(&exported, &server))
}

fn summarize(exported: &Exported, server: &str) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for left_out in &exported.left_out {
        match left_out {
            LeftOut::Invalid { kind, name, why } => {
                eprintln!(
                    "freehold: {kind} {} is left out because it is invalid: {}. Correct or delete it, and export again",
                    terminal::line(name),
                    terminal::line(why)
                );
                code = ExitCode::FAILURE;
            }
            LeftOut::HolderGone { name } => {
                eprintln!(
                    "freehold: VerifiedDomain {} is left out because its holder is gone",
                    terminal::line(name)
                );
            }
            LeftOut::HolderChanged { name, holder } => {
                eprintln!(
                    "freehold: VerifiedDomain {} is left out because its holder {} changed during the export, or no longer has the token that was proved. Export again; if this is said again, look at the status of the holder",
                    terminal::line(name),
                    terminal::line(holder)
                );
                code = ExitCode::FAILURE;
            }
        }
    }
    let count = |kind| exported.counts.get(&kind).copied().unwrap_or_default();
    let counts = Kind::ALL.map(|kind| format!("{} {kind}s", count(kind)));
    eprintln!("freehold: exported {} from {server}", counts.join(", "));
    code
}
