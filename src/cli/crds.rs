//! `freehold crds`: the CRDs to install.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::api;

/// Print the CRDs as YAML.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Write one file per kind into this folder instead.
    #[arg(long)]
    output_dir: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    for crd in api::crds() {
        let yaml = serde_yaml::to_string(&crd)?;
        match &arguments.output_dir {
            Some(folder) => {
                let file = folder.join(format!("{}.yaml", crd.spec.names.plural));
                fs::create_dir_all(folder)
                    .and_then(|()| fs::write(&file, yaml))
                    .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
            }
            None => write!(std::io::stdout(), "---\n{yaml}")?,
        }
    }
    Ok(())
}
