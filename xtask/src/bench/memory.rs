//! Memory of an operator with so many verified domains.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::operator::Memory;
use super::parts::Parts;
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
