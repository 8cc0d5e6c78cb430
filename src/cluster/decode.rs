//! Objects as the API server sends them, each decoded for itself and no further than it is needed. A
//! tenant shapes much of an object, and the API server takes more than the types of this program hold.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;
use kube::core::ObjectMeta;
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::api::REQUESTED_AT;
use crate::model::legible;

/// Octets of labels that are kept of one object: as many as any selector has need of.
const MAX_LABELS: usize = 64 * 1024;
/// Characters of what is wrong with an object, which may repeat what the object says.
const MAX_WHY: usize = 256;
/// In place of metadata, which are read apart.
const NOTHING: &str = "{}";

/// An object, or what is wrong with it.
#[derive(Clone, Debug)]
pub struct Decoded<K>(pub Result<K, Box<Unreadable>>);

/// An object that its type cannot hold, and what can be read of it all the same.
#[derive(Clone, thiserror::Error)]
#[error("the object cannot be read: {why}")]
pub struct Unreadable {
    pub metadata: ObjectMeta,
    pub why: String,
    /// Tokens are in it: it is shown to nobody.
    object: Box<RawValue>,
}

/// How much is read of the metadata. Managed fields never are: a tenant writes them, and they are
/// larger than the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What is decided on: of the annotations the request alone, and labels up to a limit.
    Needed,
    /// All that belongs to the object in any cluster.
    Whole,
}

impl<K: Resource> Decoded<K> {
    pub fn metadata(&self) -> &ObjectMeta {
        match &self.0 {
            Ok(object) => object.meta(),
            Err(unreadable) => &unreadable.metadata,
        }
    }
}

impl Unreadable {
    /// A text of the object by the names on the way to it, if it is there and can be read.
    #[must_use]
    pub fn text(&self, path: &[&str]) -> Option<String> {
        field(self.part(path)?)
    }

    /// Its status, without the fields that cannot be read.
    #[must_use]
    pub fn status<T: DeserializeOwned + Default>(&self) -> T {
        let mut fields = Vec::new();
        if let Some(status) = self.part(&["status"]) {
            let _ = entries(status, |name, value| {
                let alone = [(name.as_str(), value)].into_iter();
                if T::deserialize(MapDeserializer::new(alone)).is_ok() {
                    fields.push((name, value));
                }
            });
        }
        T::deserialize(MapDeserializer::new(fields.into_iter())).unwrap_or_default()
    }

    fn part(&self, path: &[&str]) -> Option<&RawValue> {
        path.iter().try_fold(&*self.object, |part, name| {
            let mut found = None;
            // What comes before something that cannot be read is read.
            let _ = entries(part, |entry, value| {
                if entry == *name {
                    found = Some(value);
                }
            });
            found
        })
    }
}

impl fmt::Debug for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, namespace) = (&self.metadata.name, &self.metadata.namespace);
        write!(f, "Unreadable({namespace:?}, {name:?}, {:?})", self.why)
    }
}

/// Decodes one object.
#[must_use]
pub fn decode<K>(object: &RawValue, extent: Extent) -> Decoded<K>
where
    K: DeserializeOwned + Resource,
{
    let mut metadata = ObjectMeta::default();
    let mut fields = Vec::new();
    let decoded = serde_json::from_str::<&RawValue>(NOTHING).and_then(|nothing| {
        entries(object, |name, value| {
            if name == "metadata" {
                metadata = read_metadata(value, extent);
                fields.push((name, nothing));
            } else {
                fields.push((name, value));
            }
        })?;
        K::deserialize(MapDeserializer::new(fields.drain(..)))
    });
    Decoded(match decoded {
        Ok(mut object) => {
            *object.meta_mut() = metadata;
            Ok(object)
        }
        Err(error) => Err(Box::new(Unreadable {
            metadata,
            why: why(&error),
            object: object.to_owned(),
        })),
    })
}

/// Where in the text it was found helps nobody, for nobody sees the text.
fn why(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text
        .rsplit_once(" at line ")
        .map_or(&*text, |(what, _)| what);
    legible::text(what, MAX_WHY)
}

/// The metadata alone.
#[must_use]
pub fn decode_metadata(object: &RawValue) -> ObjectMeta {
    let mut metadata = ObjectMeta::default();
    let _ = entries(object, |name, value| {
        if name == "metadata" {
            metadata = read_metadata(value, Extent::Needed);
        }
    });
    metadata
}

