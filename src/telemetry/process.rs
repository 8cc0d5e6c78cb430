//! What every dashboard of processes shows, under the names that all Prometheus clients use.

use std::fs;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Of `/proc` (proc(5)): Linux shows programs a hundredth of a second, whatever its own clock.
const TICKS_PER_SECOND: f64 = 100.0;
const PAGE_OCTETS: i64 = 4096;

#[derive(Debug)]
pub struct Process {
    cpu: Counter<f64, AtomicU64>,
    memory: Gauge,
    open_files: Gauge,
    start: Gauge<f64, AtomicU64>,
}

impl Process {
    pub fn register(registry: &mut Registry) -> Self {
        let process = Self {
            cpu: Counter::default(),
            memory: Gauge::default(),
            open_files: Gauge::default(),
            start: Gauge::default(),
        };
        registry.register(
            "process_cpu_seconds",
            "CPU time of the process",
            process.cpu.clone(),
        );
        registry.register(
            "process_resident_memory_bytes",
            "Memory of the process",
            process.memory.clone(),
        );
        registry.register(
            "process_open_fds",
            "Open files and connections of the process",
            process.open_files.clone(),
        );
        registry.register(
            "process_start_time_seconds",
            "Start of the process, since 1970",
            process.start.clone(),
        );
        process
    }

    /// Reads what there is now. Where there is no `/proc`, all stay at 0.
    pub fn update(&self) {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name, which may have spaces, ends with the last parenthesis.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let fields: Vec<f64> = fields
            .split_whitespace()
            .map(|field| field.parse().unwrap_or_default())
            .collect();
        // Fields 14, 15 and 22 of all, of which these are those from the third on.
        let &[.., _] = &fields[..] else { return };
        let field = |number: usize| fields.get(number - 3).copied().unwrap_or_default();
        let cpu = (field(14) + field(15)) / TICKS_PER_SECOND;
        self.cpu.inc_by((cpu - self.cpu.get()).max(0.0));
        let system = fs::read_to_string("/proc/stat").unwrap_or_default();
        let boot = system
            .lines()
            .find_map(|line| line.strip_prefix("btime ")?.parse::<f64>().ok());
        self.start
            .set(boot.unwrap_or_default() + field(22) / TICKS_PER_SECOND);
        let pages = fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let resident = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok());
        self.memory.set(resident.unwrap_or(0) * PAGE_OCTETS);
        let files = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        self.open_files
            .set(i64::try_from(files).unwrap_or_default());
    }
}
