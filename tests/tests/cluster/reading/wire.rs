//! Requests over TLS, and event streams as they come.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use neighbours::certificates::Authority;
use rustls::pki_types::ServerName;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::ground::Ground;
use crate::ground::eventually;

pub type Body = Full<Bytes>;

/// How long an answer may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request without a body.
pub fn get(api: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    request("GET", api, path, headers, "")
}

/// A request.
pub fn request(method: &str, api: SocketAddr, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header("host", api.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()
}

/// A TLS connection that speaks one of these protocols.
pub async fn connect(
    api: SocketAddr,
    roots: &Arc<rustls::RootCertStore>,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut config = rustls::ClientConfig::builder().with_root_certificates(roots.clone()).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(api).await?).await
}

/// Sends a request over a connection of its own.
pub async fn send(api: SocketAddr, roots: &Arc<rustls::RootCertStore>, request: Request<Body>) -> Response<Incoming> {
    let stream = connect(api, roots, &["http/1.1"]).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    tokio::time::timeout(PATIENCE, sender.send_request(request)).await.expect("an answer").unwrap()
}

/// HTTP/2 over a connection of its own.
pub async fn http2(api: SocketAddr, roots: &Arc<rustls::RootCertStore>) -> http2::SendRequest<Body> {
    let stream = connect(api, roots, &["h2"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// The body of an event stream.
pub struct Events {
    body: Incoming,
    pub text: String,
}

impl Events {
    pub fn of(answer: Response<Incoming>) -> Self {
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { body: answer.into_body(), text: String::new() }
    }

    /// The same, which was not asked for in a form that has to be unpacked.
    pub fn of_either(answer: Response<Incoming>) -> Self {
        assert_eq!(answer.headers().get("content-encoding"), None);
        assert_eq!(answer.headers()["x-accel-buffering"], "no");
        Self::of(answer)
    }

    /// Reads until this is in what came.
    pub async fn until(&mut self, wanted: &str) {
        let read = async {
            while !self.text.contains(wanted) {
                let Some(frame) = self.body.frame().await else { panic!("the stream ended without `{wanted}`: {}", self.text) };
                self.take(&frame.unwrap().into_data().unwrap());
            }
        };
        let found = tokio::time::timeout(PATIENCE, read).await.is_ok();
        assert!(found, "no `{wanted}` in time: {}", self.text);
    }

    /// Reads to the end, which is one in order.
    pub async fn read_to_end(&mut self) {
        let read = async {
            while let Some(frame) = self.body.frame().await {
                self.take(&frame.unwrap().into_data().unwrap());
            }
        };
        let ended = tokio::time::timeout(PATIENCE, read).await.is_ok();
        assert!(ended, "the stream goes on: {}", self.text);
    }

    fn take(&mut self, data: &[u8]) {
        self.text.push_str(std::str::from_utf8(data).unwrap());
    }
}

/// Whether the admin port says ready.
pub async fn is_ready(admin_address: SocketAddr) -> bool {
    admin(admin_address, "/readyz").await.0.is_success()
}

/// What the admin port says.
pub async fn admin(address: SocketAddr, path: &str) -> (StatusCode, String) {
    let (mut sender, connection) = http1::handshake(TokioIo::new(TcpStream::connect(address).await.unwrap())).await.unwrap();
    tokio::spawn(connection);
    let answer = sender.send_request(get(address, path, &[])).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_served_and_whoever_shakes_no_hand_is_left() {
    let ground = Ground::new("renewed").await;
    let mut silent = TcpStream::connect(ground.api).await.unwrap();
    let kept = connect(ground.api, &ground.roots, &["h2"]).await.unwrap();
    let authority = Authority::new().unwrap();
    let mut roots = rustls::RootCertStore::empty();
    let new = ground.directory.path().join("new.crt");
    std::fs::write(&new, authority.certificate_pem()).unwrap();
    roots.add_parsable_certificates(service::tls::certificates(&new).unwrap());
    let roots = Arc::new(roots);
    assert!(connect(ground.api, &roots, &["h2"]).await.is_err());
    // One file after the other, as they are when somebody looks in between.
    authority.server(&[]).unwrap().write(ground.directory.path(), "tls").unwrap();
    eventually("the new certificate is served", async || connect(ground.api, &roots, &["h2"]).await.is_ok()).await;
    assert!(connect(ground.api, &ground.roots, &["h2"]).await.is_err());
    // What cannot be used changes nothing.
    std::fs::write(ground.directory.path().join("tls.key"), "no key").unwrap();
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, silent.read_to_end(&mut rest)).await.expect("it is left").unwrap();
    assert!(connect(ground.api, &roots, &["http/1.1"]).await.is_ok());
    drop(kept);
    ground.stopped().await;
}
