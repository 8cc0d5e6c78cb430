//! Domain names in their one canonical form.

use std::fmt;
use std::net::IpAddr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_security::RestrictionLevel;
use unicode_security::restriction_level::RestrictionLevelDetection;

/// Longest textual name without a final dot (RFC 1035 section 2.3.4: 255 octets on the wire).
pub const MAX_NAME_OCTETS: usize = 253;

/// A domain name as A-labels (RFC 5890) in lower case, without a final dot.
///
/// Case is the only thing folded on the way in. A name that UTS 46 would change in any other way,
/// for instance by dropping a zero-width space, is refused: what was typed must be what is proved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainName(Box<str>);

/// Why a text is not a domain name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("the name is empty; give a domain such as acme.com")]
    Empty,
    #[error("the name has {0} octets, a domain name has at most {MAX_NAME_OCTETS}")]
    TooLong(usize),
    #[error("give the bare domain name without {0}")]
    NotBare(&'static str),
    #[error("an IP address is not a domain name")]
    IpAddress,
    #[error(
        "a label of the name is empty, longer than 63 octets, or has a character or hyphen that a domain name may not have there"
    )]
    BadLabel,
    #[error(
        "the name contains characters that look like others or are not shown; its plain form is {0}, if that is meant, write it so"
    )]
    Mapped(String),
}

impl DomainName {
    /// Reads a name as a person types it: A-labels or U-labels in any case.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if let Some(what) = beyond_bare(text) {
            return Err(NameError::NotBare(what));
        }
        if text.parse::<IpAddr>().is_ok() || is_numeric_host(text) {
            return Err(NameError::IpAddress);
        }
        if text.is_ascii() && text.len() > MAX_NAME_OCTETS {
            return Err(NameError::TooLong(text.len()));
        }
        let folded = text.to_lowercase();
        let uts46 = Uts46::new();
        let ascii = uts46
            .to_ascii(
                folded.as_bytes(),
                AsciiDenyList::STD3,
                Hyphens::Check,
                DnsLength::Ignore,
            )
            .map_err(|_| NameError::BadLabel)?;
        if ascii.len() > MAX_NAME_OCTETS {
            return Err(NameError::TooLong(ascii.len()));
        }
        if ascii
            .split('.')
            .any(|label| label.is_empty() || label.len() > 63)
        {
            return Err(NameError::BadLabel);
        }
        let (unicode, shown) =
            uts46.to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
        if shown.is_err() {
            return Err(NameError::BadLabel);
        }
        // The canonical case of some scripts, as Cherokee, is the upper one.
        if folded != ascii && folded != unicode.to_lowercase() {
            return Err(NameError::Mapped(unicode.into_owned()));
        }
        if is_numeric_host(&ascii) {
            return Err(NameError::IpAddress);
        }
        Ok(Self(ascii.into()))
    }

    /// The canonical text: A-labels, lower case, no final dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as its readers write it, with U-labels.
    #[must_use]
    pub fn to_unicode(&self) -> String {
        Uts46::new()
            .to_unicode(self.0.as_bytes(), AsciiDenyList::STD3, Hyphens::Check)
            .0
            .into_owned()
    }

    /// The name with U-labels, where it has any.
    #[must_use]
    pub fn unicode_name(&self) -> Option<String> {
        let unicode = self.to_unicode();
        (unicode != self.as_str()).then_some(unicode)
    }

    /// Whether a label mixes scripts as no language does, so that it may pass for another name (UTS 39
    /// section 5.2: beyond "highly restrictive").
    #[must_use]
    pub fn mixes_scripts(&self) -> bool {
        self.to_unicode()
            .split('.')
            .any(|label| label.detect_restriction_level() > RestrictionLevel::HighlyRestrictive)
    }

    /// Whether this name is `other` or below it.
    #[must_use]
    pub fn is_at_or_below(&self, other: &str) -> bool {
        self.as_str() == other || self.is_below(other)
    }

    /// Whether this name is below `other` and not `other` itself.
    #[must_use]
    pub fn is_below(&self, other: &str) -> bool {
        self.0
            .strip_suffix(other)
            .is_some_and(|rest| rest.ends_with('.'))
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn beyond_bare(text: &str) -> Option<&'static str> {
    if text.contains("://") {
        return Some("http:// or another scheme");
    }
    if text.ends_with('.') {
        return Some("the final dot");
    }
    text.chars().find_map(|c| match c {
        '/' | '\\' | '?' | '#' => Some("a path"),
        ':' if text.parse::<IpAddr>().is_err() => Some("a port"),
        '*' => Some("a wildcard; a proof covers the name and everything below it"),
        '@' => Some("a mailbox"),
        c if c.is_whitespace() => Some("blanks"),
        _ => None,
    })
}

