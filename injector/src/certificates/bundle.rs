//! The webhook configuration: what its entries trust, and the change that makes all of them trust what they must.
//!
//! It is read as plain JSON, and changed by a patch that names entries by their names and carries the version that was
//! read: nothing that somebody else wrote is lost.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::{Value, json};

/// One webhook of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// The host that the API server asks the certificate for; none when the entry names neither service nor URL.
    pub host: Option<String>,
    /// Certificates of the authorities that it trusts, PEM.
    pub bundle: Vec<u8>,
}

/// Why the API server would refuse a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// Nobody would call us.
    #[error("there is no webhook configuration of this name, or it has no webhooks")]
    NoEntries,
    /// An entry that says nothing of where it goes.
    #[error("webhook `{0}` names no service and no url")]
    NoHost(String),
    /// An entry without a bundle: the API server would take the machine's authorities.
    #[error("webhook `{0}` has no caBundle yet")]
    NoBundle(String),
    /// A bundle that is no list of certificates.
    #[error("the caBundle of webhook `{0}` cannot be read")]
    Unreadable(String),
    /// The certificate does not verify.
    #[error("the caBundle of webhook `{webhook}` does not verify the certificate for `{host}`: {error}")]
    Refused {
        /// Name of the entry.
        webhook: String,
        /// The host.
        host: String,
        /// What the verifier said.
        error: String,
    },
}

/// The webhooks of a `MutatingWebhookConfiguration`.
#[must_use]
pub fn entries(configuration: &Value) -> Vec<Entry> {
    let webhooks = configuration.get("webhooks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    webhooks.iter().map(entry).collect()
}

/// The strategic merge patch after which every entry trusts `bundle` and nothing else; none when all do already.
#[must_use]
pub fn patch(configuration: &Value, bundle: &str) -> Option<Value> {
    let wrong: Vec<Entry> = entries(configuration).into_iter().filter(|entry| entry.bundle != bundle.as_bytes()).collect();
    if wrong.is_empty() {
        return None;
    }
    let encoded = STANDARD.encode(bundle);
    let webhooks: Vec<Value> =
        wrong.iter().map(|entry| json!({ "name": entry.name, "clientConfig": { "caBundle": encoded } })).collect();
    let version = configuration.pointer("/metadata/resourceVersion");
    Some(json!({ "metadata": { "resourceVersion": version }, "webhooks": webhooks }))
}

/// Whether the API server would take this chain (leaf first) from every entry at `now`.
pub fn trust(entries: &[Entry], chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Distrust> {
    if entries.is_empty() {
        return Err(Distrust::NoEntries);
    }
    entries.iter().try_for_each(|entry| entry.trust(chain, now))
}

impl Entry {
    fn trust(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Distrust> {
        let unreadable = || Distrust::Unreadable(self.name.clone());
        let host = self.host.clone().ok_or_else(|| Distrust::NoHost(self.name.clone()))?;
        if self.bundle.is_empty() {
            return Err(Distrust::NoBundle(self.name.clone()));
        }
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&self.bundle) {
            roots.add(certificate.map_err(|_| unreadable())?).map_err(|_| unreadable())?;
        }
        let refused = |error: String| Distrust::Refused { webhook: self.name.clone(), host: host.clone(), error };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().map_err(|_| unreadable())?;
        let name = ServerName::try_from(host.as_str()).map_err(|error| refused(error.to_string()))?;
        let (leaf, intermediates) = chain.split_first().ok_or_else(|| refused("there is none".to_owned()))?;
        verifier.verify_server_cert(leaf, intermediates, &name, &[], now).map(drop).map_err(|error| refused(error.to_string()))
    }
}

fn entry(webhook: &Value) -> Entry {
    let text = |pointer: &str| webhook.pointer(pointer).and_then(Value::as_str);
    let service = text("/clientConfig/service/name").zip(text("/clientConfig/service/namespace"));
    let host = match (service, text("/clientConfig/url")) {
        (Some((name, namespace)), _) => Some(format!("{name}.{namespace}.svc")),
        (None, Some(url)) => host(url),
        (None, None) => None,
    };
    let bundle = text("/clientConfig/caBundle").and_then(|bundle| STANDARD.decode(bundle).ok()).unwrap_or_default();
    Entry { name: text("/name").unwrap_or_default().to_owned(), host, bundle }
}

fn host(url: &str) -> Option<String> {
    let url: hyper::Uri = url.parse().ok()?;
    Some(url.host()?.trim_start_matches('[').trim_end_matches(']').to_owned())
}

#[cfg(test)]
mod tests;
