//! One page of a list, read item by item.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;

use futures::io::{AsyncBufRead, AsyncBufReadExt};
use kube::Error;
use kube::core::ListMeta;
use serde_json::value::RawValue;

use super::items::Items;

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
    pub fn end(self) -> kube::Result<ListMeta> {
        let envelope = self.items.end().map_err(Error::SerdeError)?;
        Ok(envelope.metadata)
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use proptest::prelude::*;

    use super::*;
    use crate::api::Organization;
    use crate::cluster::decode::{Extent, decode};

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

    /// An item, and the name that is read of it.
    fn item() -> impl Strategy<Value = (Vec<u8>, Option<String>)> {
        let ordinary = "[a-z]{1,9}".prop_map(|name| {
            let item =
                format!(r#"{{"metadata":{{"name":"{name}","namespace":"acme"}},"spec":{{}}}}"#);
            (item.into_bytes(), Some(name))
        });
        let deep = (1_usize..500).prop_map(|n| [vec![b'['; n], vec![b']'; n]].concat());
        let odd = prop_oneof![
            deep,
            prop::sample::select(vec![
                &b"null"[..],
                b"7",
                b"{oops}",
                b"{\"a\":1,}",
                b"[1 2]",
                b"{\"metadata\":\"],}[{\\\"\"}",
                b"{\"metadata\":{\"name\":7}}",
                b"\"\xff\"",
                b"{\"items\":[{}]}",
                b"1e999",
            ])
            .prop_map(<[u8]>::to_vec),
        ];
        prop_oneof![ordinary, odd.prop_map(|item| (item, None))]
    }

    proptest! {
        #[test]
        fn an_odd_item_costs_no_other(
            items in prop::collection::vec(item(), 0..6),
            size in 1_usize..60,
        ) {
            let texts: Vec<_> = items.iter().map(|(text, _)| &text[..]).collect();
            let list = [
                &b"{\"items\":["[..],
                &texts.join(&b","[..]),
                b"],\"metadata\":{\"resourceVersion\":\"7\"}}",
            ]
            .concat();
            let chunks: Vec<_> = list.chunks(size).map(|chunk| io::Result::Ok(chunk.to_vec())).collect();
            let body = futures::TryStreamExt::into_async_read(futures::stream::iter(chunks));
            let mut page = Page::new(body);
            let mut read = Vec::new();
            while let Some(item) = block_on(page.next()).unwrap() {
                read.push(decode::<Organization>(&item, Extent::Needed).metadata().name.clone());
            }
            let names: Vec<_> = items.into_iter().map(|(_, name)| name).collect();
            prop_assert_eq!(read, names);
            let metadata = page.end().unwrap();
            prop_assert_eq!(metadata.resource_version.as_deref(), Some("7"));
        }
    }
}