/// No top-level domain is all digits, and URL parsers read such a name as an IPv4 address.
fn is_numeric_host(text: &str) -> bool {
    text.rsplit('.')
        .next()
        .is_some_and(|last| !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_is_folded_and_u_labels_become_a_labels() {
        for (typed, canonical) in [
            ("Example.COM", "example.com"),
            ("münchen.example", "xn--mnchen-3ya.example"),
            ("MÜNCHEN.example", "xn--mnchen-3ya.example"),
            ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
            ("faß.de", "xn--fa-hia.de"),
            ("a-b.example", "a-b.example"),
            ("\u{13eb}.example", "xn--bce.example"),
            ("\u{abbb}.example", "xn--bce.example"),
        ] {
            assert_eq!(
                DomainName::parse(typed).unwrap().as_str(),
                canonical,
                "{typed}"
            );
        }
    }

    #[test]
    fn what_is_no_bare_name_is_refused_with_its_reason() {
        use NameError as E;
        for (typed, error) in [
            ("", E::Empty),
            (
                "*.example.com",
                E::NotBare("a wildcard; a proof covers the name and everything below it"),
            ),
            (
                "http://example.com",
                E::NotBare("http:// or another scheme"),
            ),
            ("example.com/a", E::NotBare("a path")),
            ("example.com:443", E::NotBare("a port")),
            ("me@example.com", E::NotBare("a mailbox")),
            (" example.com", E::NotBare("blanks")),
            ("example.com\n", E::NotBare("blanks")),
            ("example.com.", E::NotBare("the final dot")),
            ("192.0.2.1", E::IpAddress),
            ("2001:db8::1", E::IpAddress),
            ("1.2.3", E::IpAddress),
            ("١٩٢.0.2.1", E::IpAddress),
            ("a..b", E::BadLabel),
            (".a.b", E::BadLabel),
            ("-a.example", E::BadLabel),
            ("a-.example", E::BadLabel),
            ("ab--cd.example", E::BadLabel),
            ("under_score.example", E::BadLabel),
            ("xn--zz.example", E::BadLabel),
            ("nul\0.example", E::BadLabel),
            ("exam\u{200b}ple.com", E::Mapped("example.com".into())),
            ("ｅxample.com", E::Mapped("example.com".into())),
            ("example。com", E::Mapped("example.com".into())),
        ] {
            assert_eq!(DomainName::parse(typed).unwrap_err(), error, "{typed:?}");
        }
    }

    #[test]
    fn mixed_scripts_are_flagged_and_languages_are_not() {
        for (typed, mixed) in [
            ("example.com", false),
            ("a-1.example", false),
            ("münchen.example", false),
            ("пример.example", false),
            ("日本語ひらがなカタカナ.example", false),
            ("東京tokyo.example", false),
            ("한국어korea.example", false),
            // The second letter is Cyrillic.
            ("p\u{430}ypal.com", true),
            ("αlpha.example", true),
        ] {
            let name = DomainName::parse(typed).unwrap();
            assert_eq!(name.mixes_scripts(), mixed, "{typed}");
            assert_eq!(name.unicode_name().is_some(), !typed.is_ascii(), "{typed}");
        }
    }

    #[test]
    fn length_limits_hold_at_the_octet() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!(longest.len(), 253);
        assert!(DomainName::parse(&longest).is_ok());
        assert_eq!(
            DomainName::parse(&format!("a{longest}")),
            Err(NameError::TooLong(254))
        );
        assert_eq!(
            DomainName::parse(&format!("{}.example", "a".repeat(64))),
            Err(NameError::BadLabel)
        );
        // 60 two-octet letters grow beyond 63 octets as an A-label.
        assert_eq!(
            DomainName::parse(&format!("{}.example", "жя".repeat(30))),
            Err(NameError::BadLabel)
        );
    }

    #[test]
    fn below_ends_at_a_label_boundary() {
        let name = DomainName::parse("shop.acme.com").unwrap();
        assert!(name.is_below("acme.com") && name.is_at_or_below("shop.acme.com"));
        assert!(!name.is_below("shop.acme.com") && !name.is_below("me.com"));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_is_idempotent(text in "\\PC{0,300}") {
            if let Ok(name) = DomainName::parse(&text) {
                prop_assert_eq!(DomainName::parse(name.as_str()), Ok(name.clone()));
                prop_assert_eq!(DomainName::parse(&name.to_unicode()), Ok(name.clone()));
                prop_assert!(name.as_str().len() <= MAX_NAME_OCTETS);
                prop_assert!(name.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.'));
            }
        }

        #[test]
        fn case_never_matters(text in "[a-zA-ZäÖß]{1,20}\\.[a-z]{2,5}") {
            prop_assert_eq!(DomainName::parse(&text.to_lowercase()), DomainName::parse(&text));
        }
    }
}
