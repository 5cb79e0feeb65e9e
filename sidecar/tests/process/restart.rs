//! A sidecar that dies and comes back.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::world::{Stored, World, check_whole, request, terminate};

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_repeats_nothing_and_loses_nothing() {
    const KILLS: usize = 6;
    let mut world = World::start().await;
    let mut sidecar = world.sidecar(&[]).await;
    let done = Arc::new(AtomicBool::new(false));
    let log = world.log("counted.log");
    let socket = world.socket("main");
    let to_file = {
        let done = Arc::clone(&done);
        std::thread::spawn(move || {
            let mut file = File::options().create(true).append(true).open(log).unwrap();
            let mut count = 0;
            while !done.load(Ordering::Relaxed) {
                writeln!(file, "file {count}").unwrap();
                count += 1;
                std::thread::sleep(Duration::from_micros(300));
            }
            count
        })
    };
    let to_socket = {
        let done = Arc::clone(&done);
        std::thread::spawn(move || {
            let mut count = 0;
            while !done.load(Ordering::Relaxed) {
                let body = format!("{{\"id\":\"own-{count}\",\"content\":\"socket {count}\"}}");
                let head = "POST /messages HTTP/1.1\r\ncontent-type: application/json\r\n";
                // Unanswered, it is sent again with the same id.
                while !matches!(request(&socket, head, &body), Ok((202, _))) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                count += 1;
            }
            count
        })
    };
    for kill in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(150 + 70 * kill as u64)).await;
        sidecar.kill().unwrap();
        sidecar = world.sidecar(&[]).await;
    }
    done.store(true, Ordering::Relaxed);
    let (in_file, in_socket) = (to_file.join().unwrap(), to_socket.join().unwrap());
    terminate(sidecar).await;
    let mut said = world.stored().await;
    said.retain(Stored::is_said);
    check_whole(&said);
    let contents: HashSet<&str> = said.iter().map(|stored| stored.text("content")).collect();
    for (name, count) in [("file", in_file), ("socket", in_socket)] {
        let missing: Vec<usize> = (0..count).filter(|number| !contents.contains(format!("{name} {number}").as_str())).collect();
        assert!(missing.is_empty(), "{name}: {missing:?} of {count}");
    }
    assert_eq!(said.len(), in_file + in_socket, "something is there twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_what_was_there_is_marked_and_what_comes_is_not() {
    let mut world = World::start().await;
    world.nats.stop().await.unwrap();
    let mut sidecar = world.sidecar(&[]).await;
    let log = world.log("a.log");
    File::create(&log).unwrap().write_all(b"unsent\n").unwrap();
    assert_eq!(crate::world::post(&world.socket("main"), "text/plain", "spooled").0, 202);
    sidecar.kill().unwrap();
    world.nats.start_again().await.unwrap();
    let sidecar = world.sidecar(&[]).await;
    world.said(2).await;
    File::options().append(true).open(&log).unwrap().write_all(b"new\n").unwrap();
    let said = world.said(3).await;
    let marked: Vec<(&str, bool)> = said.iter().map(|stored| (stored.text("content"), stored.resend)).collect();
    assert!(marked.contains(&("unsent", true)) && marked.contains(&("spooled", true)), "{marked:?}");
    assert_eq!(marked[2], ("new", false));
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_checkpoint_is_set_aside_and_told_and_nothing_is_repeated() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    File::create(world.log("a.log")).unwrap().write_all(b"one\ntwo\n").unwrap();
    world.said(2).await;
    terminate(sidecar).await;
    std::fs::write(world.path("state/checkpoint"), "damaged").unwrap();
    let sidecar = world.sidecar(&[]).await;
    terminate(sidecar).await;
    let stored = world.stored().await;
    check_whole(&stored.iter().filter(|stored| stored.is_said()).cloned().collect::<Vec<_>>());
    let gap = stored.iter().find(|stored| stored.text("kind") == "gap").unwrap();
    assert_eq!(gap.body["attrs"]["reason"], "checkpoint_unusable");
    let kept = std::fs::read_dir(world.path("state")).unwrap();
    let kept = kept.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("checkpoint.set-aside-"));
    assert_eq!(kept.count(), 1);
}
