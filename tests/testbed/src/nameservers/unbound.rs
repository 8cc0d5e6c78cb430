//! Unbound: a recursive server that validates up to a tree's root, over UDP, TCP and TLS.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{certificate, ready};
use crate::packages::Packages;
use crate::process::Process;
use crate::{Tree, ports};

/// Ends when it is dropped.
#[derive(Debug)]
pub struct Unbound {
    pub process: Process,
    /// UDP and TCP.
    pub plain: SocketAddr,
    /// DNS over TLS.
    pub tls: SocketAddr,
    /// The host name in the certificate.
    pub tls_name: &'static str,
    /// The certificate, which is also its own authority.
    pub certificate: PathBuf,
}

impl Unbound {
    /// Files are written into `folder`, which must outlive the process.
    ///
    /// # Errors
    /// When the program is missing or does not answer.
    pub async fn start(packages: &Packages, tree: &Tree, folder: &Path) -> Result<Self> {
        let mut attempt = 0;
        loop {
            let started = Self::start_at(packages, tree, folder, ports::free()?).await;
            if !ports::is_taken(&started, &mut attempt) {
                return started;
            }
        }
    }

    async fn start_at(
        packages: &Packages,
        tree: &Tree,
        folder: &Path,
        ports: [u16; 2],
    ) -> Result<Self> {
        let folder = folder.join("unbound");
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let tls_name = "resolver.test";
        let certificate = folder.join("certificate.pem");
        certificate::write(tls_name, &folder.join("key.pem"), &certificate)?;
        tree.write_trust_anchor(&folder.join("root.key"))?;
        let [plain, tls] = ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let configuration = folder.join("unbound.conf");
        fs::write(&configuration, text(&folder, tree, plain, tls))
            .with_context(|| format!("writing {}", configuration.display()))?;

        let mut command = packages.command("usr/sbin/unbound")?;
        command.args(["-d", "-c"]).arg(&configuration);
        let mut process = Process::start("unbound", command, &folder.join("server.log"))?;
        ready::wait(&mut process, plain, ".").await?;
        Ok(Self {
            process,
            plain,
            tls,
            tls_name,
            certificate,
        })
    }
}

/// Unbound asks learned addresses at port 53 alone: so every zone's servers are told, while what
/// is signed is still proved from the root down.
fn text(folder: &Path, tree: &Tree, plain: SocketAddr, tls: SocketAddr) -> String {
    let at = |addr: SocketAddr| format!("{}@{}", addr.ip(), addr.port());
    let shown = folder.display();
    let mut text = format!(
        "server:\n  interface: {}\n  interface: {}\n  tls-port: {}\n  do-ip6: no\n  \
         tls-service-key: \"{shown}/key.pem\"\n  \
         tls-service-pem: \"{shown}/certificate.pem\"\n  \
         directory: \"{shown}\"\n  username: \"\"\n  chroot: \"\"\n  pidfile: \"\"\n  \
         use-syslog: no\n  logfile: \"\"\n  do-daemonize: no\n  num-threads: 1\n  \
         do-not-query-localhost: no\n  access-control: 127.0.0.0/8 allow\n  \
         module-config: \"validator iterator\"\n  aggressive-nsec: no\n  \
         trust-anchor-file: \"{shown}/root.key\"\n\
         remote-control:\n  control-enable: no\n",
        at(plain),
        at(tls),
        tls.port()
    );
    for (zone, servers) in tree.zones() {
        let _ = write!(text, "stub-zone:\n  name: \"{zone}\"\n  stub-prime: no\n");
        for server in servers {
            let _ = writeln!(text, "  stub-addr: {}", at(server));
        }
    }
    text
}
