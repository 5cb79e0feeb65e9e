//! Streams that are lost, made anew or come back without their end, under replicas that run: every message is in the table
//! once, under the life of the stream that it was said in, and viewers see all of it in order.

use std::path::Path;
use std::time::Duration;

use ingest::cursor::Cursor;
use neighbours::nats::Options;

use crate::viewer::{Told, Viewer};
use crate::world::World;

const DIFFERENT: &str = "SELECT count(DISTINCT content) FROM workflow_comms.agent_messages";
const MESSAGES: &str = "SELECT count(*) FROM workflow_comms.agent_messages";
const EPOCHS: &str = "SELECT count(*) FROM workflow_comms.stream_epochs";
const SETTLED: &str = "SELECT count(*) FROM workflow_comms.stream_epochs WHERE settled";

fn of_epoch(epoch: i64) -> String {
    format!("{MESSAGES} WHERE epoch = {epoch}")
}

/// Checks that a viewer saw every row of the table from its first message on, each once, in order.
async fn check_viewer(world: &World, viewer: &Viewer, last: Cursor) {
    let Told { messages, resets } = viewer.until("the last message", |told| told.messages.last() == Some(&last)).await;
    assert!(messages.is_sorted_by(|one, other| one < other), "not in order, or twice");
    let rows = world.sql.query("SELECT epoch, stream_seq FROM workflow_comms.agent_messages ORDER BY 1, 2", &[]).await;
    let rows: Vec<Cursor> = rows.expect("rows").iter().map(|row| Cursor { epoch: row.get(0), sequence: row.get(1) }).collect();
    let missing: Vec<&Cursor> = rows.iter().filter(|row| !messages.contains(row)).collect();
    assert!(missing.is_empty(), "not seen: {missing:?}");
    assert_eq!(messages.len(), rows.len(), "seen and not in the table");
    assert!(resets.is_empty(), "{resets:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_made_anew_under_running_replicas_is_another_life() {
    let world = World::start().await;
    world.set_ack_wait(Duration::from_secs(2)).await;
    let ((one, stop_one), (other, stop_other)) = tokio::join!(world.serve(), world.serve());
    let viewers = [Viewer::start(one.api, Some("1.0")).await, Viewer::start(other.api, Some("1.0")).await];
    world.publish_numbered(0..300).await;
    world.until_acknowledged().await;
    for viewer in &viewers {
        viewer.until("what was said first", |told| told.messages.len() == 300).await;
    }
    world.jetstream.delete_stream("agent-comms").await.expect("deleted");
    world.set_up().await;
    world.set_ack_wait(Duration::from_secs(2)).await;
    world.publish_numbered(300..700).await;
    world.until(DIFFERENT, 700).await;
    assert_eq!((world.count(&of_epoch(1)).await, world.count(&of_epoch(2)).await), (300, 400));
    assert_eq!(world.count(EPOCHS).await, 2);
    for viewer in &viewers {
        check_viewer(&world, viewer, Cursor { epoch: 2, sequence: 400 }).await;
    }
    world.until(SETTLED, 1).await;
    assert_eq!(world.count("SELECT count(*) FROM workflow_comms.dead_letters").await, 0);
    for (running, stop) in [(one, stop_one), (other, stop_other)] {
        stop.cancel();
        running.wait().await.expect("stopped");
    }
}

fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp runs");
    assert!(status.success(), "cannot copy {}", from.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_comes_back_without_its_end_goes_on_in_another_life() {
    let directory = tempfile::tempdir().expect("a directory");
    let options = Options { directory: Some(directory.path().to_owned()), ..Options::default() };
    let mut world = World::with_nats(options).await;
    world.set_ack_wait(Duration::from_secs(2)).await;
    let ((one, stop_one), (other, stop_other)) = tokio::join!(world.serve(), world.serve());
    let viewers = [Viewer::start(one.api, Some("1.0")).await, Viewer::start(other.api, Some("1.0")).await];
    world.publish_numbered(0..900).await;
    world.until_acknowledged().await;
    // What is on the disk now is what the node has when it comes back.
    let (store, kept) = (directory.path().join("store"), directory.path().join("kept"));
    world.nats.stop().await.expect("stopped");
    copy(&store, &kept);
    world.nats.start_again().await.expect("started again");
    world.reconnected().await;
    world.publish_numbered(900..1_000).await;
    world.until(DIFFERENT, 1_000).await;
    for viewer in &viewers {
        viewer.until("everything before the break", |told| told.messages.len() == 1_000).await;
    }
    world.nats.kill().expect("killed");
    std::fs::remove_dir_all(&store).expect("removed");
    std::fs::rename(&kept, &store).expect("put back");
    world.nats.start_again().await.expect("started again");
    world.reconnected().await;
    world.publish_numbered(1_000..1_300).await;
    world.until(DIFFERENT, 1_300).await;
    assert_eq!((world.count(&of_epoch(1)).await, world.count(&of_epoch(2)).await), (1_000, 300));
    assert_eq!(world.count(MESSAGES).await, 1_300);
    let first = world.count("SELECT first_seq FROM workflow_comms.stream_epochs WHERE epoch = 2").await;
    assert_eq!(first, 901);
    for viewer in &viewers {
        check_viewer(&world, viewer, Cursor { epoch: 2, sequence: 1_200 }).await;
    }
    world.until(SETTLED, 1).await;
    assert_eq!(world.count("SELECT count(*) FROM workflow_comms.dead_letters").await, 0);
    for (running, stop) in [(one, stop_one), (other, stop_other)] {
        stop.cancel();
        running.wait().await.expect("stopped");
    }
}
