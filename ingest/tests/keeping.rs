//! Whatever holds up one batch, what was pulled stays ours, memory stays bounded, and other batches go on.

use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{DeliverPolicy, PullConsumer};
use async_nats::jetstream::{self, consumer};
use clap::Parser as _;
use futures_util::StreamExt as _;
use ingest::consume::{DURABLE, STREAM};
use neighbours::Postgres;

use crate::serving::readyz;
use crate::world::World;

const MESSAGES: &str = "SELECT count(*) FROM workflow_comms.agent_messages";
const REFUSED: &str = "SELECT count(*) FROM workflow_comms.dead_letters WHERE class = 'refused'";
const SUBJECT: &str = "workflow.demo.build.u-1.agent.a.message";
const DEADLINE: Duration = Duration::from_secs(60);

/// Makes the table refuse what says this, with this state.
async fn refuse(world: &World, content: &str, state: &str) {
    world.until_exists("workflow_comms.agent_messages").await;
    let trigger = format!(
        "CREATE FUNCTION refuse_{content}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF NEW.content = '{content}' THEN RAISE 'not this one' USING ERRCODE = '{state}'; END IF; RETURN NEW; END $$; \
         CREATE TRIGGER refuse_{content} BEFORE INSERT ON workflow_comms.agent_messages \
         FOR EACH ROW EXECUTE FUNCTION refuse_{content}()"
    );
    world.sql.batch_execute(&trigger).await.expect("a trigger");
}

async fn durable(world: &World) -> PullConsumer {
    world.jetstream.get_consumer_from_stream(DURABLE, STREAM).await.expect("the durable")
}

async fn unacknowledged(world: &World) -> usize {
    durable(world).await.cached_info().num_ack_pending
}

