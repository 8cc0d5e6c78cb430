//! A name that is read has one form, which is read as itself.

#![no_main]

use freehold::model::name::{DomainName, MAX_NAME_OCTETS};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(name) = DomainName::parse(text) else {
        return;
    };
    let canonical = name.as_str();
    assert!(canonical.len() <= MAX_NAME_OCTETS);
    assert!(canonical.split('.').all(is_label), "{canonical}");
    assert!(canonical.parse::<std::net::IpAddr>().is_err());
    assert_eq!(DomainName::parse(canonical).as_ref(), Ok(&name));
    let unicode = name.to_unicode();
    assert_eq!(DomainName::parse(&unicode).as_ref(), Ok(&name));
    // Of ASCII letters nothing but the case was changed, and a final dot left out.
    let typed = text.strip_suffix('.').unwrap_or(text);
    assert!(!typed.is_ascii() || typed.eq_ignore_ascii_case(canonical), "{text}");
    let _ = name.mixes_scripts();
});

fn is_label(label: &str) -> bool {
    let octets = label.as_bytes();
    (1..=63).contains(&octets.len())
        && octets
            .iter()
            .all(|&o| o.is_ascii_lowercase() || o.is_ascii_digit() || o == b'-')
        && octets.first() != Some(&b'-')
        && octets.last() != Some(&b'-')
}
