//! The challenge: a token, and the TXT records of which any one proves it.

use std::fmt;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::name::DomainName;
use super::service::ServiceName;

/// Random octets in a token: 160 bits.
pub const TOKEN_OCTETS: usize = 20;
const TOKEN_CHARS: usize = TOKEN_OCTETS * 8 / 5;

/// A secret-free but unpredictable value, new for every object and every restart: ASCII letters and
/// digits, in place, because one is kept of every domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token([u8; TOKEN_CHARS]);

impl Token {
    /// Writes random octets as lower-case base32 without padding (RFC 4648).
    #[must_use]
    pub fn from_random(octets: [u8; TOKEN_OCTETS]) -> Self {
        let mut token = [0; TOKEN_CHARS];
        BASE32_NOPAD.encode_mut(&octets, &mut token);
        token.make_ascii_lowercase();
        Self(token)
    }

    /// Reads a token back from a status. Anything else than a whole token is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let token: [u8; TOKEN_CHARS] = text.as_bytes().try_into().ok()?;
        token
            .iter()
            .all(|octet| octet.is_ascii_lowercase() || (b'2'..=b'7').contains(octet))
            .then_some(Self(token))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// SHA-256 in lower-case hex, which ties a holding to a token without repeating it.
    #[must_use]
    pub fn hash(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(self.0))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a record carries the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordForm {
    /// `_<service>-challenge.<name>` with `token=<token>`, the grammar of
    /// draft-ietf-dnsop-domain-verification-techniques section 6.
    Underscore,
    /// `<name>` with `<service>-domain-verification=<token>`, beside whatever else the apex has.
    Apex,
}

/// The forms in the order in which they are shown and asked.
pub const FORMS: [RecordForm; 2] = [RecordForm::Underscore, RecordForm::Apex];

/// What one organization domain must publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    pub name: DomainName,
    pub service: ServiceName,
    pub token: Token,
}

impl Challenge {
    /// Where the record of this form lives, without a final dot.
    #[must_use]
    pub fn owner(&self, form: RecordForm) -> String {
        match form {
            RecordForm::Underscore => format!("{}.{}", self.service.challenge_label(), self.name),
            RecordForm::Apex => self.name.to_string(),
        }
    }

    /// What the record of this form must say.
    #[must_use]
    pub fn value(&self, form: RecordForm) -> String {
        match form {
            RecordForm::Underscore => format!("token={}", self.token),
            RecordForm::Apex => format!("{}{}", apex_prefix(&self.service), self.token),
        }
    }

    /// How a published value, its character-strings joined, stands to the token.
    #[must_use]
    pub fn matches(&self, form: RecordForm, value: &[u8], now: Timestamp) -> ValueMatch {
        match form {
            RecordForm::Underscore => self.matches_underscore(value, now),
            RecordForm::Apex => match value.strip_prefix(apex_prefix(&self.service).as_bytes()) {
                None => ValueMatch::Foreign,
                Some(token) if token == self.token.as_str().as_bytes() => ValueMatch::Proves,
                Some(_) => ValueMatch::Differs,
            },
        }
    }

    fn matches_underscore(&self, value: &[u8], now: Timestamp) -> ValueMatch {
        match std::str::from_utf8(value).ok().and_then(DcvValue::parse) {
            Some(ours) if ours.token != self.token.as_str() => ValueMatch::Differs,
            Some(ours) if ours.expiry <= now => ValueMatch::Expired,
            Some(_) => ValueMatch::Proves,
            None => ValueMatch::Differs,
        }
    }
}

fn apex_prefix(service: &ServiceName) -> String {
    format!("{service}-domain-verification=")
}

/// The token that a published value carries, whosever it is.
#[must_use]
pub fn published_token(service: &ServiceName, form: RecordForm, value: &[u8]) -> Option<Token> {
    let text = std::str::from_utf8(value).ok()?;
    let token = match form {
        RecordForm::Underscore => DcvValue::parse(text)?.token,
        RecordForm::Apex => text.strip_prefix(&apex_prefix(service))?,
    };
    Token::parse(token)
}

/// How one published value stands to the challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueMatch {
    /// It is the value, in full.
    Proves,
    /// It is the value, and says itself that it no longer holds.
    Expired,
    /// It is meant for us and has another token, or is not in the grammar.
    Differs,
    /// It is somebody else's record at a shared name.
    Foreign,
}

/// A TXT value in the draft's grammar: `token=<token>` first, then `key=value`.
struct DcvValue<'a> {
    token: &'a str,
    /// [`Timestamp::MAX`] where it never expires.
    expiry: Timestamp,
}

