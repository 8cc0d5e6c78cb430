//! Streams that are no exports, or not whole.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::{Export, Old, organization, stream};
use crate::support::freehold;

/// What is said of a stream before any cluster is asked.
async fn refusal(text: &str) -> String {
    let ran = Export::of(text).import_into(Path::new("/nowhere")).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    assert!(!ran.error.contains("panicked"), "{ran:?}");
    ran.error
}

fn good() -> (Old, Vec<Value>) {
    let old = Old::new("tenants", "main", "held.example");
    let documents = vec![
        organization("tenants"),
        old.document("Verified"),
        old.holding(),
    ];
    (old, documents)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_export_is_refused() {
    let (_, documents) = good();
    let whole = stream(&documents, &[]);
    // The whole one gets as far as the cluster.
    assert!(refusal(&whole).await.contains("no cluster configuration"));
    let an_object = serde_yaml::to_string(&documents[0]).unwrap();
    let of_v2 = whole.replace("backup.freehold.dev/v1\n", "backup.freehold.dev/v2\n");
    let of_beta = whole.replace("freehold.dev/v1alpha1", "freehold.dev/v1beta1");
    let more = format!("{whole}---\n{an_object}");
    for (text, words) in [
        ("", "not an export of Freehold"),
        ("---\n", "not an export of Freehold"),
        ("just words\n", "not an export of Freehold"),
        (&an_object, "not an export of Freehold"),
        (
            "apiVersion: v1\nkind: Export\n",
            "not an export of Freehold",
        ),
        ("a: [", "document 1 is not valid YAML"),
        ("\u{0}", "document 1 is not valid YAML"),
        (&of_v2, "has the format backup.freehold.dev/v2"),
        (&of_beta, "its apiVersion is not freehold.dev/v1alpha1"),
        (&more, "it comes after the document that ends the export"),
    ] {
        let error = refusal(text).await;
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_cut_off_is_refused_wherever_that_was() {
    let (_, documents) = good();
    let whole = stream(&documents, &[]);
    let end = whole.find("kind: End").unwrap();
    for cut in (0..end).step_by(97) {
        let error = refusal(&whole[..cut]).await;
        let known = [
            "cut off",
            "not an export",
            "not valid YAML",
            "does not belong in an export",
        ];
        assert!(known.iter().any(|words| error.contains(words)), "{error}");
    }
    let without = stream(&documents[..2], &[]).replace("VerifiedDomain: 0", "VerifiedDomain: 1");
    let error = refusal(&without).await;
    assert!(
        error.contains("it contains 0 objects of kind VerifiedDomain instead of 1"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_do_not_belong_are_named() {
    let (_, documents) = good();
    let changed = |n: usize, pointer: &str, value: Value| {
        let mut documents = documents.clone();
        *documents[n].pointer_mut(pointer).unwrap() = value;
        stream(&documents, &[])
    };
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "x", "namespace": "y" }
    });
    let mut twice = documents.clone();
    twice.push(documents[0].clone());
    for (text, words) in [
        (stream(&[secret], &[]), "document 2 (Secret x)"),
        (
            changed(0, "/kind", json!("DomainEvent")),
            "exports contain no objects of this kind",
        ),
        (changed(0, "/metadata/name", json!(7)), "it has no name"),
        (
            changed(0, "/metadata", json!({ "name": "x" })),
            "its namespace is wrong",
        ),
        (
            changed(2, "/metadata", json!({ "name": "x", "namespace": "y" })),
            "its namespace is wrong",
        ),
        (
            changed(1, "/spec", json!({})),
            "document 3 (OrganizationDomain main)",
        ),
        (
            changed(2, "/spec/holder", json!({})),
            "document 4 (VerifiedDomain held.example)",
        ),
        (
            stream(&twice, &[]),
            "Organization tenants/acme is in the export twice",
        ),
    ] {
        let error = refusal(&text).await;
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_holder_is_refused() {
    let (old, documents) = good();
    let forged = |pointer: &str, value: &str| {
        let mut documents = documents.clone();
        *documents[2].pointer_mut(pointer).unwrap() = value.into();
        stream(&documents, &[])
    };
    let thief = Old::new("thieves", "main", "held.example");
    let mut restated = documents.clone();
    restated[1]["spec"]["domain"] = json!("other.example");
    let mut without_token = documents.clone();
    without_token[1]["status"]["challenge"]["token"] = json!("mine");
    let of_thief = [
        documents[1].clone(),
        thief.document("Verified"),
        old.holding(),
    ];
    let mut of_thief = of_thief.to_vec();
    of_thief[2]["spec"]["holder"]["namespace"] = json!("thieves");
    for (text, words) in [
        (
            forged("/spec/holder/namespace", "thieves"),
            "does not contain its holder",
        ),
        (
            forged("/spec/holder/tokenHash", &thief.token.hash()),
            "another token",
        ),
        (
            forged("/spec/holder/organization", "thieves"),
            "belongs to another organization",
        ),
        (
            forged("/metadata/name", "theirs.example"),
            "states another domain",
        ),
        (stream(&restated, &[]), "states another domain"),
        (stream(&without_token, &[]), "issued for another object"),
        (stream(&of_thief, &[]), "another token"),
    ] {
        let error = refusal(&text).await;
        assert!(error.contains("is not trusted"), "{error}");
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_is_read_and_a_missing_file_named() {
    let ran = super::run(
        Path::new("/nowhere"),
        &["import", "--file", "/no/such/file"],
    )
    .await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.error.contains("cannot read /no/such/file"), "{ran:?}");
    let mut child = freehold()
        .args(["import", "--file", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"nothing\n").await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("not an export of Freehold"), "{error}");
}
