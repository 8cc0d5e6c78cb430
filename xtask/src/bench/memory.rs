//! Memory of an operator with so many verified domains.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::operator::Memory;
use super::parts::Parts;
use super::restore::enlarge;
use super::sample::Sample;
use super::table::{Limit, Row, number};

/// After its start an operator looks at every domain once.
const SETTLE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy)]
pub struct Use {
    domains: usize,
    memory: Memory,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Memory { peak, now } = self.memory;
        write!(f, "{} domains, {now} KB, at most {peak} KB", self.domains)
    }
}

pub async fn at(parts: &Parts, domains: usize) -> Result<Use> {
    let operator = parts.operator(&[]).await?;
    tokio::time::sleep(SETTLE).await;
    let memory = operator.memory()?;
    let known = operator
        .metric("freehold_organization_domains", "state=\"Verified\"")
        .await?;
    ensure!(
        known >= u64::try_from(domains)?,
        "the operator knows {known} verified domains of {domains}"
    );
    operator.stop().await?;
    Ok(Use { domains, memory })
}

/// How many of the domains one tenant makes as large as it can, and what all may cost together then: so
/// much of what they cost before, and so many KB.
const LARGE: usize = 400;
const SHARE: f64 = 1.5;
const MORE: f64 = 16.0 * 1024.0;
/// The chart's limit, in KB.
const POD: f64 = 256.0 * 1024.0;

/// Start and rest beside objects as large as etcd takes them, against a start without.
pub async fn large(parts: &Parts, sample: &Sample, ordinary: Use) -> Result<Row> {
    enlarge(parts, sample, LARGE).await?;
    let large = at(parts, ordinary.domains).await?;
    let most = (ordinary.memory.peak * SHARE + MORE).min(POD);
    Ok(Row::new(
        "memory",
        format!("{LARGE} of {} domains at etcd's limit", ordinary.domains),
        (large.memory.peak / most, "of what it may"),
        Limit::AtMost(1.0),
    )
    .guard(Limit::AtMost(1.5))
    .figure("peak", large.memory.peak / 1024.0, "MB")
    .figure("now", large.memory.now / 1024.0, "MB")
    .figure("without", ordinary.memory.peak / 1024.0, "MB"))
}

/// What each size costs in all, and over the one before.
pub fn rows(uses: &[Use]) -> Vec<Row> {
    let total = |used: &Use| {
        Row::new(
            "memory",
            format!("{} domains, peak in all", used.domains),
            (used.memory.peak / 1024.0, "MB"),
            Limit::AtMost(200.0),
        )
        .guard(Limit::AtMost(60.0))
        .with_domains(used.domains)
        .figure("peak", used.memory.peak / 1024.0, "MB")
        .figure("now", used.memory.now / 1024.0, "MB")
    };
    let more = |before: &Use, used: &Use| {
        let domains = number(used.domains - before.domains);
        Row::new(
            "memory",
            format!("a domain more, {} to {}", before.domains, used.domains),
            ((used.memory.peak - before.memory.peak) / domains, "KB"),
            Limit::AtMost(1.5),
        )
        .guard(Limit::AtMost(3.0))
        .figure(
            "by what is used now",
            (used.memory.now - before.memory.now) / domains,
            "KB",
        )
    };
    uses.iter()
        .map(total)
        .chain(uses.windows(2).map(|pair| more(&pair[0], &pair[1])))
        .collect()
}
