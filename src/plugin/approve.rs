//! `kubectl freehold approve`: the platform's word in place of a record.

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::api::PostParams;

use super::access::{APPROVE, Access, AccessError};
use super::{Failure, Format, print, print_as};
use crate::api::domain_approval::{DomainApproval, DomainApprovalSpec, OrganizationDomainRef};
use crate::api::spec_time::SpecTime;
use crate::cluster::names;
use crate::model::name::DomainName;
use crate::model::schedule::{add, parse_duration};
use crate::model::terminal;

/// Verify a domain by hand: write an approval under the object's name.
///
/// It is given for the organization and the uid that the object has now, and for no object that is made
/// again under its name.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The organization domain, by the name of its object.
    #[arg(value_parser = names::parse_object)]
    name: String,

    /// The domain that is approved. A tenant can make the object again for another one, which is
    /// refused.
    #[arg(value_parser = DomainName::parse)]
    domain: DomainName,

    /// Why, for those who read it later.
    #[arg(long)]
    reason: String,

    /// How long the approval stands; for ever when left out.
    #[arg(long, value_parser = parse_duration)]
    duration: Option<SignedDuration>,

    /// Write the approval as it was made.
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
    let end = arguments
        .duration
        .map(|duration| add(Timestamp::now(), duration));
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
    let made = access
        .approvals()
        .create(&PostParams::default(), &approval)
        .await
        .map_err(|error| match &error {
            kube::Error::Api(status) if status.is_already_exists() => Failure::Impossible(format!(
                "there is a DomainApproval {name} already: kubectl get domainapproval {name} --namespace {} --output yaml shows it",
                access.namespace
            )),
            _ => access.why(error, APPROVE, name).into(),
        })?
        .0
        .map_err(|invalid| AccessError::of(&invalid))?;
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
