//! Several replicas, of which one leads.

use std::time::{Duration, Instant};

use freehold::api::State;
use freehold_testbed::Options;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::support::{
    Account, Chart, Cluster, OperatorProcess, OperatorSettings, PrivatePlane, Stated, Tenant,
    World, client_of, eventually, publish, random_label, variable,
};

/// How long a Lease stands without its holder, as the operator writes it.
const LEASE_DURATION: SignedDuration = SignedDuration::from_secs(15);

/// Between two renewals.
const RETRY_PERIOD: SignedDuration = SignedDuration::from_secs(2);

/// A release of the chart for one tenant, with a Lease of its own.
struct Release {
    chart: Chart,
    admin: Client,
    kubeconfig: std::path::PathBuf,
    world: World,
    tenant: Tenant,
    leases: Api<Lease>,
}

impl Release {
    async fn new(kubeconfig: &std::path::Path) -> Self {
        let admin = client_of(kubeconfig).await;
        let tenant = Tenant::empty(&admin).await;
        tenant.organization("acme").await;
        let namespace = format!("freehold-{}", random_label());
        let values = json!({ "watchNamespaces": [tenant.namespace] });
        let chart = Chart::render("freehold", &namespace, &values).unwrap();
        let account = Account::make(&admin, kubeconfig, &chart).await;
        let world = World::on(Cluster::with(admin.clone(), account)).await;
        Self {
            chart,
            kubeconfig: kubeconfig.to_owned(),
            world,
            tenant,
            leases: Api::namespaced(admin.clone(), &namespace),
            admin,
        }
    }

    /// A replica as the Deployment has them.
    fn replica(&self) -> OperatorSettings {
        let settings = self.world.operator(&[]).deployed_by(&self.chart);
        settings.every("1s")
    }

    async fn lease(&self) -> LeaseSpec {
        let lease = self.leases.get("freehold").await.unwrap();
        lease.spec.unwrap()
    }

