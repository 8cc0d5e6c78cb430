//! The control plane's programs and those that read its objects: found where they are, built from
//! source where they are not.

use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{self, Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};
use tokio::process::Command;
use tokio::time::{interval_at, sleep};

use crate::process::tail;

const HEARTBEAT: Duration = Duration::from_secs(15);

/// In the order in which they are built: the first brings most of what the others share.
const CONTROL_PLANE: ProgramSet = ProgramSet {
    name: "controlplane",
    module: concat!(env!("CARGO_MANIFEST_DIR"), "/../controlplane"),
    programs: &[
        Program {
            name: "kube-apiserver",
            package: "k8s.io/kubernetes/cmd/kube-apiserver",
        },
        Program {
            name: "kube-controller-manager",
            package: "k8s.io/kubernetes/cmd/kube-controller-manager",
        },
        Program {
            name: "kubectl",
            package: "k8s.io/kubernetes/cmd/kubectl",
        },
        Program {
            name: "etcd",
            package: "go.etcd.io/etcd/server/v3",
        },
    ],
};

/// A module of its own: Helm goes with other versions of the Kubernetes libraries.
const HELM: ProgramSet = ProgramSet {
    name: "helm",
    module: concat!(env!("CARGO_MANIFEST_DIR"), "/../controlplane/helm"),
    programs: &[Program {
        name: "helm",
        package: "helm.sh/helm/v4/cmd/helm",
    }],
};

/// What reads objects as `GitOps` tools do, and the linter of workflows.
const GITOPS: ProgramSet = ProgramSet {
    name: "gitops",
    module: concat!(env!("CARGO_MANIFEST_DIR"), "/../gitops"),
    programs: &[
        Program {
            name: "gitops",
            package: ".",
        },
        Program {
            name: "actionlint",
            package: "github.com/rhysd/actionlint/cmd/actionlint",
        },
    ],
};

/// What Freehold is measured against.
const PLAIN_CONTROLLER: ProgramSet = ProgramSet {
    name: "plain-controller",
    module: concat!(env!("CARGO_MANIFEST_DIR"), "/../plain-controller"),
    programs: &[Program {
        name: "plain-controller",
        package: ".",
    }],
};

/// Programs of which one Go module pins the versions.
struct ProgramSet {
    name: &'static str,
    module: &'static str,
    programs: &'static [Program],
}

struct Program {
    name: &'static str,
    package: &'static str,
}

/// Where the control plane's programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    pub etcd: PathBuf,
    pub kube_apiserver: PathBuf,
    pub kube_controller_manager: PathBuf,
    pub kubectl: PathBuf,
}

impl Programs {
    /// Takes each program from the first place that has it: the folder named by
    /// `KUBEBUILDER_ASSETS`, the cache folder, a build into the cache folder. The cache folder is
    /// `FREEHOLD_CACHE`, `XDG_CACHE_HOME/freehold` or `~/.cache/freehold`.
    ///
    /// # Errors
    /// When a program must be built and cannot be; the message says what is missing.
    pub async fn find_or_build() -> Result<Self> {
        let places = CONTROL_PLANE.find_or_build().await?;
        let place_of = |name: &str| {
            let index = CONTROL_PLANE.programs.iter().position(|p| p.name == name);
            index
                .and_then(|index| places.get(index).cloned())
                .with_context(|| format!("{name} is missing after the build"))
        };
        Ok(Self {
            etcd: place_of("etcd")?,
            kube_apiserver: place_of("kube-apiserver")?,
            kube_controller_manager: place_of("kube-controller-manager")?,
            kubectl: place_of("kubectl")?,
        })
    }
}

/// Where Helm is, taken from the same places as the control plane's programs.
///
/// # Errors
/// When it must be built and cannot be; the message says what is missing.
pub async fn helm() -> Result<PathBuf> {
    let mut places = HELM.find_or_build().await?;
    places.pop().context("helm is missing after the build")
}

/// Where `tests/plain-controller` is, taken from the same places.
///
/// # Errors
/// When it must be built and cannot be; the message says what is missing.
pub async fn plain_controller() -> Result<PathBuf> {
    let mut places = PLAIN_CONTROLLER.find_or_build().await?;
    places
        .pop()
        .context("plain-controller is missing after the build")
}

/// Where `tests/gitops` and actionlint are, taken from the same places.
///
/// # Errors
/// When one must be built and cannot be; the message says what is missing.
pub async fn gitops() -> Result<[PathBuf; 2]> {
    let places = GITOPS.find_or_build().await?;
    <[PathBuf; 2]>::try_from(places)
        .ok()
        .context("gitops or actionlint is missing after the build")
}

