//! Readers that are not ours, through everything that cuts them off: `curl`, a browser's own `EventSource`, and a library
//! that others wrote, in front of two replicas of ingest and behind a network that fails. After each cut every one of them
//! has been told exactly the messages of its run, in the order of the stream.
//!
//! The loop around `curl` and the page's script are those of `docs/api.md`, word for word.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test says what went wrong by failing there")]

mod documented;
mod network;
mod publisher;
mod readers;
mod world;

use std::time::Duration;

use tests::chance::tell;

use network::Cut;
use world::{PATIENCE, PLACES, World, start_again, until};

#[tokio::test(flavor = "multi_thread")]
async fn whatever_cuts_it_off_a_reader_that_is_not_ours_goes_on_where_it_was() {
    let mut world = World::start().await;
    world.told("the first connection").await;

    let before = world.network.connections();
    world.network.cut(Cut::MiddleOfFrame);
    until("every stream is reset within a message", async || world.network.broken_messages() == world.readers.len()).await;
    world.resumed("a reset in the middle of a message", before).await;

    let before = world.network.connections();
    world.network.cut(Cut::Close);
    world.resumed("an orderly close", before).await;

    let before = world.network.connections();
    world.network.cut(Cut::Silence);
    world.resumed("a connection that went silent", before).await;

    // No connection outlives its replica.
    world.replicas[0].process.kill().unwrap();
    world.network.lead_to(world.replicas[1].api);
    world.told("a replica was killed").await;
    start_again(&mut world.replicas[0]).await;

    world.network.lead_to(world.replicas[0].api);
    world.replicas[1].stop(PATIENCE).await.unwrap();
    world.told("a replica was stopped in order").await;
    start_again(&mut world.replicas[1]).await;

    let before = world.network.connections();
    world.nats.stop().await.unwrap();
    world.network.cut(Cut::Close);
    until("all are back", async || world.network.connections() >= before + world.readers.len()).await;
    world.nats.start_again().await.unwrap();
    world.told("NATS was restarted").await;

    let before = world.network.connections();
    world.postgres.stop().await.unwrap();
    world.network.cut(Cut::Close);
    world.resumed("a cut while PostgreSQL was away", before).await;
    world.postgres.start_again().await.unwrap();
    world.told("PostgreSQL was restarted").await;

    // Each is told that there is no place, with a 503: to an `EventSource` that is an end.
    let crowd = world.crowd(&world.replicas[1]).await;
    assert_eq!(crowd.len(), PLACES);
    world.network.lead_to(world.replicas[1].api);
    world.network.cut(Cut::Close);
    until("each reader is refused", async || world.refused().await).await;
    drop(crowd);
    let given_up = world.readers.remove(world.plain());
    world.told("there was no place").await;
    assert_eq!(given_up.state(&world.browser).await, "closed");
    world.check("what is closed for good", &given_up).await;

    // What was opened again with a position in its address goes on from what it was told last all the same.
    let before = world.network.connections();
    world.network.cut(Cut::Close);
    world.resumed("one more close", before).await;

    let messages = world.stop().await;
    tell(&format!("clients: {messages} messages of the run, each once and in order at every reader"));
    assert!(messages > 200, "{messages} messages are too few to cut anything");
}

/// How long a network without a byte lasts, until whatever stands in it forgets the connection. Longer than `curl` waits.
const SILENCE: Duration = Duration::from_secs(4);
