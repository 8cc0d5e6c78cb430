//! The trust anchors of the root zone, as files of name servers and resolvers have them.
//!
//! Read are zone files of DNSKEY records, as Unbound and `dig` write them, and BIND's statements.
//! Whatever else a file has is refused: a key that is left out silently would be missed at the next
//! rollover, and with no key at all nothing would be validated.

use std::iter::Peekable;
use std::str::Chars;

use data_encoding::BASE64;
use hickory_resolver::net::proto::dnssec::rdata::DNSKEY;
use hickory_resolver::net::proto::dnssec::{Algorithm, PublicKeyBuf, TrustAnchors, Verifier};

use crate::model::text_file::{self, TextError};

/// BIND's statements with trust anchors, the present one and its predecessors.
const STATEMENTS: [&str; 3] = ["trust-anchors", "managed-keys", "trusted-keys"];
/// States of a key in Unbound's own file (RFC 5011 section 4.2) in which it is not trusted: at the
/// start, not yet, revoked, removed.
const NOT_TRUSTED: [&str; 4] = [";;state=0", ";;state=1", ";;state=4", ";;state=5"];

/// Why a file has no trust anchors.
#[derive(Debug, thiserror::Error)]
pub enum AnchorsError {
    #[error(transparent)]
    Text(#[from] TextError),
    #[error(
        "it is an XML file, like IANA's root-anchors.xml, which has the digests of the root's keys. {ADVICE}"
    )]
    Xml,
    #[error("it has no trusted key. {ADVICE}")]
    NoKey,
    #[error("line {line}: {fault}")]
    Line { line: usize, fault: Fault },
}

/// What a person does instead.
const ADVICE: &str = "Use the DNSKEY records of the root zone: `dig +noall +answer . DNSKEY` prints them, and dnssec-dsfromkey prints their digests to compare with the ones that IANA publishes. For the public DNS, leave the file out: its keys are built in";

/// What is wrong at a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("this is not a DNSKEY record such as `. IN DNSKEY 257 3 8 KEY`")]
    NotARecord,
    #[error(
        "this is not a statement such as `trust-anchors {{ . initial-key 257 3 8 \"KEY\"; }};`"
    )]
    NotAStatement,
    #[error("{0} is not closed")]
    Unclosed(&'static str),
    #[error("this is the digest of a key (DS), not the key. {ADVICE}")]
    Digest,
    #[error("this is a record of type {0}; leave only DNSKEY records in the file")]
    Type(String),
    #[error("this key belongs to the zone {0}; only keys of the root zone (.) are used")]
    Zone(String),
    #[error("this key is revoked (flags {0}); remove it")]
    Revoked(u16),
    #[error("this is not a zone key: its flags are {0}, not 256 or 257")]
    NotOfZone(u16),
    #[error("the protocol of a DNSKEY record must be 3")]
    Protocol,
    #[error("keys with the algorithm {0} are not supported")]
    Algorithm(u8),
    #[error("the key is damaged: {0}")]
    Key(String),
}

impl Fault {
    fn at(self, line: usize) -> AnchorsError {
        AnchorsError::Line { line, fault: self }
    }
}

/// Reads the keys of a file. A blank file has none: it means that the root is not signed.
pub fn read(file: &[u8]) -> Result<TrustAnchors, AnchorsError> {
    let text = text_file::text(file)?;
    let mut anchors = TrustAnchors::empty();
    if text.trim().is_empty() {
        return Ok(anchors);
    }
    let keys = match first_word(text) {
        word if word.starts_with('<') => return Err(AnchorsError::Xml),
        word if STATEMENTS.contains(&word) => statements(text)?,
        _ => records(text)?,
    };
    for key in keys {
        let (line, key) = (key.line, key.read());
        anchors.insert(key.map_err(|fault| fault.at(line))?.public_key());
    }
    if anchors.is_empty() {
        return Err(AnchorsError::NoKey);
    }
    Ok(anchors)
}

