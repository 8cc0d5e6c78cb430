//! Evidence from configured recursive servers.

use std::net::SocketAddr;

use freehold::dns::trust::authorities;
use freehold::dns::{Asker, Guard, Recursive, RecursiveSettings};
use freehold::model::challenge::RecordForm;
use freehold::model::evidence::{Failure, Security};
use freehold::model::hint::{self, Hint};
use freehold::model::policy::NamePolicy;
use freehold::model::verdict::{MismatchKind, Verdict, judge};
use freehold_testbed::{Behaviour, DnsServer, OverHttps, ResponseCode, Transport};

use crate::support::{Asked, Checked, DOMAIN, TIMEOUT, challenge};

async fn check(servers: &[&DnsServer], challenge: &Asked) -> Checked {
    let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.addr()).collect();
    let settings = RecursiveSettings {
        servers: addresses
            .iter()
            .map(|address| address.to_string().parse().unwrap())
            .collect(),
        timeout: TIMEOUT,
        policy: NamePolicy::default(),
        secure_only: false,
        tls: None,
    };
    let recursive = Recursive::new(settings, Guard::new(addresses, Vec::new())).unwrap();
    let evidence = recursive.gather(challenge, &Asker::new("test")).await;
    Checked {
        judged: judge(challenge, &evidence),
        evidence,
    }
}

async fn one() -> (DnsServer, Asked) {
    let server = DnsServer::start().await.unwrap();
    (server, challenge(DOMAIN))
}

fn publish(server: &DnsServer, challenge: &Asked) {
    server.set_txt(
        &challenge.owner_underscore(),
        vec![challenge.value_underscore()],
    );
}

#[tokio::test]
async fn present_absent_and_wrong() {
    let (server, challenge) = one().await;
    let checked = check(&[&server], &challenge).await;
    assert_eq!(checked.judged.verdict, Verdict::Absent, "{checked:#?}");
    publish(&server, &challenge);
    let checked = check(&[&server], &challenge).await;
    assert_eq!(checked.judged.verdict, Verdict::Proven, "{checked:#?}");
    // Nothing protects the bit that would say so.
    assert_eq!(checked.judged.security, Security::Unknown);
    server.set_txt(
        &challenge.owner_underscore(),
        vec!["token=other".to_owned()],
    );
    let checked = check(&[&server], &challenge).await;
    let other = Verdict::Mismatch(MismatchKind::OtherValue);
    assert_eq!(checked.judged.verdict, other, "{checked:#?}");
}

#[tokio::test]
async fn failures_are_neither_yes_nor_no() {
    for (behaviour, failure) in [
        (Behaviour::Rcode(ResponseCode::ServFail), Failure::ServFail),
        (Behaviour::Rcode(ResponseCode::Refused), Failure::Refused),
        (Behaviour::Silent, Failure::Timeout),
        (Behaviour::WrongOwner, Failure::NegativeWithoutSoa),
    ] {
        let (server, challenge) = one().await;
        publish(&server, &challenge);
        server.set_behaviour("*", behaviour);
        let checked = check(&[&server], &challenge).await;
        checked.is_inconclusive(failure);
    }
    let (server, challenge) = one().await;
    server.set_behaviour("*", Behaviour::NegativeWithoutSoa);
    let checked = check(&[&server], &challenge).await;
    checked.is_inconclusive(Failure::NegativeWithoutSoa);
}

#[tokio::test]
async fn truncated_answers_are_asked_for_over_tcp() {
    let (server, challenge) = one().await;
    publish(&server, &challenge);
    server.set_behaviour("*", Behaviour::Truncate);
    let checked = check(&[&server], &challenge).await;
    assert_eq!(checked.judged.verdict, Verdict::Proven, "{checked:#?}");
    let log = server.log();
    assert!(log.iter().any(|query| query.transport == Transport::Tcp));
}

#[tokio::test]
async fn several_servers_need_a_majority_without_contradiction() {
    let challenge = challenge(DOMAIN);
    let servers = [
        DnsServer::start().await.unwrap(),
        DnsServer::start().await.unwrap(),
        DnsServer::start().await.unwrap(),
    ];
    let all: Vec<&DnsServer> = servers.iter().collect();
    for server in &servers {
        publish(server, &challenge);
    }
    let verdict = async || check(&all, &challenge).await.judged.verdict;
    assert_eq!(verdict().await, Verdict::Proven);
    servers[0].set_behaviour("*", Behaviour::Rcode(ResponseCode::ServFail));
    assert_eq!(verdict().await, Verdict::Proven);
    servers[1].set_behaviour("*", Behaviour::Rcode(ResponseCode::Refused));
    assert!(matches!(verdict().await, Verdict::Inconclusive(_)));
    servers[1].set_behaviour("*", Behaviour::Normal);
    servers[1].remove(&challenge.owner_underscore());
    assert_eq!(verdict().await, Verdict::Disagreement);
    servers[0].set_behaviour("*", Behaviour::Normal);
    assert_eq!(verdict().await, Verdict::Disagreement);
}

