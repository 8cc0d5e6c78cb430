//! `kubectl freehold approve`: the platform's word in place of a record.

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::api::PostParams;

use super::access::{APPROVE, Access, AccessError};
use super::revoke::end;
use super::{Failure, Format, print, print_as};
use crate::api::domain_approval::{DomainApproval, DomainApprovalSpec, OrganizationDomainRef};
use crate::api::spec_time::SpecTime;
use crate::cluster::names;
use crate::model::name::DomainName;
use crate::model::schedule::{add, parse_duration};
use crate::model::terminal;

/// Verify a domain by hand: create a DomainApproval with the object's name. One that has expired is replaced.
///
/// The approval is for the object's current organization and uid. It does not approve an object that is
/// created again with the same name.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Name of the OrganizationDomain.
    #[arg(value_parser = names::parse_object)]
    name: String,

    /// Domain to approve. The command refuses an object that states another domain.
    #[arg(value_parser = DomainName::parse)]
    domain: DomainName,

    /// Reason for the approval, for later readers.
    #[arg(long)]
    reason: String,

    /// Lifetime of the approval. Without it, the approval does not expire.
    #[arg(long, value_parser = parse_duration)]
    duration: Option<SignedDuration>,

    /// Output format of the created approval.
    #[arg(long, short, value_enum)]
    output: Option<Format>,
}

pub(super) async fn run(access: &Access, arguments: &Arguments) -> Result<(), Failure> {
    let name = &arguments.name;
    let object = access.domain(name).await?;
    let uid = object.uid();
    let domain = object.spec.domain;
    let organization = object.spec.organization_ref.name;
    if DomainName::parse(&domain).as_ref() != Ok(&arguments.domain) {
        return Err(Failure::Impossible(format!(
            "{name} states {}, not {}: nothing was approved",
            terminal::line(&domain),
            arguments.domain
        )));
    }
    let now = Timestamp::now();
    let end = arguments.duration.map(|duration| add(now, duration));
    let approval = DomainApproval::new(
        name,
        DomainApprovalSpec {
            organization_domain_ref: OrganizationDomainRef {
                name: name.clone(),
                uid: uid.clone(),
            },
            organization: Some(organization.clone()),
            domain: domain.clone(),
            reason: arguments.reason.clone(),
            expiry_time: end.map(SpecTime::from),
        },
    );
    let made = match access
        .objects()
        .create(&PostParams::default(), &approval)
        .await
    {
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            end_expired(access, name, now).await?;
            access
                .objects()
                .create(&PostParams::default(), &approval)
                .await
        }
        made => made,
    };
    let made = made
        .map_err(|error| access.why(error, APPROVE, name))?
        .0
        .map_err(AccessError::from)?;
    match arguments.output {
        Some(format) => print_as(format, &made),
        None => print(&format!(
            "domainapproval.freehold.dev/{name} created for domain {}, organization {}, uid {}\n",
            terminal::line(&domain),
            terminal::line(&organization),
            terminal::line(uid.as_deref().unwrap_or_default())
        )),
    }
}

/// Deletes the approval of that name, so that it can be made anew, if it has expired.
async fn end_expired(access: &Access, name: &str, now: Timestamp) -> Result<(), Failure> {
    let approvals = access.objects::<DomainApproval>();
    let found = approvals.get_opt(name).await;
    let Some(there) = found.map_err(|error| access.why(error, APPROVE, name))? else {
        return Ok(());
    };
    let there = there.0.map_err(AccessError::from)?;
    let is_over = match there.spec.expiry_time {
        Some(SpecTime::At(end)) => end <= now,
        // Counts as expired.
        Some(SpecTime::Unsupported(_)) => true,
        None => false,
    };
    if !is_over {
        return Err(Failure::Impossible(format!(
            "DomainApproval {name} already exists: kubectl get domainapproval {name} --namespace {namespace} --output yaml shows it, kubectl freehold revoke {name} --namespace {namespace} ends it",
            namespace = access.namespace
        )));
    }
    end(access, &there).await
}