impl ProgramSet {
    /// A path for each program, in their order.
    async fn find_or_build(&self) -> Result<Vec<PathBuf>> {
        let module = Module::read(Path::new(self.module))?;
        let cache = cache_folder()?;
        let built = cache.join(format!("{}-{}", self.name, module.digest));
        let assets = env::var_os("KUBEBUILDER_ASSETS")
            .map(path::absolute)
            .transpose()
            .context("the folder named by KUBEBUILDER_ASSETS")?;
        let places: Vec<&Path> = assets
            .iter()
            .chain([&built])
            .map(PathBuf::as_path)
            .collect();
        if self.missing(&places).next().is_some() {
            self.build_missing(&module, &cache, &built, &places).await?;
        }
        self.programs
            .iter()
            .map(|program| {
                find(program, &places)
                    .with_context(|| format!("{} is missing after the build", program.name))
            })
            .collect()
    }

    fn missing(&self, places: &[&Path]) -> impl Iterator<Item = &'static Program> {
        let missing = |program: &&Program| find(program, places).is_none();
        self.programs.iter().filter(missing)
    }

    async fn build_missing(
        &self,
        module: &Module,
        cache: &Path,
        built: &Path,
        places: &[&Path],
    ) -> Result<()> {
        let names: Vec<&str> = self.missing(places).map(|program| program.name).collect();
        let names = names.join(", ");
        let instead = format!(", or set KUBEBUILDER_ASSETS to a folder that contains {names}");
        check_go(module.go, &format!("building {names}"), &instead).await?;
        fs::create_dir_all(built).with_context(|| format!("creating {}", built.display()))?;
        let _lock = lock(&cache.join("build.lock"), "building these programs").await?;
        // Another process may have built them while this one waited for the lock.
        let missing: Vec<&Program> = self.missing(places).collect();
        for (index, program) in missing.iter().enumerate() {
            eprintln!(
                "building {} ({} of {}; a first build of all takes some minutes)…",
                program.name,
                index + 1,
                missing.len()
            );
            build(module, cache, built, program).await?;
        }
        Ok(())
    }
}

fn find(program: &Program, places: &[&Path]) -> Option<PathBuf> {
    places
        .iter()
        .map(|place| place.join(program.name))
        .find(|path| path.is_file())
}

/// The folder for what is built and downloaded once.
///
/// # Errors
/// When neither the environment names one nor there is a home.
pub fn cache_folder() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("FREEHOLD_CACHE") {
        // Absolute, because go runs elsewhere.
        return path::absolute(folder).context("the folder named by FREEHOLD_CACHE");
    }
    let user_cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cache")));
    user_cache
        .map(|folder| folder.join("freehold"))
        .context("no folder for the built programs: set FREEHOLD_CACHE or HOME")
}

/// What the Go module asks for.
pub(crate) struct Module {
    /// Names the programs' versions: the folder in the cache changes with them.
    pub(crate) digest: String,
    pub(crate) go: Version,
    /// The Kubernetes that the programs are of, for those that tell it.
    kubernetes: Option<String>,
    pub(crate) folder: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('.');
        let major = parts.next()?.parse().ok()?;
        // A pre-release looks like 1.27rc1.
        let minor: String = parts
            .next()?
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        let minor = minor.parse().ok()?;
        Some(Self { major, minor })
    }
}

impl Module {
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
        };
        let go_mod = read("go.mod")?;
        let mut all = [go_mod.clone(), read("go.sum")?].concat();
        for source in go_sources(folder)? {
            all.push_str(&read(&source)?);
        }
        let digest = HEXLOWER.encode(digest(&SHA256, all.as_bytes()).as_ref());
        let go = go_mod
            .lines()
            .find_map(|line| Version::parse(line.strip_prefix("go ")?))
            .with_context(|| format!("go.mod in {} has no go line", folder.display()))?;
        let kubernetes = go_mod
            .split_whitespace()
            .skip_while(|word| *word != "k8s.io/kubernetes")
            .nth(1)
            .map(str::to_owned);
        Ok(Self {
            digest: digest.chars().take(12).collect(),
            go,
            kubernetes,
            folder: folder.to_owned(),
        })
    }

    /// The programs report their version from here; a client reads the API server's.
    fn linker_flags(&self) -> Result<String> {
        let Some(kubernetes) = &self.kubernetes else {
            return Ok("-s -w".to_owned());
        };
        let version = Version::parse(kubernetes.trim_start_matches('v'))
            .with_context(|| format!("{kubernetes} is no Kubernetes version"))?;
        Ok(format!(
            "-s -w -X k8s.io/component-base/version.gitVersion={} \
             -X k8s.io/component-base/version.gitMajor={} \
             -X k8s.io/component-base/version.gitMinor={}",
            kubernetes, version.major, version.minor
        ))
    }
}

