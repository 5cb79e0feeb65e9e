//! The self-managed certificate: one for all replicas, and trusted whatever others write.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams};

use crate::ground::{Ground, eventually};

const STEPS: &str = "agentcomms_injector_certificate_steps_total";

#[tokio::test]
async fn replicas_that_start_at_the_same_instant_share_one_authority() {
    let ground = Ground::new("one-authority").await;
    let (first, second, third) = tokio::join!(ground.start(&[]), ground.start(&[]), ground.start(&[]));
    let replicas = [&first, &second, &third];
    ground.install(&replicas).await;
    ground.wait_until_called(&replicas).await;
    let mut made = 0;
    for replica in replicas {
        made += replica.metric(STEPS).await;
    }
    assert_eq!(made, 1, "an authority was made more than once");
    let bundles = ground.bundles().await;
    assert!(bundles.iter().all(|bundle| *bundle == bundles[0] && !bundle.is_empty()), "{bundles:?}");
}

#[tokio::test]
async fn every_entry_trusts_the_authority_again_after_somebody_else_wrote() {
    let ground = Ground::new("overwritten").await;
    let (first, second) = tokio::join!(ground.start(&[]), ground.start(&[]));
    let replicas = [&first, &second];
    ground.install(&replicas).await;
    ground.wait_until_called(&replicas).await;
    let right = ground.bundles().await;
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().cert.pem();
    for (index, wrong) in [(0, String::new()), (1, base64(&other)), (1, base64(&(other.clone() + &other)))] {
        ground.overwrite_bundle(index, &wrong).await;
        eventually("every caBundle is right again", async || ground.bundles().await == right).await;
    }
    eventually("the replicas are ready again", async || replicas.iter().all(|replica| replica.readiness.is_ready())).await;
}

#[tokio::test]
async fn a_secret_that_vanished_is_made_again_and_trusted() {
    let ground = Ground::new("vanished").await;
    let replica = ground.serve(&[]).await;
    let before = ground.bundles().await;
    let secrets = Api::<Secret>::namespaced(ground.client.clone(), ground.name);
    secrets.delete("agent-comms-injector-certificate", &DeleteParams::default()).await.unwrap();
    eventually("another authority is trusted", async || ground.bundles().await != before).await;
    ground.wait_until_called(&[&replica]).await;
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_left_alone() {
    let ground = Ground::new("foreign").await;
    let foreign = serde_json::json!({ "metadata": { "name": "web" }, "stringData": { "tls.crt": "theirs" } });
    let foreign: Secret = serde_json::from_value(foreign).unwrap();
    let secrets = Api::<Secret>::namespaced(ground.client.clone(), ground.name);
    let stored = secrets.create(&kube::api::PostParams::default(), &foreign).await.unwrap();
    let replica = ground.start(&["--certificate-secret", "web"]).await;
    ground.install(&[&replica]).await;
    eventually("the failure is counted", async || replica.metric("agentcomms_injector_certificate_failures_total").await >= 2)
        .await;
    assert!(!replica.readiness.is_ready());
    assert_eq!(secrets.get("web").await.unwrap(), stored);
}

fn base64(text: &str) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(text)
}
