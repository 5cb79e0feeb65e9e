//! Disks that are full, read-only, or not there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use neighbours::Process;

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
    world.environment = vec![("TMPDIR", state.clone())];
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
    world.environment = vec![("TMPDIR", world.path("state"))];
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
    world.environment = vec![("TMPDIR", world.path("tmp"))];
    let sidecar = world.sidecar(&["--in-pod"]).await;
    assert_eq!(post(&world.socket("main"), "text/plain", "elsewhere").0, 202);
    assert_eq!(world.said(1).await[0].text("content"), "elsewhere");
    terminate(sidecar).await;
    let stored = world.stored().await;
    let gap = stored.iter().find(|stored| stored.text("kind") == "gap").unwrap();
    assert_eq!(gap.body["attrs"]["reason"], "state_unusable");
}

/// Whether this user may mount a file system in a mount namespace of its own.
fn may_mount() -> bool {
    let status = Command::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
    status.is_ok_and(|output| output.status.success())
}

/// A sidecar whose state directory is a small file system that nobody else sees, and that directory as seen from here.
async fn sidecar_on_small_disk(world: &mut World, then: &str) -> (Process, PathBuf) {
    let state = world.path("state");
    std::fs::create_dir(&state).unwrap();
    let mount = format!("mount -t tmpfs -o size=512k tmpfs {0} && {then} {0} && exec \"$0\" \"$@\"", state.display());
    world.wrapper = ["unshare", "--mount", "sh", "-c", &mount].map(ToOwned::to_owned).to_vec();
    let sidecar = world.sidecar(&["--in-pod"]).await;
    let seen = Path::new("/proc").join(sidecar.id().to_string()).join("root").join(state.strip_prefix("/").unwrap());
    (sidecar, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_makes_writers_wait_and_costs_nothing() {
    if !may_mount() {
        // Who runs the tests may not mount; the limit of file sizes below is the other way to a write that is cut short.
        return;
    }
    let mut world = World::start().await;
    let (sidecar, disk) = sidecar_on_small_disk(&mut world, "test -d").await;
    let socket = world.socket("main");
    assert_eq!(post(&socket, "text/plain", "before").0, 202);
    world.said(1).await;
    let filling = disk.join("filling");
    let written = std::fs::write(&filling, vec![0; 1024 * 1024]);
    assert_eq!(written.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    let waiting: Vec<_> = (0..4).map(|_| post_apart(socket.clone(), "x y z\n0 1 2")).collect();
    let long = {
        let socket = socket.clone();
        std::thread::spawn(move || post(&socket, "text/plain", &"long ".repeat(10_000)).0)
    };
    logged(&sidecar, "cannot write to the spool: No space left on device").await;
    // A log is on another disk, and is read and sent all the same.
    std::fs::write(world.log("a.log"), "from a file\n").unwrap();
    logged(&sidecar, "the checkpoint cannot be written").await;
    std::fs::remove_file(&filling).unwrap();
    assert!(waiting.into_iter().chain([long]).all(|waiting| waiting.join().unwrap() == 202));
    logged(&sidecar, "the spool takes records again").await;
    let said = world.said(7).await;
    check_whole(&said);
    assert_eq!(said.len(), 7);
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_makes_writers_wait_until_it_is_none() {
    if !may_mount() {
        return;
    }
    let mut world = World::start().await;
    world.environment = vec![("TMPDIR", world.path("state"))];
    let (sidecar, _) = sidecar_on_small_disk(&mut world, "mount -o remount,ro").await;
    let waiting = post_apart(world.socket("main"), "while it is read-only");
    logged(&sidecar, "Read-only file system").await;
    assert!(!waiting.is_finished());
    let mut command = Command::new("nsenter");
    command.arg(format!("--mount=/proc/{}/ns/mnt", sidecar.id())).args(["mount", "-o", "remount,rw"]);
    assert!(command.arg(world.path("state")).status().unwrap().success());
    assert_eq!(waiting.join().unwrap(), 202);
    assert_eq!(world.said(1).await[0].text("content"), "while it is read-only");
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_the_system_cuts_short_leaves_nothing_and_is_made_again() {
    let mut world = World::start().await;
    // 64 blocks of 512 bytes a file.
    let limit = "trap '' XFSZ && ulimit -f 64 && exec \"$0\" \"$@\"";
    world.wrapper = ["sh", "-c", limit].map(ToOwned::to_owned).to_vec();
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
