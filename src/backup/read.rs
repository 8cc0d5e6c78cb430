//! An export as it is read back: whole, of one piece and without contradiction, or not at all.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::ObjectMeta;
use kube::{Resource, ResourceExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_saphyr::options::{MergeKeyPolicy, NonFiniteFloatPolicy};

use super::{END, End, FORMAT, HEADER, Header, Kind};
use crate::api::organization_domain::{ChallengeStatus, OrganizationDomainStatus, State};
use crate::api::spec_time::SpecTime;
use crate::api::{DomainApproval, Organization, OrganizationDomain, VerifiedDomain};
use crate::model::challenge::Token;
use crate::model::facts::whole_second;
use crate::model::lifecycle::{HeldBy, Identity};
use crate::model::name::DomainName;
use crate::model::terminal::line;
use crate::model::text_file::{self, TextError};
use crate::model::uid::Uid;

/// The API version of the objects.
const OBJECTS: &str = "freehold.dev/v1alpha1";

/// Why a stream is no export to import.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read the export: {0}")]
    Text(#[from] TextError),
    #[error("this is not an export of Freehold: the first document is not of kind Export")]
    NotAnExport,
    #[error("this export has the format {}; this version of freehold reads {FORMAT}", line(.0))]
    Version(String),
    #[error("document {number} is not valid YAML: {}", line(error))]
    Yaml { number: usize, error: String },
    #[error(
        "document {number} ({}) does not belong in an export: {}",
        line(what),
        line(why)
    )]
    Document {
        number: usize,
        what: String,
        why: String,
    },
    #[error("the export is cut off: its last document is missing. Export again")]
    CutOff,
    #[error(
        "the export is incomplete: it contains {found} objects of kind {kind} instead of {counted}. Export again"
    )]
    Count {
        kind: Kind,
        found: usize,
        counted: usize,
    },
    #[error("{kind} {} is in the export twice", line(name))]
    Twice { kind: Kind, name: String },
    #[error("VerifiedDomain {} is not trusted: {why}", line(name))]
    Holder { name: String, why: &'static str },
}

/// What was in an export.
#[derive(Debug, Default)]
pub struct Backup {
    pub holdings: Vec<VerifiedDomain>,
    pub approvals: Vec<DomainApproval>,
    pub organizations: Vec<Organization>,
    pub domains: Vec<OrganizationDomain>,
    /// Namespaces that were suspended.
    pub suspended: BTreeSet<String>,
}

