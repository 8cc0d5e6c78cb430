//! Curves over the number of domains, drawn from the rows that have one.

use std::path::Path;

use anyhow::{Context, Result};

use super::table::Row;
use crate::plot::{Curve, Plot};

/// A file, its title, the row that it is drawn from, the figures' unit, and which of them.
const PLOTS: [(&str, &str, &str, &str, &[&str]); 3] = [
    (
        "throughput.svg",
        "Domains verified per second: the operator, and the floor",
        "throughput",
        "domains per second",
        &["operator", "floor"],
    ),
    (
        "memory.svg",
        "The operator's peak memory",
        "memory",
        "MB",
        &["peak"],
    ),
    (
        "cold-start.svg",
        "From start to ready, compared with a bare list",
        "cold-start",
        "seconds",
        &["ready", "list"],
    ),
];

pub fn write(rows: &[Row], folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    for (file, title, name, up, figures) in PLOTS {
        let curves: Vec<Curve> = figures
            .iter()
            .map(|&figure| Curve {
                name: figure,
                points: points(rows, name, figure),
            })
            .filter(|curve| !curve.points.is_empty())
            .collect();
        if !curves.is_empty() {
            let plot = Plot {
                title: title.to_owned(),
                across: "domains",
                up,
                curves,
            };
            plot.write(&folder.join(file))?;
        }
    }
    Ok(())
}

/// By the number of domains; of several rows with the same one the first counts.
fn points(rows: &[Row], name: &str, figure: &str) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = rows
        .iter()
        .filter(|row| row.name == name)
        .filter_map(|row| {
            let figure = row.figures.iter().find(|one| one.name == figure)?;
            Some((row.domains?, figure.value))
        })
        .collect();
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    points.dedup_by_key(|point| point.0);
    points
}
