//! The API server and etcd fail.

use freehold_testbed::{ControlPlane, Proxy, kubeconfig_through};
use tokio::time::sleep;

use super::campaign::Campaign;
use crate::support::{Cluster, HttpProxy, PrivatePlane};

async fn fault(
    plane: &mut ControlPlane,
    what: &str,
    act: impl AsyncFnOnce(&mut ControlPlane, &Campaign),
) {
    let cluster = Cluster::at(plane.kubeconfig()).await;
    let campaign = Campaign::new(cluster).await;
    let mut operator = campaign.operator().start().await;
    campaign
        .run(what, async || {
            campaign.until_verified(20).await;
            act(plane, &campaign).await;
        })
        .await;
    operator.check_running();
}

/// One after the other on one control plane, each with domains and an operator of its own.
#[tokio::test(flavor = "multi_thread")]
async fn the_control_plane_fails() {
    let mut private = PrivatePlane::start().await;
    private.cluster().await.install(freehold::api::crds()).await;
    let plane = &mut private.plane;

    fault(
        plane,
        "the API server is killed and is away for a while",
        async |plane, campaign| {
            plane.kill_api_server().await.unwrap();
            sleep(campaign.size.outage()).await;
            plane.restart_api_server().await.unwrap();
        },
    )
    .await;
    fault(
        plane,
        "the API server is restarted twice",
        async |plane, campaign| {
            plane.restart_api_server().await.unwrap();
            campaign.until_verified(50).await;
            plane.restart_api_server().await.unwrap();
        },
    )
    .await;
    fault(
        plane,
        "the API server is frozen",
        async |plane, campaign| {
            plane.freeze_api_server().unwrap();
            sleep(campaign.size.outage()).await;
            plane.thaw_api_server().unwrap();
        },
    )
    .await;
    fault(plane, "etcd is frozen", async |plane, campaign| {
        plane.freeze_etcd().unwrap();
        sleep(campaign.size.outage()).await;
        plane.thaw_etcd().unwrap();
    })
    .await;
    history_is_compacted(plane).await;
}

/// The operator hears nothing while the versions from which its watches go on are taken away.
async fn history_is_compacted(plane: &mut ControlPlane) {
    let cluster = Cluster::at(plane.kubeconfig()).await;
    let campaign = Campaign::new(cluster.clone()).await;
    let proxy = Proxy::start(plane.api_address()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let through = kubeconfig_through(&cluster.kubeconfig, &proxy, folder.path()).unwrap();
    let operator = campaign.operator().kubeconfig(&through);
    let mut operator = operator.with("--log-level", "debug").start().await;
    campaign
        .run("the history of watches is compacted", async || {
            campaign.until_verified(20).await;
            proxy.cut();
            sleep(campaign.size.outage()).await;
            plane.compact_history().await.unwrap();
            plane.restart_api_server().await.unwrap();
            proxy.restore();
        })
        .await;
    operator.check_running();
    let log = operator.log();
    assert!(log.contains("too old resource version"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_request_fails() {
    let campaign = Campaign::new(Cluster::shared().await).await;
    let proxy = HttpProxy::start(&campaign.cluster).await;
    let settings = campaign.operator().kubeconfig(proxy.kubeconfig());
    let mut operator = settings.start().await;
    campaign
        .run("storms of 409, 429, 500 and lost answers", async || {
            for percent in [0, 30, 60] {
                campaign.until_verified(percent).await;
                proxy.fail(50);
                sleep(campaign.size.outage()).await;
                proxy.fail(0);
            }
        })
        .await;
    operator.check_running();
    println!("requests that failed: {}", proxy.failures());
    assert!(proxy.failures() > u64::from(campaign.size.domains));
}
