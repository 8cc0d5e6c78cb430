//! A move: everything out of one cluster, and into an empty one.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use freehold::api::{
    self, DomainApproval, Organization, OrganizationDomain, OrganizationDomainStatus, State,
};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::{all, json_of, run, take_away, versions};
use crate::support::{
    Approval, History, PrivatePlane, Stated, Tenant, World, publish, ready_reason, status,
};

/// Deletes all that there is in these namespaces.
async fn empty<K>(client: &Client, tenants: &[&Tenant])
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    for tenant in tenants {
        take_away(&Api::<K>::namespaced(client.clone(), &tenant.namespace)).await;
    }
}

/// The versions of everything.
async fn everything(client: &Client) -> Vec<(String, String)> {
    let mut versions_of_all = versions(&all(&Api::<OrganizationDomain>::all(client.clone())).await);
    versions_of_all.extend(versions(
        &all(&Api::<Organization>::all(client.clone())).await,
    ));
    versions_of_all.extend(versions(
        &all(&Api::<DomainApproval>::all(client.clone())).await,
    ));
    let holdings = Api::<freehold::api::VerifiedDomain>::all(client.clone());
    versions_of_all.extend(versions(&all(&holdings).await));
    versions_of_all
}

async fn is_imported(kubeconfig: &Path, file: &str, counts: [&str; 4]) {
    let ran = run(kubeconfig, &["import", "--file", file]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let kinds = [
        "VerifiedDomain",
        "DomainApproval",
        "Organization",
        "OrganizationDomain",
    ];
    let lines: Vec<String> = kinds
        .iter()
        .zip(counts)
        .map(|(kind, counts)| format!("{kind}: {counts}"))
        .collect();
    assert!(
        ran.out.starts_with("imported into https://127.0.0.1:"),
        "{ran:?}"
    );
    assert_eq!(ran.out.lines().skip(1).collect::<Vec<_>>(), lines);
}

/// Into a file, and to standard output the same.
async fn exported(kubeconfig: &Path, file: &str) {
    let ran = run(kubeconfig, &["export", "--file", file]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.error.starts_with("freehold: exported "), "{ran:?}");
    assert_eq!(ran.error.lines().count(), 1, "{ran:?}");
    let mode = std::fs::metadata(file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it has tokens in it");
    let text = std::fs::read_to_string(file).unwrap();
    assert!(!text.contains("managedFields"), "{text}");
    let ran = run(kubeconfig, &["export"]).await;
    let without_time = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with("time:"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(without_time(&ran.out), without_time(&text));
}

/// What was imported is no news: all of it was published.
fn as_imported(exported: &OrganizationDomain) -> Option<OrganizationDomainStatus> {
    let mut status = exported.status.clone()?;
    status.published_sequence = status.history.last().map(|entry| entry.sequence);
    Some(status)
}

async fn nobody_is_told(moved: [&Stated; 3]) {
    for domain in moved {
        assert_eq!(domain.events().await, [], "{}", domain.object);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_keeps_tokens_states_and_holders() {
    let private = PrivatePlane::start().await;
    let world = World::on(private.cluster().await).await;
    world.cluster.install(api::crds()).await;
    let client = &world.cluster.client;
    let (first, second) = (world.tenant().await, world.tenant().await);
    let tenants = [&first, &second];
    let settings = world.operator(&tenants).every("1s");
    let operator = settings.start().await;
    let name = world.name("held");
    let holder = world.verified(&first, "holder", &name).await;
    let contender = second.state("contender", &name).await;
    publish(&world.dns, &contender.challenge().await.records[0]);
    contender.until_reason("HeldByAnother").await;
    let pending = first.state("pending", &world.name("pending")).await;
    pending.until_reason("RecordAbsent").await;
    let refused = first.state("refused", "co.uk").await;
    refused.until_state(State::Failed).await;
    let by_hand = second.state("by-hand", &world.name("by-hand")).await;
    // By uid, which is another one after the move.
    let _approval = Approval::of_object(&second, "by-hand", &by_hand).await;
    by_hand.until_verified().await;
    assert!(operator.terminate().await.success());

    let stated = [&holder, &contender, &pending, &refused, &by_hand];
    let mut before = Vec::new();
    for domain in stated {
        before.push(domain.get().await);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export.yaml");
    let file = file.to_str().unwrap();
    let kubeconfig = private.plane.kubeconfig();
    exported(kubeconfig, file).await;
    through_a_pipe(kubeconfig, folder.path()).await;

    empty::<OrganizationDomain>(client, &tenants).await;
    empty::<DomainApproval>(client, &tenants).await;
    empty::<Organization>(client, &tenants).await;
    take_away(&world.holdings()).await;
    is_rehearsed(kubeconfig, file).await;
    let held = History::of(world.holdings()).await;
    let seen = History::of(Api::<OrganizationDomain>::all(client.clone())).await;
    is_imported(
        kubeconfig,
        file,
        [
            "2 created, 0 completed, 0 already there",
            "1 created, 0 completed, 0 already there",
            "2 created, 0 completed, 0 already there",
            "5 created, 0 completed, 0 already there",
        ],
    )
    .await;
    let mut moved = Vec::new();
    for (domain, before) in stated.into_iter().zip(&before) {
        let object = domain.get().await;
        assert_ne!(object.uid(), before.uid());
        assert_eq!(json_of(&object.status), json_of(&as_imported(before)));
        assert_eq!(object.spec, before.spec);
        moved.push(Stated::new(client, &object));
    }
    let written = everything(client).await;
    is_imported(
        kubeconfig,
        file,
        [
            "0 created, 0 completed, 2 already there",
            "0 created, 0 completed, 1 already there",
            "0 created, 0 completed, 2 already there",
            "0 created, 0 completed, 5 already there",
        ],
    )
    .await;
    assert_eq!(everything(client).await, written);

    let _operator = settings.start().await;
    for domain in &moved {
        domain.checked("after the move").await;
    }
    let [holder, contender, _, refused, by_hand] = moved.try_into().ok().unwrap();
    assert_eq!(
        ready_reason(&contender.until_reason("HeldByAnother").await),
        "HeldByAnother"
    );
    let verified = holder.get().await;
    assert_eq!(
        status(&verified).verified_time,
        status(&before[0]).verified_time
    );
    assert_eq!(status(&refused.get().await).state, Some(State::Failed));
    assert_eq!(ready_reason(&by_hand.get().await), "Approved");
    let holding = holder.holding().await.unwrap();
    assert_eq!(holding.spec.holder.uid, holder.uid);
    nobody_is_told([&holder, &refused, &by_hand]).await;
    for (_, holding) in held.all() {
        assert!(holding.spec.holder.name != "contender", "{holding:?}");
    }
    for (_, object) in seen.all() {
        let state = status(&object).state;
        match object.name_any().as_str() {
            "holder" | "by-hand" => assert!(matches!(state, None | Some(State::Verified))),
            _ => assert_ne!(state, Some(State::Verified)),
        }
    }
}

async fn is_rehearsed(kubeconfig: &Path, file: &str) {
    let dry = run(kubeconfig, &["import", "--dry-run", "--file", file]).await;
    assert_eq!(dry.code, Some(0), "{dry:?}");
    assert!(
        dry.out.contains("would import into https://127.0.0.1:"),
        "{dry:?}"
    );
    assert!(dry.out.contains("OrganizationDomain: 5 created"), "{dry:?}");
}

/// An export into a pipe is read from it, and the pipe is still one afterwards.
async fn through_a_pipe(kubeconfig: &Path, folder: &Path) {
    let pipe = folder.join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let reading = pipe.clone();
    let reader = tokio::task::spawn_blocking(move || std::fs::read_to_string(reading).unwrap());
    let ran = run(kubeconfig, &["export", "--file", pipe.to_str().unwrap()]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(reader.await.unwrap().contains("kind: End"));
    let kind = std::fs::metadata(&pipe).unwrap().file_type();
    assert!(kind.is_fifo(), "{kind:?}");
    let left = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(left, 2, "something is left beside the export and the pipe");
}
