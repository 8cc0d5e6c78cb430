//! The operator itself is killed, or is not alone.

use std::time::Duration;

use rand::RngExt;
use tokio::time::sleep;

use super::campaign::Campaign;
use crate::support::Cluster;

/// Ten in the short form.
const KILLS: u32 = 50;

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_is_killed_again_and_again() {
    let campaign = Campaign::new(Cluster::shared().await).await;
    let settings = campaign.operator();
    let kills = KILLS.min(campaign.size.domains / 6);
    let mut operator = campaign
        .run(
            &format!("the operator is killed {kills} times"),
            async || {
                for n in 0..kills {
                    let mut operator = settings.spawn();
                    // However slow a start is, half are killed at work.
                    if n % 2 == 1 {
                        operator.ready().await;
                    }
                    let life = rand::rng().random_range(20..900);
                    sleep(Duration::from_millis(life)).await;
                    operator.check_running();
                    operator.kill().await;
                }
                settings.start().await
            },
        )
        .await;
    operator.check_running();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_work_at_once() {
    let campaign = Campaign::new(Cluster::shared().await).await;
    let settings = campaign.operator();
    let mut operators = [settings.start().await, settings.start().await];
    campaign.run("two operators at once", async || {}).await;
    for operator in &mut operators {
        operator.check_running();
    }
}
