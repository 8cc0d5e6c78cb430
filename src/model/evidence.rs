//! What the DNS answered.

use std::sync::Arc;

use jiff::Timestamp;

use super::challenge::RecordForm;

/// All that one check gathered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// When the gathering began; a proof is no younger than that.
    pub time: Timestamp,
    pub source: Source,
    /// Whether only answers of signed zones count.
    pub secure_only: bool,
    /// One for each form of the challenge's records.
    pub lookups: Vec<Lookup>,
    /// The zone that the domain lies in.
    pub zone: Option<ZoneServers>,
    /// Whether that zone registers names for others, so that the domain is not delegated at all.
    pub registry: bool,
    /// What was found where people publish the record by mistake.
    pub strays: Vec<Stray>,
    /// Where the way to the domain ended before any of its own servers was found.
    pub unreached: Option<Unreached>,
    /// The first zone on the way whose DNSSEC signatures do not hold.
    pub broken: Option<BrokenZone>,
}

impl Evidence {
    /// All questions, and what came of each.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        let lookups = self.lookups.iter();
        let unreached = self.unreached.iter().map(|unreached| &unreached.step);
        let strays = self.strays.iter().map(|stray| &stray.step);
        unreached
            .chain(lookups.flat_map(|lookup| &lookup.steps))
            .chain(strays)
    }

    /// Whether no packet came back, whoever was asked: it may be the network's fault, not the domain's.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        let outcomes = || self.steps().flat_map(|step| &step.answers);
        let is_silent = |answer: &ServerAnswer| match answer.outcome {
            Outcome::Failed(failure) => {
                failure.is_silence() || failure == Failure::Unreachable || !failure.was_asked()
            }
            _ => false,
        };
        let was_asked = |answer: &ServerAnswer| match answer.outcome {
            Outcome::Failed(failure) => failure.was_asked(),
            _ => true,
        };
        outcomes().any(was_asked) && outcomes().all(is_silent)
    }
}

/// A name at which the record does not belong, and what one server says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    pub place: Misplacement,
    pub step: Step,
}

/// How a record comes to stand at the wrong name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misplacement {
    /// A panel took the full name for one relative to the zone, and appended the zone.
    ZoneAppended(RecordForm),
    /// The record is at the name for the domain's parent.
    ParentDomain(RecordForm),
}

/// A zone whose signatures do not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenZone {
    /// Without a final dot; the root is a dot.
    pub zone: String,
    /// [`Failure::Bogus`] or one that says more.
    pub failure: Failure,
}

/// A zone above the domain none of whose servers gave an answer to go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreached {
    /// Without a final dot; the root is a dot.
    pub zone: String,
    pub step: Step,
}

/// Who was asked, which decides how many of them must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Every server of the zone.
    Authoritative,
    /// Configured recursive servers.
    Recursive,
}

/// A zone and its servers, as its parent delegates it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneServers {
    /// Without a final dot; the root is a dot.
    pub name: String,
    /// Host names in lower case, sorted, without a final dot.
    pub hosts: Vec<String>,
}

/// What was asked for the record of one form, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    pub form: RecordForm,
    /// The questions in their order: each but the last led to the next by an alias or a zone cut.
    pub steps: Vec<Step>,
    /// Why the look-up ended before an answer, where it did.
    pub stopped: Option<Failure>,
    /// Whether something that the steps rest on, such as the address of a name server, was not
    /// answered by every server asked.
    pub partial: bool,
    pub security: Security,
}

impl Lookup {
    /// The answers to all its questions.
    pub fn answers(&self) -> impl Iterator<Item = &ServerAnswer> {
        self.steps.iter().flat_map(|step| &step.answers)
    }

    /// The TXT values that were found, but for a wildcard's.
    pub fn values(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.answers().flat_map(|answer| match &answer.outcome {
            Outcome::Values { values, .. } => values.as_slice(),
            _ => &[],
        })
    }
}

/// One question, put to every server that should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The name asked for, without a final dot.
    pub name: String,
    pub answers: Vec<ServerAnswer>,
}

/// What one server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAnswer {
    /// The server as its configuration or its delegation names it, and its address.
    pub server: Arc<str>,
    pub outcome: Outcome,
}