/// As a watch decodes its events.
impl<'de, K: DeserializeOwned + Resource> Deserialize<'de> for Decoded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Box::<RawValue>::deserialize(deserializer)?;
        Ok(decode(&object, Extent::Needed))
    }
}

/// Reads metadata field by field: one that cannot be read takes no other with it.
fn read_metadata(metadata: &RawValue, extent: Extent) -> ObjectMeta {
    let whole = extent == Extent::Whole;
    let mut read = ObjectMeta::default();
    // What comes before something that cannot be read is read.
    let _ = entries(metadata, |name, value| match name.as_str() {
        "name" => read.name = field(value),
        "namespace" => read.namespace = field(value),
        "uid" => read.uid = field(value),
        "resourceVersion" => read.resource_version = field(value),
        "generation" => read.generation = field(value),
        "creationTimestamp" => read.creation_timestamp = field(value),
        "deletionTimestamp" => read.deletion_timestamp = deletion(value),
        "labels" => {
            let mut room = if whole { usize::MAX } else { MAX_LABELS };
            read.labels = texts(value, |label, value| {
                room = room.saturating_sub(label.len() + value.len());
                room > 0
            });
        }
        "annotations" => {
            read.annotations = texts(value, |annotation, _| whole || annotation == REQUESTED_AT);
        }
        "finalizers" if whole => read.finalizers = field(value),
        "ownerReferences" if whole => read.owner_references = field(value),
        _ => {}
    });
    read
}

fn field<T: DeserializeOwned>(value: &RawValue) -> Option<T> {
    serde_json::from_str::<Option<T>>(value.get())
        .ok()
        .flatten()
}

/// An object that is being deleted is, also where the time cannot be held.
fn deletion(value: &RawValue) -> Option<Time> {
    let there = value.get() != RawValue::NULL.get();
    there.then(|| field(value).unwrap_or(Time(Timestamp::UNIX_EPOCH)))
}

/// The entries that are wanted, by their name and their text in JSON.
fn texts(
    value: &RawValue,
    mut wanted: impl FnMut(&str, &str) -> bool,
) -> Option<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    let _ = entries(value, |name, value| {
        if wanted(&name, value.get())
            && let Some(text) = field(value)
        {
            texts.insert(name, text);
        }
    });
    Some(texts).filter(|texts| !texts.is_empty())
}

