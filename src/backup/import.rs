//! Into a cluster.
//!
//! Every name is reserved before anything that could take it is there: its holding comes first, marked
//! as being imported, so that an operator at work gives it to nobody and leaves its holder alone. Then
//! come the objects, and when a holder has its status the holding is bound to its new uid and the mark
//! is taken off. What is there already is never overwritten.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ListParams, PostParams};
use kube::core::ObjectMeta;
use kube::{Client, Resource, ResourceExt};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::existing::{Comparison, Existing, OTHER_HOLDER, compare, same_holder};
use super::outcome::{Conflict, Counts, EndedEarly, ImportError, Imported};
use super::read::{path, path_of_holder};
use super::{Backup, Kind};
use crate::api::{
    DomainApproval, OrganizationDomain, OrganizationDomainStatus, SUSPENDED, VerifiedDomain,
};
use crate::cluster::decode::{Decoded, InvalidObject};
use crate::cluster::objects::Objects;

/// Objects written at once.
const CONCURRENCY: usize = 16;
/// Writes of one object that others keep changing.
const ATTEMPTS: usize = 8;

/// Brings an export into a cluster.
///
/// # Errors
/// Before anything is written, where namespaces are missing or the cluster has other objects of these
/// names; later, where a write fails.
pub async fn import(client: &Client, mut backup: Backup) -> Result<Imported, Box<EndedEarly>> {
    backup.drop_unbelieved_statuses(Timestamp::now());
    let ended_early = |imported, why| Box::new(EndedEarly { imported, why });
    let existing = read_existing(client, &backup)
        .await
        .map_err(|why| ended_early(Imported::default(), why))?;
    let import = Import {
        client,
        existing,
        reserved: Mutex::default(),
        bound: Mutex::default(),
        imported: Mutex::default(),
    };
    let written = import.write(backup).await;
    let imported = import.imported.into_inner();
    match written {
        Ok(()) => Ok(imported),
        Err(why) => Err(ended_early(imported, why)),
    }
}

/// Says what [`import`] would do, and writes nothing.
///
/// # Errors
/// Those of an import before it writes.
pub async fn rehearse(
    client: &Client,
    mut backup: Backup,
) -> Result<BTreeMap<Kind, Counts>, ImportError> {
    backup.drop_unbelieved_statuses(Timestamp::now());
    let existing = read_existing(client, &backup).await?;
    let of = |all: usize, there_already: usize| Counts {
        created: all - there_already,
        there_already,
        ..Counts::default()
    };
    Ok(BTreeMap::from([
        (
            Kind::VerifiedDomain,
            of(backup.holdings.len(), existing.holdings.len()),
        ),
        (
            Kind::DomainApproval,
            of(backup.approvals.len(), existing.approvals.len()),
        ),
        (
            Kind::Organization,
            of(backup.organizations.len(), existing.organizations.len()),
        ),
        (
            Kind::OrganizationDomain,
            of(backup.domains.len(), existing.domains.len()),
        ),
    ]))
}

/// Reads what exists; nothing may contradict the export.
async fn read_existing(client: &Client, backup: &Backup) -> Result<Existing, ImportError> {
    check_namespaces(client, backup).await?;
    let existing = Existing::read(client, backup).await?;
    let conflicts = existing.conflicts(backup);
    if conflicts.is_empty() {
        Ok(existing)
    } else {
        Err(ImportError::Conflicts(conflicts))
    }
}

/// After a failure none is begun, and those under way are waited for: the API server may carry them out.
async fn each<T, F: Future<Output = Result<(), ImportError>>>(
    items: Vec<T>,
    write: impl Fn(T) -> F,
) -> Result<(), ImportError> {
    let failed = AtomicBool::new(false);
    let items = items
        .into_iter()
        .take_while(|_| !failed.load(Ordering::Relaxed));
    let mut written = stream::iter(items.map(write)).buffer_unordered(CONCURRENCY);
    let mut first = Ok(());
    while let Some(outcome) = written.next().await {
        if outcome.is_err() {
            failed.store(true, Ordering::Relaxed);
            first = first.and(outcome);
        }
    }
    first
}

