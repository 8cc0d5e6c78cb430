//! What an answer says, read without trust: only records of the right owner count.

use std::net::IpAddr;

use hickory_resolver::net::proto::op::{Message, ResponseCode};
use hickory_resolver::net::proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::budget::MAX_SERVERS;
use crate::model::evidence::{Failure, Outcome};

/// Addresses of one host that are read.
const MAX_GLUE: usize = 16;
/// Most aliases that are followed.
pub const MAX_ALIASES: usize = 8;

/// What an authoritative server says of a name, one step at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// TXT values, each with its character-strings joined (RFC 1035 section 3.3.14).
    Texts(Vec<Vec<u8>>),
    /// Addresses, sorted.
    Addresses(Vec<IpAddr>),
    /// The name is another name, by a CNAME of its own or by a DNAME above it.
    Alias {
        target: Name,
        /// The owner of the DNAME, where it is one.
        above: Option<Name>,
    },
    Referral(Referral),
    /// The name exists without the type.
    NoData {
        /// The zone whose SOA says so.
        zone: Name,
    },
    NxDomain {
        zone: Name,
    },
    /// A zone above the one that was asked denies the name, and so that there is a cut.
    NoSuchZone {
        /// The zone whose SOA says so.
        above: Name,
    },
}

/// A zone cut between the zone that was asked and the name, as the parent's side sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referral {
    pub cut: Name,
    /// Sorted, each with the addresses that the parent gave along, also sorted.
    pub hosts: Vec<(Name, Vec<IpAddr>)>,
    /// Seconds, of the name server records.
    pub ttl: u32,
}

impl Referral {
    /// What several servers of one zone say of a cut together; none where they contradict each other.
    /// Addresses that differ do. One that a server left out does not: those of names outside the cut
    /// are optional (RFC 9471). But it is no word of all of them, so it is left out here too and
    /// looked up; for a name inside the cut nobody else could tell, and most must have given it.
    #[must_use]
    pub fn of_all(referrals: &[&Self]) -> Option<Self> {
        let (first, others) = referrals.split_first()?;
        let mut agreed = (*first).clone();
        for other in others {
            let same_hosts = || {
                let both = agreed.hosts.iter().zip(&other.hosts);
                agreed.hosts.len() == other.hosts.len() && both.into_iter().all(|(a, b)| a.0 == b.0)
            };
            if agreed.cut != other.cut || !same_hosts() {
                return None;
            }
            agreed.ttl = agreed.ttl.min(other.ttl);
        }
        for (n, (host, glue)) in agreed.hosts.iter_mut().enumerate() {
            let is_inside = agreed.cut.zone_of(host);
            let mut kept = Vec::new();
            for v6 in [false, true] {
                let given = referrals.iter().map(|referral| {
                    let of_kind = referral.hosts[n].1.iter().filter(|ip| ip.is_ipv6() == v6);
                    of_kind.copied().collect::<Vec<IpAddr>>()
                });
                let given: Vec<Vec<IpAddr>> = given.filter(|given| !given.is_empty()).collect();
                if given.windows(2).any(|pair| pair[0] != pair[1]) {
                    return None;
                }
                let enough = if is_inside {
                    given.len() * 2 > referrals.len()
                } else {
                    given.len() == referrals.len()
                };
                if enough {
                    kept.extend(given.into_iter().next().into_iter().flatten());
                }
            }
            *glue = kept;
        }
        Some(agreed)
    }
}

