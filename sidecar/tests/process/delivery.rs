//! What accepted means, through one death of the sidecar after the other: an answered record is in the stream exactly once,
//! one that got no answer at most once.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::world::{PATIENCE, Stored, World, check_whole, terminate};

const WRITERS: usize = 4;
/// Records of one request, for each writer.
const BATCHES: [usize; WRITERS] = [1, 1, 8, 32];

/// What became of one writer's records, by number: whether they were answered.
type Answered = Vec<bool>;

#[tokio::test(flavor = "multi_thread")]
async fn four_writers_through_kills_find_answered_records_once_and_unanswered_ones_at_most_once() {
    let is_long = std::env::var_os("AGENT_COMMS_SOAK").is_some();
    let (records, kills) = if is_long { (100_000, 20) } else { (8_000, 6) };
    let mut world = World::start().await;
    let mut sidecar = world.sidecar(&[]).await;
    let done = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (socket, done) = (world.socket("main"), Arc::clone(&done));
            std::thread::spawn(move || write(&socket, writer, records / WRITERS, &done))
        })
        .collect();
    for kill in 1..=kills {
        // The kills are spread over the work, wherever it is then.
        while done.load(Ordering::Relaxed) < records * kill / (kills + 1) {
            assert!(!writers.iter().all(std::thread::JoinHandle::is_finished), "the writers ended early");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        sidecar.kill().unwrap();
        sidecar = world.sidecar(&[]).await;
    }
    let answered: Vec<Answered> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
    terminate(sidecar).await;

    let mut said = world.stored().await;
    said.retain(Stored::is_said);
    check_whole(&said);
    let mut found: HashMap<(usize, usize), usize> = HashMap::new();
    let mut last = [None; WRITERS];
    for stored in &said {
        let (writer, number) = stored.text("content").split_once(' ').unwrap();
        let (writer, number): (usize, usize) = (writer.parse().unwrap(), number.parse().unwrap());
        *found.entry((writer, number)).or_default() += 1;
        assert!(last[writer] < Some(number), "writer {writer}: {number} comes after {:?}", last[writer]);
        last[writer] = Some(number);
    }
    let mut unanswered = 0;
    for (writer, answered) in answered.iter().enumerate() {
        for (number, is_answered) in answered.iter().enumerate() {
            let times = found.get(&(writer, number)).copied().unwrap_or(0);
            unanswered += usize::from(!is_answered);
            assert!(
                times == 1 || (times == 0 && !is_answered),
                "writer {writer}, {number}: {times} times, answered {is_answered}"
            );
        }
    }
    eprintln!("{records} records, {kills} kills, {unanswered} unanswered, {} in the stream", said.len());
}

/// Writes numbered records, and sends again with the same ids what got no answer; every third time it gives up on it.
fn write(socket: &Path, writer: usize, records: usize, done: &AtomicUsize) -> Answered {
    let mut client = Client { socket: socket.to_owned(), stream: None };
    let mut answered = vec![false; records];
    let mut failures = 0;
    let numbers: Vec<usize> = (0..records).collect();
    for batch in numbers.chunks(BATCHES[writer]) {
        let lines: Vec<String> =
            batch.iter().map(|number| format!("{{\"id\":\"{writer}-{number}\",\"content\":\"{writer} {number}\"}}")).collect();
        let body = lines.join("\n");
        loop {
            if client.post(&body).is_ok() {
                for number in batch {
                    answered[*number] = true;
                }
                break;
            }
            failures += 1;
            if failures % 3 == 0 {
                break;
            }
        }
        done.fetch_add(batch.len(), Ordering::Relaxed);
    }
    answered
}

/// A client that keeps its connection.
struct Client {
    socket: PathBuf,
    stream: Option<UnixStream>,
}

impl Client {
    /// Waits for a sidecar to talk to: before that nothing can be lost.
    fn connect(&self) -> UnixStream {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match UnixStream::connect(&self.socket) {
                Ok(stream) => return stream,
                Err(error) => assert!(Instant::now() < deadline, "nobody answers: {error}"),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn post(&mut self, body: &str) -> std::io::Result<()> {
        // A connection that failed is not used again.
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect(),
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        let head = "POST /messages HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson";
        stream.write_all(format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while !answer.ends_with(b"}\n") {
            match stream.read(&mut buffer)? {
                0 => return Err(std::io::Error::other("no answer")),
                length => answer.extend_from_slice(&buffer[..length]),
            }
        }
        let answer = String::from_utf8(answer).map_err(std::io::Error::other)?;
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
        self.stream = Some(stream);
        Ok(())
    }
}
