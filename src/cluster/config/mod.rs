//! The cluster that a command works on, found as kubectl finds it: a kubeconfig, or the pod's own
//! account. What the kube library reads otherwise than kubectl is put right here.

pub mod error;
mod kubeconfig;
mod proxy;
mod token_file;

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use http::Request;
use http::header::AUTHORIZATION;
use kube::client::{Body, ClientBuilder, RustlsTlsError};
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tower::BoxError;
use tower::util::{MapErrLayer, MapRequestLayer, option_layer};

use self::error::ConfigError;
use self::token_file::TokenFile;
use crate::telemetry::requests::CountRequests;

/// For one answer of the API server: a frozen one must not hold a command for ever.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A cluster and who asks it.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    pub config: Config,
    /// The kubeconfig's user, for messages.
    user: String,
}

impl ClusterConfig {
    /// The one of `KUBECONFIG` or `~/.kube/config`, or of the pod's own account.
    #[expect(
        clippy::unused_async,
        reason = "its callers wait for what they start with"
    )]
    pub async fn infer() -> Result<Self, ConfigError> {
        let found = Kubeconfig::read().map_err(ConfigError::from);
        let options = KubeConfigOptions::default();
        let mut cluster = match found.and_then(|found| Self::of(found, &options)) {
            Ok(cluster) => cluster,
            // Found, and not to be passed over.
            Err(error @ ConfigError::Proxy(_)) => return Err(error),
            Err(error) => Self {
                config: Config::incluster().map_err(|pod| ConfigError::Neither {
                    kubeconfig: error.to_string(),
                    pod,
                })?,
                user: "the pod's account".to_owned(),
            },
        };
        cluster.config.apply_debug_overrides();
        Ok(cluster)
    }

    /// The one that flags choose, or as [`Self::infer`].
    pub async fn chosen(file: Option<&Path>, context: Option<&str>) -> Result<Self, ConfigError> {
        let options = KubeConfigOptions {
            context: context.map(str::to_owned),
            ..KubeConfigOptions::default()
        };
        match file {
            Some(file) => Self::of(Kubeconfig::read_from(file)?, &options),
            None if context.is_some() => Self::of(Kubeconfig::read()?, &options),
            None => Self::infer().await,
        }
    }

    /// One of a kubeconfig.
    pub fn of(kubeconfig: Kubeconfig, options: &KubeConfigOptions) -> Result<Self, ConfigError> {
        Self::with(kubeconfig, options, |name| std::env::var(name).ok())
    }

    /// `variable` is the environment.
    fn with(
        kubeconfig: Kubeconfig,
        options: &KubeConfigOptions,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let (context, cluster, account) = kubeconfig::choose(kubeconfig, options)?;
        let user = context.user.as_ref();
        let user = user.map_or("the kubeconfig".to_owned(), |user| format!("user {user}"));
        let proxy_url = cluster.proxy_url.clone();
        let mut config = kubeconfig::config(context, cluster, account)?;
        config.proxy_url = proxy::of(&config.cluster_url, proxy_url.as_deref(), variable)?;
        Ok(Self { config, user })
    }

    /// A client with this configuration in place of its own, whose requests may be counted.
    pub fn client_with(
        &self,
        mut config: Config,
        counted: Option<CountRequests>,
    ) -> Result<Client, ConfigError> {
        let token = token_file(&mut config.auth_info).map(TokenFile::open);
        let token = token.transpose()?.map(|token| {
            MapRequestLayer::new(move |mut request: Request<Body>| {
                request.headers_mut().insert(AUTHORIZATION, token.header());
                request
            })
        });
        let server = config.cluster_url.to_string();
        let builder = ClientBuilder::try_from(config).map_err(|error| self.why(error))?;
        Ok(builder
            .with_layer(&MapErrLayer::new(move |error| named(&server, error)))
            .with_layer(&option_layer(token))
            .with_layer(&option_layer(counted))
            .build())
    }

    /// A client for a command.
    pub fn client(&self) -> Result<Client, ConfigError> {
        self.client_within(READ_TIMEOUT)
    }

    /// A client that waits so long for an answer.
    pub fn client_within(&self, timeout: Duration) -> Result<Client, ConfigError> {
        let mut config = self.config.clone();
        config.read_timeout = Some(timeout);
        self.client_with(config, None)
    }

    /// Rustls looks at the certificate while it looks for the key that belongs to it, and kube says
    /// that the key is invalid.
    fn why(&self, error: kube::Error) -> ConfigError {
        let user = self.user.clone();
        match error {
            kube::Error::RustlsTls(RustlsTlsError::InvalidPrivateKey(
                why @ rustls::Error::InvalidCertificate(_),
            )) => {
                // The type is that of a library below rustls.
                if format!("{why:?}").contains("UnsupportedCertVersion") {
                    ConfigError::CertificateVersion(user)
                } else {
                    ConfigError::Certificate { user, why }
                }
            }
            error => ConfigError::Client(Box::new(error)),
        }
    }
}

