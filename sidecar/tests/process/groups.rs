//! Lines that are one message by rules, through kills and the lapse of time.

use std::fs::File;
use std::io::Write as _;

use crate::world::{Stored, World, check_whole, terminate};

fn append(path: &std::path::Path, text: &str) {
    File::options().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn contents(said: &[Stored]) -> Vec<&str> {
    said.iter().map(|stored| stored.text("content")).collect()
}

/// Rules whose messages are waited for this long.
fn rules(wait_ms: u32) -> String {
    format!("[lines]\nstart = '^\\d'\nwait_ms = {wait_ms}\n[[rule]]\npattern = '^\\d+ (?P<level>\\w+) (?P<content>.*)'\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_trace_in_the_middle_of_which_the_sidecar_is_killed_is_one_message() {
    let (mut world, rules) = (World::start().await, rules(60_000));
    let mut sidecar = world.sidecar(&["--rules", &rules]).await;
    let log = world.log("trace.log");
    append(&log, "0 INFO begin\n1 ERROR boom\n  at a\n");
    world.said(1).await;
    for line in ["  at b\n", "\n", "Caused by: c\n"] {
        sidecar.kill().unwrap();
        append(&log, line);
        sidecar = world.sidecar(&["--rules", &rules]).await;
    }
    append(&log, "2 INFO next\n  and more\n");
    let said = world.said(2).await;
    assert_eq!(contents(&said), ["begin", "boom\n  at a\n  at b\n\nCaused by: c"]);
    assert_eq!((said[1].body["source"]["start"].as_u64(), said[1].body["source"]["end"].as_u64()), (Some(13), Some(54)));
    assert_eq!(said[1].body["attrs"]["level"], "ERROR");
    terminate(sidecar).await;
    let said = world.said(3).await;
    check_whole(&said);
    assert_eq!(said[2].text("content"), "next\n  and more", "the end of the step ends it");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_waited_long_enough_are_sent_once_and_what_follows_is_another_message() {
    let (mut world, rules) = (World::start().await, rules(150));
    let mut sidecar = world.sidecar(&["--rules", &rules]).await;
    let log = world.log("slow.log");
    append(&log, "1 ERROR boom\n  at a\n");
    assert_eq!(contents(&world.said(1).await), ["boom\n  at a"]);
    sidecar.kill().unwrap();
    append(&log, "  late\n");
    sidecar = world.sidecar(&["--rules", &rules]).await;
    assert_eq!(contents(&world.said(2).await), ["boom\n  at a", "  late"]);
    append(&log, "2 INFO next\n");
    let said = world.said(3).await;
    terminate(sidecar).await;
    check_whole(&said);
    assert_eq!(said[2].text("content"), "next");
    assert!(world.stored().await.iter().filter(|stored| stored.is_said()).count() == 3, "nothing is said twice");
}