/// Reads what a server of `zone` answered to a question for `name` and `kind`.
pub fn read_authoritative(
    message: &Message,
    zone: &Name,
    name: &Name,
    kind: RecordType,
) -> Result<Reading, Failure> {
    let missing = code(message)?;
    if !message.metadata.authoritative {
        return match referral(message, zone, name) {
            Some(referral) if !missing && message.answers.is_empty() => referral,
            _ => Err(Failure::Lame),
        };
    }
    // The CNAME that goes with a DNAME is made up by the server, and nobody signs it.
    if let Some((owner, target)) = above(message, zone, name) {
        return Ok(Reading::Alias {
            target: substituted(name, &owner, &target).ok_or(Failure::Malformed)?,
            above: Some(owner),
        });
    }
    let mut aliases = records_of(&message.answers, name).filter_map(target);
    if let Some(target) = aliases.next() {
        // A CNAME stands alone at its name (RFC 2181 section 10.1).
        let alone = aliases.next().is_none()
            && records_of(&message.answers, name).all(|record| record.record_type() != kind);
        return if alone {
            Ok(Reading::Alias {
                target,
                above: None,
            })
        } else {
            Err(Failure::Malformed)
        };
    }
    let mut records = records_of(&message.answers, name)
        .filter(|record| record.record_type() == kind)
        .peekable();
    if records.peek().is_some() {
        // A name that does not exist has no records.
        return if missing {
            Err(Failure::Malformed)
        } else {
            Ok(read_records(records))
        };
    }
    // Without the zone's SOA a negative answer is a referral or comes from a broken server
    // (RFC 2308 section 2).
    if let Some(zone) = soa_owner(message, zone, name) {
        return Ok(if missing {
            Reading::NxDomain { zone }
        } else {
            Reading::NoData { zone }
        });
    }
    match referral(message, zone, name) {
        Some(referral) if !missing && message.answers.is_empty() => referral,
        _ => {
            let above = soa_owner(message, &Name::root(), name);
            let above = above.ok_or(Failure::NegativeWithoutSoa)?;
            Ok(Reading::NoSuchZone { above })
        }
    }
}

/// Reads what a recursive server answered to a TXT question for `name`. Every alias on the way must
/// be one that `follows` admits.
#[must_use]
pub fn read_recursive(answer: &Message, name: &Name, follows: impl Fn(&Name) -> bool) -> Outcome {
    let missing = match code(answer) {
        Ok(missing) => missing,
        Err(failure) => return Outcome::Failed(failure),
    };
    let (owner, aliases) = match follow(&answer.answers, name, follows) {
        Ok(end) => end,
        Err(failure) => return Outcome::Failed(failure),
    };
    let values: Vec<Vec<u8>> = records_of(&answer.answers, &owner)
        .filter_map(text)
        .collect();
    if !values.is_empty() {
        return if missing {
            Outcome::Failed(Failure::Malformed)
        } else {
            Outcome::Values { values, aliases }
        };
    }
    if soa_owner(answer, &Name::root(), &owner).is_none() {
        return Outcome::Failed(Failure::NegativeWithoutSoa);
    }
    if missing {
        Outcome::NxDomain { aliases }
    } else {
        Outcome::NoData { aliases }
    }
}

/// Whether two answers have the same values, in whatever order.
#[must_use]
pub fn is_same_set(a: &[Vec<u8>], b: &[Vec<u8>]) -> bool {
    let sorted = |values: &[Vec<u8>]| {
        let mut values = values.to_vec();
        values.sort_unstable();
        values.dedup();
        values
    };
    sorted(a) == sorted(b)
}

/// A name for people, in lower case and without the final dot; the root is a dot.
#[must_use]
pub fn shown(name: &Name) -> String {
    let is_plain = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    if !name.is_root() && name.iter().flatten().all(is_plain) {
        // Nearly all are, and need no escapes.
        let mut text = String::with_capacity(name.len());
        for label in name {
            if !text.is_empty() {
                text.push('.');
            }
            text.extend(
                label
                    .iter()
                    .map(|&octet| char::from(octet.to_ascii_lowercase())),
            );
        }
        return text;
    }
    let mut text = name.to_lowercase().to_ascii();
    if text.len() > 1 && text.ends_with('.') {
        text.pop();
    }
    text
}

/// Whether the code says that the name does not exist, where it says anything.
fn code(message: &Message) -> Result<bool, Failure> {
    match message.metadata.response_code {
        ResponseCode::NoError => Ok(false),
        ResponseCode::NXDomain => Ok(true),
        ResponseCode::ServFail => Err(Failure::ServFail),
        ResponseCode::Refused => Err(Failure::Refused),
        ResponseCode::FormErr => Err(Failure::FormErr),
        ResponseCode::NotImp => Err(Failure::NotImp),
        _ => Err(Failure::OtherCode),
    }
}

