//! Random zones, drawn from seeds and tuned by nobody: what a validating Unbound finds in an honest
//! one, a first check finds too; one lying server among honest ones gains nothing.

mod build;
mod dice;
mod honest;
mod layout;
mod random;
mod resolver;
mod run;
mod tops;

use freehold_testbed::Packages;

use run::Plan;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "not run: it needs real name servers, which cargo xtask test --with-dns-servers brings"]
async fn honest_layouts() {
    let packages = Packages::from_environment().unwrap();
    let totals = run::honest(&packages, &Plan::from_environment(), honest::cold).await;
    println!("{totals}");
    totals.assert_without_miss();
}