impl<'a> DcvValue<'a> {
    /// None where the grammar is broken: what cannot be read proves nothing.
    fn parse(text: &'a str) -> Option<Self> {
        let mut pairs = text.split(' ').map(|pair| pair.split_once('='));
        let (first, token) = pairs.next()??;
        if !first.eq_ignore_ascii_case("token") || !is_value(token) {
            return None;
        }
        let mut expiry = None;
        for pair in pairs {
            let (key, value) = pair?;
            let is_key = !key.is_empty() && key.bytes().all(is_key_octet);
            if !is_key || key.eq_ignore_ascii_case("token") || !is_value(value) {
                return None;
            }
            if key.eq_ignore_ascii_case("expiry") && expiry.replace(parse_expiry(value)?).is_some()
            {
                return None;
            }
        }
        Some(Self {
            token,
            expiry: expiry.unwrap_or(Timestamp::MAX),
        })
    }
}

fn is_key_octet(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'-' || b == b'_'
}

fn is_value(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
}

/// RFC 3339 date or date-time, or `never`. A bare date holds to its end in UTC.
fn parse_expiry(text: &str) -> Option<Timestamp> {
    if text == "never" {
        return Some(Timestamp::MAX);
    }
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let date: Date = text.parse().ok().filter(|_| text.len() == 10)?;
    let end = date.tomorrow().ok()?;
    TimeZone::UTC.to_timestamp(end.into()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn challenge() -> Challenge {
        Challenge {
            name: DomainName::parse("acme.example").unwrap(),
            service: ServiceName::default(),
            token: Token::from_random([7; TOKEN_OCTETS]),
        }
    }

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn records_are_written_as_documented() {
        let c = challenge();
        let t = c.token.as_str();
        assert_eq!(t.len(), 32);
        assert_eq!(
            c.owner(RecordForm::Underscore),
            "_freehold-challenge.acme.example"
        );
        assert_eq!(c.value(RecordForm::Underscore), format!("token={t}"));
        assert_eq!(c.owner(RecordForm::Apex), "acme.example");
        assert_eq!(
            c.value(RecordForm::Apex),
            format!("freehold-domain-verification={t}")
        );
    }

    #[test]
    fn underscore_values_match_in_full_or_not_at_all() {
        use ValueMatch::{Differs, Expired, Proves};
        let c = challenge();
        let t = c.token.as_str();
        for (value, expected) in [
            (format!("token={t}"), Proves),
            (format!("TOKEN={t}"), Proves),
            (format!("token={t} expiry=never"), Proves),
            (format!("token={t} expiry=2026-11-22T12:00:01Z"), Proves),
            (format!("token={t} expiry=2026-11-22T12:00:00Z"), Expired),
            (format!("token={t} expiry=2026-11-22"), Proves),
            (format!("token={t} expiry=2026-11-21"), Expired),
            (format!("token={t} note=hello Expiry=2020-01-01"), Expired),
            (format!("token={t} note=hello"), Proves),
            (format!("token={t} expiry=soon"), Differs),
            (format!("token={t} expiry=never expiry=never"), Differs),
            (format!("token={t} token={t}"), Differs),
            (format!("note=x token={t}"), Differs),
            (format!("token={t} "), Differs),
            (format!(" token={t}"), Differs),
            (format!("token={t}x"), Differs),
            (format!("token=x{t}"), Differs),
            (format!("token={}", t.to_uppercase()), Differs),
            (format!("\"token={t}\""), Differs),
            (format!("token={t}\0"), Differs),
            (t.to_owned(), Differs),
            (String::new(), Differs),
            (format!("freehold-domain-verification={t}"), Differs),
        ] {
            assert_eq!(
                c.matches(RecordForm::Underscore, value.as_bytes(), now()),
                expected,
                "{value:?}"
            );
        }
        assert_eq!(
            c.matches(RecordForm::Underscore, b"token=\xff", now()),
            Differs
        );
    }

    #[test]
    fn at_the_apex_only_our_prefix_counts() {
        use ValueMatch::{Differs, Foreign, Proves};
        let c = challenge();
        let t = c.token.as_str();
        for (value, expected) in [
            (format!("freehold-domain-verification={t}"), Proves),
            (format!("freehold-domain-verification={t} "), Differs),
            (
                format!("freehold-domain-verification={}", t.to_uppercase()),
                Differs,
            ),
            (format!("Freehold-domain-verification={t}"), Foreign),
            ("v=spf1 -all".to_owned(), Foreign),
            (format!("token={t}"), Foreign),
        ] {
            assert_eq!(
                c.matches(RecordForm::Apex, value.as_bytes(), now()),
                expected,
                "{value:?}"
            );
        }
    }

    #[test]
    fn only_whole_tokens_are_read_back() {
        let token = Token::from_random([200; TOKEN_OCTETS]);
        assert_eq!(Token::parse(token.as_str()), Some(token.clone()));
        assert_eq!(token.hash().len(), 64);
        for bad in [
            "",
            "abc",
            &token.as_str().to_uppercase(),
            &format!("{token}a"),
            &"1".repeat(32),
        ] {
            assert_eq!(Token::parse(bad), None, "{bad}");
        }
    }

    /// Parts of values, in whatever order.
    fn part() -> impl Strategy<Value = String> {
        let (ours, other) = (challenge().token, Token::from_random([8; TOKEN_OCTETS]));
        let right = format!("token={ours}");
        let parts = [
            right.clone(),
            right,
            format!("freehold-domain-verification={ours}"),
            format!("Token={other}"),
            ours.to_string(),
            " expiry=2020-01-01".to_owned(),
            " expiry=never".to_owned(),
            " expiry=".to_owned(),
            " note=x".to_owned(),
            " ".to_owned(),
            "=".to_owned(),
            "\"".to_owned(),
            "token=".to_owned(),
        ];
        prop_oneof![6 => prop::sample::select(parts.to_vec()), 1 => ".".prop_map(String::from)]
    }

    proptest! {
        #[test]
        fn another_token_never_proves(
            ours in prop::array::uniform20(any::<u8>()),
            theirs in prop::array::uniform20(any::<u8>()),
        ) {
            prop_assume!(ours != theirs);
            let c = Challenge { token: Token::from_random(ours), ..challenge() };
            let other = Challenge { token: Token::from_random(theirs), ..challenge() };
            for form in FORMS {
                prop_assert_eq!(c.matches(form, c.value(form).as_bytes(), now()), ValueMatch::Proves);
                prop_assert_eq!(c.matches(form, other.value(form).as_bytes(), now()), ValueMatch::Differs);
            }
        }

        #[test]
        fn any_octets_are_judged_without_a_panic(value in prop::collection::vec(any::<u8>(), 0..300)) {
            for form in FORMS {
                prop_assert_ne!(challenge().matches(form, &value, now()), ValueMatch::Proves);
            }
        }

        #[test]
        fn the_token_of_a_value_is_the_one_that_it_proves(tokens in prop::collection::vec(part(), 0..8)) {
            let value = tokens.concat();
            let c = challenge();
            for form in FORMS {
                let token = published_token(&c.service, form, value.as_bytes());
                let proven = token.as_ref().map(|token| {
                    let theirs = Challenge { token: token.clone(), ..c.clone() };
                    theirs.matches(form, value.as_bytes(), now())
                });
                prop_assert!(matches!(proven, None | Some(ValueMatch::Proves | ValueMatch::Expired)), "{proven:?}");
                let ours = c.matches(form, value.as_bytes(), now());
                let proves = matches!(ours, ValueMatch::Proves | ValueMatch::Expired);
                prop_assert_eq!(proves, token == Some(c.token.clone()));
            }
        }

        #[test]
        fn a_value_holds_until_its_expiry_and_a_day_to_its_end(
            day in -800_000_i64..2_900_000,
            second in 0_i64..86_400,
            around in -200_000_i64..200_000,
        ) {
            let at = |second| Timestamp::from_second(second).unwrap();
            let (begin, c) = (at(day * 86_400), challenge());
            let date = jiff::tz::TimeZone::UTC.to_datetime(begin).date();
            prop_assume!((0..9999).contains(&date.year()));
            let time = at(day * 86_400 + second);
            let now = at(day * 86_400 + second + around);
            let value = |expiry: String| {
                let value = format!("token={} expiry={expiry}", c.token);
                c.matches(RecordForm::Underscore, value.as_bytes(), now)
            };
            let expected = |end| if now < end { ValueMatch::Proves } else { ValueMatch::Expired };
            prop_assert_eq!(value(date.to_string()), expected(at((day + 1) * 86_400)), "{}", date);
            prop_assert_eq!(value(time.to_string()), expected(time));
        }

        #[test]
        fn one_changed_octet_never_proves(at in 0usize..38, octet in any::<u8>()) {
            let c = challenge();
            let mut value = c.value(RecordForm::Underscore).into_bytes();
            prop_assume!(!value[at].eq_ignore_ascii_case(&octet));
            value[at] = octet;
            prop_assert_ne!(c.matches(RecordForm::Underscore, &value, now()), ValueMatch::Proves);
        }
    }
}
