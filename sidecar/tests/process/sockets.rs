//! What comes through the sockets.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::process::Command;

use crate::world::{World, check_whole, post, request, terminate};

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
    assert_eq!(request(&socket, "GET /nothing HTTP/1.1\r\n", "").unwrap().0, 404);
    assert_eq!(request(&socket, "GET /messages HTTP/1.1\r\n", "").unwrap().0, 405);
    let (status, metrics) = request(&socket, "GET /metrics HTTP/1.1\r\n", "").unwrap();
    assert_eq!(status, 200);
    assert!(metrics.contains("agentcomms_sidecar_published_messages_total 0"), "{metrics}");
    terminate(sidecar).await;
    assert!(world.stored().await.iter().all(|stored| !stored.is_said()));
}

#[tokio::test(flavor = "multi_thread")]
async fn emit_speaks_for_shells_and_fails_when_nobody_listens() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let emit = |socket: &std::path::Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent-comms"));
        command
            .args(["emit", "--kind", "status", "--agent", "shell", "--attr", "step=3", "half", "done", "--socket"])
            .arg(socket);
        command.output().unwrap()
    };
    let output = emit(&world.socket("main"));
    assert!(output.status.success(), "{output:?}");
    let said = world.said(1).await;
    assert_eq!(said[0].text("content"), "half done");
    assert_eq!(said[0].subject, "workflow.demo.build.u1.agent.shell.status");
    assert_eq!(said[0].body["attrs"]["step"], "3");
    terminate(sidecar).await;
    let output = emit(&world.socket("main"));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("nobody answers at the socket") && error.lines().count() == 1, "{error}");
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
