//! The domains are labelled for one shard and for another while they are verified.

use futures::future::join_all;

use super::campaign::Campaign;
use crate::support::{Cluster, all_but, only};

const SHARDS: [Option<&str>; 3] = [Some("one"), Some("two"), None];

#[tokio::test(flavor = "multi_thread")]
async fn the_domains_are_labelled_for_other_shards_again_and_again() {
    let campaign = Campaign::new(Cluster::shared().await).await;
    let selectors = [only("one"), only("two"), all_but(&["one", "two"])];
    let mut operators = join_all(selectors.iter().map(|selector| {
        let settings = campaign.operator().shard(selector);
        async move { settings.start().await }
    }))
    .await;
    let moved = campaign
        .run(
            "all are labelled for other shards again and again",
            async || {
                let mut moved = 0;
                // All together to the first, then to the second, then a third to each.
                for (percent, spread) in [(10, 1), (30, 1), (50, 3), (70, 3), (90, 3)] {
                    campaign.until_verified(percent).await;
                    let round = percent / 20;
                    moved += campaign
                        .place(|n| SHARDS[(round + n % spread) % SHARDS.len()])
                        .await;
                }
                moved
            },
        )
        .await;
    println!("labels set: {moved}");
    assert!(moved >= usize::try_from(campaign.size.domains).unwrap() * 2);
    for operator in &mut operators {
        operator.check_running();
    }
}
