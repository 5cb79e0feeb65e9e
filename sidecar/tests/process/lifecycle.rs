//! How a sidecar begins, notices the end of the step, and ends.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;
use std::time::{Duration, Instant};

use neighbours::process::Signal;

use crate::world::{PATIENCE, Stored, World, check_whole, post, request, terminate};

fn agent_comms(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent-comms"));
    command.args(arguments);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn argos_exit_codes_tell_the_end_before_sigterm_does() {
    let mut world = World::start().await;
    let argo = |container: &str, file: &str| world.path("argo/ctr").join(container).join(file);
    for container in ["main", "side"] {
        std::fs::create_dir_all(argo(container, "")).unwrap();
    }
    let files = format!("main:{},side:{}", argo("main", "combined").display(), argo("side", "combined").display());
    let (main_code, side_code) = (argo("main", "exitcode"), argo("side", "exitcode"));
    let mut output = std::fs::File::create(argo("main", "combined")).unwrap();
    let sidecar = world.sidecar(&["--files", &files, "--init-containers", "prepare"]).await;
    output.write_all(b"working\nlast, without an end").unwrap();
    world.said(1).await;
    std::fs::write(side_code, "0").unwrap();
    std::fs::write(main_code, "64").unwrap();
    let deadline = Instant::now() + PATIENCE;
    let stored = loop {
        let stored = world.stored().await;
        if stored.iter().filter(|stored| stored.text("kind") == "step-end").count() == 2 {
            break stored;
        }
        assert!(Instant::now() < deadline, "the end was not told: {stored:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let said: Vec<Stored> = stored.iter().filter(|stored| stored.is_said()).cloned().collect();
    check_whole(&said);
    assert_eq!(said[1].text("content"), "last, without an end");
    let codes: Vec<Option<i64>> = stored
        .iter()
        .filter(|stored| stored.text("kind") == "step-end")
        .map(|stored| stored.body["attrs"]["exit_code"].as_i64())
        .collect();
    assert_eq!(codes, [Some(64), Some(0)]);
    let count = stored.len();
    terminate(sidecar).await;
    assert_eq!(world.stored().await.len(), count, "SIGTERM finds nothing left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_sigterm_ends_it_at_once() {
    let mut world = World::start().await;
    world.nats.stop().await.unwrap();
    let sidecar = world.sidecar(&["--grace-seconds", "60"]).await;
    assert_eq!(post(&world.socket("main"), "text/plain", "nobody hears").0, 202);
    let log = sidecar.log().to_owned();
    sidecar.signal(Signal::TERM).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !std::fs::read_to_string(&log).unwrap().contains("stopping") {
        assert!(Instant::now() < deadline, "{}", sidecar.log_tail());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = terminate(sidecar).await;
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(world.path("state/checkpoint").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_said_nothing_is_not_held_by_a_server_that_is_away() {
    let mut world = World::start().await;
    world.nats.stop().await.unwrap();
    let sidecar = world.sidecar(&["--grace-seconds", "60"]).await;
    let took = terminate(sidecar).await;
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn the_binary_is_put_in_place_once_for_every_user_and_replaced_as_a_whole() {
    let directory = tempfile::TempDir::new().unwrap();
    let (bin, run) = (directory.path().join("bin"), directory.path().join("run"));
    let ready = |command: &str| {
        let mut ready = agent_comms(&[command, "--run-dir"]);
        ready.arg(&run).env("AGENT_COMMS_INSTALL_DIR", &bin).output().unwrap()
    };
    std::fs::create_dir_all(&run).unwrap();
    drop(std::os::unix::net::UnixListener::bind(run.join("agent.sock")).unwrap());
    let output = ready("ready");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let target = bin.join("agent-comms");
    let placed = std::fs::metadata(&target).unwrap();
    assert_eq!(placed.permissions().mode() & 0o7777, 0o555);
    assert!(Command::new(&target).arg("--version").status().unwrap().success());

    assert!(ready("init").status.success());
    assert_eq!(std::fs::metadata(&target).unwrap().ino(), placed.ino(), "the same one stays");

    std::fs::remove_file(&target).unwrap();
    std::fs::write(&target, "an older one").unwrap();
    assert!(ready("ready").status.success());
    assert_eq!(std::fs::metadata(&target).unwrap().len(), placed.len());
    let names: Vec<_> = std::fs::read_dir(&bin).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["agent-comms"], "nothing else is left there");
}

#[test]
fn a_binary_that_cannot_be_put_in_place_is_an_error_and_a_missing_socket_is_none() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output = agent_comms(&["ready", "--install-dir"]).arg(&file).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{error}");
    assert!(error.contains("give an --install-dir"), "{error}");

    let output = agent_comms(&["ready", "--containers", "main", "--run-dir"]).arg(directory.path()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && error.contains("main/agent.sock"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_on_a_port_only_when_asked_for() {
    let mut world = World::start().await;
    let port = neighbours::port::free().unwrap();
    let sidecar = world.sidecar(&["--metrics-port", &port.to_string()]).await;
    assert_eq!(post(&world.socket("main"), "text/plain", "token ghp_0123456789abcdefghijABCDEFGHIJ456789").0, 202);
    world.said(1).await;
    // They are brought up to date now and then.
    let deadline = Instant::now() + PATIENCE;
    while !request(&world.socket("main"), "GET /metrics HTTP/1.1\r\n", "").unwrap().1.contains("redactions_total{") {
        assert!(Instant::now() < deadline, "no redaction was counted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (status, on_socket) = request(&world.socket("main"), "GET /metrics HTTP/1.1\r\n", "").unwrap();
    assert_eq!(status, 200);
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut on_port = String::new();
    std::io::Read::read_to_string(&mut stream, &mut on_port).unwrap();
    for text in [on_socket, on_port] {
        for line in [
            "published_messages_total 1",
            "read_lines_total 1",
            "redactions_total{pattern=",
            "connected 1",
            "spool_limit_bytes 268435456",
            "spool_behind_bytes 0",
            "watching ",
        ] {
            assert!(text.contains(&format!("agentcomms_sidecar_{line}")), "{line} is not in {text}");
        }
    }
    terminate(sidecar).await;
}

#[test]
fn outside_a_pod_a_log_filter_that_cannot_be_read_is_an_error() {
    let output = agent_comms(&["run", "--log", "sidecar=loud"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{error}");
    assert!(error.contains("--log") && error.contains("sidecar=loud"), "{error}");
}