fn read_records<'a>(records: impl Iterator<Item = &'a Record>) -> Reading {
    let (mut texts, mut addresses) = (Vec::new(), Vec::new());
    for record in records {
        match &record.data {
            RData::A(a) => addresses.push(IpAddr::V4(a.0)),
            RData::AAAA(aaaa) => addresses.push(IpAddr::V6(aaaa.0)),
            _ => texts.extend(text(record)),
        }
    }
    if addresses.is_empty() {
        return Reading::Texts(texts);
    }
    addresses.sort_unstable();
    addresses.dedup();
    Reading::Addresses(addresses)
}

fn text(record: &Record) -> Option<Vec<u8>> {
    match &record.data {
        RData::TXT(txt) => Some(txt.txt_data.concat()),
        _ => None,
    }
}

fn target(record: &Record) -> Option<Name> {
    match &record.data {
        RData::CNAME(target) => Some(target.0.to_lowercase()),
        _ => None,
    }
}

/// The DNAME of the zone that moves the name, with its target (RFC 6672).
fn above(message: &Message, zone: &Name, name: &Name) -> Option<(Name, Name)> {
    message.answers.iter().find_map(|record| {
        let owner = &record.name;
        let fits = record.record_type() == RecordType::DNAME
            && record.dns_class == DNSClass::IN
            && zone.zone_of(owner)
            && owner.zone_of(name)
            && owner != name;
        let RData::Unknown { rdata, .. } = &record.data else {
            return None;
        };
        let target = fits.then(|| uncompressed_name(&rdata.anything))??;
        Some((owner.to_lowercase(), target.to_lowercase()))
    })
}

/// A name as a DNAME carries it, which is never compressed (RFC 6672 section 2.1).
fn uncompressed_name(mut octets: &[u8]) -> Option<Name> {
    let mut labels = Vec::new();
    loop {
        let (&length, rest) = octets.split_first()?;
        if length == 0 {
            return rest.is_empty().then(|| Name::from_labels(labels).ok())?;
        }
        if length > 63 {
            return None;
        }
        let (label, rest) = rest.split_at_checked(usize::from(length))?;
        labels.push(label);
        octets = rest;
    }
}

fn substituted(name: &Name, owner: &Name, target: &Name) -> Option<Name> {
    let kept = name.iter().count() - owner.iter().count();
    Name::from_labels(name.iter().take(kept).chain(target.iter())).ok()
}

/// The cut that the authority section tells of, if it lies between the zone and the name. Anything
/// else, above all a cut at the zone or over it, means that the server does not serve the zone.
fn referral(message: &Message, zone: &Name, name: &Name) -> Option<Result<Reading, Failure>> {
    let mut servers =
        message
            .authorities
            .iter()
            .filter_map(|record| match (&record.data, record.dns_class) {
                (RData::NS(host), DNSClass::IN) => Some((record, host.0.to_lowercase())),
                _ => None,
            });
    let (first, host) = servers.next()?;
    let cut = first.name.to_lowercase();
    if !(zone.zone_of(&cut) && cut != *zone && cut.zone_of(name)) {
        return None;
    }
    let mut ttl = first.ttl;
    let mut hosts = vec![host];
    for (record, host) in servers {
        if record.name != cut {
            return Some(Err(Failure::Malformed));
        }
        ttl = ttl.min(record.ttl);
        hosts.push(host);
    }
    hosts.sort_unstable();
    hosts.dedup();
    // Of more servers than are ever asked nothing is looked for: an answer has room for thousands.
    let is_too_many = hosts.len() > MAX_SERVERS;
    let hosts = hosts
        .into_iter()
        .map(|host| {
            let glue = if is_too_many {
                Vec::new()
            } else {
                glue(message, zone, &host)
            };
            (host, glue)
        })
        .collect();
    Some(Ok(Reading::Referral(Referral { cut, hosts, ttl })))
}

