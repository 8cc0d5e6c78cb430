//! Throughput: published domains from new to Verified, against the floor.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use super::fleet;
use super::floor;
use super::parts::{DEADLINE, until};
use super::requests::{Requests, Writes};
use super::sample;
use super::table::{Limit, Row, number};
use super::watch::Watch;

/// The domains of a run are there before its clock starts, with the start of the operator's process
/// or of the floor's watches. Their first check is due within this time.
const LADDER: &str = "--check-ladder=1s";
const QUOTA: &str = "--max-pending-per-namespace=1000";
/// Of so many rounds the one with the middle ratio counts: both sides run one after the other, and a
/// machine changes meanwhile. Long ones differ less.
fn rounds(count: usize) -> usize {
    if count > 5000 { 3 } else { 5 }
}

/// What one side took.
pub struct Run {
    pub verified: Duration,
    written: Duration,
    writes: Writes,
    reads: u64,
    /// Seconds of the API server's processor time.
    pub server: f64,
}

/// The operator's, and what it took beside.
pub struct Operated {
    pub run: Run,
    cpu: f64,
    /// In MB.
    memory: f64,
    packets: u64,
}

struct Round {
    operator: Operated,
    floor: Run,
}

impl Round {
    /// The operator's rate by the floor's.
    fn verified(&self) -> f64 {
        self.floor.verified.as_secs_f64() / self.operator.run.verified.as_secs_f64()
    }

    fn written(&self) -> f64 {
        self.floor.written.as_secs_f64() / self.operator.run.written.as_secs_f64()
    }
}

pub async fn measure(freehold: &Path, count: usize) -> Result<Vec<Row>> {
    let mut rounds: Vec<Round> = Vec::new();
    for _ in 0..self::rounds(count) {
        // They take turns at being first: what a machine does for minutes tells on both.
        let before = rounds.last().filter(|_| rounds.len() % 2 == 1);
        let (operator, floor) = if let Some(before) = before {
            let floor = floor(freehold, count, &before.operator.run.writes).await?;
            (operator(freehold, count).await?, floor)
        } else {
            let operator = operator(freehold, count).await?;
            let floor = floor(freehold, count, &operator.run.writes).await?;
            (operator, floor)
        };
        let round = Round { operator, floor };
        eprintln!(
            "bench: throughput, {count} domains: {:.2}, all written {:.2}; API server {:.1} of {:.1} ms a domain",
            round.verified(),
            round.written(),
            milliseconds(round.operator.run.server, count),
            milliseconds(round.floor.server, count),
        );
        rounds.push(round);
    }
    let middle = rounds.len() / 2;
    let last = rounds.len() - 1;
    rounds.sort_by(|a, b| a.verified().total_cmp(&b.verified()));
    let verified = verified(&rounds[middle], count)
        .figure("least", rounds[0].verified(), "times")
        .figure("most", rounds[last].verified(), "times");
    rounds.sort_by(|a, b| a.written().total_cmp(&b.written()));
    Ok(vec![verified, written(&rounds[middle], count)])
}

/// Of many domains at once the operator's processor time by the API server's, which hardly depends on
/// how busy the machine is, and the reads: one of each object, and one a second of its namespace.
pub async fn cost(freehold: &Path) -> Result<Vec<Row>> {
    const DOMAINS: usize = 500;
    let Operated { run, cpu, .. } = operator(freehold, DOMAINS).await?;
    let row = |case: &str, value, target, guard| {
        let case = format!("{DOMAINS} domains at once, {case}");
        Row::new("cost", case, value, Limit::AtMost(target)).guard(Limit::AtMost(guard))
    };
    Ok(vec![
        row(
            "CPU by the API server's",
            (cpu / run.server, "times"),
            0.2,
            0.3,
        )
        .figure("operator's CPU", milliseconds(cpu, DOMAINS), "ms/domain")
        .figure(
            "API server's",
            milliseconds(run.server, DOMAINS),
            "ms/domain",
        ),
        row("reads", (each(run.reads, DOMAINS), "a domain"), 1.2, 1.5),
    ])
}

