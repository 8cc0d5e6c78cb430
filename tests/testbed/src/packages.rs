//! Debian's packages of what some tests need: downloaded and unpacked into the cache folder, never
//! installed.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::programs::{cache_folder, lock};

/// The packages, and their programs where libraries may be missing.
const PACKAGES: [(&str, Option<&str>); 5] = [
    ("bind9", Some("named")),
    ("nsd", Some("nsd")),
    ("knot", Some("knotd")),
    ("unbound", Some("unbound")),
    ("libfaketime", None),
];
/// A library's library may be missing too.
const LIBRARY_ROUNDS: usize = 6;
const FOLDER_VARIABLE: &str = "FREEHOLD_TEST_PACKAGES";

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
    pub async fn find_or_unpack() -> Result<Self> {
        let cache = cache_folder()?;
        let root = cache.join(format!("packages-{}", release()));
        let packages = Self { root };
        fs::create_dir_all(&packages.root)
            .with_context(|| format!("creating {}", packages.root.display()))?;
        let _lock = lock(&cache.join("packages.lock"), "unpacking packages").await?;
        let done = packages.root.join("complete");
        if !done.is_file() {
            let downloads = Downloads::new(&cache, &packages.root)?;
            for (package, program) in PACKAGES {
                eprintln!("unpacking {package}…");
                downloads
                    .unpack(&[package.to_owned()], &packages.root)
                    .await?;
                if let Some(program) = program {
                    packages
                        .unpack_libraries(&downloads, package, program)
                        .await?;
                }
            }
            fs::write(&done, "").with_context(|| format!("creating {}", done.display()))?;
        }
        Ok(packages)
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

    pub(crate) fn command(&self, program: &str) -> Result<Command> {
        let path = self.root.join("usr/sbin").join(program);
        if !path.is_file() {
            bail!("{} is missing", path.display());
        }
        let mut command = Command::new(path);
        command.env("LD_LIBRARY_PATH", self.library_path());
        Ok(command)
    }

    async fn unpack_libraries(
        &self,
        downloads: &Downloads,
        package: &str,
        program: &str,
    ) -> Result<()> {
        let mut wanted = vec![package.to_owned()];
        for _ in 0..LIBRARY_ROUNDS {
            let missing = self.missing_libraries(program).await?;
            if missing.is_empty() {
                return Ok(());
            }
            wanted = library_packages(&wanted).await?;
            downloads.unpack(&wanted, &self.root).await?;
        }
        let missing = self.missing_libraries(program).await?;
        if !missing.is_empty() {
            bail!("{program} of {package} lacks {}", missing.join(", "));
        }
        Ok(())
    }

    async fn missing_libraries(&self, program: &str) -> Result<Vec<String>> {
        let output = Command::new("ldd")
            .arg(self.root.join("usr/sbin").join(program))
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

    async fn unpack(&self, packages: &[String], root: &Path) -> Result<()> {
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
        }
        Ok(())
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
