//! The way to the API server.

use std::env;
use std::path::{Path, PathBuf};

use clap::Args;

/// Kubernetes sets it in every container.
const IN_POD: &str = "KUBERNETES_SERVICE_HOST";
/// Names a kubeconfig file where no flag does.
const NAMED: &str = "KUBECONFIG";
/// Where Kubernetes puts the token of a pod's service account, unless it is told not to (`automountServiceAccountToken`).
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

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
        let client = service::kubernetes::client(self.kubeconfig.as_deref(), None).await?;
        let namespace = self.namespace.unwrap_or_else(|| client.default_namespace().to_owned());
        Ok(Cluster { client, namespace })
    }

    /// The same where a cluster is of use and not needed: none outside a pod, unless one is named, and none in a pod that was
    /// given no token of a service account.
    pub async fn connect_if_there(self) -> anyhow::Result<Option<Cluster>> {
        let is_named = self.kubeconfig.is_some() || env::var_os(NAMED).is_some();
        if !is_named && env::var_os(IN_POD).is_none() {
            return Ok(None);
        }
        if !is_named && !Path::new(TOKEN).exists() {
            tracing::info!(
                token = TOKEN,
                "no token of a service account is in this pod: reviews are answered, and owners above Jobs, missed pods and events are left out"
            );
            return Ok(None);
        }
        self.connect().await.map(Some)
    }
}
