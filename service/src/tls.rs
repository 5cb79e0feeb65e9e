//! TLS: one provider, certificates from PEM files or text.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ServerConfig;

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
    /// Certificate and key were read but cannot be used together.
    #[error("certificate `{certificate}` and key `{key}` cannot be used together")]
    Pair {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls::Error,
    },
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

/// A server that shows this certificate and asks clients for none, speaking these protocols by ALPN (`h2`, `http/1.1`).
///
/// # Errors
/// When a file cannot be read or the two do not belong together.
pub fn server_config(certificate: &Path, key: &Path, protocols: &[&str]) -> Result<ServerConfig, TlsError> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_no_client_auth()
        .with_single_cert(certificates(certificate)?, private_key(key)?)
        .map_err(|source| TlsError::Pair { certificate: certificate.to_owned(), key: key.to_owned(), source })?;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Ok(config)
}

#[cfg(test)]
mod tests;
