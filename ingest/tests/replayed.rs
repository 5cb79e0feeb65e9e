//! What the tables have lost and the stream still holds is stored again, exactly, and once.

use async_nats::HeaderMap;
use ingest::args::Command;
use ingest::replay::{Report, replay};

use crate::world::World;

/// Everything that the tables hold, in an order of its own, without when it was written.
const TABLES: [(&str, &str); 5] = [
    ("agent_messages", "epoch, stream_seq"),
    ("dead_letters", "epoch, stream_seq, stream_ts"),
    ("runs", "workflow_namespace, run_key"),
    ("run_steps", "workflow_namespace, run_key, step_id, pod, container"),
    ("run_sources", "workflow_namespace, run_key, pod_uid, label, generation"),
];

async fn dump(sql: &tokio_postgres::Client) -> Vec<Vec<String>> {
    let mut tables = Vec::new();
    for (table, order) in TABLES {
        let sql_of = format!("SELECT row_to_json(line)::text FROM workflow_comms.{table} AS line ORDER BY {order}");
        tables.push(sql.query(&sql_of, &[]).await.expect("rows").iter().map(|row| row.get(0)).collect());
    }
    tables
}

async fn once(world: &World, url: &str, words: &[&str]) -> Report {
    let mut all = vec!["replay", "--database-url", url];
    all.extend(words);
    let Command::Replay(args) = World::args(&world.nats.ingest(), &all).command else { panic!("no replay") };
    replay(&args).await.expect("replayed")
}

/// Publishes messages of two runs, copies, what cannot be read, what nobody vouches for, and what says something else under
/// the id of another: 320 in all.
async fn publish(world: &World) {
    world.publish_numbered(0..300).await;
    let subject = "workflow.demo.other.u-2.agent.b.message";
    let body = |id: u32, content: &str| {
        format!(
            r#"{{"v":1,"id":"00000000-0000-8000-8000-{id:012}","content":"{content}","step_id":"s","seq":{id},"source":{{"pod_uid":"p","label":"l","generation":1,"start":{id},"end":{},"part":0}}}}"#,
            id + 1
        )
    };
    for number in 0..8 {
        world.publish(subject, &body(number, "said")).await;
    }
    world.publish(subject, &body(3, "something else")).await;
    world.publish("workflow.demo.build.u-1.agent.a.message", "{").await;
    world.publish("workflow.general.message", r#"{"content":"to all"}"#).await;
    let mut headers = HeaderMap::new();
    headers.insert(message::RESEND_HEADER, "1");
    for number in 0..8 {
        let copy = world.jetstream.publish_with_headers(subject, headers.clone(), body(number, "said").into()).await;
        copy.expect("published").await.expect("acknowledged");
    }
    world.publish(subject, r#"{"kind":"step-end","step_id":"s","content":"ended","attrs":{"exit_code":0}}"#).await;
}

const WATERMARK: &str = "SELECT watermark FROM workflow_comms.stream_epochs";

#[tokio::test(flavor = "multi_thread")]
async fn deleted_rows_are_restored_exactly_and_a_second_time_nothing_is() {
    let world = World::start().await;
    let (running, stop) = world.serve().await;
    publish(&world).await;
    world.until(WATERMARK, 320).await;
    stop.cancel();
    running.wait().await.expect("stopped");
    let whole = dump(&world.sql).await;
    let nothing = Report { read: 320, there: 320, ..Report::default() };
    assert_eq!(once(&world, &world.url, &[]).await, nothing);

    let lose = "DELETE FROM workflow_comms.agent_messages WHERE stream_seq BETWEEN 50 AND 149 OR stream_seq IN (303, 311, 320); \
                DELETE FROM workflow_comms.dead_letters WHERE class = 'decode'";
    world.sql.batch_execute(lose).await.expect("deleted");
    let after_loss = dump(&world.sql).await;
    let planned = once(&world, &world.url, &["--dry-run"]).await;
    assert_eq!((planned.restored, planned.dead, planned.there), (103, 1, 216), "{planned:?}");
    assert_eq!(dump(&world.sql).await, after_loss);
    let done = once(&world, &world.url, &[]).await;
    assert_eq!((done.restored, done.dead, done.there, done.recounted), (103, 1, 216, 2), "{done:?}");
    assert_eq!(dump(&world.sql).await, whole);
    assert_eq!(once(&world, &world.url, &[]).await, nothing);

    // From a place on.
    world
        .sql
        .batch_execute("DELETE FROM workflow_comms.agent_messages WHERE stream_seq IN (10, 100, 101)")
        .await
        .expect("deleted");
    let done = once(&world, &world.url, &["--from", "1.101"]).await;
    assert_eq!((done.read, done.restored), (220, 1), "{done:?}");
    let at = "SELECT to_char(stream_ts AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') \
              FROM workflow_comms.agent_messages WHERE stream_seq = 99";
    let at: String = world.sql.query_one(at, &[]).await.expect("a row").get(0);
    let done = once(&world, &world.url, &["--from", &at]).await;
    assert_eq!((done.restored, done.read), (1, 222), "{done:?}");
    assert_eq!(once(&world, &world.url, &["--from", "start"]).await.restored, 1);
    assert_eq!(dump(&world.sql).await, whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_is_filled_from_the_stream_and_what_is_not_settled_is_left_to_the_durable() {
    let world = World::start().await;
    let (running, stop) = world.serve().await;
    publish(&world).await;
    world.until(WATERMARK, 320).await;
    stop.cancel();
    running.wait().await.expect("stopped");
    let whole = dump(&world.sql).await;

    // The database is lost, and a new one takes its place.
    let tables = "DROP SCHEMA workflow_comms CASCADE";
    world.sql.batch_execute(tables).await.expect("dropped");
    let (running, stop) = world.serve().await;
    world.until_exists("workflow_comms.agent_messages").await;
    world.until(WATERMARK, 320).await;
    let done = once(&world, &world.url, &[]).await;
    assert_eq!((done.read, done.open), (320, 0), "{done:?}");
    assert_eq!(dump(&world.sql).await, whole);
    stop.cancel();
    running.wait().await.expect("stopped");

    // Nobody stores: what comes now is not settled.
    world.publish_numbered(300..310).await;
    let done = once(&world, &world.url, &[]).await;
    assert_eq!((done.read, done.open, done.restored), (330, 10, 0), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_what_is_kept_stays_away() {
    let world = World::start().await;
    let (running, stop) = world.serve().await;
    world.publish_numbered(0..10).await;
    world.until(WATERMARK, 10).await;
    let lose = "DELETE FROM workflow_comms.agent_messages; UPDATE workflow_comms.stream_epochs SET kept_from = 6";
    world.sql.batch_execute(lose).await.expect("deleted");
    let done = once(&world, &world.url, &[]).await;
    assert_eq!((done.restored, done.expired), (5, 5), "{done:?}");
    stop.cancel();
    running.wait().await.expect("stopped");
}
