//! What comes through the sockets.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use neighbours::process::Signal;

use crate::world::{PATIENCE, World, check_whole, post, request, terminate};

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_text_and_json_become_messages_with_the_pods_identity() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&["--stage", "plan", "--step-id", "s1", "--attempt", "2"]).await;
    let mut stream = UnixStream::connect(world.socket("main")).unwrap();
    stream
        .write_all(b"hello\n{\"content\":\"to all\",\"channel\":\"general\",\"agent_id\":\"planner\"}\nlast, without an end")
        .unwrap();
    drop(stream);
    let said = world.said(3).await;
    check_whole(&said);
    assert_eq!(said[0].subject, "workflow.demo.build.u1.agent.main.message");
    let expected = [("content", "hello"), ("container", "main"), ("stage", "plan"), ("step_id", "s1"), ("pod", "build-x")];
    for (field, value) in expected {
        assert_eq!(said[0].text(field), value, "{field}");
    }
    assert_eq!((said[0].body["v"].as_u64(), said[0].body["attempt"].as_u64()), (Some(1), Some(2)));
    assert_eq!(said[1].subject, "workflow.general.message.demo.build.u1.agent.planner");
    assert_eq!(said[2].text("content"), "last, without an end");
    assert!(said.iter().all(|stored| !stored.resend));
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http_answers_with_the_ids_that_the_messages_have() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let socket = world.socket("side");
    let (status, answer) = post(&socket, "application/x-ndjson", "{\"content\":\"a\"}\n{\"content\":\"b\",\"id\":\"mine\"}\n");
    assert_eq!((status, answer["accepted"].as_u64()), (202, Some(2)), "{answer}");
    let (status, again) = post(&socket, "application/json", "{\"content\":\"b\",\"id\":\"mine\"}");
    assert_eq!((status, &again["ids"][0]), (202, &answer["ids"][1]), "sent again it is the same");
    let (status, text) = post(&socket, "text/plain", "several\nlines\n");
    assert_eq!(status, 202);
    let said = world.said(3).await;
    check_whole(&said);
    let ids: Vec<&str> = said.iter().map(|stored| stored.text("id")).collect();
    assert_eq!(ids, [&answer["ids"][0], &answer["ids"][1], &text["ids"][0]]);
    assert_eq!((said[2].text("content"), said[2].text("container")), ("several\nlines", "side"));
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http_says_what_is_wrong_and_takes_nothing_then() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let socket = world.socket("main");
    let (status, answer) = post(&socket, "application/x-ndjson", "{\"content\":\"a\"}\nnope\n");
    assert_eq!((status, answer["line"].as_u64()), (400, Some(2)), "{answer}");
    let long = format!("{{\"content\":\"{}\"}}", "x".repeat(2 * 1024 * 1024));
    assert_eq!(post(&socket, "application/json", &long).0, 413);
    assert_eq!(post(&socket, "application/json", &"x".repeat(5 * 1024 * 1024)).0, 413);
    let batch = "1 line\n".repeat(4 * 1024 * 1024 / 7);
    let (status, answer) = request(&socket, "POST /exec HTTP/1.1\r\nidempotency-key: 1\r\n", &batch).unwrap();
    assert_eq!(status, 413, "{answer}");
    assert_eq!(request(&socket, "GET /nothing HTTP/1.1\r\n", "").unwrap().0, 404);
    assert_eq!(request(&socket, "PUT /messages HTTP/1.1\r\n", "").unwrap().0, 405);
    let (status, metrics) = request(&socket, "GET /metrics HTTP/1.1\r\n", "").unwrap();
    assert_eq!(status, 200);
    assert!(metrics.contains("agentcomms_sidecar_published_messages_total 0"), "{metrics}");
    terminate(sidecar).await;
    assert!(world.stored().await.iter().all(|stored| !stored.is_said()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ending_sidecar_says_that_it_is_too_late() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&["--grace-seconds", "6"]).await;
    world.nats.stop().await.unwrap();
    assert_eq!(post(&world.socket("main"), "text/plain", "keeps it busy").0, 202);
    sidecar.signal(Signal::TERM).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while post(&world.socket("main"), "text/plain", "late").0 != 503 {
        assert!(Instant::now() < deadline, "accepted as if nothing had happened");
    }
    let mut stream = UnixStream::connect(world.socket("main")).unwrap();
    stream.write_all(b"POST /messages HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nlate").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("retry-after: 1\r\n") && answer.contains("nothing was accepted"), "{answer}");
    world.nats.start_again().await.unwrap();
    let mut sidecar = sidecar;
    assert!(sidecar.wait(PATIENCE).await.unwrap().success());
    let sidecar = world.sidecar(&[]).await;
    let mut contents: Vec<String> = world.said(1).await.iter().map(|stored| stored.text("content").to_owned()).collect();
    contents.retain(|content| content != "late");
    assert_eq!(contents, ["keeps it busy"]);
    terminate(sidecar).await;
}

