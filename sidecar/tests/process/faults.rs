//! What goes wrong between a step and the stream, at random moments: whatever it is, what the step said is there once, in
//! order. Each run prints its seed; `AGENT_COMMS_SEED` repeats it. With `AGENT_COMMS_SOAK` everything takes its full length.

mod chance;
mod checker;
mod writer;

use std::io::Write as _;
use std::time::Duration;

use neighbours::nats::Options;
use neighbours::process::Signal;
use neighbours::proxy::Fault;

use crate::world::{PATIENCE, World, request, terminate};
use chance::Chance;
use checker::{Late, check};
use writer::Writer;

/// The second length with `AGENT_COMMS_SOAK`, else the first.
fn length<T>(short: T, whole: T) -> T {
    if std::env::var_os("AGENT_COMMS_SOAK").is_some() { whole } else { short }
}

fn metric(world: &World, name: &str) -> u64 {
    let (_, text) = request(&world.socket("main"), "GET /metrics HTTP/1.1\r\n", "").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("agentcomms_sidecar_{name} ")));
    line.unwrap().parse().unwrap()
}

/// Numbered lines that begin with this word.
fn lines(word: &str, count: u32) -> String {
    (0..count).flat_map(|number| [word.to_owned(), format!(" {number}\n")]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_fails_in_every_way_loses_and_repeats_nothing() {
    let mut chance = Chance::new("network");
    let mut world = World::start().await;
    let proxy = world.nats.proxy("demo").await.unwrap();
    world.url = Some(proxy.url());
    let sidecar = world.sidecar(&[]).await;
    let writer = Writer::start(&world, Duration::from_micros(500));
    for _ in 0..length(15, 600) {
        let fault = match chance.below(8) {
            0 => Fault::Cut,
            1 => Fault::Stall,
            2 => Fault::Delay(Duration::from_millis(1 + chance.below(40))),
            3 => Fault::Throttle(20_000 + u32::try_from(chance.below(500_000)).unwrap()),
            4 => Fault::LoseAnswers,
            _ => Fault::None,
        };
        if fault == Fault::None {
            // In the middle of whatever frame that is.
            proxy.reset_after(1 + chance.below(200_000));
        }
        proxy.set(fault);
        tokio::time::sleep(Duration::from_millis(50 + chance.below(450))).await;
    }
    proxy.reset_after(0);
    proxy.set(Fault::None);
    let said = writer.stop();
    said.wait(&world).await;
    let late = metric(&world, "late_messages_total");
    check(&world, &said, Late::AtMost(late)).await;
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_killed_at_random_moments_loses_and_repeats_nothing() {
    let mut chance = Chance::new("kills");
    let mut world = World::start().await;
    let mut sidecar = world.sidecar(&[]).await;
    let writer = Writer::start(&world, Duration::from_micros(400));
    for _ in 0..length(8, 100) {
        tokio::time::sleep(Duration::from_millis(chance.below(400))).await;
        sidecar.kill().unwrap();
        sidecar = world.sidecar(&[]).await;
    }
    let said = writer.stop();
    said.wait(&world).await;
    check(&world, &said, Late::AtMost(0)).await;
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_gets_the_backlog_once_and_memory_stays_flat() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let writer = Writer::start(&world, length(Duration::from_micros(100), Duration::from_millis(2)));
    world.nats.stop().await.unwrap();
    tokio::time::sleep(length(Duration::from_secs(8), Duration::from_secs(300))).await;
    world.nats.start_again().await.unwrap();
    let said = writer.stop();
    said.wait(&world).await;
    check(&world, &said, Late::AtMost(0)).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", sidecar.id())).unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let kilobytes: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    eprintln!("the sidecar needed {kilobytes} kB at most for a backlog of {} messages", said.count());
    // What a build without optimisation takes says little, but a backlog must not be in memory there either.
    assert!(kilobytes < if cfg!(debug_assertions) { 64 * 1024 } else { 8 * 1024 });
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_lost_for_longer_than_the_stream_knows_copies_leave_marked_copies_alone() {
    let mut world = World::start().await;
    let admin = async_nats::jetstream::new(world.nats.admin().connect().await.unwrap());
    admin.delete_stream("agent-comms").await.unwrap();
    world.make_stream_that_remembers(Duration::from_millis(500)).await;
    let proxy = world.nats.proxy("demo").await.unwrap();
    world.url = Some(proxy.url());
    let sidecar = world.sidecar(&[]).await;
    let writer = Writer::start(&world, Duration::from_millis(2));
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.set(Fault::LoseAnswers);
    tokio::time::sleep(length(Duration::from_secs(12), Duration::from_secs(60))).await;
    proxy.set(Fault::None);
    let said = writer.stop();
    said.wait(&world).await;
    assert!(proxy.lost_answers() > 0);
    let late = metric(&world, "late_messages_total");
    let copies = check(&world, &said, Late::AtMost(late)).await;
    assert!(copies > 0, "the stream knew every copy: nothing was tested");
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_freezes_gets_everything_once() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let writer = Writer::start(&world, length(Duration::from_millis(1), Duration::from_millis(4)));
    for _ in 0..length(2, 4) {
        world.nats.process().signal(Signal::STOP).unwrap();
        // At full length until the client takes the server for dead.
        tokio::time::sleep(length(Duration::from_secs(2), Duration::from_secs(45))).await;
        world.nats.process().signal(Signal::CONT).unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let said = writer.stop();
    said.wait(&world).await;
    let late = metric(&world, "late_messages_total");
    check(&world, &said, Late::AtMost(late)).await;
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_lost_is_told_with_what_it_had_and_everything_else_is_there_once() {
    let directory = tempfile::TempDir::new().unwrap();
    let options = Options { directory: Some(directory.path().to_owned()), ..Options::default() };
    let mut world = World::start_with(options).await;
    let sidecar = world.sidecar(&[]).await;
    let log = world.log("a.log");
    let before = lines("before", 500);
    std::fs::write(&log, &before).unwrap();
    world.said(500).await;
    // What it acknowledged has reached the sidecar as well.
    let deadline = std::time::Instant::now() + PATIENCE;
    while metric(&world, "published_messages_total") < 500 {
        assert!(std::time::Instant::now() < deadline, "not acknowledged");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.nats.kill().unwrap();
    std::fs::remove_dir_all(directory.path().join("store")).unwrap();
    world.nats.start_again().await.unwrap();
    world.make_stream().await;
    // Appended: writing the file anew would begin another generation of it, which is sent whole.
    let mut file = std::fs::File::options().append(true).open(&log).unwrap();
    file.write_all(lines("after", 300).as_bytes()).unwrap();
    let said = world.said(300).await;
    assert_eq!(said.len(), 300, "what was acknowledged is not sent again");
    assert!(said.iter().enumerate().all(|(number, stored)| stored.text("content") == format!("after {number}")));
    assert_eq!(metric(&world, "streams_lost_total"), 1);
    terminate(sidecar).await;
    let stored = world.stored().await;
    let gaps: Vec<_> = stored.iter().filter(|stored| stored.body["attrs"]["reason"] == "stream_lost").collect();
    assert_eq!(gaps.len(), 1);
    let (attrs, source) = (&gaps[0].body["attrs"], &gaps[0].body["source"]);
    assert_eq!((attrs["start"].as_u64(), source["end"].as_u64()), (Some(0), Some(before.len() as u64)));
    assert_eq!((attrs["records"].as_u64(), attrs["last_sequence"].as_u64()), (Some(500), Some(500)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forbids_is_asked_now_and_then_until_a_renewed_certificate_is_allowed() {
    let namespaces = vec!["demo".to_owned(), "other".to_owned()];
    let mut world = World::start_with(Options { namespaces, ..Options::default() }).await;
    let (certificate, key) = (world.path("tls.crt"), world.path("tls.key"));
    let install = |files: &neighbours::certificates::IdentityFiles| {
        for (from, to) in [(&files.key, &key), (&files.certificate, &certificate)] {
            let new = to.with_extension("new");
            std::fs::copy(from, &new).unwrap();
            std::fs::rename(&new, to).unwrap();
        }
    };
    install(&world.nats.publisher("other").files);
    let sidecar = world.sidecar_with(&certificate, &key, &[]).await;
    std::fs::write(world.log("a.log"), lines("line", 1_000)).unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    while !sidecar.log_tail().contains("Permissions Violation for Publish") {
        assert!(std::time::Instant::now() < deadline, "it is not told: {}", sidecar.log_tail());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    install(&world.nats.publisher("demo").files);
    let said = world.said(1_000).await;
    crate::world::check_whole(&said);
    let resent = metric(&world, "resent_messages_total");
    // The window once more, and what asked meanwhile.
    assert!(resent < 300, "{resent} messages were sent again");
    terminate(sidecar).await;
}
