//! Settings of the certificate, and the sources they mean.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use service::tls::files::{Files, Seen};

use super::keeper::Source;
use super::policy::Lifetimes;
use super::store::Store;
use crate::cluster::Cluster;

/// An authority must outlast several certificates: one is replaced while another that it signed is still served.
const LEAVES_PER_AUTHORITY: u32 = 4;

/// Who makes and renews the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// The injector itself: authority and certificate in a Secret that its replicas share.
    SelfManaged,
    /// cert-manager: files from its Secret, and its injection of `caBundle`.
    CertManager,
    /// Whoever writes the files, and `caBundle` too.
    Files,
}

/// Settings of the certificate.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Certificate")]
pub struct CertificateArgs {
    /// Who makes and renews the certificate; by default `files` with --tls-cert, else `self-managed`
    #[arg(long, env = "AGENT_COMMS_CERTIFICATE_MODE", value_name = "MODE")]
    pub certificate_mode: Option<Mode>,
    /// Certificate that is served, a PEM file with its chain; read again when its content changes
    #[arg(long, env = "AGENT_COMMS_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key, a PEM file
    #[arg(long, env = "AGENT_COMMS_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Secret of the self-managed certificate, in the injector's namespace
    #[arg(long, env = "AGENT_COMMS_CERTIFICATE_SECRET", default_value = "agent-comms-injector-certificate", value_name = "NAME")]
    pub certificate_secret: String,
    /// DNS names and addresses of a self-managed certificate; by default that of the Service `agent-comms-injector`
    #[arg(long, env = "AGENT_COMMS_CERTIFICATE_NAMES", value_delimiter = ',', value_name = "NAME,...")]
    pub certificate_names: Vec<String>,
    /// How long a self-managed certificate lasts; it is renewed when a third is left
    #[arg(long, env = "AGENT_COMMS_CERTIFICATE_LIFETIME", default_value = "30d", value_parser = duration, value_name = "TIME")]
    pub certificate_lifetime: Duration,
    /// How long its authority lasts; a new one is made when a third is left
    #[arg(long, env = "AGENT_COMMS_AUTHORITY_LIFETIME", default_value = "360d", value_parser = duration, value_name = "TIME")]
    pub authority_lifetime: Duration,
    /// How long API servers are given to learn of a new authority before it signs
    #[arg(long, env = "AGENT_COMMS_AUTHORITY_OVERLAP", default_value = "5m", value_parser = duration, value_name = "TIME")]
    pub authority_overlap: Duration,
    /// The `MutatingWebhookConfiguration` that calls this injector
    #[arg(long, env = "AGENT_COMMS_WEBHOOK_CONFIGURATION", default_value = "agent-comms-injector", value_name = "NAME")]
    pub webhook_configuration: String,
}

impl CertificateArgs {
    /// Who makes and renews the certificate.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.certificate_mode.unwrap_or(if self.tls_cert.is_some() { Mode::Files } else { Mode::SelfManaged })
    }

    /// What the settings mean, in this cluster.
    pub fn source(self, cluster: Option<&Cluster>) -> anyhow::Result<Source> {
        let mode = self.mode();
        if mode == Mode::SelfManaged {
            return self.self_managed(cluster);
        }
        let (Some(certificate), Some(key)) = (self.tls_cert.clone(), self.tls_key.clone()) else {
            bail!("certificates from files need --tls-cert and --tls-key");
        };
        let files = Files { certificate, key };
        let store = match mode {
            Mode::CertManager => Some(self.store(cluster)?),
            _ => None,
        };
        Ok(Source::Files { files, seen: Seen::default(), store })
    }

    fn self_managed(self, cluster: Option<&Cluster>) -> anyhow::Result<Source> {
        if self.tls_cert.is_some() {
            bail!("a self-managed certificate comes from no file: leave out --tls-cert and --tls-key");
        }
        let (leaf, authority) = (self.certificate_lifetime, self.authority_lifetime);
        if leaf.is_zero() || leaf.saturating_mul(LEAVES_PER_AUTHORITY) > authority {
            bail!("an authority must last {LEAVES_PER_AUTHORITY} times as long as a certificate, at least");
        }
        let lifetimes = Lifetimes { leaf, authority, overlap: self.authority_overlap };
        let store = self.store(cluster)?;
        let mut names = self.certificate_names;
        if let Some(cluster) = cluster.filter(|_| names.is_empty()) {
            names.push(format!("agent-comms-injector.{}.svc", cluster.namespace));
        }
        Ok(Source::SelfManaged { store, names, lifetimes, introduced: None })
    }

    fn store(&self, cluster: Option<&Cluster>) -> anyhow::Result<Store> {
        let cluster = cluster.context("the certificate needs the API server")?;
        let names = (&self.certificate_secret, &self.webhook_configuration);
        Ok(Store::new(cluster.client.clone(), &cluster.namespace, names.0, names.1))
    }
}

/// A number and its unit: `30d`, `12h`, `5m`, `90s`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time; write it as 30d, 12h, 5m or 90s");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text.strip_suffix(unit).and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    number.checked_mul(seconds).filter(|seconds| *seconds < u64::from(u32::MAX)).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests;
