//! Evidence from configured recursive servers, each asked by itself.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use hickory_resolver::net::h2::HttpsClientStream;
use hickory_resolver::net::http::DEFAULT_DNS_QUERY_PATH;
use hickory_resolver::net::proto::op::{DnsResponse, Query};
use hickory_resolver::net::proto::rr::{Name, RecordType};
use hickory_resolver::net::tls::tls_exchange;
use hickory_resolver::net::xfer::DnsExchange;
use hickory_resolver::net::{NetError, tls};
use jiff::Timestamp;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::answer::{is_same_set, read_recursive, shown};
use super::exchange::{Answer, Exchange, QueryOptions, Question, Transport, accept, failure, over};
use super::guard::Guard;
use super::limits::Asker;
use super::lookup::{random_label, rests_on_case};
use super::places::Places;
use crate::model::challenge::{Challenge, FORMS, RecordForm, ValueMatch};
use crate::model::evidence::{
    Evidence, Failure, Lookup, Misplacement, Outcome, Security, ServerAnswer, Source, Step, Stray,
};
use crate::model::name::MAX_NAME_OCTETS;
use crate::model::policy::NamePolicy;
use crate::model::verdict::{Verdict, judge};

/// The library's queue of one connection holds 32 questions, and refuses further ones.
const IN_FLIGHT_PER_CONNECTION: usize = 24;

/// A recursive server: `ADDRESS[:PORT]` over UDP and TCP, `tls://ADDRESS[:PORT][#NAME]` over TLS
/// (RFC 7858), `https://ADDRESS[:PORT][/PATH][#NAME]` over HTTPS (RFC 8484). NAME is what the
/// server's certificate must be for; the address itself where it is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecursiveServer {
    pub address: SocketAddr,
    protocol: Protocol,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Protocol {
    Plain,
    Tls { name: String },
    Https { name: String, path: String },
}

/// Why a text is no recursive server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "use ADDRESS[:PORT], tls://ADDRESS[:PORT][#NAME] or https://ADDRESS[:PORT][/PATH][#NAME], with an IP address"
)]
pub struct RecursiveServerError;

impl FromStr for RecursiveServer {
    type Err = RecursiveServerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = |text, port| parse_address(text, port).ok_or(RecursiveServerError);
        let named = |rest: &str| match rest.split_once('#') {
            None => (rest.to_owned(), None),
            Some((rest, name)) => (rest.to_owned(), Some(name.to_owned())),
        };
        let (address, protocol) = if let Some(rest) = text.strip_prefix("tls://") {
            let (rest, name) = named(rest);
            let address = address(&rest, 853)?;
            let name = name.unwrap_or_else(|| address.ip().to_string());
            (address, Protocol::Tls { name })
        } else if let Some(rest) = text.strip_prefix("https://") {
            let (rest, name) = named(rest);
            let (host, path) = match rest.find('/') {
                Some(at) => rest.split_at(at),
                None => (&rest[..], DEFAULT_DNS_QUERY_PATH),
            };
            let address = address(host, 443)?;
            let name = name.unwrap_or_else(|| address.ip().to_string());
            let path = path.to_owned();
            (address, Protocol::Https { name, path })
        } else {
            (address(text, 53)?, Protocol::Plain)
        };
        if let Protocol::Tls { name } | Protocol::Https { name, .. } = &protocol
            && ServerName::try_from(name.as_str()).is_err()
        {
            return Err(RecursiveServerError);
        }
        let text = match &protocol {
            Protocol::Plain => address.to_string(),
            Protocol::Tls { .. } | Protocol::Https { .. } => text.to_owned(),
        };
        Ok(Self {
            address,
            protocol,
            text,
        })
    }
}

impl RecursiveServer {
    /// Whether it must show a certificate.
    #[must_use]
    pub fn is_over_tls(&self) -> bool {
        self.protocol != Protocol::Plain
    }
}

impl fmt::Display for RecursiveServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads an address with or without a port; IPv6 with a port stands in brackets.
#[must_use]
pub fn parse_address(text: &str, port: u16) -> Option<SocketAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    text.parse()
        .ok()
        .or_else(|| Some(SocketAddr::new(bare.parse::<IpAddr>().ok()?, port)))
}

