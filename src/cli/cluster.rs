//! The cluster that a command works on.

use std::time::Duration;

use kube::Client;

/// For one answer of the API server: a frozen one must not hold a command for ever.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A client of the kubeconfig's cluster, or of the pod's own account.
///
/// # Errors
/// Where there is neither.
pub async fn client() -> Result<Client, String> {
    let config = kube::Config::infer()
        .await
        .map_err(|error| format!("no cluster to work on: {error}; set KUBECONFIG"))?;
    of(config).map_err(|error| error.to_string())
}

/// A client for this configuration.
///
/// # Errors
/// Where it names certificates or keys that cannot be read.
pub fn of(mut config: kube::Config) -> kube::Result<Client> {
    config.read_timeout = Some(READ_TIMEOUT);
    Client::try_from(config)
}
