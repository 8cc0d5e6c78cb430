//! The parts that every row stands on: a control plane, a DNS server, a client.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use freehold_testbed::{ControlPlane, DnsServer, Options, Programs};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::kinds::{self, Seen};
use super::operator::Operator;
use crate::cargo;

/// How long anything may take that a row waits for.
pub const DEADLINE: Duration = Duration::from_mins(10);

pub struct Parts {
    pub plane: ControlPlane,
    pub dns: Arc<DnsServer>,
    pub client: Client,
    pub freehold: PathBuf,
    folder: TempDir,
}

impl Parts {
    pub async fn start(freehold: &Path) -> Result<Self> {
        let programs = Programs::find_or_build().await?;
        // Its controllers would take from the two sides of a ratio what neither of them asked for.
        let options = Options {
            controller_manager: false,
            ..Options::default()
        };
        let plane = ControlPlane::start(&programs, options).await?;
        let kubeconfig = Kubeconfig::read_from(plane.kubeconfig())?;
        let config =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let parts = Self {
            client: Client::try_from(config)?,
            plane,
            dns: Arc::new(DnsServer::start().await?),
            freehold: freehold.to_owned(),
            folder: tempfile::tempdir().context("creating a temporary folder")?,
        };
        parts
            .kubectl(&["apply", "--server-side", "--filename", "crds/"])
            .await?;
        let established = "--for=condition=Established";
        parts
            .kubectl(&["wait", established, "--timeout=60s", "--filename", "crds/"])
            .await?;
        for kind in kinds::watched() {
            let api = Api::<Seen>::all_with(parts.client.clone(), &kind);
            until("the CRDs are served", Duration::from_mins(1), || {
                let api = api.clone();
                async move { Ok(api.list(&kube::api::ListParams::default()).await.is_ok()) }
            })
            .await?;
        }
        Ok(parts)
    }

    pub async fn stop(self) -> Result<()> {
        self.plane.stop().await
    }

    /// An operator that asks the DNS server, without waiting for it.
    pub fn spawn(&self, arguments: &[&str]) -> Result<Operator> {
        let dns = self.dns.addr().to_string();
        let recursive = ["--dns-mode=recursive", "--dns-server", &dns];
        self.spawn_asking(&recursive, arguments)
    }

    pub fn spawn_asking(&self, dns: &[&str], arguments: &[&str]) -> Result<Operator> {
        let mut command = Command::new(&self.freehold);
        command
            .args(["operator", "--listen-address=127.0.0.1:0"])
            .arg("--allow-suffix=example")
            .args(dns)
            .args(arguments)
            .env("KUBECONFIG", self.plane.kubeconfig());
        Operator::start(command, self.folder.path())
    }

    /// An operator whose stores are filled.
    pub async fn operator(&self, arguments: &[&str]) -> Result<Operator> {
        let mut operator = self.spawn(arguments)?;
        operator.ready().await?;
        Ok(operator)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub async fn kubectl(&self, arguments: &[&str]) -> Result<()> {
        let output = self
            .plane
            .kubectl()
            .args(arguments)
            .current_dir(cargo::root())
            .output()
            .await
            .context("starting kubectl")?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            bail!("kubectl {} failed: {}", arguments.join(" "), why.trim());
        }
        Ok(())
    }
}

/// Asks until the answer is yes.
pub async fn until<F>(what: &str, deadline: Duration, mut ask: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<bool>>,
{
    let end = Instant::now() + deadline;
    while !ask().await? {
        if Instant::now() > end {
            bail!("not so after {} s: {what}", deadline.as_secs());
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
