//! An organization domain: an organization's statement "this domain is ours".

use std::ops::Not;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::history::HistoryEntry;
use super::{conditions, lenient};

/// Most values of other records that a status repeats.
pub const MAX_OBSERVED_VALUES: usize = 10;
/// Longest repeated value, in characters, escapes included.
pub const MAX_OBSERVED_CHARS: usize = 255;
/// Longest hint, in characters.
pub const MAX_HINT_CHARS: usize = 1024;
/// Most answers that a status lists.
pub const MAX_LISTED_ANSWERS: usize = 32;

/// An organization's statement "this domain is ours". A statement alone grants nothing: several
/// organizations may state the same domain, and the one that proves it holds it.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "freehold.dev",
    version = "v1alpha1",
    kind = "OrganizationDomain",
    namespaced,
    status = "OrganizationDomainStatus",
    doc = "An organization's statement \"this domain is ours\". The operator writes the DNS records to choose from into status.challenge.records, and sets the condition Verified when DNS shows one of them. A statement alone grants nothing: several organizations may state the same domain, and the one that proves it holds it.",
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
    printcolumn(name = "Record", type_ = "string", json_path = ".status.conditions[?(@.type==\"RecordPresent\")].reason"),
    printcolumn(name = "Record Name", type_ = "string", json_path = ".status.challenge.records[0].name", priority = 1),
    printcolumn(name = "Record Value", type_ = "string", json_path = ".status.challenge.records[0].value", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = ("size(self.metadata.name) <= 230", "metadata.name must have at most 230 characters, because Events about the object are named after it")
)]
#[serde(rename_all = "camelCase")]
pub struct OrganizationDomainSpec {
    /// The organization that states the domain. It is in the same namespace. Immutable, because the
    /// token is bound to it.
    #[x_kube(validation = ("self == oldSelf", "organizationRef is immutable because the token is bound to it; delete the object and create one for the other organization"))]
    pub organization_ref: OrganizationRef,

    /// The domain: a bare name such as acme.com, in ASCII or Unicode, without scheme, port, path or
    /// wildcard. Case, Unicode normalization (NFC) and one final dot make no difference. A proof
    /// covers the name and everything below it, except what another organization has proved below.
    /// Immutable, because the token is bound to it.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(
        validation = ("self == oldSelf", "domain is immutable because the token is bound to it; delete the object and create one for the other domain"),
        validation = ("!self.contains('://')", "domain must be a bare name: remove http:// or any other scheme"),
        validation = ("!self.contains('/') || self.contains('://')", "domain must be a bare name: remove the path"),
        validation = ("!self.contains('*')", "domain must be a bare name: remove the wildcard, a proof covers the name and everything below it"),
        validation = ("!self.matches('[[:space:]]')", "domain must be a bare name: remove whitespace"),
        validation = ("!self.startsWith('.') && !self.contains('..')", "domain must be a bare name: remove the leading dot, or one of two dots in a row"),
        validation = ("!isIP(self)", "domain must be a name: an IP address cannot be verified"),
        validation = ("!self.contains(':') || self.contains('://') || isIP(self)", "domain must be a bare name: remove the port"),
        validation = ("!self.contains('@')", "domain must be a bare name: remove the mailbox before the @")
    )]
    pub domain: String,

    /// Allow people with a mailbox at the domain to join the organization by themselves. A proof shows
    /// control of DNS. It does not show that the organization wants everybody there to join.
    #[serde(default)]
    pub joinable: bool,
}

