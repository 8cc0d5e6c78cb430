//! DNSSEC: what has been gathered is held against the keys of its zone. Nothing is asked here.
//!
//! The signatures and the proofs of absence are the library's to verify. It is given the messages
//! it would ask for, so that each server's own answer is judged, and a zone's keys as its trust
//! anchors, so that a chain once verified is not verified again.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use data_encoding::BASE32_DNSSEC;
use futures::future::{Ready, ready};
use futures::stream::{Once, StreamExt, once};
use hickory_resolver::net::dnssec::DnssecDnsHandle;
use hickory_resolver::net::proto::dnssec::rdata::{DNSSECRData, NSEC3};
use hickory_resolver::net::proto::dnssec::{Proof, TrustAnchors, Verifier};
use hickory_resolver::net::proto::op::{
    DnsRequest, DnsRequestOptions, DnsResponse, Message, MessageType, OpCode, Query,
};
use hickory_resolver::net::proto::rr::rdata::{NS, SOA};
use hickory_resolver::net::proto::rr::{Name, RData, Record, RecordType, SerialNumber};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::DnsHandle;
use hickory_resolver::net::{DnsError, NetError};
use jiff::Timestamp;
use parking_lot::Mutex;

use super::answer::Reading;
use super::exchange::Answer;
use crate::model::evidence::{BrokenZone, Failure, Security};

/// Signatures in one answer; an honest one has a few, and each costs time to verify.
const MAX_SIGNATURES: usize = 24;
/// NSEC3 rounds from which a zone counts as unsigned, and as broken (RFC 9276 section 3.2).
const NSEC3_INSECURE_FROM: u16 = 50;
const NSEC3_BROKEN_FROM: u16 = 150;
/// Verifications remembered within one call.
const VALIDATIONS: usize = 64;
/// Verified answers remembered with the keys of a zone, and for how long: a signature that expires
/// meanwhile counts so much longer, well inside the skew that validators grant clocks.
const MAX_VERIFIED: usize = 256;
const VERIFIED_AGE: Duration = Duration::from_mins(5);

/// The verified keys of a zone.
pub struct Keys {
    zone: Name,
    answer: Message,
    anchors: Arc<TrustAnchors>,
    verified: Mutex<Verified>,
}

/// Answers, as they came, that were verified with these keys a moment ago, and what came of it. They
/// are asked for each time all the same.
type Verified = HashMap<Box<[u8]>, (Instant, Security)>;

/// How a zone stands in the chain of trust.
#[derive(Clone, Debug)]
pub enum Chain {
    Secure(Arc<Keys>),
    /// A parent proves that the zone is not signed.
    Insecure,
    /// The keys of a zone on the way could not be had, or are wrong.
    Broken(Arc<BrokenZone>),
}

/// What a zone says of a name below it, by the answer to a question for its DS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zonehood {
    Signed,
    NotSigned,
    /// No zone cut, as far as this answer shows.
    NoCut,
}

