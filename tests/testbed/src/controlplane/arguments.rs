//! Where the control plane's files and ports are, and the programs' command lines made from them.

use std::path::{Path, PathBuf};

/// The controllers that Freehold and its tests meet; the others only cost time.
const CONTROLLERS: &str = "clusterrole-aggregation-controller,garbage-collector-controller,\
    namespace-controller,root-ca-certificate-publisher-controller,serviceaccount-controller,\
    serviceaccount-token-controller";

#[derive(Debug)]
pub(super) struct Layout {
    folder: PathBuf,
    pub(super) etcd_client_port: u16,
    etcd_peer_port: u16,
    pub(super) api_port: u16,
    audit: bool,
}

impl Layout {
    pub(super) fn new(folder: &Path, ports: [u16; 3], audit: bool) -> Self {
        let [etcd_client_port, etcd_peer_port, api_port] = ports;
        Self {
            folder: folder.to_owned(),
            etcd_client_port,
            etcd_peer_port,
            api_port,
            audit,
        }
    }

    pub(super) fn log(&self, program: &str) -> PathBuf {
        self.folder.join("logs").join(format!("{program}.log"))
    }

    /// Self-signed by the API server; it holds its own CA.
    pub(super) fn certificate(&self) -> PathBuf {
        self.folder.join("apiserver/apiserver.crt")
    }

    pub(super) fn service_account_key(&self) -> PathBuf {
        self.folder.join("service-account.key")
    }

    pub(super) fn service_account_public_key(&self) -> PathBuf {
        self.folder.join("service-account.pub")
    }

    pub(super) fn audit_policy(&self) -> PathBuf {
        self.folder.join("audit-policy.yaml")
    }

    pub(super) fn audit_log(&self) -> PathBuf {
        self.folder.join("audit.log")
    }

    pub(super) fn tokens(&self) -> PathBuf {
        self.folder.join("tokens.csv")
    }

    pub(super) fn etcd(&self) -> Vec<String> {
        let client = loopback(self.etcd_client_port);
        let peer = loopback(self.etcd_peer_port);
        vec![
            "--name=freehold".to_owned(),
            option("data-dir", &self.folder.join("etcd")),
            // Nothing here must survive a power cut.
            "--unsafe-no-fsync".to_owned(),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=freehold={peer}"),
            "--log-level=warn".to_owned(),
        ]
    }

    pub(super) fn api_server(&self) -> Vec<String> {
        let mut arguments = vec![
            format!("--etcd-servers={}", loopback(self.etcd_client_port)),
            option("cert-dir", &self.folder.join("apiserver")),
            format!("--secure-port={}", self.api_port),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            // The `kubernetes` service would have a loopback endpoint, which is not allowed.
            "--endpoint-reconciler-type=none".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            option(
                "service-account-signing-key-file",
                &self.service_account_key(),
            ),
            option(
                "service-account-key-file",
                &self.service_account_public_key(),
            ),
            option("token-auth-file", &self.tokens()),
            "--authorization-mode=RBAC".to_owned(),
            "--disable-admission-plugins=ServiceAccount".to_owned(),
            "--max-requests-inflight=800".to_owned(),
            "--max-mutating-requests-inflight=400".to_owned(),
            "--profiling=false".to_owned(),
        ];
        if self.audit {
            arguments.extend([
                option("audit-policy-file", &self.audit_policy()),
                option("audit-log-path", &self.audit_log()),
            ]);
        }
        arguments
    }

    pub(super) fn controller_manager(&self, kubeconfig: &Path) -> Vec<String> {
        vec![
            option("kubeconfig", kubeconfig),
            format!("--controllers={CONTROLLERS}"),
            "--leader-elect=false".to_owned(),
            "--use-service-account-credentials=false".to_owned(),
            option(
                "service-account-private-key-file",
                &self.service_account_key(),
            ),
            option("root-ca-file", &self.certificate()),
            "--bind-address=127.0.0.1".to_owned(),
            // Serves nothing: nobody asks it.
            "--secure-port=0".to_owned(),
            "--kube-api-qps=100".to_owned(),
            "--kube-api-burst=200".to_owned(),
        ]
    }
}

fn option(name: &str, value: &Path) -> String {
    format!("--{name}={}", value.display())
}

fn loopback(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
