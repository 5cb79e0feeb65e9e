//! A certificate in files that somebody else renews, while clients connect.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser as _;
use injector::cli::{Cli, Command};
use injector::serve;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

/// Files are compared every few seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A version of a mounted Secret.
fn make(volume: &Path, version: &str, roots: &mut RootCertStore) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let directory = volume.join(version);
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("tls.crt"), made.cert.pem()).unwrap();
    std::fs::write(directory.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
    roots.add(made.cert.der().clone()).unwrap();
    made.cert.der().clone()
}

/// Puts a version in place as the kubelet does: the link above the files is swapped.
fn mount(volume: &Path, version: &str) {
    symlink(version, volume.join("..data_tmp")).unwrap();
    std::fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
}

#[tokio::test]
async fn a_renewed_certificate_is_served_and_no_handshake_fails() {
    service::tls::install_provider();
    let volume = tempfile::tempdir().unwrap();
    let mut roots = RootCertStore::empty();
    make(volume.path(), "..one", &mut roots);
    let renewed = make(volume.path(), "..two", &mut roots);
    mount(volume.path(), "..one");
    for name in ["tls.crt", "tls.key"] {
        symlink(Path::new("..data").join(name), volume.path().join(name)).unwrap();
    }
    let (certificate, key) = (volume.path().join("tls.crt"), volume.path().join("tls.key"));
    let addresses = ["injector", "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"].map(str::to_owned);
    let files = ["--tls-cert".to_owned(), certificate.display().to_string(), "--tls-key".to_owned(), key.display().to_string()];
    let Command::Serve(arguments) = Cli::parse_from(addresses.into_iter().chain(files)).command else {
        unreachable!("these are the words of `serve`")
    };
    let bound = serve::bind(*arguments).await.unwrap();
    let (address, readiness, stop) = (bound.address, bound.readiness.clone(), CancellationToken::new());
    let serving = tokio::spawn(bound.serve(stop.clone(), Duration::ZERO));

    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let (start, mut handshakes) = (Instant::now(), 0);
    loop {
        let stream = TcpStream::connect(address).await.unwrap();
        let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
        if handshakes == 0 {
            assert_ne!(stream.get_ref().1.peer_certificates().unwrap()[0], renewed);
            mount(volume.path(), "..two");
        }
        handshakes += 1;
        if stream.get_ref().1.peer_certificates().unwrap()[0] == renewed {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "the renewed certificate is not served after {handshakes} handshakes");
    }
    assert!(readiness.is_ready());
    stop.cancel();
    serving.await.unwrap();
}
