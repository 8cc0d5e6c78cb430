//! What the DNS may answer, and what counts.

use freehold::api::State;
use freehold::api::organization_domain::{ChallengeStatus, CheckVerdict};
use freehold_testbed::{Behaviour, ResponseCode, Transport};

use crate::support::{
    OperatorProcess, Stated, Tenant, World, publish, ready_message, ready_reason, status,
};

struct Scene {
    world: World,
    domain: Stated,
    challenge: ChallengeStatus,
    _tenant: Tenant,
    _operator: OperatorProcess,
}

impl Scene {
    /// One pending domain that is checked only on request.
    async fn new(domain: impl Fn(&World) -> String) -> Self {
        let world = World::new().await;
        let tenant = world.tenant().await;
        let operator = world
            .operator(&[&tenant])
            .every("7d")
            .with("--dns-timeout", "1s")
            .start()
            .await;
        let domain = tenant.state("main", &domain(&world)).await;
        let challenge = domain.challenge().await;
        Self {
            world,
            domain,
            challenge,
            _tenant: tenant,
            _operator: operator,
        }
    }

    fn underscore(&self) -> &str {
        &self.challenge.records[0].name
    }

    /// A name that belongs to the test, and is not the domain's.
    fn elsewhere(&self, label: &str) -> String {
        self.world.public_name(label)
    }

    async fn check(&self, request: &str) -> (CheckVerdict, String, String) {
        let object = self.domain.checked(request).await;
        let underscore = self.underscore();
        let check = status(&object).last_check.unwrap();
        let answer = check
            .servers
            .into_iter()
            .find(|server| server.name == underscore)
            .unwrap()
            .answer;
        (check.verdict, ready_reason(&object), answer)
    }

    async fn assert_pending(&self, request: &str, reason: &str) {
        let (_, found, answer) = self.check(request).await;
        assert_eq!(found, reason, "{request}: {answer}");
        let object = self.domain.get().await;
        assert_eq!(status(&object).state, Some(State::Pending), "{request}");
        assert!(self.world.holding(&self.domain.domain).await.is_none());
    }

