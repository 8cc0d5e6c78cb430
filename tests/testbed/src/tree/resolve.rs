//! An authoritative server's answer to a question about one zone: no socket, no clock.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{CNAME, NS};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::behaviour::Signatures;
use super::denial;
use super::style::{Sections, Style};
use super::zone::{self, Match, RecordSet, Step, Zone};

/// CNAMEs that a server follows inside its zone before it leaves the rest to the asker.
const LONGEST_CHAIN: usize = 16;
const GLUE_TTL: u32 = 3600;

/// An answer's sections and the flags that go with them.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) code: ResponseCode,
    pub(super) authoritative: bool,
    pub(super) answers: Vec<Record>,
    pub(super) authorities: Vec<Record>,
    pub(super) additionals: Vec<Record>,
}

impl Reply {
    pub(super) fn is_positive(&self) -> bool {
        self.code == ResponseCode::NoError && self.authoritative && self.authorities.is_empty()
    }
}

/// Answers one question; `signatures` is None for an asker that wants no DNSSEC records.
pub(super) struct Resolution<'a> {
    zone: &'a Zone,
    /// The zone as its key has signed it, on a server that changed it without the key.
    truth: Option<&'a Zone>,
    style: Style,
    signatures: Option<Signatures>,
    reply: Reply,
    /// Owners of denial records that are already in the reply.
    denied: BTreeSet<Name>,
}

impl<'a> Resolution<'a> {
    pub(super) fn new(
        zone: &'a Zone,
        truth: Option<&'a Zone>,
        signatures: Option<Signatures>,
        style: Style,
    ) -> Self {
        Self {
            zone,
            truth,
            style,
            signatures,
            reply: Reply {
                authoritative: true,
                ..Reply::default()
            },
            denied: BTreeSet::new(),
        }
    }

    pub(super) fn of(mut self, name: &Name, record_type: RecordType) -> Reply {
        self.run(name.clone(), record_type);
        self.reply
    }

    /// The answer of a server that does not find the name, whether or not it is there.
    pub(super) fn missing(mut self, name: &Name, record_type: RecordType) -> Reply {
        let wildcard = zone::wildcard_of(&self.zone.origin);
        if let Some(node) = self.zone.nodes.get(&wildcard) {
            let found = Match {
                node: Some(node),
                wildcard: Some(wildcard),
            };
            self.found(name, record_type, &found);
            return self.reply;
        }
        self.reply.code = ResponseCode::NXDomain;
        self.soa();
        self.reply
    }

    /// The zone's name servers and what it has of their addresses, for an answer that needs neither.
    pub(super) fn servers(mut self) -> Reply {
        let (zone, origin) = (self.zone, &self.zone.origin);
        let Some(servers) = zone.get(origin, RecordType::NS) else {
            return self.reply;
        };
        let mut records = servers.records(origin);
        self.sign(&mut records, origin, origin, servers);
        self.reply.authorities = records;
        for server in &servers.data {
            let RData::NS(NS(host)) = server else {
                continue;
            };
            let Some(set) = zone.get(host, RecordType::A) else {
                continue;
            };
            let mut records = set.records(host);
            self.sign(&mut records, host, host, set);
            self.reply.additionals.extend(records);
        }
        self.reply
    }

    fn run(&mut self, mut name: Name, record_type: RecordType) {
        let mut seen = BTreeSet::new();
        while seen.len() < LONGEST_CHAIN && seen.insert(name.to_lowercase()) {
            let zone = self.zone;
            let target = match zone.step(&name, record_type) {
                Step::Outside => None,
                Step::Referral(cut) => {
                    self.refer(&cut);
                    None
                }
                Step::Dname(owner, dname) => self.substitute(&name, &owner, dname),
                Step::Found(found) => self.found(&name, record_type, &found),
                Step::Missing(encloser) => {
                    self.reply.code = ResponseCode::NXDomain;
                    self.soa();
                    self.deny(|zone| denial::name_missing(zone, &name, &encloser));
                    None
                }
            };
            match target {
                Some(target) => name = target,
                None => return,
            }
        }
    }

    /// Adds what the node has; where that is an alias, its target.
    fn found(&mut self, name: &Name, record_type: RecordType, found: &Match<'_>) -> Option<Name> {
        let stored = found.wildcard.as_ref().unwrap_or(name);
        let set = |record_type| found.node.and_then(|node| node.get(&record_type));
        if let Some(set) = set(record_type) {
            self.answer(name, stored, set);
        } else if let Some(set) = set(RecordType::CNAME) {
            self.answer(name, stored, set);
            self.deny_exact(name, found);
            return set.data.iter().find_map(|data| match data {
                RData::CNAME(target) => Some(target.0.clone()),
                _ => None,
            });
        } else {
            self.soa();
            self.deny(|zone| denial::type_missing(zone, name, found.wildcard.as_ref()));
            return None;
        }
        self.deny_exact(name, found);
        None
    }

