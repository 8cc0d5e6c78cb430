//! A token that a status lost, found again in the record that is still published. The holding has the
//! token's hash, which nobody but its issuer could choose a token for.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::challenge::{Token, published_token};
use super::evidence::Evidence;
use super::lifecycle::Identity;
use super::service::ServiceName;
use crate::api::organization_domain::{ChallengeStatus, OrganizationDomainStatus};
use crate::api::verified_domain::Holder;

/// How long to wait where the DNS did not say, so many times in a row: a minute, twice as long each time, an
/// hour at most.
#[must_use]
pub fn repeat_after(failed: u32) -> Duration {
    let doubled = 1 << failed.saturating_sub(1).min(6);
    Duration::from_hours(1).min(Duration::from_mins(doubled))
}

/// The token of the holding, where a server shows it at one of the challenge's names. Whether it proves
/// anything there is for the verdict to say.
#[must_use]
pub fn token(service: &ServiceName, evidence: &Evidence, holder: &Holder) -> Option<Token> {
    evidence.lookups.iter().find_map(|lookup| {
        lookup
            .values()
            .filter_map(|value| published_token(service, lookup.form, value))
            .find(|token| token.hash() == holder.token_hash)
    })
}

/// The status with this token, which was issued before the name was taken at `since`.
#[must_use]
pub fn restored(
    status: &OrganizationDomainStatus,
    token: &Token,
    us: Identity<'_>,
    since: Timestamp,
) -> OrganizationDomainStatus {
    OrganizationDomainStatus {
        challenge: Some(ChallengeStatus {
            token: token.to_string(),
            records: Vec::new(),
            issued_for: us.issued_for(),
            issued_time: Time(since),
            window_start_time: None,
            expiry_time: None,
        }),
        ..status.clone()
    }
}
