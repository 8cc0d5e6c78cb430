//! What there is to tell of an organization domain, as Events about it, its holding and the holder above.

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
    /// Publishes what the object says that nobody may have told of: what came into it while a look was under way
    /// or failed, by a write whose answer was lost or by another replica's; and at the first look what is a
    /// few minutes old.
    pub fn publish_untold(&self, domain: &Domain, now: Timestamp, snapshot: &Snapshot<'_>) {
        let facts = lifecycle::read(now, snapshot);
        let (told, inherited) = {
            let mut domains = self.cluster.stores.domains_mut();
            let told = domains.take_told(&domain.key, &domain.uid, &facts);
            domains.keep_told(&domain.key, &domain.uid, &facts);
            (told, domains.take_inherited(&domain.key, &domain.uid))
        };
        if let Some(told) = told {
            let untold = lifecycle::untold(now, &self.settings, snapshot, &told);
            self.publish(domain, untold);
        }
        if inherited {
            let recent = lifecycle::recent(now, &self.settings, snapshot);
            self.publish(domain, recent);
        }
    }

    pub fn publish(&self, domain: &Domain, notices: Vec<Notice>) {
        for notice in notices {
            // With the domain's own, which is told once more where an answer or the process was lost.
            if notice.becomes_verified
                && let Some(holding) = self.cluster.stores.held_by(domain)
            {
                self.tell_parent(&holding);
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

    /// The holder of the nearest name above hears that another organization proved a name below it.
    fn tell_parent(&self, of: &HoldingView) {
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
