//! A value proves only if it has the very token, in one place, and is otherwise in the grammar.

#![no_main]

use freehold::model::challenge::{Challenge, FORMS, RecordForm, TOKEN_OCTETS, Token, ValueMatch};
use freehold::model::name::DomainName;
use freehold::model::service::ServiceName;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

/// Stands for the token in what the fuzzer writes: it would not guess that.
const PLACEHOLDER: u8 = b'@';

fuzz_target!(|data: &[u8]| {
    let Ok(name) = DomainName::parse("acme.example") else {
        return;
    };
    let challenge = Challenge {
        name,
        service: ServiceName::default(),
        token: Token::from_random([7; TOKEN_OCTETS]),
    };
    let token = challenge.token.as_str();
    let mut value = Vec::new();
    for &octet in data {
        match octet {
            PLACEHOLDER => value.extend(token.as_bytes()),
            _ => value.push(octet),
        }
    }
    let now = Timestamp::UNIX_EPOCH;
    for form in FORMS {
        let found = challenge.matches(form, &value, now);
        if !matches!(found, ValueMatch::Proves | ValueMatch::Expired) {
            continue;
        }
        let text = std::str::from_utf8(&value).expect("what proves is text");
        match form {
            RecordForm::Apex => assert_eq!(text, challenge.value(form)),
            RecordForm::Underscore => {
                let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
                let (key, found_token) = first.split_once('=').expect("a key");
                assert!(key.eq_ignore_ascii_case("token"));
                assert_eq!(found_token, token);
                assert!(text.bytes().all(|o| o == b' ' || o.is_ascii_graphic()));
                let lower = rest.to_ascii_lowercase();
                let pairs = || lower.split(' ').filter(|pair| !pair.is_empty());
                assert!(pairs().all(|pair| pair.contains('=')));
                assert!(!pairs().any(|pair| pair.starts_with("token=")));
                let expiries = pairs().filter(|pair| pair.starts_with("expiry="));
                assert!(expiries.count() <= 1);
            }
        }
    }
});
