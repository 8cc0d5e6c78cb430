//! The table: a row is a ratio or a count of one run, with the figures that it was made from.

use std::fmt;

use anyhow::{Result, bail};
use serde::Serialize;

/// What a value must keep to.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Limit {
    AtLeast(f64),
    AtMost(f64),
    Between(f64, f64),
}

impl Limit {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(limit) => value >= limit,
            Self::AtMost(limit) => value <= limit,
            Self::Between(least, most) => (least..=most).contains(&value),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(limit) => write!(f, "≥ {}", short(*limit)),
            Self::AtMost(limit) => write!(f, "≤ {}", short(*limit)),
            Self::Between(least, most) => write!(f, "{} to {}", short(*least), short(*most)),
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    pub name: &'static str,
    pub value: f64,
    pub unit: &'static str,
}

#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub name: &'static str,
    /// What was measured.
    pub case: String,
    pub value: f64,
    pub unit: &'static str,
    /// What it should be.
    pub target: Limit,
    /// What it must be for `--check`, on a machine that does other things too.
    pub guard: Limit,
    pub met: bool,
    pub figures: Vec<Figure>,
    /// How many it was measured with, where that is what it grows with.
    pub domains: Option<f64>,
    /// Runnable processes, averaged over the last minute, when the row was done.
    pub load: f64,
}

impl Row {
    pub fn new(
        name: &'static str,
        case: impl Into<String>,
        (value, unit): (f64, &'static str),
        target: Limit,
    ) -> Self {
        Self {
            name,
            case: case.into(),
            value,
            unit,
            target,
            guard: target,
            met: target.holds(value),
            figures: Vec::new(),
            domains: None,
            load: load(),
        }
    }

    /// With another limit for `--check`.
    pub fn guard(mut self, guard: Limit) -> Self {
        self.guard = guard;
        self
    }

    pub fn with_domains(mut self, count: usize) -> Self {
        self.domains = Some(number(count));
        self
    }

    pub fn figure(mut self, name: &'static str, value: f64, unit: &'static str) -> Self {
        self.figures.push(Figure { name, value, unit });
        self
    }
}

impl Row {
    fn figures(&self) -> String {
        let load = format!("load {}", short(self.load));
        let figures = self.figures.iter().map(|figure| {
            let text = format!("{} {} {}", figure.name, short(figure.value), figure.unit);
            text.trim().to_owned()
        });
        figures.chain([load]).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = format!("{} {}", short(self.value), self.unit);
        write!(
            f,
            "{}, {}: {} ({})",
            self.name,
            self.case,
            value.trim(),
            self.figures()
        )
    }
}

fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split(' ').next().and_then(|text| text.parse().ok());
    first.unwrap_or(f64::NAN)
}

pub fn print_text(rows: &[Row]) {
    println!(
        "\n{:<12} {:<52} {:>14}  {:<9} met",
        "row", "case", "value", "target"
    );
    for row in rows {
        let value = format!("{} {}", short(row.value), row.unit);
        println!(
            "{:<12} {:<52} {:>14}  {:<9} {}",
            row.name,
            row.case,
            value.trim(),
            row.target.to_string(),
            if row.met { "yes" } else { "NO" }
        );
        println!("{:<12} {}", "", row.figures());
    }
}

pub fn print_json(rows: &[Row]) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(rows)?);
    Ok(())
}

/// Fails where a row breaks its guard.
pub fn check(rows: &[Row]) -> Result<()> {
    let broken: Vec<String> = rows
        .iter()
        .filter(|row| !row.guard.holds(row.value))
        .map(|row| {
            let value = format!("{} {}", short(row.value), row.unit);
            format!(
                "{}, {}: {}, which is not {}",
                row.name,
                row.case,
                value.trim(),
                row.guard
            )
        })
        .collect();
    if !broken.is_empty() {
        bail!("thresholds broken:\n  {}", broken.join("\n  "));
    }
    Ok(())
}

fn short(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        below if below < 10.0 => 2,
        below if below < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

/// A count as a figure.
pub fn number(count: impl TryInto<u32>) -> f64 {
    count.try_into().map_or(f64::INFINITY, f64::from)
}