/// Hands out the entries of an object as they come, up to one that is none. What they contain is passed
/// over without recursion, however deep it is.
fn entries<'a>(
    object: &'a RawValue,
    each: impl FnMut(String, &'a RawValue),
) -> serde_json::Result<()> {
    struct Entries<F>(F);

    impl<'de, F: FnMut(String, &'de RawValue)> Visitor<'de> for Entries<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some((name, value)) = map.next_entry()? {
                (self.0)(name, value);
            }
            Ok(())
        }
    }

    serde_json::Deserializer::from_str(object.get()).deserialize_map(Entries(each))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::api::{OrganizationDomain, OrganizationDomainStatus};

    /// A time that the API server takes, Go's last one, and no type here holds.
    const FAR: &str = "9999-12-31T23:59:59Z";

    fn nested(depth: usize) -> String {
        format!("{}{{}}{}", r#"{"f:a":"#.repeat(depth), "}".repeat(depth))
    }

    fn text(metadata: &str, rest: &str) -> String {
        format!(
            r#"{{"apiVersion":"freehold.dev/v1alpha1","kind":"OrganizationDomain","metadata":{{"name":"main","namespace":"acme","uid":"1","resourceVersion":"7","generation":3,"creationTimestamp":"2026-01-01T00:00:00Z"{metadata}}}{rest}}}"#
        )
    }

    const SPEC: &str = r#","spec":{"organizationRef":{"name":"acme"},"domain":"acme.example"}"#;

    fn read(text: &str, extent: Extent) -> Decoded<OrganizationDomain> {
        decode(serde_json::from_str(text).unwrap(), extent)
    }

    #[test]
    fn an_object_comes_with_what_is_needed_of_its_metadata() {
        let metadata = r#","deletionTimestamp":"2026-01-02T00:00:00Z","labels":{"a":"b"},"annotations":{"c":"d","freehold.dev/requestedAt":"now"},"finalizers":["x.example/y"],"managedFields":[{"manager":"kubectl","fieldsV1":{"f:spec":{}}}]"#;
        let object = text(metadata, SPEC);
        let whole: ObjectMeta = serde_json::from_value(json!({
            "name": "main",
            "namespace": "acme",
            "uid": "1",
            "resourceVersion": "7",
            "generation": 3,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "deletionTimestamp": "2026-01-02T00:00:00Z",
            "labels": { "a": "b" },
            "annotations": { "c": "d", "freehold.dev/requestedAt": "now" },
            "finalizers": ["x.example/y"],
        }))
        .unwrap();
        let read_whole = read(&object, Extent::Whole).0.unwrap();
        assert_eq!(read_whole.metadata, whole);
        assert_eq!(read_whole.spec.domain, "acme.example");
        let needed = read(&object, Extent::Needed).0.unwrap().metadata;
        let annotations = needed.annotations.unwrap();
        assert_eq!(annotations.keys().collect::<Vec<_>>(), [REQUESTED_AT]);
        assert_eq!(needed.labels, whole.labels);
        assert_eq!(needed.finalizers, None);
    }

    #[test]
    fn managed_fields_are_not_read() {
        for fields in [
            format!(r#"[{{"manager":"x","time":"{FAR}","fieldsV1":{{}}}}]"#),
            format!(r#"[{{"manager":"x","fieldsV1":{}}}]"#, nested(150)),
            format!(r#"[{{"manager":"x","fieldsV1":{}}}]"#, nested(200_000)),
            r#"[{"manager":1e999,"operation":"\ud800"}]"#.to_owned(),
        ] {
            let object = text(&format!(r#","managedFields":{fields}"#), SPEC);
            for extent in [Extent::Needed, Extent::Whole] {
                let object = read(&object, extent).0.unwrap();
                assert_eq!(object.metadata.uid.as_deref(), Some("1"));
                assert_eq!(object.metadata.managed_fields, None);
            }
            // As a watch decodes it.
            let event = format!(r#"{{"type":"MODIFIED","object":{object}}}"#);
            let event: kube::core::WatchEvent<Decoded<OrganizationDomain>> =
                serde_json::from_str(&event).unwrap();
            let kube::core::WatchEvent::Modified(object) = event else {
                panic!("{event:?}");
            };
            assert!(object.0.is_ok());
        }
    }

    #[test]
    fn a_field_of_metadata_that_cannot_be_read_takes_no_other_with_it() {
        let metadata = format!(
            r#","deletionTimestamp":"{FAR}","labels":{{"a":"b","c":["d"],"e":"\ud800"}},"annotations":7"#
        );
        let object = read(&text(&metadata, SPEC), Extent::Needed).0.unwrap();
        assert_eq!(object.metadata.uid.as_deref(), Some("1"));
        // Deleted all the same.
        assert!(object.metadata.deletion_timestamp.is_some());
        let labels = object.metadata.labels.unwrap();
        assert_eq!(labels, BTreeMap::from([("a".to_owned(), "b".to_owned())]));
        assert_eq!(object.metadata.annotations, None);
    }

    #[test]
    fn labels_are_kept_up_to_a_limit() {
        let many: Vec<_> = (0..100_000).map(|n| format!(r#""l{n}":"v""#)).collect();
        let metadata = format!(r#","labels":{{{}}}"#, many.join(","));
        let object = read(&text(&metadata, SPEC), Extent::Needed).0.unwrap();
        let labels = object.metadata.labels.unwrap();
        let octets: usize = labels.iter().map(|(l, v)| l.len() + v.len()).sum();
        assert!(
            labels.contains_key("l0") && octets <= MAX_LABELS,
            "{octets}"
        );
    }

    #[test]
    fn what_can_be_read_of_an_object_that_cannot_be_is() {
        let deep = nested(200);
        let token = "a".repeat(32);
        let object = text(
            "",
            &format!(
                r#","spec":{{"organizationRef":{{"name":"acme"}},"domain":17}},"status":{{"state":"Verified","challenge":{{"token":"{token}","issuedTime":"2026-01-01T00:00:00Z","issuedFor":"1","records":[]}},"other":{deep},"lastCheck":{deep}}}"#
            ),
        );
        let unreadable = read(&object, Extent::Needed).0.unwrap_err();
        assert_eq!(unreadable.metadata.name.as_deref(), Some("main"));
        assert_eq!(unreadable.metadata.uid.as_deref(), Some("1"));
        let why = "invalid type: integer `17`, expected a string";
        assert_eq!(unreadable.why, why);
        assert_eq!(unreadable.text(&["spec", "domain"]), None);
        let reference = unreadable.text(&["spec", "organizationRef", "name"]);
        assert_eq!(reference.as_deref(), Some("acme"));
        let found = unreadable.text(&["status", "challenge", "token"]);
        assert_eq!(found.as_ref(), Some(&token));
        let status: OrganizationDomainStatus = unreadable.status();
        assert_eq!(status.challenge.unwrap().token, token);
        // Nobody sees the token by looking at what is wrong.
        let shown = format!("{unreadable} {unreadable:?}");
        assert!(!shown.contains(&token), "{shown}");
    }

    #[test]
    fn what_is_wrong_is_said_in_few_words_that_can_be_read() {
        let long = "\u{202e}x".repeat(10_000);
        let spec = format!(r#","spec":{{"organizationRef":"{long}","domain":"a"}}"#);
        let why = read(&text("", &spec), Extent::Needed).0.unwrap_err().why;
        assert!(why.chars().count() <= MAX_WHY + 16, "{why}");
        assert!(!why.contains('\u{202e}'), "{why}");
    }

    #[test]
    fn what_is_no_object_is_none() {
        for object in ["null", "7", "[]", r#""text""#, "{}", r#"{"metadata":null}"#] {
            let unreadable = read(object, Extent::Needed).0.unwrap_err();
            assert_eq!(unreadable.metadata, ObjectMeta::default(), "{object}");
        }
    }

    /// JSON as somebody writes it who means harm: duplicate names, halves of characters, numbers that
    /// nothing holds, depth.
    fn harmful() -> impl Strategy<Value = String> {
        let name = prop_oneof![
            Just("metadata"),
            Just("spec"),
            Just("status"),
            Just("domain"),
            Just("organizationRef"),
            Just("name"),
            Just("uid"),
            Just("labels"),
            Just("annotations"),
            Just("managedFields"),
            Just("deletionTimestamp"),
            Just("challenge"),
            Just("items"),
            Just("\\ud800"),
            Just("\\u0000"),
        ];
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("1e999".to_owned()),
            Just("-0.1E+7".to_owned()),
            Just("123456789012345678901234567890".to_owned()),
            Just(r#""\udfff\ud800""#.to_owned()),
            Just(format!("{FAR:?}")),
            (0_usize..300).prop_map(nested),
            (1_usize..300).prop_map(|n| format!("{}{}", "[".repeat(n), "]".repeat(n))),
            "[a-z\u{202e}]{0,9}".prop_map(|text| Value::from(text).to_string()),
        ];
        leaf.prop_recursive(4, 48, 6, move |inner| {
            let entry = (name.clone(), inner.clone());
            prop_oneof![
                prop::collection::vec(inner, 0..4)
                    .prop_map(|items| format!("[{}]", items.join(","))),
                prop::collection::vec(entry, 0..6).prop_map(|entries| {
                    let entries: Vec<_> = entries
                        .into_iter()
                        .map(|(name, value)| format!(r#""{name}":{value}"#))
                        .collect();
                    format!("{{{}}}", entries.join(","))
                }),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_object_that_a_tenant_shapes_is_too_much(
            managed in harmful(),
            labels in harmful(),
            annotations in harmful(),
            unknown in harmful(),
            elsewhere in harmful(),
        ) {
            let metadata = format!(
                r#","managedFields":{managed},"labels":{labels},"annotations":{annotations},"unknown":{unknown}"#
            );
            let object = text(&metadata, &format!(r#"{SPEC},"elsewhere":{elsewhere}"#));
            for extent in [Extent::Needed, Extent::Whole] {
                let decoded = read(&object, extent);
                let metadata = decoded.metadata();
                prop_assert_eq!(metadata.uid.as_deref(), Some("1"));
                prop_assert_eq!(metadata.resource_version.as_deref(), Some("7"));
                prop_assert!(decoded.0.is_ok(), "{:?}", decoded.0);
            }
        }

        #[test]
        fn whatever_is_wrong_with_an_object_it_is_known_which_it_is(
            spec in harmful(),
            status in harmful(),
        ) {
            let object = text("", &format!(r#","spec":{spec},"status":{status}"#));
            let decoded = read(&object, Extent::Needed);
            prop_assert_eq!(decoded.metadata().uid.as_deref(), Some("1"));
            if let Err(unreadable) = decoded.0 {
                let _ = unreadable.text(&["spec", "domain"]);
                let _: OrganizationDomainStatus = unreadable.status();
                prop_assert!(unreadable.why.chars().count() <= MAX_WHY + 16);
            }
        }

        #[test]
        fn any_json_is_decoded_to_something(object in harmful()) {
            let decoded = read(&object, Extent::Needed);
            let _ = decoded.metadata();
        }
    }
}
