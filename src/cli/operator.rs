//! `freehold operator`: runs the controllers.

use std::error::Error;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::dns::DnsArguments;
use crate::cluster::config::ClusterConfig;
use crate::cluster::leader_election::LeaderElector;
use crate::cluster::names;
use crate::cluster::scope::Scope;
use crate::cluster::shard::Shard;
use crate::controller::{Config, Operator, ThreadedGatherer};
use crate::model::schedule::{Ladder, parse_duration};
use crate::model::settings::Settings;
use crate::model::terminal;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::readiness::Readiness;
use crate::telemetry::requests::CountRequests;
use crate::telemetry::{http, logs};

/// Run the operator, with the kubeconfig or the pod's service account.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Namespace to watch. Repeatable. Defaults to all namespaces.
    #[arg(long, env = "FREEHOLD_WATCH_NAMESPACE", value_delimiter = ',', value_parser = names::parse_namespace)]
    watch_namespace: Vec<String>,

    /// Label selector of the OrganizationDomains to watch, such as sharding.fluxcd.io/key=shard1.
    /// Defaults to all. With several shards, the selector of one must match objects without labels;
    /// that shard makes sure that every verified domain is checked.
    #[arg(long, env = "FREEHOLD_WATCH_LABEL_SELECTOR", value_name = "SELECTOR")]
    watch_label_selector: Option<Shard>,

    /// Periods between checks of a pending domain by the age of its challenge: PERIOD:UNTIL-AGE pairs
    /// with rising ages, then a final PERIOD.
    #[arg(
        long,
        env = "FREEHOLD_CHECK_LADDER",
        default_value = "10s:15m,1m:1h,5m:1d,1h"
    )]
    check_ladder: Ladder,

    /// Time to publish the record of a challenge.
    #[arg(long, env = "FREEHOLD_WINDOW", default_value = "30d", value_parser = parse_duration)]
    window: SignedDuration,

    /// Period between checks of a verified domain.
    #[arg(long, env = "FREEHOLD_RECHECK_PERIOD", default_value = "1d", value_parser = parse_duration)]
    recheck_period: SignedDuration,

    /// How long a domain stays verified while its record is missing.
    #[arg(long, env = "FREEHOLD_GRACE", default_value = "7d", value_parser = parse_duration)]
    grace: SignedDuration,

    /// Period between checks of a verified domain whose record is missing.
    #[arg(long, env = "FREEHOLD_GRACE_CHECK_PERIOD", default_value = "1h", value_parser = parse_duration)]
    grace_check_period: SignedDuration,

    /// How long another organization must prove a domain whose holder has no record before the domain
    /// is handed over.
    #[arg(long, env = "FREEHOLD_HAND_OVER_PERIOD", default_value = "3d", value_parser = parse_duration)]
    hand_over_period: SignedDuration,

    /// How long a result must be repeated before it takes effect if some DNS servers do not answer.
    #[arg(long, env = "FREEHOLD_CONFIRMATION_PERIOD", default_value = "1h", value_parser = parse_duration)]
    confirmation_period: SignedDuration,

    /// Maximum number of pending domains that are checked per namespace; others wait.
    #[arg(long, env = "FREEHOLD_MAX_PENDING_PER_NAMESPACE", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    max_pending_per_namespace: u32,

    /// Maximum age of a proof. An older one is stale: nothing new may rely on it.
    #[arg(long, env = "FREEHOLD_MAX_PROOF_AGE", default_value = "30d", value_parser = parse_duration)]
    max_proof_age: SignedDuration,

    /// How long to keep a VerifiedDomain whose holder is gone, if the deletion was not observed.
    #[arg(long, env = "FREEHOLD_ORPHAN_DELAY", default_value = "10m", value_parser = parse_duration)]
    orphan_delay: SignedDuration,

    /// Number of OrganizationDomains reconciled at once. Sixteen times as many may wait for DNS.
    #[arg(long, env = "FREEHOLD_CONCURRENCY", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,

    /// Timeout of one call to the API server.
    #[arg(long, env = "FREEHOLD_API_TIMEOUT", default_value = "10s", value_parser = parse_duration)]
    api_timeout: SignedDuration,

    /// Use leader election: only the process that holds the Lease is active; the others are standbys.
    #[arg(long, env = "FREEHOLD_LEADER_ELECTION", value_parser = BoolishValueParser::new())]
    leader_election: bool,

    /// Name of the Lease.
    #[arg(long, env = "FREEHOLD_LEASE_NAME", default_value = "freehold", value_parser = names::parse_object)]
    lease_name: String,

    /// Namespace of the Lease. Defaults to the pod's namespace, or the kubeconfig's.
    #[arg(long, env = "FREEHOLD_LEASE_NAMESPACE", value_parser = names::parse_namespace)]
    lease_namespace: Option<String>,

    /// Listen address of /livez, /readyz and /metrics; [::] is every address, including IPv4.
    #[arg(long, env = "FREEHOLD_LISTEN_ADDRESS", default_value = "[::]:8080")]
    listen_address: SocketAddr,

    /// Log level, or directives such as info,freehold=debug.
    #[arg(long, env = "FREEHOLD_LOG_LEVEL", default_value = "info")]
    log_level: String,

    // Last, because its heading is that of whatever follows.
    #[command(flatten)]
    dns: DnsArguments,
}