    async fn assert_verified(&self, request: &str) {
        self.domain.request(request).await;
        self.domain.until_verified().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_matches_in_full_or_not_at_all() {
    let scene = Scene::new(|world| world.public_name("full")).await;
    let dns = &scene.world.dns;
    let token = scene.challenge.token.as_str();
    let upper = token.to_uppercase();
    let short = &token[..token.len() - 1];
    for (request, value) in [
        ("prefix", format!("xtoken={token}")),
        ("blank before", format!(" token={token}")),
        ("blank after", format!("token={token} ")),
        ("prefix of the token", format!("token=x{token}")),
        ("suffix of the token", format!("token={token}x")),
        ("shorter token", format!("token={short}")),
        ("other case", format!("token={upper}")),
        ("token alone", token.to_owned()),
        ("quoted", format!("\"token={token}\"")),
        ("twice", format!("token={token} token={token}")),
        ("second", format!("note=x token={token}")),
        ("nul", format!("token={token}\0")),
        ("apex value", scene.challenge.records[1].value.clone()),
    ] {
        dns.set_txt(scene.underscore(), vec![value]);
        scene.assert_pending(request, "RecordMismatch").await;
    }
    let expired = format!("token={token} expiry=2020-01-01");
    dns.set_txt(scene.underscore(), vec![expired]);
    scene.assert_pending("expired", "RecordExpired").await;

    dns.remove(scene.underscore());
    let apex = "freehold-domain-verification=";
    for (request, value, reason) in [
        ("apex prefix", format!("x{apex}{token}"), "RecordAbsent"),
        ("apex suffix", format!("{apex}{token}x"), "RecordMismatch"),
        ("apex case", format!("{apex}{upper}"), "RecordMismatch"),
        ("apex foreign", "v=spf1 -all".to_owned(), "RecordAbsent"),
        ("apex grammar", format!("token={token}"), "RecordAbsent"),
    ] {
        dns.set_txt(&scene.domain.domain, vec![value]);
        scene.assert_pending(request, reason).await;
    }
    // Among others, and with a note of its own.
    let good = format!("token={token} note=hello");
    dns.set_txt(
        scene.underscore(),
        vec!["v=spf1".to_owned(), "token=other".to_owned(), good],
    );
    scene.assert_verified("good").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn character_strings_are_joined() {
    let scene = Scene::new(|world| world.public_name("joined")).await;
    let value = scene.challenge.records[0].value.as_bytes();
    let strings: Vec<Vec<u8>> = value.chunks(5).map(<[u8]>::to_vec).collect();
    assert!(strings.len() > 2);
    let mut gap = strings.clone();
    gap.insert(1, b" ".to_vec());
    let dns = &scene.world.dns;
    dns.set_txt_strings(scene.underscore(), vec![gap]);
    scene.assert_pending("gap", "RecordMismatch").await;
    // Two records are not joined.
    let (one, two) = value.split_at(9);
    dns.set_txt_strings(
        scene.underscore(),
        vec![vec![one.to_vec()], vec![two.to_vec()]],
    );
    scene.assert_pending("two records", "RecordMismatch").await;
    dns.set_txt_strings(scene.underscore(), vec![strings]);
    scene.assert_verified("joined").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_answer_is_asked_for_over_tcp() {
    let scene = Scene::new(|world| world.public_name("truncated")).await;
    let dns = &scene.world.dns;
    dns.set_behaviour(scene.underscore(), Behaviour::Truncate);
    publish(dns, &scene.challenge.records[0]);
    scene.assert_verified("1").await;
    let tcp = dns
        .log()
        .iter()
        .any(|query| query.name == scene.underscore() && query.transport == Transport::Tcp);
    assert!(tcp);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_comes_over_tcp() {
    let scene = Scene::new(|world| world.public_name("large")).await;
    let mut values: Vec<String> = (0..40).map(|n| format!("{n}{}", "x".repeat(200))).collect();
    values.push(scene.challenge.records[0].value.clone());
    scene.world.dns.set_txt(scene.underscore(), values);
    scene.assert_verified("1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cnames_are_followed_at_the_underscore_name_alone() {
    let scene = Scene::new(|world| world.public_name("alias")).await;
    let dns = &scene.world.dns;
    let [underscore, apex] = scene.challenge.records.as_slice() else {
        panic!("two records")
    };
    let link = |n: usize| scene.elsewhere(&format!("link{n}"));

    dns.set_cname(&underscore.name, &link(0));
    dns.set_cname(&link(0), &underscore.name);
    scene.assert_pending("loop", "CheckInconclusive").await;

    for n in 0..9 {
        dns.set_cname(&link(n), &link(n + 1));
    }
    dns.set_txt(&link(9), vec![underscore.value.clone()]);
    scene.assert_pending("ten links", "CheckInconclusive").await;

    dns.remove(&underscore.name);
    dns.set_cname(&apex.name, &link(20));
    dns.set_txt(&link(20), vec![apex.value.clone()]);
    scene.assert_pending("apex alias", "RecordAbsent").await;
    dns.remove(&apex.name);

    // Eight links in all.
    dns.set_cname(&underscore.name, &link(2));
    let (_, reason, answer) = scene.check("eight links").await;
    assert_eq!(reason, "Verified", "{answer}");
    assert_eq!(
        answer,
        format!("the expected value (CNAME to {})", link(9)),
        "the chain is told"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_proves_nothing() {
    let scene = Scene::new(|world| world.public_name("wild")).await;
    let dns = &scene.world.dns;
    let (target, other) = (scene.elsewhere("target"), scene.elsewhere("other"));
    let record = &scene.challenge.records[0];
    dns.set_txt(&target, vec![record.value.clone()]);
    dns.set_txt(&other, vec![record.value.clone()]);
    dns.set_wildcard_cname(&scene.domain.domain, &target);
    let (verdict, reason, answer) = scene.check("wildcard").await;
    assert_eq!(
        (verdict, reason.as_str()),
        (CheckVerdict::Absent, "RecordAbsent")
    );
    assert!(answer.contains("wildcard"), "{answer}");
    // Put there by hand, yet where the wildcard leads: nobody can tell them apart.
    dns.set_cname(&record.name, &target);
    scene.assert_pending("same target", "RecordAbsent").await;
    assert!(scene.world.holding(&scene.domain.domain).await.is_none());
    dns.set_cname(&record.name, &other);
    scene.assert_verified("own target").await;
}

#[expect(clippy::too_many_lines, reason = "most are a table")]
#[tokio::test(flavor = "multi_thread")]
async fn answers_are_told_apart_in_the_status_and_in_words() {
    let scene = Scene::new(|world| world.public_name("told")).await;
    let dns = &scene.world.dns;
    let underscore = scene.underscore();
    let token = scene.challenge.token.clone();
    let mut told = Vec::new();
    let mut messages = Vec::new();
    for (request, verdict, reason, words) in [
        (
            "nxdomain",
            CheckVerdict::Absent,
            "RecordAbsent",
            "no such name",
        ),
        (
            "empty",
            CheckVerdict::Absent,
            "RecordAbsent",
            "no TXT record",
        ),
        (
            "other value",
            CheckVerdict::Mismatch,
            "RecordMismatch",
            "other values",
        ),
        (
            "servfail",
            CheckVerdict::Inconclusive,
            "CheckInconclusive",
            "SERVFAIL",
        ),
        (
            "refused",
            CheckVerdict::Inconclusive,
            "CheckInconclusive",
            "REFUSED",
        ),
        (
            "notimp",
            CheckVerdict::Inconclusive,
            "CheckInconclusive",
            "NOTIMP",
        ),
        (
            "silent",
            CheckVerdict::Inconclusive,
            "CheckInconclusive",
            "no answer in time",
        ),
        (
            "no soa",
            CheckVerdict::Inconclusive,
            "CheckInconclusive",
            "a negative answer without the zone's SOA",
        ),
    ] {
        dns.remove(underscore);
        dns.remove(&format!("x.{underscore}"));
        let behaviour = match request {
            "servfail" => Behaviour::Rcode(ResponseCode::ServFail),
            "refused" => Behaviour::Rcode(ResponseCode::Refused),
            "notimp" => Behaviour::Rcode(ResponseCode::NotImp),
            "silent" => Behaviour::Silent,
            "no soa" => Behaviour::NegativeWithoutSoa,
            _ => Behaviour::Normal,
        };
        dns.set_behaviour(underscore, behaviour);
        match request {
            "empty" => dns.add_txt(&format!("x.{underscore}"), "below"),
            "other value" => dns.add_txt(underscore, "token=\"else\n"),
            _ => {}
        }
        let found = scene.check(request).await;
        assert_eq!(
            found,
            (verdict, reason.to_owned(), words.to_owned()),
            "{request}"
        );
        let object = scene.domain.get().await;
        assert_eq!(status(&object).challenge.unwrap().token, token);
        let message = ready_message(&object);
        assert!(message.contains(underscore), "what to do next: {message}");
        if verdict == CheckVerdict::Inconclusive {
            assert!(message.contains(words), "why nothing is decided: {message}");
        }
        let observed = status(&object).last_check.unwrap().observed_values;
        let shown: &[&str] = if request == "other value" {
            &["token=\\\"else\\010"]
        } else {
            &[]
        };
        assert_eq!(observed, shown, "{request}");
        told.push(words);
        if !messages.contains(&message) {
            messages.push(message);
        }
    }
    assert_eq!(
        messages.len(),
        7,
        "absent, mismatch, and each way to decide nothing: {messages:#?}"
    );
    println!("told apart: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_another_owner_count_for_nothing() {
    let scene = Scene::new(|world| world.public_name("owner")).await;
    publish(&scene.world.dns, &scene.challenge.records[0]);
    scene
        .world
        .dns
        .set_behaviour(scene.underscore(), Behaviour::WrongOwner);
    let (_, reason, _) = scene.check("1").await;
    assert_ne!(reason, "Verified");
    assert!(scene.world.holding(&scene.domain.domain).await.is_none());
}
