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
pub struct Decoded<K>(pub Result<K, Box<InvalidObject>>);

/// An object that its type cannot hold, and what can be read of it all the same.
#[derive(Clone, thiserror::Error)]
#[error("the object is invalid: {why}")]
pub struct InvalidObject {
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
            Err(invalid) => &invalid.metadata,
        }
    }
}

impl InvalidObject {
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

impl fmt::Debug for InvalidObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, namespace) = (&self.metadata.name, &self.metadata.namespace);
        write!(f, "InvalidObject({namespace:?}, {name:?}, {:?})", self.why)
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
        Err(error) => Err(Box::new(InvalidObject {
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
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
        Condition, ManagedFieldsEntry, OwnerReference,
    };
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::api::history::HistoryEntry;
    use crate::api::organization_domain::{
        ChallengeStatus, CheckVerdict, CountedChecks, DnsProvider, OrganizationDomainSpec,
        OrganizationRef, State, Strategy as Strategies, UnconfirmedVerdict,
    };
    use crate::api::{OrganizationDomain, OrganizationDomainStatus};
    use crate::model::report::verdict_alone;

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
        let invalid = read(&object, Extent::Needed).0.unwrap_err();
        assert_eq!(invalid.metadata.name.as_deref(), Some("main"));
        assert_eq!(invalid.metadata.uid.as_deref(), Some("1"));
        let why = "invalid type: integer `17`, expected a string";
        assert_eq!(invalid.why, why);
        assert_eq!(invalid.text(&["spec", "domain"]), None);
        let reference = invalid.text(&["spec", "organizationRef", "name"]);
        assert_eq!(reference.as_deref(), Some("acme"));
        let found = invalid.text(&["status", "challenge", "token"]);
        assert_eq!(found.as_ref(), Some(&token));
        let status: OrganizationDomainStatus = invalid.status();
        assert_eq!(status.challenge.unwrap().token, token);
        // Nobody sees the token in what is wrong.
        let shown = format!("{invalid} {invalid:?}");
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
            let invalid = read(object, Extent::Needed).0.unwrap_err();
            assert_eq!(invalid.metadata, ObjectMeta::default(), "{object}");
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
            if let Err(invalid) = decoded.0 {
                let _ = invalid.text(&["spec", "domain"]);
                let _: OrganizationDomainStatus = invalid.status();
                prop_assert!(invalid.why.chars().count() <= MAX_WHY + 16);
            }
        }

        #[test]
        fn any_json_is_decoded_to_something(object in harmful()) {
            let decoded = read(&object, Extent::Needed);
            let _ = decoded.metadata();
        }

        #[test]
        fn an_ordinary_object_is_read_as_it_was_written(object in ordinary(), pretty in any::<bool>()) {
            let text = if pretty {
                serde_json::to_string_pretty(&object).unwrap()
            } else {
                serde_json::to_string(&object).unwrap()
            };
            let whole = OrganizationDomain {
                metadata: ObjectMeta { managed_fields: None, ..object.metadata.clone() },
                ..object
            };
            prop_assert_eq!(value(read(&text, Extent::Whole)), value(Decoded(Ok(whole.clone()))));
            let mut needed = whole;
            needed.metadata.finalizers = None;
            needed.metadata.owner_references = None;
            let requested = |name: &String, _: &mut String| name == REQUESTED_AT;
            let annotations = needed.metadata.annotations.take();
            needed.metadata.annotations = annotations.and_then(|mut annotations| {
                annotations.retain(requested);
                Some(annotations).filter(|annotations| !annotations.is_empty())
            });
            let needed = value(Decoded(Ok(needed)));
            prop_assert_eq!(&value(read(&text, Extent::Needed)), &needed);
            // A watch reads it no otherwise.
            let event = format!(r#"{{"type":"ADDED","object":{text}}}"#);
            let event: kube::core::WatchEvent<Decoded<OrganizationDomain>> =
                serde_json::from_str(&event).unwrap();
            let kube::core::WatchEvent::Added(object) = event else {
                panic!("{event:?}");
            };
            prop_assert_eq!(value(object), needed);
        }

        #[test]
        fn an_odd_label_or_annotation_costs_no_other(
            labels in mixed(),
            annotations in mixed(),
        ) {
            let metadata = |take: fn(&Entry) -> bool| {
                let entries = |entries: &[Entry]| {
                    let taken = entries.iter().filter(|&entry| take(entry));
                    taken.map(|(name, value, _)| format!("{name:?}:{value}")).collect::<Vec<_>>().join(",")
                };
                let metadata = format!(
                    r#","labels":{{{}}},"annotations":{{{}}}"#,
                    entries(&labels),
                    entries(&annotations),
                );
                read(&text(&metadata, SPEC), Extent::Whole).0.unwrap().metadata
            };
            prop_assert_eq!(metadata(|_| true), metadata(|(_, _, is_odd)| !is_odd));
        }

        #[test]
        fn an_odd_field_of_a_status_costs_no_other_and_not_the_object(
            status in any_status(),
            odd in prop::collection::vec((any::<prop::sample::Index>(), odd()), 0..6),
            is_readable in any::<bool>(),
        ) {
            let mut fields = serde_json::to_value(&status).unwrap();
            let fields = fields.as_object_mut().unwrap();
            let mut odd_fields = BTreeMap::new();
            for (index, value) in &odd {
                let name = STATUS[index.index(STATUS.len())];
                fields.remove(name);
                odd_fields.insert(name, value);
            }
            let rest: OrganizationDomainStatus =
                serde_json::from_value(Value::Object(fields.clone())).unwrap();
            let fields = fields.iter().map(|(name, value)| format!("{name:?}:{value}"));
            let odd_fields = odd_fields.iter().map(|(name, value)| format!("{name:?}:{value}"));
            let fields = odd_fields.chain(fields).collect::<Vec<_>>().join(",");
            let status = format!(r#","status":{{{fields}}}"#);
            if is_readable {
                let object = read(&text("", &format!("{SPEC}{status}")), Extent::Needed);
                prop_assert_eq!(object.0.unwrap().status.unwrap(), rest);
            } else {
                let object = read(&text("", &format!(r#","spec":7{status}"#)), Extent::Needed);
                prop_assert_eq!(object.0.unwrap_err().status::<OrganizationDomainStatus>(), rest);
            }
        }

        #[test]
        fn labels_are_kept_in_order_as_long_as_there_is_room(
            sizes in prop::collection::vec(0_usize..40_000, 0..6),
        ) {
            let entries: Vec<_> = sizes
                .iter()
                .enumerate()
                .map(|(n, size)| (n.to_string(), "x".repeat(*size)))
                .collect();
            let labels: Vec<_> = entries.iter().map(|(l, v)| format!("{l:?}:{v:?}")).collect();
            let metadata = format!(r#","labels":{{{}}}"#, labels.join(","));
            let read = read(&text(&metadata, SPEC), Extent::Needed).0.unwrap().metadata.labels;
            let read = read.unwrap_or_default();
            // With the quotation marks of the values.
            let octets = |n: usize| entries[..n].iter().map(|(l, v)| l.len() + v.len() + 2).sum::<usize>();
            let n = (0..=entries.len()).rfind(|&n| octets(n) < MAX_LABELS).unwrap();
            prop_assert_eq!(read, entries[..n].iter().cloned().collect());
        }
    }

    fn value(decoded: Decoded<OrganizationDomain>) -> Value {
        serde_json::to_value(decoded.0.unwrap()).unwrap()
    }

    /// The fields of a status.
    const STATUS: [&str; 19] = [
        "observedGeneration",
        "canonicalName",
        "unicodeName",
        "mixedScripts",
        "state",
        "strategy",
        "challenge",
        "dnsProvider",
        "lastCheck",
        "checkPeriodSeconds",
        "nextCheckTime",
        "verifiedTime",
        "lastProvenTime",
        "recordMissing",
        "handOver",
        "unconfirmed",
        "pausedTime",
        "lastHandledRequest",
        "conditions",
    ];

    /// What is of no field's type, nor a text.
    fn odd() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("null".to_owned()),
            Just("-0.5".to_owned()),
            Just("[null]".to_owned()),
            Just(r#"[{"a":["b"]}]"#.to_owned()),
            Just("{\"a\":1}".to_owned()),
            (1_usize..100).prop_map(nested),
        ]
    }

    /// The name, the value, and whether that is no text.
    type Entry = (String, String, bool);

    /// Labels or annotations, of which some are no texts.
    fn mixed() -> impl Strategy<Value = Vec<Entry>> {
        let ordinary = any_text().prop_map(|text| (Value::from(text).to_string(), false));
        let deep = prop_oneof![odd(), (100_usize..300).prop_map(nested)];
        let value = prop_oneof![ordinary, deep.prop_map(|text| (text, true))];
        prop::collection::vec(value, 0..6).prop_map(|values| {
            let entries = values.into_iter().enumerate();
            entries
                .map(|(n, (value, is_odd))| (format!("example.com/{n}"), value, is_odd))
                .collect()
        })
    }

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z]{0,8}", ".{0,8}", r#"[\\"{}\[\]:,\n]{0,8}"#]
    }

    fn texts_by_name() -> impl Strategy<Value = Option<BTreeMap<String, String>>> {
        let name = prop_oneof![3 => any_text(), 1 => Just(REQUESTED_AT.to_owned())];
        let texts = prop::collection::btree_map(name, any_text(), 1..4);
        prop::option::of(texts)
    }

    fn any_time() -> impl Strategy<Value = Time> {
        (0_i64..4_000_000_000).prop_map(|second| Time(Timestamp::from_second(second).unwrap()))
    }

    prop_compose! {
        /// A status as the operator could write it, as far as types go.
        fn any_status()(
            (generation, period) in (prop::option::of(-1_i64..9), prop::option::of(0_i64..9)),
            (canonical, unicode, mixed) in (prop::option::of(any_text()), prop::option::of(any_text()), any::<bool>()),
            state in prop::option::of(prop::sample::select(vec![State::Pending, State::Verified, State::Failed])),
            token in prop::option::of("[a-z2-7]{32}"),
            times in prop::array::uniform4(prop::option::of(any_time())),
            (since, checks, missing, taking) in (any_time(), 0_i64..9, any::<bool>(), any::<bool>()),
            (reason, message, handled) in ("[A-Z][a-z]{1,9}", any_text(), prop::option::of(any_text())),
        ) -> OrganizationDomainStatus {
            let [next_check_time, verified_time, last_proven_time, paused_time] = times;
            let counted = CountedChecks {
                since_time: since.clone(),
                definite_checks: checks,
                last_time: since.clone(),
            };
            OrganizationDomainStatus {
                observed_generation: generation,
                canonical_name: canonical,
                unicode_name: unicode,
                mixed_scripts: mixed,
                state,
                strategy: state.map(|_| Strategies::Manual),
                challenge: token.map(|token| ChallengeStatus {
                    token,
                    records: Vec::new(),
                    issued_for: message.clone(),
                    issued_time: since.clone(),
                    window_start_time: verified_time.clone(),
                    expiry_time: None,
                }),
                dns_provider: handled.clone().map(|name| DnsProvider { name, link: None }),
                last_check: mixed.then(|| verdict_alone(CheckVerdict::Absent, next_check_time.clone())),
                check_period_seconds: period,
                next_check_time,
                verified_time,
                last_proven_time,
                record_missing: Some(counted.clone()).filter(|_| missing),
                hand_over: Some(counted).filter(|_| taking),
                unconfirmed: (missing && taking).then(|| UnconfirmedVerdict {
                    verdict: CheckVerdict::Mismatch,
                    since_time: since.clone(),
                    checks,
                    last_time: since.clone(),
                }),
                paused_time,
                last_handled_request: handled,
                published_sequence: generation,
                history: vec![HistoryEntry {
                    sequence: checks,
                    reason: reason.clone(),
                    time: since.clone(),
                }],
                conditions: vec![Condition {
                    type_: "Ready".to_owned(),
                    status: "True".to_owned(),
                    reason,
                    message,
                    observed_generation: generation,
                    last_transition_time: since,
                }],
            }
        }
    }

    prop_compose! {
        fn ordinary()(
            (labels, annotations) in (texts_by_name(), texts_by_name()),
            (created, deleted) in (any_time(), prop::option::of(any_time())),
            (generation, version) in (1_i64..9, 1_u64..999),
            has_more in any::<bool>(),
            (domain, joinable) in (any_text(), any::<bool>()),
            status in prop::option::of(any_status()),
        ) -> OrganizationDomain {
            OrganizationDomain {
                metadata: ObjectMeta {
                    name: Some("main".to_owned()),
                    namespace: Some("acme".to_owned()),
                    uid: Some("1".to_owned()),
                    resource_version: Some(version.to_string()),
                    generation: Some(generation),
                    creation_timestamp: Some(created),
                    deletion_timestamp: deleted,
                    labels,
                    annotations,
                    finalizers: has_more.then(|| vec!["example.com/keep".to_owned()]),
                    owner_references: has_more.then(|| vec![OwnerReference::default()]),
                    managed_fields: has_more.then(|| vec![ManagedFieldsEntry::default()]),
                    ..ObjectMeta::default()
                },
                spec: OrganizationDomainSpec {
                    organization_ref: OrganizationRef { name: "acme".to_owned() },
                    domain,
                    joinable,
                },
                status,
            }
        }
    }
}