/// Which servers are asked, and how.
pub struct RecursiveSettings {
    pub servers: Vec<RecursiveServer>,
    /// Time for one question, over each transport.
    pub timeout: Duration,
    pub policy: NamePolicy,
    /// Whether only answers count that a server validated and delivered over TLS.
    pub secure_only: bool,
    /// Whom to trust with `tls://` and `https://`; the certification authorities of browsers when
    /// left out.
    pub tls: Option<ClientConfig>,
}

/// Asks every configured server for every record.
#[derive(Clone)]
pub struct Recursive {
    servers: Arc<[Server]>,
    exchange: Exchange,
    policy: Arc<NamePolicy>,
    secure_only: bool,
    tls: Arc<ClientConfig>,
}

/// What is checked, and for whom.
#[derive(Clone, Copy)]
struct Check<'a> {
    challenge: &'a Challenge,
    asker: &'a Asker,
}

struct Server {
    configured: RecursiveServer,
    connection: Mutex<Connection>,
    in_flight: Arc<Places>,
}

/// The connection over TLS, while it holds.
#[derive(Default)]
struct Connection {
    open: Option<DnsExchange<Guard>>,
    /// How many were made.
    number: u64,
}

impl Server {
    /// Gives up the connection of this number; one that was made since is left to its questions.
    async fn forget(&self, number: u64) {
        let mut connection = self.connection.lock().await;
        if connection.number == number {
            connection.open = None;
        }
    }
}

impl Recursive {
    /// `guard` must exempt the configured servers.
    pub fn new(settings: RecursiveSettings, guard: Guard) -> Result<Self, rustls::Error> {
        let servers = settings.servers.into_iter().map(|configured| Server {
            configured,
            connection: Mutex::default(),
            in_flight: Places::new(IN_FLIGHT_PER_CONNECTION),
        });
        Ok(Self {
            servers: servers.collect(),
            exchange: Exchange::new(guard, settings.timeout),
            policy: Arc::new(settings.policy),
            secure_only: settings.secure_only,
            tls: Arc::new(match settings.tls {
                Some(tls) => tls,
                None => tls::client_config()?,
            }),
        })
    }

    pub async fn gather(&self, challenge: &Challenge, asker: &Asker) -> Evidence {
        let check = Check { challenge, asker };
        let time = Timestamp::now();
        let by_any = FORMS.map(|form| self.look_up(check, form, time, Transport::Any));
        let lookups = join_all(by_any).await;
        let mut evidence = Evidence {
            time,
            source: Source::Recursive,
            secure_only: self.secure_only,
            lookups,
            zone: None,
            registry: false,
            strays: Vec::new(),
            broken: None,
            unreached: None,
        };
        // Over TLS names are in lower case from the start.
        let over_udp = self
            .servers
            .iter()
            .any(|server| !server.configured.is_over_tls());
        if over_udp && judge(challenge, &evidence).verdict != Verdict::Proven {
            let again = evidence.lookups.iter().map(async |lookup| {
                if !rests_on_case(challenge, &evidence, lookup) {
                    return lookup.clone();
                }
                let transport = Transport::AnyLowerCase;
                self.look_up(check, lookup.form, time, transport).await
            });
            evidence.lookups = join_all(again).await;
        }
        if judge(challenge, &evidence).verdict.is_negative() {
            evidence.strays = self.strays(check, &evidence).await;
        }
        evidence
    }

    /// Asks one server, which answered before, for the names at which records stand by mistake.
    async fn strays(&self, check: Check<'_>, evidence: &Evidence) -> Vec<Stray> {
        let answers = evidence.lookups.iter().flat_map(|lookup| &lookup.steps);
        let answered = answers
            .flat_map(|step| step.answers.iter().zip(self.servers.iter()))
            .find(|(answer, _)| !matches!(answer.outcome, Outcome::Failed(_)));
        let Some((_, server)) = answered else {
            return Vec::new();
        };
        let asked = stray_names(check.challenge).into_iter();
        join_all(asked.map(|(place, name)| async move {
            let transport = Transport::AnyLowerCase;
            let (outcome, _) = self.ask_txt(server, check, &name, transport).await;
            let server = server.configured.to_string().into();
            let answers = vec![ServerAnswer { server, outcome }];
            Stray {
                place,
                step: Step { name, answers },
            }
        }))
        .await
    }