#[tokio::test]
async fn aliases_count_within_limits() {
    let (server, challenge) = one().await;
    let value = challenge.value_underscore();
    let mut owner = challenge.owner_underscore();
    for n in 0..8 {
        let next = format!("c{n}.host.net");
        server.set_cname(&owner, &next);
        owner = next;
    }
    server.set_txt(&owner, vec![value.clone()]);
    let checked = check(&[&server], &challenge).await;
    assert_eq!(checked.judged.verdict, Verdict::Proven, "{checked:#?}");
    server.set_cname(&owner, "c8.host.net");
    server.set_txt("c8.host.net", vec![value]);
    let checked = check(&[&server], &challenge).await;
    checked.is_inconclusive(Failure::AliasChain);
}

#[tokio::test]
async fn a_wildcard_alias_delegates_nothing() {
    let (server, challenge) = one().await;
    server.set_wildcard_cname(DOMAIN, "shared.host.net");
    server.set_txt("shared.host.net", vec![challenge.value_underscore()]);
    let checked = check(&[&server], &challenge).await;
    assert_eq!(checked.judged.verdict, Verdict::Absent, "{checked:#?}");
    server.set_cname(&challenge.owner_underscore(), "own.host.net");
    server.set_txt("own.host.net", vec![challenge.value_underscore()]);
    let checked = check(&[&server], &challenge).await;
    assert_eq!(checked.judged.verdict, Verdict::Proven, "{checked:#?}");
}

/// As `*.acme.com TXT "v=spf1 -all"`, which is at many domains that send no mail.
#[tokio::test]
async fn values_of_a_wildcard_are_no_record() {
    let (server, challenge) = one().await;
    server.set_wildcard_txt(DOMAIN, "v=spf1 -all");
    let checked = check(&[&server], &challenge).await;
    assert_eq!(checked.judged.verdict, Verdict::Absent, "{checked:#?}");
    let name = challenge.owner_underscore();
    let hint = hint::of(&challenge, &checked.evidence);
    assert_eq!(hint, Some(Hint::WildcardRecord { name }));
    // Its own record takes the wildcard's place.
    server.set_txt(
        &challenge.owner_underscore(),
        vec!["token=other".to_owned()],
    );
    let checked = check(&[&server], &challenge).await;
    let other = Verdict::Mismatch(MismatchKind::OtherValue);
    assert_eq!(checked.judged.verdict, other, "{checked:#?}");
    publish(&server, &challenge);
    let queries = server.queries();
    let checked = check(&[&server], &challenge).await;
    assert_eq!(checked.judged.verdict, Verdict::Proven, "{checked:#?}");
    assert_eq!(
        server.queries() - queries,
        2,
        "a proof asks for nothing more"
    );
}

#[tokio::test]
async fn a_record_at_a_wrong_name_is_found_in_few_questions() {
    let app = "app.eu.acme.com";
    for (domain, name, form, questions) in [
        (
            DOMAIN,
            format!("_freehold-challenge.{DOMAIN}.{DOMAIN}"),
            RecordForm::Underscore,
            6,
        ),
        (DOMAIN, format!("{DOMAIN}.{DOMAIN}"), RecordForm::Apex, 6),
        (
            app,
            format!("_freehold-challenge.{app}.{app}"),
            RecordForm::Underscore,
            12,
        ),
        (
            app,
            format!("_freehold-challenge.{app}.{DOMAIN}"),
            RecordForm::Underscore,
            12,
        ),
        (app, format!("{app}.{DOMAIN}"), RecordForm::Apex, 12),
        (
            app,
            "_freehold-challenge.eu.acme.com".to_owned(),
            RecordForm::Underscore,
            12,
        ),
        (app, "eu.acme.com".to_owned(), RecordForm::Apex, 12),
        (app, DOMAIN.to_owned(), RecordForm::Apex, 12),
    ] {
        let challenge = challenge(domain);
        let (silent, server) = (
            DnsServer::start().await.unwrap(),
            DnsServer::start().await.unwrap(),
        );
        server.set_txt(&name, vec![challenge.value(form)]);
        let checked = check(&[&server], &challenge).await;
        assert_eq!(checked.judged.verdict, Verdict::Absent, "{checked:#?}");
        assert_eq!(server.queries(), questions, "{name}");
        let hint = hint::of(&challenge, &checked.evidence).unwrap().to_string();
        assert!(hint.contains(&format!("found at {name}")), "{name}: {hint}");
        // The one that is asked is one that answers.
        silent.set_behaviour("*", Behaviour::Rcode(ResponseCode::Refused));
        let others = [&silent, &server, &server];
        let checked = check(&others, &challenge).await;
        assert!(
            hint::of(&challenge, &checked.evidence).is_some(),
            "{checked:#?}"
        );
    }
}

