//! The items of a list, cut out of its answer as it arrives: of all that a list says, one item is in
//! memory at a time.

use std::collections::VecDeque;
use std::mem;

use kube::core::ListMeta;
use serde::Deserialize;

/// Octets around the items: kind, version, token of the next page.
const MAX_ENVELOPE: usize = 64 * 1024;

/// Cuts the elements of the field `items` out of a JSON object. What is not JSON is found by whoever
/// reads the parts.
#[derive(Debug, Default)]
pub struct Items {
    depth: usize,
    text: Text,
    /// Where in the envelope the last string began, and whether the last name in it was `items`.
    string: usize,
    named: bool,
    /// Whether what comes belongs to the items.
    inside: bool,
    item: Vec<u8>,
    /// All but the items.
    envelope: Vec<u8>,
}

/// Where a text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Text {
    #[default]
    Outside,
    Inside,
    /// After a backslash.
    Escaped,
}

/// What a list says beside its items.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Envelope {
    pub metadata: ListMeta,
}

/// What is around the items is longer than any list's.
#[derive(Debug, thiserror::Error)]
#[error("the answer is not a list")]
pub struct NotAList;

impl Items {
    /// Takes the next octets, and hands out the items that end in them.
    pub fn push(
        &mut self,
        mut octets: &[u8],
        ready: &mut VecDeque<Vec<u8>>,
    ) -> Result<(), NotAList> {
        while let Some(&octet) = octets.first() {
            let taken = if self.text == Text::Inside {
                let plain = |octet: &u8| !matches!(octet, b'"' | b'\\');
                octets.iter().take_while(|octet| plain(octet)).count()
            } else {
                0
            };
            if taken > 0 {
                self.append(&octets[..taken])?;
                octets = &octets[taken..];
            } else {
                self.step(octet, ready)?;
                octets = &octets[1..];
            }
        }
        Ok(())
    }

    fn step(&mut self, octet: u8, ready: &mut VecDeque<Vec<u8>>) -> Result<(), NotAList> {
        if self.text != Text::Outside {
            self.text = match (self.text, octet) {
                (Text::Inside, b'"') => Text::Outside,
                (Text::Inside, b'\\') => Text::Escaped,
                _ => Text::Inside,
            };
            return self.append(&[octet]);
        }
        let among_items = self.inside && self.depth == 2;
        match octet {
            b'"' => {
                self.text = Text::Inside;
                self.string = self.envelope.len();
            }
            b':' if self.depth == 1 => {
                let name = self.envelope.get(self.string..).unwrap_or_default();
                self.named = name.trim_ascii() == b"\"items\"";
            }
            b',' if self.depth == 1 => self.named = false,
            b',' if among_items => {
                self.end_item(ready);
                return Ok(());
            }
            b' ' | b'\n' | b'\r' | b'\t' if among_items => return Ok(()),
            b'[' if self.depth == 1 && self.named => {
                self.append(&[octet])?;
                self.depth = 2;
                self.inside = true;
                return Ok(());
            }
            b'[' | b'{' => self.depth = self.depth.saturating_add(1),
            b']' if among_items => {
                self.end_item(ready);
                self.inside = false;
                self.depth = 1;
            }
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.append(&[octet])
    }

    fn append(&mut self, octets: &[u8]) -> Result<(), NotAList> {
        if self.inside {
            self.item.extend_from_slice(octets);
            return Ok(());
        }
        if self.envelope.len() + octets.len() > MAX_ENVELOPE {
            return Err(NotAList);
        }
        self.envelope.extend_from_slice(octets);
        Ok(())
    }

    fn end_item(&mut self, ready: &mut VecDeque<Vec<u8>>) {
        if !self.item.is_empty() {
            ready.push_back(mem::take(&mut self.item));
        }
    }

    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.item.capacity() + self.envelope.capacity()
    }