/// A reference to an Organization in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrganizationRef {
    /// The metadata.name of the Organization.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// The state of the domain, and the records to publish.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct OrganizationDomainStatus {
    /// The metadata.generation that this status was computed from; -1 before the operator has
    /// processed the object.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,

    /// The domain in lower-case A-labels (RFC 5890). It is proved and held in this form.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub canonical_name: Option<String>,

    /// The domain in Unicode, if that differs from the canonical name.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub unicode_name: Option<String>,

    /// True if a label of the domain mixes scripts in a way that no language does. Such a domain may
    /// look like another one.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Not::not")]
    pub mixed_scripts: bool,

    /// The state of the domain. Pending: waiting for the record. Verified: proved. Failed: somebody
    /// must act.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,

    /// How the domain is verified: by a DNS record, or manually by a DomainApproval.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,

    /// The DNS records to choose from. Any one of them proves the domain.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub challenge: Option<ChallengeStatus>,

    /// The provider that runs the DNS of the domain's zone, if the host names of the zone's servers
    /// show it. Not set in recursive mode, which does not learn the zone.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub dns_provider: Option<DnsProvider>,

    /// The result of the last check. Its time is not set if checks are less than five minutes apart.
    /// While checks of a verified domain are inconclusive, it is written once per ordinary period.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub last_check: Option<LastCheck>,

    /// Seconds between two checks, if they are less than five minutes apart. While inconclusive
    /// checks of a verified domain are repeated, the maximum number of seconds between two.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub check_period_seconds: Option<i64>,

    /// When the next check is due, if checkPeriodSeconds is not set.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub next_check_time: Option<Time>,

    /// When the domain became verified.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub verified_time: Option<Time>,

    /// When a check last found the record of a verified domain.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub last_proven_time: Option<Time>,

    /// Checks that found the record of a verified domain missing. Not set while the record is there.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub record_missing: Option<CountedChecks>,

    /// Checks that found this object's record published and the record of the domain's holder
    /// missing. The domain is handed over to this object at the end of the hand-over period.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub hand_over: Option<CountedChecks>,

    /// A verdict that some servers did not confirm, because they did not answer. It takes effect once
    /// it is repeated.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<UnconfirmedVerdict>,

    /// When checks were paused because the organization is missing, the namespace is suspended or
    /// its quota is exceeded. The time to publish the record of a pending domain is paused too. A
    /// verified domain without its organization is released after the grace.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub paused_time: Option<Time>,

    /// The last handled value of the annotation freehold.dev/requestedAt.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub last_handled_request: Option<String>,

    /// The latest transitions of the domain, oldest first. Events are published from them.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub history: Vec<HistoryEntry>,

    /// The number of the last transition whose Events were published before this status was written. It
    /// is updated with other changes of the status only.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub published_sequence: Option<i64>,

    #[serde(deserialize_with = "lenient", skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}

/// The state of an organization domain.
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

/// The records to publish to prove the domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChallengeStatus {
    /// The random token. Every object and every restart of the verification gets a new one.
    #[schemars(length(max = 64))]
    pub token: String,
    /// The records. Publish any one of them; the first is preferred.
    #[schemars(length(max = 4))]
    pub records: Vec<ChallengeRecord>,
    /// The object and organization that the token was issued for, as NAMESPACE/NAME/ORGANIZATION.
    /// The token is not valid in the status of any other object.
    #[schemars(length(max = 600))]
    pub issued_for: String,
    /// When the token was issued.
    pub issued_time: Time,
    /// When the time to publish the record began. This is later than issuedTime if that time was
    /// paused or started again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_start_time: Option<Time>,
    /// When the time to publish the record ends.
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

/// A DNS provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DnsProvider {
    /// The provider's name. If several providers run the zone's servers, their names separated by
    /// commas; the record must then be added at each of them.
    #[schemars(length(max = 512))]
    pub name: String,
    /// The provider's page for adding a record, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub link: Option<String>,
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastCheck {
    /// When the check began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// The verdict: Proven, Absent, Mismatch or Inconclusive. Absent and Mismatch are a definite no.
    pub verdict: CheckVerdict,
    /// The DNSSEC state of the zone, if the check found it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dnssec: Option<DnssecState>,
    /// The queried servers, the queried names and the answers: by record and step in the order of the
    /// queries, within a step by server. Names where records are published by mistake come last. If
    /// there are too many answers, the first ones are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub servers: Vec<AskedServer>,
    /// Unexpected values found at the challenge's names, shortened. An invisible character is shown as
    /// \u{200b}, a byte that is not text as \226.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), inner(length(max = 255)))]
    pub observed_values: Vec<String>,
    /// The likely mistake, or the reason why the check could not decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub hint: Option<String>,
}

/// The DNSSEC state of the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DnssecState {
    /// Signed, and valid up to a trust anchor.
    Secure,
    /// Proven to be unsigned.
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
    /// The server that was queried.
    #[schemars(length(max = 300))]
    pub server: String,
    /// The name that was queried.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The answer, in words.
    #[schemars(length(max = 255))]
    pub answer: String,
}

/// Checks that found a record definitely missing, counted once per third of a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountedChecks {
    /// When a check first found it missing.
    pub since_time: Time,
    /// The number of thirds of the period in which a check found it missing.
    #[schemars(range(min = 0))]
    pub definite_checks: i64,
    /// The time of the last counted check.
    pub last_time: Time,
}

/// A verdict from incomplete evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnconfirmedVerdict {
    /// The verdict that all servers that answered agree on.
    pub verdict: CheckVerdict,
    /// When a check first had this verdict.
    pub since_time: Time,
    /// The number of checks with this verdict, counted up to three.
    #[schemars(range(min = 0))]
    pub checks: i64,
    /// The time of the last counted check.
    pub last_time: Time,
}