impl Backup {
    /// Reads a whole export.
    ///
    /// # Errors
    /// Where it is not text in UTF-8, not an export of this version, not whole, or says of a holder
    /// what its object does not.
    pub fn read(file: &[u8]) -> Result<Self, ReadError> {
        let text = text_file::text(file)?;
        check_structure(text)?;
        let mut documents = serde_yaml::Deserializer::from_str(text).enumerate();
        let mut next = || {
            let (n, document) = documents.next()?;
            let value = Value::deserialize(document);
            Some(
                value
                    .map(|value| (n + 1, value))
                    .map_err(|error| yaml_error(n, &error)),
            )
        };
        let (_, first) = next().ok_or(ReadError::NotAnExport)??;
        let mut backup = Self {
            suspended: header(&first)?.suspended_namespaces,
            ..Self::default()
        };
        let end = loop {
            let (number, document) = next().ok_or(ReadError::CutOff)??;
            if document["apiVersion"] == FORMAT && document["kind"] == END {
                break parse::<End>(number, &document)?;
            }
            backup.take(number, &document)?;
        };
        if let Some(more) = next() {
            let (number, document) = more?;
            return Err(misplaced(
                number,
                &document,
                "it comes after the document that ends the export",
            ));
        }
        for kind in Kind::ALL {
            let (found, counted) = (backup.count(kind), end.counts.get(&kind).copied());
            if Some(found) != counted {
                let counted = counted.unwrap_or_default();
                return Err(ReadError::Count {
                    kind,
                    found,
                    counted,
                });
            }
        }
        backup.check_names()?;
        backup.check_holders()?;
        Ok(backup)
    }

    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::VerifiedDomain => self.holdings.len(),
            Kind::DomainApproval => self.approvals.len(),
            Kind::Organization => self.organizations.len(),
            Kind::OrganizationDomain => self.domains.len(),
        }
    }

    /// The namespaces that the objects are in.
    #[must_use]
    pub fn namespaces(&self) -> BTreeSet<String> {
        let approvals = self.approvals.iter().filter_map(ResourceExt::namespace);
        let organizations = self.organizations.iter().filter_map(ResourceExt::namespace);
        let domains = self.domains.iter().filter_map(ResourceExt::namespace);
        approvals.chain(organizations).chain(domains).collect()
    }

    fn take(&mut self, number: usize, document: &Value) -> Result<(), ReadError> {
        let refuse = |why: &str| misplaced(number, document, why);
        if document["apiVersion"] != OBJECTS {
            return Err(refuse(&format!("its apiVersion is not {OBJECTS}")));
        }
        let kind = Kind::deserialize(&document["kind"])
            .map_err(|_| refuse("exports contain no objects of this kind"))?;
        let metadata = &document["metadata"];
        if !metadata["name"].is_string() {
            return Err(refuse("it has no name"));
        }
        if metadata["namespace"].is_string() == (kind == Kind::VerifiedDomain) {
            return Err(refuse("its namespace is wrong"));
        }
        match kind {
            Kind::VerifiedDomain => self.holdings.push(parse(number, document)?),
            Kind::DomainApproval => {
                let approval = parse(number, document)?;
                is_taken(&approval).map_err(refuse)?;
                self.approvals.push(approval);
            }
            Kind::Organization => self.organizations.push(parse(number, document)?),
            Kind::OrganizationDomain => self.domains.push(parse(number, document)?),
        }
        Ok(())
    }

    /// Drops what statuses say that is not true of these objects: of an object whose namespace, name or
    /// organization was changed, all of it, as the operator would; of a verified one whose holding is not
    /// here, all but its token, which may prove it again.
    pub fn drop_unbelieved_statuses(&mut self, now: Timestamp) {
        let holders: BTreeSet<_> = self
            .holdings
            .iter()
            .map(|holding| (path_of_holder(holding), holding.name_any()))
            .collect();
        for domain in &mut self.domains {
            let Some(status) = domain.status.take() else {
                continue;
            };
            let issued_for = identity(domain, &Uid::from("")).issued_for();
            let challenge = status.challenge.as_ref();
            if challenge.is_some_and(|challenge| challenge.issued_for != issued_for) {
                continue;
            }
            let canonical = DomainName::parse(&domain.spec.domain).map(|name| name.to_string());
            let is_held = canonical.is_ok_and(|name| holders.contains(&(path(domain), name)));
            domain.status = if is_held || status.state != Some(State::Verified) {
                Some(status)
            } else {
                status.challenge.map(|challenge| begun_anew(challenge, now))
            };
        }
    }

    /// The organization domain that an approval is bound to by uid, which is another in every cluster.
    pub(super) fn bound_to(&self, approval: &DomainApproval) -> Option<&OrganizationDomain> {
        let of = &approval.spec.organization_domain_ref;
        let uid = of.uid.as_deref()?;
        self.domains.iter().find(|domain| {
            domain.metadata.uid.as_deref() == Some(uid)
                && domain.metadata.name.as_deref() == Some(&of.name)
                && domain.metadata.namespace == approval.metadata.namespace
        })
    }

    fn check_names(&self) -> Result<(), ReadError> {
        unique(Kind::VerifiedDomain, &self.holdings)?;
        unique(Kind::DomainApproval, &self.approvals)?;
        unique(Kind::Organization, &self.organizations)?;
        unique(Kind::OrganizationDomain, &self.domains)
    }

    /// A holding is believed if the very object that it names is here, with the very token that was
    /// proved: what the operator would ask of a back-up.
    fn check_holders(&self) -> Result<(), ReadError> {
        let domains = self.domains.iter().map(|domain| (path(domain), domain));
        let domains: BTreeMap<_, _> = domains.collect();
        for holding in &self.holdings {
            let name = holding.name_any();
            let refuse = |why| {
                let name = name.clone();
                Err(ReadError::Holder { name, why })
            };
            let Some(domain) = domains.get(&path_of_holder(holding)) else {
                return refuse("the export does not contain its holder");
            };
            let uid = domain.metadata.uid.as_deref().unwrap_or_default().into();
            let us = identity(domain, &uid);
            let canonical = DomainName::parse(&domain.spec.domain);
            if !canonical.is_ok_and(|canonical| canonical.to_string() == name) {
                return refuse("its holder states another domain");
            }
            let Some((token, _)) = token(domain).filter(|(_, of)| *of == us.issued_for()) else {
                return refuse("its holder's token was issued for another object");
            };
            if holding.spec.holder.organization != us.organization {
                return refuse("its holder belongs to another organization");
            }
            match HeldBy::of(&holding.spec, Timestamp::UNIX_EPOCH, us, Some(&token)) {
                HeldBy::Restored { .. }
                | HeldBy::Us {
                    token_known: true, ..
                } => {}
                _ => return refuse("its holder has another token"),
            }
        }
        Ok(())
    }
}

