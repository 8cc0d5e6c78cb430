//! Many layouts: trees side by side, the layouts of a tree one after the other.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use freehold_testbed::Packages;
use freehold_testbed::nameservers::Recursor;
use freehold_testbed::process::allow_many_files;
use futures::{StreamExt, stream};

use super::layout::Layout;
use super::lies::{self, Lying};
use super::{build, honest, random, software};

/// The layouts of one tree: its zones stay as small as what a query costs, and its sockets few.
const A_TREE: usize = 20;
/// Most of the time is waiting for servers that do not answer.
const TREES_AT_ONCE: usize = 10;
const COUNT: u64 = 2000;
/// With several programs to start for each.
const COUNT_WITH_SOFTWARE: u64 = 10;
/// Layouts that are told in full; of the others that fail the seeds are enough.
const TOLD: usize = 12;
/// Seeds that were of interest once, and always run.
const KEPT: &str = include_str!("seeds.txt");

/// Which layouts.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seeds: Vec<u64>,
}

impl Plan {
    /// As many layouts as it takes to see that something is wrong.
    pub fn few() -> Self {
        Self {
            seeds: (0..60).collect(),
        }
    }

    /// What `cargo xtask zones` says, or else the size of CI.
    pub fn from_environment() -> Self {
        Self::of_size(COUNT)
    }

    pub fn with_software() -> Self {
        Self::of_size(COUNT_WITH_SOFTWARE)
    }

    fn of_size(count: u64) -> Self {
        if let Some(only) = variable("FREEHOLD_ZONES_ONLY") {
            return Self { seeds: vec![only] };
        }
        let count = variable("FREEHOLD_ZONES_COUNT").unwrap_or(count);
        let first = variable("FREEHOLD_ZONES_SEED").unwrap_or(0);
        let mut seeds: Vec<u64> = (first..first + count).chain(kept()).collect();
        seeds.sort_unstable();
        seeds.dedup();
        Self { seeds }
    }
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    let value = text.parse().ok();
    assert!(value.is_some(), "{name}={text} is no number");
    value
}

fn kept() -> impl Iterator<Item = u64> {
    KEPT.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .map(|line| line.parse().unwrap())
}

/// Who answers for the layouts' zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Servers {
    Testbed,
    Software,
}

pub async fn honest(
    packages: &Packages,
    plan: &Plan,
    cold: honest::Cold,
    servers: Servers,
) -> Totals {
    let start = Instant::now();
    let batches = plan.seeds.chunks(A_TREE).map(<[u64]>::to_vec);
    let packages = Arc::new(packages.clone());
    allow_many_files().unwrap();
    let mut done = stream::iter(batches)
        .map(|seeds| tokio::spawn(honest_tree(packages.clone(), seeds, cold, servers)))
        .buffer_unordered(TREES_AT_ONCE);
    let mut totals = Totals::default();
    while let Some(results) = done.next().await {
        for (layout, result) in results.unwrap() {
            totals.add(&layout, &result);
        }
    }
    totals.took = start.elapsed();
    totals
}

async fn honest_tree(
    packages: Arc<Packages>,
    seeds: Vec<u64>,
    cold: honest::Cold,
    servers: Servers,
) -> Vec<(Layout, honest::Result)> {
    let mut layouts: Vec<Layout> = seeds.into_iter().map(random::layout).collect();
    if servers == Servers::Software {
        layouts.iter_mut().for_each(software::assign);
    }
    let tree = build::tree(&layouts, |builder| builder).await;
    let folder = tempfile::tempdir().unwrap();
    let recursor = Recursor::start(&packages, &tree, folder.path())
        .await
        .unwrap();
    let mut results = Vec::with_capacity(layouts.len());
    let programs = (servers == Servers::Software).then_some(&*packages);
    for layout in layouts {
        let result = honest::run(&tree, &recursor, &layout, cold, programs).await;
        results.push((layout, result));
    }
    results
}

/// `unopposed` gives the liar's zone to the attacker as a whole, so that lies must gain.
pub async fn lying(plan: &Plan, cold: honest::Cold, unopposed: bool) -> Gains {
    let start = Instant::now();
    let batches = plan.seeds.chunks(A_TREE).map(<[u64]>::to_vec);
    allow_many_files().unwrap();
    let mut done = stream::iter(batches)
        .map(|seeds| tokio::spawn(lying_tree(seeds, cold, unopposed)))
        .buffer_unordered(TREES_AT_ONCE);
    let mut gains = Gains::default();
    while let Some(results) = done.next().await {
        for (lying, result) in results.unwrap() {
            gains.add(&lying, &result);
        }
    }
    gains.took = start.elapsed();
    gains
}

async fn lying_tree(
    seeds: Vec<u64>,
    cold: honest::Cold,
    unopposed: bool,
) -> Vec<(Lying, lies::Outcome)> {
    let mut all: Vec<Lying> = seeds.into_iter().map(lies::lying).collect();
    for lying in &mut all {
        lying.unopposed = unopposed;
    }
    let layouts: Vec<Layout> = all.iter().map(|lying| lying.layout.clone()).collect();
    let add_evil = |builder| {
        all.iter()
            .fold(builder, |builder, lying| lying.add_evil(builder))
    };
    let tree = build::tree(&layouts, add_evil).await;
    let mut results = Vec::with_capacity(all.len());
    for lying in all {
        let result = lies::run(&tree, &lying, cold).await;
        results.push((lying, result));
    }
    results
}

