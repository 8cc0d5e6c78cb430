//! The cluster as the caller may use it.

use std::path::PathBuf;

use clap::Args;
use jiff::SignedDuration;
use kube::api::ListParams;
use kube::{Client, Resource};

use crate::api::{OrganizationDomain, VerifiedDomain};
use crate::cluster::config::ClusterConfig;
use crate::cluster::config::error::ConfigError;
use crate::cluster::decode::{Decoded, InvalidObject};
use crate::cluster::names;
use crate::cluster::objects::Objects;
use crate::model::schedule::parse_duration;
use crate::model::terminal;

/// Which cluster and namespace, as kubectl's own flags say it.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct Target {
    /// Path of the kubeconfig, instead of KUBECONFIG and ~/.kube/config.
    #[arg(long, global = true)]
    kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig to use. Defaults to the current one.
    #[arg(long, global = true)]
    context: Option<String>,

    /// Namespace. Defaults to the namespace of the context.
    #[arg(long, short, global = true, value_parser = names::parse_namespace)]
    namespace: Option<String>,

    /// User to impersonate.
    #[arg(long = "as", global = true, value_name = "USER")]
    impersonate: Option<String>,

    /// Group to impersonate. Repeatable.
    #[arg(
        long = "as-group",
        global = true,
        value_name = "GROUP",
        requires = "impersonate"
    )]
    impersonate_groups: Vec<String>,

    /// Maximum time to wait for one answer of the API server.
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse_duration)]
    request_timeout: Option<SignedDuration>,
}

/// What a caller needs to be allowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Right {
    verb: &'static str,
    resource: &'static str,
    /// The roles that give it.
    roles: &'static str,
}

/// The aggregated roles of the cluster, which the chart adds to.
const READERS: &str = "the ClusterRole view, edit or admin";
const LIST: Right = Right {
    verb: "list",
    resource: "organizationdomains",
    roles: READERS,
};
const GET: Right = Right {
    verb: "get",
    ..LIST
};
pub(super) const PATCH: Right = Right {
    verb: "patch",
    resource: "organizationdomains",
    roles: "the ClusterRole edit or admin",
};
pub(super) const APPROVE: Right = Right {
    verb: "create",
    resource: "domainapprovals",
    roles: "the chart's ClusterRole for approvals, such as freehold-approve; no built-in role includes it",
};

pub(super) const REVOKE: Right = Right {
    verb: "delete",
    ..APPROVE
};

/// Why the cluster did not answer as wanted.
#[derive(Debug, thiserror::Error)]
pub(super) enum AccessError {
    #[error("no cluster configuration: {0}")]
    Config(#[from] ConfigError),
    #[error(
        "you may not {} {}.freehold.dev in {place}. The permission is granted by {}. Ask a cluster administrator",
        right.verb, right.resource, right.roles
    )]
    Forbidden { right: Right, place: String },
    #[error("OrganizationDomain {name} does not exist in {place}")]
    NotFound { name: String, place: String },
    #[error(
        "Freehold is not installed in this cluster: the CRD organizationdomains.freehold.dev is missing"
    )]
    NotServed,
    #[error("{0}")]
    Refused(String),
    #[error("{} is invalid: {}", .0.metadata.name.as_deref().unwrap_or_default(), terminal::line(&.0.why))]
    Invalid(#[from] Box<InvalidObject>),
    #[error("cannot reach the API server: {0}")]
    Unavailable(kube::Error),
}

/// A client with the caller's own rights, and the namespace.
pub(super) struct Access {
    pub client: Client,
    pub namespace: String,
}

impl Access {
    pub async fn to(target: &Target) -> Result<Self, AccessError> {
        let (file, context) = (target.kubeconfig.as_deref(), target.context.as_deref());
        let mut cluster = ClusterConfig::chosen(file, context).await?;
        if target.impersonate.is_some() {
            let user = &mut cluster.config.auth_info;
            user.impersonate.clone_from(&target.impersonate);
            let groups = target.impersonate_groups.clone();
            user.impersonate_groups = Some(groups).filter(|groups| !groups.is_empty());
        }
        let client = match target.request_timeout {
            Some(timeout) => cluster.client_within(timeout.unsigned_abs())?,
            None => cluster.client()?,
        };
        let namespace = target.namespace.clone();
        let namespace = namespace.unwrap_or(cluster.config.default_namespace);
        Ok(Self { client, namespace })
    }

    /// The objects of a kind in the namespace.
    pub fn objects<K: Resource<DynamicType = ()>>(&self) -> Objects<K> {
        Objects::namespaced(self.client.clone(), &self.namespace)
    }

    /// All organization domains of the namespace or of every one, with what cannot be read.
    pub async fn list(
        &self,
        everywhere: bool,
        selector: Option<&str>,
    ) -> Result<Vec<Decoded<OrganizationDomain>>, AccessError> {
        let (objects, place) = if everywhere {
            (
                Objects::all(self.client.clone()),
                "all namespaces".to_owned(),
            )
        } else {
            (self.objects(), self.place())
        };
        let mut all = Vec::new();
        let params = ListParams {
            label_selector: selector.map(str::to_owned),
            ..ListParams::default()
        };
        let listed = objects.each(params, |object| {
            all.push(object);
            Ok(())
        });
        listed.await.map_err(|error| why(error, LIST, "", place))?;
        Ok(all)
    }

    pub async fn domain(&self, name: &str) -> Result<OrganizationDomain, AccessError> {
        let read = self.objects().get(name).await;
        Ok(read.map_err(|error| self.why(error, GET, name))?.0?)
    }

    /// Who holds a name, as `NAMESPACE/NAME`, if anybody does.
    ///
    /// # Errors
    /// Where the caller may not know.
    pub async fn holder(&self, canonical: &str) -> kube::Result<Option<String>> {
        let api = Objects::<VerifiedDomain>::all(self.client.clone());
        let holding = api.get_opt(canonical).await?;
        let holder = holding.and_then(|holding| Some(holding.0.ok()?.spec.holder));
        Ok(holder.map(|holder| format!("{}/{}", holder.namespace, holder.name)))
    }

    /// What went wrong with an object of the namespace.
    pub fn why(&self, error: kube::Error, right: Right, name: &str) -> AccessError {
        why(error, right, name, self.place())
    }

    fn place(&self) -> String {
        format!("namespace {}", self.namespace)
    }
}

fn why(error: kube::Error, right: Right, name: &str, place: String) -> AccessError {
    let kube::Error::Api(status) = &error else {
        return AccessError::Unavailable(error);
    };
    let details = status.details.as_ref();
    let of_an_object = details.is_some_and(|of| !of.name.is_empty());
    match status.code {
        403 => AccessError::Forbidden { right, place },
        404 if of_an_object => AccessError::NotFound {
            name: name.to_owned(),
            place,
        },
        404 => AccessError::NotServed,
        _ => AccessError::Refused(status.message.clone()),
    }
}
