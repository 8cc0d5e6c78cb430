//! A zone as a zone file, signed where the zone is, for other servers to load.
//!
//! Records are written in words: the generic form of RFC 3597 is not read by all servers for types
//! that they know.

use std::fmt::Write as _;

use data_encoding::BASE64;
use hickory_proto::dnssec::rdata::{DNSSECRData, RRSIG};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{Name, RData};

use super::behaviour::Signatures;
use super::denial;
use super::edit::dname_target;
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
        let record_type = data.record_type();
        let data = dname_target(data).map_or_else(|| words(data), |target| target.to_string());
        let kind = record_type.to_string();
        write_record(text, owner, set, &kind, &data);
    }
    if signed
        && let Some(signing) = &zone.signing
        && let Some(RData::DNSSEC(DNSSECRData::RRSIG(signature))) =
            signing.sign(owner, set, Signatures::Valid)
    {
        write_record(text, owner, set, "RRSIG", &signature_words(&signature));
    }
}

fn write_record(text: &mut String, owner: &Name, set: &RecordSet, kind: &str, data: &str) {
    // Writing into a string does not fail.
    let _ = writeln!(text, "{owner} {} IN {kind} {data}", set.ttl);
}

fn words(data: &RData) -> String {
    match data {
        RData::TXT(txt) => txt_words(txt),
        data => data.to_string(),
    }
}

fn txt_words(txt: &TXT) -> String {
    let string = |octets: &[u8]| {
        let octet = |&octet: &u8| match octet {
            b'"' | b'\\' => format!("\\{}", char::from(octet)),
            b' '..=b'~' => char::from(octet).to_string(),
            _ => format!("\\{octet:03}"),
        };
        format!("\"{}\"", octets.iter().map(octet).collect::<String>())
    };
    let strings: Vec<String> = txt.txt_data.iter().map(|octets| string(octets)).collect();
    strings.join(" ")
}

fn signature_words(signature: &RRSIG) -> String {
    let input = signature.input();
    format!(
        "{} {} {} {} {} {} {} {} {}",
        input.type_covered,
        u8::from(input.algorithm),
        input.num_labels,
        input.original_ttl,
        time_words(input.sig_expiration.get()),
        time_words(input.sig_inception.get()),
        input.key_tag,
        input.signer_name,
        BASE64.encode(signature.sig())
    )
}

/// `YYYYMMDDHHmmSS`, from seconds of Unix time (RFC 4034 section 3.2).
fn time_words(time: u32) -> String {
    let (mut day, second) = (time / 86_400, time % 86_400);
    let mut year = 1970;
    let leap = |year: u32| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let days = |year| if leap(year) { 366 } else { 365 };
    while day >= days(year) {
        day -= days(year);
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    format!(
        "{year:04}{month:02}{:02}{:02}{:02}{:02}",
        day + 1,
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}
