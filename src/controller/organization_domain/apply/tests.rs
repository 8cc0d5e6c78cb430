//! What is written, in which order, and what stands where any one of the requests goes wrong.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::api::organization_domain::CheckVerdict;
use crate::api::verified_domain::{Holder, VerifiedDomainSpec};
use crate::api::{Organization, State, VerifiedDomain};
use crate::cluster::Cluster;
use crate::cluster::clock::Clock;
use crate::cluster::decode::{Extent, decode};
use crate::cluster::events::Events;
use crate::cluster::fake_api::{self, Answer, Asked, SILENCE, failure};
use crate::cluster::scope::Scope;
use crate::cluster::store::Stores;
use crate::cluster::store::holdings::HoldingView;
use crate::cluster::watch::Handler;
use crate::controller::queues::{Queues, Workers};
use crate::model::agreement::Weight;
use crate::model::challenge::{TOKEN_OCTETS, Token};
use crate::model::lifecycle::Judgement;
use crate::model::report;
use crate::model::settings::Settings;
use crate::model::verdict::Verdict;

const GROUP: &str = "/apis/freehold.dev/v1alpha1";
const DEADLINE: Duration = Duration::from_secs(10);

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Refused(u16, &'static str),
    /// It is carried out, and the answer is lost.
    AnswerLost,
    /// It is not carried out, and nobody answers.
    Silence,
}

const FAULTS: [Fault; 7] = [
    Fault::Refused(409, "Conflict"),
    Fault::Refused(404, "NotFound"),
    Fault::Refused(403, "Forbidden"),
    Fault::Refused(422, "Invalid"),
    Fault::Refused(503, ""),
    Fault::AnswerLost,
    Fault::Silence,
];

/// An API server with two organization domains and one holding.
#[derive(Default)]
struct Server {
    ours: Value,
    other: Value,
    holding: Option<Value>,
    version: u64,
    asked: Vec<String>,
    /// Which request goes wrong, counted from nought, and how.
    fault: Option<(usize, Fault)>,
}

impl Server {
    fn answer(&mut self, asked: &Asked) -> Answer {
        let number = self.asked.len();
        let (what, name) = name_of(&asked.path);
        self.asked.push(format!("{} {name}", asked.method));
        match self.fault.filter(|(at, _)| *at == number) {
            None => self.carry_out(asked, what),
            Some((_, Fault::Refused(code, reason))) => failure(code, reason),
            Some((_, Fault::Silence)) => SILENCE,
            Some((_, Fault::AnswerLost)) => {
                self.carry_out(asked, what);
                failure(503, "")
            }
        }
    }

    fn carry_out(&mut self, asked: &Asked, what: What) -> Answer {
        self.version += 1;
        let version = json!(self.version.to_string());
        let expected = &asked.body["metadata"]["resourceVersion"];
        let object = match what {
            What::Namespace => return (200, json!({ "metadata": { "name": "acme" } })),
            What::Ours => &mut self.ours,
            What::Other => &mut self.other,
            What::Holding => return self.holding(asked, &version),
        };
        if asked.method == Method::PUT {
            if object["metadata"]["resourceVersion"] != *expected {
                return failure(409, "Conflict");
            }
            object["status"] = asked.body["status"].clone();
            object["metadata"]["resourceVersion"] = version;
        } else if asked.method == Method::PATCH {
            for step in asked.body.as_array().into_iter().flatten() {
                let path = step["path"].as_str().unwrap_or_default();
                match step["op"].as_str() {
                    Some("test") if object.pointer(path) == Some(&step["value"]) => {}
                    Some("replace") => object["status"] = step["value"].clone(),
                    _ => return failure(422, "Invalid"),
                }
            }
            object["metadata"]["resourceVersion"] = version;
        }
        (200, object.clone())
    }