/// The namespaces are there, and those that were suspended are: otherwise what is refused to a tenant
/// here would be given to it there.
async fn check_namespaces(client: &Client, backup: &Backup) -> Result<(), ImportError> {
    let mut existing = BTreeMap::new();
    let api = Objects::<Namespace>::all(client.clone());
    api.each(ListParams::default(), |namespace| {
        let metadata = namespace.metadata();
        let label = metadata.labels.as_ref().and_then(|l| l.get(SUSPENDED));
        let suspended = label.is_some_and(|value| value == "true");
        existing.insert(metadata.name.clone().unwrap_or_default(), suspended);
        Ok::<_, ImportError>(())
    })
    .await?;
    let (mut missing, mut free) = (Vec::new(), Vec::new());
    for name in backup.namespaces() {
        match existing.get(&name) {
            None => missing.push(name),
            Some(false) if backup.suspended.contains(&name) => free.push(name),
            Some(_) => {}
        }
    }
    if !missing.is_empty() {
        Err(ImportError::NamespacesMissing(missing))
    } else if !free.is_empty() {
        Err(ImportError::NotSuspended(free))
    } else {
        Ok(())
    }
}

struct Import<'a> {
    client: &'a Client,
    existing: Existing,
    /// The holdings that wait for their holder, by its path.
    reserved: Mutex<BTreeMap<String, VerifiedDomain>>,
    /// The approvals that are bound to an organization domain by uid, by its path.
    bound: Mutex<BTreeMap<String, Vec<DomainApproval>>>,
    imported: Mutex<Imported>,
}