    async fn look_up(
        &self,
        check: Check<'_>,
        form: RecordForm,
        time: Timestamp,
        transport: Transport,
    ) -> Lookup {
        let replies = join_all(
            self.servers
                .iter()
                .map(|server| self.ask(server, check, form, time, transport)),
        )
        .await;
        let security = replies
            .iter()
            .filter(|(outcome, _)| !matches!(outcome, Outcome::Failed(_)))
            .map(|&(_, security)| security)
            .min()
            .unwrap_or(Security::Unknown);
        let answers = self
            .servers
            .iter()
            .zip(replies)
            .map(|(server, (outcome, _))| ServerAnswer {
                server: server.configured.to_string().into(),
                outcome,
            })
            .collect();
        Lookup {
            form,
            steps: vec![Step {
                name: check.challenge.owner(form),
                answers,
            }],
            stopped: None,
            partial: false,
            security,
        }
    }

    async fn ask(
        &self,
        server: &Server,
        check: Check<'_>,
        form: RecordForm,
        time: Timestamp,
        transport: Transport,
    ) -> (Outcome, Security) {
        let (outcome, security) = self
            .ask_txt(server, check, &check.challenge.owner(form), transport)
            .await;
        let may_be_wildcard = match &outcome {
            _ if form == RecordForm::Apex => false,
            // What proves stands there for the challenge.
            Outcome::Values { values, aliases } if aliases.is_empty() => {
                let proves =
                    |value| check.challenge.matches(form, value, time) == ValueMatch::Proves;
                !values.iter().any(|value| proves(value))
            }
            outcome => !aliases(outcome).is_empty(),
        };
        if may_be_wildcard {
            let outcome = self
                .unless_wildcard(server, check, outcome, transport)
                .await;
            return (outcome, security);
        }
        (outcome, security)
    }

    /// What a random label beside the challenge's leads to as well is a wildcard's: an alias, perhaps
    /// behind a DNAME, that was not put there for the challenge delegates nothing, and values that
    /// every name has are none of this name.
    async fn unless_wildcard(
        &self,
        server: &Server,
        check: Check<'_>,
        outcome: Outcome,
        transport: Transport,
    ) -> Outcome {
        let sibling = format!("{}.{}", random_label(), check.challenge.name);
        let (sibling, _) = self.ask_txt(server, check, &sibling, transport).await;
        if let Outcome::Values { values, aliases } = &outcome
            && aliases.is_empty()
        {
            return match &sibling {
                Outcome::Values { values: others, .. } if is_same_set(values, others) => {
                    Outcome::WildcardValues {
                        values: values.clone(),
                    }
                }
                _ => outcome,
            };
        }
        let shared = aliases(&outcome)
            .iter()
            .find(|alias| aliases(&sibling).contains(alias));
        match (shared, &sibling) {
            (Some(shared), _) => Outcome::WildcardAlias {
                aliases: vec![shared.clone()],
            },
            (None, Outcome::Failed(failure)) => Outcome::Failed(*failure),
            _ => outcome,
        }
    }

    async fn ask_txt(
        &self,
        server: &Server,
        check: Check<'_>,
        owner: &str,
        transport: Transport,
    ) -> (Outcome, Security) {
        // Names are validated before they come here; the final dot keeps search lists out.
        let Ok(name) = Name::from_ascii(format!("{owner}.")) else {
            return (Outcome::Failed(Failure::Malformed), Security::Unknown);
        };
        let internal = self.policy.is_internal(check.challenge.name.as_str());
        match self.query(server, check.asker, &name, transport).await {
            Ok(answer) => {
                let follows = |target: &Name| self.policy.admits(&shown(target), internal);
                let outcome = read_recursive(&answer.message, &name, follows);
                // Whoever is on the path of an unprotected answer writes this bit too.
                let validated =
                    answer.message.metadata.authentic_data && server.configured.is_over_tls();
                let security = if validated {
                    Security::Secure
                } else {
                    Security::Unknown
                };
                (outcome, security)
            }
            Err(failure) => (Outcome::Failed(failure), Security::Unknown),
        }
    }

