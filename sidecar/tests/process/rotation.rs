//! Files that are rotated while they are written, and more files than may be open.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream;
use neighbours::Process;

use crate::world::{PATIENCE, Stored, World, check_whole, terminate};

/// How a file is rotated.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rotation {
    Rename,
    CopyTruncate,
    /// Deleted, and made anew.
    Delete,
}

/// What a writer did.
struct Written {
    name: String,
    rotation: Rotation,
    lines: usize,
    /// Numbers of the first lines after a rotation.
    rotated_before: Vec<usize>,
}

/// Writes a line every 2 ms and rotates every half second.
fn write(path: &Path, rotation: Rotation, sidecar: u32, done: &AtomicBool) -> Written {
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let open = || File::options().create(true).append(true).open(path).unwrap();
    let (mut file, mut lines, mut rotated_before) = (open(), 0, Vec::new());
    let mut rotated_at = Instant::now();
    while !done.load(Ordering::Relaxed) {
        writeln!(file, "{name} {lines}").unwrap();
        lines += 1;
        std::thread::sleep(Duration::from_millis(2));
        if rotated_at.elapsed() < Duration::from_millis(500) {
            continue;
        }
        match rotation {
            Rotation::Rename => {
                fs::rename(path, path.with_extension(format!("log.{}", rotated_before.len()))).unwrap();
                file = open();
            }
            Rotation::Delete => {
                // What was gone before anybody could open it, nobody could read.
                wait_until(|| is_held(sidecar, path), "the sidecar does not open a new file");
                fs::remove_file(path).unwrap();
                file = open();
            }
            Rotation::CopyTruncate => {
                let aside = path.parent().unwrap().parent().unwrap().join(format!("{name}.copy"));
                fs::copy(path, aside).unwrap();
                file.set_len(0).unwrap();
            }
        }
        rotated_before.push(lines);
        rotated_at = Instant::now();
    }
    Written { name, rotation, lines, rotated_before }
}

fn is_held(sidecar: u32, path: &Path) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{sidecar}/fd")) else { return false };
    files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|target| target == path))
}

#[track_caller]
fn wait_until(mut condition: impl FnMut() -> bool, reason: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{reason}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_rotations_loses_and_repeats_nothing_that_could_be_read() {
    let soak = std::env::var_os("AGENT_COMMS_SOAK").is_some();
    let duration = Duration::from_secs(if soak { 60 } else { 10 });
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let done = Arc::new(AtomicBool::new(false));
    let rotations = [Rotation::Rename, Rotation::CopyTruncate, Rotation::Delete, Rotation::Rename, Rotation::CopyTruncate];
    let writers: Vec<_> = rotations
        .into_iter()
        .enumerate()
        .map(|(number, rotation)| {
            let (path, done, id) = (world.log(&format!("{number}.log")), Arc::clone(&done), sidecar.id());
            std::thread::spawn(move || write(&path, rotation, id, &done))
        })
        .collect();
    tokio::time::sleep(duration).await;
    done.store(true, Ordering::Relaxed);
    let written: Vec<Written> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
    terminate(sidecar).await;
    let stored = world.stored().await;
    let said: Vec<Stored> = stored.iter().filter(|stored| stored.is_said()).cloned().collect();
    check_whole(&said);
    let mut found: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for stored in &said {
        let (name, number) = stored.text("content").split_once(' ').unwrap();
        found.entry(name).or_default().push(number.parse().unwrap());
    }
    for written in written {
        check(&written, &found[written.name.as_str()], &stored);
    }
}

fn check(written: &Written, found: &[usize], stored: &[Stored]) {
    let Written { name, rotation, lines, rotated_before } = written;
    assert!(rotated_before.len() >= 5, "{name} was rotated {} times", rotated_before.len());
    let numbers: BTreeSet<usize> = found.iter().copied().collect();
    assert_eq!(numbers.len(), found.len(), "{name} has lines twice");
    let mut missing: BTreeSet<usize> = (0..*lines).filter(|number| !numbers.contains(number)).collect();
    if *rotation != Rotation::CopyTruncate {
        assert!(missing.is_empty(), "{name} ({rotation:?}): {missing:?} of {lines} are missing");
        return;
    }
    // Only what came last before a cut can be missing, and each cut that cost something is told. Two cuts between two looks
    // are one.
    let (mut cuts_that_cost, mut begin) = (0, 0);
    for next in rotated_before.iter().copied() {
        let last = (begin..next).rev().find(|number| numbers.contains(number));
        let cost = missing.split_off(&last.map_or(begin, |last| last + 1));
        cuts_that_cost += usize::from(last.is_some() && cost.range(..next).next().is_some());
        missing.extend(cost.range(next..));
        begin = next;
    }
    assert!(missing.is_empty(), "{name}: {missing:?} of {lines} are missing and were not cut away");
    let is_told = |stored: &&Stored| {
        let label = stored.body["source"]["label"].as_str().unwrap();
        stored.body["attrs"]["reason"] == "file_replaced" && label.ends_with(&format!("/{name}"))
    };
    let told = stored.iter().filter(is_told).count();
    assert!(told > 0 && told >= cuts_that_cost, "{name}: {cuts_that_cost} cuts cost lines, {told} are told");
}

/// Waits until so many messages are in the stream.
async fn wait_for(world: &World, count: u64) {
    let context = jetstream::new(world.nats.admin().connect().await.unwrap());
    let deadline = Instant::now() + 2 * PATIENCE;
    loop {
        let mut stream = context.get_stream("agent-comms").await.unwrap();
        let messages = stream.info().await.unwrap().state.messages;
        if messages >= count {
            assert_eq!(messages, count, "something is there twice");
            return;
        }
        assert!(Instant::now() < deadline, "{messages} of {count} messages came");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn memory(sidecar: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", sidecar.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_files_are_followed_with_a_few_descriptors_and_little_memory() {
    const FILES: usize = 10_000;
    // Followed first: what a sidecar needs once to publish at all is not memory of a file.
    const FEW: usize = 1_000;
    let mut world = World::start().await;
    world.pod.wrapper = ["sh", "-c", "ulimit -n 256; exec \"$0\" \"$@\""].map(ToOwned::to_owned).to_vec();
    let mut sidecar = world.sidecar(&[]).await;
    let path = |number: usize| -> PathBuf { world.log(&format!("{number}.log")) };
    let write = |number| fs::write(path(number), format!("first of {number}\n")).unwrap();
    (0..FEW).for_each(write);
    wait_for(&world, FEW as u64).await;
    let few = memory(&sidecar);
    (FEW..FILES).for_each(write);
    wait_for(&world, FILES as u64).await;
    // Those that are long closed, by now under other names.
    for number in (0..FILES).step_by(100) {
        let renamed = world.log(&format!("{number}.renamed"));
        fs::rename(path(number), &renamed).unwrap();
        File::options().append(true).open(renamed).unwrap().write_all(b"second\n").unwrap();
    }
    wait_for(&world, (FILES + FILES / 100) as u64).await;
    let open = fs::read_dir(format!("/proc/{}/fd", sidecar.id())).unwrap().count();
    assert!(open <= 256, "{open} files are open");
    let (all, each) = (memory(&sidecar), (memory(&sidecar) - few) * 1_024 / (FILES - FEW) as u64);
    assert!(each < 2_048, "{all} KiB with {FILES} idle files, {few} KiB with {FEW}: {each} bytes each");
    sidecar.kill().unwrap();
}
