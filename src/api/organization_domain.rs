//! An organization domain: an organization's statement "this domain is ours".

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions;

/// Most values of other records that a status repeats.
pub const MAX_OBSERVED_VALUES: usize = 10;
/// Longest repeated value, in characters, escapes included.
pub const MAX_OBSERVED_CHARS: usize = 255;
/// Longest hint, in characters.
pub const MAX_HINT_CHARS: usize = 1024;
/// Most answers that a status lists.
pub const MAX_LISTED_ANSWERS: usize = 32;

/// An organization's statement "this domain is ours". Stating gives nothing: several may state the
/// same domain, and the one that proves it holds it.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "freehold.dev",
    version = "v1alpha1",
    kind = "OrganizationDomain",
    namespaced,
    status = "OrganizationDomainStatus",
    doc = "An organization's statement \"this domain is ours\". The operator writes the DNS record to publish into status.challenge.records and sets the condition Verified once the DNS shows it. Stating gives nothing: several organizations may state the same domain, and the one that proves it holds it.",
    shortname = "orgdomain",
    category = "freehold",
    selectable = ".spec.domain",
    selectable = ".spec.organizationRef.name",
    selectable = ".status.canonicalName",
    selectable = ".status.state",
    printcolumn(name = "Domain", type_ = "string", json_path = ".spec.domain"),
    printcolumn(name = "Organization", type_ = "string", json_path = ".spec.organizationRef.name"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Record Name", type_ = "string", json_path = ".status.challenge.records[0].name", priority = 1),
    printcolumn(name = "Record Value", type_ = "string", json_path = ".status.challenge.records[0].value", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = ("size(self.metadata.name) <= 230", "metadata.name may have at most 230 characters, so that Events about the object can be named after it")
)]
#[serde(rename_all = "camelCase")]
pub struct OrganizationDomainSpec {
    /// The organization that states the domain, in the same namespace. It cannot be changed: the
    /// token is bound to it.
    #[x_kube(validation = ("self == oldSelf", "organizationRef cannot be changed, the token is bound to it; delete the object and create one for the other organization"))]
    pub organization_ref: OrganizationRef,

    /// The domain: a bare name such as acme.com, in ASCII or Unicode letters, without scheme, port,
    /// path or wildcard. Case, Unicode normalization (NFC) and one final dot make no difference. A
    /// proof covers the name and everything below it, except what another organization has proved
    /// below. It cannot be changed: the token is bound to it.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(
        validation = ("self == oldSelf", "domain cannot be changed, the token is bound to it; delete the object and create one for the other domain"),
        validation = ("!self.contains('://')", "domain is a bare name: leave out http:// or any other scheme"),
        validation = ("!self.contains('/') || self.contains('://')", "domain is a bare name: leave out the path"),
        validation = ("!self.contains('*')", "domain is a bare name: leave out the wildcard, a proof covers the name and everything below it"),
        validation = ("!self.matches('[[:space:]]')", "domain is a bare name: leave out blanks"),
        validation = ("!self.startsWith('.') && !self.contains('..')", "domain is a bare name: a label between two dots is empty"),
        validation = ("!isIP(self)", "domain is a name: an IP address cannot be verified"),
        validation = ("!self.contains(':') || self.contains('://') || isIP(self)", "domain is a bare name: leave out the port"),
        validation = ("!self.contains('@')", "domain is a bare name: leave out the mailbox")
    )]
    pub domain: String,

    /// Whether people with a mailbox at the domain may join the organization by themselves. A proof
    /// shows control of the DNS; that is not the wish to have everybody there.
    #[serde(default)]
    pub joinable: bool,
}

/// Names an organization in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrganizationRef {
    /// The metadata.name of the Organization.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// What the operator found out and what the organization should do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct OrganizationDomainStatus {
    /// The metadata.generation that this status was made from; -1 before the operator saw it.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,

    /// The domain in lower-case A-labels (RFC 5890): the one form under which it is proved and held.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(max = 253))]
    pub canonical_name: Option<String>,

    /// The domain as its readers write it, where that is not the canonical name.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(max = 253))]
    pub unicode_name: Option<String>,

    /// Whether a label of the domain mixes scripts as no language does, so that the domain may pass
    /// for another one to the eye.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub mixed_scripts: bool,

    /// Where the domain stands: Pending waits for its record, Verified is proved, Failed waits for
    /// somebody.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Option::is_none"
    )]
    pub state: Option<State>,

    /// How the domain is verified: by DNS record, or by hand through an approval.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Option::is_none"
    )]
    pub strategy: Option<Strategy>,

    /// The DNS records of which any one proves the domain.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Option::is_none"
    )]
    pub challenge: Option<ChallengeStatus>,

    /// Who runs the DNS of the zone that the domain lies in, where the host names of its servers tell.
    /// Left out in recursive mode, which does not learn the zone.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Option::is_none"
    )]
    pub dns_provider: Option<DnsProvider>,

    /// What the last check found. Below a check period of five minutes its time is left out. While
    /// checks of a verified domain decide nothing, it is written once in the ordinary period.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Option::is_none"
    )]
    pub last_check: Option<LastCheck>,

    /// Seconds between two checks now, where they are less than five minutes apart; the most seconds
    /// between two while checks of a verified domain decide nothing and are repeated.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = 0))]
    pub check_period_seconds: Option<i64>,

    /// When the next check is due, where checkPeriodSeconds does not say it.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Option::is_none"
    )]
    pub next_check_time: Option<Time>,

    /// When the domain became verified.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Option::is_none"
    )]
    pub verified_time: Option<Time>,

    /// When a check last found the record of a verified domain.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Option::is_none"
    )]
    pub last_proven_time: Option<Time>,

    /// Since when the record of a verified domain is missing; gone once it is back.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Option::is_none"
    )]
    pub record_missing: Option<CountedChecks>,

    /// Since when the record of this domain is published while that of its holder is missing; the
    /// domain passes on at the end of the hand-over period.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Option::is_none"
    )]
    pub hand_over: Option<CountedChecks>,

    /// A verdict from servers of which some did not answer; it acts once it is repeated.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Option::is_none"
    )]
    pub unconfirmed: Option<UnconfirmedVerdict>,

    /// Since when the organization is missing, the namespace suspended or its quota exceeded. A
    /// pending domain's window stands still meanwhile; without its organization a verified one
    /// loses its holding after the grace.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Option::is_none"
    )]
    pub paused_time: Option<Time>,

    /// The value of the annotation freehold.dev/requestedAt that was handled last.
    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(max = 256))]
    pub last_handled_request: Option<String>,

    #[serde(
        default,
        deserialize_with = "super::if_readable",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}

