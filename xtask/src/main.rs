//! Freehold's own tasks: `cargo xtask --help`.

#![forbid(unsafe_code)]
// Nobody shapes objects here who means harm.
#![allow(clippy::disallowed_types)]

mod archive;
mod bench;
mod cargo;
mod chart;
mod crds;
mod demo;
mod faults;
mod image;
mod plot;
mod reference;
mod signals;
mod soak;
mod test;
mod zones;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Freehold's development tasks")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Show Freehold at work on a control plane and a DNS server of its own, on this machine
    Demo {
        /// End when every domain of examples/demo/ is Verified, or fail after two minutes
        #[arg(long)]
        once: bool,
    },
    /// Run every check: formatting, lints, all tests against a real control plane
    Test {
        /// Run the tests against BIND, NSD, Knot DNS, `PowerDNS` and Unbound too, and those under a clock that
        /// jumps (libfaketime); these are then downloaded as Debian's packages into the cache folder
        /// and unpacked there, not installed
        #[arg(long)]
        with_dns_servers: bool,
        /// Build an image and run the operator in its file system too; needs root, and Debian's packages
        /// where there is no buildah
        #[arg(long)]
        with_image: bool,
        /// For `cargo test`; formatting and lints are then left out
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Measure the release build against a plain client of the API server
    Bench(bench::Arguments),
    /// Verify many domains while everything around the operator fails, one fault after the other
    Faults {
        /// How often the suite is run; it ends with the first failure
        #[arg(long, default_value_t = 1)]
        rounds: u32,
        /// Domains for each fault; the tests themselves have 60
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(20..=20_000))]
        domains: u32,
    },
    /// Let a week pass within an hour or so, and see that memory, files and tasks stay as they are
    Soak(soak::Arguments),
    /// Check random zones, honest and lying, against what a validating Unbound finds in them
    Zones(zones::Arguments),
    /// Build the release as a container image in target/image, with buildah
    Image,
    /// Build both programs for this machine as an archive with its list of components, in target/archives
    Archive,
    /// Write the CRDs to crds/, to the chart and to the API reference
    Crds,
    /// Write the chart's README from its values
    Chart,
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Demo { once } => demo::run(once).await,
        Task::Test {
            with_dns_servers,
            with_image,
            arguments,
        } => test::run(with_dns_servers, with_image, &arguments).await,
        Task::Bench(arguments) => bench::run(arguments).await,
        Task::Faults { rounds, domains } => {
            test::until_interrupted(faults::run(rounds, domains)).await
        }
        Task::Soak(arguments) => soak::run(arguments).await,
        Task::Zones(arguments) => zones::run(arguments).await,
        Task::Image => image::run().await,
        Task::Archive => archive::run().await,
        Task::Crds => crds::run().await,
        Task::Chart => chart::write_described(),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
