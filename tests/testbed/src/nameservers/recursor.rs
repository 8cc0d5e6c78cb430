//! Unbound as the Internet's resolvers have it: it knows a tree's root and walks down from there.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::ready;
use crate::packages::Packages;
use crate::process::Process;
use crate::{Tree, ports};

/// Ends when it is dropped.
#[derive(Debug)]
pub struct Recursor {
    pub process: Process,
    /// UDP and TCP.
    pub addr: SocketAddr,
    /// Where its own questions come from.
    pub client: IpAddr,
    control: PathBuf,
}

impl Recursor {
    /// Starts Unbound for a tree that listens at port 53 and tells its real addresses. It validates
    /// up to the tree's root, if that is signed. Files are written into `folder`, which must outlive
    /// the process.
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
        [port]: [u16; 1],
    ) -> Result<Self> {
        let folder = folder.join("recursor");
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        tree.write_trust_anchor(&folder.join("root.key"))?;
        let hints = folder.join("root.hints");
        fs::write(&hints, tree.root_hints())
            .with_context(|| format!("writing {}", hints.display()))?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let client = tree.asker_address();
        let configuration = folder.join("unbound.conf");
        fs::write(&configuration, text(&folder, addr, client))
            .with_context(|| format!("writing {}", configuration.display()))?;

        let mut command = packages.command("usr/sbin/unbound")?;
        command.args(["-d", "-c"]).arg(&configuration);
        let mut process = Process::start("unbound", command, &folder.join("server.log"))?;
        ready::wait(&mut process, addr, ".").await?;
        Ok(Self {
            process,
            addr,
            client: client.into(),
            control: folder.join("control"),
        })
    }

    /// Forgets every record, and what it knows of servers.
    ///
    /// # Errors
    /// When the process does not confirm it.
    pub async fn flush(&self) -> Result<()> {
        self.command("flush_zone .").await?;
        self.command("flush_infra all").await
    }

    /// One command of `unbound-control`, whose protocol is a line each way.
    async fn command(&self, command: &str) -> Result<()> {
        let mut stream = UnixStream::connect(&self.control)
            .await
            .context("connecting to unbound's control socket")?;
        let line = format!("UBCT1 {command}\n");
        stream.write_all(line.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        if !answer.starts_with("ok") {
            bail!("unbound does not {command}: {answer}");
        }
        Ok(())
    }
}

fn text(folder: &Path, addr: SocketAddr, client: Ipv4Addr) -> String {
    let shown = folder.display();
    format!(
        "server:\n  interface: {}@{}\n  do-ip6: no\n  outgoing-interface: {client}\n  \
         directory: \"{shown}\"\n  username: \"\"\n  chroot: \"\"\n  pidfile: \"\"\n  \
         use-syslog: no\n  logfile: \"\"\n  do-daemonize: no\n  num-threads: 1\n  \
         do-not-query-localhost: no\n  access-control: 127.0.0.0/8 allow\n  \
         module-config: \"validator iterator\"\n  trust-anchor-file: \"{shown}/root.key\"\n  \
         root-hints: \"{shown}/root.hints\"\n\
         remote-control:\n  control-enable: yes\n  control-use-cert: no\n  \
         control-interface: \"{shown}/control\"\n",
        addr.ip(),
        addr.port()
    )
}
