//! Out of a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DynamicObject, ListParams};
use kube::core::ObjectMeta;
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::read::path_of;
use super::{END, End, FORMAT, HEADER, Header, Kind, words};
use crate::api::{DomainApproval, Organization, OrganizationDomain, SUSPENDED, VerifiedDomain};
use crate::cluster::decode::{Extent, decode};
use crate::cluster::objects::Objects;
use crate::model::challenge::Token;
use crate::model::name::DomainName;
use crate::model::terminal::{self, YamlError};

/// Why an export did not end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("cannot read from the cluster: {}", words(.0))]
    Cluster(#[from] kube::Error),
    #[error("cannot write the export: {0}")]
    Write(#[from] io::Error),
    #[error("an object {0}")]
    Yaml(#[from] YamlError),
}

/// What is not in the export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// It does not fit the definitions of this version, and no import would take it.
    Unreadable {
        kind: Kind,
        name: String,
        why: String,
    },
    /// Its holder is gone, so that nobody misses it.
    HolderGone { name: String },
    /// Its holder changed while the export was made, which must be made again.
    HolderChanged { name: String, holder: String },
}

/// Writes everything that Freehold needs elsewhere; says what it left out.
///
/// Objects come page by page, each kind as it stood at one moment. Holdings come last: whatever
/// happened meanwhile, they are the authority, and one whose holder is not in the export is left out.
///
/// # Errors
/// When the cluster or the output fails; what was written by then lacks its end.
pub async fn export(client: &Client, out: &mut impl Write) -> Result<Vec<LeftOut>, ExportError> {
    let mut stream = Stream {
        out,
        counts: Kind::ALL.into_iter().map(|kind| (kind, 0)).collect(),
    };
    stream.document(&Header {
        api_version: FORMAT.to_owned(),
        kind: HEADER.to_owned(),
        time: Timestamp::now(),
        suspended_namespaces: suspended_namespaces(client).await?,
    })?;
    let mut left_out = Vec::new();
    each_page::<Organization>(client, Kind::Organization, &mut left_out, &mut |object| {
        stream.object(Kind::Organization, object, false)
    })
    .await?;
    each_page::<DomainApproval>(client, Kind::DomainApproval, &mut left_out, &mut |object| {
        stream.object(Kind::DomainApproval, object, false)
    })
    .await?;
    let mut holders = BTreeMap::new();
    let kind = Kind::OrganizationDomain;
    each_page::<OrganizationDomain>(client, kind, &mut left_out, &mut |object| {
        if object.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        if let Some((key, claim)) = claim(&object) {
            holders.insert(key, claim);
        }
        stream.object(Kind::OrganizationDomain, object, true)
    })
    .await?;
    let mut doubtful = Vec::new();
    each_page::<VerifiedDomain>(client, Kind::VerifiedDomain, &mut left_out, &mut |object| {
        let name = object.name_any();
        let (key, claim) = claimed(&object);
        if holders.get(&key) == Some(&claim) {
            return stream.object(Kind::VerifiedDomain, object, false);
        }
        doubtful.push((name, key));
        Ok(())
    })
    .await?;
    for (name, key) in doubtful {
        left_out.push(why_left_out(client, name, &key).await?);
    }
    stream.end()?;
    Ok(left_out)
}

/// The labelled ones.
async fn suspended_namespaces(client: &Client) -> Result<BTreeSet<String>, ExportError> {
    let api = Objects::<Namespace>::all(client.clone());
    let params = ListParams::default().labels(&format!("{SUSPENDED}=true"));
    let mut found = BTreeSet::new();
    api.each(params, |namespace| {
        found.extend(namespace.metadata().name.clone());
        Ok::<_, ExportError>(())
    })
    .await?;
    Ok(found)
}

/// Namespace and name.
type Key = (String, String);

/// What an object must have to be a holder: its name, organization and the hash of its token.
#[derive(Debug, PartialEq, Eq)]
struct Claim {
    canonical: String,
    organization: String,
    token_hash: String,
}

fn claim(object: &DynamicObject) -> Option<(Key, Claim)> {
    let text = |pointer: &str| object.data.pointer(pointer).and_then(Value::as_str);
    let token = Token::parse(text("/status/challenge/token")?)?;
    let canonical = DomainName::parse(text("/spec/domain")?).ok()?;
    Some((
        (object.namespace()?, object.name_any()),
        Claim {
            canonical: canonical.to_string(),
            organization: text("/spec/organizationRef/name")?.to_owned(),
            token_hash: token.hash(),
        },
    ))
}

fn claimed(holding: &DynamicObject) -> (Key, Claim) {
    let holder = |field: &str| {
        let found = holding.data.pointer(&format!("/spec/holder/{field}"));
        found.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    (
        (holder("namespace"), holder("name")),
        Claim {
            canonical: holding.name_any(),
            organization: holder("organization"),
            token_hash: holder("tokenHash"),
        },
    )
}

async fn why_left_out(
    client: &Client,
    name: String,
    (namespace, object): &Key,
) -> Result<LeftOut, ExportError> {
    let api = Objects::<OrganizationDomain>::namespaced(client.clone(), namespace);
    let there = api.get_opt(object).await?;
    let there = there.filter(|object| object.metadata().deletion_timestamp.is_none());
    Ok(match there {
        None => LeftOut::HolderGone { name },
        Some(_) => LeftOut::HolderChanged {
            name,
            holder: format!("{namespace}/{object}"),
        },
    })
}

/// Lists a kind page by page.
async fn each_page<K>(
    client: &Client,
    kind: Kind,
    left_out: &mut Vec<LeftOut>,
    see: &mut impl FnMut(DynamicObject) -> Result<(), ExportError>,
) -> Result<(), ExportError>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    let api = Objects::<K>::all(client.clone());
    api.each_raw(ListParams::default(), |object| {
        // As its type, to know that an import takes it; as it is, to leave nothing out.
        let typed = decode::<K>(object, Extent::Needed).0.map(|_| ());
        match typed.and_then(|()| decode::<DynamicObject>(object, Extent::Whole).0) {
            Ok(object) => see(object)?,
            Err(unreadable) => left_out.push(LeftOut::Unreadable {
                kind,
                name: path_of(&unreadable.metadata),
                why: unreadable.why,
            }),
        }
        Ok(())
    })
    .await
}

struct Stream<'a, W> {
    out: &'a mut W,
    counts: BTreeMap<Kind, usize>,
}

