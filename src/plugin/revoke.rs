//! `kubectl freehold revoke`: the end of an approval.

use clap::Args;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Preconditions};

use super::access::{Access, REVOKE};
use super::{Failure, print};
use crate::api::DomainApproval;
use crate::cluster::names;
use crate::model::terminal;

/// End the approvals of a domain: delete the DomainApprovals for the object.
///
/// A domain that is verified by nothing else is then no longer verified.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Name of the OrganizationDomain.
    #[arg(value_parser = names::parse_object)]
    name: String,
}

pub(super) async fn run(access: &Access, arguments: &Arguments) -> Result<(), Failure> {
    let name = &arguments.name;
    let mut found = Vec::new();
    let approvals = access.objects::<DomainApproval>();
    let listed = approvals.each(ListParams::default(), |approval| {
        let approval = approval.0.ok();
        found.extend(approval.filter(|it| it.spec.organization_domain_ref.name == *name));
        Ok::<_, kube::Error>(())
    });
    listed
        .await
        .map_err(|error| access.why(error, REVOKE, name))?;
    if found.is_empty() {
        return Err(Failure::Impossible(format!(
            "no DomainApproval in namespace {} is for {name}: nothing was revoked",
            access.namespace
        )));
    }
    for approval in found {
        end(access, &approval).await?;
        print(&format!(
            "domainapproval.freehold.dev/{} deleted, for domain {}\n",
            approval.name_any(),
            terminal::line(&approval.spec.domain)
        ))?;
    }
    Ok(())
}

/// Deletes the very approval, and none that was made in its place.
pub(super) async fn end(access: &Access, approval: &DomainApproval) -> Result<(), Failure> {
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: approval.uid(),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    let name = approval.name_any();
    let deleted = access
        .objects::<DomainApproval>()
        .delete(&name, &params)
        .await;
    Ok(deleted.map_err(|error| access.why(error, REVOKE, &name))?)
}
