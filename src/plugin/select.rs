//! Which organization domains a command is about.

use clap::Args;

use super::access::{Access, AccessError};
use crate::api::OrganizationDomain;
use crate::cluster::decode::Decoded;
use crate::cluster::names;
use crate::model::terminal;

#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Names of OrganizationDomains. Defaults to all in the namespace.
    #[arg(value_name = "NAME", value_parser = names::parse_object)]
    names: Vec<String>,

    /// Select the OrganizationDomains of all namespaces.
    #[arg(long, short = 'A', conflicts_with = "names")]
    pub all_namespaces: bool,

    /// Select by labels, as kubectl get does.
    #[arg(long, short = 'l', value_name = "SELECTOR", conflicts_with = "names")]
    selector: Option<String>,
}

impl Selection {
    pub async fn of(&self, access: &Access) -> Result<Vec<OrganizationDomain>, AccessError> {
        if !self.names.is_empty() {
            let mut found = Vec::new();
            for name in &self.names {
                found.push(access.domain(name).await?);
            }
            return Ok(found);
        }
        let listed = access
            .list(self.all_namespaces, self.selector.as_deref())
            .await?;
        Ok(listed.into_iter().filter_map(readable).collect())
    }
}

/// One object that does not fit the CRDs hides no others.
fn readable(object: Decoded<OrganizationDomain>) -> Option<OrganizationDomain> {
    let read = object.0.inspect_err(|invalid| {
        let metadata = &invalid.metadata;
        eprintln!(
            "kubectl-freehold: {}/{} is invalid and is left out: {}",
            terminal::line(metadata.namespace.as_deref().unwrap_or_default()),
            terminal::line(metadata.name.as_deref().unwrap_or_default()),
            terminal::line(&invalid.why)
        );
    });
    read.ok()
}
