//! Text from elsewhere, made fit to be read: nothing in it is invisible or moves what stands around it.

use icu_properties::props::{BidiControl, DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{
    CodePointMapData, CodePointMapDataBorrowed, CodePointSetData, CodePointSetDataBorrowed,
};

/// Octets of a TXT value for people. Letters, digits and the marks of print stay; what cannot be
/// seen, or changes how its surroundings look, is written as `\u{200b}`; quotation marks, backslashes,
/// controls and what is not UTF-8 as in a zone file (RFC 1035 section 5.1). Ends with an ellipsis
/// where it has more than so many characters; an escape is never cut.
#[must_use]
pub fn value(octets: &[u8], most: usize) -> String {
    let mut line = Line::new(most);
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => line.push(&format!("\\{c}")),
                '\0'..='\x1f' | '\x7f' => line.push(&format!("\\{:03}", u32::from(c))),
                _ => line.push_shown(c),
            }
        }
        for octet in chunk.invalid() {
            line.push(&format!("\\{octet:03}"));
        }
        if line.full {
            break;
        }
    }
    line.text
}

/// A text of ours that may repeat what others wrote, such as a host name.
#[must_use]
pub fn text(text: &str, most: usize) -> String {
    let mut line = Line::new(most);
    for c in text.chars() {
        line.push_shown(c);
    }
    line.text
}

/// Whether a character shows what it is, wherever it stands: printable ASCII, the punctuation of
/// Latin-1 and of print, and letters that are written from left to right and stand by themselves.
/// What Unicode adds one day is not among them.
#[must_use]
pub fn is_shown(c: char) -> bool {
    let of_print = matches!(
        c,
        ' '..='~' | '¡'..='¬' | '®'..='¿' | '×' | '÷' | '€'
        // Hyphens and dashes, quotation marks, the ellipsis.
        | '\u{2010}'..='\u{2015}' | '\u{2018}'..='\u{201f}' | '…' | '‹' | '›'
    );
    of_print || is_plain_letter(c)
}

/// Whether a character has no shape of its own: controls, separators of lines, what Unicode lets a font
/// leave out, and what turns the direction of its surroundings (UAX 9; UAX 44; UTR 36 section 2.5).
#[must_use]
pub fn is_unseen(c: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator};
    let category = CATEGORIES.get(c);
    matches!(
        category,
        Control | Format | LineSeparator | ParagraphSeparator
    ) || IGNORABLE.contains(c)
        || BIDI_CONTROLS.contains(c)
        // Braille without any dot.
        || c == '\u{2800}'
}

pub(super) const CATEGORIES: CodePointMapDataBorrowed<'static, GeneralCategory> =
    CodePointMapData::new();
const IGNORABLE: CodePointSetDataBorrowed<'static> =
    CodePointSetData::new::<DefaultIgnorableCodePoint>();
const BIDI_CONTROLS: CodePointSetDataBorrowed<'static> = CodePointSetData::new::<BidiControl>();

fn is_plain_letter(c: char) -> bool {
    let of_common_script = matches!(
        c,
        // Latin.
        'À'..='\u{24f}' | '\u{1e00}'..='\u{1eff}'
        // Greek, Cyrillic, Armenian, Georgian.
        | '\u{370}'..='\u{3ff}' | '\u{400}'..='\u{52f}' | '\u{531}'..='\u{587}' | '\u{10a0}'..='\u{10ff}'
        // Japanese, Chinese, Korean.
        | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | 'ー'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}'
    );
    of_common_script && c.is_alphabetic()
}

/// A text that grows to a length and no further.
struct Line {
    text: String,
    chars: usize,
    most: usize,
    /// Where to cut if more follows than there is room for.
    cut: usize,
    full: bool,
}

impl Line {
    fn new(most: usize) -> Self {
        Self {
            text: String::new(),
            chars: 0,
            most,
            cut: 0,
            full: false,
        }
    }

    fn push_shown(&mut self, c: char) {
        if is_shown(c) {
            self.push(c.encode_utf8(&mut [0; 4]));
        } else {
            self.push(&c.escape_unicode().to_string());
        }
    }