async fn publish(world: &World, contents: impl IntoIterator<Item = String>) {
    let mut acks = Vec::new();
    for content in contents {
        let body = serde_json::json!({ "content": content }).to_string();
        acks.push(world.jetstream.publish(SUBJECT, body.into()).await.expect("published"));
    }
    for ack in acks {
        ack.await.expect("acknowledged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tables_refuse_is_set_aside_alone_wherever_it_stands() {
    let world = World::start().await;
    let (running, stop) = world.serve().await;
    refuse(&world, "poison", "data_exception").await;
    let (length, positions) = (64, (0..64).step_by(3));
    let count = positions.len();
    let words = positions.flat_map(|poisoned| {
        (0..length).map(move |place| if place == poisoned { "poison".to_owned() } else { format!("{poisoned} {place}") })
    });
    publish(&world, words).await;
    world.until(MESSAGES, i64::try_from(count * (length - 1)).unwrap()).await;
    world.until(REFUSED, i64::try_from(count).unwrap()).await;
    world.until_acknowledged().await;
    stop.cancel();
    running.wait().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_must_wait_holds_up_no_other_and_readiness_says_why() {
    let world = World::start().await;
    let (running, stop) = world.serve().await;
    refuse(&world, "forbidden", "insufficient_privilege").await;
    publish(&world, ["forbidden".to_owned()]).await;
    let start = Instant::now();
    while !readyz(running.admin).await.contains("postgres-store: postgresql did not store messages") {
        assert!(start.elapsed() < DEADLINE, "{}", readyz(running.admin).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    publish(&world, (0..3_000).map(|number| number.to_string())).await;
    world.until(MESSAGES, 3_000).await;
    // Stored batches do not hide the one that is not.
    assert!(!readyz(running.admin).await.contains("postgres-store: ok"));
    world.sql.batch_execute("DROP TRIGGER refuse_forbidden ON workflow_comms.agent_messages").await.expect("dropped");
    world.until(MESSAGES, 3_001).await;
    world.until_acknowledged().await;
    while !readyz(running.admin).await.contains("postgres-store: ok") {
        assert!(start.elapsed() < DEADLINE, "{}", readyz(running.admin).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(world.count("SELECT count(*) FROM workflow_comms.dead_letters").await, 0);
    stop.cancel();
    running.wait().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_bounded_in_bytes_while_nothing_can_be_stored() {
    const EACH: usize = 700 << 10;
    let world = World::start().await;
    let (running, stop) = world.serve().await;
    publish(&world, ["first".to_owned()]).await;
    world.until(MESSAGES, 1).await;
    stop.cancel();
    running.wait().await.expect("stopped");
    // All of it is there when the next replica begins to ask, so that each batch is as large as it may be.
    let words = "0123456789abcdef".repeat(EACH / 16);
    for number in 0..100 {
        publish(&world, [format!("{number} {words}")]).await;
    }
    world.sql.batch_execute("BEGIN; LOCK TABLE workflow_comms.agent_messages IN SHARE MODE").await.expect("locked");
    let (running, stop) = world.serve().await;
    // Requests are held for 5 s: by then all that may be asked for has been.
    let (began, mut start, mut most) = (Instant::now(), Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(7) {
        let unacknowledged = unacknowledged(&world).await;
        if most == 0 {
            assert!(began.elapsed() < DEADLINE, "nothing was pulled");
            start = Instant::now();
        }
        most = most.max(unacknowledged);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(((10 << 20) / EACH..=(16 << 20) / EACH).contains(&most), "{most} messages of 700 KiB were held at once");
    world.sql.batch_execute("ROLLBACK").await.expect("unlocked");
    world.until(MESSAGES, 101).await;
    world.until_acknowledged().await;
    assert_eq!(world.count("SELECT count(DISTINCT content) FROM workflow_comms.agent_messages").await, 101);
    stop.cancel();
    running.wait().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_larger_than_a_request_is_stored() {
    let options = neighbours::nats::Options { max_payload: Some(16 << 20), ..neighbours::nats::Options::default() };
    let world = World::with_nats(options).await;
    let (running, stop) = world.serve().await;
    let words = "0123456789abcdef".repeat((10 << 20) / 16);
    publish(&world, ["before".to_owned(), words, "after".to_owned()]).await;
    world.until(MESSAGES, 3).await;
    world.until("SELECT max(length(content))::bigint FROM workflow_comms.agent_messages", 10 << 20).await;
    world.until_acknowledged().await;
    stop.cancel();
    running.wait().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_postgresql_is_extended_within_the_time_to_acknowledge() {
    let world = World::start().await;
    world.set_ack_wait(Duration::from_secs(2)).await;
    let (running, stop) = world.serve().await;
    publish(&world, ["first".to_owned()]).await;
    world.until(MESSAGES, 1).await;
    let lock = "BEGIN; LOCK TABLE workflow_comms.agent_messages IN ACCESS EXCLUSIVE MODE";
    world.sql.batch_execute(lock).await.expect("locked");
    // Fewer than are gathered at once: the replica goes on asking, and would be given again what is not extended.
    publish(&world, (0..300).map(|number| number.to_string())).await;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(8) {
        let durable = durable(&world).await;
        let info = durable.cached_info();
        assert_eq!(info.num_redelivered, 0, "after {:?}", start.elapsed());
        assert!(start.elapsed() < Duration::from_secs(1) || info.num_ack_pending > 0);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    world.sql.batch_execute("ROLLBACK").await.expect("unlocked");
    world.until(MESSAGES, 301).await;
    world.until_acknowledged().await;
    stop.cancel();
    running.wait().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_replica_gives_back_what_it_could_not_store_but_not_at_once() {
    let mut postgres = Postgres::start(neighbours::postgres::Options::default()).await.expect("postgresql");
    let world = World::with_postgres(&postgres).await;
    let (running, stop) = world.serve().await;
    publish(&world, ["first".to_owned()]).await;
    world.until(MESSAGES, 1).await;
    world.until_acknowledged().await;
    postgres.stop().await.expect("stopped");
    world.publish_numbered(0..10).await;
    let start = Instant::now();
    while unacknowledged(&world).await < 10 {
        assert!(start.elapsed() < DEADLINE, "nothing was pulled");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    running.wait().await.expect("stopped");
    let given_back = Instant::now();
    let mut messages = durable(&world).await.messages().await.expect("messages");
    messages.next().await.expect("a message").expect("a message");
    let waited = given_back.elapsed();
    assert!((Duration::from_secs(1)..Duration::from_secs(20)).contains(&waited), "after {waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_durable_that_would_pass_over_messages_is_not_bound_and_one_that_is_made_anew_is() {
    let world = World::start().await;
    let (running, stop) = world.serve().await;
    publish(&world, ["one".to_owned()]).await;
    world.until(MESSAGES, 1).await;
    let stream = world.jetstream.get_stream(STREAM).await.expect("the stream");
    let settings = stream.cached_info().config.clone();
    let losing = jetstream::stream::Config { allow_rollup: true, ..settings.clone() };
    world.jetstream.update_stream(losing).await.expect("a stream that may lose messages in its middle");
    stream.delete_consumer(DURABLE).await.expect("deleted");
    let config = consumer::pull::Config {
        durable_name: Some(DURABLE.to_owned()),
        deliver_policy: DeliverPolicy::New,
        max_deliver: -1,
        ..consumer::pull::Config::default()
    };
    stream.create_consumer(config).await.expect("an unsafe durable");
    let start = Instant::now();
    while !readyz(running.admin).await.contains("has another deliver policy than `all`") {
        assert!(start.elapsed() < DEADLINE, "{}", readyz(running.admin).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(readyz(running.admin).await.contains("stream-settings: stream `agent-comms` has rollups"));
    world.jetstream.update_stream(settings).await.expect("as it was");
    publish(&world, ["two".to_owned()]).await;
    stream.delete_consumer(DURABLE).await.expect("deleted");
    world.set_up().await;
    world.until(MESSAGES, 2).await;
    world.until_acknowledged().await;
    assert!(readyz(running.admin).await.contains("stream-settings: ok"));
    assert_eq!(world.count("SELECT messages FROM workflow_comms.runs").await, 2);
    stop.cancel();
    running.wait().await.expect("stopped");
}

#[derive(clap::Parser)]
struct Database {
    #[command(flatten)]
    args: ingest::args::DatabaseArgs,
}

#[tokio::test(flavor = "multi_thread")]
async fn no_session_works_or_waits_without_end() {
    let world = World::start().await;
    let database = Database::try_parse_from(["x", "--database-url", &world.url]).expect("arguments");
    let client = ingest::store::pool::open(&database.args).expect("a pool").get().await.expect("a connection");
    for (setting, expected) in
        [("statement_timeout", "30s"), ("idle_in_transaction_session_timeout", "1min"), ("lock_timeout", "10s")]
    {
        let row = client.query_one(&format!("SHOW {setting}"), &[]).await.expect("a setting");
        assert_eq!(row.get::<_, &str>(0), expected, "{setting}");
    }
}
