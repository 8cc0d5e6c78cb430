//! The answer to one query: no socket, no clock.

use std::time::Duration;

use anyhow::{Context, Result};
use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{CNAME, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::programme::{Behaviour, Lookup, Programme, Transport, Zone};

pub(super) const TTL: u32 = 5;
const LONGEST_CNAME_CHAIN: usize = 12;
/// What every client takes over UDP, EDNS or not.
const SMALLEST_PAYLOAD: u16 = 512;
/// Recommended by the DNS community as the largest that is never fragmented (DNS flag day 2020).
const LARGEST_PAYLOAD: u16 = 1232;
const OTHER_OWNER: &str = "other-owner.invalid.";

pub(super) struct Answer {
    pub(super) bytes: Vec<u8>,
    pub(super) delay: Duration,
}

/// Counts the query and answers it, unless the programme says to be silent.
pub(super) fn answer(
    programme: &mut Programme,
    query: &[u8],
    transport: Transport,
) -> Result<Option<Answer>> {
    let request = Message::from_vec(query).context("reading a query")?;
    let Some(question) = request.queries.first() else {
        return Ok(None);
    };
    if request.metadata.message_type != MessageType::Query {
        return Ok(None);
    }
    let name = question.name().to_ascii();
    programme.count(&name, question.query_type(), transport);
    let behaviour = programme.behaviour(&name);
    if behaviour == Behaviour::Silent {
        return Ok(None);
    }

    let mut response = empty(&request, question);
    if request.metadata.op_code == OpCode::Query {
        fill(
            &mut response,
            &programme.zone,
            question,
            behaviour,
            transport,
        )?;
    } else {
        response.metadata.response_code = ResponseCode::NotImp;
    }
    let mut bytes = response.to_vec().context("writing an answer")?;
    if transport == Transport::Udp && bytes.len() > usize::from(payload(&request)) {
        bytes = truncated(&response).to_vec().context("writing an answer")?;
    }
    let delay = match behaviour {
        Behaviour::DelayMs(milliseconds) => Duration::from_millis(milliseconds),
        _ => Duration::ZERO,
    };
    Ok(Some(Answer { bytes, delay }))
}

fn empty(request: &Message, question: &Query) -> Message {
    let mut response = Message::response(request.metadata.id, request.metadata.op_code);
    response.metadata = Metadata::response_from_request(&request.metadata);
    response.metadata.recursion_available = true;
    // The question goes back as it came: clients compare the case of its letters.
    response.add_query(question.clone());
    if let Some(asked) = &request.edns {
        let mut edns = Edns::new();
        edns.set_max_payload(LARGEST_PAYLOAD)
            .set_dnssec_ok(asked.flags().dnssec_ok);
        response.set_edns(edns);
    }
    response
}

fn payload(request: &Message) -> u16 {
    let asked = request
        .edns
        .as_ref()
        .map_or(SMALLEST_PAYLOAD, Edns::max_payload);
    asked.clamp(SMALLEST_PAYLOAD, LARGEST_PAYLOAD)
}

fn truncated(response: &Message) -> Message {
    let mut truncated = response.clone();
    truncated.answers.clear();
    truncated.authorities.clear();
    truncated.metadata.truncation = true;
    truncated
}

fn fill(
    response: &mut Message,
    zone: &Zone,
    question: &Query,
    behaviour: Behaviour,
    transport: Transport,
) -> Result<()> {
    match behaviour {
        Behaviour::Rcode(code) => {
            response.metadata.response_code = code;
            return Ok(());
        }
        Behaviour::ComparesOctets
            if question.name().iter().flatten().any(u8::is_ascii_uppercase) =>
        {
            response.metadata.response_code = ResponseCode::NXDomain;
            response.add_authority(soa(question.name())?);
            return Ok(());
        }
        Behaviour::Truncate if transport == Transport::Udp => {
            response.metadata.truncation = true;
            return Ok(());
        }
        _ => {}
    }

    let resolved = resolve(zone, question)?;
    response.metadata.response_code = resolved.code;
    response.add_answers(resolved.answers);
    if let Some(soa) = resolved.soa
        && behaviour != Behaviour::NegativeWithoutSoa
    {
        response.add_authority(soa);
    }
    if behaviour == Behaviour::WrongOwner {
        let other = Name::from_ascii(OTHER_OWNER).context("the other owner's name")?;
        for record in &mut response.answers {
            record.name = other.clone();
        }
    }
    Ok(())
}

struct Resolved {
    answers: Vec<Record>,
    code: ResponseCode,
    /// Only with a negative answer.
    soa: Option<Record>,
}

/// Follows CNAMEs as a recursive server does. A chain without end is cut off.
fn resolve(zone: &Zone, question: &Query) -> Result<Resolved> {
    let mut name = question.name().clone();
    let mut answers = Vec::new();
    loop {
        let lookup = zone.lookup(&name.to_ascii());
        let code = match lookup {
            Lookup::Cname(target) => {
                let target = absolute(target)?;
                let link = RData::CNAME(CNAME(target.clone()));
                answers.push(Record::from_rdata(name, TTL, link));
                let ends = question.query_type() == RecordType::CNAME
                    || answers.len() == LONGEST_CNAME_CHAIN;
                if ends {
                    return Ok(positive(answers));
                }
                name = target;
                continue;
            }
            Lookup::Txt(records)
                if question.query_type() == RecordType::TXT && !records.is_empty() =>
            {
                answers.extend(records.iter().map(|strings| txt(&name, strings)));
                return Ok(positive(answers));
            }
            Lookup::Txt(_) => ResponseCode::NoError,
            Lookup::Unknown => ResponseCode::NXDomain,
        };
        return Ok(Resolved {
            answers,
            code,
            soa: Some(soa(&name)?),
        });
    }
}

fn positive(answers: Vec<Record>) -> Resolved {
    Resolved {
        answers,
        code: ResponseCode::NoError,
        soa: None,
    }
}

fn txt(name: &Name, strings: &[Vec<u8>]) -> Record {
    let strings = strings.iter().map(Vec::as_slice).collect();
    let data = RData::TXT(TXT::from_bytes(strings));
    Record::from_rdata(name.clone(), TTL, data)
}

/// Every name of two labels is taken for a zone.
fn soa(name: &Name) -> Result<Record> {
    let zone = name.trim_to(2);
    let label = |label: &str| -> Result<Name> {
        Name::from_ascii(label)
            .and_then(|label| label.append_domain(&zone))
            .with_context(|| format!("a name in {zone}"))
    };
    let data = SOA::new(
        label("ns")?,
        label("hostmaster")?,
        1,
        3600,
        600,
        86_400,
        TTL,
    );
    Ok(Record::from_rdata(zone.clone(), TTL, RData::SOA(data)))
}

fn absolute(target: &str) -> Result<Name> {
    let mut name =
        Name::from_ascii(target).with_context(|| format!("{target} is no target for a CNAME"))?;
    name.set_fqdn(true);
    Ok(name)
}
