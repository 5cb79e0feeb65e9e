//! In a pod nothing but SIGTERM ends it; elsewhere what cannot be used ends it with one line.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::world::{World, check_whole, post, terminate};

#[tokio::test(flavor = "multi_thread")]
async fn bad_settings_and_a_late_certificate_hold_nobody_and_are_told() {
    let mut world = World::start().await;
    let files = world.nats.publisher("demo").files;
    let (certificate, key) = (world.path("late.crt"), world.path("late.key"));
    let extra = ["--in-pod", "--grace-seconds", "soon", "--no-such-flag", "--files", "relative/*.log", "--log", "sidecar=loud"];
    let sidecar = world.sidecar_with(&certificate, &key, &extra).await;
    assert_eq!(post(&world.socket("main"), "text/plain", "accepted before").0, 202);
    std::fs::copy(&files.key, &key).unwrap();
    std::fs::copy(&files.certificate, &certificate).unwrap();
    assert_eq!(world.said(1).await[0].text("content"), "accepted before");
    terminate(sidecar).await;
    let stored = world.stored().await;
    let gaps: Vec<&str> =
        stored.iter().filter(|stored| stored.text("kind") == "gap").map(|stored| stored.text("content")).collect();
    assert_eq!(gaps.len(), 4, "{gaps:?}");
    for setting in ["--grace-seconds", "--log"] {
        assert!(gaps.iter().any(|content| content.contains(setting)), "{gaps:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_a_pod_one_line_says_what_cannot_be_used() {
    let world = World::start().await;
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent-comms"));
        command.arg("run").arg("--run-dir").arg(world.path("run")).arg("--state-dir").arg(world.path("state"));
        let output = command.args(arguments).env("AGENT_COMMS_LOG", "off").output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, error) = run(&["--nats-cert", "/no/such.crt", "--nats-key", "/no/such.key"]);
    assert_eq!((code, error.lines().count()), (Some(1), 1), "{error}");
    assert!(error.contains("/no/such.crt"), "{error}");
    let (code, error) = run(&["--nats-token-file", "/no/such/token"]);
    assert_eq!((code, error.lines().count()), (Some(1), 1), "{error}");
    assert!(error.contains("/no/such/token"), "{error}");
    let (code, error) = run(&["--nats-token-file", "t", "--nats-cert", "c", "--nats-key", "k"]);
    assert_eq!((code, error.lines().count()), (Some(2), 1), "{error}");
    assert!(error.contains("--nats-token-file") && error.contains("--nats-cert"), "{error}");
    let (code, error) = run(&["--run-dir-typo", "x"]);
    assert_eq!(code, Some(2), "{error}");
    let long = format!("/tmp/{}", "x".repeat(120));
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent-comms"));
    let output = command.args(["run", "--run-dir", &long, "--state-dir"]).arg(world.path("state")).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("give a shorter --run-dir"));
    std::fs::remove_dir_all(long).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_does_not_permit_is_told_and_not_lost() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&["--in-pod", "--grace-seconds", "3", "--namespace=elsewhere"]).await;
    assert_eq!(post(&world.socket("main"), "text/plain", "in another's name").0, 202);
    let log = sidecar.log().to_owned();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !std::fs::read_to_string(&log).unwrap().contains("Permissions Violation") {
        assert!(Instant::now() < deadline, "not told: {}", sidecar.log_tail());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    terminate(sidecar).await;
    assert!(world.stored().await.is_empty());
    let sidecar = world.sidecar(&[]).await;
    let said = world.said(1).await;
    check_whole(&said);
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rate_holds_messages_back_until_the_end_of_the_step() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&["--rate-messages", "10"]).await;
    let lines: Vec<String> = (0..300).map(|number| format!("{{\"content\":\"{number}\"}}")).collect();
    let body = lines.join("\n");
    assert_eq!(post(&world.socket("main"), "application/x-ndjson", &body).0, 202);
    let start = Instant::now();
    assert!(world.said(100).await.len() < 300, "the burst is for 10 s");
    world.said(120).await;
    assert!(start.elapsed() > Duration::from_secs(1), "20 messages beyond the burst take 2 s");
    terminate(sidecar).await;
    let said = world.said(300).await;
    check_whole(&said);
}
