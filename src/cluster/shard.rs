//! Which organization domains this process reconciles, by their labels.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use kube::core::{Expression, ObjectMeta, Selector, SelectorExt};

/// One of several processes that share the organization domains by a label selector; by default
/// the only one, which has them all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shard(Selector);

/// Why a text is not a label selector (Kubernetes, "Labels and Selectors").
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    #[error(
        "an empty selector selects everything; leave the setting out to watch all OrganizationDomains"
    )]
    Empty,
    #[error(
        "use KEY, !KEY, KEY=VALUE, KEY!=VALUE, KEY in (VALUE,VALUE) or KEY notin (VALUE), separated by commas, not {0:?}"
    )]
    Requirement(String),
    #[error(
        "{0:?} is not a valid label key ([PREFIX/]NAME): NAME has at most 63 of A-Z, a-z, 0-9, '-', '_' and '.', starting and ending with a letter or digit; PREFIX is a DNS name"
    )]
    Key(String),
    #[error(
        "{0:?} is not a valid label value: use at most 63 of A-Z, a-z, 0-9, '-', '_' and '.', starting and ending with a letter or digit"
    )]
    Value(String),
}

impl Shard {
    /// Whether an object with these labels is this shard's.
    #[must_use]
    pub fn takes(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.matches(labels)
    }

    /// As `takes`, of an object.
    #[must_use]
    pub fn takes_object(&self, metadata: &ObjectMeta) -> bool {
        self.takes(metadata.labels.as_ref().unwrap_or(&BTreeMap::new()))
    }

    /// Whether it has every object, so that there is no other shard.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.0.selects_all()
    }

    /// Whether it takes objects without labels, and with them the duty towards the holders that no
    /// shard takes.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.takes(&BTreeMap::new())
    }

    /// For the API server.
    #[must_use]
    pub fn selector(&self) -> &Selector {
        &self.0
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim().is_empty() {
            return Err(ShardError::Empty);
        }
        requirements(text)
            .map(requirement)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// The parts between the commas outside of parentheses.
fn requirements(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.split(move |c| {
        match c {
            '(' => inside = true,
            ')' => inside = false,
            _ => {}
        }
        c == ',' && !inside
    })
}

fn requirement(text: &str) -> Result<Expression, ShardError> {
    let text = text.trim();
    let malformed = || ShardError::Requirement(text.to_owned());
    if let Some((head, list)) = text.split_once('(') {
        let list = list.strip_suffix(')').ok_or_else(malformed)?;
        let mut words = head.split_whitespace();
        let (Some(name), Some(operator), None) = (words.next(), words.next(), words.next()) else {
            return Err(malformed());
        };
        let values = list
            .split(',')
            .map(|text| match text.trim() {
                "" => Err(malformed()),
                text => value(text),
            })
            .collect::<Result<_, _>>()?;
        return match operator {
            "in" => Ok(Expression::In(key(name)?, values)),
            "notin" => Ok(Expression::NotIn(key(name)?, values)),
            _ => Err(malformed()),
        };
    }
    if let Some((name, is)) = text.split_once("!=") {
        return Ok(Expression::NotEqual(key(name)?, value(is)?));
    }
    if let Some((name, is)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(Expression::Equal(key(name)?, value(is)?));
    }
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || "<>)".contains(c)) {
        return Err(malformed());
    }
    match text.strip_prefix('!') {
        Some(name) => Ok(Expression::DoesNotExist(key(name)?)),
        None => Ok(Expression::Exists(key(text)?)),
    }
}

fn key(text: &str) -> Result<String, ShardError> {
    let text = text.trim().to_owned();
    let is_name = |name: &str| !name.is_empty() && is_label_text(name);
    let is_key = match text.split_once('/') {
        Some((prefix, name)) => is_dns_name(prefix) && is_name(name),
        None => is_name(&text),
    };
    if is_key {
        Ok(text)
    } else {
        Err(ShardError::Key(text))
    }
}

fn value(text: &str) -> Result<String, ShardError> {
    let text = text.trim().to_owned();
    if is_label_text(&text) {
        Ok(text)
    } else {
        Err(ShardError::Value(text))
    }
}

/// What may stand in a label's value, and in its key behind the slash.
fn is_label_text(text: &str) -> bool {
    let ends = |b: Option<&u8>| b.is_none_or(u8::is_ascii_alphanumeric);
    let octets = text.as_bytes();
    octets.len() <= 63
        && octets
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
        && ends(octets.first())
        && ends(octets.last())
}

/// A subdomain by RFC 1123, in lower case.
fn is_dns_name(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && is_label_text(label)
                && !label.contains(|c: char| c.is_ascii_uppercase() || c == '_')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()));
        selector.parse::<Shard>().unwrap().takes(&labels.collect())
    }

    #[test]
    fn a_selector_reads_as_kubernetes_reads_it() {
        const KEY: &str = "sharding.fluxcd.io/key";
        for (selector, one, two, none) in [
            (format!("{KEY}=one"), true, false, false),
            (format!("{KEY} == one"), true, false, false),
            (format!("{KEY} in (one)"), true, false, false),
            (format!("{KEY} in ( one , two )"), true, true, false),
            (format!("{KEY} notin (one,three)"), false, true, true),
            (format!("{KEY}!=one"), false, true, true),
            (format!("!{KEY}"), false, false, true),
            (KEY.to_owned(), true, true, false),
            (format!("{KEY},{KEY} notin(two)"), true, false, false),
        ] {
            let taken = [&[(KEY, "one")][..], &[(KEY, "two")], &[]].map(|l| takes(&selector, l));
            assert_eq!(taken, [one, two, none], "{selector}");
            let shard: Shard = selector.parse().unwrap();
            assert_eq!(shard.is_default(), none, "{selector}");
            assert!(!shard.is_whole());
            assert_eq!(shard.to_string().parse(), Ok(shard), "{selector}");
        }
        assert!(takes("a in (x,y),b!=z", &[("a", "y")]));
        assert!(!takes("a in (x,y),b!=z", &[("a", "y"), ("b", "z")]));
        assert!(takes("a=", &[("a", "")]));
        assert!(Shard::default().is_whole() && Shard::default().is_default());
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for bad in [
            "",
            " ",
            ",",
            "a,",
            "a b",
            "a in",
            "a in x",
            "a in (x",
            "a in x)",
            "a in ()",
            "a in (x,)",
            "a of (x)",
            "a in (x) y",
            "a>1",
            "a<1",
            "=x",
            "!",
            "!a b",
            "-a",
            "a-",
            "/a",
            "a/",
            "A/a",
            "a_b/c",
            "a/b/c",
            "ä",
            "a=ä",
            "a=x y",
            "a=-x",
            "a=b=c",
            "a!=(x)",
        ] {
            assert!(bad.parse::<Shard>().is_err(), "{bad:?}");
        }
        let long = "x".repeat(64);
        assert!(long.parse::<Shard>().is_err());
        assert!(format!("a={long}").parse::<Shard>().is_err());
        assert!(format!("a={}", &long[1..]).parse::<Shard>().is_ok());
    }
}
