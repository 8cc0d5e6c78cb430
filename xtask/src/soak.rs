//! `cargo xtask soak`: a week of an operator's life in an hour or so, and what it holds meanwhile.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use kube::Api;
use kube::api::ListParams;
use kube::core::DynamicObject;
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use crate::bench::fleet::{self, Domain};
use crate::bench::operator::Operator;
use crate::bench::parts::{DEADLINE, Parts, until};
use crate::bench::table::{self, Limit, Row, number};
use crate::bench::watch::Watch;
use crate::bench::{self, kinds};
use crate::cargo::{self, Profile};
use crate::plot::{Curve, Plot, tick};
use crate::signals::EndSignals;

const DAYS: u32 = 7;
const HOURS_A_DAY: u32 = 24;
const RUN: &str = "soak";
/// Of all domains, so many are given up and replaced by new ones in a day.
const REPLACED_A_DAY: f64 = 0.1;
/// So many lose their record in a day, and get it back after some hours.
const LOST_A_DAY: f64 = 0.05;
const LOST_FOR_HOURS: usize = 6;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Minutes in which the week passes
    #[arg(long, default_value_t = 56, value_parser = clap::value_parser!(u64).range(14..=1440))]
    minutes: u64,
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(240..=20_000))]
    domains: u32,
    /// Write the curve as SVG
    #[arg(long)]
    plot: Option<PathBuf>,
    /// Write every hour's figures as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

/// What the operator held at the end of an hour of the week.
#[derive(Debug, Clone, Serialize)]
struct Hour {
    number: u32,
    /// Resident, in KB.
    memory: f64,
    open_files: usize,
    tasks: u64,
    checks: u64,
    /// Seconds of processor time so far.
    cpu: f64,
}

pub async fn run(arguments: Arguments) -> Result<ExitCode> {
    let mut signals = EndSignals::new()?;
    if cfg!(debug_assertions) {
        return bench::optimized(std::env::args_os().skip(1)).await;
    }
    let hours = tokio::select! {
        biased;
        () = signals.received() => bail!("interrupted"),
        hours = week(&arguments) => hours?,
    };
    let rows = rows(&hours);
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_string_pretty(&hours)?)?;
    }
    if let Some(path) = &arguments.plot {
        plot(&hours, arguments.domains).write(path)?;
    }
    table::print_text(&rows);
    Ok(if rows.iter().all(|row| row.met) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The durations of a week that passes in so many minutes.
struct Calendar {
    hour: Duration,
    day: Duration,
}

impl Calendar {
    fn new(minutes: u64) -> Self {
        let day = Duration::from_mins(minutes) / DAYS;
        Self {
            hour: day / HOURS_A_DAY,
            day,
        }
    }

    /// The periods of the defaults, shortened as much as the week is.
    fn settings(&self) -> Vec<String> {
        let seconds = |time: Duration| format!("{}s", time.as_secs().max(1));
        [
            ("check-ladder", seconds(self.hour)),
            ("recheck-period", seconds(self.day)),
            ("grace", seconds(self.day * 7)),
            ("grace-check-period", seconds(self.hour)),
            ("hand-over-period", seconds(self.day * 3)),
            ("max-proof-age", seconds(self.day * 30)),
            ("window", seconds(self.day * 30)),
            // All of them begin at once, and the week is not to begin with a queue.
            (
                "max-pending-per-namespace",
                fleet::IN_A_NAMESPACE.to_string(),
            ),
        ]
        .into_iter()
        .map(|(flag, value)| format!("--{flag}={value}"))
        .collect()
    }
}

async fn week(arguments: &Arguments) -> Result<Vec<Hour>> {
    let freehold = cargo::build_freehold(Profile::Release).await?;
    let parts = Parts::start(&freehold).await?;
    let calendar = Calendar::new(arguments.minutes);
    let settings = calendar.settings();
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let operator = parts.operator(&settings).await?;
    let watch = Watch::start(&parts.client, RUN, Some(parts.dns.clone())).await?;
    let mut tenants = Tenants::new(&parts, &watch, usize::try_from(arguments.domains)?).await?;
    let start = Instant::now();
    let mut hours = Vec::new();
    for hour in 1..=DAYS * HOURS_A_DAY {
        tenants.live_an_hour().await?;
        sleep_until(start + calendar.hour * hour).await;
        let now = sample(&operator, hour).await?;
        if hour % HOURS_A_DAY == 0 {
            eprintln!("soak: day {}: {now:?}", hour / HOURS_A_DAY);
        }
        hours.push(now);
    }
    tenants.end().await?;
    operator.stop().await?;
    drop(watch);
    parts.stop().await?;
    Ok(hours)
}

async fn sample(operator: &Operator, hour: u32) -> Result<Hour> {
    Ok(Hour {
        number: hour,
        memory: operator.memory()?.now,
        open_files: operator.open_files()?,
        tasks: operator.metric("freehold_tasks", "").await?,
        checks: operator.checks().await?,
        cpu: operator.cpu()?,
    })
}

/// Who states domains, gives them up, and loses records.
struct Tenants<'a> {
    parts: &'a Parts,
    watch: &'a Watch,
    domains: Vec<Domain>,
    /// Whole numbers are done, what is left of them waits for the next hour.
    to_replace: f64,
    to_lose: f64,
    next: usize,
    stated: usize,
    /// Each hour's, oldest first.
    lost: VecDeque<Vec<Domain>>,
}