    fn holding(&mut self, asked: &Asked, version: &Value) -> Answer {
        let expected = &asked.body["metadata"]["resourceVersion"];
        let expects = &asked.body["preconditions"]["resourceVersion"];
        let holding = match (&asked.method, &self.holding) {
            (&Method::POST, Some(_)) => return failure(409, "AlreadyExists"),
            (&Method::POST, None) => json!({ "metadata": { "name": "acme.com", "uid": "h" } }),
            (_, None) => return failure(404, "NotFound"),
            (_, Some(holding)) => holding.clone(),
        };
        let is = &holding["metadata"]["resourceVersion"];
        match asked.method {
            Method::DELETE if is != expects => return failure(409, "Conflict"),
            Method::DELETE => {
                self.holding = None;
                return (200, json!({ "kind": "Status", "status": "Success" }));
            }
            Method::PUT if is != expected => return failure(409, "Conflict"),
            Method::POST | Method::PUT => {}
            _ => return (200, holding),
        }
        let mut written = holding;
        written["metadata"]["resourceVersion"] = version.clone();
        written["spec"] = asked.body["spec"].clone();
        self.holding = Some(written.clone());
        (201, written)
    }

    fn is_verified(&self) -> bool {
        self.ours["status"]["state"] == "Verified"
    }

    fn holder(&self) -> Option<&str> {
        self.holding.as_ref()?["spec"]["holder"]["uid"].as_str()
    }
}

#[derive(Clone, Copy)]
enum What {
    Namespace,
    Ours,
    Other,
    Holding,
}

fn name_of(path: &str) -> (What, &'static str) {
    if path.starts_with("/api/v1/namespaces/") {
        (What::Namespace, "namespace")
    } else if path.starts_with(&format!("{GROUP}/verifieddomains")) {
        (What::Holding, "holding")
    } else if path.starts_with(&format!("{GROUP}/namespaces/other/")) {
        (What::Other, "holder")
    } else if path.ends_with("/status") {
        (What::Ours, "status")
    } else {
        (What::Ours, "object")
    }
}

fn token(n: u8) -> Token {
    Token::from_random([n; TOKEN_OCTETS])
}

fn object(namespace: &str, uid: &str, state: State, token: &Token) -> Value {
    json!({
        "metadata": { "namespace": namespace, "name": "main", "uid": uid, "resourceVersion": "1" },
        "spec": { "organizationRef": { "name": namespace }, "domain": "acme.com" },
        "status": status_with(state, token),
    })
}

fn status_with(state: State, token: &Token) -> Value {
    json!({
        "state": state,
        "strategy": "DNS",
        "challenge": {
            "token": token.to_string(),
            "issuedTime": "2026-01-01T00:00:00Z",
            "issuedFor": "acme/main/acme",
            "records": [],
        },
    })
}

fn spec(namespace: &str, uid: &str, token: &Token) -> VerifiedDomainSpec {
    VerifiedDomainSpec {
        holder: Holder {
            namespace: namespace.to_owned(),
            name: "main".to_owned(),
            uid: uid.to_owned(),
            organization: namespace.to_owned(),
            token_hash: token.hash(),
        },
        strategy: Strategy::Dns,
        handed_over_from: None,
        importing: false,
    }
}

fn holding(spec: &VerifiedDomainSpec) -> Value {
    json!({ "metadata": { "name": "acme.com", "uid": "h", "resourceVersion": "1" }, "spec": spec })
}

/// One action: what stands before it, what was decided, and the requests that it takes.
struct Case {
    action: HoldingAction,
    before: State,
    after: State,
    /// Whose the name is before.
    holder: Option<VerifiedDomainSpec>,
    requests: &'static [&'static str],
}

