//! Finds the zone of a name by walking down from the root, through those that register names.

use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::net::proto::op::Message;
use hickory_resolver::net::proto::rr::{Name, RecordType};
use rand::seq::SliceRandom;

use super::answer::{Reading, read_authoritative, shown};
use super::budget::MAX_SERVERS;
use super::cache::MAX_AGE;
use super::dnssec::{Chain, Keys};
use super::exchange::Transport;
use super::path::{Needed, Path};
use super::walk::{Walk, question};
use super::zone::{Delegation, NameServer, REGISTRY_SERVERS, Trust, Zone};
use crate::model::evidence::{BrokenZone, Failure, Outcome, ServerAnswer, Step, Unreached};

/// Why no way leads to a zone.
#[derive(Debug)]
pub struct Unreachable {
    pub failure: Failure,
    /// The zone none of whose servers helped, where it was for that.
    pub unreached: Option<Unreached>,
}

impl Unreachable {
    fn at(zone: &Name, name: &Name, failed: Vec<(Arc<str>, Failure)>) -> Self {
        let failure = failed.last().map_or(Failure::Unreachable, |last| last.1);
        let answers = failed.into_iter().map(|(server, failure)| ServerAnswer {
            server,
            outcome: Outcome::Failed(failure),
        });
        Self {
            failure,
            unreached: Some(Unreached {
                zone: shown(zone),
                step: Step {
                    name: shown(name),
                    answers: answers.collect(),
                },
            }),
        }
    }
}

impl From<Failure> for Unreachable {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            unreached: None,
        }
    }
}

impl From<Unreachable> for Failure {
    fn from(unreachable: Unreachable) -> Self {
        unreachable.failure
    }
}

impl Walk<'_> {
    /// The zone from which on the servers must agree, ready to be asked at all of them.
    pub async fn zone_for(&self, name: &Name) -> Result<Arc<Zone>, Unreachable> {
        let delegation = self.delegation_for(name, Path::default()).await?;
        let zone = self.open(&delegation, Needed::All, Transport::Tcp, Path::default());
        Ok(zone.await?)
    }

    /// The delegation of the first zone on the way to the name that is no registry, or of the
    /// registry that delegates nothing there.
    ///
    /// All of this goes over TCP: it is remembered for a while, and must not be forged by somebody
    /// who only guesses ports.
    pub async fn delegation_for(
        &self,
        name: &Name,
        path: Path<'_>,
    ) -> Result<Arc<Delegation>, Unreachable> {
        let mut delegation = match self.walker.cache.closest(name) {
            Some(delegation) => delegation,
            None => self.root().await?,
        };
        while delegation.registry
            && let Some(child) = self.step_down(&delegation, name, path).await?
        {
            delegation = child;
        }
        Ok(delegation)
    }

    async fn root(&self) -> Result<Arc<Delegation>, Unreachable> {
        let root = Name::root();
        let turn = self.walker.delegations.turn(root.clone(), None);
        let _turn = self.patiently(turn).await;
        if let Some(known) = self.walker.cache.closest(&root) {
            return Ok(known);
        }
        let mut chain = Chain::Insecure;
        let servers = self.walker.roots.clone();
        if !self.walker.anchors.is_empty() {
            let mut failed = Vec::new();
            let mut found = None;
            for server in in_any_order(&servers) {
                let reply = self.keys_at(&root, server, Transport::Tcp).await;
                let keys = match reply.result {
                    Ok((dnskey, ())) => Keys::of_root(&self.walker.anchors, &dnskey.message).await,
                    Err(failure) => Err(failure),
                };
                match keys {
                    Ok(keys) => {
                        found = Some(keys);
                        break;
                    }
                    Err(failure) => failed.push((reply.server, failure)),
                }
            }
            if let (None, Some(&(_, failure))) = (&found, failed.last()) {
                let zone = shown(&root);
                self.note_broken(&BrokenZone { zone, failure });
            }
            let keys = found.ok_or_else(|| Unreachable::at(&root, &root, failed))?;
            chain = Chain::Secure(Arc::new(keys));
        }
        let zone = Zone {
            name: root,
            servers,
            chain,
            partial: false,
            registry: true,
            way: Vec::new(),
        };
        let delegation = Arc::new(Delegation::of_root(Arc::new(zone)));
        self.walker.cache.insert_delegation(&delegation, MAX_AGE);
        Ok(delegation)
    }

    /// What a registry delegates on the way to the name; none where it answers itself.
    async fn step_down(
        &self,
        registry: &Delegation,
        name: &Name,
        path: Path<'_>,
    ) -> Result<Option<Arc<Delegation>>, Unreachable> {
        let zone = self
            .open(registry, Needed::Some, Transport::Tcp, path)
            .await?;
        // In a turn nothing is waited for but answers.
        let below = name.trim_to(zone.name.iter().count() + 1);
        let turn = self.walker.delegations.turn(below, None);
        let _turn = self.patiently(turn).await;
        if let Some(known) = self.walker.cache.closest(name)
            && known.name.iter().count() > zone.name.iter().count()
        {
            return Ok(Some(known));
        }
        let Reading::Referral(referral) = self.ask_registry(&zone, name).await? else {
            return Ok(None);
        };
        if referral.hosts.len() > MAX_SERVERS {
            return Err(Failure::Budget.into());
        }
        let ttl = Duration::from_secs(referral.ttl.into());
        let trust = self.trust_of(&zone, &referral.cut, Transport::Tcp).await;
        let lasts = !matches!(trust, Trust::Broken(_));
        let registry = self.walker.policy.is_registry(&shown(&referral.cut));
        let child = Arc::new(Delegation::new(referral, registry, trust, Vec::new()));
        if lasts {
            self.walker.cache.insert_delegation(&child, ttl);
        }
        Ok(Some(child))
    }

    /// What any one server of a registry says of the name.
    async fn ask_registry(&self, zone: &Zone, name: &Name) -> Result<Reading, Unreachable> {
        let mut failed = Vec::new();
        let signatures = !matches!(zone.chain, Chain::Insecure);
        let question = question(name, RecordType::TXT, Transport::Tcp, signatures);
        for server in in_any_order(&zone.servers) {
            let read =
                |answer: &Message| read_authoritative(answer, &zone.name, name, RecordType::TXT);
            let reply = self.query(&zone.name, server, &question, read).await;
            match reply.result {
                Ok((_, Reading::NoSuchZone { .. })) => {
                    failed.push((reply.server, Failure::NegativeWithoutSoa));
                }
                Ok((_, reading)) => return Ok(reading),
                Err(failure) => failed.push((reply.server, failure)),
            }
        }
        Err(Unreachable::at(&zone.name, name, failed))
    }
}

/// A registry's load is spread over its servers.
fn in_any_order(servers: &[NameServer]) -> impl Iterator<Item = &NameServer> {
    let mut servers: Vec<&NameServer> = servers.iter().collect();
    servers.shuffle(&mut rand::rng());
    servers.into_iter().take(REGISTRY_SERVERS)
}
