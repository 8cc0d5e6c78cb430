//! What there is to tell of an organization domain, as Events about it, its holding and the holder above.

use jiff::Timestamp;

use super::{held, own};
use crate::cluster::events::Subject;
use crate::cluster::store::domain::Domain;
use crate::controller::holding;
use crate::controller::operator::Operator;
use crate::model::lifecycle::{self, About, Notice, Snapshot};

/// Publishes what the object says that nobody may have told of: what came into it while a look was under way
/// or failed, by a write whose answer was lost or by another replica's; and at the first look what is a
/// few minutes old.
pub fn publish_untold(
    operator: &Operator,
    domain: &Domain,
    now: Timestamp,
    snapshot: &Snapshot<'_>,
) {
    let facts = lifecycle::read(now, snapshot);
    let (told, inherited) = {
        let mut domains = operator.stores.domains_mut();
        let told = domains.take_told(&domain.key, &domain.uid, &facts);
        domains.keep_told(&domain.key, &domain.uid, &facts);
        (told, domains.take_inherited(&domain.key, &domain.uid))
    };
    if let Some(told) = told {
        let untold = lifecycle::untold(now, &operator.settings, snapshot, &told);
        publish(operator, domain, untold);
    }
    if inherited {
        let recent = lifecycle::recent(now, &operator.settings, snapshot);
        publish(operator, domain, recent);
    }
}

pub fn publish(operator: &Operator, domain: &Domain, notices: Vec<Notice>) {
    for notice in notices {
        // With the domain's own, which is told once more where an answer or the process was lost.
        if notice.becomes_verified
            && let Some(holding) = own(operator, domain)
        {
            holding::tell_parent(operator, &holding);
        }
        operator.metrics.notice(notice.reason);
        let subject = match notice.about {
            About::OrganizationDomain => Subject {
                kind: "OrganizationDomain".to_owned(),
                namespace: domain.key.namespace().to_owned(),
                name: domain.key.name().to_owned(),
                uid: domain.uid.to_string(),
            },
            About::VerifiedDomain => match held(operator, domain) {
                Some(holding) => Subject {
                    kind: "VerifiedDomain".to_owned(),
                    namespace: String::new(),
                    name: holding.name.to_string(),
                    uid: holding.uid.to_string(),
                },
                None => continue,
            },
        };
        operator.events.publish(&subject, notice);
    }
}
