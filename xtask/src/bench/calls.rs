//! Plain calls to the API server.

use anyhow::Result;
use kube::api::{ListParams, PostParams};
use kube::core::{ApiResource, Request};
use kube::{Api, Client};

use super::kinds::Seen;

const PAGE: u32 = 500;

/// Where the API server has the objects of a kind.
pub fn url(kind: &ApiResource, namespace: Option<&str>) -> String {
    let root = if kind.group.is_empty() {
        "/api"
    } else {
        "/apis"
    };
    let namespace = namespace.map_or_else(String::new, |name| format!("/namespaces/{name}"));
    format!("{root}/{}{namespace}/{}", kind.api_version, kind.plural)
}

/// Lists all objects of a kind, by pages of the operator's size.
pub async fn list(
    client: &Client,
    kind: ApiResource,
    mut each: impl FnMut(Vec<Seen>),
) -> Result<()> {
    let api = Api::<Seen>::all_with(client.clone(), &kind);
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&params).await?;
        each(page.items);
        match page.metadata.continue_ {
            Some(next) if !next.is_empty() => params = params.continue_token(&next),
            _ => return Ok(()),
        }
    }
}

/// Creates an object.
pub async fn post(
    client: &Client,
    kind: &ApiResource,
    namespace: Option<&str>,
    text: String,
) -> Result<()> {
    let request = Request::new(url(kind, namespace)).create(&params(), text.into())?;
    client.request::<Seen>(request).await?;
    Ok(())
}

/// Replaces the status of the object at this kind, namespace and name, and tells its new version.
pub async fn put(
    client: &Client,
    (kind, namespace, name): (&ApiResource, &str, &str),
    text: String,
) -> Result<String> {
    let request = Request::new(url(kind, Some(namespace)));
    let request = request.replace_subresource("status", name, &params(), text.into())?;
    let answer: Seen = client.request(request).await?;
    Ok(answer.metadata.resource_version.unwrap_or_default())
}

/// As the operator's.
fn params() -> PostParams {
    PostParams {
        field_manager: Some("freehold".to_owned()),
        ..PostParams::default()
    }
}