impl<'a> Tenants<'a> {
    async fn new(parts: &'a Parts, watch: &'a Watch, count: usize) -> Result<Self> {
        let domains = fleet::domains(RUN, count);
        fleet::state(&parts.client, RUN, &domains).await?;
        watch.until_verified(count).await?;
        Ok(Self {
            parts,
            watch,
            stated: domains.len(),
            domains,
            to_replace: 0.0,
            to_lose: 0.0,
            next: 0,
            lost: VecDeque::new(),
        })
    }

    async fn live_an_hour(&mut self) -> Result<()> {
        let count = number(self.domains.len());
        self.to_replace += count * REPLACED_A_DAY / f64::from(HOURS_A_DAY);
        while self.to_replace >= 1.0 {
            self.to_replace -= 1.0;
            self.replace().await?;
        }
        self.to_lose += count * LOST_A_DAY / f64::from(HOURS_A_DAY);
        let mut lost = Vec::new();
        while self.to_lose >= 1.0 {
            self.to_lose -= 1.0;
            self.next += 1;
            let domain = self.domains[self.next % self.domains.len()].clone();
            if let Some(record) = self.record(&domain) {
                self.parts.dns.remove(&record.name);
                lost.push(domain);
            }
        }
        self.lost.push_back(lost);
        if self.lost.len() > LOST_FOR_HOURS {
            self.publish_oldest();
        }
        Ok(())
    }

    /// In place of one domain its namespace states another.
    async fn replace(&mut self) -> Result<()> {
        self.next += 1;
        let place = self.next % self.domains.len();
        let old = self.domains[place].clone();
        if let Some(record) = self.record(&old) {
            self.parts.dns.remove(&record.name);
        }
        let kind = kinds::organization_domains();
        let url = bench::calls::url(&kind, Some(&old.namespace));
        let delete = http::Request::delete(format!("{url}/{}", old.name)).body(Vec::new())?;
        self.parts
            .client
            .request::<serde_json::Value>(delete)
            .await?;
        let new = Domain {
            name: format!("domain-{:06}", self.stated),
            stated: format!("{RUN}-{:06}.example", self.stated),
            ..old
        };
        self.stated += 1;
        fleet::state_beside(&self.parts.client, RUN, std::slice::from_ref(&new)).await?;
        self.domains[place] = new;
        Ok(())
    }

    fn publish_oldest(&mut self) {
        for domain in self.lost.pop_front().unwrap_or_default() {
            let is_there = self.domains.iter().any(|one| one.name == domain.name);
            if let Some(record) = self.record(&domain).filter(|_| is_there) {
                self.parts.dns.set_txt(&record.name, vec![record.value]);
            }
        }
    }

    fn record(&self, domain: &Domain) -> Option<kinds::Record> {
        let key = domain.key();
        self.watch.look(|seen| seen.records.get(&key).cloned())
    }