    /// Adds a piece as a whole, or an ellipsis in its place.
    fn push(&mut self, piece: &str) {
        if self.full {
            return;
        }
        let chars = piece.chars().count();
        if self.chars + chars > self.most {
            self.text.truncate(self.cut);
            self.text.push('…');
            self.full = true;
            return;
        }
        self.text.push_str(piece);
        self.chars += chars;
        if self.chars < self.most {
            self.cut = self.text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(octets: &[u8]) -> String {
        value(octets, 255)
    }

    #[test]
    fn what_can_be_read_stays_and_what_cannot_is_named() {
        for (octets, expected) in [
            ("token=abc".as_bytes(), "token=abc"),
            ("“token=abc”".as_bytes(), "“token=abc”"),
            (
                "a–b ‘c’ «d» é ß Ω Ж 日本 한국".as_bytes(),
                "a–b ‘c’ «d» é ß Ω Ж 日本 한국",
            ),
            (b"\"a\\", "\\\"a\\\\"),
            (b"a\n\x7f\0", "a\\010\\127\\000"),
            (b"\xff\xe2\x80", "\\255\\226\\128"),
            (
                "\u{200b}a\u{a0}\u{feff}".as_bytes(),
                "\\u{200b}a\\u{a0}\\u{feff}",
            ),
            ("e\u{301} \u{202e}x".as_bytes(), "e\\u{301} \\u{202e}x"),
            ("\u{85}\u{ad}\u{2028}".as_bytes(), "\\u{85}\\u{ad}\\u{2028}"),
            ("שלום".as_bytes(), "\\u{5e9}\\u{5dc}\\u{5d5}\\u{5dd}"),
            ("ｔ".as_bytes(), "\\u{ff54}"),
        ] {
            assert_eq!(shown(octets), expected);
        }
    }

    #[test]
    fn a_long_value_ends_with_an_ellipsis_and_no_escape_is_cut() {
        assert_eq!(value(b"abcd", 4), "abcd");
        assert_eq!(value(b"abcde", 4), "abc…");
        assert_eq!(value("ab\u{200b}".as_bytes(), 9), "ab…");
        assert_eq!(value("ab\u{200b}".as_bytes(), 10), "ab\\u{200b}");
        assert_eq!(value("\u{200b}\u{200b}".as_bytes(), 8), "…");
        assert_eq!(text("“é”\u{200b}", 255), "“é”\\u{200b}");
    }

    /// Characters that are invisible, combine with others, or turn the direction (UAX 9, UAX 44),
    /// by blocks and one by one.
    fn is_dangerous(c: char) -> bool {
        let code = u32::from(c);
        c.is_control()
            || c.is_whitespace() && c != ' '
            || [
                0xad..=0xad,
                0x300..=0x36f,
                0x483..=0x489,
                0x590..=0x8ff,
                0x900..=0xdff,
                0x115f..=0x1160,
                0x135d..=0x135f,
                0x17b4..=0x17b5,
                0x180b..=0x180f,
                0x1ab0..=0x1aff,
                0x1dc0..=0x1dff,
                0x200b..=0x200f,
                0x2028..=0x202f,
                0x205f..=0x206f,
                0x20d0..=0x20ff,
                0x2cef..=0x2cf1,
                0x2de0..=0x2dff,
                0x2800..=0x2800,
                0x302a..=0x302f,
                0x3099..=0x309a,
                0x3164..=0x3164,
                0xa66f..=0xa67f,
                0xe000..=0xf8ff,
                0xfb1d..=0xfdff,
                0xfe00..=0xfe0f,
                0xfe20..=0xfe2f,
                0xfe70..=0xfeff,
                0xffa0..=0xffa0,
                0xfff0..=0xffff,
                0x10800..=0x10fff,
                0x110bd..=0x110bd,
                0x110cd..=0x110cd,
                0x13430..=0x1343f,
                0x1bca0..=0x1bca3,
                0x1d165..=0x1d1ad,
                0x1e800..=0x1efff,
                0xe0000..=0x10_ffff,
            ]
            .iter()
            .any(|range| range.contains(&code))
    }

    #[test]
    fn no_character_that_misleads_is_shown() {
        for c in '\0'..=char::MAX {
            assert!(!(is_shown(c) && is_dangerous(c)), "{c:?}");
            assert!(!is_unseen(c) || is_dangerous(c), "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_published_is_bounded_and_can_be_seen(
            octets in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..600),
                ".{0,200}".prop_map(String::into_bytes),
                "[\u{200b}-\u{206f}\u{300}-\u{36f}\u{fe0f}\u{3164}\u{e0000}-\u{e01ef}a-z]{0,200}".prop_map(String::into_bytes),
            ],
            most in 1usize..300,
        ) {
            let shown = value(&octets, most);
            prop_assert!(shown.chars().count() <= most);
            prop_assert!(!shown.chars().any(is_dangerous), "{shown:?}");
            let shown = text(&String::from_utf8_lossy(&octets), most);
            prop_assert!(shown.chars().count() <= most);
            prop_assert!(!shown.chars().any(is_dangerous), "{shown:?}");
        }
    }
}
