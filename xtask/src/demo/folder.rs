//! The demo's files, below the target folder.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

pub struct DemoFolder {
    path: PathBuf,
    /// Held as long as the demo runs.
    _lock: File,
}

impl DemoFolder {
    /// Starts with an empty folder. Refuses while another demo uses it.
    pub fn create(target: &Path) -> Result<Self> {
        fs::create_dir_all(target).with_context(|| format!("creating {}", target.display()))?;
        // Beside the folder: the folder itself is removed at each start.
        let lock_path = target.join("demo.lock");
        let lock = File::create(&lock_path)
            .with_context(|| format!("creating {}", lock_path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another demo is running in {}; end it first (Ctrl-C)",
                target.display()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking {}", lock_path.display()));
            }
        }
        let path = target.join("demo");
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing {}", path.display()));
            }
            _ => {}
        }
        fs::create_dir(&path).with_context(|| format!("creating {}", path.display()))?;
        let folder = Self { path, _lock: lock };
        fs::write(folder.zone(), "; name TTL IN TXT \"value\"\n")
            .with_context(|| format!("creating {}", folder.zone().display()))?;
        Ok(folder)
    }

    pub fn zone(&self) -> PathBuf {
        self.path.join("demo.zone")
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.path.join("kubeconfig")
    }

    pub fn operator_log(&self) -> PathBuf {
        self.path.join("operator.log")
    }

    /// The visitor's own organization domain.
    pub fn object(&self) -> PathBuf {
        self.path.join("your-turn.json")
    }

    /// Adds a line to the zone file.
    pub fn publish(&self, line: &str) -> Result<()> {
        let path = self.zone();
        let mut file = File::options()
            .append(true)
            .open(&path)
            .with_context(|| format!("opening {}", path.display()))?;
        writeln!(file, "{line}").with_context(|| format!("writing {}", path.display()))
    }
}
