//! Domain names in their one canonical form.

mod label;

use std::fmt;
use std::net::IpAddr;

use icu_properties::props::Script;
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_security::MixedScript;

pub use label::LabelFault;

/// Longest textual name without a final dot (RFC 1035 section 2.3.4: 255 octets on the wire).
pub const MAX_NAME_OCTETS: usize = 253;

/// A domain name as A-labels (RFC 5890) in lower case, without a final dot.
///
/// A typed name may differ from it in case, in Unicode normalization (NFC) and by one final dot. A
/// character that UTS 46 would map in any other way, for instance a zero width space that it drops,
/// is refused: what was typed must be what is proved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainName(Box<str>);

/// Why a text is not a domain name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("the domain is empty; use a domain such as acme.com")]
    Empty,
    #[error("the domain has {0} octets, but the limit is {MAX_NAME_OCTETS}")]
    TooLong(usize),
    #[error("use the bare domain, without {0}")]
    NotBare(&'static str),
    #[error("an IP address is not a domain name")]
    IpAddress,
    #[error("the domain has an empty label: remove the leading dot, or one of two dots in a row")]
    EmptyLabel,
    #[error("the label {} {fault}", quoted(label))]
    Label {
        /// As typed.
        label: String,
        fault: LabelFault,
    },
}

