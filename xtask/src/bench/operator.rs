//! The operator as a child process, and what the system and its own port tell of it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use freehold_testbed::Process;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::parts::DEADLINE;

const STOP_GRACE: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(2);
/// Linux counts processor time in hundredths of a second (`USER_HZ`).
const TICKS_A_SECOND: f64 = 100.0;

pub struct Operator {
    process: Process,
    log: PathBuf,
    address: Option<SocketAddr>,
    started: Instant,
}

/// The memory of a process, in KB.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub peak: f64,
    pub now: f64,
}

impl Operator {
    pub fn start(command: Command, folder: &Path) -> Result<Self> {
        let log = tempfile::Builder::new()
            .prefix("operator-")
            .suffix(".log")
            .tempfile_in(folder)
            .context("creating the operator's log")?
            .into_temp_path()
            .keep()
            .context("keeping the operator's log")?;
        let started = Instant::now();
        Ok(Self {
            process: Process::start("the operator", command, &log)?,
            log,
            address: None,
            started,
        })
    }

    /// Waits until its stores are filled, and tells how long that took from the start of the
    /// process on.
    pub async fn ready(&mut self) -> Result<Duration> {
        let end = Instant::now() + DEADLINE;
        loop {
            self.process.check_running()?;
            if self.address.is_none() {
                self.address = address(&self.log);
            }
            if let Ok((200, _)) = self.get("/readyz").await {
                return Ok(self.started.elapsed());
            }
            if Instant::now() > end {
                bail!(
                    "the operator is not ready; the end of its log:\n{}",
                    self.process.log_tail()
                );
            }
            sleep(POLL).await;
        }
    }

    /// Ends it, so that it writes what it has in hand.
    pub async fn stop(mut self) -> Result<()> {
        let status = self.process.terminate(STOP_GRACE).await?;
        if !status.success() {
            bail!(
                "the operator ended with {status}:\n{}",
                self.process.log_tail()
            );
        }
        Ok(())
    }

    /// Ends it without a word.
    pub async fn kill(mut self) -> Result<()> {
        self.process.kill().await
    }

    /// The sum of a metric's samples whose labels contain `labels`.
    pub async fn metric(&self, name: &str, labels: &str) -> Result<u64> {
        let (_, page) = self.get("/metrics").await?;
        Ok(page
            .lines()
            .filter_map(|line| line.strip_prefix(name))
            .filter(|rest| rest.starts_with(['{', ' ']) && rest.contains(labels))
            .filter_map(|rest| rest.rsplit_once(' ')?.1.parse::<u64>().ok())
            .sum())
    }

    pub async fn checks(&self) -> Result<u64> {
        self.metric("freehold_checks_total", "").await
    }

    /// Seconds of processor time used so far.
    pub fn cpu(&self) -> Result<f64> {
        let stat = self.proc_file("stat")?;
        // The second field is the program's name in brackets; user and system time are the
        // fourteenth and fifteenth.
        let (_, rest) = stat.rsplit_once(") ").context("reading /proc/PID/stat")?;
        let ticks: f64 = rest
            .split(' ')
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<f64>().ok())
            .sum();
        Ok(ticks / TICKS_A_SECOND)
    }

    pub fn memory(&self) -> Result<Memory> {
        let status = self.proc_file("status")?;
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"))
                .and_then(|number| number.trim().parse().ok())
                .with_context(|| format!("no {name} in /proc/PID/status"))
        };
        Ok(Memory {
            peak: field("VmHWM:")?,
            now: field("VmRSS:")?,
        })
    }

    pub fn open_files(&self) -> Result<usize> {
        let id = self.process.id().context("the operator has ended")?;
        let files = fs::read_dir(format!("/proc/{id}/fd")).context("reading /proc/PID/fd")?;
        Ok(files.count())
    }

    fn proc_file(&self, file: &str) -> Result<String> {
        let id = self.process.id().context("the operator has ended")?;
        let path = format!("/proc/{id}/{file}");
        fs::read_to_string(&path).with_context(|| format!("reading {path}"))
    }

    async fn get(&self, path: &str) -> Result<(u16, String)> {
        let address = self.address.context("the operator's port is not known")?;
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
        let code = head.split(' ').nth(1).context("no HTTP status")?;
        Ok((code.parse()?, body.to_owned()))
    }
}

fn address(log: &Path) -> Option<SocketAddr> {
    let text = fs::read_to_string(log).ok()?;
    text.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|line| line["address"].as_str()?.parse().ok())
}
