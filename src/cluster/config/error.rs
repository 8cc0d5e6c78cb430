use kube::config::{InClusterError, KubeconfigError};

use super::proxy::ProxyError;
use super::token_file::TokenError;

/// Why there is no cluster to work on.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{0}")]
    Kubeconfig(#[from] KubeconfigError),
    #[error("cannot read the cluster's CA certificate: {0}")]
    Authority(String),
    #[error("no kubeconfig ({kubeconfig}) and no pod's service account ({pod})")]
    Neither {
        kubeconfig: String,
        pod: InClusterError,
    },
    #[error("{0}")]
    Proxy(#[from] ProxyError),
    #[error("{0}")]
    Token(#[from] TokenError),
    #[error(
        "the client certificate of {0} has X.509 version 1, which TLS 1.3 and this program do not accept: issue it with version 3, for example with the extension extendedKeyUsage=clientAuth"
    )]
    CertificateVersion(String),
    #[error("the client certificate of {user} cannot be used: {why}")]
    Certificate { user: String, why: rustls::Error },
    #[error("{0}")]
    Client(Box<kube::Error>),
}