/// The first word after comments of either syntax.
fn first_word(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        let after = if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map(|(_, after)| after)
        } else if rest.starts_with([';', '#']) || rest.starts_with("//") {
            rest.split_once('\n').map(|(_, after)| after)
        } else {
            let ends = |c: char| c.is_whitespace() || matches!(c, '{' | ';');
            return rest.split(ends).next().unwrap_or(rest);
        };
        rest = after.unwrap_or_default().trim_start();
    }
}

/// A key as a file has it.
#[derive(Debug)]
struct Key {
    line: usize,
    zone: String,
    flags: String,
    protocol: String,
    algorithm: String,
    public: String,
}

impl Key {
    fn read(&self) -> Result<DNSKEY, Fault> {
        let number = |text: &str| text.parse().map_err(|_| Fault::NotARecord);
        if self.zone != "." {
            return Err(Fault::Zone(self.zone.escape_debug().to_string()));
        }
        let flags = self.flags.parse().map_err(|_| Fault::NotARecord)?;
        if number(&self.protocol)? != 3 {
            return Err(Fault::Protocol);
        }
        let algorithm = number(&self.algorithm).or_else(|error| {
            let named = |n: &u8| Algorithm::from_u8(*n).as_str() == self.algorithm;
            (0..=u8::MAX).find(named).ok_or(error)
        })?;
        let supported = Algorithm::from_u8(algorithm);
        if !supported.is_supported() {
            return Err(Fault::Algorithm(algorithm));
        }
        let public = BASE64.decode(self.public.as_bytes());
        let public = public.map_err(|error| Fault::Key(error.to_string()))?;
        let key = DNSKEY::with_flags(flags, PublicKeyBuf::new(public, supported));
        if key.revoke() {
            return Err(Fault::Revoked(flags));
        }
        if !key.zone_key() {
            return Err(Fault::NotOfZone(flags));
        }
        key.key().map_err(|error| Fault::Key(error.to_string()))?;
        Ok(key)
    }
}

/// The keys of a zone file.
fn records(text: &str) -> Result<Vec<Key>, AnchorsError> {
    let mut keys = Vec::new();
    let mut owner = None;
    let mut depth = 0_usize;
    let mut begun = 1;
    let mut fields: Vec<&str> = Vec::new();
    let mut trusted = true;
    for (n, whole) in text.lines().enumerate() {
        let (line, comment) = whole.split_at(whole.find([';', '#']).unwrap_or(whole.len()));
        if fields.is_empty() {
            begun = n + 1;
        }
        for part in line.split_inclusive(['(', ')']) {
            let (words, parenthesis) = match part.strip_suffix(['(', ')']) {
                Some(words) => (words, part.chars().last()),
                None => (part, None),
            };
            fields.extend(words.split_whitespace());
            match parenthesis {
                Some('(') => depth += 1,
                Some(_) => depth = depth.checked_sub(1).ok_or(Fault::NotARecord.at(n + 1))?,
                None => {}
            }
        }
        if !fields.is_empty() {
            trusted &= !NOT_TRUSTED.iter().any(|state| comment.contains(state));
        }
        if depth > 0 || fields.is_empty() {
            continue;
        }
        let fields = std::mem::take(&mut fields);
        let trusted = std::mem::replace(&mut trusted, true);
        if fields.first() == Some(&"$TTL") {
            continue;
        }
        let key = record(&fields, &mut owner, begun).map_err(|fault| fault.at(begun))?;
        if trusted {
            keys.push(key);
        }
    }
    if depth > 0 {
        return Err(Fault::Unclosed("the parenthesis").at(begun));
    }
    Ok(keys)
}

