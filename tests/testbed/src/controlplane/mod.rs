//! A Kubernetes control plane on loopback: etcd, kube-apiserver, kube-controller-manager.

mod arguments;
mod audit;
mod credentials;
mod history;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::process::Process;
use crate::programs::Programs;
use crate::{kubeconfig, ports};
use arguments::Layout;

const START_DEADLINE: Duration = Duration::from_mins(2);
const STOP_GRACE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether kube-controller-manager runs: namespaces are then really deleted, dependents
    /// collected, cluster roles aggregated and service accounts given to namespaces.
    pub controller_manager: bool,
    /// Whether the API server writes down every request of a service account.
    pub audit: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            controller_manager: true,
            audit: false,
        }
    }
}

/// A running control plane. Works in the runtime that started it. Dropping it without
/// [`ControlPlane::stop`] kills its programs.
#[derive(Debug)]
pub struct ControlPlane {
    // Fields are dropped in this order: clients before their servers, files last.
    controller_manager: Option<Process>,
    api_server: Process,
    etcd: Process,
    programs: Programs,
    layout: Layout,
    kubeconfig: PathBuf,
    folder: TempDir,
}

impl ControlPlane {
    /// Starts the programs on free loopback ports with data in a temporary folder, and returns
    /// when the API server is ready and, where it runs, the controller manager works.
    ///
    /// # Errors
    /// When a program cannot be started or is not ready in time; the message names it and shows
    /// the end of its log.
    pub async fn start(programs: &Programs, options: Options) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("freehold-controlplane-")
            .tempdir()
            .context("creating a temporary folder")?;
        fs::create_dir(folder.path().join("logs")).context("creating the logs folder")?;
        let layout = Layout::new(folder.path(), ports::free()?, options.audit);
        if options.audit {
            audit::write_policy(&layout)?;
        }
        let token = credentials::write(&layout)?;
        let kubeconfig = folder.path().join("kubeconfig");