impl Import<'_> {
    async fn write(&self, mut backup: Backup) -> Result<(), ImportError> {
        let mut unbound = Vec::new();
        for approval in std::mem::take(&mut backup.approvals) {
            match backup.bound_to(&approval).map(path) {
                Some(domain) => self.bound.lock().entry(domain).or_default().push(approval),
                None => unbound.push(approval),
            }
        }
        let Backup {
            holdings,
            organizations,
            domains,
            ..
        } = backup;
        let existing = &self.existing;
        each(holdings, |holding| self.reserve(holding)).await?;
        each(unbound, |approval| {
            self.create(Kind::DomainApproval, &existing.approvals, approval)
        })
        .await?;
        each(organizations, |organization| {
            self.create(Kind::Organization, &existing.organizations, organization)
        })
        .await?;
        each(domains, |domain| self.domain(domain)).await
    }

    /// Makes the holding, so that nobody takes the name.
    async fn reserve(&self, mut holding: VerifiedDomain) -> Result<(), ImportError> {
        let name = path(&holding);
        let api = Objects::<VerifiedDomain>::all(self.client.clone()).whole();
        holding.metadata = bare(holding.metadata);
        holding.spec.importing = true;
        let before = self.existing.holdings.get(&name);
        let (existing, ours) = self
            .find_or_create(Kind::VerifiedDomain, before, &api, &holding)
            .await?;
        match existing {
            Some(created) if ours => self.wait_for_holder(created),
            Some(existing) if same_holder(&existing, &holding) && existing.spec.importing => {
                self.count(Kind::VerifiedDomain, |counts| counts.completed += 1);
                self.wait_for_holder(existing);
            }
            Some(existing) if same_holder(&existing, &holding) => {
                self.count(Kind::VerifiedDomain, |counts| counts.there_already += 1);
            }
            _ => self.add_conflict(Kind::VerifiedDomain, name, OTHER_HOLDER),
        }
        Ok(())
    }

    fn wait_for_holder(&self, holding: VerifiedDomain) {
        let holder = path_of_holder(&holding);
        self.reserved.lock().insert(holder, holding);
    }

    /// The object that was there before, a new one, or the one that came meanwhile unless it is gone
    /// again; and whether it is the new one.
    async fn find_or_create<K: Resource + Clone + Serialize + DeserializeOwned>(
        &self,
        kind: Kind,
        before: Option<&K>,
        api: &Objects<K>,
        object: &K,
    ) -> Result<(Option<K>, bool), ImportError> {
        if before.is_some() {
            return Ok((before.cloned(), false));
        }
        match api.create(&params(), object).await {
            Ok(created) => {
                // Whatever becomes of it.
                self.count(kind, |counts| counts.created += 1);
                Ok((Some(created.0?), true))
            }
            Err(error) if is_there(&error) => {
                Ok((read(api.get_opt(&object.name_any()).await?)?, false))
            }
            Err(error) => Err(failed(kind, path(object), error)),
        }
    }

    /// Makes an object that has no status of its own.
    async fn create<K: Resource<DynamicType = ()> + Serialize + DeserializeOwned>(
        &self,
        kind: Kind,
        existing: &BTreeMap<String, K>,
        mut object: K,
    ) -> Result<(), ImportError> {
        let name = path(&object);
        if existing.contains_key(&name) {
            self.count(kind, |counts| counts.there_already += 1);
            return Ok(());
        }
        *object.meta_mut() = bare(object.meta().clone());
        let namespace = object.namespace().unwrap_or_default();
        let api = Objects::<K>::namespaced(self.client.clone(), &namespace);
        match api.create(&params(), &object).await {
            Ok(_) => self.count(kind, |counts| counts.created += 1),
            Err(error) if is_there(&error) => {
                self.count(kind, |counts| counts.there_already += 1);
            }
            Err(error) => return Err(failed(kind, name, error)),
        }
        Ok(())
    }

    /// Makes an organization domain with its status, and binds the name that it holds to it.
    async fn domain(&self, wanted: OrganizationDomain) -> Result<(), ImportError> {
        const KIND: Kind = Kind::OrganizationDomain;
        let name = path(&wanted);
        let namespace = wanted.namespace().unwrap_or_default();
        let api =
            Objects::<OrganizationDomain>::namespaced(self.client.clone(), &namespace).whole();
        let object = OrganizationDomain {
            metadata: bare(wanted.metadata.clone()),
            spec: wanted.spec.clone(),
            status: None,
        };
        let before = self.existing.domains.get(&name);
        let (existing, ours) = self.find_or_create(KIND, before, &api, &object).await?;
        let Some(mut existing) = existing else {
            self.add_conflict(KIND, name, "it was deleted during the import");
            return Ok(());
        };
        let uid = existing.uid();
        for _ in 0..ATTEMPTS {
            let is_bare = ours
                || match compare(&existing, &wanted) {
                    Comparison::Bare => true,
                    Comparison::Same => false,
                    Comparison::Other(why) => {
                        self.add_conflict(KIND, name, why);
                        return Ok(());
                    }
                };
            let Some(status) = wanted.status.as_ref().filter(|_| is_bare) else {
                self.count(KIND, |counts| counts.there_already += usize::from(!ours));
                return self.bind(&name, uid).await;
            };
            existing.status = Some(as_of(&wanted, status, existing.metadata.generation));
            let object = existing.name_any();
            match api.replace_status(&object, &params(), &existing).await {
                Ok(_) => {
                    self.count(KIND, |counts| counts.completed += usize::from(!ours));
                    return self.bind(&name, uid).await;
                }
                // An operator saw the object before its status came.
                Err(error) if is_conflict(&error) => {
                    let live = read(api.get_opt(&object).await?)?;
                    match live.filter(|live| live.uid() == uid) {
                        Some(live) => existing = live,
                        None => break,
                    }
                }
                Err(error) => return Err(failed(KIND, name, error)),
            }
        }
        self.add_conflict(KIND, name, "it keeps changing");
        Ok(())
    }

    /// Gives the reserved name, and the approvals, to the object that is their own here.
    async fn bind(&self, holder: &str, uid: Option<String>) -> Result<(), ImportError> {
        let bound = self.bound.lock().remove(holder);
        // Before the name: a holder by approval is nothing without it.
        for mut approval in bound.unwrap_or_default() {
            approval.spec.organization_domain_ref.uid.clone_from(&uid);
            self.create(Kind::DomainApproval, &self.existing.approvals, approval)
                .await?;
        }
        let reserved = self.reserved.lock().remove(holder);
        let (Some(mut holding), Some(uid)) = (reserved, uid) else {
            return Ok(());
        };
        let name = holding.name_any();
        let api = Objects::<VerifiedDomain>::all(self.client.clone()).whole();
        holding.spec.holder.uid = uid;
        holding.spec.importing = false;
        match api.replace(&name, &params(), &holding).await {
            Ok(_) => {}
            Err(error) if is_conflict(&error) || is_missing(&error) => {
                let why = "it was changed during the import";
                self.add_conflict(Kind::VerifiedDomain, name, why);
            }
            Err(error) => return Err(failed(Kind::VerifiedDomain, name, error)),
        }
        Ok(())
    }

    fn count(&self, kind: Kind, add: impl FnOnce(&mut Counts)) {
        add(self.imported.lock().counts.entry(kind).or_default());
    }

    fn add_conflict(&self, kind: Kind, name: String, why: &'static str) {
        let conflict = Conflict { kind, name, why };
        self.imported.lock().conflicts.push(conflict);
    }
}

