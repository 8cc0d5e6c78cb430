//! What is wrong with a value that has the token and does not prove it.

use strum::Display;

use super::challenge::{Challenge, FORMS};
use super::legible::is_unseen;

/// How a value with the token differs from what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// It is the value of either form but for these.
    Slips(Vec<Slip>),
    /// The token alone.
    BareToken,
    /// The value of either form ends before its token does.
    CutShort,
    /// The record's name, time to live or type stand in the value.
    RecordLine,
    /// The words before the token are there twice.
    RepeatedKey,
    /// There is more than the value.
    OtherText,
}

/// A mistake that people, editors and panels make with characters.
#[derive(Clone, Copy, Debug, Display, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slip {
    #[strum(to_string = "quotation marks")]
    Quotes,
    #[strum(to_string = "typographic quotation marks")]
    TypographicQuotes,
    #[strum(to_string = "spaces")]
    Blanks,
    #[strum(to_string = "no-break spaces")]
    NoBreakBlanks,
    #[strum(to_string = "invisible characters (such as a zero-width space or a byte order mark)")]
    Invisible,
    #[strum(to_string = "HTML entities (such as &quot;)")]
    Entities,
    #[strum(to_string = "backslashes")]
    Backslashes,
    #[strum(to_string = "typographic dashes")]
    Dashes,
    #[strum(to_string = "full-width characters")]
    FullWidth,
    #[strum(to_string = "capital letters")]
    Capitals,
    #[strum(to_string = "a final dot or comma")]
    FinalDot,
}

/// Reads a value for its token; none where it has another or none.
#[must_use]
pub fn of(challenge: &Challenge, value: &[u8]) -> Option<Spelling> {
    let (with_blanks, mut slips) = plain(value);
    let text = with_blanks.replace(' ', "");
    let token = challenge.token.as_str();
    if !text.contains(token) {
        return is_cut_short(challenge, &text).then_some(Spelling::CutShort);
    }
    let bare = text.trim_end_matches(['.', ',', ';']);
    if bare == token {
        return Some(Spelling::BareToken);
    }
    if FORMS.iter().any(|&form| bare == challenge.value(form)) {
        if bare != text {
            slips.push(Slip::FinalDot);
        }
        return Some(Spelling::Slips(slips));
    }
    let label = challenge.service.challenge_label();
    let owners = FORMS.map(|form| challenge.owner(form));
    let is_of_record = |word: &str| {
        let name = word.split('=').next().unwrap_or_default();
        let name = name.trim_end_matches('.');
        word == "txt" || name == label || owners.iter().any(|owner| name == owner)
    };
    if with_blanks.split(' ').any(is_of_record) {
        return Some(Spelling::RecordLine);
    }
    let keys = FORMS.iter().map(|&form| {
        let value = challenge.value(form);
        let key = value.strip_suffix(token).unwrap_or_default();
        text.matches(key).count()
    });
    Some(if keys.sum::<usize>() > 1 {
        Spelling::RepeatedKey
    } else {
        Spelling::OtherText
    })
}

/// Whether nothing but the end of the token is missing.
fn is_cut_short(challenge: &Challenge, text: &str) -> bool {
    FORMS.iter().any(|&form| {
        let value = challenge.value(form);
        let words = value.len() - challenge.token.as_str().len();
        text.len() >= words && value.starts_with(text)
    })
}

/// A value without what does not belong to any, each run of blanks as one, and what was left out, sorted.
fn plain(value: &[u8]) -> (String, Vec<Slip>) {
    let written = decode(value);
    // What an entity stands for is no mistake of its own.
    let mut slips: Vec<Slip> = written.chars().filter_map(|c| read(c).0).collect();
    let resolved = resolve_entities(&written);
    if resolved != written {
        slips.push(Slip::Entities);
    }
    let mut with_blanks = String::new();
    for c in resolved.chars() {
        match read(c).1 {
            Some(' ') if with_blanks.ends_with(' ') => {}
            Some(meant) => with_blanks.push(meant),
            None => {}
        }
    }
    slips.sort_unstable();
    slips.dedup();
    (with_blanks, slips)
}

