//! Which object it is: no two ever have the same uid, not even of one name.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

/// A uid as the API server gave it. All that the API promises is a text, and what it gives is a UUID
/// (RFC 9562), which is kept as its 16 octets: there are three for each domain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uid(Repr);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Repr {
    Uuid(Uuid),
    Text(Arc<str>),
}

impl From<&str> for Uid {
    fn from(text: &str) -> Self {
        // A UUID can be written in several ways; the very text must come back.
        Self(match Uuid::try_parse(text) {
            Ok(uuid) if is_written(uuid, text) => Repr::Uuid(uuid),
            _ => Repr::Text(text.into()),
        })
    }
}

/// Whether this is how the UUID is written where it comes back from us.
fn is_written(uuid: Uuid, text: &str) -> bool {
    *uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == *text
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Uuid(uuid) => uuid.hyphenated().fmt(f),
            Repr::Text(text) => text.fmt(f),
        }
    }
}

impl PartialEq<str> for Uid {
    fn eq(&self, text: &str) -> bool {
        match &self.0 {
            Repr::Uuid(uuid) => is_written(*uuid, text),
            Repr::Text(own) => **own == *text,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_very_text_comes_back() {
        for (text, small) in [
            ("0f8fad5b-d9cb-469f-a165-70867728950e", true),
            ("0F8FAD5B-D9CB-469F-A165-70867728950E", false),
            ("0f8fad5bd9cb469fa16570867728950e", false),
            ("{0f8fad5b-d9cb-469f-a165-70867728950e}", false),
            ("uid-1", false),
            ("", false),
        ] {
            let uid = Uid::from(text);
            assert_eq!(uid.to_string(), text);
            assert_eq!(matches!(uid.0, Repr::Uuid(_)), small, "{text}");
            assert!(uid == *text);
            assert!(uid != *"0f8fad5b-d9cb-469f-a165-70867728950f");
        }
    }

    /// A UUID in one of its forms, or something else.
    fn uid() -> impl Strategy<Value = String> {
        let forms = prop::sample::select(vec![
            "0f8fad5b-d9cb-469f-a165-70867728950e",
            "0f8fad5bd9cb469fa16570867728950e",
            "{0f8fad5b-d9cb-469f-a165-70867728950e}",
            "urn:uuid:0f8fad5b-d9cb-469f-a165-70867728950e",
        ]);
        let changed = (forms, any::<prop::sample::Index>(), "[0-9A-F\u{e4}-]?");
        prop_oneof![
            4 => changed.prop_map(|(form, at, c)| {
                let at = at.index(form.len());
                format!("{}{c}{}", &form[..at], &form[at + c.chars().count()..])
            }),
            1 => ".{0,40}",
        ]
    }

    proptest! {
        #[test]
        fn no_two_texts_are_one_uid(a in uid(), b in uid()) {
            let (of_a, of_b) = (Uid::from(&*a), Uid::from(&*b));
            prop_assert_eq!(of_a.to_string(), &*a);
            prop_assert!(of_a == *a);
            prop_assert_eq!(of_a == of_b, a == b);
            prop_assert_eq!(of_a == *b, a == b);
        }
    }
}
