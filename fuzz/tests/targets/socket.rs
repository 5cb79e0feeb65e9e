//! A connection: whatever is said over it, it ends; what was answered with 202 is in the spool, and so is every line.

use std::sync::Arc;
use std::time::Duration;

use records::Cutter;
use sidecar::channel::Channel;
use sidecar::metrics::Metrics;
use sidecar::socket::intake::Intake;
use sidecar::socket::room::Room;
use sidecar::socket::{Shared, serve_one};
use sidecar::spool::{Form, Frame, Spool, frame};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

/// Far beyond what a conversation takes.
const PATIENCE: Duration = Duration::from_secs(5);
const METHODS: [&str; 7] = ["GET ", "POST ", "PUT ", "HEAD ", "DELETE ", "OPTIONS ", "PATCH "];

#[test]
fn socket() {
    let directory = TempDir::new().unwrap();
    let (spool, _) = Spool::open(directory.path(), 64 * 1024 * 1024, 1, None).unwrap();
    let intake = Intake::new(spool, "pod-1", Arc::default());
    let metrics = Metrics::default();
    let shared = Arc::new(Shared { intake, metrics: metrics.register(), room: Room::default(), channel: Channel::off(metrics) });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    fuzz::target!("socket", |bytes: &[u8]| {
        // Together and in pieces: where a read ends means nothing.
        for piece in [bytes.len().max(1), 7] {
            let start = shared.intake.spool().end();
            let answer = runtime.block_on(converse(&shared, bytes, piece));
            let accepted = accepted_since(&shared, start);
            if is_request(bytes) {
                check_answers(&answer, &accepted);
            } else {
                assert!(answer.is_empty(), "lines are not answered");
                check_lines(bytes, &accepted);
            }
            let end = shared.intake.spool().end();
            shared.intake.free(end);
        }
    });
}

/// A request begins with a method and has a line of 8 KiB at most that ends in a version; everything else is text.
fn is_request(bytes: &[u8]) -> bool {
    let seen = &bytes[..bytes.len().min(8 * 1024)];
    let line = seen.iter().position(|byte| *byte == b'\n').map(|end| seen[..end].strip_suffix(b"\r").unwrap_or(&seen[..end]));
    let ends = |line: &[u8]| line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0");
    METHODS.iter().any(|method| bytes.starts_with(method.as_bytes())) && line.is_some_and(ends)
}

/// Says this and hears what is answered.
async fn converse(shared: &Arc<Shared>, bytes: &[u8], piece: usize) -> Vec<u8> {
    let (client, server) = UnixStream::pair().unwrap();
    let serving = serve_one(server, Arc::clone(shared), "main".to_owned(), CancellationToken::new());
    let (mut reading, mut writing) = client.into_split();
    let talking = async move {
        for piece in bytes.chunks(piece) {
            // It may have heard enough.
            if writing.write_all(piece).await.is_err() {
                break;
            }
        }
        drop(writing);
    };
    let listening = async move {
        let mut answer = Vec::new();
        // A connection that is reset has answered before.
        let _ended = reading.read_to_end(&mut answer).await;
        answer
    };
    let all = async { tokio::join!(serving, talking, listening) };
    let ((), (), answer) = tokio::time::timeout(PATIENCE, all).await.expect("the conversation does not end");
    answer
}

fn accepted_since(shared: &Shared, start: u64) -> Vec<(Form, Vec<u8>)> {
    let (mut position, mut accepted, mut buffer) = (start, Vec::new(), Vec::new());
    while let Some(found) = shared.intake.spool().read(position, 64 * 1024, &mut buffer).unwrap() {
        assert_eq!(found, position, "damage");
        let mut rest = buffer.as_slice();
        while let Frame::Whole(entry, length) = frame::decode(rest) {
            assert_eq!((entry.container, entry.peer.pid), ("main", std::process::id()));
            accepted.push((entry.form, entry.raw.to_vec()));
            position += length as u64;
            rest = &rest[length..];
        }
    }
    accepted
}

/// Nothing is in the spool that no answer speaks of; records that were known before are answered and not written again.
fn check_answers(answer: &[u8], accepted: &[(Form, Vec<u8>)]) {
    let answer = String::from_utf8_lossy(answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1."), "{answer}");
    assert!(!answer.contains(" 500 ") && !answer.contains(" 429 "), "{answer}");
    let counts = answer.match_indices("{\"accepted\":").filter_map(|(at, found)| {
        let digits = &answer[at + found.len()..];
        digits[..digits.find(|byte: char| !byte.is_ascii_digit())?].parse::<usize>().ok()
    });
    let (answered, records) = (counts.sum::<usize>(), accepted.len());
    assert!(records <= answered, "{records} records, {answered} answered: {answer}");
}

/// Every line is a record, in order; one with an id that was given before is left out.
fn check_lines(bytes: &[u8], accepted: &[(Form, Vec<u8>)]) {
    let mut cutter = Cutter::new(0);
    cutter.push(bytes);
    let mut lines = Vec::new();
    while let Some(line) = cutter.next_line() {
        lines.push(line.bytes.to_vec());
    }
    while let Some(line) = cutter.finish() {
        lines.push(line.bytes.to_vec());
    }
    lines.retain(|line| !line.trim_ascii().is_empty());
    let mut accepted = accepted.iter().peekable();
    for line in lines {
        if accepted.next_if(|(_, raw)| *raw == line).is_none() {
            let may_have_id = line.trim_ascii_start().starts_with(b"{") && line.windows(2).any(|pair| pair == b"d\"");
            assert!(may_have_id, "{:?} is missing", String::from_utf8_lossy(&line));
        }
    }
    assert_eq!(accepted.next(), None, "something was accepted that nobody said");
}
