//! Disks that are full.

use std::path::Path;
use std::time::Duration;

use neighbours::Mounts;

use crate::checker::{check, published};
use crate::length;
use crate::world::{World, logged};
use crate::writer::Writer;
use tests::chance::Chance;

/// Fills what is left of a disk by a file of this name.
fn fill(filling: &Path) {
    let written = std::fs::write(filling, vec![0; 1024 * 1024]);
    assert_eq!(written.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_makes_writers_wait_and_costs_nothing() {
    let mut chance = Chance::new("full disk");
    let mut world = World::start().await;
    let state = world.pod.state();
    std::fs::create_dir(&state).unwrap();
    let mounts = Mounts::make(&format!("mount -t tmpfs -o size=512k tmpfs {}", state.display())).await.unwrap();
    world.pod.wrapper = mounts.wrapper();
    let mut sidecar = world.sidecar(&["--in-pod"]).await;
    let filling = mounts.seen(&state.join("filling"));
    let writer = Writer::start_padded(&world.pod, Duration::from_millis(1), 300);
    for round in 0..length(3, 40) {
        tokio::time::sleep(Duration::from_millis(chance.below(300))).await;
        fill(&filling);
        logged(&sidecar, "cannot write to the spool: No space left on device").await;
        logged(&sidecar, "the checkpoint cannot be written").await;
        tokio::time::sleep(Duration::from_millis(chance.below(300))).await;
        if round % 2 == 1 {
            sidecar.kill().unwrap();
            sidecar = world.sidecar(&["--in-pod"]).await;
        }
        // A log is on another disk, and is read and sent all the same.
        world.until_stored(world.number("SELECT count(*) FROM workflow_comms.agent_messages").await + 50).await;
        std::fs::remove_file(&filling).unwrap();
    }
    logged(&sidecar, "the spool takes records again").await;
    let said = writer.stop();
    check(&world, sidecar, &said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_the_checkpoint_alone_marks_what_is_sent_and_cuts_nothing_by_time() {
    let mut world = World::start().await;
    let (state, spool) = (world.pod.state(), world.pod.path("spool"));
    std::fs::create_dir(&state).unwrap();
    std::fs::create_dir(&spool).unwrap();
    let (on, elsewhere) = (state.display(), spool.display());
    let script = format!("mount -t tmpfs -o size=64k tmpfs {on} && mkdir {on}/spool && mount --bind {elsewhere} {on}/spool");
    let mounts = Mounts::make(&script).await.unwrap();
    world.pod.wrapper = mounts.wrapper();
    // A line that begins otherwise belongs to the one before it, which waits this long for such a line.
    let arguments = ["--in-pod", "--rules", "[lines]\nstart = '^(file |slow |\\{)'\nwait_ms = 100\n"];
    let mut sidecar = world.sidecar(&arguments).await;
    let writer = Writer::start(&world.pod, Duration::from_millis(2));
    world.until_stored(100).await;
    let filling = mounts.seen(&state.join("filling"));
    fill(&filling);
    logged(&sidecar, "the checkpoint cannot be written").await;
    let failing = writer.count();
    std::fs::write(world.pod.log("slow.log"), "slow 0\n  and more\n").unwrap();
    until_file_is_stored(&world, failing + 300).await;
    // What it sent since is not written down anywhere.
    sidecar.kill().unwrap();
    sidecar = world.sidecar(&arguments).await;
    logged(&sidecar, "the checkpoint cannot be written").await;
    let healed = writer.count();
    until_file_is_stored(&world, healed + 300).await;
    let slow = "SELECT count(*) FROM workflow_comms.agent_messages WHERE content LIKE 'slow%'";
    assert_eq!(world.number(slow).await, 0, "a cut by time was made that a restart would not make again");
    let healed = writer.count();
    until_file_is_stored(&world, healed).await;
    std::fs::remove_file(&filling).unwrap();
    logged(&sidecar, "the checkpoint can be written again").await;
    let after = writer.count();
    until_file_is_stored(&world, after + 100).await;
    let mut said = writer.stop();
    said.beside.push("slow 0\n  and more".to_owned());
    world.until_stored(said.count()).await;
    assert_eq!(world.metric("possible_repeats_total"), 0);
    check(&world, sidecar, &said).await;
    let mut unmarked = 0;
    for message in published(&world).await {
        let Some(number) = message.content.strip_prefix("file ").map(|number| number.parse::<u64>().unwrap()) else { continue };
        assert!(message.resend || !(failing..healed).contains(&number), "{} is not marked", message.content);
        unmarked += u64::from(number >= after && !message.resend);
    }
    assert!(unmarked >= 100, "what is sent is marked though the checkpoint can be written");
}

/// Waits until the table has this line of the writer's file.
async fn until_file_is_stored(world: &World, number: u64) {
    let sql = format!("SELECT count(*) FROM workflow_comms.agent_messages WHERE content = 'file {number}'");
    let start = std::time::Instant::now();
    while world.number(&sql).await == 0 {
        assert!(start.elapsed() < crate::world::PATIENCE, "line {number} is not stored");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
