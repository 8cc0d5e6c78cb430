//! Why there is no cluster to work on.

use kube::config::{InClusterError, KubeconfigError};

use super::proxy::ProxyError;
use super::token_file::TokenError;

/// Why there is no cluster to work on.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{0}")]
    Kubeconfig(#[from] KubeconfigError),
    #[error("the cluster's certificate authority cannot be read: {0}")]
    Authority(String),
    #[error("no kubeconfig: {kubeconfig}; and no pod: {pod}")]
    Neither {
        kubeconfig: String,
        pod: InClusterError,
    },
    #[error("{0}")]
    Proxy(#[from] ProxyError),
    #[error("{0}")]
    Token(#[from] TokenError),
    #[error(
        "the client certificate of {0} has X.509 version 1, which TLS 1.3 and this program do not take: have it issued with version 3, for instance with the extension extendedKeyUsage=clientAuth"
    )]
    CertificateVersion(String),
    #[error("the client certificate of {user} cannot be used: {why}")]
    Certificate { user: String, why: rustls::Error },
    #[error("{0}")]
    Client(Box<kube::Error>),
}