impl Keys {
    /// The keys of the root zone, if a trust anchor vouches for them.
    pub async fn of_root(anchors: &Arc<TrustAnchors>, dnskey: &Message) -> Result<Self, Failure> {
        let root = Name::root();
        let trusted = dnskey.answers.iter().any(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::DNSKEY(key)) => anchors.contains(key.public_key()),
            _ => false,
        });
        let signed = dnskey
            .answers
            .iter()
            .any(|record| record.record_type() == RecordType::RRSIG);
        if signed && !trusted {
            return Err(Failure::UntrustedRoot);
        }
        let gathered = Gathered::default().with(&root, RecordType::DNSKEY, dnskey)?;
        let chain = verified_keys(gathered, anchors, &root).await;
        match chain.map_err(|failure| blame(failure, dnskey))? {
            Chain::Secure(keys) => Arc::try_unwrap(keys).map_err(|_| Failure::Bogus),
            Chain::Insecure | Chain::Broken(_) => Err(Failure::Bogus),
        }
    }

    #[must_use]
    pub fn zone(&self) -> &Name {
        &self.zone
    }

    /// The keys of a zone below this one, from the DS records here and the DNSKEY records there.
    pub async fn of_child(
        &self,
        child: &Name,
        ds: &Message,
        dnskey: &Message,
    ) -> Result<Chain, Failure> {
        let gathered = self.gathered()?.with(child, RecordType::DS, ds)?.with(
            child,
            RecordType::DNSKEY,
            dnskey,
        )?;
        let chain = verified_keys(gathered, &self.anchors, child).await;
        chain.map_err(|failure| blame(failure, dnskey))
    }

    /// What the zone's answer to a question for the DS of `name` proves.
    pub async fn zonehood(&self, name: &Name, ds: &Message) -> Result<Zonehood, Failure> {
        let found = self.proven_zonehood(name, ds).await;
        found.map_err(|failure| blame(failure, ds))
    }

    async fn proven_zonehood(&self, name: &Name, ds: &Message) -> Result<Zonehood, Failure> {
        let signed = ds
            .answers
            .iter()
            .any(|record| record.name == *name && record.record_type() == RecordType::DS);
        if signed {
            let gathered = self.gathered()?.with(name, RecordType::DS, ds)?;
            let answer = self.proven(gathered, name, RecordType::DS).await?;
            return match proof_of(&answer, name, RecordType::DS) {
                Security::Secure => Ok(Zonehood::Signed),
                _ => Err(Failure::Bogus),
            };
        }
        // May a record at this name be unsigned? Only where the zone proves that it delegates the
        // name without a DS (RFC 6840 section 4.4).
        let gathered = self
            .gathered()?
            .with(name, RecordType::DS, ds)?
            .with(
                name,
                RecordType::NS,
                &unsigned(name, RData::NS(NS(name.clone()))),
            )?
            .with(name, RecordType::SOA, &unsigned(name, no_soa(name)))?;
        let answer = self.proven(gathered, name, RecordType::SOA).await?;
        Ok(match proof_of(&answer, name, RecordType::SOA) {
            Security::Insecure => Zonehood::NotSigned,
            _ => Zonehood::NoCut,
        })
    }

    /// Whether an answer of the zone, read as `reading`, is signed by it.
    pub async fn validate(
        &self,
        name: &Name,
        kind: RecordType,
        answer: &Answer,
        reading: &Reading,
    ) -> Result<Security, Failure> {
        if let Some(security) = self.remembered(&answer.wire) {
            return Ok(security);
        }
        let (owner, kind) = match reading {
            Reading::Alias {
                above: Some(above), ..
            } => (above, RecordType::DNAME),
            Reading::Alias { above: None, .. } => (name, RecordType::CNAME),
            _ => (name, kind),
        };
        let gathered = self.gathered()?.with(owner, kind, &answer.message)?;
        let verified = verify(gathered, &self.anchors, owner, kind).await;
        let (verified, denial) = verified.map_err(|failure| blame(failure, &answer.message))?;
        let absent = matches!(reading, Reading::NoData { .. } | Reading::NxDomain { .. });
        let security = match denial {
            Proof::Secure if absent && is_by_opt_out(&verified, &self.zone, owner) => {
                Security::Insecure
            }
            Proof::Secure if absent => absence(&verified),
            Proof::Secure if is_expanded_by_opt_out(&verified, owner) => Security::Insecure,
            Proof::Secure => proof_of(&verified, owner, kind),
            // Too many rounds, or a span in which the zone vouches for nothing.
            Proof::Insecure => Security::Insecure,
            _ if !absent && is_wildcard_proven(&verified, &self.zone, owner) => {
                proof_of(&verified, owner, kind)
            }
            _ if matches!(reading, Reading::NoData { .. })
                && is_absent_beside_dname(&verified, owner, kind) =>
            {
                absence(&verified)
            }
            _ => Security::Unknown,
        };
        if security == Security::Unknown {
            return Err(blame(Failure::Bogus, &answer.message));
        }
        self.remember(answer.wire.as_slice().into(), security);
        Ok(security)
    }

    fn remembered(&self, octets: &[u8]) -> Option<Security> {
        let verified = self.verified.lock();
        let &(since, security) = verified.get(octets)?;
        (since.elapsed() < VERIFIED_AGE).then_some(security)
    }

    fn remember(&self, octets: Box<[u8]>, security: Security) {
        let mut verified = self.verified.lock();
        if verified.len() >= MAX_VERIFIED {
            verified.clear();
        }
        verified.insert(octets, (Instant::now(), security));
    }

    fn gathered(&self) -> Result<Gathered, Failure> {
        Gathered::default().with(&self.zone, RecordType::DNSKEY, &self.answer)
    }

    async fn proven(
        &self,
        gathered: Gathered,
        name: &Name,
        kind: RecordType,
    ) -> Result<Message, Failure> {
        proven(gathered, &self.anchors, name, kind).await
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.zone)
    }
}

