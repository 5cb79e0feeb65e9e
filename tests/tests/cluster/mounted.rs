//! A certificate that cert-manager makes, in files, with `caBundle` written by its injector.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::ground::{Ground, Replica, eventually};

/// Writes a new certificate and its key, and gives what a `caBundle` must hold for it.
fn write(directory: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(directory.join("tls.crt"), made.cert.pem()).unwrap();
    std::fs::write(directory.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
    STANDARD.encode(made.cert.pem())
}

async fn swaps(replica: &Replica) -> u64 {
    replica.metric("agentcomms_injector_certificate_swaps_total").await
}

#[tokio::test]
async fn a_certificate_waits_until_every_entry_trusts_it() {
    let ground = Ground::new("mounted").await;
    let directory = tempfile::tempdir().unwrap();
    let first = write(directory.path());
    let (certificate, key) = (directory.path().join("tls.crt"), directory.path().join("tls.key"));
    let files = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let replica = ground.start(&[&["--certificate-mode", "cert-manager"], &files[..]].concat()).await;
    ground.install(&[&replica]).await;
    eventually("the bundle was looked at", async || swaps(&replica).await == 1).await;
    assert!(!replica.readiness.is_ready(), "ready without a caBundle");
    ground.overwrite_bundle(0, &first).await;
    ground.wait_until_called(&[&replica]).await;

    let second = write(directory.path());
    eventually("the second is known", async || replica.metric("agentcomms_injector_certificate_waiting").await == 1).await;
    assert_eq!((swaps(&replica).await, replica.readiness.is_ready()), (1, true));
    ground.wait_until_called(&[&replica]).await;

    ground.overwrite_bundle(0, &second).await;
    eventually("the second is served", async || swaps(&replica).await == 2).await;
    ground.wait_until_called(&[&replica]).await;
    assert_eq!(replica.metric("agentcomms_injector_certificate_waiting").await, 0);
    assert_eq!(ground.bundles().await, [second], "a caBundle of cert-manager was changed");
}
