//! Signed proofs that something does not exist: NSEC (RFC 4035 section 3.1.3) and NSEC3 (RFC 5155
//! section 7.2), computed from the zone as it is at the moment.

use std::collections::BTreeMap;

use data_encoding::BASE32_DNSSEC;
use hickory_proto::dnssec::Nsec3HashAlgorithm;
use hickory_proto::dnssec::rdata::{DNSSECRData, NSEC, NSEC3};
use hickory_proto::rr::{Name, RData, RecordType};

use super::dnssec::Denial;
use super::zone::{RecordSet, Zone, wildcard_of};

const TTL: u32 = 60;

type Proof = Vec<(Name, RecordSet)>;

/// The name exists without the type; with `wildcard`, it is the wildcard that lacks it.
pub(super) fn type_missing(zone: &Zone, name: &Name, wildcard: Option<&Name>) -> Proof {
    match (Chain::of(zone), wildcard) {
        (Chain::Nsec, None) => vec![nsec(zone, name)],
        (Chain::Nsec, Some(wildcard)) => vec![nsec(zone, name), nsec(zone, wildcard)],
        (Chain::Nsec3(chain), None) => match chain.matching(name) {
            Some(matching) => vec![matching],
            // An insecure delegation that the chain leaves out (RFC 5155 section 7.2.4).
            None => chain.closest_encloser_proof(name),
        },
        (Chain::Nsec3(chain), Some(wildcard)) => {
            let encloser = zone.closest_encloser(name);
            let next = next_closer(name, &encloser);
            [
                chain.matching(&encloser),
                chain.covering(&next),
                chain.matching(wildcard),
            ]
            .into_iter()
            .flatten()
            .collect()
        }
    }
}

/// Neither the name nor a wildcard for it exists.
pub(super) fn name_missing(zone: &Zone, name: &Name, encloser: &Name) -> Proof {
    let wildcard = wildcard_of(encloser);
    match Chain::of(zone) {
        Chain::Nsec => vec![nsec(zone, name), nsec(zone, &wildcard)],
        Chain::Nsec3(chain) => {
            let mut proof = chain.closest_encloser_proof(name);
            proof.extend(chain.covering(&wildcard));
            proof
        }
    }
}

/// A wildcard answers because the name itself does not exist.
pub(super) fn exact_missing(zone: &Zone, name: &Name) -> Proof {
    match Chain::of(zone) {
        Chain::Nsec => vec![nsec(zone, name)],
        Chain::Nsec3(chain) => {
            let next = next_closer(name, &zone.closest_encloser(name));
            chain.covering(&next).into_iter().collect()
        }
    }
}

/// Every denial record of the zone.
pub(super) fn all(zone: &Zone) -> Proof {
    match Chain::of(zone) {
        Chain::Nsec => zone
            .own_names()
            .into_iter()
            .map(|owner| nsec(zone, owner))
            .collect(),
        Chain::Nsec3(chain) => {
            let hashes = chain.hashes.keys();
            hashes.filter_map(|hash| chain.record(hash)).collect()
        }
    }
}

enum Chain {
    Nsec,
    Nsec3(HashedChain),
}

impl Chain {
    fn of(zone: &Zone) -> Self {
        match zone.signing.as_ref().map(|signing| signing.denial) {
            Some(Denial::Nsec3 { rounds, opt_out }) => {
                Self::Nsec3(HashedChain::new(zone, rounds, opt_out))
            }
            Some(Denial::Nsec) | None => Self::Nsec,
        }
    }
}

/// The NSEC record at the name, or else the one that covers it.
fn nsec(zone: &Zone, name: &Name) -> (Name, RecordSet) {
    let names = zone.own_names();
    let owner = names
        .range::<&Name, _>(..=name)
        .next_back()
        .copied()
        .unwrap_or(&zone.origin);
    let next = names
        .iter()
        .find(|&&next| next > owner)
        .copied()
        .unwrap_or(&zone.origin);
    let types = types(zone, owner).into_iter().chain([RecordType::RRSIG]);
    let data = NSEC::new_cover_self(next.clone(), types);
    let set = RecordSet {
        ttl: TTL,
        data: vec![RData::DNSSEC(DNSSECRData::NSEC(data))],
    };
    (owner.clone(), set)
}

