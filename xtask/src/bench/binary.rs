//! The binary's size, and the time from its start to ready in an empty cluster.

use std::fs;

use anyhow::{Context, Result};

use super::parts::Parts;
use super::table::{Limit, Row};

const STARTS: usize = 5;

pub async fn measure(parts: &Parts) -> Result<Vec<Row>> {
    let size = fs::metadata(&parts.freehold)
        .context("looking at the binary")?
        .len();
    let megabytes = u32::try_from(size / 1024).map_or(f64::INFINITY, f64::from) / 1024.0;
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let mut operator = parts.spawn(&[])?;
        times.push(operator.ready().await?);
        operator.stop().await?;
    }
    times.sort();
    let median = times.get(STARTS / 2).context("no start")?;
    Ok(vec![
        Row::new("binary", "size", (megabytes, "MB"), Limit::AtMost(20.0)),
        Row::new(
            "binary",
            "start to ready, empty cluster, median of five",
            (median.as_secs_f64(), "s"),
            Limit::AtMost(0.5),
        )
        .guard(Limit::AtMost(3.0)),
    ])
}
