//! Which organization domains a command is about.

use clap::Args;

use super::access::{Access, AccessError, LIST, list};
use crate::api::OrganizationDomain;
use crate::cluster::decode::{Decoded, InvalidObject};
use crate::cluster::names;
use crate::cluster::objects::Objects;
use crate::model::terminal;

#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Names of OrganizationDomains. Defaults to all in the namespace.
    #[arg(value_name = "NAME", value_parser = names::parse_object)]
    names: Vec<String>,

    /// Select the OrganizationDomains of all namespaces.
    #[arg(long, short = 'A', conflicts_with = "names")]
    pub all_namespaces: bool,
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
        let everywhere = Access {
            client: access.client.clone(),
            namespace: String::new(),
        };
        let (objects, asked) = if self.all_namespaces {
            (Objects::all(access.client.clone()), &everywhere)
        } else {
            let client = access.client.clone();
            (Objects::namespaced(client, &access.namespace), access)
        };
        let listed = list(&objects).await;
        let listed = listed.map_err(|error| asked.why(error, LIST, ""))?;
        Ok(listed.into_iter().filter_map(readable).collect())
    }
}

/// One object that does not fit the definitions hides no others.
fn readable(object: Decoded<OrganizationDomain>) -> Option<OrganizationDomain> {
    match object.0 {
        Ok(object) => Some(object),
        Err(invalid) => {
            let InvalidObject { metadata, why, .. } = *invalid;
            eprintln!(
                "kubectl-freehold: {}/{} is invalid and is left out: {}",
                terminal::line(&metadata.namespace.unwrap_or_default()),
                terminal::line(&metadata.name.unwrap_or_default()),
                terminal::line(&why)
            );
            None
        }
    }
}