/// The module's own programs, in the order of their names.
fn go_sources(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut sources: Vec<String> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| Path::new(name).extension().is_some_and(|e| e == "go"))
        .collect();
    sources.sort();
    Ok(sources)
}

/// Fails without a Go that is new enough for this work, and says what to do instead.
pub(crate) async fn check_go(needed: Version, work: &str, instead: &str) -> Result<()> {
    let output = Command::new("go")
        .args(["env", "GOVERSION"])
        .env("GOTOOLCHAIN", "local")
        // Beside no go.mod: an old Go refuses to say its version beside one that it cannot build.
        .current_dir(env::temp_dir())
        .stderr(Stdio::null())
        .output()
        .await;
    let found = match &output {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Err(_) => String::new(),
    };
    if Version::parse(found.trim_start_matches("go")).is_some_and(|version| version >= needed) {
        return Ok(());
    }
    let found = if found.is_empty() {
        "none was found".to_owned()
    } else {
        format!("found {found}")
    };
    bail!(
        "{work} needs Go {}.{} or newer ({found}); install it from https://go.dev/dl{instead}",
        needed.major,
        needed.minor
    )
}

/// Held until dropped: only one process does this work at a time.
pub(crate) async fn lock(path: &Path, work: &str) -> Result<File> {
    let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking {}", path.display()));
            }
            Err(TryLockError::WouldBlock) if !told => {
                eprintln!("another process is {work}; waiting for it…");
                told = true;
            }
            Err(TryLockError::WouldBlock) => {}
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// Go for a module, with nothing outside the cache folder.
pub(crate) fn go(module: &Path, cache: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(module)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-modcacherw")
        .env("GOTOOLCHAIN", "local")
        .env("GOMODCACHE", cache.join("go/mod"))
        .env("GOCACHE", cache.join("go/build"))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

async fn build(module: &Module, cache: &Path, built: &Path, program: &Program) -> Result<()> {
    // Built beside its place and renamed, so that an interrupted build leaves no broken program.
    let unfinished = built.join(format!(".{}.unfinished", program.name));
    let log_path = built.join(format!("{}.log", program.name));
    let log =
        File::create(&log_path).with_context(|| format!("creating {}", log_path.display()))?;
    let mut child = go(&module.folder, cache)
        .args([
            "build",
            "-trimpath",
            "-ldflags",
            &module.linker_flags()?,
            "-o",
        ])
        .arg(&unfinished)
        .arg(program.package)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("starting go")?;

    let started = Instant::now();
    let mut heartbeat = interval_at(tokio::time::Instant::now() + HEARTBEAT, HEARTBEAT);
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.context("waiting for go build")?,
            _ = heartbeat.tick() => {
                eprintln!("  still building {} ({} s)", program.name, started.elapsed().as_secs());
            }
        }
    };
    if !status.success() {
        bail!(
            "building {} failed ({status}); the end of {}:\n{}",
            program.name,
            log_path.display(),
            tail(&log_path)
        );
    }
    fs::remove_file(&log_path).with_context(|| format!("removing {}", log_path.display()))?;
    let place = built.join(program.name);
    fs::rename(&unfinished, &place).with_context(|| format!("creating {}", place.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert!(Version::parse("1.26.8") >= Version::parse("1.26.0"));
        assert!(Version::parse("1.9.1") < Version::parse("1.26"));
        assert!(Version::parse("1.27rc1") > Version::parse("1.26"));
        assert_eq!(Version::parse(""), None);
    }

    #[test]
    fn the_pinned_module_is_understood() {
        let module = Module::read(Path::new(CONTROL_PLANE.module)).unwrap();
        assert_eq!(module.digest.len(), 12);
        assert!(module.linker_flags().unwrap().contains("gitMajor=1 "));
        let helm = Module::read(Path::new(HELM.module)).unwrap();
        assert_ne!(helm.digest, module.digest);
        assert_eq!(helm.linker_flags().unwrap(), "-s -w");
        let sources = go_sources(Path::new(GITOPS.module)).unwrap();
        assert_eq!(sources, ["health.go", "main.go"]);
    }
}