async fn verified_keys(
    gathered: Gathered,
    anchors: &Arc<TrustAnchors>,
    zone: &Name,
) -> Result<Chain, Failure> {
    let verified = proven(gathered, anchors, zone, RecordType::DNSKEY).await?;
    match proof_of(&verified, zone, RecordType::DNSKEY) {
        Security::Secure => {}
        // The parent's DS records are all of kinds that nobody here can verify (RFC 4035
        // section 5.2).
        Security::Insecure => return Ok(Chain::Insecure),
        Security::Unknown => return Err(Failure::Bogus),
    }
    let mut trusted = TrustAnchors::empty();
    let mut answer = Message::new(0, MessageType::Response, OpCode::Query);
    for record in verified.answers {
        let RData::DNSSEC(DNSSECRData::DNSKEY(key)) = &record.data else {
            continue;
        };
        if record.name == *zone && key.zone_key() && !key.revoke() && key.algorithm().is_supported()
        {
            trusted.insert_with_name(key.public_key(), zone.into());
            // Without its signatures the set is trusted as it stands, and not verified again.
            answer.add_answer(record);
        }
    }
    Ok(Chain::Secure(Arc::new(Keys {
        zone: zone.clone(),
        answer,
        anchors: Arc::new(trusted),
        verified: Mutex::default(),
    })))
}

/// The answer with the proof of each record, where all that it denies is proven.
async fn proven(
    gathered: Gathered,
    anchors: &Arc<TrustAnchors>,
    name: &Name,
    kind: RecordType,
) -> Result<Message, Failure> {
    match verify(gathered, anchors, name, kind).await? {
        (answer, Proof::Secure) => Ok(answer),
        _ => Err(Failure::Bogus),
    }
}

/// The answer with the proof of each record, and the proof of what it denies; secure where it
/// denies nothing.
async fn verify(
    gathered: Gathered,
    anchors: &Arc<TrustAnchors>,
    name: &Name,
    kind: RecordType,
) -> Result<(Message, Proof), Failure> {
    let validator = DnssecDnsHandle::with_trust_anchor(gathered, Arc::clone(anchors))
        .nsec3_iteration_limits(Some(NSEC3_INSECURE_FROM), Some(NSEC3_BROKEN_FROM))
        .validation_cache_size(VALIDATIONS);
    let question = Query::query(name.clone(), kind);
    let mut answers = validator.lookup(question, DnsRequestOptions::default());
    match answers.next().await {
        Some(Ok(answer)) => Ok((answer.into_message(), Proof::Secure)),
        Some(Err(NetError::Dns(DnsError::Nsec {
            response, proof, ..
        }))) => Ok((response.into_message(), proof)),
        _ => Err(Failure::Bogus),
    }
}

/// Why the signatures of an answer do not hold, as far as their times show: a clock that is wrong is
/// as likely as a zone that was not signed again.
pub fn blame(failure: Failure, answer: &Message) -> Failure {
    if failure != Failure::Bogus {
        return failure;
    }
    // Serial numbers, which wrap (RFC 4034 section 3.1.5).
    let now = Timestamp::now().as_second().rem_euclid(1 << 32);
    let now = SerialNumber::from(u32::try_from(now).unwrap_or_default());
    let signatures = answer.answers.iter().chain(&answer.authorities);
    let (mut all, mut expired, mut early) = (0, 0, 0);
    for record in signatures {
        if let RData::DNSSEC(DNSSECRData::RRSIG(signature)) = &record.data {
            let input = signature.input();
            all += 1;
            expired += usize::from(input.sig_expiration < now);
            early += usize::from(now < input.sig_inception);
        }
    }
    match (all, expired, early) {
        (1.., expired, _) if expired == all => Failure::SignatureExpired,
        (1.., _, early) if early == all => Failure::SignatureNotYetValid,
        _ => Failure::Bogus,
    }
}

