//! Every command of the documentation: which test runs it, or why none can.

mod installs;
mod operators;
mod tenants;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Typed, page_at, pages};

/// Pages whose blocks are all run in their order, and the tests that do it.
const PAGES: [(&str, &str); 2] = [
    ("backup.md", "the_commands_of_the_page_move_a_cluster"),
    ("kubectl.md", "the_commands_of_the_page_do_what_it_says"),
];

/// The other commands, by the tests that run them.
const COMMANDS: [(&str, &[&str]); 6] = [
    (
        "the_demo_ends_by_itself_with_every_domain_verified",
        &["cargo xtask demo --once"],
    ),
    (
        "the_demo_stays_up_for_its_visitor_until_ctrl_c",
        &["cargo xtask demo"],
    ),
    (
        "an_install_from_its_first_command_to_its_last",
        &[
            "helm install freehold charts/freehold --namespace freehold-system --create-namespace --set image.repository=YOUR/IMAGE",
            "kubectl --namespace freehold-system rollout status deployment/freehold",
            "freehold check DOMAIN",
            "kubectl get lease --namespace freehold-system",
            "kubectl freehold explain NAME",
            "helm upgrade freehold charts/freehold --namespace freehold-system --reset-then-reuse-values",
            "helm uninstall freehold --namespace freehold-system",
            "helm install verifier charts/freehold --namespace verifier-system --create-namespace --set image.repository=YOUR/IMAGE --set crds.enabled=false",
            "kubectl delete -f crds/",
        ],
    ),
    (
        "a_tenants_first_domain_and_those_who_rely_on_it",
        &[
            "kubectl apply -f examples/tenant.yaml",
            "kubectl get orgdomain acme --namespace tenants -o wide",
            "kubectl freehold records acme --namespace tenants",
            "kubectl annotate orgdomain acme --namespace tenants --overwrite freehold.dev/requestedAt=\"$(date +%s)\"",
            "kubectl wait orgdomain acme --namespace tenants --for=condition=Verified --timeout=10m",
            "kubectl describe orgdomain acme --namespace tenants",
            "kubectl get verifieddomain example.com",
            "kubectl get --raw /apis/freehold.dev/v1alpha1/verifieddomains/example.com",
            "kubectl get verifieddomains --field-selector spec.holder.namespace=tenants",
            "kubectl get orgdomain --all-namespaces --field-selector status.canonicalName=example.com",
            "kubectl get orgdomain --namespace tenants --field-selector status.state=Verified",
            "kubectl apply -f examples/policy/",
            "kubectl label namespace tenants example.com/hosts=verified",
            "kubectl apply -f examples/approval/",
        ],
    ),
    (
        "installs_of_other_kinds",
        &[
            "kubectl apply --server-side -f crds/",
            "freehold operator",
            "freehold operator --help",
            "freehold operator --dns-mode recursive --dns-server tls://9.9.9.9 --dns-server https://1.1.1.1",
            "kubectl create namespace freehold-system",
            "helm template freehold charts/freehold --namespace freehold-system --set image.repository=YOUR/IMAGE --skip-tests | kubectl apply --server-side -f -",
            "helm install freehold charts/freehold --namespace freehold-system --create-namespace --set image.repository=YOUR/IMAGE --set settings.dnsMode=recursive --set 'settings.dnsServer={tls://9.9.9.9,https://1.1.1.1}'",
            "helm install freehold charts/freehold --namespace freehold-system --create-namespace --set image.repository=YOUR/IMAGE --set 'watchNamespaces={team-a,team-b}'",
            "helm install freehold charts/freehold --namespace freehold-c --create-namespace --set image.repository=YOUR/IMAGE --set 'watchNamespaces={team-c}' --set crds.enabled=false",
            "helm install freehold charts/freehold --namespace freehold-system --create-namespace --set image.repository=YOUR/IMAGE --set 'shards={east,west}'",
        ],
    ),
    (
        "a_domain_moves_from_shard_to_shard",
        &[
            "freehold operator --watch-label-selector 'sharding.fluxcd.io/key=shard1'",
            "freehold operator --watch-label-selector 'sharding.fluxcd.io/key=shard2'",
            "freehold operator --watch-label-selector 'sharding.fluxcd.io/key notin (shard1,shard2)'",
            "kubectl label orgdomain acme sharding.fluxcd.io/key=shard1",
            "kubectl label orgdomain acme sharding.fluxcd.io/key-",
        ],
    ),
];

