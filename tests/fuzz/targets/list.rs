//! However a list arrives, its items are the same, and no item costs another.

#![no_main]

use std::io;

use freehold::api::Organization;
use freehold::cluster::decode::{Extent, decode};
use freehold::cluster::pages::Page;
use futures::TryStreamExt;
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fuzz_target!(|data: &[u8]| {
    let Some((&size, body)) = data.split_first() else {
        return;
    };
    let size = usize::from(size).max(1);
    assert_eq!(read(body, size), read(body, body.len().max(1)));
    let item = std::str::from_utf8(body).ok();
    if let Some(item) = item.and_then(|text| serde_json::from_str::<&RawValue>(text).ok()) {
        let list = format!(
            r#"{{"items":[{},{},{}],"metadata":{{}}}}"#,
            ordinary("a"),
            item.get(),
            ordinary("b")
        );
        let (items, is_whole) = read(list.as_bytes(), size);
        assert_eq!(items, [&ordinary("a"), item.get(), &ordinary("b")]);
        assert!(is_whole);
    }
});

fn ordinary(name: &str) -> String {
    format!(r#"{{"metadata":{{"name":"{name}"}},"spec":{{}}}}"#)
}

/// The items of a list that arrives in parts of this size, and whether it came to its end.
fn read(list: &[u8], size: usize) -> (Vec<String>, bool) {
    let parts: Vec<_> = list
        .chunks(size)
        .map(|part| io::Result::Ok(part.to_vec()))
        .collect();
    let mut page = Page::new(futures::stream::iter(parts).into_async_read());
    let mut items = Vec::new();
    loop {
        match block_on(page.next()) {
            Ok(Some(item)) => {
                let _ = decode::<Organization>(&item, Extent::Needed);
                items.push(item.get().to_owned());
            }
            Ok(None) => return (items, page.end().is_ok()),
            Err(_) => return (items, false),
        }
    }
}
