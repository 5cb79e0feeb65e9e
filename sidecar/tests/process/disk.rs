//! Disks that are full, read-only, or not there.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use neighbours::{Mounts, Process};

use crate::world::{PATIENCE, World, check_whole, post, terminate};

/// Waits until the sidecar's log says this.
async fn logged(sidecar: &Process, expected: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !std::fs::read_to_string(sidecar.log()).unwrap().contains(expected) {
        assert!(Instant::now() < deadline, "`{expected}` is not told: {}", sidecar.log_tail());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn post_apart(socket: PathBuf, text: &'static str) -> std::thread::JoinHandle<u16> {
    std::thread::spawn(move || post(&socket, "text/plain", text).0)
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_pod_writers_wait_until_there_is_a_state_directory() {
    let mut world = World::start().await;
    let state = world.path("state");
    std::fs::write(&state, "a file in its place").unwrap();
    world.pod.environment = vec![("TMPDIR", state.clone())];
    let sidecar = world.sidecar(&["--in-pod"]).await;
    let waiting = post_apart(world.socket("main"), "waited");
    logged(&sidecar, "the state directory cannot be used; writers wait").await;
    assert!(!waiting.is_finished());
    std::fs::remove_file(&state).unwrap();
    assert_eq!(waiting.join().unwrap(), 202);
    assert_eq!(world.said(1).await[0].text("content"), "waited");
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_pod_without_any_directory_it_ends_well_at_the_end_of_the_step() {
    let mut world = World::start().await;
    std::fs::write(world.path("state"), "a file in its place").unwrap();
    world.pod.environment = vec![("TMPDIR", world.path("state"))];
    let sidecar = world.sidecar(&["--in-pod"]).await;
    logged(&sidecar, "the state directory cannot be used; writers wait").await;
    let took = terminate(sidecar).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(!world.socket("main").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_pod_a_temporary_directory_stands_in_and_that_is_told() {
    let mut world = World::start().await;
    std::fs::write(world.path("state"), "a file in its place").unwrap();
    std::fs::create_dir(world.path("tmp")).unwrap();
    world.pod.environment = vec![("TMPDIR", world.path("tmp"))];
    let sidecar = world.sidecar(&["--in-pod"]).await;
    assert_eq!(post(&world.socket("main"), "text/plain", "elsewhere").0, 202);
    assert_eq!(world.said(1).await[0].text("content"), "elsewhere");
    terminate(sidecar).await;
    let stored = world.stored().await;
    let gap = stored.iter().find(|stored| stored.text("kind") == "gap").unwrap();
    assert_eq!(gap.body["attrs"]["reason"], "state_unusable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_makes_writers_wait_until_it_is_none() {
    let mut world = World::start().await;
    let state = world.pod.state().display().to_string();
    std::fs::create_dir(&state).unwrap();
    let mounts = Mounts::make(&format!("mount -t tmpfs -o ro tmpfs {state}")).await.unwrap();
    world.pod.environment = vec![("TMPDIR", world.path("state"))];
    world.pod.wrapper = mounts.wrapper();
    let sidecar = world.sidecar(&["--in-pod"]).await;
    let waiting = post_apart(world.socket("main"), "while it is read-only");
    logged(&sidecar, "Read-only file system").await;
    assert!(!waiting.is_finished());
    mounts.run(&["mount", "-o", "remount,rw", &state]).unwrap();
    assert_eq!(waiting.join().unwrap(), 202);
    assert_eq!(world.said(1).await[0].text("content"), "while it is read-only");
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_the_system_cuts_short_leaves_nothing_and_is_made_again() {
    let mut world = World::start().await;
    // 64 blocks of 512 bytes a file.
    let limit = "trap '' XFSZ && ulimit -f 64 && exec \"$0\" \"$@\"";
    world.pod.wrapper = ["sh", "-c", limit].map(ToOwned::to_owned).to_vec();
    let sidecar = world.sidecar(&[]).await;
    let socket = world.socket("main");
    for number in 0..60 {
        assert_eq!(post(&socket, "text/plain", &format!("{number} {}", "x".repeat(1_500))).0, 202);
    }
    let said = world.said(60).await;
    check_whole(&said);
    assert_eq!(said.len(), 60);
    assert!(std::fs::read_to_string(sidecar.log()).unwrap().contains("writers wait for the spool"));
    terminate(sidecar).await;
}
