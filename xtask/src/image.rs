//! `cargo xtask image`: the container image, without a registry and without a daemon.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use freehold_testbed::packages::{BUILDAH, CERTIFICATES, Packages};
use freehold_testbed::programs::cache_folder;
use tokio::process::Command;

use crate::cargo;

/// Writes the list of what the binary is made of into the binary itself.
const AUDITABLE: (&str, &str) = ("cargo-auditable", "0.7.7");
const BINARY: &str = "usr/bin/freehold";
const CERTIFICATE_BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";
/// Takes any image: nothing is pulled.
const SIGNATURE_POLICY: &str = r#"{ "default": [{ "type": "insecureAcceptAnything" }] }"#;

pub async fn run() -> Result<ExitCode> {
    let binary = build_binary("release").await?;
    let image = build(&binary, &cargo::target_folder().join("image")).await?;
    println!("{}", image.display());
    Ok(ExitCode::SUCCESS)
}

/// Builds a static `freehold` binary in which no path of this machine is.
pub async fn build_binary(profile: &str) -> Result<PathBuf> {
    let target = host().await?;
    if !target.ends_with("-linux-gnu") {
        bail!("an image is built on Linux with the GNU C library, not on {target}");
    }
    let mut binaries = build_binaries(profile, &["freehold"], &target).await?;
    binaries.pop().context("cargo built no freehold binary")
}

/// Builds binaries in which no path of this machine is; they are static on Linux.
pub async fn build_binaries(profile: &str, names: &[&str], target: &str) -> Result<Vec<PathBuf>> {
    let tools = tool(AUDITABLE).await?;
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([tools].into_iter().chain(env::split_paths(&path)))?;
    let mut build = cargo::command();
    build
        .args(["auditable", "build", "--quiet", "--locked"])
        .arg("--package=freehold")
        .args(names.iter().map(|name| format!("--bin={name}")))
        .args(["--profile", profile, "--target", target])
        .env("PATH", path)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(target)?.join("\x1f"))
        // The other profiles strip by themselves.
        .env("CARGO_PROFILE_DEV_STRIP", "true");
    cargo::executables_of(build).await
}

/// Static on Linux, and the same wherever the sources and cargo's folder are.
fn flags(target: &str) -> Result<Vec<String>> {
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
        .context("no cargo folder: set CARGO_HOME or HOME")?;
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let mut flags = vec![
        remap(&cargo_home, "/cargo"),
        remap(&cargo::root(), "/freehold"),
    ];
    if target.ends_with("-linux-gnu") {
        flags.push("-Ctarget-feature=+crt-static".to_owned());
    }
    Ok(flags)
}

/// The target of the compiler.
pub async fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().await;
    let output = output.context("starting rustc")?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(ToOwned::to_owned)
        .context("rustc does not say for what it compiles")
}

/// The folder that has a program of crates.io, which is built once.
pub async fn tool((name, version): (&str, &str)) -> Result<PathBuf> {
    let folder = cache_folder()?.join(format!("{name}-{version}"));
    let programs = folder.join("bin");
    if !programs.join(name).is_file() {
        eprintln!("building {name}…");
        let status = cargo::command()
            .args(["install", "--quiet", "--locked", name, "--version", version])
            .arg("--root")
            .arg(&folder)
            // The build folder of the tests is not its own.
            .env_remove("CARGO_TARGET_DIR")
            .status()
            .await
            .context("starting cargo install")?;
        if !status.success() {
            bail!("building {name} failed");
        }
    }
    Ok(programs)
}

/// Makes an image of a static binary in the folder, in the layout of the Open Container Initiative, and
/// returns the layout's folder.
pub async fn build(binary: &Path, folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    let certificates = Packages::find_or_unpack(CERTIFICATES).await?;
    let root = folder.join("rootfs");
    put(&root.join(BINARY), &fs::read(binary)?, 0o755)?;
    let bundle = bundle(certificates.root())?;
    put(&root.join(CERTIFICATE_BUNDLE), &bundle, 0o644)?;
    let policy = folder.join("policy.json");
    fs::write(&policy, SIGNATURE_POLICY).context("writing the signature policy")?;

    let image = folder.join("oci");
    let own = PrivateStore { folder, policy };
    let mut build = own.buildah("build").await?;
    build
        .args(["--isolation=chroot", "--no-cache", "--tag=freehold"])
        .arg(format!("--timestamp={}", time().await?))
        .arg(label("title", "freehold"))
        .arg(label("version", env!("CARGO_PKG_VERSION")))
        .arg(label("licenses", "Apache-2.0"))
        .arg(format!(
            "--label=dev.freehold.ca-certificates={}",
            certificates.version("ca-certificates")?
        ))
        .arg("--file")
        .arg(cargo::root().join("Dockerfile"))
        .arg(&root);
    succeed(build).await?;
    let mut push = own.buildah("push").await?;
    push.arg("freehold")
        .arg(format!("oci:{}:freehold", image.display()));
    succeed(push).await?;
    Ok(image)
}

fn label(name: &str, value: &str) -> String {
    format!("--label=org.opencontainers.image.{name}={value}")
}

/// What buildah keeps, in the image's own folder.
struct PrivateStore<'a> {
    folder: &'a Path,
    policy: PathBuf,
}

impl PrivateStore<'_> {
    async fn buildah(&self, action: &str) -> Result<Command> {
        let mut command = buildah().await?;
        command
            .arg("--storage-driver=vfs")
            .arg("--root")
            .arg(self.folder.join("store"))
            .arg("--runroot")
            .arg(self.folder.join("run"))
            .arg(action)
            .arg("--quiet")
            .arg("--signature-policy")
            .arg(&self.policy);
        Ok(command)
    }
}

/// The machine's, or Debian's.
async fn buildah() -> Result<Command> {
    let own = Command::new("buildah").arg("--version").output().await;
    if own.is_ok_and(|output| output.status.success()) {
        return Ok(Command::new("buildah"));
    }
    Packages::find_or_unpack(BUILDAH)
        .await?
        .command("usr/bin/buildah")
}

async fn succeed(mut command: Command) -> Result<()> {
    let output = command.output().await.context("starting buildah")?;
    if !output.status.success() {
        bail!(
            "buildah failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

fn put(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let parent = path.parent().context("a file is in a folder")?;
    fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
    fs::write(path, content).with_context(|| format!("writing {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("giving {} its rights", path.display()))
}

/// All authorities of the package in the order of their names: what an installation makes, without
/// those that this machine was given.
fn bundle(packages: &Path) -> Result<Vec<u8>> {
    let folder = packages.join("usr/share/ca-certificates/mozilla");
    let entries = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    files.sort();
    let mut bundle = Vec::new();
    for file in files {
        bundle.extend(fs::read(&file).with_context(|| format!("reading {}", file.display()))?);
    }
    Ok(bundle)
}

/// `SOURCE_DATE_EPOCH`, else the time of the last commit, in seconds.
async fn time() -> Result<String> {
    if let Ok(time) = env::var("SOURCE_DATE_EPOCH") {
        return Ok(time);
    }
    let output = Command::new("git")
        .args(["log", "-1", "--format=%ct"])
        .current_dir(cargo::root())
        .output()
        .await
        .context("starting git")?;
    let time = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if time.is_empty() {
        bail!("no commit tells the image's time: set SOURCE_DATE_EPOCH");
    }
    Ok(time)
}
