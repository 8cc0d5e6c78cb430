//! What came of an import.

use std::collections::BTreeMap;
use std::fmt;

use super::read::path_of;
use super::{Kind, describe};
use crate::api::SUSPENDED;
use crate::cluster::decode::InvalidObject;
use crate::model::terminal::line;

/// As many as a person reads.
const MAX_LISTED: usize = 20;

/// Why an import did not end. It can be run again: it goes on where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(
        "the cluster does not serve {0}: install the CRDs first, with kubectl apply --server-side -f crds/"
    )]
    NotServed(Kind),
    #[error("nothing was written, because namespaces are missing: {}. Create them first, with their labels", list(.0))]
    NamespacesMissing(Vec<String>),
    #[error("nothing was written, because namespaces that were suspended are not suspended here: {}. Label them {SUSPENDED}=true first", list(.0))]
    NotSuspended(Vec<String>),
    #[error("nothing was written, because the cluster has other objects with these names:\n{}", lines(.0))]
    Conflicts(Vec<Conflict>),
    #[error(
        "{kind} {name} could not be written; run the import again: {}",
        describe(error)
    )]
    Write {
        kind: Kind,
        name: String,
        error: kube::Error,
    },
    #[error("cannot read from the cluster: {}", describe(.0))]
    Cluster(#[from] kube::Error),
    #[error(
        "{} in the cluster is invalid: {}. Correct it, and run the import again",
        path_of(&.0.metadata),
        .0.why
    )]
    Invalid(#[from] Box<InvalidObject>),
}

/// An import that did not end, and what it did until then.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct EndedEarly {
    pub imported: Imported,
    pub why: ImportError,
}

/// What an import did.
#[derive(Debug, Default)]
pub struct Imported {
    pub counts: BTreeMap<Kind, Counts>,
    /// What somebody else wrote while the import ran.
    pub conflicts: Vec<Conflict>,
}

impl Imported {
    /// Whether it wrote nothing and met nothing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.counts.is_empty() && self.conflicts.is_empty()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub created: usize,
    /// Left without status or holder by an import that did not end, or made by others.
    pub completed: usize,
    pub there_already: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} created, {} completed, {} already there",
            self.created, self.completed, self.there_already
        )
    }
}

/// An object that is in the cluster otherwise than in the export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub kind: Kind,
    /// `NAMESPACE/NAME`, or the name alone.
    pub name: String,
    pub why: &'static str,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.kind, line(&self.name), self.why)
    }
}

fn list(names: &[String]) -> String {
    join_first(names.iter().map(|name| line(name)), ", ")
}

/// One a line.
#[must_use]
pub fn lines(conflicts: &[Conflict]) -> String {
    let lines = conflicts.iter().map(|conflict| format!("  {conflict}"));
    join_first(lines, "\n")
}

fn join_first(items: impl ExactSizeIterator<Item = String>, separator: &str) -> String {
    let more = items.len().saturating_sub(MAX_LISTED);
    let mut listed: Vec<String> = items.take(MAX_LISTED).collect();
    if more > 0 {
        listed.push(format!("and {more} more"));
    }
    listed.join(separator)
}
