//! The operator as a process of its own.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use freehold_testbed::{Clock, Process, Tree};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::chart::Chart;
use super::docs::Installed;
use super::wait::eventually;

const TERMINATION_GRACE: Duration = Duration::from_secs(40);
const ENDING: Duration = Duration::from_mins(1);
const LOG_TAIL: usize = 60;
/// With devices that every container has. Each program becomes the next, so that signals reach the
/// last.
const IN_ROOT: &str = r#"
    root=$0
    mkdir "$root/dev"
    mount --bind "$root" "$root"
    for device in dev/null dev/random dev/urandom; do
        touch "$root/$device"
        mount --bind "/$device" "$root/$device"
    done
    mount -o remount,bind,ro "$root"
    exec setpriv --no-new-privs chroot --userspec=65532:65532 --groups=65532 "$root" \
        /usr/bin/freehold "$@"
"#;

/// The binary under test.
pub fn freehold() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_freehold"));
    command.kill_on_drop(true);
    command
}

/// How to start an operator; every start is a new process.
#[derive(Clone)]
pub struct OperatorSettings {
    kubeconfig: PathBuf,
    /// The file system of an image, to run the binary of.
    root: Option<PathBuf>,
    /// What a person types in place of all arguments.
    typed: Option<String>,
    arguments: Vec<String>,
    environment: Vec<(String, OsString)>,
    folder: Arc<TempDir>,
    starts: Arc<AtomicUsize>,
}

impl OperatorSettings {
    /// That asks one recursive server.
    pub fn new(kubeconfig: &Path, dns: SocketAddr) -> Self {
        Self::without_dns(kubeconfig)
            .with("--dns-mode", "recursive")
            .with("--dns-server", &dns.to_string())
            .with("--allow-suffix", "example")
    }

    /// That walks a tree from its root.
    pub fn walking(kubeconfig: &Path, tree: &Tree) -> Self {
        let settings = Self::without_dns(kubeconfig);
        let anchor = settings.folder.path().join("root.key");
        tree.write_trust_anchor(&anchor).unwrap();
        let settings = settings
            .with("--dns-trust-anchor", anchor.to_str().unwrap())
            .with("--dns-port", &tree.port().to_string())
            .with("--dns-allow-cidr", &tree.network())
            .with("--dns-timeout", "1s");
        tree.roots().into_iter().fold(settings, |settings, ip| {
            settings.with("--dns-root", &SocketAddr::new(ip, tree.port()).to_string())
        })
    }

    /// As the chart's Deployment starts it; what a test sets comes on top. Tests run operators side
    /// by side, each for its own tenants, so none of these waits for a Lease.
    fn without_dns(kubeconfig: &Path) -> Self {
        let chart = Chart::installed();
        let settings = Self {
            kubeconfig: kubeconfig.to_owned(),
            root: None,
            typed: None,
            arguments: chart.arguments(),
            environment: alone(of_chart(chart)),
            folder: Arc::new(tempfile::tempdir().unwrap()),
            starts: Arc::default(),
        };
        settings.with("--listen-address", "127.0.0.1:0")
    }

