//! An object that its tenant changes without end.

use std::time::{Duration, Instant};

use futures::future::{join, select};
use serde_json::json;

use crate::support::{Stated, World};

/// Who patches at once.
const PATCHERS: usize = 4;

async fn patch_without_end(domain: &Stated) {
    futures::future::join_all((0..PATCHERS).map(|patcher| async move {
        for n in 0_u64.. {
            let note = format!("{patcher}-{n}");
            let change = json!({ "metadata": { "annotations": { "note": note } } });
            domain.patch(change).await.unwrap();
        }
    }))
    .await;
}

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
    let times = Box::pin(join(time_to_loss(&busy), time_to_loss(&calm)));
    let patched = Box::pin(patch_without_end(&busy));
    let (of_busy, of_calm) = match select(times, patched).await {
        futures::future::Either::Left((times, _)) => times,
        futures::future::Either::Right(_) => unreachable!("it has no end"),
    };
    println!("lost in {of_busy:?}, beside {of_calm:?} for one that nobody changes");
    assert!(of_busy < of_calm * 2, "{of_busy:?} of {of_calm:?}");
}