/// Whether a name is denied by a span in which a zone may have unsigned delegations that it does not
/// list: the answer is no proof then (RFC 5155 section 9.2).
fn is_by_opt_out(answer: &Message, zone: &Name, name: &Name) -> bool {
    let hashed = || {
        answer.authorities.iter().filter_map(|record| {
            let RData::DNSSEC(DNSSECRData::NSEC3(nsec3)) = &record.data else {
                return None;
            };
            (record.proof == Proof::Secure).then_some((&record.name, nsec3))
        })
    };
    let matches_any = |name: &Name| hashed().any(|(owner, nsec3)| is_hash_of(owner, nsec3, name));
    // The closest encloser is the deepest that the proof has; of those between it has none.
    let all = name.iter().count();
    let encloser = (zone.iter().count()..=all)
        .rev()
        .find(|&labels| matches_any(&name.trim_to(labels)));
    let next_closer = match encloser {
        Some(labels) if labels < all => name.trim_to(labels + 1),
        _ => return false,
    };
    hashed().any(|(owner, nsec3)| nsec3.opt_out() && covers_hash_of(owner, nsec3, &next_closer))
}

/// Whether a wildcard's records are the name's because of such a span.
fn is_expanded_by_opt_out(answer: &Message, name: &Name) -> bool {
    let wildcards = answer
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::RRSIG(signature)) if is_expanded(record) => {
                Some(usize::from(signature.input().num_labels))
            }
            _ => None,
        });
    let mut next_closers = wildcards.map(|labels| name.trim_to(labels + 1));
    next_closers.any(|next_closer| {
        answer.authorities.iter().any(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::NSEC3(nsec3)) => {
                record.proof == Proof::Secure
                    && nsec3.opt_out()
                    && covers_hash_of(&record.name, nsec3, &next_closer)
            }
            _ => false,
        })
    })
}

/// Whether the hash of the name lies between a record's owner and the next one.
fn covers_hash_of(owner: &Name, nsec3: &NSEC3, name: &Name) -> bool {
    let rounds = nsec3.iterations();
    let Some(first) = owner.iter().next().filter(|_| rounds < NSEC3_INSECURE_FROM) else {
        return false;
    };
    let label = first.to_ascii_lowercase();
    let (Ok(from), Ok(hash)) = (
        BASE32_DNSSEC.decode(&label),
        nsec3.hash_algorithm().hash(nsec3.salt(), name, rounds),
    ) else {
        return false;
    };
    let (from, hash, to) = (&from[..], hash.as_ref(), nsec3.next_hashed_owner_name());
    if from < to {
        from < hash && hash < to
    } else {
        // The chain's last span goes round.
        from < hash || hash < to
    }
}

/// Whether the records at a name are proven to be a DNAME and others, but not the wanted one. Only
/// below its own name a DNAME says nothing (RFC 6840 section 4.1); the library goes further.
fn is_absent_beside_dname(answer: &Message, name: &Name, kind: RecordType) -> bool {
    answer.authorities.iter().any(|record| {
        let (at_name, types) = match &record.data {
            RData::DNSSEC(DNSSECRData::NSEC(nsec)) => (record.name == *name, nsec.type_set()),
            RData::DNSSEC(DNSSECRData::NSEC3(nsec3)) => {
                (is_hash_of(&record.name, nsec3, name), nsec3.type_set())
            }
            _ => return false,
        };
        let has = |kind| types.contains(kind);
        record.proof == Proof::Secure
            && at_name
            && has(RecordType::DNAME)
            && !has(kind)
            && !has(RecordType::CNAME)
            && (has(RecordType::SOA) || !has(RecordType::NS))
    })
}

