//! The way to the API server.

use std::path::Path;

use anyhow::Context as _;
use kube::config::{KubeConfigOptions, Kubeconfig};

/// A client as the given file says, else as `KUBECONFIG` or the pod's service account says. It keeps connections and reads
/// tokens again when they change.
pub async fn client(kubeconfig: Option<&Path>) -> anyhow::Result<kube::Client> {
    let config = match kubeconfig {
        Some(path) => {
            let kubeconfig = Kubeconfig::read_from(path).with_context(|| format!("cannot read `{}`", path.display()))?;
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
            config.with_context(|| format!("cannot use `{}`", path.display()))?
        }
        None => kube::Config::infer().await.context(
            "cannot find the API server; run in a pod with a service account, or give --kubeconfig, or serve with --tls-cert",
        )?,
    };
    kube::Client::try_from(config).context("cannot make a client of the API server")
}
