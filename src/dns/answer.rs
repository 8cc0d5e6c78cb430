//! What an answer says, read without trust: only records of the right owner count.

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, Record};

use crate::model::evidence::{Failure, Outcome};

/// Most CNAMEs that are followed.
pub const MAX_ALIASES: usize = 8;

/// Reads the answer to a TXT question for `name`.
#[must_use]
pub fn read_txt(answer: &Message, name: &Name) -> Outcome {
    match answer.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => {}
        ResponseCode::ServFail => return Outcome::Failed(Failure::ServFail),
        ResponseCode::Refused => return Outcome::Failed(Failure::Refused),
        _ => return Outcome::Failed(Failure::OtherCode),
    }
    let (owner, aliases) = match follow(&answer.answers, name) {
        Ok(end) => end,
        Err(failure) => return Outcome::Failed(failure),
    };
    let values: Vec<Vec<u8>> = records_of(&answer.answers, &owner)
        .filter_map(|record| match &record.data {
            RData::TXT(txt) => Some(txt.txt_data.concat()),
            _ => None,
        })
        .collect();
    let missing = answer.metadata.response_code == ResponseCode::NXDomain;
    if !values.is_empty() {
        return if missing {
            Outcome::Failed(Failure::Malformed)
        } else {
            Outcome::Values { values, aliases }
        };
    }
    // Without the zone's SOA a negative answer is a referral or comes from a broken server
    // (RFC 2308 section 2).
    let has_soa = answer
        .authorities
        .iter()
        .any(|record| matches!(record.data, RData::SOA(_)) && record.name.zone_of(&owner));
    if !has_soa {
        return Outcome::Failed(Failure::NegativeWithoutSoa);
    }
    if missing {
        Outcome::NxDomain { aliases }
    } else {
        Outcome::NoData { aliases }
    }
}

/// Follows CNAMEs inside the answer: the last owner, and every name on the way to it.
fn follow(answers: &[Record], name: &Name) -> Result<(Name, Vec<String>), Failure> {
    let mut owner = name.clone();
    let mut aliases = Vec::new();
    while let Some(target) = alias_of(answers, &owner) {
        if aliases.len() == MAX_ALIASES {
            return Err(Failure::AliasChain);
        }
        aliases.push(shown(&target));
        owner = target;
    }
    Ok((owner, aliases))
}

fn alias_of(answers: &[Record], owner: &Name) -> Option<Name> {
    records_of(answers, owner).find_map(|record| match &record.data {
        RData::CNAME(target) => Some(target.0.clone()),
        _ => None,
    })
}

fn records_of<'a>(answers: &'a [Record], owner: &'a Name) -> impl Iterator<Item = &'a Record> {
    answers
        .iter()
        .filter(move |record| record.name == *owner && record.dns_class == DNSClass::IN)
}

/// A name for people, in lower case and without the final dot.
fn shown(name: &Name) -> String {
    name.to_lowercase()
        .to_ascii()
        .trim_end_matches('.')
        .to_owned()
}
