//! Debian's packages: downloaded and unpacked into the cache folder, never installed.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::programs::{cache_folder, lock};

/// Packages that are unpacked into one folder.
#[derive(Debug, Clone, Copy)]
pub struct PackageSet {
    name: &'static str,
    /// Each with the program that is wanted of it, and which must find its libraries.
    packages: &'static [(&'static str, Option<&'static str>)],
}

/// What tests run against: name servers, a clock that jumps, and what Prometheus makes of rules.
pub const TESTED_WITH: PackageSet = PackageSet {
    name: "tested-with",
    packages: &[
        ("bind9", Some("usr/sbin/named")),
        ("nsd", Some("usr/sbin/nsd")),
        ("knot", Some("usr/sbin/knotd")),
        ("pdns-server", Some("usr/sbin/pdns_server")),
        ("pdns-backend-bind", None),
        ("unbound", Some("usr/sbin/unbound")),
        ("libfaketime", None),
        ("prometheus", Some("usr/bin/promtool")),
    ],
};

/// What builds an image.
pub const BUILDAH: PackageSet = PackageSet {
    name: "buildah",
    packages: &[("buildah", Some("usr/bin/buildah"))],
};

/// The certification authorities that an image has.
pub const CERTIFICATES: PackageSet = PackageSet {
    name: "ca-certificates",
    packages: &[("ca-certificates", None)],
};

/// A library's library may be missing too.
const LIBRARY_ROUNDS: usize = 6;
const FOLDER_VARIABLE: &str = "FREEHOLD_TEST_PACKAGES";
/// The names of the packages' files, which tell their versions.
const UNPACKED: &str = "complete";

/// The unpacked packages.
#[derive(Debug, Clone)]
pub struct Packages {
    root: PathBuf,
}

impl Packages {
    /// Unpacks what is not in the cache folder yet; that needs Debian's or Ubuntu's `apt-get` and
    /// `dpkg-deb`, a connection to its mirrors, and no rights.
    ///
    /// # Errors
    /// When a package cannot be had or its program does not find its libraries.
    pub async fn find_or_unpack(set: PackageSet) -> Result<Self> {
        let cache = cache_folder()?;
        let root = cache.join(format!("{}-{}", set.name, release()));
        let packages = Self { root };
        fs::create_dir_all(&packages.root)
            .with_context(|| format!("creating {}", packages.root.display()))?;
        let _lock = lock(&cache.join("packages.lock"), "unpacking packages").await?;
        let done = packages.root.join(UNPACKED);
        // A set that has grown since leaves the rest as it is.
        let missing = |(package, _): &&(&str, Option<&str>)| packages.version(package).is_err();
        let missing: Vec<_> = set.packages.iter().filter(missing).collect();
        if !missing.is_empty() {
            let downloads = Downloads::new(&cache, &packages.root)?;
            let mut files: Vec<String> = fs::read_to_string(&done)
                .map(|files| files.lines().map(ToOwned::to_owned).collect())
                .unwrap_or_default();
            for (package, program) in missing {
                eprintln!("unpacking {package}…");
                files.extend(packages.unpack(&downloads, package, *program).await?);
            }
            fs::write(&done, files.join("\n"))
                .with_context(|| format!("creating {}", done.display()))?;
        }
        Ok(packages)
    }

    /// Where the packages' files are.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The version of an unpacked package.
    ///
    /// # Errors
    /// When it was not unpacked here.
    pub fn version(&self, package: &str) -> Result<String> {
        let unpacked = self.root.join(UNPACKED);
        let files = fs::read_to_string(&unpacked)
            .with_context(|| format!("reading {}", unpacked.display()))?;
        files
            .lines()
            .filter_map(|file| file.strip_prefix(package)?.strip_prefix('_'))
            .find_map(|rest| rest.split('_').next())
            // A colon is not allowed in a file's name.
            .map(|version| version.replace("%3a", ":"))
            .with_context(|| format!("{} does not name {package}", unpacked.display()))
    }

    /// The packages that `cargo xtask test --with-dns-servers` has made ready for its tests.
    ///
    /// # Errors
    /// When it has not.
    pub fn from_environment() -> Result<Self> {
        let root = env::var_os(FOLDER_VARIABLE).with_context(|| {
            format!("{FOLDER_VARIABLE} is not set: use cargo xtask test --with-dns-servers")
        })?;
        Ok(Self { root: root.into() })
    }

    /// What tells a test's process where the packages are.
    #[must_use]
    pub fn environment(&self) -> (&'static str, &Path) {
        (FOLDER_VARIABLE, &self.root)
    }

