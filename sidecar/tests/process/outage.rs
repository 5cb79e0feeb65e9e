//! A server that is away.

use std::fs::File;
use std::io::Write as _;

use neighbours::process::Signal;

use crate::world::{World, check_whole, post, terminate};

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
