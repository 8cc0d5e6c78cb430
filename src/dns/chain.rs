//! The chain of trust from a zone to the zones below it.

use std::sync::Arc;

use hickory_resolver::net::proto::op::Message;
use hickory_resolver::net::proto::rr::{Name, RecordType};

use super::answer::{Reading, shown};
use super::dnssec::{Chain, Keys, Zonehood, blame};
use super::exchange::{Answer, Transport};
use super::walk::{Reply, Walk, question, with_authority};
use super::zone::{NameServer, REGISTRY_SERVERS, Trust, Zone};
use crate::model::evidence::{BrokenZone, Failure, Security};

/// What a zone proves of a name below it.
enum Below {
    /// A zone cut.
    Cut(Trust),
    /// No cut that is known of.
    NoCut {
        /// Those of the deepest zone on the way that the same servers have.
        keys: Arc<Keys>,
        /// Why the last answer about a DS proves no cut.
        failure: Failure,
    },
}

impl Walk<'_> {
    /// What a zone proves of the keys of the one at a cut below it.
    pub async fn trust_of(&self, zone: &Zone, cut: &Name, transport: Transport) -> Trust {
        let keys = match &zone.chain {
            Chain::Secure(keys) => keys,
            Chain::Insecure => return Trust::Insecure,
            Chain::Broken(broken) => return Trust::Broken(Arc::clone(broken)),
        };
        match self.below(zone, keys, cut, transport).await {
            Below::Cut(trust) => trust,
            Below::NoCut { keys, failure } => Trust::Broken(broken(keys.zone(), failure)),
        }
    }

    /// The keys of a zone, by one of its servers.
    pub async fn keys_of(
        &self,
        zone: &Name,
        trust: &Trust,
        servers: &[NameServer],
        transport: Transport,
    ) -> Chain {
        match trust {
            Trust::Insecure => Chain::Insecure,
            Trust::Broken(broken) => Chain::Broken(Arc::clone(broken)),
            Trust::Signed { parent, ds } => {
                self.child_keys(parent, zone, ds, servers, transport).await
            }
        }
    }

    pub async fn keys_at(
        &self,
        zone: &Name,
        server: &NameServer,
        transport: Transport,
    ) -> Reply<(Answer, ())> {
        let question = question(zone, RecordType::DNSKEY, transport, true);
        self.query(zone, server, &question, with_authority).await
    }

    /// A referral is as secure as its zone; the delegation that it leads to is proven on the way.
    pub fn referral_security(&self, zone: &Zone) -> Result<Security, Failure> {
        Ok(match self.trusted_keys(zone)? {
            Some(_) => Security::Secure,
            None => Security::Insecure,
        })
    }

    /// The keys that a zone's answers are held against; none where it is not signed.
    fn trusted_keys<'z>(&self, zone: &'z Zone) -> Result<Option<&'z Arc<Keys>>, Failure> {
        match &zone.chain {
            Chain::Insecure => Ok(None),
            Chain::Secure(keys) => Ok(Some(keys)),
            Chain::Broken(broken) => {
                self.note_broken(broken);
                let own = broken.zone == shown(&zone.name) || !broken.failure.is_of_dnssec();
                Err(if own {
                    broken.failure
                } else {
                    Failure::BrokenAbove
                })
            }
        }
    }

    /// How well an answer is signed: by its zone, or by one between zone and name that the same
    /// servers keep. `deeper` keeps that one for the next answer.
    pub async fn validate(
        &self,
        zone: &Zone,
        (name, kind): (&Name, RecordType),
        (answer, reading): (&Answer, &Reading),
        transport: Transport,
        deeper: &mut Option<Chain>,
    ) -> Result<Security, Failure> {
        let Some(keys) = self.trusted_keys(zone)? else {
            return Ok(Security::Insecure);
        };
        let failure = match keys.validate(name, kind, answer, reading).await {
            Ok(security) => return Ok(security),
            Err(failure) => failure,
        };
        if deeper.is_none() {
            // Boxed, because it is large and seldom.
            let chain = Box::pin(self.chain_to(zone, keys, name, transport));
            *deeper = Some(chain.await);
        }
        let failure = match deeper {
            Some(Chain::Secure(keys)) => match keys.validate(name, kind, answer, reading).await {
                Ok(security) => return Ok(security),
                Err(failure) => failure,
            },
            Some(Chain::Insecure) => return Ok(Security::Insecure),
            _ => failure,
        };
        self.note_broken(&broken(&zone.name, failure));
        Err(failure)
    }

    /// The keys of the deepest zone at or above the name that the zone's servers have.
    async fn chain_to(
        &self,
        zone: &Zone,
        keys: &Arc<Keys>,
        name: &Name,
        transport: Transport,
    ) -> Chain {
        match self.below(zone, keys, name, transport).await {
            Below::NoCut { keys, .. } => Chain::Secure(keys),
            Below::Cut(trust) => self.keys_of(name, &trust, &zone.servers, transport).await,
        }
    }

    async fn below(
        &self,
        zone: &Zone,
        keys: &Arc<Keys>,
        name: &Name,
        transport: Transport,
    ) -> Below {
        let mut keys = Arc::clone(keys);
        let mut failure = Failure::Bogus;
        let from = zone.name.iter().count() + 1;
        for labels in from..=name.iter().count() {
            let step = name.trim_to(labels);
            let (ds, found) = match self.ds_of(zone, &keys, &step, transport).await {
                Ok(found) => found,
                Err(failure) => return Below::Cut(Trust::Broken(broken(keys.zone(), failure))),
            };
            match found {
                Zonehood::NoCut => failure = blame(Failure::Bogus, &ds),
                Zonehood::NotSigned => return Below::Cut(Trust::Insecure),
                Zonehood::Signed if step == *name => {
                    return Below::Cut(Trust::Signed {
                        parent: keys,
                        ds: Box::new(ds),
                    });
                }
                Zonehood::Signed => {
                    let chain = self.child_keys(&keys, &step, &ds, &zone.servers, transport);
                    match chain.await {
                        Chain::Secure(of_child) => keys = of_child,
                        Chain::Insecure => return Below::Cut(Trust::Insecure),
                        Chain::Broken(broken) => return Below::Cut(Trust::Broken(broken)),
                    }
                }
            }
        }
        Below::NoCut { keys, failure }
    }

    async fn ds_of(
        &self,
        zone: &Zone,
        keys: &Keys,
        name: &Name,
        transport: Transport,
    ) -> Result<(Message, Zonehood), Failure> {
        let question = question(name, RecordType::DS, transport, true);
        let mut failure = Failure::Unreachable;
        for server in a_few(&zone.servers) {
            let reply = self
                .query(&zone.name, server, &question, with_authority)
                .await;
            let proven = match reply.result {
                Ok((Answer { message: ds, .. }, ())) => {
                    keys.zonehood(name, &ds).await.map(|found| (ds, found))
                }
                Err(of_server) => Err(of_server),
            };
            match proven {
                Ok(found) => return Ok(found),
                Err(of_server) => failure = of_server,
            }
        }
        Err(failure)
    }

    async fn child_keys(
        &self,
        keys: &Keys,
        child: &Name,
        ds: &Message,
        servers: &[NameServer],
        transport: Transport,
    ) -> Chain {
        let mut failure = Failure::Unreachable;
        for server in a_few(servers) {
            let chain = match self.keys_at(child, server, transport).await.result {
                Ok((dnskey, ())) => keys.of_child(child, ds, &dnskey.message).await,
                Err(of_server) => Err(of_server),
            };
            match chain {
                Ok(chain) => return chain,
                Err(of_server) => failure = of_server,
            }
        }
        Chain::Broken(broken(child, failure))
    }
}

fn broken(zone: &Name, failure: Failure) -> Arc<BrokenZone> {
    Arc::new(BrokenZone {
        zone: shown(zone),
        failure,
    })
}

/// Those that can be asked come first.
fn a_few(servers: &[NameServer]) -> impl Iterator<Item = &NameServer> {
    let can = servers.iter().filter(|server| server.addresses.is_ok());
    let cannot = servers.iter().filter(|server| server.addresses.is_err());
    can.chain(cannot).take(REGISTRY_SERVERS)
}
