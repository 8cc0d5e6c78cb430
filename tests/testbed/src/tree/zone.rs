//! A zone's records and what a name in it leads to (RFC 1034 section 4.3.2, RFC 4592).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::dnssec::Signing;

const SOA_TTL: u32 = 3600;
/// What makes a name a zone.
const OF_ZONES: [RecordType; 4] = [
    RecordType::SOA,
    RecordType::NS,
    RecordType::DNSKEY,
    RecordType::NSEC3PARAM,
];

/// All records of one type at one name.
#[derive(Debug, Clone)]
pub(super) struct RecordSet {
    pub(super) ttl: u32,
    pub(super) data: Vec<RData>,
}

impl RecordSet {
    pub(super) fn records(&self, owner: &Name) -> Vec<Record> {
        let record = |data: &RData| Record::from_rdata(owner.clone(), self.ttl, data.clone());
        self.data.iter().map(record).collect()
    }
}

pub(super) type Node = BTreeMap<RecordType, RecordSet>;

pub(super) fn address(address: IpAddr) -> RData {
    match address {
        IpAddr::V4(address) => RData::A(address.into()),
        IpAddr::V6(address) => RData::AAAA(address.into()),
    }
}

/// What a name leads to in one step.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// The name is in another zone.
    Outside,
    /// The name is at or below a delegation.
    Referral(Name),
    /// The name is below a DNAME.
    Dname(Name, &'a RecordSet),
    Found(Match<'a>),
    /// The name does not exist; its closest existing ancestor.
    Missing(Name),
}

/// The node that answers for a name.
#[derive(Debug)]
pub(super) struct Match<'a> {
    /// None for a name that exists only through names below it.
    pub(super) node: Option<&'a Node>,
    /// The wildcard's owner where one answers.
    pub(super) wildcard: Option<Name>,
}

#[derive(Debug, Clone)]
pub(super) struct Zone {
    pub(super) origin: Name,
    /// Ordered canonically (RFC 4034 section 6.1): a name's descendants follow it.
    pub(super) nodes: BTreeMap<Name, Node>,
    /// Addresses of name servers at or below a delegation, told beside referrals.
    pub(super) glue: BTreeMap<Name, Vec<IpAddr>>,
    pub(super) signing: Option<Arc<Signing>>,
}

impl Zone {
    pub(super) fn new(origin: &Name, primary: Name, negative_ttl: u32) -> Self {
        let soa = SOA::new(
            primary,
            super::name("hostmaster.invalid"),
            1,
            3600,
            600,
            86_400,
            negative_ttl,
        );
        let mut zone = Self {
            origin: origin.clone(),
            nodes: BTreeMap::new(),
            glue: BTreeMap::new(),
            signing: None,
        };
        zone.set(origin, SOA_TTL, vec![RData::SOA(soa)]);
        zone
    }

    /// Puts a record set in place of the one of its type.
    pub(super) fn set(&mut self, owner: &Name, ttl: u32, data: Vec<RData>) {
        let Some(record_type) = data.first().map(RData::record_type) else {
            return;
        };
        let node = self.nodes.entry(owner.clone()).or_default();
        node.insert(record_type, RecordSet { ttl, data });
    }

    pub(super) fn clear(&mut self, owner: &Name, record_type: RecordType) {
        if let Some(node) = self.nodes.get_mut(owner) {
            node.remove(&record_type);
            if node.is_empty() {
                self.nodes.remove(owner);
            }
        }
    }

    pub(super) fn forget(&mut self, owner: &Name) {
        if *owner == self.origin {
            if let Some(apex) = self.nodes.get_mut(owner) {
                apex.retain(|record_type, _| OF_ZONES.contains(record_type));
            }
        } else {
            self.nodes.remove(owner);
        }
    }

    pub(super) fn get(&self, owner: &Name, record_type: RecordType) -> Option<&RecordSet> {
        self.nodes.get(owner)?.get(&record_type)
    }

    pub(super) fn is_cut(&self, owner: &Name) -> bool {
        *owner != self.origin && self.get(owner, RecordType::NS).is_some()
    }

    /// The delegation that `name` is strictly below, if any.
    pub(super) fn cut_above(&self, name: &Name) -> Option<Name> {
        self.ancestors(name)
            .into_iter()
            .filter(|ancestor| ancestor != name)
            .find(|ancestor| self.is_cut(ancestor))
    }

    pub(super) fn step(&self, name: &Name, record_type: RecordType) -> Step<'_> {
        if !self.origin.zone_of(name) {
            return Step::Outside;
        }
        for ancestor in self.ancestors(name) {
            // The DS of a delegation is the parent's own (RFC 4035 section 3.1.4.1).
            let own = ancestor == *name && record_type == RecordType::DS;
            if self.is_cut(&ancestor) && !own {
                return Step::Referral(ancestor);
            }
            if ancestor != *name
                && let Some(dname) = self.get(&ancestor, RecordType::DNAME)
            {
                return Step::Dname(ancestor, dname);
            }
        }
        if self.exists(name) {
            return Step::Found(Match {
                node: self.nodes.get(name),
                wildcard: None,
            });
        }
        let encloser = self.closest_encloser(name);
        let wildcard = wildcard_of(&encloser);
        match self.nodes.get(&wildcard) {
            Some(node) => Step::Found(Match {
                node: Some(node),
                wildcard: Some(wildcard),
            }),
            None => Step::Missing(encloser),
        }
    }

    pub(super) fn exists(&self, name: &Name) -> bool {
        self.nodes
            .range(name.clone()..)
            .next()
            .is_some_and(|(next, _)| name.zone_of(next))
    }

    /// The nearest ancestor that exists.
    pub(super) fn closest_encloser(&self, name: &Name) -> Name {
        let mut encloser = name.base_name();
        while encloser != self.origin && !self.exists(&encloser) {
            encloser = encloser.base_name();
        }
        encloser
    }

    /// Names with records that the zone answers for, without those below its delegations.
    pub(super) fn own_names(&self) -> BTreeSet<&Name> {
        self.nodes
            .keys()
            .filter(|name| self.cut_above(name).is_none())
            .collect()
    }

    /// From the zone's origin down to the name itself.
    fn ancestors(&self, name: &Name) -> Vec<Name> {
        let mut ancestors = Vec::new();
        let mut at = name.clone();
        loop {
            ancestors.push(at.clone());
            if at == self.origin || at.is_root() {
                break;
            }
            at = at.base_name();
        }
        ancestors.reverse();
        ancestors
    }
}

pub(super) fn wildcard_of(encloser: &Name) -> Name {
    encloser
        .prepend_label("*")
        .unwrap_or_else(|_| encloser.clone())
}
