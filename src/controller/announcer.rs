//! Announces the transitions of an organization domain, as Events about it, its holding and the holder above.

use std::sync::Arc;

use jiff::Timestamp;

use crate::api::reason::Reason;
use crate::cluster::Cluster;
use crate::cluster::events::{Events, Subject};
use crate::cluster::store::domain::Domain;
use crate::cluster::store::holdings::HoldingView;
use crate::model::lifecycle::{self, About, Notice, Snapshot};
use crate::model::message;
use crate::model::settings::Settings;

/// Publishes Events about organization domains.
pub struct Announcer {
    pub cluster: Arc<Cluster>,
    pub events: Arc<Events>,
    pub settings: Arc<Settings>,
}

impl Announcer {
    /// Publishes what the object says that may not have been announced: what came into it while a reconcile was
    /// under way or failed, by a write whose answer was lost or by another replica's; and at the first reconcile
    /// what is a few minutes old.
    pub fn publish_unannounced(&self, domain: &Domain, now: Timestamp, snapshot: &Snapshot<'_>) {
        let facts = lifecycle::read(now, snapshot);
        let (announced, inherited) = {
            let mut domains = self.cluster.stores.domains_mut();
            let announced = domains.take_announced(&domain.key, &domain.uid, &facts);
            domains.set_announced(&domain.key, &domain.uid, &facts);
            (announced, domains.take_inherited(&domain.key, &domain.uid))
        };
        if let Some(announced) = announced {
            let unannounced = lifecycle::unannounced(now, &self.settings, snapshot, &announced);
            self.publish(domain, unannounced);
        }
        if inherited {
            let recent = lifecycle::recent(now, &self.settings, snapshot);
            self.publish(domain, recent);
        }
    }

    pub fn publish(&self, domain: &Domain, notices: Vec<Notice>) {
        for notice in notices {
            // With the domain's own, which is announced again where an answer or the process was lost.
            if notice.becomes_verified
                && let Some(holding) = self.cluster.stores.held_by(domain)
            {
                self.notify_parent(&holding);
            }
            self.cluster.client.metrics.notice(notice.reason);
            let subject = match notice.about {
                About::OrganizationDomain => Subject {
                    kind: "OrganizationDomain".to_owned(),
                    namespace: domain.key.namespace().to_owned(),
                    name: domain.key.name().to_owned(),
                    uid: domain.uid.to_string(),
                },
                About::VerifiedDomain => match self.cluster.stores.holding_of(domain) {
                    Some(holding) => Subject {
                        kind: "VerifiedDomain".to_owned(),
                        namespace: String::new(),
                        name: holding.name.to_string(),
                        uid: holding.uid.to_string(),
                    },
                    None => continue,
                },
            };
            self.events.publish(&subject, notice);
        }
    }

    /// Tells the holder of the nearest name above that another organization proved a name below it.
    fn notify_parent(&self, of: &HoldingView) {
        let Some((_, above)) = of.name.split_once('.') else {
            return;
        };
        let Some(parent) = self.cluster.stores.holdings().covering(above) else {
            return;
        };
        let holder = &parent.holder;
        if holder.key.namespace() == of.holder.key.namespace()
            && holder.organization == of.holder.organization
        {
            return;
        }
        let subject = Subject {
            kind: "OrganizationDomain".to_owned(),
            namespace: holder.key.namespace().to_owned(),
            name: holder.key.name().to_owned(),
            uid: holder.uid.to_string(),
        };
        let notice = Notice {
            about: About::OrganizationDomain,
            reason: Reason::SubdomainVerified,
            warning: true,
            message: message::subdomain_verified(&of.name),
            fact: format!("{} {}", of.name, of.holder.token_hash()),
            becomes_verified: false,
        };
        self.cluster.client.metrics.notice(notice.reason);
        self.events.publish(&subject, notice);
    }
}