/// Owner, TTL, class and type, of which the first three may be left out.
fn record<'a>(fields: &[&'a str], owner: &mut Option<&'a str>, line: usize) -> Result<Key, Fault> {
    let is_type = |field: &str| {
        ["DNSKEY", "DS"]
            .iter()
            .any(|t| t.eq_ignore_ascii_case(field))
    };
    let is_class = |field: &str| field.eq_ignore_ascii_case("IN");
    let is_ttl = |field: &str| field.starts_with(|c: char| c.is_ascii_digit());
    let is_other = |field: &str| !(is_type(field) || is_class(field) || is_ttl(field));
    let mut rest = fields;
    if let [first, after @ ..] = rest
        && is_other(first)
    {
        (*owner, rest) = (Some(*first), after);
    }
    let zone = owner.ok_or(Fault::NotARecord)?.to_owned();
    while let [first, after @ ..] = rest
        && (is_class(first) || is_ttl(first))
    {
        rest = after;
    }
    let [kind, data @ ..] = rest else {
        return Err(Fault::NotARecord);
    };
    if kind.eq_ignore_ascii_case("DS") {
        return Err(Fault::Digest);
    }
    if !is_type(kind) {
        let is_name = kind.bytes().all(|b| b.is_ascii_alphanumeric());
        let of_other_type = is_name && !data.is_empty();
        return Err(if of_other_type {
            Fault::Type((*kind).to_owned())
        } else {
            Fault::NotARecord
        });
    }
    let [flags, protocol, algorithm, public @ ..] = data else {
        return Err(Fault::NotARecord);
    };
    Ok(Key {
        line,
        zone,
        flags: (*flags).to_owned(),
        protocol: (*protocol).to_owned(),
        algorithm: (*algorithm).to_owned(),
        public: public.concat(),
    })
}

/// A word, a quoted text, or one of `{`, `}` and `;`.
#[derive(Debug)]
struct Token {
    line: usize,
    text: String,
    quoted: bool,
}

impl Token {
    fn is(&self, text: &str) -> bool {
        !self.quoted && self.text == text
    }
}

/// The keys of BIND's statements.
fn statements(text: &str) -> Result<Vec<Key>, AnchorsError> {
    let mut keys = Vec::new();
    let mut tokens = tokens(text)?.into_iter().peekable();
    while let Some(name) = tokens.next() {
        let line = name.line;
        if !STATEMENTS.iter().any(|statement| name.is(statement))
            || tokens.next_if(|token| token.is("{")).is_none()
        {
            return Err(Fault::NotAStatement.at(line));
        }
        loop {
            let first = tokens.next();
            let first = first.ok_or_else(|| Fault::Unclosed("the statement").at(line))?;
            if first.is("}") {
                break;
            }
            let line = first.line;
            let mut fields = vec![first.text];
            while let Some(token) = tokens.next_if(|token| !token.is(";") && !token.is("}")) {
                fields.push(token.text);
            }
            let end = tokens.next_if(|token| token.is(";"));
            end.ok_or_else(|| Fault::NotAStatement.at(line))?;
            keys.push(entry(&fields, line).map_err(|fault| fault.at(line))?);
        }
        tokens.next_if(|token| token.is(";"));
    }
    Ok(keys)
}

fn entry(fields: &[String], line: usize) -> Result<Key, Fault> {
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    match fields[..] {
        [_, "initial-ds" | "static-ds", ..] => Err(Fault::Digest),
        // `trusted-keys` has no word for how the key is used.
        [zone, flags, protocol, algorithm, public]
        | [
            zone,
            "initial-key" | "static-key",
            flags,
            protocol,
            algorithm,
            public,
        ] => Ok(Key {
            line,
            zone: zone.to_owned(),
            flags: flags.to_owned(),
            protocol: protocol.to_owned(),
            algorithm: algorithm.to_owned(),
            public: public.split_whitespace().collect(),
        }),
        _ => Err(Fault::NotAStatement),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, AnchorsError> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let begun = line;
        let unclosed = |what| Fault::Unclosed(what).at(begun);
        let (text, quoted) = match c {
            '\n' => {
                line += 1;
                continue;
            }
            c if c.is_whitespace() => continue,
            '#' => {
                until(&mut rest, |c| c == '\n');
                continue;
            }
            '/' if rest.next_if_eq(&'/').is_some() => {
                until(&mut rest, |c| c == '\n');
                continue;
            }
            '/' if rest.next_if_eq(&'*').is_some() => {
                loop {
                    line += lines(&until(&mut rest, |c| c == '*'));
                    rest.next().ok_or_else(|| unclosed("the comment"))?;
                    if rest.next_if_eq(&'/').is_some() {
                        break;
                    }
                }
                continue;
            }
            '"' => {
                let text = until(&mut rest, |c| c == '"');
                rest.next().ok_or_else(|| unclosed("the quoted key"))?;
                line += lines(&text);
                (text, true)
            }
            '{' | '}' | ';' => (c.to_string(), false),
            c => {
                let ends = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | ';' | '"');
                (format!("{c}{}", until(&mut rest, ends)), false)
            }
        };
        tokens.push(Token {
            line: begun,
            text,
            quoted,
        });
    }
    Ok(tokens)
}

