//! One label of a typed name: what is accepted, and what is wrong with one that is refused.

use std::fmt;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_normalizer::uts46::Uts46MapperBorrowed;
use icu_properties::props::{GeneralCategoryGroup, Script};
use icu_properties::{CodePointMapData, CodePointMapDataBorrowed};
use idna::punycode;

use crate::model::legible::CATEGORIES;

/// Most octets of a label (RFC 1035 section 2.3.4).
pub const MAX_LABEL_OCTETS: usize = 63;

/// How an A-label begins (RFC 5890 section 2.3.2.1).
const A_LABEL: &str = "xn--";

static MAPPER: Uts46MapperBorrowed<'static> = Uts46MapperBorrowed::new();
static NFC: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfc();
static NFKC: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfkc();
static SCRIPTS: CodePointMapDataBorrowed<'static, Script> = CodePointMapData::<Script>::new();

/// What is wrong with a label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelFault {
    #[error("is longer than {MAX_LABEL_OCTETS} octets")]
    TooLong,
    #[error("contains {}, which is not allowed in a domain name", Shown(*.0))]
    Forbidden(char),
    #[error("contains {}, which stands for {plain:?}; type {plain:?} if you mean that", Shown(*.character))]
    Mapped { character: char, plain: String },
    #[error("contains {}, which domain names ignore; remove it", Shown(*.0))]
    Ignored(char),
    #[error("starts with U+002D (-); a label must start and end with a letter or digit")]
    LeadingHyphen,
    #[error("ends with U+002D (-); a label must start and end with a letter or digit")]
    TrailingHyphen,
    #[error("has U+002D (-) in positions 3 and 4, which only A-labels (xn--) may have")]
    ThirdAndFourthHyphen,
    #[error("starts with xn-- but is not a valid A-label")]
    NotALabel,
    #[error("starts with {}, a combining mark, which needs a letter before it", Shown(*.0))]
    LeadingMark(char),
    #[error("contains {}, which is allowed only {place}", Shown(*.character))]
    Misplaced {
        character: char,
        place: &'static str,
    },
    #[error(
        "contains {}, which is not allowed in that position of a name with right-to-left letters (RFC 5893)",
        Shown(*.0)
    )]
    Direction(char),
}

/// A character by its number and, where it is visible, itself.
struct Shown(char);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "U+{:04X}", u32::from(self.0))?;
        let visible = self.0.is_ascii_graphic() || self.0.escape_debug().len() == 1;
        if visible {
            write!(f, " ({})", self.0)?;
        }
        Ok(())
    }
}

/// The U-label of a typed label, or the label in lower case where it has ASCII letters alone.
///
/// Its joiners and right-to-left letters are not checked here: see [`fault_at`].
pub fn read(typed: &str) -> Result<String, LabelFault> {
    let is_a_label = typed.is_ascii()
        && typed
            .get(..A_LABEL.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(A_LABEL));
    let label = if is_a_label {
        decode(&typed.to_ascii_lowercase()).ok_or(LabelFault::NotALabel)?
    } else {
        typed.chars().try_for_each(check_typed)?;
        MAPPER.map_normalize(typed.chars()).collect()
    };
    check_ends(&label)?;
    check_context(&label)?;
    // An A-label of as many characters has more octets. Longer ones cost the library's time.
    if label.chars().count() > MAX_LABEL_OCTETS {
        return Err(LabelFault::TooLong);
    }
    Ok(label)
}

/// The U-label of an A-label in lower case that UTS 46 leaves as it is.
fn decode(label: &str) -> Option<String> {
    let encoded = label.strip_prefix(A_LABEL)?;
    let decoded = punycode::decode_to_string(encoded)?;
    let is_u_label = !decoded.is_ascii()
        && MAPPER
            .normalize_validate(decoded.chars())
            .eq(decoded.chars())
        && decoded.chars().all(|c| !is_forbidden_ascii(c))
        && punycode::encode_str(&decoded).as_deref() == Some(encoded);
    is_u_label.then_some(decoded)
}

