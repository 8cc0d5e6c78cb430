//! The commands that start operators.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::run_by;
use crate::support::{Installed, OperatorSettings, World, publish, ready_reason, variable};

/// The administrator's kubeconfig, with this namespace for what names none.
fn kubeconfig_of(namespace: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    let admin = fs::read_to_string(variable("FREEHOLD_TEST_KUBECONFIG")).unwrap();
    let own = admin.replace("namespace: default", &format!("namespace: {namespace}"));
    fs::write(&path, own).unwrap();
    (folder, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_moves_from_shard_to_shard() {
    let [first, second, default, place, back] = run_by("a_domain_moves_from_shard_to_shard") else {
        panic!("commands are missing")
    };
    let world = World::new().await;
    let tenant = world.tenant().await;
    let installed = Installed::new();
    let (_folder, typist) = kubeconfig_of(&tenant.namespace);
    let environment = [
        ("FREEHOLD_DNS_MODE", "recursive".to_owned()),
        ("FREEHOLD_DNS_SERVER", world.dns.addr().to_string()),
        ("FREEHOLD_ALLOW_SUFFIX", "example".to_owned()),
        ("FREEHOLD_CHECK_LADDER", "1s".to_owned()),
        ("FREEHOLD_WATCH_NAMESPACE", tenant.namespace.clone()),
    ];
    let kubeconfig = &world.cluster.kubeconfig;
    let settings = |command| OperatorSettings::typed(command, kubeconfig, &installed, &environment);
    let start = async |command| settings(command).start().await;

    let default = start(default).await;
    let domain = tenant.state("acme", &world.name("moved")).await;
    domain.until_reason("RecordAbsent").await;
    let token = domain.challenge().await.token;
    installed.told(place, &typist).await;
    // Who sees this one has seen the other go.
    let other = tenant.state("other", &world.name("other")).await;
    other.until_reason("RecordAbsent").await;
    publish(&world.dns, &domain.challenge().await.records[0]);
    other.checked("by the default shard").await;
    let second = start(second).await;
    let place_other = place.replace("shard1", "shard2").replace("acme", "other");
    installed.told(&place_other, &typist).await;
    other.checked("by the second shard").await;
    // The shard that has it does not run yet.
    assert_eq!(ready_reason(&domain.get().await), "RecordAbsent");
    let first = start(first).await;
    domain.until_verified().await;
    assert!(first.terminate().await.success());
    installed.told(back, &typist).await;
    domain.checked("by the default shard").await;
    assert_eq!(domain.challenge().await.token, token);
    for operator in [default, second] {
        assert!(operator.terminate().await.success());
    }
}
