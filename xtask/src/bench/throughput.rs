//! Throughput: published domains from new to Verified, against the floor.

use std::path::Path;

use anyhow::Result;
use tokio::time::Instant;

use super::fleet;
use super::floor;
use super::parts::{DEADLINE, Parts, until};
use super::requests::{Requests, Writes};
use super::sample::Sample;
use super::table::{Limit, Row, number};
use super::watch::Watch;

/// The domains of a run are there before its clock starts, with the start of the operator's process
/// or of the floor's watches. Their first check is due within this time.
const LADDER: &str = "--check-ladder=1s";
const QUOTA: &str = "--max-pending-per-namespace=1000";

/// Each on a control plane of its own, with nothing of the other's in it.
pub async fn measure(freehold: &Path, count: usize) -> Result<Vec<Row>> {
    let parts = Parts::start(freehold).await?;
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
        Ok(events().await? >= u64::try_from(2 * count)?)
    })
    .await?;
    let written = start.elapsed();
    let cpu = operator.cpu()?;
    let packets = parts.dns.queries() - packets;
    operator.stop().await?;
    let after = Requests::read(client).await?;
    let writes = Writes::between(&before, &after);
    let server_cpu = after.cpu_since(&before);
    drop(watch);
    parts.stop().await?;

    let parts = Parts::start(freehold).await?;
    let client = &parts.client;
    let sample = Sample::take(&parts).await?;
    let run = format!("floor{count}");
    let domains = fleet::domains(&run, count);
    fleet::state(client, &run, &domains).await?;
    let watch = Watch::start(client, &run, Some(parts.dns.clone())).await?;
    let summaries = usize::try_from(writes.organizations)?;
    let before = Requests::read(client).await?;
    let start = Instant::now();
    floor::run(client, &sample, &domains, summaries).await?;
    let floor_written = start.elapsed();
    let floor_verified = watch.until_verified(count).await?.duration_since(start);
    let after = Requests::read(client).await?;
    let floor_writes = Writes::between(&before, &after);
    let floor_cpu = after.cpu_since(&before);
    drop(watch);
    parts.stop().await?;

    let rate = |time: std::time::Duration| number(count) / time.as_secs_f64();
    let each = |count_of: u64| number(count_of) / number(count);
    let milliseconds = |cpu: f64| cpu * 1000.0 / number(count);
    let case = |what: &str| format!("{count} domains, new to {what}, of the floor's");
    let verified = Row::new(
        "throughput",
        case("Verified"),
        (rate(verified) / rate(floor_verified), "times"),
        Limit::AtLeast(0.9),
    )
    .guard(Limit::AtLeast(0.6))
    .with_domains(count)
    .figure("operator", rate(verified), "domains/s")
    .figure("floor", rate(floor_verified), "domains/s")
    .figure("operator's CPU", milliseconds(cpu), "ms/domain")
    .figure("API server's", milliseconds(server_cpu), "ms/domain")
    .figure("with the floor", milliseconds(floor_cpu), "ms/domain")
    .figure("DNS packets", each(packets), "a domain");
    let written = Row::new(
        "throughput",
        case("all written"),
        (rate(written) / rate(floor_written), "times"),
        Limit::AtLeast(0.9),
    )
    .guard(Limit::AtLeast(0.6))
    .figure("operator", rate(written), "domains/s")
    .figure("floor", rate(floor_written), "domains/s")
    .figure("writes", each(writes.all()), "a domain")
    .figure("floor's writes", each(floor_writes.all()), "a domain")
    .figure("statuses", each(writes.statuses), "a domain")
    .figure("of organizations", number(writes.organizations), "in all");
    Ok(vec![verified, written])
}