/// The addresses that a zone gives for a host of its own bailiwick; of others it knows nothing.
fn glue(message: &Message, zone: &Name, host: &Name) -> Vec<IpAddr> {
    if !zone.zone_of(host) {
        return Vec::new();
    }
    let mut addresses: Vec<IpAddr> = records_of(&message.additionals, host)
        .filter_map(|record| record.data.ip_addr())
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(MAX_GLUE);
    addresses
}

/// The zone, at or below `zone` and at or above `name`, whose SOA the authority section has.
fn soa_owner(message: &Message, zone: &Name, name: &Name) -> Option<Name> {
    message.authorities.iter().find_map(|record| {
        let fits = matches!(record.data, RData::SOA(_))
            && zone.zone_of(&record.name)
            && record.name.zone_of(name);
        fits.then(|| record.name.to_lowercase())
    })
}

/// Follows CNAMEs inside the answer: the last owner, and every name on the way to it.
fn follow(
    answers: &[Record],
    name: &Name,
    follows: impl Fn(&Name) -> bool,
) -> Result<(Name, Vec<String>), Failure> {
    let mut owner = name.clone();
    let mut aliases = Vec::new();
    loop {
        let Some(target) = alias_of(answers, &owner) else {
            return Ok((owner, aliases));
        };
        if aliases.len() == MAX_ALIASES {
            return Err(Failure::AliasChain);
        }
        if !follows(&target) {
            return Err(Failure::NotPublicName);
        }
        aliases.push(shown(&target));
        owner = target;
    }
}

fn alias_of(answers: &[Record], owner: &Name) -> Option<Name> {
    records_of(answers, owner).find_map(target)
}

fn records_of<'a>(records: &'a [Record], owner: &'a Name) -> impl Iterator<Item = &'a Record> {
    records
        .iter()
        .filter(move |record| record.name == *owner && record.dns_class == DNSClass::IN)
}

#[cfg(test)]
mod tests {
    use hickory_resolver::net::proto::op::{MessageType, OpCode};
    use hickory_resolver::net::proto::rr::rdata::{A, CNAME, NS, NULL, SOA, TXT};

    use super::*;

    #[test]
    fn a_plain_name_is_shown_as_any_other() {
        for (name, text) in [
            (".", "."),
            ("A.", "a"),
            (
                "_Freehold-Challenge.acme.example.",
                "_freehold-challenge.acme.example",
            ),
            ("a\\.b.acme.example.", "a\\.b.acme.example"),
        ] {
            assert_eq!(shown(&Name::from_ascii(name).unwrap()), text);
        }
    }

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn record(owner: &str, data: RData) -> Record {
        Record::from_rdata(name(owner), 60, data)
    }

    fn txt(owner: &str, text: &str) -> Record {
        record(owner, RData::TXT(TXT::new(vec![text.to_owned()])))
    }

    fn cname(owner: &str, target: &str) -> Record {
        record(owner, RData::CNAME(CNAME(name(target))))
    }

    fn ns(owner: &str, host: &str) -> Record {
        record(owner, RData::NS(NS(name(host))))
    }

    fn a(owner: &str, last: u8) -> Record {
        record(owner, RData::A(A::new(192, 0, 2, last)))
    }

    fn soa(owner: &str) -> Record {
        let soa = SOA::new(name("ns."), name("post."), 1, 2, 3, 4, 5);
        record(owner, RData::SOA(soa))
    }

    fn dname(owner: &str, target: &[u8]) -> Record {
        record(
            owner,
            RData::Unknown {
                code: RecordType::DNAME,
                rdata: NULL::with(target.to_vec()),
            },
        )
    }

    struct Answer {
        code: ResponseCode,
        authoritative: bool,
        answers: Vec<Record>,
        authorities: Vec<Record>,
        additionals: Vec<Record>,
    }

    impl Default for Answer {
        fn default() -> Self {
            Self {
                code: ResponseCode::NoError,
                authoritative: true,
                answers: vec![],
                authorities: vec![],
                additionals: vec![],
            }
        }
    }

