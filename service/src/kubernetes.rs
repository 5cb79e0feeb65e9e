//! The way to the API server.

use std::path::Path;

use anyhow::Context as _;
use kube::config::{KubeConfigOptions, Kubeconfig};

/// A client of the API server that a kubeconfig file means, else `KUBECONFIG`, else the service account; of a kubeconfig with
/// several clusters this context's, else the current one's. It keeps connections, and reads tokens again when they change.
///
/// # Errors
/// When no API server is named anywhere, or what names one cannot be used.
pub async fn client(kubeconfig: Option<&Path>, context: Option<&str>) -> anyhow::Result<kube::Client> {
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let config = match (kubeconfig, context) {
        (Some(path), _) => {
            let kubeconfig = Kubeconfig::read_from(path).with_context(|| format!("cannot read `{}`", path.display()))?;
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
            config.with_context(|| format!("cannot use `{}`", path.display()))?
        }
        (None, Some(context)) => {
            let config = kube::Config::from_kubeconfig(&options).await;
            config.with_context(|| format!("cannot use the context `{context}` of the kubeconfig"))?
        }
        (None, None) => kube::Config::infer()
            .await
            .context("cannot find the API server; give --kubeconfig, or run in a pod with a service account")?,
    };
    kube::Client::try_from(config).context("cannot make a client of the API server")
}
