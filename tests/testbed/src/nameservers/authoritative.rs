//! BIND, NSD, Knot DNS and `PowerDNS` in place of a tree's own servers.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context, Result};
use tokio::process::Command;

use super::{powerdns, ready};
use crate::packages::Packages;
use crate::process::Process;
use crate::tree::{Builder, Sections};
use crate::{Tree, ports};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Software {
    Bind,
    Nsd,
    Knot,
    PowerDns,
}

impl Software {
    pub const ALL: [Self; 4] = [Self::Bind, Self::Nsd, Self::Knot, Self::PowerDns];

    fn program(self) -> &'static str {
        match self {
            Self::Bind => "named",
            Self::Nsd => "nsd",
            Self::Knot => "knotd",
            Self::PowerDns => "pdns_server",
        }
    }

    fn arguments(self, folder: &Path) -> Vec<String> {
        let file = folder.join(self.file()).display().to_string();
        match self {
            // In the foreground, with the log on standard error.
            Self::Bind => vec!["-g".to_owned(), "-c".to_owned(), file],
            Self::Nsd => vec!["-d".to_owned(), "-c".to_owned(), file],
            Self::Knot => vec!["-c".to_owned(), file],
            Self::PowerDns => vec![format!("--config-dir={}", folder.display())],
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::PowerDns => "pdns.conf",
            Self::Bind | Self::Nsd | Self::Knot => "server.conf",
        }
    }

    fn configuration(
        self,
        folder: &Path,
        addr: SocketAddr,
        zones: &[String],
        sections: Sections,
    ) -> String {
        let folder = folder.display();
        let (ip, port) = (addr.ip(), addr.port());
        let minimal = match sections {
            Sections::Minimal => "yes",
            Sections::Full => "no",
        };
        let each = |one: &dyn Fn(&String) -> String| zones.iter().map(one).collect::<String>();
        match self {
            Self::Bind => format!(
                "options {{\n  directory \"{folder}\";\n  listen-on port {port} {{ {ip}; }};\n  \
                 listen-on-v6 {{ none; }};\n  recursion no;\n  notify no;\n  \
                 minimal-responses {minimal};\n  \
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
                 xfrdir: \"{folder}\"\n  server-count: 1\n  rrl-ratelimit: 0\n  \
                 minimal-responses: {minimal}\n\
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
            Self::PowerDns => format!(
                "launch=bind\nbind-config={folder}/zones.conf\nbind-dnssec-db={folder}/dnssec.db\n\
                 local-address={ip}\nlocal-port={port}\nsocket-dir={folder}\n\
                 cache-ttl=0\nquery-cache-ttl=0\nnegquery-cache-ttl=0\ndname-processing=yes\n\
                 receiver-threads=1\ndistributor-threads=1\nguardian=no\ndaemon=no\n\
                 disable-syslog=yes\nsecurity-poll-suffix=\n"
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
    start_at(
        packages,
        software,
        tree,
        host,
        tree.server(host).addr(),
        folder,
    )
    .await
}

/// Starts the server at a free port, with the host's zones as they are now, and lets the host of the
/// tree give it all questions.
///
/// # Errors
/// When the program is missing or does not answer for every zone.
pub async fn substitute(
    packages: &Packages,
    software: Software,
    tree: &Tree,
    host: &str,
    folder: &Path,
) -> Result<Process> {
    let mut attempt = 0;
    loop {
        let [port] = ports::free()?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let folder = folder.join(port.to_string());
        let started = start_at(packages, software, tree, host, addr, &folder).await;
        if !ports::is_taken(&started, &mut attempt) {
            let process = started?;
            tree.server(host).forward_to(addr);
            return Ok(process);
        }
    }
}

async fn start_at(
    packages: &Packages,
    software: Software,
    tree: &Tree,
    host: &str,
    addr: SocketAddr,
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
        write(&path, &server.zone(zone).zone_file())?;
    }
    let text = software.configuration(&folder, addr, &zones, server.style().sections);
    write(&folder.join(software.file()), &text)?;
    if software == Software::PowerDns {
        powerdns::prepare(packages, tree, &folder, &zones).await?;
    }

    let mut command: Command = packages.command(&format!("usr/sbin/{program}"))?;
    command.args(software.arguments(&folder));
    let mut process = Process::start(program, command, &folder.join("server.log"))?;
    for zone in &zones {
        ready::wait(&mut process, addr, zone).await?;
    }
    Ok(process)
}

pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
