//! The arguments of everything that asks the DNS.

use std::error::Error;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use ipnet::IpNet;
use jiff::SignedDuration;
use rustls::ClientConfig;

use crate::dns::anchors;
use crate::dns::recursive::parse_address;
use crate::dns::trust::authorities;
use crate::dns::{
    Authoritative, AuthoritativeSettings, Gatherer, Guard, Recursive, RecursiveServer,
    RecursiveSettings, TrustAnchors,
};
use crate::model::name::DomainName;
use crate::model::policy::{NamePolicy, is_public_suffix};
use crate::model::schedule::parse_duration;
use crate::model::service::ServiceName;

#[derive(Debug, Args)]
#[command(next_help_heading = "DNS")]
pub struct DnsArguments {
    /// Servers to query: authoritative queries every server of the domain's zone, found from the root
    /// servers; recursive queries the servers of --dns-server.
    #[arg(long, env = "FREEHOLD_DNS_MODE", value_enum, default_value_t = Mode::Authoritative)]
    dns_mode: Mode,

    /// Recursive server for recursive mode: ADDRESS[:PORT], `tls://ADDRESS[:PORT][#NAME]` or
    /// `https://ADDRESS[:PORT][/PATH][#NAME]`. NAME is the name in the certificate, if it is not the
    /// address. Repeatable; with several servers, more than half must agree.
    #[arg(long, env = "FREEHOLD_DNS_SERVER", value_delimiter = ',')]
    dns_server: Vec<RecursiveServer>,

    /// PEM file of the CAs to trust for tls:// and https:// servers, instead of the CAs that browsers
    /// trust.
    #[arg(long, env = "FREEHOLD_DNS_CA_FILE")]
    dns_ca_file: Option<PathBuf>,

    /// Root server for authoritative mode, as ADDRESS[:PORT]. Repeatable. Defaults to the root servers
    /// of the public DNS.
    #[arg(long, env = "FREEHOLD_DNS_ROOT", value_delimiter = ',', value_parser = parse_root)]
    dns_root: Vec<SocketAddr>,

    /// File with the trusted keys of the root zone, as DNSKEY records (Unbound) or trust-anchors
    /// (BIND). Defaults to the keys of the public DNS. An empty file means that the root is not
    /// signed.
    #[arg(long, env = "FREEHOLD_DNS_TRUST_ANCHOR")]
    dns_trust_anchor: Option<PathBuf>,

    /// Port of delegated name servers.
    #[arg(long, env = "FREEHOLD_DNS_PORT", default_value_t = 53, value_parser = clap::value_parser!(u16).range(1..))]
    dns_port: u16,

    /// Network with non-public addresses whose name servers may be queried, as ADDRESS/LENGTH.
    /// Repeatable.
    #[arg(long, env = "FREEHOLD_DNS_ALLOW_CIDR", value_delimiter = ',', value_parser = parse_network)]
    dns_allow_cidr: Vec<IpNet>,

    /// Require DNSSEC: ignore unsigned answers.
    #[arg(long, env = "FREEHOLD_REQUIRE_DNSSEC", value_parser = BoolishValueParser::new())]
    require_dnssec: bool,

    /// Timeout of one query to one DNS server, separately for UDP and TCP.
    #[arg(long, env = "FREEHOLD_DNS_TIMEOUT", default_value = "5s", value_parser = parse_duration)]
    dns_timeout: SignedDuration,

    /// Suffix outside the public DNS below which domains are allowed. Repeatable.
    #[arg(long, env = "FREEHOLD_ALLOW_SUFFIX", value_delimiter = ',', value_parser = parse_suffix)]
    allow_suffix: Vec<DomainName>,

    /// Allow domains that are themselves suffixes in the Public Suffix List's private division, such
    /// as github.io.
    #[arg(long, env = "FREEHOLD_ALLOW_PRIVATE_SUFFIXES", value_parser = BoolishValueParser::new())]
    allow_private_suffixes: bool,

    /// Additional consumer mail domain to refuse. Repeatable.
    #[arg(long, env = "FREEHOLD_CONSUMER_MAIL_DOMAIN", value_delimiter = ',', value_parser = DomainName::parse)]
    consumer_mail_domain: Vec<DomainName>,

