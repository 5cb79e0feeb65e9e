//! TLS of the server: a certificate from files, read again when they change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use service::tls::files::{Files, Seen};
use service::tls::served::Served;
use tokio_rustls::TlsAcceptor;

/// How often the files are compared: the kubelet itself takes a minute to bring a change.
const RELOAD: Duration = Duration::from_secs(10);

/// Takes TLS connections, HTTP/2 or HTTP/1.1 as the client likes.
pub struct Tls {
    acceptor: TlsAcceptor,
    files: Files,
    seen: Seen,
    served: Arc<Served>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn new(certificate: PathBuf, key: PathBuf) -> anyhow::Result<Self> {
        let (files, mut seen, served) = (Files { certificate, key }, Seen::default(), Arc::<Served>::default());
        let first = files.changed(&mut seen)?.context("the certificate is empty")?;
        served.swap(first);
        let config = service::tls::server_config(served.clone(), &["h2", "http/1.1"])?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), files, seen, served })
    }

    /// What takes connections.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// Follows the files, for ever. What cannot be used leaves what is served.
    pub(super) async fn follow(mut self) {
        loop {
            tokio::time::sleep(RELOAD).await;
            match self.files.changed(&mut self.seen) {
                Ok(Some(changed)) => {
                    self.served.swap(changed);
                    tracing::info!(tls.certificate = %self.files.certificate.display(), "serving the new certificate");
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(error = format!("{error:#}"), "the certificate that is served stays what it was"),
            }
        }
    }
}
