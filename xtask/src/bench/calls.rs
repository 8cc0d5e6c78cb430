//! Plain calls to the API server with a body that is there already.

use anyhow::Result;
use kube::Client;
use kube::api::PostParams;
use kube::core::{ApiResource, Request};

use super::kinds::Seen;

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
