//! A child process that logs into a file and never outlives its owner.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::timeout;

const TAIL_LINES: usize = 15;
const REAP_ATTEMPTS: usize = 200;
const REAP_POLL: Duration = Duration::from_millis(5);

/// Lets this process have as many sockets as the system allows it: a tree has two for each server,
/// and many shells start with 1,024.
///
/// # Errors
/// When the system does not allow what it says it allows.
pub fn allow_many_files() -> Result<()> {
    let (_, most) =
        getrlimit(Resource::RLIMIT_NOFILE).context("reading the limit of open files")?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("raising the limit of open files")
}

#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts `command` in a process group of its own, so that a Ctrl-C in a terminal reaches only
    /// the owner, who then ends its processes in order. Output is appended to `log`.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("opening {}", log.display()))?;
        let errors = output
            .try_clone()
            .with_context(|| format!("opening {} twice", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            log: log.to_owned(),
            child,
        })
    }

    /// # Errors
    /// When the process has ended; the message shows the end of its log.
    pub fn check_running(&mut self) -> Result<()> {
        if let Some(status) = self
            .child
            .try_wait()
            .context("asking for a child process")?
        {
            bail!(
                "{} has ended ({status}); the end of its log:\n{}",
                self.name,
                self.log_tail()
            );
        }
        Ok(())
    }

    /// Its process id; none once it has been waited for.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The last lines that the process wrote.
    #[must_use]
    pub fn log_tail(&self) -> String {
        tail(&self.log)
    }

    /// Asks the process to end (SIGTERM), kills it when it has not after `grace`, and tells how it
    /// ended.
    pub async fn terminate(&mut self, grace: Duration) -> Result<ExitStatus> {
        // A stopped process acts on no SIGTERM until it is continued.
        self.thaw()?;
        self.signal(Signal::SIGTERM)?;
        if timeout(grace, self.child.wait()).await.is_err() {
            self.kill().await?;
        }
        self.child
            .wait()
            .await
            .with_context(|| format!("waiting for {}", self.name))
    }

    /// Waits until the process ends by itself, and tells how.
    ///
    /// # Errors
    /// When it has not ended after `deadline`; the message shows the end of its log.
    pub async fn ended(&mut self, deadline: Duration) -> Result<ExitStatus> {
        match timeout(deadline, self.child.wait()).await {
            Ok(status) => status.with_context(|| format!("waiting for {}", self.name)),
            Err(_) => bail!(
                "{} has not ended after {} s; the end of its log:\n{}",
                self.name,
                deadline.as_secs(),
                self.log_tail()
            ),
        }
    }

    /// Ends the process without asking (SIGKILL), as a crash would.
    pub async fn kill(&mut self) -> Result<()> {
        self.child
            .kill()
            .await
            .with_context(|| format!("killing {}", self.name))
    }

    /// Stops the process without ending it: its connections stay open and nothing answers.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Undoes [`Process::freeze`].
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let Some(id) = self.child.id() else {
            return Ok(());
        };
        let id = i32::try_from(id).context("a process id out of range")?;
        kill(Pid::from_raw(id), signal)
            .with_context(|| format!("sending {signal} to {}", self.name))
    }
}

/// Returns only when the process is really gone, so that its files can be removed and nothing is
/// left of it when its owner ends.
impl Drop for Process {
    fn drop(&mut self) {
        if self.child.start_kill().is_err() {
            return;
        }
        for _ in 0..REAP_ATTEMPTS {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(REAP_POLL);
        }
    }
}

/// The last lines of a log file, or why there are none.
pub(crate) fn tail(log: &Path) -> String {
    let bytes = match fs::read(log) {
        Ok(bytes) => bytes,
        Err(error) => return format!("(no log at {}: {error})", log.display()),
    };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
