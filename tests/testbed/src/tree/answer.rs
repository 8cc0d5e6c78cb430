//! What a server sends for one query, its behaviour applied.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use hickory_proto::dnssec::rdata::{DNSSECRData, RRSIG};
use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{NS, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::behaviour::{Behaviour, Signatures};
use super::host::Host;
use super::resolve::{Reply, Resolution};
use super::state::{Query, State};
use super::style::Sections;
use super::{name, text};
use crate::dns::Transport;

/// What every client takes over UDP, EDNS or not.
const SMALLEST_PAYLOAD: u16 = 512;
/// Never fragmented on any path (DNS flag day 2020).
const LARGEST_PAYLOAD: u16 = 1232;
const FORGED_TTL: u32 = 5;
/// A client that takes a forged answer has taken it by then.
const HEAD_START: Duration = Duration::from_millis(30);

#[derive(Debug, Default)]
pub(super) struct Sending {
    /// From another port, before the answer.
    pub(super) forged: Option<Vec<u8>>,
    pub(super) answer: Option<Vec<u8>>,
    pub(super) delay: Duration,
    /// Ends the connection instead of an answer.
    pub(super) close: bool,
    /// The program that has the answer.
    pub(super) forward: Option<SocketAddr>,
}

/// Notes the query and tells what the server at `host` sends for it.
pub(super) fn respond(
    state: &mut State,
    host: &Name,
    client: IpAddr,
    bytes: &[u8],
    transport: Transport,
) -> Result<Sending> {
    let mut request = Message::from_vec(bytes).context("reading a query")?;
    let Some(question) = request.queries.first() else {
        return Ok(Sending::default());
    };
    if request.metadata.message_type != MessageType::Query {
        return Ok(Sending::default());
    }
    let edns = request.edns.as_ref();
    let dnssec_ok = edns.is_some_and(|edns| edns.flags().dnssec_ok);
    state.note(Query {
        client,
        server: text(host),
        name: text(question.name()),
        record_type: question.query_type(),
        transport,
        recursion_desired: request.metadata.recursion_desired,
        dnssec_ok,
    });
    let Some(server) = state.hosts.get(host) else {
        return Ok(Sending::default());
    };
    if server.forward.is_some() {
        return Ok(Sending {
            forward: server.forward,
            ..Sending::default()
        });
    }
    let behaviour = server.behaviour(question.name());
    let udp = transport == Transport::Udp;
    match behaviour {
        Behaviour::Silent => return Ok(Sending::default()),
        Behaviour::TcpOnly if udp => return Ok(Sending::default()),
        Behaviour::UdpOnly | Behaviour::TruncatedWithoutTcp if !udp => {
            return Ok(Sending {
                close: true,
                ..Sending::default()
            });
        }
        _ => {}
    }

    let style = server.style;
    if style.is_silent_about(&request) {
        return Ok(Sending::default());
    }
    let refusal = style.refusal(&request);
    if style.without_edns.is_some() {
        request.edns = None;
    }
    let mut response = match refusal {
        Some(code) => refused(&request, code),
        None if request.metadata.op_code == OpCode::Query => {
            honest(state, server, behaviour, &request)?
        }
        None => refused(&request, ResponseCode::NotImp),
    };
    distort(&mut response, behaviour, &request, udp);
    style.dress(&mut response, &request);
    let mut answer = response.to_vec().context("writing an answer")?;
    if udp && answer.len() > usize::from(payload(&request)) {
        answer = truncated(&response).to_vec().context("writing an answer")?;
    }

    let mut sending = Sending {
        answer: Some(answer),
        ..Sending::default()
    };
    match behaviour {
        Behaviour::Slow(delay) => sending.delay = *delay,
        Behaviour::CutInsideRecord if udp => {
            let answer = sending.answer.get_or_insert_default();
            answer.truncate(answer.len() - 3);
        }
        Behaviour::Garbage => {
            let id = request.metadata.id.to_be_bytes();
            sending.answer = Some([&id[..], &[0xff; 30]].concat());
        }
        Behaviour::SpoofedFirst(value) if udp => {
            sending.forged = Some(forged(&request, value)?);
            sending.delay = HEAD_START;
        }
        Behaviour::ForgedOverUdp(value) if udp => {
            sending.answer = Some(forged(&request, value)?);
        }
        Behaviour::SpoofedOnly(value) if udp => {
            sending.forged = Some(forged(&request, value)?);
            sending.answer = None;
        }
        _ => {}
    }
    Ok(sending)
}

fn empty(request: &Message) -> Message {
    let mut response = Message::response(request.metadata.id, request.metadata.op_code);
    response.metadata = Metadata::response_from_request(&request.metadata);
    // The question goes back as it came: clients compare the case of its letters.
    response.add_queries(request.queries.iter().cloned());
    if let Some(asked) = &request.edns {
        let mut edns = Edns::new();
        edns.set_max_payload(LARGEST_PAYLOAD)
            .set_dnssec_ok(asked.flags().dnssec_ok);
        response.set_edns(edns);
    }
    response
}

fn refused(request: &Message, code: ResponseCode) -> Message {
    let mut response = empty(request);
    response.metadata.response_code = code;
    response
}

/// What the server's zones say, in its style.
fn honest(
    state: &State,
    server: &Host,
    behaviour: &Behaviour,
    request: &Message,
) -> Result<Message> {
    let question = request.queries.first().context("no question")?;
    let (name, record_type) = (question.name(), question.query_type());
    let Some(zone) = server.zone_for(&state.zones, name, record_type) else {
        return Ok(refused(request, ResponseCode::Refused));
    };
    let edns = request.edns.as_ref();
    let dnssec_ok = edns.is_some_and(|edns| edns.flags().dnssec_ok);
    let signatures = dnssec_ok.then_some(match behaviour {
        Behaviour::Signatures(signatures) => *signatures,
        _ => Signatures::Valid,
    });
    let style = server.style;
    let truth = state.zones.get(&zone.origin).filter(|_| server.forger);
    let resolution = || Resolution::new(zone, truth, signatures, style);
    let reply = if style.misses(request, zone) {
        resolution().missing(name, record_type)
    } else {
        resolution().of(name, record_type)
    };
    let full = style.sections == Sections::Full && reply.is_positive();
    let mut response = empty(request);
    fill(&mut response, reply);
    if full {
        let beside = resolution().servers();
        let mut longer = response.clone();
        longer.authorities.extend(beside.authorities);
        longer.additionals.extend(beside.additionals);
        // What is not required is left out before an answer is cut off.
        if longer.to_vec().context("writing an answer")?.len() <= usize::from(payload(request)) {
            return Ok(longer);
        }
    }
    Ok(response)
}

fn fill(response: &mut Message, reply: Reply) {
    response.metadata.response_code = reply.code;
    response.metadata.authoritative = reply.authoritative;
    response.answers = reply.answers;
    response.authorities = reply.authorities;
    response.additionals = reply.additionals;
}

fn clear(response: &mut Message) {
    response.answers.clear();
    response.authorities.clear();
    response.additionals.clear();
}

fn truncated(response: &Message) -> Message {
    let mut truncated = response.clone();
    clear(&mut truncated);
    truncated.metadata.truncation = true;
    truncated
}

fn payload(request: &Message) -> u16 {
    let asked = request
        .edns
        .as_ref()
        .map_or(SMALLEST_PAYLOAD, Edns::max_payload);
    asked.clamp(SMALLEST_PAYLOAD, LARGEST_PAYLOAD)
}

fn distort(response: &mut Message, behaviour: &Behaviour, request: &Message, udp: bool) {
    match behaviour {
        Behaviour::AlwaysTruncated => *response = truncated(response),
        Behaviour::CutInsideRecord if udp => {
            // Its last record is one of the answer.
            response.edns = None;
            response.authorities.clear();
            response.additionals.clear();
            response.metadata.truncation = true;
        }
        Behaviour::TruncatedOverUdp | Behaviour::TruncatedWithoutTcp if udp => {
            *response = truncated(response);
        }
        Behaviour::Rcode(code) => {
            clear(response);
            response.metadata.authoritative = false;
            response.metadata.response_code = *code;
        }
        Behaviour::FormErrToEdns if request.edns.is_some() => {
            clear(response);
            response.edns = None;
            response.metadata.authoritative = false;
            response.metadata.response_code = ResponseCode::FormErr;
        }
        Behaviour::UpwardReferral => {
            clear(response);
            response.metadata.authoritative = false;
            response.metadata.response_code = ResponseCode::NoError;
            let root = RData::NS(NS(name("ns1.root")));
            response.add_authority(Record::from_rdata(Name::root(), FORGED_TTL, root));
        }
        Behaviour::NotAuthoritative => response.metadata.authoritative = false,
        Behaviour::WrongId => response.metadata.id = !request.metadata.id,
        Behaviour::WrongQuestion => {
            for query in &mut response.queries {
                query.name = name("other-question.invalid");
            }
        }
        Behaviour::FlatCase => {
            for query in &mut response.queries {
                query.name = query.name.to_lowercase();
            }
        }
        Behaviour::ForeignOwner => {
            for record in &mut response.answers {
                record.name = name("other-owner.invalid");
            }
        }
        Behaviour::ForeignBeside(value) => {
            response.add_answer(txt(&name("other-owner.invalid"), value));
        }
        Behaviour::NxDomainWithAnswers => {
            response.metadata.response_code = ResponseCode::NXDomain;
        }
        Behaviour::NegativeWithoutSoa => {
            let soa = |record: &Record| record.record_type() == RecordType::SOA;
            response.authorities.retain(|record| !soa(record));
        }
        Behaviour::NegativeWithForeignSoa => {
            for record in &mut response.authorities {
                record.name = name("other-zone.invalid");
            }
        }
        Behaviour::ManySignatures(count) => {
            let wrong: Vec<Record> = response
                .answers
                .iter()
                .flat_map(|record| (0..*count).filter_map(|n| wrong_signature(record, n)))
                .collect();
            response.answers.splice(0..0, wrong);
        }
        Behaviour::DeniesEverything => {
            clear(response);
            response.metadata.response_code = ResponseCode::NXDomain;
            response.metadata.authoritative = true;
            let zone = request
                .queries
                .first()
                .map_or_else(Name::root, |query| query.name().trim_to(2));
            response.add_authority(soa(&zone));
        }
        _ => {}
    }
}

/// A signature over the same records that is none; each number makes another one.
fn wrong_signature(record: &Record, number: u8) -> Option<Record> {
    let RData::DNSSEC(DNSSECRData::RRSIG(right)) = &record.data else {
        return None;
    };
    let mut octets = right.sig().to_vec();
    *octets.first_mut()? ^= number.wrapping_add(1);
    let wrong = RRSIG::from_sig(right.input().clone(), octets);
    Some(Record::from_rdata(
        record.name.clone(),
        record.ttl,
        RData::DNSSEC(DNSSECRData::RRSIG(wrong)),
    ))
}

fn soa(zone: &Name) -> Record {
    let contact = name("hostmaster.invalid");
    let data = hickory_proto::rr::rdata::SOA::new(contact.clone(), contact, 1, 60, 60, 60, 5);
    Record::from_rdata(zone.clone(), FORGED_TTL, RData::SOA(data))
}

fn txt(owner: &Name, value: &str) -> Record {
    let data = RData::TXT(TXT::new(vec![value.to_owned()]));
    Record::from_rdata(owner.clone(), FORGED_TTL, data)
}

/// As good as a forger can make it who sees the query: the right id, question and case.
fn forged(request: &Message, value: &str) -> Result<Vec<u8>> {
    let mut response = empty(request);
    response.metadata.authoritative = true;
    if let Some(question) = request.queries.first() {
        response.add_answer(txt(question.name(), value));
    }
    response.to_vec().context("writing a forged answer")
}
