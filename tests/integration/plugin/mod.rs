//! `kubectl freehold`, run by kubectl for accounts with the chart's roles and with none.

mod commands;
mod completion;
mod rights;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use freehold_testbed::kubeconfig_with_token;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{DEADLINE, Installed, Tenant, eventually, variable};

/// How a command ended, and what it said.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) error: String,
}

async fn ran(mut command: Command) -> Ran {
    command.stdin(Stdio::null());
    let output = timeout(DEADLINE * 2, command.output())
        .await
        .unwrap()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran {
        code: output.status.code(),
        out: text(output.stdout),
        error: text(output.stderr),
    }
}

/// Somebody with a kubeconfig, in whose PATH the plugin is.
pub(super) struct Caller {
    installed: Installed,
    kubeconfig: PathBuf,
    namespace: String,
    _folder: Option<TempDir>,
}

impl Caller {
    fn administrator(tenant: &Tenant) -> Self {
        let kubeconfig = PathBuf::from(variable("FREEHOLD_TEST_KUBECONFIG"));
        Self::with_kubeconfig(tenant, &kubeconfig)
    }

    pub(super) fn with_kubeconfig(tenant: &Tenant, kubeconfig: &Path) -> Self {
        Self {
            installed: Installed::new(),
            kubeconfig: kubeconfig.to_owned(),
            namespace: tenant.namespace.clone(),
            _folder: None,
        }
    }

    /// An account of the namespace to which these roles are bound there; `may` is what they give.
    async fn with_roles(tenant: &Tenant, name: &str, roles: &[&str], may: &[[&str; 2]]) -> Self {
        let namespace = &tenant.namespace;
        let account: ServiceAccount =
            serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
        let accounts = Api::<ServiceAccount>::namespaced(tenant.client.clone(), namespace);
        accounts
            .create(&PostParams::default(), &account)
            .await
            .unwrap();
        for role in roles {
            let binding: RoleBinding = serde_json::from_value(json!({
                "metadata": { "name": format!("{name}-{role}") },
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
                "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": namespace }]
            }))
            .unwrap();
            Api::<RoleBinding>::namespaced(tenant.client.clone(), namespace)
                .create(&PostParams::default(), &binding)
                .await
                .unwrap();
        }
        let token = accounts
            .create_token_request(name, &PostParams::default(), &TokenRequest::default())
            .await
            .unwrap()
            .status
            .unwrap()
            .token;
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        let admin = PathBuf::from(variable("FREEHOLD_TEST_KUBECONFIG"));
        kubeconfig_with_token(&admin, &token, &kubeconfig).unwrap();
        let caller = Self {
            installed: Installed::new(),
            kubeconfig,
            namespace: namespace.clone(),
            _folder: Some(folder),
        };
        for [verb, resource] in may {
            let resource = format!("{resource}.freehold.dev");
            eventually("the account has its rights", async || {
                let ran = caller.kubectl(&["auth", "can-i", verb, &resource]).await;
                if ran.out.trim() == "yes" {
                    Ok(())
                } else {
                    Err(format!("{ran:?}"))
                }
            })
            .await;
        }
        caller
    }

    /// kubectl in the caller's namespace.
    async fn kubectl(&self, arguments: &[&str]) -> Ran {
        let mut command = self.installed.kubectl(&self.kubeconfig);
        command
            .args(arguments)
            .args(["--namespace", &self.namespace]);
        ran(command).await
    }

    pub(super) async fn freehold(&self, arguments: &[&str]) -> Ran {
        self.kubectl(&[&["freehold"], arguments].concat()).await
    }

    /// What it says when it succeeds.
    async fn told(&self, arguments: &[&str]) -> String {
        let ran = self.freehold(arguments).await;
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
        ran.out
    }

    async fn is_refused(&self, arguments: &[&str], words: &[&str]) {
        let ran = self.freehold(arguments).await;
        assert_eq!(ran.code, Some(1), "{arguments:?}: {ran:?}");
        for words in words {
            assert!(ran.error.contains(words), "{arguments:?}: {ran:?}");
        }
        assert!(!ran.error.contains("panicked"), "{ran:?}");
    }
}
