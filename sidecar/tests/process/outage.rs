//! A server that is away.

use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};

use neighbours::nats::Options;
use neighbours::process::Signal;

use crate::world::{PATIENCE, World, check_whole, post, terminate};

#[tokio::test(flavor = "multi_thread")]
async fn away_at_the_start_and_later_it_gets_everything_once_and_in_order() {
    let mut world = World::start().await;
    world.nats.stop().await.unwrap();
    let sidecar = world.sidecar(&[]).await;
    let mut log = File::create(world.log("a.log")).unwrap();
    for number in 0..500 {
        writeln!(log, "before {number}").unwrap();
    }
    assert_eq!(post(&world.socket("main"), "text/plain", "accepted without a server").0, 202);
    world.nats.start_again().await.unwrap();
    world.said(501).await;
    for round in 0..3 {
        for number in 0..1_000 {
            writeln!(log, "round {round} {number}").unwrap();
        }
        world.nats.kill().unwrap();
        for number in 0..1_000 {
            writeln!(log, "away {round} {number}").unwrap();
        }
        world.nats.start_again().await.unwrap();
    }
    let said = world.said(6_501).await;
    check_whole(&said);
    assert_eq!(said.len(), 6_501);
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_missing_is_waited_for() {
    let mut world = World::start().await;
    let admin = async_nats::jetstream::new(world.nats.admin().connect().await.unwrap());
    admin.delete_stream("agent-comms").await.unwrap();
    let sidecar = world.sidecar(&[]).await;
    assert_eq!(post(&world.socket("main"), "text/plain", "early").0, 202);
    world.make_stream().await;
    assert_eq!(world.said(1).await[0].text("content"), "early");
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_holds_nothing_up_but_its_own_messages() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    assert_eq!(post(&world.socket("main"), "text/plain", "first").0, 202);
    world.said(1).await;
    world.nats.process().signal(Signal::STOP).unwrap();
    for number in 0..400 {
        assert_eq!(post(&world.socket("main"), "text/plain", &format!("frozen {number}")).0, 202);
    }
    world.nats.process().signal(Signal::CONT).unwrap();
    let said = world.said(401).await;
    check_whole(&said);
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_will_never_take_is_set_aside_and_told_and_holds_nothing_up() {
    let mut world = World::start_with(Options { max_payload: Some(64 * 1024), ..Options::default() }).await;
    let sidecar = world.sidecar(&[]).await;
    for text in ["before", &"x".repeat(100_000), "after"] {
        assert_eq!(post(&world.socket("main"), "text/plain", text).0, 202);
    }
    let said = world.said(2).await;
    assert_eq!([said[0].text("content"), said[1].text("content")], ["before", "after"]);
    let stored = world.stored().await;
    let gap = stored.iter().find(|stored| stored.text("kind") == "gap").unwrap();
    assert_eq!((gap.body["attrs"]["reason"].as_str(), gap.body["attrs"]["records"].as_u64()), (Some("set_aside"), Some(1)));
    assert_eq!(gap.body["source"]["label"], "spool");
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_stream_wrongly_takes_for_a_copy_is_stored_all_the_same() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let (_, answer) = post(&world.socket("main"), "application/json", "{\"id\":\"mine\",\"content\":\"first\"}");
    world.said(1).await;
    // The same id from another source: here somebody else of the same namespace.
    let publisher = async_nats::jetstream::new(world.nats.publisher("demo").connect().await.unwrap());
    let mut headers = async_nats::HeaderMap::new();
    let id = message::id::of_step("pod-1", "taken");
    headers.insert("Nats-Msg-Id", id.to_string());
    let subject = "workflow.demo.build.u1.agent.main.log";
    publisher.publish_with_headers(subject, headers, "{\"content\":\"other\"}".into()).await.unwrap().await.unwrap();
    post(&world.socket("main"), "application/json", "{\"id\":\"taken\",\"content\":\"second\"}");
    let said = world.said(3).await;
    assert_eq!(said[0].text("id"), answer["ids"][0]);
    assert_eq!((said[2].text("content"), said[2].text("id"), said[2].resend), ("second", id.to_string().as_str(), true));
    let (_, metrics) = crate::world::request(&world.socket("main"), "GET /metrics HTTP/1.1\r\n", "").unwrap();
    assert!(metrics.contains("agentcomms_sidecar_false_duplicates_total 1"), "{metrics}");
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forbids_is_asked_now_and_then_until_a_renewed_certificate_is_allowed() {
    let namespaces = vec!["demo".to_owned(), "other".to_owned()];
    let mut world = World::start_with(Options { namespaces, ..Options::default() }).await;
    let (certificate, key) = (world.path("tls.crt"), world.path("tls.key"));
    let install = |files: &neighbours::certificates::IdentityFiles| {
        for (from, to) in [(&files.key, &key), (&files.certificate, &certificate)] {
            let new = to.with_extension("new");
            std::fs::copy(from, &new).unwrap();
            std::fs::rename(&new, to).unwrap();
        }
    };
    install(&world.nats.publisher("other").files);
    let sidecar = world.sidecar_with(&certificate, &key, &[]).await;
    let lines: Vec<String> = (0..1_000).map(|number| format!("line {number}\n")).collect();
    std::fs::write(world.log("a.log"), lines.concat()).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !sidecar.log_tail().contains("Permissions Violation for Publish") {
        assert!(Instant::now() < deadline, "it is not told: {}", sidecar.log_tail());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    install(&world.nats.publisher("demo").files);
    let said = world.said(1_000).await;
    check_whole(&said);
    let resent = world.pod.metric("resent_messages_total").unwrap();
    // The window once more, and what asked meanwhile.
    assert!(resent < 300, "{resent} messages were sent again");
    terminate(sidecar).await;
}
