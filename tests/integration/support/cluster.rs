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

use super::wait::eventually;

static DEFINITIONS: OnceCell<()> = OnceCell::const_new();
/// One private control plane at a time is enough for two cores.
static TURN: Mutex<()> = Mutex::const_new(());

#[derive(Clone)]
pub struct Cluster {
    pub client: Client,
    pub kubeconfig: PathBuf,
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run cargo xtask test"))
}

impl Cluster {
    pub async fn shared() -> Self {
        let kubeconfig = variable("FREEHOLD_TEST_KUBECONFIG");
        let cluster = Self::at(Path::new(&kubeconfig)).await;
        DEFINITIONS
            .get_or_init(|| cluster.install(api::crds()))
            .await;
        cluster
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

    pub async fn at(kubeconfig: &Path) -> Self {
        let read = Kubeconfig::read_from(kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
            .await
            .unwrap();
        Self {
            client: Client::try_from(config).unwrap(),
            kubeconfig: kubeconfig.to_owned(),
        }
    }

    /// Installs definitions and returns once the API server serves them.
    pub async fn install(&self, definitions: Vec<CustomResourceDefinition>) {
        let api = Api::<CustomResourceDefinition>::all(self.client.clone());
        let params = PatchParams::apply("freehold-tests").force();
        for definition in &definitions {
            let name = definition.metadata.name.as_deref().unwrap();
            api.patch(name, &params, &Patch::Apply(definition))
                .await
                .unwrap();
        }
        for definition in &definitions {
            let spec = &definition.spec;
            let kind = GroupVersionKind::gvk(&spec.group, "v1alpha1", &spec.names.kind);
            let resource = ApiResource::from_gvk_with_plural(&kind, &spec.names.plural);
            let objects = Api::<DynamicObject>::all_with(self.client.clone(), &resource);
            let what = format!("{} are served", spec.names.plural);
            eventually(&what, async || {
                objects.list(&ListParams::default().limit(1)).await
            })
            .await;
        }
    }
}

/// A control plane of the test's own.
pub struct PrivatePlane {
    pub plane: ControlPlane,
    _turn: MutexGuard<'static, ()>,
}

impl PrivatePlane {
    pub async fn start() -> Self {
        let turn = Self::turn().await;
        let programs = Programs::find_or_build().await.unwrap();
        let options = Options {
            controller_manager: false,
        };
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
