//! Organizations: their domains summed up.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{ObjectMeta, PostParams};
use tokio::time::Instant;

use super::operator::Operator;
use crate::api::conditions::{self, ConditionStatus, READY, Wanted};
use crate::api::organization::{
    MAX_LISTED_DOMAINS, Organization, OrganizationSpec, OrganizationStatus,
};
use crate::api::reason::Reason;
use crate::cluster::decode::Unreadable;
use crate::cluster::error::ApiError;
use crate::cluster::objects::Objects;
use crate::cluster::store::Key;
use crate::cluster::store::organizations::OrganizationView;
use crate::cluster::watch;
use crate::model::facts::whole_second;
use crate::model::uid::Uid;

/// Least time between two writes of one summary. A summary lists up to a hundred names and costs the API
/// server more than any other write.
const COALESCE: Duration = Duration::from_secs(5);

/// What the watch of organizations does.
pub struct Handler(pub Arc<Operator>);

impl watch::Handler for Handler {
    type Kind = Organization;

    fn objects(client: &kube::Client, scope: Option<&str>) -> Objects<Organization> {
        match scope {
            Some(namespace) => Objects::namespaced(client.clone(), namespace),
            None => Objects::all(client.clone()),
        }
    }

    fn applied(&self, object: Organization, listed: bool) {
        self.0.remember_organization(object, listed);
    }

    fn deleted(&self, key: &Key, uid: Option<&Uid>) {
        let mut organizations = self.0.stores.organizations_mut();
        match (organizations.get(key), uid) {
            (Some(known), Some(uid)) if known.uid != *uid => return,
            _ => organizations.remove(key),
        };
        drop(organizations);
        self.0.look_at_domains_of(key);
    }

    fn invalid(&self, key: Key, _: &Unreadable) {
        self.0.stores.organizations_mut().insert_unreadable(key);
    }

    fn listed(&self) {
        self.0.retry_failed();
    }

    fn known(&self, scope: Option<&str>) -> Vec<Key> {
        self.0.stores.organizations().keys_in(scope)
    }
}

impl Operator {
    fn remember_organization(&self, object: Organization, listed: bool) {
        let ours = self.shard.takes(object.labels());
        let organization = Arc::new(OrganizationView::project(object, ours));
        let (before, taken) = {
            let mut organizations = self.stores.organizations_mut();
            let before = organizations.exists(&organization.key);
            (
                before,
                organizations.upsert(Arc::clone(&organization), listed),
            )
        };
        if !taken {
            return;
        }
        self.organizations.add(organization.key.clone());
        if before == organization.deleting {
            self.look_at_domains_of(&organization.key);
        }
    }

    /// Whether the organization is there, read live.
    pub(super) async fn organization_exists_live(&self, key: &Key) -> Result<bool, ApiError> {
        let api = self.client.namespaced::<Organization>(key.namespace());
        match self.client.call(api.get_metadata(key.name())).await {
            Ok(found) => Ok(found.deletion_timestamp.is_none()),
            Err(ApiError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn look_at_domains_of(&self, organization: &Key) {
        // Not in the loop's head, which would keep the store locked while the queue is.
        let keys = self.stores.domains().of_organization(organization);
        for key in keys {
            self.domains.add(key);
        }
    }
}

/// Looks at one organization; says after which time to look again without any event.
pub async fn reconcile(operator: &Operator, key: &Key) -> Result<Option<Duration>, ApiError> {
    let (organization, written) = {
        let organizations = operator.stores.organizations();
        let Some(organization) = organizations.get(key) else {
            return Ok(None);
        };
        (organization, organizations.written(key))
    };
    // One writer each: the shard that its labels belong to.
    if organization.deleting || !organization.ours {
        return Ok(None);
    }
    if let Some(rest) = written.and_then(|at| COALESCE.checked_sub(at.elapsed())) {
        return Ok(Some(rest));
    }
    let status = summarize(operator, &organization);
    if status == organization.status {
        return Ok(None);
    }
    let object = Organization {
        metadata: ObjectMeta {
            name: Some(key.name().to_owned()),
            namespace: Some(key.namespace().to_owned()),
            uid: Some(organization.uid.to_string()),
            resource_version: Some(organization.version.to_string()),
            ..ObjectMeta::default()
        },
        // Ignored on a status.
        spec: OrganizationSpec::default(),
        status: Some(status),
    };
    let api = operator.client.namespaced::<Organization>(key.namespace());
    let params = PostParams {
        field_manager: Some("freehold".to_owned()),
        ..PostParams::default()
    };
    match operator
        .client
        .call(api.replace_status(key.name(), &params, &object))
        .await
    {
        Ok(written) => {
            let mut organizations = operator.stores.organizations_mut();
            // The watch tells of one that cannot be read.
            if let Ok(written) = written.0 {
                let written = OrganizationView::project(written, organization.ours);
                organizations.update(Arc::new(written));
            }
            organizations.set_written(key, Instant::now());
            Ok(None)
        }
        // The watch brings the change, and with it this key again.
        Err(ApiError::Conflict | ApiError::NotFound) => Ok(Some(COALESCE)),
        Err(error) => Err(error),
    }
}

fn summarize(operator: &Operator, organization: &OrganizationView) -> OrganizationStatus {
    let (counts, verified_domains) = operator
        .stores
        .domains()
        .summary(&organization.key, MAX_LISTED_DOMAINS);
    let ready = Wanted {
        kind: READY,
        status: ConditionStatus::True,
        reason: Reason::Reconciled,
        message: "The summary of the organization's domains is up to date.".to_owned(),
    };
    OrganizationStatus {
        observed_generation: Some(organization.generation),
        counts: Some(counts),
        verified_domains,
        conditions: conditions::transition(
            &organization.status.conditions,
            vec![ready],
            organization.generation,
            whole_second(Timestamp::now()),
        ),
    }
}
