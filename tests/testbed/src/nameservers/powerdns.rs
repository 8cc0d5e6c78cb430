//! What `PowerDNS` needs beside its configuration: zones in the BIND backend's list, and what it is to
//! know of their signatures in a database of its own.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::authoritative::write;
use crate::Tree;
use crate::packages::Packages;

pub(super) async fn prepare(
    packages: &Packages,
    tree: &Tree,
    folder: &Path,
    zones: &[String],
) -> Result<()> {
    let shown = folder.display();
    let mut list = String::new();
    for zone in zones {
        let _ = writeln!(
            list,
            "zone \"{zone}\" {{ type native; file \"{shown}/{zone}.zone\"; }};"
        );
    }
    write(&folder.join("zones.conf"), &list)?;
    let library = packages.library("pdns/libbindbackend.so")?;
    let modules = library.parent().context("a library without a folder")?;
    let path = folder.join("pdns.conf");
    let text = std::fs::read_to_string(&path).context("reading pdns.conf")?;
    write(&path, &format!("{text}module-dir={}\n", modules.display()))?;

    let database = folder.join("dnssec.db").display().to_string();
    util(packages, folder, &["create-bind-db", &database]).await?;
    for zone in zones {
        if let Some(hashing) = tree.hashing(zone) {
            util(packages, folder, &["set-nsec3", zone, &hashing]).await?;
        }
        if tree.is_signed(zone) {
            util(packages, folder, &["set-presigned", zone]).await?;
        }
    }
    Ok(())
}

async fn util(packages: &Packages, folder: &Path, arguments: &[&str]) -> Result<()> {
    let output = packages
        .command("usr/bin/pdnsutil")?
        .arg(format!("--config-dir={}", folder.display()))
        .args(arguments)
        .output()
        .await
        .context("starting pdnsutil")?;
    if !output.status.success() {
        bail!(
            "pdnsutil {} failed: {}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
