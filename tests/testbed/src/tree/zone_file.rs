//! A zone as a zone file, signed where the zone is, for other servers to load.
//!
//! Records are written in the generic form of RFC 3597, which every server reads and which needs
//! no knowledge of their types.

use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use hickory_proto::rr::{Name, RData};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};

use super::behaviour::Signatures;
use super::denial;
use super::zone::{self, RecordSet, Zone};

const GLUE_TTL: u32 = 3600;

pub(super) fn write(zone: &Zone) -> String {
    let mut text = String::new();
    for owner in zone.own_names() {
        let cut = zone.is_cut(owner);
        for (record_type, set) in zone.nodes.get(owner).into_iter().flatten() {
            // A delegation is the child's to sign, its DS is not (RFC 4035 section 2.2).
            let own = !cut || *record_type == hickory_proto::rr::RecordType::DS;
            write_set(&mut text, zone, owner, set, own);
        }
    }
    for (host, addresses) in &zone.glue {
        let data = addresses.iter().map(|&address| zone::address(address));
        let set = RecordSet {
            ttl: GLUE_TTL,
            data: data.collect(),
        };
        write_set(&mut text, zone, host, &set, false);
    }
    if zone.signing.is_some() {
        for (owner, set) in denial::all(zone) {
            write_set(&mut text, zone, &owner, &set, true);
        }
    }
    text
}

fn write_set(text: &mut String, zone: &Zone, owner: &Name, set: &RecordSet, signed: bool) {
    for data in &set.data {
        write_record(text, owner, set.ttl, data);
    }
    if signed
        && let Some(signing) = &zone.signing
        && let Some(signature) = signing.sign(owner, set, Signatures::Valid)
    {
        write_record(text, owner, set.ttl, &signature);
    }
}

fn write_record(text: &mut String, owner: &Name, ttl: u32, data: &RData) {
    let mut octets = Vec::new();
    let mut encoder = BinEncoder::new(&mut octets);
    encoder.set_canonical_form(true);
    encoder.set_name_encoding(NameEncoding::UncompressedLowercase);
    if data.emit(&mut encoder).is_err() {
        return;
    }
    // Writing into a string does not fail.
    let _ = writeln!(
        text,
        "{owner} {ttl} IN TYPE{} \\# {} {}",
        u16::from(data.record_type()),
        octets.len(),
        HEXLOWER.encode(&octets)
    );
}
