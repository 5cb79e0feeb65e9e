//! Clients that are many, slow, silent, gone, or of no protocol at all.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use neighbours::Process;

use crate::world::{PATIENCE, World, check_whole, post, terminate};

fn lines(socket: &Path, bytes: &[u8]) {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(bytes).unwrap();
}

/// The number behind a name in the process's status file, in KiB.
fn status(sidecar: &Process, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", sidecar.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn open_files(sidecar: &Process) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", sidecar.id())).unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_come_and_go_and_leave_nothing() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let socket = world.socket("main");
    assert_eq!(post(&socket, "text/plain", "before").0, 202);
    // The connection to the server is one of the open files.
    world.said(1).await;
    let (files, memory) = (open_files(&sidecar), status(&sidecar, "VmRSS"));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let socket = socket.clone();
            std::thread::spawn(move || {
                for number in 0..2_500 {
                    let mut stream = UnixStream::connect(&socket).unwrap();
                    if number % 100 == 0 {
                        writeln!(stream, "{writer} {number}").unwrap();
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    let said = world.said(101).await;
    check_whole(&said);
    assert_eq!(said.len(), 101);
    let deadline = Instant::now() + PATIENCE;
    while open_files(&sidecar) > files {
        assert!(Instant::now() < deadline, "{} of {files} files are still open", open_files(&sidecar));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let grown = status(&sidecar, "VmRSS").saturating_sub(memory);
    assert!(grown < 6 * 1024, "{grown} KiB");
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_clients_make_room_for_those_that_speak_and_keep_what_they_began() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let socket = world.socket("main");
    let mut began = UnixStream::connect(&socket).unwrap();
    began.write_all(b"began").unwrap();
    let silent: Vec<UnixStream> = (0..300).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    assert_eq!(post(&socket, "text/plain", "heard").0, 202);
    began.write_all(b" and ended\n").unwrap();
    let contents: Vec<String> = world.said(2).await.iter().map(|stored| stored.text("content").to_owned()).collect();
    assert_eq!(contents, ["heard", "began and ended"]);
    drop(silent);
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_and_half_closed_clients_are_answered() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let socket = world.socket("main");
    let request = b"POST /messages HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\nslow";
    let mut slow = UnixStream::connect(&socket).unwrap();
    for (index, byte) in request.iter().enumerate() {
        slow.write_all(&[*byte]).unwrap();
        if index % 20 == 0 {
            assert_eq!(post(&socket, "text/plain", &format!("quick {index}")).0, 202);
        }
    }
    // It has nothing more to say, and listens.
    slow.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    let mut line = UnixStream::connect(&socket).unwrap();
    for byte in b"one byte at a time" {
        line.write_all(&[*byte]).unwrap();
    }
    line.shutdown(Shutdown::Write).unwrap();
    let quick = request.len().div_ceil(20);
    let said = world.said(quick + 2).await;
    check_whole(&said);
    assert_eq!([said[quick].text("content"), said[quick + 1].text("content")], ["slow", "one byte at a time"]);
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_and_what_breaks_off_disturbs_nobody() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let socket = world.socket("main");
    for broken in [
        &b"POST /messages HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"content\":\"half\"}"[..],
        b"POST \x00\xff\x01 HTTP/1.1\r\n\r\n",
        b"POST /messages HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nx",
        b"OPTIONS * HTTP/1.1\r\n",
        b"\n\n \r\n",
    ] {
        lines(&socket, broken);
    }
    assert_eq!(post(&socket, "text/plain", "between").0, 202);
    lines(&socket, b"GET");
    world.said(2).await;
    lines(&socket, b"\x00\xff\xfe\x1b[31mred\x1b[0m\n{\"content\":\"br");
    let said = world.said(4).await;
    check_whole(&said);
    assert_eq!(said.len(), 4);
    let contents: Vec<&str> = said.iter().map(|stored| stored.text("content")).collect();
    assert_eq!(contents[..2], ["between", "GET"]);
    assert!(contents[2].ends_with("red") && said[2].body["attrs"]["invalid_utf8"] == true, "{contents:?}");
    assert_eq!(contents[3], "{\"content\":\"br");
    assert!(said[3].body["attrs"]["parse_error"].is_string());
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_begins_like_a_request_is_a_log() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let socket = world.socket("main");
    let long = ["HEAD ".to_owned(), "x".repeat(100_000)].concat();
    for (index, text) in
        ["GET /health 200 3ms\nsecond line\n", "POST is done", "GET / HTTP/9.9\r\n\r\n", &long].iter().enumerate()
    {
        lines(&socket, text.as_bytes());
        world.said([2, 3, 4, 5][index]).await;
    }
    let said = world.said(5).await;
    check_whole(&said);
    let contents: Vec<&str> = said.iter().map(|stored| stored.text("content")).collect();
    assert_eq!(contents, ["GET /health 200 3ms", "second line", "POST is done", "GET / HTTP/9.9", &long]);
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_silent_in_the_middle_of_a_body_is_told_so() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let mut stream = UnixStream::connect(world.socket("main")).unwrap();
    stream.write_all(b"POST /messages HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf").unwrap();
    let mut answer = String::new();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("nothing was accepted"), "{answer}");
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_records_are_cut_and_many_of_them_share_the_memory_of_a_few() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let socket = world.socket("main");
    let limit = 2 * 1024 * 1024;
    let mut bytes = vec![b'a'; limit];
    bytes.extend_from_slice(b"rest\n");
    lines(&socket, &bytes);
    // A message holds less than a record.
    let said = world.said(5).await;
    check_whole(&said);
    assert_eq!(said[0].body["attrs"]["cut"], true);
    assert_eq!(said[..4].iter().map(|stored| stored.text("content").len()).sum::<usize>(), limit);
    assert_eq!(said[4].text("content"), "rest");

    let before = status(&sidecar, "VmRSS");
    let writers: Vec<_> = (0..12)
        .map(|writer| {
            let socket = socket.clone();
            std::thread::spawn(move || {
                let text = "x".repeat(1_900_000);
                if writer % 2 == 0 {
                    let status = post(&socket, "application/json", &format!("{{\"content\":\"{text}\"}}")).0;
                    assert_eq!(status, 202);
                } else {
                    lines(&socket, text.as_bytes());
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    let said = world.said(5 + 12 * 3).await;
    check_whole(&said);
    let grown = status(&sidecar, "VmHWM").saturating_sub(before);
    eprintln!("12 writers of 2 MB each: {grown} KiB more at most");
    assert!(grown < 28 * 1024, "{grown} KiB for 12 writers of 2 MB each");
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_wait_while_the_spool_is_full_and_nothing_is_dropped() {
    let mut world = World::start().await;
    world.nats.stop().await.unwrap();
    let sidecar = world.sidecar(&["--spool-bytes", "300000"]).await;
    let socket = world.socket("main");
    let by_line = {
        let socket = socket.clone();
        std::thread::spawn(move || {
            let mut stream = UnixStream::connect(socket).unwrap();
            (0..1_500).for_each(|number| writeln!(stream, "line {number} {}", "l".repeat(1_000)).unwrap());
        })
    };
    let by_request = {
        let socket = socket.clone();
        std::thread::spawn(move || {
            (0..100).for_each(|number| {
                assert_eq!(post(&socket, "text/plain", &format!("request {number} {}", "r".repeat(5_000))).0, 202);
            });
        })
    };
    let log = sidecar.log().to_owned();
    let deadline = Instant::now() + PATIENCE;
    while !std::fs::read_to_string(&log).unwrap().contains("the spool is full") {
        assert!(Instant::now() < deadline, "nobody waits");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!by_line.is_finished() && !by_request.is_finished());
    world.nats.start_again().await.unwrap();
    let said = world.said(1_600).await;
    by_line.join().unwrap();
    by_request.join().unwrap();
    check_whole(&said);
    assert_eq!(said.len(), 1_600);
    for (name, count) in [("line", 1_500), ("request", 100)] {
        let numbers = said.iter().filter_map(|stored| {
            let rest = stored.text("content").strip_prefix(name)?;
            rest.trim_start().split(' ').next()?.parse::<usize>().ok()
        });
        assert!(numbers.eq(0..count), "{name}s are out of order");
    }
    terminate(sidecar).await;
}