    async fn query(
        &self,
        server: &Server,
        asker: &Asker,
        name: &Name,
        transport: Transport,
    ) -> Result<Answer, Failure> {
        let options = QueryOptions {
            transport,
            recursion_desired: true,
            signatures: false,
        };
        let kind = RecordType::TXT;
        if !server.configured.is_over_tls() {
            let address = server.configured.address;
            let question = Question::new(name, kind, options);
            // Over UDP, then over TCP.
            let deadline = Instant::now() + self.exchange.timeout() * 2;
            return self.exchange.ask(address, &question, deadline).await;
        }
        let question = Query::query(name.clone(), kind);
        let _place = server.in_flight.take(&asker.name).await;
        let (used, mut answer) = self.query_connected(server, &question, options).await;
        // A connection that was open may have ended just now.
        if let Some(used) = used.filter(|_| answer.is_err()) {
            server.forget(used).await;
            (_, answer) = self.query_connected(server, &question, options).await;
        }
        match answer {
            Ok(answer) => accept(answer, &question),
            Err(NetError::Msg(_))
                if matches!(server.configured.protocol, Protocol::Https { .. }) =>
            {
                Err(Failure::Http)
            }
            Err(error) => Err(failure(&error)),
        }
    }

    /// The answer, and the number of the connection over which it was asked for.
    async fn query_connected(
        &self,
        server: &Server,
        question: &Query,
        options: QueryOptions,
    ) -> (Option<u64>, Result<DnsResponse, NetError>) {
        let end = Instant::now() + self.exchange.timeout();
        let (number, connection) = match timeout_at(end, self.connection(server)).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return (None, Err(error)),
            Err(_) => return (None, Err(NetError::Timeout)),
        };
        let answer = timeout_at(end, over(&connection, question.clone(), options)).await;
        (Some(number), answer.unwrap_or(Err(NetError::Timeout)))
    }

    /// The open connection, or a new one.
    async fn connection(&self, server: &Server) -> Result<(u64, DnsExchange<Guard>), NetError> {
        let mut connection = server.connection.lock().await;
        if let Some(open) = &connection.open {
            return Ok((connection.number, open.clone()));
        }
        let open = self.connect(&server.configured).await?;
        connection.number += 1;
        connection.open = Some(open.clone());
        Ok((connection.number, open))
    }

    async fn connect(&self, server: &RecursiveServer) -> Result<DnsExchange<Guard>, NetError> {
        let guard = self.exchange.guard().clone();
        let config = Arc::clone(&self.tls);
        match &server.protocol {
            Protocol::Plain => Err(NetError::NoConnections),
            Protocol::Tls { name } => {
                let name = ServerName::try_from(name.clone())
                    .map_err(|_| NetError::Message("bad server name"))?;
                let timeout = self.exchange.timeout();
                tls_exchange(
                    server.address,
                    name,
                    (*config).clone(),
                    timeout,
                    None,
                    guard,
                )
                .await
            }
            Protocol::Https { name, path } => {
                HttpsClientStream::builder(config, guard)
                    .exchange(server.address, name.as_str().into(), path.as_str().into())
                    .await
            }
        }
    }
}

impl fmt::Debug for Recursive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(
                self.servers
                    .iter()
                    .map(|server| server.configured.to_string()),
            )
            .finish()
    }
}

/// The names at which a record stands by mistake. Which zone the domain lies in is not known here: it
/// is the domain itself or, in nearly all cases, its registrable domain.
fn stray_names(challenge: &Challenge) -> Vec<(Misplacement, String)> {
    let domain = challenge.name.as_str();
    let registrable = psl::domain_str(domain).unwrap_or(domain);
    let parent = domain.split_once('.').map_or(domain, |(_, parent)| parent);
    let is_below = |other: &str| challenge.name.is_below(other);
    let mut zones = vec![domain];
    let mut parents = Vec::new();
    if is_below(registrable) {
        zones.push(registrable);
        parents.push(parent);
        if parent != registrable {
            parents.push(registrable);
        }
    }
    let appended = zones.into_iter().flat_map(|zone| {
        FORMS.map(|form| {
            let name = format!("{}.{zone}", challenge.owner(form));
            (Misplacement::ZoneAppended(form), name)
        })
    });
    let above = parents.into_iter().flat_map(|parent| {
        FORMS.map(|form| {
            let own = challenge.owner(form);
            let name = match own.strip_suffix(domain) {
                Some(label) => format!("{label}{parent}"),
                None => parent.to_owned(),
            };
            (Misplacement::ParentDomain(form), name)
        })
    });
    appended
        .chain(above)
        .filter(|(_, name)| name.len() <= MAX_NAME_OCTETS)
        .collect()
}