/// The status as it is true of an object made anew, whose generations begin anew.
fn as_of(
    wanted: &OrganizationDomain,
    status: &OrganizationDomainStatus,
    generation: Option<i64>,
) -> OrganizationDomainStatus {
    let before = wanted.metadata.generation;
    let observed = |observed: Option<i64>| match observed {
        same if same == before => generation,
        // One that was behind is behind here too.
        other => other.map(|_| 0),
    };
    let mut status = status.clone();
    status.observed_generation = observed(status.observed_generation);
    // What was imported is no news.
    status.published_sequence = status.history.last().map(|entry| entry.sequence);
    for condition in &mut status.conditions {
        condition.observed_generation = observed(condition.observed_generation);
    }
    status
}

/// What of an object's metadata is its own in every cluster.
fn bare(metadata: ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        name: metadata.name,
        namespace: metadata.namespace,
        labels: metadata.labels,
        annotations: metadata.annotations,
        finalizers: metadata.finalizers,
        ..ObjectMeta::default()
    }
}

fn read<K>(found: Option<Decoded<K>>) -> Result<Option<K>, Box<InvalidObject>> {
    found.map(|found| found.0).transpose()
}

fn params() -> PostParams {
    PostParams {
        field_manager: Some("freehold-import".to_owned()),
        ..PostParams::default()
    }
}

fn failed(kind: Kind, name: String, error: kube::Error) -> ImportError {
    ImportError::Write { kind, name, error }
}

fn is_there(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_already_exists())
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_conflict())
}