/// The types that the zone itself has at the name.
fn types(zone: &Zone, name: &Name) -> Vec<RecordType> {
    let cut = zone.is_cut(name);
    let own =
        |record_type: &RecordType| !cut || matches!(record_type, RecordType::NS | RecordType::DS);
    let node = zone.nodes.get(name).into_iter();
    node.flat_map(|node| node.keys().copied())
        .filter(own)
        .collect()
}

struct HashedChain {
    origin: Name,
    rounds: u16,
    opt_out: bool,
    /// By hash; with the types that the name has.
    hashes: BTreeMap<Vec<u8>, Vec<RecordType>>,
}

impl HashedChain {
    fn new(zone: &Zone, rounds: u16, opt_out: bool) -> Self {
        let mut chain = Self {
            origin: zone.origin.clone(),
            rounds,
            opt_out,
            hashes: BTreeMap::new(),
        };
        for owner in zone.own_names() {
            let insecure = zone.is_cut(owner) && zone.get(owner, RecordType::DS).is_none();
            if opt_out && insecure {
                continue;
            }
            let mut name = owner.clone();
            // Names that exist only through others are in the chain too.
            loop {
                let mut types = types(zone, &name);
                // A delegation without DS has nothing that is signed.
                if !types.is_empty() && types != [RecordType::NS] {
                    types.push(RecordType::RRSIG);
                }
                chain.hashes.insert(chain.hash(&name), types);
                if name == zone.origin {
                    break;
                }
                name = name.base_name();
            }
        }
        chain
    }

    fn hash(&self, name: &Name) -> Vec<u8> {
        Nsec3HashAlgorithm::SHA1
            .hash(&[], name, self.rounds)
            .map(|digest| digest.as_ref().to_vec())
            .unwrap_or_default()
    }

    fn matching(&self, name: &Name) -> Option<(Name, RecordSet)> {
        let hash = self.hash(name);
        self.hashes
            .contains_key(&hash)
            .then(|| self.record(&hash))?
    }

    fn covering(&self, name: &Name) -> Option<(Name, RecordSet)> {
        let hash = self.hash(name);
        let before = self.hashes.range(..hash).next_back();
        // The chain is a ring: before its first hash lies its last.
        let (owner, _) = before.or_else(|| self.hashes.iter().next_back())?;
        self.record(owner)
    }

    /// The nearest ancestor that the chain has, and that nothing in it is on the way to the name.
    fn closest_encloser_proof(&self, name: &Name) -> Proof {
        let mut next = name.clone();
        while next != self.origin {
            let encloser = next.base_name();
            if let Some(matching) = self.matching(&encloser) {
                return [Some(matching), self.covering(&next)]
                    .into_iter()
                    .flatten()
                    .collect();
            }
            next = encloser;
        }
        Proof::new()
    }

    fn record(&self, hash: &Vec<u8>) -> Option<(Name, RecordSet)> {
        let types = self.hashes.get(hash)?;
        let next = self
            .hashes
            .range(hash.clone()..)
            .nth(1)
            .or_else(|| self.hashes.iter().next())
            .map(|(next, _)| next.clone())?;
        let data = NSEC3::new(
            Nsec3HashAlgorithm::SHA1,
            self.opt_out,
            self.rounds,
            Vec::new(),
            next,
            types.iter().copied(),
        );
        let owner = self
            .origin
            .prepend_label(BASE32_DNSSEC.encode(hash).as_str())
            .ok()?;
        let set = RecordSet {
            ttl: TTL,
            data: vec![RData::DNSSEC(DNSSECRData::NSEC3(data))],
        };
        Some((owner, set))
    }
}

/// The name one label below the encloser, on the way to `name`.
fn next_closer(name: &Name, encloser: &Name) -> Name {
    name.trim_to(usize::from(encloser.num_labels()) + 1)
}
