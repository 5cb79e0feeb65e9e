//! `tail` through what stands before a server in a cluster: something that speaks TLS and lets nobody pass without a token.

use std::path::Path;
use std::sync::Arc;

use neighbours::certificates::Authority;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::terminal::Terminal;
use crate::world::World;

/// Lets requests with this token pass, one a connection, and answers 401 to all others.
async fn guard(authority: &Authority, token: &'static str, server: String) -> String {
    let identity = authority.server(&[]).expect("a certificate");
    let chain = vec![CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes()).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).expect("a key");
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).expect("a server");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("accepted");
            let (acceptor, server) = (acceptor.clone(), server.clone());
            tokio::spawn(async move {
                // Who does not trust the certificate ends the handshake.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.expect("a head"));
                }
                let text = String::from_utf8_lossy(&head).to_lowercase();
                if !text.contains(&format!("\r\nauthorization: bearer {token}\r\n")) {
                    let refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                    stream.write_all(refusal.as_bytes()).await.expect("answered");
                    return stream.shutdown().await.expect("closed");
                }
                let mut server = TcpStream::connect(server).await.expect("the server");
                server.write_all(&head).await.expect("passed on");
                // Either side may leave; a test is over then.
                drop(tokio::io::copy_bidirectional(&mut stream, &mut server).await);
            });
        }
    });
    format!("https://localhost:{}", address.port())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_and_an_authority_from_files_let_a_person_in() {
    let world = World::start().await;
    let mut replica = world.replica("first");
    let authority = Authority::new().expect("an authority");
    let server = guard(&authority, "open-sesame", replica.api().await).await;
    world.publish_numbered(0..3).await;
    world.until("SELECT watermark FROM workflow_comms.stream_epochs", 3).await;

    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("text").to_owned()
    };
    let ca = file("ca.crt", &authority.certificate_pem());
    let other = file("other.crt", &Authority::new().expect("an authority").certificate_pem());
    let token = file("token", "open-sesame\n");
    let old = file("old", "abracadabra\n");
    let nothing = file("nothing", "\n");

    let words = ["tail", "--run", "u-1", "--no-follow", "-o", "json"];
    let told = async |more: &[&str], expected: &str| {
        let (status, lines, complaints) = Terminal::start(&server, &[&words, more].concat()).end().await;
        assert!(!status.success() && lines.is_empty(), "{more:?}: {lines:#?}");
        assert!(complaints.contains(expected), "{more:?}: {complaints}");
        assert!(!complaints.contains("abracadabra"), "{complaints}");
    };
    told(&["--ca", &other, "--token-file", &token], "check --server, and that the server runs and --ca").await;
    told(&["--ca", &ca], "wants to know who asks: give a token with --token-file").await;
    told(&["--ca", &ca, "--token-file", &old], "it does not take the token of --token-file").await;
    told(&["--ca", &ca, "--token-file", &nothing], "holds no token").await;

    let tail = Terminal::start(&server, &["tail", "--run", "u-1", "-o", "json", "--ca", &ca, "--token-file", &token]);
    tail.until_lines(3).await;
    // What was a good token is written anew while it is followed: the next connection uses what is there then.
    std::fs::write(Path::new(&token), "abracadabra").expect("written");
    replica.child.kill().await.expect("killed");
    let (status, lines, complaints) = tail.end().await;
    assert!(!status.success() && lines.len() == 3, "{lines:#?}");
    assert!(complaints.contains("trying again in") && complaints.contains("write a new one"), "{complaints}");
}
