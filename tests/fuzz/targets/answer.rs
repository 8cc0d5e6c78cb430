//! Whatever an answer says, only records of the asked name, or of where its aliases lead, are read.

#![no_main]

use freehold::dns::answer::{MAX_ALIASES, Reading, read_authoritative, read_recursive};
use freehold::model::evidence::Outcome;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (Ok(message), Ok(zone), Ok(name)) = (
        Message::from_vec(data),
        Name::from_ascii("acme.example."),
        Name::from_ascii("_c.acme.example."),
    ) else {
        return;
    };
    authoritative(&message, &zone, &name);
    recursive(&message, &name);
});

fn authoritative(message: &Message, zone: &Name, name: &Name) {
    for kind in [RecordType::TXT, RecordType::A, RecordType::AAAA] {
        let Ok(reading) = read_authoritative(message, zone, name, kind) else {
            continue;
        };
        let has = |wanted: RecordType| {
            let mut records = message.answers.iter();
            records.any(|record| {
                record.name == *name
                    && record.record_type() == wanted
                    && record.dns_class == DNSClass::IN
            })
        };
        match reading {
            Reading::Texts(values) => {
                assert!(message.metadata.authoritative && kind == RecordType::TXT);
                assert_eq!(message.metadata.response_code, ResponseCode::NoError);
                assert!(!values.is_empty());
                assert!(values.iter().all(|value| is_at(message, name, value)));
            }
            Reading::Addresses(addresses) => {
                assert!(message.metadata.authoritative && kind != RecordType::TXT);
                assert!(!addresses.is_empty() && has(kind));
            }
            Reading::Alias { above: None, .. } => {
                assert!(message.metadata.authoritative && has(RecordType::CNAME) && !has(kind));
            }
            Reading::Alias { above: Some(above), target } => {
                assert!(message.metadata.authoritative);
                assert!(zone.zone_of(&above) && above.zone_of(name) && above != *name);
                assert!(target.num_labels() >= 1);
            }
            Reading::Referral(referral) => {
                assert!(zone.zone_of(&referral.cut) && *zone != referral.cut);
                assert!(referral.cut.zone_of(name));
                assert!(!referral.hosts.is_empty() && message.answers.is_empty());
            }
            Reading::NoSuchZone { .. } => assert!(message.metadata.authoritative && !has(kind)),
            Reading::NoData { .. } | Reading::NxDomain { .. } => {
                assert!(message.metadata.authoritative && !has(kind) && !has(RecordType::CNAME));
                let missing = message.metadata.response_code == ResponseCode::NXDomain;
                assert_eq!(matches!(reading, Reading::NxDomain { .. }), missing);
            }
        }
    }
}

fn recursive(message: &Message, name: &Name) {
    let refused = Name::from_ascii("internal.").unwrap_or_default();
    let outcome = read_recursive(message, name, |target| !refused.zone_of(target));
    let (Outcome::Values { aliases, .. }
    | Outcome::NoData { aliases }
    | Outcome::NxDomain { aliases }) = &outcome
    else {
        return;
    };
    assert!(aliases.len() <= MAX_ALIASES);
    assert!(!aliases.iter().any(|alias| alias.ends_with("internal")));
    if let Outcome::Values { values, .. } = &outcome {
        assert_eq!(message.metadata.response_code, ResponseCode::NoError);
        let mut end = name.clone();
        for _ in aliases {
            let mut records = message.answers.iter();
            let next = records.find_map(|record| match &record.data {
                RData::CNAME(cname) if record.name == end => Some(cname.0.clone()),
                _ => None,
            });
            end = next.expect("each alias is a record");
        }
        assert!(values.iter().all(|value| is_at(message, &end, value)));
    }
}

fn is_at(message: &Message, name: &Name, value: &[u8]) -> bool {
    message.answers.iter().any(|record| match &record.data {
        RData::TXT(txt) => record.name == *name && txt.txt_data.concat() == value,
        _ => false,
    })
}