/// A recursive server inside a cluster follows an alias to the cluster's own names, and would
/// prove a domain with a record that a tenant made there.
#[tokio::test]
async fn every_alias_on_the_way_must_be_public() {
    let (server, challenge) = one().await;
    let inner = "t.tenant.svc.cluster.local";
    server.set_cname(&challenge.owner_underscore(), inner);
    server.set_txt(inner, vec![challenge.value_underscore()]);
    let checked = check(&[&server], &challenge).await;
    checked.is_inconclusive(Failure::NotPublicName);
    server.set_cname(&challenge.owner_underscore(), "way.host.net");
    server.set_cname("way.host.net", inner);
    let checked = check(&[&server], &challenge).await;
    checked.is_inconclusive(Failure::NotPublicName);
    assert_eq!(server.queries_for(inner), 0);
}

const HOST: &str = "resolver.test";

/// Asks one server over HTTPS, by the certificate that it has; keeps its connection.
fn over_https(server: &OverHttps, path: &str, host: &str) -> Recursive {
    let configured = format!("https://{}{path}#{host}", server.addr());
    let settings = RecursiveSettings {
        servers: vec![configured.parse().unwrap()],
        timeout: TIMEOUT,
        policy: NamePolicy::default(),
        secure_only: false,
        tls: Some(authorities(server.certificate().as_bytes()).unwrap()),
    };
    Recursive::new(settings, Guard::new([server.addr()], Vec::new())).unwrap()
}

async fn check_by(recursive: &Recursive, challenge: &Asked) -> Checked {
    let evidence = recursive.gather(challenge, &Asker::new("test")).await;
    Checked {
        judged: judge(challenge, &evidence),
        evidence,
    }
}

#[tokio::test]
async fn a_connection_over_https_serves_many_checks_and_is_made_anew_when_closed() {
    let (server, challenge) = one().await;
    let https = server.over_https(HOST).await.unwrap();
    let recursive = over_https(&https, "", HOST);
    let check = async || check_by(&recursive, &challenge).await.judged.verdict;
    assert_eq!(check().await, Verdict::Absent);
    publish(&server, &challenge);
    for _ in 0..3 {
        assert_eq!(check().await, Verdict::Proven);
    }
    assert_eq!(https.connections(), 1);
    for connections in 2..4 {
        https.hang_up();
        assert_eq!(check().await, Verdict::Proven);
        assert_eq!(https.connections(), connections);
    }
}

#[tokio::test]
async fn a_server_over_https_that_cannot_be_believed_decides_nothing() {
    let (server, challenge) = one().await;
    publish(&server, &challenge);
    let https = server.over_https(HOST).await.unwrap();
    let check = async |recursive: Recursive| check_by(&recursive, &challenge).await;
    let checked = check(over_https(&https, "", "other.test")).await;
    checked.is_inconclusive(Failure::Certificate);
    let other = server.over_https(HOST).await.unwrap();
    let settings = RecursiveSettings {
        servers: vec![format!("https://{}#{HOST}", https.addr()).parse().unwrap()],
        timeout: TIMEOUT,
        policy: NamePolicy::default(),
        secure_only: false,
        tls: Some(authorities(other.certificate().as_bytes()).unwrap()),
    };
    let recursive = Recursive::new(settings, Guard::new([https.addr()], Vec::new())).unwrap();
    check(recursive).await.is_inconclusive(Failure::Certificate);
    assert_eq!((https.connections(), server.queries()), (0, 0));

    let checked = check(over_https(&https, "/elsewhere", HOST)).await;
    checked.is_inconclusive(Failure::Http);
    https.set_status(500);
    let recursive = over_https(&https, "/dns-query", HOST);
    check_by(&recursive, &challenge)
        .await
        .is_inconclusive(Failure::Http);
    assert_eq!(server.queries(), 0);
    https.set_status(200);
    server.set_behaviour("*", Behaviour::Silent);
    check_by(&recursive, &challenge)
        .await
        .is_inconclusive(Failure::Timeout);
    server.set_behaviour("*", Behaviour::Rcode(ResponseCode::ServFail));
    check_by(&recursive, &challenge)
        .await
        .is_inconclusive(Failure::ServFail);
    server.set_behaviour("*", Behaviour::Normal);
    let checked = check_by(&recursive, &challenge).await;
    assert_eq!(checked.judged.verdict, Verdict::Proven, "{checked:#?}");
}

/// The question goes on as it came to a server that denies a name with a capital letter.
#[tokio::test]
async fn a_denial_does_not_rest_on_mixed_case_alone() {
    let (server, challenge) = one().await;
    server.set_behaviour("*", Behaviour::ComparesOctets);
    publish(&server, &challenge);
    for _ in 0..5 {
        let checked = check(&[&server], &challenge).await;
        assert_eq!(checked.judged.verdict, Verdict::Proven, "{checked:#?}");
    }
}