    /// Waits until the holder is another than `before`; returns what the Lease says then.
    async fn until_held(&self, before: Option<&str>) -> LeaseSpec {
        eventually("a replica leads", async || {
            let spec = self.lease().await;
            match spec.holder_identity.as_deref() {
                Some(holder) if Some(holder) != before => Ok(spec),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    async fn verify(&self, object: &str) -> Stated {
        let domain = self.tenant.state(object, &self.world.name(object)).await;
        publish(&self.world.dns, &domain.challenge().await.records[0]);
        domain.until_verified().await;
        domain
    }
}

async fn shared() -> Release {
    // For the CRDs.
    Cluster::shared().await;
    Release::new(variable("FREEHOLD_TEST_KUBECONFIG").as_ref()).await
}

async fn leads(operator: &OperatorProcess) -> bool {
    operator.metric("leader_election_master_status", "").await == 1
}

async fn until_leading(operator: &OperatorProcess) {
    eventually("it leads", async || {
        if leads(operator).await {
            Ok(())
        } else {
            Err("not yet")
        }
    })
    .await;
}

fn acquired(lease: &LeaseSpec) -> Timestamp {
    lease.acquire_time.as_ref().unwrap().0
}

fn renewed(lease: &LeaseSpec) -> Timestamp {
    lease.renew_time.as_ref().unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn another_takes_over_after_a_crash_when_the_lease_ends_and_after_a_stop_at_once() {
    let release = shared().await;
    let first = release.replica().start().await;
    until_leading(&first).await;
    let second = release.replica().start().await;
    assert!(!leads(&second).await);
    release.verify("one").await;

    let before = release.lease().await;
    first.kill().await;
    let last = release.lease().await;
    assert_eq!(last.holder_identity, before.holder_identity);
    let after = release.until_held(last.holder_identity.as_deref()).await;
    let waited = acquired(&after).duration_since(renewed(&last));
    assert!(waited >= LEASE_DURATION, "{waited}");
    assert_eq!(
        after.lease_transitions,
        last.lease_transitions.map(|n| n + 1)
    );
    until_leading(&second).await;
    release.verify("two").await;

    let third = release.replica().start().await;
    assert!(!leads(&third).await);
    assert!(second.terminate().await.success());
    let stopped = Timestamp::now();
    let next = release.until_held(after.holder_identity.as_deref()).await;
    let waited = acquired(&next).duration_since(stopped);
    assert!(waited < LEASE_DURATION / 2, "{waited}");
    until_leading(&third).await;
    release.verify("three").await;
    assert!(third.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leads_ends_before_its_lease_where_the_api_server_is_frozen() {
    let private = PrivatePlane::start().await;
    private.cluster().await.install(freehold::api::crds()).await;
    let release = Release::new(private.plane.kubeconfig()).await;
    let mut leader = release.replica().start().await;
    until_leading(&leader).await;
    let mut standby = release.replica().start().await;
    release.verify("before").await;

    private.plane.freeze_api_server().unwrap();
    let frozen = Instant::now();
    let ended = leader.ended().await;
    let lived = frozen.elapsed();
    assert_eq!(ended.code(), Some(1));
    assert!(!leader.log().contains("panicked"));
    // It may have been renewed as long before the freeze as it waits between two renewals.
    let left = LEASE_DURATION - RETRY_PERIOD;
    assert!(lived < left.unsigned_abs(), "{lived:?}");
    println!("ended {} ms after the freeze", lived.as_millis());
    standby.check_running();
    private.plane.thaw_api_server().unwrap();
    until_leading(&standby).await;
    release.verify("after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_its_lease_taken_or_deleted_ends_and_leaves_it_so() {
    let release = shared().await;
    let mut first = release.replica().start().await;
    until_leading(&first).await;
    let another = json!({ "spec": { "holderIdentity": "another" } });
    let taken = release
        .leases
        .patch("freehold", &PatchParams::default(), &Patch::Merge(&another))
        .await
        .unwrap();
    assert_eq!(first.ended().await.code(), Some(1));
    assert_eq!(Some(release.lease().await), taken.spec);

    let mut second = release.replica().start().await;
    until_leading(&second).await;
    let params = DeleteParams::default();
    release.leases.delete("freehold", &params).await.unwrap();
    assert_eq!(second.ended().await.code(), Some(1));
    assert!(release.leases.get_opt("freehold").await.unwrap().is_none());
    let third = release.replica().start().await;
    until_leading(&third).await;
    release.verify("after").await;
}

/// The identifier of a token, as the audit log tells it.
fn credential(kubeconfig: &std::path::Path) -> String {
    let text = std::fs::read_to_string(kubeconfig).unwrap();
    let token = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("token: "));
    let payload = token.unwrap().split('.').nth(1).unwrap();
    let payload = data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes());
    let payload: Value = serde_json::from_slice(&payload.unwrap()).unwrap();
    format!("JTI={}", payload["jti"].as_str().unwrap())
}

/// Verbs that write.
const WRITES: &[&str] = &["create", "update", "patch", "delete"];

/// The requests of the credential from this time on that were carried out. A call that its own end cut off
/// was not: it was on its way when the process stood still.
fn requests_since(
    log: &std::path::Path,
    credential: &str,
    since: Timestamp,
    verbs: &[&str],
) -> Vec<Value> {
    let log = std::fs::read_to_string(log).unwrap();
    let events = log.lines().map(|line| serde_json::from_str(line).unwrap());
    events
        .filter(|event: &Value| {
            let received = event["requestReceivedTimestamp"].as_str().unwrap();
            let ids = &event["user"]["extra"]["authentication.kubernetes.io/credential-id"];
            let code = event["responseStatus"]["code"].as_u64().unwrap_or_default();
            ids[0] == credential
                && code < 300
                && received.parse::<Timestamp>().unwrap() >= since
                && verbs.contains(&event["verb"].as_str().unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_stood_still_writes_nothing_afterwards() {
    let private = PrivatePlane::start_with(Options {
        controller_manager: false,
        audit: true,
    })
    .await;
    private.cluster().await.install(freehold::api::crds()).await;
    let release = Release::new(private.plane.kubeconfig()).await;
    // A token each tells the two apart.
    let others = Account::mint(&release.admin, &release.kubeconfig, &release.chart).await;
    let own = credential(&release.world.cluster.kubeconfig);
    let mut leader = release.replica().start().await;
    until_leading(&leader).await;
    let standby = release
        .replica()
        .kubeconfig(&others.kubeconfig)
        .start()
        .await;
    // Due all the time, so that there is always something to write.
    let waiting = release.verify("before").await;
    for n in 0..20 {
        release
            .tenant
            .state(&format!("d{n}"), &release.world.name(&format!("d{n}")))
            .await;
    }

    leader.freeze();
    let frozen = Timestamp::now();
    until_leading(&standby).await;
    for n in 0..20 {
        release
            .tenant
            .state(&format!("e{n}"), &release.world.name(&format!("e{n}")))
            .await;
    }
    release
        .world
        .dns
        .remove(&waiting.challenge().await.records[0].name);
    release.verify("after").await;
    let thawed = Timestamp::now();
    leader.thaw();
    assert_eq!(leader.ended().await.code(), Some(1));
    release.verify("long-after").await;
    let log = private.plane.audit_log();
    let of_leader = |since| requests_since(&log, &own, since, WRITES);
    assert!(!of_leader(Timestamp::UNIX_EPOCH).is_empty());
    assert_eq!(of_leader(thawed), Vec::<Value>::new());
    // The standby had its stores: it wrote as soon as it had the Lease, and listed nothing.
    let took_over = credential(&others.kubeconfig);
    let of_standby = |verbs| requests_since(&log, &took_over, frozen, verbs);
    assert_eq!(of_standby(&["list"]), Vec::<Value>::new());
    let writes = of_standby(WRITES);
    let first = writes
        .iter()
        .find(|event| event["objectRef"]["resource"] != "leases");
    let first = first.unwrap()["requestReceivedTimestamp"].as_str().unwrap();
    let waited = first.parse::<Timestamp>().unwrap().duration_since(frozen);
    assert!(
        waited <= LEASE_DURATION + SignedDuration::from_secs(2),
        "{waited}"
    );
    assert!(leads(&standby).await);
}

/// A holder whose clock is wrong: the test itself.
async fn renew(leases: &Api<Lease>, time: Timestamp) {
    let spec = json!({ "spec": { "renewTime": MicroTime(time) } });
    leases
        .patch("freehold", &PatchParams::default(), &Patch::Merge(&spec))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_ones_own_clock_counts() {
    let release = shared().await;
    let long_ago = Timestamp::now() - SignedDuration::from_hours(24);
    let lease = Lease {
        metadata: ObjectMeta {
            name: Some("freehold".to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some("slow".to_owned()),
            lease_duration_seconds: Some(15),
            renew_time: Some(MicroTime(long_ago)),
            ..LeaseSpec::default()
        }),
    };
    release
        .leases
        .create(&PostParams::default(), &lease)
        .await
        .unwrap();
    let operator = release.replica().start().await;
    // By its clock it renewed a day ago; it does so all the time.
    let begun = Instant::now();
    let mut second = 0;
    while begun.elapsed() < LEASE_DURATION.unsigned_abs() + Duration::from_secs(5) {
        second += 1;
        renew(
            &release.leases,
            long_ago + SignedDuration::from_secs(second),
        )
        .await;
        assert_eq!(
            release.lease().await.holder_identity.as_deref(),
            Some("slow")
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(!leads(&operator).await);
    // By its clock it renews tomorrow; it never does so again.
    renew(
        &release.leases,
        Timestamp::now() + SignedDuration::from_hours(24),
    )
    .await;
    let last = Instant::now();
    release.until_held(Some("slow")).await;
    assert!(last.elapsed() >= LEASE_DURATION.unsigned_abs());
    until_leading(&operator).await;
    assert_eq!(
        release
            .verify("main")
            .await
            .get()
            .await
            .status
            .unwrap()
            .state,
        Some(State::Verified)
    );
}