impl<W: Write> Stream<'_, W> {
    fn document(&mut self, document: &impl Serialize) -> Result<(), ExportError> {
        let yaml = terminal::yaml(document)?;
        Ok(write!(self.out, "---\n{yaml}")?)
    }

    fn object(
        &mut self,
        kind: Kind,
        mut object: DynamicObject,
        with_status: bool,
    ) -> Result<(), ExportError> {
        if object.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        let metadata = object.metadata;
        // Owners have other uids elsewhere, and what has an owner that is not there is deleted.
        object.metadata = ObjectMeta {
            name: metadata.name,
            namespace: metadata.namespace,
            uid: metadata.uid,
            generation: metadata.generation,
            labels: metadata.labels,
            annotations: metadata.annotations,
            finalizers: metadata.finalizers,
            ..ObjectMeta::default()
        };
        if !with_status && let Some(data) = object.data.as_object_mut() {
            // It follows from the others, and is written anew.
            data.remove("status");
        }
        self.document(&object)?;
        *self.counts.entry(kind).or_default() += 1;
        Ok(())
    }

    fn end(self) -> Result<(), ExportError> {
        let Self { out, counts } = self;
        let end = End {
            api_version: FORMAT.to_owned(),
            kind: END.to_owned(),
            counts,
        };
        write!(out, "---\n{}", terminal::yaml(&end)?)?;
        Ok(out.flush()?)
    }
}