        let mut etcd = start_program("etcd", &programs.etcd, layout.etcd(), &layout)?;
        wait_for_port(&mut etcd, layout.etcd_client_port).await?;
        let api_server = start_api_server(programs, &layout)?;
        let mut plane = Self {
            controller_manager: None,
            api_server,
            etcd,
            programs: programs.clone(),
            layout,
            kubeconfig,
            folder,
        };
        plane.wait_for_certificate().await?;
        let ca = fs::read(plane.layout.certificate()).context("reading the API server's CA")?;
        kubeconfig::write(&plane.kubeconfig, plane.api_address(), &ca, &token)?;
        plane.wait_until_ready().await?;
        if options.controller_manager {
            plane.start_controller_manager().await?;
        }
        Ok(plane)
    }

    /// Ends the controller manager, the API server and etcd in this order, and removes all files.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(controller_manager) = &mut self.controller_manager {
            controller_manager.terminate(STOP_GRACE).await?;
        }
        self.api_server.terminate(STOP_GRACE).await?;
        self.etcd.terminate(STOP_GRACE).await?;
        self.folder.close().context("removing the temporary folder")
    }

    /// The administrator's kubeconfig (group `system:masters`).
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    #[must_use]
    pub fn api_address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.layout.api_port))
    }

    /// Where etcd answers its clients, without encryption or password.
    #[must_use]
    pub fn etcd_address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.layout.etcd_client_port))
    }

    /// A log file for each program.
    #[must_use]
    pub fn logs_dir(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    /// The requests of service accounts, an event in JSON a line, where [`Options::audit`] asked for
    /// it.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        self.layout.audit_log()
    }

    /// The kubectl program, for a caller that runs it otherwise than by [`ControlPlane::kubectl`].
    #[must_use]
    pub fn kubectl_path(&self) -> &Path {
        &self.programs.kubectl
    }

    /// A kubectl command as the administrator.
    #[must_use]
    pub fn kubectl(&self) -> Command {
        let mut command = Command::new(&self.programs.kubectl);
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECACHEDIR", self.folder.path().join("kubectl-cache"))
            .stdin(Stdio::null())
            // As with the programs: a Ctrl-C in a terminal is the caller's to act on.
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    /// Ends the API server as a crash does.
    pub async fn kill_api_server(&mut self) -> Result<()> {
        self.api_server.kill().await
    }

    /// Kills the API server if it still runs, starts it on the same port with the same
    /// certificate and data, and waits until it is ready.
    pub async fn restart_api_server(&mut self) -> Result<()> {
        self.api_server.kill().await?;
        self.api_server = start_api_server(&self.programs, &self.layout)?;
        self.wait_until_ready().await
    }

    /// Stops the API server without ending it: connections stay open and nothing answers.
    pub fn freeze_api_server(&self) -> Result<()> {
        self.api_server.freeze()
    }

    /// Undoes [`ControlPlane::freeze_api_server`].
    pub fn thaw_api_server(&self) -> Result<()> {
        self.api_server.thaw()
    }

    /// Stops etcd without ending it: the API server runs on and can neither read nor write.
    pub fn freeze_etcd(&self) -> Result<()> {
        self.etcd.freeze()
    }

    /// Undoes [`ControlPlane::freeze_etcd`].
    pub fn thaw_etcd(&self) -> Result<()> {
        self.etcd.thaw()
    }

    /// Takes every version but the newest out of etcd. What the API server remembers of them it
    /// forgets with [`ControlPlane::restart_api_server`]; then no watch goes on from where it was.
    pub async fn compact_history(&self) -> Result<()> {
        history::compact(self.layout.etcd_client_port).await
    }

    /// The API server makes its own certificate; the kubeconfig cannot be written before.
    async fn wait_for_certificate(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        wait_for_port(&mut self.api_server, self.layout.api_port).await?;
        while !self.layout.certificate().is_file() {
            self.api_server.check_running()?;
            check_deadline(deadline, &self.api_server)?;
            sleep(POLL).await;
        }
        Ok(())
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            self.etcd.check_running()?;
            self.api_server.check_running()?;
            if self.succeeds(&["get", "--raw=/readyz"]).await? {
                return Ok(());
            }
            check_deadline(deadline, &self.api_server)?;
            sleep(POLL).await;
        }
    }

    /// Returns when the controllers act: the default service account is made by one of them.
    async fn start_controller_manager(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        let mut controller_manager = start_program(
            "kube-controller-manager",
            &self.programs.kube_controller_manager,
            self.layout.controller_manager(&self.kubeconfig),
            &self.layout,
        )?;
        while !self
            .succeeds(&["get", "serviceaccount", "default", "--namespace=default"])
            .await?
        {
            controller_manager.check_running()?;
            check_deadline(deadline, &controller_manager)?;
            sleep(POLL).await;
        }
        self.controller_manager = Some(controller_manager);
        Ok(())
    }

    async fn succeeds(&self, arguments: &[&str]) -> Result<bool> {
        let status = self
            .kubectl()
            .args(arguments)
            .arg("--request-timeout=5s")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .await
            .context("running kubectl")?;
        Ok(status.success())
    }
}

fn start_api_server(programs: &Programs, layout: &Layout) -> Result<Process> {
    start_program(
        "kube-apiserver",
        &programs.kube_apiserver,
        layout.api_server(),
        layout,
    )
}

fn start_program(
    name: &str,
    path: &Path,
    arguments: Vec<String>,
    layout: &Layout,
) -> Result<Process> {
    let mut command = Command::new(path);
    command.args(arguments);
    Process::start(name, command, &layout.log(name))
}

async fn wait_for_port(process: &mut Process, port: u16) -> Result<()> {
    let deadline = Instant::now() + START_DEADLINE;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .is_err()
    {
        process.check_running()?;
        check_deadline(deadline, process)?;
        sleep(POLL).await;
    }
    Ok(())
}

fn check_deadline(deadline: Instant, process: &Process) -> Result<()> {
    if Instant::now() > deadline {
        bail!(
            "{} is not ready after {} s; the end of its log:\n{}",
            process.name(),
            START_DEADLINE.as_secs(),
            process.log_tail()
        );
    }
    Ok(())
}
