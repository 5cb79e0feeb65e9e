//! An injector whose certificate comes from files, in a pod that was given no token of a service account.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use neighbours::process::{Launch, Process, Signal};
use serde_json::Value;

use crate::reviews::bytes;
use crate::server::{check_patch, connector, review, send};

const PATIENCE: Duration = Duration::from_secs(60);

/// The lines of a log so far.
fn lines(injector: &Process) -> Vec<Value> {
    let log = std::fs::read_to_string(injector.log()).unwrap();
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn said(lines: &[Value], text: &str) -> Option<Value> {
    lines.iter().find(|line| line["message"].as_str().is_some_and(|message| message.contains(text))).cloned()
}

#[tokio::test]
async fn reviews_are_answered_and_what_is_left_out_is_told() {
    service::tls::install_provider();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = (directory.path().join("tls.crt"), directory.path().join("tls.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent-comms-injector"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "json"]);
    command.arg("--tls-cert").arg(&certificate).arg("--tls-key").arg(&key);
    // As in every container of a cluster.
    command.env("KUBERNETES_SERVICE_HOST", "127.0.0.1").env("KUBERNETES_SERVICE_PORT", "1").env_remove("KUBECONFIG");
    let mut injector = Process::start(Launch::new("injector", command, directory.path().join("log"))).unwrap();

    let start = Instant::now();
    let listening = loop {
        injector.check_running().unwrap();
        if let Some(line) = said(&lines(&injector), "listening") {
            break line;
        }
        assert!(start.elapsed() < PATIENCE, "it does not listen: {}", injector.log_tail());
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let address: SocketAddr = listening["listen"].as_str().unwrap().parse().unwrap();
    let client = connector(made.cert.der(), b"h2");
    let (status, answer) = send(&client, address, review("/mutate", bytes("native-job"))).await;
    assert_eq!(status, StatusCode::OK);
    check_patch("native-job", &answer);
    let told = said(&lines(&injector), "no token of a service account").expect("what is left out is told");
    assert_eq!(told["level"], "INFO");
    assert!(injector.stop(Signal::TERM, PATIENCE).await.unwrap().success());
}
