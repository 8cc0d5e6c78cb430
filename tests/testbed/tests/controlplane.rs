//! The control plane really starts, survives faults and leaves nothing behind.

use anyhow::{Result, ensure};
use freehold_testbed::{ControlPlane, Options, Programs, Proxy, kubeconfig_through};
use tokio::net::TcpStream;
use tokio::process::Command;

async fn succeeds(mut command: Command, arguments: &[&str]) -> Result<bool> {
    Ok(command.args(arguments).output().await?.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_serves_survives_faults_and_stops() -> Result<()> {
    let programs = Programs::find_or_build().await?;
    let mut plane = ControlPlane::start(&programs, Options::default()).await?;
    let logs = plane.logs_dir();
    ensure!(logs.join("kube-apiserver.log").is_file());
    ensure!(succeeds(plane.kubectl(), &["create", "namespace", "acme"]).await?);
    // Signed with the service-account key.
    ensure!(succeeds(plane.kubectl(), &["create", "token", "default"]).await?);

    // The data and the certificate outlive the API server.
    let get = ["get", "namespace", "acme", "--request-timeout=2s"];
    plane.kill_api_server().await?;
    ensure!(!succeeds(plane.kubectl(), &get).await?);
    plane.restart_api_server().await?;
    ensure!(succeeds(plane.kubectl(), &get).await?);

    plane.freeze_api_server()?;
    ensure!(!succeeds(plane.kubectl(), &get).await?);
    plane.thaw_api_server()?;
    ensure!(succeeds(plane.kubectl(), &get).await?);

    let proxy = Proxy::start(plane.api_address()).await?;
    let folder = tempfile::tempdir()?;
    let through = kubeconfig_through(plane.kubeconfig(), &proxy, folder.path())?;
    let mut command = plane.kubectl();
    command.env("KUBECONFIG", through);
    ensure!(succeeds(command, &get).await?);

    // A namespace disappears only where its controller runs.
    let delete = ["delete", "namespace", "acme", "--timeout=60s"];
    ensure!(succeeds(plane.kubectl(), &delete).await?);

    let address = plane.api_address();
    plane.stop().await?;
    ensure!(!logs.exists());
    ensure!(TcpStream::connect(address).await.is_err());
    Ok(())
}
