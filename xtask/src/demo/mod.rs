//! `cargo xtask demo`: Freehold at work, from an empty cluster to verified domains.

mod domains;
mod folder;
mod parts;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use freehold_testbed::Programs;
use tokio::time::{Instant, sleep};

use crate::cargo;
use crate::signals::EndSignals;
use domains::{OrganizationDomain, View};
use folder::DemoFolder;
use parts::Parts;

const DEADLINE: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_secs(1);
/// Events are written a moment after the status that they tell of.
const EVENTS_DELAY: Duration = Duration::from_secs(1);
/// The domain that the visitor verifies.
const OWN_DOMAIN: &str = "your-turn.example";

pub async fn run(once: bool) -> Result<ExitCode> {
    let mut signals = EndSignals::new()?;
    let folder = DemoFolder::create(&cargo::target_folder())?;
    let mut parts = Parts::default();
    let result = tokio::select! {
        // A Ctrl-C also ends the cargo and go that run here; theirs is then no failure.
        biased;
        () = signals.received() => Ok(()),
        result = show(&folder, &mut parts, once) => result,
    };
    step("Stopping");
    let stopped = parts.stop().await;
    result.and(stopped).map(|()| ExitCode::SUCCESS)
}

async fn show(folder: &DemoFolder, parts: &mut Parts, once: bool) -> Result<()> {
    step("Looking for etcd and the Kubernetes control plane");
    let programs = Programs::find_or_build().await?;

    step("Building freehold and kubectl-freehold");
    let freehold = cargo::build_freehold(cargo::Profile::Dev).await?;

    step("Starting a Kubernetes control plane and a DNS server on 127.0.0.1");
    parts.start_servers(&programs, folder).await?;
    println!("  API server  https://{}", parts.plane()?.api_address());
    println!("  DNS server  {}", parts.dns_address()?);

    step("Installing the CRDs");
    parts.install_crds().await?;

    step("Starting the operator");
    parts.start_operator(&freehold, folder)?;
    println!("  log  {}", folder.operator_log().display());

    step("Two organizations state their domains (kubectl apply -f examples/demo/)");
    parts
        .kubectl(&["apply", "--server-side", "--filename", "examples/demo/"])
        .await?;
    let deadline = Instant::now() + DEADLINE;
    let mut view = View::default();
    let domains = wait(
        parts,
        &mut view,
        deadline,
        OrganizationDomain::has_challenge,
    )
    .await?;
    if domains.is_empty() {
        bail!("examples/demo/ has no OrganizationDomain");
    }

    step("Their owners publish the records");
    for domain in domains.iter().filter(|domain| !domain.is_verified()) {
        let line = domain.zone_line()?;
        println!("  {line}");
        folder.publish(&line)?;
    }

    step("Freehold finds them");
    wait(parts, &mut view, deadline, OrganizationDomain::is_verified).await?;

    step("It reports what happened (kubectl get events.events.k8s.io -A)");
    sleep(EVENTS_DELAY).await;
    let order = "--sort-by=.metadata.creationTimestamp";
    let events = ["get", "events.events.k8s.io", "--all-namespaces", order];
    for line in parts.kubectl(&events).await?.lines() {
        println!("  {line}");
    }
    println!("\nAll {} domains are Verified.", domains.len());
    if once {
        return Ok(());
    }
    stay_up(&freehold, folder, parts, &mut view, &domains).await
}

/// Shows the domains until each `is_there`.
async fn wait(
    parts: &mut Parts,
    view: &mut View,
    deadline: Instant,
    is_there: fn(&OrganizationDomain) -> bool,
) -> Result<Vec<OrganizationDomain>> {
    loop {
        parts.check_running()?;
        let domains = domains::read(parts).await?;
        view.show(&domains);
        if domains.iter().all(is_there) {
            return Ok(domains);
        }
        let waiting: Vec<&OrganizationDomain> =
            domains.iter().filter(|domain| !is_there(domain)).collect();
        if Instant::now() > deadline || waiting.iter().any(|domain| domain.has_failed()) {
            let reasons: Vec<String> = waiting.iter().map(|domain| domain.why()).collect();
            bail!(
                "not every domain is verified:\n  {}\nThe end of the operator's log:\n{}",
                reasons.join("\n  "),
                parts.operator_log_tail()
            );
        }
        sleep(POLL).await;
    }
}

async fn stay_up(
    freehold: &Path,
    folder: &DemoFolder,
    parts: &mut Parts,
    view: &mut View,
    examples: &[OrganizationDomain],
) -> Result<()> {
    step("Your turn");
    let example = examples.first().context("examples/demo/ has no domain")?;
    parts.apply(folder, &example.sibling(OWN_DOMAIN)).await?;
    let deadline = Instant::now() + DEADLINE;
    let domains = wait(parts, view, deadline, OrganizationDomain::has_challenge).await?;
    let own = domains
        .iter()
        .find(|domain| domain.domain == OWN_DOMAIN)
        .context("the new domain is missing")?;
    let programs = freehold.parent().context("freehold is in no folder")?;
    let kubectl = parts.plane()?.kubectl_path();
    let kubectl_folder = kubectl.parent().context("kubectl is in no folder")?;
    println!("\n  In a second terminal, use the demo's cluster, kubectl and freehold:");
    println!("    export KUBECONFIG={}", folder.kubeconfig().display());
    println!(
        "    export PATH={}:{}:$PATH",
        programs.display(),
        kubectl_folder.display()
    );
    println!("  See the domains:");
    println!("    kubectl get orgdomain --all-namespaces");
    println!("    kubectl freehold status --all-namespaces");
    println!("  Check one without the cluster:");
    println!(
        "    freehold check {} --allow-suffix example --dns-mode recursive --dns-server {}",
        example.domain,
        parts.dns_address()?
    );
    println!("  Publish the record of {OWN_DOMAIN}:");
    println!(
        "    echo '{}' >> {}",
        own.zone_line()?,
        folder.zone().display()
    );
    println!("  End with Ctrl-C.");
    loop {
        parts.check_running()?;
        view.show(&domains::read(parts).await?);
        sleep(POLL).await;
    }
}

fn step(title: &str) {
    println!("\n==> {title}");
}