/// Published domains from new to Verified by the operator.
pub async fn operator(freehold: &Path, count: usize) -> Result<Operated> {
    let (parts, _) = sample::parts(freehold).await?;
    let client = &parts.client;
    let run = format!("op{count}");
    let domains = fleet::domains(&run, count);
    fleet::state(client, &run, &domains).await?;
    let watch = Watch::start(client, &run, Some(parts.dns.clone())).await?;
    let (before, packets) = (Requests::read(client).await?, parts.dns.queries());
    let start = Instant::now();
    let mut operator = parts.spawn(&[LADDER, QUOTA])?;
    operator.ready().await?;
    let verified = watch.until_verified(count).await?.duration_since(start);
    let events = || operator.metric("freehold_events_total", "result=\"published\"");
    until("every Event is written", DEADLINE, || async {
        Ok(events().await? >= u64::try_from(count)?)
    })
    .await?;
    let written = start.elapsed();
    let cpu = operator.cpu()?;
    let memory = operator.memory()?.peak / 1024.0;
    let packets = parts.dns.queries() - packets;
    operator.stop().await?;
    let run = Run::between(&before, &Requests::read(client).await?, verified, written);
    drop(watch);
    parts.stop().await?;
    Ok(Operated {
        run,
        cpu,
        memory,
        packets,
    })
}

async fn floor(freehold: &Path, count: usize, like: &Writes) -> Result<Run> {
    let (parts, sample) = sample::parts(freehold).await?;
    let client = &parts.client;
    let run = format!("floor{count}");
    let domains = fleet::domains(&run, count);
    fleet::state(client, &run, &domains).await?;
    let watch = Watch::start(client, &run, Some(parts.dns.clone())).await?;
    let before = Requests::read(client).await?;
    let start = Instant::now();
    floor::run(
        client,
        &sample,
        &domains,
        usize::try_from(like.organizations)?,
    )
    .await?;
    let written = start.elapsed();
    let verified = watch.until_verified(count).await?.duration_since(start);
    let run = Run::between(&before, &Requests::read(client).await?, verified, written);
    drop(watch);
    parts.stop().await?;
    Ok(run)
}

impl Run {
    fn between(before: &Requests, after: &Requests, verified: Duration, written: Duration) -> Self {
        Self {
            verified,
            written,
            writes: Writes::between(before, after),
            reads: after.reads_since(before),
            server: after.cpu_since(before),
        }
    }
}

fn verified(round: &Round, count: usize) -> Row {
    let Round { operator, floor } = round;
    row("Verified", round.verified(), count)
        .with_domains(count)
        .figure("operator", rate(count, operator.run.verified), "domains/s")
        .figure("floor", rate(count, floor.verified), "domains/s")
        .figure(
            "operator's CPU",
            milliseconds(operator.cpu, count),
            "ms/domain",
        )
        .figure("operator's peak", operator.memory, "MB")
        .figure(
            "API server's",
            milliseconds(operator.run.server, count),
            "ms/domain",
        )
        .figure(
            "with the floor",
            milliseconds(floor.server, count),
            "ms/domain",
        )
        .figure("DNS packets", each(operator.packets, count), "a domain")
        .figure("reads", each(operator.run.reads, count), "a domain")
}

fn written(round: &Round, count: usize) -> Row {
    let Round { operator, floor } = round;
    let writes = operator.run.writes;
    row("all written", round.written(), count)
        .figure("operator", rate(count, operator.run.written), "domains/s")
        .figure("floor", rate(count, floor.written), "domains/s")
        .figure("writes", each(writes.all(), count), "a domain")
        .figure(
            "floor's writes",
            each(floor.writes.all(), count),
            "a domain",
        )
        .figure("statuses", each(writes.statuses, count), "a domain")
        .figure("of organizations", number(writes.organizations), "in all")
}

fn row(what: &str, ratio: f64, count: usize) -> Row {
    let case = format!("{count} domains, new to {what}, of the floor's");
    Row::new("throughput", case, (ratio, "times"), Limit::AtLeast(0.9)).guard(Limit::AtLeast(0.64))
}

fn rate(count: usize, time: Duration) -> f64 {
    number(count) / time.as_secs_f64()
}

/// Of processor time, for one domain.
fn milliseconds(seconds: f64, count: usize) -> f64 {
    seconds * 1000.0 / number(count)
}

fn each(of: u64, count: usize) -> f64 {
    number(of) / number(count)
}
