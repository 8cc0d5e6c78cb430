//! A wall clock for one program, which jumps while the program runs. It is libfaketime's.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::packages::Packages;

#[derive(Debug)]
pub struct Clock {
    library: PathBuf,
    folder: TempDir,
}

impl Clock {
    /// That is right until it is [`set`](Self::set).
    ///
    /// # Errors
    /// When the packages lack the library, or its file cannot be written.
    pub fn new(packages: &Packages) -> Result<Self> {
        let clock = Self {
            library: packages.library("faketime/libfaketimeMT.so.1")?,
            folder: tempfile::tempdir().context("creating a folder")?,
        };
        clock.set(0)?;
        Ok(clock)
    }

    /// So many days ahead, or behind where it is negative, from now on.
    ///
    /// # Errors
    /// When the file that the program reads cannot be written.
    pub fn set(&self, days: i64) -> Result<()> {
        // Renamed, because a program may read it at any time.
        let unfinished = self.folder.path().join("unfinished");
        fs::write(&unfinished, format!("{days:+}d")).context("writing the clock's file")?;
        fs::rename(&unfinished, self.file()).context("renaming the clock's file")
    }

    /// What a program is started with to go by this clock. Its waits go by the monotonic clock,
    /// which does not jump.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, PathBuf); 4] {
        [
            ("LD_PRELOAD", self.library.clone()),
            ("FAKETIME_TIMESTAMP_FILE", self.file()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("time")
    }
}

/// Takes away the shared memory that the library leaves behind of programs that were killed.
impl Drop for Clock {
    fn drop(&mut self) {
        let files = fs::read_dir("/dev/shm").into_iter().flatten();
        for file in files.filter_map(Result::ok) {
            let name = file.file_name();
            let Some(program) = name.to_str().and_then(program_of) else {
                continue;
            };
            if !Path::new("/proc").join(program).exists() {
                // Another clock may have been quicker.
                drop(fs::remove_file(file.path()));
            }
        }
    }
}

/// The process id in the name of the library's shared memory.
fn program_of(file: &str) -> Option<&str> {
    ["faketime_shm_", "sem.faketime_sem_"]
        .iter()
        .find_map(|prefix| file.strip_prefix(prefix))
        .filter(|id| id.parse::<u32>().is_ok())
}
