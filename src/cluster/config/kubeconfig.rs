//! What a kubeconfig says of a cluster and its user. Kube makes a configuration of it too, but reads the
//! variables of proxies meanwhile, and refuses what curl, Go and kubectl take.

use std::fs;

use data_encoding::BASE64;
use http::Uri;
use kube::Config;
use kube::config::{
    AuthInfo, Cluster, Context, ExecAuthCluster, KubeConfigOptions, Kubeconfig, KubeconfigError,
    NamedExtension,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::error::ConfigError;

/// The extension of a cluster that is meant for the program that logs in.
const OF_EXEC: &str = "client.authentication.k8s.io/exec";

/// What is chosen of a kubeconfig.
pub fn choose(
    kubeconfig: Kubeconfig,
    options: &KubeConfigOptions,
) -> Result<(Context, Cluster, AuthInfo), ConfigError> {
    let name = options.context.clone().or(kubeconfig.current_context);
    let name = name.ok_or(KubeconfigError::CurrentContextNotSet)?;
    let mut contexts = kubeconfig.contexts.into_iter();
    let context = contexts
        .find(|named| named.name == name)
        .and_then(|named| named.context)
        .ok_or(KubeconfigError::LoadContext(name))?;
    let mut clusters = kubeconfig.clusters.into_iter();
    let cluster = clusters
        .find(|named| named.name == context.cluster)
        .and_then(|named| named.cluster)
        .ok_or_else(|| KubeconfigError::LoadClusterOfContext(context.cluster.clone()))?;
    // One that is missing is nobody, as for kubectl.
    let mut users = kubeconfig.auth_infos.into_iter();
    let user = users
        .find(|named| Some(&named.name) == context.user.as_ref())
        .and_then(|named| named.auth_info)
        .unwrap_or_default();
    Ok((context, cluster, user))
}

/// The configuration, without a proxy.
pub fn config(
    context: Context,
    cluster: Cluster,
    mut user: AuthInfo,
) -> Result<Config, ConfigError> {
    let authority = authority(&cluster)?;
    let server = cluster.server.as_deref();
    let server: Uri = server
        .ok_or(KubeconfigError::MissingClusterUrl)?
        .parse()
        .map_err(KubeconfigError::ParseClusterUrl)?;
    let mut config = Config::new(server);
    if let Some(namespace) = context.namespace {
        config.default_namespace = namespace;
    }
    if let Some(pem) = &authority {
        config.root_cert = Some(certificates(pem)?);
    }
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or_default();
    config.disable_compression = cluster.disable_compression.unwrap_or_default();
    config.tls_server_name.clone_from(&cluster.tls_server_name);
    if let Some(exec) = &mut user.exec
        && exec.provide_cluster_info
    {
        let mut extensions = cluster.extensions.into_iter().flatten();
        let is_for_it = |extension: &NamedExtension| extension.name == OF_EXEC;
        exec.cluster = Some(ExecAuthCluster {
            server: cluster.server,
            insecure_skip_tls_verify: cluster.insecure_skip_tls_verify,
            certificate_authority_data: authority,
            proxy_url: cluster.proxy_url,
            tls_server_name: cluster.tls_server_name,
            config: extensions.find(is_for_it).map(|found| found.extension),
        });
    }
    config.auth_info = user;
    Ok(config)
}

/// The certificates that the server's is held against, as PEM; those in the kubeconfig go before a file.
fn authority(cluster: &Cluster) -> Result<Option<Vec<u8>>, ConfigError> {
    let file = cluster.certificate_authority.as_deref();
    let read = match (&cluster.certificate_authority_data, file) {
        (Some(text), _) => BASE64
            .decode(text.as_bytes())
            .map_err(|error| format!("certificate-authority-data is not base64: {error}")),
        (None, Some(file)) => fs::read(file).map_err(|error| format!("{file}: {error}")),
        (None, None) => return Ok(None),
    };
    read.map(Some).map_err(ConfigError::Authority)
}

fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, ConfigError> {
    CertificateDer::pem_slice_iter(pem)
        .map(|found| found.map(|certificate| certificate.to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|error| ConfigError::Authority(error.to_string()))
}