/// What many lies came to.
#[derive(Debug, Default)]
pub struct Gains {
    layouts: usize,
    asked: usize,
    proven: usize,
    /// Of the layouts in which a lie gained something.
    pub seeds: Vec<u64>,
    took: Duration,
}

impl Gains {
    fn add(&mut self, lying: &Lying, outcome: &lies::Outcome) {
        self.layouts += 1;
        tell_progress(self.layouts, self.seeds.len());
        self.asked += usize::from(outcome.asked);
        self.proven += usize::from(outcome.proven);
        if outcome.gains.is_empty() {
            return;
        }
        self.seeds.push(lying.layout.seed);
        if self.seeds.len() <= TOLD {
            let seed = lying.layout.seed;
            println!("seed {seed}: the lie gains\n{lying}{}", outcome.gains);
        }
    }

    #[track_caller]
    pub fn assert_none(&self) {
        assert!(self.seeds.is_empty(), "lies gained: see above");
    }
}

impl fmt::Display for Gains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} layouts with a liar in {:.0?}",
            self.layouts, self.took
        )?;
        writeln!(f, "the liar was asked in {}", self.asked)?;
        writeln!(f, "the owner's record was found in {}", self.proven)?;
        writeln!(
            f,
            "lies that gained: {}, seeds {:?}",
            self.seeds.len(),
            self.seeds
        )
    }
}

fn tell_progress(layouts: usize, misses: usize) {
    if layouts.is_multiple_of(1000) {
        println!("{layouts} layouts so far; failing: {misses}");
    }
}

/// The figures of many layouts, Unbound's before ours.
#[derive(Debug, Default)]
pub struct Totals {
    layouts: usize,
    found: [usize; 2],
    secure_alike: usize,
    packets: [Vec<usize>; 2],
    times: [Vec<Duration>; 2],
    failing: usize,
    /// Seeds by kind of miss.
    pub misses: BTreeMap<String, Vec<u64>>,
    not_found: Vec<u64>,
    not_found_for_a_dead_server: usize,
    told: usize,
    took: Duration,
}

impl Totals {
    fn add(&mut self, layout: &Layout, result: &honest::Result) {
        self.layouts += 1;
        self.failing += usize::from(!result.misses.is_empty());
        tell_progress(self.layouts, self.failing);
        if !result.found[0] {
            if layout.has_dead_server() {
                self.not_found_for_a_dead_server += 1;
            } else {
                self.not_found.push(layout.seed);
            }
        }
        for side in [0, 1] {
            self.found[side] += usize::from(result.found[side]);
            self.packets[side].push(result.packets[side]);
            self.times[side].push(result.time[side]);
        }
        let both = result.found == [true, true];
        self.secure_alike += usize::from(both && result.secure[0] == result.secure[1]);
        for kind in &result.misses {
            let seeds = self.misses.entry(kind.clone()).or_default();
            seeds.push(layout.seed);
        }
        if !result.findings.is_empty() && self.told < TOLD {
            self.told += 1;
            println!(
                "seed {}: {}\n{layout}{}",
                layout.seed,
                result.misses.join(", "),
                result.findings
            );
        }
    }

    #[track_caller]
    pub fn assert_without_miss(&self) {
        // A yardstick that Unbound itself does not meet measures nothing.
        assert!(self.not_found.is_empty(), "not found by Unbound: see above");
        assert!(self.misses.is_empty(), "misses: see above");
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} layouts in {:.0?}", self.layouts, self.took)?;
        writeln!(
            f,
            "found: Unbound {}, Freehold {}",
            self.found[0], self.found[1]
        )?;
        writeln!(f, "found by both and as secure: {}", self.secure_alike)?;
        for (side, name) in ["Unbound", "Freehold"].into_iter().enumerate() {
            let packets = Spread::of(&self.packets[side]);
            writeln!(f, "packets of {name}: {packets:?}")?;
            writeln!(f, "time of {name}: {:?}", Spread::of(&self.times[side]))?;
        }
        writeln!(f, "layouts with a miss: {}", self.failing)?;
        for (kind, seeds) in &self.misses {
            let first: Vec<String> = seeds.iter().take(10).map(u64::to_string).collect();
            writeln!(f, "{}: {}, seeds {}", kind, seeds.len(), first.join(" "))?;
        }
        if !self.not_found.is_empty() {
            writeln!(f, "not found by Unbound: seeds {:?}", self.not_found)?;
        }
        writeln!(
            f,
            "not found by Unbound for a dead server: {}",
            self.not_found_for_a_dead_server
        )
    }
}

#[derive(Debug)]
#[expect(dead_code, reason = "it is printed")]
struct Spread<T> {
    median: T,
    of_100_99: T,
    largest: T,
}

impl<T: Copy + Ord + Default> Spread<T> {
    fn of(all: &[T]) -> Self {
        let mut all = all.to_vec();
        all.sort_unstable();
        let at = |part: usize| all.get(all.len() * part / 100).copied().unwrap_or_default();
        Self {
            median: at(50),
            of_100_99: at(99),
            largest: all.last().copied().unwrap_or_default(),
        }
    }
}
