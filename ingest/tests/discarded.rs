//! What the stream discards before it is stored is told, exactly, and never taken for stored.

use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::pull;
use futures_util::StreamExt as _;
use neighbours::Postgres;

use crate::viewer::Viewer;
use crate::world::World;

const STORED: &str = "SELECT count(*) FROM workflow_comms.agent_messages";
const DISCARDED: &str = "SELECT coalesce(sum(error::bigint - stream_seq + 1), 0)::bigint FROM workflow_comms.dead_letters \
    WHERE class = 'discarded'";
const WATERMARK: &str = "SELECT watermark FROM workflow_comms.stream_epochs WHERE epoch = 1 AND hold_to IS NULL";

/// What the server says of the durable and the stream: floor, unacknowledged, pending, first, last.
async fn server(world: &World) -> (u64, usize, u64, u64, u64) {
    let stream = world.jetstream.get_stream("agent-comms").await.expect("the stream");
    let durable = stream.get_consumer::<pull::Config>(ingest::consume::DURABLE).await.expect("the durable");
    let (info, state) = (durable.cached_info(), &stream.cached_info().state);
    (info.ack_floor.stream_sequence, info.num_ack_pending, info.num_pending, state.first_sequence, state.last_sequence)
}

/// Waits until the server says this.
async fn until_server(world: &World, expected: (u64, usize, u64, u64, u64)) {
    let start = Instant::now();
    loop {
        let said = server(world).await;
        if said == expected {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "the server says {said:?}, not {expected:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Holds as many messages as these, acknowledging none.
async fn hold(world: &World, count: usize) -> Vec<async_nats::jetstream::Message> {
    let stream = world.jetstream.get_stream("agent-comms").await.expect("the stream");
    let durable = stream.get_consumer::<pull::Config>(ingest::consume::DURABLE).await.expect("the durable");
    let messages = durable.fetch().max_messages(count).messages().await.expect("a request");
    let held: Vec<_> = messages.map(|message| message.expect("a message")).collect().await;
    assert_eq!(held.len(), count);
    held
}

/// The ground that the watermark stands on: if a later server reckons otherwise, this fails.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_counts_what_it_discarded_as_acknowledged() {
    let world = World::start().await;
    world.publish_numbered(0..200).await;
    let held = hold(&world, 100).await;
    until_server(&world, (0, 100, 100, 1, 200)).await;
    // 1 to 100 were delivered and are not acknowledged: they count as acknowledged at once, although somebody holds them.
    // 101 to 150 were never delivered: they count as acknowledged as soon as something above them is.
    world.keep_messages(50).await;
    until_server(&world, (100, 0, 50, 151, 200)).await;
    let rest = hold(&world, 50).await;
    until_server(&world, (100, 50, 0, 151, 200)).await;
    rest[0].double_ack().await.expect("acknowledged");
    until_server(&world, (151, 49, 0, 151, 200)).await;
    // An acknowledgement of what is gone changes nothing.
    held[99].ack().await.expect("sent");
    rest[1].double_ack().await.expect("acknowledged");
    until_server(&world, (152, 48, 0, 151, 200)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_discarded_while_postgresql_was_away_is_told_and_the_rest_is_stored() {
    let mut postgres = Postgres::start(neighbours::postgres::Options::default()).await.expect("postgresql");
    let mut world = World::with_postgres(&postgres).await;
    world.keep_messages(1_000).await;
    world.set_ack_wait(Duration::from_secs(2)).await;
    let (running, stop) = world.serve().await;
    world.publish_numbered(0..500).await;
    world.until(WATERMARK, 500).await;
    postgres.stop().await.expect("stopped");
    world.publish_numbered(500..3_500).await;
    postgres.start_again().await.expect("started again");
    world.sql = postgres.connect(&world.database).await.expect("a connection");
    world.until(WATERMARK, 3_500).await;
    let (stored, discarded) = (world.count(STORED).await, world.count(DISCARDED).await);
    assert_eq!(stored + discarded, 3_500);
    assert!(discarded > 0, "nothing was discarded: nothing was tested");
    // The ranges are exactly what is not there.
    let sql = "SELECT count(*) FROM workflow_comms.dead_letters d JOIN workflow_comms.agent_messages m \
               ON m.epoch = d.epoch AND m.stream_seq BETWEEN d.stream_seq AND d.error::bigint WHERE d.class = 'discarded'";
    assert_eq!(world.count(sql).await, 0);
    let lost_to = world.count("SELECT lost_to FROM workflow_comms.stream_epochs").await;
    assert!(lost_to < 3_500);
    // Whoever watches from below the loss is told so; whoever was above it goes on.
    let below = Viewer::start(running.api, Some("1.500")).await;
    below.until("a reset", |told| told.resets == ["discarded"]).await;
    let above = Viewer::start(running.api, Some(&format!("1.{lost_to}"))).await;
    let told = above.until("the rest", |told| told.messages.last().is_some_and(|last| last.sequence == 3_500)).await;
    assert!(told.resets.is_empty());
    stop.cancel();
    running.wait().await.expect("stopped");
}

/// Everything that the stream let go of was stored before: the watermark only lagged behind. That is no loss.
#[tokio::test(flavor = "multi_thread")]
async fn a_watermark_that_lags_behind_what_was_stored_and_discarded_tells_no_loss() {
    let world = World::start().await;
    world.set_ack_wait(Duration::from_secs(2)).await;
    let (running, stop) = world.serve().await;
    world.publish_numbered(0..500).await;
    world.until(WATERMARK, 500).await;
    stop.cancel();
    running.wait().await.expect("stopped");
    world.sql.execute("UPDATE workflow_comms.stream_epochs SET watermark = 100", &[]).await.expect("set back");
    world.keep_messages(50).await;
    let (running, stop) = world.serve().await;
    world.publish_numbered(500..510).await;
    world.until(WATERMARK, 510).await;
    assert_eq!(world.count(DISCARDED).await, 0);
    assert_eq!(world.count("SELECT lost_to FROM workflow_comms.stream_epochs").await, 0);
    stop.cancel();
    running.wait().await.expect("stopped");
}