    /// That a command of the documentation starts; the test's own settings are in its environment.
    pub fn typed(
        command: &str,
        kubeconfig: &Path,
        installed: &Installed,
        environment: &[(&str, String)],
    ) -> Self {
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.into()));
        Self {
            kubeconfig: kubeconfig.to_owned(),
            root: None,
            // So that signals reach the operator itself.
            typed: Some(format!("exec {command}")),
            arguments: Vec::new(),
            environment: environment
                .chain([
                    ("FREEHOLD_LISTEN_ADDRESS".to_owned(), "127.0.0.1:0".into()),
                    ("PATH".to_owned(), installed.path().into()),
                ])
                .collect(),
            folder: Arc::new(tempfile::tempdir().unwrap()),
            starts: Arc::default(),
        }
    }

    #[must_use]
    pub fn with(mut self, flag: &str, value: &str) -> Self {
        self.arguments.push(format!("{flag}={value}"));
        self
    }

    /// With the whole environment of a release's Deployment.
    #[must_use]
    pub fn deployed_by(mut self, chart: &Chart) -> Self {
        self.environment = of_chart(chart);
        self
    }

    /// Checks pending domains this often.
    #[must_use]
    pub fn every(self, period: &str) -> Self {
        self.with("--check-ladder", period)
    }

    #[must_use]
    pub fn kubeconfig(mut self, kubeconfig: &Path) -> Self {
        kubeconfig.clone_into(&mut self.kubeconfig);
        self
    }

    /// That goes by this clock.
    #[must_use]
    pub fn clock(mut self, clock: &Clock) -> Self {
        for (name, value) in clock.environment() {
            self.environment.push((name.to_owned(), value.into()));
        }
        self
    }

    /// Runs the binary of an image's file system, which becomes the read-only root of a process with
    /// the chart's user and no rights. That needs the rights of root itself.
    #[must_use]
    pub fn in_root(mut self, root: &Path) -> Self {
        let inside = Path::new("/kubeconfig");
        let outside = root.join("kubeconfig");
        fs::copy(&self.kubeconfig, &outside).unwrap();
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o444)).unwrap();
        inside.clone_into(&mut self.kubeconfig);
        self.root = Some(root.to_owned());
        self
    }

    fn program(&self) -> Command {
        if let Some(typed) = &self.typed {
            let mut command = Command::new("sh");
            command.args(["-euc", typed]);
            return command;
        }
        let Some(root) = &self.root else {
            return Command::new(env!("CARGO_BIN_EXE_freehold"));
        };
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-ec", IN_ROOT]).arg(root);
        command
    }

    /// Starts an operator without waiting for it.
    pub fn spawn(&self) -> OperatorProcess {
        let number = self.starts.fetch_add(1, Ordering::Relaxed);
        let log = self.folder.path().join(format!("operator-{number}.log"));
        let mut command = self.program();
        command
            .args(&self.arguments)
            .envs(self.environment.iter().cloned())
            .env("KUBECONFIG", &self.kubeconfig);
        OperatorProcess {
            process: Process::start("the operator", command, &log).unwrap(),
            log,
            _folder: Arc::clone(&self.folder),
        }
    }

    /// Starts an operator and waits until its stores are filled.
    pub async fn start(&self) -> OperatorProcess {
        let mut operator = self.spawn();
        operator.ready().await;
        operator
    }
}

fn of_chart(chart: &Chart) -> Vec<(String, OsString)> {
    let environment = chart.environment().into_iter();
    environment
        .map(|(name, value)| (name, value.into()))
        .collect()
}

fn alone(mut environment: Vec<(String, OsString)>) -> Vec<(String, OsString)> {
    environment.retain(|(name, _)| name != "FREEHOLD_LEADER_ELECTION");
    environment
}

pub struct OperatorProcess {
    process: Process,
    log: PathBuf,
    _folder: Arc<TempDir>,
}

impl OperatorProcess {
    pub async fn ready(&mut self) {
        eventually("the operator is ready", async || {
            self.process.check_running().map_err(|e| e.to_string())?;
            let (code, body) = self.get("/readyz").await?;
            if code == 200 { Ok(()) } else { Err(body) }
        })
        .await;
    }

    pub fn id(&self) -> u32 {
        self.process.id().unwrap()
    }

    pub fn check_running(&mut self) {
        self.process.check_running().unwrap();
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        self.process.ended(ENDING).await.unwrap()
    }

    /// Stands still: SIGSTOP.
    pub fn freeze(&self) {
        self.process.freeze().unwrap();
    }

    pub fn thaw(&self) {
        self.process.thaw().unwrap();
    }

    /// As a crash: SIGKILL.
    pub async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    /// SIGTERM, and how it ended.
    pub async fn terminate(mut self) -> ExitStatus {
        self.process.terminate(TERMINATION_GRACE).await.unwrap()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn address(&self) -> Result<SocketAddr, String> {
        self.log()
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find_map(|line| line["address"].as_str()?.parse().ok())
            .ok_or_else(|| "no address in the log yet".to_owned())
    }

    /// A page of the operator's own port.
    pub async fn get(&self, path: &str) -> Result<(u16, String), String> {
        let address = self.address()?;
        let exchange = async {
            let mut stream = TcpStream::connect(address).await?;
            let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = exchange.await.map_err(|e| e.to_string())?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no HTTP answer")?;
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Ok((code.ok_or("no HTTP status")?, body.to_owned()))
    }

    /// The sum of a metric's samples whose labels contain `labels`.
    pub async fn metric(&self, name: &str, labels: &str) -> u64 {
        let (_, page) = self.get("/metrics").await.unwrap();
        page.lines()
            .filter_map(|line| line.strip_prefix(name))
            .filter(|rest| rest.starts_with(['{', ' ']) && rest.contains(labels))
            .filter_map(|rest| rest.rsplit_once(' ')?.1.parse::<u64>().ok())
            .sum()
    }
}

impl Drop for OperatorProcess {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(LOG_TAIL)..];
            eprintln!("--- the end of the operator's log:\n{}", tail.join("\n"));
        }
    }
}
