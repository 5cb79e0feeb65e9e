//! The way to the API server.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig};

/// Kubernetes sets it in every container.
const IN_POD: &str = "KUBERNETES_SERVICE_HOST";

/// Settings of the way to the API server.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArgs {
    /// How to reach the API server, a kubeconfig file; by default `KUBECONFIG`, else the service account
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Namespace of the injector; by default that of its service account
    #[arg(long, env = "AGENT_COMMS_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<String>,
}

/// An API server, and where in it we are.
#[derive(Clone)]
pub struct Cluster {
    /// Keeps connections, and reads tokens again when they change.
    pub client: kube::Client,
    /// The injector's namespace.
    pub namespace: String,
}

impl ClusterArgs {
    /// The cluster that the settings mean.
    pub async fn connect(self) -> anyhow::Result<Cluster> {
        let client = client(self.kubeconfig.as_deref()).await?;
        let namespace = self.namespace.unwrap_or_else(|| client.default_namespace().to_owned());
        Ok(Cluster { client, namespace })
    }

    /// The same where a cluster is of use and not needed: none outside a pod, unless one is named.
    pub async fn connect_if_there(self) -> anyhow::Result<Option<Cluster>> {
        if self.kubeconfig.is_none() && env::var_os(IN_POD).is_none() {
            return Ok(None);
        }
        self.connect().await.map(Some)
    }
}

/// A client of the API server that a kubeconfig file means, else `KUBECONFIG`, else the service account.
pub async fn client(kubeconfig: Option<&Path>) -> anyhow::Result<kube::Client> {
    let config = match kubeconfig {
        Some(path) => {
            let kubeconfig = Kubeconfig::read_from(path).with_context(|| format!("cannot read `{}`", path.display()))?;
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
            config.with_context(|| format!("cannot use `{}`", path.display()))?
        }
        None => kube::Config::infer().await.context(
            "cannot find the API server; give --kubeconfig, or run in a pod with a service account (serve needs none with --tls-cert)",
        )?,
    };
    kube::Client::try_from(config).context("cannot make a client of the API server")
}
