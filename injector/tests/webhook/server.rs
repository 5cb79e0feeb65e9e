//! The whole server over TLS: a review in by HTTP/1.1 and HTTP/2, an answer out, an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use clap::Parser as _;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use injector::cli::{Cli, Command};
use injector::serve;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use crate::reviews::{bytes, pod};

struct Running {
    address: SocketAddr,
    connector: TlsConnector,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
    _files: tempfile::TempDir,
}

async fn start(protocol: &[u8]) -> Running {
    service::tls::install_provider();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = tempfile::tempdir().unwrap();
    let (certificate, key) = (files.path().join("tls.crt"), files.path().join("tls.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let words = [
        "injector",
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        "--tls-cert",
        certificate,
        "--tls-key",
        key,
    ];
    let Command::Serve(arguments) = Cli::parse_from(words).command else { unreachable!("the words say serve") };
    let bound = serve::bind(*arguments).await.unwrap();
    let address = bound.address;
    let stop = CancellationToken::new();
    let serving = tokio::spawn(bound.serve(stop.clone(), Duration::ZERO));
    Running { address, connector: connector(made.cert.der(), protocol), stop, serving, _files: files }
}

/// A client that trusts one certificate and speaks one protocol.
pub fn connector(trusted: &CertificateDer<'static>, protocol: &[u8]) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// Sends a request over a connection of its own.
pub async fn send(connector: &TlsConnector, address: SocketAddr, request: Request<Full<Bytes>>) -> (StatusCode, Bytes) {
    let stream = TcpStream::connect(address).await.unwrap();
    let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let stream = TokioIo::new(stream);
    let response = if is_h2 {
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    };
    let status = response.status();
    (status, response.into_body().collect().await.unwrap().to_bytes())
}

impl Running {
    async fn send(&self, request: Request<Full<Bytes>>) -> (StatusCode, Bytes) {
        send(&self.connector, self.address, request).await
    }

    async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(5), self.serving).await.expect("the server ends when told to").unwrap();
    }
}

pub fn review(path: &str, body: Vec<u8>) -> Request<Full<Bytes>> {
    Request::post(format!("https://localhost{path}")).header("host", "localhost").body(Full::new(Bytes::from(body))).unwrap()
}

#[track_caller]
pub fn check_patch(name: &str, answer: &[u8]) {
    let answer: Value = serde_json::from_slice(answer).unwrap();
    assert_eq!(answer["response"]["allowed"], true);
    assert_eq!(answer["response"]["auditAnnotations"]["reason"], "inject");
    let patch = base64::engine::general_purpose::STANDARD.decode(answer["response"]["patch"].as_str().unwrap()).unwrap();
    let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
    let (mut pod, _) = pod(name);
    json_patch::patch(&mut pod, &patch).unwrap();
    assert_eq!(pod["spec"]["initContainers"][0]["name"], "agent-comms");
}

#[tokio::test]
async fn a_review_is_answered_by_either_protocol() {
    for protocol in [b"h2".as_slice(), b"http/1.1"] {
        let running = start(protocol).await;
        for name in ["native-job", "argo-container"] {
            let (status, answer) = running.send(review("/mutate", bytes(name))).await;
            assert_eq!(status, StatusCode::OK);
            check_patch(name, &answer);
        }
        running.end().await;
    }
}

#[tokio::test]
async fn many_large_reviews_at_once_are_all_answered() {
    let running = start(b"h2").await;
    let mut large: Value = serde_json::from_slice(&bytes("native-job")).unwrap();
    large["request"]["object"]["spec"]["containers"][0]["env"] =
        (0..10_000).map(|number| json!({ "name": format!("V{number}"), "value": "x".repeat(40) })).collect();
    let large = Bytes::from(large.to_string());
    let reviews = (0..8).map(|_| running.send(review("/mutate", large.to_vec())));
    for (status, answer) in futures_util::future::join_all(reviews).await {
        assert_eq!(status, StatusCode::OK);
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["response"]["auditAnnotations"]["reason"], "inject");
    }
    running.end().await;
}

#[tokio::test]
async fn a_client_that_says_nothing_does_not_keep_its_connection() {
    let running = start(b"h2").await;
    let stream = TcpStream::connect(running.address).await.unwrap();
    let mut stream = running.connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let mut byte = [0; 1];
    let ended = tokio::time::timeout(Duration::from_secs(30), stream.read(&mut byte)).await;
    // The end may come with a farewell of TLS or without one.
    assert!(!matches!(ended.expect("the connection is closed"), Ok(1..)));
    let (status, _) = running.send(review("/mutate", bytes("native-job"))).await;
    assert_eq!(status, StatusCode::OK);
    running.end().await;
}

#[tokio::test]
async fn what_is_no_review_gets_a_status_of_4xx() {
    let running = start(b"http/1.1").await;
    let cases = [
        ("/mutate", b"not json".to_vec(), StatusCode::BAD_REQUEST),
        ("/mutate", b"{\"kind\":\"Pod\"}".to_vec(), StatusCode::BAD_REQUEST),
        ("/mutate", vec![b' '; 8 << 20], StatusCode::PAYLOAD_TOO_LARGE),
        ("/other", bytes("native-job"), StatusCode::NOT_FOUND),
    ];
    for (path, body, expected) in cases {
        assert_eq!(running.send(review(path, body)).await.0, expected, "{path}");
    }
    let get = Request::get("https://localhost/mutate").header("host", "localhost").body(Full::default()).unwrap();
    assert_eq!(running.send(get).await.0, StatusCode::METHOD_NOT_ALLOWED);
    running.end().await;
}