/// Accepts a character that UTS 46 changes in nothing but case and canonical normalization.
fn check_typed(c: char) -> Result<(), LabelFault> {
    if c.is_ascii() {
        return if is_forbidden_ascii(c.to_ascii_lowercase()) {
            Err(LabelFault::Forbidden(c))
        } else {
            Ok(())
        };
    }
    let plain: String = MAPPER.map_normalize([c].into_iter()).collect();
    if plain.is_empty() {
        return Err(LabelFault::Ignored(c));
    }
    if plain.contains(is_forbidden) {
        return Err(LabelFault::Forbidden(c));
    }
    let composed: String = NFC.normalize_iter([c].into_iter()).collect();
    let compatible = NFKC.normalize_iter([c].into_iter());
    // The Kelvin sign is canonically a K: one character that stands for one other.
    let is_another = !composed.starts_with(c) && composed.chars().count() == 1;
    if is_another || !compatible.eq(composed.chars()) || fold(&composed) != fold(&plain) {
        return Err(LabelFault::Mapped {
            character: c,
            plain,
        });
    }
    Ok(())
}

/// Each character by itself: a string's lower case depends on where in a word a sigma stands, and
/// the canonical case of some scripts, as Cherokee, is the upper one.
fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

fn is_forbidden_ascii(c: char) -> bool {
    c.is_ascii() && !matches!(c, 'a'..='z' | '0'..='9' | '-')
}

/// The replacement character stands for what UTS 46 disallows. A mapping to a dot is one to a name.
fn is_forbidden(c: char) -> bool {
    c == char::REPLACEMENT_CHARACTER || (c != '.' && is_forbidden_ascii(c))
}

/// Hyphens and marks (UTS 46 section 4.1).
fn check_ends(label: &str) -> Result<(), LabelFault> {
    if label.starts_with('-') {
        return Err(LabelFault::LeadingHyphen);
    }
    if label.ends_with('-') {
        return Err(LabelFault::TrailingHyphen);
    }
    if label.chars().skip(2).take(2).eq("--".chars()) {
        return Err(LabelFault::ThirdAndFourthHyphen);
    }
    match label.chars().next() {
        Some(first) if GeneralCategoryGroup::Mark.contains(CATEGORIES.get(first)) => {
            Err(LabelFault::LeadingMark(first))
        }
        _ => Ok(()),
    }
}

/// The characters that are allowed in some contexts (RFC 5892 appendices A.3 to A.9).
fn check_context(label: &str) -> Result<(), LabelFault> {
    let mut before = None;
    let mut rest = label.chars();
    while let Some(character) = rest.next() {
        let after = rest.clone().next();
        let is = |c: Option<char>, script| c.is_some_and(|c| SCRIPTS.get(c) == script);
        let place = match character {
            '\u{b7}' if (before, after) != (Some('l'), Some('l')) => Some("between two l"),
            '\u{375}' if !is(after, Script::Greek) => Some("before a Greek letter"),
            '\u{5f3}' | '\u{5f4}' if !is(before, Script::Hebrew) => Some("after a Hebrew letter"),
            '\u{30fb}' if !label.chars().any(is_japanese) => {
                Some("beside Hiragana, Katakana or Han characters")
            }
            '\u{660}'..='\u{669}' if label.contains(|c| matches!(c, '\u{6f0}'..='\u{6f9}')) => {
                Some("without digits of the other Arabic set")
            }
            _ => None,
        };
        if let Some(place) = place {
            return Err(LabelFault::Misplaced { character, place });
        }
        before = Some(character);
    }
    Ok(())
}

fn is_japanese(c: char) -> bool {
    matches!(
        SCRIPTS.get(c),
        Script::Hiragana | Script::Katakana | Script::Han
    )
}

/// What is wrong with the character at which the library's rules for joiners and for right-to-left
/// letters (RFC 5892 appendices A.1 and A.2, RFC 5893) end.
pub fn fault_at(character: char) -> LabelFault {
    match character {
        '\u{200c}' => LabelFault::Misplaced {
            character,
            place: "after a virama or between letters that it keeps apart",
        },
        '\u{200d}' => LabelFault::Misplaced {
            character,
            place: "after a virama",
        },
        _ => LabelFault::Direction(character),
    }
}

/// The letters of a label that belong to a script; digits, marks and symbols go with any.
pub fn letters(label: &str) -> impl Iterator<Item = (char, Script)> {
    label
        .chars()
        .map(|c| (c, SCRIPTS.get(c)))
        .filter(|(_, script)| !matches!(*script, Script::Common | Script::Inherited))
}
