//! Whatever is shown to a terminal, in the one way in which that is done: nothing in it is invisible, is
//! taken for a command, or changes how its surroundings look.

use std::fmt::Write;

use icu_properties::props::GeneralCategory;
use serde::Serialize;
use serde::ser::Error;

use super::legible::{CATEGORIES, is_unseen};

/// Most combining marks on one letter. Living scripts need no more; hundreds widen a column, and cover the
/// lines around.
const MARKS: usize = 4;

/// A text of one line, such as a value that somebody else wrote: an end of line in it is escaped too.
#[must_use]
pub fn line(text: &str) -> String {
    shown(text, "", push_readable)
}

/// A text of ours, which may have several lines.
#[must_use]
pub fn lines(text: &str) -> String {
    shown(text, "\n", push_readable)
}

/// A value as JSON that reads back as the same value.
///
/// # Errors
/// Where the value has no form in JSON.
pub fn json(value: &impl Serialize) -> serde_json::Result<String> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(shown(&text, "\n", push_utf16))
}

/// A value as YAML that reads back as the same value. What has characters to escape is written in flow
/// style, whose double-quoted scalars take escapes.
///
/// # Errors
/// Where the value has no form in YAML.
pub fn yaml(value: &impl Serialize) -> Result<String, YamlError> {
    let block = serde_yaml::to_string(value)?;
    if marked(&block).all(|(c, is_escaped)| !is_escaped || c == '\n') {
        return Ok(block);
    }
    let flow = serde_json::to_string_pretty(value).map_err(serde_yaml::Error::custom)?;
    Ok(shown(&flow, "\n", push_code_point) + "\n")
}

/// Why a value has no form in YAML.
#[derive(Debug, thiserror::Error)]
#[error("cannot write as YAML: {0}")]
pub struct YamlError(#[from] serde_yaml::Error);

/// How many columns a text takes, as far as a column is a character.
#[must_use]
pub fn width(text: &str) -> usize {
    text.chars().filter(|&c| !is_mark(c)).count()
}

fn shown(text: &str, kept: &str, escape: fn(&mut String, char)) -> String {
    let mut shown = String::with_capacity(text.len());
    for (c, is_escaped) in marked(text) {
        if is_escaped && !kept.contains(c) {
            escape(&mut shown, c);
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The characters of a text, and whether each is to be escaped.
fn marked(text: &str) -> impl Iterator<Item = (char, bool)> {
    // A mark at the beginning would stand on what was written before.
    let mut marks = MARKS;
    text.chars().map(move |c| {
        if !is_mark(c) {
            marks = 0;
            return (c, is_hidden(c));
        }
        marks = marks.saturating_add(1);
        (c, is_hidden(c) || marks > MARKS)
    })
}

/// Whether nobody sees what the character is: beside what has no shape of its own, spaces that are not
/// the space, and what no font need know.
fn is_hidden(c: char) -> bool {
    use GeneralCategory::{PrivateUse, SpaceSeparator, Unassigned};
    let of_no_font = matches!(CATEGORIES.get(c), PrivateUse | SpaceSeparator | Unassigned);
    c != ' ' && (of_no_font || is_unseen(c))
}

/// Whether it stands on the character before it.
fn is_mark(c: char) -> bool {
    use GeneralCategory::{EnclosingMark, NonspacingMark};
    matches!(CATEGORIES.get(c), NonspacingMark | EnclosingMark)
}

fn push_readable(text: &mut String, c: char) {
    text.extend(c.escape_default());
}

fn push_utf16(text: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        // Nothing can go wrong in memory.
        let _ = write!(text, "\\u{unit:04x}");
    }
}

/// YAML has no surrogates.
fn push_code_point(text: &mut String, c: char) {
    let code = u32::from(c);
    let _ = if code <= 0xffff {
        write!(text, "\\u{code:04x}")
    } else {
        write!(text, "\\U{code:08x}")
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::model::legible::is_shown;

    /// From reports, each of which passed once.
    const HOSTILE: &str = "\u{1b}[2J\u{9b}1m\u{202e}x\u{2069}\u{200b}\u{2028}\u{2029}\u{85}\u{e0041}\u{3164}\u{34f}\u{fe0f}\u{1d173}\u{115f}\u{ffa0}\u{2800}\u{61c}\u{feff}\u{a0}\u{ad}\u{fff9}\u{e000}\r\t\0";

    #[test]
    fn nothing_hidden_reaches_a_terminal() {
        for c in HOSTILE
            .chars()
            .filter(|c| !matches!(c, 'x' | '[' | 'J' | 'm' | '1' | '2'))
        {
            let shown = line(&format!("a{c}b"));
            assert!(shown.starts_with("a\\") && shown.is_ascii(), "{shown}");
        }
        for kept in [
            "हिन्दी.example \"é\" it's",
            "ไทย",
            "日本語",
            "שלום",
            "tiếng Việt",
            "e\u{301}",
        ] {
            assert_eq!(line(kept), kept);
        }
        assert_eq!(line("a\nb"), "a\\nb");
        assert_eq!(lines("a\nb\u{1b}"), "a\nb\\u{1b}");
    }

    #[test]
    fn marks_are_bounded_and_take_no_column() {
        let piled = format!("a{}b", "\u{301}".repeat(200));
        let shown = line(&piled);
        assert_eq!(shown.matches('\u{301}').count(), MARKS);
        assert_eq!(shown.matches("\\u{301}").count(), 200 - MARKS);
        assert_eq!(line("\u{301}a"), "\\u{301}a");
        assert_eq!(width("e\u{301}u"), 2);
    }

    #[test]
    fn what_a_status_shows_a_terminal_shows_too() {
        for c in '\0'..=char::MAX {
            assert!(!(is_shown(c) && is_hidden(c)), "{c:?}");
        }
    }

    #[test]
    fn machines_read_the_same_value_as_before() {
        let plain = serde_json::json!([{ "name": "main", "domain": "bücher.example" }]);
        assert_eq!(
            yaml(&plain).unwrap(),
            serde_yaml::to_string(&plain).unwrap()
        );
        let hostile =
            serde_json::json!([{ "name": "main", "domain": HOSTILE, HOSTILE: "\\u202e" }]);
        let (json, yaml) = (json(&hostile).unwrap(), yaml(&hostile).unwrap());
        assert!(json.is_ascii() && yaml.is_ascii(), "{json}{yaml}");
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), hostile);
        assert_eq!(serde_yaml::from_str::<Value>(&yaml).unwrap(), hostile);
    }

    proptest! {
        #[test]
        fn every_text_is_shown_and_read_back(
            text in prop_oneof![
                ".{0,60}",
                "[\u{0}-\u{20}\u{80}-\u{a0}\u{300}-\u{36f}\u{2028}\u{202e}\u{e0041}\\\\u\"'a-f:#\\[\\]{}]{0,60}",
            ],
        ) {
            for shown in [line(&text), lines(&text), json(&text).unwrap(), yaml(&text).unwrap()] {
                prop_assert!(marked(&shown).all(|(c, is_escaped)| !is_escaped || c == '\n'), "{shown:?}");
                prop_assert_eq!(&lines(&shown), &shown);
            }
            let value = Value::from(text.clone());
            prop_assert_eq!(&serde_json::from_str::<Value>(&json(&text).unwrap()).unwrap(), &value);
            let written = yaml(&[&text]).unwrap();
            prop_assert_eq!(serde_yaml::from_str::<Value>(&written).unwrap(), serde_json::json!([text]));
        }
    }
}