    /// A program of the packages, with their libraries.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn command(&self, program: &str) -> Result<Command> {
        let path = self.root.join(program);
        if !path.is_file() {
            bail!("{} is missing", path.display());
        }
        let mut command = Command::new(path);
        command.env("LD_LIBRARY_PATH", self.library_path());
        Ok(command)
    }

    /// Returns the names of the packages' files.
    async fn unpack(
        &self,
        downloads: &Downloads,
        package: &str,
        program: Option<&str>,
    ) -> Result<Vec<String>> {
        let mut files = downloads.unpack(&[package.to_owned()], &self.root).await?;
        let Some(program) = program else {
            return Ok(files);
        };
        let mut wanted = vec![package.to_owned()];
        for _ in 0..LIBRARY_ROUNDS {
            let missing = self.missing_libraries(program).await?;
            if missing.is_empty() {
                return Ok(files);
            }
            wanted = library_packages(&wanted).await?;
            files.extend(downloads.unpack(&wanted, &self.root).await?);
        }
        let missing = self.missing_libraries(program).await?;
        if !missing.is_empty() {
            bail!("{program} of {package} lacks {}", missing.join(", "));
        }
        Ok(files)
    }

    async fn missing_libraries(&self, program: &str) -> Result<Vec<String>> {
        let output = Command::new("ldd")
            .arg(self.root.join(program))
            .env("LD_LIBRARY_PATH", self.library_path())
            .output()
            .await
            .context("starting ldd")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("ldd does not read {program}: {text}");
        }
        let mut missing: Vec<String> = text
            .lines()
            .filter(|line| line.ends_with("not found"))
            .filter_map(|line| line.split_whitespace().next())
            .map(ToOwned::to_owned)
            .collect();
        missing.sort();
        missing.dedup();
        Ok(missing)
    }

    /// A library that programs are started with.
    ///
    /// # Errors
    /// When no package has it.
    pub(crate) fn library(&self, path: &str) -> Result<PathBuf> {
        let mut places = self.library_folders().map(|folder| folder.join(path));
        places
            .find(|path| path.is_file())
            .with_context(|| format!("{path} is missing in {}", self.root.display()))
    }

    /// The packages' own libraries first.
    fn library_path(&self) -> OsString {
        env::join_paths(self.library_folders()).unwrap_or_default()
    }

    /// Whatever the machine's architecture.
    fn library_folders(&self) -> impl Iterator<Item = PathBuf> {
        ["usr/lib", "lib"]
            .map(|lib| self.root.join(lib))
            .into_iter()
            .filter_map(|lib| fs::read_dir(lib).ok())
            .flatten()
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.to_string_lossy().contains("-linux-gnu"))
    }
}

/// The libraries that the packages depend on directly.
async fn library_packages(packages: &[String]) -> Result<Vec<String>> {
    let output = Command::new("apt-cache")
        .args(["depends", "--no-recommends", "--no-suggests"])
        .args(packages)
        .output()
        .await
        .context("starting apt-cache")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut libraries: Vec<String> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        // The C library is the machine's own in any case.
        .filter(|name| *name != "libc6" && (name.starts_with("lib") || name.ends_with("-libs")))
        .map(ToOwned::to_owned)
        .collect();
    libraries.sort();
    libraries.dedup();
    if libraries.is_empty() {
        bail!("apt-cache knows no libraries of {}", packages.join(", "));
    }
    Ok(libraries)
}

/// Downloads packages as any user may.
struct Downloads {
    folder: PathBuf,
    /// For machines without package lists: lists of our own.
    state: PathBuf,
}

impl Downloads {
    fn new(cache: &Path, root: &Path) -> Result<Self> {
        let downloads = Self {
            folder: root.join("packages"),
            state: cache.join("apt"),
        };
        fs::create_dir_all(&downloads.folder)
            .with_context(|| format!("creating {}", downloads.folder.display()))?;
        Ok(downloads)
    }

    async fn unpack(&self, packages: &[String], root: &Path) -> Result<Vec<String>> {
        let mut names = Vec::new();
        if self.apt(&[], "download", packages).await.is_err() {
            let options = self.own_lists()?;
            self.apt(&options, "update", &[]).await?;
            self.apt(&options, "download", packages).await?;
        }
        let files = fs::read_dir(&self.folder).context("reading the downloads")?;
        for file in files.filter_map(Result::ok).map(|entry| entry.path()) {
            let status = Command::new("dpkg-deb")
                .arg("-x")
                .args([&file, root])
                .status()
                .await
                .context("starting dpkg-deb")?;
            if !status.success() {
                bail!("dpkg-deb does not unpack {}", file.display());
            }
            fs::remove_file(&file).with_context(|| format!("removing {}", file.display()))?;
            names.extend(file.file_name().map(|name| name.display().to_string()));
        }
        Ok(names)
    }

    fn own_lists(&self) -> Result<Vec<String>> {
        let [lists, archives] = ["lists/partial", "archives/partial"].map(|f| self.state.join(f));
        for folder in [&lists, &archives] {
            fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        }
        let state = self.state.display();
        Ok(vec![
            format!("-oDir::State={state}"),
            format!("-oDir::Cache={state}"),
            "-oDir::State::status=/var/lib/dpkg/status".to_owned(),
        ])
    }

    async fn apt(&self, options: &[String], action: &str, packages: &[String]) -> Result<()> {
        let output = Command::new("apt-get")
            .args(options)
            .args(["-q", action])
            .args(packages)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .output()
            .await
            .context("starting apt-get")?;
        if !output.status.success() {
            bail!(
                "apt-get {action} {} failed: {}",
                packages.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    }
}

/// Packages of one release do not run on another.
fn release() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .unwrap_or("unknown")
        .to_owned()
}
