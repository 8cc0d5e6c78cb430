//! An object that its tenant changes without end.

use std::time::{Duration, Instant};

use futures::future::join;

use crate::support::{Stated, World};

async fn time_to_loss(domain: &Stated) -> Duration {
    let start = Instant::now();
    domain.until_reason("RecordLost").await;
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_without_end_delay_no_loss() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let _operator = world
        .operator(&[&tenant])
        .with("--recheck-period", "1s")
        .with("--grace-check-period", "2s")
        .with("--grace", "9s")
        .start()
        .await;
    let busy = world.verified(&tenant, "busy", &world.name("busy")).await;
    let calm = world.verified(&tenant, "calm", &world.name("calm")).await;
    for domain in [&busy, &calm] {
        world.dns.remove(&domain.challenge().await.records[0].name);
    }
    let (of_busy, of_calm) = tokio::select! {
        times = join(time_to_loss(&busy), time_to_loss(&calm)) => times,
        () = busy.change_without_end() => unreachable!("it has no end"),
    };
    println!("lost in {of_busy:?}, beside {of_calm:?} for one that nobody changes");
    assert!(of_busy < of_calm * 2, "{of_busy:?} of {of_calm:?}");
}
