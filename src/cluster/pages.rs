//! One page of a list, read item by item.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;

use futures::io::{AsyncBufRead, AsyncBufReadExt};
use kube::Error;
use serde_json::value::RawValue;

use super::items::{Items, ListMetadata};

/// A page that is being read.
pub struct Page {
    body: Pin<Box<dyn AsyncBufRead + Send>>,
    items: Items,
    ready: VecDeque<Vec<u8>>,
}

impl Page {
    pub fn new(body: impl AsyncBufRead + Send + 'static) -> Self {
        Self {
            body: Box::pin(body),
            items: Items::default(),
            ready: VecDeque::new(),
        }
    }

    /// The next item; none after the last one.
    pub async fn next(&mut self) -> kube::Result<Option<Box<RawValue>>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                let text = String::from_utf8(item)
                    .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
                // One that is no JSON is no object, and no more than that.
                return Ok(Some(RawValue::from_string(text).unwrap_or_default()));
            }
            let octets = self.body.fill_buf().await.map_err(Error::ReadEvents)?;
            if octets.is_empty() {
                return Ok(None);
            }
            let taken = octets.len();
            self.items
                .push(octets, &mut self.ready)
                .map_err(|error| Error::ReadEvents(io::Error::other(error)))?;
            self.body.consume_unpin(taken);
        }
    }

    /// What the page says of itself, after its last item.
    pub fn end(self) -> kube::Result<ListMetadata> {
        let envelope = self.items.end().map_err(Error::SerdeError)?;
        Ok(envelope.metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer in which every item is so large.
    fn answer(items: usize, octets: usize) -> impl AsyncBufRead + Send + 'static {
        let item = format!(r#"{{"a":"{}"}},"#, "x".repeat(octets));
        let parts = [r#"{"items":["#.to_owned()]
            .into_iter()
            .chain(std::iter::repeat_n(item, items))
            .chain([r#"{}],"metadata":{"resourceVersion":"7"}}"#.to_owned()]);
        let chunks = parts.flat_map(|part| {
            let octets = part.into_bytes();
            let chunks: Vec<_> = octets.chunks(8192).map(<[u8]>::to_vec).collect();
            chunks.into_iter().map(io::Result::Ok)
        });
        futures::TryStreamExt::into_async_read(futures::stream::iter(chunks))
    }

    #[tokio::test]
    async fn no_more_than_one_item_is_held() {
        const OCTETS: usize = 250_000;
        let mut page = Page::new(answer(40, OCTETS));
        let mut items = 0;
        while page.next().await.unwrap().is_some() {
            items += 1;
            assert!(page.ready.is_empty());
            assert!(page.items.held() < 2 * OCTETS, "{}", page.items.held());
        }
        assert_eq!(items, 41);
        let metadata = page.end().unwrap();
        assert_eq!(metadata.resource_version.as_deref(), Some("7"));
    }

    #[tokio::test]
    async fn an_item_that_is_no_json_is_no_more_than_that() {
        let list = br#"{"items":[{"a":1},{oops},{"b":2}],"metadata":{}}"#;
        let mut page = Page::new(futures::io::Cursor::new(list.to_vec()));
        let mut items = Vec::new();
        while let Some(item) = page.next().await.unwrap() {
            items.push(item.get().to_owned());
        }
        assert_eq!(items, [r#"{"a":1}"#, "null", r#"{"b":2}"#]);
        page.end().unwrap();
    }
}
