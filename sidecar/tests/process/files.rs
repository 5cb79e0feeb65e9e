//! What is written to files.

use std::fs::{self, File};
use std::io::Write as _;

use crate::world::{World, check_whole, terminate};

fn append(path: &std::path::Path, text: &str) {
    File::options().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_followed_from_their_first_byte_and_partial_lines_wait() {
    let mut world = World::start().await;
    fs::create_dir_all(world.path("work")).unwrap();
    append(&world.path("work/early.log"), "before the sidecar\n");
    let pattern = format!("main:{}/**/*.log", world.path("work").display());
    let sidecar = world.sidecar(&["--files", &pattern]).await;
    append(&world.log("own.txt"), "par");
    fs::create_dir_all(world.path("work/deep")).unwrap();
    append(&world.path("work/deep/late.log"), "{\"content\":\"json\",\"kind\":\"status\"}\n");
    world.said(2).await;
    append(&world.log("own.txt"), "tial\nlast, without an end");
    let said = world.said(3).await;
    check_whole(&said);
    let mut contents: Vec<&str> = said.iter().map(|stored| stored.text("content")).collect();
    contents.sort_unstable();
    assert_eq!(contents, ["before the sidecar", "json", "partial"]);
    assert!(said.iter().all(|stored| stored.text("container") == "main"));
    terminate(sidecar).await;
    let said = world.said(4).await;
    assert_eq!(said[3].text("content"), "last, without an end");
    assert_eq!(said[3].body["source"]["label"], format!("main:{}", world.log("own.txt").display()));
}

#[tokio::test(flavor = "multi_thread")]
async fn rename_truncate_and_delete_lose_nothing_that_was_there_to_read() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let log = world.log("a.log");
    append(&log, "1\n");
    world.said(1).await;
    fs::rename(&log, world.log("a.log.1")).unwrap();
    append(&world.log("a.log.1"), "2\n");
    append(&log, "3\n");
    world.said(3).await;
    fs::write(&log, "").unwrap();
    append(&log, "4 after the cut\n");
    world.said(4).await;
    let mut open = File::options().append(true).open(&log).unwrap();
    fs::remove_file(&log).unwrap();
    open.write_all(b"5\n").unwrap();
    let said = world.said(5).await;
    terminate(sidecar).await;
    check_whole(&said);
    let mut contents: Vec<&str> = said.iter().map(|stored| stored.text("content")).collect();
    contents.sort_unstable();
    assert_eq!(contents, ["1", "2", "3", "4 after the cut", "5"]);
}
