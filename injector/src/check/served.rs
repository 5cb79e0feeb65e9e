//! The certificate that the injector serves: as a handshake with it shows, and as its Secret has it.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Names;
use crate::read::Read;

/// Who cannot reach the Service, from outside the cluster, should not wait long for it.
const HANDSHAKE_TIME: Duration = Duration::from_secs(3);

/// A chain, leaf first, and where it was seen.
#[derive(Clone, Debug)]
pub struct Served {
    /// The chain.
    pub chain: Vec<CertificateDer<'static>>,
    /// In words: `the Secret a/b has`, `a handshake with a:1 shows`.
    pub source: String,
}

/// What the Secret has, or why nothing can be said from it.
pub fn of_secret(secret: Read<Secret>, names: &Names) -> Result<Served, String> {
    let name = format!("{}/{}", names.namespace, names.secret);
    let pem = match secret {
        Read::Found(secret) => secret.data.and_then(|mut data| data.remove("tls.crt")),
        Read::Absent => return Err(format!("there is no Secret {name}")),
        Read::Forbidden => return Err(format!("you may not read the Secret {name}")),
    };
    let pem = pem.map(|bytes| bytes.0).unwrap_or_default();
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    if chain.is_empty() {
        return Err(format!("the Secret {name} has no certificate in `tls.crt`"));
    }
    Ok(Served { chain, source: format!("the Secret {name} has") })
}

/// What a handshake with the address that an entry names shows, or why it did not come about.
pub async fn by_handshake(webhook: &Value) -> Result<Served, String> {
    let (host, port) = address(webhook).ok_or("the entry names no address")?;
    let place = format!("{host}:{port}");
    let chain = tokio::time::timeout(HANDSHAKE_TIME, handshake(&host, port)).await;
    let chain = chain.unwrap_or_else(|elapsed| Err(elapsed.into()));
    let chain = chain.map_err(|error| format!("no handshake with {place} came about: {error:#}"))?;
    Ok(Served { chain, source: format!("a handshake with {place} shows") })
}

/// Host and port that the API server calls.
fn address(webhook: &Value) -> Option<(String, u16)> {
    let client = webhook.get("clientConfig")?;
    if let Some(service) = client.get("service") {
        let text = |key: &str| service.get(key).and_then(Value::as_str);
        let port = service.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok()).unwrap_or(443);
        return Some((format!("{}.{}.svc", text("name")?, text("namespace")?), port));
    }
    let url: hyper::Uri = client.get("url")?.as_str()?.parse().ok()?;
    let host = url.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    Some((host, url.port_u16().unwrap_or(443)))
}

/// The chain that a server shows. Whatever it is, it is taken: it is judged later, and nothing is sent.
async fn handshake(host: &str, port: u16) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let witness = Arc::new(Witness(provider.signature_verification_algorithms));
    let config = config(provider, witness)?;
    let stream = TcpStream::connect((host, port)).await?;
    let stream = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(host.to_owned())?, stream).await?;
    let (_, connection) = stream.get_ref();
    Ok(connection.peer_certificates().unwrap_or_default().iter().map(|certificate| certificate.clone().into_owned()).collect())
}

fn config(provider: Arc<CryptoProvider>, witness: Arc<Witness>) -> Result<ClientConfig, rustls::Error> {
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.dangerous().with_custom_certificate_verifier(witness).with_no_client_auth())
}

/// Takes every certificate, provided that the server has its key.
#[derive(Debug)]
struct Witness(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