    /// Afterwards everything that is there is Verified, and nothing else is held.
    async fn end(mut self) -> Result<()> {
        while !self.lost.is_empty() {
            self.publish_oldest();
        }
        let keys: Vec<String> = self.domains.iter().map(Domain::key).collect();
        let all =
            |seen: &bench::watch::Progress| keys.iter().all(|key| seen.verified.contains_key(key));
        self.watch.until("every domain is Verified", all).await?;
        // The watch keeps who was Verified once; what counts is who is now.
        let all = |kind| Api::<DynamicObject>::all_with(self.parts.client.clone(), &kind);
        let (domains, holdings) = (
            all(kinds::organization_domains()),
            all(kinds::verified_domains()),
        );
        until(
            "each domain holds its name, and no other does",
            DEADLINE,
            || async {
                let listed = async |api: &Api<DynamicObject>| {
                    let objects = api.list(&ListParams::default()).await;
                    anyhow::Ok(objects.context("listing what is held")?.items)
                };
                let text = |value: &Value| value.as_str().map(str::to_owned);
                let mut holders: Vec<_> = listed(&holdings)
                    .await?
                    .iter()
                    .map(|holding| {
                        (
                            holding.metadata.name.clone(),
                            text(&holding.data["spec"]["holder"]["uid"]),
                        )
                    })
                    .collect();
                let mut verified: Vec<_> = listed(&domains)
                    .await?
                    .into_iter()
                    .filter(|domain| domain.data["status"]["state"] == "Verified")
                    .map(|domain| {
                        (
                            text(&domain.data["status"]["canonicalName"]),
                            domain.metadata.uid,
                        )
                    })
                    .collect();
                holders.sort();
                verified.sort();
                Ok(verified.len() == keys.len() && holders == verified)
            },
        )
        .await
    }
}

/// The first two days are the process's growing up.
fn rows(hours: &[Hour]) -> Vec<Row> {
    let day = |n: u32| {
        let of_day = move |hour: &&Hour| (hour.number - 1) / HOURS_A_DAY + 1 == n;
        hours.iter().filter(of_day)
    };
    let mean = |n| day(n).map(|hour| hour.memory).sum::<f64>() / f64::from(HOURS_A_DAY);
    // What is left open stays: the most of a day tells how busy it was.
    let least_files = |n| number(day(n).map(|hour| hour.open_files).min().unwrap_or(0));
    let least_tasks = |n| number(day(n).map(|hour| hour.tasks).min().unwrap_or(0));
    let checks = hours.last().map_or(0, |hour| hour.checks);
    vec![
        Row::new(
            "soak",
            "memory, mean of day 7 by that of day 3",
            (mean(7) / mean(3), "times"),
            Limit::AtMost(1.02),
        )
        .figure("day 3", mean(3) / 1024.0, "MB")
        .figure("day 7", mean(7) / 1024.0, "MB")
        .figure("checks", number(checks), ""),
        Row::new(
            "soak",
            "open files, least on day 7 less least on day 3",
            (least_files(7) - least_files(3), ""),
            Limit::AtMost(2.0),
        )
        .figure("day 3", least_files(3), "")
        .figure("day 7", least_files(7), ""),
        Row::new(
            "soak",
            "tasks, least on day 7 less least on day 3",
            (least_tasks(7) - least_tasks(3), ""),
            Limit::AtMost(2.0),
        )
        .figure("day 3", least_tasks(3), "")
        .figure("day 7", least_tasks(7), ""),
    ]
}

fn plot(hours: &[Hour], domains: u32) -> Plot {
    let curve = |name: &'static str, of: &dyn Fn(&Hour) -> f64| Curve {
        name,
        points: hours
            .iter()
            .map(|hour| (f64::from(hour.number) / f64::from(HOURS_A_DAY), of(hour)))
            .collect(),
    };
    Plot {
        title: format!("A week of {} domains", tick(f64::from(domains))),
        across: "day",
        up: "resident memory in MB; open files; tasks",
        curves: vec![
            curve("memory, MB", &|hour| hour.memory / 1024.0),
            curve("open files", &|hour| number(hour.open_files)),
            curve("tasks", &|hour| number(hour.tasks)),
        ],
    }
}
