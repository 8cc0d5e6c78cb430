//! Rows over many verified domains, of which a control plane is filled once.

use std::path::Path;

use anyhow::Result;

use super::cold_start;
use super::growth;
use super::memory;
use super::rest;
use super::restore::restore;
use super::sample;
use super::table::Row;
use super::takeover;
use super::{Name, progress};

/// Measures at each size in turn, the smallest first.
pub async fn measure(
    freehold: &Path,
    sizes: &[usize],
    wanted: impl Fn(Name) -> bool,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut few = None;
    if wanted(Name::Growth)
        && let Some(&size) = sizes.first()
    {
        // Not beside the other rows: what became Verified is read and told once more by every start
        // for ten minutes.
        let (parts, sample) = sample::parts(freehold).await?;
        restore(&parts, &sample, 0, size).await?;
        few = Some(growth::cost(&parts, size).await?);
        parts.stop().await?;
    }
    let (parts, sample) = sample::parts(freehold).await?;
    let mut uses = Vec::new();
    let mut there = 0;
    for (place, &size) in sizes.iter().enumerate() {
        eprintln!("bench: restoring {} domains", size - there);
        restore(&parts, &sample, there, size).await?;
        there = size;
        let last = place + 1 == sizes.len();
        // Once, so that the organizations' summaries are written.
        memory::at(&parts, size).await?;
        if wanted(Name::ColdStart) {
            rows.extend(progress(vec![cold_start::ready(&parts, size).await?]));
        }
        if wanted(Name::Memory) {
            let memory = memory::at(&parts, size).await?;
            eprintln!("bench: {memory}");
            uses.push(memory);
        }
        if last && wanted(Name::Rest) {
            rows.extend(progress(rest::measure(&parts, size).await?));
        }
        if last && wanted(Name::Takeover) {
            rows.extend(progress(takeover::measure(&parts, size).await?));
        }
        // It changes what is promised, which rest stands on.
        if last && wanted(Name::ColdStart) {
            rows.extend(progress(cold_start::spread(&parts, size).await?));
        }
        if last && let Some(few) = few {
            let many = growth::cost(&parts, size).await?;
            rows.extend(progress(vec![growth::row(few, many)]));
        }
    }
    rows.extend(progress(memory::rows(&uses)));
    // The last: the control plane is heavy with them from then on.
    if let Some(&ordinary) = uses.last() {
        rows.extend(progress(vec![
            memory::large(&parts, &sample, ordinary).await?,
        ]));
    }
    parts.stop().await?;
    Ok(rows)
}
