//! Certificates and authorities that change while pods are created as fast as the API server takes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::api::{Api, DynamicObject, PostParams};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use crate::ground::{Ground, Replica, eventually, is_injected, step};

const CREATORS: u32 = 4;
/// A certificate every 4 s, and within 24 s a whole change of authority.
const SHORT: [&str; 6] = ["--certificate-lifetime", "6s", "--authority-lifetime", "24s", "--authority-overlap", "2s"];

/// What was done until the end.
#[derive(Default)]
struct Done {
    pods: AtomicU32,
    handshakes: AtomicU32,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_pod_stays_without_a_sidecar_while_certificates_change() {
    let ground = Arc::new(Ground::new("rotation").await);
    let (replica, other) = (ground.start(&SHORT).await, ground.start(&SHORT).await);
    ground.install(&[&replica]).await;
    ground.wait_until_called(&[&replica, &other]).await;

    let (done, stop, mut tasks) = (Arc::new(Done::default()), CancellationToken::new(), JoinSet::new());
    for creator in 0..CREATORS {
        tasks.spawn(create(ground.pods(&ground.steps()), creator, done.clone(), stop.clone()));
    }
    tasks.spawn(shake_hands(ground.clone(), replica.address.port(), done.clone(), stop.clone()));
    let first = ground.bundles().await.remove(0);
    eventually("the first authority is forgotten, and five certificates were served", async || {
        if let Some(ended) = tasks.try_join_next() {
            ended.unwrap();
        }
        is_forgotten(&first, &ground.bundles().await[0]) && swaps(&replica).await >= 5 && swaps(&other).await >= 5
    })
    .await;
    stop.cancel();
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let (pods, handshakes) = (done.pods.load(Ordering::Relaxed), done.handshakes.load(Ordering::Relaxed));
    assert!(pods > 200 && handshakes > 200, "{pods} pods and {handshakes} handshakes are no load");
    assert_eq!(replica.metric("agentcomms_injector_handshake_failures_total").await, 0);
}

/// Creates pods without storing them, so that the API server's work is admission and little else.
async fn create(pods: Api<DynamicObject>, creator: u32, done: Arc<Done>, stop: CancellationToken) {
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let pod = step(&format!("pod-{creator}"));
    while !stop.is_cancelled() {
        let created = pods.create(&params, &pod).await.unwrap();
        assert!(is_injected(&created), "pod {} of creator {creator} has no sidecar", done.pods.load(Ordering::Relaxed));
        done.pods.fetch_add(1, Ordering::Relaxed);
    }
}

/// Makes new connections, as the API server does now and then, with the trust of a moment ago.
async fn shake_hands(ground: Arc<Ground>, port: u16, done: Arc<Done>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&STANDARD.decode(&ground.bundles().await[0]).unwrap()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let (connector, start) = (TlsConnector::from(Arc::new(config)), Instant::now());
        while start.elapsed() < Duration::from_millis(500) {
            let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
            done.handshakes.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Whether nothing of the first bundle, which was one authority, is left.
fn is_forgotten(first: &str, now: &str) -> bool {
    let (first, now) = (STANDARD.decode(first).unwrap(), STANDARD.decode(now).unwrap());
    !String::from_utf8(now).unwrap().contains(std::str::from_utf8(&first).unwrap())
}

async fn swaps(replica: &Replica) -> u64 {
    replica.metric("agentcomms_injector_certificate_swaps_total").await
}
