//! The CRDs of other projects' kinds, out of these projects' Go modules.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::programs::{Module, cache_folder, check_go, go, lock};

/// Its go.mod and go.sum pin the versions.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../definitions");

/// Modules, and the files in them.
const DEFINITIONS: [(&str, &[&str]); 4] = [
    (
        "github.com/argoproj/argo-cd/v3",
        &["manifests/crds/application-crd.yaml"],
    ),
    (
        "github.com/fluxcd/kustomize-controller",
        &["config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml"],
    ),
    (
        "github.com/fluxcd/source-controller",
        &["config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml"],
    ),
    (
        "github.com/prometheus-operator/prometheus-operator",
        &[
            "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
            "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
        ],
    ),
];

/// A folder with a file for each CRD: those of Argo CD, Flux and the Prometheus operator that
/// Freehold's chart and examples use. Downloads the modules where the cache folder lacks them.
///
/// # Errors
/// When a module cannot be downloaded or has no such file.
pub async fn find_or_download() -> Result<PathBuf> {
    let module = Module::read(Path::new(MODULE))?;
    let cache = cache_folder()?;
    let folder = cache.join(format!("definitions-{}", module.digest));
    fs::create_dir_all(&cache).with_context(|| format!("creating {}", cache.display()))?;
    let _lock = lock(&cache.join("build.lock"), "downloading CRDs").await?;
    if folder.is_dir() {
        return Ok(folder);
    }
    let work = "downloading the CRDs of Argo CD, Flux and the Prometheus operator";
    check_go(module.go, work, "").await?;
    eprintln!("{work}…");
    // Filled beside its place and renamed, so that an interrupted download leaves no part of it.
    let unfinished = cache.join(format!("definitions-{}.unfinished", module.digest));
    fs::create_dir_all(&unfinished)
        .with_context(|| format!("creating {}", unfinished.display()))?;
    for (name, files) in DEFINITIONS {
        download(&module, &cache, name).await?;
        let sources = place(&module, &cache, name).await?;
        for file in files {
            let source = sources.join(file);
            let target = Path::new(file).file_name().context("a file has a name")?;
            fs::copy(&source, unfinished.join(target))
                .with_context(|| format!("copying {}", source.display()))?;
        }
    }
    fs::rename(&unfinished, &folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder)
}

async fn download(module: &Module, cache: &Path, name: &str) -> Result<()> {
    run(module, cache, &["mod", "download", name]).await?;
    Ok(())
}

/// Where a downloaded module is.
async fn place(module: &Module, cache: &Path, name: &str) -> Result<PathBuf> {
    let folder = run(module, cache, &["list", "-m", "-f", "{{.Dir}}", name]).await?;
    Ok(folder.trim().into())
}

async fn run(module: &Module, cache: &Path, arguments: &[&str]) -> Result<String> {
    let output = go(&module.folder, cache)
        .args(arguments)
        .output()
        .await
        .context("starting go")?;
    if !output.status.success() {
        bail!(
            "go {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