/// What an answer means before anybody compares it with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// TXT values, each with its character-strings joined (RFC 1035 section 3.3.14).
    Values {
        values: Vec<Vec<u8>>,
        aliases: Vec<String>,
    },
    /// The name exists and has no TXT record, and the zone's SOA says so (RFC 2308).
    NoData { aliases: Vec<String> },
    /// The name does not exist, and the zone's SOA says so.
    NxDomain { aliases: Vec<String> },
    /// The name itself does not exist; a wildcard answers with these values.
    WildcardValues { values: Vec<Vec<u8>> },
    /// The name is an alias, but so is every other label beside it: a wildcard delegates nothing.
    WildcardAlias { aliases: Vec<String> },
    /// The name is an alias, by a CNAME of its own or a DNAME above it.
    Alias { target: String },
    /// The name lies in a zone of its own, with these servers.
    Referral(ZoneServers),
    /// The server is one of that zone's own, and answers for it where others refer to it.
    Below(ZoneServers),
    /// The server gave no answer that means anything.
    Failed(Failure),
}

/// What DNSSEC says of an answer (RFC 4033 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Security {
    /// Nobody looked.
    Unknown,
    /// A parent proves that the zone is not signed.
    Insecure,
    /// Signed, and valid up to a trust anchor.
    Secure,
}

/// Why an answer means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Failure {
    #[error("no answer in time")]
    Timeout,
    #[error("could not be reached")]
    Unreachable,
    #[error("the server's certificate is not trusted, or is for another name")]
    Certificate,
    #[error("an HTTP error, or no DNS message in the HTTP answer")]
    Http,
    #[error("SERVFAIL")]
    ServFail,
    #[error("REFUSED")]
    Refused,
    #[error("FORMERR")]
    FormErr,
    #[error("NOTIMP")]
    NotImp,
    #[error("an unusual error code")]
    OtherCode,
    #[error("a malformed answer")]
    Malformed,
    #[error("a negative answer without the zone's SOA")]
    NegativeWithoutSoa,
    #[error("a CNAME chain that is too long or a loop")]
    AliasChain,
    #[error("truncated, and no answer over TCP")]
    Truncated,
    #[error("no answer over TCP")]
    NoTcp,
    #[error("not a server of the zone: the answer lacks authority")]
    Lame,
    #[error("the name server's host name has no address")]
    NoAddress,
    #[error("its address could not be looked up")]
    AddressLookup,
    #[error("not asked: it left too many recent queries unanswered")]
    NotAsked,
    #[error("no server was asked")]
    NobodyAsked,
    #[error("not asked: its address is not public")]
    NotPublicAddress,
    #[error("not asked: an alias or name server is outside the public DNS")]
    NotPublicName,
    #[error("the servers of a zone on the way to the record disagree")]
    Disagreement,
    #[error("the DNSSEC signatures are missing or wrong")]
    Bogus,
    #[error("the DNSSEC signatures have expired")]
    SignatureExpired,
    #[error("the DNSSEC signatures are not valid yet")]
    SignatureNotYetValid,
    #[error("the root zone's keys do not match the trust anchor")]
    UntrustedRoot,
    #[error("not used: DNSSEC is broken in a zone above")]
    BrokenAbove,
    #[error("the zone is not signed, and this install requires DNSSEC")]
    NotSigned,
    #[error("the lookup needs more queries, bytes or time than a check may use")]
    Budget,
}

impl Failure {
    /// Whether a question was sent: what was not sent, nobody left unanswered.
    #[must_use]
    pub fn was_asked(self) -> bool {
        !matches!(
            self,
            Self::NotAsked
                | Self::NobodyAsked
                | Self::NotPublicAddress
                | Self::NotPublicName
                | Self::NoAddress
                | Self::AddressLookup
                | Self::Budget
        )
    }

    /// Whether the server let the question pass.
    #[must_use]
    pub fn is_silence(self) -> bool {
        matches!(self, Self::Timeout | Self::NoTcp)
    }

    /// Whether signatures are at fault.
    #[must_use]
    pub fn is_of_dnssec(self) -> bool {
        matches!(
            self,
            Self::Bogus | Self::SignatureExpired | Self::SignatureNotYetValid | Self::UntrustedRoot
        )
    }
}
