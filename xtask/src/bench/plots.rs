//! Curves over the number of domains, drawn from the rows that have one.

use std::path::Path;

use anyhow::{Context, Result};

use super::table::Row;
use crate::plot::{Curve, Plot};

/// A file, the row that it is drawn from, and which of its figures.
const PLOTS: [(&str, &str, &str, &[&str]); 3] = [
    (
        "throughput.svg",
        "throughput",
        "domains a second",
        &["operator", "floor"],
    ),
    ("memory.svg", "memory", "MB, peak", &["peak"]),
    (
        "cold-start.svg",
        "cold-start",
        "seconds",
        &["ready", "list"],
    ),
];

pub fn write(rows: &[Row], folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    for (file, name, up, figures) in PLOTS {
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
                title: name.to_owned(),
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
