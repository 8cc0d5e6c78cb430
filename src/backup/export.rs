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

use super::read::{path_of, token};
use super::{END, End, FORMAT, HEADER, Header, Kind, describe};
use crate::api::{DomainApproval, Organization, OrganizationDomain, SUSPENDED, VerifiedDomain};
use crate::cluster::decode::{Extent, decode};
use crate::cluster::objects::Objects;
use crate::model::name::DomainName;
use crate::model::terminal::{self, YamlError};

/// Why an export did not end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("cannot read from the cluster: {}", describe(.0))]
    Cluster(#[from] kube::Error),
    #[error("cannot write the export: {0}")]
    Write(#[from] io::Error),
    #[error("an object {0}")]
    Yaml(#[from] YamlError),
}

/// What is not in the export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// It does not fit the CRDs of this version, and no import would take it.
    Invalid {
        kind: Kind,
        name: String,
        why: String,
    },
    /// Its holder is gone, so that nobody misses it.
    HolderGone { name: String },
    /// Its holder changed while the export was made, which must be made again.
    HolderChanged { name: String, holder: String },
}

/// What an export did.
#[derive(Debug, Default)]
pub struct Exported {
    pub counts: BTreeMap<Kind, usize>,
    pub left_out: Vec<LeftOut>,
}

/// Writes everything that Freehold needs elsewhere; says what it left out.
///
/// Objects come page by page, each kind as it stood at one moment. Holdings come last: whatever
/// happened meanwhile, they are the authority, and one whose holder is not in the export is left out.
///
/// # Errors
/// When the cluster or the output fails; what was written by then lacks its end.
pub async fn export(client: &Client, out: &mut impl Write) -> Result<Exported, ExportError> {
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
    let kind = Kind::Organization;
    each_page(client, kind, &mut left_out, |_: Organization, object| {
        stream.object(kind, object, false)
    })
    .await?;
    let kind = Kind::DomainApproval;
    each_page(client, kind, &mut left_out, |_: DomainApproval, object| {
        stream.object(kind, object, false)
    })
    .await?;
    let mut holders = BTreeMap::new();
    let kind = Kind::OrganizationDomain;
    each_page(client, kind, &mut left_out, |domain, object| {
        if object.metadata.deletion_timestamp.is_none() {
            holders.extend(claim(&domain));
        }
        stream.object(kind, object, true)
    })
    .await?;
    let mut doubtful = Vec::new();
    let kind = Kind::VerifiedDomain;
    each_page(client, kind, &mut left_out, |holding, object| {
        let (key, claim) = claimed(holding);
        if holders.get(&key) == Some(&claim) {
            return stream.object(kind, object, false);
        }
        doubtful.push((claim.canonical, key));
        Ok(())
    })
    .await?;
    for (name, key) in doubtful {
        left_out.push(why_left_out(client, name, &key).await?);
    }
    let counts = stream.end()?;
    Ok(Exported { counts, left_out })
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

fn claim(domain: &OrganizationDomain) -> Option<(Key, Claim)> {
    let (token, _) = token(domain)?;
    let claim = Claim {
        canonical: DomainName::parse(&domain.spec.domain).ok()?.to_string(),
        organization: domain.spec.organization_ref.name.clone(),
        token_hash: token.hash(),
    };
    Some(((domain.namespace()?, domain.name_any()), claim))
}

fn claimed(holding: VerifiedDomain) -> (Key, Claim) {
    let canonical = holding.name_any();
    let holder = holding.spec.holder;
    let claim = Claim {
        canonical,
        organization: holder.organization,
        token_hash: holder.token_hash,
    };
    ((holder.namespace, holder.name), claim)
}

async fn why_left_out(
    client: &Client,
    name: String,
    (namespace, object): &Key,
) -> Result<LeftOut, ExportError> {
    let api = Objects::<OrganizationDomain>::namespaced(client.clone(), namespace);
    Ok(match api.get_opt(object).await? {
        Some(there) if there.metadata().deletion_timestamp.is_none() => LeftOut::HolderChanged {
            name,
            holder: format!("{namespace}/{object}"),
        },
        _ => LeftOut::HolderGone { name },
    })
}

/// Lists a kind page by page, each object as its type and as it is.
async fn each_page<K: Resource<DynamicType = ()> + DeserializeOwned>(
    client: &Client,
    kind: Kind,
    left_out: &mut Vec<LeftOut>,
    mut see: impl FnMut(K, DynamicObject) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let api = Objects::<K>::all(client.clone());
    api.each_raw(ListParams::default(), |object| {
        // As its type, to know that an import takes it; as it is, to leave nothing out.
        let typed = decode(object, Extent::Needed).0;
        match typed.and_then(|typed| Ok((typed, decode(object, Extent::Whole).0?))) {
            Ok((typed, object)) => return see(typed, object),
            Err(invalid) => left_out.push(LeftOut::Invalid {
                kind,
                name: path_of(&invalid.metadata),
                why: invalid.why,
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

    fn end(mut self) -> Result<BTreeMap<Kind, usize>, ExportError> {
        let counts = std::mem::take(&mut self.counts);
        self.document(&End {
            api_version: FORMAT.to_owned(),
            kind: END.to_owned(),
            counts: counts.clone(),
        })?;
        self.out.flush()?;
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::backup::Backup;
    use crate::model::challenge::{TOKEN_OCTETS, Token};

    fn any_text() -> impl Strategy<Value = String> {
        let hostile = "[\u{1b}\u{202e}\u{85}\u{2028}\u{feff}\n\t \"'#:{}-]{0,6}";
        let words = vec![
            "~",
            "null",
            "yes",
            "0x1",
            "1e3",
            "1_0",
            ".nan",
            "=",
            "<<",
            "---",
            "2026-01-01",
            "",
        ];
        prop_oneof![
            ".{0,9}",
            hostile,
            prop::sample::select(words).prop_map(str::to_owned)
        ]
    }

    prop_compose! {
        /// Organizations with a domain each, of which some are held; texts wherever a tenant writes some.
        fn objects()(
            texts in prop::collection::vec(prop::array::uniform4(any_text()), 0..4),
            held in any::<u8>(),
        ) -> [Vec<Value>; 4] {
            let mut objects = [const { Vec::new() }; 4];
            for (n, [a, b, c, d]) in texts.into_iter().enumerate() {
                let token = Token::from_random([u8::try_from(n).unwrap(); TOKEN_OCTETS]);
                let metadata = |name: String| json!({
                    "name": name, "namespace": "acme", "uid": n.to_string(),
                    "labels": { "a": a }, "annotations": { b.clone(): c, "b": d },
                });
                let (name, domain) = (format!("main-{n}"), format!("acme-{n}.com"));
                objects[0].push(json!({
                    "apiVersion": "freehold.dev/v1alpha1", "kind": "Organization", "metadata": metadata(name.clone()),
                    "spec": { "displayName": a, "metadata": { d.clone(): b } },
                }));
                objects[1].push(json!({
                    "apiVersion": "freehold.dev/v1alpha1", "kind": "DomainApproval", "metadata": metadata(name.clone()),
                    "spec": { "organizationDomainRef": { "name": name }, "organization": name, "domain": domain, "reason": c },
                }));
                objects[2].push(json!({
                    "apiVersion": "freehold.dev/v1alpha1", "kind": "OrganizationDomain", "metadata": metadata(name.clone()),
                    "spec": { "organizationRef": { "name": name }, "domain": domain, "joinable": false },
                    "status": {
                        "state": "Verified",
                        "challenge": {
                            "token": token.as_str(), "records": [], "issuedFor": format!("acme/{name}/{name}"),
                            "issuedTime": "2026-01-01T00:00:00Z",
                        },
                        "lastCheck": { "verdict": "Mismatch", "observedValues": [a, b], "hint": c },
                        "lastHandledRequest": d,
                    },
                }));
                if held & (1 << n) != 0 {
                    objects[3].push(json!({
                        "apiVersion": "freehold.dev/v1alpha1", "kind": "VerifiedDomain",
                        "metadata": { "name": domain, "uid": "1" },
                        "spec": {
                            "holder": {
                                "namespace": "acme", "name": name, "uid": n.to_string(), "organization": name,
                                "tokenHash": token.hash(),
                            },
                            "strategy": "DNS",
                        },
                    }));
                }
            }
            objects
        }
    }

    fn written(objects: &[Vec<Value>; 4]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut stream = Stream {
            out: &mut out,
            counts: Kind::ALL.into_iter().map(|kind| (kind, 0)).collect(),
        };
        let header = Header {
            api_version: FORMAT.to_owned(),
            kind: HEADER.to_owned(),
            time: Timestamp::UNIX_EPOCH,
            suspended_namespaces: BTreeSet::from(["evil".to_owned()]),
        };
        stream.document(&header).unwrap();
        let kinds = [
            Kind::Organization,
            Kind::DomainApproval,
            Kind::OrganizationDomain,
            Kind::VerifiedDomain,
        ];
        for (kind, objects) in kinds.into_iter().zip(objects) {
            for object in objects {
                let text = object.to_string();
                let object = serde_json::from_str(&text).unwrap();
                let object = decode(object, Extent::Whole).0.unwrap();
                let with_status = kind == Kind::OrganizationDomain;
                stream.object(kind, object, with_status).unwrap();
            }
        }
        stream.end().unwrap();
        out
    }

    /// Whether they are these, as their type reads them.
    fn are<K: DeserializeOwned + Serialize>(read: &[K], objects: &[Value]) -> bool {
        let typed = |object: &Value| serde_json::from_value::<K>(object.clone()).unwrap();
        let objects: Vec<_> = objects.iter().map(typed).collect();
        serde_json::to_value(read).unwrap() == serde_json::to_value(objects).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn an_export_is_read_as_it_was_written_and_not_at_all_where_it_is_cut_off(
            objects in objects(),
            cut in any::<prop::sample::Index>(),
        ) {
            let file = written(&objects);
            let backup = Backup::read(&file).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert!(are(&backup.organizations, &objects[0]), "{:?}", backup.organizations);
            prop_assert!(are(&backup.approvals, &objects[1]), "{:?}", backup.approvals);
            prop_assert!(are(&backup.domains, &objects[2]), "{:?}", backup.domains);
            prop_assert!(are(&backup.holdings, &objects[3]), "{:?}", backup.holdings);
            prop_assert!(backup.suspended.contains("evil"));
            let whole = file.trim_ascii_end().len();
            let cut = &file[..cut.index(whole)];
            prop_assert!(Backup::read(cut).is_err(), "{:?}", String::from_utf8_lossy(cut));
        }
    }
}
