//! The end of a step.

use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use crate::world::{Stored, World, check_whole, post, terminate};

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_sidecar_ends_at_once_and_says_so() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    assert_eq!(post(&world.socket("main"), "text/plain", "done").0, 202);
    world.said(1).await;
    let took = terminate(sidecar).await;

    assert!(took < Duration::from_millis(500), "{took:?}");
    let stored = world.stored().await;
    let kinds: Vec<(&str, &str)> = stored.iter().map(|stored| (stored.text("kind"), stored.text("container"))).collect();
    assert_eq!(kinds, [("message", "main"), ("source-end", ""), ("step-end", "main"), ("step-end", "side")]);
    assert_eq!(stored[1].body["attrs"]["messages"], 1);
    assert!(stored[1..].iter().all(|stored| stored.body.get("seq").is_none() && stored.text("role") == "system"));
    assert!(!world.socket("main").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_written_before_the_end_is_sent_before_the_last_words() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let mut log = File::create(world.log("a.log")).unwrap();
    for number in 0..5_000 {
        writeln!(log, "line {number}").unwrap();
    }
    log.write_all(b"last").unwrap();
    terminate(sidecar).await;
    let stored = world.stored().await;
    let said: Vec<Stored> = stored.iter().filter(|stored| stored.is_said()).cloned().collect();
    check_whole(&said);
    assert_eq!(said.len(), 5_001);
    assert_eq!(said[5_000].text("content"), "last");
    let kinds: Vec<&str> = stored.iter().rev().take(2).map(|stored| stored.text("kind")).collect();
    assert_eq!(kinds, ["step-end", "step-end"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_it_ends_at_the_deadline_and_lists_what_is_unsent() {
    let mut world = World::start().await;
    world.nats.stop().await.unwrap();
    let mut sidecar = world.sidecar(&["--grace-seconds", "3"]).await;
    assert_eq!(post(&world.socket("main"), "text/plain", "nobody hears").0, 202);
    let log = sidecar.log().to_owned();
    sidecar.check_running().unwrap();
    let took = terminate(sidecar).await;
    assert!(took > Duration::from_millis(900) && took < Duration::from_secs(3), "{took:?}");
    let last = std::fs::read_to_string(log).unwrap().lines().last().unwrap().to_owned();
    assert!(last.contains("spool") && last.contains("0.."), "{last}");
    world.nats.start_again().await.unwrap();
    let sidecar = world.sidecar(&[]).await;
    assert_eq!(world.said(1).await[0].text("content"), "nobody hears");
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_cut_by_the_end_is_cut_there_again_when_its_file_goes_on() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let mut log = File::create(world.log("a.log")).unwrap();
    log.write_all(b"half a ").unwrap();
    terminate(sidecar).await;
    log.write_all(b"line\n").unwrap();
    let sidecar = world.sidecar(&[]).await;
    let said = world.said(2).await;
    terminate(sidecar).await;
    let contents: Vec<&str> = said.iter().map(|stored| stored.text("content").trim()).collect();
    assert_eq!(contents, ["half a", "line"]);
    check_whole(&said);
}
