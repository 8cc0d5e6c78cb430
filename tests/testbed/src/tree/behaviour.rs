//! Ways in which a server fails or lies.

use std::time::Duration;

use hickory_proto::op::ResponseCode;

/// How a server treats questions, all of them or those for one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    Normal,
    /// No answer at all, and connections without one.
    Silent,
    /// No answer over UDP.
    TcpOnly,
    /// Connections are closed at once.
    UdpOnly,
    /// An empty answer with TC=1 over UDP, the real one over TCP.
    TruncatedOverUdp,
    /// Over UDP the real answer with TC=1, cut inside its last record.
    CutInsideRecord,
    /// An empty answer with TC=1 over UDP, and connections are closed at once.
    TruncatedWithoutTcp,
    /// An empty answer with TC=1, over TCP too.
    AlwaysTruncated,
    /// An empty answer with this code.
    Rcode(ResponseCode),
    /// FORMERR to questions with EDNS, as servers older than it answer.
    FormErrToEdns,
    /// Refers to the root, as servers that do not have the zone once did.
    UpwardReferral,
    /// The real answer without AA.
    NotAuthoritative,
    /// The real answer under another id, and nothing else.
    WrongId,
    /// The real answer to a question that nobody asked.
    WrongQuestion,
    /// The real answer, its question in lower case whatever the asker's case.
    FlatCase,
    /// First, from another port, an answer with this TXT value; then the real one.
    SpoofedFirst(String),
    /// Only the forged answer from another port.
    SpoofedOnly(String),
    /// Over UDP an answer with this TXT value, as from a forger whose packet came first and was
    /// right in everything; over TCP the real one.
    ForgedOverUdp(String),
    /// The answer's records belong to another name than the one asked for.
    ForeignOwner,
    /// The real answer, and beside it a TXT record with this value at another name.
    ForeignBeside(String),
    /// NXDOMAIN beside the real answer.
    NxDomainWithAnswers,
    /// Negative answers lack the SOA record that proves them.
    NegativeWithoutSoa,
    /// Negative answers carry the SOA record of a zone that has nothing to do with the name.
    NegativeWithForeignSoa,
    /// NXDOMAIN with the zone's SOA, whatever is asked.
    DeniesEverything,
    /// The real answer, late.
    Slow(Duration),
    /// Octets that are no DNS message, after the right id.
    Garbage,
    /// The real answer with these signatures.
    Signatures(Signatures),
    /// Before the right signature so many wrong ones, each of which costs a validator time.
    ManySignatures(u8),
}

/// How a signed zone's answers are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signatures {
    Valid,
    /// With one bit changed.
    Bogus,
    /// Valid until yesterday.
    Expired,
    /// Valid from tomorrow on.
    Early,
    /// Left out.
    Missing,
}
