//! The control plane that all tests share, and private ones for tests that count or change what
//! others see.

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use freehold::api;
use freehold_testbed::{ControlPlane, Options, Programs};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client, Config};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use super::chart::{Account, Chart};
use super::wait::eventually;

static SHARED: OnceCell<Account> = OnceCell::const_new();
/// One private control plane at a time is enough for two cores.
static TURN: Mutex<()> = Mutex::const_new(());

#[derive(Clone)]
pub struct Cluster {
    /// The administrator's.
    pub client: Client,
    /// The operator's: of the account that the chart makes, with no rights but those it gives.
    pub kubeconfig: PathBuf,
    /// Keeps the file.
    _account: Account,
}

pub fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run cargo xtask test"))
}

impl Cluster {
    pub async fn shared() -> Self {
        let kubeconfig = PathBuf::from(variable("FREEHOLD_TEST_KUBECONFIG"));
        let client = client_of(&kubeconfig).await;
        let account = SHARED
            .get_or_init(|| async {
                install(&client, api::crds()).await;
                Account::make(&client, &kubeconfig, Chart::installed()).await
            })
            .await;
        Self::with(client, account.clone())
    }

    /// The cluster of an administrator's kubeconfig.
    pub async fn at(kubeconfig: &Path) -> Self {
        let client = client_of(kubeconfig).await;
        let account = Account::make(&client, kubeconfig, Chart::installed()).await;
        Self::with(client, account)
    }

    pub fn with(client: Client, account: Account) -> Self {
        Self {
            client,
            kubeconfig: account.kubeconfig.clone(),
            _account: account,
        }
    }

    pub fn shared_address() -> SocketAddr {
        variable("FREEHOLD_TEST_API").parse().unwrap()
    }

    /// A kubectl command for the shared control plane.
    pub fn kubectl() -> tokio::process::Command {
        let mut command = tokio::process::Command::new(variable("FREEHOLD_TEST_KUBECTL"));
        command
            .env("KUBECONFIG", variable("FREEHOLD_TEST_KUBECONFIG"))
            .kill_on_drop(true);
        command
    }

    /// Installs CRDs and returns once the API server serves them.
    pub async fn install(&self, definitions: Vec<CustomResourceDefinition>) {
        install(&self.client, definitions).await;
    }
}

pub async fn client_of(kubeconfig: &Path) -> Client {
    let read = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

async fn install(client: &Client, definitions: Vec<CustomResourceDefinition>) {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let params = PatchParams::apply("freehold-tests").force();
    for definition in &definitions {
        let name = definition.metadata.name.as_deref().unwrap();
        api.patch(name, &params, &Patch::Apply(definition))
            .await
            .unwrap();
    }
    for definition in &definitions {
        let spec = &definition.spec;
        let stored = spec.versions.iter().find(|version| version.storage);
        let kind = GroupVersionKind::gvk(&spec.group, &stored.unwrap().name, &spec.names.kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, &spec.names.plural);
        let objects = Api::<DynamicObject>::all_with(client.clone(), &resource);
        let what = format!("{} are served", spec.names.plural);
        eventually(&what, async || {
            objects.list(&ListParams::default().limit(1)).await
        })
        .await;
    }
}

/// A control plane of the test's own.
pub struct PrivatePlane {
    pub plane: ControlPlane,
    _turn: MutexGuard<'static, ()>,
}

impl PrivatePlane {
    pub async fn start() -> Self {
        Self::start_with(Options {
            controller_manager: false,
            ..Options::default()
        })
        .await
    }

    pub async fn start_with(options: Options) -> Self {
        let turn = Self::turn().await;
        let programs = Programs::find_or_build().await.unwrap();
        let plane = ControlPlane::start(&programs, options).await.unwrap();
        Self { plane, _turn: turn }
    }

    /// Waits until no other test runs a control plane.
    pub async fn turn() -> MutexGuard<'static, ()> {
        TURN.lock().await
    }

    pub async fn cluster(&self) -> Cluster {
        Cluster::at(self.plane.kubeconfig()).await
    }

    /// The sum of the API server's request counters for which `counts` says yes to the labels.
    pub async fn requests(&self, counts: impl Fn(&str) -> bool) -> u64 {
        let output = self
            .plane
            .kubectl()
            .args(["get", "--raw", "/metrics"])
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .filter_map(|line| line.strip_prefix("apiserver_request_total{"))
            .filter_map(|line| line.split_once("} "))
            .filter(|(labels, _)| counts(labels))
            .map(|(_, value)| value.parse::<u64>().unwrap())
            .sum()
    }
}