fn is_missing(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_not_found())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::Method;
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::fake_api::{self, failure};

    /// Objects of one namespace, and the holding of the first domain.
    fn backup(domains: usize) -> Backup {
        let token = "a".repeat(32);
        let domain = |n: usize| {
            json!({
                "apiVersion": "freehold.dev/v1alpha1",
                "kind": "OrganizationDomain",
                "metadata": { "namespace": "acme", "name": format!("d{n}"), "uid": format!("u{n}") },
                "spec": { "organizationRef": { "name": "acme" }, "domain": format!("d{n}.example") },
                "status": { "state": "Pending", "challenge": {
                    "token": token, "issuedTime": "2026-01-01T00:00:00Z",
                    "issuedFor": format!("acme/d{n}/acme"), "records": [] } },
            })
        };
        let approval = |n: usize| {
            json!({
                "metadata": { "namespace": "acme", "name": format!("a{n}") },
                "spec": { "organizationDomainRef": { "name": format!("d{n}"), "uid": format!("u{n}") },
                    "organization": "acme", "domain": format!("d{n}.example"), "reason": "x" },
            })
        };
        Backup {
            holdings: vec![of_holding(json!({
                "metadata": { "name": "d0.example" },
                "spec": { "strategy": "DNS", "holder": { "namespace": "acme", "name": "d0",
                    "uid": "u0", "organization": "acme", "tokenHash": "x" } },
            }))],
            approvals: (0..domains).map(|n| of_approval(approval(n))).collect(),
            domains: (0..domains).map(|n| of_domain(domain(n))).collect(),
            ..Backup::default()
        }
    }

    fn of_holding(value: Value) -> VerifiedDomain {
        serde_json::from_value(value).unwrap()
    }

    fn of_approval(value: Value) -> DomainApproval {
        serde_json::from_value(value).unwrap()
    }

    fn of_domain(value: Value) -> OrganizationDomain {
        serde_json::from_value(value).unwrap()
    }

    /// An import into an empty cluster that refuses some writes, and the paths of what it took.
    async fn refused(
        domains: usize,
        path: &'static str,
        method: Method,
    ) -> (Box<EndedEarly>, Vec<String>) {
        let made = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&made);
        let client = fake_api::client(move |asked| {
            if asked.method == Method::GET {
                let namespaces = json!([{ "metadata": { "name": "acme" } }]);
                let is_wanted = asked.path.ends_with("/namespaces");
                let items = if is_wanted { namespaces } else { json!([]) };
                return (200, json!({ "metadata": {}, "items": items }));
            }
            if asked.method == method && asked.path.ends_with(path) {
                return failure(422, "Invalid");
            }
            let mut object = asked.body.clone();
            object["metadata"]["uid"] = json!("new");
            object["metadata"]["resourceVersion"] = json!("1");
            if asked.method == Method::POST {
                taken.lock().push(asked.path.clone());
            }
            (200, object)
        });
        let ended = import(&client, backup(domains)).await.unwrap_err();
        let made = made.lock().clone();
        (ended, made)
    }

    fn created(ended: &EndedEarly, kind: Kind) -> usize {
        let counts = ended.imported.counts.get(&kind);
        counts.map_or(0, |counts| counts.created)
    }

    #[tokio::test]
    async fn an_import_that_ends_early_says_all_that_it_wrote() {
        for (domains, path, method) in [
            // The name cannot be bound, after its approval was made.
            (1, "/verifieddomains/d0.example", Method::PUT),
            (1, "/organizationdomains/d0/status", Method::PUT),
            (1, "/domainapprovals", Method::POST),
            // Beside others that are under way.
            (40, "/organizationdomains/d7/status", Method::PUT),
            (1, "/verifieddomains", Method::POST),
        ] {
            let (ended, made) = refused(domains, path, method.clone()).await;
            assert!(matches!(ended.why, ImportError::Write { .. }), "{ended}");
            for (kind, plural) in [
                (Kind::VerifiedDomain, "/verifieddomains"),
                (Kind::DomainApproval, "/domainapprovals"),
                (Kind::OrganizationDomain, "/organizationdomains"),
            ] {
                let written = made.iter().filter(|path| path.ends_with(plural)).count();
                assert_eq!(created(&ended, kind), written, "{method} {path}: {kind}");
            }
        }
    }

    #[tokio::test]
    async fn after_a_failure_nothing_new_is_begun() {
        let (_, made) = refused(40, "/organizationdomains/d0/status", Method::PUT).await;
        let domains = made
            .iter()
            .filter(|path| path.ends_with("/organizationdomains"));
        assert!(domains.count() <= 2 * CONCURRENCY);
    }

    #[tokio::test]
    async fn an_import_that_is_refused_at_once_wrote_nothing() {
        let client = fake_api::client(|_| (200, json!({ "metadata": {}, "items": [] })));
        let ended = import(&client, backup(1)).await.unwrap_err();
        assert!(
            matches!(ended.why, ImportError::NamespacesMissing(_)),
            "{ended}"
        );
        assert!(ended.imported.is_nothing());
    }
}
