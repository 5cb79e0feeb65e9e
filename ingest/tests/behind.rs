//! A live side that begins where more waits to be stored than it holds, or where the stream holds less than the table.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use ingest::filter::Filter;
use ingest::live::{Event, Hub, Start};
use ingest::settled::Settled;
use ingest::stored::StoredMessage;
use message::Received;
use prometheus_client::registry::Registry;

use time::OffsetDateTime;

use crate::hub::{OTHER, RUN, World, at, build, caught_up, is_silent, message, sequences, until};

/// As many frames as the ring holds.
const HELD: i64 = 50_000;
/// How long a condition may take to hold, on a busy machine: as many messages are read.
const DEADLINE: Duration = Duration::from_secs(120);

async fn until_holds(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < DEADLINE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn until_read(hub: &Hub, last: i64) {
    until_holds("the stream is read", async || hub.is_live() && hub.may_hold(at(last))).await;
}

/// Publishes as many messages of a run as the ring holds.
async fn publish_many(world: &World) {
    let client = world.nats.admin().connect().await.unwrap();
    let sent = futures_util::stream::iter(0..HELD).map(|number| {
        let id = message::id::of_foreign(OTHER, &number.to_string());
        client.publish(OTHER, format!(r#"{{"v":1,"id":"{id}","content":"{number}"}}"#).into())
    });
    sent.buffered(64).for_each(async |sent| sent.unwrap()).await;
    client.flush().await.unwrap();
    let messages = async || world.admin.get_stream("agent-comms").await.unwrap().cached_info().state.messages;
    until_holds("everything is in the stream", async || messages().await > HELD.unsigned_abs()).await;
}

/// A publisher that does not say so sends again what a viewer saw on another replica. It is not stored yet, and the ring of
/// this replica begins after it: no id of it is known.
#[tokio::test]
async fn a_ring_that_begins_above_what_is_stored_shows_nothing_that_may_be_a_copy_before_its_row() {
    let world = World::new("behind").await;
    // Only the other replica, which begins late, follows the stream.
    world.stop.cancel();
    let first = world.publish(RUN, "said once").await;
    publish_many(&world).await;
    let copy = world.publish(RUN, "said once").await;
    let last = world.publish(RUN, "after").await;
    assert_eq!((first, copy, last), (1, HELD + 2, HELD + 3));
    let base = last - HELD;
    let (replica, stop) = World::replica(&world.nats, &world.table, &world.settled).await;
    until_read(&replica, last).await;
    let mut inside = replica.subscribe(build(), Start::After(at(last - 10)));
    let mut below = replica.subscribe(build(), Start::After(at(first)));
    for viewer in [&mut inside, &mut below] {
        let waits = |event| match event {
            Event::Degraded => Some(true),
            Event::Message(_) => Some(false),
            _ => None,
        };
        assert!(until(viewer, "word that it waits", waits).await);
    }
    // Everything below the ring is stored: what comes from then on is shown at once, unless it is known.
    world.store(first).await;
    world.settled.send_replace(Settled::at(at(base)));
    let mut number = 0;
    until_holds("what is new is shown before it is stored", async || {
        number += 1;
        let of_run = Filter { runs: vec![format!("n{number}")], ..Filter::default() };
        let mut viewer = replica.subscribe(of_run, Start::After(at(last)));
        world.publish(&format!("workflow.demo.next.n{number}.agent.codex.log"), "news").await;
        !is_silent(&mut viewer).await
    })
    .await;
    let again = world.publish(RUN, "said once").await;
    let mut above = replica.subscribe(build(), Start::After(at(again - 1)));
    assert!(is_silent(&mut above).await && is_silent(&mut inside).await && is_silent(&mut below).await);
    world.store(last).await;
    let end = world.publish(RUN, "end").await;
    world.settled.send_replace(Settled::at(at(again)));
    assert_eq!(sequences(&mut inside, 2).await, [last, end]);
    assert_eq!(sequences(&mut below, 2).await, [last, end]);
    assert_eq!(message(&mut above).await.0, end);
    stop.cancel();
}

/// Nothing was said for as long as the stream keeps what is said, or somebody emptied it.
#[tokio::test]
async fn what_an_empty_stream_holds_no_more_is_shown_from_the_table() {
    let world = World::new("behind_empty").await;
    for number in 0..3 {
        world.publish(RUN, &number.to_string()).await;
    }
    world.commit(3).await;
    world.admin.get_stream("agent-comms").await.unwrap().purge().await.unwrap();
    let (replica, stop) = World::replica(&world.nats, &world.table, &world.settled).await;
    let mut registry = Registry::default();
    replica.register(&mut registry);
    until_holds("the stream is followed", async || replica.is_live()).await;
    let mut viewer = replica.subscribe(build(), Start::After(at(1)));
    let mut newest = replica.subscribe(build(), Start::Newest(2));
    for viewer in [&mut viewer, &mut newest] {
        assert_eq!(sequences(viewer, 2).await, [2, 3]);
        assert_eq!(caught_up(viewer).await, at(3));
    }
    // Not because following the stream was taken for stalled, and they were served between two attempts.
    let mut metrics = String::new();
    prometheus_client::encoding::text::encode(&mut metrics, &registry).unwrap();
    assert!(metrics.contains("live_feed_restarts_total 0\n"), "{metrics}");
    let next = world.publish(RUN, "next").await;
    assert_eq!(message(&mut viewer).await.0, next);
    assert_eq!(message(&mut newest).await.0, next);
    stop.cancel();
}

/// It was said before this replica began, and its list is loaded when it is not silent for long enough.
#[tokio::test]
async fn a_run_that_only_the_table_knows_is_told_when_it_is_silent_for_long() {
    let world = World::new("behind_silent").await;
    world.publish(RUN, "the last word").await;
    // It stands only if nobody here reads of it.
    world.admin.get_stream("agent-comms").await.unwrap().purge().await.unwrap();
    let stored_at = OffsetDateTime::now_utc() - Duration::from_secs(588);
    let received = Received { subject: RUN, payload: br#"{"content":"the last word"}"#, stored_at, sequence: 1 };
    world.table.insert(&StoredMessage::decode(1, &received).unwrap()).await;
    world.settled.send_replace(Settled::at(at(1)));
    let (replica, stop) = World::replica(&world.nats, &world.table, &world.settled).await;
    let mut runs = replica.runs();
    let told = async {
        loop {
            match runs.next().await {
                Some(run) => break run,
                None => runs = replica.runs(),
            }
        }
    };
    let run = tokio::time::timeout(DEADLINE, told).await.expect("it is told");
    assert_eq!((run.uid.as_str(), run.state), ("u1", ingest::read::runs::RunState::Stalled));
    stop.cancel();
}