/// What comes before the first such character, which is left.
fn until(rest: &mut Peekable<Chars<'_>>, ends: impl Fn(char) -> bool) -> String {
    let mut text = String::new();
    while let Some(c) = rest.next_if(|c| !ends(*c)) {
        text.push(c);
    }
    text
}

fn lines(text: &str) -> usize {
    text.matches('\n').count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The root's keys of 2017 and 2024, as IANA publishes them.
    const KEY_2017: &str = "AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7HrxRixHlFlExOLAJr5emLvN7SWXgnLh4+B5xQlNVz8Og8kvArMtNROxVQuCaSnIDdD5LKyWbRd2n9WGe2R8PzgCmr3EgVLrjyBxWezF0jLHwVN8efS3rCj/EWgvIWgb9tarpVUDK/b58Da+sqqls3eNbuv7pr+eoZG+SrDK6nWeL3c6H5Apxz7LjVc1uTIdsIXxuOLYA4/ilBmSVIzuDWfdRUfhHdY6+cn8HFRm+2hM8AnXGXws9555KrUB5qihylGa8subX2Nn6UwNR1AkUTV74bU=";
    const KEY_2024: &str = "AwEAAa96jeuknZlaeSrvyAJj6ZHv28hhOKkx3rLGXVaC6rXTsDc449/cidltpkyGwCJNnOAlFNKF2jBosZBU5eeHspaQWOmOElZsjICMQMC3aeHbGiShvZsx4wMYSjH8e7Vrhbu6irwCzVBApESjbUdpWWmEnhathWu1jo+siFUiRAAxm9qyJNg/wOZqqzL/dL/q8PkcRU5oUKEpUge71M3ej2/7CPqpdVwuMoTvoB+ZOT4YeGyxMvHmbrxlFzGOHOijtzN+u1TQNatX2XBuzZNQ1K+s2CXkPIZo7s6JgZyvaBevYtxPvYLw4z9mR7K2vaF18UYH9Z9GNUUeayffKC73PYc=";

    fn halves(key: &str) -> (&str, &str) {
        key.split_at(key.len() / 2)
    }

    fn keys(file: impl AsRef<[u8]>) -> Result<usize, String> {
        read(file.as_ref())
            .map(|anchors| anchors.len())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn zone_files_and_the_statements_of_bind_are_read() {
        let (a, b) = halves(KEY_2017);
        for (text, count) in [
            (String::new(), 0),
            (" \r\n\t\n".into(), 0),
            ("\u{feff}".into(), 0),
            (format!(". IN DNSKEY 257 3 8 {KEY_2017}"), 1),
            (format!("\u{feff}. IN DNSKEY 257 3 8 {KEY_2017}\r\n"), 1),
            (format!(". DNSKEY 257 3 8 {KEY_2017}\n"), 1),
            (format!(".\t172800\tin\tdnskey\t257 3 8 {a} {b}\n"), 1),
            (format!(". IN 2d DNSKEY 257 3 RSASHA256 {KEY_2017}\n"), 1),
            (
                format!("$TTL 86400\n.\tDNSKEY 256 3 8 {KEY_2017}\n\tDNSKEY 257 3 8 {KEY_2024}"),
                2,
            ),
            (
                format!(
                    "; ours {{ }}\n. IN DNSKEY 257 3 8 ( ; the key\n  {a}\n\n  {b} ) ; id = 20326\n"
                ),
                1,
            ),
            (format!(". IN DNSKEY (257 3 8\r\n{a}\r\n{b})\r\n"), 1),
            (
                format!(
                    "  # ours\n  . IN DNSKEY 257 3 8 {KEY_2017}\n  . IN DNSKEY 257 3 8 {KEY_2017}\n"
                ),
                1,
            ),
            // Unbound's own file: of these the first two are trusted.
            (
                format!(
                    "; autotrust trust anchor file\n;;id: . 1\n\
                     .\t86400\tIN\tDNSKEY\t257 3 8 {KEY_2017} ;{{id = 20326 (ksk), size = 2048b}} ;;state=2 [  VALID  ] ;;count=0\n\
                     .\t86400\tIN\tDNSKEY\t257 3 13 {} ;;state=3 [ MISSING ]\n\
                     .\t86400\tIN\tDNSKEY\t257 3 8 {KEY_2024} ;{{id = 38696 (ksk), size = 2048b}} ;;state=1 [ ADDPEND ] ;;count=3\n\
                     .\t86400\tIN\tDNSKEY\t385 3 8 {KEY_2024} ;;state=4 [ REVOKED ]\n",
                    BASE64.encode(&[7; 64])
                ),
                2,
            ),
            (
                format!("trust-anchors {{ . initial-key 257 3 8 \"{KEY_2017}\"; }};"),
                1,
            ),
            (
                format!("trust-anchors{{\".\" static-key 257 3 8 \"{a} {b}\";}};"),
                1,
            ),
            (
                format!(
                    "// keys\n/* of {{ {{ }} the\n * root **/ # zone\r\nmanaged-keys {{\r\n  . initial-key 257 3 8 \"{a}\r\n    {b}\"; // 2017\r\n\
                     \".\" initial-key 257 3 8 \"{KEY_2024}\";\r\n}};\r\n"
                ),
                2,
            ),
            (
                format!(
                    "\u{feff}trusted-keys {{ \".\" 257 3 8 \"{KEY_2017}\"; }}; trust-anchors {{ . static-key 257 3 8 \"{KEY_2024}\"; }};"
                ),
                2,
            ),
        ] {
            assert_eq!(keys(&text), Ok(count), "{text}");
        }
    }

    #[test]
    fn the_keys_are_those_of_the_file() {
        let of_public_dns = TrustAnchors::default();
        let text = format!(". IN DNSKEY 257 3 8 {KEY_2017}\n. IN DNSKEY 257 3 8 {KEY_2024}\n");
        let read = read(text.as_bytes()).unwrap();
        for n in 0..2 {
            assert!(of_public_dns.contains(read.get(n).unwrap()), "{n}");
        }
    }

    #[test]
    fn what_has_no_key_of_the_root_is_refused_with_the_line_and_the_reason() {
        let key = |rest: &str| format!("; ours\n. IN DNSKEY {rest} {KEY_2017}\n");
        for (text, words) in [
            ("; no keys yet\n".to_owned(), "no trusted key"),
            ("trust-anchors { };".into(), "no trusted key"),
            (
                format!(". DNSKEY 257 3 8 {KEY_2017} ;;state=1 [ ADDPEND ]"),
                "no trusted key",
            ),
            ("<?xml version=\"1.0\"?>\n<TrustAnchor>".into(), "XML file"),
            (
                ". IN DS 20326 8 2 E06D44B8".into(),
                "line 1: this is the digest of a key (DS)",
            ),
            (
                "\n. 3600 IN ds 20326 8 2 E06D44B8".into(),
                "line 2: this is the digest of a key (DS)",
            ),
            (
                "trust-anchors {\n. initial-ds 20326 8 2 \"E06D44B8\"; };".into(),
                "line 2: this is the digest",
            ),
            (
                "trust-anchors { . static-ds 20326 8 2 \"E06D44B8\"; };".into(),
                "dig +noall +answer . DNSKEY",
            ),
            (
                format!("acme.com. IN DNSKEY 257 3 8 {KEY_2017}"),
                "line 1: this key belongs to the zone acme.com.;",
            ),
            (
                format!("trusted-keys {{ acme.com. 257 3 8 \"{KEY_2017}\"; }};"),
                "belongs to the zone acme.com.;",
            ),
            (
                format!("@ IN DNSKEY 257 3 8 {KEY_2017}"),
                "belongs to the zone @;",
            ),
            (key("385 3 8"), "line 2: this key is revoked (flags 385)"),
            (
                key("1 3 8"),
                "line 2: this is not a zone key: its flags are 1",
            ),
            (key("257 2 8"), "line 2: the protocol"),
            (key("257 3 5x"), "line 2: this is not a DNSKEY record"),
            (
                key("257 3 12"),
                "line 2: keys with the algorithm 12 are not supported",
            ),
            (key("257 3 13"), "line 2: the key is damaged"),
            (key("x 3 13"), "line 2: this is not a DNSKEY record"),
            (key("257 3 8 \u{e4}"), "line 2: the key is damaged"),
            (". IN DNSKEY 257 3 8".into(), "line 1: the key is damaged"),
            (
                ". IN DNSKEY 257 3".into(),
                "line 1: this is not a DNSKEY record",
            ),
            (". IN".into(), "line 1: this is not a DNSKEY record"),
            (
                "IN DNSKEY 257 3 8 AAAA".into(),
                "line 1: this is not a DNSKEY record",
            ),
            (
                ". IN RRSIG DNSKEY 8 0 172800".into(),
                "line 1: this is a record of type RRSIG",
            ),
            (
                "\n. IN DNSKEY ( 257 3\n8".into(),
                "line 2: the parenthesis is not closed",
            ),
            (
                ". IN DNSKEY ) 257".into(),
                "line 1: this is not a DNSKEY record",
            ),
            (
                "server:\n  trust-anchor-file: \"root.key\"\n".into(),
                "line 1: this is not a DNSKEY record",
            ),
            ("$ORIGIN .\n".into(), "line 1: this is not a DNSKEY record"),
            (
                "trust-anchors { . initial-key 257 3 8 \"AAAA".into(),
                "line 1: the quoted key is not closed",
            ),
            (
                "/*\n*/ trust-anchors {\n/* . }".into(),
                "line 3: the comment is not closed",
            ),
            (
                "trust-anchors { ".into(),
                "line 1: the statement is not closed",
            ),
            (
                "trust-anchors { . initial-key 257 3 8 }; ".into(),
                "line 1: this is not a statement",
            ),
            ("trust-anchors;".into(), "line 1: this is not a statement"),
            (
                "trust-anchors { };\noptions { };".into(),
                "line 2: this is not a statement",
            ),
        ] {
            let error = keys(&text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        let wide = keys(b"\xff\xfe.\0 \0").unwrap_err();
        assert!(wide.contains("UTF-16"), "{wide}");
    }

    proptest! {
        #[test]
        fn a_file_that_is_not_blank_never_has_no_keys(file in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read(&file).map_or(true, |anchors| !anchors.is_empty() || is_blank(&file)));
        }

        #[test]
        fn nor_do_pieces_of_one(file in prop::collection::vec(prop_oneof![
            Just("."), Just(" "), Just("\n"), Just("IN"), Just("DNSKEY"), Just("257"), Just("3"), Just("8"), Just("("), Just(")"),
            Just("trust-anchors"), Just("{"), Just("}"), Just(";"), Just("\""), Just("initial-key"), Just("/*"), Just("*/"),
            Just("//"), Just("\r"), Just("\u{feff}"), Just("13"), Just(KEY_2017), Just("AAAA"), Just(" . IN DNSKEY 257 3 8 "),
        ], 0..20)) {
            let file = file.concat().into_bytes();
            prop_assert!(read(&file).map_or(true, |anchors| !anchors.is_empty() || is_blank(&file)));
        }

        #[test]
        fn no_key_is_too_odd(algorithm: u8, key in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = keys(format!(". IN DNSKEY 257 3 {algorithm} {}", BASE64.encode(&key)));
        }
    }

    fn is_blank(file: &[u8]) -> bool {
        let text = std::str::from_utf8(file).unwrap_or("x");
        text.strip_prefix('\u{feff}')
            .unwrap_or(text)
            .trim()
            .is_empty()
    }
}
