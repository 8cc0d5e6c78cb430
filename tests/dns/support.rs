//! A tree, an engine that walks it, and what came of a check.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::time::Duration;

use freehold::dns::Asker;
use freehold::dns::authoritative::{Authoritative, AuthoritativeSettings};
use freehold::dns::guard::Guard;
use freehold::model::agreement::Weight;
use freehold::model::challenge::{Challenge, RecordForm, TOKEN_OCTETS, Token};
use freehold::model::evidence::{Evidence, Failure, Outcome};
use freehold::model::name::DomainName;
use freehold::model::policy::NamePolicy;
use freehold::model::service::ServiceName;
use freehold::model::verdict::{Judged, Verdict, judge};
use freehold_testbed::Tree;
use freehold_testbed::tree::Builder;
use hickory_resolver::net::proto::dnssec::TrustAnchors;

pub const DOMAIN: &str = "acme.com";
/// For one question. Servers on loopback need far less, however busy the machine.
pub const TIMEOUT: Duration = Duration::from_secs(1);
const DNS_PORT: u16 = 53;

/// A tree with a zone for the domain, unsigned, on `ns1` and `ns2` of itself.
pub fn acme() -> Builder {
    Tree::builder().public_addresses().zone(DOMAIN)
}

/// A challenge with a token of its own.
#[derive(Debug, Clone)]
pub struct Asked(Challenge);

pub fn challenge(domain: &str) -> Asked {
    Asked(Challenge {
        name: DomainName::parse(domain).unwrap(),
        service: ServiceName::default(),
        token: Token::from_random(rand::random::<[u8; TOKEN_OCTETS]>()),
    })
}

impl Asked {
    pub fn owner_underscore(&self) -> String {
        self.owner(RecordForm::Underscore)
    }

    pub fn value_underscore(&self) -> String {
        self.value(RecordForm::Underscore)
    }

    pub fn value_apex(&self) -> String {
        self.value(RecordForm::Apex)
    }

    pub fn token(&self) -> &str {
        self.token.as_str()
    }
}

impl Deref for Asked {
    type Target = Challenge;

    fn deref(&self) -> &Challenge {
        &self.0
    }
}

/// Puts the underscore record into the domain's zone.
pub fn publish(tree: &Tree, challenge: &Asked) {
    tree.zone(DOMAIN).set_txt(
        &challenge.owner_underscore(),
        &[&challenge.value_underscore()],
    );
}

/// The authoritative engine, which keeps delegations from check to check.
pub struct Engine(Authoritative);

/// How the engine is set up where it is not as usual.
#[derive(Default)]
pub struct Setup {
    pub allowed: Vec<&'static str>,
    pub secure_only: bool,
    pub without_anchors: bool,
    /// In place of the tree's own.
    pub anchor: Option<String>,
    pub policy: NamePolicy,
}

impl Engine {
    pub fn of(tree: &Tree) -> Self {
        Self::with(tree, Setup::default())
    }

    pub fn with(tree: &Tree, setup: Setup) -> Self {
        let roots: Vec<SocketAddr> = tree
            .roots()
            .into_iter()
            .map(|ip| SocketAddr::new(ip, DNS_PORT))
            .collect();
        let moved: HashMap<SocketAddr, SocketAddr> = tree
            .address_map()
            .into_iter()
            .map(|(told, real)| (SocketAddr::new(told, DNS_PORT), real))
            .collect();
        let allowed = setup.allowed.iter().map(|net| net.parse().unwrap());
        let guard = Guard::new(roots.iter().copied(), allowed.collect()).with_moved(moved);
        let anchor = setup.anchor.or_else(|| tree.trust_anchor());
        let anchors = match anchor.filter(|_| !setup.without_anchors) {
            Some(anchor) => anchor.parse().unwrap(),
            None => TrustAnchors::empty(),
        };
        let settings = AuthoritativeSettings {
            roots,
            anchors,
            port: DNS_PORT,
            timeout: TIMEOUT,
            policy: setup.policy,
            secure_only: setup.secure_only,
        };
        Self(Authoritative::new(settings, guard))
    }

    pub async fn check(&self, challenge: &Asked) -> Checked {
        let evidence = self
            .0
            .gather(challenge, &Asker::new(challenge.name.as_str()))
            .await;
        Checked {
            judged: judge(challenge, &evidence),
            evidence,
        }
    }
}

/// What one check came to.
#[derive(Debug)]
pub struct Checked {
    pub judged: Judged,
    pub evidence: Evidence,
}

impl Checked {
    #[track_caller]
    pub fn is(&self, verdict: Verdict, weight: Weight) {
        let found = (self.judged.verdict, self.judged.weight);
        assert_eq!(found, (verdict, weight), "{:#?}", self.evidence);
    }

    #[track_caller]
    pub fn is_inconclusive(&self, failure: Failure) {
        let expected = Verdict::Inconclusive(failure);
        assert_eq!(self.judged.verdict, expected, "{:#?}", self.evidence);
    }

    /// Neither yes nor no, whatever the reason.
    #[track_caller]
    pub fn is_undecided(&self) {
        let verdict = self.judged.verdict;
        let undecided = matches!(verdict, Verdict::Inconclusive(_) | Verdict::Disagreement);
        assert!(undecided, "{verdict:?}: {:#?}", self.evidence);
    }

    /// Why the server's last answer about the underscore record counts for nothing.
    pub fn failure(&self, host: &str) -> Option<Failure> {
        let lookup = self.evidence.lookups.first()?;
        let step = lookup.steps.last()?;
        let answer = step
            .answers
            .iter()
            .find(|answer| answer.server.starts_with(host))?;
        match &answer.outcome {
            Outcome::Failed(failure) => Some(*failure),
            _ => None,
        }
    }
}