/// What no test runs, by the reason.
const NOT_RUN: [(&str, &[&str]); 9] = [
    (
        "runs the tests, and this one among them",
        &[
            "cargo xtask test",
            "cargo xtask test -- --test integration -- lifecycle",
            "cargo xtask test --with-dns-servers",
            "cargo xtask test --with-image",
        ],
    ),
    (
        "needs a release build, and root; cargo xtask test --with-image builds the image with a debug build",
        &["cargo xtask archive", "cargo xtask image"],
    ),
    (
        "needs a registry, or the network",
        &[
            "skopeo copy oci:target/image/oci:freehold docker://registry.example.com/freehold:0.1.0",
            "gh attestation verify oci://ghcr.io/OWNER/freehold:X.Y.Z --owner OWNER",
            "gh attestation verify FILE --owner OWNER",
            "cargo audit bin",
        ],
    ),
    (
        "needs a cluster that runs pods; the pod of helm test is rendered and sent to the API server as a dry run",
        &[
            "helm test freehold --namespace freehold-system --logs",
            "kubectl exec --namespace freehold-system deployment/freehold -- /usr/bin/freehold check DOMAIN",
        ],
    ),
    (
        "compiles the program once more",
        &["cargo install --locked --path ."],
    ),
    (
        "takes from minutes to hours of an otherwise idle machine",
        &[
            "cargo xtask bench",
            "cargo xtask bench throughput writes",
            "cargo xtask bench throughput --domains 5000",
            "cargo xtask bench --full",
            "cargo xtask bench --check",
            "cargo xtask bench throughput --check",
            "cargo xtask bench --output json",
            "cargo xtask bench --plots docs/plots",
            "cargo xtask soak",
            "cargo bench --bench checks",
            "cargo xtask faults",
            "cargo xtask zones",
            "cargo xtask zones --count 500 --seed 7000",
            "cargo xtask zones --software --count 100",
            "cargo xtask zones --only 7042",
        ],
    ),
    (
        "writes the sources; tests compare what it would write with what is there",
        &["cargo xtask crds", "cargo xtask chart"],
    ),
    (
        "needs a nightly compiler",
        &["cargo +nightly fuzz run --fuzz-dir tests/fuzz answer tests/fuzz/seeds/answer"],
    ),
    (
        "is the name of a command, without what one would type",
        &[
            "helm template",
            "helm test",
            "helm upgrade",
            "kubectl diff",
            "kubectl freehold",
            "kubectl get --raw",
            "kubectl wait",
        ],
    ),
];

/// The commands that this test runs, as the pages have them.
pub fn run_by(test: &str) -> &'static [&'static str] {
    let found = COMMANDS.iter().find(|(by, _)| *by == test);
    found.expect(test).1
}

/// The text of all tests, without this table.
fn tests() -> String {
    fn read(folder: &Path, text: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, text);
            } else if !path.ends_with("documentation/mod.rs") {
                text.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut text = String::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration");
    read(&folder, &mut text);
    text
}

/// The text of a test.
fn body<'a>(tests: &'a str, name: &str) -> &'a str {
    let head = format!("async fn {name}() {{\n");
    let mut found = tests.split(&head).skip(1);
    let (body, others) = (found.next(), found.count());
    let body = body.unwrap_or_else(|| panic!("there is no test {name}"));
    assert_eq!(others, 0, "{name}");
    body.split("\n}\n").next().unwrap()
}

#[test]
fn every_command_is_run_by_a_test_or_says_why_not() {
    let mut documented = BTreeSet::new();
    for page in pages() {
        let typed = Typed::of(&page_at(&page));
        let whole = PAGES.iter().any(|(of, _)| page == format!("docs/{of}"));
        if !whole {
            documented.extend(typed.blocks);
        }
        documented.extend(typed.sentences);
    }
    let known = COMMANDS.iter().chain(&NOT_RUN);
    let known: Vec<String> = known
        .flat_map(|(_, commands)| *commands)
        .map(|command| (*command).to_owned())
        .collect();
    let once: BTreeSet<String> = known.iter().cloned().collect();
    assert_eq!(known.len(), once.len(), "a command is listed twice");
    let new: Vec<_> = documented.difference(&once).collect();
    assert!(new.is_empty(), "neither run nor explained: {new:#?}");
    let gone: Vec<_> = once.difference(&documented).collect();
    assert!(gone.is_empty(), "on no page: {gone:#?}");

    let tests = tests();
    for (page, test) in PAGES {
        assert!(body(&tests, test).contains(&format!("commands_of(\"{page}\")")));
    }
    for (test, _) in COMMANDS {
        assert!(body(&tests, test).contains(&format!("run_by(\"{test}\")")));
    }
}

/// No option that is not there is told of.
#[test]
fn tasks_that_are_not_run_are_at_least_understood() {
    let xtask = Path::new(env!("CARGO_BIN_EXE_freehold")).with_file_name("xtask");
    let mut understood = 0;
    for command in NOT_RUN.iter().flat_map(|(_, commands)| *commands) {
        let Some(arguments) = command.strip_prefix("cargo xtask ") else {
            continue;
        };
        // What follows is for another program, and would be run.
        let own = arguments.split(" -- ").next().unwrap();
        let output = Command::new(&xtask)
            .args(own.split(' '))
            .arg("--help")
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
        understood += 1;
    }
    assert!(understood > 10);
}
