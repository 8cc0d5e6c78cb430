//! The arguments of commands that work on a cluster, as kubectl has them.

use std::path::PathBuf;

use clap::Args;
use kube::Client;

use crate::cluster::config::ClusterConfig;

#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArguments {
    /// Path of the kubeconfig, instead of KUBECONFIG and ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig to use. Defaults to the current one.
    #[arg(long)]
    context: Option<String>,
}

impl ClusterArguments {
    /// A client, and the address of the API server.
    pub async fn client(&self) -> Result<(Client, String), String> {
        let (file, context) = (self.kubeconfig.as_deref(), self.context.as_deref());
        let chosen = ClusterConfig::chosen(file, context).await;
        let found = chosen.and_then(|cluster| {
            let server = cluster.config.cluster_url.to_string();
            Ok((cluster.client()?, server.trim_end_matches('/').to_owned()))
        });
        found.map_err(|error| format!("no cluster configuration: {error}; set KUBECONFIG"))
    }
}