/// Deepest nesting of an object that is read. Ours have less than ten.
const DEPTH: usize = 32;

/// Refuses, with the line, what the reader after this one takes long for or takes without a word: deep
/// nesting, aliases, and keys that are given twice. No export has any of these.
fn check_structure(text: &str) -> Result<(), ReadError> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: None,
            max_depth: DEPTH,
            max_anchors: 0,
            max_aliases: 0,
        },
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        emit_comments: false,
    };
    let mut reader = text.as_bytes();
    let documents = serde_saphyr::read_with_options::<_, Value>(&mut reader, options);
    for (n, document) in documents.enumerate() {
        document.map_err(|error| yaml_error(n, error.without_snippet()))?;
    }
    Ok(())
}

fn yaml_error(before: usize, error: &impl ToString) -> ReadError {
    ReadError::Yaml {
        number: before + 1,
        error: error.to_string(),
    }
}

/// Whether the CRD takes the approval. An earlier version exported others.
fn is_taken(approval: &DomainApproval) -> Result<(), &'static str> {
    if approval.spec.organization.is_none() {
        return Err("it names no organization: add spec.organization");
    }
    match approval.spec.expiry_time {
        Some(SpecTime::Unsupported(_)) => {
            Err("its spec.expiryTime is not a supported time: correct or remove it")
        }
        Some(SpecTime::At(_)) | None => Ok(()),
    }
}

/// A status that has its token alone, and waits for the record from now on.
fn begun_anew(challenge: ChallengeStatus, now: Timestamp) -> OrganizationDomainStatus {
    OrganizationDomainStatus {
        observed_generation: Some(-1),
        state: Some(State::Pending),
        challenge: Some(ChallengeStatus {
            window_start_time: Some(Time(whole_second(now))),
            expiry_time: None,
            ..challenge
        }),
        ..OrganizationDomainStatus::default()
    }
}

/// The token of an organization domain's status, and for what it was issued.
pub(super) fn token(domain: &OrganizationDomain) -> Option<(Token, &str)> {
    let challenge = domain.status.as_ref()?.challenge.as_ref()?;
    Some((Token::parse(&challenge.token)?, &challenge.issued_for))
}

fn identity<'a>(domain: &'a OrganizationDomain, uid: &'a Uid) -> Identity<'a> {
    let metadata = &domain.metadata;
    Identity {
        namespace: metadata.namespace.as_deref().unwrap_or_default(),
        name: metadata.name.as_deref().unwrap_or_default(),
        uid,
        organization: &domain.spec.organization_ref.name,
    }
}

fn header(document: &Value) -> Result<Header, ReadError> {
    let (group, _) = FORMAT.split_once('/').unwrap_or((FORMAT, ""));
    let version = document["apiVersion"].as_str().unwrap_or_default();
    let of_group = version.split_once('/').is_some_and(|(of, _)| of == group);
    if !of_group || document["kind"] != HEADER {
        return Err(ReadError::NotAnExport);
    }
    if version != FORMAT {
        return Err(ReadError::Version(version.to_owned()));
    }
    parse(1, document)
}

fn parse<T: DeserializeOwned>(number: usize, document: &Value) -> Result<T, ReadError> {
    T::deserialize(document).map_err(|error| misplaced(number, document, &error.to_string()))
}

fn misplaced(number: usize, document: &Value, why: &str) -> ReadError {
    ReadError::Document {
        number,
        what: what(document),
        why: why.to_owned(),
    }
}

/// How a person finds the document.
fn what(document: &Value) -> String {
    let name = document["metadata"]["name"].as_str();
    match (document["kind"].as_str(), name) {
        (Some(kind), Some(name)) => format!("{kind} {name}"),
        (Some(word), None) | (None, Some(word)) => word.to_owned(),
        (None, None) => "of no kind".to_owned(),
    }
}

fn unique<K: Resource<DynamicType = ()>>(kind: Kind, objects: &[K]) -> Result<(), ReadError> {
    let mut seen = BTreeSet::new();
    match objects
        .iter()
        .map(path)
        .find(|name| !seen.insert(name.clone()))
    {
        Some(name) => Err(ReadError::Twice { kind, name }),
        None => Ok(()),
    }
}

pub(super) fn path_of_holder(holding: &VerifiedDomain) -> String {
    let holder = &holding.spec.holder;
    format!("{}/{}", holder.namespace, holder.name)
}

/// `NAMESPACE/NAME`, or the name alone.
pub(super) fn path(object: &impl Resource) -> String {
    path_of(object.meta())
}