    impl Answer {
        fn message(self) -> Message {
            let mut message = Message::new(1, MessageType::Response, OpCode::Query);
            message.metadata.response_code = self.code;
            message.metadata.authoritative = self.authoritative;
            message.answers = self.answers;
            message.authorities = self.authorities;
            message.additionals = self.additionals;
            message
        }

        fn read(self) -> Result<Reading, Failure> {
            read_authoritative(
                &self.message(),
                &name("acme.example."),
                &name("_c.acme.example."),
                RecordType::TXT,
            )
        }
    }

    fn texts(values: &[&str]) -> Reading {
        Reading::Texts(values.iter().map(|v| v.as_bytes().to_vec()).collect())
    }

    #[test]
    fn only_the_owner_s_own_records_count() {
        let answer = Answer {
            answers: vec![
                txt("other.example.", "foreign"),
                txt("_C.ACME.example.", "ours"),
                txt("acme.example.", "above"),
            ],
            ..Answer::default()
        };
        assert_eq!(answer.read(), Ok(texts(&["ours"])));
        let answer = Answer {
            answers: vec![txt("other.example.", "foreign")],
            ..Answer::default()
        };
        assert_eq!(answer.read(), Err(Failure::NegativeWithoutSoa));
    }

    #[test]
    fn strings_of_a_record_are_joined_and_records_are_not() {
        let split = TXT::new(vec!["token=".to_owned(), "abc".to_owned()]);
        let answer = Answer {
            answers: vec![
                record("_c.acme.example.", RData::TXT(split)),
                txt("_c.acme.example.", "second"),
            ],
            ..Answer::default()
        };
        assert_eq!(answer.read(), Ok(texts(&["token=abc", "second"])));
    }

    #[test]
    fn negatives_need_a_soa_between_zone_and_name() {
        for (owner, code, expected) in [
            (
                "acme.example.",
                ResponseCode::NoError,
                Ok(Reading::NoData {
                    zone: name("acme.example."),
                }),
            ),
            (
                "acme.example.",
                ResponseCode::NXDomain,
                Ok(Reading::NxDomain {
                    zone: name("acme.example."),
                }),
            ),
            (
                "_c.acme.example.",
                ResponseCode::NoError,
                Ok(Reading::NoData {
                    zone: name("_c.acme.example."),
                }),
            ),
            (
                "example.",
                ResponseCode::NXDomain,
                Ok(Reading::NoSuchZone {
                    above: name("example."),
                }),
            ),
            (
                "x.acme.example.",
                ResponseCode::NoError,
                Err(Failure::NegativeWithoutSoa),
            ),
        ] {
            let answer = Answer {
                code,
                authorities: vec![soa(owner)],
                ..Answer::default()
            };
            assert_eq!(answer.read(), expected, "{owner}");
        }
    }

    #[test]
    fn broken_answers_count_for_nothing() {
        for (code, failure) in [
            (ResponseCode::ServFail, Failure::ServFail),
            (ResponseCode::Refused, Failure::Refused),
            (ResponseCode::FormErr, Failure::FormErr),
            (ResponseCode::NXDomain, Failure::Malformed),
        ] {
            let answer = Answer {
                code,
                answers: vec![txt("_c.acme.example.", "ours")],
                ..Answer::default()
            };
            assert_eq!(answer.read(), Err(failure), "{code}");
        }
        let answer = Answer {
            authoritative: false,
            answers: vec![txt("_c.acme.example.", "ours")],
            ..Answer::default()
        };
        assert_eq!(answer.read(), Err(Failure::Lame));
    }

