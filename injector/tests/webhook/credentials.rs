//! The credentials of a namespace, tried on a real NATS server.

use std::path::PathBuf;
use std::process::Command;

use async_nats::jetstream;
use neighbours::nats::{Credentials, Nats, Options};
use serde_json::Value;

fn run(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_agent-comms-injector")).arg("credentials").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn a_namespace_speaks_for_itself_with_them_and_for_nobody_else() {
    let nats = Nats::start(Options::default()).await.unwrap();
    let admin = jetstream::new(nats.admin().connect().await.unwrap());
    let config = jetstream::stream::Config {
        name: "agent-comms".to_owned(),
        subjects: vec!["workflow.>".to_owned()],
        ..Default::default()
    };
    admin.create_stream(config).await.unwrap();
    let authority = nats.authority();
    let (certificate, key) = (authority.certificate.to_str().unwrap(), authority.key.to_str().unwrap());
    let secret = run(&["demo", "--ca-cert", certificate, "--ca-key", key, "-o", "json"]);
    assert_eq!((&secret["metadata"]["name"], &secret["metadata"]["namespace"]), (&"agent-comms-nats".into(), &"demo".into()));
    let directory = tempfile::tempdir().unwrap();
    let mut credentials = nats.publisher("demo");
    let file = |name: &str| {
        let path: PathBuf = directory.path().join(name);
        std::fs::write(&path, secret["stringData"][name].as_str().unwrap()).unwrap();
        path
    };
    (credentials.files.certificate, credentials.files.key) = (file("tls.crt"), file("tls.key"));

    let own = jetstream::new(Credentials::connect(&credentials).await.unwrap());
    let stored = own.publish("workflow.demo.r.u.agent.a.message", "hello".into()).await.unwrap().await;
    assert_eq!(stored.unwrap().sequence, 1);
    let other = own.publish("workflow.other.r.u.agent.a.message", "hello".into()).await.unwrap();
    let refused = tokio::time::timeout(std::time::Duration::from_secs(2), other).await;
    assert!(!matches!(refused, Ok(Ok(_))), "another namespace's subject was taken");
    assert_eq!(admin.get_stream("agent-comms").await.unwrap().info().await.unwrap().state.messages, 1);
    assert_eq!(run(&["demo", "--permissions"]), nats.permissions("demo"), "told and tried are the same");
}