/// A request that had no answer, with the server and every cause: the library tells neither.
#[derive(Debug, thiserror::Error)]
#[error("{server}: {}", causes(&**source))]
struct Unanswered {
    server: String,
    source: BoxError,
}

fn named(server: &str, error: BoxError) -> BoxError {
    // Its own, of credentials, are sorted by their type.
    if error.is::<kube::Error>() {
        return error;
    }
    Box::new(Unanswered {
        server: server.trim_end_matches('/').to_owned(),
        source: error,
    })
}

/// The error and what caused it, each said once.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        next = cause.source();
    }
    said
}

/// Takes the token file out of what kube is to read, where that is what it would read.
fn token_file(user: &mut AuthInfo) -> Option<String> {
    let other = user.auth_provider.is_some()
        || (user.username.is_some() && user.password.is_some())
        || user.token.is_some();
    if other { None } else { user.token_file.take() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `openssl x509 -req` without extensions.
    const VERSION_1: &str = include_str!("testdata/version-1.pem");
    const KEY: &str = include_str!("testdata/key.pem");

    fn kubeconfig(cluster: &str, user: &str) -> Kubeconfig {
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: c,
               clusters: [{{name: c, cluster: {{server: 'https://192.0.2.1'{cluster}}}}}],
               contexts: [{{name: c, context: {{cluster: c, user: ops, namespace: acme}}}}],
               users: [{{name: ops, user: {user}}}]}}"
        );
        Kubeconfig::from_yaml(&text).unwrap()
    }

    fn cluster(user: &str) -> Result<ClusterConfig, ConfigError> {
        ClusterConfig::of(kubeconfig("", user), &KubeConfigOptions::default())
    }

    fn refusal(user: &str) -> String {
        let refused = cluster(user).unwrap().client();
        refused.map(|_| ()).unwrap_err().to_string()
    }

    /// The proxy that is used with these variables, or why none can be.
    fn proxied(variables: &[(&str, &str)]) -> String {
        let variable = |name: &str| {
            let mut variables = variables.iter();
            let found = variables.find(|(set, _)| *set == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let options = KubeConfigOptions::default();
        match ClusterConfig::with(kubeconfig("", "{}"), &options, variable) {
            Ok(cluster) => format!("{:?}", cluster.config.proxy_url),
            Err(ConfigError::Proxy(error)) => error.to_string(),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn variables_of_proxies_are_read_as_others_read_them() {
        let proxy = ("HTTPS_PROXY", "http://proxy:3128");
        for no_proxy in ["a,,b", ",", "a,", " , ,"] {
            let found = proxied(&[proxy, ("NO_PROXY", no_proxy)]);
            assert_eq!(found, "Some(http://proxy:3128/)", "{no_proxy}");
        }
        assert_eq!(proxied(&[proxy, ("NO_PROXY", "a,,192.0.2.0/24,")]), "None");
        let said = proxied(&[("https_proxy", "http://u:secret@pro xy:1")]);
        assert!(said.starts_with("https_proxy is not a proxy URL"), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }

    #[test]
    fn what_a_kubeconfig_says_is_in_the_configuration() {
        let base64 = data_encoding::BASE64.encode(VERSION_1.as_bytes());
        let cluster = format!(
            ", tls-server-name: api.example, insecure-skip-tls-verify: true,
             certificate-authority-data: {base64}, extensions: [
               {{name: other, extension: 1}},
               {{name: client.authentication.k8s.io/exec, extension: {{a: b}}}}]"
        );
        let exec = "{exec: {apiVersion: v1, command: login, provideClusterInfo: true}}";
        let options = KubeConfigOptions::default();
        let config = ClusterConfig::of(kubeconfig(&cluster, exec), &options)
            .unwrap()
            .config;
        assert_eq!(config.default_namespace, "acme");
        assert_eq!(config.tls_server_name.as_deref(), Some("api.example"));
        assert!(config.accept_invalid_certs && !config.disable_compression);
        assert_eq!(config.root_cert.unwrap().len(), 1);
        let told = config.auth_info.exec.unwrap().cluster.unwrap();
        assert_eq!(told.server.as_deref(), Some("https://192.0.2.1"));
        assert_eq!(
            told.certificate_authority_data.as_deref(),
            Some(VERSION_1.as_bytes())
        );
        assert_eq!(told.config, Some(serde_json::json!({ "a": "b" })));
        let other = KubeConfigOptions {
            context: Some("other".to_owned()),
            ..options
        };
        let missing = ClusterConfig::of(kubeconfig("", "{}"), &other).unwrap_err();
        assert!(missing.to_string().contains("other"), "{missing}");
    }

    #[test]
    fn a_certificate_authority_that_cannot_be_read_is_named() {
        let data = format!(
            ", certificate-authority-data: {}",
            data_encoding::BASE64.encode(b"-----BEGIN CERTIFICATE-----\n?\n")
        );
        for (cluster, named) in [
            (
                ", certificate-authority: /nowhere/ca.crt",
                "/nowhere/ca.crt",
            ),
            (", certificate-authority-data: '?'", "base64"),
            (data.as_str(), "the cluster's CA certificate"),
        ] {
            let refused =
                ClusterConfig::of(kubeconfig(cluster, "{}"), &KubeConfigOptions::default());
            let said = refused.map(|_| ()).unwrap_err().to_string();
            assert!(said.contains(named), "{said}");
        }
    }

    #[tokio::test]
    async fn a_certificate_of_version_1_is_named_and_no_invalid_key() {
        let base64 = |text: &str| data_encoding::BASE64.encode(text.as_bytes());
        let certificate = |text: &str| {
            let (certificate, key) = (base64(text), base64(KEY));
            format!("{{client-certificate-data: {certificate}, client-key-data: {key}}}")
        };
        let said = refusal(&certificate(VERSION_1));
        assert!(said.contains("of user ops has X.509 version 1"), "{said}");
        assert!(said.contains("extendedKeyUsage"), "{said}");
        assert!(!said.contains("key:"), "{said}");
        let broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        let said = refusal(&certificate(broken));
        assert!(
            said.contains("certificate of user ops cannot be used"),
            "{said}"
        );
    }

    #[tokio::test]
    async fn a_token_file_that_holds_no_token_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for content in [None, Some(" \n"), Some("a\nb")] {
            if let Some(content) = content {
                std::fs::write(&path, content).unwrap();
            }
            let said = refusal(&format!("{{tokenFile: '{}'}}", path.display()));
            assert!(said.contains(path.to_str().unwrap()), "{said}");
        }
    }

    #[tokio::test]
    async fn a_token_in_the_kubeconfig_goes_before_a_token_file() {
        let user = "{token: abc, tokenFile: /nowhere}";
        cluster(user).unwrap().client().unwrap();
    }
}