    #[test]
    fn a_cname_stands_alone() {
        let alias = |answers| {
            Answer {
                answers,
                ..Answer::default()
            }
            .read()
        };
        let follows = Ok(Reading::Alias {
            target: name("t.dcv.example."),
            above: None,
        });
        let one = cname("_c.acme.example.", "T.dcv.example.");
        assert_eq!(alias(vec![one.clone()]), follows);
        assert_eq!(
            alias(vec![one.clone(), txt("t.dcv.example.", "unasked")]),
            follows
        );
        assert_eq!(
            alias(vec![one.clone(), txt("_c.acme.example.", "beside")]),
            Err(Failure::Malformed)
        );
        assert_eq!(
            alias(vec![one, cname("_c.acme.example.", "u.example.")]),
            Err(Failure::Malformed)
        );
    }

    #[test]
    fn a_dname_moves_what_is_below_it() {
        let target = b"\x03new\x07example\x00";
        let answer = |answers| {
            Answer {
                answers,
                ..Answer::default()
            }
            .read()
        };
        assert_eq!(
            answer(vec![dname("acme.example.", target)]),
            Ok(Reading::Alias {
                target: name("_c.new.example."),
                above: Some(name("acme.example.")),
            })
        );
        for (owner, target) in [
            ("_c.acme.example.", &target[..]),
            ("example.", &target[..]),
            ("acme.example.", &b"\x03new"[..]),
            ("acme.example.", &b"\xc0\x0c"[..]),
        ] {
            assert_eq!(
                answer(vec![dname(owner, target)]),
                Err(Failure::NegativeWithoutSoa),
                "{owner}"
            );
        }
    }

    #[test]
    fn a_referral_leads_down_and_nowhere_else() {
        let read = |cut: &str| {
            Answer {
                authoritative: false,
                authorities: vec![ns(cut, "NS2.host.example."), ns(cut, "ns1.acme.example.")],
                additionals: vec![
                    a("ns1.acme.example.", 2),
                    a("ns1.acme.example.", 1),
                    a("ns2.host.example.", 9),
                ],
                ..Answer::default()
            }
            .read()
        };
        let one = [1, 2].map(|n| IpAddr::from([192, 0, 2, n])).to_vec();
        let expected = Referral {
            cut: name("_c.acme.example."),
            // Of a host outside of its bailiwick the zone knows nothing.
            hosts: vec![
                (name("ns1.acme.example."), one),
                (name("ns2.host.example."), vec![]),
            ],
            ttl: 60,
        };
        assert_eq!(read("_c.acme.example."), Ok(Reading::Referral(expected)));
        for cut in [
            "acme.example.",
            "example.",
            ".",
            "x.acme.example.",
            "d._c.acme.example.",
        ] {
            assert_eq!(read(cut), Err(Failure::Lame), "{cut}");
        }
    }

    #[test]
    fn a_recursive_answer_is_followed_inside_and_only_where_allowed() {
        let answer = |answers: Vec<Record>| {
            Answer {
                answers,
                authorities: vec![soa("example.")],
                ..Answer::default()
            }
            .message()
        };
        let read = |message: &Message| read_recursive(message, &name("_c.acme.example."), |_| true);
        let chain = |n: usize| {
            (0..n)
                .map(|i| {
                    let owner = match i {
                        0 => "_c.acme.example.".to_owned(),
                        i => format!("c{i}.example."),
                    };
                    cname(&owner, &format!("c{}.example.", i + 1))
                })
                .collect::<Vec<_>>()
        };
        let mut eight = chain(8);
        eight.push(txt("c8.example.", "end"));
        assert!(
            matches!(read(&answer(eight)), Outcome::Values { aliases, .. } if aliases.len() == 8)
        );
        assert_eq!(
            read(&answer(chain(9))),
            Outcome::Failed(Failure::AliasChain)
        );
        let circle = vec![
            cname("_c.acme.example.", "d.example."),
            cname("d.example.", "_c.acme.example."),
        ];
        assert_eq!(read(&answer(circle)), Outcome::Failed(Failure::AliasChain));
        let inside = answer(vec![
            cname("_c.acme.example.", "db.internal."),
            txt("db.internal.", "secret"),
        ]);
        let refused = read_recursive(&inside, &name("_c.acme.example."), |target| {
            *target != name("db.internal.")
        });
        assert_eq!(refused, Outcome::Failed(Failure::NotPublicName));
    }
}