    /// Prefix used in record names and values: _PREFIX-challenge and PREFIX-domain-verification. Tokens
    /// that are already issued keep the prefix they were issued with.
    #[arg(long, env = "FREEHOLD_SERVICE_NAME", default_value = "freehold")]
    pub service_name: ServiceName,
}

/// Whom to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    Authoritative,
    Recursive,
}

impl DnsArguments {
    pub fn mode(&self) -> &'static str {
        match self.dns_mode {
            Mode::Authoritative => "authoritative",
            Mode::Recursive => "recursive",
        }
    }

    /// Which names are admitted.
    pub fn names(&self) -> NamePolicy {
        NamePolicy {
            allowed_suffixes: self.allow_suffix.clone(),
            consumer_mail_domains: self.consumer_mail_domain.iter().cloned().collect(),
            private_suffixes: self.allow_private_suffixes,
        }
    }

    /// What asks the DNS as these arguments say, or why they make no sense together.
    pub fn gatherer(&self) -> Result<Gatherer, Box<dyn Error>> {
        let timeout = self.dns_timeout.unsigned_abs();
        match self.dns_mode {
            Mode::Authoritative if !self.dns_server.is_empty() => Err(
                "--dns-server (settings.dnsServer) is only for recursive mode; remove it, or set --dns-mode (settings.dnsMode) to recursive"
                    .into(),
            ),
            Mode::Authoritative if self.dns_ca_file.is_some() => Err(
                "--dns-ca-file (settings.dnsCaFile) is only for recursive mode; remove it, or set --dns-mode (settings.dnsMode) to recursive"
                    .into(),
            ),
            Mode::Authoritative => {
                let guard = Guard::new(self.dns_root.clone(), self.dns_allow_cidr.clone());
                let settings = AuthoritativeSettings {
                    roots: self.dns_root.clone(),
                    anchors: self.anchors()?,
                    port: self.dns_port,
                    timeout,
                    policy: self.names(),
                    secure_only: self.require_dnssec,
                };
                Ok(Gatherer::Authoritative(Authoritative::new(settings, guard)))
            }
            Mode::Recursive if self.dns_server.is_empty() => {
                Err("recursive mode needs --dns-server (settings.dnsServer); give at least one".into())
            }
            Mode::Recursive => {
                let configured = self.dns_server.iter().map(|server| server.address);
                let guard = Guard::new(configured, Vec::new());
                let settings = RecursiveSettings {
                    servers: self.dns_server.clone(),
                    timeout,
                    policy: self.names(),
                    secure_only: self.require_dnssec,
                    tls: self.tls()?,
                };
                Ok(Gatherer::Recursive(Recursive::new(settings, guard)?))
            }
        }
    }

    fn tls(&self) -> Result<Option<ClientConfig>, Box<dyn Error>> {
        let Some(file) = &self.dns_ca_file else {
            return Ok(None);
        };
        if !self.dns_server.iter().any(RecursiveServer::is_over_tls) {
            return Err("--dns-ca-file (settings.dnsCaFile) needs a server over TLS, but no --dns-server (settings.dnsServer) begins with tls:// or https://".into());
        }
        read_file(file, "CA certificates", authorities).map(Some)
    }

    fn anchors(&self) -> Result<TrustAnchors, Box<dyn Error>> {
        match &self.dns_trust_anchor {
            Some(file) => read_file(file, "trust anchors", anchors::read),
            None => Ok(TrustAnchors::default()),
        }
    }
}

fn read_file<T, E: Display>(
    file: &Path,
    what: &str,
    read: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Result<T, Box<dyn Error>> {
    let shown = file.display();
    let content =
        std::fs::read(file).map_err(|error| format!("cannot read {what} from {shown}: {error}"))?;
    let read = read(&content);
    Ok(read.map_err(|error| format!("cannot use the {what} in {shown}: {error}"))?)
}

fn parse_root(text: &str) -> Result<SocketAddr, String> {
    parse_address(text, 53)
        .ok_or_else(|| "use the server's IP address, with :PORT if it is not 53".to_owned())
}

fn parse_network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        let one = IpNet::from(address);
        return Err(format!(
            "the /LENGTH of the network is missing; {one} is this address alone"
        ));
    }
    text.parse::<IpNet>()
        .map_err(|_| "use ADDRESS/LENGTH, such as 10.0.0.0/8 or fd00::/8".to_owned())
}

