//! Which names an install verifies at all.

use std::collections::HashSet;

use super::name::{DomainName, MAX_NAME_OCTETS};
use super::service::ServiceName;

/// The install's rules for names.
#[derive(Clone, Debug, Default)]
pub struct NamePolicy {
    /// Suffixes outside the public DNS below which names are admitted; a single label each, or more.
    pub allowed_suffixes: Vec<DomainName>,
    /// Mail domains of consumers, beyond [`is_consumer_mail_domain`]'s own list.
    pub consumer_mail_domains: HashSet<DomainName>,
    /// Whether a suffix of the Public Suffix List's private division may itself be verified.
    pub private_suffixes: bool,
}

/// Why a well-formed name is not verified here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "{0} is a public suffix, so nobody owns all names below it; use a registrable domain such as acme.{0}"
    )]
    PublicSuffix(String),
    #[error(
        "{0} is not below a suffix of the public DNS; an administrator can allow its suffix with --allow-suffix"
    )]
    NotPublic(String),
    #[error(
        "{0} belongs to the special-use name {1}, which nobody owns; an administrator can allow it with --allow-suffix"
    )]
    SpecialUse(String, &'static str),
    #[error("{0} is a consumer mail domain: whoever proves it does not represent its users")]
    ConsumerMail(String),
    #[error(
        "{name} is too long: the record's label must fit before it, so the limit is {limit} octets"
    )]
    NoRoom { name: String, limit: usize },
}

/// Names that the public DNS does not delegate (RFC 6761, RFC 6762, RFC 7686, RFC 8375, RFC 9476
/// and the reservation of `internal`), and what clusters call their own.
const SPECIAL_USE: [&str; 14] = [
    "localhost",
    "local",
    "invalid",
    "test",
    "example",
    "onion",
    "alt",
    "internal",
    "arpa",
    "lan",
    "home",
    "corp",
    "localdomain",
    "cluster.local",
];

impl NamePolicy {
    /// The canonical name of a domain as typed, or why there is none that is verified here.
    pub fn accept(&self, domain: &str, service: &ServiceName) -> Result<DomainName, String> {
        let name = DomainName::parse(domain).map_err(|error| error.to_string())?;
        self.check(&name, service)
            .map_err(|refusal| refusal.to_string())?;
        Ok(name)
    }

    /// Why `name` is refused, or nothing where it may be verified.
    pub fn check(&self, name: &DomainName, service: &ServiceName) -> Result<(), Refusal> {
        let text = name.as_str();
        let limit = MAX_NAME_OCTETS - service.challenge_label().len() - 1;
        if text.len() > limit {
            return Err(Refusal::NoRoom {
                name: text.to_owned(),
                limit,
            });
        }
        let mut own = self.allowed_suffixes.iter();
        if own.any(|suffix| name.is_below(suffix.as_str())) {
            return Ok(());
        }
        if self.allowed_suffixes.contains(name) {
            return Err(Refusal::PublicSuffix(text.to_owned()));
        }
        if let Some(special) = SPECIAL_USE.into_iter().find(|s| name.is_at_or_below(s)) {
            return Err(Refusal::SpecialUse(text.to_owned(), special));
        }
        let Some(suffix) = psl::suffix(text.as_bytes()).filter(psl::Suffix::is_known) else {
            return Err(Refusal::NotPublic(text.to_owned()));
        };
        let private = suffix.typ() == Some(psl::Type::Private);
        if suffix.as_bytes() == text.as_bytes() && !(private && self.private_suffixes) {
            return Err(Refusal::PublicSuffix(text.to_owned()));
        }
        if is_consumer_mail_domain(text) || self.consumer_mail_domains.contains(name) {
            return Err(Refusal::ConsumerMail(text.to_owned()));
        }
        Ok(())
    }

    /// Whether a look-up may ask for `name`, in lower case without a final dot, when an answer leads
    /// there. Only the look-up of an internal name is led to internal ones.
    #[must_use]
    pub fn admits(&self, name: &str, from_internal: bool) -> bool {
        if self.is_internal(name) {
            return from_internal;
        }
        !SPECIAL_USE.into_iter().any(|s| is_at_or_below(name, s))
            && psl::suffix(name.as_bytes()).is_some_and(|suffix| suffix.is_known())
    }

    /// Whether a zone registers names for others: the root, a public suffix, or one of the install's
    /// own suffixes.
    #[must_use]
    pub fn is_registry(&self, zone: &str) -> bool {
        let mut own = self.allowed_suffixes.iter();
        zone == "." || is_icann_suffix(zone) || own.any(|suffix| suffix.as_str() == zone)
    }

