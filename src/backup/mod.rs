//! Taking everything that Freehold knows out of a cluster, and into another one.
//!
//! An export is one stream of YAML documents: a [`Header`], the objects, an [`End`] that counts them.

mod existing;
mod export;
mod import;
mod outcome;
mod read;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::Display;

pub use self::export::{ExportError, Exported, LeftOut, export};
pub use self::import::{import, rehearse};
pub use self::outcome::{Conflict, Counts, EndedEarly, ImportError, Imported, lines};
pub use self::read::{Backup, ReadError};

/// The API version of the two documents that frame an export; another one is another format.
pub const FORMAT: &str = "backup.freehold.dev/v1";
const HEADER: &str = "Export";
const END: &str = "End";

/// The kinds in the order in which they are imported: nobody can take a name whose holder is yet to
/// come, an approval is there before what it approves, and an organization before its domains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Display)]
pub enum Kind {
    VerifiedDomain,
    DomainApproval,
    Organization,
    OrganizationDomain,
}

impl Kind {
    pub const ALL: [Self; 4] = [
        Self::VerifiedDomain,
        Self::DomainApproval,
        Self::Organization,
        Self::OrganizationDomain,
    ];
}

/// The first document.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    api_version: String,
    kind: String,
    /// When the export began.
    time: Timestamp,
    /// The suspended namespaces: in another cluster they must be so too.
    suspended_namespaces: BTreeSet<String>,
}

/// The last document, by which a stream that was cut off is known.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct End {
    api_version: String,
    kind: String,
    counts: BTreeMap<Kind, usize>,
}

/// What went wrong, in the API server's own words where it gave some.
fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
