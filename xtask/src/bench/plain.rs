//! Against `tests/plain-controller`: what a user would write instead, on the same work.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use freehold_testbed::{DnsServer, Process, programs};
use futures::StreamExt;
use kube::core::{ApiResource, DynamicObject};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::calls::post;
use super::fleet;
use super::kinds;
use super::parts::{DEADLINE, Parts, until};
use super::requests::Requests;
use super::table::{Limit, Row, number};
use super::throughput;

const DOMAINS: usize = 2000;
/// Of so many rounds, in turns, the middle one counts.
const ROUNDS: usize = 5;
const NAMESPACE: &str = "default";
const CONCURRENCY: &str = "--concurrency=32";
const STOP_GRACE: Duration = Duration::from_secs(40);

/// What one side took.
#[derive(Clone, Copy)]
struct Side {
    verified: Duration,
    /// Seconds of the API server's processor time, with all Events written.
    server: f64,
}

pub async fn measure(freehold: &Path) -> Result<Vec<Row>> {
    let program = programs::plain_controller().await?;
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let (ours, plain) = if round % 2 == 0 {
            let ours = ours(freehold).await?;
            (ours, plain(freehold, &program).await?)
        } else {
            let plain = plain(freehold, &program).await?;
            (ours(freehold).await?, plain)
        };
        eprintln!(
            "bench: {DOMAINS} domains: API server {:.2} of {:.2} ms a domain, {:.0} of {:.0} domains/s",
            milliseconds(ours),
            milliseconds(plain),
            rate(ours),
            rate(plain),
        );
        rounds.push((ours, plain));
    }
    Ok(vec![
        row(
            &mut rounds,
            "API server's time",
            ("ms/domain", milliseconds),
            (Limit::AtMost(1.3), Limit::AtMost(1.6)),
        ),
        row(
            &mut rounds,
            "domains a second",
            ("domains/s", rate),
            (Limit::AtLeast(0.8), Limit::AtLeast(0.6)),
        ),
    ])
}

fn row(
    rounds: &mut [(Side, Side)],
    what: &str,
    (unit, figure): (&'static str, fn(Side) -> f64),
    (target, guard): (Limit, Limit),
) -> Row {
    let ratio = |(ours, plain): &(Side, Side)| figure(*ours) / figure(*plain);
    rounds.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
    let (ours, plain) = rounds[rounds.len() / 2];
    let case = format!("{DOMAINS} domains, {what}, of a plain controller's");
    let value = (figure(ours) / figure(plain), "times");
    Row::new("plain", case, value, target)
        .guard(guard)
        .figure("Freehold", figure(ours), unit)
        .figure("plain controller", figure(plain), unit)
        .figure("least", ratio(&rounds[0]), "times")
        .figure("most", ratio(&rounds[rounds.len() - 1]), "times")
}

fn milliseconds(side: Side) -> f64 {
    side.server * 1000.0 / number(DOMAINS)
}

fn rate(side: Side) -> f64 {
    number(DOMAINS) / side.verified.as_secs_f64()
}

async fn ours(freehold: &Path) -> Result<Side> {
    let run = throughput::operator(freehold, DOMAINS).await?.run;
    Ok(Side {
        verified: run.verified,
        server: run.server,
    })
}

async fn plain(freehold: &Path, program: &Path) -> Result<Side> {
    let parts = Parts::start(freehold).await?;
    let definition = "tests/plain-controller/crd.yaml";
    parts.kubectl(&["apply", "--filename", definition]).await?;
    let established = "--for=condition=Established";
    parts
        .kubectl(&[
            "wait",
            established,
            "--timeout=60s",
            "--filename",
            definition,
        ])
        .await?;
    let client = &parts.client;
    let api = Api::<DynamicObject>::all_with(client.clone(), &claims());
    until("claims are served", DEADLINE, || async {
        Ok(api.list(&kube::api::ListParams::default()).await.is_ok())
    })
    .await?;
    state(client).await?;
    let (mut verified, watch) = publish(api, Arc::clone(&parts.dns));
    let before = Requests::read(client).await?;
    let start = Instant::now();
    let mut command = Command::new(program);
    command
        .arg(format!("--dns={}", parts.dns.addr()))
        .arg(CONCURRENCY)
        .env("KUBECONFIG", parts.plane.kubeconfig());
    let log = parts.folder().join("plain-controller.log");
    let mut process = Process::start("the plain controller", command, &log)?;
    let seen = timeout(DEADLINE, verified.recv()).await;
    let Ok(Some(last)) = seen else {
        bail!(
            "the plain controller did not verify all:\n{}",
            process.log_tail()
        );
    };
    let all = u64::try_from(DOMAINS)?;
    until("every Event is written", DEADLINE, || async {
        let of_events = [("resource", "events"), ("verb", "POST"), ("code", "201")];
        let count = |requests: &Requests| requests.with(&of_events);
        Ok(count(&Requests::read(client).await?) - count(&before) >= all)
    })
    .await?;
    let server = Requests::read(client).await?.cpu_since(&before);
    watch.abort();
    process.terminate(STOP_GRACE).await?;
    parts.stop().await?;
    Ok(Side {
        verified: last.duration_since(start),
        server,
    })
}

fn claims() -> ApiResource {
    kinds::kind("bench.freehold.dev", "v1", "Claim", "claims")
}

async fn state(client: &Client) -> Result<()> {
    let kind = claims();
    let objects = (0..DOMAINS).map(|n| {
        json!({
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": { "name": format!("claim-{n:06}"), "namespace": NAMESPACE },
            "spec": { "domain": format!("plain-{n:06}.example") },
        })
    });
    futures::stream::iter(objects)
        .map(|object| post(client, &kind, Some(NAMESPACE), object.to_string()))
        .buffer_unordered(fleet::CONCURRENCY)
        .collect::<Vec<Result<()>>>()
        .await
        .into_iter()
        .collect()
}

/// Publishes each record as its token appears; says when the last claim became Verified.
fn publish(
    api: Api<DynamicObject>,
    dns: Arc<DnsServer>,
) -> (UnboundedReceiver<Instant>, AbortHandle) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        let (mut published, mut verified) = (HashSet::new(), HashSet::new());
        let mut events = watcher(api, watcher::Config::default())
            .default_backoff()
            .boxed();
        while let Some(event) = events.next().await {
            let Ok(Event::InitApply(claim) | Event::Apply(claim)) = event else {
                continue;
            };
            let (Some(name), data) = (claim.metadata.name, claim.data) else {
                continue;
            };
            let text = |pointer: &str| data.pointer(pointer).and_then(Value::as_str);
            if let (Some(token), Some(domain)) = (text("/status/token"), text("/spec/domain"))
                && published.insert(name.clone())
            {
                let owner = format!("_plain-challenge.{domain}");
                dns.set_txt(&owner, vec![format!("token={token}")]);
            }
            if text("/status/state") == Some("Verified")
                && verified.insert(name)
                && verified.len() == DOMAINS
            {
                return sender.send(Instant::now()).context("nobody waits");
            }
        }
        Ok(())
    });
    (receiver, task.abort_handle())
}
