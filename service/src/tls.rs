//! TLS: one provider, certificates from PEM files or text.

pub mod files;
pub mod served;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;

/// Why certificates could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read as PEM of what it should hold.
    #[error("cannot read {what} from `{path}`; give a PEM file that this process may read")]
    Read {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// Text was not PEM of what it should hold.
    #[error("cannot read {what} from PEM text")]
    Text {
        /// What it should hold.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// A key that is not the certificate's, or of a kind that nobody knows.
    #[error("certificate and key cannot be used together")]
    Mismatch(#[source] rustls::Error),
    /// The TLS library does not support its own defaults, which a wrong build alone can cause.
    #[error("tls cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// Makes ring the process's one provider of cryptography. Call it first in every `main`; again does nothing.
pub fn install_provider() {
    // An error only says that one is installed already.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// The certificates of a PEM file, leaf first.
///
/// # Errors
/// When the file cannot be read or holds no certificate.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = |source| TlsError::Read { what: "a certificate", path: path.to_owned(), source };
    let certificates = CertificateDer::pem_file_iter(path).map_err(read)?.collect::<Result<Vec<_>, _>>().map_err(read)?;
    if certificates.is_empty() {
        return Err(read(rustls::pki_types::pem::Error::NoItemsFound));
    }
    Ok(certificates)
}

/// The private key of a PEM file.
///
/// # Errors
/// When the file cannot be read or holds no key.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| TlsError::Read { what: "a private key", path: path.to_owned(), source })
}

/// A certificate chain, leaf first, with its key, both PEM, ready to be shown.
///
/// # Errors
/// When either cannot be read or the two do not belong together.
pub fn certified_key(certificate: &[u8], key: &[u8]) -> Result<CertifiedKey, TlsError> {
    let read = |what| move |source| TlsError::Text { what, source };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>().map_err(read("a certificate"))?;
    if chain.is_empty() {
        return Err(read("a certificate")(rustls::pki_types::pem::Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(read("a private key"))?;
    CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider()).map_err(TlsError::Mismatch)
}

/// A server that shows what `resolver` has at each handshake and asks clients for no certificate, speaking these protocols
/// by ALPN (`h2`, `http/1.1`).
///
/// # Errors
/// When the TLS library does not support its own defaults.
pub fn server_config(resolver: Arc<dyn ResolvesServerCert>, protocols: &[&str]) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Ok(config)
}

#[cfg(test)]
mod tests;
