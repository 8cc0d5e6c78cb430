//! The install's own word in every record it asks for.

use std::fmt;
use std::str::FromStr;

/// The word in `_<service>-challenge` and `<service>-domain-verification=`, one per install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceName(Box<str>);

/// Why a text is not a service name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceNameError {
    #[error(
        "use 1 to {MAX_OCTETS} of a-z, 0-9 and '-', starting and ending with a letter or digit"
    )]
    Syntax,
    #[error("`_{0}-challenge` is registered for another protocol; choose another service name")]
    Registered(String),
}

/// Leaves `_<service>-challenge` well inside a 63-octet label.
const MAX_OCTETS: usize = 40;

/// Words whose `_<word>-challenge` or own label belongs to somebody else in the IANA registry of
/// underscored node names (RFC 8552).
const REGISTERED: [&str; 12] = [
    "acme",
    "dmarc",
    "domainkey",
    "spf",
    "adsp",
    "dnslink",
    "validation-contactemail",
    "validation-contactphone",
    "validation-persist",
    "mta-sts",
    "smtp",
    "tls",
];

impl ServiceName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The underscored label below which the preferred record lives.
    #[must_use]
    pub fn challenge_label(&self) -> String {
        format!("_{}-challenge", self.0)
    }
}

impl FromStr for ServiceName {
    type Err = ServiceNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty()
            || text.len() > MAX_OCTETS
            || !text.bytes().all(inner)
            || text.starts_with('-')
            || text.ends_with('-')
        {
            return Err(ServiceNameError::Syntax);
        }
        if REGISTERED.contains(&text) {
            return Err(ServiceNameError::Registered(text.to_owned()));
        }
        Ok(Self(text.into()))
    }
}

impl Default for ServiceName {
    fn default() -> Self {
        Self("freehold".into())
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_ones_own_is_taken_and_a_registered_one_refused() {
        assert_eq!(
            "acme-corp"
                .parse::<ServiceName>()
                .unwrap()
                .challenge_label(),
            "_acme-corp-challenge"
        );
        assert_eq!(
            "acme".parse::<ServiceName>(),
            Err(ServiceNameError::Registered("acme".into()))
        );
        for bad in ["", "Acme", "-a", "a-", "a.b", "a_b", "ä", &"a".repeat(41)] {
            assert_eq!(
                bad.parse::<ServiceName>(),
                Err(ServiceNameError::Syntax),
                "{bad}"
            );
        }
    }
}
