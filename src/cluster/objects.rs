//! Objects of the API server. Whatever it answers is decoded here, by one decoder that no object can
//! break, and nothing that an object says is logged.

use std::marker::PhantomData;
use std::pin::pin;

use futures::AsyncBufReadExt;
use http::Request;
use kube::api::{
    DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams, Request as Requests,
};
use kube::core::{ObjectMeta, PartialObjectMeta};
use kube::{Client, Error, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;

use super::decode::{Decoded, Extent, decode};
use super::pages::Page;

/// Objects in one answer of the API server.
pub(super) const PAGE: u32 = 500;
/// An answer of more octets waits for its turn: etcd takes objects of 1.5 MB, and many are read at once.
const LARGE: usize = 32 * 1024;
static LARGE_ANSWERS: Semaphore = Semaphore::const_new(2);

type BuiltRequest = Result<Request<Vec<u8>>, kube::core::request::Error>;

/// The objects of a kind, in one namespace or in all.
pub struct Objects<K> {
    pub(super) client: Client,
    pub(super) requests: Requests,
    pub(super) extent: Extent,
    kind: PhantomData<fn() -> K>,
}

impl<K: Resource<DynamicType = ()>> Objects<K> {
    #[must_use]
    pub fn all(client: Client) -> Self {
        Self::within(client, None)
    }

    #[must_use]
    pub fn namespaced(client: Client, namespace: &str) -> Self {
        Self::within(client, Some(namespace))
    }

    /// In this namespace, or in all.
    #[must_use]
    pub fn within(client: Client, namespace: Option<&str>) -> Self {
        Self {
            client,
            requests: Requests::new(K::url_path(&(), namespace)),
            extent: Extent::Needed,
            kind: PhantomData,
        }
    }

    /// With all labels, annotations and finalizers.
    #[must_use]
    pub fn whole(self) -> Self {
        Self {
            extent: Extent::Whole,
            ..self
        }
    }
}

impl<K: Resource + DeserializeOwned> Objects<K> {
    pub async fn get(&self, name: &str) -> kube::Result<Decoded<K>> {
        self.get_with(name, &GetParams::default()).await
    }

    pub async fn get_with(&self, name: &str, params: &GetParams) -> kube::Result<Decoded<K>> {
        let request = self.requests.get(name, params);
        self.object(request).await
    }

    /// None where there is no such object.
    pub async fn get_opt(&self, name: &str) -> kube::Result<Option<Decoded<K>>> {
        match self.get(name).await {
            Ok(object) => Ok(Some(object)),
            Err(Error::Api(status)) if status.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The metadata alone, of which the API server sends no more.
    pub async fn get_metadata(&self, name: &str) -> kube::Result<ObjectMeta> {
        let request = self.requests.get_metadata(name, &GetParams::default());
        self.answer(request, |answer| {
            let object = serde_json::from_slice(answer).map_err(Error::SerdeError)?;
            let object: Decoded<PartialObjectMeta<K>> = decode(object, Extent::Needed);
            Ok(object.metadata().clone())
        })
        .await
    }

    pub async fn patch(
        &self,
        name: &str,
        params: &PatchParams,
        patch: &Patch<impl Serialize>,
    ) -> kube::Result<Decoded<K>> {
        let request = self.requests.patch(name, params, patch);
        self.object(request).await
    }

    pub async fn patch_status(
        &self,
        name: &str,
        params: &PatchParams,
        patch: &Patch<impl Serialize>,
    ) -> kube::Result<Decoded<K>> {
        let request = self
            .requests
            .patch_subresource("status", name, params, patch);
        self.object(request).await
    }

    /// The answer says no more than that it was done.
    pub async fn delete(&self, name: &str, params: &DeleteParams) -> kube::Result<()> {
        let request = self.requests.delete(name, params);
        self.answer(request, |_| Ok(())).await
    }

    /// Hands out each object of a list as it arrives, page by page.
    pub async fn each<E: From<Error>>(
        &self,
        params: ListParams,
        mut see: impl FnMut(Decoded<K>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each_raw(params, |object| see(decode(object, self.extent)))
            .await
    }

    /// As `each`, in the API server's own words.
    pub async fn each_raw<E: From<Error>>(
        &self,
        params: ListParams,
        mut see: impl FnMut(&RawValue) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut params = params.limit(PAGE);
        loop {
            let mut page = self.page(&params).await?;
            while let Some(object) = page.next().await? {
                see(&object)?;
            }
            match page.end()?.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => return Ok(()),
            }
        }
    }

    pub(super) async fn page(&self, params: &ListParams) -> kube::Result<Page> {
        let request = self.requests.list(params).map_err(Error::BuildRequest)?;
        Ok(Page::new(self.client.request_stream(request).await?))
    }

    async fn object(&self, request: BuiltRequest) -> kube::Result<Decoded<K>> {
        self.answer(request, |answer| {
            let object = serde_json::from_slice(answer).map_err(Error::SerdeError)?;
            Ok(decode(object, self.extent))
        })
        .await
    }

    async fn answer<T>(
        &self,
        request: BuiltRequest,
        read: impl FnOnce(&[u8]) -> kube::Result<T>,
    ) -> kube::Result<T> {
        let request = request.map_err(Error::BuildRequest)?;
        let mut body = pin!(self.client.request_stream(request).await?);
        let mut answer = Vec::new();
        let mut turn = None;
        loop {
            let octets = body.fill_buf().await.map_err(Error::ReadEvents)?;
            if octets.is_empty() {
                return read(&answer);
            }
            answer.extend_from_slice(octets);
            let taken = octets.len();
            body.consume_unpin(taken);
            if turn.is_none() && answer.len() > LARGE {
                // Nobody closes it.
                turn = LARGE_ANSWERS.acquire().await.ok();
            }
        }
    }
}

impl<K: Resource + DeserializeOwned + Serialize> Objects<K> {
    pub async fn create(&self, params: &PostParams, object: &K) -> kube::Result<Decoded<K>> {
        let request = self.requests.create(params, json(object)?);
        self.object(request).await
    }

    pub async fn replace(
        &self,
        name: &str,
        params: &PostParams,
        object: &K,
    ) -> kube::Result<Decoded<K>> {
        let request = self.requests.replace(name, params, json(object)?);
        self.object(request).await
    }

    pub async fn replace_status(
        &self,
        name: &str,
        params: &PostParams,
        object: &K,
    ) -> kube::Result<Decoded<K>> {
        let object = json(object)?;
        let request = self
            .requests
            .replace_subresource("status", name, params, object);
        self.object(request).await
    }
}

fn json(object: &impl Serialize) -> kube::Result<Vec<u8>> {
    serde_json::to_vec(object).map_err(Error::SerdeError)
}
