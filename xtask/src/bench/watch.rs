//! A watcher of organization domains that publishes their records and sees them become Verified.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use freehold_testbed::DnsServer;
use futures::StreamExt;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::fleet::RUN_LABEL;
use super::kinds::{self, Record, Seen};
use super::parts::DEADLINE;

/// What was seen so far, by `namespace/name`.
#[derive(Debug, Default)]
pub struct Progress {
    pub synced: bool,
    /// The record of each that has a challenge.
    pub records: HashMap<String, Record>,
    pub verified: HashMap<String, Instant>,
    pub handled: HashMap<String, String>,
    published: HashSet<String>,
}

/// Ends when it is dropped.
pub struct Watch {
    progress: watch::Receiver<Progress>,
    task: AbortHandle,
}

impl Watch {
    /// Returns when it has its first list. With a DNS server, publishes each record there as soon as
    /// it is known.
    pub async fn start(client: &Client, run: &str, dns: Option<Arc<DnsServer>>) -> Result<Self> {
        let (sender, progress) = watch::channel(Progress::default());
        let api = Api::<Seen>::all_with(client.clone(), &kinds::organization_domains());
        let config = watcher::Config::default().labels(&format!("{RUN_LABEL}={run}"));
        let task = tokio::spawn(async move {
            let mut events = watcher(api, config).default_backoff().boxed();
            while let Some(event) = events.next().await {
                match event {
                    Ok(Event::InitApply(seen) | Event::Apply(seen)) => {
                        sender.send_modify(|progress| {
                            if let Some(record) = note(progress, seen)
                                && let Some(dns) = &dns
                            {
                                dns.set_txt(&record.name, vec![record.value]);
                            }
                        });
                    }
                    Ok(Event::InitDone) => sender.send_modify(|progress| progress.synced = true),
                    Ok(_) => {}
                    Err(error) => eprintln!("the bench's watch was interrupted: {error}"),
                }
            }
        });
        let watch = Self {
            progress,
            task: task.abort_handle(),
        };
        watch
            .until("the watch has its first list", |progress| progress.synced)
            .await?;
        Ok(watch)
    }

    pub async fn until(&self, what: &str, wanted: impl Fn(&Progress) -> bool) -> Result<()> {
        let mut progress = self.progress.clone();
        let seen = timeout(DEADLINE, progress.wait_for(|progress| wanted(progress))).await;
        if let Ok(seen) = seen {
            return seen.map(drop).context("the watch ended");
        }
        let progress = self.progress.borrow();
        bail!(
            "not so after {} s: {what}; {} have a challenge, {} are verified",
            DEADLINE.as_secs(),
            progress.records.len(),
            progress.verified.len()
        )
    }

    pub async fn until_verified(&self, count: usize) -> Result<Instant> {
        let what = format!("{count} are verified");
        self.until(&what, |progress| progress.verified.len() >= count)
            .await?;
        let last = self.progress.borrow().verified.values().max().copied();
        last.context("nothing is verified")
    }

    pub fn look<T>(&self, look: impl FnOnce(&Progress) -> T) -> T {
        look(&self.progress.borrow())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes in what was seen; the record where it is new.
fn note(progress: &mut Progress, seen: Seen) -> Option<Record> {
    let key = seen.key();
    if seen.is_verified() && !progress.verified.contains_key(&key) {
        progress.verified.insert(key.clone(), Instant::now());
    }
    let status = seen.status?;
    if let Some(handled) = status.last_handled_request {
        progress.handled.insert(key.clone(), handled);
    }
    let record = status.challenge?.records.into_iter().next()?;
    if !progress.published.insert(key.clone()) {
        return None;
    }
    progress.records.insert(key, record.clone());
    Some(record)
}
