//! What a client needs to act as one user of an API server.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;

use crate::certificates::{IdentityFiles, write_private};

/// What says who a client is.
pub(super) enum Proof {
    Certificate(IdentityFiles),
    Token(String),
}

/// A user of an API server.
#[derive(Clone, Debug)]
pub struct Access {
    kubeconfig: PathBuf,
}

impl Access {
    /// Writes the file.
    pub(super) fn write(kubeconfig: PathBuf, url: &str, authority: &Path, proof: Proof) -> Result<Self> {
        let user = match proof {
            Proof::Certificate(files) => json!({ "client-certificate": files.certificate, "client-key": files.key }),
            Proof::Token(token) => json!({ "token": token }),
        };
        let text = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "test", "cluster": { "server": url, "certificate-authority": authority } }],
            "users": [{ "name": "test", "user": user }],
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
            "current-context": "test",
        });
        write_private(&kubeconfig, &text.to_string())?;
        Ok(Self { kubeconfig })
    }

    /// The file that `KUBECONFIG` or `--kubeconfig` names.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Settings of a client.
    pub async fn config(&self) -> Result<kube::Config> {
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig)?;
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        config.with_context(|| format!("cannot use {}", self.kubeconfig.display()))
    }

    /// A client, driven by a task of the runtime that this is called in.
    pub async fn client(&self) -> Result<kube::Client> {
        let client = kube::Client::try_from(self.config().await?);
        client.with_context(|| format!("cannot make a client of {}", self.kubeconfig.display()))
    }
}