impl DomainName {
    /// Reads a name as a person types it: A-labels or U-labels in any case, with or without the
    /// final dot.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let typed = text.strip_suffix('.').unwrap_or(text);
        if typed.is_empty() {
            return Err(NameError::Empty);
        }
        if let Some(what) = beyond_bare(typed) {
            return Err(NameError::NotBare(what));
        }
        if typed.parse::<IpAddr>().is_ok() || is_numeric_host(typed) {
            return Err(NameError::IpAddress);
        }
        if typed.is_ascii() && typed.len() > MAX_NAME_OCTETS {
            return Err(NameError::TooLong(typed.len()));
        }
        let mut labels = Vec::new();
        for typed in typed.split('.') {
            if typed.is_empty() {
                return Err(NameError::EmptyLabel);
            }
            labels.push(label::read(typed).map_err(|fault| NameError::label(typed, fault))?);
        }
        let unicode = labels.join(".");
        let ascii = Uts46::new()
            .to_ascii(
                unicode.as_bytes(),
                AsciiDenyList::STD3,
                Hyphens::Check,
                DnsLength::Ignore,
            )
            .map_err(|_| refused(typed, &unicode))?;
        if ascii.len() > MAX_NAME_OCTETS {
            return Err(NameError::TooLong(ascii.len()));
        }
        for (label, typed) in ascii.split('.').zip(typed.split('.')) {
            if label.len() > label::MAX_LABEL_OCTETS {
                return Err(NameError::label(typed, LabelFault::TooLong));
            }
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
    /// section 5.2: beyond "highly restrictive", whatever the characters are).
    #[must_use]
    pub fn mixes_scripts(&self) -> bool {
        self.to_unicode().split('.').any(mixes_scripts)
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

impl NameError {
    fn label(typed: &str, fault: LabelFault) -> Self {
        Self::Label {
            label: typed.to_owned(),
            fault,
        }
    }
}

/// A label for a message: what is not visible is escaped, and one that is far too long is cut.
fn quoted(label: &str) -> String {
    let shown: String = label.chars().take(label::MAX_LABEL_OCTETS).collect();
    let cut = if shown.len() < label.len() { "..." } else { "" };
    format!("{shown:?}{cut}")
}

/// What UTS 46 refuses in a name whose labels are good by themselves. The library marks it.
fn refused(typed: &str, unicode: &str) -> NameError {
    let (marked, _) =
        Uts46::new().to_unicode(unicode.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
    let labels = || typed.split('.').zip(unicode.split('.'));
    let found = labels().zip(marked.split('.')).find_map(|(label, marked)| {
        let mut characters = label.1.chars().zip(marked.chars());
        let (character, _) = characters.find(|(_, mark)| *mark == char::REPLACEMENT_CHARACTER)?;
        Some((label.0, character))
    });
    // It does not mark the digit with which an ASCII label begins beside right-to-left letters.
    let (label, character) = found.unwrap_or_else(|| {
        let label = labels().find(|(_, unicode)| unicode.starts_with(|c: char| c.is_ascii_digit()));
        let (typed, unicode) = label.unwrap_or((typed, unicode));
        (typed, unicode.chars().next().unwrap_or_default())
    });
    NameError::label(label, label::fault_at(character))
}

fn mixes_scripts(label: &str) -> bool {
    let letters = || label::letters(label);
    let all: String = letters().map(|(c, _)| c).collect();
    if all.is_single_script() {
        return false;
    }
    // Latin letters go with Chinese, Japanese and Korean.
    let beside_latin = letters().filter(|(_, script)| *script != Script::Latin);
    let beside_latin: String = beside_latin.map(|(c, _)| c).collect();
    let scripts = beside_latin.resolve_script_set();
    !(scripts.hanb || scripts.jpan || scripts.kore)
}

fn beyond_bare(text: &str) -> Option<&'static str> {
    if text.contains("://") {
        return Some("http:// or another scheme");
    }
    text.chars().find_map(|c| match c {
        '/' | '\\' | '?' | '#' => Some("a path"),
        ':' if text.parse::<IpAddr>().is_err() => Some("a port"),
        '*' => Some("a wildcard; a proof covers the name and everything below it"),
        '@' => Some("a mailbox"),
        c if c.is_whitespace() => Some("whitespace"),
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
    use icu_normalizer::ComposingNormalizerBorrowed;
    use proptest::prelude::*;

    use super::*;

    /// The A-labels of a second implementation of UTS 46, non-transitional (Python's idna 3.20).
    #[test]
    fn names_have_the_a_labels_that_browsers_give_them() {
        for (typed, canonical) in [
            ("Example.COM", "example.com"),
            ("a-b.example", "a-b.example"),
            ("acme.com.", "acme.com"),
            ("M\u{fc}nchen.example.", "xn--mnchen-3ya.example"),
            ("m\u{fc}nchen.example", "xn--mnchen-3ya.example"),
            ("M\u{dc}NCHEN.example", "xn--mnchen-3ya.example"),
            ("mu\u{308}nchen.example", "xn--mnchen-3ya.example"),
            ("MU\u{308}NCHEN.example", "xn--mnchen-3ya.example"),
            ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
            ("XN--Mnchen-3YA.example", "xn--mnchen-3ya.example"),
            ("fa\u{df}.de", "xn--fa-hia.de"),
            ("FA\u{1e9e}.de", "xn--fa-hia.de"),
            // Where a capital sigma stands makes no difference.
            ("\u{39f}\u{394}\u{39f}\u{3a3}-1.gr", "xn---1-k9b7bby.gr"),
            ("\u{39f}\u{394}\u{39f}\u{3a3}.gr", "xn--pxavbq.gr"),
            ("\u{3bf}\u{3b4}\u{3bf}\u{3c3}.gr", "xn--pxavbq.gr"),
            ("\u{3bf}\u{3b4}\u{3bf}\u{3c2}.gr", "xn--pxavbm.gr"),
            ("\u{130}stanbul.com.tr", "xn--istanbul-o0e.com.tr"),
            // The canonical case of Cherokee is the upper one.
            ("\u{13eb}.example", "xn--bce.example"),
            ("\u{abbb}.example", "xn--bce.example"),
            // These compose after the case is folded, or not at all.
            ("J\u{30c}.example", "xn--ska.example"),
            ("\u{958}.example", "xn--11b2f.example"),
            ("\u{1100}\u{1161}.example", "xn--o39a.example"),
            ("L\u{b7}L.example", "xn--ll-0ea.example"),
            ("\u{3b1}\u{375}\u{3b2}.gr", "xn--wva3je.gr"),
            ("\u{5d0}\u{5f3}\u{5d1}.example", "xn--4dbc5h.example"),
            ("\u{30a2}\u{30fb}\u{30d3}.example", "xn--cck4e1e.example"),
            ("\u{628}\u{661}.example", "xn--ngb8i.example"),
            (
                "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}.ir",
                "xn--mgbn2ecje63gr19l.ir",
            ),
            (
                "\u{915}\u{94d}\u{200d}\u{937}.example",
                "xn--11b2ezcw70k.example",
            ),
            ("\u{1f600}.example", "xn--e28h.example"),
        ] {
            let name = DomainName::parse(typed).unwrap_or_else(|e| panic!("{typed}: {e}"));
            assert_eq!(name.as_str(), canonical, "{typed}");
        }
    }

    #[test]
    fn what_is_no_bare_name_is_refused_with_its_reason() {
        use NameError as E;
        for (typed, error) in [
            ("", E::Empty),
            (".", E::Empty),
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
            (" example.com", E::NotBare("whitespace")),
            ("example.com\n", E::NotBare("whitespace")),
            ("192.0.2.1", E::IpAddress),
            ("192.0.2.1.", E::IpAddress),
            ("2001:db8::1", E::IpAddress),
            ("1.2.3", E::IpAddress),
            ("\u{661}\u{669}\u{662}.0.2.1", E::IpAddress),
            ("a..b", E::EmptyLabel),
            (".a.b", E::EmptyLabel),
            ("a.b..", E::EmptyLabel),
        ] {
            assert_eq!(DomainName::parse(typed).unwrap_err(), error, "{typed:?}");
        }
    }

    #[test]
    fn a_bad_label_is_refused_with_the_character_that_is_bad_there() {
        use LabelFault as F;
        let mapped = |character, plain: &str| F::Mapped {
            character,
            plain: plain.to_owned(),
        };
        let forbidden = F::Forbidden;
        for (label, fault) in [
            ("under_score", forbidden('_')),
            ("nul\0", forbidden('\0')),
            ("a<b", forbidden('<')),
            ("\u{fffd}", forbidden('\u{fffd}')),
            ("a\u{202e}b", forbidden('\u{202e}')),
            // A solidus is no better for its width.
            ("a\u{ff0f}b", forbidden('\u{ff0f}')),
            ("-a", F::LeadingHyphen),
            ("a-", F::TrailingHyphen),
            ("-", F::LeadingHyphen),
            ("ab--cd", F::ThirdAndFourthHyphen),
            ("xn--\u{fc}", F::ThirdAndFourthHyphen),
            ("xn--zz", F::NotALabel),
            ("xn--", F::NotALabel),
            ("xn--abc-", F::NotALabel),
            // The A-labels of a capital letter, of a full-width one, and of a decomposed one.
            ("xn--wca", F::NotALabel),
            ("xn--mi7c", F::NotALabel),
            ("xn--mu-vub", F::NotALabel),
            ("exam\u{200b}ple", F::Ignored('\u{200b}')),
            ("exam\u{ad}ple", F::Ignored('\u{ad}')),
            ("\u{2764}\u{fe0f}", F::Ignored('\u{fe0f}')),
            ("\u{ff45}xample", mapped('\u{ff45}', "e")),
            ("\u{ff25}xample", mapped('\u{ff25}', "e")),
            ("example\u{3002}com", mapped('\u{3002}', ".")),
            ("\u{fb01}n", mapped('\u{fb01}', "fi")),
            ("\u{17f}afe", mapped('\u{17f}', "s")),
            ("\u{2460}", mapped('\u{2460}', "1")),
            ("\u{1c4}", mapped('\u{1c4}', "d\u{17e}")),
            // Of one character that is canonically another, NFC and the lower case hide it.
            ("\u{212a}cme", mapped('\u{212a}', "k")),
            ("\u{212b}ngstrom", mapped('\u{212b}', "\u{e5}")),
            ("\u{2126}", mapped('\u{2126}', "\u{3c9}")),
            ("\u{1f71}", mapped('\u{1f71}', "\u{3ac}")),
            ("\u{f900}", mapped('\u{f900}', "\u{8c48}")),
            ("\u{3f4}", mapped('\u{3f4}', "\u{3b8}")),
            ("\u{1fb3}", mapped('\u{1fb3}', "\u{3b1}\u{3b9}")),
            ("\u{301}a", F::LeadingMark('\u{301}')),
            ("1\u{5d0}", F::Direction('1')),
            ("\u{5d0}a", F::Direction('a')),
            ("\u{661}", F::Direction('\u{661}')),
            // The right-to-left letters may be those of another label.
            ("0a.\u{5d0}", F::Direction('0')),
        ] {
            let name = format!("{label}.example");
            let error = DomainName::parse(&name).unwrap_err();
            let NameError::Label {
                fault: found,
                label: named,
            } = &error
            else {
                panic!("{name:?}: {error}");
            };
            assert_eq!(*found, fault, "{name:?}");
            assert_eq!(*named, label.split('.').next().unwrap(), "{name:?}");
        }
    }

    /// The Kelvin sign is one of them.
    #[test]
    fn no_character_outside_ascii_reads_as_one_inside() {
        let nfkc = ComposingNormalizerBorrowed::new_nfkc();
        // The planes that have characters with another form.
        let characters = ('\u{80}'..='\u{1ffff}').chain('\u{2f800}'..='\u{2fa1f}');
        let mut refused = Vec::new();
        for c in characters.chain('\u{e0000}'..='\u{e0fff}') {
            let lower: String = c.to_lowercase().collect();
            let plain: String = nfkc.normalize_iter(lower.chars()).collect();
            let is_ascii =
                plain.is_ascii() || nfkc.normalize_iter([c].into_iter()).all(|c| c.is_ascii());
            if !is_ascii {
                continue;
            }
            for typed in [
                format!("{c}.example"),
                format!("a{c}a.example"),
                format!("a{c}"),
            ] {
                assert!(
                    DomainName::parse(&typed).is_err(),
                    "{typed:?} reads as {plain:?}"
                );
            }
            refused.push(c);
        }
        for c in ['\u{212a}', '\u{ff4b}', '\u{1d424}', '\u{24da}', '\u{17f}'] {
            assert!(refused.contains(&c), "{c:?}");
        }
    }

    #[test]
    fn a_character_is_allowed_in_its_context_alone() {
        for (label, bad) in [
            ("a\u{b7}b", '\u{b7}'),
            ("l\u{b7}", '\u{b7}'),
            ("\u{3b1}\u{375}b", '\u{375}'),
            ("a\u{5f3}", '\u{5f3}'),
            ("\u{5d0}1\u{5f4}", '\u{5f4}'),
            ("a\u{30fb}b", '\u{30fb}'),
            ("\u{628}\u{661}\u{6f2}", '\u{661}'),
            ("a\u{200c}b", '\u{200c}'),
            ("a\u{200d}b", '\u{200d}'),
            ("\u{1f468}\u{200d}\u{1f469}", '\u{200d}'),
            // The A-label of the first one.
            ("xn--ab-0ea", '\u{b7}'),
            ("xn--ab-j1t", '\u{200c}'),
        ] {
            let error = DomainName::parse(&format!("{label}.example")).unwrap_err();
            let NameError::Label {
                fault: LabelFault::Misplaced { character, .. },
                ..
            } = error
            else {
                panic!("{label:?}: {error}");
            };
            assert_eq!(character, bad, "{label:?}");
        }
    }

    #[test]
    fn what_is_refused_is_shown_as_far_as_it_can_be_seen() {
        for (typed, words) in [
            (
                "under_score.example",
                "the label \"under_score\" contains U+005F (_), which is not allowed in a domain name",
            ),
            (
                "\u{212a}cme.example",
                "the label \"\u{212a}cme\" contains U+212A (\u{212a}), which stands for \"k\"; type \"k\" if you mean that",
            ),
            (
                "exam\u{200b}ple.com",
                "the label \"exam\\u{200b}ple\" contains U+200B, which domain names ignore; remove it",
            ),
            (
                "a\u{200d}b.example",
                "the label \"a\\u{200d}b\" contains U+200D, which is allowed only after a virama",
            ),
            (
                "-a.example",
                "the label \"-a\" starts with U+002D (-); a label must start and end with a letter or digit",
            ),
        ] {
            assert_eq!(DomainName::parse(typed).unwrap_err().to_string(), words);
        }
        let long = DomainName::parse(&"\u{17f}".repeat(200))
            .unwrap_err()
            .to_string();
        assert!(
            long.contains(&format!("{}\"...", "\u{17f}".repeat(63))),
            "{long}"
        );
    }

    #[test]
    fn mixed_scripts_are_flagged_and_languages_are_not() {
        for (typed, mixed) in [
            ("example.com", false),
            ("a-1.example", false),
            ("m\u{fc}nchen.example", false),
            ("\u{43f}\u{440}\u{438}\u{43c}\u{435}\u{440}.example", false),
            (
                "\u{65e5}\u{672c}\u{8a9e}\u{3072}\u{3089}\u{30ab}\u{30bf}.example",
                false,
            ),
            ("\u{6771}\u{4eac}tokyo.example", false),
            ("\u{d55c}\u{ad6d}\u{c5b4}korea.example", false),
            // Persian with a joiner, Cherokee, symbols, and symbols beside letters.
            (
                "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}.ir",
                false,
            ),
            ("\u{13e3}\u{13b3}\u{13a9}.example", false),
            ("\u{1f600}.example", false),
            ("i\u{2764}ny.example", false),
            // The second letter is Cyrillic.
            ("p\u{430}ypal.com", true),
            ("p\u{430}ypal\u{1f600}.com", true),
            ("\u{3b1}lpha.example", true),
            ("\u{13a9}oogle.example", true),
            ("\u{6771}\u{430}.example", true),
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
        assert!(DomainName::parse(&format!("{longest}.")).is_ok());
        let too_long = |label| NameError::Label {
            label,
            fault: LabelFault::TooLong,
        };
        assert_eq!(
            DomainName::parse(&format!("a{longest}")),
            Err(NameError::TooLong(254))
        );
        assert_eq!(
            DomainName::parse(&format!("{}.example", "a".repeat(64))),
            Err(too_long("a".repeat(64)))
        );
        // 60 two-octet letters grow beyond 63 octets as an A-label.
        assert_eq!(
            DomainName::parse(&format!("{}.example", "жя".repeat(30))),
            Err(too_long("жя".repeat(30)))
        );
    }

    #[test]
    fn below_ends_at_a_label_boundary() {
        let name = DomainName::parse("shop.acme.com").unwrap();
        assert!(name.is_below("acme.com") && name.is_at_or_below("shop.acme.com"));
        assert!(!name.is_below("shop.acme.com") && !name.is_below("me.com"));
    }

    /// Names, and what people make of them: marks, other cases, characters that look like others.
    fn typed() -> impl Strategy<Value = String> {
        let any = prop_oneof![
            4 => "[a-zA-Z0-9-]",
            3 => "[\u{e4}\u{d6}\u{df}\u{1e9e}\u{3c3}\u{3a3}\u{3c2}\u{130}\u{131}\u{390}\u{13a0}\u{ab70}\u{430}]",
            2 => "[\u{308}\u{30c}\u{301}\u{93c}\u{345}]",
            2 => "[\u{212a}\u{212b}\u{17f}\u{3f4}\u{200b}\u{200c}\u{200d}\u{ad}\u{3002}\u{b7}]",
            2 => "[\u{5d0}\u{628}\u{661}\u{6f1}\u{915}\u{94d}\u{1100}\u{1161}]",
            1 => "\\.",
            1 => "\\PC",
        ];
        prop::collection::vec(any, 0..30).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,300}") {
            let _ = DomainName::parse(&text);
        }

        #[test]
        fn a_name_is_the_same_in_each_of_its_forms(text in typed()) {
            if let Ok(name) = DomainName::parse(&text) {
                let unicode = name.to_unicode();
                prop_assert_eq!(DomainName::parse(name.as_str()), Ok(name.clone()));
                prop_assert_eq!(DomainName::parse(&unicode), Ok(name.clone()));
                prop_assert_eq!(DomainName::parse(&format!("{name}.")), Ok(name.clone()));
                let upper = |text: &str| text.chars().flat_map(char::to_uppercase).collect::<String>();
                for form in [name.as_str(), &unicode] {
                    let upper = upper(form);
                    if upper.chars().flat_map(char::to_lowercase).eq(form.chars()) {
                        prop_assert_eq!(DomainName::parse(&upper), Ok(name.clone()), "{}", upper);
                    }
                }
                prop_assert!(name.as_str().len() <= MAX_NAME_OCTETS);
                prop_assert!(name.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.'));
            }
        }

        /// It is the one that the library gives the text as it was typed.
        #[test]
        fn the_name_is_that_of_uts_46(text in typed()) {
            if let Ok(name) = DomainName::parse(&text) {
                let typed = text.strip_suffix('.').unwrap_or(&text);
                let ascii = Uts46::new().to_ascii(typed.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify);
                prop_assert_eq!(ascii.unwrap_or_default(), name.as_str());
            }
        }

        #[test]
        fn case_never_matters(text in "[a-zA-Z\u{e4}\u{d6}\u{df}]{1,20}\\.[a-z]{2,5}") {
            prop_assert_eq!(DomainName::parse(&text.to_lowercase()), DomainName::parse(&text));
        }
    }
}
