//! What the published values may look like.

use freehold::model::agreement::Weight::Complete;
use freehold::model::evidence::Outcome;
use freehold::model::verdict::{MismatchKind, Verdict};

use crate::support::{Asked, Checked, DOMAIN, Engine, acme, challenge};

async fn with(records: impl Fn(&Asked) -> Vec<Vec<Vec<u8>>>) -> Checked {
    let tree = acme().start().await.unwrap();
    let challenge = challenge(DOMAIN);
    let records = records(&challenge);
    let borrowed = records
        .iter()
        .map(|strings| strings.iter().map(Vec::as_slice).collect())
        .collect();
    tree.zone(DOMAIN)
        .set_txt_strings(&challenge.owner_underscore(), borrowed);
    Engine::of(&tree).check(&challenge).await
}

async fn with_value(value: impl Fn(&str) -> String) -> Checked {
    with(|challenge| vec![vec![value(challenge.token()).into_bytes()]]).await
}

#[tokio::test]
async fn character_strings_are_joined() {
    let checked = with(|challenge| {
        let value = challenge.value_underscore().into_bytes();
        let (a, b) = value.split_at(9);
        vec![vec![a.to_vec(), Vec::new(), b.to_vec()]]
    });
    checked.await.is(Verdict::Proven, Complete);
}

#[tokio::test]
async fn one_of_300_records_is_enough() {
    let checked = with(|challenge| {
        let mut records: Vec<_> = (0..299)
            .map(|n| vec![format!("token=other{n}").into_bytes()])
            .collect();
        records.push(vec![challenge.value_underscore().into_bytes()]);
        records
    });
    checked.await.is(Verdict::Proven, Complete);
}

#[tokio::test]
async fn eight_kilobytes_beside_the_value() {
    let checked = with(|challenge| {
        vec![
            vec![vec![b'x'; 255]; 32],
            vec![challenge.value_underscore().into_bytes()],
        ]
    });
    checked.await.is(Verdict::Proven, Complete);
}

#[tokio::test]
async fn eight_kilobytes_without_the_value() {
    let checked = with(|_| vec![vec![vec![b'x'; 255]; 32]]);
    let other = Verdict::Mismatch(MismatchKind::OtherValue);
    checked.await.is(other, Complete);
}

#[tokio::test]
async fn the_key_s_case_is_free_and_the_token_s_is_not() {
    let checked = with_value(|token| format!("TOKEN={token}"));
    checked.await.is(Verdict::Proven, Complete);
    let checked = with_value(|token| format!("token={}", token.to_uppercase()));
    let other = Verdict::Mismatch(MismatchKind::OtherValue);
    checked.await.is(other, Complete);
}

#[tokio::test]
async fn expiry_past_and_future() {
    for (expiry, verdict) in [
        ("never", Verdict::Proven),
        ("2999-12-31", Verdict::Proven),
        ("2999-12-31T00:00:00Z", Verdict::Proven),
        ("2020-01-01", Verdict::Mismatch(MismatchKind::Expired)),
        (
            "2020-01-01T00:00:00Z",
            Verdict::Mismatch(MismatchKind::Expired),
        ),
        ("someday", Verdict::Mismatch(MismatchKind::OtherValue)),
    ] {
        let checked = with_value(|token| format!("token={token} expiry={expiry}"));
        checked.await.is(verdict, Complete);
    }
}

#[tokio::test]
async fn octets_that_are_no_text() {
    let checked = with(|_| vec![vec![vec![0, 0xff, b'"', b'\\', 0x1b]], vec![Vec::new()]]);
    let other = Verdict::Mismatch(MismatchKind::OtherValue);
    checked.await.is(other, Complete);
}

/// Any answer it gives is the same for every name, so it cannot have the fresh token unless it was
/// put there.
#[tokio::test]
async fn a_wildcard_of_texts() {
    let tree = acme().start().await.unwrap();
    let challenge = challenge(DOMAIN);
    let engine = Engine::of(&tree);
    tree.zone(DOMAIN).set_txt("*.acme.com", &["v=spf1 -all"]);
    let checked = engine.check(&challenge).await;
    checked.is(Verdict::Absent, Complete);
    let values = vec![b"v=spf1 -all".to_vec()];
    for answer in &checked.evidence.lookups[0].steps[0].answers {
        let wildcard = Outcome::WildcardValues {
            values: values.clone(),
        };
        assert_eq!(answer.outcome, wildcard);
    }
    // A value of the name's own is another one.
    tree.zone(DOMAIN)
        .set_txt(&challenge.owner_underscore(), &["token=other"]);
    let checked = engine.check(&challenge).await;
    checked.is(Verdict::Mismatch(MismatchKind::OtherValue), Complete);
    tree.zone(DOMAIN).remove(&challenge.owner_underscore());
    let value = challenge.value_underscore();
    tree.zone(DOMAIN).set_txt("*.acme.com", &[&value]);
    engine.check(&challenge).await.is(Verdict::Proven, Complete);
}

#[tokio::test]
async fn another_organization_s_token_copied() {
    let tree = acme().start().await.unwrap();
    let (theirs, ours) = (challenge(DOMAIN), challenge(DOMAIN));
    crate::support::publish(&tree, &theirs);
    let engine = Engine::of(&tree);
    engine.check(&theirs).await.is(Verdict::Proven, Complete);
    let other = Verdict::Mismatch(MismatchKind::OtherValue);
    engine.check(&ours).await.is(other, Complete);
}