fn is_hash_of(owner: &Name, nsec3: &NSEC3, name: &Name) -> bool {
    let rounds = nsec3.iterations();
    rounds < NSEC3_INSECURE_FROM
        && nsec3
            .hash_algorithm()
            .hash(nsec3.salt(), name, rounds)
            .is_ok_and(|hash| {
                let label = BASE32_DNSSEC.encode(hash.as_ref());
                let first = owner.iter().next();
                first.is_some_and(|first| first.eq_ignore_ascii_case(label.as_bytes()))
            })
}

/// Whether an NSEC record proves that a wildcard's records are the ones for the name (RFC 4035
/// section 5.3.4). The library misses the commonest case, where that record is the wildcard's own.
fn is_wildcard_proven(answer: &Message, zone: &Name, name: &Name) -> bool {
    let wildcards = answer
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::RRSIG(signature))
                if record.proof == Proof::Secure && record.name == *name =>
            {
                Some(usize::from(signature.input().num_labels))
            }
            _ => None,
        });
    let mut wildcards = wildcards.peekable();
    wildcards.peek().is_some()
        && wildcards.all(|labels| {
            answer.authorities.iter().any(|record| {
                let RData::DNSSEC(DNSSECRData::NSEC(nsec)) = &record.data else {
                    return false;
                };
                let types = nsec.type_set();
                // Below a zone cut or a DNAME the parent denies nothing.
                let denies = !record.name.zone_of(name)
                    || types.contains(RecordType::SOA)
                    || !(types.contains(RecordType::NS) || types.contains(RecordType::DNAME));
                record.proof == Proof::Secure
                    && denies
                    && proves_expansion(zone, name, labels, &record.name, nsec.next_domain_name())
            })
        })
}

/// Whether nothing stands between `owner` and `next`, the name is there, and the closest name above
/// it that exists has as many labels as the wildcard's parent.
fn proves_expansion(zone: &Name, name: &Name, labels: usize, owner: &Name, next: &Name) -> bool {
    let covers = owner < name && (name < next || next == zone) && !name.zone_of(next);
    let encloser = common_labels(name, owner).max(common_labels(name, next));
    covers && encloser == labels
}

fn common_labels(a: &Name, b: &Name) -> usize {
    a.iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(a, b)| a.eq_ignore_ascii_case(b))
        .count()
}

/// The weakest proof of the records at a name, aliases included; unknown if one of them is bogus or
/// there are none.
fn proof_of(answer: &Message, name: &Name, kind: RecordType) -> Security {
    weakest(answer.answers.iter().filter(|record| {
        record.name == *name && [kind, RecordType::CNAME].contains(&record.record_type())
    }))
}

/// The library refuses an absence that is not proven; left is how well its SOA is.
fn absence(answer: &Message) -> Security {
    weakest(
        answer
            .authorities
            .iter()
            .filter(|record| record.record_type() == RecordType::SOA),
    )
}

fn weakest<'a>(records: impl Iterator<Item = &'a Record>) -> Security {
    records
        .map(|record| match record.proof {
            Proof::Secure => Security::Secure,
            Proof::Insecure => Security::Insecure,
            Proof::Bogus | Proof::Indeterminate => Security::Unknown,
        })
        .min()
        .unwrap_or(Security::Unknown)
}

fn unsigned(name: &Name, data: RData) -> Message {
    let mut message = Message::new(0, MessageType::Response, OpCode::Query);
    message.add_answer(Record::from_rdata(name.clone(), 0, data));
    message
}

fn no_soa(name: &Name) -> RData {
    RData::SOA(SOA::new(name.clone(), name.clone(), 0, 0, 0, 0, 0))
}

/// The messages that the verification may look at.
#[derive(Clone, Default)]
struct Gathered {
    answers: Arc<HashMap<(Name, RecordType), DnsResponse>>,
}

impl Gathered {
    fn with(mut self, name: &Name, kind: RecordType, answer: &Message) -> Result<Self, Failure> {
        let part = signed_part(answer, name, kind).ok_or(Failure::Bogus)?;
        let part = DnsResponse::from_message(part).map_err(|_| Failure::Bogus)?;
        Arc::get_mut(&mut self.answers)
            .ok_or(Failure::Bogus)?
            .insert((name.clone(), kind), part);
        Ok(self)
    }
}

