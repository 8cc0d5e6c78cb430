//! The processes of the demo, and the order in which they end.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use freehold_testbed::{ControlPlane, DnsServer, Options, Process, Programs};
use serde_json::Value;
use tokio::process::Command;

use super::folder::DemoFolder;
use crate::cargo;

const STOP_GRACE: Duration = Duration::from_secs(10);

#[derive(Default)]
pub struct Parts {
    operator: Option<Process>,
    plane: Option<ControlPlane>,
    dns: Option<DnsServer>,
}

impl Parts {
    pub async fn start_servers(&mut self, programs: &Programs, folder: &DemoFolder) -> Result<()> {
        let plane = ControlPlane::start(programs, Options::default()).await?;
        let plane = self.plane.insert(plane);
        fs::copy(plane.kubeconfig(), folder.kubeconfig()).context("copying the kubeconfig")?;
        let dns = DnsServer::start_with_zone_file(&folder.zone(), None).await?;
        self.dns = Some(dns);
        Ok(())
    }

    pub async fn install_crds(&self) -> Result<()> {
        if !cargo::root().join("crds").is_dir() {
            bail!("there is no folder crds/; write it with: cargo xtask crds");
        }
        self.kubectl(&["apply", "--server-side", "--filename", "crds/"])
            .await?;
        let established = "--for=condition=Established";
        let wait = ["wait", established, "--timeout=60s", "--filename", "crds/"];
        self.kubectl(&wait).await.map(drop)
    }

    pub fn start_operator(&mut self, freehold: &Path, folder: &DemoFolder) -> Result<()> {
        let mut command = Command::new(freehold);
        command
            .args(["operator", "--allow-suffix", "example"])
            .args([
                "--dns-mode",
                "recursive",
                "--dns-server",
                &self.dns_address()?.to_string(),
            ])
            .args(["--listen-address", "127.0.0.1:0"])
            .env("KUBECONFIG", folder.kubeconfig());
        let operator = Process::start("the operator", command, &folder.operator_log())?;
        self.operator = Some(operator);
        Ok(())
    }

    /// Fails as soon as the operator has ended.
    pub fn check_running(&mut self) -> Result<()> {
        self.operator
            .as_mut()
            .map_or(Ok(()), Process::check_running)
    }

    pub fn operator_log_tail(&self) -> String {
        self.operator
            .as_ref()
            .map(Process::log_tail)
            .unwrap_or_default()
    }

    pub fn plane(&self) -> Result<&ControlPlane> {
        self.plane
            .as_ref()
            .context("the control plane is not running")
    }

    pub fn dns_address(&self) -> Result<SocketAddr> {
        let dns = self.dns.as_ref().context("the DNS server is not running")?;
        Ok(dns.addr())
    }

    /// Runs kubectl in the workspace's folder and returns what it prints.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let output = self
            .plane()?
            .kubectl()
            .args(arguments)
            .current_dir(cargo::root())
            .stderr(Stdio::piped())
            .output()
            .await
            .context("starting kubectl")?;
        if !output.status.success() {
            bail!(
                "kubectl {} failed: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Applies one object.
    pub async fn apply(&self, folder: &DemoFolder, object: &Value) -> Result<()> {
        let path = folder.object();
        fs::write(&path, object.to_string())
            .with_context(|| format!("writing {}", path.display()))?;
        let path = path.display().to_string();
        self.kubectl(&["apply", "--server-side", "--filename", &path])
            .await
            .map(drop)
    }

    /// The operator first, so that it can still write what it has in hand.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(operator) = &mut self.operator {
            operator.terminate(STOP_GRACE).await?;
        }
        if let Some(plane) = self.plane {
            plane.stop().await?;
        }
        Ok(())
    }
}
