//! Which organization domains a command is about.

use clap::Args;
use kube::Api;

use super::access::{Access, AccessError, LIST, list};
use crate::api::OrganizationDomain;

#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Organization domains, by the names of their objects; all of the namespace when left out.
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Those of all namespaces.
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
        let (api, asked) = if self.all_namespaces {
            (Api::all(access.client.clone()), &everywhere)
        } else {
            (access.domains(), access)
        };
        list(&api).await.map_err(|error| asked.why(error, LIST, ""))
    }
}
