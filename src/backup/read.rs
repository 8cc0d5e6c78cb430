//! An export as it is read back: whole, of one piece and without contradiction, or not at all.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::core::ObjectMeta;
use kube::{Resource, ResourceExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{END, End, FORMAT, HEADER, Header, Kind};
use crate::api::{DomainApproval, Organization, OrganizationDomain, VerifiedDomain};
use crate::model::challenge::Token;
use crate::model::lifecycle::{HeldBy, Identity};
use crate::model::name::DomainName;
use crate::model::text_file::{self, TextError};
use crate::model::uid::Uid;

/// The API version of the objects.
const OBJECTS: &str = "freehold.dev/v1alpha1";

/// Why a stream is no export to import.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the export cannot be read: {0}")]
    Text(#[from] TextError),
    #[error("this is not an export of Freehold: it does not begin with a document of kind Export")]
    NotAnExport,
    #[error("this export has the format {0}; this version of freehold reads {FORMAT}")]
    Version(String),
    #[error("document {number} is not YAML: {error}")]
    Yaml {
        number: usize,
        error: serde_yaml::Error,
    },
    #[error("document {number} ({what}) does not belong into an export: {why}")]
    Document {
        number: usize,
        what: String,
        why: String,
    },
    #[error("the export is cut off: its last document is missing")]
    CutOff,
    #[error("the export is not whole: it has {found} of kind {kind}, and {counted} were written")]
    Count {
        kind: Kind,
        found: usize,
        counted: usize,
    },
    #[error("{kind} {name} is in the export twice")]
    Twice { kind: Kind, name: String },
    #[error("VerifiedDomain {name} is not believed: {why}")]
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
        let mut documents = serde_yaml::Deserializer::from_str(text).enumerate();
        let mut next = || {
            documents.next().map(|(n, document)| {
                let number = n + 1;
                Value::deserialize(document)
                    .map(|value| (number, value))
                    .map_err(|error| ReadError::Yaml { number, error })
            })
        };
        let (_, first) = next().ok_or(ReadError::NotAnExport)??;
        let mut backup = Self {
            suspended: header(first)?.suspended_namespaces,
            ..Self::default()
        };
        let end = loop {
            let (number, document) = next().ok_or(ReadError::CutOff)??;
            if document["apiVersion"] == FORMAT && document["kind"] == END {
                break parse::<End>(number, document)?;
            }
            backup.take(number, document)?;
        };
        if let Some(more) = next() {
            let (number, document) = more?;
            return Err(misplaced(number, &document, "it comes after the end"));
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

    fn take(&mut self, number: usize, document: Value) -> Result<(), ReadError> {
        if document["apiVersion"] != OBJECTS {
            let why = format!("its apiVersion is not {OBJECTS}");
            return Err(misplaced(number, &document, &why));
        }
        let kind = Kind::deserialize(&document["kind"])
            .map_err(|_| misplaced(number, &document, "no export has objects of this kind"))?;
        let metadata = &document["metadata"];
        if !metadata["name"].is_string() {
            return Err(misplaced(number, &document, "it has no name"));
        }
        if metadata["namespace"].is_string() == (kind == Kind::VerifiedDomain) {
            return Err(misplaced(number, &document, "its namespace is wrong"));
        }
        match kind {
            Kind::VerifiedDomain => self.holdings.push(parse(number, document)?),
            Kind::DomainApproval => self.approvals.push(parse(number, document)?),
            Kind::Organization => self.organizations.push(parse(number, document)?),
            Kind::OrganizationDomain => self.domains.push(parse(number, document)?),
        }
        Ok(())
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
        let domains: BTreeMap<_, _> = self
            .domains
            .iter()
            .map(|domain| ((domain.namespace(), domain.name_any()), domain))
            .collect();
        for holding in &self.holdings {
            let holder = &holding.spec.holder;
            let name = holding.name_any();
            let refuse = |why| {
                let name = name.clone();
                Err(ReadError::Holder { name, why })
            };
            let key = (Some(holder.namespace.clone()), holder.name.clone());
            let Some(domain) = domains.get(&key) else {
                return refuse("the export does not have its holder");
            };
            let uid = domain.metadata.uid.as_deref().unwrap_or_default().into();
            let us = identity(domain, &uid);
            if DomainName::parse(&domain.spec.domain).map(|name| name.to_string())
                != Ok(name.clone())
            {
                return refuse("its holder states another domain");
            }
            if token(domain).is_none_or(|(_, issued_for)| issued_for != us.issued_for()) {
                return refuse("its holder's token was issued for another object");
            }
            if holder.organization != us.organization {
                return refuse("its holder is of another organization");
            }
            let token = token(domain).map(|(token, _)| token);
            match HeldBy::of(&holding.spec, Timestamp::UNIX_EPOCH, us, token.as_ref()) {
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

fn header(document: Value) -> Result<Header, ReadError> {
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

fn parse<T: DeserializeOwned>(number: usize, document: Value) -> Result<T, ReadError> {
    let what = what(&document);
    serde_json::from_value(document).map_err(|error| ReadError::Document {
        number,
        what,
        why: error.to_string(),
    })
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
    let words = [document["kind"].as_str(), name];
    let words: Vec<&str> = words.into_iter().flatten().collect();
    match words.as_slice() {
        [] => "of no kind".to_owned(),
        words => words.join(" "),
    }
}

fn unique<K: Resource<DynamicType = ()>>(kind: Kind, objects: &[K]) -> Result<(), ReadError> {
    let mut seen = BTreeSet::new();
    for object in objects {
        let name = path(object);
        if !seen.insert(name.clone()) {
            return Err(ReadError::Twice { kind, name });
        }
    }
    Ok(())
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
            (b"a\n\xe4".to_vec(), "not text in UTF-8: line 2"),
            (Vec::new(), "not an export of Freehold"),
            (b"\xef\xbb\xbf".to_vec(), "not an export of Freehold"),
        ] {
            let error = Backup::read(&file).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