fn cases() -> Vec<Case> {
    use State::{Failed, Pending, Verified};

    let ours = spec("acme", "1", &token(1));
    let others = spec("other", "2", &token(2));
    let earlier = spec("acme", "0", &token(1));
    let case = |action, before, after, holder, requests| Case {
        action,
        before,
        after,
        holder,
        requests,
    };
    vec![
        case(HoldingAction::Keep, Pending, Failed, None, &["PUT status"]),
        case(
            HoldingAction::Take(ours.clone()),
            Pending,
            Verified,
            None,
            &["GET object", "GET namespace", "POST holding", "PUT status"],
        ),
        case(
            HoldingAction::Rewrite(ours.clone()),
            Pending,
            Verified,
            Some(earlier.clone()),
            &["GET object", "PUT holding", "PUT status"],
        ),
        case(
            HoldingAction::HandOver(ours.clone()),
            Pending,
            Verified,
            Some(others),
            &[
                "GET object",
                "GET namespace",
                "GET holder",
                "PUT holding",
                "PUT status",
            ],
        ),
        case(
            HoldingAction::Release,
            Verified,
            Failed,
            Some(ours),
            &["PUT status", "DELETE holding"],
        ),
        case(
            HoldingAction::ReleasePredecessor,
            Pending,
            Pending,
            Some(spec("acme", "0", &token(3))),
            &["GET object", "DELETE holding"],
        ),
    ]
}

fn parts(server: &Arc<Mutex<Server>>) -> Applier {
    let server = Arc::clone(server);
    let client = fake_api::calls(DEADLINE, move |asked| server.lock().answer(asked));
    let metrics = Arc::clone(&client.metrics);
    let (events, _) = Events::new(client.clone(), "pod".to_owned());
    let cluster = Arc::new(Cluster {
        client,
        stores: Stores::new(100),
        clock: Clock::default(),
        scope: Scope::default(),
    });
    let settings = Arc::new(Settings::default());
    let mirror = Arc::new(Mirror::new(
        Arc::clone(&cluster),
        Arc::new(Queues::new(&cluster, Workers::new(1), &metrics)),
        Arc::clone(&settings),
        Duration::ZERO,
    ));
    Applier {
        holding_writer: Arc::new(HoldingWriter::new(Arc::clone(&mirror))),
        announcer: Arc::new(Announcer::new(cluster, Arc::new(events), settings)),
        mirror,
    }
}

fn checked(holding: Option<Arc<HoldingView>>) -> Checked {
    Checked {
        uid: "1".into(),
        domain: None,
        requested: None,
        judgement: Judgement {
            verdict: Verdict::Proven,
            weight: Weight::Complete,
            token: token(1),
            holder: None,
            dns_provider: None,
            report: report::verdict_alone(CheckVerdict::Proven, None),
        },
        begun: Instant::now(),
        holding,
        recovery: None,
    }
}

/// Carries the case out against an API server with this fault.
async fn run(
    case: &Case,
    fault: Option<(usize, Fault)>,
) -> (Result<Option<Domain>, Obstacle>, Server) {
    let server = Arc::new(Mutex::new(Server {
        ours: object("acme", "1", case.before, &token(1)),
        other: object("other", "2", State::Verified, &token(2)),
        holding: case.holder.as_ref().map(holding),
        version: 1,
        asked: Vec::new(),
        fault,
    }));
    let apply = parts(&server);
    let mirror = &apply.mirror;
    if let Some(spec) = &case.holder {
        let holding = serde_json::from_value(holding(spec)).unwrap();
        Handler::<VerifiedDomain>::applied(&**mirror, holding, true);
    }
    let organization = json!({ "metadata": { "namespace": "acme", "name": "acme" }, "spec": {} });
    let organization = serde_json::from_value(organization).unwrap();
    Handler::<Organization>::applied(&**mirror, organization, true);
    let text = server.lock().ours.to_string();
    let ours = decode(serde_json::from_str(&text).unwrap(), Extent::Needed);
    let ours: OrganizationDomain = ours.0.unwrap();
    let domain = Domain::project(ours.clone());
    Handler::<OrganizationDomain>::applied(&**mirror, ours.clone(), true);
    let decision = Decision {
        status: serde_json::from_value(status_with(case.after, &token(1))).unwrap(),
        holding: case.action.clone(),
        check_holder: false,
        next_check: None,
        wake: None,
    };
    let judged = mirror.cluster.stores.holding_of(&domain);
    let status = ours.status.unwrap();
    let applied = apply
        .apply(&domain, &status, &decision, Some(&checked(judged)))
        .await;
    drop(apply);
    let server = std::mem::take(&mut *server.lock());
    (applied, server)
}