    /// What was said beside the items; an error where the list was cut off.
    pub fn end(self) -> serde_json::Result<Envelope> {
        serde_json::from_slice(&self.envelope)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn cut(list: &str, size: usize) -> (Vec<String>, serde_json::Result<Envelope>) {
        let mut items = Items::default();
        let mut ready = VecDeque::new();
        for octets in list.as_bytes().chunks(size) {
            items.push(octets, &mut ready).unwrap();
        }
        let texts = ready
            .into_iter()
            .map(|item| String::from_utf8(item).unwrap());
        (texts.collect(), items.end())
    }

    fn anything() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "\\PC{0,8}",
            r#"["\\\[\]{},:]{0,8}"#,
            Just("items".to_owned()),
            Just("\u{0}\u{d7ff}\u{1f600}".to_owned()),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(text.clone(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_list_is_cut_into_its_items(
            items in prop::collection::vec(anything(), 0..5),
            before in anything(),
            after in anything(),
            size in 1_usize..40,
            pretty in any::<bool>(),
        ) {
            let list = json!({
                "apiVersion": before,
                "items": items,
                "metadata": { "continue": "next", "resourceVersion": "7", "items": [1] },
                "zitems": after,
            });
            let text = if pretty {
                serde_json::to_string_pretty(&list).unwrap()
            } else {
                list.to_string()
            };
            let (texts, end) = cut(&text, size);
            let read: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
            prop_assert_eq!(read, items);
            let metadata = end.unwrap().metadata;
            prop_assert_eq!(metadata.continue_.as_deref(), Some("next"));
            prop_assert_eq!(metadata.resource_version.as_deref(), Some("7"));
        }

        #[test]
        fn whatever_comes_is_the_same_however_it_is_split(
            octets in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                prop::collection::vec(token(), 0..60).prop_map(|tokens| tokens.concat()),
            ],
            splits in prop::collection::vec(any::<prop::sample::Index>(), 0..9),
        ) {
            let mut at: Vec<_> = splits.iter().map(|split| split.index(octets.len() + 1)).collect();
            at.extend([0, octets.len()]);
            at.sort_unstable();
            let take = |parts: &mut dyn Iterator<Item = &[u8]>| {
                let mut items = Items::default();
                let mut ready = VecDeque::new();
                for part in parts {
                    items.push(part, &mut ready).unwrap();
                }
                let kept = items.item.len() + items.envelope.len();
                let item = items.item.clone();
                (ready, item, kept, items.envelope.clone(), items.end().is_ok())
            };
            let whole = take(&mut std::iter::once(&octets[..]));
            let (ready, _, kept, ..) = &whole;
            let octets_ready: usize = ready.iter().map(Vec::len).sum();
            prop_assert!(kept + octets_ready <= octets.len());
            let split = take(&mut at.windows(2).map(|ends| &octets[ends[0]..ends[1]]));
            prop_assert_eq!(split, whole);
        }
    }

    /// Parts of lists, in whatever order.
    fn token() -> impl Strategy<Value = Vec<u8>> {
        let tokens = [
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            " ",
            "\n",
            "\"",
            "\\",
            "\\\"",
            "items",
            "\"items\"",
            "\"items\":[",
            "{\"items\":[",
            "{}",
            "null",
            "\"a\"",
            "\u{e4}",
        ];
        prop_oneof![
            9 => prop::sample::select(tokens.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
            1 => any::<u8>().prop_map(|octet| vec![octet]),
        ]
    }

    #[test]
    fn a_list_that_was_cut_off_is_no_list() {
        let list = json!({ "items": [{ "a": 1 }, { "b": 2 }], "metadata": {} }).to_string();
        for length in 0..list.len() {
            assert!(cut(&list[..length], 9).1.is_err(), "{length}");
        }
        assert!(cut(&list, 9).1.is_ok());
    }

    #[test]
    fn depth_costs_nothing() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let (items, end) = cut(&format!(r#"{{"items":[{deep},7]}}"#), 8192);
        assert_eq!(items, [deep, "7".to_owned()]);
        end.unwrap();
    }

    #[test]
    fn what_is_not_a_list_is_not_kept() {
        let mut items = Items::default();
        let mut ready = VecDeque::new();
        let long = vec![b'x'; MAX_ENVELOPE];
        items.push(&long, &mut ready).unwrap();
        items.push(b"x", &mut ready).unwrap_err();
    }
}
