//! The DNS servers die, lie and flap.

use freehold_testbed::tree::Behaviour as ServerBehaviour;
use freehold_testbed::{Behaviour, ResponseCode, Tree};
use tokio::time::sleep;

use super::campaign::{Campaign, Dns};
use crate::support::{Cluster, random_label};

#[tokio::test(flavor = "multi_thread")]
async fn the_resolver_dies_and_lies() {
    let campaign = Campaign::new(Cluster::shared().await).await;
    let mut operator = campaign
        .operator()
        .with("--dns-timeout", "1s")
        .start()
        .await;
    let Dns::Server(server) = campaign.dns() else {
        unreachable!()
    };
    let outage = campaign.size.outage() / 2;
    campaign
        .run(
            "the resolver is silent, says SERVFAIL and tells other values",
            async || {
                campaign.until_verified(20).await;
                server.pause();
                sleep(outage).await;
                server.resume();
                server.set_behaviour("*", Behaviour::Rcode(ResponseCode::ServFail));
                sleep(outage).await;
                server.set_behaviour("*", Behaviour::Normal);
                campaign.until_verified(40).await;
                campaign.lie();
                sleep(outage * 2).await;
                campaign.tell_the_truth();
            },
        )
        .await;
    operator.check_running();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_of_a_zone_flap() {
    let origin = format!("{}.com", random_label());
    let tree = Tree::builder()
        .zone(&origin)
        .servers(3)
        .start()
        .await
        .unwrap();
    let hosts = [1, 2, 3].map(|n| format!("ns{n}.{origin}"));
    let campaign = Campaign::of_zone(Cluster::shared().await, tree, &origin).await;
    let mut operator = campaign.operator().start().await;
    let Dns::Zone { tree, .. } = campaign.dns() else {
        unreachable!()
    };
    let faults = [
        ServerBehaviour::Silent,
        ServerBehaviour::Rcode(ResponseCode::ServFail),
        ServerBehaviour::DeniesEverything,
        ServerBehaviour::ForgedOverUdp("token=forged".to_owned()),
        ServerBehaviour::Garbage,
    ];
    campaign
        .run(
            "the servers of a zone die, lie and flap in turn",
            async || {
                campaign.until_verified(20).await;
                for (n, fault) in faults.iter().enumerate() {
                    let server = tree.server(&hosts[n % hosts.len()]);
                    server.set_behaviour(fault.clone());
                    sleep(campaign.size.outage() / 4).await;
                    server.set_behaviour(ServerBehaviour::Normal);
                }
                for host in &hosts {
                    tree.server(host).set_behaviour(ServerBehaviour::Silent);
                }
                sleep(campaign.size.outage() / 2).await;
                for host in &hosts {
                    tree.server(host).set_behaviour(ServerBehaviour::Normal);
                }
            },
        )
        .await;
    operator.check_running();
}