fn emit(socket: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent-comms"));
    command.arg("emit").args(arguments).arg("--socket").arg(socket);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn emit_speaks_for_shells_and_fails_when_nobody_listens() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let socket = world.socket("main");
    let arguments = ["--kind", "status", "--agent", "shell", "--attr", "step=3", "--attr", "a=b=c", "half", "done"];
    for (arguments, input) in
        [(&arguments[..], ""), (&["--channel", "general", "--timeout", "18446744073709551615"][..], "two\nlines\n")]
    {
        let output = emit(&socket, arguments, input);
        assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    }
    let said = world.said(2).await;
    assert_eq!([said[0].text("content"), said[1].text("content")], ["half done", "two\nlines"]);
    assert_eq!(said[0].subject, "workflow.demo.build.u1.agent.shell.status");
    assert_eq!(said[1].subject, "workflow.general.message.demo.build.u1.agent.main");
    assert_eq!([&said[0].body["attrs"]["step"], &said[0].body["attrs"]["a"]], ["3", "b=c"]);
    for (arguments, input, expected) in [
        (&[][..], " \n", "there is nothing to say"),
        (&[][..], &"x".repeat(3 * 1024 * 1024), "413 Payload Too Large"),
        (&["--attr", "novalue", "x"][..], "", "write it as key=value"),
    ] {
        let output = emit(&socket, arguments, input);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(expected), "{error}");
    }
    terminate(sidecar).await;
    let output = emit(&socket, &["--timeout", "0", "unheard"], "");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("nobody answers at the socket") && error.lines().count() == 1, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn emit_sends_again_what_got_no_answer_and_is_accepted_once() {
    let mut world = World::start().await;
    let mut sidecar = world.sidecar(&[]).await;
    let socket = world.socket("main");
    // It has the message and dies before it answers.
    sidecar.signal(Signal::STOP).unwrap();
    let said = {
        let socket = socket.clone();
        std::thread::spawn(move || emit(&socket, &["said", "once"], ""))
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    sidecar.kill().unwrap();
    let unheard = {
        let socket = socket.clone();
        std::thread::spawn(move || emit(&socket, &["while", "away"], ""))
    };
    let sidecar = world.sidecar(&[]).await;
    for emitted in [said, unheard] {
        let output = emitted.join().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let said = world.said(2).await;
    check_whole(&said);
    assert_eq!(said.len(), 2);
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_vanished_is_made_again() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    std::fs::remove_file(world.socket("main")).unwrap();
    let ready = Command::new(env!("CARGO_BIN_EXE_agent-comms"))
        .args(["ready", "--containers", "main,side", "--run-dir"])
        .arg(world.path("run"))
        .status()
        .unwrap();
    assert!(ready.success() && world.socket("main").exists());
    assert_eq!(post(&world.socket("main"), "text/plain", "back").0, 202);
    assert_eq!(world.said(1).await[0].text("content"), "back");
    terminate(sidecar).await;
}