/// Where an organization domain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum State {
    Pending,
    Verified,
    Failed,
}

/// How an organization domain is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Strategy {
    #[serde(rename = "DNS")]
    Dns,
    Manual,
}

/// What to publish to prove the domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChallengeStatus {
    /// The random token, new for every object and every restart of the verification.
    #[schemars(length(max = 64))]
    pub token: String,
    /// The records. Publish any one; the first is preferred.
    #[schemars(length(max = 4))]
    pub records: Vec<ChallengeRecord>,
    /// The object and organization that the token was issued for, as NAMESPACE/NAME/ORGANIZATION.
    /// A token found in any other object's status is not believed.
    #[schemars(length(max = 600))]
    pub issued_for: String,
    /// When the token was issued.
    pub issued_time: Time,
    /// When the time to publish the record began: with the token, or later where it stood still or
    /// began anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_start_time: Option<Time>,
    /// Until when a pending domain waits for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_time: Option<Time>,
}

/// A DNS record to publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChallengeRecord {
    /// The record's full owner name, without a final dot.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The record's type.
    #[serde(rename = "type")]
    #[schemars(length(max = 8))]
    pub record_type: String,
    /// The record's value, without quotes.
    #[schemars(length(max = 255))]
    pub value: String,
}

/// A provider of DNS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DnsProvider {
    /// The provider's name; the names of several, with commas between them, where each runs some of
    /// the zone's servers. A record must then be added at each.
    #[schemars(length(max = 512))]
    pub name: String,
    /// The provider's page at which a record is added, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub link: Option<String>,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastCheck {
    /// When the check began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// What the check says: Proven, Absent, Mismatch (both are a definite no) or Inconclusive.
    pub verdict: CheckVerdict,
    /// Whether the zone is signed (DNSSEC), where the check found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dnssec: Option<DnssecState>,
    /// Which server was asked for which name, and what it answered: record by record and step by
    /// step, in the order in which they were asked, within a step by server. The names at which
    /// records stand by mistake come last. Of too many answers the first ones are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub servers: Vec<AskedServer>,
    /// Values found that are not the wanted ones, at the challenge's names; shortened. An invisible
    /// character reads as \u{200b}, an octet that is no text as \226.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), inner(length(max = 255)))]
    pub observed_values: Vec<String>,
    /// The likely mistake, or why the check could not decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub hint: Option<String>,
}

/// What DNSSEC says of the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DnssecState {
    /// Signed, and valid up to a trust anchor.
    Secure,
    /// Proven not to be signed.
    Insecure,
}

/// The verdict of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CheckVerdict {
    Proven,
    Absent,
    Mismatch,
    Inconclusive,
}

/// One server's answer to one question.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct AskedServer {
    /// The server that was asked.
    #[schemars(length(max = 300))]
    pub server: String,
    /// The name that it was asked for.
    #[schemars(length(max = 253))]
    pub name: String,
    /// What it answered, in words.
    #[schemars(length(max = 255))]
    pub answer: String,
}

/// Checks that found a record definitely missing, counted once in each third of a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountedChecks {
    /// When a check first found it missing.
    pub since_time: Time,
    /// In how many thirds of the period a check found it missing.
    #[schemars(range(min = 0))]
    pub definite_checks: i64,
    /// The last of these checks.
    pub last_time: Time,
}

/// A verdict from incomplete evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnconfirmedVerdict {
    /// What all servers that answered agree on.
    pub verdict: CheckVerdict,
    /// When a check first said so.
    pub since_time: Time,
    /// How many checks said so, counted up to three.
    #[schemars(range(min = 0))]
    pub checks: i64,
    /// The last check that was counted.
    pub last_time: Time,
}