/// What is wrong with a character, and what it stands for.
fn read(c: char) -> (Option<Slip>, Option<char>) {
    match c {
        '"' | '\'' | '`' => (Some(Slip::Quotes), None),
        '\u{2018}'..='\u{201f}' | '´' | '«' | '»' | '‹' | '›' | '″' | '′' => {
            (Some(Slip::TypographicQuotes), None)
        }
        '\\' => (Some(Slip::Backslashes), None),
        ' ' | '\t' | '\r' | '\n' => (Some(Slip::Blanks), Some(' ')),
        _ if c.is_whitespace() => (Some(Slip::NoBreakBlanks), Some(' ')),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => (Some(Slip::Dashes), Some('-')),
        '\u{ff01}'..='\u{ff5e}' => {
            let ascii = char::from_u32(u32::from(c) - 0xfee0);
            (Some(Slip::FullWidth), ascii.map(|c| c.to_ascii_lowercase()))
        }
        'A'..='Z' => (Some(Slip::Capitals), Some(c.to_ascii_lowercase())),
        // Marks that merge with the letter before them too.
        '\u{300}'..='\u{36f}' => (Some(Slip::Invisible), None),
        _ if is_unseen(c) => (Some(Slip::Invisible), None),
        _ => (None, Some(c)),
    }
}

/// Reads UTF-8, and what is not as Windows-1252, the other way in which quotation marks come.
fn decode(value: &[u8]) -> String {
    let mut text = String::new();
    for chunk in value.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|&octet| match octet {
            0x91 | 0x92 => '\u{2018}',
            0x93 | 0x94 => '\u{201c}',
            0x96 | 0x97 => '\u{2013}',
            _ => char::from(octet),
        }));
    }
    text
}

/// Replaces HTML's entities, also those of entities.
fn resolve_entities(text: &str) -> String {
    (0..3).fold(text.to_owned(), |text, _| resolve_once(&text))
}

fn resolve_once(text: &str) -> String {
    let mut parts = text.split('&');
    let mut resolved = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '#'))
            .unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        if let Some(c) = entity(name) {
            resolved.push(c);
            resolved.push_str(rest.strip_prefix(';').unwrap_or(rest));
        } else {
            resolved.push('&');
            resolved.push_str(part);
        }
    }
    resolved
}

fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return code.ok().and_then(char::from_u32);
    }
    Some(match name.to_ascii_lowercase().as_str() {
        "quot" => '"',
        "apos" => '\'',
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "equals" => '=',
        "nbsp" => '\u{a0}',
        "shy" => '\u{ad}',
        "zwnj" => '\u{200c}',
        "zwj" => '\u{200d}',
        "lsquo" => '\u{2018}',
        "rsquo" => '\u{2019}',
        "ldquo" => '\u{201c}',
        "rdquo" => '\u{201d}',
        "laquo" => '«',
        "raquo" => '»',
        "ndash" => '\u{2013}',
        "mdash" => '\u{2014}',
        "dash" | "hyphen" => '\u{2010}',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::challenge::{RecordForm, TOKEN_OCTETS, Token};
    use crate::model::name::DomainName;
    use crate::model::service::ServiceName;

    fn challenge() -> Challenge {
        Challenge {
            name: DomainName::parse("acme.example").unwrap(),
            service: ServiceName::default(),
            token: Token::from_random([1; TOKEN_OCTETS]),
        }
    }

    fn slips(slips: &[Slip]) -> Spelling {
        Spelling::Slips(slips.to_vec())
    }

    #[test]
    fn each_mistake_is_named() {
        use Slip::{
            Backslashes, Blanks, Capitals, Dashes, Entities, FinalDot, FullWidth, Invisible,
            NoBreakBlanks, Quotes, TypographicQuotes,
        };
        let c = challenge();
        let right = c.value(RecordForm::Underscore);
        let apex = c.value(RecordForm::Apex);
        let token = c.token.as_str();
        let owner = c.owner(RecordForm::Underscore);
        for (value, expected) in [
            (format!("\"{right}\""), slips(&[Quotes])),
            (format!("'{apex}'"), slips(&[Quotes])),
            (format!("\\\"{right}\\\""), slips(&[Quotes, Backslashes])),
            (format!("“{right}”"), slips(&[TypographicQuotes])),
            (format!("„{right}“"), slips(&[TypographicQuotes])),
            (format!("«{right}»"), slips(&[TypographicQuotes])),
            (format!(" {right}\n"), slips(&[Blanks])),
            (right.replace('=', " = "), slips(&[Blanks])),
            (format!("\u{a0}{right}"), slips(&[NoBreakBlanks])),
            (format!("{right}\u{202f}"), slips(&[NoBreakBlanks])),
            (format!("\u{feff}{right}"), slips(&[Invisible])),
            (format!("{right}\u{200b}"), slips(&[Invisible])),
            (format!("{right}\u{0}"), slips(&[Invisible])),
            (format!("\u{202a}{right}\u{202c}"), slips(&[Invisible])),
            (format!("&quot;{right}&quot;"), slips(&[Entities])),
            (format!("&amp;quot;{right}&amp;quot;"), slips(&[Entities])),
            (format!("&#34;{right}&#x22;"), slips(&[Entities])),
            (format!("{right}&nbsp;"), slips(&[Entities])),
            (right.replace('=', "&#61;"), slips(&[Entities])),
            (apex.replace('-', "–"), slips(&[Dashes])),
            (right.replace('=', "＝"), slips(&[FullWidth])),
            (right.to_uppercase(), slips(&[Capitals])),
            (format!("{right}."), slips(&[FinalDot])),
            (format!("\"{right}\"."), slips(&[Quotes, FinalDot])),
            (format!(" \"{right}\""), slips(&[Quotes, Blanks])),
            (token.to_owned(), Spelling::BareToken),
            (format!("\"{token}\""), Spelling::BareToken),
            (
                format!("{owner}. 300 IN TXT \"{right}\""),
                Spelling::RecordLine,
            ),
            (format!("TXT {right}"), Spelling::RecordLine),
            (format!("{owner} {right}"), Spelling::RecordLine),
            (format!("{owner}={right}"), Spelling::RecordLine),
            (
                format!("_freehold-challenge\tIN\t{right}"),
                Spelling::RecordLine,
            ),
            (format!("acme.example = {apex}"), Spelling::RecordLine),
            (format!("token={right}"), Spelling::RepeatedKey),
            (format!("{right} {right}"), Spelling::RepeatedKey),
            (
                format!("freehold-domain-verification={right}"),
                Spelling::RepeatedKey,
            ),
            (right[..right.len() - 1].to_owned(), Spelling::CutShort),
            (
                format!("\"{}\"", &apex[..apex.len() - 9]),
                Spelling::CutShort,
            ),
            ("token=".to_owned(), Spelling::CutShort),
            (format!("{right} expiry=soon"), Spelling::OtherText),
            (
                format!("{right} at https://acme.example"),
                Spelling::OtherText,
            ),
            (format!("key={token}"), Spelling::OtherText),
        ] {
            assert_eq!(of(&c, value.as_bytes()), Some(expected), "{value:?}");
        }
        let windows = [b"\x93", right.as_bytes(), b"\x94"].concat();
        assert_eq!(of(&c, &windows), Some(slips(&[TypographicQuotes])));
        let latin = [right.as_bytes(), b"\xa0"].concat();
        assert_eq!(of(&c, &latin), Some(slips(&[NoBreakBlanks])));
        let other = format!("token={}", Token::from_random([2; TOKEN_OCTETS]));
        for value in ["v=spf1 -all", "", "token", "token=7", &other] {
            assert_eq!(of(&c, value.as_bytes()), None, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_around_a_token_are_read(
            before in prop::collection::vec(any::<u8>(), 0..40),
            after in ".{0,40}",
        ) {
            let c = challenge();
            let value = [&before[..], b" ", c.token.as_str().as_bytes(), b" ", after.as_bytes()].concat();
            prop_assert!(of(&c, &value).is_some());
            prop_assert_eq!(of(&c, &before), None);
        }
    }
}