    /// Whether the name lies below an allowed suffix: such a zone is the install's own, and what
    /// its DNS says is not repeated to tenants.
    #[must_use]
    pub fn is_internal(&self, name: &str) -> bool {
        let mut own = self.allowed_suffixes.iter();
        own.any(|suffix| is_at_or_below(name, suffix.as_str()))
    }
}

/// Whether the public DNS registers names for others below this one. The Public Suffix List also has
/// special-use names such as `home.arpa`.
#[must_use]
pub fn is_public_suffix(suffix: &DomainName) -> bool {
    is_icann_suffix(suffix.as_str()) && !SPECIAL_USE.iter().any(|s| suffix.is_at_or_below(s))
}

fn is_icann_suffix(name: &str) -> bool {
    psl::suffix(name.as_bytes()).is_some_and(|suffix| {
        suffix.typ() == Some(psl::Type::Icann) && suffix.as_bytes() == name.as_bytes()
    })
}

fn is_at_or_below(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether the name is one at which anybody gets a mailbox.
#[must_use]
pub fn is_consumer_mail_domain(name: &str) -> bool {
    include_str!("consumer_mail_domains.txt")
        .lines()
        .any(|line| line == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: &NamePolicy, name: &str) -> Result<(), Refusal> {
        policy.check(&DomainName::parse(name).unwrap(), &ServiceName::default())
    }

    #[test]
    fn registrable_names_and_names_below_them_pass() {
        for name in [
            "acme.com",
            "shop.acme.com",
            "acme.co.uk",
            "xn--mnchen-3ya.de",
            "www.ck",
            "acme.github.io",
        ] {
            assert_eq!(check(&NamePolicy::default(), name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_nobody_owns_are_refused() {
        let policy = NamePolicy::default();
        for name in ["com", "co.uk", "foo.ck", "github.io"] {
            assert!(
                matches!(check(&policy, name), Err(Refusal::PublicSuffix(_))),
                "{name}"
            );
        }
        for name in [
            "localhost",
            "a.local",
            "x.svc.cluster.local",
            "a.example",
            "example",
            "x.internal",
            "1.10.in-addr.arpa",
            "x.onion",
        ] {
            assert!(
                matches!(check(&policy, name), Err(Refusal::SpecialUse(..))),
                "{name}"
            );
        }
        for name in ["a.nosuchtld", "nosuchtld"] {
            assert!(
                matches!(check(&policy, name), Err(Refusal::NotPublic(_))),
                "{name}"
            );
        }
        for name in ["gmail.com", "outlook.com", "proton.me", "web.de"] {
            assert!(
                matches!(check(&policy, name), Err(Refusal::ConsumerMail(_))),
                "{name}"
            );
        }
    }

    #[test]
    fn the_settings_widen_and_narrow() {
        let policy = NamePolicy {
            allowed_suffixes: vec![DomainName::parse("example").unwrap()],
            consumer_mail_domains: HashSet::from([DomainName::parse("mail.acme.com").unwrap()]),
            private_suffixes: true,
        };
        assert_eq!(check(&policy, "a.example"), Ok(()));
        assert!(matches!(
            check(&policy, "example"),
            Err(Refusal::PublicSuffix(_))
        ));
        assert!(matches!(
            check(&policy, "mail.acme.com"),
            Err(Refusal::ConsumerMail(_))
        ));
        assert_eq!(check(&policy, "github.io"), Ok(()));
        assert!(matches!(
            check(&policy, "co.uk"),
            Err(Refusal::PublicSuffix(_))
        ));
    }

    #[test]
    fn suffixes_of_the_public_dns_are_told_from_others() {
        let is_public = |text: &str| is_public_suffix(&DomainName::parse(text).unwrap());
        for suffix in ["com", "co.uk", "foo.ck", "xn--p1ai"] {
            assert!(is_public(suffix), "{suffix}");
        }
        // The special-use names, of which the list has some, are nobody's.
        for suffix in [
            "internal",
            "nosuchtld",
            "onion",
            "home.arpa",
            "10.in-addr.arpa",
            "lab.acme.com",
            "github.io",
        ] {
            assert!(!is_public(suffix), "{suffix}");
        }
    }

    #[test]
    fn the_records_label_needs_room() {
        let name = format!("{0}.{0}.{0}.{1}.com", "a".repeat(63), "a".repeat(40));
        assert_eq!(name.len(), 236);
        assert!(matches!(
            check(&NamePolicy::default(), &name),
            Err(Refusal::NoRoom { limit: 233, .. })
        ));
    }

    #[test]
    fn the_lists_are_canonical() {
        for line in include_str!("consumer_mail_domains.txt").lines() {
            assert_eq!(DomainName::parse(line).unwrap().as_str(), line);
        }
    }
}
