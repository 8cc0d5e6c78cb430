//! Rows over many verified domains, of which the control plane is filled once.

use anyhow::Result;

use super::cold_start;
use super::growth;
use super::memory;
use super::parts::Parts;
use super::rest;
use super::restore::restore;
use super::sample::Sample;
use super::table::Row;
use super::{Name, progress};

/// Measures at each size in turn, the smallest first.
pub async fn measure(
    parts: &Parts,
    sample: &Sample,
    sizes: &[usize],
    wanted: impl Fn(Name) -> bool,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let (mut uses, mut costs) = (Vec::new(), Vec::new());
    let (mut restored, mut there) = (0, 0);
    for (place, &size) in sizes.iter().enumerate() {
        let more = size - there;
        eprintln!("bench: restoring {more} domains");
        restore(parts, sample, restored, restored + more).await?;
        (restored, there) = (restored + more, size);
        let last = place + 1 == sizes.len();
        // Once, so that the organizations' summaries are written.
        memory::at(parts, size).await?;
        if wanted(Name::ColdStart) {
            rows.extend(progress(vec![cold_start::ready(parts, size).await?]));
        }
        if wanted(Name::Memory) {
            let memory = memory::at(parts, size).await?;
            eprintln!("bench: {memory}");
            uses.push(memory);
        }
        if last && wanted(Name::Rest) {
            rows.extend(progress(rest::measure(parts, size).await?));
        }
        // It changes what is promised, which rest stands on.
        if last && wanted(Name::ColdStart) {
            rows.extend(progress(vec![cold_start::spread(parts, size).await?]));
        }
        if wanted(Name::Growth) {
            let cost = growth::cost(parts, size).await?;
            eprintln!("bench: {cost}");
            costs.push(cost);
            there += growth::DOMAINS;
        }
    }
    if wanted(Name::Memory) {
        rows.extend(memory::rows(&uses));
    }
    if wanted(Name::Growth) {
        rows.extend(growth::row(&costs));
    }
    Ok(rows)
}