/// A quiet watch hears a bookmark about once a minute; a longer silence is a dead connection.
const WATCH_READ_TIMEOUT: Duration = Duration::from_secs(150);

pub fn run(arguments: Arguments) -> Result<ExitCode, Box<dyn Error>> {
    logs::start(&arguments.log_level)?;
    // From here on everything is a line of the log, as whoever reads it by program expects.
    Ok(match start(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", terminal::lines(&error.to_string()));
            ExitCode::FAILURE
        }
    })
}

fn start(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let dns = Builder::new_multi_thread()
        .thread_name("dns")
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(operate(arguments, dns.handle().clone()));
    // Who may work no longer waits for nothing, not even for a name look-up that hangs.
    runtime.shutdown_background();
    dns.shutdown_background();
    outcome
}

/// Names the value of the chart beside a flag that an error names: in a cluster, nobody typed the flag.
pub fn name_chart_value(error: &mut clap::Error) {
    let refuses_value = matches!(
        error.kind(),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation
    );
    let Some(ContextValue::String(named)) = error.get(ContextKind::InvalidArg) else {
        return;
    };
    let flag = named.split(' ').next().unwrap_or_default();
    if refuses_value && let Some(value) = chart_value(flag.trim_start_matches('-')) {
        let tip = format!("the chart's value is {value}").into();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
}

/// The value of the chart that sets a flag.
fn chart_value(flag: &str) -> Option<String> {
    let other = match flag {
        "watch-namespace" => "watchNamespaces",
        "watch-label-selector" => "shards",
        "leader-election" => "leaderElection.enabled",
        "lease-name" | "lease-namespace" | "listen-address" | "help" => return None,
        _ => {
            let mut words = flag.split('-');
            let first = words.next()?.to_owned();
            let rest = words.filter_map(|word| word.split_at_checked(1));
            return Some(
                rest.fold(format!("settings.{first}"), |name, (initial, rest)| {
                    name + &initial.to_uppercase() + rest
                }),
            );
        }
    };
    Some(other.to_owned())
}

impl Arguments {
    /// Why the durations make no sense together, where they do not.
    fn contradiction(&self) -> Option<&'static str> {
        if self.max_proof_age < self.recheck_period {
            Some(
                "--max-proof-age (settings.maxProofAge) is shorter than --recheck-period (settings.recheckPeriod): every proof would be stale before it is renewed",
            )
        } else if self.window < self.hand_over_period {
            Some(
                "--window (settings.window) is shorter than --hand-over-period (settings.handOverPeriod): every challenge would expire before a hand-over",
            )
        } else if self.grace_check_period * 3 > self.grace {
            Some(
                "--grace-check-period (settings.graceCheckPeriod) is longer than a third of --grace (settings.grace): each third of the grace needs a check",
            )
        } else {
            None
        }
    }
}

/// What to listen on, the first that can be: where IPv6 is off, every address is 0.0.0.0.
fn listen_addresses(asked: SocketAddr) -> Vec<SocketAddr> {
    let mut addresses = vec![asked];
    if asked.ip() == Ipv6Addr::UNSPECIFIED {
        addresses.push((Ipv4Addr::UNSPECIFIED, asked.port()).into());
    }
    addresses
}

