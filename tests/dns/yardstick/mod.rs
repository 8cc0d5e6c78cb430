//! Random zones, drawn from seeds and tuned by nobody: what a validating Unbound finds in an honest
//! one, a first check finds too; one lying server among honest ones gains nothing.

mod build;
mod dice;
mod honest;
mod layout;
mod lies;
mod random;
mod resolver;
mod run;
mod software;
mod tops;

use freehold_testbed::Packages;

use run::{Plan, Servers};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "not run: it needs real name servers, which cargo xtask test --with-dns-servers brings"]
async fn honest_layouts() {
    let packages = Packages::from_environment().unwrap();
    let totals = run::honest(
        &packages,
        &Plan::from_environment(),
        honest::cold,
        Servers::Testbed,
    )
    .await;
    println!("{totals}");
    totals.assert_without_miss();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "not run: it needs real name servers, which cargo xtask test --with-dns-servers brings"]
async fn software_layouts() {
    let packages = Packages::from_environment().unwrap();
    let totals = run::honest(
        &packages,
        &Plan::with_software(),
        honest::cold,
        Servers::Software,
    )
    .await;
    println!("{totals}");
    totals.assert_without_miss();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "not run: it needs port 53, which cargo xtask test --with-dns-servers has"]
async fn lying_layouts() {
    let gains = run::lying(&Plan::from_environment(), honest::cold, false).await;
    println!("{gains}");
    gains.assert_none();
}

/// With a stranger's trust anchor nothing signed is found, and the yardstick says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "not run: it needs real name servers, which cargo xtask test --with-dns-servers brings"]
async fn a_wrong_anchor_is_a_miss() {
    let packages = Packages::from_environment().unwrap();
    let totals = run::honest(
        &packages,
        &Plan::few(),
        honest::with_a_wrong_anchor,
        Servers::Testbed,
    )
    .await;
    let unproven = |kind: &String| kind.starts_with("not proven");
    assert!(totals.misses.keys().any(unproven), "{totals}");
    let totals = run::honest(
        &packages,
        &Plan::few(),
        honest::without_anchors,
        Servers::Testbed,
    )
    .await;
    assert!(totals.misses.contains_key("security unlike AD"), "{totals}");
}

/// With nobody honest beside the liar he gains, and the yardstick says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "not run: it needs port 53, which cargo xtask test --with-dns-servers has"]
async fn lies_without_a_witness_gain() {
    let gains = run::lying(&Plan::few(), honest::cold, true).await;
    assert!(!gains.seeds.is_empty(), "{gains}");
}