    /// A wildcard's answer proves that the name itself does not exist.
    fn deny_exact(&mut self, name: &Name, found: &Match<'_>) {
        if found.wildcard.is_some() {
            self.deny(|zone| denial::exact_missing(zone, name));
        }
    }

    /// RFC 6672 section 3.1: the DNAME, and the CNAME that it means for this name.
    fn substitute(&mut self, name: &Name, owner: &Name, dname: &RecordSet) -> Option<Name> {
        self.answer(owner, owner, dname);
        let target = super::edit::dname_target(dname.data.first()?)?;
        let labels = usize::from(name.num_labels()).checked_sub(owner.num_labels().into())?;
        let prefix: Vec<&[u8]> = name.iter().take(labels).collect();
        let target = Name::from_labels(prefix)
            .ok()?
            .append_domain(&target)
            .ok()?;
        let alias = RData::CNAME(CNAME(target.clone()));
        // Never signed: the asker makes it itself from the DNAME.
        let record = Record::from_rdata(name.clone(), dname.ttl, alias);
        self.reply.answers.push(record);
        Some(target)
    }

    fn refer(&mut self, cut: &Name) {
        let Some(servers) = self.zone.get(cut, RecordType::NS) else {
            return;
        };
        if self.reply.answers.is_empty() {
            self.reply.authoritative = false;
        }
        self.reply.authorities.extend(servers.records(cut));
        match self.zone.get(cut, RecordType::DS) {
            Some(ds) => {
                let mut records = ds.records(cut);
                self.sign(&mut records, cut, cut, ds);
                self.reply.authorities.extend(records);
            }
            None => self.deny(|zone| denial::type_missing(zone, cut, None)),
        }
        for server in &servers.data {
            let RData::NS(host) = server else { continue };
            if self.style.without_optional_glue && !cut.zone_of(&host.0) {
                continue;
            }
            let glue = self.zone.glue.get(&host.0).cloned();
            let addresses = glue.unwrap_or_else(|| self.own_addresses(&host.0));
            self.reply
                .additionals
                .extend(addresses.into_iter().map(|address| {
                    Record::from_rdata(host.0.clone(), GLUE_TTL, zone::address(address))
                }));
        }
    }

    /// What the parent knows of a host by its own records, where it tells more than it must.
    fn own_addresses(&self, host: &Name) -> Vec<IpAddr> {
        if self.style.sections == Sections::Minimal || self.zone.cut_above(host).is_some() {
            return Vec::new();
        }
        let set = self.zone.get(host, RecordType::A);
        let data = set.into_iter().flat_map(|set| &set.data);
        data.filter_map(RData::ip_addr).collect()
    }

    fn answer(&mut self, owner: &Name, stored: &Name, set: &RecordSet) {
        let mut records = set.records(owner);
        self.sign(&mut records, owner, stored, set);
        self.reply.answers.extend(records);
    }

    fn soa(&mut self) {
        let origin = &self.zone.origin;
        let Some(set) = self.zone.get(origin, RecordType::SOA) else {
            return;
        };
        let mut records = set.records(origin);
        self.sign(&mut records, origin, origin, set);
        self.reply.authorities.extend(records);
    }

    fn deny(&mut self, proof: impl FnOnce(&Zone) -> Vec<(Name, RecordSet)>) {
        if self.signatures.is_none() || self.zone.signing.is_none() {
            return;
        }
        for (owner, set) in proof(self.zone) {
            if !self.denied.insert(owner.clone()) {
                continue;
            }
            let mut records = set.records(&owner);
            self.sign(&mut records, &owner, &owner, &set);
            self.reply.authorities.extend(records);
        }
    }

    fn sign(&self, records: &mut Vec<Record>, owner: &Name, stored: &Name, set: &RecordSet) {
        let signatures = self.signatures.map(|signatures| {
            if self.is_forged(stored, set) && signatures == Signatures::Valid {
                Signatures::Bogus
            } else {
                signatures
            }
        });
        if let Some(signatures) = signatures
            && let Some(signing) = &self.zone.signing
            && let Some(data) = signing.sign(stored, set, signatures)
        {
            records.push(Record::from_rdata(owner.clone(), set.ttl, data));
        }
    }

    /// Whether the zone's key never signed this.
    fn is_forged(&self, owner: &Name, set: &RecordSet) -> bool {
        let Some(truth) = self.truth else {
            return false;
        };
        let record_type = set.data.first().map(RData::record_type);
        let signed = record_type.and_then(|record_type| truth.get(owner, record_type));
        let same = |signed: &RecordSet| signed.data == set.data;
        let denied = |(name, denial): &(Name, RecordSet)| name == owner && same(denial);
        !signed.is_some_and(same) && !denial::all(truth).iter().any(denied)
    }
}
