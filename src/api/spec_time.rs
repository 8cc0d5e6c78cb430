//! A time in a spec. The API server stores times that no clock here can represent; such a time must not
//! make its object unreadable.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A time as somebody wrote it into a spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum SpecTime {
    At(Timestamp),
    /// The CRD refuses it by now; an object stored before keeps it until its spec changes.
    Unsupported(String),
}

impl From<Timestamp> for SpecTime {
    fn from(time: Timestamp) -> Self {
        Self::At(time)
    }
}

impl From<String> for SpecTime {
    fn from(text: String) -> Self {
        text.parse().map_or(Self::Unsupported(text), Self::At)
    }
}

impl From<SpecTime> for String {
    fn from(time: SpecTime) -> Self {
        match time {
            SpecTime::At(time) => time.to_string(),
            SpecTime::Unsupported(text) => text,
        }
    }
}

/// RFC 3339 as every reader takes it. The format alone admits `+99:99` and fractions of any length.
const PATTERN: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";

impl JsonSchema for SpecTime {
    fn schema_name() -> Cow<'static, str> {
        "SpecTime".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "date-time",
            "pattern": PATTERN,
            "x-kubernetes-validations": [{
                "rule": "timestamp('1970-01-01T00:00:00Z') <= self && self < timestamp('9999-01-01T00:00:00Z')",
                "message": "the time must be in the years 1970 to 9998 (UTC)",
            }],
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_that_cannot_be_represented_is_kept_as_it_was_written() {
        for (text, readable) in [
            ("2026-11-30T12:00:00Z", true),
            ("2026-11-30T12:00:00.123456789+14:00", true),
            // Go takes these.
            ("9999-12-31T23:59:59Z", false),
            ("2026-11-30T12:00:00+01:60", false),
            ("", false),
        ] {
            let time = SpecTime::from(text.to_owned());
            assert_eq!(matches!(time, SpecTime::At(_)), readable, "{text}");
            if !readable {
                assert_eq!(String::from(time), text);
            }
        }
    }

    proptest! {
        #[test]
        fn what_the_definition_takes_is_held_and_nothing_is_made_of_the_rest(
            year in 1970_u16..9999,
            (month, day) in (1_u8..13, 1_u8..29),
            (hour, minute, second) in (0_u8..24, 0_u8..60, 0_u8..60),
            rest in r"(\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])",
            other in ".{0,30}",
        ) {
            let text = format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{rest}");
            // In UTC, the first and the last day may be in the years before and after.
            prop_assume!(!text.starts_with("1970-01-01") && !text.starts_with("9998-12-31"));
            let time = SpecTime::from(text.clone());
            let SpecTime::At(at) = time else {
                panic!("{text}");
            };
            let written = String::from(time);
            prop_assert_eq!(SpecTime::from(written), SpecTime::At(at));
            let time = SpecTime::from(other.clone());
            if matches!(time, SpecTime::Unsupported(_)) {
                prop_assert_eq!(String::from(time), other);
            }
        }
    }
}