fn parse_suffix(text: &str) -> Result<DomainName, String> {
    if let Some(bare) = text.strip_prefix('.') {
        return Err(format!("remove the leading dot: {bare}"));
    }
    let suffix = DomainName::parse(text).map_err(|error| error.to_string())?;
    if is_public_suffix(&suffix) {
        return Err(format!(
            "{suffix} is a suffix of the public DNS; domains below it are already allowed"
        ));
    }
    Ok(suffix)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        dns: DnsArguments,
    }

    fn gatherer(arguments: &[&str]) -> Result<Gatherer, String> {
        Cli::try_parse_from(["freehold"].iter().chain(arguments))
            .map_err(|error| error.to_string())?
            .dns
            .gatherer()
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn the_mode_decides_which_servers_make_sense() {
        assert!(matches!(gatherer(&[]), Ok(Gatherer::Authoritative(_))));
        let error = gatherer(&["--dns-server", "192.0.2.1"]).unwrap_err();
        assert!(error.contains("(settings.dnsMode) to recursive"), "{error}");
        let error = gatherer(&["--dns-mode", "recursive"]).unwrap_err();
        assert!(error.contains("--dns-server"), "{error}");
        for server in ["192.0.2.1", "tls://192.0.2.1", "https://192.0.2.1"] {
            let arguments = ["--dns-mode", "recursive", "--dns-server", server];
            assert!(matches!(gatherer(&arguments), Ok(Gatherer::Recursive(_))));
        }
    }

    #[tokio::test]
    async fn the_file_of_trust_anchors_is_named_where_it_has_none() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content, complaint) in [
            ("empty", &b""[..], None),
            ("comment", b"; none", Some("no trusted key")),
            (
                "digest",
                b". IN DS 20326 8 2 AA",
                Some("line 1: this is the digest"),
            ),
            ("wide", b"\xff\xfe.\0", Some("save it as UTF-8")),
            ("binary", b".\n\xff", Some("line 2")),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            let path = path.to_str().unwrap();
            let result = gatherer(&["--dns-trust-anchor", path]);
            let error = result.err();
            assert_eq!(error.is_some(), complaint.is_some(), "{name}: {error:?}");
            let error = error.unwrap_or_default();
            assert!(error.contains(complaint.unwrap_or_default()), "{error}");
            assert!(error.is_empty() || error.contains(path), "{error}");
        }
        let error = gatherer(&["--dns-trust-anchor", "/no/such/file"]).unwrap_err();
        assert!(error.contains("/no/such/file"), "{error}");
    }

    #[tokio::test]
    async fn authorities_are_for_servers_over_tls_and_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let pem = |label: &str, text: &str| {
            format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
        };
        let tls = "tls://192.0.2.1";
        let none = file("none.pem", "");
        let wide = file("wide.pem", "");
        std::fs::write(&wide, b"\xff\xfe-\0").unwrap();
        for (path, server, complaint) in [
            (&none, None, "(settings.dnsMode) to recursive"),
            (
                &none,
                Some("192.0.2.1"),
                "(settings.dnsServer) begins with tls://",
            ),
            (
                &file("missing", "")[1..].to_owned(),
                Some(tls),
                "cannot read",
            ),
            (&none, Some(tls), "no certificate"),
            (
                &file("key.pem", &pem("PRIVATE KEY", "AAAA")),
                Some(tls),
                "no certificate",
            ),
            (
                &file("half.pem", "-----BEGIN CERTIFICATE-----\nAA"),
                Some(tls),
                "not a PEM file",
            ),
            (
                &file("bad.pem", &pem("CERTIFICATE", "AAAA")),
                Some(tls),
                "cannot be used",
            ),
            // A byte order mark does not hide the first certificate.
            (
                &file(
                    "marked.pem",
                    &format!("\u{feff}{}", pem("CERTIFICATE", "AAAA")),
                ),
                Some(tls),
                "cannot be used",
            ),
            (&wide, Some(tls), "save it as UTF-8"),
        ] {
            let mut arguments = vec!["--dns-ca-file", path];
            if let Some(server) = server {
                arguments.extend(["--dns-mode", "recursive", "--dns-server", server]);
            }
            let error = gatherer(&arguments).unwrap_err();
            assert!(error.contains(complaint), "{complaint}: {error}");
        }
    }
}
