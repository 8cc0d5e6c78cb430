//! What the DNS answered.

use jiff::Timestamp;

use super::challenge::RecordForm;

/// All that one check gathered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// When the gathering began; a proof is no younger than that.
    pub time: Timestamp,
    /// One for each form of the challenge's records.
    pub lookups: Vec<Lookup>,
}

/// What all servers answered about the record of one form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    pub form: RecordForm,
    pub answers: Vec<ServerAnswer>,
}

/// What one server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAnswer {
    /// The server as its configuration or its delegation names it.
    pub server: String,
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
    /// The name is an alias, but so is every other label beside it: a wildcard delegates nothing.
    WildcardAlias { aliases: Vec<String> },
    /// The server gave no answer that means anything.
    Failed(Failure),
}

/// Why an answer means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Failure {
    #[error("no answer in time")]
    Timeout,
    #[error("could not be reached")]
    Unreachable,
    #[error("SERVFAIL")]
    ServFail,
    #[error("REFUSED")]
    Refused,
    #[error("an error code other than NXDOMAIN")]
    OtherCode,
    #[error("a malformed answer")]
    Malformed,
    #[error("a negative answer without the zone's SOA")]
    NegativeWithoutSoa,
    #[error("a CNAME chain that is too long or a loop")]
    AliasChain,
    #[error("truncated, and no answer over TCP")]
    Truncated,
}