async fn operate(arguments: Arguments, threads: Handle) -> Result<(), Box<dyn Error>> {
    if let Some(contradiction) = arguments.contradiction() {
        return Err(contradiction.into());
    }
    let gatherer = ThreadedGatherer {
        gatherer: arguments.dns.gatherer()?,
        threads,
    };
    let cluster = ClusterConfig::infer().await.map_err(|error| {
        format!("no cluster configuration: {error}; set KUBECONFIG, or run in a pod with a service account")
    })?;
    let metrics = Arc::new(Metrics::default());
    let address = arguments.listen_address;
    let listener = TcpListener::bind(listen_addresses(address).as_slice())
        .await
        .map_err(|error| format!("cannot listen on {address} for probes and metrics: {error}"))?;
    let namespaces = match arguments.watch_namespace.as_slice() {
        [] => "all".to_owned(),
        some => some.join(","),
    };
    let shard = arguments.watch_label_selector.as_ref();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        mode = arguments.dns.mode(),
        namespaces,
        shard = shard.map_or_else(|| "all".to_owned(), ToString::to_string),
        server = %cluster.config.cluster_url,
        leader_election = arguments.leader_election,
        address = %listener.local_addr()?,
        "Freehold starts, and serves /livez, /readyz and /metrics"
    );
    let config = config(arguments, gatherer, &cluster, &metrics)?;
    let (stop_sender, stop) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // The receivers go when the process ends.
        let _ = stop_sender.send(true);
        std::future::pending::<()>().await;
    });
    let http = tokio::spawn(http::serve(
        listener,
        metrics,
        Arc::clone(&config.readiness),
        stop.clone(),
    ));
    let outcome = Operator::run(config, stop).await;
    http.abort();
    Ok(outcome?)
}

fn config(
    arguments: Arguments,
    gatherer: ThreadedGatherer,
    cluster: &ClusterConfig,
    metrics: &Arc<Metrics>,
) -> Result<Config, Box<dyn Error>> {
    let mut call_config = cluster.config.clone();
    // Every call has one deadline and every key its own backoff.
    call_config.default_retry = false;
    let mut watch_config = cluster.config.clone();
    watch_config.read_timeout = Some(WATCH_READ_TIMEOUT);
    let requests = CountRequests::new(metrics);
    let counted = || Some(requests.clone());
    let client = cluster.client_with(call_config, counted())?;
    let instance = std::env::var("HOSTNAME").unwrap_or_else(|_| "freehold".to_owned());
    let readiness = Arc::<Readiness>::default();
    let election = arguments.leader_election.then(|| {
        let namespace = arguments.lease_namespace.as_ref();
        LeaderElector::new(
            client.clone(),
            namespace.unwrap_or(&cluster.config.default_namespace),
            arguments.lease_name,
            &instance,
            Arc::clone(metrics),
            Arc::clone(&readiness),
        )
    });
    Ok(Config {
        client,
        watch_client: cluster.client_with(watch_config, counted())?,
        gatherer,
        settings: Settings {
            names: arguments.dns.names(),
            service: arguments.dns.service_name,
            ladder: arguments.check_ladder,
            window: arguments.window,
            recheck_period: arguments.recheck_period,
            grace_check_period: arguments.grace_check_period,
            grace: arguments.grace,
            hand_over_period: arguments.hand_over_period,
            confirmation_period: arguments.confirmation_period,
            max_proof_age: arguments.max_proof_age,
        },
        metrics: Arc::clone(metrics),
        scope: Scope {
            namespaces: arguments.watch_namespace,
            shard: arguments.watch_label_selector.unwrap_or_default(),
        },
        max_pending: usize::try_from(arguments.max_pending_per_namespace).unwrap_or(usize::MAX),
        concurrency: usize::from(arguments.concurrency),
        api_timeout: arguments.api_timeout.unsigned_abs(),
        orphan_delay: arguments.orphan_delay.unsigned_abs(),
        instance,
        readiness,
        election,
    })
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[test]
    fn every_address_is_that_of_ipv4_where_there_is_no_ipv6() {
        let asked = |text: &str| {
            let listened = listen_addresses(text.parse().unwrap()).into_iter();
            listened.map(|address| address.to_string()).collect()
        };
        let listened: Vec<String> = asked("[::]:8080");
        assert_eq!(listened, ["[::]:8080", "0.0.0.0:8080"]);
        for one in ["[::1]:8080", "127.0.0.1:8080", "0.0.0.0:8080"] {
            let listened: Vec<String> = asked(one);
            assert_eq!(listened, [one]);
        }
    }

    #[tokio::test]
    async fn every_address_is_one_of_ipv4_too() {
        let addresses = listen_addresses("[::]:0".parse().unwrap());
        let listener = TcpListener::bind(addresses.as_slice()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap();
        // On a machine without IPv6 there is nothing to connect to.
        if listener.local_addr().unwrap().is_ipv6() {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port))
                .await
                .unwrap();
        }
    }
}
