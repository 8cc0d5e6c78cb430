//! Kubeconfig files for one cluster and one administrator.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use data_encoding::BASE64;

use crate::proxy::Proxy;

const SERVER: &str = "    server: ";
const TOKEN: &str = "    token: ";

pub(crate) fn write(path: &Path, api: SocketAddr, ca_pem: &[u8], token: &str) -> Result<()> {
    let ca = BASE64.encode(ca_pem);
    let text = format!(
        "apiVersion: v1\n\
         kind: Config\n\
         current-context: freehold\n\
         clusters:\n\
         - name: freehold\n\
         \x20 cluster:\n\
         {SERVER}https://{api}\n\
         \x20   certificate-authority-data: {ca}\n\
         users:\n\
         - name: admin\n\
         \x20 user:\n\
         {TOKEN}{token}\n\
         contexts:\n\
         - name: freehold\n\
         \x20 context:\n\
         \x20   cluster: freehold\n\
         \x20   user: admin\n\
         \x20   namespace: default\n"
    );
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

/// Writes a copy of the control plane's `kubeconfig` to `path` that has another user's token.
///
/// # Errors
/// When the kubeconfig is not one that a control plane of this crate wrote, or on a failed write.
pub fn kubeconfig_with_token(kubeconfig: &Path, token: &str, path: &Path) -> Result<()> {
    let text = with_line(kubeconfig, TOKEN, token)?;
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

/// Writes a copy of the control plane's `kubeconfig` into `folder` that reaches the API server
/// through `proxy`.
///
/// # Errors
/// When the kubeconfig is not one that a control plane of this crate wrote, or on a failed write.
pub fn kubeconfig_through(kubeconfig: &Path, proxy: &Proxy, folder: &Path) -> Result<PathBuf> {
    let through = with_line(kubeconfig, SERVER, &format!("https://{}", proxy.addr()))?;
    let path = folder.join(format!("kubeconfig-{}", proxy.addr().port()));
    fs::write(&path, through).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

/// The file with another value behind `key`.
fn with_line(kubeconfig: &Path, key: &str, value: &str) -> Result<String> {
    let text = fs::read_to_string(kubeconfig)
        .with_context(|| format!("reading {}", kubeconfig.display()))?;
    let Some(line) = text.lines().find(|line| line.starts_with(key)) else {
        bail!(
            "{} is not a kubeconfig that the testbed wrote",
            kubeconfig.display()
        );
    };
    Ok(text.replace(line, &format!("{key}{value}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_kubeconfig_through_a_proxy_differs_in_the_server_alone() {
        let folder = tempfile::tempdir().unwrap();
        let direct = folder.path().join("kubeconfig");
        let upstream = SocketAddr::from(([127, 0, 0, 1], 6443));
        write(&direct, upstream, b"certificate", "secret").unwrap();
        let proxy = Proxy::start(upstream).await.unwrap();

        let through = kubeconfig_through(&direct, &proxy, folder.path()).unwrap();

        let direct = fs::read_to_string(direct).unwrap();
        let through = fs::read_to_string(through).unwrap();
        assert!(direct.contains("server: https://127.0.0.1:6443\n"));
        assert_eq!(
            through,
            direct.replace("127.0.0.1:6443", &proxy.addr().to_string())
        );
    }
}