fn aliases(outcome: &Outcome) -> &[String] {
    match outcome {
        Outcome::Values { aliases, .. }
        | Outcome::NoData { aliases }
        | Outcome::NxDomain { aliases }
        | Outcome::WildcardAlias { aliases } => aliases,
        Outcome::Alias { target } => std::slice::from_ref(target),
        Outcome::WildcardValues { .. }
        | Outcome::Referral(_)
        | Outcome::Below(_)
        | Outcome::Failed(_) => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::challenge::{TOKEN_OCTETS, Token};
    use crate::model::name::DomainName;
    use crate::model::service::ServiceName;

    #[test]
    fn records_are_looked_for_where_panels_and_people_put_them() {
        let names = |domain: &str| {
            let challenge = Challenge {
                name: DomainName::parse(domain).unwrap(),
                service: ServiceName::default(),
                token: Token::from_random([1; TOKEN_OCTETS]),
            };
            let names = stray_names(&challenge).into_iter();
            names.map(|(_, name)| name).collect::<Vec<_>>()
        };
        let label = "_freehold-challenge";
        assert_eq!(
            names("clinic.co.uk"),
            [
                format!("{label}.clinic.co.uk.clinic.co.uk"),
                "clinic.co.uk.clinic.co.uk".to_owned(),
            ]
        );
        assert_eq!(
            names("a.app.clinic.com"),
            [
                format!("{label}.a.app.clinic.com.a.app.clinic.com"),
                "a.app.clinic.com.a.app.clinic.com".to_owned(),
                format!("{label}.a.app.clinic.com.clinic.com"),
                "a.app.clinic.com.clinic.com".to_owned(),
                format!("{label}.app.clinic.com"),
                "app.clinic.com".to_owned(),
                format!("{label}.clinic.com"),
                "clinic.com".to_owned(),
            ]
        );
        assert_eq!(
            names("com"),
            [format!("{label}.com.com"), "com.com".to_owned()]
        );
        let long = format!("{0}.{0}.{0}.com", "a".repeat(60));
        assert_eq!(names(&long).len(), 5, "without those that are too long");
    }

    #[test]
    fn servers_are_read_with_their_protocol_port_and_name() {
        for (text, address, shown) in [
            ("192.0.2.1", "192.0.2.1:53", "192.0.2.1:53"),
            ("192.0.2.1:5353", "192.0.2.1:5353", "192.0.2.1:5353"),
            ("2001:db8::1", "[2001:db8::1]:53", "[2001:db8::1]:53"),
            ("[2001:db8::1]:54", "[2001:db8::1]:54", "[2001:db8::1]:54"),
            ("tls://192.0.2.1", "192.0.2.1:853", "tls://192.0.2.1"),
            (
                "tls://192.0.2.1:8853#dns.acme.example",
                "192.0.2.1:8853",
                "tls://192.0.2.1:8853#dns.acme.example",
            ),
            (
                "https://[2001:db8::1]/q#dns.acme.example",
                "[2001:db8::1]:443",
                "https://[2001:db8::1]/q#dns.acme.example",
            ),
        ] {
            let server: RecursiveServer = text.parse().unwrap();
            assert_eq!(server.address, address.parse().unwrap(), "{text}");
            assert_eq!(server.to_string(), shown, "{text}");
        }
        let https: RecursiveServer = "https://192.0.2.1:8443".parse().unwrap();
        assert_eq!(
            https.protocol,
            Protocol::Https {
                name: "192.0.2.1".to_owned(),
                path: "/dns-query".to_owned()
            }
        );
        for text in [
            "",
            "dns.acme.example",
            "tls://dns.acme.example",
            "tls://192.0.2.1#",
            "quic://192.0.2.1",
        ] {
            assert_eq!(
                text.parse::<RecursiveServer>(),
                Err(RecursiveServerError),
                "{text}"
            );
        }
    }
}
