//! `cargo xtask test`: every check.

use std::env;
use std::process::{ExitCode, ExitStatus};

use anyhow::{Context, Result, bail};
use freehold_testbed::packages::{Packages, TESTED_WITH};
use freehold_testbed::{ControlPlane, Options, Programs, definitions, programs};

use tokio::process::Command;

use crate::signals::EndSignals;
use crate::{bench, cargo, image};

const FORMATTING: [&str; 3] = ["fmt", "--check", "--all"];
const TEST_THREADS: &str = "8";
/// Of the whole workspace whatever is tested: with fewer packages, their dependencies would be built
/// anew with fewer features.
const OF_THE_WORKSPACE: [&str; 2] = ["test", "--workspace"];
const LINTS: [&str; 6] = [
    "clippy",
    "--workspace",
    "--all-targets",
    "--",
    "--deny",
    "warnings",
];

pub async fn run(
    with_dns_servers: bool,
    with_image: bool,
    arguments: &[String],
) -> Result<ExitCode> {
    until_interrupted(check(with_dns_servers, with_image, arguments)).await
}

/// Does the work, or drops it when interrupted: that kills its control plane.
pub async fn until_interrupted(work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let mut signals = EndSignals::new()?;
    tokio::select! {
        biased;
        () = signals.received() => bail!("interrupted"),
        code = work => code,
    }
}

async fn check(with_dns_servers: bool, with_image: bool, arguments: &[String]) -> Result<ExitCode> {
    if arguments.is_empty() {
        for check in [&FORMATTING[..], &LINTS] {
            let status = cargo_status(check).await?;
            if !status.success() {
                bail!("cargo {} failed", check.join(" "));
            }
        }
    }
    if with_dns_servers {
        // First, because a missing package is found before anything long is done.
        let code = with_packages().await?;
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
    }
    if with_image {
        let code = real_image().await?;
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
    }
    if arguments.is_empty() {
        // Before the tests, so that their summary stays the last thing printed.
        Box::pin(bench::guard()).await?;
    }
    let [gitops, actionlint] = programs::gitops().await?;
    let definitions = definitions::find_or_download().await?;
    // Most of a test's time is waiting.
    let threads = env::var("RUST_TEST_THREADS").unwrap_or_else(|_| TEST_THREADS.to_owned());
    on_control_plane(|command| {
        command
            .args(OF_THE_WORKSPACE)
            .arg("--no-fail-fast")
            .env("RUST_TEST_THREADS", threads)
            .env("FREEHOLD_TEST_GITOPS", gitops)
            .env("FREEHOLD_TEST_ACTIONLINT", actionlint)
            .env("FREEHOLD_TEST_DEFINITIONS", definitions)
            .args(arguments);
    })
    .await
}

/// Runs cargo beside a control plane that the tests find.
pub async fn on_control_plane(describe: impl FnOnce(&mut Command)) -> Result<ExitCode> {
    let built = Programs::find_or_build().await?;
    let helm = programs::helm().await?;
    let plane = ControlPlane::start(&built, Options::default()).await?;
    let mut command = cargo::command();
    describe(&mut command);
    let status = command
        .env("FREEHOLD_TEST_KUBECONFIG", plane.kubeconfig())
        .env("FREEHOLD_TEST_API", plane.api_address().to_string())
        .env("FREEHOLD_TEST_KUBECTL", plane.kubectl_path())
        .env("FREEHOLD_TEST_HELM", helm)
        .status()
        .await
        .context("starting cargo")?;
    // The test runner's summary stays the last thing printed, and its code is what counts.
    let _ = plane.stop().await;
    Ok(exit_code(status))
}

/// The tests that are otherwise listed as not run.
async fn with_packages() -> Result<ExitCode> {
    let packages = Packages::find_or_unpack(TESTED_WITH).await?;
    let (variable, folder) = packages.environment();
    on_control_plane(|command| {
        command
            .args(OF_THE_WORKSPACE)
            .args(["--test=nameservers", "--test=dns", "--test=integration"])
            .args(["--no-fail-fast", "--", "--ignored", "--skip=image::"])
            .env(variable, folder);
    })
    .await
}

/// The tests of the image, which is built twice.
async fn real_image() -> Result<ExitCode> {
    // Compiled for the tests' sake in a fraction of a release's time; larger, and else the same.
    let binary = image::build_binary("dev").await?;
    let folder = cargo::target_folder();
    let first = image::build(&binary, &folder.join("image-test")).await?;
    let second = image::build(&binary, &folder.join("image-test-again")).await?;
    on_control_plane(|command| {
        command
            .args(OF_THE_WORKSPACE)
            .args(["--test=integration", "--", "--ignored", "image::"])
            .env("FREEHOLD_TEST_IMAGE", first)
            .env("FREEHOLD_TEST_IMAGE_AGAIN", second);
    })
    .await
}

pub fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

async fn cargo_status(arguments: &[&str]) -> Result<ExitStatus> {
    cargo::command()
        .args(arguments)
        .status()
        .await
        .context("starting cargo")
}
