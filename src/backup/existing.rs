//! What the cluster already has of an export, and how the two compare.

use std::collections::{BTreeMap, BTreeSet};

use kube::api::ListParams;
use kube::{Client, Resource};
use serde::de::DeserializeOwned;

use super::outcome::{Conflict, ImportError};
use super::read::{path, path_of, path_of_holder, token};
use super::{Backup, Kind};
use crate::api::{DomainApproval, Organization, OrganizationDomain, VerifiedDomain};
use crate::cluster::objects::Objects;
use crate::model::name::DomainName;

/// What the cluster has of what the export has, by path.
pub(super) struct Existing {
    pub holdings: BTreeMap<String, VerifiedDomain>,
    pub approvals: BTreeMap<String, DomainApproval>,
    pub organizations: BTreeMap<String, Organization>,
    pub domains: BTreeMap<String, OrganizationDomain>,
}

impl Existing {
    pub async fn read(client: &Client, backup: &Backup) -> Result<Self, ImportError> {
        Ok(Self {
            holdings: those_of(client, Kind::VerifiedDomain, &backup.holdings).await?,
            approvals: those_of(client, Kind::DomainApproval, &backup.approvals).await?,
            organizations: those_of(client, Kind::Organization, &backup.organizations).await?,
            domains: those_of(client, Kind::OrganizationDomain, &backup.domains).await?,
        })
    }

    pub fn conflicts(&self, backup: &Backup) -> Vec<Conflict> {
        let mut conflicts = Vec::new();
        let mut add = |kind, name: String, why| conflicts.push(Conflict { kind, name, why });
        for wanted in &backup.holdings {
            let name = path(wanted);
            let domain = self.domains.get(&path_of_holder(wanted));
            let why = match self.holdings.get(&name) {
                Some(existing) if !same_holder(existing, wanted) => OTHER_HOLDER,
                None if domain.is_some_and(|domain| !is_bare(domain)) => {
                    "its holder exists but lost the domain"
                }
                _ => continue,
            };
            add(Kind::VerifiedDomain, name, why);
        }
        for wanted in &backup.approvals {
            let name = path(wanted);
            if let Some(existing) = self.approvals.get(&name) {
                let bound_to = backup.bound_to(wanted).map(path);
                let object = bound_to.and_then(|path| self.domains.get(&path));
                if !same_approval(existing, wanted, object) {
                    add(Kind::DomainApproval, name, "it approves something else");
                }
            }
        }
        for wanted in &backup.domains {
            let name = path(wanted);
            if let Some(existing) = self.domains.get(&name)
                && let Comparison::Other(why) = compare(existing, wanted)
            {
                add(Kind::OrganizationDomain, name, why);
            }
        }
        conflicts
    }
}

pub(super) const OTHER_HOLDER: &str = "it has another holder";

/// `object` is the organization domain that the wanted one is bound to by uid, as it is here.
fn same_approval(
    existing: &DomainApproval,
    wanted: &DomainApproval,
    object: Option<&OrganizationDomain>,
) -> bool {
    let (existing, wanted) = (&existing.spec, &wanted.spec);
    let uid_here = object.and_then(|object| object.metadata.uid.as_ref());
    let wanted_uid = uid_here.or(wanted.organization_domain_ref.uid.as_ref());
    same_domain(&existing.domain, &wanted.domain)
        && existing.organization == wanted.organization
        && existing.organization_domain_ref.name == wanted.organization_domain_ref.name
        && existing.organization_domain_ref.uid.as_ref() == wanted_uid
}

/// The uid is another in every cluster.
pub(super) fn same_holder(existing: &VerifiedDomain, wanted: &VerifiedDomain) -> bool {
    let (existing, wanted) = (&existing.spec.holder, &wanted.spec.holder);
    existing.namespace == wanted.namespace
        && existing.name == wanted.name
        && existing.organization == wanted.organization
        && existing.token_hash == wanted.token_hash
}

/// How an existing organization domain compares to the one of the export.
pub(super) enum Comparison {
    /// Nobody wrote its status yet.
    Bare,
    /// The same, or the same and older than what became of it.
    Same,
    Other(&'static str),
}

pub(super) fn compare(existing: &OrganizationDomain, wanted: &OrganizationDomain) -> Comparison {
    if existing.metadata.deletion_timestamp.is_some() {
        return Comparison::Other("it is being deleted");
    }
    if !same_domain(&existing.spec.domain, &wanted.spec.domain) {
        return Comparison::Other("it states another domain");
    }
    if existing.spec.organization_ref != wanted.spec.organization_ref {
        return Comparison::Other("it belongs to another organization");
    }
    if is_bare(existing) {
        return Comparison::Bare;
    }
    match (token(existing), token(wanted)) {
        (_, None) => Comparison::Same,
        (Some((existing, _)), Some((wanted, _))) if existing == wanted => Comparison::Same,
        (Some(_), Some(_)) => Comparison::Other("it has another token"),
        (None, Some(_)) => Comparison::Other("it has failed since the export"),
    }
}

/// Either may be typed in another form of the same name, with capitals or a final dot.
fn same_domain(existing: &str, wanted: &str) -> bool {
    let parse = DomainName::parse;
    existing == wanted || parse(existing).is_ok_and(|existing| parse(wanted) == Ok(existing))
}

fn is_bare(domain: &OrganizationDomain) -> bool {
    let status = domain.status.as_ref();
    status.is_none_or(|status| status.state.is_none() && status.challenge.is_none())
}

/// The objects that the cluster has of those that are wanted.
async fn those_of<K: Resource<DynamicType = ()> + DeserializeOwned>(
    client: &Client,
    kind: Kind,
    wanted: &[K],
) -> Result<BTreeMap<String, K>, ImportError> {
    let wanted: BTreeSet<String> = wanted.iter().map(path).collect();
    let mut existing = BTreeMap::new();
    // What is there is written again with its labels and the like.
    let api = Objects::<K>::all(client.clone()).whole();
    let read = api.each(ListParams::default(), |object| {
        let name = path_of(object.metadata());
        if wanted.contains(&name) {
            existing.insert(name, object.0?);
        }
        Ok(())
    });
    match read.await {
        Ok(()) => Ok(existing),
        // Of the path, not of an object.
        Err(ImportError::Cluster(kube::Error::Api(status))) if status.code == 404 => {
            Err(ImportError::NotServed(kind))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::organization_domain::{OrganizationDomainSpec, OrganizationRef};

    fn stated(domain: &str) -> OrganizationDomain {
        let spec = OrganizationDomainSpec {
            organization_ref: OrganizationRef {
                name: "acme".into(),
            },
            domain: domain.into(),
            joinable: false,
        };
        OrganizationDomain::new("main", spec)
    }

    #[test]
    fn a_domain_is_the_same_in_each_of_its_forms() {
        for (existing, wanted, same) in [
            ("acme.com", "acme.com", true),
            ("Acme.com.", "acme.com", true),
            ("b\u{fc}cher.de", "xn--bcher-kva.de", true),
            ("acme.com", "acme.org", false),
            // No names, which are what they are.
            ("a..b", "a..b", true),
            ("a..b", "a...b", false),
        ] {
            let comparison = compare(&stated(existing), &stated(wanted));
            assert_eq!(
                matches!(comparison, Comparison::Bare),
                same,
                "{existing} {wanted}"
            );
        }
    }
}
