//! Ten thousand objects.

use freehold::api::{self, OrganizationDomain};
use kube::Api;

use super::{Export, Old, all, organization, run, stream};
use crate::support::{PrivatePlane, World};

const TENANTS: usize = 4;
/// With the holdings of half of them ten thousand objects, and several pages of each kind.
const DOMAINS: usize = 6664;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_objects_come_and_go() {
    let private = PrivatePlane::start().await;
    let world = World::on(private.cluster().await).await;
    let kubeconfig = private.plane.kubeconfig();
    let without_definitions = Export::of(&stream(&[], &[])).import_into(kubeconfig).await;
    assert_eq!(without_definitions.code, Some(1));
    assert!(
        without_definitions.error.contains("install the CRDs first"),
        "{without_definitions:?}"
    );
    world.cluster.install(api::crds()).await;
    let mut tenants = Vec::new();
    for _ in 0..TENANTS {
        tenants.push(world.empty_tenant().await);
    }
    let mut documents: Vec<_> = tenants
        .iter()
        .map(|tenant| organization(&tenant.namespace))
        .collect();
    for n in 0..DOMAINS {
        let tenant = &tenants[n % TENANTS];
        let old = Old::new(
            &tenant.namespace,
            &format!("d{n}"),
            &world.name(&format!("d{n}")),
        );
        if n % 2 == 0 {
            documents.extend([old.document("Verified"), old.holding()]);
        } else {
            documents.push(old.document("Pending"));
        }
    }
    assert_eq!(documents.len(), 10_000);
    let export = Export::of(&stream(&documents, &[]));
    let ran = export.import_into(kubeconfig).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.out
            .contains("OrganizationDomain: 6664 created, 0 completed"),
        "{ran:?}"
    );
    assert!(
        ran.out
            .contains("VerifiedDomain: 3332 created, 0 completed"),
        "{ran:?}"
    );
    let holdings = all(&world.holdings()).await;
    assert!(holdings.iter().all(|holding| !holding.spec.importing));
    let domains = Api::<OrganizationDomain>::all(world.cluster.client.clone());
    let domains = all(&domains).await;
    let tokens = domains.iter().filter(|domain| {
        let status = domain.status.as_ref();
        status.is_some_and(|status| status.challenge.is_some())
    });
    assert_eq!(tokens.count(), DOMAINS);

    let again = export.file.with_file_name("again.yaml");
    let ran = run(kubeconfig, &["export", "--file", again.to_str().unwrap()]).await;
    assert_eq!(
        (ran.code, ran.error.lines().count()),
        (Some(0), 1),
        "{ran:?}"
    );
    let again = Export::of(&std::fs::read_to_string(&again).unwrap());
    let ran = again.import_into(kubeconfig).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for line in [
        "OrganizationDomain: 0 created, 0 completed, 6664 already there",
        "VerifiedDomain: 0 created, 0 completed, 3332 already there",
    ] {
        assert!(ran.out.contains(line), "{ran:?}");
    }
}