/// The requests, with reads that are made at once in one order.
fn in_order(asked: &[String]) -> Vec<&str> {
    let mut asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    for at in 1..asked.len() {
        if (asked[at - 1], asked[at]) == ("GET namespace", "GET object") {
            asked.swap(at - 1, at);
        }
    }
    asked
}

#[tokio::test(start_paused = true)]
async fn each_action_is_written_in_its_order() {
    for case in cases() {
        let (applied, server) = run(&case, None).await;
        assert_eq!(in_order(&server.asked), case.requests, "{:?}", case.action);
        let is_done = case.action != HoldingAction::ReleasePredecessor;
        let is_expected = match applied {
            Ok(written) => is_done && written.is_some(),
            Err(obstacle) => !is_done && matches!(obstacle, Obstacle::Changed),
        };
        assert!(is_expected, "{:?}", case.action);
        let verified = case.after == State::Verified;
        assert_eq!(server.is_verified(), verified, "{:?}", case.action);
        assert_eq!(
            server.holder(),
            verified.then_some("1"),
            "{:?}",
            case.action
        );
    }
}

#[tokio::test(start_paused = true)]
async fn whichever_request_goes_wrong_nothing_is_said_that_is_not_so_and_nothing_is_lost() {
    for case in cases() {
        for at in 0..case.requests.len() {
            for fault in FAULTS {
                let (applied, server) = run(&case, Some((at, fault))).await;
                let about = format!("{:?}, {} {fault:?}", case.action, server.asked[at]);
                // The status tells of no name that is not held, and of none that was given up.
                if server.is_verified() {
                    assert_eq!(server.holder(), Some("1"), "{about}");
                }
                if case.action == HoldingAction::Release && server.holding.is_none() {
                    assert_eq!(server.ours["status"]["state"], "Failed", "{about}");
                }
                match applied {
                    // All was carried out, whatever was asked for twice.
                    Ok(_) => {
                        let after = serde_json::to_value(case.after).unwrap();
                        assert_eq!(server.ours["status"]["state"], after, "{about}");
                    }
                    Err(Obstacle::Changed | Obstacle::Gone) => {}
                    Err(Obstacle::TooOld) => panic!("{about}"),
                    Err(Obstacle::Api(error)) => {
                        let for_good = matches!(fault, Fault::Refused(422, _));
                        assert_eq!(error.is_retryable(), !for_good, "{about}: {error}");
                    }
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_is_not_taken_on_old_evidence_nor_from_a_holder_that_was_not_judged() {
    let cases = cases();
    for case in &cases {
        let server = Arc::new(Mutex::new(Server {
            ours: object("acme", "1", case.before, &token(1)),
            other: object("other", "2", State::Verified, &token(2)),
            holding: case.holder.as_ref().map(holding),
            version: 1,
            ..Server::default()
        }));
        let apply = parts(&server);
        if let Some(spec) = &case.holder {
            let holding = serde_json::from_value(holding(spec)).unwrap();
            Handler::<VerifiedDomain>::applied(&*apply.mirror, holding, true);
        }
        let ours: OrganizationDomain = serde_json::from_value(server.lock().ours.clone()).unwrap();
        let domain = Domain::project(ours);
        let late = Instant::now() - Duration::from_millis(1);
        let (HoldingAction::Take(spec) | HoldingAction::HandOver(spec)) = &case.action else {
            continue;
        };
        let taken = if case.holder.is_none() {
            apply.holding_writer.take(&domain, spec, Some(late)).await
        } else {
            let until = Instant::now() + DEADLINE;
            apply
                .holding_writer
                .hand_over(&domain, spec, None, until)
                .await
        };
        assert!(matches!(taken, Err(Obstacle::TooOld)), "{spec:?}");
        let before = case.holder.as_ref().map(|spec| &*spec.holder.uid);
        assert_eq!(server.lock().holder(), before);
    }
}
