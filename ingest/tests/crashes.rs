//! Whatever dies and comes back, every message of the stream is in the table once, and counted once.

use std::time::Duration;

use neighbours::Postgres;

use crate::world::World;

const MESSAGES: &str = "SELECT count(*) FROM workflow_comms.agent_messages";
const DIFFERENT: &str = "SELECT count(DISTINCT content) FROM workflow_comms.agent_messages";
const COUNTED: &str = "SELECT messages FROM workflow_comms.runs WHERE workflow_uid = 'u-1'";
const COUNTED_STEP: &str = "SELECT messages FROM workflow_comms.run_steps WHERE step_id = 's'";

async fn check_once(world: &World, expected: i64) {
    world.until(DIFFERENT, expected).await;
    for sql in [MESSAGES, COUNTED, COUNTED_STEP] {
        assert_eq!(world.count(sql).await, expected, "{sql}");
    }
    assert_eq!(world.count("SELECT count(*) FROM workflow_comms.dead_letters").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_killed_in_mid_stream_leaves_nothing_out_and_nothing_twice() {
    let world = World::start().await;
    let mut killed = world.replica("killed");
    killed.until_ready().await;
    world.publish_numbered(0..3_000).await;
    world.until("SELECT (count(*) > 0)::int::bigint FROM workflow_comms.agent_messages", 1).await;
    world.set_ack_wait(Duration::from_secs(2)).await;
    killed.child.kill().await.expect("killed");
    world.publish_numbered(3_000..4_000).await;
    let mut next = world.replica("next");
    next.until_ready().await;
    // What the killed one held comes again when its time to acknowledge has passed.
    world.until_acknowledged().await;
    check_once(&world, 4_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_store_one_stream_once() {
    let world = World::start().await;
    let ((one, stop_one), (other, stop_other)) = tokio::join!(world.serve(), world.serve());
    world.publish_numbered(0..5_000).await;
    world.until_acknowledged().await;
    check_once(&world, 5_000).await;
    stop_one.cancel();
    world.publish_numbered(5_000..5_100).await;
    one.wait().await.expect("stopped");
    world.until_acknowledged().await;
    check_once(&world, 5_100).await;
    stop_other.cancel();
    other.wait().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn storing_waits_for_postgresql_and_goes_on() {
    let mut postgres = Postgres::start(neighbours::postgres::Options::default()).await.expect("postgresql");
    let mut world = World::with_postgres(&postgres).await;
    let (running, stop) = world.serve().await;
    world.publish_numbered(0..500).await;
    world.until(MESSAGES, 500).await;
    postgres.stop().await.expect("stopped");
    world.publish_numbered(500..2_500).await;
    postgres.start_again().await.expect("started again");
    world.sql = postgres.connect(&world.database).await.expect("a connection");
    world.until_acknowledged().await;
    check_once(&world, 2_500).await;
    stop.cancel();
    running.wait().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_delivered_again_changes_nothing() {
    let world = World::start().await;
    let (running, stop) = world.serve().await;
    world.publish_numbered(0..1_000).await;
    world.until_acknowledged().await;
    stop.cancel();
    running.wait().await.expect("stopped");
    // A new durable of the same name knows nothing of what was stored.
    let stream = world.jetstream.get_stream("agent-comms").await.expect("the stream");
    stream.delete_consumer(ingest::consume::DURABLE).await.expect("deleted");
    let ingest::args::Command::Setup(args) = World::args(&world.nats.admin(), &["setup"]).command else { panic!("no setup") };
    ingest::setup::run(&args).await.expect("set up");
    let (running, stop) = world.serve().await;
    world.until_acknowledged().await;
    check_once(&world, 1_000).await;
    stop.cancel();
    running.wait().await.expect("stopped");
}
