//! BIND, NSD and Knot DNS in place of a tree's own servers.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context, Result};
use tokio::process::Command;

use super::ready;
use crate::Tree;
use crate::packages::Packages;
use crate::process::Process;
use crate::tree::Builder;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Software {
    Bind,
    Nsd,
    Knot,
}

impl Software {
    pub const ALL: [Self; 3] = [Self::Bind, Self::Nsd, Self::Knot];

    fn program(self) -> &'static str {
        match self {
            Self::Bind => "named",
            Self::Nsd => "nsd",
            Self::Knot => "knotd",
        }
    }

    fn arguments(self) -> &'static [&'static str] {
        match self {
            // In the foreground, with the log on standard error.
            Self::Bind => &["-g", "-c"],
            Self::Nsd => &["-d", "-c"],
            Self::Knot => &["-c"],
        }
    }

    fn configuration(self, folder: &Path, addr: SocketAddr, zones: &[String]) -> String {
        let folder = folder.display();
        let (ip, port) = (addr.ip(), addr.port());
        let each = |one: &dyn Fn(&String) -> String| zones.iter().map(one).collect::<String>();
        match self {
            Self::Bind => format!(
                "options {{\n  directory \"{folder}\";\n  listen-on port {port} {{ {ip}; }};\n  \
                 listen-on-v6 {{ none; }};\n  recursion no;\n  notify no;\n  \
                 dnssec-validation no;\n  pid-file none;\n  session-keyfile none;\n  \
                 lock-file none;\n}};\ncontrols {{}};\n{}",
                each(&|zone| format!(
                    "zone \"{zone}\" {{ type primary; file \"{zone}.zone\"; }};\n"
                ))
            ),
            Self::Nsd => format!(
                "server:\n  ip-address: {ip}@{port}\n  username: \"\"\n  chroot: \"\"\n  \
                 zonesdir: \"{folder}\"\n  database: \"\"\n  pidfile: \"\"\n  \
                 xfrdfile: \"{folder}/xfrd.state\"\n  zonelistfile: \"{folder}/zone.list\"\n  \
                 xfrdir: \"{folder}\"\n  server-count: 1\n  rrl-ratelimit: 0\n\
                 remote-control:\n  control-enable: no\n{}",
                each(&|zone| format!("zone:\n  name: \"{zone}\"\n  zonefile: \"{zone}.zone\"\n"))
            ),
            Self::Knot => format!(
                "server:\n  rundir: \"{folder}\"\n  listen: {ip}@{port}\n  \
                 udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n\
                 database:\n  storage: \"{folder}/db\"\n\
                 log:\n  - target: stderr\n    any: info\n\
                 template:\n  - id: default\n    storage: \"{folder}\"\n    \
                 zonefile-sync: -1\n    journal-content: none\nzone:\n{}",
                each(&|zone| format!("  - domain: \"{zone}\"\n    file: \"{zone}.zone\"\n"))
            ),
        }
    }
}

/// Gives each name server to a program of its own.
#[must_use]
pub fn external(builder: Builder, hosts: &[(&str, Software)]) -> Builder {
    hosts.iter().fold(builder, |builder, &(host, software)| {
        let builder = builder.external(host);
        if software == Software::Bind {
            // BIND listens only at addresses that an interface has, and lo has just this one.
            builder.real_address(host, Ipv4Addr::LOCALHOST)
        } else {
            builder
        }
    })
}

/// Starts the server at the address of one of the tree's [`external`] hosts, with that host's zones as
/// they are now. Files are written into `folder`, which must outlive the process.
///
/// # Errors
/// When the program is missing or does not answer for every zone.
pub async fn start(
    packages: &Packages,
    software: Software,
    tree: &Tree,
    host: &str,
    folder: &Path,
) -> Result<Process> {
    let program = software.program();
    let folder = folder.join(format!("{program}-{host}"));
    fs::create_dir_all(folder.join("db"))
        .with_context(|| format!("creating {}", folder.display()))?;
    let server = tree.server(host);
    let zones = server.zones();
    for zone in &zones {
        let path = folder.join(format!("{zone}.zone"));
        fs::write(&path, server.zone(zone).zone_file())
            .with_context(|| format!("writing {}", path.display()))?;
    }
    let configuration = folder.join("server.conf");
    fs::write(
        &configuration,
        software.configuration(&folder, server.addr(), &zones),
    )
    .with_context(|| format!("writing {}", configuration.display()))?;

    let mut command: Command = packages.command(&format!("usr/sbin/{program}"))?;
    command.args(software.arguments()).arg(&configuration);
    let mut process = Process::start(program, command, &folder.join("server.log"))?;
    for zone in &zones {
        ready::wait(&mut process, server.addr(), zone).await?;
    }
    Ok(process)
}
