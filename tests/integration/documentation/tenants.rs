//! The pages of a tenant and of those who rely on its proof.

use std::path::{Path, PathBuf};

use freehold::api::organization_domain::Strategy;
use freehold::api::{Organization, OrganizationDomain};
use kube::Api;

use super::run_by;
use crate::support::{
    Installed, Stated, Tenant, World, blocks, eventually, kubectl_takes, page_at, pages, publish,
    status, variable,
};

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_first_domain_and_those_who_rely_on_it() {
    let [
        state,
        record,
        records,
        request,
        wait,
        reading @ ..,
        policy,
        label,
        approve,
    ] = run_by("a_tenants_first_domain_and_those_who_rely_on_it")
    else {
        panic!("commands are missing")
    };
    let readme = page_at("README.md");
    assert!(page_at("examples/tenant.yaml").ends_with(&blocks(&readme, "yaml")[0]));
    let world = World::new().await;
    let client = &world.cluster.client;
    let installed = Installed::new();
    let kubeconfig = PathBuf::from(variable("FREEHOLD_TEST_KUBECONFIG"));
    let type_in = async |command: &str| installed.told(command, &kubeconfig).await;

    type_in(state).await;
    let tenant = Tenant {
        client: client.clone(),
        namespace: "tenants".to_owned(),
    };
    let _operator = world.operator(&[&tenant]).every("1s").start().await;
    let domains: Api<OrganizationDomain> = tenant.domains();
    let object = domains.get("acme").await.unwrap();
    let domain = Stated::new(client, &object);
    let challenge = domain.challenge().await;
    let shown = type_in(record).await;
    let (_, session) = readme.split_once(&format!("$ {record}\n")).unwrap();
    let heading = |text: &str| text.lines().next().unwrap().to_owned();
    assert_eq!(words(&heading(&shown)), words(&heading(session)));
    for shown in [shown, type_in(records).await] {
        assert!(shown.contains(&challenge.records[0].value), "{shown}");
    }
    publish(&world.dns, &challenge.records[0]);
    type_in(request).await;
    type_in(wait).await;
    for command in reading {
        let shown = type_in(command).await;
        assert!(shown.contains("example.com"), "{command}: {shown}");
    }

    type_in(policy).await;
    type_in(label).await;
    let host = async |rule: &str| {
        let command = format!(
            "kubectl create ingress web --namespace tenants --rule='{rule}/*=web:80' --dry-run=server"
        );
        let output = installed.done(&command, &kubeconfig, &[]).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        output.status.success().then_some(()).ok_or(error)
    };
    eventually("the policy takes a proved host", async || {
        let organization: Organization = Api::namespaced(client.clone(), "tenants")
            .get("acme")
            .await
            .unwrap();
        let listed = organization.status.unwrap_or_default().verified_domains;
        if listed != ["example.com"] {
            return Err(format!("{listed:?}"));
        }
        host("shop.example.com").await
    })
    .await;
    eventually("the policy refuses other hosts", async || {
        for other in ["notexample.com", ""] {
            match host(other).await {
                Err(error) if error.contains("verified domain") => {}
                other => return Err(format!("{other:?}")),
            }
        }
        Ok(())
    })
    .await;
    host("*.example.com").await.unwrap();
    host("example.com").await.unwrap();

    type_in(approve).await;
    domain
        .until("is approved", |object| {
            status(object).strategy == Some(Strategy::Manual)
        })
        .await;
    for document in blocks(&page_at("docs/proofs.md"), "yaml") {
        kubectl_takes(&document).await.unwrap();
    }
}

/// The anchor that a heading gets on a rendered page.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    headings
        .map(|heading| {
            let title = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.collect::<String>().replace(' ', "-")
        })
        .collect()
}

/// A page that moved leaves no link behind.
#[test]
fn every_link_leads_to_a_page_and_a_heading() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut followed = 0;
    for page in pages() {
        let text = page_at(&page);
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => root.join(&page),
                file => root.join(&page).parent().unwrap().join(file),
            };
            assert!(target.exists(), "{page}: {link}");
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&target).unwrap();
                assert!(
                    anchors(&text).contains(&anchor.to_owned()),
                    "{page}: {link}"
                );
            }
            followed += 1;
        }
    }
    assert!(followed > 50, "{followed}");
}