impl DnsHandle for Gathered {
    type Response = Once<Ready<Result<DnsResponse, NetError>>>;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> Self::Response {
        let answer = request.queries.first().and_then(|asked| {
            self.answers
                .get(&(asked.name.clone(), asked.query_type))
                .cloned()
        });
        once(ready(answer.ok_or(NetError::Message("not gathered"))))
    }
}

/// What a proof needs of an answer and no more, so that nobody makes us verify at will.
fn signed_part(answer: &Message, name: &Name, kind: RecordType) -> Option<Message> {
    const PROOFS: [RecordType; 3] = [RecordType::SOA, RecordType::NSEC, RecordType::NSEC3];
    let mut part = Message::new(0, MessageType::Response, OpCode::Query);
    part.add_query(Query::query(name.clone(), kind));
    part.answers = records(&answer.answers, |record, of| {
        record.name == *name && [kind, RecordType::CNAME].contains(&of)
    });
    // What is there needs no proof of absence, unless a wildcard made it. The code and the denials
    // beside an alias are about its target.
    if part.answers.is_empty() {
        part.metadata.response_code = answer.metadata.response_code;
    }
    if part.answers.is_empty() || part.answers.iter().any(is_expanded) {
        part.authorities = records(&answer.authorities, |_, of| PROOFS.contains(&of));
    }
    let signatures = part
        .answers
        .iter()
        .chain(&part.authorities)
        .filter(|record| record.record_type() == RecordType::RRSIG)
        .count();
    (signatures <= MAX_SIGNATURES).then_some(part)
}

fn is_expanded(record: &Record) -> bool {
    matches!(&record.data, RData::DNSSEC(DNSSECRData::RRSIG(signature))
        if signature.input().num_labels < record.name.num_labels())
}

/// The records of the wanted types, and the signatures over such.
fn records(all: &[Record], wanted: impl Fn(&Record, RecordType) -> bool) -> Vec<Record> {
    all.iter()
        .filter(|record| {
            let of = match &record.data {
                RData::DNSSEC(DNSSECRData::RRSIG(signature)) => signature.input().type_covered,
                data => data.record_type(),
            };
            wanted(record, of)
        })
        .map(|record| {
            // The question's random case comes back in the answer, and is no part of what is signed.
            let mut record = record.clone();
            record.name = record.name.to_lowercase();
            record
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expansion_is_proven_by_the_gap_around_the_name_alone() {
        let name = |text: &str| Name::from_ascii(text).unwrap();
        let zone = name("acme.example.");
        for (asked, labels, owner, next, expected) in [
            (
                "_c.acme.example.",
                2,
                "*.acme.example.",
                "ns1.acme.example.",
                true,
            ),
            (
                "_c.acme.example.",
                2,
                "*.acme.example.",
                "acme.example.",
                true,
            ),
            (
                "z.acme.example.",
                2,
                "ns1.acme.example.",
                "acme.example.",
                true,
            ),
            (
                "_c.a.acme.example.",
                2,
                "*.acme.example.",
                "ns1.acme.example.",
                true,
            ),
            // A closer name exists, so that its wildcard would answer.
            (
                "_c.a.acme.example.",
                2,
                "a.acme.example.",
                "b.acme.example.",
                false,
            ),
            (
                "_c.a.acme.example.",
                2,
                "*.acme.example.",
                "d.a.acme.example.",
                false,
            ),
            // The name exists, or the gap is elsewhere.
            (
                "_c.acme.example.",
                2,
                "_c.acme.example.",
                "ns1.acme.example.",
                false,
            ),
            (
                "_c.acme.example.",
                2,
                "*.acme.example.",
                "x._c.acme.example.",
                false,
            ),
            (
                "_c.acme.example.",
                2,
                "ns1.acme.example.",
                "ns2.acme.example.",
                false,
            ),
        ] {
            assert_eq!(
                proves_expansion(&zone, &name(asked), labels, &name(owner), &name(next)),
                expected,
                "{asked} {owner} {next}"
            );
        }
    }
}
