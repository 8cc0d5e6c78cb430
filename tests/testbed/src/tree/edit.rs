//! Changes to a zone while it is served, on all its servers or on one that lies.

use std::net::IpAddr;

use hickory_proto::rr::rdata::{CNAME, NS, NULL, SOA, TXT};
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, BinEncodable};

use super::builder::Ds;
use super::name;
use super::state::Shared;
use super::zone::{self, Zone};

const TTL: u32 = 5;
const DELEGATION_TTL: u32 = 3600;
/// The longest character-string of a TXT record.
const LONGEST_STRING: usize = 255;

/// One zone's content; every change is served at once. Names are absolute.
#[derive(Debug, Clone)]
pub struct ZoneEdit {
    state: Shared,
    origin: Name,
    /// The only server that is changed; else all are.
    host: Option<Name>,
}

impl ZoneEdit {
    pub(super) fn new(state: Shared, origin: &str, host: Option<Name>) -> Self {
        let origin = name(origin);
        if !state.read(|state| state.zones.contains_key(&origin)) {
            no_such("zone", &origin.to_ascii());
        }
        Self {
            state,
            origin,
            host,
        }
    }

    /// Gives the name one TXT record a value, in place of what it had.
    pub fn set_txt(&self, owner: &str, values: &[&str]) {
        let records = values
            .iter()
            .map(|value| value.as_bytes().chunks(LONGEST_STRING).collect())
            .collect();
        self.set_txt_strings(owner, records);
    }

    /// Gives the name TXT records of these character-strings.
    pub fn set_txt_strings(&self, owner: &str, records: Vec<Vec<&[u8]>>) {
        let record = |strings: Vec<&[u8]>| {
            // An empty value still has a character-string (RFC 1035 section 3.3.14).
            let strings = if strings.is_empty() {
                vec![&b""[..]]
            } else {
                strings
            };
            RData::TXT(TXT::from_bytes(strings))
        };
        let data: Vec<RData> = records.into_iter().map(record).collect();
        self.set(owner, RecordType::TXT, TTL, &data);
    }

    /// Makes the name an alias. `owner` may be a wildcard.
    pub fn set_cname(&self, owner: &str, target: &str) {
        let owner = name(owner);
        let data = vec![RData::CNAME(CNAME(name(target)))];
        self.edit(|zone| {
            zone.forget(&owner);
            zone.set(&owner, TTL, data.clone());
        });
    }

    /// Moves everything below the name to below the target (RFC 6672).
    pub fn set_dname(&self, owner: &str, target: &str) {
        let data = RData::Unknown {
            code: RecordType::DNAME,
            rdata: NULL::with(name(target).to_bytes().unwrap_or_default()),
        };
        self.set(owner, RecordType::DNAME, TTL, &[data]);
    }

    /// Delegates the name, or changes the zone's own servers at its apex. None ends a delegation.
    pub fn set_ns(&self, owner: &str, hosts: &[&str]) {
        let record = |host: &&str| RData::NS(NS(name(host)));
        let data: Vec<RData> = hosts.iter().map(record).collect();
        self.set(owner, RecordType::NS, DELEGATION_TTL, &data);
    }

    /// Gives the name addresses of its own.
    pub fn set_addresses(&self, owner: &str, addresses: &[IpAddr]) {
        for record_type in [RecordType::A, RecordType::AAAA] {
            let data = addresses.iter().map(|&address| zone::address(address));
            let data: Vec<RData> = data
                .filter(|data| data.record_type() == record_type)
                .collect();
            self.set(owner, record_type, DELEGATION_TTL, &data);
        }
    }

    /// What is told of a name server's addresses beside referrals to it. None is glueless.
    pub fn set_glue(&self, host: &str, addresses: &[IpAddr]) {
        let host = name(host);
        self.edit(|zone| {
            zone.glue.insert(host.clone(), addresses.to_vec());
        });
    }

    /// What this zone, the parent, tells of the child's key.
    ///
    /// # Panics
    /// When the child is not signed and a DS record is to be right or wrong.
    pub fn set_ds(&self, child: &str, ds: Ds) {
        let origin = name(child);
        let signing = self.state.read(|state| {
            let child = state.zones.get(&origin);
            child.and_then(|child| child.signing.clone())
        });
        let data = match (ds, signing) {
            (Ds::Missing, _) => Vec::new(),
            (Ds::Right, Some(signing)) => signing.ds().into_iter().collect(),
            (Ds::Wrong, Some(signing)) => vec![signing.wrong_ds()],
            (Ds::Right | Ds::Wrong, None) => no_such("signed zone", child),
        };
        self.set(child, RecordType::DS, DELEGATION_TTL, &data);
    }

    /// The seconds for which a recursive server keeps negative answers (RFC 2308).
    pub fn set_negative_ttl(&self, seconds: u32) {
        self.edit(|zone| {
            let origin = zone.origin.clone();
            let Some(RData::SOA(soa)) = zone
                .get(&origin, RecordType::SOA)
                .and_then(|set| set.data.first())
            else {
                return;
            };
            let changed = SOA::new(
                soa.mname.clone(),
                soa.rname.clone(),
                soa.serial,
                soa.refresh,
                soa.retry,
                soa.expire,
                seconds,
            );
            zone.set(&origin, seconds, vec![RData::SOA(changed)]);
        });
    }

    /// Forgets all the name's records, but at the zone's own name those that make it a zone.
    pub fn remove(&self, owner: &str) {
        let owner = name(owner);
        self.edit(|zone| zone.forget(&owner));
    }

    /// The zone as the servers of the tree give it, with signatures and denials where it is signed.
    #[must_use]
    pub fn zone_file(&self) -> String {
        self.state.read(|state| {
            let own = self.host.as_ref().and_then(|host| {
                let host = state.hosts.get(host)?;
                host.views.get(&self.origin)
            });
            match own.or_else(|| state.zones.get(&self.origin)) {
                Some(zone) => super::zone_file::write(zone),
                None => no_such("zone", &self.origin.to_ascii()),
            }
        })
    }

    fn set(&self, owner: &str, record_type: RecordType, ttl: u32, data: &[RData]) {
        let owner = name(owner);
        self.edit(|zone| {
            if data.is_empty() {
                zone.clear(&owner, record_type);
            } else {
                zone.clear(&owner, RecordType::CNAME);
                zone.set(&owner, ttl, data.to_vec());
            }
        });
    }

    fn edit(&self, edit: impl Fn(&mut Zone)) {
        self.state.write(|state| {
            let Some(shared) = state.zones.get_mut(&self.origin) else {
                no_such("zone", &self.origin.to_ascii());
            };
            if let Some(host) = &self.host {
                let Some(host) = state.hosts.get_mut(host) else {
                    no_such("server", &host.to_ascii());
                };
                let own = host.views.entry(self.origin.clone());
                edit(own.or_insert_with(|| shared.clone()));
                return;
            }
            edit(shared);
            for host in state.hosts.values_mut() {
                if let Some(own) = host.views.get_mut(&self.origin) {
                    edit(own);
                }
            }
        });
    }
}

#[expect(
    clippy::panic,
    reason = "a test of something that is not there must end"
)]
pub(super) fn no_such(kind: &str, name: &str) -> ! {
    panic!("the tree has no {kind} {name}")
}

/// Where a DNAME record moves names; none of any other record.
pub(super) fn dname_target(data: &RData) -> Option<Name> {
    let RData::Unknown { rdata, .. } = data else {
        return None;
    };
    Name::read(&mut BinDecoder::new(&rdata.anything)).ok()
}