pub(super) fn path_of(metadata: &ObjectMeta) -> String {
    let name = metadata.name.as_deref().unwrap_or_default();
    match &metadata.namespace {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EMPTY: &str = "apiVersion: backup.freehold.dev/v1\nkind: Export\ntime: 2026-01-01T00:00:00Z\nsuspendedNamespaces: []\n---\napiVersion: backup.freehold.dev/v1\nkind: End\ncounts: { VerifiedDomain: 0, DomainApproval: 0, Organization: 0, OrganizationDomain: 0 }\n";

    #[test]
    fn an_export_is_read_as_editors_save_it() {
        for text in [
            EMPTY.to_owned(),
            format!("---\n{EMPTY}"),
            EMPTY.replace('\n', "\r\n"),
            format!("\u{feff}{EMPTY}"),
            format!("\u{feff}---\r\n{}", EMPTY.replace('\n', "\r\n")),
        ] {
            let read = Backup::read(text.as_bytes());
            assert!(read.is_ok(), "{text}: {}", read.unwrap_err());
        }
    }

    #[test]
    fn what_is_not_text_in_utf_8_is_refused_in_words() {
        let little = EMPTY.encode_utf16().flat_map(u16::to_le_bytes);
        let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(little).collect();
        for (file, words) in [
            (wide, "save it as UTF-8"),
            (b"a\n\xe4".to_vec(), "not UTF-8 text: line 2"),
            (Vec::new(), "not an export of Freehold"),
            (b"\xef\xbb\xbf".to_vec(), "not an export of Freehold"),
        ] {
            let error = Backup::read(&file).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    /// The first document with something more in it.
    fn with(more: &str) -> Vec<u8> {
        EMPTY
            .replacen("kind: Export\n", &format!("kind: Export\n{more}\n"), 1)
            .into()
    }

    #[test]
    fn what_is_nested_deep_or_grows_is_refused_at_once() {
        let lines = (1..10).map(|n| {
            let before = format!("*a{}", n - 1);
            format!("b{n}: &a{n} [{}]", vec![before; 10].join(", "))
        });
        let bomb = lines.collect::<Vec<_>>().join("\n");
        let begun = std::time::Instant::now();
        for deep in [
            format!("x: {}", "[".repeat(100_000)),
            format!("x: {}", "{".repeat(100_000)),
            format!("x: {}{}", "[".repeat(100), "]".repeat(100)),
            format!("x:\n  {}", "- ".repeat(100_000)),
            format!("x:\n  {}", "? ".repeat(100_000)),
            format!("b0: &a0 [x]\n{bomb}"),
            // No alias at all, however little it stands for.
            "x: &a 1\ny: *a".to_owned(),
        ] {
            let error = Backup::read(&with(&deep)).unwrap_err().to_string();
            assert!(error.contains("is not valid YAML"), "{error}");
        }
        let took = begun.elapsed();
        assert!(took.as_secs() < 5, "{took:?}");
        // A text is no structure.
        let told = Backup::read(&with(&format!("x: '{}'", "[".repeat(100_000))));
        assert!(told.is_ok(), "{:?}", told.err());
    }

    #[test]
    fn no_more_than_the_depth_is_read_in_any_style() {
        let block = |step: &str, depth: usize| {
            let lines = (1..=depth).map(|n| format!("{}{step}\n", "  ".repeat(n)));
            format!(
                "x:\n{}{}x",
                lines.collect::<String>(),
                "  ".repeat(depth + 1)
            )
        };
        // The document itself is one of them.
        for (depth, is_read) in [(DEPTH - 1, true), (DEPTH, false)] {
            for deep in [
                format!("x: {}{}", "[".repeat(depth), "]".repeat(depth)),
                format!("x: {}x{}", "{a: ".repeat(depth), "}".repeat(depth)),
                format!("x:\n  {}x", "- ".repeat(depth)),
                block("a:", depth),
            ] {
                let read = Backup::read(&with(&deep));
                assert_eq!(read.is_ok(), is_read, "{deep} {:?}", read.err());
            }
        }
    }

    #[test]
    fn a_key_that_is_given_twice_is_refused_with_its_line() {
        for twice in ["x: {a: 1, a: 2}", "x: 1\nx: 2", "x:\n  a: 1\n  'a': 2"] {
            let error = Backup::read(&with(twice)).unwrap_err().to_string();
            assert!(
                error.contains("duplicate") && error.contains("line"),
                "{error}"
            );
        }
    }

    #[test]
    fn no_error_shows_a_terminal_what_the_file_has() {
        let escape = "\\e[2J\\u202e";
        let kind = format!(
            "apiVersion: freehold.dev/v1alpha1\nkind: \"{escape}\"\nmetadata: {{name: \"{escape}\\n\"}}"
        );
        let version = EMPTY.replace(
            "freehold.dev/v1\nkind: Export",
            &format!("freehold.dev/v1{escape}\"\nkind: Export"),
        );
        let version = version.replacen("apiVersion: b", "apiVersion: \"b", 1);
        for file in [
            EMPTY.replacen("---", &format!("---\n{kind}\n---"), 1),
            version,
        ] {
            let error = Backup::read(file.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("\\u{1b}[2J\\u{202e}"), "{error}");
            assert_eq!(error, line(&error));
        }
    }

    fn domain(namespace: &str, issued_for: &str) -> OrganizationDomain {
        serde_json::from_value(serde_json::json!({
            "metadata": { "name": "main", "namespace": namespace, "uid": "1" },
            "spec": { "organizationRef": { "name": "acme" }, "domain": "acme.com" },
            "status": {
                "state": "Verified",
                "challenge": {
                    "token": "a".repeat(32), "records": [], "issuedFor": issued_for,
                    "issuedTime": "2026-01-01T00:00:00Z"
                },
                "verifiedTime": "2026-01-01T00:00:00Z"
            }
        }))
        .unwrap()
    }

    #[test]
    fn an_approval_that_the_definition_refuses_is_refused_before_anything_is_written() {
        for (organization, time, words) in [
            (Some("acme"), None, None),
            (Some("acme"), Some("2030-01-01T00:00:00Z"), None),
            (None, None, Some("it names no organization")),
            (
                Some("acme"),
                Some("9999-12-31T23:59:59Z"),
                Some("is not a supported time"),
            ),
        ] {
            let approval: DomainApproval = serde_json::from_value(serde_json::json!({
                "metadata": { "name": "main", "namespace": "here" },
                "spec": {
                    "organizationDomainRef": { "name": "main" },
                    "domain": "acme.com",
                    "organization": organization,
                    "expiryTime": time,
                    "reason": "a contract",
                },
            }))
            .unwrap();
            let refused = is_taken(&approval).err();
            assert_eq!(refused.is_some(), words.is_some(), "{refused:?}");
            assert!(
                refused
                    .unwrap_or_default()
                    .contains(words.unwrap_or_default())
            );
        }
    }

    #[test]
    fn no_status_says_more_than_the_export_shows() {
        let now = Timestamp::UNIX_EPOCH;
        let held: VerifiedDomain = serde_json::from_value(serde_json::json!({
            "metadata": { "name": "acme.com" },
            "spec": { "strategy": "DNS", "holder": {
                "namespace": "here", "name": "main", "uid": "1", "organization": "acme",
                "tokenHash": "" } }
        }))
        .unwrap();
        let state = |domain, holdings: &[VerifiedDomain]| {
            let mut backup = Backup {
                domains: vec![domain],
                holdings: holdings.to_vec(),
                ..Backup::default()
            };
            backup.drop_unbelieved_statuses(now);
            let status = backup.domains.remove(0).status?;
            Some((
                status.state,
                status.verified_time.is_some(),
                status.challenge.is_some(),
            ))
        };
        let verified = Some((Some(State::Verified), true, true));
        let pending = Some((Some(State::Pending), false, true));
        assert_eq!(
            state(
                domain("here", "here/main/acme"),
                std::slice::from_ref(&held)
            ),
            verified
        );
        assert_eq!(state(domain("here", "here/main/acme"), &[]), pending);
        assert_eq!(state(domain("here", "there/main/acme"), &[]), None);
        assert_eq!(state(domain("there", "there/main/acme"), &[held]), pending);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(
            text in prop_oneof![
                ".{0,200}",
                "[a-c:\\-\\[\\]{}?,&*!|>'\"# \n\t%@<]{0,200}",
            ],
            inside in any::<bool>(),
        ) {
            let file = if inside { with(&text) } else { text.into_bytes() };
            if let Err(error) = Backup::read(&file) {
                let error = error.to_string();
                prop_assert_eq!(&line(&error), &error);
            }
        }

        #[test]
        fn whatever_an_export_writes_is_read(text in ".{0,80}", key in "[a-z~0-9.:-]{1,12}") {
            let document = serde_json::json!({ key: text, "list": [{ "a": text }] });
            let yaml = crate::model::terminal::yaml(&document).unwrap();
            prop_assert!(check_structure(&yaml).is_ok(), "{yaml}");
            let read: Value = serde_yaml::from_str(&yaml).unwrap();
            prop_assert_eq!(read, document);
        }
    }
}
